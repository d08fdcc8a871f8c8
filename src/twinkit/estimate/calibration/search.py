"""The search: trust-region least squares from one start, or from many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, as_completed
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from twinkit.core import SimulationError, TwinkitError
from twinkit.estimate.calibration.free import Transform
from twinkit.estimate.calibration.objective import Objective
from twinkit.estimate.calibration.status import CalibrationStatus, Start

Array = npt.NDArray[np.float64]
_POLISH = 8
_DECADE = math.log(10.0)


def search(
    objective: Objective,
    begin: Array,
    max_evaluations: int,
    fixed: Sequence[int] = (),
    note: Callable[[float], None] | None = None,
) -> Start:
    """Minimise from one start; runs in a worker of whatever executor there is.

    Parameters
    ----------
    objective
        What is minimised.
    begin
        Start, ``(objective.size,)``.
    max_evaluations
        Limit of evaluations.
    fixed
        Positions that keep their value.
    note
        Called with the sum of squares after every evaluation.
    """
    moving = np.setdiff1d(np.arange(objective.size), np.asarray(fixed, dtype=int))
    q, evaluations, converged, message = begin.copy(), 0, len(moving) == 0, "nothing to search for"
    current, rounds = objective, (_POLISH if objective.noise_places or _varies(objective) else 1)
    try:
        for k in range(rounds):
            if len(moving) == 0 or evaluations >= max_evaluations:
                break
            found = _least_squares(current, q, moving, max_evaluations - evaluations, note, rough=k == 0 and rounds > 1)
            moved = np.max(np.abs(found.x - q[moving]) / np.maximum(1.0, np.abs(q[moving])))
            q[moving], message = found.x, str(found.message)
            evaluations += int(found.nfev) + int(found.njev)
            converged = found.status > 0
            if rounds == 1 or (k > 0 and converged and moved < 1e-6):
                break
            current = objective.centred(q)
    except TwinkitError as error:
        return Start(begin, begin.copy(), math.inf, CalibrationStatus.FAILED, evaluations, str(error))
    cost = objective.cost(q)
    if not math.isfinite(cost):
        return Start(begin, q, math.inf, CalibrationStatus.FAILED, evaluations, "the model cannot be simulated there")
    status = CalibrationStatus.CONVERGED if converged else CalibrationStatus.NOT_CONVERGED
    if converged and _at_bound(objective, q, fixed).size:
        status = CalibrationStatus.AT_BOUND
    if not converged:
        message = f"stopped after {evaluations} evaluations; raise max_evaluations, or give better starts or priors"
    return Start(begin, q, cost, status, evaluations, message)


def _varies(objective: Objective) -> bool:
    return any(not term.constant for term in objective.data.noise)


def _at_bound(objective: Objective, q: Array, fixed: Sequence[int] = ()) -> Any:
    """Return positions that are at a bound (within 1e-6 of the distance of the bounds, or of the magnitude)."""
    low, high = objective.limits
    reach = 1e-6 * np.where(np.isfinite(high - low), high - low, np.maximum(1.0, np.abs(q)))
    at = (q - low <= reach) | (high - q <= reach)
    at[list(fixed)] = False
    return np.flatnonzero(at)


at_bound = _at_bound


def _least_squares(
    objective: Objective, q: Array, moving: Any, limit: int, note: Callable[[float], None] | None, *, rough: bool
) -> Any:
    from scipy import optimize

    def full(part: Array) -> Array:
        whole = q.copy()
        whole[moving] = part
        return whole

    def residuals(part: Array) -> Array:
        r = objective.residuals(full(part))
        if note is not None and np.all(np.isfinite(r)):
            note(0.5 * float(r @ r))
        return r

    def jacobian(part: Array) -> Array:
        return objective.jacobian(full(part))[:, moving]

    low, high = (bound[moving] for bound in objective.limits)
    start = np.clip(q[moving], low, high)
    if not np.all(np.isfinite(objective.residuals(full(start)))):
        # Say why, in the model's own words.
        objective.rows(full(start), slopes=False)
        raise SimulationError("the model's values are too far from the data to start from: give better starts")
    tolerance = 1e-5 if rough else 1e-10
    return cast("Any", optimize).least_squares(
        residuals, start, jacobian, bounds=(low, high), method="trf", x_scale="jac",
        ftol=tolerance, xtol=1e-9 if not rough else 1e-5, gtol=1e-10, max_nfev=max(1, limit),
    )  # fmt: skip


def starts(objective: Objective, count: int, seed: int) -> list[Array]:
    """Return the given start, and a Latin hypercube of others over the bounds (or about the start, or the prior).

    A side without a bound reaches two magnitudes from the start (a decade, on the logarithmic scale). Noise that is
    searched for always starts from the data.
    """
    from scipy.stats import qmc

    first = objective.start
    if count == 1:
        return [first]
    number = len(objective.space.coordinates)
    low, high = (bound[:number].copy() for bound in objective.limits)
    centre = first[:number]
    terms = {term.column: term for term in objective.priors}
    for i, (item, column) in enumerate(objective.space.each()):
        log = column.transform is Transform.LOG
        reach = _DECADE if log else 2.0
        low[i] = low[i] if np.isfinite(low[i]) else centre[i] - reach
        high[i] = high[i] if np.isfinite(high[i]) else centre[i] + reach
        term = terms.get(item.column)
        if term is not None:
            ends = np.array([term.centre - 3 * term.width, term.centre + 3 * term.width])
            ends = np.exp(ends) if term.log else ends
            inside = np.clip(ends, column.from_search(low[i]), column.from_search(high[i]))
            low[i], high[i] = (float(value) for value in column.to_search(inside))
    drawn = cast("Any", qmc).LatinHypercube(number, rng=np.random.default_rng(seed)).random(count - 1)
    return [first, *(np.concatenate([low + row * (high - low), first[number:]]) for row in drawn)]


def search_all(
    objective: Objective, begins: Sequence[Array], max_evaluations: int, executor: Executor | None, *, progress: bool
) -> list[Start]:
    """Search from every start, in order of the starts whichever executor runs them."""
    from tqdm.auto import tqdm

    found: list[Start | None] = [None] * len(begins)
    with tqdm(total=len(begins), desc="calibrate", unit="start", disable=not progress) as bar:
        if executor is None:
            for k, begin in enumerate(begins):
                note = (lambda cost: bar.set_postfix_str(f"cost {cost:.6g}")) if progress else None
                found[k] = search(objective, begin, max_evaluations, note=note)
                bar.update()
        else:
            waiting: dict[Future[Start], int] = {
                executor.submit(search, objective, begin, max_evaluations): k for k, begin in enumerate(begins)
            }
            finished = as_completed(waiting) if all(isinstance(f, Future) for f in waiting) else iter(waiting)
            for future in finished:
                found[waiting[future]] = future.result()
                bar.update()
    return [item for item in found if item is not None]
