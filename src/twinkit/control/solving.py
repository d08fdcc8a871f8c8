"""From a first guess to controls: SQP, then FATROP, then IPOPT, within a time budget."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twinkit.control.chained import chained
from twinkit.control.problem import Linear, PlanProblem
from twinkit.control.task import Point, Task
from twinkit.control.transcription import Transcription
from twinkit.control.tree import Branched, TreeProblem
from twinkit.optimise import SOLVERS, Converged, Failed, Limits, Status, solve_nonlinear, sqp
from twinkit.readings.casadi import SYMBOLIC

_SQUARES = 8  # quadratic programmes with second derivatives of squares only, where others may follow


@dataclass(frozen=True, eq=False)
class Attempt:
    """What the solvers came to.

    Attributes
    ----------
    points
        The point of each scenario; where the status is not usable, only its controls may be tried.
    ats
        The last linearisation of each (None: there was none).
    status
        How it ended.
    """

    points: tuple[Point, ...]
    ats: tuple[Linear | None, ...]
    status: Status

    @property
    def point(self) -> Point:
        """The point of the first scenario."""
        return self.points[0]

    @property
    def at(self) -> Linear | None:
        """The last linearisation of the first scenario."""
        return self.ats[0]

    def parts(self) -> list[Attempt]:
        """Return what the solvers came to, scenario by scenario."""
        pairs = zip(self.points, self.ats, strict=True)
        return [Attempt((point,), (at,), self.status) for point, at in pairs]


def solved(
    tasks: Sequence[Task],
    guess: tuple[Point, ...],
    shared: int,
    iterations: int,
    until: float,
    escalate: bool,
    finer: bool,
) -> Attempt:
    """Solve one plan.

    Parameters
    ----------
    tasks, guess
        The plan and a first guess, per scenario.
    shared
        Number of first steps whose moves are the same in all scenarios.
    iterations
        Largest number of quadratic programmes.
    until
        When to stop, on the clock of ``time.perf_counter``.
    escalate
        Whether the nonlinear solvers are tried where SQP fails.
    finer
        Whether there are finer steps to try first where SQP gets stuck.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # far away a model may lead anywhere: such steps are refused
            best = _sequential(tasks, guess, shared, iterations, until)
    except (ArithmeticError, RuntimeError, np.linalg.LinAlgError) as error:
        nothing = (None,) * len(tasks)
        best = Attempt(guess, nothing, Failed("SQP", 0, f"the solver crashed: {error}"))
    if best.status.usable or not escalate or (finer and stuck(best)):
        return best
    reasons = [getattr(best.status, "reason", best.status.text)]
    for solver in SOLVERS:
        if clock.perf_counter() > until:
            reasons.append(f"no time left for {solver.upper()}")
            break
        if solver == "fatrop" and math.isfinite(until):
            reasons.append("FATROP takes no time limit")
            continue
        try:
            tried = _nonlinear(tasks, best.points, shared, solver, until)
        except (ArithmeticError, RuntimeError, np.linalg.LinAlgError) as error:
            reasons.append(f"{solver.upper()} crashed: {error}")
            continue
        if tried.status.usable:
            return tried
        reasons.append(f"{solver.upper()}: {getattr(tried.status, 'reason', tried.status.text)}")
    return replace(best, status=Failed("SQP, FATROP, IPOPT", best.status.iterations, "; ".join(reasons)))


def stuck(attempt: Attempt) -> bool:
    """Return whether SQP found no step that lowers its merit function."""
    return isinstance(attempt.status, Failed) and attempt.status.stuck


def _sequential(tasks: Sequence[Task], guess: tuple[Point, ...], shared: int, iterations: int, until: float) -> Attempt:
    """Solve a plan by SQP: quickly, and where that does not converge, from there with accurate quadratic programmes."""
    best, done = Attempt(guess, (None,) * len(tasks), Failed("SQP", 0)), 0
    phases = [(True, iterations), (False, iterations)]
    if tasks[0].exact_later and not tasks[0].exact:
        phases.insert(0, (True, _SQUARES))
    for k, (fast, most) in enumerate(phases):
        if len(phases) > 2 and k:
            tasks = [replace(task, exact=True) for task in tasks]
        limits = Limits(max(1, min(most, iterations - done)), max(0.0, until - clock.perf_counter()))
        if len(tasks) > 1:
            tree = sqp(TreeProblem(tasks, shared, fast), best.points, limits)
            best = Attempt(tree.point, tree.at.parts, tree.status)
        else:
            found = sqp(PlanProblem(tasks[0], fast), best.point, limits)
            best = Attempt((found.point,), (found.at,), found.status)
        done += best.status.iterations
        if isinstance(best.status, Converged) or done >= iterations or clock.perf_counter() > until:
            break
        if not all(np.isfinite(point.x).all() for point in best.points):
            best = replace(best, points=guess)
    return replace(best, status=replace(best.status, iterations=done))


def _nonlinear(tasks: Sequence[Task], guess: Sequence[Point], shared: int, solver: str, until: float) -> Attempt:
    """Solve the whole plan, of all scenarios, with one nonlinear solver."""
    problems = [PlanProblem(task) for task in tasks]
    starts = [_begun(*one) for one in zip(problems, guess, strict=True)]
    first, count, keep = tasks[0], tasks[0].count, tasks[0].form.remembered
    n, c, several = first.functions.states, first.functions.controls, len(tasks) > 1
    shared = min(shared, count)
    last = [np.vstack([t.before, p.u])[:, keep] / t.u_scale[keep] for t, p in zip(tasks, starts, strict=True)]
    xs = [np.hstack([p.x / t.x_scale, u]) for t, p, u in zip(tasks, starts, last, strict=True)]
    with SYMBOLIC:
        whole = [Transcription(*one) for one in zip(tasks, starts, strict=True)]
        ws = [one.guess() for one in whole]
        parts = [one.problem() for one in whole]
        problem = chained(parts, shared, c) if several else parts[0]
    x, w = xs[0], np.vstack(ws)
    if several:
        slots = np.tile(ws[0][:shared, :c].ravel(), (len(w) + 1, 1))
        x = np.hstack([np.vstack([*(one[:-1] for one in xs), xs[-1][-1:]]), slots])
    exact = not first.functions.called
    _, x, w, ended = solve_nonlinear(problem, np.zeros(1), x, w, solver, until - clock.perf_counter(), exact=exact)
    points = list[Point]()
    for k, (task, one, start) in enumerate(zip(tasks, problems, starts, strict=True)):
        rows = w[k * count : (k + 1) * count, :c].copy()
        rows[:shared] = w[:shared, :c]  # what is shared is what the first scenario does
        point = replace(start, u=_applied(task, rows))
        points.append(one.restored(point) if several else replace(point, x=x[:, :n] * task.x_scale))
    if not ended.usable:
        return Attempt(tuple(points), (None,) * len(tasks), ended)
    ats = tuple(one.linearise(point) for one, point in zip(problems, points, strict=True))
    # A step of SQP from there, for the multipliers.
    step = TreeProblem(tasks, shared).step(Branched(ats)) if several else problems[0].step(ats[0])
    if isinstance(step, str):
        return Attempt(tuple(points), ats, ended)
    forced = step.point if isinstance(step.point, tuple) else (step.point,)
    pairs = zip(forced, points, strict=True)
    return Attempt(tuple(replace(one, x=point.x, u=point.u) for one, point in pairs), ats, ended)


def _begun(problem: PlanProblem, guess: Point) -> Point:
    """Return a trajectory of the model to start from, where there is one."""
    start = problem.restored(guess)
    if np.isfinite(start.x).all():
        return start
    return replace(guess, x=np.tile(problem.task.start, (problem.task.count + 1, 1)))


def _applied(task: Task, rows: np.ndarray) -> np.ndarray:
    """Return the moves that scaled ones mean: held in blocks, within bounds."""
    u = np.empty_like(rows)
    for k in range(task.count):
        u[k] = np.where(task.free[k], rows[k] * task.u_scale, u[k - 1] if k else task.before)
    return np.where(task.free, np.clip(u, task.u_low, task.u_high), u)
