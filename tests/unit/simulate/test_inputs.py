"""Inputs over time: what is accepted, what it means, what is refused."""

import math

import numpy as np
import pandas as pd
import pytest

import twinkit as tk

pytestmark = pytest.mark.component


class Sink(tk.Model):
    """Integrates its inputs."""

    time_unit = "min"
    x = tk.State("L", 0.0, doc="collected")
    w = tk.State("L", 0.0, shape=2, doc="collected twice")
    F = tk.Input("L/min", 0.0, bounds=(0, 10), doc="feed")
    G = tk.Input("L/min", 0.0, shape=2, doc="two feeds")
    T = tk.Input("degC", 20.0, doc="temperature")

    def equations(self, v, m):
        return {"x": v.F, "w": v.G}


class Needs(tk.Model):
    """An input without a default."""

    x = tk.State("", 0.0)
    needed = tk.Input("1/s")

    def equations(self, v, m):
        return {"x": v.needed}


def run(until=10.0, solver=None, **inputs):
    return tk.simulate(Sink(), until, inputs=inputs, outputs=21, solver=solver)


def end(solution, name="x"):
    return solution[name].values[-1]


@pytest.mark.parametrize("value", [2, 2.0, "2 L/min", "120 L/h", np.float64(2), lambda t: 2.0, lambda t: "2 L/min"])
def test_constant_inputs(value):
    assert end(run(F=value)) == pytest.approx(20.0, rel=1e-9)


def test_quantities():
    assert end(run(F=tk.units.Quantity(7200.0, "mL/h"))) == pytest.approx(1.2, rel=1e-9)
    assert end(run(F=lambda t: tk.units.Quantity(0.1, "L/s"))) == pytest.approx(60.0, rel=1e-9)


@pytest.mark.parametrize(
    "points",
    [
        {0: 1.0, 4: 3.0},
        {"0 min": "1 L/min", "240 s": "180 L/h"},
        [(0, 1.0), (4, 3.0)],
        ([0, 4], [1.0, 3.0]),
        (np.array([0.0, 4.0]), np.array([1.0, 3.0])),
        pd.Series([1.0, 3.0], index=[0.0, 4.0]),
        {-5: 9.0, 0: 1.0, 4: 3.0, 50: 7.0},
    ],
    ids=["dict", "texts", "pairs", "lists", "arrays", "series", "beyond"],
)
def test_steps_hold_each_value(points):
    solution = run(F=tk.steps(points))
    assert end(solution) == pytest.approx(4.0 + 18.0, rel=1e-9)
    assert solution.at(np.nextafter(4, 0))["F"].values.tolist() == [1.0]
    assert solution.at(4.0)["F"].values.tolist() == [3.0]
    assert solution.trace("F").held
    assert np.count_nonzero(solution.time == 4.0) == 2


def test_ramps_are_linear():
    solution = run(F=tk.ramps({0: 0.0, 4: 4.0, "10 min": 1.0}))
    assert end(solution) == pytest.approx(8.0 + 15.0, rel=1e-7)
    assert solution.at(2.0)["F"].values == pytest.approx([2.0])
    assert not solution.trace("F").held
    assert end(run(F=tk.ramps({0: 0.0, 4: 4.0}, hold_last=True))) == pytest.approx(8.0 + 24.0, rel=1e-7)


def test_functions_of_time():
    assert end(run(F=lambda t: 5 + 5 * math.sin(t))) == pytest.approx(50 + 5 * (1 - math.cos(10)), rel=2e-6)
    assert end(run(F=lambda t: abs(t - 3.0))) == pytest.approx(4.5 + 24.5, rel=1e-7)


def test_vector_inputs():
    assert end(run(G=[1.0, 2.0]), "w") == pytest.approx([10.0, 20.0])
    assert end(run(G=3.0), "w") == pytest.approx([30.0, 30.0])
    stepped = run(G=tk.steps({0: [1.0, 2.0], 5: [0.0, 4.0]}))
    assert end(stepped, "w") == pytest.approx([5.0, 30.0])
    assert stepped["G"].shape == (len(stepped.time), 2)
    assert end(run(G=tk.ramps({0: [0, 0], 10: [1, 2]})), "w") == pytest.approx([5.0, 10.0])
    assert end(run(G=lambda t: np.array([t, 2 * t])), "w") == pytest.approx([50.0, 100.0])


def test_two_inputs_with_different_knots():
    solution = run(F=tk.steps({0: 1, 3: 2, 7: 3}), G=tk.ramps({0: [0, 0], 2: [4, 2], 10: [0, 2]}))
    assert end(solution) == pytest.approx(3 + 8 + 9)
    assert end(solution, "w") == pytest.approx([4 + 16, 2 + 16])


def test_offset_temperatures_are_converted():
    assert run(T="300 K")["T"].values[0] == pytest.approx(26.85)


def test_an_input_of_the_model_is_used_when_none_is_given():
    assert end(tk.simulate(Sink(F=3.0), 10.0)) == pytest.approx(30.0)
    assert end(tk.simulate(Sink(F=3.0), 10.0, inputs={"F": 1.0})) == pytest.approx(10.0)


TABLE = "say what happens between the points: tk.steps"
WRONG = {
    "a table without hold semantics": ({"F": [(0, 1), (5, 2)]}, tk.InvalidValueError, TABLE),
    "a dict without hold semantics": ({"F": {0: 1, 5: 2}}, tk.InvalidValueError, TABLE),
    "unknown input": ({"f": 1.0}, tk.UnknownNameError, "no input 'f': did you mean 'F'"),
    "a state": ({"x": 1.0}, tk.UnknownNameError, "no input 'x'"),
    "wrong unit": ({"F": "2 kg"}, tk.UnitError, "input 'F' is declared in 'L/min'"),
    "wrong unit in steps": ({"F": tk.steps({0: "2 kg"})}, tk.UnitError, "input 'F'"),
    "wrong unit of time": ({"F": tk.steps({"0 kg": 2})}, tk.UnitError, "a time of input 'F'"),
    "NaN": ({"F": math.nan}, tk.InvalidValueError, "input 'F' must be finite"),
    "NaN in steps": ({"F": tk.steps({0: 1.0, 2: math.nan})}, tk.InvalidValueError, "input 'F' must be finite"),
    "NaN time": ({"F": tk.steps([(0, 1.0), (math.nan, 2)])}, tk.InvalidValueError, "a time of input 'F'"),
    "infinite": ({"F": tk.ramps({0: 1.0, 10: math.inf})}, tk.InvalidValueError, "input 'F' must be finite"),
    "below the bounds": ({"F": -1.0}, tk.BoundsError, r"input 'F' must be within \[0, 10\]"),
    "above the bounds in ramps": ({"F": tk.ramps({0: 1, 10: 11})}, tk.BoundsError, "but is 11"),
    "below the bounds in a function": ({"F": lambda t: 1 - t}, tk.BoundsError, "input 'F' at t ="),
    "a function with NaN": ({"F": lambda t: math.nan if t > 5 else 1.0}, tk.InvalidValueError, "at t ="),
    "a function with a wrong unit": ({"F": lambda t: "1 kg"}, tk.UnitError, "input 'F' at t = 0"),
    "a function of wrong shape": ({"F": lambda t: [1.0, 2.0]}, tk.ShapeError, "input 'F' at t ="),
    "a discontinuous function": (
        {"F": lambda t: 1.0 if t < 3.3 else 2.0},
        tk.SimulationError,
        "near t = 3.3.*tk.steps",
    ),
    "ramps that end": ({"F": tk.ramps({0: 1, 5: 2})}, tk.SimulationError, "ends at 5 min, before the run does"),
    "steps that start late": ({"F": tk.steps({1: 1, 5: 2})}, tk.SimulationError, "starts at 1 min, after the run does"),
    "ramps that start late": ({"F": tk.ramps({1: 1, 50: 2})}, tk.SimulationError, "starts at 1 min"),
    "times that go back": ({"F": tk.steps([(0, 1), (5, 2), (4, 3)])}, tk.InvalidValueError, "increase strictly"),
    "a time twice": ({"F": tk.steps([(0, 1), (5, 2), ("5 min", 3)])}, tk.InvalidValueError, "increase strictly"),
    "a wrong length": ({"G": [1.0, 2.0, 3.0]}, tk.ShapeError, "input 'G'"),
    "an array for a scalar": ({"F": np.array([1.0, 2.0])}, tk.TwinkitError, "input 'F'"),
    "a boolean": ({"F": True}, tk.InvalidValueError, "input 'F'"),
    "nothing": ({"F": None}, tk.InvalidValueError, "input 'F'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_are_refused_before_anything_runs(case):
    inputs, error, words = WRONG[case]
    with pytest.raises(error, match=words):
        run(**inputs)


@pytest.mark.parametrize("make", [tk.steps, tk.ramps])
@pytest.mark.parametrize(
    ("points", "error"),
    [
        ({}, tk.InvalidValueError),
        ([], tk.InvalidValueError),
        ([(1, 2, 3)], tk.ShapeError),
        (([0, 1], [1]), tk.ShapeError),
    ],
)
def test_wrong_points(make, points, error):
    with pytest.raises(error):
        make(points)


def test_a_missing_input_is_named():
    with pytest.raises(tk.SimulationError, match="no value for input 'needed': pass inputs="):
        tk.simulate(Needs(), 1.0)
    assert float(tk.simulate(Needs(), 2.0, inputs={"needed": 3.0})["x"][-1]) == pytest.approx(6.0)


def test_a_run_may_start_later():
    solution = tk.simulate(Sink(), "20 min", start="5 min", inputs={"F": tk.steps({0: 1, 10: 2})})
    assert (solution.time[0], solution.time[-1]) == (5.0, 20.0)
    assert end(solution) == pytest.approx(5 + 20)


def test_a_narrow_pulse_between_outputs_is_not_missed():
    solution = tk.simulate(Sink(), 1000.0, inputs={"F": tk.steps({0: 0, 500.1: 10, 500.2: 0})}, outputs=3)
    assert end(solution) == pytest.approx(1.0, rel=1e-6)
