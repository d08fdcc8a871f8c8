"""Estimation: where the process is, with honest uncertainty, from a model and measurements as they arrive."""

from twinkit.estimate.consistency import ConsistencyReport, consistency_report
from twinkit.estimate.constraints import Projection, Truncation, Unbounded
from twinkit.estimate.ensemble import EnsembleKalmanFilter, EnsembleUpdate
from twinkit.estimate.extended import ExtendedKalmanFilter
from twinkit.estimate.filter import Filter
from twinkit.estimate.forecast import Forecast, When
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
from twinkit.estimate.tuning import TuningResult, tune
from twinkit.estimate.uncertain import Adaptation, Disturbance
from twinkit.estimate.unscented import UnscentedKalmanFilter

__all__ = [
    "Adaptation",
    "BatchedFilter",
    "BatchedRecord",
    "ConsistencyReport",
    "Disturbance",
    "Engine",
    "EnsembleKalmanFilter",
    "EnsembleUpdate",
    "Estimate",
    "ExtendedKalmanFilter",
    "Filter",
    "FilteredRecord",
    "Forecast",
    "ObservabilityReport",
    "ParticleFilter",
    "PreparedFilter",
    "Projection",
    "Reading",
    "SampledEstimate",
    "Sensor",
    "Truncation",
    "TuningResult",
    "Unbounded",
    "UnscentedKalmanFilter",
    "When",
    "consistency_report",
    "observability",
    "prepare_filter",
    "tune",
]
