"""The model on the augmented vector, as CasADi expressions: where every compiled function of a filter starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import casadi as ca

from twinkit.core import Model
from twinkit.estimate.uncertain import Plan
from twinkit.readings.casadi import casadi_model

_NEWTON = 4


@dataclass(frozen=True)
class Symbols:
    """The symbols every function starts from, and the model on the augmented vector."""

    t: Any
    x: Any
    z: Any
    u: Any
    modes: Any
    p: Any
    slope: Any
    solve: Any
    quantities: Any


def symbols_of(model: Model, plan: Plan) -> Symbols:
    """Return the symbols for a model and what is estimated of it."""
    chosen, disturbances = plan.chosen, plan.disturbances
    reading, layout = casadi_model(model), model.layout
    t, x, z, u, p = reading.symbols
    n, inputs = layout.states.size, layout.inputs.size
    first = n + len(chosen)
    full, held = ca.SX.sym("full", first + len(disturbances)), ca.SX.sym("held", inputs)
    modes = ca.SX.sym("modes", layout.modes.size)
    adapted = ca.SX(p)
    for k, index in enumerate(chosen):
        adapted[index] = full[n + k]
    acting, pushed = ca.SX(held), ca.SX.zeros(n, 1)
    for k, (kind, index, _) in enumerate(disturbances):
        target = acting if kind == "input" else pushed
        target[index] += full[first + k]
    f, g, y = ca.substitute(
        [reading.derivative, reading.residual, reading.output],
        [x, u, p],
        [full[:n], ca.vertcat(acting, modes), adapted],
    )
    arguments = [t, full, z, held, modes, p]
    dzdx = ca.SX(layout.algebraics.size, full.numel())
    if layout.algebraics.size:
        dzdx = -ca.solve(ca.jacobian(g, z), ca.jacobian(g, full))
    still = ca.SX.zeros(len(chosen), 1)
    decay = [-rate * full[first + k] for k, (_, _, rate) in enumerate(disturbances)]
    derivative = ca.vertcat(f + pushed, still, *decay)
    slope = ca.Function("slope", arguments, [derivative, _total(derivative, full, z, dzdx)])
    everything = ca.vertcat(full[:n], z, y)
    quantities = ca.Function("quantities", arguments, [everything, _total(everything, full, z, dzdx)])
    newton = ca.SX(z)
    size = ca.SX(0)
    if layout.algebraics.size:
        correct = ca.Function("newton", arguments, [-ca.solve(ca.jacobian(g, z), g)])
        for _ in range(_NEWTON):
            change = correct(t, full, newton, held, modes, p)
            newton = newton + change
            size = ca.norm_inf(change / layout.algebraics.scales)
    solve = ca.Function("solve", arguments, [newton, size])
    return Symbols(t, full, z, held, modes, p, slope, solve, quantities)


def _total(expression: Any, x: Any, z: Any, dzdx: Any) -> Any:
    """Return the derivative with respect to `x` when `z` follows from it."""
    direct = ca.jacobian(expression, x)
    return direct + ca.jacobian(expression, z) @ dzdx if z.numel() else direct


def symmetric(matrix: Any) -> Any:
    """Return a matrix that is symmetric but for rounding, exactly so; only its lower half is computed."""
    return ca.densify(ca.tril2symm(ca.tril(ca.densify(matrix))))
