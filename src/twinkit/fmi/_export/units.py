"""From units of twinkit to unit definitions of FMI."""

from __future__ import annotations

from functools import lru_cache

from twinkit.core.errors import UnitError
from twinkit.core.units import OFFSET_UNITS, affine, parse_unit
from twinkit.fmi.description import BaseUnit

_SI = {
    "[mass]": "kg", "[length]": "m", "[time]": "s", "[current]": "A", "[temperature]": "K", "[substance]": "mol",
    "[luminosity]": "cd",
}  # fmt: skip


def per_second(unit: str) -> str:
    """Return the unit of a derivative by FMI's time; an offset temperature changes by differences.

    Examples
    --------
    >>> per_second("g/L"), per_second("degC"), per_second("")
    ('g/L/s', 'delta_degree_Celsius/s', '1/s')
    """
    return f"{OFFSET_UNITS.get(str(parse_unit(unit)), unit) or '1'}/s"


@lru_cache(maxsize=4096)
def base_unit(unit: str) -> BaseUnit | None:
    """Return a unit in SI base units; None where FMI has no words for it (cells, broken powers, logarithms).

    Examples
    --------
    >>> base_unit("mmol/L")
    BaseUnit(exponents={'m': -3, 'mol': 1}, factor=1.0, offset=0.0)
    >>> base_unit("degC").offset
    273.15
    >>> base_unit("Gcell/L") is None
    True
    """
    powers = {str(name): float(power) for name, power in parse_unit(unit).dimensionality.items()}
    if any(name not in _SI or not power.is_integer() for name, power in powers.items()):
        return None
    exponents = {symbol: int(powers[name]) for name, symbol in _SI.items() if powers.get(name)}
    try:
        factor, offset = affine(unit, "*".join(f"{symbol}**{power}" for symbol, power in exponents.items()))
    except UnitError:
        return None
    # Chained conversions round in the last digit: mmol/L is mol/m3, not 0.9999999999999999 of it.
    return BaseUnit(exponents, float(f"{factor:.15g}"), float(f"{offset:.15g}"))
