"""Hybrid models: physics first, a learned function for what physics misses, and uncertainty that can be believed."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twinkit.core.terms import Combine
    from twinkit.hybrid.conforming import Conformal, Guarantee, conformal
    from twinkit.hybrid.coverage import CalibrationReport, calibration_report
    from twinkit.hybrid.emulators import Chebyshev, ChebyshevNetwork, GaussianProcesses
    from twinkit.hybrid.fidelity import Fidelities, Fidelity, fidelities
    from twinkit.hybrid.gaussian_process import GaussianProcess, fit_gaussian_process
    from twinkit.hybrid.learners import InducingGP, Learner, NeuralNetwork, Polynomial
    from twinkit.hybrid.learning import LearningCurve, learning_curve
    from twinkit.hybrid.model import HybridModel
    from twinkit.hybrid.predicting import Forecast, Propagation
    from twinkit.hybrid.regressor import GaussianProcessRegressor
    from twinkit.hybrid.residual import Residual
    from twinkit.hybrid.selecting import Selection, select
    from twinkit.hybrid.surrogates import Surrogate, surrogate
    from twinkit.hybrid.terms import TERMS, GaussianProcessTerm, Kernel, NeuralNetworkTerm, PolynomialTerm

_HOMES = {
    "CalibrationReport": "twinkit.hybrid.coverage",
    "Chebyshev": "twinkit.hybrid.emulators",
    "ChebyshevNetwork": "twinkit.hybrid.emulators",
    "Combine": "twinkit.core.terms",
    "Conformal": "twinkit.hybrid.conforming",
    "Fidelities": "twinkit.hybrid.fidelity",
    "Fidelity": "twinkit.hybrid.fidelity",
    "Forecast": "twinkit.hybrid.predicting",
    "GaussianProcess": "twinkit.hybrid.gaussian_process",
    "GaussianProcessRegressor": "twinkit.hybrid.regressor",
    "GaussianProcessTerm": "twinkit.hybrid.terms",
    "GaussianProcesses": "twinkit.hybrid.emulators",
    "Guarantee": "twinkit.hybrid.conforming",
    "HybridModel": "twinkit.hybrid.model",
    "InducingGP": "twinkit.hybrid.learners",
    "Kernel": "twinkit.hybrid.terms",
    "Learner": "twinkit.hybrid.learners",
    "LearningCurve": "twinkit.hybrid.learning",
    "NeuralNetwork": "twinkit.hybrid.learners",
    "NeuralNetworkTerm": "twinkit.hybrid.terms",
    "Polynomial": "twinkit.hybrid.learners",
    "PolynomialTerm": "twinkit.hybrid.terms",
    "Propagation": "twinkit.hybrid.predicting",
    "Residual": "twinkit.hybrid.residual",
    "Selection": "twinkit.hybrid.selecting",
    "Surrogate": "twinkit.hybrid.surrogates",
    "TERMS": "twinkit.hybrid.terms",
    "calibration_report": "twinkit.hybrid.coverage",
    "conformal": "twinkit.hybrid.conforming",
    "fidelities": "twinkit.hybrid.fidelity",
    "fit_gaussian_process": "twinkit.hybrid.gaussian_process",
    "learning_curve": "twinkit.hybrid.learning",
    "select": "twinkit.hybrid.selecting",
    "surrogate": "twinkit.hybrid.surrogates",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(_HOMES[name]), name)


__all__ = [
    "TERMS",
    "CalibrationReport",
    "Chebyshev",
    "ChebyshevNetwork",
    "Combine",
    "Conformal",
    "Fidelities",
    "Fidelity",
    "Forecast",
    "GaussianProcess",
    "GaussianProcessRegressor",
    "GaussianProcessTerm",
    "GaussianProcesses",
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
    "Surrogate",
    "calibration_report",
    "conformal",
    "fidelities",
    "fit_gaussian_process",
    "learning_curve",
    "select",
    "surrogate",
]  # fmt: skip
