"""From the unit names of an FMU to units of twinkit."""

from __future__ import annotations

import re

from twinkit.core.errors import UnitError
from twinkit.core.units import affine, parse_unit
from twinkit.fmi.description import BaseUnit

_EXPONENT = re.compile(r"([A-Za-z%µΩ°])([+-]?\d+)(?!\w)")
_KNOWN = {"": "", "1": "", "-": "", "dimensionless": "", "%": "percent", "Ohm": "ohm", "l": "L", "min": "min"}


def unit_of(name: str, base: BaseUnit | None) -> tuple[str, str]:
    """Return the twinkit unit for an FMU's unit name, and a note where it has to be taken as dimensionless.

    Modelica's way of writing is understood (``kg/m3``, ``W/(m2.K)``, ``m.s-1``). Where the FMU defines the unit in SI
    base units, that definition must agree with the name; where only the definition can be used, it is.

    Examples
    --------
    >>> unit_of("W/(m2.K)", None)
    ('W/(m**2*K)', '')
    >>> unit_of("furlongish", None)[1]
    "unit 'furlongish' is not known: taken as dimensionless"
    """
    if name in _KNOWN:
        return _KNOWN[name], ""
    for text in dict.fromkeys((_modelica(name), name)):
        if _agrees(text, base):
            return text, ""
    if base is not None and base.factor == 1.0 and base.offset == 0.0:
        text = "*".join(f"{symbol}**{power}" for symbol, power in base.exponents.items() if power)
        return text, ""
    return "", f"unit {name!r} is not known: taken as dimensionless"


def _modelica(name: str) -> str:
    return _EXPONENT.sub(r"\1**\2", name).replace(".", "*") if "**" not in name else name


def _agrees(text: str, base: BaseUnit | None) -> bool:
    """Say whether a text is a unit, and the one that the FMU defines."""
    try:
        parse_unit(text)
        if base is None:
            return True
        si = "*".join(f"{symbol}**{power}" for symbol, power in base.exponents.items() if power)
        scale, offset = affine(text, si)
    except (UnitError, ValueError, TypeError, ArithmeticError, AttributeError):
        return False
    return abs(scale - base.factor) <= 1e-9 * abs(base.factor) and abs(offset - base.offset) <= 1e-6


def time_unit_of(name: str, base: BaseUnit | None) -> str:
    """Return the time unit of an FMU: that of its independent variable where it is a time, else seconds."""
    unit, _ = unit_of(name, base)
    try:
        affine(unit, "s")
    except UnitError:
        return "s"
    return unit
