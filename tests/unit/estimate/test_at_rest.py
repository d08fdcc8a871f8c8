"""A model at rest tells nothing of the accuracy of its mean; its covariance must be right all the same."""

import math
from dataclasses import replace

import numpy as np
import pytest

import twinkit as tk
from twinkit.core import Batch
from twinkit.estimate import (
    ExtendedKalmanFilter,
    MovingHorizonEstimator,
    Sensor,
    UnscentedKalmanFilter,
    observability,
    smooth,
    tune,
)


class Rest(tk.Model):
    """Fast first-order decay towards zero, where it is."""

    time_unit = "h"
    x = tk.State("g/L", initial=0.0, doc="deviation")
    k = tk.Parameter("1/h", 10.0, doc="rate")

    def equations(self, v, m):
        return {"x": -v.k * v.x}


class Sizes(tk.Model):
    """Two decays whose units make one number huge and the other one tiny."""

    time_unit = "h"
    cells = tk.State("1/L", initial=1e9, nominal=1e9, doc="cells")
    trace = tk.State("g/L", initial=1e-6, nominal=1e-6, doc="trace")
    k = tk.Parameter("1/h", 0.3, doc="rate")

    def equations(self, v, m):
        return {"cells": -v.k * v.cells, "trace": -v.k * v.trace}


SENSORS = [Sensor("x", std=0.1)]


def exact(hours, start=1.0):
    """Return the standard deviation of an Ornstein-Uhlenbeck process of rate 10/h and unit intensity."""
    left = math.exp(-20.0 * hours)
    return math.sqrt(start**2 * left + (1.0 - left) / 20.0)


@pytest.mark.parametrize("kind", [ExtendedKalmanFilter, UnscentedKalmanFilter, MovingHorizonEstimator])
@pytest.mark.parametrize("start", [0.0, 1.0])
@pytest.mark.parametrize("hours", [0.1, 0.5, 1.0, 10.0])
def test_the_covariance_of_a_model_at_rest(kind, start, hours):
    """Against the closed form; the extended filter once gave 9e10 after 10 h."""
    found = kind(Rest(), SENSORS, initial_std={"x": start}, process_noise={"x": 1.0})
    assert found.predict(found.start(), hours).std["x"] == pytest.approx(exact(hours, start), rel=0.03)


def test_a_disturbance_that_dies_away_fast():
    """The mean of a disturbance is zero at the start: always at rest."""
    from twinkit.estimate import Disturbance

    how = Disturbance(noise=1.0, time_constant=0.1)
    ekf = ExtendedKalmanFilter(Rest(), SENSORS, disturb={"x": how})
    assert ekf.predict(ekf.start(), 10.0).std["disturbance(x)"] == pytest.approx(math.sqrt(0.05), rel=0.01)


@pytest.mark.parametrize("until", [12.0, 120.0])
def test_the_noise_of_a_forecast_is_that_of_the_filter(until):
    """Noise added whole at the end of a step was 40 % too large."""
    ekf = ExtendedKalmanFilter(Rest(), SENSORS, process_noise={"x": 1.0})
    found = ekf.forecast(ekf.start(), until, samples=4000).samples["x"]
    assert found[:, -40:].std() == pytest.approx(exact(10.0), rel=0.04)


def test_observability_at_rest():
    """A state that has died away long before the second reading is seen by the first alone."""
    found = observability(Rest(), SENSORS, until="1000 h", times=3)
    assert found.std[0] == pytest.approx(0.1, rel=1e-3)


def test_smoothing_does_not_depend_on_units():
    """The unscented smoother dropped what was small in its units."""
    sensors = [Sensor("cells", std=1e7), Sensor("trace", std=1e-8)]
    stds = {"cells": 2e8, "trace": 2e-7}
    noise = {"cells": 1e7, "trace": 1e-8}
    ukf = UnscentedKalmanFilter(Sizes(), sensors, initial_std=stds, process_noise=noise, max_step=0.25)
    given = [tk.Measurement("cells", 8e8, "1/L", 1.0), tk.Measurement("trace", 8e-7, "g/L", 1.0)]
    found = smooth(ukf.history(given)).estimates[0]
    one = found.mean["cells"] / 1e9, found.std["cells"] / 1e9
    assert (found.mean["trace"] / 1e-6, found.std["trace"] / 1e-6) == pytest.approx(one, rel=1e-6)


def test_tuning_keeps_the_relative_part_of_a_sensor():
    """All of the scatter is relative, so that nothing is left for the constant part to explain."""
    rng = np.random.default_rng(0)
    kind = ExtendedKalmanFilter(
        Sizes(), [Sensor("cells", std=1e6, relative_std=0.1)], process_noise={"cells": 1.0}
    )  # fmt: skip
    times = np.linspace(0.1, 3.0, 60)
    truth = 1e9 * np.exp(-0.3 * times)
    batch = [
        tk.Measurement("cells", float(c * (1 + 0.1 * e)), "1/L", float(t))
        for t, c, e in zip(times, truth, rng.standard_normal(60), strict=True)
    ]
    assert tune(kind, [batch], std=["cells"], progress=False)["std(cells)"].value < 3e7


def test_calibration_takes_a_sensor_as_a_filter_does():
    """A reading's own standard deviation goes first; the relative part and the valid range count."""
    from twinkit.estimate.calibration.data import prepare

    def measured(**how):
        readings = [tk.Measurement("cells", v, "1/L", t, **how) for t, v in ((1.0, 7e8), (2.0, 5e8), (3.0, 9e12))]
        return prepare(
            Sizes(), [Batch("one", readings)], sensors=[Sensor("cells", std=3e7, relative_std=0.1, valid=(0, 1e11))]
        )

    plain, own = measured(), measured(std=1e6)
    assert plain.batches[0].bad == 1
    assert plain.count == 2
    assert (plain.noise[0].std, plain.noise[0].relative) == (3e7, 0.1)
    assert own.batches[0].std.tolist() == [1e6, 1e6]


def test_what_changes_the_numbers_of_a_horizon_changes_its_hash():
    """How hard it tries decides which estimate comes out where the first solver fails."""
    from twinkit.optimise import Limits

    plain = MovingHorizonEstimator(Rest(), SENSORS, initial_std={"x": 1.0})
    others = [replace(plain, escalate=False), replace(plain, limits=Limits(violation=1e-3))]
    assert plain.content_hash not in {other.content_hash for other in others}
