"""Flattening: mixed times, inputs of sub-models, symbolic blocks, graphs in graphs, and what cannot be flattened."""

import numpy as np
import pytest
from tests.graph_examples import Chassis, quarter_truck

import twinkit as tk
from twinkit.core.errors import InvalidValueError
from twinkit.graph import Graph, Jacobi, Midpoint
from twinkit.readings.dimensions import dimension_problems
from twinkit.testing import check_component
from twinkit.testing.agreement import reading_problems
from twinkit.testing.points import random_points


class Tank(tk.Model):
    """Heated tank, in minutes."""

    time_unit = "min"
    T = tk.State("degC", initial=20.0)
    Q = tk.Input("W", default=0.0)
    tau = tk.Parameter("min", 12.0)
    gain = tk.Parameter("delta_degC/kW", 8.0)

    def equations(self, v, m):
        return {"T": (v.gain * m.convert(v.Q, "W", "kW") - (v.T - m.quantity(20.0, "degC"))) / v.tau}


class Shell(tk.Model):
    """Has a tank and passes nothing on."""

    time_unit = "min"
    tank = Tank()

    def equations(self, v, m):
        v.tank()
        return {}


class Reaction(tk.Model):
    """Decay that counts hours, with a schedule, an event and the time itself."""

    time_unit = "h"
    c = tk.State("g/L", initial=1.0)
    T = tk.Input("degC")
    n = tk.Mode("", default=1.0)
    half = tk.Parameter("delta_degC", 30.0)

    def equations(self, v, m):
        speed = v.n * m.exp((v.T - m.quantity(20.0, "degC")) / v.half) * m.quantity(1.0, "1/h")
        feed = m.quantity(0.3, "g/L/h") * m.sin(v.t / m.quantity(1.0, "h"))
        return {"c": feed - speed * v.c}

    def events(self, v, m):
        low = m.quantity(0.6, "g/L") - v.c
        return {
            "dose": tk.Schedule(at=[0.5, "40 min"], set={"c": v.c + m.quantity(1.0, "g/L")}),
            "low": tk.Event(low, set={"n": 0.1}),
        }


def controller(m, T, c):
    return 0.1 * (310.0 - T) * m.tanh(c)


def plant(unit="s", tank=None, reaction=None):
    graph = Graph(unit)
    a = graph.add("tank", tank or Shell())
    b = graph.add("reaction", reaction or Reaction())
    block = tk.Block(controller, inputs={"T": "K", "c": "g/L"}, outputs={"T": "kW"}, symbolic=True)
    c = graph.add("control", block)
    graph.connect(a.out["tank.T"], b.inp["T"])
    graph.connect(a.out["tank.T"], c.inp["T"])
    graph.connect(b.out["c"], c.inp["c"])
    graph.connect(c.out["T"], a.inp["tank.Q"])
    return graph


def test_seconds_minutes_hours_blocks_and_inputs_of_sub_models_in_one_model():
    flat = plant().flatten("Plant")
    assert flat.time_unit == "s"
    assert [entry.name for entry in flat.layout.inputs] == []
    assert dimension_problems(flat) == []
    assert reading_problems(flat, random_points(flat, 5, 0))[0] == []
    exact = tk.simulate(flat, until="50 min", rtol=1e-10)
    other = tk.simulate(plant("h").flatten("Plant"), until="50 min", rtol=1e-10)
    assert float(other["tank.tank.T"][-1]) == pytest.approx(float(exact["tank.tank.T"][-1]), rel=1e-7)
    assert [event.time / 3600 for event in exact.occurrences] == pytest.approx([e.time for e in other.occurrences])
    assert [event.name for event in exact.occurrences] == ["reaction.low", "reaction.dose", "reaction.dose"]
    found = tk.simulate(plant(), until="50 min", master=Midpoint("5 s"))
    assert [event.name for event in found.occurrences] == [event.name for event in exact.occurrences]
    assert [event.time for event in found.occurrences] == pytest.approx([e.time for e in exact.occurrences], abs=0.05)
    for ours, theirs in (("tank.tank.T", "tank.tank.T"), ("reaction.c", "reaction.c"), ("control.T", "control.T")):
        assert found[ours].values[-1] == pytest.approx(float(exact[theirs][-1]), rel=5e-4)


def test_the_co_simulation_converges_to_the_flattened_model():
    report = plant().compare("20 min", Midpoint("40 s"), halvings=3)
    assert report.shrinks
    assert report.order == pytest.approx(2.0, abs=0.2)
    assert report.worst[-1] < 2e-5


def test_a_graph_in_a_graph_is_flattened_too():
    inner = Graph()
    inner.add("tank", Tank())
    outer = Graph("min")
    whole = outer.add("plant", inner.as_component(Jacobi("5 s")))
    block = tk.Block(lambda m, T: 0.5 * (310.0 - T), inputs={"T": "K"}, outputs={"Q": "kW"}, symbolic=True)
    control = outer.add("control", block)
    outer.connect(whole.out["tank.T"], control.inp["T"])
    outer.connect(control.out["Q"], whole.inp["tank.Q"])
    flat = outer.flatten()
    assert [entry.name for entry in flat.layout.states] == ["plant.tank.T"]
    report = outer.compare("20 min", Midpoint("40 s"))
    assert report.shrinks
    assert report.order == pytest.approx(2.0, abs=0.2)


def test_a_loop_through_a_block_becomes_an_algebraic_variable():
    graph = quarter_truck()
    block = tk.Block(lambda m, y: 0.5 * y + 1.0, inputs={"y": ""}, outputs={"y": ""}, symbolic=True)
    loop = graph.add("loop", block)
    graph.connect(loop.out["y"], loop.inp["y"], guess=1.0)
    flat = graph.flatten()
    assert [entry.name for entry in flat.layout.algebraics] == ["loop_y_in"]
    assert float(tk.simulate(flat, until=0.1)["loop.y"][-1]) == pytest.approx(2.0)


def test_a_symbolic_block_is_a_block():
    block = tk.Block(controller, inputs={"T": ("K", 300.0), "c": ("g/L", 1.0)}, outputs={"Q": "kW"}, symbolic=True)
    assert check_component(block).passed
    assert block.evaluate(0.0, {})["Q"] == pytest.approx(np.tanh(1.0))
    plain = tk.Block(controller, inputs={"m": "", "T": "K", "c": "g/L"}, outputs={"Q": "kW"})
    assert plain.content_hash != block.content_hash


def test_a_block_with_vectors_and_absolute_temperatures():
    def mixed(m, T, w):
        return {"T_mean": m.dot(T, w) / m.sum(w), "T_all": T + 1.0}

    block = tk.Block(mixed, inputs={"T": ("degC", [20.0, 30.0], 2), "w": ("", [1.0, 3.0], 2)},
                     outputs={"T_mean": "degC", "T_all": ("degC", None, 2)}, symbolic=True)  # fmt: skip
    graph = Graph("min")
    node, tank = graph.add("mix", block), graph.add("tank", Tank())
    graph.add("sink", tk.Block(lambda m, T: T, inputs={"T": "K"}, outputs={"y": "K"}, symbolic=True))
    graph.connect(node.out["T_mean"], graph["sink"].inp["T"])
    flat = graph.flatten()
    assert dimension_problems(flat) == []
    found = tk.simulate(flat, until=1.0)
    assert float(found["mix.T_mean"][-1]) == 27.5
    assert found["mix.T_all"].values[-1].tolist() == [21.0, 31.0]
    assert float(found["sink.y"][-1]) == pytest.approx(300.65)
    assert tank.name == "tank"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda m, x: np.sin(x), "cannot be read symbolically"),
        (lambda m, x: m.exp(x) if x > 0 else 0.0, "use m.where"),
        (lambda m, x: float(x), "cannot be read symbolically"),
        (lambda m, x: {"z": x}, r"returned \['z'\]"),
        (lambda m: 1.0, "cannot be read symbolically"),
    ],
)
def test_a_function_that_is_not_written_over_m_is_found_when_flattening(function, words):
    graph = Graph()
    graph.add("b", tk.Block(function, inputs={"x": ("", 1.0)}, outputs={"y": ""}, symbolic=True))
    with pytest.raises(InvalidValueError, match=words):
        graph.flatten()


def test_what_has_no_equations_is_refused_and_says_what_to_do():
    graph = quarter_truck()
    graph.add("b", tk.Block(lambda x: x, inputs={"x": ("", 1.0)}, outputs={"y": ""}))
    with pytest.raises(InvalidValueError, match=r"'b' is Block\(<lambda>\): write its function over the maths m"):
        graph.flatten()
    record = tk.Replay({"z": [0.0], "w": [0.0]}, hold="previous", times=[0], units={"z": "m", "w": "m/s"})
    with pytest.raises(InvalidValueError, match="'wheel' is Replay"):
        quarter_truck().with_(wheel=record).flatten()
    assert Chassis().time_unit == "s"
