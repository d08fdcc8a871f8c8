"""Calibration: parameters of a model from past batches, with their uncertainty and what the data cannot tell."""

from typing import TYPE_CHECKING, Any

from twinkit.estimate.calibration.calibrate import calibrate
from twinkit.estimate.calibration.estimated import Estimated, Fit
from twinkit.estimate.calibration.free import Free, Initial, PerBatch, Transform
from twinkit.estimate.calibration.identifiability import Identifiability
from twinkit.estimate.calibration.noise import EstimatedNoise, Huber, Noise
from twinkit.estimate.calibration.priors import LogNormal, Normal
from twinkit.estimate.calibration.result import Calibration
from twinkit.estimate.calibration.status import CalibrationStatus, Start

if TYPE_CHECKING:
    from twinkit.estimate.calibration.cross_validation import CrossValidation, cross_validate
    from twinkit.estimate.calibration.profile import Profile

_LATER = {
    "CrossValidation": "twinkit.estimate.calibration.cross_validation",
    "Profile": "twinkit.estimate.calibration.profile",
    "cross_validate": "twinkit.estimate.calibration.cross_validation",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)


__all__ = [
    "Calibration",
    "CalibrationStatus",
    "CrossValidation",
    "Estimated",
    "EstimatedNoise",
    "Fit",
    "Free",
    "Huber",
    "Identifiability",
    "Initial",
    "LogNormal",
    "Noise",
    "Normal",
    "PerBatch",
    "Profile",
    "Start",
    "Transform",
    "calibrate",
    "cross_validate",
]  # fmt: skip
