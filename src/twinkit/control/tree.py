"""Several scenarios in one plan: multi-stage optimisation whose first moves are the same in all of them.

Each scenario has states and moves of its own; the moves of the first steps, before it can be known which scenario is
true, are shared (Lucia and others 2013). The scenarios are put one after the other into one chain of stages. Shared
moves travel along the chain in additional states, and at the start of each scenario the others are reset. So the work
grows in proportion to the number of scenarios, with the same solver as for one.

References
----------
S. Lucia, T. Finkler, S. Engell (2013), Multi-stage nonlinear model predictive control applied to a semi-batch
polymerization reactor under uncertainty, J. Process Control 23:1306-1319, doi:10.1016/j.jprocont.2013.08.008
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinkit.control.problem import Linear, PlanProblem, attempts, loosened
from twinkit.control.program import Answer, answered
from twinkit.control.task import Point, Task
from twinkit.core.component import Array
from twinkit.optimise import Active, StageProgram, StageSolution, Step

Points = tuple[Point, ...]


@dataclass(frozen=True, eq=False)
class Branched:
    """All scenarios linearised; a `twinkit.optimise.Linearised`."""

    parts: tuple[Linear, ...]

    @property
    def point(self) -> Points:
        """Where it is."""
        return tuple(part.point for part in self.parts)

    @property
    def cost(self) -> float:
        """Sum over the scenarios."""
        return sum(part.cost for part in self.parts)

    @property
    def violation(self) -> float:
        """Sum over the scenarios."""
        return sum(part.violation for part in self.parts)


class TreeProblem:
    """The scenarios of a plan as one `twinkit.optimise.Problem`.

    Parameters
    ----------
    tasks
        One per scenario, of the same shape; costs have the weight of the scenario.
    shared
        Number of first steps whose moves are the same in all scenarios.
    fast
        As for `PlanProblem`.
    """

    def __init__(self, tasks: Sequence[Task], shared: int, fast: bool = False) -> None:
        self._parts = [PlanProblem(task) for task in tasks]
        self._shared, self._fast = min(shared, tasks[0].count), fast
        self._active: Active | None = None
        self._solved: Active | None = None

    def linearise(self, point: Points) -> Branched:
        """Evaluate all scenarios."""
        return Branched(tuple(part.linearise(one) for part, one in zip(self._parts, point, strict=True)))

    def between(self, start: Points, end: Points, fraction: float) -> Points:
        """Return a point on the line between two."""
        pairs = zip(self._parts, start, end, strict=True)
        return tuple(part.between(a, b, fraction) for part, a, b in pairs)

    def restored(self, point: Points) -> Points:
        """Return the trajectories of the model with the same controls."""
        return tuple(part.restored(one) for part, one in zip(self._parts, point, strict=True))

    def step(self, at: Branched) -> Step[Points] | str:
        """Solve the quadratic programme of all scenarios."""
        exact = self._parts[0].task.exact
        radius = min(part.radius(one) for part, one in zip(self._parts, at.parts, strict=True)) if exact else np.inf
        models = [part.model(one) for part, one in zip(self._parts, at.parts, strict=True)]
        found: tuple[Answer, list[StageSolution]] | str = ""
        for reach, slack in attempts(radius):
            found = self._solution(at, models, reach, slack)
            if not isinstance(found, str):
                radius = reach
                break
        if isinstance(found, str):
            return found
        answer, solutions = found
        before, self._solved = self._solved, answer.active if answer.exact else None
        self._active = answer.active
        steps = [
            part.stepped(one, solution, *model, radius)
            for part, one, solution, model in zip(self._parts, at.parts, solutions, models, strict=True)
        ]
        return Step(
            tuple(step.point for step in steps), sum(step.cost for step in steps),
            max(step.multiplier for step in steps), max(step.size for step in steps),
            self._solved is not None and self._solved.same(before),
        )  # fmt: skip

    def _solution(
        self, at: Branched, models: Sequence[tuple[Array, Array]], radius: float, slack: float
    ) -> tuple[Answer, list[StageSolution]] | str:
        """Return the solution, and that per scenario; a text says why there is none."""
        programs = [
            part.program(one, *model, radius) for part, one, model in zip(self._parts, at.parts, models, strict=True)
        ]
        ties = [self._tied(k) for k in range(len(programs))]
        chain = _chained(programs, ties, self._shared, self._parts[0].task.functions.controls)
        fixed = None
        if self._parts[0].task.exact:
            fixed = np.concatenate([part.fixed(one) for part, one in zip(self._parts, at.parts, strict=True)])
            fixed &= ~_padded(np.concatenate(ties), fixed.shape[1])
        guess, native = self._guessed(at) if self._fast else None, self._parts[0].task.functions.native
        found = answered(loosened(chain, slack), guess, fixed, native)
        if isinstance(found, str):
            return found
        pairs = zip(programs, ties, strict=True)
        return found, [_part(found.solution, program, k, tie) for k, (program, tie) in enumerate(pairs)]

    def _guessed(self, at: Branched) -> Active:
        """Return a guess which constraints bind: those that did the last time."""
        if self._active is None:
            parts = [part.active(one) for part, one in zip(self._parts, at.parts, strict=True)]
            force = np.concatenate([*(one.force[:-1] for one in parts), parts[-1].force[-1:]])
            self._active = Active(np.concatenate([one.sides for one in parts]), force)
        return self._active

    def _tied(self, scenario: int) -> np.ndarray:
        """Return which controls of which steps of a scenario are those of the first one, ``(N, c)``."""
        task = self._parts[scenario].task
        early = np.arange(task.count)[:, None] < self._shared
        return early & task.free if scenario else np.zeros_like(task.free)


def _padded(tied: np.ndarray, width: int) -> np.ndarray:
    return np.hstack([tied, np.zeros((len(tied), width - tied.shape[1]), dtype=bool)])


def _chained(programs: Sequence[StageProgram], ties: Sequence[np.ndarray], shared: int, controls: int) -> StageProgram:
    """Return one programme whose stages are those of all scenarios, with `shared` times `controls` more states."""
    count, n, m, _, rows = programs[0].sizes
    slots = shared * controls
    size, stages = n + slots, count * len(programs)
    a, b = np.zeros((stages, size, size)), np.zeros((stages, size, m))
    offset, q, s, r = (
        np.zeros(shape) for shape in ((stages, size), (stages + 1, size), (stages, m, size), (stages, m))
    )
    big_q, big_r = np.zeros((stages + 1, size, size)), np.zeros((stages, m, m))
    c, d = np.zeros((stages + 1, rows, size)), np.zeros((stages, rows, m))
    low, high = np.full((stages + 1, rows), -np.inf), np.full((stages + 1, rows), np.inf)
    u_low, u_high = np.zeros((stages, m)), np.zeros((stages, m))
    for number, (p, tied) in enumerate(zip(programs, ties, strict=True)):
        here = slice(number * count, (number + 1) * count)
        take = _taking(tied, n, m, shared)
        whole = np.block([[p.Q[:-1], p.S.transpose(0, 2, 1)], [p.S, p.R]])
        hessian = take.transpose(0, 2, 1) @ whole @ take
        dummy = size + np.arange(controls)
        hessian[:, dummy, dummy] += tied
        gradient = np.einsum("kij,ki->kj", take, np.hstack([p.q[:-1], p.r]))
        moved = np.concatenate([p.A, p.B], axis=2) @ take
        path = np.concatenate([p.C[:-1], p.D], axis=2) @ take
        big_q[here], s[here], big_r[here] = hessian[:, :size, :size], hessian[:, size:, :size], hessian[:, size:, size:]
        q[here], r[here] = gradient[:, :size], gradient[:, size:]
        a[here, :n], b[here, :n], offset[here, :n] = moved[:, :, :size], moved[:, :, size:], p.b
        a[here, n:, n:] = np.eye(slots)
        for k in range(shared if number == 0 else 0):
            place = n + k * controls + np.arange(controls)
            a[k, place, place], b[k, place, np.arange(controls)] = 0.0, 1.0
        last = (number + 1) * count - 1
        a[last, :n], b[last, :n], offset[last, :n] = 0.0, 0.0, 0.0  # the next scenario begins where this one began
        c[here], d[here] = path[:, :, :size], path[:, :, size:]
        low[here], high[here] = p.path_low[:-1], p.path_high[:-1]
        u_low[here], u_high[here] = p.u_low, p.u_high
        u_low[here, :controls] = np.where(tied, -np.inf, u_low[here, :controls])
        u_high[here, :controls] = np.where(tied, np.inf, u_high[here, :controls])
    infinite = np.full((stages + 1, size), np.inf)
    return StageProgram(
        a, b, offset, np.zeros((size, 1)), np.zeros(size), big_q, q, s, big_r, r, -infinite, infinite, u_low, u_high,
        c, d, low, high,
    )  # fmt: skip


def _taking(tied: np.ndarray, n: int, m: int, shared: int) -> Array:
    """Return per stage what takes the variables of the chain to those of a scenario."""
    count, controls = tied.shape
    size = n + shared * controls
    found = np.zeros((count, n + m, size + m))
    found[:, range(n), range(n)] = 1.0
    found[:, range(n, n + m), range(size, size + m)] = 1.0
    for k, j in zip(*np.nonzero(tied), strict=True):
        found[k, n + j, size + j] = 0.0
        found[k, n + j, n + k * controls + j] = 1.0
    return found


def _part(found: StageSolution, p: StageProgram, number: int, tied: np.ndarray) -> StageSolution:
    """Return the solution of one scenario."""
    count, n, _, _, _ = p.sizes
    controls = tied.shape[1]
    here = slice(number * count, (number + 1) * count)
    x, u, force = found.x[here, :n], found.u[here].copy(), found.u_force[here].copy()
    for k, j in zip(*np.nonzero(tied), strict=True):
        u[k, j], force[k, j] = found.x[number * count + k, n + k * controls + j], 0.0
    end = p.A[-1] @ x[-1] + p.B[-1] @ u[-1] + p.b[-1]
    adjoint = np.vstack([found.adjoint[here, :n], np.zeros((1, n))])
    rows = np.vstack([found.path_force[here], np.zeros((1, p.C.shape[1]))])
    return StageSolution(found.first, np.vstack([x, end]), u, adjoint, np.zeros((count + 1, n)), rows, force)
