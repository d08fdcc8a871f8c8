"""One sub-step of a model over time, with its sensitivity: what chains of steps are made of.

A sub-step maps ``(carried, item, shared) -> carried``. `carried` holds the states, the algebraic variables and the
largest Newton correction met so far, then, for `move`, the sensitivity to the states at the start of the chain, by
columns. `item` holds the time, the length of the step and the coefficients of the inputs in powers of the time since
the step began. A step of length zero changes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import casadi as ca
import numpy as np

from twinkit.core.component import Array
from twinkit.readings.casadi import symbol_kind

_FAR = 1e300


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
        kinetics have below zero, a step is not to jump over it to a solution that means nothing: an implicit one stays
        above where the equations allow it, and after an explicit one below they do not count as solved.
    """

    states: int
    algebraics: int
    inputs: int
    shared: int
    slope: Any
    solve: Any
    low: tuple[float, ...] = ()

    @property
    def bounds(self) -> Array:
        """Lower bounds of all states."""
        return np.array([*self.low, *[-np.inf] * (self.states - len(self.low))])


@dataclass(frozen=True)
class Lifted:
    """One implicit step whose stages are unknowns of their own, for a nonlinear solver.

    A simulation solves for the stages before it uses the step (they are eliminated). A nonlinear solver may leave them
    unsolved until it converges; its derivatives are then those of the model alone.

    Attributes
    ----------
    places
        Which state each unknown is a change of.
    low
        Declared lower bounds of these states at the stages (infinite: none).
    guess
        ``(carried, item, shared) -> unknowns``, as a simulation has them.
    step
        ``(carried, unknowns, item, shared) -> (carried, residual, states at the stages)``.
    """

    places: tuple[int, ...]
    low: tuple[float, ...]
    guess: Any
    step: Any


class Method(ABC):
    """A one-step method."""

    order: ClassVar[int]

    @abstractmethod
    def advance(self, dynamics: Dynamics, sensitive: bool) -> Any:
        """Return the sub-step, with the sensitivity (`move`) or without (`flow`)."""

    @abstractmethod
    def link(self, dynamics: Dynamics) -> Any:
        """Return ``(carried, item, shared) -> (carried, derivative, rest)`` of one sub-step.

        `carried` is that of `advance` without sensitivity; the derivative of the states is with respect to those
        before. `rest` is what `bend` need not compute again.
        """

    @abstractmethod
    def bend(self, dynamics: Dynamics) -> Any:
        """Return ``(carried, item, shared, rest, adjoint) -> `` second derivative of ``adjoint' x`` after the sub-step.

        The derivative is with respect to the states before, by columns; `carried` and `rest` are those of `link`.
        """

    def lifted(self, dynamics: Dynamics) -> Lifted | None:
        """Return the sub-step with its stages as unknowns; None: it has no stages to solve for."""
        return None


def input_at(item: Any, offset: Any, inputs: int) -> Any:
    """Return the inputs at a time after the start of a step."""
    c = ca.reshape(item[2:], 4, inputs).T
    return c[:, 0] + offset * (c[:, 1] + offset * (c[:, 2] + offset * c[:, 3]))


def step_symbols(kind: Any, d: Dynamics, sensitive: bool) -> tuple[Any, Any, Any]:
    """Return symbols of what is carried, of the item and of what is shared."""
    carried = d.states + d.algebraics + 1 + (d.states**2 if sensitive else 0)
    return kind.sym("carried", carried), kind.sym("item", 2 + 4 * d.inputs), kind.sym("shared", d.shared)


def split(carried: Any, d: Dynamics, sensitive: bool) -> tuple[Any, Any, Any, Any]:
    """Return states, algebraic variables, the largest correction and the sensitivity (None: there is none)."""
    n, m = d.states, d.algebraics
    matrix = ca.reshape(carried[n + m + 1 :], n, n) if sensitive else None
    return carried[:n], carried[n : n + m], carried[n + m], matrix


def _below(d: Dynamics, x: Any, end: Any) -> Any:
    """Return how far an explicit sub-step led below declared bounds, counted as a correction of Newton's method is.

    Beyond a pole there may be a trajectory that means nothing, and that finer steps confirm; implicit ones do not.
    """
    bounded = [i for i, low in enumerate(d.low) if np.isfinite(low)]
    if not bounded:
        return 0.0
    return ca.fmax(ca.mmax(floor_of(d, x, bounded) - end[bounded]), 0.0) / (1.0 + ca.norm_inf(x))


def floor_of(d: Dynamics, x: Any, moving: list[int]) -> Any:
    """Return what states are kept above: their bounds, or as far below as they begin there; None: they have none."""
    low = d.bounds[moving]
    if not np.isfinite(low).any():
        return None
    low = ca.DM(np.maximum(low, -_FAR))
    return low - 2.0 * ca.fmax(low - x[moving], 0.0)


@dataclass(frozen=True)
class RungeKutta4(Method):
    """The classical explicit method of order 4, for what is not stiff over a sub-step."""

    order: ClassVar[int] = 4

    def advance(self, dynamics: Dynamics, sensitive: bool) -> Any:
        """See `Method.advance`."""
        d = dynamics
        carried, item, shared = step_symbols(symbol_kind(d.slope), d, sensitive)
        x, z, worst, matrix = split(carried, d, sensitive)
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
        start, x = x, x + h * sum(w * k for w, k in zip(weights, slopes, strict=True))
        worst = ca.fmax(worst, _below(d, start, x))
        z = d.solve(t + h, x, z, input_at(item, h, d.inputs), shared)[0]
        parts = [x, z, worst]
        if sensitive:
            parts.append(ca.vec(ca.densify(matrix + h * sum(w * k for w, k in zip(weights, maps, strict=True)))))
        return ca.Function("rk4", [carried, item, shared], [ca.densify(ca.vertcat(*parts))])

    def link(self, dynamics: Dynamics) -> Any:
        """See `Method.link`."""
        n, head, kind = dynamics.states, dynamics.states + dynamics.algebraics + 1, symbol_kind(dynamics.slope)
        carried, item, shared = step_symbols(kind, dynamics, False)
        unit = ca.vec(kind.eye(n))
        end = self.advance(dynamics, sensitive=True)(ca.vertcat(carried, unit), item, shared)
        result = [end[:head], ca.reshape(end[head:], n, n), kind(0, 1)]
        return ca.Function("link", [carried, item, shared], result)

    def bend(self, dynamics: Dynamics) -> Any:
        """See `Method.bend`."""
        n, kind = dynamics.states, symbol_kind(dynamics.slope)
        carried, item, shared = step_symbols(kind, dynamics, False)
        adjoint, rest = kind.sym("adjoint", n), kind.sym("rest", 0)
        end = self.advance(dynamics, sensitive=False)(carried, item, shared)
        hessian = ca.hessian(ca.dot(adjoint, end[:n]), carried)[0][:n, :n]
        return ca.Function("bend", [carried, item, shared, rest, adjoint], [ca.densify(ca.vec(hessian))])
