"""The two moves of a filter: forward in time, and correction by the readings of one instant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core import Measurement, Quality, SimulationError
from twinkit.core.component import Array
from twinkit.estimate.constraints import within_bounds
from twinkit.estimate.result import Estimate, Reading

if TYPE_CHECKING:
    from twinkit.estimate.extended import ExtendedKalmanFilter
    from twinkit.estimate.filter import Item

_SHORTEST = 2.0**-20  # of the interval


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
    t, x, covariance, z = estimate.time, estimate.vector, estimate.covariance, estimate.algebraics
    modes, parameters = ekf.constants
    plan, q = ekf.plan, ekf.plan.noise**2
    for stop in ekf.given.breaks(t, end):
        step = stop - t
        while t < stop:
            count = max(1, math.ceil((stop - t) / min(ekf.longest, step) * (1 - 1e-12)))
            h = (stop - t) / count
            args = (t, h, x, z, ekf.given.piece(t, h), modes, parameters, covariance, q)
            x1, z1, covariance1, (error,) = ekf.functions.propagate(*args)
            step = h * resized(error, ekf.rtol)
            if not error <= ekf.rtol:  # NaN too
                if step < (end - estimate.time) * _SHORTEST:
                    raise SimulationError(_stuck(ekf, t, x))
                continue
            if trace is not None:
                trace.append(args[:7])
            x, covariance, z = within_bounds(x1, covariance1, plan.low, plan.high), covariance1, z1
            t = stop if count == 1 else t + h
    return x, covariance, z


def crossed(ekf: ExtendedKalmanFilter, estimate: Estimate, end: float) -> tuple[Estimate, Array]:
    """Return the estimate at a later time, and the covariance of the vector now with the vector then."""
    trace: list[tuple[Any, ...]] = []
    later = ekf.make(end, *propagated(ekf, estimate, end, trace))
    cross = estimate.covariance
    for args in trace:
        cross = cross @ ekf.functions.transition(*args)[0].T
    return later, cross


def resized(error: float, tolerance: float) -> float:
    """Return by how much to change a step after its local error, of fifth order in the step, was found."""
    if not error > 0.0:
        return 0.2 if math.isnan(error) else 4.0
    return min(max(0.9 * (tolerance / error) ** 0.2, 0.2), 4.0)


def _stuck(ekf: ExtendedKalmanFilter, t: float, x: Array) -> str:
    where = ", ".join(f"{name} = {value:.5g}" for name, value in zip(ekf.plan.labels, x, strict=True))
    return (
        f"{type(ekf.model).__name__} could not be integrated past t = {t:g} {ekf.model.time_unit} (at {where}): its "
        "equations are singular or much faster than the time between measurements there"
    )


def corrected(ekf: ExtendedKalmanFilter, estimate: Estimate, items: Sequence[Item]) -> Estimate:
    """Return the estimate after readings of one instant, at most one of each sensor."""
    time, x, covariance, z = estimate.time, estimate.vector, estimate.covariance, estimate.algebraics
    tags = list(ekf.lines)
    value, variance, present = np.zeros(len(tags)), np.ones(len(tags)), np.zeros(len(tags))
    for m, number, std in items:
        if m.quality is not Quality.BAD:
            j = tags.index(m.tag)
            value[j], variance[j], present[j] = number, std * std, 1.0
    modes, parameters = ekf.constants
    x, z, covariance, predicted, innovation, spreads, accepted, terms = ekf.functions.correct(
        time, x, z, ekf.given.at(time), modes, parameters, covariance, value, variance, present, ekf.threshold
    )
    if not (np.isfinite(x).all() and np.isfinite(covariance).all()):
        raise SimulationError(
            f"the correction at {time:g} {estimate.time_unit} is not finite: check the sensors' outputs"
        )
    readings: list[Reading] = []
    for m, number, std in items:
        j = tags.index(m.tag)
        surprise, spread, ok = float(innovation[j]), math.sqrt(spreads[j]), bool(accepted[j])
        if m.quality is Quality.BAD:
            surprise = spread = math.nan
        ratio = surprise / spread
        nis, reason = ratio * ratio, _reason(m, surprise, spread, ok)
        numbers = (number, std, float(predicted[j]), surprise, spread, nis)
        readings.append(Reading(m.tag, time, ekf.lines[m.tag].place.unit, *numbers, m.quality, ok, reason))
    total = float(terms @ present) if present.any() else math.nan
    return ekf.make(time, x, covariance, z, tuple(readings), total)


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
