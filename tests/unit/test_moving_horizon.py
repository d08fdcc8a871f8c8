"""Moving-horizon estimation: absurd input, failures that are said, constraints, and what a result shows."""

import warnings

import matplotlib as mpl
import numpy as np
import pytest

import twinkit as tk
from twinkit.core import InvalidValueError, ShapeError, UnitError, UnknownNameError
from twinkit.estimate import Adaptation, Estimator, Huber, MovingHorizonEstimator, Propagated, Sensor
from twinkit.estimate.horizon import estimator as module
from twinkit.optimise import Converged, Failed, Limits, MaxIterations, Solved
from twinkit.optimise.native import compiler

mpl.use("Agg")


class Decay(tk.Model):
    """Decay with a parameter that does nothing, and an output."""

    time_unit = "h"
    c = tk.State("g/L", initial=8.0, bounds=(0, None))
    k = tk.Parameter("1/h", 0.5, bounds=(0, 5))
    idle = tk.Parameter("", 1.0)
    twice = tk.Output("g/L")

    def equations(self, v, m):
        return {"c": -v.k * v.c + 0.0 * v.idle * v.k * v.c, "twice": 2.0 * v.c}


def make(**changes):
    settings = {"initial_std": {"c": 2.0}, "process_noise": {"c": 0.1}, "nodes": 5}
    return MovingHorizonEstimator(Decay(), [Sensor("c", std=0.1)], **{**settings, **changes})


def reading(value, t, **more):
    return tk.Measurement("c", value, "g/L", source_time=t, **more)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": 0.0}, "horizon must be positive"),
        ({"horizon": "-2 h"}, "horizon must be positive"),
        ({"nodes": 0}, "at least 1"),
        ({"nodes": 2.5}, "whole number"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"within": {"c": (5.0, 2.0)}}, "no value of 'c'"),
        ({"within": {"c": (None, -1.0)}}, "no value of 'c'"),
        ({"within": {"c": "3 g/L"}}, "takes (low, high)"),
        ({"loss": {"c": 2.0}}, "takes Huber"),
        ({"initial_std": {}, "process_noise": {}}, "nothing about Decay is uncertain"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(InvalidValueError) as caught:
        make(**changes)
    assert message in str(caught.value)


def test_names_and_units_are_checked():
    with pytest.raises(UnknownNameError, match="no sensor 'd'"):
        make(loss={"d": Huber()})
    with pytest.raises(UnknownNameError, match="twic"):
        make(within={"twic": (0, 1)})
    with pytest.raises(UnitError):
        make(within={"c": ("1 degC", None)})
    with pytest.raises(InvalidValueError, match="positive"):
        Huber(0.0)
    mhe = make()
    with pytest.raises(UnknownNameError):
        mhe.update(mhe.start(), tk.Measurement("x", 1.0, "g/L", 1.0))
    with pytest.raises(UnitError):
        mhe.update(mhe.start(), tk.Measurement("c", 1.0, "K", 1.0))
    with pytest.raises(ShapeError):
        mhe.update(mhe.start(), tk.Measurement("c", np.ones(2), "g/L", 1.0))
    ekf = tk.estimate.ExtendedKalmanFilter(Decay(), [Sensor("c", std=0.1)], initial_std={"c": 1.0})
    with pytest.raises(InvalidValueError, match="its own estimates"):
        mhe.update(ekf.start(), reading(1.0, 1.0))


def test_no_reading_and_a_bad_one_follow_the_model():
    mhe = make()
    start = mhe.start()
    assert mhe.update(start, []).vector == pytest.approx(start.vector)
    estimate = mhe.update(start, reading(np.nan, 1.0, quality=tk.Quality.BAD))
    assert estimate.time == 1.0
    assert estimate.vector[0] == pytest.approx(
        8.0 * np.exp(-0.5), abs=2e-5
    )  # rtol=1e-6 of magnitude plus nominal value
    assert not estimate.readings[0].accepted
    assert "marked bad" in estimate.reason


def test_a_reading_from_before_the_window_is_reported_and_not_used():
    mhe = make(horizon="2 h")
    estimate = mhe.update(mhe.start(), [reading(8.0 * np.exp(-0.5 * t), t) for t in (1.0, 2.0, 3.0, 4.0)])
    assert estimate.window.span <= 2.0
    late = mhe.update(estimate, reading(99.0, 0.5))
    assert not late.readings[0].accepted
    assert "older than the window" in late.readings[0].reason
    assert late.vector == pytest.approx(estimate.vector, rel=1e-9)


def test_equal_times_and_late_readings_keep_their_place():
    mhe = make(nodes=None)
    estimate = mhe.update(mhe.start(), [reading(3.0, 2.0), reading(3.2, 2.0)])
    assert list(estimate.window.times) == [0.0, 2.0, 2.0]
    estimate = mhe.update(mhe.predict(estimate, 3.0), reading(4.8, 1.0))
    assert estimate.time == 3.0
    assert list(estimate.window.times) == [0.0, 1.0, 2.0, 2.0]
    assert estimate.readings[0].accepted


def test_a_long_batch_is_taken_up_piece_by_piece():
    mhe = make()
    batch = [reading(8.0 * np.exp(-0.5 * t), t) for t in np.linspace(0.1, 4.0, 40).tolist()]
    estimate = mhe.update(mhe.start(), batch[::-1])
    assert len(estimate.window) == 6
    assert len(estimate.readings) == 40
    assert estimate.vector[0] == pytest.approx(8.0 * np.exp(-2.0), abs=0.05)


def test_a_parameter_no_reading_can_tell_is_named():
    mhe = make(adapt={"idle": Adaptation(std=1.0), "k": Adaptation(std=0.1)})
    estimate = mhe.update(mhe.start(), [reading(8.0 * np.exp(-0.5 * t), t) for t in (1.0, 2.0, 3.0)])
    assert estimate.unseen == ("idle",)
    assert "not seen by any reading so far: idle" in estimate.reason
    assert estimate.std["idle"] == pytest.approx(1.0)


def test_bounds_and_constraints_hold():
    mhe = make(within={"twice": ("3 g/L", 10.0)})
    estimate = mhe.start()
    estimate = mhe.update(estimate, reading(0.5, 4.0))
    assert estimate.status.usable
    assert 2 * estimate.vector[0] >= 3.0 - 1e-6
    assert (estimate.window.x[:, 0] * 2 <= 10.0 + 1e-6).all()
    below = make().update(make().start(), reading(-50.0, 1.0))
    assert below.vector[0] == 0.0


def test_an_infeasible_window_propagates_the_last_good_estimate():
    mhe = make(within={"twice": (15.0, None)}, process_noise={}, initial_std={}, adapt={"idle": Adaptation(std=1.0)})
    start = mhe.start()
    estimate = mhe.update(start, reading(1.0, 5.0))
    assert isinstance(estimate.status, Propagated)
    assert not estimate.status.usable
    assert "propagated" in estimate.reason
    assert estimate.vector[0] == pytest.approx(8.0 * np.exp(-2.5), rel=1e-5)
    assert not estimate.readings[0].accepted
    assert np.isfinite(estimate.covariance).all()


@pytest.mark.parametrize("reason", ["forced"])
def test_a_failed_sqp_hands_over_to_fatrop(monkeypatch, reason):
    mhe = make(loss={"c": Huber(2.0)}, tolerance=1e-7)
    start = mhe.update(mhe.start(), [reading(5.0, 1.0), reading(2.5, 2.0)])
    expected = mhe.update(start, reading(3.0, 3.0))
    fail = lambda problem, guess, *_: Solved(guess, problem.linearise(guess), Failed("SQP", 1, reason))  # noqa: E731
    monkeypatch.setattr(module, "sqp", fail)
    found = mhe.update(start, reading(3.0, 3.0))
    assert isinstance(found.status, Converged)
    assert found.status.solver == "FATROP"
    np.testing.assert_allclose(found.vector, expected.vector, atol=1e-5)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-3)
    stuck = make(escalate=False, loss={"c": Huber(2.0)})
    assert isinstance(stuck.update(stuck.start(), reading(3.0, 3.0)).status, Propagated)


def test_few_iterations_are_said():
    mhe = make(limits=Limits(iterations=1), adapt={"k": Adaptation(std=0.5)}, tolerance=1e-9)
    estimate = mhe.update(mhe.start(), [reading(6.0, 1.0), reading(1.0, 2.0)])
    assert isinstance(estimate.status, (MaxIterations, Converged))
    assert estimate.status.usable


def test_the_gate_refuses_an_outlier():
    mhe = make(gate=0.999)
    estimate = mhe.update(mhe.start(), [reading(4.85, 1.0), reading(60.0, 2.0)])
    assert [r.accepted for r in estimate.readings] == [True, False]
    assert "standard deviations from" in estimate.reason
    assert estimate.vector[0] == pytest.approx(2.94, abs=0.2)


class Stiff(tk.Model):
    """A fast lag and an algebraic sum."""

    time_unit = "s"
    x = tk.State("m", initial=1.0)
    y = tk.State("m", initial=0.0)
    total = tk.Algebraic("m", initial=1.0)
    rate = tk.Parameter("1/s", 1e5)

    def equations(self, v, m):
        k = m.quantity(1.0, "1/s")
        return {"x": -k * v.x, "y": v.rate * (v.x - v.y), "total": v.total - v.x - v.y}


def test_a_stiff_model_with_an_algebraic_variable_goes_implicit():
    mhe = MovingHorizonEstimator(
        Stiff(), [Sensor("total", std=0.01)], initial_std={"x": 0.5}, process_noise={"x": 0.01}, nodes=3
    )
    estimate = mhe.start()
    for t in (0.5, 1.0, 1.5):
        estimate = mhe.update(estimate, tk.Measurement("total", 2.4 * np.exp(-t), "m", t))
    assert estimate.window.intervals[-1].method == 1
    assert estimate.discretisation_error < 1e-6
    assert estimate.vector[0] == pytest.approx(1.2 * np.exp(-1.5), abs=0.01)
    assert estimate.algebraics[0] == pytest.approx(estimate.vector.sum(), abs=1e-9)
    assert estimate.output("total").mean == pytest.approx(2.4 * np.exp(-1.5), abs=0.02)


@pytest.mark.skipif(compiler() is None, reason="no C compiler here")
def test_machine_code_gives_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINKIT_CACHE", str(tmp_path))
    batch = [reading(8.0 * np.exp(-0.5 * t), t) for t in (0.3, 1.0, 2.0, 3.0)]
    plain, native = make(adapt={"k": Adaptation(std=0.1)}), make(adapt={"k": Adaptation(std=0.1)}, native=True)
    a, b = plain.update(plain.start(), batch), native.update(native.start(), batch)
    np.testing.assert_allclose(a.vector, b.vector, rtol=1e-10)
    np.testing.assert_allclose(a.covariance, b.covariance, rtol=1e-8)
    assert list((tmp_path / "native").glob("*.so"))


def test_without_a_compiler_a_warning_says_so(monkeypatch):
    from twinkit.optimise import native

    monkeypatch.setattr(native, "compiler", lambda: None)
    mhe = MovingHorizonEstimator(
        Decay(), [Sensor("twice", std=0.1)], initial_std={"c": 2.0}, adapt={"idle": Adaptation(0.1)}, native=True
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimate = mhe.update(mhe.start(), tk.Measurement("twice", 8.0, "g/L", 1.0))
    assert estimate.status.usable
    assert any("no C compiler" in str(w.message) for w in caught)


def test_it_works_in_an_estimator_and_goes_on_from_a_file(tmp_path):
    mhe = make(nodes=None)
    twin = Estimator(mhe)
    for t in (1.0, 2.0, 4.0):
        twin.update(reading(8.0 * np.exp(-0.5 * t), t))
    late = twin.update(reading(8.0 * np.exp(-1.5), 3.0))
    direct = mhe.update(mhe.start(), [reading(8.0 * np.exp(-0.5 * t), t) for t in (1.0, 2.0, 3.0, 4.0)])
    np.testing.assert_allclose(late.vector, direct.vector, rtol=1e-6)
    assert len(mhe.history([reading(5.0, 1.0), reading(3.0, 2.0)]).estimates) == 3
    twin.save(tmp_path / "twin")
    other = Estimator(mhe)
    other.load(tmp_path / "twin")
    assert other.update(reading(0.7, 5.0)).status.usable


def test_a_result_shows_itself():
    mhe = make(adapt={"k": Adaptation(std=0.1)})
    estimate = mhe.update(mhe.start(), [reading(4.8, 1.0), reading(3.0, 2.0)])
    assert "converged" in estimate._repr_html_()
    axes = estimate.plot("c", "k")
    assert [axis.get_ylabel() for axis in axes] == ["c [g/L]", "k [1/h]"]
    with pytest.raises(UnknownNameError):
        estimate.plot("cc")
    data = estimate.smoothed()
    assert data["reading(c)"].values[1:] == pytest.approx([4.8, 3.0])
    forecast = mhe.forecast(estimate, 4.0, samples=50)
    assert forecast.median("c")[-1] < estimate.mean["c"]
    assert len(mhe.content_hash) == 64
    assert mhe.content_hash != make(horizon=3.0, adapt={"k": Adaptation(std=0.1)}).content_hash
