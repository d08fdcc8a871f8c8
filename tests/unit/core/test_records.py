"""Measurements, predictions, the audit sink, deferred mappings, error messages."""

import math
import pickle

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.deferred import Deferred
from twinkit.core.errors import nearest, unknown_name
from twinkit.core.periodic import Periodic
from twinkit.core.providers import provided


def test_a_measurement_keeps_both_times():
    late = tk.Measurement("glucose", 4.2, "g/L", source_time=1.0, received_time=3.0, std=0.1)
    assert (late.source_time, late.received_time, late.quality) == (1.0, 3.0, tk.Quality.GOOD)
    assert pickle.loads(pickle.dumps(late)) == late
    with pytest.raises(AttributeError):
        late.value = 1.0


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"value": math.nan}, tk.InvalidValueError, "glucose at 1 is not finite; mark it Quality.BAD"),
        ({"value": math.inf, "quality": tk.Quality.UNCERTAIN}, tk.InvalidValueError, "not finite"),
        ({"value": np.array([1.0, np.nan])}, tk.InvalidValueError, "not finite"),
        ({"std": 0.0}, tk.InvalidValueError, "standard deviation of glucose must be positive"),
        ({"std": math.nan}, tk.InvalidValueError, "standard deviation"),
        ({"source_time": math.nan}, tk.InvalidValueError, "source time"),
        ({"source_time": math.inf}, tk.InvalidValueError, "source time"),
        ({"source_time": "1 h"}, tk.InvalidValueError, "needs numbers, the times in the consumer's time unit"),
        ({"received_time": math.nan}, tk.InvalidValueError, "received time"),
        ({"received_time": "2 h"}, tk.InvalidValueError, "needs numbers"),
        ({"value": 1j}, tk.InvalidValueError, "needs numbers"),
        ({"unit": "grammes_of_it"}, tk.UnitError, "is not a unit"),
    ],
)
def test_a_bad_measurement_is_refused(changes, error, words):
    with pytest.raises(error, match=words):
        tk.Measurement(**{"tag": "glucose", "value": 1.0, "unit": "g/L", "source_time": 1.0, **changes})


def test_a_value_marked_bad_may_be_nan():
    bad = tk.Measurement("glucose", math.nan, "g/L", 1.0, quality=tk.Quality.BAD, note="constant spectrum")
    assert math.isnan(bad.value)


def test_a_prediction_is_never_a_bare_number():
    made = tk.Prediction(1.0, 0.1, "g/L", (0.8, 1.2), made_by="abc")
    assert (made.coverage, made.deviation, made.in_domain) == (0.95, False, True)
    with pytest.raises(TypeError):
        tk.Prediction(1.0)
    with pytest.raises(TypeError):
        float(made)


def test_no_audit_forgets():
    assert tk.no_audit.record("released", {"lot": 7}) is None


def test_a_deferred_mapping_is_made_once_and_only_when_looked_at():
    calls = []
    lazy = Deferred(lambda: calls.append(1) or {"a": 1, "b": 2})
    assert calls == []
    assert (lazy["a"], list(lazy), len(lazy), "c" in lazy, dict(lazy)) == (1, ["a", "b"], 2, False, {"a": 1, "b": 2})
    assert calls == [1]
    assert repr(lazy) == "{'a': 1, 'b': 2}"
    assert lazy == {"a": 1, "b": 2}
    with pytest.raises(KeyError):
        _ = lazy["c"]


def test_a_deferred_mapping_is_pickled_as_what_it_holds():
    assert pickle.loads(pickle.dumps(Deferred(lambda: {"a": 1}))) == {"a": 1}


def test_a_deferred_mapping_that_failed_fails_again():
    def fail():
        raise tk.DataError("broken")

    lazy = Deferred(fail)
    for _ in range(2):
        with pytest.raises(tk.DataError, match="broken"):
            len(lazy)


@pytest.mark.parametrize(
    ("name", "valid", "expected"),
    [
        ("glc", ["Glc", "V"], "did you mean 'Glc'?"),
        ("", [], "there are none"),
        ("zzzz", ["a", "b"], "valid names: a, b"),
        ("zzzz", [f"n{i}" for i in range(20)], "valid names: " + ", ".join(f"n{i}" for i in range(12)) + ", ..."),
    ],
)
def test_nearest(name, valid, expected):
    assert nearest(name, valid) == expected


def test_unknown_names_read_like_a_sentence():
    assert str(unknown_name("input", "Qq", ["Q"])) == "unknown input 'Qq': did you mean 'Q'?"
    assert "\\'" not in str(unknown_name("input", "it's", ["its"]))


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (tk.UnknownNameError, KeyError), (tk.UnknownNameError, AttributeError), (tk.UnitError, ValueError),
        (tk.BoundsError, ValueError), (tk.ShapeError, ValueError), (tk.InvalidValueError, ValueError),
        (tk.ModelDefinitionError, TypeError), (tk.FrozenModelError, AttributeError), (tk.SimulationError, RuntimeError),
        (tk.DataError, ValueError), (tk.StorageError, OSError), (tk.MissingDependencyError, ImportError),
    ],
)  # fmt: skip
def test_every_error_is_a_twinkit_error_and_a_builtin(error, builtin):
    assert issubclass(error, tk.TwinkitError)
    assert issubclass(error, builtin)
    assert str(error("one sentence")) == "one sentence"
    assert pickle.loads(pickle.dumps(error("one sentence"))).args == ("one sentence",)


def test_a_missing_package_says_what_to_install():
    error = tk.MissingDependencyError.for_package("numba", "compiled", "The compiled solver")
    assert (
        str(error) == "The compiled solver needs the package 'numba'. Install it with: pip install 'twinkit[compiled]'"
    )


def test_nothing_provides_an_unknown_offer():
    with pytest.raises(tk.UnknownNameError, match="nothing provides 'dance'"):
        provided("dance")


def test_a_quality_is_a_number_at_a_port():
    assert [quality.code for quality in tk.Quality] == [0, 1, 2]
    assert [tk.Quality.of_code(quality.code) for quality in tk.Quality] == list(tk.Quality)
    assert tk.Quality.of_code(2.0) is tk.Quality.BAD
    for code in (0.5, 3.0, math.nan, -1):
        with pytest.raises(tk.InvalidValueError, match="0 good, 1 uncertain or 2 bad"):
            tk.Quality.of_code(code)


def test_what_is_periodic_is_due_at_its_origin_and_after_every_period():
    plan = Periodic(every=0.1, origin=0.3)
    assert [plan.count(t) for t in (0.29, 0.3, 0.3 + 0.1, 1.3)] == [0, 1, 2, 11]
    assert plan.count(sum([0.1] * 10)) == 8  # rounding does not lose one
    assert plan.next(0.0) == 0.3
    t = 0.3
    for _ in range(1000):
        later = plan.next(t)
        assert 0.0999 < later - t < 0.1001
        t = later
