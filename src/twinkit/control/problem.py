"""The optimisation of one plan: its cost, its linearisation, and the quadratic programme at a point.

Everything is looked at where a step ends, as a function of the state and the controls at its start; quantities that
change at once with a control are looked at where it starts as well. A control that is rate-limited, penalised or
blocked is remembered in the state of the quadratic programme.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from twinkit.control.program import Answer, answered
from twinkit.control.region import ALLOWED
from twinkit.control.shooting import Moved
from twinkit.control.task import Point, Task, Terminal
from twinkit.core.component import Array
from twinkit.optimise import Active, StageProgram, StageSolution, Step

_FIRST_RADIUS, _LAST_RADIUS = 0.5, 1e3
_NOTHING, _LITTLE = 1e-9, 1e-7  # of the cost: a smaller gain is none; with second derivatives, which foretell it well
_FEASIBLE = 1e-7  # sum of scaled violations
_PULLING = 1e-7  # scaled: a smaller multiplier is none
_AT_PRICE = 1.0 - 1e-6  # of the price of a soft limit
_SLIGHT = 1e-8  # curvature of what has none of its own, in scaled units


@dataclass(frozen=True, eq=False)
class Linear:
    """A plan linearised about a point; a `twinkit.optimise.Linearised`.

    Attributes
    ----------
    point, cost, violation
        The point, its cost, and the sum of its scaled violations of model and hard limits.
    moved
        The model.
    ends, starts
        Quantities where the steps end and start ``(N, r)``, with their derivatives with respect to states and controls
        at the start of the step ``(N, r, n + c)``; `starts` is None where no quantity changes at once.
    own
        Derivatives of the quantities at the end with respect to states and controls there.
    """

    point: Point
    cost: float
    violation: float
    moved: Moved
    ends: tuple[Array, Array]
    starts: tuple[Array, Array] | None
    own: Array


def attempts(radius: float) -> tuple[tuple[float, float], ...]:
    """Return radii and loosened limits to try in turn: there may be nothing feasible so near, or only just nothing."""
    far = ((radius, 0.0), (np.inf, 0.0)) if np.isfinite(radius) else ((np.inf, 0.0),)
    return (*far, (np.inf, 0.5 * ALLOWED))


def loosened(program: StageProgram, slack: float) -> StageProgram:
    """Return a programme whose path limits are loosened by a part of a scale."""
    if not slack:
        return program
    return replace(program, path_low=program.path_low - slack, path_high=program.path_high + slack)


class PlanProblem:
    """A plan as a `twinkit.optimise.Problem`.

    Parameters
    ----------
    task
        The plan.
    fast
        Whether quadratic programmes are solved with the quickest settings first.
    """

    def __init__(self, task: Task, fast: bool = False) -> None:
        self.task, self._fast = task, fast
        self._reachable, self._last = _FIRST_RADIUS, (None, None)
        self._active: Active | None = None
        self._solved: Active | None = None

    def radius(self, at: Linear) -> float:
        """Return how far the scaled controls may move in one step: further after a full one, less after a short one.

        Only with second derivatives: far away, the curvature of the model says little.
        """
        start, end = self._last
        if start is None or end is None:
            return self._reachable
        went = np.abs((at.point.u - start) / self.task.u_scale).max()
        meant = np.abs((end - start) / self.task.u_scale).max()
        self._reachable = min(_LAST_RADIUS, 2.0 * self._reachable) if went > 0.99 * meant else max(2.0 * went, 1e-6)
        return self._reachable

    # -- looking -----------------------------------------------------------------------------------------------
    def _see(self, times: Array, x: Array, u: Array, z: Array, inputs: Array) -> tuple[Array, Array, Array]:
        """Return consistent algebraic variables, quantities and their derivatives."""
        f = self.task.functions
        found = f.see(np.hstack([times[:, None], x, u, z, inputs]), self.task.shooting.shared)
        m, r = f.algebraics, self.task.weight.shape[1]
        return found[:, :m], found[:, m : m + r], found[:, m + r :].reshape(len(x), r, f.states + f.controls)

    def linearise(self, point: Point) -> Linear:
        """Evaluate the model with its derivatives at a point."""
        t, n = self.task, self.task.functions.states
        moved = t.shooting.moved(point.x[:-1], point.u, point.z[:-1])
        z, y, own = self._see(t.times[1:], moved.ends, point.u, moved.algebraics, t.inputs[0])
        slopes = own[:, :, :n] @ moved.slopes
        slopes[:, :, n:] += own[:, :, n:]
        starts = None
        if any(not at_end for _, at_end, _, _ in t.form.rows):
            starts = self._see(t.times[:-1], point.x[:-1], point.u, point.z[:-1], t.inputs[1])[1:]
        cost, beyond = self._cost(moved.ends, point.u, y, None if starts is None else starts[0])
        gap = float(np.sum(np.abs(moved.ends - point.x[1:]) / t.x_scale))
        here = replace(point, z=np.vstack([point.z[:1], z]))
        if not (np.isfinite(slopes).all() and np.isfinite(moved.slopes).all()):
            cost = np.nan
        return Linear(here, cost, gap + beyond, moved, (y, slopes), starts, own)

    def _cost(self, ends: Array, u: Array, y: Array, begun: Array | None) -> tuple[float, float]:
        """Return the cost with soft limits exceeded, and the sum of scaled violations of hard ones."""
        t = self.task
        scaled = (y - t.reference) / t.y_scale
        cost = float(np.sum(t.weight * scaled**2) + np.sum(t.price * y)) + t.running * float(ends[-1, -1])
        change = np.diff(np.vstack([t.before, u]), axis=0) / t.u_scale
        cost += float(np.sum(t.penalty * change**2))
        # Every step keeps the rates, but what a plan starts from may not.
        beyond = float(np.sum(np.maximum(np.abs(change) - t.rate / t.u_scale, 0.0)))
        if t.terminal is not None:
            away = ends[-1] - t.terminal.centre
            value = float(away @ t.terminal.weight @ away)
            cost += value
            if np.isfinite(t.terminal.level):
                beyond += max(0.0, value / t.terminal.level - 1.0)
        for values in (y, begun):
            if values is None:
                continue
            over = np.maximum(np.maximum(t.low - values, values - t.high), 0.0) / t.y_scale
            if values is begun:
                over = over * t.form.begun
            hard = np.isinf(t.soft)
            beyond += float(np.sum(over[:, hard]))
            cost += float(np.sum(over[:, ~hard] * t.soft[~hard]))
        return cost, beyond

    def cost(self, point: Point, y: Array) -> float:
        """Return the cost of a point at which the quantities are `y`."""
        return self._cost(point.x[1:], point.u, y, None)[0]

    # -- moving ------------------------------------------------------------------------------------------------
    def between(self, start: Point, end: Point, fraction: float) -> Point:
        """Return a point on the line between two."""
        if fraction == 1.0:
            return end
        x, u = (a + fraction * (b - a) for a, b in ((start.x, end.x), (start.u, end.u)))
        return replace(end, x=x, u=u, z=start.z)

    def restored(self, point: Point) -> Point:
        """Return the trajectory of the model with the same controls, from the same start."""
        t = self.task
        x, z = point.x.copy(), point.z.copy()
        x[1:], z[1:] = t.shooting.ahead(0, x[0], point.u, z[0])
        return replace(point, x=x, z=z)

    # -- the quadratic programme ---------------------------------------------------------------------------------
    def step(self, at: Linear) -> Step[Point] | str:
        """Solve the quadratic programme at a point."""
        gradient, hessian = self.model(at)
        radius = self.radius(at) if self.task.exact else np.inf
        found: Answer | str = ""
        for reach, slack in attempts(radius):
            found = self._solution(at, gradient, hessian, reach, slack)
            if not isinstance(found, str):
                radius = reach
                break
        if isinstance(found, str):
            return found
        before, self._solved = self._solved, found.active if found.exact else None
        self._active = found.active
        step = self.stepped(at, found.solution, gradient, hessian, radius)
        if self._solved is not None:
            step = replace(step, smooth=self._solved.same(before))
        if self._fast and step.size > 1.0 and at.violation < _FEASIBLE and not step.cost < at.cost:
            self._fast = False  # so near the optimum the quick settings are not accurate enough
            self._last = (None, None)  # nothing was tried with this step, so it says nothing about the radius
            return self.step(at)
        return step

    def stepped(self, at: Linear, found: StageSolution, gradient: Array, hessian: Array, radius: float) -> Step[Point]:
        """Return the step that a solution of the quadratic programme means."""
        t = self.task
        step = self._taken(
            at, found, gradient, hessian, t.functions.states, t.functions.states + len(t.form.remembered)
        )
        self._last = at.point.u, step.point.u
        gain = abs(at.cost - step.cost) / max(1.0, abs(at.cost))
        if at.violation < _FEASIBLE and gain < (_LITTLE if t.exact else _NOTHING):
            step = replace(step, size=min(step.size, 1.0))  # there is nothing left to gain
        if np.abs(found.u[:, : t.functions.controls] * t.free).max() > 0.99 * radius:
            step = replace(step, size=max(step.size, 2.0))  # held back, so not converged
        return step

    def _solution(self, at: Linear, gradient: Array, hessian: Array, radius: float, slack: float) -> Answer | str:
        """Return the solution of the quadratic programme within a radius; a text says why there is none."""
        program = loosened(self.program(at, gradient, hessian, radius), slack)
        fixed = self.fixed(at) if self.task.exact else None
        return answered(program, self.active(at) if self._fast else None, fixed, self.task.functions.native)

    def _pulls(self, at: Linear) -> tuple[Array, Array]:
        """Return derivatives of the smooth cost with respect to the quantities and to the states at the ends."""
        t = self.task
        prices = 2.0 * t.weight * (at.ends[0] - t.reference) / t.y_scale**2 + t.price
        pull = np.zeros((t.count, t.functions.states))
        pull[-1, -1] = t.running
        if t.terminal is not None:
            pull[-1] += 2.0 * t.terminal.weight @ (at.moved.ends[-1] - t.terminal.centre)
        return prices, pull

    def slope_of_cost(self, at: Linear) -> Array:
        """Return derivatives of the smooth cost, without that of changes, by states and controls, ``(N, n + c)``."""
        prices, pull = self._pulls(at)
        found = np.einsum("kr,kri->ki", prices, at.ends[1])
        found[-1] += pull[-1] @ at.moved.slopes[-1]
        return found

    def active(self, at: Linear) -> Active:
        """Return a guess which constraints of the programme bind: those that did the last time."""
        if self._active is None:
            t, form = self.task, self.task.form
            pull = at.point.bound_force * t.u_scale
            # A soft limit that binds is exceeded where its multiplier is its price.
            price = np.abs(at.point.force[:, form.slacked]) * t.y_scale[form.slacked]
            slacks = np.where(price < _AT_PRICE * t.soft[form.slacked], -1, 0)
            sides = np.hstack([np.where(self.fixed(at)[:, : pull.shape[1]], np.sign(pull), 0), slacks])
            force = np.zeros((t.count + 1, self.path_rows))
            for i, (r, at_end, _, sign) in enumerate(form.rows):
                if at_end:
                    one = at.point.force[:, r] * t.y_scale[r]
                    force[:-1, i] = np.where(one * sign <= 0.0, one, 0.0)
            self._active = Active(sides.astype(np.int8), np.where(np.abs(force) > _PULLING, force, 0.0))
        return self._active

    @property
    def path_rows(self) -> int:
        """Number of rows of limits, of rates and of the terminal set."""
        t = self.task
        inside = t.terminal is not None and np.isfinite(t.terminal.level)
        return len(t.form.rows) + len(t.form.limited) + int(inside)

    def fixed(self, at: Linear) -> npt.NDArray[np.bool_]:
        """Return the inputs of the programme that the last one held at a bound."""
        t, c = self.task, self.task.functions.controls
        found = np.zeros((t.count, c + len(t.form.slacked)), dtype=bool)
        u, force, close = at.point.u, at.point.bound_force * t.u_scale, 1e-7 * t.u_scale
        found[:, :c] = (u >= t.u_high - close) & (force > 1e-6) | (u <= t.u_low + close) & (force < -1e-6)
        return found & np.hstack([t.free, np.ones((t.count, len(t.form.slacked)), dtype=bool)])

    def model(self, at: Linear) -> tuple[Array, Array]:
        """Return gradient and second derivatives of the smooth cost with respect to scaled states and controls."""
        t = self.task
        root = at.ends[1] * np.sqrt(2.0 * t.weight)[:, :, None] / t.y_scale[:, None]
        hessian = root.transpose(0, 2, 1) @ root
        if t.terminal is not None:
            last = at.moved.slopes[-1]
            hessian[-1] += 2.0 * last.T @ t.terminal.weight @ last
        if t.exact:
            hessian = hessian + self._curvature(at, *self._pulls(at))
        scale = np.concatenate([t.x_scale, t.u_scale])
        return self.slope_of_cost(at) * scale, hessian * scale * scale[:, None]

    def _curvature(self, at: Linear, slope_y: Array, pull: Array) -> Array:
        """Return second derivatives of the Lagrangian that the squares do not have."""
        t = self.task
        n, c = t.functions.states, t.functions.controls
        weights = slope_y + at.point.force
        adjoint = at.point.adjoint + pull + np.einsum("kr,kri->ki", weights, at.own[:, :, :n])
        found = t.shooting.bent(at.moved, adjoint)
        items = np.hstack([t.times[1:, None], at.moved.ends, at.point.u, at.moved.algebraics, t.inputs[0], weights])
        curved = t.functions.curve(items, t.shooting.shared).reshape(t.count, n + c, n + c)
        if curved.any():
            spread = np.zeros((t.count, n + c, n + c))
            spread[:, :n] = at.moved.slopes
            spread[:, range(n, n + c), range(n, n + c)] = 1.0
            found = found + spread.transpose(0, 2, 1) @ curved @ spread
        return found

    def program(self, at: Linear, gradient: Array, hessian: Array, radius: float) -> StageProgram:
        """Return the quadratic programme at a point, from what `model` returned, for steps within a radius."""
        t, n, c = self.task, self.task.functions.states, self.task.functions.controls
        keep, spread, count = t.form.remembered, t.form.spreads, t.count
        head, total = n + len(keep), t.form.spreads.shape[2]
        h = spread.transpose(0, 2, 1) @ hessian @ spread
        g = np.einsum("kij,ki->kj", spread, gradient)
        self._add_changes(at, h, g)
        dummy = [head + j for j in range(c)]
        h[:, dummy, dummy] += np.where(t.free, _SLIGHT, 1.0)
        slacks = list(range(head + c, total))
        h[:, slacks, slacks] += _SLIGHT
        g[:, slacks] += t.soft[t.form.slacked]
        scale = np.concatenate([t.x_scale, t.u_scale])
        dynamics = at.moved.slopes * scale / t.x_scale[:, None] @ spread
        after = np.concatenate([dynamics, spread[:, [n + j for j in keep]]], axis=1)
        b = np.zeros((count, head))
        b[:, :n] = (at.moved.ends - at.point.x[1:]) / t.x_scale
        low, high = np.full((count, c + len(slacks)), -np.inf), np.full((count, c + len(slacks)), np.inf)
        low[:, :c] = np.where(t.free, (t.u_low - at.point.u) / t.u_scale, -np.inf)
        high[:, :c] = np.where(t.free, (t.u_high - at.point.u) / t.u_scale, np.inf)
        if t.exact:
            low[:, :c] = np.where(t.free, np.maximum(low[:, :c], np.minimum(-radius, high[:, :c])), low[:, :c])
            high[:, :c] = np.where(t.free, np.minimum(high[:, :c], np.maximum(radius, low[:, :c])), high[:, :c])
        low[:, c:] = 0.0
        path, path_low, path_high = self._path(at, spread)
        end, infinite = np.zeros((1, head, head)), np.full((count + 1, head), np.inf)
        return StageProgram(
            A=after[:, :, :head], B=after[:, :, head:], b=b,
            B_first=np.zeros((head, 1)), b_first=np.zeros(head),
            Q=np.concatenate([h[:, :head, :head], end]), q=np.vstack([g[:, :head], np.zeros((1, head))]),
            S=h[:, head:, :head], R=h[:, head:, head:], r=g[:, head:],
            x_low=-infinite, x_high=infinite, u_low=low, u_high=high,
            C=np.concatenate([path[:, :, :head], np.zeros((1, path.shape[1], head))]), D=path[:, :, head:],
            path_low=np.vstack([path_low, np.full((1, path.shape[1]), -np.inf)]),
            path_high=np.vstack([path_high, np.full((1, path.shape[1]), np.inf)]),
        )  # fmt: skip

    def _add_changes(self, at: Linear, h: Array, g: Array) -> None:
        """Add the price of changing controls."""
        t, n, keep = self.task, self.task.functions.states, self.task.form.remembered
        change = np.diff(np.vstack([t.before, at.point.u]), axis=0) / t.u_scale
        for place, j in enumerate(keep):
            if t.penalty[j] > 0.0:
                row = np.zeros((t.count, h.shape[1]))
                row[:, n + len(keep) + j] = t.free[:, j]
                row[:, n + place] = -1.0 * t.free[:, j]
                h += 2.0 * t.penalty[j] * row[:, :, None] * row[:, None, :]
                g += 2.0 * t.penalty[j] * row * change[:, j : j + 1]

    def _path(self, at: Linear, spread: Array) -> tuple[Array, Array, Array]:
        """Return the rows of limits, of rates and of the terminal set, with their bounds."""
        t, n = self.task, self.task.functions.states
        keep, limited = t.form.remembered, t.form.limited
        count, total = t.count, spread.shape[2]
        head, c = n + len(keep), t.functions.controls
        inside = t.terminal is not None and np.isfinite(t.terminal.level)
        size = self.path_rows
        path = np.zeros((count, size, total))
        low, high = np.full((count, size), -np.inf), np.full((count, size), np.inf)
        scale = np.concatenate([t.x_scale, t.u_scale])
        for i, (r, at_end, slack, sign) in enumerate(t.form.rows):
            values, slopes = at.ends if at_end else at.starts  # type: ignore[misc]
            path[:, i] = np.einsum("kj,kji->ki", slopes[:, r] * scale / t.y_scale[r], spread)
            if slack >= 0:
                path[:, i, head + c + slack] = sign
            if sign <= 0.0:
                high[:, i] = (t.high[:, r] - values[:, r]) / t.y_scale[r]
            if sign >= 0.0:
                low[:, i] = (t.low[:, r] - values[:, r]) / t.y_scale[r]
        change = np.diff(np.vstack([t.before, at.point.u]), axis=0)
        for i, j in enumerate(limited, len(t.form.rows)):
            free = t.free[:, j]
            path[:, i, head + j] = free
            path[:, i, n + keep.index(j)] = -1.0 * free
            low[:, i] = np.where(free, (-t.rate[:, j] - change[:, j]) / t.u_scale[j], -np.inf)
            high[:, i] = np.where(free, (t.rate[:, j] - change[:, j]) / t.u_scale[j], np.inf)
        if t.terminal is not None and inside:
            self._ellipsoid(t.terminal, at, path[-1, -1], high[-1], spread[-1])
        return path, low, high

    def _ellipsoid(self, set_: Terminal, at: Linear, row: Array, high: Array, spread: Array) -> None:
        t = self.task
        away = at.moved.ends[-1] - set_.centre
        scale = np.concatenate([t.x_scale, t.u_scale])
        row[:] = 2.0 * (away @ set_.weight @ at.moved.slopes[-1]) * scale @ spread / set_.level
        high[-1] = 1.0 - float(away @ set_.weight @ away) / set_.level

    def _taken(
        self, at: Linear, found: StageSolution, gradient: Array, hessian: Array, n: int, head: int
    ) -> Step[Point]:
        """Return the full step, what the quadratic model promises there, and its size."""
        t, c = self.task, self.task.functions.controls
        stage = np.hstack([found.x[:-1], found.u])
        moved = np.einsum("kij,kj->ki", t.form.spreads, stage)
        x = at.point.x + np.vstack([moved[:, :n], found.x[-1:, :n]]) * t.x_scale
        u = np.clip(at.point.u + moved[:, n:] * t.u_scale, *self._reach)
        change = [np.diff(np.vstack([t.before, one]), axis=0) / t.u_scale for one in (at.point.u, u)]
        cost = at.cost - self._soft(at)
        cost += float(np.sum(gradient * moved)) + 0.5 * float(np.einsum("ki,kij,kj->", moved, hessian, moved))
        cost += float(np.sum(t.penalty * (change[1] ** 2 - change[0] ** 2)))
        cost += float(np.sum(found.u[:, c:] * t.soft[t.form.slacked]))
        force = np.zeros_like(at.point.force)
        for i, (r, at_end, _, _) in enumerate(t.form.rows):
            if at_end:
                force[:, r] += found.path_force[:-1, i] / t.y_scale[r]
        rate_force = np.zeros_like(u)
        for i, j in enumerate(t.form.limited, len(t.form.rows)):
            rate_force[:, j] = found.path_force[:-1, i] / t.u_scale[j]
        adjoint = found.adjoint[1:, :n] / t.x_scale
        multiplier = max(float(np.abs(found.adjoint[1:, :n]).max()), float(np.abs(found.path_force).max(initial=0.0)))
        size = max(float(np.abs(moved).max()), float(np.abs(found.x[-1]).max())) / t.tolerance
        bound_force = np.where(t.free, found.u_force[:, :c], 0.0) / t.u_scale
        point = Point(x, u, at.point.z, adjoint, force, bound_force, rate_force)
        return Step(point, cost, multiplier, size)

    @cached_property
    def _reach(self) -> tuple[Array, Array]:
        """Bounds of the controls that are applied, with what is held in a block."""
        t = self.task
        return np.where(t.free, t.u_low, -np.inf), np.where(t.free, t.u_high, np.inf)

    def _soft(self, at: Linear) -> float:
        """Return what exceeded soft limits cost at a point."""
        t, total = self.task, 0.0
        for values in (at.ends[0], None if at.starts is None else at.starts[0]):
            if values is not None and t.form.slacked:
                over = np.maximum(np.maximum(t.low - values, values - t.high), 0.0) / t.y_scale
                if values is not at.ends[0]:
                    over = over * t.form.begun
                total += float(np.sum(over[:, t.form.slacked] * t.soft[t.form.slacked]))
        return total
