"""Batches from tables: one long table of many batches, or an xarray data set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from twinkit.core.batch import Batch
from twinkit.core.errors import DataError, InvalidValueError, ShapeError, UnitError, unknown_name
from twinkit.core.records import Measurement
from twinkit.core.units import parse_unit

if TYPE_CHECKING:
    import xarray as xr

Recipe: TypeAlias = "Mapping[str, Mapping[str, Any]] | Callable[[str], Mapping[str, Any]] | None"
"""What belongs to each batch: a mapping by the batch's name, or a function of it."""


def from_table(
    table: Any,
    *,
    units: Mapping[str, str],
    batch: str = "batch_id",
    time: str = "time",
    time_unit: str = "h",
    stds: Mapping[str, Any] | None = None,
    until: Any = None,
    inputs: Recipe = None,
    initial: Recipe = None,
    settings: Recipe = None,
) -> tuple[Batch, ...]:
    """Return the batches of one long table, in order of appearance.

    Parameters
    ----------
    table
        Column name -> values: a dict of lists or arrays, a pandas or polars DataFrame, a structured array.
    units
        Column -> unit: which columns are measurements. An empty cell (None or NaN) is a value that was not measured.
    batch, time
        Columns with the batch's name and the time.
    time_unit
        Unit of the time column.
    stds
        Column -> standard deviation of its values: a number in its unit, or the name of a column that holds them.
    until
        End of every batch; None: its last measurement.
    inputs, initial, settings
        What is known of each batch (see `Batch`): a mapping by the batch's name, or a function of the name.

    Raises
    ------
    UnknownNameError
        For a column or a batch that is not in the table.
    UnitError
        For a text that is no unit.
    ShapeError
        If columns differ in length.
    DataError
        For a cell that is not a number, a row without time or batch (names the row), or a column without any value.

    Examples
    --------
    >>> table = {"batch_id": ["A", "A", "B"], "time": [0, 24, 24], "X": [0.3, None, 1.1], "G": [35, 31, 30]}
    >>> from_table(table, units={"X": "Gcell/L", "G": "mmol/L"})
    (Batch 'A': 3 measurements of X, G, 0 to 24 h, Batch 'B': 2 measurements of X, G, 0 to 24 h)
    """
    deviations = dict(stds or {})
    _known(deviations, units, "a measured column of units={...}")
    wanted = [batch, time, *units, *(item for item in deviations.values() if isinstance(item, str))]
    columns = _columns(table, wanted)
    for unit in units.values():
        parse_unit(unit)
    names = [_name(value, row, batch) for row, value in enumerate(columns[batch])]
    times = [_cell(value, row, time) for row, value in enumerate(columns[time])]
    gathered: dict[str, list[Measurement]] = {name: [] for name in names}
    for row, (name, when) in enumerate(zip(names, times, strict=True)):
        if when is None:
            raise DataError(f"row {row} has no {time!r}: every row needs one")
        for tag, unit in units.items():
            value = _cell(columns[tag][row], row, tag)
            if value is not None:
                std = _std(deviations.get(tag), columns, row)
                gathered[name].append(Measurement(tag, value, unit, when, std=std))
    if not gathered:
        raise InvalidValueError("the table has no rows, so there is no batch in it")
    recipes: dict[str, Recipe] = {"inputs": inputs, "initial": initial, "settings": settings}
    return _made(list(units), gathered, recipes, until, time_unit)


def from_xarray(
    data: xr.Dataset,
    *,
    batch: str = "batch",
    time: str = "time",
    units: Mapping[str, str] | None = None,
    until: Any = None,
    inputs: Recipe = None,
    initial: Recipe = None,
    settings: Recipe = None,
) -> tuple[Batch, ...]:
    """Return the batches of an `xarray.Dataset` with dimensions ``(batch, time)``, or ``(time,)`` for a single one.

    Parameters
    ----------
    data
        The data set. Units are read from ``attrs["units"]`` of each variable and of the time coordinate (``h`` if it
        has none). NaN is a value that was not measured.
    batch, time
        Names of the dimensions.
    units
        Variable -> unit, where the attributes do not say (or say otherwise).
    until, inputs, initial, settings
        As for `from_table`.

    Raises
    ------
    UnknownNameError
        If a dimension or variable is missing.
    UnitError
        If a variable has no unit, or one that does not exist.
    """
    if time not in data.coords:
        raise unknown_name("coordinate", time, [str(name) for name in data.coords], "the data set")
    given = dict(units or {})
    _known(given, [str(name) for name in data.data_vars], "a variable of the data set")
    moments = np.asarray(data[time].values)
    if not np.issubdtype(moments.dtype, np.number):
        raise DataError(f"{time!r} must hold numbers (time since the start of the batch), not {moments.dtype}")
    names = [str(name) for name in data[batch].values] if batch in data.dims else [str(data.attrs.get("name", "batch"))]
    gathered: dict[str, list[Measurement]] = {name: [] for name in names}
    for key, array in data.data_vars.items():
        tag = str(key)
        unit = given.get(tag, array.attrs.get("units"))
        if unit is None:
            raise UnitError(f"{tag!r} has no unit: set its attrs['units'], or pass units={{{tag!r}: ...}}")
        dims = (batch, time) if batch in data.dims else (time,)
        if set(array.dims) != set(dims):
            raise ShapeError(f"{tag!r} has dimensions {array.dims}; expected {dims}")
        rows = np.atleast_2d(np.asarray(array.transpose(*dims).values, dtype=np.float64))
        for name, row in zip(names, rows, strict=True):
            gathered[name] += [
                Measurement(tag, float(value), str(unit), float(when))
                for when, value in zip(moments, row, strict=True)
                if not math.isnan(value)
            ]
    recipes: dict[str, Recipe] = {"inputs": inputs, "initial": initial, "settings": settings}
    measured = [str(key) for key in data.data_vars]
    return _made(measured, gathered, recipes, until, str(data[time].attrs.get("units", "h")))


def _made(
    tags: list[str], gathered: Mapping[str, list[Measurement]], recipes: Mapping[str, Recipe], until: Any,
    time_unit: str,
) -> tuple[Batch, ...]:  # fmt: skip
    found = {item.tag for items in gathered.values() for item in items}
    for tag in tags:
        if tag not in found:
            raise DataError(f"{tag!r} has no value in any row (all are empty): leave it out, or check the table")
    for part, given in recipes.items():
        if isinstance(given, Mapping):
            _known([*cast("Mapping[str, Any]", given)], gathered, f"a batch of the table, for {part}")

    def own(part: str, name: str) -> Mapping[str, Any]:
        given = recipes[part]
        if given is None:
            return {}
        if isinstance(given, Mapping):
            return cast("Mapping[str, Mapping[str, Any]]", given).get(name, {})
        return given(name)

    return tuple(
        Batch(name, tuple(items), until=until, time_unit=time_unit, **{part: own(part, name) for part in recipes})
        for name, items in gathered.items()
    )


def _known(given: Iterable[str], valid: Iterable[str], kind: str) -> None:
    names = list(valid)
    for name in given:
        if name not in names:
            raise unknown_name(kind, name, names)


def _columns(table: Any, wanted: Iterable[str]) -> dict[str, list[Any]]:
    """Return columns as lists of equal length, from anything that gives a column by its name."""
    listed: Any = getattr(table, "columns", None)
    dtype: Any = getattr(table, "dtype", None)
    if listed is None:
        keys = [*cast("Mapping[Any, Any]", table)] if isinstance(table, Mapping) else None
        listed = getattr(dtype, "names", None) or keys
    if listed is None:
        raise InvalidValueError(f"a table gives its columns by name (a dict of lists, a DataFrame), not {table!r}")
    available = [str(name) for name in cast("Iterable[Any]", listed)]
    found: dict[str, list[Any]] = {}
    for name in dict.fromkeys(wanted):
        if name not in available:
            raise unknown_name("column", name, available, "the table")
        found[name] = list(cast("Any", table)[name])
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) != 1:
        raise ShapeError(f"all columns must have the same number of rows; they have {lengths}")
    return found


def _name(value: Any, row: int, column: str) -> str:
    if value is None or str(value) in {"", "nan", "<NA>"}:
        raise DataError(f"row {row} has no {column!r}: every row needs the name of its batch")
    return str(value)


def _cell(value: Any, row: int, column: str) -> float | None:
    """Return a number, or None for an empty cell."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise DataError(
            f"row {row}, column {column!r}: {value!r} is not a number; leave the cell empty if nothing was measured"
        ) from None
    if math.isinf(number):
        raise DataError(f"row {row}, column {column!r} is infinite")
    return None if math.isnan(number) else number


def _std(given: Any, columns: Mapping[str, list[Any]], row: int) -> float | None:
    if given is None:
        return None
    return _cell(columns[given][row], row, given) if isinstance(given, str) else _positive(given)


def _positive(value: Any) -> float:
    number = np.asarray(value, dtype=np.float64)
    if number.ndim or not np.isfinite(number) or number <= 0:
        raise InvalidValueError(f"a standard deviation must be a positive number, not {value!r}")
    return float(number)
