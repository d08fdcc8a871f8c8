"""Whether a point lies in a design space, and how far it is from each limit."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, cast

import numpy as np

from twinkit.core.errors import InvalidValueError
from twinkit.core.limits import Limit
from twinkit.core.maths import Maths
from twinkit.core.providers import provided
from twinkit.core.units import as_number, difference_unit, unit_label


@dataclass(frozen=True)
class Verdict:
    """Whether a point lies in a design space, and how far from each limit.

    Attributes
    ----------
    inside
        Whether every limit that holds is kept. A verdict is true or false like it.
    margins
        Label of a limit -> distance to its nearer side, in the limit's unit; negative outside, NaN where a value is
        not a number.
    units
        Label -> unit.
    problems
        What is outside, and by how much, in words.
    space
        Name and content hash of the space.

    Notes
    -----
    With uncertainty, the margin is what remains of the distance after the back-off.
    """

    inside: bool
    margins: Mapping[str, float]
    units: Mapping[str, str]
    problems: tuple[str, ...]
    space: tuple[str, str]

    def __bool__(self) -> bool:
        return self.inside

    def _rows(self) -> list[tuple[str, str]]:
        return [(name, f"{m:+.4g} {unit_label(self.units[name])}".rstrip()) for name, m in self.margins.items()]

    def __repr__(self) -> str:
        head = f"{'inside' if self.inside else 'OUTSIDE'} {self.space[0]}"
        return "\n".join([head, *(f"  margin of {name}: {m}" for name, m in self._rows()),
                          *(f"  {problem}" for problem in self.problems)])  # fmt: skip

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td><b>{html.escape(name)}</b></td><td>{html.escape(m)}</td></tr>"
                       for name, m in self._rows())  # fmt: skip
        why = "".join(f"<p>{html.escape(problem)}</p>" for problem in self.problems)
        head = html.escape(f"{'inside' if self.inside else 'OUTSIDE'} {self.space[0]}")
        return f"<div><b>{head}</b>{why}<table><tr><th>limit</th><th>margin</th></tr>{rows}</table></div>"


def numeric() -> Maths:
    """Return the mathematics of plain numbers and arrays (of the numeric reading)."""
    return cast("Maths", provided("numeric_maths"))


def value_and_spread(limit: Limit, point: Mapping[str, float], spread: Mapping[str, float]) -> tuple[float, float]:
    """Return the limited number, and the sum of the standard deviations that reach it."""
    with np.errstate(all="ignore"):
        m = numeric()
        value = _real(limit, point, m)
        total = 0.0
        for name in limit.names:
            s = spread.get(name, 0.0)
            if s > 0.0:
                up, down = (_real(limit, {**point, name: point[name] + side * s}, m) for side in (1.0, -1.0))
                # The larger of the two sides: a curved response must not look safe because its slope is zero.
                total += max(abs(up - value), abs(down - value)) if math.isfinite(up - down) else math.nan
    return value, total


def checked_spreads(std: Mapping[str, Any], units: Mapping[str, str]) -> dict[str, float]:
    """Return the standard deviations of some variables, checked."""
    found: dict[str, float] = {}
    for name, unit in units.items():
        if name in std:
            value = as_number(std[name], difference_unit(unit), f"the standard deviation of {name}")
            if value < 0.0:
                raise InvalidValueError(f"the standard deviation of {name} must be zero or positive, not {value!r}")
            found[name] = value
    return found


def two_sided_quantile(coverage: float) -> float:
    """Return how many standard deviations a central normal interval reaches to each side."""
    given = cast("Any", coverage)
    if not isinstance(given, (int, float)) or not 0.0 < given < 1.0:
        raise InvalidValueError(f"a coverage lies between 0 and 1, not {coverage!r}")
    return NormalDist().inv_cdf(0.5 + 0.5 * coverage)


def margin_of(value: float, backoff: float, bounds: tuple[float, float]) -> float:
    """Return the distance to the nearer limit, less the back-off; NaN where it is not known."""
    if not (math.isfinite(value) and math.isfinite(backoff)):
        return math.nan
    return min(value - backoff - bounds[0], bounds[1] - value - backoff)


def problem_in_words(value: float, backoff: float, limit: Limit, unit: str) -> str:
    """Say what is outside, and by how much."""
    if not math.isfinite(value):
        return f"{limit.label} is {value}: nothing is known to be inside"
    shown = f" {unit_label(unit)}" if unit_label(unit) else ""
    spread = f" ± {backoff:.3g}" if backoff else ""
    return f"{limit.label} = {value:.6g}{spread}{shown}, but {limit.text(unit)}"


def _real(limit: Limit, point: Mapping[str, float], m: Maths) -> float:
    try:
        value = complex(limit.evaluate({name: np.float64(v) for name, v in point.items()}, m))
    except (OverflowError, ZeroDivisionError):
        return math.nan
    return value.real if value.imag == 0.0 else math.nan
