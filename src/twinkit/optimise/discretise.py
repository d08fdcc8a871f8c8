"""One sub-step of a model over time, with its sensitivity: what chains of steps are made of.

A sub-step maps ``(carried, item, shared) -> carried``. `carried` holds the states, the algebraic variables and the
largest Newton correction met so far, then, for `move`, the sensitivity to the states at the start of the chain, by
columns. `item` holds the time, the length of the step and the coefficients of the inputs in powers of the time since
the step began. A step of length zero changes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np

_NEWTON = 16  # iterations at most: those after convergence are not made
_GUARDED = 8  # of these, in which states stay above their bounds
_LEFT = 0.1  # of the distance to a bound after an iteration that would cross it
_CONVERGED = 1e-9  # last correction, as `Dynamics.solve` counts it: the next one would be about its square
_FAR = 1e300
_TINY = 1e-100  # CasADi's QR divides by zero where squares of entries underflow


@dataclass(frozen=True)
class Dynamics:
    """A model to integrate.

    Attributes
    ----------
    states, algebraics, inputs, shared
        Sizes of the vectors.
    slope
        ``(t, x, z, u, shared) -> (dx/dt, its total derivative with respect to x)``, consistent `z` given.
    solve
        ``(t, x, z, u, shared) -> (z, size of the last correction)``: consistent algebraic variables from a guess.
    low
        Declared lower bounds of the first states (infinite: none). Where a rate has a pole below its bound, as many
        kinetics have below zero, an implicit step is not to jump over it to a solution that means nothing.
    """

    states: int
    algebraics: int
    inputs: int
    shared: int
    slope: Any
    solve: Any
    low: tuple[float, ...] = ()


class Method(ABC):
    """A one-step method."""

    order: int

    @abstractmethod
    def advance(self, dynamics: Dynamics, sensitive: bool) -> Any:
        """Return the sub-step, with the sensitivity (`move`) or without (`flow`)."""

    @abstractmethod
    def bend(self, dynamics: Dynamics) -> Any:
        """Return ``(carried, item, shared, adjoint) -> `` second derivative of ``adjoint' x`` after the sub-step.

        `carried` is that of `advance` without sensitivity; the derivative is with respect to the states before, by
        columns.
        """


def input_at(item: Any, offset: Any, inputs: int) -> Any:
    """Return the inputs at a time after the start of a step."""
    c = ca.reshape(item[2:], 4, inputs).T
    return c[:, 0] + offset * (c[:, 1] + offset * (c[:, 2] + offset * c[:, 3]))


def _symbols(kind: Any, d: Dynamics, sensitive: bool) -> tuple[Any, Any, Any]:
    carried = d.states + d.algebraics + 1 + (d.states**2 if sensitive else 0)
    return kind.sym("carried", carried), kind.sym("item", 2 + 4 * d.inputs), kind.sym("shared", d.shared)


def _split(carried: Any, d: Dynamics, sensitive: bool) -> tuple[Any, Any, Any, Any]:
    n, m = d.states, d.algebraics
    matrix = ca.reshape(carried[n + m + 1 :], n, n) if sensitive else None
    return carried[:n], carried[n : n + m], carried[n + m], matrix


class RungeKutta4(Method):
    """The classical explicit method of order 4, for what is not stiff over a sub-step."""

    order = 4

    def advance(self, dynamics: Dynamics, sensitive: bool) -> Any:
        """See `Method.advance`."""
        d = dynamics
        carried, item, shared = _symbols(ca.SX, d, sensitive)
        x, z, worst, matrix = _split(carried, d, sensitive)
        t, h = item[0], item[1]
        slopes, maps = [], []
        for part in (0.0, 0.5, 0.5, 1.0):
            at = x + part * h * slopes[-1] if slopes else x
            u = input_at(item, part * h, d.inputs)
            z, size = d.solve(t + part * h, at, z, u, shared)
            worst = ca.fmax(worst, size)
            dx, jacobian = d.slope(t + part * h, at, z, u, shared)
            slopes.append(dx)
            if sensitive:
                maps.append(jacobian @ (matrix + part * h * maps[-1] if maps else matrix))
        weights = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
        x = x + h * sum(w * k for w, k in zip(weights, slopes, strict=True))
        z = d.solve(t + h, x, z, input_at(item, h, d.inputs), shared)[0]
        parts = [x, z, worst]
        if sensitive:
            parts.append(ca.vec(ca.densify(matrix + h * sum(w * k for w, k in zip(weights, maps, strict=True)))))
        return ca.Function("rk4", [carried, item, shared], [ca.densify(ca.vertcat(*parts))])

    def bend(self, dynamics: Dynamics) -> Any:
        """See `Method.bend`."""
        n = dynamics.states
        carried, item, shared = _symbols(ca.SX, dynamics, False)
        adjoint = ca.SX.sym("adjoint", n)
        end = self.advance(dynamics, sensitive=False)(carried, item, shared)
        hessian = ca.hessian(ca.dot(adjoint, end[:n]), carried)[0][:n, :n]
        return ca.Function("bend", [carried, item, shared, adjoint], [ca.densify(ca.vec(hessian))])


class Radau(Method):
    """Radau IIA with three stages, order 5: implicit and L-stable, for stiff models [1]_.

    References
    ----------
    .. [1] E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 2nd ed., Springer 1996, section IV.5,
       table 5.6. doi:10.1007/978-3-642-05221-7
    """

    order = 5

    def advance(self, dynamics: Dynamics, sensitive: bool) -> Any:
        """See `Method.advance`."""
        d, n = dynamics, dynamics.states
        carried, item, shared = _symbols(ca.MX, d, sensitive)
        x, _, _, matrix = _split(carried, d, sensitive)
        table = _radau()[1]
        s = _stages(d, carried, item, shared)
        end = x + item[1] * sum(table[2][j] * s.slopes[j * n : (j + 1) * n] for j in range(3))
        parts = [end, s.algebraics, s.worst]
        if sensitive:
            right = ca.vertcat(*[jacobian @ matrix for jacobian in s.jacobians])
            change = _solved(s.system, right)
            after = matrix + item[1] * sum(table[2][j] * change[j * n : (j + 1) * n, :] for j in range(3))
            parts.append(ca.vec(ca.densify(after)))
        return ca.Function("radau", [carried, item, shared], [ca.densify(ca.vertcat(*parts))])

    def bend(self, dynamics: Dynamics) -> Any:
        """See `Method.bend`.

        With the stage slopes `K` from ``F(x, K) = 0``, the second derivative of ``adjoint' x1 + mu' F`` is that of the
        step when `mu` makes its derivative with respect to `K` vanish.
        """
        d, n = dynamics, dynamics.states
        carried, item, shared = _symbols(ca.MX, d, False)
        adjoint = ca.MX.sym("adjoint", n)
        nodes, table = _radau()
        h, s, bowl = item[1], _stages(d, carried, item, shared), _bowl(d)
        right = ca.vertcat(*[h * table[2][j] * adjoint for j in range(3)])
        push = _solved(s.system.T, right)
        change = _solved(s.system, ca.vertcat(*s.jacobians))
        hessian = ca.MX(n, n)
        for i, node in enumerate(nodes):
            at = carried[:n] + h * sum(table[i][j] * s.slopes[j * n : (j + 1) * n] for j in range(3))
            spread = ca.MX.eye(n) + h * sum(table[i][j] * change[j * n : (j + 1) * n, :] for j in range(3))
            u = input_at(item, node * h, d.inputs)
            curved = bowl(item[0] + node * h, at, s.algebraics, u, shared, push[i * n : (i + 1) * n])
            hessian = hessian + spread.T @ curved @ spread
        return ca.Function("bend", [carried, item, shared, adjoint], [ca.densify(ca.vec(hessian))])


@dataclass(frozen=True)
class _Stages:
    """The solved stages of one implicit step: slopes, the system of Newton's method and the Jacobians there."""

    slopes: Any
    system: Any
    jacobians: list[Any]
    algebraics: Any
    worst: Any


def _stages(d: Dynamics, carried: Any, item: Any, shared: Any) -> _Stages:
    n = d.states
    x, z, worst = carried[:n], carried[n : n + d.algebraics], carried[n + d.algebraics]
    t, start = item[0], input_at(item, 0.0, d.inputs)
    slope = d.slope(t, x, d.solve(t, x, z, start, shared)[0], start, shared)[0]
    floor = _floor(d, x)
    if floor is not None:
        slope = ca.if_else(item[1] > 0.0, ca.fmax(slope, (1.0 - _LEFT) * (floor - x) / item[1]), slope)
    slopes, size = ca.repmat(slope, 3, 1), ca.MX(np.inf)
    improve, guarded = _improvement(d, guarded=False), _improvement(d, guarded=floor is not None)
    for k in range(_NEWTON):
        one = guarded if k < _GUARDED else improve
        slopes, size = one(size > _CONVERGED, slopes, size, x, z, item, shared)
    _, system, jacobians, (zs, worse) = _collocated(d, slopes, x, z, item, shared)
    return _Stages(slopes, system, jacobians, zs[-1], ca.fmax(ca.fmax(worst, worse), size))


def _floor(d: Dynamics, x: Any) -> Any:
    """Return what states are kept above: their bounds, or as far below as they begin there; None: they have none."""
    if not np.isfinite(d.low).any():
        return None
    low = ca.DM(np.maximum([*d.low, *[-np.inf] * (d.states - len(d.low))], -_FAR))
    return low - 2.0 * ca.fmax(low - x, 0.0)


def _improvement(d: Dynamics, guarded: bool) -> Any:
    """Return ``(whether, slopes, size, x, z, item, shared) -> (slopes, size)``: one iteration of Newton's method."""
    n = d.states
    slopes, size = ca.MX.sym("slopes", 3 * n), ca.MX.sym("size")
    x, z = ca.MX.sym("x", n), ca.MX.sym("z", d.algebraics)
    _, item, shared = _symbols(ca.MX, d, False)
    arguments, h = [slopes, size, x, z, item, shared], item[1]
    found, system, _, _ = _collocated(d, slopes, x, z, item, shared)
    change = _solved(system, found - slopes)
    last = ca.norm_inf(h * change) / (1.0 + ca.norm_inf(x))
    floor = _floor(d, x) if guarded else None
    if floor is not None:
        table = np.array(_radau()[1])
        here = ca.repmat(x, 1, 3) + h * ca.reshape(slopes, n, 3) @ table.T
        there = here + h * ca.reshape(change, n, 3) @ table.T
        floors = ca.repmat(floor, 1, 3)
        kept = ca.fmax(there, floors + _LEFT * (here - floors))
        change = change + ca.if_else(h > 0.0, ca.vec((kept - there) @ np.linalg.inv(table).T) / h, 0.0)
    correct = ca.Function("correct", arguments, [slopes + change, last])
    return ca.Function.if_else("improve", correct, ca.Function("leave", arguments, [slopes, size]))


def _collocated(
    d: Dynamics, slopes: Any, x: Any, z: Any, item: Any, shared: Any
) -> tuple[Any, Any, list[Any], tuple[list[Any], Any]]:
    """Return slopes at the stages that given ones lead to, the system of Newton's method, Jacobians, algebraics."""
    n, t, h = d.states, item[0], item[1]
    nodes, table = _radau()
    found, jacobians, zs, worst = [], [], [], ca.MX(0.0)
    for i, node in enumerate(nodes):
        at = x + h * sum(table[i][j] * slopes[j * n : (j + 1) * n] for j in range(3))
        u = input_at(item, node * h, d.inputs)
        zi, size = d.solve(t + node * h, at, z, u, shared)
        dx, jacobian = d.slope(t + node * h, at, zi, u, shared)
        found.append(dx)
        jacobians.append(jacobian)
        zs.append(zi)
        worst = ca.fmax(worst, size)
    rows = [ca.horzcat(*[-h * table[i][j] * jacobians[i] for j in range(3)]) for i in range(3)]
    return ca.vertcat(*found), ca.MX.eye(3 * n) + ca.vertcat(*rows), jacobians, (zs, worst)


def _solved(system: Any, right: Any) -> Any:
    """Return ``system^-1 right``; entries whose squares would underflow count as zeros, which CasADi's QR can take."""
    return ca.solve(ca.if_else(ca.fabs(system) > _TINY, system, 0.0), ca.densify(right), "qr")


def _bowl(d: Dynamics) -> Any:
    """Return ``(t, x, z, u, shared, push) -> `` second derivative of ``push' dx/dt`` with respect to the states."""
    t, x, z, u = ca.SX.sym("t"), ca.SX.sym("x", d.states), ca.SX.sym("z", d.algebraics), ca.SX.sym("u", d.inputs)
    shared, push = ca.SX.sym("shared", d.shared), ca.SX.sym("push", d.states)
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
