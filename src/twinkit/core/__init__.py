"""The language every room speaks: variables, models, units, solutions, records, errors, identity."""

from twinkit.core.applicability import Applicability, FittedModel, TrainingDomain
from twinkit.core.batch import Batch
from twinkit.core.component import Causality, Component, Port, PortKind, StepError, Variability
from twinkit.core.design_space import DesignSpace
from twinkit.core.errors import (
    BoundsError,
    DataError,
    ExternalEquationsError,
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
from twinkit.core.external import External
from twinkit.core.formula import Formula
from twinkit.core.limits import Combination, Limit, Range, Response
from twinkit.core.maths import Maths, Table
from twinkit.core.model import Model
from twinkit.core.origin import Established, Origin
from twinkit.core.parameter_set import ParameterSet
from twinkit.core.records import AuditSink, Measurement, Prediction, Quality, StateEstimate, no_audit
from twinkit.core.solution import Occurrence, RunStatus, Solution, Trace
from twinkit.core.terms import Combine, Correction
from twinkit.core.uncertainty import ParameterUncertainty
from twinkit.core.variables import Algebraic, Input, Mode, Option, Output, Parameter, State
from twinkit.core.verdict import Verdict

__all__ = [
    "Algebraic",
    "Applicability",
    "AuditSink",
    "Balance",
    "Batch",
    "BoundsError",
    "Causality",
    "Combination",
    "Combine",
    "Component",
    "Correction",
    "Crossing",
    "DataError",
    "DesignSpace",
    "Established",
    "Event",
    "External",
    "ExternalEquationsError",
    "FittedModel",
    "Formula",
    "FrozenModelError",
    "Input",
    "InvalidValueError",
    "Limit",
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
    "ParameterUncertainty",
    "Port",
    "PortKind",
    "Prediction",
    "Quality",
    "Range",
    "Response",
    "RunStatus",
    "Schedule",
    "ShapeError",
    "SimulationError",
    "Solution",
    "State",
    "StateEstimate",
    "StepError",
    "StorageError",
    "Table",
    "Trace",
    "TrainingDomain",
    "TwinkitError",
    "UnitError",
    "UnknownNameError",
    "Variability",
    "Verdict",
    "no_audit",
]
