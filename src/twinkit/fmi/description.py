"""What an FMU says about itself, as plain frozen data."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from math import prod
from typing import Any

from twinkit.core.errors import InvalidValueError

MAX_ELEMENTS = 10_000_000  # of one array


class Kind(Enum):
    """How an FMU is simulated: by its own solver, or by ours."""

    CO_SIMULATION = "cs"
    MODEL_EXCHANGE = "me"


class Interval(Enum):
    """How the time between two ticks of a clock is known (FMI 3, ``intervalVariability``)."""

    CONSTANT = "constant"
    FIXED = "fixed"
    CALCULATED = "calculated"
    TUNABLE = "tunable"
    CHANGING = "changing"
    COUNTDOWN = "countdown"
    TRIGGERED = "triggered"

    @property
    def is_periodic(self) -> bool:
        """Whether the clock ticks again and again without the FMU saying so each time."""
        return self in (Interval.CONSTANT, Interval.FIXED, Interval.CALCULATED, Interval.TUNABLE)


@dataclass(frozen=True)
class Clock:
    """When a clock ticks.

    Attributes
    ----------
    variability
        How its interval is known; a triggered clock has none.
    interval, shift
        Time between ticks, and before the first one, in the FMU's time unit. None: the FMU tells, or has to be told.
    """

    variability: Interval
    interval: float | None = None
    shift: float | None = None


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
        Dimensions of an array; () for a single value.
    dimensions
        The same, with the names of the structural parameters that some of them are.
    minimum, maximum, nominal
        As declared.
    items
        Names of an enumeration's values, by number.
    derivative_of
        Name of the state whose derivative it is ('' for none).
    clocks
        Names of the clocks it belongs to.
    clock
        When it ticks; None for what is no clock.
    negated
        Whether the FMU holds its value with the other sign (an alias of FMI 1).
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
    dimensions: tuple[int | str, ...] = ()
    clocks: tuple[str, ...] = ()
    clock: Clock | None = None
    negated: bool = False

    @property
    def width(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def clocked(self) -> bool:
        """Whether it belongs to clocks: its value has a meaning when one of them ticks."""
        return bool(self.clocks)

    def resized(self, sizes: Mapping[str, int]) -> FMUVariable:
        """Return the variable with other values of the structural parameters its shape depends on.

        Raises
        ------
        InvalidValueError
            If it would have more than ten million elements.
        """
        shape = tuple(size if isinstance(size, int) else sizes[size] for size in self.dimensions)
        if shape == self.shape:
            return self
        if prod(shape) > MAX_ELEMENTS:
            raise InvalidValueError(f"{self.name!r} would have {shape} elements; at most {MAX_ELEMENTS} are accepted")
        values = self.start if isinstance(self.start, tuple) else ()
        start = values[:1] * prod(shape) if values and len(set(values)) == 1 else None
        return replace(self, shape=shape, start=start)


@dataclass(frozen=True)
class Interface:
    """What an FMU can do in one of its two kinds."""

    identifier: str
    needs_tool: bool = False
    can_save_state: bool = False
    can_serialize_state: bool = False
    directional_derivatives: bool = False
    adjoint_derivatives: bool = False
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
    scheduled_execution
        Whether it offers scheduled execution (which is not run here).
    units
        Unit name -> its SI definition, where given.
    state_count, indicator_count
        Continuous states and event indicators.
    derivatives, indicators
        Names of the derivatives of the continuous states, and of the event indicators where they are variables (FMI 3).
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
    scheduled_execution: bool = False
    derivatives: tuple[str, ...] = ()
    indicators: tuple[str, ...] = ()

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

    @property
    def clocks(self) -> tuple[FMUVariable, ...]:
        """The clocks, in order."""
        return tuple(v for v in self.variables.values() if v.clock is not None)

    def resized(self, values: Mapping[str, Any]) -> FMUDescription:
        """Return the description with these values of structural parameters, and the shapes that follow from them.

        Parameters
        ----------
        values
            Name -> value; names that are no structural parameters are ignored.

        Raises
        ------
        InvalidValueError
            If a size is not a whole number, is negative, or makes an array too large.
        """
        structural = {v.name: v for v in self.of("structuralParameter")}
        given = {name: _size(name, values[name]) for name in structural if name in values}
        if not given:
            return self
        sizes = {name: given.get(name, int(v.start or 0)) for name, v in structural.items()}
        variables = {
            name: replace(v, start=sizes[name]) if name in given else v.resized(sizes) if v.dimensions else v
            for name, v in self.variables.items()
        }
        counts = [sum(variables[name].width for name in names) for names in (self.derivatives, self.indicators)]
        return replace(self, variables=variables, state_count=counts[0], indicator_count=counts[1])

    def __str__(self) -> str:
        kinds = " and ".join(kind.name.lower().replace("_", " ") for kind in self.kinds) or "no supported kind"
        lines = [f"{self.model_name}: FMI {self.fmi_version}, {kinds}", f"  {self.generation_tool or 'unknown tool'}"]
        lines += [
            f"  {kind.name.lower().replace('_', ' ')}: {', '.join(_abilities(self, kind))}" for kind in self.kinds
        ]
        lines += ["  scheduled execution: offered, not run here"] if self.scheduled_execution else []
        for word, chosen in self._shown():
            lines.append(f"  {len(chosen)} {word}{'' if len(chosen) == 1 else 's'}")
            lines += [f"    {_line(v)}" for v in chosen[:20]]
            lines += [f"    ... and {len(chosen) - 20} more"] if len(chosen) > 20 else []
        return "\n".join(lines)

    def _shown(self) -> list[tuple[str, tuple[FMUVariable, ...]]]:
        """Return the groups of variables that are worth showing."""
        groups = [
            (word, tuple(v for v in self.of(word) if v.clock is None)) for word in ("input", "output", "parameter")
        ]
        structural = self.of("structuralParameter")
        groups += [("structural parameter", structural)] if structural else []
        return groups + ([("clock", self.clocks)] if self.clocks else [])

    def _repr_html_(self) -> str:
        head = html.escape("; ".join(line.strip() for line in str(self).splitlines()[:2]))
        shown = list(dict.fromkeys(v for _, group in self._shown() for v in group))
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in _cells(v)) + "</tr>" for v in shown[:200]
        )
        titles = "".join(f"<th>{title}</th>" for title in ("name", "causality", "type", "unit", "start", ""))
        return f"<div><b>{head}</b><table><tr>{titles}</tr>{rows}</table></div>"


def _size(name: str, value: Any) -> int:
    try:
        size = int(value)
        whole = size == value
    except (TypeError, ValueError, OverflowError):
        size, whole = -1, False
    if not whole or not 0 <= size <= MAX_ELEMENTS:
        raise InvalidValueError(f"structural parameter {name!r} is a whole number up to {MAX_ELEMENTS}, not {value!r}")
    return size


def _abilities(description: FMUDescription, kind: Kind) -> list[str]:
    """Return in words what an FMU can do in one kind."""
    interface = description.interface(kind)
    if interface is None:
        return []
    said = {
        "saves its state": interface.can_save_state,
        "as bytes": interface.can_save_state and interface.can_serialize_state,
        "directional derivatives": interface.directional_derivatives,
        "adjoint derivatives": interface.adjoint_derivatives,
        "variable step": kind is Kind.CO_SIMULATION and interface.variable_step,
        "event mode": kind is Kind.CO_SIMULATION and interface.has_event_mode,
        "needs its tool": interface.needs_tool,
    }
    return [word for word, able in said.items() if able] or ["nothing beyond running"]


def _line(v: FMUVariable) -> str:
    """Return one line on a variable."""
    size = f"[{', '.join(str(size) for size in v.dimensions)}]" if v.dimensions else ""
    words = [f"{v.name}{size} [{v.unit or '-'}] {v.type.value}", _ticks(v), _start(v)]
    words += [f"on {', '.join(v.clocks)}"] if v.clocks else []
    return " ".join(word for word in words if word)


def _ticks(v: FMUVariable) -> str:
    if v.clock is None:
        return ""
    every = "" if v.clock.interval is None else f" every {v.clock.interval:g}"
    after = "" if not v.clock.shift else f" after {v.clock.shift:g}"
    return f"{v.clock.variability.value}{every}{after}"


def _start(variable: FMUVariable) -> str:
    return "" if variable.start is None else f"start {variable.start!r}"[:80]


def _cells(v: FMUVariable) -> tuple[str, ...]:
    start = _ticks(v) if v.start is None else repr(v.start)[:80]
    return v.name, v.causality, v.type.value, v.unit, start, v.description
