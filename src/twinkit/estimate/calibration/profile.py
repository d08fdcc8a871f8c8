"""Profile likelihood: how far one quantity can go while all others do their best to make up for it."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, SimulationError, unknown_name
from twinkit.core.units import unit_label
from twinkit.estimate.calibration.free import Transform
from twinkit.estimate.calibration.search import search

if TYPE_CHECKING:
    from twinkit.estimate.calibration.result import Calibration

Array = npt.NDArray[np.float64]
_GROW, _FIRST = 1.5, 0.35
_WIDEST = 8.0
_CLOSER = 12


@dataclass(frozen=True, eq=False)
class Profile:
    """Cost along one quantity, everything else searched for anew.

    Attributes
    ----------
    label, unit, estimate
        The quantity and its estimate.
    values, rise
        Values tried, increasing ``(n,)``, and twice the rise of the cost above its minimum: comparable with a
        chi-square of one degree of freedom.
    threshold
        Chi-square quantile at `coverage`.
    interval
        Where the rise passes the threshold. An open side is infinite.
    ends
        Why each side ended: "closed", "open" (the rise levels off: practically non-identifiable), "bound", or "stopped"
        (the model cannot be simulated further out).
    better
        A lower cost found on the way (the estimate was a local minimum), or None.
    """

    label: str
    unit: str
    estimate: float
    values: Array
    rise: Array
    coverage: float
    threshold: float
    interval: tuple[float, float]
    ends: tuple[str, str]
    better: float | None = None

    @property
    def identifiable(self) -> bool:
        """Whether both sides are closed."""
        return self.ends == ("closed", "closed")

    def __str__(self) -> str:
        unit = unit_label(self.unit)
        sides: list[str] = []
        for side, end, limit in zip(("left", "right"), self.ends, self.interval, strict=True):
            if end == "open":
                sides.append(f"open to the {side} (practically non-identifiable there)")
            elif end == "bound":
                sides.append(f"reaches its bound {limit:.4g} on the {side}")
            elif end == "stopped":
                sides.append(f"could not be followed to the end on the {side}: the model cannot be simulated there")
        span = f"{100 * self.coverage:g} % profile interval {self.interval[0]:.4g} .. {self.interval[1]:.4g} {unit}"
        text = f"{self.label}: {self.estimate:.5g} {unit}, {span}".strip()
        text += "".join(f"; {side}" for side in sides)
        if self.better is not None:
            text += f"; a better minimum was found at {self.better:.5g}: calibrate again from there"
        return text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>"

    def plot(self, ax: Any = None) -> Any:
        """Plot the profile with its threshold; returns the axes."""
        from twinkit.estimate.calibration.plots import plot_profile

        return plot_profile(self, ax)


def profile(
    result: Calibration, label: str, *, coverage: float = 0.95, points: int = 20, max_evaluations: int = 200
) -> Profile:
    """Return the profile likelihood of one quantity.

    From the estimate outwards the quantity is held at values that step further and further, and all others are searched
    for from where they were at the step before. A side is closed where twice the rise of the cost passes the chi-square
    threshold (Raue et al. 2009, doi:10.1093/bioinformatics/btp358).

    Parameters
    ----------
    result
        What `calibrate` found.
    label
        One of ``result.labels``.
    coverage
        Nominal coverage of the interval.
    points
        Largest number of steps on each side.
    max_evaluations
        Limit per step.

    Raises
    ------
    UnknownNameError
        If nothing of this label was searched for.
    SimulationError
        If the calibration did not converge.
    """
    from scipy import stats

    if label not in result.labels:
        raise unknown_name("searched quantity", label, result.labels, "this calibration")
    if not result.status.usable:
        raise SimulationError(f"there is no minimum to profile around: {result.message}")
    if points < 2 or not 0 < coverage < 1:
        raise InvalidValueError("a profile needs at least 2 points a side and a coverage between 0 and 1")
    threshold = float(cast("Any", stats).chi2.ppf(coverage, 1))
    place = result.labels.index(label)
    left, right = (_side(result, place, sign, threshold, points, max_evaluations) for sign in (-1.0, 1.0))
    q = np.concatenate([left[0][::-1], [result.best.end[place]], right[0]])
    rise = np.concatenate([left[1][::-1], [0.0], right[1]])
    values = _values(result, place, q)
    sides = [_end(result, place, q, rise, threshold, sign, why) for sign, why in ((-1, left[2]), (1, right[2]))]
    lowest = int(np.argmin(rise))
    estimate = result.estimates[label]
    return Profile(
        label, estimate.unit, estimate.value, values, rise, coverage, threshold, (sides[0][0], sides[1][0]),
        (sides[0][1], sides[1][1]), float(values[lowest]) if rise[lowest] < -0.01 else None,
    )  # fmt: skip


def _values(result: Calibration, place: int, q: Any) -> Any:
    space = result.objective.space
    if place >= len(space.coordinates):
        return np.exp(q)
    return np.asarray(space.columns[space.coordinates[place].column].from_search(q))


def _side(
    result: Calibration, place: int, sign: float, threshold: float, points: int, max_evaluations: int
) -> tuple[Array, Array, str]:
    """Step outwards until the threshold is passed, a bound is met, or the step is absurdly wide."""
    objective, best = result.objective, result.best.end
    limit = float(objective.limits[0 if sign < 0 else 1][place])
    estimate = result.estimates[result.labels[place]]
    std = estimate.std / _slope(result, place) if estimate.determined else math.inf
    log = place >= len(objective.space.coordinates) or _is_log(result, place)
    step = min(_FIRST * std if std > 0 else math.inf, 1.0 if log else 0.5 * max(1.0, abs(best[place])))
    trail = [(best, 0.0)]
    for _ in range(points):
        q, rise = trail[-1]
        target = q[place] + sign * step
        clipped = max(target, limit) if sign < 0 else min(target, limit)
        if clipped == q[place]:
            return _ended(trail, place, "bound")
        held = _held(result, q, place, clipped, max_evaluations)
        if held is None:
            return _ended(trail, place, "stopped")
        trail.append(held)
        if held[1] > threshold:
            _refine(result, trail, place, threshold, max_evaluations)
            return _ended(trail, place, "closed")
        if clipped == limit:
            return _ended(trail, place, "bound")
        if log and abs(held[0][place] - best[place]) > _WIDEST * math.log(10.0):
            break
        # About a sixth of the way to the threshold per step, faster where the profile is flat.
        gain = math.sqrt(max(held[1], 0.0)) - math.sqrt(max(rise, 0.0))
        step *= float(np.clip(math.sqrt(threshold) / 6.0 / max(gain, 1e-3), 0.5, 2.0 if log else _GROW))
    return _ended(trail, place, "open")


def _held(result: Calibration, q: Array, place: int, value: float, limit: int) -> tuple[Array, float] | None:
    """Hold one quantity and search for all others; return where and the rise of twice the cost (None: it failed)."""
    begin = q.copy()
    begin[place] = value
    end = search(result.objective, begin, limit, fixed=(place,))
    return (end.end, 2.0 * (end.cost - result.cost)) if math.isfinite(end.cost) else None


def _refine(result: Calibration, trail: list[tuple[Array, float]], place: int, threshold: float, limit: int) -> None:
    """Close in on where the threshold is passed, between the last two points: a wall may stand there."""
    goal = math.sqrt(threshold)
    for _ in range(_CLOSER):
        (inner, low), (outer, high) = trail[-2:]
        roots = math.sqrt(max(low, 0.0)), math.sqrt(high)
        if roots[1] - roots[0] < 0.3:  # the root of the rise is nearly linear over so little
            return
        steep = roots[1] > 2.0 * goal
        share = 0.5 if steep else float(np.clip((goal - roots[0]) / (roots[1] - roots[0]), 0.1, 0.9))
        held = _held(result, inner, place, float(inner[place] + share * (outer[place] - inner[place])), limit)
        if held is None:
            return
        if held[1] > threshold:
            trail[-1] = held
        else:
            trail.insert(-1, held)


def _ended(trail: list[tuple[Array, float]], place: int, why: str) -> tuple[Array, Array, str]:
    points = trail[1:]
    return np.array([q[place] for q, _ in points]), np.array([rise for _, rise in points]), why


def _slope(result: Calibration, place: int) -> float:
    space, q = result.objective.space, result.best.end
    if place >= len(space.coordinates):
        return math.exp(q[place])
    return float(space.slopes(q[: len(space.coordinates)])[place])


def _is_log(result: Calibration, place: int) -> bool:
    space = result.objective.space
    return space.columns[space.coordinates[place].column].transform is Transform.LOG


def _end(
    result: Calibration, place: int, q: Array, rise: Array, threshold: float, sign: int, why: str
) -> tuple[float, str]:
    """Return where a side passes the threshold (the square root of the rise is nearly linear), and how it ended."""
    if why != "closed":
        low, high = (float(_values(result, place, bound[place])) for bound in result.objective.limits)
        return (low if sign < 0 else high), why
    index = (0, 1) if sign < 0 else (len(q) - 1, len(q) - 2)
    outer, inner = (math.sqrt(max(float(rise[i]), 0.0)) for i in index)
    share = (math.sqrt(threshold) - inner) / (outer - inner) if outer > inner else 1.0
    at = q[index[1]] + share * (q[index[0]] - q[index[1]])
    return float(_values(result, place, at)), "closed"
