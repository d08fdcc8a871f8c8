"""What jumps in a graph: discrete ports, schedules, the end of a run; and runs that break off."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.component import Causality, Port, StepError, Variability
from twinkit.core.errors import InvalidValueError
from twinkit.graph import Adaptive, GaussSeidel, Graph, Implicit, Jacobi, Midpoint


class Level(tk.Model):
    """Integrates its inflow."""

    time_unit = "h"
    x = tk.State("kg", initial=0.0)
    u = tk.Input("kg/h", default=0.0)

    def equations(self, v, m):
        return {"x": v.u}


class Dosed(tk.Model):
    """Follows its input, and gets a dose now and then."""

    time_unit = "h"
    x = tk.State("g", initial=1.0, shape=2)
    u = tk.Input("g", default=[0.0, 0.0], shape=2)
    k = tk.Parameter("1/h", 1.0)
    y = tk.Output("g", shape=2)

    def equations(self, v, m):
        return {"x": v.k * (v.u - v.x), "y": v.x + 0.1 * v.u}

    def events(self, v, m):
        return {"dose": tk.Schedule(every="0.7 h", start="0.7 h", set={"x": v.x + m.quantity(0.3, "g")})}


def ring():
    graph = Graph("min")
    a, b = graph.add("a", Dosed()), graph.add("b", Dosed(k=3.0))
    graph.connect(a.out["y"], b.inp["u"])
    graph.connect(b.out["y"], a.inp["u"])
    return graph


class Ticker:
    """Gives the time, the number of steps it has taken, and, in turn, 0 and 1; takes the time that another gives."""

    time_unit = "s"
    stateless = False

    def __init__(self, variability=Variability.CONTINUOUS, takes=Variability.CONTINUOUS):
        self.inputs = {"u": Port("u", "s", Causality.INPUT, default=0.0, variability=takes)}
        self.outputs = {
            "t": Port("t", "s", Causality.OUTPUT, variability=variability),
            "n": Port("n", "", Causality.OUTPUT, variability=Variability.DISCRETE),
        }
        self.seen, self.n = [], 0

    def initialize(self, t0, inputs):
        self.seen, self.n = [], 0
        return {"t": t0, "n": 0.0}

    def step(self, t, dt, inputs):
        self.seen = [*self.seen, (t, inputs["u"])]
        self.n += 1
        return {"t": t + dt, "n": float(self.n)}

    def snapshot(self):
        return self.seen, self.n

    def restore(self, state):
        self.seen, self.n = state

    def close(self):
        pass


EVERY = [
    Jacobi(0.25), GaussSeidel(0.25), GaussSeidel(0.25, order=["b", "a"]), Midpoint(0.25), Implicit(0.25), Adaptive(),
    Jacobi(0.25, threads=2), Jacobi(0.25, rates={"a": 0.05, "b": 0.5}), GaussSeidel(0.25, rates={"a": 0.05}),
    GaussSeidel(0.25, rates={"a": 0.5, "b": 0.05}), GaussSeidel(0.25, rates={"b": 0.5}),
]  # fmt: skip


def name_of(master):
    return f"{type(master).__name__} {dict(getattr(master, 'rates', {}))} {getattr(master, 'order', '')}"


@pytest.mark.parametrize("side", ["output", "input"])
@pytest.mark.parametrize("master", EVERY, ids=name_of)
def test_a_discrete_port_passes_on_what_there_is_at_the_start_of_a_step(master, side):
    kinds = (Variability.DISCRETE, Variability.CONTINUOUS)
    a, b = (Ticker(kinds[0]), Ticker()) if side == "output" else (Ticker(), Ticker(takes=kinds[0]))
    graph = Graph()
    one, two = graph.add("a", a), graph.add("b", b)
    graph.connect(one.out["t"], two.inp["u"])
    graph.simulate(3.0, master=master)
    slow = dict(getattr(master, "rates", {})).get("a", 0.0) > 0.25
    begins = sorted({t for t, _ in b.seen})
    assert begins[0] == 0.0
    for t, u in b.seen:
        assert u <= t + 1e-12, "nothing is known before it is there"
        fast = dict(getattr(master, "rates", {})).get("b", 1.0) < 0.25
        assert slow or fast or u == pytest.approx(t, abs=1e-12)


def test_continuous_values_are_still_averaged_and_the_newest():
    for master, u in ((GaussSeidel(0.25), 0.5), (Midpoint(0.25), 0.375), (Jacobi(0.25), 0.25)):
        graph, b = Graph(), Ticker()
        one, two = graph.add("a", Ticker()), graph.add("b", b)
        graph.connect(one.out["t"], two.inp["u"])
        graph.simulate(1.0, master=master)
        assert b.seen[1] == (0.25, u)


def test_a_count_does_not_stop_an_adaptive_run():
    graph = Graph()
    graph.add("a", Ticker())
    graph.add("level", Level())
    found = graph.simulate(10.0, master=Adaptive(), inputs={"level.u": 2.0})
    assert found["level.x"].values[-1] == pytest.approx(20.0 / 3600.0)
    assert found.statistics.get("rejected", 0) == 0
    assert found["a.n"].values[-1] == found.statistics["exchanges"]


@pytest.mark.parametrize("master", [Midpoint(0.25), Midpoint(0.25, iterations=3), Implicit(0.25), Adaptive()], ids=repr)
def test_a_jump_that_comes_through_a_block_is_not_averaged(master):
    graph = Graph("h")
    twice = graph.add("twice", tk.Block(lambda s: 2 * s, inputs={"s": ("kg/h", 0.0)}, outputs={"q": "kg/h"}))
    level = graph.add("level", Level())
    graph.connect(twice.out["q"], level.inp["u"])
    found = graph.simulate(2.0, master=master, inputs={"twice.s": tk.steps({0: 1.0, 1: 3.0, "1.5 h": 0.0})})
    assert found["level.x"].values[-1] == pytest.approx(2 * (1.0 + 1.5), abs=1e-9)
    assert found.statistics["exchanges"] <= 16
    at = np.searchsorted(found.time, 1.0)
    assert found["twice.q"].values[at] == 6.0, "what is recorded at a jump is the value after it"


@pytest.mark.parametrize("kind", [Midpoint, Implicit])
def test_the_order_is_two_across_scheduled_jumps(kind):
    exact = tk.simulate(ring().flatten(), until=120.0, rtol=1e-11)
    errors = [
        np.max(np.abs(tk.simulate(ring(), until=120.0, master=kind(step))["a.x"].values[-1] - exact["a.x"].values[-1]))
        for step in (2.0, 1.0, 0.5)
    ]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(orders > 1.9), (errors, orders)


@pytest.mark.parametrize(
    "master", [Jacobi(0.5), GaussSeidel(0.3), Midpoint(0.5), Implicit(0.5), Adaptive(), Jacobi(0.5, rates={"d": 0.2})],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
@pytest.mark.parametrize("unit", ["h", "min"])
def test_what_is_scheduled_for_the_end_of_a_run_is_left_out_as_for_a_model(master, unit):
    graph = Graph(unit)
    graph.add("d", Dosed())
    plain = tk.simulate(Dosed(), until="1.4 h")
    found = graph.simulate("1.4 h", master=master)
    assert len(found.occurrences) == len(plain.occurrences) == 1
    np.testing.assert_allclose(found["d.x"].values[-1], plain["x"].values[-1], rtol=1e-6)
    assert found.time[-1] == tk.core.units.as_number("1.4 h", unit, "until")
    assert np.all(np.diff(found.time) > 0.0)


def test_a_session_does_once_what_is_scheduled_between_two_stretches():
    graph = Graph()
    graph.add("d", Dosed())
    with graph.open(Midpoint(0.1)) as run:
        run.advance("1.4 h")
        assert len(run.solution().occurrences) == 2
        run.advance("2 h")
        assert len(run.solution().occurrences) == 2


def test_a_run_that_has_failed_goes_no_further_until_it_is_rolled_back():
    def late(x):
        return 1.0 / max(0.0, 1.0 - x)

    graph = Graph("h")
    level = graph.add("level", Level(u=1.0))
    fails = graph.add("fails", tk.Block(late, inputs={"x": "kg"}, outputs={"y": "kg**-1"}))
    graph.connect(level.out["x"], fails.inp["x"])
    with graph.open(Midpoint(0.25)) as run:
        run.advance(0.5)
        saved = run.snapshot()
        with pytest.raises(StepError, match="ZeroDivisionError"):
            run.advance(2.0)
        for again in (lambda: run.advance(2.5), run.snapshot):
            with pytest.raises(InvalidValueError, match=r"the run has failed .*restore a snapshot"):
                again()
        assert not run.solution().success
        run.restore(saved)
        run.advance(0.75)
        assert run.solution().success
        assert run.outputs["level.x"] == pytest.approx(0.75)


def test_an_interrupt_keeps_what_was_reached_and_ends_the_run():
    class Interrupted(Ticker):
        def step(self, t, dt, inputs):
            if t > 2.9:
                raise KeyboardInterrupt
            return super().step(t, dt, inputs)

    graph = Graph()
    graph.add("a", Interrupted())
    with graph.open(Jacobi(1.0)) as run:
        with pytest.raises(KeyboardInterrupt):
            run.advance(10.0)
        assert run.time == 3.0
        assert run.solution()["a.t"].values.tolist() == [0.0, 1.0, 2.0, 3.0]
        with pytest.raises(InvalidValueError, match="interrupted by KeyboardInterrupt"):
            run.advance(10.0)


def test_two_runs_do_not_share_components():
    graph = ring()
    with graph.open(Jacobi(5.0)) as first:
        first.advance(30.0)
        saved = first.snapshot()
        other = graph.with_(b=Dosed())
        with other.open(Jacobi(5.0)) as second:
            second.advance(10.0)
            for again in (lambda: first.advance(60.0), first.snapshot, lambda: first.restore(saved)):
                with pytest.raises(InvalidValueError, match=r"another run .* same components \(a\)"):
                    again()
    inner, outer = ring(), Graph("min")
    outer.add("inside", inner.as_component(Jacobi(5.0)))
    with outer.open(Jacobi(5.0)) as run:
        run.advance(10.0)
        inner.simulate(10.0, master=Jacobi(5.0))
        with pytest.raises(StepError, match="inside at t = 10 min: another run"):
            run.advance(20.0)


@pytest.mark.parametrize(
    "wrong", [lambda: Jacobi(1.0, threads=0), lambda: Jacobi(1.0, threads=-1), lambda: Midpoint(1.0, iterations=1.5),
              lambda: Adaptive(iterations=0), lambda: Jacobi(1.0, threads=True)],
)  # fmt: skip
def test_counts_are_whole_and_positive(wrong):
    with pytest.raises(InvalidValueError):
        wrong()


def test_initial_values_are_part_of_the_identity_of_a_model_in_a_graph():
    hashes = {tk.ModelComponent(Dosed(), initial=how).content_hash for how in (None, {"x": [1.0, 2.0]}, {"x": [2, 1]})}
    assert len(hashes) == 3
    assert tk.ModelComponent(Dosed()).content_hash == tk.ModelComponent(Dosed()).content_hash
