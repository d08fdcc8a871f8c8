"""The language every room speaks: variables, models, units, solutions, records, errors, identity."""

from twinkit.core.batch import Batch
from twinkit.core.component import Causality, Component, Port, PortKind, StepError, Variability
from twinkit.core.errors import (
    BoundsError,
    DataError,
    FrozenModelError,
    InvalidValueError,
    MissingDependencyError,
    ModelDefinitionError,
    ShapeError,
    SimulationError,
    StorageError,
    TwinkitError,
    UnitError,
    UnknownNameError,
)
from twinkit.core.events import Balance, Crossing, Event, Schedule
from twinkit.core.maths import Maths, Table
from twinkit.core.model import Model
from twinkit.core.origin import Established, Origin
from twinkit.core.parameter_set import ParameterSet
from twinkit.core.records import AuditSink, Measurement, Prediction, Quality, no_audit
from twinkit.core.solution import Occurrence, RunStatus, Solution, Trace
from twinkit.core.variables import Algebraic, Input, Mode, Option, Output, Parameter, State

__all__ = [
    "Algebraic",
    "AuditSink",
    "Balance",
    "Batch",
    "BoundsError",
    "Causality",
    "Component",
    "Crossing",
    "DataError",
    "Established",
    "Event",
    "FrozenModelError",
    "Input",
    "InvalidValueError",
    "Maths",
    "Measurement",
    "MissingDependencyError",
    "Mode",
    "Model",
    "ModelDefinitionError",
    "Occurrence",
    "Option",
    "Origin",
    "Output",
    "Parameter",
    "ParameterSet",
    "Port",
    "PortKind",
    "Prediction",
    "Quality",
    "RunStatus",
    "Schedule",
    "ShapeError",
    "SimulationError",
    "Solution",
    "State",
    "StepError",
    "StorageError",
    "Table",
    "Trace",
    "TwinkitError",
    "UnitError",
    "UnknownNameError",
    "Variability",
    "no_audit",
]
