"""Calibration against known answers: scipy.optimize.curve_fit, maximum likelihood in closed form, finite differences,
and the parameters the data were made with."""

import math

import numpy as np
import pytest
from scipy import optimize, stats
from tests.calibration_examples import CHO_FREE, FEED, Decay, Equilibrium, cho_batches, decay_data

import twinkit as tk
from twinkit.estimate import EstimatedNoise, Free, Initial, LogNormal, Noise, Normal, PerBatch, Transform, calibrate
from twinkit.unitops import CHOFedBatch


def curve_fit(batch, sigma):
    times, values = batch.values("c")
    return optimize.curve_fit(
        lambda t, k, c: c * np.exp(-k * t), times, values, [0.3, 2.0],
        sigma=None if sigma is None else np.full(len(times), sigma), absolute_sigma=sigma is not None,
        ftol=1e-14, xtol=1e-14, gtol=1e-14,
    )  # fmt: skip


@pytest.mark.parametrize("sigma", [0.05, None])
@pytest.mark.parametrize("transform", list(Transform))
def test_estimates_and_covariance_are_those_of_curve_fit(sigma, transform):
    """scipy 1.17 curve_fit, to 1e-6 relative; without sigma both scale by the residual variance RSS / (N - p)."""
    batch = decay_data()
    noise = None if sigma is None else {"c": Noise(sigma)}
    found = calibrate(
        Decay(), batch, [Free("k", transform=transform), Initial("c")], noise=noise, rtol=1e-10, progress=False
    )
    values, covariance = curve_fit(batch, sigma)
    assert found.status.usable
    np.testing.assert_allclose([found["k"].value, found["c(0)"].value], values, rtol=1e-7)
    np.testing.assert_allclose(found.covariance[:2, :2], covariance, rtol=2e-6)


def test_an_interval_is_student_s_where_the_noise_was_found():
    batch = decay_data()
    found = calibrate(Decay(), batch, ["k", Initial("c")], rtol=1e-10, progress=False)
    values, covariance = curve_fit(batch, None)
    reach = stats.t.ppf(0.975, 15) * math.sqrt(covariance[0, 0])
    np.testing.assert_allclose(found["k"].interval, (values[0] - reach, values[0] + reach), rtol=1e-6)


def test_noise_found_from_the_data_is_the_root_mean_square_residual():
    """Maximum likelihood of a normal distribution: sigma**2 = RSS / N."""
    found = calibrate(Decay(), decay_data(), ["k", Initial("c")], rtol=1e-10, progress=False)
    rms = math.sqrt(np.mean(found.residuals["B"]["c"].residuals ** 2))
    assert found["noise of c"].value == pytest.approx(rms, rel=1e-6)


def test_a_proportional_part_of_the_noise_is_that_of_direct_maximum_likelihood():
    """The likelihood written out and maximised by Nelder-Mead, to 1e-4."""
    batch = decay_data(count=40)
    times, values = batch.values("c")
    generator = np.random.default_rng(0)
    values = 2 * np.exp(-0.5 * times) * (1 + 0.1 * generator.standard_normal(40)) + 0.02 * generator.standard_normal(40)
    batch = batch.with_(measurements=[tk.Measurement("c", v, "g/L", t) for t, v in zip(times, values, strict=True)])

    def nll(q):
        model = 2 * np.exp(-q[0] * times)
        variance = math.exp(2 * q[1]) + math.exp(2 * q[2]) * model**2
        return 0.5 * np.sum((values - model) ** 2 / variance + np.log(variance))

    best = optimize.minimize(
        nll, [0.5, -3.0, -2.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 9000}
    )
    found = calibrate(
        Decay(), batch, "k", noise={"c": EstimatedNoise(std=0.1, relative=0.3)}, rtol=1e-9, progress=False
    )
    assert found.cost == pytest.approx(best.fun, abs=1e-7)
    got = [found["k"].value, found["noise of c"].value, found["relative noise of c"].value]
    np.testing.assert_allclose(got, [best.x[0], math.exp(best.x[1]), math.exp(best.x[2])], rtol=1e-4)


def test_priors_and_data_combine_as_in_closed_form():
    """A quantity no data see comes back as its prior; one that is linear in the data as the weighted mean."""

    batch = tk.Batch(
        "B", [tk.Measurement("c", 2.6, "g/L", 0.0, std=0.1), tk.Measurement("c", 2.5, "g/L", 0.0, std=0.2)]
    )
    found = calibrate(
        Decay(), batch, [Initial("c"), "blind", Free("k", transform=Transform.LOG)], progress=False,
        priors={"c(0)": Normal(2.0, "200 mg/L"), "blind": Normal(1.5, 0.25), "k": LogNormal(0.3, 0.5)},
    )  # fmt: skip
    weights = np.array([100.0, 25.0, 25.0])
    assert found["c(0)"].value == pytest.approx(weights @ [2.6, 2.5, 2.0] / weights.sum(), rel=1e-9)
    assert found["c(0)"].std == pytest.approx(weights.sum() ** -0.5, rel=1e-9)
    assert found["blind"].value == pytest.approx(1.5, rel=1e-9)
    assert found["blind"].std == pytest.approx(0.25, rel=1e-6)
    assert found["k"].value == pytest.approx(0.3, rel=1e-9)
    assert found["k"].std == pytest.approx(0.3 * 0.5, rel=1e-6)


def finite_differences(objective, q, step=2e-3):
    """Fourth-order central differences."""

    def at(i, k):
        moved = q.copy()
        moved[i] += k * step
        return objective.residuals(moved)

    return np.column_stack([(8 * (at(i, 1) - at(i, -1)) - (at(i, 2) - at(i, -2))) / (12 * step) for i in range(len(q))])


def test_the_gradient_of_the_cho_fed_batch_is_that_of_finite_differences():
    """Differences at rtol 1e-12; feeds with jumps, initial values shared and per batch, all kinds of noise."""
    batches = [b.with_(initial={}) for b in cho_batches(count=2, every=72.0)]
    free = [
        "mu_max",
        Free("KI_Amm", transform=Transform.LOG),
        "q_mAb",
        PerBatch("k_d"),
        PerBatch(Initial("Xv")),
        "Glc(0)",
    ]
    noise = {"Xv": Noise(0.1, 0.1), "Glc": EstimatedNoise(), "mAb": EstimatedNoise(0.05, 0.1)}
    found = calibrate(
        CHOFedBatch(), batches, free, noise=noise, rtol=1e-12, max_evaluations=1, progress=False,
        priors={"mu_max": Normal(0.05, 0.01), "KI_Amm": LogNormal(5, 0.3)},
    )  # fmt: skip
    objective = found.objective
    q = objective.start * 1.02
    jacobian = objective.jacobian(q)
    expected = finite_differences(objective, q)
    scale = np.abs(expected).max(axis=0)
    assert np.all(scale > 0)
    np.testing.assert_allclose(jacobian / scale, expected / scale, atol=2e-6)


def dae_batch():
    generator = np.random.default_rng(2)
    run = tk.simulate(
        Equilibrium(k=0.3, K=0.08), 12.0, inputs={"feed": tk.steps({0: 0, 4: 0.1, 8: 0})}, initial={"total": 1.3},
        outputs=np.linspace(0, 12, 13),
    )  # fmt: skip
    readings = [
        tk.Measurement(tag, v + s * generator.standard_normal(), run[tag].attrs["units"], t, std=s)
        for tag, s in (("ion", 0.002), ("conductivity", 0.1))
        for t, v in zip(run.time.tolist(), run.trace(tag).data, strict=True)
    ]
    return tk.Batch("D", readings, inputs={"feed": tk.steps({0: 0, 4: 0.1, 8: 0})}, time_unit="min")


def test_a_dae_with_feed_steps_is_calibrated_with_exact_gradients():
    found = calibrate(Equilibrium(), dae_batch(), ["k", "K", Initial("total")], rtol=1e-12, progress=False)
    for label, truth in (("k", 0.3), ("K", 0.08), ("total(0)", 1.3)):
        assert abs(found[label].value - truth) < 3 * found[label].std
    q = found.best.end * 1.1
    expected = finite_differences(found.objective, q)
    np.testing.assert_allclose(found.objective.jacobian(q), expected, atol=1e-6 * np.abs(expected).max())


def test_the_compiled_solver_gives_the_same_gradients_and_estimates():
    pytest.importorskip("numba")
    batch, free = dae_batch(), ["k", "K", Initial("total")]
    slow = calibrate(Equilibrium(), batch, free, rtol=1e-9, progress=False)
    quick = calibrate(Equilibrium(), batch, free, rtol=1e-9, solver=tk.Compiled(), progress=False)
    np.testing.assert_allclose(
        [e.value for e in quick.estimates.values()], [e.value for e in slow.estimates.values()], rtol=1e-6
    )
    np.testing.assert_allclose(quick.covariance, slow.covariance, rtol=1e-5)


def test_the_kornecki_parameters_are_found_within_their_intervals():
    """Kornecki & Strube 2018: 8 simulated data sets, 3 batches of daily samples each, nominal 95 % intervals.

    Of 48 intervals at least 41 must hold the truth: fewer has a probability below 0.5 % (binomial). The coverage over
    more sets is a benchmark.
    """
    truth, hits, tried = CHOFedBatch(), 0, 0
    begin = truth.with_(mu_max=0.05, k_d=0.006, KI_Amm=5.0, q_mAb=1e-3)
    for seed in range(8):
        found = calibrate(begin, cho_batches(seed=seed), CHO_FREE, rtol=1e-6, progress=False)
        assert found.status is tk.estimate.CalibrationStatus.CONVERGED
        for name in CHO_FREE:
            low, high = found[name].interval
            hits += low <= getattr(truth, name) <= high
            tried += 1
    assert tried == 48
    assert hits >= 41


def test_profile_and_wald_intervals_agree_where_the_model_is_nearly_linear():
    found = calibrate(Decay(), decay_data(count=60, noise=0.01), ["k", Initial("c")], rtol=1e-9, progress=False,
                      noise={"c": Noise(0.01)})  # fmt: skip
    profile = found.profile("k")
    assert profile.identifiable
    np.testing.assert_allclose(profile.interval, found["k"].interval, rtol=2e-3)
    index = int(np.argmin(np.abs(profile.rise - profile.threshold)))
    fixed = calibrate(Decay(k=float(profile.values[index])), decay_data(count=60, noise=0.01), [Initial("c")],
                      noise={"c": Noise(0.01)}, rtol=1e-9, progress=False)  # fmt: skip
    assert 2 * (fixed.cost - found.cost) == pytest.approx(profile.rise[index], abs=1e-5)


def test_feeds_are_exact_at_their_knots():
    """The model's values of the fit are those of tk.simulate, at the knots too."""
    batch = cho_batches(count=1, every=72.0)[0]
    found = calibrate(CHOFedBatch(), batch, ["mu_max"], rtol=1e-9, progress=False)
    run = tk.simulate(found.model, 336, inputs=batch.inputs, initial=batch.initial, outputs=np.arange(72.0, 337, 72.0))
    np.testing.assert_allclose(found.residuals["B0"]["Glc"].model, run["Glc"].values, rtol=1e-6)
    assert FEED.points[1][0] == 72
