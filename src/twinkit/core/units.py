"""Units at every boundary: one pint registry, and the few questions twinkit asks of it."""

from __future__ import annotations

import logging
import math
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, ShapeError, UnitError

if TYPE_CHECKING:
    import pint

# Units of the field that pint does not know. A cell count has a dimension of its own, so that a rate per cell
# and a rate per litre cannot be mixed up; 1e9 cells is the SI-prefixed "Gcell".
_EXTRA_UNITS = (
    "cell = [cell_count] = cell = cells",
    "vessel_volumes_per_day = 1 / day = vvd",
    "vessel_volumes_per_minute = 1 / minute = vvm",
    "@alias torr = Torr",
)
_LITRE = "liter = decimeter ** 3 = L = l = litre"  # as pint has it, but shown as L, not as l

# Units with their own zero, and the unit of their differences.
OFFSET_UNITS = {"degree_Celsius": "delta_degree_Celsius", "degree_Fahrenheit": "delta_degree_Fahrenheit"}

_QUANTITY = re.compile(
    r"^\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf))\s*(?P<unit>.*?)\s*$"
)


@cache
def registry() -> pint.UnitRegistry[Any]:
    """Return twinkit's pint registry (made on first use; `tk.units` is the same object)."""
    import pint

    made: pint.UnitRegistry[Any] = pint.UnitRegistry()
    for definition in _EXTRA_UNITS:
        made.define(definition)
    # pint logs the redefinition, which is meant here.
    logger = logging.getLogger("pint.util")
    level = logger.level
    logger.setLevel(logging.ERROR)
    made.define(_LITRE)
    logger.setLevel(level)
    return made


@lru_cache(maxsize=4096)
def parse_unit(unit: str) -> Any:
    """Return the pint unit for a unit string.

    Raises
    ------
    UnitError
        If the string is not a unit.
    """
    try:
        return registry().Unit(unit)
    except Exception as error:  # pint's parser raises whatever Python does: assertions, token and syntax errors, ...
        raise UnitError(
            f"{unit!r} is not a unit ({error}). Write units as pint does, for example 'g/L', '1/h', 'delta_degC/kW'."
        ) from None


def unit_label(unit: str) -> str:
    """Return the short form of a unit for tables and axes ('' when dimensionless).

    Examples
    --------
    >>> unit_label("gram / liter / hour")
    'g/h/L'
    """
    parsed = parse_unit(unit)
    return "" if parsed == registry().Unit("") else f"{parsed:~C}".replace("**", "^")


@lru_cache(maxsize=4096)
def affine(source: str, target: str) -> tuple[float, float]:
    """Return `(scale, offset)` such that a number in `source` becomes `scale * number + offset` in `target`.

    Raises
    ------
    UnitError
        If the two units measure different things.

    Examples
    --------
    >>> affine("h", "min")
    (60.0, 0.0)
    >>> affine("degC", "K")
    (1.0, 273.15)
    """
    import pint

    quantity: Any = registry().Quantity
    absolute = [str(parse_unit(unit)) in OFFSET_UNITS for unit in (source, target)]
    if absolute[0] != absolute[1] and any(str(parse_unit(u)) in OFFSET_UNITS.values() for u in (source, target)):
        raise UnitError(f"{source!r} and {target!r}: one is an absolute temperature, the other a difference")
    try:
        zero = float(quantity(0.0, parse_unit(source)).to(parse_unit(target)).magnitude)
        scale = float(quantity(1.0, parse_unit(source)).to(parse_unit(target)).magnitude)
        if zero != 0.0 and not any(absolute):
            scale -= zero
        elif zero != 0.0:
            delta_source = _delta(source)
            scale = float(quantity(1.0, delta_source).to(_delta(target)).magnitude)
        twice = float(quantity(2.0, parse_unit(source)).to(parse_unit(target)).magnitude)
        if not math.isclose(twice, 2.0 * scale + zero, rel_tol=1e-9, abs_tol=1e-12):
            raise UnitError(
                f"{source!r} to {target!r} is not linear (a logarithmic unit?): convert it with m.log or m.exp"
            )
    except pint.errors.PintError:
        raise UnitError(
            f"a value in {source!r} cannot be converted to {target!r}: {_dimension(source)} is not {_dimension(target)}"
        ) from None
    return scale, zero


def _delta(unit: str) -> Any:
    """Return the difference unit of an offset unit (degC -> delta_degC), other units unchanged."""
    return parse_unit(OFFSET_UNITS.get(str(parse_unit(unit)), unit))


def _dimension(unit: str) -> str:
    dimensionality = str(parse_unit(unit).dimensionality)
    return "[dimensionless]" if dimensionality == "dimensionless" else dimensionality


def convert(value: Any, source: str, target: str) -> Any:
    """Convert plain numbers (or arrays) from one unit to another.

    Examples
    --------
    >>> convert(2.0, "h", "min")
    120.0
    """
    if source == target:
        return value
    scale, offset = affine(source, target)
    return value * scale + offset if offset else value * scale


def as_number(value: object, unit: str, what: str) -> float:
    """Return `value` as a finite float in `unit`.

    Parameters
    ----------
    value
        A number (taken to be in `unit`), a text such as ``"8 min"``, or a pint quantity.
    unit
        The unit of the result.
    what
        What the value is for, used in messages ("parameter 'tau' of Tank").

    Raises
    ------
    UnitError
        If the value carries a unit that does not fit.
    InvalidValueError
        If the value is not a finite number.
    ShapeError
        If the value is an array.
    """
    array = as_array(value, unit, what)
    if array.ndim != 0:
        raise ShapeError(f"{what} is a single value, but an array of shape {array.shape} was given")
    return float(array)


def as_array(value: object, unit: str, what: str, *, allow_nan: bool = False) -> npt.NDArray[np.float64]:
    """Return `value` as a float array in `unit`; see `as_number` for what is accepted."""
    magnitude, given = _split(value, what)
    if isinstance(magnitude, bool) or getattr(magnitude, "dtype", None) == np.bool_:
        raise InvalidValueError(f"{what} must be a number, not {magnitude!r}")
    try:
        array = np.array(magnitude, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InvalidValueError(
            f"{what} must be a number, a text such as '8 min', or a quantity; got {value!r}"
        ) from None
    if given is not None:
        try:
            array = np.asarray(convert(array, given, unit), dtype=np.float64)
        except UnitError as error:
            raise UnitError(f"{what} is declared in {unit!r}: {error}") from None
    if not allow_nan and not np.all(np.isfinite(array)):
        raise InvalidValueError(f"{what} must be finite, but contains {_first_bad(array)}")
    return array


def _split(value: object, what: str) -> tuple[Any, str | None]:
    """Separate a value into magnitude and unit text (None when it carries no unit)."""
    if isinstance(value, str):
        match = _QUANTITY.match(value)
        if match is None:
            raise InvalidValueError(f"{what}: cannot read {value!r} as a number with a unit (write it like '8 min')")
        text = match["unit"]
        return float(match["number"]), (str(parse_unit(text)) if text else None)
    units = getattr(value, "units", None)
    if units is not None and hasattr(value, "magnitude"):
        return cast("Any", value).magnitude, str(units)
    listed = cast("list[object]", value) if isinstance(value, (list, tuple)) else []
    if any(isinstance(item, str) for item in listed):
        raise InvalidValueError(f"{what}: give an array as numbers or as one quantity, not as a list of texts")
    return cast("Any", value), None


def _first_bad(array: npt.NDArray[np.float64]) -> str:
    flat = np.atleast_1d(array).ravel()
    bad = float(flat[~np.isfinite(flat)][0])
    return "NaN" if math.isnan(bad) else ("inf" if bad > 0 else "-inf")


def difference_unit(unit: str) -> str:
    """Return the unit of a difference of two values; of an offset temperature it is another one.

    Examples
    --------
    >>> difference_unit("degC")
    'delta_degree_Celsius'
    """
    return str(_delta(unit))


def derivative_unit(unit: str, time_unit: str) -> str:
    """Return the unit of a time derivative; an offset temperature changes by differences.

    Examples
    --------
    >>> derivative_unit("degC", "min")
    'delta_degree_Celsius / minute'
    """
    return str(_delta(unit) / parse_unit(time_unit))
