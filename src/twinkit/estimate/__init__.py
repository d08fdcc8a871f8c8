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
from twinkit.estimate.consistency import ConsistencyReport, consistency_report
from twinkit.estimate.constraints import Projection, Truncation, Unbounded
from twinkit.estimate.ensemble import EnsembleKalmanFilter, EnsembleUpdate
from twinkit.estimate.estimator import Estimator, Snapshot
from twinkit.estimate.extended import ExtendedKalmanFilter
from twinkit.estimate.filter import Filter
from twinkit.estimate.forecast import Forecast, When
from twinkit.estimate.held import HeldInputs
from twinkit.estimate.history import History
from twinkit.estimate.horizon import HorizonEstimate, MovingHorizonEstimator, Propagated
from twinkit.estimate.log import Counts
from twinkit.estimate.observability import ObservabilityReport, observability
from twinkit.estimate.particle import ParticleFilter
from twinkit.estimate.repeated import (
    BatchedFilter,
    BatchedRecord,
    Engine,
    FilteredRecord,
    PreparedFilter,
    prepare_filter,
)
from twinkit.estimate.result import Estimate, Reading
from twinkit.estimate.samples import SampledEstimate
from twinkit.estimate.sensors import Sensor
from twinkit.estimate.shorthand import EKF, MHE, PF, UKF, EnKF
from twinkit.estimate.smoothing import Smoothable, smooth
from twinkit.estimate.tuning import TuningResult, tune
from twinkit.estimate.uncertain import Adaptation, Disturbance
from twinkit.estimate.unscented import UnscentedKalmanFilter

__all__ = [
    "EKF",
    "MHE",
    "PF",
    "UKF",
    "Adaptation",
    "BatchedFilter",
    "BatchedRecord",
    "Calibration",
    "CalibrationStatus",
    "ConsistencyReport",
    "Counts",
    "CrossValidation",
    "Disturbance",
    "EnKF",
    "Engine",
    "EnsembleKalmanFilter",
    "EnsembleUpdate",
    "Estimate",
    "EstimatedNoise",
    "Estimator",
    "EstimatorComponent",
    "ExtendedKalmanFilter",
    "Filter",
    "FilteredRecord",
    "Forecast",
    "Free",
    "HeldInputs",
    "History",
    "HorizonEstimate",
    "Huber",
    "Initial",
    "LogNormal",
    "MovingHorizonEstimator",
    "Noise",
    "Normal",
    "ObservabilityReport",
    "ParticleFilter",
    "PerBatch",
    "PreparedFilter",
    "Projection",
    "Propagated",
    "Reading",
    "SampledEstimate",
    "Sensor",
    "Smoothable",
    "Snapshot",
    "Transform",
    "Truncation",
    "TuningResult",
    "Unbounded",
    "UnscentedKalmanFilter",
    "When",
    "calibrate",
    "consistency_report",
    "cross_validate",
    "observability",
    "prepare_filter",
    "smooth",
    "tune",
]
