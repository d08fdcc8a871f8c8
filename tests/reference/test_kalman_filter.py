"""The filter against the textbook: exact discrete Kalman filters, simulation, and statistics that must come out."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import chi2

import twinkit as tk
from twinkit.estimate import Adaptation, ExtendedKalmanFilter, Sensor


class Coupled(tk.Model):
    """Two coupled linear states with an input and an unknown constant load."""

    time_unit = "h"
    a = tk.State("g/L", initial=2.0, doc="first")
    b = tk.State("g/L", initial=-1.0, doc="second")
    u = tk.Input("g/L/h", default=0.0, doc="feed")
    load = tk.Parameter("g/L/h", 0.3, doc="unknown load")
    total = tk.Output("g/L", doc="what the sensor sees")

    def equations(self, v, m):
        k = m.quantity(1.0, "1/h")
        return {
            "a": -0.7 * k * v.a + 0.4 * k * v.b + v.load,
            "b": 0.2 * k * v.a - 0.5 * k * v.b + v.u,
            "total": v.a + 2.0 * v.b,
        }


A = np.array([[-0.7, 0.4, 1.0], [0.2, -0.5, 0.0], [0.0, 0.0, 0.0]])
B = np.array([0.0, 1.0, 0.0])
H = {"total": np.array([1.0, 2.0, 0.0]), "a": np.array([1.0, 0.0, 0.0])}
NOISE = np.array([0.2, 0.1, 0.05])


def van_loan(width):
    """Exact transition and noise covariance (C. Van Loan, IEEE Trans. Automat. Contr. 23, 395 (1978))."""
    n = len(A)
    big = np.zeros((2 * n, 2 * n))
    big[:n, :n], big[:n, n:], big[n:, n:] = -A, np.diag(NOISE**2), A.T
    whole = expm(big * width)
    phi = whole[n:, n:].T
    return phi, phi @ whole[:n, n:]


def linear_filter(**changes):
    settings = {
        "initial_std": {"a": 1.0, "b": 0.5},
        "process_noise": {"a": 0.2, "b": "0.1 g/L/h**0.5"},
        "adapt": {"load": Adaptation(std=0.4, noise=0.05)},
        "max_step": 0.02,
        "gate": None,
    }
    sensors = [Sensor("total", std=0.3), Sensor("a", std="200 mg/L")]
    return ExtendedKalmanFilter(Coupled(), sensors, **{**settings, **changes})


def exact_predict(x, p, width, u):
    phi, q = van_loan(width)
    n = len(A)
    forced = np.zeros((n + 1, n + 1))
    forced[:n, :n], forced[:n, n] = A, B * u
    return (expm(forced * width) @ np.append(x, 1.0))[:n], phi @ p @ phi.T + q


def exact_correct(x, p, tags, values, stds):
    h = np.array([H[tag] for tag in tags])
    s = h @ p @ h.T + np.diag(np.square(stds))
    innovation = values - h @ x
    gain = np.linalg.solve(s, h @ p).T
    return x + gain @ innovation, p - gain @ s @ gain.T, innovation @ np.linalg.solve(s, innovation)


def test_a_linear_model_gives_the_exact_discrete_kalman_filter():
    rng = np.random.default_rng(1)
    ekf = linear_filter(inputs={"u": tk.steps({0: 0.5, 3: -0.2})})
    estimate = ekf.start()
    x, p = np.array([2.0, -1.0, 0.3]), np.diag([1.0, 0.25, 0.16])
    now = 0.0
    for time in np.cumsum(rng.uniform(0.1, 0.9, 15)):
        y = rng.standard_normal(2)
        batch = [tk.Measurement("a", y[1], "g/L", time), tk.Measurement("total", 1000 * y[0], "mg/L", time)]
        estimate = ekf.update(estimate, batch)
        for until, u in ((min(max(3.0, now), time), 0.5), (time, 0.5 if time <= 3.0 else -0.2)):
            if until > now:
                x, p = exact_predict(x, p, until - now, u)
                now = until
        x, p, nis = exact_correct(x, p, ["total", "a"], y, [0.3, 0.2])
        np.testing.assert_allclose(estimate.vector, x, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(estimate.covariance, p, rtol=1e-9, atol=1e-9)
        assert estimate.nis == pytest.approx(nis, rel=1e-8)
    assert estimate.names == ("a", "b", "load")


def test_the_predicted_covariance_is_van_loan_s():
    ekf = linear_filter()
    predicted = ekf.predict(ekf.start(), "2.5 h")
    phi, q = van_loan(2.5)
    np.testing.assert_allclose(predicted.covariance, phi @ np.diag([1.0, 0.25, 0.16]) @ phi.T + q, rtol=1e-9)
    loose = ExtendedKalmanFilter.predict(linear_filter(max_step=None), ekf.start(), 2.5)
    np.testing.assert_allclose(loose.covariance, predicted.covariance, rtol=1e-4)


class Growth(tk.Model):
    """Monod growth with product."""

    time_unit = "h"
    X = tk.State("g/L", initial=1.0, bounds=(0, None), doc="cells")
    S = tk.State("g/L", initial=20.0, bounds=(0, None), doc="substrate")
    mu = tk.Parameter("1/h", 0.3, bounds=(0, 1), doc="largest growth rate")
    K = tk.Parameter("g/L", 2.0, bounds=(0.01, None), doc="half-saturation")
    Y = tk.Parameter("", 0.2, bounds=(0.01, 1), doc="yield")
    F = tk.Input("g/L/h", default=0.0, doc="feed")

    def equations(self, v, m):
        rate = v.mu * v.S / (v.K + v.S) * v.X
        return {"X": rate, "S": v.F - rate / v.Y}


INPUTS = {
    "constant": 0.5,
    "steps": tk.steps({"0 h": 0, "2 h": 1.5, "5 h": 0}),
    "ramps": tk.ramps({0: 0.0, 3: 2.0, 8: 0.0}),
    "function": lambda t: 1.0 + np.sin(t),
}


@pytest.mark.parametrize("feed", INPUTS.values(), ids=INPUTS)
def test_the_mean_follows_simulate(feed):
    ekf = ExtendedKalmanFilter(
        Growth(), [Sensor("S", 1.0)], initial_std={"X": 0.1}, inputs={"F": feed}, max_step=0.05, rtol=1e-10
    )
    estimate = ekf.start()
    solution = tk.simulate(Growth(), until="8 h", inputs={"F": feed}, outputs=np.linspace(0, 8, 33), rtol=1e-12)
    for time, cells, substrate in zip(
        solution.time[1:], solution["X"].values[1:], solution["S"].values[1:], strict=True
    ):
        estimate = ekf.predict(estimate, time)
        np.testing.assert_allclose(estimate.vector, [cells, substrate], rtol=1e-6, atol=1e-6)


def test_the_default_accuracy_is_far_below_any_sensor_s():
    ekf = ExtendedKalmanFilter(Growth(), [Sensor("S", 1.0)], initial_std={"X": 0.1})
    end = tk.simulate(Growth(), until="12 h", rtol=1e-12).status.state
    estimate = ekf.predict(ekf.start(), "12 h")
    assert estimate.mean["X"] == pytest.approx(end["X"], abs=2e-4)
    assert estimate.mean["S"] == pytest.approx(end["S"], abs=2e-4)


class Root(tk.Model):
    """A rate that is given implicitly: ``z**2 = x``."""

    time_unit = "h"
    x = tk.State("", initial=4.0, bounds=(0, None), doc="amount")
    z = tk.Algebraic("", initial=1.0, bounds=(0, None), doc="its root")
    k = tk.Parameter("1/h", 0.6, bounds=(0, 2), doc="rate constant")
    seen = tk.Output("", doc="what the sensor sees")

    def equations(self, v, m):
        return {"x": -v.k * v.z, "z": v.z * v.z - v.x, "seen": v.z + 0.1 * v.x}


class Explicit(tk.Model):
    """The same, solved by hand."""

    time_unit = "h"
    x = tk.State("", initial=4.0, bounds=(0, None), doc="amount")
    k = tk.Parameter("1/h", 0.6, bounds=(0, 2), doc="rate constant")
    z = tk.Output("", doc="root")
    seen = tk.Output("", doc="what the sensor sees")

    def equations(self, v, m):
        z = m.sqrt(v.x)
        return {"x": -v.k * z, "z": z, "seen": z + 0.1 * v.x}


def test_a_dae_gives_what_the_same_ode_gives():
    def run(model):
        ekf = ExtendedKalmanFilter(
            model, [Sensor("seen", 0.05)], {"x": 0.5}, {"x": 0.1}, {"k": Adaptation(0.2, 0.02)}, max_step=0.1
        )
        estimate = ekf.start()
        for time, value in ((0.5, 2.0), (1.0, 1.9), (2.0, 1.5), (3.0, 1.2)):
            estimate = ekf.update(estimate, tk.Measurement("seen", value, "", time))
        return estimate, ekf.forecast(estimate, 4.0, outputs=["seen", "z"], samples=50)

    (dae, implicit), (ode, explicit) = run(Root()), run(Explicit())
    np.testing.assert_allclose(dae.vector, ode.vector, rtol=1e-10)
    np.testing.assert_allclose(dae.covariance, ode.covariance, rtol=1e-8)
    assert dae.output("z").std == pytest.approx(ode.output("z").std, rel=1e-8)
    np.testing.assert_allclose(implicit.samples["z"], explicit.samples["z"], rtol=1e-6)


def test_nees_and_nis_are_chi_squared_on_a_simulated_plant():
    """Y. Bar-Shalom, X. Li, T. Kirubarajan, Estimation with Applications (2001), section 5.4."""
    rng = np.random.default_rng(11)
    runs, times, fine = 60, np.arange(0.25, 8.01, 0.25), 50
    noise, std = np.array([0.02, 0.15]), 0.4
    ekf = ExtendedKalmanFilter(
        Growth(), [Sensor("S", std)], {"X": 0.1, "S": 0.5}, {"X": noise[0], "S": noise[1]},
        {"mu": Adaptation(0.02, 0.0)}, gate=None,
    )  # fmt: skip
    nees, nis = np.zeros(runs), 0.0
    for run in range(runs):
        x = np.array([1.0, 20.0]) + np.array([0.1, 0.5]) * rng.standard_normal(2)
        mu = 0.3 + 0.02 * rng.standard_normal()
        estimate, now = ekf.start(), 0.0
        for time in times:
            h = (time - now) / fine
            for _ in range(fine):  # Euler-Maruyama
                rate = mu * x[1] / (2.0 + x[1]) * x[0]
                x = x + h * np.array([rate, -rate / 0.2]) + np.sqrt(h) * noise * rng.standard_normal(2)
            now = time
            estimate = ekf.update(estimate, tk.Measurement("S", x[1] + std * rng.standard_normal(), "g/L", time))
            nis += estimate.nis
        off = np.append(x, mu) - estimate.vector
        nees[run] = off @ np.linalg.solve(estimate.covariance, off)
    low, high = chi2.ppf([0.0005, 0.9995], 3 * runs)
    assert low < nees.sum() < high
    low, high = chi2.ppf([0.0005, 0.9995], runs * len(times))
    assert low < nis < high


def test_an_adapted_parameter_converges_to_the_truth():
    rng = np.random.default_rng(3)
    times = np.arange(0.1, 9.0, 0.1)
    truth = tk.simulate(Growth(mu=0.36), until="9 h", outputs=times)
    ekf = ExtendedKalmanFilter(
        Growth(), [Sensor("S", 0.2)], {"X": 0.05}, {"S": 0.02}, {"mu": Adaptation("0.1 1/h")}, max_step="5 min"
    )
    stream = zip(times, truth["S"].values + 0.2 * rng.standard_normal(len(times)), strict=True)
    estimates = list(ekf.run(tk.Measurement("S", value, "g/L", time) for time, value in stream))
    assert estimates[-1].mean["mu"] == pytest.approx(0.36, abs=0.01)
    assert abs(estimates[-1].mean["mu"] - 0.36) < 3 * estimates[-1].std["mu"]
    assert estimates[-1].std["mu"] < 0.1 / 5


def test_a_forecast_of_a_linear_model_has_the_predicted_moments():
    ekf = linear_filter(max_step=0.1)
    start = ekf.start()
    forecast = ekf.forecast(start, "3 h", samples=20_000, times=7, seed=5, outputs=["total", "load"])
    end = ekf.predict(start, "3 h")
    for name in ("total", "load"):
        expected = end.output(name)
        assert forecast.mean(name)[-1] == pytest.approx(expected.mean, abs=4 * expected.std / np.sqrt(20_000))
        assert forecast.std(name)[-1] == pytest.approx(expected.std, rel=0.02)
        np.testing.assert_allclose(
            np.array(forecast.interval(name))[:, -1], expected.interval, atol=0.06 * expected.std
        )
