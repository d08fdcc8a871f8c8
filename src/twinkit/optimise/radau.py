"""Radau IIA, an implicit one-step method: its stages solved in every sub-step, or as unknowns of a nonlinear solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import casadi as ca
import numpy as np

from twinkit.optimise.discretise import Dynamics, Lifted, Method, floor_of, input_at, split, step_symbols
from twinkit.readings.casadi import symbol_kind

_NEWTON = 20  # iterations at most: those after convergence are not made
_GUARDED = 8  # of these, in which steps are whole and states stay above their bounds; later, careful ones
_PARTS = (1.0, 0.5, 0.25, 0.1, 0.03)  # of a careful step that are tried
_LEFT = 0.1  # of the distance to a bound after an iteration that would cross it
_NEARLY = 1e-7  # size of a correction, as `Dynamics.solve` counts it, after which one more is enough: about its square
_TINY = 1e-100  # CasADi's QR divides by zero where squares of entries underflow


@dataclass(frozen=True)
class Radau(Method):
    """Radau IIA with three stages, order 5: implicit and L-stable, for stiff models.

    It is collocation on the three Radau points. The stages are eliminated: Newton's method solves them in every
    sub-step, for the states that move only.

    References
    ----------
    E. Hairer, G. Wanner (1996), Solving Ordinary Differential Equations II, 2nd ed., section IV.5, table 5.6,
    doi:10.1007/978-3-642-05221-7
    """

    order: ClassVar[int] = 5

    def advance(self, dynamics: Dynamics, sensitive: bool) -> Any:
        """See `Method.advance`."""
        d = dynamics
        carried, item, shared = step_symbols(ca.MX, d, sensitive)
        x, _, _, matrix = split(carried, d, sensitive)
        s = _stages(d, carried, item, shared, matrix)
        parts = [_after(x, item[1], s.slopes, s.moving), s.algebraics, s.worst]
        if sensitive:
            parts.append(ca.vec(ca.densify(_after(matrix, item[1], s.change, s.moving))))
        return ca.Function("radau", [carried, item, shared], [ca.densify(ca.vertcat(*parts))])

    def link(self, dynamics: Dynamics) -> Any:
        """See `Method.link`."""
        d = dynamics
        carried, item, shared = step_symbols(ca.MX, d, False)
        unit = ca.MX(ca.DM.eye(d.states))
        s = _stages(d, carried, item, shared, unit)
        end = ca.vertcat(_after(carried[: d.states], item[1], s.slopes, s.moving), s.algebraics, s.worst)
        after = ca.densify(_after(unit, item[1], s.change, s.moving))
        rest = ca.densify(ca.vertcat(s.slopes, ca.vec(s.change)))
        return ca.Function("link", [carried, item, shared], [ca.densify(end), after, rest])

    def bend(self, dynamics: Dynamics) -> Any:
        """See `Method.bend`.

        With the stage slopes `K` from ``F(x, K) = 0``, the second derivative of ``adjoint' x1 + mu' F`` is that of the
        step when `mu` makes its derivative with respect to `K` vanish.
        """
        d = dynamics
        carried, item, shared = step_symbols(ca.MX, d, False)
        moving, bowl = _moving(d)[0], _bowl(d)
        size, (nodes, table) = len(moving), _radau()
        adjoint, rest = ca.MX.sym("adjoint", d.states), ca.MX.sym("rest", 3 * size * (1 + d.states))
        slopes, change = rest[: 3 * size], ca.reshape(rest[3 * size :], 3 * size, d.states)
        h, x, z, unit = item[1], carried[: d.states], carried[d.states : -1], ca.MX(ca.DM.eye(d.states))
        _, jacobians, zs, _ = _derivatives(d, x, z, slopes, item, shared, moving)
        right = ca.vertcat(*[h * table[2][j] * adjoint[moving] for j in range(3)])
        push = _solved(_system(h, jacobians, moving).T, right)
        hessian = ca.MX(d.states, d.states)
        for i, node in enumerate(nodes):
            at, spread = _after(x, h, slopes, moving, i), _after(unit, h, change, moving, i)
            every = ca.MX(d.states, 1)
            every[moving] = push[i * size : (i + 1) * size]
            curved = bowl(item[0] + node * h, at, zs[i], input_at(item, node * h, d.inputs), shared, every)
            hessian = hessian + spread.T @ curved @ spread
        return ca.Function("bend", [carried, item, shared, rest, adjoint], [ca.densify(ca.vec(hessian))])

    def lifted(self, dynamics: Dynamics) -> Lifted:
        """See `Method.lifted`."""
        d, (moving, rate), nodes = dynamics, _moving(dynamics), _radau()[0]
        carried, item, shared = step_symbols(ca.MX, d, False)
        x, z, worst, _ = split(carried, d, False)
        unknowns, h = ca.MX.sym("unknowns", 3 * len(moving)), item[1]
        guess = h * _stages(d, carried, item, shared, None).slopes
        found, states = [], []
        for i, node in enumerate(nodes):
            at, t, u = _after(x, 1.0, unknowns, moving, i), item[0] + node * h, input_at(item, node * h, d.inputs)
            found.append(rate(t, at, d.solve(t, at, z, u, shared)[0], u, shared))
            states.append(at[moving])
        end = _after(x, 1.0, unknowns, moving)
        last = d.solve(item[0] + h, end, z, input_at(item, h, d.inputs), shared)[0]
        after = ca.densify(ca.vertcat(end, last, worst))
        arguments = [carried, unknowns, item, shared]
        return Lifted(
            (*moving,) * 3, (*d.bounds[moving],) * 3, ca.Function("guess", [carried, item, shared], [guess]),
            ca.Function("lifted", arguments, [after, unknowns - h * ca.vertcat(*found), ca.vertcat(*states)]),
        )  # fmt: skip


@dataclass(frozen=True)
class _Stages:
    """The solved stages of one implicit step.

    Attributes
    ----------
    moving
        Positions of the states that move; the others are constant.
    slopes, change
        Slopes of these at the stages, one stage after the other, and their derivatives; None: not asked for.
    algebraics, worst
        Algebraic variables at the end, and the largest correction met so far.
    """

    moving: list[int]
    slopes: Any
    change: Any
    algebraics: Any
    worst: Any


def _after(start: Any, h: Any, slopes: Any, moving: list[int], stage: int = 2) -> Any:
    """Return what stages lead to: states, or the rows of their derivatives."""
    row, size = _radau()[1][stage], len(moving)
    found = ca.MX(start)
    found[moving, :] = start[moving, :] + h * sum(row[j] * slopes[j * size : (j + 1) * size, :] for j in range(3))
    return found


def _moving(d: Dynamics) -> tuple[list[int], Any]:
    """Return positions of the states that are not constant, and the slope of these without its derivative.

    What can only be called may move all of them.
    """
    kind = symbol_kind(d.slope)
    arguments = [kind.sym(name, d.slope.sparsity_in(i)) for i, name in enumerate(("t", "x", "z", "u", "shared"))]
    slope, jacobian = d.slope(*arguments)
    if kind is ca.MX:
        return list(range(d.states)), ca.Function("rate", arguments, [ca.densify(slope)])
    slope = ca.sparsify(slope)
    found = sorted({*slope.sparsity().row(), *ca.sparsify(jacobian).sparsity().row()})
    return found, ca.Function("rate", arguments, [ca.densify(slope)[found]])


def _derivatives(
    d: Dynamics, x: Any, z: Any, slopes: Any, item: Any, shared: Any, moving: list[int]
) -> tuple[Any, list[Any], list[Any], Any]:
    """Return what the slopes should be, their derivatives and algebraic variables at the stages, and a correction."""
    found, jacobians, zs, worst = [], [], [z], ca.MX(0)
    for i, node in enumerate(_radau()[0]):
        at, u = _after(x, item[1], slopes, moving, i), input_at(item, node * item[1], d.inputs)
        last, away = d.solve(item[0] + node * item[1], at, zs[-1], u, shared)
        zs.append(last)
        dx, jacobian = d.slope(item[0] + node * item[1], at, last, u, shared)
        found.append(dx[moving])
        jacobians.append(jacobian[moving, :])
        worst = ca.fmax(worst, away)
    return ca.vertcat(*found), jacobians, zs[1:], worst


def _system(h: Any, jacobians: list[Any], moving: list[int]) -> Any:
    """Return the matrix of Newton's method."""
    table = _radau()[1]
    rows = [ca.horzcat(*[-h * table[i][j] * jacobians[i][:, moving] for j in range(3)]) for i in range(3)]
    return ca.MX.eye(3 * len(moving)) + ca.vertcat(*rows)


def _stages(d: Dynamics, carried: Any, item: Any, shared: Any, matrix: Any) -> _Stages:
    """Solve the stages of one step; `matrix` is the derivative of the states before it (None: not asked for)."""
    x, z, worst = carried[: d.states], carried[d.states : d.states + d.algebraics], carried[d.states + d.algebraics]
    moving, rate = _moving(d)
    u, floor = input_at(item, 0.0, d.inputs), floor_of(d, x, moving)
    slope = rate(item[0], x, d.solve(item[0], x, z, u, shared)[0], u, shared)
    if floor is not None:
        slope = ca.if_else(item[1] > 0.0, ca.fmax(slope, (1.0 - _LEFT) * (floor - x[moving]) / item[1]), slope)
    slopes, size = ca.repmat(slope, 3, 1), ca.MX(np.inf)
    whole, careful = _improvement(d, moving, guarded=True), _improvement(d, moving, guarded=False)
    for k in range(_NEWTON):
        one = whole if k < _GUARDED else careful
        slopes, size = one(size > _NEARLY, slopes, size, x, z, item, shared)
    found, jacobians, zs, away = _derivatives(d, x, z, slopes, item, shared, moving)
    right = [found - slopes]
    if matrix is not None:
        # These derivatives belong to the slopes before the last correction, which must be tiny to be accepted.
        right.append(ca.vertcat(*[jacobian @ matrix for jacobian in jacobians]))
    solution = _solved(_system(item[1], jacobians, moving), ca.horzcat(*right))
    slopes = slopes + solution[:, 0]
    end = z
    if d.algebraics:
        end = d.solve(
            item[0] + item[1], _after(x, item[1], slopes, moving), zs[-1], input_at(item, item[1], d.inputs), shared
        )[0]
    off = ca.norm_inf(item[1] * solution[:, 0]) / (1.0 + ca.norm_inf(x))
    return _Stages(moving, slopes, solution[:, 1:], end, ca.fmax(ca.fmax(worst, away), off))


def _solved(system: Any, right: Any) -> Any:
    """Return ``system^-1 right``; entries whose squares would underflow count as zeros, which CasADi's QR can take."""
    return ca.solve(ca.if_else(ca.fabs(system) > _TINY, system, 0.0), ca.densify(right), "qr")


def _improvement(d: Dynamics, moving: list[int], guarded: bool) -> Any:
    """Return ``(whether, slopes, size, x, z, item, shared) -> (slopes, size)``: one iteration of Newton's method."""
    count = len(moving)
    slopes, size = ca.MX.sym("slopes", 3 * count), ca.MX.sym("size")
    x, z = ca.MX.sym("x", d.states), ca.MX.sym("z", d.algebraics)
    _, item, shared = step_symbols(ca.MX, d, False)
    arguments, h = [slopes, size, x, z, item, shared], item[1]
    found, jacobians, _, _ = _derivatives(d, x, z, slopes, item, shared, moving)
    change = _solved(_system(h, jacobians, moving), found - slopes)
    last = ca.norm_inf(h * change) / (1.0 + ca.norm_inf(x))
    if not guarded:  # at a kink whole steps may go to and fro for ever
        tried = [slopes + part * change for part in _PARTS]
        off = [ca.norm_2(_derivatives(d, x, z, one, item, shared, moving)[0] - one) for one in tried]
        part, least = ca.MX(_PARTS[0]), off[0]
        for other, one in zip(_PARTS[1:], off[1:], strict=True):
            part, least = ca.if_else(one < least, other, part), ca.fmin(one, least)
        change = part * change
    elif (floor := floor_of(d, x, moving)) is not None:
        table, floors = np.array(_radau()[1]), ca.repmat(floor, 1, 3)
        here = ca.repmat(x[moving], 1, 3) + h * ca.reshape(slopes, count, 3) @ table.T
        there = here + h * ca.reshape(change, count, 3) @ table.T
        kept = ca.fmax(there, floors + _LEFT * (here - floors))
        change = change + ca.if_else(h > 0.0, ca.vec((kept - there) @ np.linalg.inv(table).T) / h, 0.0)
    correct = ca.Function("correct", arguments, [slopes + change, last])
    return ca.Function.if_else("improve", correct, ca.Function("leave", arguments, [slopes, size]))


def _bowl(d: Dynamics) -> Any:
    """Return ``(t, x, z, u, shared, push) -> `` second derivative of ``push' dx/dt`` with respect to the states."""
    kind = symbol_kind(d.slope)
    t, x, z, u = kind.sym("t"), kind.sym("x", d.states), kind.sym("z", d.algebraics), kind.sym("u", d.inputs)
    shared, push = kind.sym("shared", d.shared), kind.sym("push", d.states)
    slope = d.slope(t, x, d.solve(t, x, z, u, shared)[0], u, shared)[0]
    hessian = ca.hessian(ca.dot(push, slope), x)[0]
    return ca.Function("bowl", [t, x, z, u, shared, push], [ca.densify(hessian)])


def _radau() -> tuple[list[float], list[list[float]]]:
    """Return nodes and matrix of Radau IIA with three stages (Hairer and Wanner, table 5.6)."""
    s = float(np.sqrt(6.0))
    table = [
        [(88 - 7 * s) / 360, (296 - 169 * s) / 1800, (-2 + 3 * s) / 225],
        [(296 + 169 * s) / 1800, (88 + 7 * s) / 360, (-2 - 3 * s) / 225],
        [(16 - s) / 36, (16 + s) / 36, 1 / 9],
    ]
    return [(4 - s) / 10, (4 + s) / 10, 1.0], table
