"""Numbers that may change with time: references, limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError
from twinkit.core.component import Array
from twinkit.core.units import as_array, as_number
from twinkit.simulate.signals import Ramps, Steps


@dataclass(frozen=True, eq=False)
class Timed:
    """A number over time.

    Attributes
    ----------
    values
        ``times (K,) -> values (K,)``.
    constant
        The number, where it never changes; else None.
    identity
        What defines it, for a content hash.
    """

    values: Callable[[Array], Array]
    constant: float | None
    identity: Any

    def __call__(self, times: Array) -> Array:
        """Return the values at times, ``(K,)``; at a step the value after it."""
        return self.values(times)


def fixed(number: float) -> Timed:
    """Return a number that never changes (it may be infinite)."""
    return Timed(lambda times: np.full(len(times), number), number, number)


def timed(raw: Any, unit: str, time_unit: str, what: str, missing: float = np.nan) -> Timed:
    """Return a number over time.

    Parameters
    ----------
    raw
        Number, text or quantity; `Steps`, `Ramps`; a function of time; None: `missing`.
    unit, time_unit
        Units of the result and of the times.
    what
        Used in messages.
    missing
        What None stands for.

    Raises
    ------
    UnitError, InvalidValueError
        If it is none of these.
    """
    if raw is None:
        return fixed(missing)
    if isinstance(raw, (Steps, Ramps)):
        return _pointed(raw, unit, time_unit, what)
    if callable(raw) and not hasattr(raw, "magnitude"):

        def called(times: Array) -> Array:
            return np.array([_number(raw(float(t)), unit, f"{what} at t = {t:g}") for t in times])

        return Timed(called, None, getattr(raw, "identity", getattr(raw, "__qualname__", repr(raw))))
    return fixed(as_number(raw, unit, what))


def _number(raw: Any, unit: str, what: str) -> float:
    """Return a number, which may be infinite: no limit then."""
    return raw if isinstance(raw, float) and math.isinf(raw) else as_number(raw, unit, what)


def _pointed(raw: Steps | Ramps, unit: str, time_unit: str, what: str) -> Timed:
    times = np.array([as_number(t, time_unit, f"a time of {what}") for t, _ in raw.points])
    points = np.array([float(as_array(value, unit, what)) for _, value in raw.points])
    if (np.diff(times) <= 0.0).any():
        raise InvalidValueError(f"the times of {what} must increase")
    if isinstance(raw, Ramps):
        return Timed(lambda at: np.interp(at, times, points), None, ["ramps", times, points])

    def held(at: Array) -> Array:
        slack = 1e-9 * np.maximum(1.0, np.abs(at))
        return points[np.maximum(np.searchsorted(times, at + slack, side="right") - 1, 0)]

    return Timed(held, None, ["steps", times, points])
