"""Moving-horizon estimation against the Kalman filter, full information, and on Haseltine and Rawlings' reactor."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.estimate import Adaptation, ExtendedKalmanFilter, Huber, MovingHorizonEstimator, Sensor


class Coupled(tk.Model):
    """Two coupled linear states with an input and an unknown constant load."""

    time_unit = "h"
    a = tk.State("g/L", initial=2.0)
    b = tk.State("g/L", initial=-1.0)
    u = tk.Input("g/L/h", default=0.0)
    load = tk.Parameter("g/L/h", 0.3)
    total = tk.Output("g/L")

    def equations(self, v, m):
        k = m.quantity(1.0, "1/h")
        return {
            "a": -0.7 * k * v.a + 0.4 * k * v.b + v.load,
            "b": 0.2 * k * v.a - 0.5 * k * v.b + v.u,
            "total": v.a + 2.0 * v.b,
        }


LINEAR = {
    "initial_std": {"a": 1.0},  # b is known exactly, load is constant: singular covariances
    "process_noise": {"a": 0.2, "b": 0.1},
    "adapt": {"load": Adaptation(std=0.4)},
    "inputs": {"u": tk.steps({0: 0.5, 3: -0.2})},
    "max_step": 0.02,
    "gate": None,
}
SENSORS = [Sensor("total", std=0.3), Sensor("a", std=0.2)]


def stream(seed):
    """Two sensors at different rates."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.1, 0.9, 15)).tolist()
    found = [tk.Measurement("total", y, "g/L", t) for t, y in zip(times, rng.standard_normal(15), strict=True)]
    found += [tk.Measurement("a", y, "g/L", t) for t, y in zip(times[::3], rng.standard_normal(5), strict=True)]
    return sorted(found, key=lambda m: m.source_time)


@pytest.mark.parametrize("nodes", [1, 4, None])
def test_a_linear_model_gives_the_kalman_filter_whatever_the_window(nodes):
    ekf = ExtendedKalmanFilter(Coupled(), SENSORS, **LINEAR)
    mhe = MovingHorizonEstimator(Coupled(), SENSORS, nodes=nodes, **LINEAR)
    expected, found = ekf.start(), mhe.start()
    for m in stream(1):
        expected, found = ekf.update(expected, m), mhe.update(found, m)
        np.testing.assert_allclose(found.vector, expected.vector, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-8, atol=1e-8)
    assert nodes is None or len(found.window) == nodes + 1


def test_late_readings_give_the_same_estimate_as_those_in_time():
    mhe = MovingHorizonEstimator(Coupled(), SENSORS, nodes=None, **LINEAR)
    batch = stream(2)
    expected = mhe.update(mhe.start(), batch)
    for seed in range(3):
        found = mhe.start()
        for k in np.random.default_rng(seed).permutation(len(batch)):
            found = mhe.update(found, batch[k])
        assert found.time == expected.time
        np.testing.assert_allclose(found.vector, expected.vector, atol=1e-8)
        np.testing.assert_allclose(found.covariance, expected.covariance, atol=1e-8)


class Reaction(tk.Model):
    """2 A -> B in a gas; the total pressure is measured (Haseltine and Rawlings 2005, section 3.1)."""

    time_unit = "min"
    A = tk.State("atm", initial=3.0, bounds=(0, None))
    B = tk.State("atm", initial=1.0, bounds=(0, None))
    k = tk.Parameter("1/(atm*min)", 0.16)
    P = tk.Output("atm")

    def equations(self, v, m):
        rate = v.k * v.A**2
        return {"A": -2.0 * rate, "B": rate, "P": v.A + v.B}


class Unbounded(Reaction):
    """The same without bounds."""

    A = tk.State("atm", initial=3.0)
    B = tk.State("atm", initial=1.0)


# E. L. Haseltine, J. B. Rawlings, Ind. Eng. Chem. Res. 44 (2005) 2451-2460, doi:10.1021/ie034308l; TWMCC 2002-03.
# Confirmed: the equations, k = 0.16 and C = [1 1], by a third party's code written from the report; the time step 0.1,
# x(0) = [3 1], the guess [0.1 4.5], R = 0.1^2 and ten intervals, by the example "comparison of different prior update
# strategies" of MPCTools, by Rawlings' group, for the same reactor with the reverse reaction added (`Reversible`). Not
# confirmed: P(0) = diag(6^2, 6^2) and Q = diag(0.001^2, 0.001^2), which are from memory; MPCTools takes diag(1, 1) and
# diag(0.001^2, 0.01^2). Neither the article nor the report could be read here.
STEP = 0.1
GIVEN = {
    "initial": {"A": 0.1, "B": 4.5},
    "initial_std": {"A": 6.0, "B": 6.0},
    "process_noise": {"A": 0.001 / STEP**0.5, "B": 0.001 / STEP**0.5},
    "gate": None,
}
MPCTOOLS = {
    **GIVEN,
    "initial_std": {"A": 1.0, "B": 1.0},
    "process_noise": {"A": 0.001 / STEP**0.5, "B": 0.01 / STEP**0.5},
}
TIMES = STEP * np.arange(101)
TRUE_A = 3.0 / (1.0 + 2 * 0.16 * 3.0 * TIMES)  # exact
TRUE_B = 1.0 + (3.0 - TRUE_A) / 2


def pressures(seed):
    noise = 0.1 * np.random.default_rng(seed).standard_normal(len(TIMES))
    return [tk.Measurement("P", p, "atm", t) for t, p in zip(TIMES.tolist(), (TRUE_A + TRUE_B + noise).tolist())]  # noqa: B905


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_unconstrained_filter_goes_negative_on_every_step_and_the_moving_horizon_never(seed):
    sensors = [Sensor("P", std=0.1)]
    ekf = ExtendedKalmanFilter(Unbounded(), sensors, **GIVEN)
    assert all(min(estimate.vector) < 0 for estimate in ekf.run(pressures(seed)))
    mhe = MovingHorizonEstimator(Reaction(), sensors, nodes=10, **GIVEN)
    estimates = list(mhe.run(pressures(seed)))
    assert all(min(e.vector) >= 0 and e.status.usable for e in estimates)
    a = np.array([e.vector[0] for e in estimates])
    assert np.abs(a[50:] - TRUE_A[50:]).max() < 0.02  # of 3 at the start; the guess was wrong by 2.9
    assert abs(estimates[-1].vector[1] - TRUE_B[-1]) < 0.05


class Reversible(Reaction):
    """2 A <-> B; k and the reverse rate constant of MPCTools' example."""

    back = tk.Parameter("1/min", 0.0064)

    def equations(self, v, m):
        rate = v.k * v.A**2 - v.back * v.B
        return {"A": -2.0 * rate, "B": rate, "P": v.A + v.B}


def test_the_reversible_reaction_of_mpctools_converges_from_its_wrong_guess():
    """All numbers are those of MPCTools' example, which measures without noise and plots no numbers to compare with."""
    truth = tk.simulate(Reversible(), until=TIMES[-1], outputs=TIMES, rtol=1e-10)
    mhe = MovingHorizonEstimator(Reversible(), [Sensor("P", std=0.1)], nodes=10, **MPCTOOLS)
    readings = [tk.Measurement("P", p, "atm", t) for t, p in zip(TIMES.tolist(), truth["P"].values, strict=True)]
    estimates = list(mhe.run(readings))
    assert all(min(e.vector) >= 0 and e.status.usable for e in estimates)
    errors = np.array([e.vector for e in estimates]) - np.column_stack([truth["A"].values, truth["B"].values])
    assert np.abs(errors[50:]).max() < 0.01  # the guess was wrong by 2.9 and 3.5


def test_a_nonlinear_window_comes_close_to_full_information():
    """The arrival cost replaces what left the window: to 2 % of a standard deviation once the guess is forgotten."""
    sensors = [Sensor("P", std=0.1)]
    given = {**GIVEN, "process_noise": {"A": 0.02, "B": 0.02}}
    short = MovingHorizonEstimator(Reaction(), sensors, nodes=10, tolerance=1e-5, **given)
    full = MovingHorizonEstimator(Reaction(), sensors, nodes=None, tolerance=1e-5, **given)
    a, b = short.start(), full.start()
    for k, m in enumerate(pressures(3)[:61]):
        a, b = short.update(a, m), full.update(b, m)
        if k >= 40:
            spread = np.sqrt(np.diag(b.covariance))
            assert np.abs((a.vector - b.vector) / spread).max() < 0.02
            np.testing.assert_allclose(np.sqrt(np.diag(a.covariance)), spread, rtol=0.02)


def test_an_outlier_pulls_less_with_a_huber_loss():
    times = np.arange(1.0, 9.0)
    values = np.where(times == 5.0, 20.0, 0.0)
    errors = {}
    for name, loss in (("squared", {}), ("huber", {"a": Huber(1.345)})):
        mhe = MovingHorizonEstimator(Coupled(), SENSORS, loss=loss, **{**LINEAR, "max_step": None})
        estimate = mhe.start()
        for t, y in zip(times.tolist(), values.tolist(), strict=True):
            estimate = mhe.update(estimate, tk.Measurement("a", y, "g/L", t))
        errors[name] = abs(estimate.window.x[5, 0])
    assert errors["huber"] < 0.25 * errors["squared"]
