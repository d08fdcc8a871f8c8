"""Inputs over time, with hold semantics that are always explicit: steps, ramps, or a continuous function.

Whatever the user gives becomes one thing, a piecewise cubic polynomial per input with marked jumps, so that every
integrator treats inputs alike and restarts where, and only where, an input jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, ShapeError, SimulationError, unknown_name
from twinkit.core.layout import Field, Layout
from twinkit.core.units import as_array, as_number

Array = npt.NDArray[np.float64]
Points: TypeAlias = "Mapping[Any, Any] | Sequence[tuple[Any, Any]] | tuple[Any, Any] | Any"


NODES = np.array([0.0, 1 / 3, 2 / 3, 1.0])
"""Where a cubic piece is sampled, as fractions of its length."""
_TO_POWERS = np.linalg.inv(np.vander(NODES, 4, increasing=True))


@dataclass(frozen=True, eq=False)
class Steps:
    """An input that keeps each value until the next time; made by `steps`."""

    points: tuple[tuple[Any, Any], ...]


@dataclass(frozen=True, eq=False)
class Ramps:
    """An input that is linear between points; made by `ramps`."""

    points: tuple[tuple[Any, Any], ...]
    hold_last: bool = False


def steps(points: Points) -> Steps:
    """Return an input that holds each value until the next time (zero-order hold).

    Parameters
    ----------
    points
        ``{time: value}``, a list of ``(time, value)``, a pair of arrays ``(times, values)``, or a pandas Series
        indexed by time. Times and values are numbers in the model's units, or texts such as ``"10 min"``.

    Examples
    --------
    >>> steps({"0 min": 0, "10 min": "5 kW"}).points
    (('0 min', 0), ('10 min', '5 kW'))
    """
    return Steps(_points(points))


def ramps(points: Points, *, hold_last: bool = False) -> Ramps:
    """Return an input that is linear between points (first-order hold).

    Parameters
    ----------
    points
        As for `steps`.
    hold_last
        Keep the last value after the last point; without it the points must cover the run.
    """
    return Ramps(_points(points), hold_last)


def _points(points: Points) -> tuple[tuple[Any, Any], ...]:
    pairs: list[tuple[Any, ...]]
    if isinstance(points, Mapping):
        pairs = list(points.items())
    elif hasattr(points, "index") and hasattr(points, "to_numpy"):
        series: Any = points
        pairs = list(zip(series.index, series.to_numpy(), strict=True))
    elif isinstance(points, tuple) and len(points) == 2 and np.ndim(points[0]) == 1 and not isinstance(points[0], str):
        times, values = points
        if len(times) != len(values):
            raise ShapeError(f"{len(times)} times but {len(values)} values")
        pairs = list(zip(times, values, strict=True))
    else:
        listed: Any = points
        pairs = [tuple(pair) for pair in listed]
    if not pairs:
        raise InvalidValueError("an input over time needs at least one point")
    if any(len(pair) != 2 for pair in pairs):
        raise ShapeError("points are pairs of (time, value)")
    return tuple(pairs)


@dataclass(frozen=True)
class _Pieces:
    """Piecewise cubics of one input: `knots` (K,), `coefficients` (K, width, 4) in local time, `jumps` (K,)."""

    knots: Array
    coefficients: Array
    jumps: npt.NDArray[np.bool_]
    held: bool


@dataclass(frozen=True)
class Program:
    """All inputs of a run on common pieces.

    Attributes
    ----------
    knots
        Start of each piece, ``(K,)``; the last piece has no end.
    coefficients
        Powers 0..3 of local time ``t - knot``, shape ``(K, inputs, 4)``.
    jumps
        Whether an input is discontinuous at the start of a piece, ``(K,)``.
    held
        Names of inputs that are constant on every piece.
    """

    knots: Array
    coefficients: Array
    jumps: npt.NDArray[np.bool_]
    held: frozenset[str]

    def piece(self, times: Any, *, before: bool = False) -> npt.NDArray[np.intp]:
        """Return the piece each time belongs to; at a knot the one after it, or the one `before` it."""
        side = "left" if before else "right"
        return np.clip(np.searchsorted(self.knots, times, side=side) - 1, 0, len(self.knots) - 1)

    def values(self, times: Array, *, before: bool = False) -> Array:
        """Return input values, shape ``(times, inputs)``; at a jump the value after (or `before`) it."""
        index = self.piece(times, before=before)
        s = (times - self.knots[index])[:, None]
        c = self.coefficients[index]
        return np.asarray(c[:, :, 0] + s * (c[:, :, 1] + s * (c[:, :, 2] + s * c[:, :, 3])))


def program(
    layout: Layout, defaults: Mapping[str, Any], inputs: Mapping[str, Any] | None, begin: float, end: float, rtol: float
) -> Program:
    """Turn what the user gave into a `Program`.

    Parameters
    ----------
    layout
        Of the model.
    defaults
        Values of inputs that are not given.
    inputs
        Input name -> number, text, quantity, `steps(...)`, `ramps(...)` or a function of time.
    begin, end
        The run, in the model's time unit.
    rtol
        Accuracy to which a function of time is represented.

    Raises
    ------
    UnknownNameError, UnitError, InvalidValueError, BoundsError, ShapeError
        For a name that is no input, or values that do not fit.
    SimulationError
        If an input has neither a value nor a default, or ends before the run.
    """
    given = dict(inputs or {})
    for name in given:
        if name not in layout.inputs:
            raise unknown_name("input", name, [entry.name for entry in layout.inputs], "the model")
    missing = [entry.name for entry in layout.inputs if entry.name not in given and entry.name not in defaults]
    if missing:
        raise SimulationError(
            f"no value for input {', '.join(map(repr, missing))}: pass inputs={{...}} or set a default"
        )
    parts = [
        _pieces(entry, given.get(entry.name, defaults.get(entry.name)), begin, end, layout.time_unit, rtol)
        for entry in layout.inputs
    ]
    return _merge(layout, parts, begin)


def _pieces(entry: Field, raw: Any, begin: float, end: float, time_unit: str, rtol: float) -> _Pieces:
    if isinstance(raw, Steps):
        return _stepped(entry, raw, begin, time_unit)
    if isinstance(raw, Ramps):
        return _ramped(entry, raw, begin, end, time_unit)
    if callable(raw) and not hasattr(raw, "magnitude"):
        return _sampled(entry, raw, begin, end, rtol)
    if isinstance(raw, (Mapping, list, tuple)) and entry.size is None:
        raise InvalidValueError(
            f"input {entry.name!r}: say what happens between the points: tk.steps({{...}}) holds each value, "
            "tk.ramps({...}) is linear"
        )
    value = np.atleast_1d(entry.variable.check(raw, entry.size, f"input {entry.name!r}"))
    coefficients = np.zeros((1, entry.width, 4))
    coefficients[0, :, 0] = value
    return _Pieces(np.array([begin]), coefficients, np.array([False]), held=True)


def _columns(entry: Field, points: Sequence[tuple[Any, Any]], time_unit: str) -> tuple[Array, Array]:
    what = f"input {entry.name!r}"
    times = np.array([as_number(t, time_unit, f"a time of {what}") for t, _ in points])
    values = np.array([np.atleast_1d(entry.variable.check(value, entry.size, what)) for _, value in points])
    if np.any(np.diff(times) <= 0):
        raise InvalidValueError(f"the times of {what} must increase strictly")
    return times, values


def _stepped(entry: Field, raw: Steps, begin: float, time_unit: str) -> _Pieces:
    times, values = _columns(entry, raw.points, time_unit)
    _covers(entry, times[0], begin, time_unit)
    coefficients = np.zeros((len(times), entry.width, 4))
    coefficients[:, :, 0] = values
    jumps = np.concatenate([[False], np.any(values[1:] != values[:-1], axis=1)])
    return _Pieces(times, coefficients, jumps, held=True)


def _ramped(entry: Field, raw: Ramps, begin: float, end: float, time_unit: str) -> _Pieces:
    times, values = _columns(entry, raw.points, time_unit)
    _covers(entry, times[0], begin, time_unit)
    if times[-1] < end and not raw.hold_last:
        raise SimulationError(
            f"input {entry.name!r} ends at {times[-1]:g} {time_unit}, before the run does ({end:g} {time_unit}): "
            "add a point, or pass hold_last=True to tk.ramps"
        )
    coefficients = np.zeros((len(times), entry.width, 4))
    coefficients[:, :, 0] = values
    coefficients[:-1, :, 1] = np.diff(values, axis=0) / np.diff(times)[:, None]
    # A kink is a jump of the derivative: the integrator is restarted there as well.
    return _Pieces(times, coefficients, np.concatenate([[False], np.ones(len(times) - 1, dtype=bool)]), held=False)


def _covers(entry: Field, first: float, begin: float, time_unit: str) -> None:
    if first > begin:
        raise SimulationError(
            f"input {entry.name!r} starts at {first:g} {time_unit}, after the run does ({begin:g} {time_unit}): "
            "add a point"
        )


def called(entry: Field, function: Callable[[float], Any], t: float) -> Array:
    """Return the checked value of an input that is a function of time, ``(width,)``."""
    what = f"input {entry.name!r} at t = {t:g}"
    raw = as_array(function(t), entry.variable.unit, what)
    return np.atleast_1d(entry.variable.check(raw, entry.size, what))


def _sampled(entry: Field, function: Callable[[float], Any], begin: float, end: float, rtol: float) -> _Pieces:
    """Represent a continuous function by cubics, halving pieces until each is within tolerance."""

    def at(t: float) -> Array:
        return called(entry, function, t)

    checks = np.array([0.1429, 0.4637, 0.5261, 0.8713])  # irregular: a cycle must not hide between them
    shortest = (end - begin) * 2.0**-32  # a kink is followed that far; a jump is one at any length
    knots: list[float] = []
    pieces: list[Array] = []
    pending = [(begin + (end - begin) * k / 8, begin + (end - begin) * (k + 1) / 8) for k in reversed(range(8))]
    while pending:
        a, b = pending.pop()
        powers = _TO_POWERS @ np.array([at(a + (b - a) * s) for s in NODES])
        expected = np.array([at(a + (b - a) * s) for s in checks])
        error = np.max(np.abs(np.vander(checks, 4, increasing=True) @ powers - expected))
        if error > 10 * rtol * max(entry.variable.scale, float(np.max(np.abs(expected)))):
            if b - a < shortest:
                raise SimulationError(
                    f"input {entry.name!r} changes too abruptly near t = {a:g} to be a continuous function; "
                    "describe jumps "
                    "with tk.steps"
                )
            middle = 0.5 * (a + b)
            pending += [(middle, b), (a, middle)]
            continue
        knots.append(a)
        pieces.append(scaled(powers, b - a))
    return _Pieces(np.array(knots), np.array(pieces), np.zeros(len(knots), dtype=bool), held=False)


def shifted(coefficients: Array, s: Any) -> Array:
    """Return cubics ``(..., 4)`` with their local time counted from `s` later."""
    c0, c1, c2, c3 = np.moveaxis(coefficients, -1, 0)
    return np.stack((c0 + s * (c1 + s * (c2 + s * c3)), c1 + s * (2 * c2 + 3 * s * c3), c2 + 3 * s * c3, c3), axis=-1)


def scaled(powers: Array, length: float) -> Array:
    """Return cubics of a fraction of a piece, ``(4, width)``, as cubics of local time, ``(width, 4)``."""
    return (powers / length ** np.arange(4)[:, None]).T


def cubic_through(values: Array, length: float) -> Array:
    """Return the cubics ``(width, 4)`` in local time through values ``(4, width)`` at `NODES` of a piece."""
    return scaled(_TO_POWERS @ values, length)


def _merge(layout: Layout, parts: Sequence[_Pieces], begin: float) -> Program:
    """Bring all inputs onto the union of their knots by shifting polynomials."""
    every = np.unique(np.concatenate([[begin], *[part.knots for part in parts]]))
    knots = every[every >= begin]
    count = layout.inputs.size
    coefficients = np.zeros((len(knots), count, 4))
    jumps = np.zeros(len(knots), dtype=bool)
    for entry, part in zip(layout.inputs, parts, strict=True):
        index = np.clip(np.searchsorted(part.knots, knots, side="right") - 1, 0, len(part.knots) - 1)
        moved = shifted(part.coefficients[index], (knots - part.knots[index])[:, None])
        coefficients[:, entry.start : entry.start + entry.width, :] = moved
        jumps |= np.isin(knots, part.knots[part.jumps])
    held = frozenset(entry.name for entry, part in zip(layout.inputs, parts, strict=True) if part.held)
    return Program(knots, coefficients, jumps, held)
