"""What is to be found: parameters, initial values, shared by all batches or one per batch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core import Batch, BoundsError, InvalidValueError, Model
from twinkit.core.errors import unknown_name
from twinkit.core.parameter_set import element
from twinkit.core.units import as_number

Array = npt.NDArray[np.float64]


class Transform(Enum):
    """On which scale a quantity is searched for, and is uncertain."""

    LINEAR = "linear"
    LOG = "log"


@dataclass(frozen=True)
class Initial:
    """The value of a state at the start of a batch; ``"X(0)"`` says the same."""

    state: str

    @property
    def label(self) -> str:
        """How it is called: ``X(0)``."""
        return f"{self.state}(0)"


@dataclass(frozen=True)
class PerBatch:
    """A quantity that has a value of its own in every batch."""

    of: str | Initial


@dataclass(frozen=True)
class Free:
    """A quantity to be found, and how.

    Parameters
    ----------
    of
        A parameter's name, `Initial("X")` or ``"X(0)"``, or `PerBatch` of one of these.
    transform
        `Transform.LOG` for a positive quantity known to an order of magnitude: it is searched for, and its confidence
        interval is computed, on the logarithmic scale.
    bounds
        ``(low, high)``, numbers in its unit or texts; None: as the model declares. They must lie within those.
    start
        Where the search starts; None: the model's value (or the batch's, for `PerBatch`).
    """

    of: str | Initial | PerBatch
    transform: Transform = Transform.LINEAR
    bounds: tuple[Any, Any] | None = None
    start: Any = None


@dataclass(frozen=True)
class Column:
    """A free quantity in numbers.

    Attributes
    ----------
    label, name, unit
        ``X(0)``, ``X`` and its unit.
    initial
        Whether it is the initial value of a state (else a parameter).
    place
        Position in the flat vector of states or of parameters.
    per_batch
        Whether every batch has its own.
    transform, low, high
        How it is searched for, and its bounds.
    start
        One value, or one per batch.
    scale
        Magnitude.
    """

    label: str
    name: str
    unit: str
    initial: bool
    place: int
    per_batch: bool
    transform: Transform
    low: float
    high: float
    start: tuple[float, ...]
    scale: float

    def to_search(self, value: Any) -> Any:
        """Return values as they are searched for: the logarithm, or the value over its magnitude."""
        if self.transform is Transform.LOG:
            with np.errstate(divide="ignore"):
                return np.log(value)
        return np.asarray(value) / self.scale

    def from_search(self, q: Any) -> Any:
        """Return the value that is searched for as `q`."""
        return np.exp(q) if self.transform is Transform.LOG else np.asarray(q) * self.scale


@dataclass(frozen=True)
class Coordinate:
    """One number that is searched for: a column, in one batch (None: shared by all)."""

    label: str
    column: int
    batch: int | None


@dataclass(frozen=True)
class Space:
    """All numbers that are searched for.

    Attributes
    ----------
    columns
        Free quantities.
    coordinates
        The numbers; a column per batch has several.
    of_batch
        ``(batches, columns)``: which coordinate a column is in a batch.
    """

    columns: tuple[Column, ...]
    coordinates: tuple[Coordinate, ...]
    of_batch: npt.NDArray[np.intp]

    def each(self) -> Iterable[tuple[Coordinate, Column]]:
        """Yield coordinates with their columns."""
        return ((item, self.columns[item.column]) for item in self.coordinates)

    @property
    def start(self) -> Array:
        """Where the search starts."""
        return np.array([c.to_search(c.start[item.batch or 0]) for item, c in self.each()], dtype=np.float64)

    @property
    def limits(self) -> tuple[Array, Array]:
        """Bounds of the search."""
        low = np.array([c.to_search(c.low) for _, c in self.each()], dtype=np.float64)
        return low, np.array([c.to_search(c.high) for _, c in self.each()], dtype=np.float64)

    def values(self, q: Array) -> Array:
        """Return the values of all coordinates."""
        return np.array([c.from_search(q[i]) for i, (_, c) in enumerate(self.each())], dtype=np.float64)

    def slopes(self, q: Array) -> Array:
        """Return d(value)/dq per coordinate."""
        logs = [c.transform is Transform.LOG for _, c in self.each()]
        scales = np.array([c.scale for _, c in self.each()])
        return np.where(logs, self.values(q), scales)


def space(model: Model, batches: Sequence[Batch], free: Iterable[Any]) -> Space:
    """Check what is free and lay it out; see `calibrate`."""
    if isinstance(free, (str, Initial, PerBatch, Free)):
        free = [free]
    columns = [_column(model, batches, item if isinstance(item, Free) else Free(item)) for item in free]
    if not columns:
        raise InvalidValueError('nothing is free, so there is nothing to find: free=["mu_max", ...]')
    labels = [column.label for column in columns]
    for label in labels:
        if labels.count(label) > 1:
            raise InvalidValueError(f"{label!r} is free twice; name it once")
    coordinates: list[Coordinate] = []
    of_batch = np.zeros((len(batches), len(columns)), dtype=np.intp)
    for j, column in enumerate(columns):
        for b, batch in enumerate(batches) if column.per_batch else [(None, None)]:
            label = column.label if batch is None else f"{column.label} [{batch.name}]"
            of_batch[slice(None) if b is None else b, j] = len(coordinates)
            coordinates.append(Coordinate(label, j, b))
    return Space(tuple(columns), tuple(coordinates), of_batch)


def unwrapped(item: Any) -> tuple[str, bool, bool]:
    """Return the name, whether it is an initial value, and whether every batch has its own."""
    if isinstance(item, PerBatch):
        name, initial, _ = unwrapped(item.of)
        return name, initial, True
    if isinstance(item, Initial):
        return item.state, True, False
    if isinstance(item, str) and item.endswith("(0)"):
        return item[:-3], True, False
    if isinstance(item, str):
        return item, False, False
    raise InvalidValueError(
        f'a free quantity is a name, Initial("X"), PerBatch(...) or Free(...), not {item!r}'
    )  # fmt: skip


def _column(model: Model, batches: Sequence[Batch], free: Free) -> Column:
    name, initial, per_batch = unwrapped(free.of)
    layout = model.layout
    if not initial and any(name == entry.name for entry in layout.states):
        raise InvalidValueError(f'{name!r} is a state: to find its value at the start, write Initial("{name}")')
    block = layout.states if initial else layout.parameters
    entry, k = element(model, (block,), name, "state" if initial else "parameter")
    label = f"{name}(0)" if initial else name
    if not isinstance(free.transform, Transform):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(f"transform of {label!r} is Transform.LINEAR or Transform.LOG, not {free.transform!r}")
    low, high = _bounds(free, entry.variable.bounds, entry.variable.unit, label)
    start = _starts(model, batches, free, name, initial, per_batch, entry.variable.unit)
    for value in start:
        if not low <= value <= high:
            raise BoundsError(f"{label!r} starts at {value:g}, outside its bounds [{low:g}, {high:g}]")
        if free.transform is Transform.LOG and value <= 0:
            raise BoundsError(f"{label!r} starts at {value:g}; on the logarithmic scale it must be positive")
    if free.transform is Transform.LOG:
        low = max(low, 0.0)
    largest = max(abs(value) for value in start)
    return Column(
        label, name, entry.variable.unit, initial, entry.start + (k or 0), per_batch, free.transform, low, high, start,
        largest or entry.variable.scale,
    )  # fmt: skip


def _bounds(free: Free, declared: tuple[Any, Any], unit: str, label: str) -> tuple[float, float]:
    low, high = (float(bound) for bound in declared)
    if free.bounds is None:
        return low, high
    if not isinstance(free.bounds, tuple) or len(free.bounds) != 2:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(f"bounds of {label!r} are a pair (low, high), not {free.bounds!r}")
    what = f"a bound of {label!r}"
    own = [math.nan if bound is None else as_number(bound, unit, what) for bound in free.bounds]
    own_low, own_high = (low if math.isnan(own[0]) else own[0]), (high if math.isnan(own[1]) else own[1])
    if not low <= own_low < own_high <= high:
        raise BoundsError(
            f"the bounds of {label!r}, [{own_low:g}, {own_high:g}], must increase and lie within those the model "
            f"declares, [{low:g}, {high:g}] {unit}"
        )
    return own_low, own_high


def _starts(
    model: Model, batches: Sequence[Batch], free: Free, name: str, initial: bool, per_batch: bool, unit: str
) -> tuple[float, ...]:
    """Return where the search starts, per batch where each has its own; nothing may be both free and known."""
    part = "initial" if initial else "settings"
    label = f"{name}(0)" if initial else name
    known = [getattr(batch, part).get(name) for batch in batches]
    for batch, value in zip(batches, known, strict=True):
        if value is not None and not per_batch:
            raise InvalidValueError(
                f"{label!r} is free, but batch {batch.name!r} says what it is ({part}={{{name!r}: {value!r}}}): drop "
                f"one, or make it PerBatch to start from there"
            )
    own = model.values().get(name) if "[" not in name else _element_value(model, name)
    chosen = free.start if free.start is not None else own

    def number(value: Any) -> float:
        if value is None:
            raise InvalidValueError(f"{label!r} has no value to start from: Free({label!r}, start=...)")
        return as_number(value, unit, f"the start of {label!r}")

    if not per_batch:
        return (number(chosen),)
    return tuple(number(chosen if value is None else value) for value in known)


def _element_value(model: Model, name: str) -> Any:
    block = model.layout.parameters if name in model.layout.parameters.labels else model.layout.states
    entry, k = element(model, (block,), name, "parameter or state")
    value = model.values().get(entry.name)
    return None if value is None else np.asarray(value)[k]


def labelled(given: Iterable[str], space: Space, what: str) -> None:
    """Refuse names that are not free."""
    labels = [column.label for column in space.columns]
    for name in given:
        if name not in labels:
            raise unknown_name(f"free quantity for {what}", name, labels)
