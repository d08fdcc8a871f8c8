"""What happens at an instant: events found by a sign change, and schedules fixed in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from twinkit.core.errors import InvalidValueError
from twinkit.core.units import as_number

_MAX_TIMES = 100_000


class Crossing(Enum):
    """The direction in which an event's expression passes through zero."""

    RISING = 1
    FALLING = -1
    EITHER = 0


@dataclass(frozen=True, eq=False)
class Event:
    """Something that happens when an expression crosses zero.

    Parameters
    ----------
    when
        Continuous expression of the variables, such as ``v.V - v.V_max``.
    crossing
        Direction that counts.
    set
        New values of states and modes, from the values just before the event.
    stop
        End the run here.
    """

    when: Any
    crossing: Crossing = Crossing.RISING
    set: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stop: bool = False


@dataclass(frozen=True, eq=False)
class Schedule:
    """Something that happens at given times: a bolus, a sample taken, a change of phase.

    Parameters
    ----------
    at
        Times: numbers in the model's time unit, or texts with a unit.
    every
        Period instead of a list of times; the first instance is at `start`.
    start, until
        Limits of a periodic schedule (`until` None: the end of the run).
    set
        New values of states and modes.
    """

    at: Sequence[float | str] = ()
    every: float | str | None = None
    start: float | str = 0.0
    until: float | str | None = None
    set: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if (self.every is None) == (len(self.at) == 0):
            raise InvalidValueError("a schedule needs either at=[times] or every=period")

    def times(self, begin: float, end: float, time_unit: str) -> list[float]:
        """Return the times of this schedule in ``(begin, end)``, including `begin`, in `time_unit`."""
        if self.every is None:
            listed = [as_number(t, time_unit, "a scheduled time") for t in self.at]
            return sorted({t for t in listed if begin <= t < end})
        period = as_number(self.every, time_unit, "the period of a schedule")
        if period <= 0:
            raise InvalidValueError(f"the period of a schedule must be positive, not {period:g} {time_unit}")
        first = as_number(self.start, time_unit, "the start of a schedule")
        last = end if self.until is None else min(end, as_number(self.until, time_unit, "the end of a schedule"))
        if last < first:
            return []
        count = int(np.floor((last - first) / period * (1 + 1e-12)))
        passed = max(0, int(np.floor((begin - first) / period)) - 1)
        if count - passed > _MAX_TIMES:
            raise InvalidValueError(
                f"a schedule every {period:g} {time_unit} is more than {_MAX_TIMES} times in this run"
            )
        return [t for t in (first + k * period for k in range(passed, count + 1)) if begin <= t < end]


@dataclass(frozen=True, eq=False)
class Balance:
    """A quantity that is conserved: what a model holds of it and what crosses its boundary.

    Parameters
    ----------
    amount
        Expression of the states (and parameters).
    inflow
        Net inflow per `time_unit`; 0 for a closed system.
    """

    amount: Any
    inflow: Any = 0.0
