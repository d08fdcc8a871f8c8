"""Filters, records and reports at their edges: bad input, bounds, looks."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import truncnorm
from tests.estimation_examples import Growth, Linear

import twinkit as tk
from twinkit.core import MissingDependencyError
from twinkit.estimate import (
    Adaptation,
    BatchedFilter,
    Engine,
    EnsembleKalmanFilter,
    ExtendedKalmanFilter,
    ParticleFilter,
    Projection,
    Sensor,
    Truncation,
    Unbounded,
    UnscentedKalmanFilter,
    consistency_report,
    observability,
    prepare_filter,
    tune,
)
from twinkit.estimate.constraints import truncated
from twinkit.estimate.factors import array_update, downdated, factor, triangular

KINDS = [ExtendedKalmanFilter, UnscentedKalmanFilter, EnsembleKalmanFilter, ParticleFilter]


def make(kind=ExtendedKalmanFilter, **changes):
    settings = {"initial_std": {"X": 0.3, "S": 2.0}, "process_noise": {"S": 0.3}, "adapt": {"mu": Adaptation(0.05)}}
    return kind(Growth(), [Sensor("S", 1.0), Sensor("X")], **{**settings, **changes})


def reading(value, time=0.0, tag="S", **more):
    return tk.Measurement(tag, value, "g/L", time, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_every_filter_tells_what_became_of_a_reading(kind):
    made = make(kind)
    estimate = made.update(made.start(), [reading(20.5), reading(1.1, tag="X", std=0.2)])
    assert [r.tag for r in estimate.readings] == ["S", "X"]
    assert estimate.accepted
    assert estimate.nis == pytest.approx(sum(r.nis for r in estimate.readings), rel=0.1)
    out = made.update(estimate, reading(500.0, 1.0))
    assert not out.accepted
    assert "not used" in out.reason
    np.testing.assert_allclose(out.vector, made.predict(estimate, 1.0).vector, rtol=1e-6)
    bad = made.update(estimate, reading(float("nan"), 1.0, quality=tk.Quality.BAD))
    assert "marked bad" in bad.reason
    assert np.isnan(bad.nis)
    unsure = made.update(estimate, reading(18.0, 1.0, quality=tk.Quality.UNCERTAIN))
    assert unsure.readings[0].std == 2.0
    assert estimate.output("S").unit == "g/L"
    with pytest.raises(tk.UnknownNameError, match="Z"):
        estimate.output("Z")
    with pytest.raises(tk.InvalidValueError, match="before"):
        made.update(out, reading(1.0, 0.5))
    assert "Estimate of Growth" in repr(out)


@pytest.mark.parametrize("kind", KINDS)
def test_every_filter_stays_within_bounds_and_positive_semidefinite(kind):
    made = make(kind, gate=None, **({} if kind is not ParticleFilter else {"samples": 300, "roughening": 0.1}))
    estimate = made.start()
    for time, value in enumerate([-30.0, 0.0, 60.0, -5.0, -5.0, 1e-3]):
        estimate = made.update(estimate, [reading(value, float(time)), reading(value, float(time), "X", std=1e-3)])
        assert np.all(estimate.vector >= made.plan.low)
        assert np.all(estimate.vector <= made.plan.high)
        assert np.linalg.eigvalsh(estimate.covariance).min() >= -1e-12 * max(np.trace(estimate.covariance), 1e-12)


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        (ExtendedKalmanFilter, {"iterations": 0}, "iterations"),
        (ExtendedKalmanFilter, {"constraint": "projection"}, "Truncation"),
        (ExtendedKalmanFilter, {"substeps": 0}, "substeps"),
        (UnscentedKalmanFilter, {"alpha": 0.0}, "alpha"),
        (UnscentedKalmanFilter, {"kappa": -3.0}, "kappa"),
        (UnscentedKalmanFilter, {"beta": float("nan")}, "beta"),
        (EnsembleKalmanFilter, {"samples": 1}, "samples"),
        (EnsembleKalmanFilter, {"seed": -1}, "seed"),
        (EnsembleKalmanFilter, {"inflation": 0.5}, "inflation"),
        (EnsembleKalmanFilter, {"scheme": "transform"}, "EnsembleUpdate"),
        (ParticleFilter, {"resample_below": 2.0}, "resample_below"),
        (ParticleFilter, {"roughening": -0.1}, "roughening"),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind, changes, words):
    with pytest.raises(tk.InvalidValueError, match=words):
        make(kind, **changes)


def test_settings_are_in_the_content_hash():
    hashes = {
        make().content_hash, make(iterations=3).content_hash, make(constraint=Truncation()).content_hash,
        make(UnscentedKalmanFilter).content_hash, make(UnscentedKalmanFilter, alpha=0.5).content_hash,
        make(EnsembleKalmanFilter).content_hash, make(EnsembleKalmanFilter, seed=1).content_hash,
        make(ParticleFilter).content_hash, make(ParticleFilter, roughening=0.1).content_hash,
        make(substeps=2).content_hash,
    }  # fmt: skip
    assert len(hashes) == 10


@pytest.mark.parametrize("kind", [EnsembleKalmanFilter, ParticleFilter])
def test_a_sampled_estimate_goes_on_from_any_other_and_can_be_forecast(kind):
    made = make(kind, samples=400)
    ekf = make()
    estimate = ekf.update(ekf.start(), reading(19.0))
    taken = made.update(estimate, reading(15.0, 2.0))  # drawn from mean and covariance
    assert taken.samples.shape == (3, 400)
    assert 1 < taken.effective_samples <= 400.001
    forecast = made.forecast(taken, 4.0, samples=50, times=3)
    assert forecast.samples["S"].shape == (50, 3)
    assert set(forecast.samples["mu"][:, 0]) <= set(taken.samples[2])


@pytest.mark.parametrize(
    ("low", "high"), [(0, np.inf), (-1, 2), (3, np.inf), (-np.inf, -2), (20, np.inf), (5, 6), (-20, 0.5), (1, 30)]
)
def test_a_truncated_normal_has_scipy_s_moments(low, high):
    mean, variance = truncnorm.stats(low, high, moments="mv")
    assert truncated(low, high) == pytest.approx((mean, variance), rel=1e-8)


def test_truncation_moves_what_is_correlated_and_narrows_both():
    covariance = np.array([[1.0, 0.8], [0.8, 1.0]])
    x, p = Truncation().corrected(np.array([-1.0, 0.0]), covariance, np.array([0.0, -9.0]), np.array([9.0, 9.0]))
    draws = np.random.default_rng(0).multivariate_normal([-1.0, 0.0], covariance, 400_000)
    inside = draws[draws[:, 0] >= 0]
    np.testing.assert_allclose(x, inside.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(p, np.cov(inside.T), atol=0.02)
    np.testing.assert_array_equal(Unbounded().placed(x - 9, p, np.zeros(2), np.ones(2)), x - 9)
    assert np.all(Projection().placed(x - 9, p, np.zeros(2), np.ones(2)) >= 0)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 3), st.integers(0, 10_000))
def test_factors_give_what_covariances_give(n, columns, sensors, seed):
    rng = np.random.default_rng(seed)
    root, h, variances = rng.standard_normal((n, columns)), rng.standard_normal((sensors, n)), rng.random(sensors) + 0.1
    p = root @ root.T
    np.testing.assert_allclose(factor(p) @ factor(p).T, p, atol=1e-9)
    lower = triangular(root)
    np.testing.assert_allclose(lower @ lower.T, p, atol=1e-9)
    gain, after, spread = array_update(root, h @ root, variances)
    s = h @ p @ h.T + np.diag(variances)
    np.testing.assert_allclose(spread @ spread.T, s, atol=1e-8)
    np.testing.assert_allclose(gain, np.linalg.solve(s, h @ p).T, atol=1e-7)
    np.testing.assert_allclose(after @ after.T, p - gain @ s @ gain.T, atol=1e-7)
    less = downdated(lower, root[:, 0], -0.5)
    np.testing.assert_allclose(less @ less.T, p - 0.5 * np.outer(root[:, 0], root[:, 0]), atol=1e-8)


# -- records ---------------------------------------------------------------------------------------------------------

SENSED = {"sensors": [Sensor("S", 1.0), Sensor("X", 0.3)]}


def sensed(kind=ExtendedKalmanFilter, **changes):
    return replace(make(kind), **{**SENSED, **changes})


def prepared(times=(1.0, 2.0), **changes):
    return prepare_filter(sensed(**changes), list(times), engine=Engine.CASADI)


def test_a_record_has_names_units_and_a_look(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    run = prepared()
    record = run({"S": [19.0, np.nan], "X": tk.units.Quantity([1100.0, 1300.0], "mg/L")})
    same = run([[19.0, 1.1], [np.nan, 1.3]])
    np.testing.assert_allclose(record.mean, same.mean, rtol=1e-12)
    assert record["mu"].shape == (2,)
    assert np.isnan(record.innovation[1, 0])
    assert "4 times" not in repr(record)
    assert "3 readings, 0 not used" in repr(record)
    assert "<table>" in record._repr_html_()
    assert record.to_xarray()["S"].attrs["units"] == "g/L"
    assert record.estimate(0).time == 1.0
    assert record.last.mean["S"] == record["S"][-1]
    assert len(record.plot()) == 3
    plt.close("all")
    with pytest.raises(tk.UnknownNameError, match="mu"):
        record["my"]
    with pytest.raises(tk.InvalidValueError, match="covariances=True"):
        run([[19.0, 1.1], [np.nan, 1.3]], covariances=False).estimate(0)


@pytest.mark.parametrize(
    ("values", "more", "error", "words"),
    [
        ([[1.0, 2.0]], {}, tk.ShapeError, r"\(2, 2\)"),
        ([[1.0, np.inf], [1.0, 1.0]], {}, tk.InvalidValueError, "infinite"),
        ({"Z": [1.0, 2.0]}, {}, tk.UnknownNameError, "'Z'"),
        ({"S": [1.0, 2.0, 3.0]}, {}, tk.ShapeError, "'S'"),
        ([[1.0, 2.0], [1.0, 2.0]], {"std": [0.0, 1.0]}, tk.InvalidValueError, "positive"),
        ([[1.0, 2.0], [1.0, 2.0]], {"std": [1.0, 1.0, 1.0]}, tk.ShapeError, "std"),
    ],
)
def test_readings_that_do_not_fit_a_record_are_refused(values, more, error, words):
    with pytest.raises(error, match=words):
        prepared()(values, **more)


def test_what_cannot_be_prepared_is_refused():
    with pytest.raises(tk.InvalidValueError, match="ParticleFilter"):
        prepare_filter(sensed(ParticleFilter), [1.0])
    with pytest.raises(tk.InvalidValueError, match="Truncation"):
        prepared(constraint=Truncation())
    with pytest.raises(tk.InvalidValueError, match="iterations=1"):
        prepared(iterations=2)
    with pytest.raises(tk.InvalidValueError, match="central weight"):
        prepare_filter(sensed(UnscentedKalmanFilter, alpha=0.01), [1.0])
    with pytest.raises(tk.InvalidValueError, match=r"Engine\.NUMBA"):
        prepare_filter(sensed(UnscentedKalmanFilter), [1.0], engine=Engine.CASADI)
    with pytest.raises(tk.InvalidValueError, match="backwards"):
        prepared([2.0, 1.0])
    with pytest.raises(tk.InvalidValueError, match="at least one"):
        prepared([])
    with pytest.raises(tk.InvalidValueError, match="'X'"):
        prepare_filter(make(), [1.0], engine=Engine.CASADI)([[1.0, 1.0]])
    run = prepared()
    with pytest.raises(tk.InvalidValueError, match="begins"):
        run([[1.0, 1.0], [1.0, 1.0]], start=sensed().start(5.0))
    with pytest.raises(tk.InvalidValueError, match="BatchedFilter"):
        BatchedFilter(sensed(UnscentedKalmanFilter), [1.0])


class Blast(tk.Model):
    """Something that goes to infinity in a finite time."""

    time_unit = "s"
    x = tk.State("m", initial=1.0, doc="size")

    def equations(self, v, m):
        return {"x": m.exp(v.x / m.quantity(1.0, "m")) * m.quantity(1.0, "m/s")}


def test_a_record_that_cannot_be_followed_says_where():
    kind = ExtendedKalmanFilter(Blast(), [Sensor("x", 1.0)], {"x": 0.1}, gate=None)
    with pytest.raises(tk.SimulationError, match="did not get to 2 s"):
        prepare_filter(kind, [0.1, 2.0, 3.0], engine=Engine.CASADI)([[1.0], [1.0], [1.0]])


def test_without_numba_casadi_runs_a_record_and_an_unscented_filter_says_what_is_missing(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "numba" else found(name, *more)
    )
    assert prepare_filter(sensed(), [1.0]).engine is Engine.CASADI
    monkeypatch.setitem(__import__("sys").modules, "twinkit.simulate.compiled.cache", None)
    unscented = prepare_filter(sensed(UnscentedKalmanFilter, process_noise={"X": 0.1}, adapt={}), [1.0])
    with pytest.raises(MissingDependencyError, match="compiled"):
        unscented([[20.0, 1.0]])


# -- reports ---------------------------------------------------------------------------------------------------------


def linear_runs(count=60):
    kind = ExtendedKalmanFilter(Linear(), [Sensor("both", 0.2)], {"a": 0.5, "b": 0.5}, {"a": 0.3, "b": 0.1})
    rng = np.random.default_rng(0)
    batch = [tk.Measurement("both", v, "g/L", 0.5 * (k + 1)) for k, v in enumerate(rng.standard_normal(count))]
    return kind, batch


def test_a_consistency_report_has_words_a_table_and_a_plot():
    plt = pytest.importorskip("matplotlib.pyplot")
    kind, batch = linear_runs()
    report = consistency_report(kind.run(batch), {"a": np.zeros(60)})
    assert not report.passed
    assert "too small" in report["both", "mean NIS"].words
    assert "Not consistent" in repr(report)
    assert "<table>" in report._repr_html_()
    assert report.plot().shape == (1, 2)
    plt.close("all")
    with pytest.raises(tk.UnknownNameError):
        report["both", "luck"]
    assert "Nothing could be checked" in repr(consistency_report(kind.run(batch[:3])))


def test_consistency_of_nonsense_is_refused():
    kind, batch = linear_runs(10)
    estimates = list(kind.run(batch))
    for found, more, words in (
        ([], {}, "estimates"),
        ([1, 2], {}, "estimates"),
        (estimates, {"confidence": 1.0}, "confidence"),
        (estimates, {"lags": 0}, "lags"),
        (estimates, {"truth": {"z": [1.0]}}, "none of"),
    ):
        with pytest.raises(tk.InvalidValueError, match=words):
            consistency_report(found, **more)
    with pytest.raises(tk.ShapeError, match="10 values"):
        consistency_report(estimates, {"a": [1.0, 2.0]})


def test_observability_of_nonsense_is_refused_and_a_report_has_a_look():
    plt = pytest.importorskip("matplotlib.pyplot")
    sensors = [Sensor("S", 1.0)]
    for call, error in (
        (lambda: observability(7, sensors, until=1.0), tk.InvalidValueError),
        (lambda: observability(Growth(), [], until=1.0), tk.InvalidValueError),
        (lambda: observability(Growth(), sensors, until=0.0), tk.InvalidValueError),
        (lambda: observability(Growth(), sensors, until="1 g"), tk.UnitError),
        (lambda: observability(Growth(), sensors, until=1.0, adapt=["my"]), tk.UnknownNameError),
        (lambda: observability(Growth(), sensors, until=1.0, times=1), tk.InvalidValueError),
        (lambda: observability(make(), sensors, until=1.0), tk.InvalidValueError),
    ):
        with pytest.raises(error):
            call()
    report = observability(Growth(), [Sensor("S")], until="9 h", adapt=["mu", "Y"])
    assert "Of X and Y only the ratio" in repr(report) or report.observable
    assert "<table>" in report._repr_html_()
    report.plot()
    plt.close("all")
    assert observability(make(), until="9 h").names == ("X", "S", "mu")


def test_tuning_of_nonsense_is_refused():
    kind, batch = linear_runs(20)
    for words, call in {
        "what to tune": lambda: tune(kind, [batch]),
        "lists of names": lambda: tune(kind, [batch], noise="a"),
        "'c'": lambda: tune(kind, [batch], noise=["c"]),
        "'reading'": lambda: tune(kind, [batch], std=["reading"]),
        "empty": lambda: tune(kind, [], noise=["a"]),
        "no usable": lambda: tune(kind, [[]], noise=["a"]),
        "starts": lambda: tune(kind, [batch], noise=["a"], starts=0),
        "confidence": lambda: tune(kind, [batch], noise=["a"], confidence=0.0),
    }.items():
        with pytest.raises((tk.InvalidValueError, tk.UnknownNameError), match=words):
            call()


def test_a_tuning_result_has_a_look_and_says_what_ran_to_its_limit():
    plt = pytest.importorskip("matplotlib.pyplot")
    still = ExtendedKalmanFilter(Linear(), [Sensor("both", 0.2), Sensor("a", 0.1)], {"a": 0.5, "b": 0.5}, {"a": 0.3})
    _, batch = linear_runs(30)
    result = tune(still, [batch], noise=["a"], std=["a"], engine=Engine.CASADI, progress=False)
    assert result["std(a)"].at_limit  # it never read
    assert not result["noise(a)"].at_limit
    assert result.filter.plan.noise[0] == pytest.approx(result["noise(a)"].value)
    assert "noise(a)" in repr(result)
    assert "<table>" in result._repr_html_()
    result.plot()
    plt.close("all")
    with pytest.raises(tk.UnknownNameError):
        result["noise(b)"]


class Undefined(tk.Model):
    """A sensor that is not defined where the process is."""

    time_unit = "s"
    x = tk.State("m", initial=-1.0, doc="place")
    y = tk.Output("m", doc="what the sensor sees")

    def equations(self, v, m):
        return {"x": 0.0 * v.x * m.quantity(1.0, "1/s"), "y": m.sqrt(v.x * m.quantity(1.0, "m"))}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("kind", KINDS)
def test_a_sensor_that_is_not_finite_is_an_error(kind):
    made = kind(Undefined(), [Sensor("y", 0.1)], {"x": 0.1}, gate=None)
    with pytest.raises(tk.SimulationError, match="not finite"):
        made.update(made.start(), tk.Measurement("y", 1.0, "m", 0.0))


def test_a_sensor_that_is_not_finite_is_an_error_in_a_record():
    made = ExtendedKalmanFilter(Undefined(), [Sensor("y", 0.1)], {"x": 0.1}, gate=None)
    with pytest.raises(tk.SimulationError, match="not finite"):
        prepare_filter(made, [0.0, 1.0], engine=Engine.CASADI)([[np.nan], [1.0]])


def test_a_particle_that_has_all_the_weight_is_no_infinity():
    made = make(ParticleFilter, samples=50, gate=None)
    estimate = made.update(made.start(), reading(20.3, tag="X", std=1e-9))
    assert np.all(np.isfinite(estimate.covariance))
    assert estimate.std["X"] < 1e-3
    assert estimate.effective_samples == pytest.approx(1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [1e300, -1e300, 0.0])
def test_an_absurd_reading_leaves_a_finite_estimate(kind, value):
    made = make(kind, gate=0.9999)
    estimate = made.update(made.start(), [reading(value), reading(value, 1e-9)])
    assert np.all(np.isfinite(estimate.vector))
    assert np.all(np.isfinite(estimate.covariance))


def test_tuning_takes_batches_with_their_own_inputs_and_time_unit():
    kind = sensed(process_noise={"S": 0.1}, adapt={}, gate=0.99)
    truth = tk.simulate(Growth(S=15.0), until="6 h", inputs={"F": 2.0}, outputs=np.arange(0.25, 6.01, 0.25))
    noise = 0.5 * np.random.default_rng(0).standard_normal(len(truth.time))
    minutes = [
        tk.Measurement("S", s, "g/L", 60 * t) for t, s in zip(truth.time, truth["S"].values + noise, strict=True)
    ]
    batch = tk.Batch("B1", minutes, inputs={"F": 2.0}, initial={"S": 15.0}, time_unit="min")
    result = tune(kind, [batch], std=["S"], engine=Engine.CASADI, progress=False)
    assert result["std(S)"].interval[0] < 0.5 < result["std(S)"].interval[1]
