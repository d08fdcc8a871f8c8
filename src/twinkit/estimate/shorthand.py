"""One call from a model and its sensors to an estimator that takes measurements: ``tk.EKF(model, sensors, ...)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twinkit.core import Model
from twinkit.estimate.ensemble import EnsembleKalmanFilter
from twinkit.estimate.estimator import LIMIT, Estimator
from twinkit.estimate.extended import ExtendedKalmanFilter
from twinkit.estimate.filter import Filter
from twinkit.estimate.horizon import MovingHorizonEstimator
from twinkit.estimate.particle import ParticleFilter
from twinkit.estimate.sensors import Sensor
from twinkit.estimate.unscented import UnscentedKalmanFilter


def estimator(
    kind: type[Filter], model: Model, sensors: Sequence[Sensor], *, lag: Any = None, start: Any = 0.0,
    limit: int = LIMIT, **settings: Any,
) -> Estimator:  # fmt: skip
    """Return an `Estimator` around a filter of any kind.

    Parameters
    ----------
    kind
        Class of the filter.
    model, sensors, settings
        What it is made from; see its class.
    lag, start, limit
        See `Estimator`.
    """
    return Estimator(kind(model, sensors, **settings), lag=lag, start=start, limit=limit)


def EKF(model: Model, sensors: Sequence[Sensor], **settings: Any) -> Estimator:
    """Return an estimator with an extended Kalman filter.

    Parameters
    ----------
    model, sensors
        What is followed, and what is measured.
    settings
        `lag`, `start`, `limit` of `Estimator`; everything else of `ExtendedKalmanFilter`.

    Examples
    --------
    >>> import twinkit as tk
    >>> from twinkit.unitops import JacketedTank
    >>> tank = JacketedTank()
    >>> twin = tk.EKF(tank, [tk.Sensor("T", std="0.5 delta_degC")], initial_std={"T": "5 delta_degC"})
    >>> stream = [tk.Measurement("T", 24.0, "degC", 60.0), tk.Measurement("T", 24.6, "degC", 30.0)]
    >>> for measurement in stream:
    ...     estimate = twin.update(measurement)
    >>> estimate.time, twin.counts.used
    (60.0, 2)
    """
    return estimator(ExtendedKalmanFilter, model, sensors, **settings)


def UKF(model: Model, sensors: Sequence[Sensor], **settings: Any) -> Estimator:
    """Return an estimator with an unscented Kalman filter: as `EKF`, with the settings of `UnscentedKalmanFilter`."""
    return estimator(UnscentedKalmanFilter, model, sensors, **settings)


def EnKF(model: Model, sensors: Sequence[Sensor], **settings: Any) -> Estimator:
    """Return an estimator with an ensemble Kalman filter: as `EKF`, with the settings of `EnsembleKalmanFilter`."""
    return estimator(EnsembleKalmanFilter, model, sensors, **settings)


def PF(model: Model, sensors: Sequence[Sensor], **settings: Any) -> Estimator:
    """Return an estimator with a particle filter: as `EKF`, with the settings of `ParticleFilter`."""
    return estimator(ParticleFilter, model, sensors, **settings)


def MHE(model: Model, sensors: Sequence[Sensor], **settings: Any) -> Estimator:
    """Return an estimator with a moving-horizon estimator: as `EKF`, with the settings of `MovingHorizonEstimator`."""
    return estimator(MovingHorizonEstimator, model, sensors, **settings)
