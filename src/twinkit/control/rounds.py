"""One plan optimised: in rounds, with finer steps or other margins, until a simulation agrees."""

from __future__ import annotations

import functools
import math
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from twinkit.control.check import COARSE, Checked, checked
from twinkit.control.horizon import Horizon, limits_over, task_of, tightened
from twinkit.control.prediction import Run, simulated
from twinkit.control.problem import PlanProblem
from twinkit.control.region import ALLOWED
from twinkit.control.scenarios import weighted
from twinkit.control.solving import Attempt, solved, stuck
from twinkit.control.task import Point, Task
from twinkit.control.warm import Warm, guessed, left
from twinkit.core import SimulationError
from twinkit.core.component import Array
from twinkit.optimise import MaxIterations, Status

if TYPE_CHECKING:
    from twinkit.control.mpc import MPC

_FEW, _MANY = 8, 512  # sub-steps of a step: beyond the first an implicit method is tried
_WORTH = 12  # explicit sub-steps that cost as much as an implicit one: 4 to 13 where measured, less without a compiler
_WORK, _LEAST = 2000, 16  # implicit sub-steps of a plan, and of a step, for accuracy alone; more only to have a plan
_ROUNDS = 4  # solutions of one plan, with finer steps or other margins
_MORE = 12  # the same where margins are searched for
_BLOWN = 0.5  # change of derivatives over a step, with half the sub-step, of a method that is not stable
_WRONG = 0.05  # of magnitude plus nominal value: a plan that is integrated worse is none
_CLOSE = 0.02  # of the scale: margins that differ by less are the same


@dataclass(frozen=True, eq=False)
class Result:
    """One scenario of a checked plan (or the only one)."""

    h: Horizon
    task: Task
    attempt: Attempt
    check: Checked


@dataclass(frozen=True, eq=False)
class Found:
    """A checked plan.

    Attributes
    ----------
    results
        One per scenario.
    status
        How it ended.
    substeps
        Integration method, and number of sub-steps of a step.
    followed
        What it was started from.
    narrow
        Whether margins beyond the domain of a learned term are narrower than they should be: with these there was no
        plan.
    """

    results: tuple[Result, ...]
    status: Status
    substeps: tuple[int, int]
    followed: Warm | None = None
    narrow: bool = False

    @property
    def cost(self) -> float:
        """What was minimised."""
        return sum(PlanProblem(r.task).cost(r.attempt.point, r.check.values) for r in self.results)

    @property
    def warm(self) -> Warm:
        """What the next plan starts from."""
        first = self.results[0]
        points, margins = (tuple(r.attempt.point for r in self.results), tuple(r.check.margins for r in self.results))
        return left(Warm(first.h.times, points, margins, *self.substeps), self.followed, first.task.u_scale)


def optimised(
    mpc: MPC, horizons: Sequence[Horizon], shares: Sequence[float], begin: Warm | Array, deadline: float
) -> Found | str:  # fmt: skip
    """Return one checked plan; a text says why there is none.

    Parameters
    ----------
    mpc
        The controller.
    horizons, shares
        One per scenario, and how much each counts.
    begin
        What the previous plan left, or first controls ``(N, c)``.
    deadline
        On the clock of ``time.perf_counter``.
    """
    shape = (len(horizons[0].times) - 1, len(horizons[0].settings.quantities))
    zs = [first_algebraics(h) for h in horizons]
    if isinstance(begin, Warm) and len(begin.points) != len(horizons):
        begin = shifted_moves(begin, horizons[0])
    warm = begin if isinstance(begin, Warm) else None
    substeps = (mpc.chosen_method or 0, 1)
    if warm is not None and mpc.chosen_method in (None, warm.method):
        substeps = warm.method, warm.substeps
    else:
        for h, z in zip(horizons, zs, strict=True):
            u = shifted_moves(begin, h) if isinstance(begin, Warm) else begin
            substeps = fitted(h, u, z, mpc.rtol, substeps, mpc.chosen_method is None)
    margins = [np.zeros(shape) if warm is None else _carried(old, shape) for old in (warm.margins if warm else zs)]

    def tasks_now() -> list[Task]:
        parts = zip(horizons, shares, margins, zs, strict=True)
        return [weighted(task_of(h, *substeps, margin, z), share) for h, share, margin, z in parts]

    tasks = tasks_now()
    if isinstance(begin, Warm):
        points = _sharing(tuple(guessed(begin, task, k) for k, task in enumerate(tasks)), mpc.shared_steps)
    else:
        points = tuple(PlanProblem(task).restored(point_of(task, begin)) for task in tasks)
        if any(q.quantile for q in horizons[0].settings.quantities):
            first = [_check(mpc, h, t, substeps, p, False) for h, t, p in zip(horizons, tasks, points, strict=True)]
            margins = [np.where(np.isfinite(one.margins), one.margins, 0.0) for one in first]
            tasks = tasks_now()
    found: Found | str = "nothing was tried"
    wider: _Wider | None = None
    rounds, before, kept = 0, math.inf, [np.zeros(shape) for _ in horizons]
    while rounds < (_MORE if wider is not None or any(margin.any() for margin in margins) else _ROUNDS):
        rounds += 1
        if clock.perf_counter() > deadline:
            return "the deadline passed before there was a plan" if found == "nothing was tried" else found
        finer = substeps[1] < _most(len(tasks[0].times) - 1) and rounds < _ROUNDS
        escalate = mpc.escalate and wider is None
        attempt = solved(tasks, points, mpc.shared_steps, mpc.iterations, deadline, escalate, finer)
        usable = attempt.status.usable
        checks = [_check(mpc, h, t, substeps, p) for h, t, p in zip(horizons, tasks, attempt.points, strict=True)]
        exact = all(check.error <= COARSE * mpc.rtol for check in checks)  # False for NaN
        if finer and (stuck(attempt) if not usable else not exact):
            substeps = substeps[0], 2 * substeps[1]
            for h, z, p in zip(horizons, zs, attempt.points, strict=True):
                substeps = fitted(h, p.u, z, mpc.rtol, substeps, mpc.chosen_method is None)
            tasks, points = tasks_now(), attempt.points
            continue
        reason = next((check.reason for check in checks if check.reason), "") or _apart(mpc, tasks, attempt.points)
        if not (reason or exact) and max(check.error for check in checks) > _WRONG:
            reason = "the model could not be integrated accurately with these moves"
        if reason and wider is not None:
            wider = replace(wider, share=0.5 * wider.share)
            margins = wider.margins
            tasks, points = tasks_now(), wider.points
            continue
        if reason and not usable:
            text = f"{getattr(attempt.status, 'reason', attempt.status.text)} ({reason})"
            found = text if isinstance(found, str) else found
            if not _farther(margins, kept, tasks[0]):
                return found
            # Margins of another plan may be too wide for any: those of a plan in between are narrower.
            margins = [0.5 * (old + new) for old, new in zip(kept, margins, strict=True)]
            tasks = tasks_now()
            continue
        wanted = [check.margins for check in checks]
        if not all(np.isfinite(one).all() for one in wanted):
            return reason if isinstance(found, str) else found
        foreign = any(check.foreign for check in checks)
        if wider is not None or foreign:
            # Once a plan has left what its model was trained on, margins only grow: else it would leave again.
            wanted = [np.maximum(new, old) for new, old in zip(wanted, margins, strict=True)]
        settled = not _farther(wanted, margins, tasks[0])
        if reason:
            found = reason if isinstance(found, str) else found
        elif settled or foreign or _keeps(horizons, checks):
            status: Status = attempt.status
            if not (settled or foreign):
                status = MaxIterations(status.solver, status.iterations, "margins that have not settled")
            elif not exact:
                status = MaxIterations(status.solver, status.iterations, "steps that are integrated roughly")
            parts = list(zip(horizons, tasks, attempt.parts(), checks, strict=True))
            found = Found(tuple(Result(*p) for p in parts), status, substeps, warm, not settled and foreign)
        elif isinstance(found, str):
            found = "no moves were found that keep the margins which they themselves need"
        if settled:
            break
        if not reason and (wider is not None or foreign):
            wider = _Wider(margins, wanted, attempt.points, 0.5 if wider is None else wider.share)
            wanted = wider.margins
        elif not reason:
            moved = _apart_by(wanted, margins, tasks[0])
            if moved > 0.5 * before:  # to and fro: only half of the way
                wanted = [0.5 * (old + new) for old, new in zip(margins, wanted, strict=True)]
            before, kept = moved, margins
        margins = wanted
        tasks, points = tasks_now(), attempt.points
    return found


def _apart_by(new: Sequence[Array], old: Sequence[Array], task: Task) -> float:
    """Return the largest difference of margins, scaled."""
    pairs = zip(new, old, strict=True)
    return max(float(np.max(np.abs(a - b) / task.y_scale, initial=0.0)) for a, b in pairs)


def _farther(new: Sequence[Array], old: Sequence[Array], task: Task) -> bool:
    """Return whether margins differ."""
    return not _apart_by(new, old, task) <= _CLOSE


def _keeps(horizons: Sequence[Horizon], checks: Sequence[Checked]) -> bool:
    """Return whether plans keep the margins that they themselves need, though they were made with others."""
    for h, check in zip(horizons, checks, strict=True):
        hard = [r for r, q in enumerate(h.settings.quantities) if q.limited and math.isinf(q.soft)]
        low, high = tightened(*limits_over(h.settings, check.times[1:]), check.margins)
        scale = np.array([q.scale for q in h.settings.quantities])
        over = np.maximum(low - check.values, check.values - high) / scale
        if not (over[:, hard] <= _CLOSE).all():
            return False
    return True


@dataclass(frozen=True, eq=False)
class _Wider:
    """A search for margins: from those that were kept, a share of the way to those a plan beyond its domain needs.

    Margins depend on how far a plan leaves the domain, and so on themselves: all of the way at once may leave no plan,
    where a plan within the domain is near.
    """

    kept: list[Array]
    wanted: list[Array]
    points: tuple[Point, ...]
    share: float

    @property
    def margins(self) -> list[Array]:
        """What to try next."""
        return [old + self.share * (new - old) for old, new in zip(self.kept, self.wanted, strict=True)]


def _sharing(points: tuple[Point, ...], shared: int) -> tuple[Point, ...]:
    """Return points whose first moves are those of the first scenario, as they must be in all."""
    first = points[0].u[:shared]
    return (points[0], *(replace(p, u=np.vstack([first, p.u[shared:]])) for p in points[1:]))


def _apart(mpc: MPC, tasks: Sequence[Task], points: tuple[Point, ...]) -> str:
    """Return why scenarios do not share their first moves ('' where they do)."""
    shared = [p.u[: mpc.shared_steps] / tasks[0].u_scale for p in points]
    away = max(float(np.abs(one - shared[0]).max()) for one in shared)
    return "" if away <= ALLOWED else f"the first moves of the scenarios differ by {away:.2g} of their scale"


def _check(mpc: MPC, h: Horizon, task: Task, substeps: tuple[int, int], point: Point, compare: bool = True) -> Checked:
    return checked(h, task, *substeps, point.u, point.x if compare else None, mpc.grows)


def _most(steps: int) -> int:
    """Return how many sub-steps of a step accuracy is worth."""
    return min(_MANY, max(_LEAST, _WORK // steps))


def fitted(
    h: Horizon, u: Array | None, z: Array, rtol: float, first: tuple[int, int] = (0, 1), free: bool = True
) -> tuple[int, int]:
    """Return method and number of sub-steps that integrate all steps accurately with given controls.

    Parameters
    ----------
    h, u, z
        The plan, its controls (None: those in force), and a first guess of the algebraic variables.
    rtol
        How accurately.
    first
        Method and number of sub-steps to begin with.
    free
        Whether the method may be another one: implicit where that costs less.
    """
    if u is None:
        u = np.tile(np.concatenate([h.before, np.ones(int(h.settings.stretched))]), (len(h.times) - 1, 1))
    start = h.items(1, u)[:1]
    start[:, 1] = 0.0  # a step of length zero changes nothing, but asks for rates
    if not np.isfinite(simulated(h.predictor, 0, h.known.vector, z, start, h.shared).path).all():
        raise SimulationError("the model cannot be evaluated where the plan starts")
    method, least = first
    if method or not free:
        found = _accurate(h, u, z, rtol, method, least, _MANY)
        if found:
            return method, found
    elif explicit := _accurate(h, u, z, rtol, 0, least, _FEW):
        return 0, explicit
    else:
        implicit = _accurate(h, u, z, rtol, 1, 1, _MANY)
        most = min(_MANY, _WORTH * implicit) if implicit else _MANY
        if explicit := _accurate(h, u, z, rtol, 0, max(least, 2 * _FEW), most):
            return 0, explicit
        if implicit:
            return 1, implicit
    raise SimulationError("the model could not be integrated over the horizon with the first guess of the moves")


def _accurate(h: Horizon, u: Array, z: Array, rtol: float, method: int, least: int, most: int) -> int:
    """Return the number of sub-steps with which a method is accurate, doubled from the least on; 0: more than most.

    An implicit method may be less accurate, where more would be too much work.
    """
    scale = np.abs(h.model.layout.states.scales)

    def over_steps(count: int) -> _Steps:
        items = h.items(count, u)
        return _Steps(items, simulated(h.predictor, method, h.known.vector, z, items, h.shared), len(items) // len(u))

    count, rough = least, over_steps(least) if least <= most else None
    enough = finest = 0
    while rough is not None and count <= (most if not finest else _most(len(u))):
        fine = over_steps(2 * count)
        with np.errstate(invalid="ignore", over="ignore"):  # an explicit method may run away
            ends = fine.ends[:, : len(scale)]
            error = np.abs(ends - rough.ends[:, : len(scale)]) / (scale + np.abs(ends))
            apart = method == 0 and bool(error.max() <= rtol) and _unstable(h, rough, fine)
        if np.isfinite(error).all() and not apart:
            if error.max() <= rtol:
                return count
            if method:  # an explicit one that is not accurate is about to be unstable
                finest, enough = count, enough or (count if error.max() <= COARSE * rtol else 0)
        count, rough = 2 * count, fine
    return enough or finest


@dataclass(frozen=True, eq=False)
class _Steps:
    """A simulation: its sub-steps, what they led to, and how many of them make a step."""

    items: Array
    run: Run
    per: int

    @property
    def ends(self) -> Array:
        """The vector at the ends of the steps."""
        return self.run.path[self.per - 1 :: self.per]


def _unstable(h: Horizon, rough: _Steps, fine: _Steps) -> bool:
    """Return whether an explicit method blows up what does not show: a plan may begin where nothing moves."""
    scale, found = np.ones(h.predictor.size), list[Array]()
    scale[: len(h.model.layout.states.scales)] = np.abs(h.model.layout.states.scales)
    for one in (rough, fine):
        maps = h.predictor.link[0](np.hstack([one.run.starts, one.items]), h.shared)
        maps = maps.reshape(-1, one.per, len(scale), len(scale)).transpose(0, 1, 3, 2) * scale / scale[:, None]
        found.append(functools.reduce(lambda a, b: b @ a, maps.transpose(1, 0, 2, 3)))
    return not bool((np.abs(found[1] - found[0]) <= _BLOWN * (1.0 + np.abs(found[1]).max())).all())


def point_of(task: Task, u: Array) -> Point:
    """Return a first guess with given controls, kept within their bounds."""
    count, f = task.count, task.functions
    inside = np.where(task.free, np.clip(u, task.u_low, task.u_high), u)
    for j in range(inside.shape[1]):
        held = np.maximum.accumulate(np.where(task.free[:, j], np.arange(count), 0))
        inside[:, j] = inside[held, j]
    nothing = np.zeros((count, f.controls))
    return Point(
        np.tile(task.start, (count + 1, 1)), inside, np.tile(task.guess, (count + 1, 1)), np.zeros((count, f.states)),
        np.zeros_like(task.weight), nothing, nothing,
    )  # fmt: skip


def _carried(old: Array, shape: tuple[int, int]) -> Array:
    """Return the margins of the previous plan at the nodes of a new one: they belong to how far ahead a node is."""
    found = np.zeros(shape)
    count = min(len(old), shape[0])
    found[:count] = old[:count]
    found[count:] = old[-1] if len(old) else 0.0
    return found


def first_algebraics(h: Horizon) -> Array:
    """Return consistent algebraic variables at the start, from the model's initial guess."""
    layout = h.model.layout
    if not layout.algebraics.size:
        return np.empty(0)
    values = h.model.values()
    guess = layout.algebraics.pack({e.name: values.get(e.name, e.variable.scale) for e in layout.algebraics})
    inputs = h.program.values(h.times[:1])[0].copy()
    inputs[h.moved] = h.before
    item = np.concatenate([h.times[:1], h.known.vector, guess, inputs])[None]
    for _ in range(20):
        found = h.predictor.see(item, h.shared)[0, : layout.algebraics.size]
        if np.allclose(found, item[0, 1 + h.predictor.size :][: len(found)], rtol=1e-12, atol=0.0):
            break
        item[0, 1 + h.predictor.size : 1 + h.predictor.size + len(found)] = found
    return found


def shifted_moves(warm: Warm, h: Horizon) -> Array:
    """Return the moves of a previous plan at the steps of a new one."""
    rows = np.clip(np.searchsorted(warm.times, h.times[:-1], side="right") - 1, 0, len(warm.points[0].u) - 1)
    return warm.points[0].u[rows]
