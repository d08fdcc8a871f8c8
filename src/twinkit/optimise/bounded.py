"""Quadratic programmes of stages by Riccati recursions and an active set.

Which constraints bind is guessed, and known when the guess is confirmed: inputs that leave their bounds are put there,
those whose multiplier has the wrong sign are let go, until nothing changes (a primal-dual active set method). Path
constraints that bind are kept by an augmented Lagrangian. Each guess costs one recursion, and the solution is exact
almost to rounding, where an interior-point method stops at its tolerance. A stage may be indefinite, as long as the
programme is convex along its equations; the recursion finds out. Everything else is for an interior-point method.

References
----------
M. Hintermüller, K. Ito, K. Kunisch (2002), The primal-dual active set strategy as a semismooth Newton method, SIAM J.
Optim. 13:865-888, doi:10.1137/S1052623401383558

J. Nocedal, S. J. Wright (2006), Numerical Optimization, 2nd ed., section 17.3 (augmented Lagrangian),
doi:10.1007/978-0-387-40065-5

J. B. Rawlings, D. Q. Mayne, M. Diehl (2017), Model Predictive Control, 2nd ed., section 8.8.3 (Riccati recursion)
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import casadi as ca
import numpy as np
import numpy.typing as npt

from twinkit.core.component import Array
from twinkit.optimise.native import Path
from twinkit.optimise.quadratic import StageProgram, StageSolution
from twinkit.readings.casadi import SYMBOLIC

Sides = npt.NDArray[np.int8]
_LARGEST = 60  # states and inputs together: beyond, an interior-point method with fast products of matrices wins
_GUESSES, _WILD = 20, 8  # so many more changes from guess to guess than before: they lead nowhere
_LEAST = 1e-7  # smallest curvature along the model, in scaled units
_ROUNDING = 1e-9
_STIFF = 1e5  # weight of squares of what breaks a path constraint, relative to the largest curvature


@dataclass(frozen=True, eq=False)
class Active:
    """A guess which constraints bind.

    Attributes
    ----------
    sides
        Which inputs are at their lower (-1) or upper (1) bound, ``(N, m)``.
    force
        Multipliers of the path constraints, positive at an upper limit, ``(N + 1, g)``; 0 where none binds.
    """

    sides: Sides
    force: Array

    def same(self, other: Active | None) -> bool:
        """Return whether the same constraints bind."""
        if other is None:
            return False
        return bool((other.sides == self.sides).all() and (np.sign(other.force) == np.sign(self.force)).all())


@dataclass(frozen=True)
class _Recursion:
    """The two recursions for stages with `n` states and `m` inputs.

    Attributes
    ----------
    back
        ``(P, p, smallest pivot, K, k; A B by rows, b, H by rows, g, free, value)``, from the last stage on.
    ahead
        ``(x, u; A B by rows, b, K, k)``, from the first stage on; K and k by rows.
    """

    back: Path
    ahead: Path


def bounded_stages(p: StageProgram, guess: Active, native: bool) -> tuple[StageSolution, Active] | None:
    """Solve a programme whose first state is fixed and whose states have no bounds.

    Parameters
    ----------
    p
        The programme, in variables of order one.
    guess
        Which constraints bind.
    native
        Whether to use a C compiler.

    Returns
    -------
    The solution and which constraints bind; None where the programme is not convex, not finite, has no solution or is
    too large, or no guess was confirmed.
    """
    count, n, m, _, _ = p.sizes
    if n + m > _LARGEST or np.isfinite(p.x_low).any() or np.isfinite(p.x_high).any():
        return None
    with SYMBOLIC:
        recursion = _recursion(n, m, native)
    packed = np.zeros((count, n * (n + m) + n + (n + m) ** 2 + n + 3 * m))
    parts = _filled(packed, p)
    if not all(np.isfinite(a).all() for a in (packed[:, : -2 * m], p.Q[-1], p.q[-1], p.C, p.D, p.b_first)):
        return None
    sides, rows = _possible(p, guess.sides), _Rows(p, guess.force)
    slopes = np.concatenate([p.S, p.R], axis=2)
    fewest = np.inf
    for _ in range(_GUESSES):
        at = sides != 0
        parts[0][:], parts[1][:] = ~at, np.where(sides > 0, p.u_high, np.where(sides < 0, p.u_low, 0.0))
        end = rows.added(packed)
        start = np.concatenate([end[0].ravel(), end[1], [np.inf], np.zeros(m * n + m)])
        found = recursion.back(start, packed[::-1], np.zeros(1))[::-1]
        if not found[0, n * n + n] > _LEAST:  # also NaN
            return None
        x, u = _forwards(recursion, p, packed, found)
        kept, changes = rows.judged(x, u)
        costs = np.concatenate([found, start[None]])
        adjoint = (costs[:, : n * n].reshape(-1, n, n) @ x[:, :, None])[:, :, 0] + costs[:, n * n : n * n + n]
        stage = np.concatenate([x[:-1], u], axis=1)
        pull = p.r + (slopes @ stage[:, :, None])[:, :, 0] + (adjoint[1:, None, :] @ p.B)[:, 0]
        pull += (rows.force[:-1, None, :] @ p.D)[:, 0]
        after = _judged(p, sides, u, pull)
        if kept and (after == sides).all():
            force, inside = np.where(at, -pull, 0.0), np.clip(u, p.u_low, p.u_high)
            found = StageSolution(np.zeros(p.sizes[3]), x, inside, adjoint, np.zeros_like(x), rows.force, force)
            return found, Active(sides, rows.force)
        changes += int((after != sides).sum())
        if changes > 2 * fewest + _WILD:
            return None
        sides, fewest = after, min(fewest, changes)
    return None


def active_at(p: StageProgram, found: StageSolution) -> Active:
    """Return which constraints bind at a solution of an interior-point method: their multiplier exceeds their slack."""
    sides = np.where(found.u_force > p.u_high - found.u, np.int8(1), np.int8(0))
    sides = np.where(-found.u_force > found.u - p.u_low, np.int8(-1), sides)
    values, force = _rows_of(p, found.x, found.u), found.path_force
    binds = (force > p.path_high - values) | (-force > values - p.path_low)
    return Active(sides, np.where(binds, force, 0.0))


def _possible(p: StageProgram, sides: Sides) -> Sides:
    """Return a guess without bounds that do not exist, and with those that leave no choice."""
    there = (sides > 0) & np.isfinite(p.u_high) | (sides < 0) & np.isfinite(p.u_low)
    return np.where(p.u_low == p.u_high, np.int8(1), np.where(there, sides, np.int8(0)))


def _judged(p: StageProgram, sides: Sides, u: Array, pull: Array) -> Sides:
    """Return which inputs are at a bound, from a solution and the derivative of the Lagrangian by the inputs."""
    free = sides == 0
    after = np.where(~free & (pull * sides <= _ROUNDING), sides, np.int8(0))
    after[free & (u > p.u_high + _ROUNDING)] = 1
    after[free & (u < p.u_low - _ROUNDING)] = -1
    after[p.u_low == p.u_high] = 1
    return after


class _Rows:
    """The path constraints of a programme, and which of them bind.

    Parameters
    ----------
    p
        The programme.
    force
        A guess of their multipliers.
    """

    def __init__(self, p: StageProgram, force: Array) -> None:
        possible = (force > 0.0) & np.isfinite(p.path_high) | (force < 0.0) & np.isfinite(p.path_low)
        self.p, self.force, self._some = p, np.where(possible, force, 0.0), bool(possible.any())
        largest = max(float(np.abs(p.Q).max()), float(np.abs(p.R).max()), 1e-3)
        self._weight, self._plain = _STIFF * largest, None

    def added(self, packed: Array) -> tuple[Array, Array]:
        """Write Hessian and gradient with what binds into the rows of a programme; return those of the last state."""
        p = self.p
        if not self._some:
            if self._plain is not None:
                packed[:] = self._restored(packed)
            return p.Q[-1], p.q[-1]
        count, n, m, _, g = p.sizes
        width, at = n + m, n * (n + m) + n
        middle, end = slice(at, at + width * width), slice(at + width * width, at + width * width + width)
        if self._plain is None:
            self._plain = packed[:, at : end.stop].copy()
        binds = self.force != 0.0
        limit = np.where(self.force > 0.0, p.path_high, np.where(binds, p.path_low, 0.0))
        rows = np.concatenate([np.concatenate([p.C[:-1], p.D], axis=2), np.zeros((1, g, width))])
        rows[-1, :, :n] = p.C[-1]
        rows = rows * binds[:, :, None]
        hessian = self._weight * (rows.transpose(0, 2, 1) @ rows)
        gradient = (rows.transpose(0, 2, 1) @ (self.force - self._weight * limit)[:, :, None])[:, :, 0]
        packed[:, middle] = self._plain[:, : width * width] + hessian[:-1].reshape(count, -1)
        packed[:, end] = self._plain[:, width * width :] + gradient[:-1]
        return p.Q[-1] + hessian[-1, :n, :n], p.q[-1] + gradient[-1, :n]

    def _restored(self, packed: Array) -> Array:
        _, n, m, _, _ = self.p.sizes
        at, found = n * (n + m) + n, packed.copy()
        found[:, at : at + self._plain.shape[1]] = self._plain  # type: ignore[union-attr, index]
        return found

    def judged(self, x: Array, u: Array) -> tuple[bool, int]:
        """Take the multipliers a solution means; return whether all is as guessed, and how many guesses changed."""
        p = self.p
        values = _rows_of(p, x, u)
        above, below = values - p.path_high, p.path_low - values
        if not self._some and (above <= _ROUNDING).all() and (below <= _ROUNDING).all():
            return True, 0
        upper = np.where(self.force > 0.0, self.force, 0.0) + self._weight * above
        lower = np.where(self.force < 0.0, -self.force, 0.0) + self._weight * below
        after = np.where((upper > 0.0) & ((self.force > 0.0) | (above > _ROUNDING)), upper, 0.0)
        after -= np.where((lower > 0.0) & ((self.force < 0.0) | (below > _ROUNDING)), lower, 0.0)
        broken = np.where(after > 0.0, np.abs(above), np.where(after < 0.0, np.abs(below), 0.0))
        changes = int((np.sign(after) != np.sign(self.force)).sum())
        self.force, self._some = after, bool(after.any())
        return not changes and bool(broken.max(initial=0.0) <= _ROUNDING), changes


def _rows_of(p: StageProgram, x: Array, u: Array) -> Array:
    """Return the values that the path constraints limit, ``(N + 1, g)``."""
    return np.concatenate([(p.C[:-1] @ x[:-1, :, None] + p.D @ u[:, :, None])[:, :, 0], (p.C[-1] @ x[-1])[None]])


def _filled(packed: Array, p: StageProgram) -> tuple[Array, Array]:
    """Write a programme into rows; return the parts for what is free and for the values of what is not."""
    count, n, m, _, _ = p.sizes
    width, at = n + m, n * (n + m)
    slopes = packed[:, :at].reshape(count, n, width)
    slopes[:, :, :n], slopes[:, :, n:] = p.A, p.B
    packed[:, at : at + n] = p.b
    hessian = packed[:, at + n : at + n + width * width].reshape(count, width, width)
    hessian[:, :n, :n], hessian[:, n:, :n], hessian[:, n:, n:] = p.Q[:-1], p.S, p.R
    hessian[:, :n, n:] = p.S.transpose(0, 2, 1)
    at += n + width * width
    packed[:, at : at + n], packed[:, at + n : at + width] = p.q[:-1], p.r
    return packed[:, at + width : at + width + m], packed[:, at + width + m :]


def _forwards(recursion: _Recursion, p: StageProgram, packed: Array, found: Array) -> tuple[Array, Array]:
    _, n, m, _, _ = p.sizes
    items = np.concatenate([packed[:, : n * (n + m) + n], found[:, n * n + n + 1 :]], axis=1)
    path = recursion.ahead(np.concatenate([p.b_first, np.zeros(m)]), items, np.zeros(1))
    return np.concatenate([p.b_first[None], path[:, :n]]), path[:, n:]


@functools.lru_cache(maxsize=64)
def _recursion(n: int, m: int, native: bool) -> _Recursion:
    """Return the recursions as functions of CasADi."""
    width = n + m
    carried, item = (
        ca.MX.sym("carried", n * n + n + 1 + m * n + m),
        ca.MX.sym("item", n * width + n + width**2 + width + 2 * m),
    )
    by_rows, b, hessian, gradient, free, value = ca.vertsplit(
        item, np.cumsum([0, n * width, n, width**2, width, m, m]).tolist()
    )
    later, pull, worst, _ = ca.vertsplit(carried, np.cumsum([0, n * n, n, 1, m * n + m]).tolist())
    back, later = ca.reshape(by_rows, width, n), ca.reshape(later, n, n)  # derivatives, transposed
    hessian = ca.reshape(hessian, width, width) + back @ (later @ back.T)
    gradient = gradient + back @ (pull + later @ b)
    held = 1 - free
    gradient = gradient + hessian[:, n:] @ (held * value)
    cross = ca.repmat(free, 1, n) * hessian[n:, :n]
    inputs = hessian[n:, n:] * (free @ free.T) + ca.diag(held)
    laws, least = _eliminated(m, n + 1)(inputs, ca.horzcat(cross, free * gradient[n:] - held * value))
    gains, steps = -laws[:, :n], -laws[:, n]
    cost = hessian[:n, :n] + cross.T @ gains
    end = ca.vertcat(
        ca.vec(0.5 * (cost + cost.T)), gradient[:n] + cross.T @ steps, ca.fmin(worst, least), ca.vec(gains.T), steps
    )
    function = ca.Function("back", [carried, item, ca.MX.sym("shared", 1)], [ca.densify(end)])
    return _Recursion(Path(function, native), Path(_ahead(n, m), native))


def _eliminated(m: int, columns: int) -> ca.Function:
    """Return ``(symmetric matrix, right sides) -> (solutions, smallest pivot)``, unrolled."""
    matrix, right = ca.SX.sym("matrix", m, m), ca.SX.sym("right", m, columns)
    left, found, pivots = ca.SX(matrix), ca.SX(right), list[ca.SX]()
    for j in range(m):
        pivots.append(left[j, j])
        for i in range(j + 1, m):
            share = left[i, j] / left[j, j]
            left[i, j + 1 :] -= share * left[j, j + 1 :]
            found[i, :] -= share * found[j, :]
    for j in range(m - 1, -1, -1):
        for i in range(j + 1, m):
            found[j, :] -= left[j, i] * found[i, :]
        found[j, :] /= left[j, j]
    return ca.Function("eliminated", [matrix, right], [found, functools.reduce(ca.fmin, pivots)])


def _ahead(n: int, m: int) -> ca.Function:
    carried, item = ca.SX.sym("carried", n + m), ca.SX.sym("item", n * (n + m) + n + m * n + m)
    parts = ca.vertsplit(item, np.cumsum([0, n * (n + m), n, m * n, m]).tolist())
    x = carried[:n]
    u = ca.reshape(parts[2], n, m).T @ x + parts[3]
    end = ca.reshape(parts[0], n + m, n).T @ ca.vertcat(x, u) + parts[1]
    return ca.Function("ahead", [carried, item, ca.SX.sym("shared", 1)], [ca.densify(ca.vertcat(end, u))])
