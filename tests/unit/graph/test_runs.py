"""Runs: exchange, start, rates, events, failures, sessions, and the solution that comes out."""

import threading

import numpy as np
import pytest
from tests.graph_examples import Decay, quarter_truck, three_equations

import twinkit as tk
from twinkit.core.component import StepError
from twinkit.core.errors import InvalidValueError, UnknownNameError
from twinkit.graph import Adaptive, ConnectError, GaussSeidel, GraphCheckError, Implicit, Jacobi, Midpoint, Newton

MASTERS = [Jacobi(0.01), GaussSeidel(0.01), Midpoint(0.01), Implicit(0.01), Adaptive(rtol=1e-3)]


def pair(**second):
    graph = tk.Graph()
    a, b = graph.add("a", Decay()), graph.add("b", Decay(**second))
    graph.connect(a.out["y"], b.inp["u"])
    return graph


def test_tk_simulate_runs_a_graph():
    found = tk.simulate(quarter_truck(), until="2 s", master=Midpoint("2 ms"), outputs=11, progress=True)
    assert found.time.tolist() == pytest.approx(np.linspace(0, 2, 11).tolist())
    assert found.success
    assert found["chassis.F"].attrs["units"] == "N"
    assert found.provenance["content_hash"] == quarter_truck().content_hash
    assert found.statistics["exchanges"] == 1000
    default = tk.simulate(quarter_truck(), until=0.2)
    assert default.statistics["master"] == "Adaptive"


@pytest.mark.parametrize(
    "how", [{"rtol": 1e-6}, {"solver": tk.Cvodes()}, {"initial": {"a": 1}}, {"sensitivities": ["k"]}, {"atol": 1e-9}]
)
def test_what_belongs_to_a_component_is_refused(how):
    with pytest.raises(InvalidValueError, match="a graph takes no"):
        tk.simulate(quarter_truck(), until=1.0, master=Jacobi(0.1), **how)


def test_bad_requests_are_refused():
    graph = pair()
    for wrong in (Jacobi, 3, None):
        with pytest.raises(InvalidValueError, match="a master is an object"):
            graph.open(wrong)
    with pytest.raises(InvalidValueError, match="say how to step this graph"):
        tk.simulate(graph, until=1.0)
    with pytest.raises(InvalidValueError, match="must end after it starts"):
        graph.simulate(0.0, master=Jacobi(0.1))
    for step in (0.0, -1.0, "0 s"):
        with pytest.raises(InvalidValueError):
            graph.simulate(1.0, master=Jacobi(step))
    with pytest.raises(ConnectError, match=r"b\.u is driven by a\.y"):
        graph.simulate(1.0, master=Jacobi(0.1), inputs={"b.u": 1.0})
    with pytest.raises(UnknownNameError, match=r"did you mean 'a\.u'"):
        graph.simulate(1.0, master=Jacobi(0.1), inputs={"a.v": 1.0})
    with pytest.raises(UnknownNameError, match="rates"):
        graph.simulate(1.0, master=Jacobi(0.1, rates={"c": 0.1}))
    with pytest.raises(InvalidValueError, match="missing: b"):
        graph.simulate(1.0, master=GaussSeidel(0.1, order=["a"]))
    with pytest.raises(GraphCheckError, match="no nodes"):
        tk.Graph().simulate(1.0, master=Jacobi(0.1))
    with pytest.raises(InvalidValueError):
        tk.simulate(tk.unitops.JacketedTank(), until=1.0, master=Jacobi(0.1))


def test_outputs_at_the_start_travel_before_the_first_step():
    graph = tk.Graph()
    names = ["c", "b", "a"]  # added against the flow
    nodes = {n: graph.add(n, tk.Block(lambda x: x + 1, inputs={"x": ("", 0.0)}, outputs={"y": ""})) for n in names}
    graph.connect(nodes["a"].out["y"], nodes["b"].inp["x"])
    graph.connect(nodes["b"].out["y"], nodes["c"].inp["x"])
    found = graph.simulate(1.0, master=Jacobi(1.0))
    assert [found[f"{n}.y"].data[0] for n in "abc"] == [1.0, 2.0, 3.0]
    truck = quarter_truck(initial=None).open(Jacobi(0.1), inputs={"wheel.road": 0.2})
    assert truck.outputs["chassis.F"] == 0.0


def test_each_component_keeps_its_time_unit():
    graph = tk.Graph(time_unit="s")
    slow = Decay(rate=1.0, time_unit="min")
    graph.add("a", slow)
    found = graph.simulate("2 min", master=Jacobi(30.0))
    assert slow.steps == [(0.0, 0.5), (0.5, 0.5), (1.0, 0.5), (1.5, 0.5)]
    assert found["a.y"].data[-1] == pytest.approx(np.exp(-2.0))


def test_the_last_step_is_cut_to_the_end_and_none_is_zero():
    graph, one = tk.Graph(), Decay()
    graph.add("a", one)
    found = graph.simulate(1.0, master=Jacobi(0.3))
    assert found.time.tolist() == pytest.approx([0.0, 0.3, 0.6, 0.9, 1.0])
    assert all(dt > 0 for _, dt in one.steps)
    assert one.closed == 1


@pytest.mark.parametrize("kind", [Jacobi, GaussSeidel])
def test_rates(kind):
    graph = pair()
    a, b = (graph.nodes[name].component for name in "ab")
    graph.simulate(1.0, master=kind(0.1, rates={"a": 0.05, "b": 0.4}))
    assert len(a.steps) == 20
    assert [round(dt, 9) for _, dt in b.steps] == [0.4, 0.4, 0.2]
    assert [round(t, 9) for t, _ in b.steps] == [0.0, 0.4, 0.8]


def test_the_order_of_gauss_seidel():
    def last(order):
        return pair().simulate(0.1, master=GaussSeidel(0.1, order=order))["b.y"].data[-1]

    rest = np.exp(-0.1)
    assert last(["a", "b"]) == pytest.approx(rest + (1 - rest) * rest)  # b sees what a has just given
    assert last(["b", "a"]) == pytest.approx(1.0)  # b sees a's start


def test_threads_give_the_same_bits():
    serial = quarter_truck().simulate(0.2, master=Jacobi(1e-3))
    before = threading.active_count()
    parallel = quarter_truck().simulate(0.2, master=Jacobi(1e-3, threads=2))
    assert parallel.content_hash == serial.content_hash
    assert threading.active_count() == before


@pytest.mark.parametrize("hold", ["previous", "linear"])
@pytest.mark.parametrize("master", MASTERS, ids=lambda master: type(master).__name__)
def test_a_record_is_followed_and_its_jumps_are_met(hold, master):
    graph = tk.Graph()
    record = graph.add("record", tk.Replay({"u": [1.0, 3.0, 3.0]}, hold=hold, times=[0.0, 0.505, 2], units={"u": "m"}))
    follow = graph.add("follow", tk.simulate.ModelComponent(Follow()))
    graph.connect(record.out["u"], follow.inp["u"])
    found = graph.simulate(1.0, master=master)
    assert (0.505 in found.time) == (hold == "previous") or isinstance(master, Adaptive)
    signal = tk.steps({0: 1.0, 0.505: 3.0}) if hold == "previous" else tk.ramps({0: 1.0, 0.505: 3.0, 2: 3.0})
    exact = tk.simulate(Follow(), until=1.0, inputs={"u": signal})
    tolerance = 1e-6 if hold == "previous" and not isinstance(master, Adaptive) else 0.02
    assert found["follow.x"].data[-1] == pytest.approx(float(exact["x"][-1]), abs=tolerance)


class Follow(tk.Model):
    """A first-order lag."""

    time_unit = "s"
    x = tk.State("m", initial=0.0)
    u = tk.Input("m")
    tau = tk.Parameter("s", 0.3)

    def equations(self, v, m):
        return {"x": (v.u - v.x) / v.tau}


def test_a_record_is_not_extrapolated():
    graph = tk.Graph()
    graph.add("record", tk.Replay({"u": [1.0, 3.0]}, hold="linear", times=[0.0, 1.0], units={"u": "m"}))
    with pytest.raises(StepError, match=r"record at t = 1 s: .*nothing is extrapolated"):
        graph.simulate(2.0, master=Jacobi(0.5))
    with pytest.raises(InvalidValueError, match="hold"):
        tk.Replay({"u": [1.0]}, hold="nearest", times=[0.0], units={"u": "m"})


def test_a_solution_can_be_replayed():
    first = quarter_truck().simulate(1.0, master=Midpoint(0.01))
    graph = tk.Graph()
    graph.add("again", tk.Replay(first, hold="linear", units={"chassis.z": "m"}))
    found = graph.simulate(1.0, master=Jacobi(0.01))
    assert found["again.chassis.z"].data == pytest.approx(first["chassis.z"].data)


@pytest.mark.parametrize("kind", [Jacobi, GaussSeidel])
def test_a_failure_names_component_time_and_values(kind):
    with pytest.raises(StepError, match=r"b at t = 0.5 s: ZeroDivisionError: by design \(inputs: u = ") as caught:
        pair(fail_at=0.45).simulate(1.0, master=kind(0.25))
    assert caught.value.component == "b"
    assert caught.value.time == 0.5
    assert caught.value.values["u"] == pytest.approx(np.exp(-0.5 if kind is Jacobi else -0.75))


@pytest.mark.parametrize("kind", [Jacobi, GaussSeidel])
def test_nan_is_never_passed_on(kind):
    with pytest.raises(StepError, match=r"b at t = 0\.5 s: output 'y' became nan at 0\.75") as caught:
        pair(nan_at=0.45).simulate(1.0, master=kind(0.25))
    assert caught.value.component == "b"
    graph = tk.Graph()
    graph.add("bad", tk.Block(lambda x: 1 / x, inputs={"x": ("", 0.0)}, outputs={"y": ""}))
    with pytest.raises(StepError, match="block"):
        graph.simulate(1.0, master=Jacobi(0.5))


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: type(master).__name__)
def test_a_replay_from_a_snapshot_is_bitwise_the_same(master):
    with quarter_truck().open(master) as run:
        run.advance(0.1)
        saved = run.snapshot()
        run.advance(0.3)
        first = run.solution()
        run.restore(saved)
        assert run.time == 0.1
        run.advance(0.3)
        assert run.solution().content_hash == first.content_hash
        with pytest.raises(InvalidValueError, match="goes forward"):
            run.advance(0.2)


def test_a_snapshot_needs_components_that_roll_back():
    with pair().open(Jacobi(0.1)) as run, pytest.raises(InvalidValueError, match="a, b cannot"):
        run.snapshot()


def test_a_loop_without_a_solution_fails_loudly():
    graph = tk.Graph()
    a = graph.add("a", tk.Block(lambda x: x * x + 1.0 + x, inputs={"x": ""}, outputs={"y": ""}))
    graph.connect(a.out["y"], a.inp["x"], guess=1.0)
    with pytest.raises(StepError, match=r"algebraic loop a\.y -> a\.y .* connect\(\.\.\., guess=\.\.\.\)") as caught:
        graph.simulate(1.0, master=Jacobi(1.0))
    assert caught.value.component == "a"
    graph = tk.Graph()
    a = graph.add("a", tk.Block(lambda x: x + 1.0, inputs={"x": ""}, outputs={"y": ""}))
    graph.connect(a.out["y"], a.inp["x"])
    with pytest.raises(StepError, match="is singular"):
        graph.simulate(1.0, master=Jacobi(1.0))
    with pytest.raises(InvalidValueError):
        Newton(iterations=0)


def test_an_adaptive_run_that_cannot_go_on_says_so():
    graph = tk.Graph()
    graph.add("a", tk.simulate.ModelComponent(Blow(), rtol=1e-6))
    with pytest.raises(StepError, match="a at t = "):
        graph.simulate(2.0, master=Adaptive())


class Blow(tk.Model):
    """Infinite at t = 1."""

    x = tk.State("", initial=1.0)

    def equations(self, v, m):
        return {"x": v.x * v.x}


def test_flatten_makes_a_loop_a_dae_and_keeps_every_reading():
    graph = tk.Graph()
    a, b = graph.add("a", Gain()), graph.add("b", Gain(k=0.5))
    graph.connect(a.out["y"], b.inp["u"])
    graph.connect(b.out["y"], a.inp["u"])
    flat = graph.flatten()
    assert [entry.name for entry in flat.layout.algebraics] == ["a_u"]
    found = tk.simulate(flat, until=1.0, rtol=1e-10)
    co = graph.simulate(1.0, master=Midpoint(0.01))
    assert co["a.y"].data[-1] == pytest.approx(float(found["a.y"][-1]), abs=1e-4)
    # y_a = x_a + 250 y_b / 1000 ..., at the start: y_a = 1 - 0.5 y_b, y_b = 1 - 0.5 y_a * 0.5
    assert co["a.y"].data[0] == pytest.approx(float(found["a.y"][0]), abs=1e-9)
    from twinkit.testing.agreement import reading_problems
    from twinkit.testing.points import random_points

    assert reading_problems(flat, random_points(flat, 5, 0))[0] == []


class Gain(tk.Model):
    """A lag with feedthrough; its input is in other units than its output."""

    x = tk.State("m", initial=1.0, bounds=(-10, 10))
    u = tk.Input("mm", bounds=(-1e4, 1e4))
    y = tk.Output("m")
    k = tk.Parameter("", 1.0, bounds=(0, 2))
    rate = tk.Parameter("1/s", 1.0, bounds=(0.1, 2))

    def equations(self, v, m):
        return {"x": -v.rate * v.x, "y": v.x - 0.5 * v.k * m.convert(v.u, "mm", "m")}


def test_only_models_in_one_time_unit_are_flattened():
    with pytest.raises(InvalidValueError, match="only graphs of models"):
        three_equations().flatten()
    with pytest.raises(InvalidValueError, match="identifier"):
        quarter_truck().flatten("two words")


class Through(Decay):
    """Follows its input at once, and cannot be asked to evaluate."""

    def feedthrough(self):
        return {"y": frozenset({"u"})}

    def initialize(self, t0, inputs):
        return {"y": 0.5 * inputs["u"] + 1.0}

    def step(self, t, dt, inputs):
        return {"y": 0.5 * inputs["u"] + 1.0}


def test_a_loop_through_what_cannot_evaluate_is_refused_or_one_exchange_late():
    graph = tk.Graph()
    a, b = graph.add("a", Through()), graph.add("b", Through())
    graph.connect(a.out["y"], b.inp["u"])
    graph.connect(b.out["y"], a.inp["u"])
    with pytest.raises(GraphCheckError, match=r"a, b cannot evaluate.*loops=None"):
        graph.simulate(1.0, master=Jacobi(0.5))
    found = graph.simulate(1.0, master=Jacobi(0.5, loops=None))
    assert found["a.y"].data == pytest.approx([2.0] * 3, abs=1e-9)  # settled at the start already


def test_small_inputs_count_at_the_start():
    graph = tk.Graph()
    a = graph.add("a", tk.Block(lambda x: 1e-20 * x, inputs={"x": ("", 1.0)}, outputs={"y": "m"}))
    b = graph.add("b", tk.Block(lambda y: 1e20 * y, inputs={"y": "m"}, outputs={"z": "m"}))
    graph.connect(a.out["y"], b.inp["y"])
    assert graph.simulate(1.0, master=Jacobi(1.0))["b.z"].data[0] == pytest.approx(1.0)


def test_what_a_block_closes_over_is_part_of_its_identity():
    def make(k):
        return tk.Block(lambda x: k * x, inputs={"x": ""}, outputs={"y": ""})

    assert make(1.0).content_hash == make(1.0).content_hash != make(2.0).content_hash


class BoundDecay(Decay):
    """The same on arrays."""

    def bind(self, inputs, outputs):
        def step(t, dt):
            outputs[0] = self.step(t, dt, {"u": float(inputs[0])})["y"]

        return step


@pytest.mark.parametrize("kind", [Jacobi, GaussSeidel])
@pytest.mark.parametrize("rates", [{}, {"a": 0.02}])
def test_bound_components_and_inputs_read_in_place_give_the_same_bits(kind, rates):
    def run(make):
        graph = tk.Graph()
        a, b, c = (graph.add(name, make()) for name in "abc")
        for source, target in ((a, b), (b, c), (c, a)):
            graph.connect(source.out["y"], target.inp["u"])
        return graph.simulate(1.0, master=kind(0.1, rates=rates))

    assert run(BoundDecay).content_hash == run(Decay).content_hash


def test_an_implicit_run_names_what_gave_nan():
    graph = tk.Graph()
    a = graph.add("a", tk.simulate.ModelComponent(Follow()))
    b = graph.add("b", tk.Block(lambda x: x if x < 0.5 else float("nan"), inputs={"x": "m"}, outputs={"y": "m"}))
    c = graph.add("c", tk.simulate.ModelComponent(Follow(), inputs={"u": 1.0}))
    graph.connect(c.out["x"], b.inp["x"])
    graph.connect(b.out["y"], a.inp["u"])
    with pytest.raises(StepError, match=r"b at t = .*output 'y' became nan"):
        graph.simulate(1.0, master=Implicit(0.01))
    with pytest.raises(StepError, match=r"b at t = .*output 'y' became nan"):
        graph.simulate(1.0, master=Adaptive())
