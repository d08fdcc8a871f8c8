"""Chemical formulas: which elements, how many of each, and the molar mass."""

from __future__ import annotations

import re
from collections.abc import Mapping

from twinkit.core.errors import InvalidValueError, unknown_name

_WEIGHTS = """
H 1.008 He 4.0026 Li 6.94 Be 9.0122 B 10.81 C 12.011 N 14.007 O 15.999 F 18.998 Ne 20.180 Na 22.990 Mg
24.305 Al 26.982 Si 28.085 P 30.974 S 32.06 Cl 35.45 Ar 39.95 K 39.098 Ca 40.078 Sc 44.956 Ti 47.867 V
50.942 Cr 51.996 Mn 54.938 Fe 55.845 Co 58.933 Ni 58.693 Cu 63.546 Zn 65.38 Ga 69.723 Ge 72.630 As 74.922
Se 78.971 Br 79.904 Kr 83.798 Rb 85.468 Sr 87.62 Y 88.906 Zr 91.224 Nb 92.906 Mo 95.95 Ru 101.07 Rh
102.91 Pd 106.42 Ag 107.87 Cd 112.41 In 114.82 Sn 118.71 Sb 121.76 Te 127.60 I 126.90 Xe 131.29 Cs 132.91
Ba 137.33 La 138.91 Ce 140.12 Gd 157.25 W 183.84 Re 186.21 Os 190.23 Ir 192.22 Pt 195.08 Au 196.97 Hg
200.59 Pb 207.2 Bi 208.98
"""
_TOKEN = re.compile(r"([A-Z][a-z]?)(\d*)|(\()|(\))(\d*)")
_CHARGE = re.compile(r"(?:\^(\d*))?([+-])$")
CHARGE = "charge"
"""Name under which the charge of an ion is counted, as if it were an element."""


def _weights() -> dict[str, float]:
    items = _WEIGHTS.split()
    return dict(zip(items[::2], map(float, items[1::2]), strict=True))


def elements(formula: str) -> dict[str, int]:
    """Return how many atoms of each element a formula has, and its charge.

    Parameters
    ----------
    formula
        Such as ``"C2H4O2"``, ``"Ca(OH)2"``, ``"SO4^2-"``, ``"Na+"``.

    Raises
    ------
    InvalidValueError
        If it is not a formula.
    UnknownNameError
        For an element that is not in the table.

    Examples
    --------
    >>> elements("Ca(OH)2")
    {'Ca': 1, 'O': 2, 'H': 2}
    >>> elements("SO4^2-")
    {'S': 1, 'O': 4, 'charge': -2}
    """
    problem = InvalidValueError(f"{formula!r} is not a chemical formula: write it like 'C2H4O2', 'Ca(OH)2' or 'SO4^2-'")
    if not isinstance(formula, str) or not formula:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise problem
    charge = _CHARGE.search(formula)
    text = formula[: charge.start()] if charge else formula
    stack: list[dict[str, int]] = [{}]
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise problem
        symbol, count, opens, closes, times = match.groups()
        if symbol:
            _merge(stack[-1], {symbol: 1}, int(count or 1))
        elif opens:
            stack.append({})
        elif closes and len(stack) > 1:
            inner = stack.pop()
            _merge(stack[-1], inner, int(times or 1))
        else:
            raise problem
        position = match.end()
    if len(stack) != 1 or not stack[0]:
        raise problem
    for symbol in stack[0]:
        if symbol not in _weights():
            raise unknown_name("element", symbol, _weights(), f"the formula {formula!r}")
    if charge:
        stack[0][CHARGE] = int(charge[1] or 1) * (1 if charge[2] == "+" else -1)
    return stack[0]


def _merge(into: dict[str, int], counts: Mapping[str, int], times: int) -> None:
    for symbol, count in counts.items():
        into[symbol] = into.get(symbol, 0) + count * times


def molar_mass(formula: str) -> float:
    """Return the molar mass of a formula [g/mol].

    References
    ----------
    Standard atomic weights, abridged: Prohaska et al. (2022), Pure and Applied Chemistry 94:573,
    doi:10.1515/pac-2019-0603

    Examples
    --------
    >>> round(molar_mass("H2O"), 3)
    18.015
    """
    weights = _weights()
    return sum(weights[symbol] * count for symbol, count in elements(formula).items() if symbol != CHARGE)
