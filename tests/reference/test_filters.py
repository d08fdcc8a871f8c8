"""The filters beside the extended one: against exact solutions, published failures, and each other."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm
from tests.estimation_examples import LINEAR, Column, Dimerisation, Growth, Linear

import twinkit as tk
from twinkit.estimate import (
    Adaptation,
    BatchedFilter,
    Disturbance,
    Engine,
    EnsembleKalmanFilter,
    EnsembleUpdate,
    ExtendedKalmanFilter,
    ParticleFilter,
    Sensor,
    Truncation,
    Unbounded,
    UnscentedKalmanFilter,
    consistency_report,
    observability,
    prepare_filter,
    smooth,
    tune,
)

NOISE, SEEN = np.array([0.3, 0.1]), np.array([[1.0, 1.0], [1.0, 0.0]])
STDS = np.array([0.2, 0.1])


def exact(width):
    """Transition and noise covariance of `Linear` (C. Van Loan, IEEE Trans. Automat. Contr. 23, 395 (1978))."""
    big = np.zeros((4, 4))
    big[:2, :2], big[:2, 2:], big[2:, 2:] = -LINEAR, np.diag(NOISE**2), LINEAR.T
    whole = expm(big * width)
    return whole[2:, 2:].T, whole[2:, 2:].T @ whole[:2, 2:]


def linear_plant(seed, times):
    """Simulate `Linear` exactly; return states and readings of `both` and `a`."""
    rng = np.random.default_rng(seed)
    x, now = np.array([1.0, 0.0]) + 0.5 * rng.standard_normal(2), 0.0
    states, readings = [], []
    for time in times:
        phi, q = exact(time - now)
        x, now = phi @ x + np.linalg.cholesky(q) @ rng.standard_normal(2), time
        states.append(x)
        readings.append(SEEN @ x + STDS * rng.standard_normal(2))
    return np.array(states), np.array(readings)


def exact_filter(times, readings):
    """Return means and covariances of the discrete Kalman filter."""
    x, p, now, means, covariances = np.array([1.0, 0.0]), 0.25 * np.eye(2), 0.0, [], []
    for time, y in zip(times, readings, strict=True):
        phi, q = exact(time - now)
        x, p, now = phi @ x, phi @ p @ phi.T + q, time
        s = SEEN @ p @ SEEN.T + np.diag(STDS**2)
        gain = np.linalg.solve(s, SEEN @ p).T
        x, p = x + gain @ (y - SEEN @ x), p - gain @ s @ gain.T
        means.append(x)
        covariances.append(p)
    return np.array(means), np.array(covariances)


def linear(kind, **more):
    settings = {"initial_std": {"a": 0.5, "b": 0.5}, "process_noise": {"a": 0.3, "b": 0.1}, "gate": None}
    return kind(Linear(), [Sensor("both", 0.2), Sensor("a", 0.1)], **{**settings, **more})


def followed(kind, times, readings):
    tags = list(kind.lines)
    estimate, found = kind.start(), []
    for time, row in zip(times, readings, strict=True):
        batch = [
            tk.Measurement(tag, value, kind.lines[tag].place.unit, time)
            for tag, value in zip(tags, row, strict=True)
            if np.isfinite(value)
        ]
        estimate = kind.update(estimate, batch) if batch else kind.predict(estimate, time)
        found.append(estimate)
    return found


TIMES = np.cumsum(np.random.default_rng(4).uniform(0.1, 0.6, 12))


@pytest.mark.parametrize(
    "kind",
    [
        linear(UnscentedKalmanFilter, max_step=0.02),
        linear(UnscentedKalmanFilter, max_step=0.02, alpha=0.5, kappa=1.0),
        linear(UnscentedKalmanFilter, max_step=0.02, alpha=0.1),  # a negative central weight: downdates
        linear(ExtendedKalmanFilter, max_step=0.02, iterations=5),
        linear(ExtendedKalmanFilter, max_step=0.02, constraint=Truncation()),
    ],
    ids=["unscented", "unscented, wide", "unscented, downdated", "iterated", "truncated"],
)
def test_deterministic_filters_are_the_exact_kalman_filter_on_a_linear_model(kind):
    _, readings = linear_plant(0, TIMES)
    means, covariances = exact_filter(TIMES, readings)
    found = followed(kind, TIMES, readings)
    np.testing.assert_allclose([e.vector for e in found], means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose([e.covariance for e in found], covariances, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (linear(EnsembleKalmanFilter, samples=8000), 8000),
        (linear(EnsembleKalmanFilter, samples=8000, scheme=EnsembleUpdate.PERTURBED), 8000),
        (linear(ParticleFilter, samples=8000), 800),  # weighting and resampling cost a factor of ten
    ],
    ids=["ensemble transform", "perturbed observations", "particles"],
)
def test_sampled_filters_are_the_exact_kalman_filter_within_monte_carlo_error(kind, count):
    kind = replace(kind, max_step=0.1)  # the noise enters by the trapezoidal rule
    _, readings = linear_plant(0, TIMES)
    means, covariances = exact_filter(TIMES, readings)
    found = followed(kind, TIMES, readings)
    std = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    assert np.max(np.abs([e.vector for e in found] - means) / std) < 4.5 / np.sqrt(count)
    ratio = [np.sqrt(np.diag(e.covariance)) for e in found] / std
    assert np.max(np.abs(ratio - 1)) < 4.5 / np.sqrt(2 * count)
    end = found[-1].output("both")
    spread = np.sqrt(SEEN[0] @ covariances[-1] @ SEEN[0])
    assert end.interval[1] - end.interval[0] == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert [e.vector.tobytes() for e in followed(kind, TIMES[:2], readings[:2])] == [
        e.vector.tobytes() for e in found[:2]
    ]


class DoubleWell(tk.Model):
    """A particle in two wells, at -1 and 1, and a sensor that cannot tell the sides far apart."""

    time_unit = "s"
    x = tk.State("m", initial=0.0, doc="place")
    seen = tk.Output("m^2", doc="its square, and a little of its side")

    def equations(self, v, m):
        k, unit = m.quantity(1.0, "1/s"), m.quantity(1.0, "m")
        return {"x": k * (4 * v.x - 4 * v.x * v.x * v.x / (unit * unit)), "seen": v.x * v.x + 0.5 * unit * v.x}


def test_particles_beat_the_extended_filter_where_there_are_two_peaks():
    """The double well of R. N. Miller, M. Ghil, F. Gauthiez, J. Atmos. Sci. 51, 1037 (1994), with a sensor of x**2."""
    times, noise, fine = np.arange(0.5, 15.1, 0.5), 0.6, 100
    errors = {"ekf": 0.0, "pf": 0.0}
    common = {"initial_std": {"x": 1.0}, "process_noise": {"x": noise}, "gate": None, "max_step": 0.1}
    sensors = [Sensor("seen", 0.3)]
    kinds = {
        "ekf": ExtendedKalmanFilter(DoubleWell(), sensors, **common, initial={"x": 0.1}),
        "pf": ParticleFilter(DoubleWell(), sensors, **common, samples=1000),
    }
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, h, truth, readings = float(rng.standard_normal()), 0.5 / fine, [], []
        for _ in times:
            for _ in range(fine):  # Euler-Maruyama
                x += h * 4 * (x - x**3) + np.sqrt(h) * noise * rng.standard_normal()
            truth.append(x)
            readings.append([x * x + 0.5 * x + 0.3 * rng.standard_normal()])
        for name, kind in kinds.items():
            found = np.array([e.vector[0] for e in followed(kind, times, readings)])
            errors[name] += float(np.mean((found - truth) ** 2))
    assert errors["pf"] < 0.5 * errors["ekf"]


# The example of Haseltine & Rawlings (doi:10.1021/ie034308l). Its numbers are from memory: the report was out of reach.
RUBBISH = {  # a bad guess that is thought to be good enough: mean (0.1, 4.5), standard deviation 6, truth (3, 1)
    "initial": {"A": 0.1, "B": 4.5},
    "initial_std": {"A": 6.0, "B": 6.0},
    "process_noise": {"A": 0.001 / np.sqrt(0.1), "B": 0.001 / np.sqrt(0.1)},
    "gate": None,
}


def dimerisation():
    """Return times, true states and readings: one in 0.1 s, standard deviation 0.1."""
    times = np.arange(0.0, 10.01, 0.1)
    truth = tk.simulate(Dimerisation(), until=10.0, outputs=times, rtol=1e-10)
    readings = truth["P"].values + 0.1 * np.random.default_rng(0).standard_normal(len(times))
    return times, np.array([truth["A"].values, truth["B"].values]).T, readings[:, None]


def test_the_plain_extended_filter_goes_negative_on_every_step_of_haseltine_and_rawlings_example():
    times, _, readings = dimerisation()
    plain = ExtendedKalmanFilter(Dimerisation(), [Sensor("P", 0.1)], **RUBBISH, constraint=Unbounded())
    found = np.array([e.vector for e in followed(plain, times, readings)])
    assert np.all(found.min(axis=1) < 0)


@pytest.mark.parametrize(
    "kind",
    [
        ExtendedKalmanFilter(Dimerisation(), [Sensor("P", 0.1)], **RUBBISH, constraint=Truncation()),
        UnscentedKalmanFilter(Dimerisation(), [Sensor("P", 0.1)], **RUBBISH),
        UnscentedKalmanFilter(Dimerisation(), [Sensor("P", 0.1)], **RUBBISH, constraint=Truncation()),
        EnsembleKalmanFilter(Dimerisation(), [Sensor("P", 0.1)], **RUBBISH, samples=200),
        ParticleFilter(Dimerisation(), [Sensor("P", 0.1)], **RUBBISH, samples=4000, roughening=0.05),
    ],
    ids=["extended, truncated", "unscented", "unscented, truncated", "ensemble", "particles"],
)
def test_constrained_filters_stay_non_negative_there_and_converge(kind):
    times, truth, readings = dimerisation()
    found = np.array([e.vector for e in followed(kind, times, readings)])
    assert np.all(found >= 0)
    assert np.max(np.abs(found[-20:] - truth[-20:])) < 0.1


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        (linear(UnscentedKalmanFilter, max_step=0.02), 1e-8),
        (linear(EnsembleKalmanFilter, samples=4000, max_step=0.1), 0.1),
    ],
    ids=["unscented", "ensemble"],
)
def test_smoothing_gives_what_smoothing_the_extended_filter_gives(kind, tolerance):
    _, readings = linear_plant(0, TIMES)
    batch = [
        tk.Measurement(tag, value, "g/L", time)
        for time, row in zip(TIMES, readings, strict=True)
        for tag, value in zip(("both", "a"), row, strict=True)
    ]
    expected = smooth(linear(ExtendedKalmanFilter, max_step=0.02).history(batch)).estimates
    found = smooth(kind.history(batch)).estimates
    for one, other in zip(found, expected, strict=True):
        std = np.sqrt(np.diag(other.covariance))
        assert np.max(np.abs(one.vector - other.vector) / std) < tolerance
        assert np.max(np.abs(np.sqrt(np.diag(one.covariance)) / std - 1)) < tolerance


class Range(tk.Model):
    """Something that stands still, seen by a nonlinear sensor."""

    time_unit = "s"
    x = tk.State("m", initial=1.0, doc="place")
    y = tk.Output("m^3", doc="its cube")

    def equations(self, v, m):
        return {"x": 0.0 * v.x * m.quantity(1.0, "1/s"), "y": v.x * v.x * v.x}


def test_the_iterated_filter_finds_the_mode_of_the_posterior():
    """Bell & Cathey, doi:10.1109/9.250476: the iterated update is the Gauss-Newton method for the mode."""
    from scipy.optimize import minimize_scalar

    once = ExtendedKalmanFilter(Range(), [Sensor("y", 0.2)], {"x": 1.0}, gate=None)
    often = replace(once, iterations=50)
    reading = tk.Measurement("y", 8.0, "m^3", 0.0)
    mode = minimize_scalar(lambda x: (x - 1) ** 2 + ((8 - x**3) / 0.2) ** 2, bracket=(1.5, 2.5), tol=1e-12).x
    assert often.update(often.start(), reading).mean["x"] == pytest.approx(mode, rel=1e-6)
    assert once.update(once.start(), reading).mean["x"] > 3.0


# -- whole records ---------------------------------------------------------------------------------------------------

FEEDS = {"constant": 0.5, "steps": tk.steps({"0 h": 0, "2 h": 1.5, "5 h": 0}), "function": lambda t: 1.0 + np.sin(t)}


def growth(kind, feed=0.5, noise=0.2, **more):
    return kind(
        Growth(), [Sensor("S", 1.0), Sensor("X", 0.3)], {"X": 0.3, "S": 1.0}, {"S": noise},
        {"mu": Adaptation(0.05, 0.01)}, {"F": Disturbance(0.1, 0.1, 2.0)}, {"F": feed}, **more,
    )  # fmt: skip


def growth_record(seed=0, offset=10.0):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 8, 25))
    values = np.column_stack([offset + rng.standard_normal(25), 1 + 0.3 * rng.standard_normal(25)])
    values[3], values[5, 0], values[9, 1] = np.nan, -20.0, np.nan
    return times, values


@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
@pytest.mark.parametrize("offset", [10.0, -2.0], ids=["inside", "at a bound"])
def test_a_prepared_filter_gives_what_the_ordinary_one_gives(feed, offset, engine):
    pytest.importorskip("numba")
    kind = growth(ExtendedKalmanFilter, feed, noise=2.0, substeps=3)
    times, values = growth_record(offset=offset)
    found = followed(kind, times, values)
    record = prepare_filter(kind, times, engine=engine)(values)
    np.testing.assert_allclose(record.mean, [e.vector for e in found], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(record.covariance, [e.covariance for e in found], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(record.nis, [e.nis for e in found], rtol=1e-9)
    assert np.array_equal(record.accepted.sum(axis=1), [sum(r.accepted for r in e.readings) for e in found])
    np.testing.assert_allclose(record.last.covariance, found[-1].covariance, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("offset", [10.0, -2.0], ids=["inside", "at a bound"])
def test_a_prepared_unscented_filter_gives_what_the_ordinary_one_gives(offset):
    pytest.importorskip("numba")
    kind = growth(UnscentedKalmanFilter, substeps=3)
    times, values = growth_record(offset=offset)
    found = followed(kind, times, values)
    record = prepare_filter(kind, times)(values)
    np.testing.assert_allclose(record.mean, [e.vector for e in found], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(record.covariance, [e.covariance for e in found], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(record.nis, [e.nis for e in found], rtol=1e-8)


def test_many_batches_at_once_give_what_one_by_one_gives():
    pytest.importorskip("jax")
    kind = growth(ExtendedKalmanFilter, FEEDS["steps"], noise=2.0)
    times, _ = growth_record()
    values = np.array([growth_record(seed, offset)[1] for seed, offset in ((0, 10.0), (1, -2.0))])
    many = BatchedFilter(kind, times, substeps=3)(values, parameters={"K": [1.0, 3.0]})
    for k, constant in enumerate((1.0, 3.0)):
        other = replace(kind, model=kind.model.with_(K=constant))
        one = prepare_filter(other, times, substeps=3, engine=Engine.CASADI)(values[k])
        np.testing.assert_allclose(many.mean[k], one.mean, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(many.covariance[k], one.covariance, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(many.log_likelihood[k], one.log_likelihood, rtol=1e-8, atol=1e-8)


def test_twenty_states_stay_positive_definite_over_looped_data():
    pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    sensors = [Sensor(f"c[{i}]", 1e-4) for i in (4, 9, 14, 19)]
    kind = ExtendedKalmanFilter(
        Column(), sensors, {"c": 10.0}, {"c": [0.05] + [0.0] * 19}, gate=None, constraint=Unbounded()
    )
    times = np.arange(1, 1001) * 0.02
    steady = np.array(tk.simulate(Column(), until=50.0)["c"].values)[-1]
    values = steady[[4, 9, 14, 19]] + 1e-4 * rng.standard_normal((1000, 4))
    run, estimate = prepare_filter(kind, times), None
    for _ in range(100):
        record = run(values, start=estimate, covariances=False)
        estimate = replace(record.last, time=0.0)
        assert np.isfinite(estimate.covariance).all()
        assert np.linalg.eigvalsh(estimate.covariance).min() > -1e-12 * np.trace(estimate.covariance)
    assert np.max(np.abs(estimate.vector - steady)) < 0.05


# -- tuning, consistency, observability ------------------------------------------------------------------------------


def test_tuning_recovers_the_noises_of_a_linear_plant_and_the_tuned_filter_is_consistent():
    times = 0.25 * np.arange(1, 201)
    plants = [linear_plant(seed, times) for seed in range(12)]
    batches = [
        [
            tk.Measurement(tag, value, "g/L", time)
            for time, row in zip(times, readings, strict=True)
            for tag, value in zip(("both", "a"), row, strict=True)
        ]
        for _, readings in plants[:6]
    ]
    wrong = ExtendedKalmanFilter(
        Linear(), [Sensor("both", 0.5), Sensor("a", 0.05)], {"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 0.03}
    )
    result = tune(wrong, batches, noise=["a", "b"], std=["both", "a"], substeps=2, confidence=0.999, progress=False)
    truth = {"noise(a)": 0.3, "noise(b)": 0.1, "std(both)": 0.2, "std(a)": 0.1}
    for name, value in truth.items():
        low, high = result[name].interval
        assert low < value < high
        assert result[name].value == pytest.approx(value, rel=0.25)
    assert result.converged
    assert result.log_likelihood[1] > result.log_likelihood[0] + 100

    def runs(kind):
        run = prepare_filter(kind, times, substeps=2)
        return [run(readings) for _, readings in plants[6:]]

    truths = [{"a": states[:, 0], "b": states[:, 1]} for states, _ in plants[6:]]
    good = consistency_report(runs(result.filter), truths, confidence=0.9999)
    assert good.passed, good
    bad = consistency_report(runs(wrong), truths, confidence=0.9999)
    assert not bad["both", "mean NIS"].passed
    assert "too large" in bad["both", "mean NIS"].words


class Cells(tk.Model):
    """Cells that make a product; a dye that nothing depends on."""

    time_unit = "h"
    X = tk.State("g/L", initial=1.0, doc="cells")
    P = tk.State("g/L", initial=0.0, doc="product")
    D = tk.State("g/L", initial=1.0, doc="dye")
    E = tk.State("g/L", initial=2.0, doc="another dye")
    mu = tk.Parameter("1/h", 0.2, doc="growth rate")
    q = tk.Parameter("1/h", 0.5, doc="production rate")
    dyes = tk.Output("g/L", doc="both dyes")

    def equations(self, v, m):
        nothing = m.quantity(0.0, "1/h")
        return {"X": v.mu * v.X, "P": v.q * v.X, "D": nothing * v.D, "E": nothing * v.E, "dyes": v.D + v.E}


def test_observability_says_in_words_what_the_sensors_cannot_see():
    report = observability(Cells(), [Sensor("P", 0.1)], until="10 h", adapt=["mu", "q"])
    words = repr(report)
    assert report.rank == 3
    assert set(report.unseen) == {"X", "q", "D", "E"}
    assert "only the product X * q" in words
    assert "D is not seen at all" in words
    summed = observability(
        Cells(), [Sensor("P", 0.1), Sensor("X", 0.1), Sensor("dyes", 0.1)], until="10 h", adapt=["q"]
    )
    assert summed.unseen == ("D", "E")
    assert "only the sum D + E" in repr(summed)
    full = [Sensor(name, 0.1) for name in ("P", "X", "D", "E")]
    seen = observability(Cells(), full, until="10 h", adapt=["mu", "q"])
    assert seen.observable
    assert "all 6" in repr(seen)


def test_observability_s_standard_deviations_are_those_of_least_squares():
    """A constant, read n times with standard deviation s, is known to s / sqrt(n)."""
    report = observability(Range(), [Sensor("x", 0.5)], until=1.0, times=25)
    assert report.std[0] == pytest.approx(0.5 / 5)
