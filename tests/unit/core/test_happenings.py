"""Events, schedules, tables: what may be declared, and when it happens."""

import numpy as np
import pytest

import twinkit as tk


class Base(tk.Model):
    """Fills."""

    time_unit = "h"
    V = tk.State("L", 0.0, doc="volume")
    phase = tk.Mode("", 0.0, doc="phase")
    F = tk.Parameter("L/h", 1.0, doc="flow")
    full = tk.Output("L", doc="free")

    def equations(self, v, m):
        return {"V": v.F, "full": m.quantity(10.0, "L") - v.V}


def with_events(function):
    return type("Variant", (Base,), {"events": lambda self, v, m: function(v, m), "__module__": "nowhere"})


def test_events_and_schedules_have_names_in_order():
    model = with_events(lambda v, m: {"b": tk.Event(v.V), "a": tk.Schedule(at=[1]), "c": tk.Event(v.V - v.F * v.t)})()
    assert model.structure.events == ("b", "c")
    assert model.structure.schedules == ("a",)
    assert Base().structure.events == ()


def test_events_may_read_outputs():
    model = with_events(lambda v, m: {"low": tk.Event(v.full - m.quantity(2.0, "L"), tk.Crossing.FALLING)})()
    assert tk.simulate(model, 9).occurrences[0].time == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda v, m: [tk.Event(v.V)], "must return a dict of Event and Schedule"),
        (lambda v, m: {"e": v.V}, r"events\['e'\] must be an Event or a Schedule"),
        (lambda v, m: {"e": None}, "must be an Event or a Schedule"),
        (lambda v, m: {"e": tk.Event(m.stack([v.V, v.V]))}, "gives a vector of length 2 for 'when'"),
        (lambda v, m: {"e": tk.Event(v.V, set={"VV": 1.0})}, "no state or mode 'VV': did you mean 'V'"),
        (lambda v, m: {"e": tk.Event(v.V, set={"F": 1.0})}, "no state or mode 'F'"),
        (lambda v, m: {"e": tk.Schedule(at=[1], set={"full": 1.0})}, "no state or mode 'full'"),
    ],
)
def test_wrong_events_are_refused(function, words):
    with pytest.raises(tk.TwinkitError, match=words):
        _ = with_events(function)().layout


def test_the_value_an_event_sets_has_the_shape_of_the_state():
    class Vector(tk.Model):
        """A vector."""

        c = tk.State("", 1.0, shape=3)

        def equations(self, v, m):
            return {"c": -v.c / m.quantity(1.0, "s")}

        def events(self, v, m):
            return {"e": tk.Schedule(at=[1], set={"c": m.stack([1.0, 2.0])})}

    with pytest.raises(tk.ShapeError, match=r"Vector.events\['e'\] gives a vector of length 2 for 'c'.*of length 3"):
        _ = Vector().layout


# -- schedules ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"at": [1, "2 h", "30 min"]}, [0.5, 1, 2]),
        ({"at": [0, 10]}, [0]),
        ({"at": [-1, 3, 3]}, [3]),
        ({"every": 3}, [0, 3, 6, 9]),
        ({"every": "180 min", "start": 1}, [1, 4, 7]),
        ({"every": 2, "start": "1 h", "until": 5}, [1, 3, 5]),
        ({"every": 4, "start": -6}, [2, 6]),
        ({"every": 100}, [0]),
        ({"every": 1, "start": 20}, []),
        ({"every": 0.1, "until": 0.3}, [0, 0.1, 0.2, 0.3]),
        ({"every": 2, "start": 3, "until": 1}, []),
    ],
)
def test_times_of_a_schedule(schedule, expected):
    assert tk.Schedule(**schedule).times(0.0, 10.0, "h") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("schedule", "error", "words"),
    [
        ({}, tk.InvalidValueError, "either at=.*or every="),
        ({"at": [1], "every": 2}, tk.InvalidValueError, "either"),
        ({"every": 0}, tk.InvalidValueError, "must be positive"),
        ({"every": "-1 h"}, tk.InvalidValueError, "must be positive"),
        ({"every": "1 kg"}, tk.UnitError, "the period of a schedule"),
        ({"at": ["1 kg"]}, tk.UnitError, "a scheduled time"),
        ({"at": [float("nan")]}, tk.InvalidValueError, "a scheduled time"),
        ({"every": 1, "start": float("inf")}, tk.InvalidValueError, "the start"),
    ],
)
def test_wrong_schedules(schedule, error, words):
    with pytest.raises(error, match=words):
        tk.Schedule(**schedule).times(0.0, 10.0, "h")


def test_a_period_far_too_short_does_not_exhaust_memory():
    with pytest.raises(tk.InvalidValueError, match="more than 100000 times"):
        tk.Schedule(every=1e-12).times(0.0, 1e3, "h")


# -- tables ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("x", "y", "error", "words"),
    [
        ([0, 1], [0, 1, 2], tk.ShapeError, r"equal length.*\(2,\) and \(3,\)"),
        ([0], [1], tk.ShapeError, "at least 2"),
        ([], [], tk.ShapeError, "at least 2"),
        ([[0, 1]], [[0, 1]], tk.ShapeError, "equal length"),
        ([0, np.nan], [0, 1], tk.InvalidValueError, "finite"),
        ([0, 1], [0, np.inf], tk.InvalidValueError, "finite"),
        ([0, 0], [0, 1], tk.InvalidValueError, "increase strictly"),
        ([1, 0], [0, 1], tk.InvalidValueError, "increase strictly"),
    ],
)
def test_wrong_tables(x, y, error, words):
    with pytest.raises(error, match=words):
        tk.Table(x, y)


def test_table_units_are_units_and_its_columns_are_copies():
    with pytest.raises(tk.UnitError, match="grammes_of_it"):
        tk.Table([0, 1], [0, 1], x_unit="grammes_of_it")
    x = np.array([0.0, 1.0])
    table = tk.Table(x, [2, 3])
    x[0] = 7
    assert table.x[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        table.y[0] = 1


def test_crossings_are_named():
    assert [c.value for c in (tk.Crossing.RISING, tk.Crossing.FALLING, tk.Crossing.EITHER)] == [1, -1, 0]
