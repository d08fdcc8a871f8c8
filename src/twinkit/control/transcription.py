"""A whole plan as one problem of stages, for a nonlinear solver, in variables scaled by the nominal values.

Explicit sub-steps are chained (multiple shooting). Implicit ones have their stages as unknowns (lifted collocation): a
nonlinear solver need not solve them in every iteration, nor differentiate how they are solved.
"""

from __future__ import annotations

from typing import Any

import casadi as ca
import numpy as np

from twinkit.control.functions import METHODS
from twinkit.control.task import Point, Task
from twinkit.core.component import Array
from twinkit.optimise import StageProblem

_BELOW = 1e-6  # scaled: how far stages may be below a declared bound


class Transcription:
    """A plan for a nonlinear solver.

    The state of a stage holds the states and the controls that are remembered, `w` the controls, what exceeds soft
    limits, and the unknown stages of implicit sub-steps.

    Parameters
    ----------
    task, start
        The plan and a trajectory to start from.
    """

    def __init__(self, task: Task, start: Point) -> None:
        self._task, self._start = task, start
        f, method = task.functions, task.shooting.method
        self._step, self._lifted = f.steps[method], METHODS[method].lifted(f.dynamics)
        self._shared, self._pieces = ca.DM(task.shooting.shared), task.shooting.items
        self._xs, self._us = ca.DM(task.x_scale), ca.DM(task.u_scale)
        self._first = f.controls + len(task.form.slacked)
        scale = np.concatenate([task.x_scale, task.u_scale])
        self._unknown = np.empty(0) if self._lifted is None else scale[list(self._lifted.places)]
        self._low = np.empty(0) if self._lifted is None else np.array(self._lifted.low) / self._unknown
        if self._lifted is not None:  # what begins below a bound is allowed as far below
            begin = (np.concatenate([task.start, task.before]) / scale)[list(self._lifted.places)]
            self._low -= 2.0 * np.maximum(np.where(np.isfinite(self._low), self._low, begin) - begin, 0.0)
        self._bounded = np.flatnonzero(np.isfinite(self._low)).tolist()
        self._met: dict[int, tuple[Any, Any, Any, Any]] = {}

    # -- one stage -----------------------------------------------------------------------------------------------
    def _applied(self, k: int, x: Any, w: Any) -> Any:
        """Return the controls of a step, scaled."""
        task, n, keep = self._task, self._task.functions.states, self._task.form.remembered
        parts = [w[j] if task.free[k, j] else x[n + keep.index(j)] for j in range(task.functions.controls)]
        return ca.vertcat(*parts)

    def _end(self, k: int, x: Any, w: Any) -> tuple[Any, Any]:
        """Return what a step leads to, and residual and bounded states of unknown stages; once for the same symbols."""
        if k in self._met and self._met[k][0] is x and self._met[k][1] is w:
            return self._met[k][2:]
        items, n = self._pieces[:, k], self._task.functions.states
        carried = ca.vertcat(x[:n] * self._xs, self._applied(k, x, w) * self._us, ca.DM(self._start.z[k]), 0.0)
        residuals, states = [], []
        if self._lifted is None:
            carried = self._step.fold(len(items))(carried, ca.DM(items.T), ca.repmat(self._shared, 1, len(items)))
        else:
            size = len(self._unknown)
            for i, item in enumerate(items):
                unknown = w[self._first + i * size : self._first + (i + 1) * size] * ca.DM(self._unknown)
                carried, residual, stages = self._lifted.step(carried, unknown, ca.DM(item), self._shared)
                residuals.append(residual / ca.DM(self._unknown))
                states.append((stages / ca.DM(self._unknown))[self._bounded])
        self._met[k] = x, w, carried, ca.vertcat(*residuals, *states)
        return self._met[k][2:]

    def _seen(self, k: int, reached: Any, x: Any, w: Any) -> Any:
        """Return the quantities where a step ends."""
        task, f = self._task, self._task.functions
        size = f.states + f.controls
        item = ca.vertcat(
            float(task.times[k + 1]), reached[: f.states], self._applied(k, x, w) * self._us,
            reached[size : size + f.algebraics], ca.DM(task.inputs[0][k]),
        )  # fmt: skip
        return f.seen(item, self._shared)[f.algebraics : f.algebraics + task.weight.shape[1]]

    def _advanced(self, k: int, x: Any, w: Any) -> Any:
        """Return the state of the next stage."""
        u = self._applied(k, x, w)
        reached = self._end(k, x, w)[0][: self._task.functions.states]
        return ca.vertcat(reached / self._xs, *[u[j] for j in self._task.form.remembered])

    def _cost(self, k: int, x: Any, w: Any) -> Any:
        task, n, c = self._task, self._task.functions.states, self._task.functions.controls
        reached, u = self._end(k, x, w)[0], self._applied(k, x, w)
        y = self._seen(k, reached, x, w)
        scaled = (y - ca.DM(task.reference[k])) / ca.DM(task.y_scale)
        total = ca.dot(ca.DM(task.weight[k]), scaled**2) + ca.dot(ca.DM(task.price[k]), y)
        for place, j in enumerate(task.form.remembered):
            total += task.penalty[j] * (u[j] - x[n + place]) ** 2
        total += sum((0.5 * w[j] ** 2 for j in range(c) if not task.free[k, j]), ca.MX(0))
        total += sum((task.soft[q] * w[c + i] for i, q in enumerate(task.form.slacked)), ca.MX(0))
        if k == task.count - 1:
            total += task.running * reached[n - 1]
            if task.terminal is not None:
                away = reached[:n] - ca.DM(task.terminal.centre)
                total += ca.bilin(ca.DM(task.terminal.weight), away, away)
        return total

    def _path(self, k: int, x: Any, w: Any) -> Any:
        """Return what is limited: quantities at the end, changes of controls, and the unknown stages."""
        task, n, c = self._task, self._task.functions.states, self._task.functions.controls
        reached, residual = self._end(k, x, w)
        y, u = self._seen(k, reached, x, w) / ca.DM(task.y_scale), self._applied(k, x, w)
        rows = [y[q] + (sign * w[c + slack] if slack >= 0 else 0.0) for q, _, slack, sign in _ends(task)]
        rows += [u[j] - x[n + task.form.remembered.index(j)] for j in task.form.limited]
        return ca.vertcat(*rows, residual) if rows or residual.numel() else ca.MX(0, 1)

    # -- all stages ----------------------------------------------------------------------------------------------
    def guess(self) -> Array:
        """Return `w` of the trajectory to start from, ``(N, w)``."""
        task, start, lifted = self._task, self._start, self._lifted
        found = np.hstack([start.u / task.u_scale, np.zeros((task.count, len(task.form.slacked)))])
        if lifted is None:
            return found
        unknown = np.zeros((task.count, len(self._pieces), len(self._unknown)))
        for k in range(task.count):
            carried = ca.vertcat(start.x[k], start.u[k], start.z[k], 0.0)
            for i, item in enumerate(self._pieces[:, k]):
                unknown[k, i] = lifted.guess(carried, item, self._shared).full().ravel() / self._unknown
                carried = self._step(carried, item, self._shared)
        return np.hstack([found, np.where(np.isfinite(unknown), unknown, 0.0).reshape(task.count, -1)])

    def problem(self) -> StageProblem:
        """Return the problem."""
        task, n, c = self._task, self._task.functions.states, self._task.functions.controls
        count, slacks, keep = task.count, len(task.form.slacked), task.form.remembered
        per = 0 if self._lifted is None else len(self._pieces)
        unknowns, bounded = per * len(self._unknown), per * len(self._bounded)
        low, high = (np.hstack([side, np.zeros((count, unknowns))]) for side in _path_limits(task))
        low = np.hstack([low, np.tile(self._low[self._bounded] - _BELOW, (count, per))])
        high = np.hstack([high, np.full((count, bounded), np.inf)])
        infinite, free = np.full((count, c), np.inf), np.full((count, unknowns), np.inf)
        w_low = np.hstack([np.where(task.free, task.u_low / task.u_scale, -infinite), np.zeros((count, slacks)), -free])
        w_high = np.hstack(
            [np.where(task.free, task.u_high / task.u_scale, infinite), np.full((count, slacks), np.inf), free]
        )
        first = ca.DM(np.concatenate([task.start / task.x_scale, task.before[keep] / task.u_scale[keep]]))
        unbounded = np.full(n + len(keep), np.inf)
        return StageProblem(
            first=lambda v: first + 0.0 * v,
            advance=[_at(self._advanced, k) for k in range(count)],
            cost=[_at(self._cost, k) for k in range(count)],
            path=[_at(self._path, k) for k in range(count)],
            low=-unbounded, high=unbounded, path_low=low, path_high=high, w_low=w_low, w_high=w_high,
        )  # fmt: skip


def _at(of: Any, k: int) -> Any:
    return lambda x, w: of(k, x, w)


def _ends(task: Task) -> list[tuple[int, bool, int, float]]:
    return [row for row in task.form.rows if row[1]]


def _path_limits(task: Task) -> tuple[Array, Array]:
    lows, highs = [], []
    for r, _, _, sign in _ends(task):
        lows.append(task.low[:, r] / task.y_scale[r] if sign >= 0.0 else np.full(task.count, -np.inf))
        highs.append(task.high[:, r] / task.y_scale[r] if sign <= 0.0 else np.full(task.count, np.inf))
    for j in task.form.limited:
        lows.append(np.where(task.free[:, j], -task.rate[:, j] / task.u_scale[j], -np.inf))
        highs.append(np.where(task.free[:, j], task.rate[:, j] / task.u_scale[j], np.inf))
    if not lows:
        return np.zeros((task.count, 0)), np.zeros((task.count, 0))
    return np.array(lows).T, np.array(highs).T
