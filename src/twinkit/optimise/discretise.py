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

from twinkit.readings.casadi import symbol_kind

_NEWTON = 5


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
    """

    states: int
    algebraics: int
    inputs: int
    shared: int
    slope: Any
    solve: Any


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
        carried, item, shared = _symbols(symbol_kind(d.slope), d, sensitive)
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
        n, kind = dynamics.states, symbol_kind(dynamics.slope)
        carried, item, shared = _symbols(kind, dynamics, False)
        adjoint = kind.sym("adjoint", n)
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
            change = ca.solve(s.system, ca.densify(right), "qr")
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
        push = ca.solve(s.system.T, right, "qr")
        change = ca.solve(s.system, ca.densify(ca.vertcat(*s.jacobians)), "qr")
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
    t, h = item[0], item[1]
    nodes, table = _radau()
    us = [input_at(item, node * h, d.inputs) for node in nodes]
    z0 = z
    slope = d.slope(t, x, d.solve(t, x, z, input_at(item, 0.0, d.inputs), shared)[0], us[0], shared)[0]
    slopes = ca.repmat(slope, 3, 1)

    def stages(slopes: Any) -> tuple[Any, Any, list[Any], Any]:
        found, jacobians, zs, worse = [], [], [], worst
        for i, node in enumerate(nodes):
            at = x + h * sum(table[i][j] * slopes[j * n : (j + 1) * n] for j in range(3))
            zi, size = d.solve(t + node * h, at, z0, us[i], shared)
            dx, jacobian = d.slope(t + node * h, at, zi, us[i], shared)
            found.append(dx)
            jacobians.append(jacobian)
            zs.append(zi)
            worse = ca.fmax(worse, size)
        rows = [ca.horzcat(*[-h * table[i][j] * jacobians[i] for j in range(3)]) for i in range(3)]
        return ca.vertcat(*found), ca.MX.eye(3 * n) + ca.vertcat(*rows), jacobians, (zs, worse)

    for _ in range(_NEWTON):
        found, system, _, _ = stages(slopes)
        change = ca.solve(system, found - slopes, "qr")
        slopes = slopes + change
    _, system, jacobians, (zs, worst) = stages(slopes)
    size = ca.norm_inf(h * change) / (1.0 + ca.norm_inf(x))
    return _Stages(slopes, system, jacobians, zs[-1], ca.fmax(worst, size))


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
