"""FMUs in and out: load, inspect, run, use as components, and export models. Foreign code is treated as foreign.

FMPy runs them (``pip install 'twinkit[fmi]'``); PyFMI is the alternative where conda provides it.
"""

from twinkit.fmi._archive import ArchiveLimits
from twinkit.fmi._errors import FMUCrashError, FMUFileError, FMUMemoryError, FMUTimeoutError, UnsupportedFMUError
from twinkit.fmi._exchange import Integration
from twinkit.fmi._export.settings import (
    Binary,
    ExportedFMU,
    ExportKind,
    ExportWarning,
    FMIVersion,
    FMUBuildError,
    FMUExportError,
)
from twinkit.fmi._export.write import export
from twinkit.fmi._isolated import Isolation
from twinkit.fmi._model import DerivativeWarning, FMUModel, model
from twinkit.fmi.casadi import FMUFunction, casadi_function
from twinkit.fmi.component import FMU
from twinkit.fmi.description import (
    BaseUnit,
    Clock,
    FMUDescription,
    FMUVariable,
    Interface,
    Interval,
    Kind,
    VariableType,
)
from twinkit.fmi.session import Backend, Session, open, read_description
from twinkit.fmi.tools import check, info, simulate

__all__ = [
    "FMU",
    "ArchiveLimits",
    "Backend",
    "BaseUnit",
    "Binary",
    "Clock",
    "DerivativeWarning",
    "ExportKind",
    "ExportWarning",
    "ExportedFMU",
    "FMIVersion",
    "FMUBuildError",
    "FMUCrashError",
    "FMUDescription",
    "FMUExportError",
    "FMUFileError",
    "FMUFunction",
    "FMUMemoryError",
    "FMUModel",
    "FMUTimeoutError",
    "FMUVariable",
    "Integration",
    "Interface",
    "Interval",
    "Isolation",
    "Kind",
    "Session",
    "UnsupportedFMUError",
    "VariableType",
    "casadi_function",
    "check",
    "export",
    "info",
    "model",
    "open",
    "read_description",
    "simulate",
]
