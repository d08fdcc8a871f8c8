"""The moves that filters share: forward in time by steps of controlled size, and readings of one instant judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from twinkit.core import Measurement, Quality, SimulationError
from twinkit.core.component import Array
from twinkit.estimate.factors import array_update, factor, product
from twinkit.estimate.result import Estimate, Reading

if TYPE_CHECKING:
    from twinkit.estimate.extended import ExtendedKalmanFilter
    from twinkit.estimate.filter import Filter, Item

_SHORTEST = 2.0**-20  # of the interval
S = TypeVar("S")
Mask = npt.NDArray[np.bool_]
"""Which of the sensors."""


def stepped(kind: Filter, begin: float, end: float, state: S, attempt: Callable[[float, float, S], tuple[S, Any]]) -> S:
    """Return a state moved from `begin` to `end` by as few steps as the accuracy allows.

    Parameters
    ----------
    kind
        The filter: its longest step, its tolerance, its inputs.
    begin, end
        From when to when.
    state
        What is moved.
    attempt
        ``(t, h, state) -> (state, local error)``; it is called again with a shorter step where the error is too large.
    """
    if kind.substeps is not None:
        return _evenly(kind, begin, end, state, attempt)
    t = begin
    for stop in kind.given.breaks(begin, end):
        step = stop - t
        while t < stop:
            count = max(1, math.ceil((stop - t) / min(kind.longest, step) * (1 - 1e-12)))
            h = (stop - t) / count
            moved, error = attempt(t, h, state)
            step = h * resized(error, kind.rtol)
            if not error <= kind.rtol:  # NaN too
                if step < (end - begin) * _SHORTEST:
                    raise SimulationError(_stuck(kind, t))
                continue
            state = moved
            t = stop if count == 1 else t + h
    return state


_SOLVED = 1e-6  # what Newton's method may leave of the algebraic equations, in nominal values


def even(kind: Filter, begin: float, end: float, substeps: int) -> list[tuple[float, float]]:
    """Return begin and length of the sub-steps of equal length between two times."""
    found: list[tuple[float, float]] = []
    for stop in kind.given.breaks(begin, end):
        h = (stop - begin) / substeps
        found += [(begin + k * h, h) for k in range(substeps)]
        begin = stop
    return found


def _evenly(kind: Filter, begin: float, end: float, state: S, attempt: Callable[[float, float, S], tuple[S, Any]]) -> S:
    """Return a state moved by sub-steps of equal length."""
    for t, h in even(kind, begin, end, kind.substeps or 1):
        state, error = attempt(t, h, state)
        if not error <= _SOLVED:
            raise SimulationError(_stuck(kind, t))
    return state


def propagated(
    ekf: ExtendedKalmanFilter, estimate: Estimate, end: float, trace: list[tuple[Any, ...]] | None = None
) -> tuple[Array, Array, Array]:
    """Return mean, covariance and algebraic variables at a later time.

    Parameters
    ----------
    ekf, estimate, end
        What is moved, and where to.
    trace
        Receives the arguments ``(t, h, x, z, c, modes, p)`` of every sub-step, for `crossed`.
    """
    modes, parameters = ekf.constants
    plan, q = ekf.plan, ekf.plan.noise**2

    def attempt(t: float, h: float, state: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array, Array], float]:
        x, covariance, z = state
        args = (t, h, x, z, ekf.given.piece(t, h), modes, parameters, covariance, q)
        x, z, covariance, (error,) = ekf.moves.propagate(*args)
        if trace is not None and (ekf.substeps is not None or error <= ekf.rtol):
            trace.append(args[:7])
        return (ekf.constraint.placed(x, covariance, plan.low, plan.high), covariance, z), error

    return stepped(ekf, estimate.time, end, (estimate.vector, estimate.covariance, estimate.algebraics), attempt)


def crossed(ekf: ExtendedKalmanFilter, estimate: Estimate, end: float) -> tuple[Estimate, Array]:
    """Return the estimate at a later time, and the covariance of the vector now with the vector then."""
    trace: list[tuple[Any, ...]] = []
    later = ekf.make(end, *propagated(ekf, estimate, end, trace))
    cross = estimate.covariance
    for args in trace:
        cross = cross @ ekf.moves.tangent(*args)[2].T
    return later, cross


def resized(error: float, tolerance: float) -> float:
    """Return by how much to change a step after its local error, of fifth order in the step, was found."""
    if not error > 0.0:
        return 0.2 if math.isnan(error) else 4.0
    return min(max(0.9 * (tolerance / error) ** 0.2, 0.2), 4.0)


def _stuck(kind: Filter, t: float) -> str:
    return (
        f"{type(kind.model).__name__} could not be integrated past t = {t:g} {kind.model.time_unit}: its equations are "
        "singular or much faster than the time between measurements there"
    )


@dataclass(frozen=True)
class Arrived:
    """The readings of one instant as vectors, one element per sensor."""

    items: Sequence[Item]
    value: Array
    variance: Array
    present: Array

    @property
    def usable(self) -> Mask:
        """Which sensors have a reading that is not marked bad."""
        return self.present > 0


def arrived(kind: Filter, items: Sequence[Item]) -> Arrived:
    """Return the readings of one instant, at most one of each sensor."""
    tags = list(kind.lines)
    value, variance, present = np.zeros(len(tags)), np.ones(len(tags)), np.zeros(len(tags))
    for m, number, std in items:
        if m.quality is not Quality.BAD:
            j = tags.index(m.tag)
            value[j], variance[j], present[j] = number, std * std, 1.0
    return Arrived(items, value, variance, present)


@dataclass(frozen=True)
class Judged:
    """What was expected of the readings of one instant, and which are used; one element per sensor."""

    predicted: Array
    innovation: Array
    spreads: Array
    accepted: Mask


def judged(kind: Filter, time: float, come: Arrived, predicted: Array, variances: Array) -> Judged:
    """Return which readings pass the gate, given the mean and variance of what was expected (without sensor noise)."""
    innovation, spreads = come.value - predicted, variances + come.variance
    finite(kind, time, predicted[come.usable], variances[come.usable])
    near = np.abs(innovation) <= np.sqrt(kind.threshold * spreads)  # not squared: an absurd reading would overflow
    return Judged(predicted, innovation, spreads, come.usable & near)


def total_nis(found: Judged, come: Arrived, covariance: Array) -> float:
    """Return the normalised innovation squared: jointly for the accepted readings, one by one for the rejected.

    `covariance` is that of the innovations of the accepted readings.
    """
    if not come.usable.any():
        return math.nan
    ok = found.accepted
    rejected = come.usable & ~ok
    with np.errstate(over="ignore"):
        total = float(np.sum((found.innovation[rejected] / np.sqrt(found.spreads[rejected])) ** 2))
    if ok.any():
        total += float(found.innovation[ok] @ np.linalg.solve(covariance, found.innovation[ok]))
    return total


def fates(kind: Filter, time: float, come: Arrived, found: Judged) -> tuple[Reading, ...]:
    """Return what became of every reading."""
    tags = list(kind.lines)
    readings: list[Reading] = []
    for m, number, std in come.items:
        j = tags.index(m.tag)
        surprise, spread, ok = float(found.innovation[j]), math.sqrt(found.spreads[j]), bool(found.accepted[j])
        if m.quality is Quality.BAD:
            surprise = spread = math.nan
        ratio, reason = surprise / spread, _reason(m, surprise, spread, ok)
        nis = ratio * ratio  # infinite, where ** would refuse
        numbers = (number, std, float(found.predicted[j]), surprise, spread, nis)
        readings.append(Reading(m.tag, time, kind.lines[m.tag].place.unit, *numbers, m.quality, ok, reason))
    return tuple(readings)


def finite(kind: Filter, time: float, *arrays: Array) -> None:
    """Raise `SimulationError` if a correction did not end in finite numbers."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise SimulationError(
            f"the correction at {time:g} {kind.model.time_unit} is not finite: check the sensors' outputs"
        )


_CONVERGED = 1e-10  # change of an iterate, in standard deviations
_DROP = 1e4  # by which a variance may fall in a correction before Joseph's form has lost too many digits


def corrected(ekf: ExtendedKalmanFilter, estimate: Estimate, items: Sequence[Item]) -> Estimate:
    """Return the estimate after readings of one instant, at most one of each sensor."""
    time, prior, z = estimate.time, estimate.vector, estimate.algebraics
    come, u = arrived(ekf, items), ekf.given.at(time)
    modes, parameters = ekf.constants

    def once(at: Array, z: Array, used: Array, gate: float) -> list[Array]:
        return ekf.functions.correct(
            time, prior, at, z, u, modes, parameters, estimate.covariance, come.value, come.variance, used, gate
        )

    x, z, covariance, predicted, innovation, spreads, accepted, terms, _ = once(prior, z, come.present, ekf.threshold)
    found = Judged(predicted, innovation, spreads, accepted > 0)
    scale = np.sqrt(np.diag(estimate.covariance)) + 1e-300
    for _ in range(ekf.iterations - 1 if accepted.any() else 0):
        before = x
        x, z, covariance, *_ = once(x, z, accepted, math.inf)
        if np.max(np.abs(x - before) / scale) < _CONVERGED:
            break
    finite(ekf, time, x, covariance)
    if (np.diag(estimate.covariance) > _DROP * np.diag(covariance)).any():
        covariance = _from_factor(ekf, estimate, x, z, come.variance, accepted > 0)
    x, covariance = ekf.constraint.corrected(x, covariance, ekf.plan.low, ekf.plan.high)
    total = float(terms @ come.present) if come.present.any() else math.nan
    return ekf.make(time, x, covariance, z, fates(ekf, time, come, found), total)


def _from_factor(
    ekf: ExtendedKalmanFilter, estimate: Estimate, x: Array, z: Array, variance: Array, used: Mask
) -> Array:
    """Return the corrected covariance by the array algorithm, which cannot become indefinite."""
    modes, parameters = ekf.constants
    at = estimate.vector if ekf.iterations == 1 else x
    args = (estimate.time, at, z, ekf.given.at(estimate.time), modes, parameters)
    derivatives = ekf.functions.fast_look(*args)[1][list(ekf.rows)][used]
    root = factor(estimate.covariance)
    return product(array_update(root, derivatives @ root, variance[used])[1])


def _reason(m: Measurement, surprise: float, spread: float, accepted: bool) -> str:
    """Return why a reading was not used as it came ('' when it was)."""
    note = f" ({m.note})" if m.note else ""
    if m.quality is Quality.BAD:
        return f"marked bad{note}; the model alone was followed"
    if not accepted:
        ratio = abs(surprise) / spread
        return f"{ratio:.{'1f' if ratio < 1e6 else '1e'}} standard deviations from what the model expects; not used"
    if m.quality is Quality.UNCERTAIN:
        return f"marked uncertain{note}; used with a larger standard deviation"
    return ""
