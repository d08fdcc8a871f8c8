"""A model whose parameters, disturbances and inputs may be part of its vector, as CasADi functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import casadi as ca

from twinkit.core import Model
from twinkit.optimise.discretise import Dynamics
from twinkit.readings.casadi import casadi_model

_NEWTON = 4


@dataclass(frozen=True)
class Augmented:
    """A model on a vector of states, then adapted parameters, then disturbances, then moved inputs.

    Attributes
    ----------
    t, x, z, u, modes, p
        The symbols; `x` is the augmented vector, `u` the inputs without modes.
    slope
        ``(t, x, z, u, modes, p) -> (dx/dt, its total derivative with respect to x)``, consistent `z` given.
    solve
        ``(...) -> (z, size of the last correction)``: consistent algebraic variables from a guess.
    quantities
        ``(...) -> (states, algebraics and outputs, their total derivative with respect to x)``.
    """

    t: Any
    x: Any
    z: Any
    u: Any
    modes: Any
    p: Any
    slope: Any
    solve: Any
    quantities: Any

    @property
    def kind(self) -> Any:
        """The class of the symbols, SX or MX."""
        return type(self.x)


def augmented(
    model: Model,
    chosen: Sequence[int] = (),
    disturbances: Sequence[tuple[str, int, float]] = (),
    moved: Sequence[int] = (),
) -> Augmented:
    """Return the functions of an augmented model.

    Parameters
    ----------
    model
        The model.
    chosen
        Positions of the parameters that are part of the vector.
    disturbances
        Kind (``"input"`` or ``"state"``), position of what it acts on, and rate of decay, of each disturbance.
    moved
        Positions of the inputs that are part of the vector, as constants; those of `u` do not count there.
    """
    reading, layout = casadi_model(model, external=True), model.layout
    sort = reading.kind
    t, x, z, u, p = reading.symbols
    n, inputs = layout.states.size, layout.inputs.size
    first = n + len(chosen)
    last = first + len(disturbances)
    full, held = sort.sym("full", last + len(moved)), sort.sym("held", inputs)
    modes = sort.sym("modes", layout.modes.size)
    adapted = sort(p)
    for k, index in enumerate(chosen):
        adapted[index] = full[n + k]
    acting, pushed = sort(held), sort.zeros(n, 1)
    for k, index in enumerate(moved):
        acting[index] = full[last + k]
    for k, (kind, index, _) in enumerate(disturbances):
        target = acting if kind == "input" else pushed
        target[index] += full[first + k]
    f, g, y = ca.substitute(
        [reading.derivative, reading.residual, reading.output],
        [x, u, p],
        [full[:n], ca.vertcat(acting, modes), adapted],
    )
    arguments = [t, full, z, held, modes, p]
    dzdx = sort(layout.algebraics.size, full.numel())
    if layout.algebraics.size:
        dzdx = -ca.solve(ca.jacobian(g, z), ca.jacobian(g, full))
    still = sort.zeros(len(chosen), 1)
    decay = [-rate * full[first + k] for k, (_, _, rate) in enumerate(disturbances)]
    derivative = ca.vertcat(f + pushed, still, *decay, sort.zeros(len(moved), 1))
    slope = ca.Function("slope", arguments, [derivative, _total(derivative, full, z, dzdx)])
    everything = ca.vertcat(full[:n], z, y)
    quantities = ca.Function("quantities", arguments, [everything, _total(everything, full, z, dzdx)])
    newton = sort(z)
    size = sort(0)
    if layout.algebraics.size:
        correct = ca.Function("newton", arguments, [-ca.solve(ca.jacobian(g, z), g)])
        for _ in range(_NEWTON):
            change = correct(t, full, newton, held, modes, p)
            newton = newton + change
            size = ca.norm_inf(change / layout.algebraics.scales)
    solve = ca.Function("solve", arguments, [newton, size])
    return Augmented(t, full, z, held, modes, p, slope, solve, quantities)


def dynamics_of(model: Model, s: Augmented) -> tuple[Dynamics, Any, tuple[Any, ...]]:
    """Return an augmented model to integrate, the symbols of what all points share, and the arguments of its parts."""
    shared = s.kind.sym("shared", s.modes.numel() + s.p.numel())
    modes, p = shared[: s.modes.numel()], shared[s.modes.numel() :]
    arguments, given = [s.t, s.x, s.z, s.u, shared], (s.t, s.x, s.z, s.u, modes, p)
    slope = ca.Function("slope", arguments, list(s.slope(*given)))
    solve = ca.Function("solve", arguments, list(s.solve(*given)))
    low = tuple(model.layout.states.limits[0])
    return Dynamics(s.x.numel(), s.z.numel(), s.u.numel(), shared.numel(), slope, solve, low), shared, given


def _total(expression: Any, x: Any, z: Any, dzdx: Any) -> Any:
    """Return the derivative with respect to `x` when `z` follows from it."""
    direct = ca.jacobian(expression, x)
    return direct + ca.jacobian(expression, z) @ dzdx if z.numel() else direct
