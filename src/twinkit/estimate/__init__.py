"""Estimation: where the process is, with honest uncertainty, from a model and measurements as they arrive."""

from twinkit.estimate.extended import ExtendedKalmanFilter
from twinkit.estimate.filter import Filter
from twinkit.estimate.forecast import Forecast, When
from twinkit.estimate.result import Estimate, Reading
from twinkit.estimate.sensors import Sensor
from twinkit.estimate.uncertain import Adaptation, Disturbance

__all__ = [
    "Adaptation",
    "Disturbance",
    "Estimate",
    "ExtendedKalmanFilter",
    "Filter",
    "Forecast",
    "Reading",
    "Sensor",
    "When",
]
