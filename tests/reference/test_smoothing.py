"""The smoother against the exact batch solution, and against chance."""

import numpy as np
import pytest
from scipy.linalg import cholesky, expm

import twinkit as tk
from twinkit.core import InvalidValueError
from twinkit.estimate import Adaptation, ExtendedKalmanFilter, ParticleFilter, Sensor, smooth


class Coupled(tk.Model):
    """Two coupled linear states with an input and an unknown load."""

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
B, FEED = np.array([0.0, 1.0, 0.0]), 0.4
H = {"total": np.array([1.0, 2.0, 0.0]), "a": np.array([1.0, 0.0, 0.0])}
STD = {"total": 0.3, "a": 0.2}
START, SPREAD, NOISE = np.array([2.0, -1.0, 0.3]), np.array([1.0, 0.5, 0.4]), np.array([0.2, 0.1, 0.05])


def exact(width):
    """Transition, forcing and noise covariance (C. Van Loan, IEEE Trans. Automat. Contr. 23, 395 (1978))."""
    n = len(A)
    big = np.zeros((2 * n, 2 * n))
    big[:n, :n], big[:n, n:], big[n:, n:] = -A, np.diag(NOISE**2), A.T
    whole = expm(big * width)
    phi = whole[n:, n:].T
    forced = np.zeros((n + 1, n + 1))
    forced[:n, :n], forced[:n, n] = A, B * FEED
    return phi, expm(forced * width)[:n, n], phi @ whole[:n, n:]


def batch_least_squares(times, readings):
    """Full-information solution: every vector at once, one weighted least-squares problem (whitened, by QR)."""
    n, count = 3, len(times)
    rows, sides = [np.zeros((n, n * count))], [START / SPREAD]
    rows[0][:, :n] = np.diag(1 / SPREAD)
    for k in range(count - 1):
        phi, push, q = exact(times[k + 1] - times[k])
        white = np.linalg.inv(cholesky(q, lower=True))
        block = np.zeros((n, n * count))
        block[:, n * k : n * k + n], block[:, n * k + n : n * k + 2 * n] = -white @ phi, white
        rows.append(block)
        sides.append(white @ push)
    for k, tag, value in readings:
        row = np.zeros((1, n * count))
        row[0, n * k : n * k + n] = H[tag] / STD[tag]
        rows.append(row)
        sides.append(np.array([value / STD[tag]]))
    q, r = np.linalg.qr(np.vstack(rows))
    inverse = np.linalg.inv(r)
    covariance = inverse @ inverse.T
    mean = inverse @ (q.T @ np.concatenate(sides))
    blocks = [slice(n * k, n * k + n) for k in range(count)]
    return [mean[block] for block in blocks], [covariance[block, block] for block in blocks]


def linear_filter(**changes):
    settings = {
        "initial_std": {"a": 1.0, "b": 0.5},
        "process_noise": {"a": 0.2, "b": 0.1},
        "adapt": {"load": Adaptation(std=0.4, noise=0.05)},
        "inputs": {"u": FEED},
        "max_step": 0.02,
        "gate": None,
    }
    sensors = [Sensor(tag, std) for tag, std in STD.items()]
    return ExtendedKalmanFilter(Coupled(), sensors, **{**settings, **changes})


# Tolerance 1e-8: what the filter's integrator leaves at a longest step of 0.02 h.
def test_a_linear_problem_gives_the_exact_batch_solution():
    rng = np.random.default_rng(5)
    times = np.concatenate([[0.0], np.cumsum(rng.uniform(0.1, 0.9, 14))])
    readings = [(k, tag, rng.normal(0, 1.5)) for k in range(1, 15) for tag in H if rng.random() < 0.7]
    times = np.array([t for k, t in enumerate(times) if k == 0 or any(j == k for j, *_ in readings)])
    kept = sorted({j for j, *_ in readings})
    readings = [(1 + kept.index(k), tag, value) for k, tag, value in readings]
    batch = [tk.Measurement(tag, value, "g/L", times[k]) for k, tag, value in readings]
    smoothed = smooth(linear_filter().history(batch))
    means, covariances = batch_least_squares(times, readings)
    assert len(smoothed) == len(times) > 12
    for one, mean, covariance in zip(smoothed, means, covariances, strict=True):
        np.testing.assert_allclose(one.vector, mean, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(one.covariance, covariance, rtol=1e-8, atol=1e-8)


def test_what_is_known_exactly_and_constants_stay_so():
    ekf = linear_filter(initial_std={"a": 1.0}, process_noise={"a": 0.2}, adapt={"load": Adaptation(std=0.4)})
    history = ekf.history([tk.Measurement("a", 2.0 + 0.1 * t, "g/L", t) for t in (0.5, 1.0, 4.0)])
    smoothed = history.smooth()
    load = smoothed.mean("load")
    np.testing.assert_allclose(load, load[-1], rtol=1e-9)  # a constant has one value, known at the end
    np.testing.assert_allclose(smoothed.std("load"), smoothed.std("load")[-1], rtol=1e-7)
    assert smoothed.std("a")[0] < history.std("a")[0]
    for one in smoothed:
        assert np.array_equal(one.covariance, one.covariance.T)
        assert np.linalg.eigvalsh(one.covariance).min() >= -1e-12 * np.trace(one.covariance)


class Root(tk.Model):
    """A saturating rate that is given implicitly."""

    time_unit = "h"
    x = tk.State("", initial=4.0, bounds=(0, None), doc="amount")
    z = tk.Algebraic("", initial=1.0, bounds=(0, None), doc="its root")
    k = tk.Parameter("1/h", 0.6, bounds=(0, 2), doc="rate constant")

    def equations(self, v, m):
        return {"x": -v.k * v.z, "z": v.z * v.z - v.x}


def test_smoothing_a_nonlinear_dae_comes_closer_to_the_truth_and_says_by_how_much():
    """Errors of the smoothed start, over its own standard deviation, are standard normal; smaller than the filter's."""
    rng = np.random.default_rng(2)
    ekf = ExtendedKalmanFilter(Root(), [Sensor("z", 0.1)], {"x": 0.5}, adapt={"k": Adaptation(0.1)})
    scaled, first, middle = [], [], []
    for _ in range(40):
        begin, rate = 4.0 + 0.5 * rng.standard_normal(), 0.6 + 0.1 * rng.standard_normal()
        times = np.linspace(0.25, 2.0, 8)
        root = np.sqrt(begin) - 0.5 * rate * times  # the exact solution
        batch = [tk.Measurement("z", r + 0.1 * rng.standard_normal(), "", t) for t, r in zip(times, root, strict=True)]
        history = ekf.history(batch)
        smoothed = history.smooth()
        scaled.append((smoothed[0].mean["x"] - begin) / smoothed[0].std["x"])
        first.append((history[2].mean["x"] - root[1] ** 2) ** 2)
        middle.append((smoothed[2].mean["x"] - root[1] ** 2) ** 2)
        np.testing.assert_allclose(smoothed.mean("z") ** 2, smoothed.mean("x"), rtol=1e-9)  # consistent
    assert 0.6 < np.std(scaled) < 1.4
    assert abs(np.mean(scaled)) < 0.5
    assert np.mean(middle) < 0.7 * np.mean(first)


def test_what_cannot_be_smoothed_says_so():
    history = linear_filter().history([tk.Measurement("a", 1.0, "g/L", 1.0)])
    with pytest.raises(InvalidValueError, match="smoothed already"):
        smooth(smooth(history))

    particles = ParticleFilter(Coupled(), [Sensor("a", 0.2)], {"a": 1.0}, samples=50)
    with pytest.raises(InvalidValueError, match="estimates of ParticleFilter cannot be smoothed"):
        particles.history([tk.Measurement("a", 1.0, "g/L", 1.0)]).smooth()
