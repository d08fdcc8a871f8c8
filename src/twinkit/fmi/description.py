"""What an FMU says about itself, as plain frozen data."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import prod
from typing import Any


class Kind(Enum):
    """How an FMU is simulated: by its own solver, or by ours."""

    CO_SIMULATION = "cs"
    MODEL_EXCHANGE = "me"


class VariableType(Enum):
    """Type of an FMU variable; the value is the stem of the FMI functions that access it."""

    FLOAT32 = "Float32"
    FLOAT64 = "Float64"
    INT8 = "Int8"
    UINT8 = "UInt8"
    INT16 = "Int16"
    UINT16 = "UInt16"
    INT32 = "Int32"
    UINT32 = "UInt32"
    INT64 = "Int64"
    UINT64 = "UInt64"
    BOOLEAN = "Boolean"
    STRING = "String"
    BINARY = "Binary"
    ENUMERATION = "Enumeration"
    CLOCK = "Clock"

    @property
    def is_number(self) -> bool:
        """Whether its values can pass through a port (numbers, booleans and enumerations)."""
        return self not in (VariableType.STRING, VariableType.BINARY, VariableType.CLOCK)

    @property
    def is_float(self) -> bool:
        """Whether it is a floating-point number."""
        return self in (VariableType.FLOAT32, VariableType.FLOAT64)


@dataclass(frozen=True)
class BaseUnit:
    """A unit in SI base units: exponents, factor and offset, as ``<BaseUnit>`` states them."""

    exponents: Mapping[str, int]
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, eq=False)
class FMUVariable:
    """One variable of an FMU.

    Attributes
    ----------
    name, description
        As declared.
    reference
        Value reference.
    type
        Its type; the Real and Integer of FMI 1 and 2 are `FLOAT64` and `INT32`.
    causality, variability, initial
        As declared, or FMI's default.
    unit
        Name of its unit in the FMU ('' for none).
    start
        Start value; arrays are flat tuples. None: not declared.
    shape
        Dimensions of an array at its structural parameters' start values; () for a single value.
    minimum, maximum, nominal
        As declared.
    items
        Names of an enumeration's values, by number.
    derivative_of
        Name of the state whose derivative it is ('' for none).
    clocked
        True for a variable that belongs to clocks.
    """

    name: str
    reference: int
    type: VariableType
    causality: str = "local"
    variability: str = "continuous"
    initial: str = ""
    unit: str = ""
    start: Any = None
    shape: tuple[int, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    nominal: float | None = None
    description: str = ""
    items: Mapping[int, str] = field(default_factory=dict[int, str])
    derivative_of: str = ""
    clocked: bool = False

    @property
    def width(self) -> int:
        """Number of values."""
        return prod(self.shape)


@dataclass(frozen=True)
class Interface:
    """What an FMU can do in one of its two kinds."""

    identifier: str
    needs_tool: bool = False
    can_save_state: bool = False
    can_serialize_state: bool = False
    directional_derivatives: bool = False
    variable_step: bool = False
    has_event_mode: bool = False
    needs_completed_step: bool = True
    once_per_process: bool = False


@dataclass(frozen=True)
class FMUDescription:
    """Content of `modelDescription.xml`.

    Attributes
    ----------
    fmi_version
        "1.0", "2.0" or "3.0".
    model_name, description, generation_tool
        As declared.
    token
        GUID or instantiation token.
    variables
        Name -> variable, in order.
    co_simulation, model_exchange
        What it can do in each kind; None: not that kind.
    units
        Unit name -> its SI definition, where given.
    state_count, indicator_count
        Continuous states and event indicators.
    start_time, stop_time, tolerance, step_size
        Of the default experiment, where given.
    dependencies
        Output -> variables it depends on at the same instant, where declared.
    """

    fmi_version: str
    model_name: str
    token: str
    variables: Mapping[str, FMUVariable]
    co_simulation: Interface | None = None
    model_exchange: Interface | None = None
    description: str = ""
    generation_tool: str = ""
    units: Mapping[str, BaseUnit | None] = field(default_factory=dict[str, "BaseUnit | None"])
    state_count: int = 0
    indicator_count: int = 0
    start_time: float | None = None
    stop_time: float | None = None
    tolerance: float | None = None
    step_size: float | None = None
    dependencies: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds it offers, co-simulation first."""
        both = ((Kind.CO_SIMULATION, self.co_simulation), (Kind.MODEL_EXCHANGE, self.model_exchange))
        return tuple(kind for kind, interface in both if interface is not None)

    def interface(self, kind: Kind) -> Interface | None:
        """Return what it can do in a kind."""
        return self.co_simulation if kind is Kind.CO_SIMULATION else self.model_exchange

    def of(self, *causalities: str) -> tuple[FMUVariable, ...]:
        """Return the variables with these causalities ("input", "output", "parameter", ...), in order."""
        return tuple(v for v in self.variables.values() if v.causality in causalities)

    def __str__(self) -> str:
        kinds = " and ".join(kind.name.lower().replace("_", " ") for kind in self.kinds) or "no supported kind"
        lines = [f"{self.model_name}: FMI {self.fmi_version}, {kinds}", f"  {self.generation_tool or 'unknown tool'}"]
        for causality in ("input", "output", "parameter"):
            chosen = self.of(causality)
            lines.append(f"  {len(chosen)} {causality}{'' if len(chosen) == 1 else 's'}")
            lines += [f"    {v.name} [{v.unit or '-'}] {v.type.value} {_start(v)}".rstrip() for v in chosen[:20]]
            lines += [f"    ... and {len(chosen) - 20} more"] if len(chosen) > 20 else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = html.escape("; ".join(line.strip() for line in str(self).splitlines()[:2]))
        shown = self.of("input", "output", "parameter")
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in _cells(v)) + "</tr>" for v in shown[:200]
        )
        titles = "".join(f"<th>{title}</th>" for title in ("name", "causality", "type", "unit", "start", ""))
        return f"<div><b>{head}</b><table><tr>{titles}</tr>{rows}</table></div>"


def _start(variable: FMUVariable) -> str:
    return "" if variable.start is None else f"start {variable.start!r}"[:80]


def _cells(v: FMUVariable) -> tuple[str, ...]:
    start = "" if v.start is None else repr(v.start)[:80]
    return v.name, v.causality, v.type.value, v.unit, start, v.description
