"""Estimation: where the process is, with honest uncertainty, from a model and measurements as they arrive."""

from twinkit.estimate.extended import ExtendedKalmanFilter
from twinkit.estimate.forecast import Forecast, When
from twinkit.estimate.result import Estimate, Reading
from twinkit.estimate.settings import Adaptation, Sensor

__all__ = ["Adaptation", "Estimate", "ExtendedKalmanFilter", "Forecast", "Reading", "Sensor", "When"]
