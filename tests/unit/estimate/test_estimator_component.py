"""The estimator in a graph: sampled, late, with the inputs of then."""

import math

import numpy as np
import pytest

import twinkit as tk
from twinkit.core import InvalidValueError, StepError, UnknownNameError
from twinkit.estimate import EstimatorComponent, ExtendedKalmanFilter, HeldInputs, Sensor

pytestmark = pytest.mark.component


class Pair(tk.Model):
    """A turns into B; A is fed."""

    time_unit = "h"
    a = tk.State("g/L", initial=10.0, bounds=(0, None), doc="A")
    b = tk.State("g/L", initial=0.0, bounds=(0, None), doc="B")
    k = tk.Parameter("1/h", 0.5, bounds=(0.1, 5), doc="rate")
    F = tk.Input("g/L/h", default=0.0, doc="feed")
    ratio = tk.Output("", doc="B over all")

    def equations(self, v, m):
        return {"a": v.F - v.k * v.a, "b": v.k * v.a, "ratio": v.b / (v.a + v.b)}


FEED = {"F": [0.0, 2.0, 0.0]}


def ekf(**changes):
    sensors = [Sensor("b", 0.1, **{"delay": "2 h", "every": "1 h", **changes})]
    return ExtendedKalmanFilter(Pair(), sensors, {"a": 3.0}, {"a": 0.1})


def run(component, master, until="10 h"):
    graph = tk.Graph()
    feed = graph.add("feed", tk.Replay(FEED, times=[0, 3, 6], hold="previous", units={"F": "g/L/h"}, time_unit="h"))
    plant = graph.add("plant", tk.ModelComponent(Pair(a=13.0), solver=tk.Cvodes()))
    twin = graph.add("twin", component)
    for target in (plant, twin):
        graph.connect(feed.out["F"], target.inp["F"])
    graph.connect(plant.out["b"], twin.inp["b"])
    return graph.simulate(until, master=master)


MASTERS = {
    "jacobi": tk.graph.Jacobi("15 min"), "gauss-seidel": tk.graph.GaussSeidel("15 min"),
    "gauss-seidel, plant last": tk.graph.GaussSeidel("15 min", order=["twin", "feed", "plant"]),
    "own steps": tk.graph.GaussSeidel("15 min", rates={"plant": "5 min"}),
    "midpoint": tk.graph.Midpoint("15 min"), "implicit": tk.graph.Implicit("15 min"),
    "adaptive": tk.graph.Adaptive(rtol=1e-4),
}  # fmt: skip


@pytest.mark.parametrize("master", MASTERS.values(), ids=MASTERS)
def test_a_delayed_sensor_in_a_graph_is_applied_at_its_own_time(master):
    component = EstimatorComponent(ekf())
    solution = run(component, master)
    twin = component.estimator
    assert twin.counts.received == twin.counts.used == 9  # one an hour, two hours late
    assert solution["twin.a"].values[-1] == pytest.approx(solution["plant.a"].values[-1], abs=1e-3)
    assert all(abs(reading.innovation) < 0.02 for reading in twin.history.readings[3:])
    # The same, outside a graph, in order and in time.
    fed = ExtendedKalmanFilter(
        Pair(), [Sensor("b", 0.1)], {"a": 3.0}, {"a": 0.1}, inputs={"F": tk.steps({0: 0.0, 3: 2.0, 6: 0.0})}
    )
    readings = [tk.Measurement("b", r.value, "g/L", r.time) for r in twin.history.readings]
    expected = fed.predict(fed.history(readings)[-1], 10.0)
    np.testing.assert_allclose(twin.estimate.vector, expected.vector, rtol=1e-9)
    assert solution["twin.std(a)"].values[-1] == pytest.approx(expected.std["a"], rel=1e-6)


def test_a_reading_that_has_not_arrived_changes_nothing():
    component = EstimatorComponent(ekf())
    begin = component.initialize(0.0, {"b": 7.0})
    assert begin["std(a)"] == 3.0
    for k in range(7):
        last = component.step(0.25 * k, 0.25, {"b": 7.0})
    assert component.estimator.counts.received == 0
    assert last["std(a)"] > 1.0
    arrived = component.step(1.75, 0.25, {"b": 7.0})
    assert component.estimator.counts.received == 1
    assert component.estimator.history.readings[0].time == 0.0
    assert arrived["std(b)"] < last["std(b)"] + 1.0
    assert component.next_event(0.25) == 1.0
    assert component.next_event(1.0) == 2.0


def test_quality_and_standard_deviation_come_at_ports():
    component = EstimatorComponent(ekf(delay=0, every=None), outputs=["ratio", "b"])
    assert list(component.outputs) == ["ratio", "std(ratio)", "b", "std(b)"]
    component.initialize(0.0, {"b": 0.0})
    component.step(0.0, 1.0, {"b": 0.5, "quality(b)": 2.0})
    component.step(1.0, 1.0, {"b": math.nan})
    component.step(2.0, 1.0, {"b": 6.0, "std(b)": 0.7, "quality(b)": 1.0})
    readings = component.estimator.history.readings
    assert [reading.quality.value for reading in readings] == ["bad", "bad", "uncertain"]
    assert readings[2].std == pytest.approx(1.4)
    assert "the port gave nan" in readings[1].reason


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"b": 1.0, "quality(b)": 0.5}, "a quality is 0 good"),
        ({"b": 1.0, "std(b)": -1.0}, "must be positive"),
        ({"b": 1.0, "F": math.nan}, "must be finite"),
        ({}, "input 'b' has neither a value nor a default"),
    ],
)
def test_a_step_that_fails_leaves_the_component_as_it_was(inputs, message):
    component = EstimatorComponent(ekf(delay=0, every=None))
    component.initialize(0.0, {"b": 0.0})
    component.step(0.0, 1.0, {"b": 3.0})
    before = component.snapshot()
    with pytest.raises(StepError, match=message):
        component.step(1.0, 1.0, {"F": 1.0, **inputs})
    expected = component.step(1.0, 1.0, {"b": 6.0})
    component.restore(before)
    assert component.step(1.0, 1.0, {"b": 6.0}) == expected


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'ratio'"):
        EstimatorComponent(ekf(), outputs=["ration"])
    with pytest.raises(InvalidValueError, match="needs a filter"):
        EstimatorComponent(Pair())
    with pytest.raises(InvalidValueError, match="lag"):
        EstimatorComponent(ekf(), lag=-1)
    with pytest.raises(InvalidValueError, match="both a sensor's tag and an input"):
        EstimatorComponent(ekf(tag="F"))
    component = tk.EKF(Pair(), [Sensor("b", 0.1)], initial_std={"a": 1.0}, lag="3 h").component(outputs=["a"])
    with pytest.raises(StepError, match="initialize comes first"):
        component.step(0.0, 1.0, {"b": 1.0})
    component.initialize(0.0, {"b": 0.0})
    assert component.estimator.lag == 3.0
    with pytest.raises(StepError, match="goes forward"):
        component.step(0.0, 0.0, {"b": 1.0})
    with pytest.raises(InvalidValueError, match="restore takes"):
        component.restore(3)


def test_held_inputs_remember_and_forget():
    held = HeldInputs(Pair())
    assert held.polynomial
    assert held.at(-5.0) == 0.0
    held.tell(0.0, np.array([1.0]))
    held.tell(2.0, np.array([1.0]))  # the same: no new piece
    held.tell(3.0, np.array([2.0]))
    assert held.breaks(0.0, 5.0) == [3.0, 5.0]
    assert held.breaks(3.0, 5.0) == [5.0]
    assert held.at(3.0) == 2.0
    assert held.piece(1.0, 1.0).tolist() == [[1.0, 0.0, 0.0, 0.0]]
    mark = held.mark()
    held.tell(3.0, np.array([9.0]))
    held.tell(4.0, np.array([5.0]))
    held.back(mark)
    assert held.at(9.0) == 2.0
    held.forget(3.5)
    with pytest.raises(tk.SimulationError, match="forgotten"):
        held.check(1.0, 4.0)
    for t, u in ((1.0, 1.0), (4.0, math.inf)):
        with pytest.raises(InvalidValueError):
            held.tell(t, np.array([u]))
