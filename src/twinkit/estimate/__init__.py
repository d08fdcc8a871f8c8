"""Estimation: where the process is, with honest uncertainty, from a model and measurements as they arrive."""

from twinkit.estimate.calibration import (
    Calibration,
    CalibrationStatus,
    CrossValidation,
    EstimatedNoise,
    Free,
    Huber,
    Initial,
    LogNormal,
    Noise,
    Normal,
    PerBatch,
    Transform,
    calibrate,
    cross_validate,
)
from twinkit.estimate.component import EstimatorComponent
from twinkit.estimate.estimator import Estimator, Snapshot
from twinkit.estimate.extended import ExtendedKalmanFilter
from twinkit.estimate.filter import Filter
from twinkit.estimate.forecast import Forecast, When
from twinkit.estimate.held import HeldInputs
from twinkit.estimate.history import History
from twinkit.estimate.log import Counts
from twinkit.estimate.result import Estimate, Reading
from twinkit.estimate.sensors import Sensor
from twinkit.estimate.shorthand import EKF
from twinkit.estimate.smoothing import Smoothable, smooth
from twinkit.estimate.uncertain import Adaptation, Disturbance

__all__ = [
    "EKF",
    "Adaptation",
    "Calibration",
    "CalibrationStatus",
    "Counts",
    "CrossValidation",
    "Disturbance",
    "Estimate",
    "EstimatedNoise",
    "Estimator",
    "EstimatorComponent",
    "ExtendedKalmanFilter",
    "Filter",
    "Forecast",
    "Free",
    "HeldInputs",
    "History",
    "Huber",
    "Initial",
    "LogNormal",
    "Noise",
    "Normal",
    "PerBatch",
    "Reading",
    "Sensor",
    "Smoothable",
    "Snapshot",
    "Transform",
    "When",
    "calibrate",
    "cross_validate",
    "smooth",
]
