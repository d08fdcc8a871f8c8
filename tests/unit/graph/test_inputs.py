"""Inputs of a graph over time: what a model accepts, a graph accepts, with the same checks."""

import numpy as np
import pytest
from tests.graph_examples import Decay

import twinkit as tk
from twinkit.core.component import StepError
from twinkit.core.errors import InvalidValueError, ShapeError, UnitError, UnknownNameError
from twinkit.graph import Adaptive, GaussSeidel, Graph, Implicit, Jacobi, Midpoint


class Follow(tk.Model):
    """A first-order lag."""

    time_unit = "s"
    x = tk.State("m", initial=0.0)
    u = tk.Input("m")
    tau = tk.Parameter("s", 0.3)

    def equations(self, v, m):
        return {"x": (v.u - v.x) / v.tau}


def follow(time_unit=None):
    graph = Graph(time_unit)
    graph.add("f", tk.simulate.ModelComponent(Follow(), rtol=1e-10))
    return graph


STEPS = tk.steps({0: 1.0, "0.333 s": "3000 mm", 0.7: 2.0})
RAMPS = tk.ramps({0: 1.0, 0.333: 3.0, 2: 3.0})


def wave(t):
    return 1.0 + np.sin(3.0 * t)


MASTERS = [Jacobi(0.01), GaussSeidel(0.01), Midpoint(0.01), Implicit(0.01), Adaptive()]


@pytest.mark.parametrize("master", MASTERS, ids=lambda m: type(m).__name__)
def test_steps_are_met_exactly(master):
    times = [0.0, 0.333, 0.5, 0.7, 1.0]
    exact = tk.simulate(Follow(), until=1.0, inputs={"u": STEPS}, outputs=times, rtol=1e-11)
    found = tk.simulate(follow(), until=1.0, inputs={"f.u": STEPS}, master=master)
    assert {0.333, 0.7} <= set(found.time)
    assert found["f.x"].values[-1] == pytest.approx(float(exact["x"][-1]), abs=1e-9)
    chosen = tk.simulate(follow(), until=1.0, inputs={"f.u": STEPS}, master=master, outputs=times)
    tolerance = 2e-4 if not isinstance(master, Adaptive) else 1e-9  # linear between exchanges
    assert chosen["f.x"].values == pytest.approx(exact["x"].values, abs=tolerance)
    assert chosen["f.u"].values.tolist() == [1.0, 3.0, 3.0, 2.0, 2.0]
    assert chosen.trace("f.u").kind == "input"
    assert chosen.trace("f.u").held
    assert "f.u" in found.status.state


@pytest.mark.parametrize("signal", [RAMPS, wave], ids=["ramps", "function"])
@pytest.mark.parametrize(("kind", "order"), [(Jacobi, 1), (GaussSeidel, 1), (Midpoint, 2), (Implicit, 2)])
def test_what_is_continuous_converges_in_the_order_of_the_master(signal, kind, order):
    exact = float(tk.simulate(Follow(), until=1.0, inputs={"u": signal}, rtol=1e-11)["x"][-1])
    errors = [abs(tk.simulate(follow(), until=1.0, inputs={"f.u": signal}, master=kind(step))["f.x"].values[-1] - exact)
              for step in (0.02, 0.01)]  # fmt: skip
    assert errors[1] < (0.02 if order == 1 else 3e-4)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


def test_times_are_in_the_unit_of_the_graph_and_units_are_checked():
    found = tk.simulate(follow("min"), until="1 s", inputs={"f.u": tk.steps({0: "1 m", 0.005: 3.0})},
                        master=Midpoint("0.1 s"))  # fmt: skip
    exact = tk.simulate(Follow(), until=1.0, inputs={"u": tk.steps({0: 1.0, 0.3: 3.0})}, rtol=1e-11)
    assert found["f.x"].values[-1] == pytest.approx(float(exact["x"][-1]), abs=1e-9)
    graph = follow()
    for wrong, kind, words in (
        (tk.steps({0: "1 kg"}), UnitError, "cannot be converted"),
        (tk.steps({0: float("nan")}), InvalidValueError, "NaN"),
        (tk.steps({0: [1.0, 2.0]}), ShapeError, "single value"),
        (tk.steps({0.5: 1.0}), tk.SimulationError, "starts at 0.5 s, after the run does"),
        (tk.ramps({0: 1.0, 0.5: 1.0}), tk.SimulationError, "before the run does"),
        (tk.steps([(0.0, 1.0), (0.0, 2.0)]), InvalidValueError, "increase strictly"),
        (lambda t: "1 kg", StepError, "cannot be converted"),
        (lambda t: float("inf") if t > 0.4 else 1.0, StepError, r"f\.u at t = 0\.4 s: .*finite"),
    ):
        with pytest.raises(kind, match=words):
            tk.simulate(graph, until=1.0, inputs={"f.u": wrong}, master=Jacobi(0.1))
    with pytest.raises(InvalidValueError, match=r"f\.u is given None"):
        tk.simulate(graph, until=1.0, inputs={"f.u": None}, master=Jacobi(0.1))
    with pytest.raises(UnknownNameError, match=r"did you mean 'f\.u'"):
        tk.simulate(graph, until=1.0, inputs={"f.v": STEPS}, master=Jacobi(0.1))


def test_a_vector_and_several_inputs_with_edges_among_them():
    graph = Graph()
    total = graph.add("total", tk.Block(lambda x, k: k * np.sum(x), inputs={"x": ("m", None, 3), "k": ("", 1.0)},
                                        outputs={"y": "m"}))  # fmt: skip
    lag = graph.add("lag", tk.simulate.ModelComponent(Follow()))
    graph.connect(total.out["y"], lag.inp["u"])
    inputs = {"total.x": tk.steps({0: [1.0, 2.0, 3.0], 0.25: [0.0, 0.0, 1.0]}), "total.k": tk.ramps({0: 1, 1: 3})}
    for master in (Midpoint(0.05), GaussSeidel(0.05, order=["total", "lag"]), Jacobi(0.05, rates={"lag": 0.01})):
        found = tk.simulate(graph, until=1.0, inputs=inputs, master=master)
        row = int(np.searchsorted(found.time, 0.2))
        assert found["total.x"].values[row].tolist() == [1.0, 2.0, 3.0]
        assert found["total.y"].values[row] == pytest.approx(6.0 * 1.4)
        assert found["total.y"].values[-1] == pytest.approx(3.0)
    assert "total.k" not in graph.nodes
    assert found.provenance["inputs"]["total.k"].startswith("Ramps of 2 points, ")


def test_a_session_ends_with_its_ramp_and_rolls_back():
    with follow().open(Jacobi(0.1), inputs={"f.u": tk.ramps({0: 1.0, 0.5: 2.0})}) as run:
        run.advance(0.3)
        saved = run.snapshot()
        run.advance(0.5)
        first = run.solution().content_hash
        run.restore(saved)
        run.advance(0.5)
        assert run.solution().content_hash == first
        assert "f.u" not in run.outputs
        with pytest.raises(StepError, match=r"f\.u at t = 0\.5 s: the input ends at 0\.5 s"):
            run.advance(1.0)


def test_components_that_cannot_roll_back_take_varying_inputs_too():
    graph = Graph()
    graph.add("a", Decay())
    found = tk.simulate(graph, until=1.0, inputs={"a.u": tk.steps({0: 0.0, 0.5: 1.0})}, master=Jacobi(0.2))
    assert 0.5 in found.time
    assert found["a.y"].values[-1] == pytest.approx(1.0 - (1.0 - np.exp(-0.5)) * np.exp(-0.5))
