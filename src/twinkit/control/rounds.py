"""One plan optimised: in rounds, with finer steps or other margins, until a simulation agrees."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from twinkit.control.check import COARSE, Checked, checked
from twinkit.control.horizon import Horizon, limits_over, task_of, tightened
from twinkit.control.problem import PlanProblem
from twinkit.control.region import ALLOWED
from twinkit.control.scenarios import weighted
from twinkit.control.solving import Attempt, solved, stuck
from twinkit.control.substeps import fitted, most_substeps
from twinkit.control.task import Point, Task
from twinkit.control.warm import Warm, guessed, left
from twinkit.core.component import Array
from twinkit.optimise import MaxIterations, Status

if TYPE_CHECKING:
    from twinkit.control.mpc import MPC

_ROUNDS = 4  # solutions of one plan, with finer steps or other margins
_MORE = 12  # the same where margins are searched for
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
    now = _Now(mpc, horizons, shares, begin)
    found: Found | str = "nothing was tried"
    wider: _Wider | None = None
    rounds, before, kept = 0, math.inf, [np.zeros_like(margin) for margin in now.margins]
    while rounds < (_MORE if wider is not None or any(margin.any() for margin in now.margins) else _ROUNDS):
        rounds += 1
        if clock.perf_counter() > deadline:
            return "the deadline passed before there was a plan" if found == "nothing was tried" else found
        finer = now.substeps[1] < most_substeps(now.tasks[0].count) and rounds < _ROUNDS
        tried = now.tried(deadline, mpc.escalate and wider is None, finer)
        if finer and (stuck(tried.attempt) if not tried.usable else not tried.exact):
            now.refine(tried.attempt.points)
            continue
        if tried.reason and wider is not None:
            wider = replace(wider, share=0.5 * wider.share)
            now.renew(wider.margins, wider.points)
            continue
        if tried.reason and not tried.usable:
            found = tried.text if isinstance(found, str) else found
            if not now.farther(kept):
                return found
            # Margins of another plan may be too wide for any: those of a plan in between are narrower.
            now.renew(_between(kept, now.margins), now.points)
            continue
        wanted = [check.margins for check in tried.checks]
        if not all(np.isfinite(one).all() for one in wanted):
            return tried.reason if isinstance(found, str) else found
        if wider is not None or tried.foreign:
            # Once a plan has left what its model was trained on, margins only grow: else it would leave again.
            wanted = [np.maximum(new, old) for new, old in zip(wanted, now.margins, strict=True)]
        moved = now.apart(wanted)
        last = now.found(tried, settled=moved <= _CLOSE)
        found = last if isinstance(last, Found) or isinstance(found, str) else found
        if moved <= _CLOSE:
            break
        if not tried.reason and (wider is not None or tried.foreign):
            wider = _Wider(now.margins, wanted, tried.attempt.points, 0.5 if wider is None else wider.share)
            wanted = wider.margins
        elif not tried.reason:
            if moved > 0.5 * before:  # to and fro: only half of the way
                wanted = _between(now.margins, wanted)
            before, kept = moved, now.margins
        now.renew(wanted, tried.attempt.points)
    return found


@dataclass(frozen=True, eq=False)
class _Tried:
    """What one round came to: why its plans must not leave ('' where nothing speaks against them)."""

    attempt: Attempt
    checks: list[Checked]
    exact: bool
    reason: str

    @property
    def usable(self) -> bool:
        """Whether the solver came to an end with a plan."""
        return self.attempt.status.usable

    @property
    def text(self) -> str:
        """Why there is none, in words."""
        return f"{getattr(self.attempt.status, 'reason', self.attempt.status.text)} ({self.reason})"

    @property
    def foreign(self) -> bool:
        """Whether a plan leaves what a learned term was trained on."""
        return any(check.foreign for check in self.checks)


class _Now:
    """What the next round starts from: sub-steps, margins, and a guess.

    Parameters
    ----------
    mpc, horizons, shares, begin
        See `optimised`.
    """

    def __init__(self, mpc: MPC, horizons: Sequence[Horizon], shares: Sequence[float], begin: Warm | Array) -> None:
        self._mpc, self._horizons, self._shares = mpc, horizons, shares
        self._zs = [first_algebraics(h) for h in horizons]
        if isinstance(begin, Warm) and len(begin.points) != len(horizons):
            begin = shifted_moves(begin, horizons[0])
        self._warm = warm = begin if isinstance(begin, Warm) else None
        self.substeps = (mpc.chosen_method or 0, 1)
        if warm is not None and mpc.chosen_method in (None, warm.method):
            self.substeps = warm.method, warm.substeps
        else:
            self._fit([shifted_moves(begin, h) if isinstance(begin, Warm) else begin for h in horizons])
        shape = (len(horizons[0].times) - 1, len(horizons[0].settings.quantities))
        self.margins = (
            [np.zeros(shape) for _ in horizons] if warm is None else [_carried(m, shape) for m in warm.margins]
        )
        self.tasks = self._tasks()
        if isinstance(begin, Warm):
            guesses = tuple(guessed(begin, task, k) for k, task in enumerate(self.tasks))
            self.points = _sharing(guesses, mpc.shared_steps)
            return
        self.points = tuple(PlanProblem(task).restored(point_of(task, begin)) for task in self.tasks)
        if any(q.quantile for q in horizons[0].settings.quantities):
            needed = [check.margins for check in self._checks(self.points, compare=False)]
            self.renew([np.where(np.isfinite(one), one, 0.0) for one in needed], self.points)

    def _tasks(self) -> list[Task]:
        parts = zip(self._horizons, self._shares, self.margins, self._zs, strict=True)
        return [weighted(task_of(h, *self.substeps, margin, z), share) for h, share, margin, z in parts]

    def _fit(self, moves: Sequence[Array]) -> None:
        """Take sub-steps that integrate all scenarios accurately with given controls."""
        for h, z, u in zip(self._horizons, self._zs, moves, strict=True):
            self.substeps = fitted(h, u, z, self._mpc.rtol, self.substeps, self._mpc.chosen_method is None)

    def _checks(self, points: Sequence[Point], compare: bool = True) -> list[Checked]:
        parts = zip(self._horizons, self.tasks, points, strict=True)
        return [
            checked(h, task, *self.substeps, p.u, p.x if compare else None, self._mpc.grows) for h, task, p in parts
        ]

    def renew(self, margins: list[Array], points: tuple[Point, ...]) -> None:
        """Start the next round with other margins and another guess."""
        self.margins, self.points = margins, points
        self.tasks = self._tasks()

    def refine(self, points: tuple[Point, ...]) -> None:
        """Start the next round with finer sub-steps and another guess."""
        self.substeps = self.substeps[0], 2 * self.substeps[1]
        self._fit([p.u for p in points])
        self.renew(self.margins, points)

    def tried(self, deadline: float, escalate: bool, finer: bool) -> _Tried:
        """Return what a round comes to; see `twinkit.control.solving.solved`."""
        mpc = self._mpc
        attempt = solved(self.tasks, self.points, mpc.shared_steps, mpc.iterations, deadline, escalate, finer)
        checks = self._checks(attempt.points)
        exact = all(check.error <= COARSE * mpc.rtol for check in checks)  # False for NaN
        reason = next((check.reason for check in checks if check.reason), "") or _apart(mpc, self.tasks, attempt.points)
        if not (reason or exact) and max(check.error for check in checks) > _WRONG:
            reason = "the model could not be integrated accurately with these moves"
        return _Tried(attempt, checks, exact, reason)

    def apart(self, margins: Sequence[Array]) -> float:
        """Return the largest difference of margins to those of now, scaled."""
        pairs = zip(margins, self.margins, strict=True)
        return max(float(np.max(np.abs(a - b) / self.tasks[0].y_scale, initial=0.0)) for a, b in pairs)

    def farther(self, margins: Sequence[Array]) -> bool:
        """Return whether margins differ from those of now."""
        return not self.apart(margins) <= _CLOSE

    def found(self, tried: _Tried, settled: bool) -> Found | str:
        """Return the plans of a round, or why they must not leave."""
        if tried.reason:
            return tried.reason
        status, foreign = tried.attempt.status, tried.foreign
        if not (settled or foreign):
            if not _keeps(self._horizons, tried.checks):
                return "no moves were found that keep the margins which they themselves need"
            status = MaxIterations(status.solver, status.iterations, "margins that have not settled")
        elif not tried.exact:
            status = MaxIterations(status.solver, status.iterations, "steps that are integrated roughly")
        parts = zip(self._horizons, self.tasks, tried.attempt.parts(), tried.checks, strict=True)
        return Found(tuple(Result(*p) for p in parts), status, self.substeps, self._warm, not settled and foreign)


def _between(old: Sequence[Array], new: Sequence[Array]) -> list[Array]:
    """Return margins halfway between two."""
    return [0.5 * (a + b) for a, b in zip(old, new, strict=True)]


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
