"""A checked solution as a `Plan`."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.control.check import COARSE, Checked
from twinkit.control.deviations import BEYOND
from twinkit.control.horizon import limits_over
from twinkit.control.objective import Kind
from twinkit.control.plan import Binding, MoveSchedule, Plan, PredictedTrack
from twinkit.control.problem import Linear, PlanProblem
from twinkit.control.region import derived_places
from twinkit.control.settings import Quantity
from twinkit.control.status import PlanStatus
from twinkit.control.task import Task
from twinkit.core.component import Array
from twinkit.core.deferred import Deferred, DeferredSequence
from twinkit.core.positions import positions

if TYPE_CHECKING:
    from twinkit.control.mpc import MPC
    from twinkit.control.rounds import Found, Result

Sources = tuple[tuple[str, float], ...]
_NARROW = "Margins for that are narrower than they should be: with all of them no moves keep the limits."
_PULLS = 1e-5  # smallest scaled multiplier of a constraint that shapes a plan


def empty_plan(mpc: MPC, status: PlanStatus, time: float, made_by: Mapping[str, str], began: float) -> Plan:
    """Return a plan without moves."""
    seconds = {"total": clock.perf_counter() - began}
    return Plan(status, time, mpc.model.time_unit, time, {}, {}, goal=mpc.goal, timings=seconds, made_by=made_by)


def plan_of(
    mpc: MPC, found: Found, status: PlanStatus, made_by: Mapping[str, str], began: float, previous: Plan | None = None
) -> Plan:
    """Return a plan.

    Parameters
    ----------
    mpc
        The controller.
    found
        What was found and checked; the first scenario is shown.
    status, made_by
        How it came about.
    began
        When the work began, on the clock of ``time.perf_counter``.
    previous
        The plan that continues.
    """
    first, s = found.results[0], mpc.settings
    h, attempt, check = first.h, first.attempt, first.check
    expires = h.times[0] + mpc.validity if previous is None else previous.expires
    u = attempt.point.u
    moves = {
        m.place.label: MoveSchedule(
            m.place.label, m.place.unit, check.times[:-1], u[:, j].copy(), float(check.times[-1])
        )
        for j, m in enumerate(s.movers)
    }
    warm = None if previous is None else previous.warm
    if status.fresh:
        warm = found.warm
    between = dict.fromkeys(name for result in found.results for name in result.check.between)
    foreign = dict.fromkeys(text for result in found.results for text in result.check.foreign)
    values = [_value(mpc, result) for result in found.results]
    shares = [branch.share for branch in mpc.branches] or [1.0]
    names = [branch.name for branch in mpc.branches]
    error = max(result.check.error for result in found.results)
    return Plan(
        status, float(h.times[0]), mpc.model.time_unit, float(expires), moves,
        Deferred(partial(_predicted, mpc, check)),
        DeferredSequence(partial(_bindings, mpc, found.results)) if status.fresh else (),
        sum(share * value for share, value in zip(shares, values, strict=True)), mpc.goal,
        Deferred(partial(_sensitivity, mpc, first.task, attempt.at, shares[0])) if status.fresh else {},
        {"total": clock.perf_counter() - began}, made_by, not foreign, warm=warm,
        warnings=(
            *(f"{name} may exceed its limit between two steps" for name in between),
            *(f"Less certain than it looks: {text}." for text in foreign),
            *([_NARROW] if found.narrow else []),
            *([f"The optimiser integrated these moves with errors of up to {error:.2g} of the nominal magnitudes."]
              if error > COARSE * mpc.rtol else []),
        ),
        scenarios={
            name: Deferred(partial(_predicted, mpc, r.check))
            for name, r in zip(names, found.results, strict=False)
        },
    )  # fmt: skip


def unseen_plan(
    mpc: MPC, status: PlanStatus, time: float, previous: Plan | None, safe: Array | None, made_by: Mapping[str, str],
    began: float,
) -> Plan:  # fmt: skip
    """Return moves whose effect could not be predicted."""
    moves, expires, warm = {}, time + mpc.validity, None
    if previous is not None:
        expires, warm = previous.expires, previous.warm
        for name, old in previous.moves.items():
            later = old.times > time
            times = np.concatenate([[time], old.times[later]])
            moves[name] = MoveSchedule(name, old.unit, times, np.array([old.at(t) for t in times]), old.end)
    elif safe is not None:
        for m, value in zip(mpc.settings.movers, safe, strict=True):
            moves[m.place.label] = MoveSchedule(
                m.place.label, m.place.unit, np.array([time]), np.array([value]), expires
            )
    warnings = ("What these moves will do could not be predicted.",)
    return Plan(
        status, time, mpc.model.time_unit, expires, moves, {}, goal=mpc.goal, warnings=warnings, warm=warm,
        timings={"total": clock.perf_counter() - began}, made_by=made_by,
    )  # fmt: skip


def _predicted(mpc: MPC, check: Checked) -> dict[str, PredictedTrack]:
    s, found = mpc.settings, {}
    limits = {q.place.label: r for r, q in enumerate(s.quantities) if q.limited}
    low, high = limits_over(s, check.times) if limits else (None, None)
    stds = check.deviations.total
    names = {**positions(mpc.model.layout, inputs=True), **derived_places(s.derived)}
    for row, (label, place) in enumerate(names.items()):
        if place.kind == "input" and label not in limits:
            continue
        open_ = np.full(len(check.times), np.inf)
        r = limits.get(label)
        bottom, top = (-open_, open_) if r is None or low is None or high is None else (low[:, r], high[:, r])
        found[label] = PredictedTrack(label, place.unit, check.times, check.means[:, row], stds[:, row], bottom, top)
    return found


def _value(mpc: MPC, result: Result) -> float:
    """Return the value of the objective in the direction asked for; of tracking alone, its cost."""
    s, task, attempt, check = mpc.settings, result.task, result.attempt, result.check
    rows = {q.place.label: r for r, q in enumerate(s.quantities)}
    objective = mpc.maximize if mpc.maximize is not None else mpc.minimize
    if objective is None:
        weight = np.array([q.weight for q in s.quantities])
        weights = np.tile(weight, (len(check.values), 1))
        weights[-1] = [q.final_weight for q in s.quantities]
        return float(np.sum(weights * ((check.values - task.reference) / task.y_scale) ** 2))
    total = 0.0
    for term in objective.terms:
        if term.kind is Kind.FINAL:
            total += term.weight * float(check.values[-1, rows[term.name]])
        elif term.kind is Kind.SUMMED:
            total += term.weight * float(check.values[:, rows[term.name]].sum())
    if s.running:
        total += s.sign * float(PlanProblem(task).restored(attempt.point).x[-1, -1])
    return total


def _bindings(mpc: MPC, results: Sequence[Result]) -> list[Binding]:
    """Return the constraints that shape a plan, each of the first scenario that has it."""
    found: dict[tuple[str, str, str], Binding] = {}
    for result in results:
        for one in _binding(mpc, result):
            found.setdefault((one.name, one.kind, one.side), one)
    return list(found.values())


def _binding(mpc: MPC, result: Result) -> list[Binding]:
    """Return the constraints that shape a plan, from their multipliers."""
    s, point, task, check = mpc.settings, result.attempt.point, result.task, result.check
    found: list[Binding] = []
    low, high = limits_over(s, check.times[1:])
    for j, m in enumerate(s.movers):
        limits = (task.u_low[:, j], task.u_high[:, j])
        found += _shaping(mpc, m.place, "bound", point.bound_force[:, j], limits, None, check.times[:-1], m.scale)
        rates = (-task.rate[:, j], task.rate[:, j])
        found += _shaping(mpc, m.place, "rate", point.rate_force[:, j], rates, None, check.times[:-1], m.scale)
    for r, q in enumerate(s.quantities):
        if q.limited:
            over = np.maximum(np.maximum(low[:, r] - check.values[:, r], check.values[:, r] - high[:, r]), 0.0)
            exceeded = over if math.isfinite(q.soft) else np.zeros_like(over)
            limits = (low[:, r], high[:, r])
            at = partial(_sources, check, q)
            found += _shaping(
                mpc, q.place, "bound", point.force[:, r], limits, exceeded, check.times[1:], q.scale,
                check.margins[:, r], at,
            )  # fmt: skip
    return found


def _sources(check: Checked, q: Quantity, k: int) -> Sources:
    """Return what the margin of a quantity at the end of a step comes from."""
    return check.deviations.shares(k + 1, q.row) if q.quantile > 0.0 else ((BEYOND, 1.0),)


def _shaping(
    mpc: MPC, place: Any, kind: str, force: Array, limits: tuple[Array, Array], over: Array | None, times: Array,
    scale: float, margins: Array | None = None, sources: Callable[[int], Sources] | None = None,
) -> list[Binding]:  # fmt: skip
    found = []
    for side, limit, pulls in (
        ("low", limits[0], force * scale < -_PULLS),
        ("high", limits[1], force * scale > _PULLS),
    ):
        at = np.flatnonzero(pulls & np.isfinite(limit))
        if at.size:
            k = int(at[0])
            price = -mpc.settings.sign * abs(float(force[k])) * mpc.settings.size
            found.append(
                Binding(
                    place.label, place.unit, kind, side, float(limit[k]), 0.0 if margins is None else float(margins[k]),
                    tuple(times[at].tolist()), price, 0.0 if over is None else float(over[at].max()),
                    sources(k) if sources is not None and margins is not None and margins[k] else (),
                )
            )  # fmt: skip
    return found


def _sensitivity(mpc: MPC, task: Task, at: Linear | None, share: float) -> dict[str, Array]:
    """Return the change of the objective per unit of each move, everything else following the model.

    With scenarios: of the first one, whose costs count by its share.
    """
    if at is None:
        return {}
    n, s = task.functions.states, mpc.settings
    gradient = PlanProblem(task).slope_of_cost(at)
    later, found = np.zeros(n), np.zeros((task.count, task.functions.controls))
    for k in range(task.count - 1, -1, -1):
        slopes = at.moved.slopes[k]
        found[k] = gradient[k, n:] + later @ slopes[:, n:]
        later = gradient[k, :n] + later @ slopes[:, :n]
    sign = s.sign if mpc.maximize is not None or mpc.minimize is not None else 1.0
    return {m.place.label: sign * s.size / share * found[:, j] for j, m in enumerate(s.movers)}
