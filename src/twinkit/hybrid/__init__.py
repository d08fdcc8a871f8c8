"""Hybrid models: physics first, a learned function for what physics misses, and uncertainty that can be believed."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twinkit.core.terms import Combine
    from twinkit.hybrid.conforming import Conformal, Guarantee, conformal
    from twinkit.hybrid.coverage import CalibrationReport, calibration_report
    from twinkit.hybrid.gaussian_process import GaussianProcess, fit_gaussian_process
    from twinkit.hybrid.learners import InducingGP, Learner, NeuralNetwork, Polynomial
    from twinkit.hybrid.learning import LearningCurve, learning_curve
    from twinkit.hybrid.model import HybridModel
    from twinkit.hybrid.predicting import Forecast, Propagation
    from twinkit.hybrid.residual import Residual
    from twinkit.hybrid.selecting import Selection, select
    from twinkit.hybrid.terms import TERMS, GaussianProcessTerm, Kernel, NeuralNetworkTerm, PolynomialTerm

_HOMES = {
    "CalibrationReport": "twinkit.hybrid.coverage",
    "Combine": "twinkit.core.terms",
    "Conformal": "twinkit.hybrid.conforming",
    "Forecast": "twinkit.hybrid.predicting",
    "GaussianProcess": "twinkit.hybrid.gaussian_process",
    "GaussianProcessTerm": "twinkit.hybrid.terms",
    "Guarantee": "twinkit.hybrid.conforming",
    "HybridModel": "twinkit.hybrid.model",
    "InducingGP": "twinkit.hybrid.learners",
    "Kernel": "twinkit.hybrid.terms",
    "LearningCurve": "twinkit.hybrid.learning",
    "Learner": "twinkit.hybrid.learners",
    "NeuralNetwork": "twinkit.hybrid.learners",
    "NeuralNetworkTerm": "twinkit.hybrid.terms",
    "Polynomial": "twinkit.hybrid.learners",
    "PolynomialTerm": "twinkit.hybrid.terms",
    "Propagation": "twinkit.hybrid.predicting",
    "Residual": "twinkit.hybrid.residual",
    "Selection": "twinkit.hybrid.selecting",
    "TERMS": "twinkit.hybrid.terms",
    "calibration_report": "twinkit.hybrid.coverage",
    "conformal": "twinkit.hybrid.conforming",
    "fit_gaussian_process": "twinkit.hybrid.gaussian_process",
    "learning_curve": "twinkit.hybrid.learning",
    "select": "twinkit.hybrid.selecting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(_HOMES[name]), name)


__all__ = [
    "TERMS",
    "CalibrationReport",
    "Combine",
    "Conformal",
    "Forecast",
    "GaussianProcess",
    "GaussianProcessTerm",
    "Guarantee",
    "HybridModel",
    "InducingGP",
    "Kernel",
    "Learner",
    "LearningCurve",
    "NeuralNetwork",
    "NeuralNetworkTerm",
    "Polynomial",
    "PolynomialTerm",
    "Propagation",
    "Residual",
    "Selection",
    "calibration_report",
    "conformal",
    "fit_gaussian_process",
    "learning_curve",
    "select",
]  # fmt: skip
