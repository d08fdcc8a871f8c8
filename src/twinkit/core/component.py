"""The component: whatever lives in time, with typed ports. The contract between the graph and everything in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, SimulationError
from twinkit.core.units import as_array, parse_unit

if TYPE_CHECKING:
    from twinkit.core.solution import Occurrence, Solution

Array: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = Mapping[str, Any]
"""Port name -> number or array, in the port's unit."""


class PortKind(Enum):
    """What a port carries."""

    SIGNAL = "signal"
    MATERIAL = "material"
    HEAT = "heat"
    SPECTRUM = "spectrum"
    EVENT = "event"


class Causality(Enum):
    """Which way a port faces."""

    INPUT = "input"
    OUTPUT = "output"


class Variability(Enum):
    """How a port's value may change: at any time, at events only, or never after the start."""

    CONTINUOUS = "continuous"
    DISCRETE = "discrete"
    FIXED = "fixed"


@dataclass(frozen=True)
class Port:
    """One place where a component meets the outside.

    Parameters
    ----------
    name
        Unique among the inputs, or the outputs, of its component.
    unit
        Unit of the numbers.
    causality
        Input or output.
    shape
        None for a single number, else the length of a vector.
    kind
        What it carries; only ports of one kind can be connected.
    variability
        How its value may change.
    default
        Value of an input that is not connected; None: it must be connected or given.
    doc
        One line.
    """

    name: str
    unit: str
    causality: Causality
    shape: int | None = None
    kind: PortKind = PortKind.SIGNAL
    variability: Variability = Variability.CONTINUOUS
    default: float | tuple[float, ...] | None = None
    doc: str = ""

    def __post_init__(self) -> None:
        parse_unit(self.unit)
        if self.shape is not None and self.shape < 1:
            raise InvalidValueError(f"port {self.name!r}: a shape is a positive length, not {self.shape}")

    @property
    def width(self) -> int:
        """Number of values the port carries."""
        return 1 if self.shape is None else self.shape

    def flat(self, value: Any, what: str) -> Array:
        """Return a value in the port's unit as a flat array of its width, or raise a specific error."""
        array = np.atleast_1d(as_array(value, self.unit, what))
        if array.shape != (self.width,):
            raise InvalidValueError(f"{what} has {self.width} value(s), but shape {array.shape} was given")
        return array


class StepError(SimulationError):
    """A component that could not take a step.

    Attributes
    ----------
    component
        Its name in the graph ('' outside one).
    time
        Start of the step, in the component's time unit.
    values
        Inputs at that time.
    partial
        What a run had reached when it failed (a run of a graph gives it), or None.
    """

    partial: Solution | None = None

    def __init__(
        self, message: str, *, component: str = "", time: float = float("nan"), values: Values | None = None
    ) -> None:
        super().__init__(message)
        self.component = component
        self.time = time
        self.values = dict(values or {})


@runtime_checkable
class Component(Protocol):
    """Whatever lives in time: a model, an FMU, a soft sensor, an estimator, a controller, a recording, a plant.

    `initialize` comes first; then `step` is called with ``dt > 0``, each step starting where the last one ended (or
    where a snapshot was restored). Times are in `time_unit`. Values are in the units of the ports.
    """

    @property
    def time_unit(self) -> str:
        """Unit of `t` and `dt`."""
        ...

    @property
    def inputs(self) -> Mapping[str, Port]:
        """Input ports by name."""
        ...

    @property
    def outputs(self) -> Mapping[str, Port]:
        """Output ports by name."""
        ...

    def initialize(self, t0: float, inputs: Values) -> Values:
        """Start (or start again) at `t0` and return the outputs there."""
        ...

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Advance from `t` to ``t + dt`` with inputs held, and return the outputs at the end.

        Raises
        ------
        StepError
            If the step fails; nothing is returned that was not computed.
        """
        ...

    def close(self) -> None:
        """Give back what the component holds (a process, a library); calling it again does nothing."""
        ...


@runtime_checkable
class RollsBack(Protocol):
    """A component that can return to where it was."""

    def snapshot(self) -> Any:
        """Return everything that determines how the component goes on."""
        ...

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; the continuation is bitwise the same."""
        ...


@runtime_checkable
class Differentiates(Protocol):
    """A component that knows its directional derivatives."""

    def derivatives(self, of: tuple[str, ...], to: tuple[str, ...]) -> Array:
        """Return d(outputs `of`)/d(inputs `to`) at the present point, ``(sum of widths, sum of widths)``."""
        ...


@runtime_checkable
class HasEvents(Protocol):
    """A component that knows when it will change abruptly (one that says ``has_events = False`` never will)."""

    def next_event(self, t: float) -> float | None:
        """Return the time of the next known event after `t`, or None."""
        ...


@runtime_checkable
class HasOccurrences(Protocol):
    """A component that tells what has happened in it: events and scheduled actions."""

    def occurrences(self) -> Sequence[Occurrence]:
        """Return what has happened since the start, in order of time; `restore` takes back what came later."""
        ...


@runtime_checkable
class Stops(Protocol):
    """A component in which an event may end the run (one that says ``can_stop = False`` has no such event).

    A step in which that happens ends there: its outputs are those of that instant, and no other step is taken.
    """

    def stopped(self) -> Occurrence | None:
        """Return the event that ended the run, or None while there is none."""
        ...


@runtime_checkable
class FeedsThrough(Protocol):
    """A component that knows which outputs depend on which inputs at the same instant."""

    def feedthrough(self) -> Mapping[str, frozenset[str]]:
        """Return output -> inputs it depends on without delay (a component without this is taken to depend on none)."""
        ...


@runtime_checkable
class Evaluates(Protocol):
    """A component that can say what its outputs would be under other inputs, without moving in time.

    Masters use it to carry feedthrough at one instant (never a step of length zero) and to solve algebraic loops.
    """

    def evaluate(self, t: float, inputs: Values) -> Values:
        """Return the outputs at the present instant `t` under `inputs`; the state does not change.

        Raises
        ------
        StepError
            If they cannot be computed.
        """
        ...


Stepper: TypeAlias = Callable[[float, float], None]
"""``(t, dt)``: take one step, reading inputs from and writing outputs to the arrays it is bound to."""


@runtime_checkable
class Binds(Protocol):
    """A component that can step on arrays, without a dict per step: the fast path of a master."""

    def bind(self, inputs: Array, outputs: Array) -> Stepper:
        """Return a stepper bound to arrays that hold the values of all ports, in the order of the mappings.

        The arrays are contiguous, owned by the caller and never replaced. The stepper reads `inputs` when it is
        called and leaves the outputs at ``t + dt`` in `outputs`.

        Raises
        ------
        StepError
            By the stepper, if a step fails.
        """
        ...
