"""A batch: what was done to a process and what was measured, as one value that rooms can share."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.identity import digest
from twinkit.core.records import Measurement, Quality
from twinkit.core.units import affine, as_number, unit_label

if TYPE_CHECKING:
    import xarray as xr

Array = npt.NDArray[np.float64]
_SAMPLES = 65


def _nothing() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch: its recipe, and its measurements of any tags at any times.

    Parameters
    ----------
    name
        Name of the batch.
    measurements
        `Measurement`s in any order; their `source_time` is in `time_unit`. Missing values are simply not there, or are
        marked `Quality.BAD`.
    inputs
        Input name -> number, text, quantity, `tk.steps(...)`, `tk.ramps(...)` or a function of time, as for
        `tk.simulate`.
    initial
        State -> value at the start, where it is known.
    settings
        Parameter -> value, where this batch's is known and is not the model's.
    until
        End of the batch: a number in `time_unit` or a text with a unit. None: the last measurement.
    start
        Start of the batch.
    time_unit
        Unit of all times given as numbers, those of the measurements included.

    Raises
    ------
    InvalidValueError
        If the name is empty, an element is no `Measurement`, or a measurement lies outside the batch.

    Examples
    --------
    >>> import twinkit as tk
    >>> batch = tk.Batch("B1", [tk.Measurement("X", 1.2, "g/L", 4.0), tk.Measurement("X", 2.9, "g/L", 8.0)])
    >>> batch
    Batch 'B1': 2 measurements of X, 0 to 8 h
    """

    name: str
    measurements: tuple[Measurement, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=_nothing)
    initial: Mapping[str, Any] = field(default_factory=_nothing)
    settings: Mapping[str, Any] = field(default_factory=_nothing)
    until: Any = None
    start: Any = 0.0
    time_unit: str = "h"

    def __post_init__(self) -> None:
        given = cast("Iterable[Any]", self.measurements)
        if not isinstance(self.name, str) or not self.name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValueError(f"a batch needs a name (a text), not {self.name!r}")
        if isinstance(given, (str, Measurement)) or not isinstance(given, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValueError(f"batch {self.name!r}: measurements is a list of Measurement, not {given!r}")
        listed = tuple(given)
        for item in listed:
            if not isinstance(item, Measurement):
                raise InvalidValueError(f"batch {self.name!r}: {item!r} is not a Measurement")
        object.__setattr__(self, "measurements", listed)
        for part in ("inputs", "initial", "settings"):
            value = getattr(self, part)
            if not isinstance(value, Mapping):
                raise InvalidValueError(f"batch {self.name!r}: {part} is a mapping of names to values, not {value!r}")
            object.__setattr__(self, part, MappingProxyType(dict(cast("Mapping[str, Any]", value))))
        affine(self.time_unit, "s")
        self._check_times()

    def _check_times(self) -> None:
        begin, end = self.begin, self.end
        for item in self.measurements:
            if not begin <= item.source_time <= end:
                raise InvalidValueError(
                    f"batch {self.name!r}: {item.tag!r} was measured at {item.source_time:g} {self.time_unit}, outside "
                    f"the batch, which goes from {begin:g} to {end:g} {self.time_unit}"
                )

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled; worker processes need batches.
        values = [getattr(self, entry.name) for entry in fields(self)]
        return (type(self), tuple(dict(cast("Any", v)) if isinstance(v, MappingProxyType) else v for v in values))

    # -- what it holds -----------------------------------------------------------------------------------------
    @property
    def begin(self) -> float:
        """Start, in `time_unit`."""
        return as_number(self.start, self.time_unit, f"the start of batch {self.name!r}")

    @property
    def end(self) -> float:
        """End, in `time_unit`."""
        if self.until is not None:
            return as_number(self.until, self.time_unit, f"the end of batch {self.name!r}")
        return max([self.begin, *(item.source_time for item in self.measurements)])

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the measurements, in order of appearance."""
        return tuple(dict.fromkeys(item.tag for item in self.measurements))

    def usable(self, tag: str) -> tuple[Measurement, ...]:
        """Return the measurements of a tag that are not marked bad, by time.

        Raises
        ------
        UnknownNameError
            If the batch has no such tag.
        """
        if tag not in self.tags:
            raise unknown_name("tag", tag, self.tags, f"batch {self.name!r}")
        found = [item for item in self.measurements if item.tag == tag and item.quality is not Quality.BAD]
        return tuple(sorted(found, key=lambda item: item.source_time))

    def values(self, tag: str, unit: str | None = None) -> tuple[Array, Array]:
        """Return times (in `time_unit`) and usable values of a tag, in `unit` (None: that of its first measurement)."""
        found = self.usable(tag)
        target = (found[0].unit if found else "") if unit is None else unit
        values = [scale * float(m.value) + shift for m in found for scale, shift in (affine(m.unit, target),)]
        return np.array([m.source_time for m in found]), np.array(values)

    def with_(self, **changes: Any) -> Batch:
        """Return a copy with some fields changed."""
        names = [entry.name for entry in fields(self)]
        for name in changes:
            if name not in names:
                raise unknown_name("field", name, names, "Batch")
        return replace(self, **changes)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything in it. A function of time counts by its values at 65 times over the batch."""
        times = np.linspace(self.begin, self.end, _SAMPLES)
        parts = {name: _plain(getattr(self, name), times) for name in ("inputs", "initial", "settings")}
        rows = [_plain(item, times) for item in self.measurements]
        return digest({**parts, "name": self.name, "measurements": rows, "until": str(self.until),
                       "start": str(self.start), "time_unit": self.time_unit})  # fmt: skip

    # -- from tables -------------------------------------------------------------------------------------------
    @staticmethod
    def from_table(table: Any, **how: Any) -> tuple[Batch, ...]:
        """Return the batches of one long table; see `twinkit.core.batch_table.from_table`."""
        from twinkit.core.batch_table import from_table

        return from_table(table, **how)

    @staticmethod
    def from_xarray(data: xr.Dataset, **how: Any) -> tuple[Batch, ...]:
        """Return the batches of a data set; see `twinkit.core.batch_table.from_xarray`."""
        from twinkit.core.batch_table import from_xarray

        return from_xarray(data, **how)

    # -- looks -------------------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        count = len(self.measurements)
        what = f"{count} measurement{'s' * (count != 1)}" + (f" of {', '.join(self.tags)}" if count else "")
        return f"Batch {self.name!r}: {what}, {self.begin:g} to {self.end:g} {unit_label(self.time_unit)}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(tag)}</td><td>{len(self.usable(tag))}</td>"
            f"<td>{sum(m.tag == tag for m in self.measurements) - len(self.usable(tag))}</td>"
            f"<td>{html.escape(unit_label(next(m.unit for m in self.measurements if m.tag == tag)))}</td></tr>"
            for tag in self.tags
        )
        recipe = ", ".join([*self.inputs, *self.initial, *self.settings])
        return (
            f"<b>{html.escape(repr(self))}</b><table><tr><th>tag</th><th>usable</th><th>bad</th><th>unit</th></tr>"
            f"{rows}</table>" + (f"<p>given: {html.escape(recipe)}</p>" if recipe else "")
        )


def _plain(value: Any, times: Array) -> Any:
    """Return what identifies a value, for the content hash."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item, times) for name, item in cast("Mapping[Any, Any]", value).items()}
    if is_dataclass(value) and not isinstance(value, type):
        named = {entry.name: _plain(getattr(value, entry.name), times) for entry in fields(value)}
        return {"kind": type(value).__name__, **named}
    if isinstance(value, (list, tuple)):
        return [_plain(item, times) for item in cast("Iterable[Any]", value)]
    if callable(value) and not hasattr(value, "magnitude"):
        function = cast("Callable[[float], Any]", value)
        return [_plain(function(float(t)), times) for t in times]
    if isinstance(value, (np.ndarray, np.generic, int, float)) or value is None:
        return cast("object", value)
    return str(value)
