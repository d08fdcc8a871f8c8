"""The model's part in a window: intervals, their noise, and what is seen at a node, for any method of integration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core import Model
from twinkit.core.component import Array
from twinkit.estimate.symbols import symbols_of
from twinkit.estimate.uncertain import Plan
from twinkit.optimise import Augmented, Chains, Dynamics, Method, Points, Radau, RungeKutta4, dynamics_of
from twinkit.readings.casadi import SYMBOLIC

METHODS: tuple[Method, ...] = (RungeKutta4(), Radau())


@dataclass(frozen=True)
class Functions:
    """The functions of one window. Positions in `METHODS` name the method.

    Attributes
    ----------
    dynamics
        The model on the augmented vector.
    flow, move, diffuse
        Per method: chains of sub-steps without and with sensitivity, and with the noise covariance instead.
    see
        ``(t, x, z, u) -> (z, quantities, derivatives by rows)`` at nodes.
    steps
        Per method: the sub-step of `flow`, as a CasADi function.
    """

    dynamics: Dynamics
    flow: tuple[Chains, ...]
    move: tuple[Chains, ...]
    diffuse: tuple[Chains, ...]
    see: Points
    steps: tuple[Any, ...]
    seen: Any


_known: dict[Any, Functions] = {}


def window_functions(model: Model, plan: Plan, rows: tuple[int, ...], native: bool) -> Functions:
    """Return the functions of a window, made once per structure.

    Parameters
    ----------
    model, plan
        The model and what is estimated.
    rows
        What is looked at, as positions in states, then algebraic variables, then outputs.
    native
        Whether to compile them with a C compiler.
    """
    key = (model.structure_key, plan.chosen, plan.disturbances, rows, native)
    with SYMBOLIC:
        if key not in _known:
            _known[key] = _made(model, plan, rows, native)
        return _known[key]


def _made(model: Model, plan: Plan, rows: tuple[int, ...], native: bool) -> Functions:
    s = symbols_of(model, plan)
    dynamics, shared, given = dynamics_of(model, s)
    native = native and not model.structure.externals  # what can only be called has no C code
    flows = [method.advance(dynamics, sensitive=False) for method in METHODS]
    moves = [method.advance(dynamics, sensitive=True) for method in METHODS]
    seen = _seen(s, shared, given, rows)
    return Functions(
        dynamics,
        tuple(Chains(f, native) for f in flows),
        tuple(Chains(f, native) for f in moves),
        tuple(Chains(_diffusion(f, dynamics), native) for f in moves),
        Points(seen, native),
        tuple(flows),
        seen,
    )


def _seen(s: Augmented, shared: Any, given: tuple[Any, ...], rows: tuple[int, ...]) -> Any:
    """Return ``see``; see `Functions`."""
    t, x, z, u, modes, p = given
    found = s.solve(*given)[0]
    values, derivatives = s.quantities(t, x, found, u, modes, p)
    chosen = ca.densify(derivatives[list(rows), :])
    result = ca.vertcat(found, ca.densify(values[list(rows), 0]), ca.vec(chosen.T))
    return ca.Function("see", [ca.vertcat(t, x, z, u), shared], [ca.densify(result)])


def _diffusion(move: Any, d: Dynamics) -> Any:
    """Return the sub-step that carries the noise covariance: Simpson's rule over two half steps; see `compiled`."""
    n = d.states
    head = n + d.algebraics + 1
    carried = ca.MX.sym("carried", head + n * n)
    item = ca.MX.sym("item", 2 + 4 * d.inputs)
    shared = ca.MX.sym("shared", d.shared + n)
    intensity = ca.diag(shared[d.shared :])
    eye = ca.vec(ca.DM.eye(n))
    half = 0.5 * item[1]
    first = move(ca.vertcat(carried[:head], eye), ca.vertcat(item[0], half, item[2:]), shared[: d.shared])
    later = ca.vertcat(item[0] + half, half, _shifted(item[2:], half, d.inputs))
    second = move(ca.vertcat(first[:head], eye), later, shared[: d.shared])
    last = ca.reshape(second[head:], n, n)
    whole = last @ ca.reshape(first[head:], n, n)
    before = ca.reshape(carried[head:], n, n)
    added = item[1] / 6 * (whole @ intensity @ whole.T + 4 * last @ intensity @ last.T + intensity)
    after = whole @ before @ whole.T + added
    return ca.Function("diffuse", [carried, item, shared], [ca.densify(ca.vertcat(second[:head], ca.vec(after)))])


def _shifted(c: Any, offset: Any, inputs: int) -> Any:
    """Return the coefficients of the inputs in powers of the time since `offset`."""
    parts = []
    for i in range(inputs):
        a, b, q, r = (c[4 * i + k] for k in range(4))
        parts += [
            a + offset * (b + offset * (q + offset * r)),
            b + offset * (2 * q + 3 * offset * r),
            q + 3 * offset * r,
            r,
        ]
    return ca.vertcat(*parts) if parts else c


def carried(x: Array, z: Array, matrix: Array | None = None) -> Array:
    """Return rows of what a chain carries at its start; `matrix` is the same ``(n, n)`` for all."""
    n, m = x.shape[1], z.shape[1]
    rows = np.zeros((len(x), n + m + 1 + (0 if matrix is None else matrix.size)))
    rows[:, :n] = x
    rows[:, n : n + m] = z
    if matrix is not None:
        rows[:, n + m + 1 :] = matrix.ravel()
    return rows
