"""The model's part in a plan, compiled: sub-steps with first and second derivatives, and what is looked at.

The vector of a sub-step holds the states, then the integral of the running cost where there is one, then the controls:
the manipulated inputs and, with a free end, the factor by which time is stretched. Controls are constant over a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np

from twinkit.control.differences import Differences
from twinkit.control.region import Derived, derived_function, with_derived
from twinkit.core import InvalidValueError, Model
from twinkit.optimise import Augmented, Dynamics, Method, Path, Points, Radau, RungeKutta4, augmented
from twinkit.readings.casadi import SYMBOLIC, symbol_kind

METHODS: tuple[Method, ...] = (RungeKutta4(), Radau())
Disturbed = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Shape:
    """What the functions are made for.

    Attributes
    ----------
    moved
        Positions of the manipulated inputs.
    rows
        Quantities that are looked at: positions in states, algebraic variables, outputs, inputs.
    running
        Positions and weights of what is integrated; the position None is time itself.
    disturbed
        Kind and position of every estimated disturbance.
    stretched
        Whether the end is free.
    derived
        What is computed from several quantities; their rows follow those of the inputs.
    """

    moved: tuple[int, ...]
    rows: tuple[int, ...]
    running: tuple[tuple[int | None, float], ...] = ()
    disturbed: Disturbed = ()
    stretched: bool = False
    derived: tuple[Derived, ...] = ()

    @property
    def controls(self) -> int:
        """Number of controls."""
        return len(self.moved) + int(self.stretched)


@dataclass(frozen=True)
class Functions:
    """Functions of a plan. Positions in `METHODS` name the method.

    Attributes
    ----------
    states, algebraics, inputs, controls
        Sizes; `states` counts the integral of the running cost.
    flow
        Per method: a chain of sub-steps, without derivatives; an item begins with the controls.
    link
        Per method: one sub-step at many points: ``(vector, algebraics, 0, item) -> (states, algebraics, worst,
        derivatives of the states with respect to the vector, by columns, rest)``.
    bend
        Per method: ``(vector, algebraics, 0, item, rest, adjoint) -> `` second derivatives, by columns.
    see
        ``(t, vector, algebraics, inputs) -> (algebraics, quantities, derivatives by rows)``.
    curve
        ``(t, vector, algebraics, inputs, weights) -> `` second derivative of the weighted sum of the quantities.
    direct
        Per quantity: whether it changes at once with a control.
    steps, seen
        One sub-step per method, controls carried along, and `see`, as CasADi functions.
    dynamics
        The model on the vector.
    native
        Whether they are compiled with a C compiler.
    called
        Whether the equations can only be called: they have no C code, and second derivatives are differences.
    derive
        ``(all quantities of the model, 0) -> (derived quantities, their derivatives by rows)``; None: there are none.
    """

    states: int
    algebraics: int
    inputs: int
    controls: int
    flow: tuple[Path, ...]
    link: tuple[Points, ...]
    bend: tuple[Points | Differences, ...]
    see: Points
    curve: Points | Differences
    direct: tuple[bool, ...]
    steps: tuple[Any, ...]
    seen: Any
    dynamics: Dynamics
    native: bool
    called: bool = False
    derive: Points | None = None


_known: dict[Any, Functions] = {}


def plan_functions(model: Model, shape: Shape, native: bool) -> Functions:
    """Return the functions of a plan, made once per structure.

    Parameters
    ----------
    model
        The model; its parameters are arguments.
    shape
        What they are made for.
    native
        Whether to compile them with a C compiler.
    """
    key = (model.structure_key, shape, native)
    with SYMBOLIC:
        if key not in _known:
            _known[key] = _made(model, shape, native)
        return _known[key]


class _Parts:
    """The pieces of the vector of a sub-step and of what all share, for one shape."""

    def __init__(self, model: Model, shape: Shape) -> None:
        layout = model.layout
        self.shape, self.layout = shape, layout
        disturbed = [(kind, index, 0.0) for kind, index in shape.disturbed]
        self.model: Augmented = augmented(model, (), disturbed, shape.moved)
        self.kind = self.model.kind
        self.n, self.m = layout.states.size, layout.inputs.size
        self.integral = int(bool(shape.running))
        self.states = self.n + self.integral
        self.size = self.states + shape.controls
        self.modes, self.p, self.d = layout.modes.size, layout.parameters.size, len(disturbed)
        self.shared = self.modes + self.p + 2 * self.d + 1
        moved = layout.inputs.scales[list(shape.moved)]
        self.scales = np.concatenate(
            [layout.states.scales, np.ones(self.integral), moved, np.ones(int(shape.stretched))]
        )
        self.columns = [*range(self.n), *range(self.n + self.d, self.n + self.d + len(shape.moved))]
        self.places = [*range(self.n), *range(self.states, self.states + len(shape.moved))]

    def arguments(self, t: Any, vector: Any, z: Any, u: Any, shared: Any) -> tuple[list[Any], Any]:
        """Return the arguments of the augmented model, and by how much time is stretched."""
        modes, p = shared[: self.modes], shared[self.modes : self.modes + self.p]
        first, begin = self.modes + self.p, shared[self.shared - 1]
        stretch = vector[self.size - 1] if self.shape.stretched else 1.0
        at = begin + stretch * (t - begin) if self.shape.stretched else t
        size, rate = shared[first : first + self.d], shared[first + self.d : first + 2 * self.d]
        moved = vector[self.states : self.states + len(self.shape.moved)]
        pushes = size * ca.exp(-rate * (at - begin)) if self.d else self.kind(0, 1)
        full = ca.vertcat(vector[: self.n], pushes, moved)
        return [at, full, z, u, modes, p], stretch

    def slope(self, t: Any, vector: Any, z: Any, u: Any, shared: Any) -> tuple[Any, Any]:
        """Return the derivative of the vector, and its total derivative with respect to the vector."""
        arguments, stretch = self.arguments(t, vector, z, u, shared)
        dx, jacobian = self.model.slope(*arguments)
        parts = [dx[: self.n]]
        total = self.kind(self.size, self.size)
        total[: self.n, self.places] = stretch * jacobian[: self.n, self.columns]
        if self.integral:
            values, rows = self.quantities(t, vector, z, u, shared)
            named = [(row, weight) for row, weight in self.shape.running if row is not None]
            passing = sum(weight for row, weight in self.shape.running if row is None)
            parts.append(passing + sum(weight * values[row] for row, weight in named))
            total[self.n, self.places] = stretch * sum(weight * rows[row, :] for row, weight in named)
        slopes = ca.vertcat(*parts)
        if self.shape.stretched:
            total[: self.states, self.size - 1] = slopes
        return ca.vertcat(stretch * slopes, self.kind.zeros(self.shape.controls, 1)), total

    def solve(self, t: Any, vector: Any, z: Any, u: Any, shared: Any) -> tuple[Any, Any]:
        """Return consistent algebraic variables from a guess, and the size of the last correction."""
        return self.model.solve(*self.arguments(t, vector, z, u, shared)[0])

    def quantities(self, t: Any, vector: Any, z: Any, u: Any, shared: Any) -> tuple[Any, Any]:
        """Return states, algebraic variables, outputs, inputs and what is derived, and derivatives by `places`."""
        arguments = self.arguments(t, vector, z, u, shared)[0]
        values, rows = self.model.quantities(*arguments)
        inputs, unit = self.kind(arguments[3]), self.kind(self.m, len(self.places))
        for k, index in enumerate(self.shape.moved):
            inputs[index] = vector[self.states + k]
            unit[index, self.n + k] = 1.0
        every, slopes = ca.vertcat(values, inputs), ca.vertcat(rows[:, self.columns], unit)
        return with_derived(every, slopes, self.shape.derived)


def _made(model: Model, shape: Shape, native: bool) -> Functions:
    parts = _Parts(model, shape)
    layout, kind = model.layout, parts.kind
    t, z, u = kind.sym("t"), kind.sym("z", layout.algebraics.size), kind.sym("u", parts.m)
    vector, shared = kind.sym("vector", parts.size), kind.sym("shared", parts.shared)
    arguments = [t, vector, z, u, shared]
    slopes = parts.slope(*arguments)
    if shape.stretched and ca.depends_on(slopes[0], t):
        raise InvalidValueError(f"{type(model).__name__} depends on time explicitly, so its end cannot be free")
    dynamics = Dynamics(
        parts.size, z.numel(), parts.m, parts.shared,
        ca.Function("slope", arguments, list(slopes)), ca.Function("solve", arguments, list(parts.solve(*arguments))),
        tuple(layout.states.limits[0]),
    )  # fmt: skip
    flows = [method.advance(dynamics, sensitive=False) for method in METHODS]
    links = [_linked(method.link(dynamics), dynamics, parts.states) for method in METHODS]
    externals = model.structure.externals
    compiled = native and not externals
    seen, direct = _seen(parts, arguments)
    link, see = tuple(Points(f, compiled) for f in links), Points(seen, compiled)
    bend: tuple[Points | Differences, ...]
    if externals:
        exact = all(one.exact for one in externals)
        head, rows = parts.states + z.numel() + 1, len(shape.rows)
        curve = Differences(see, seen.numel_in(0), 1, parts.scales, rows, z.numel() + rows, False, exact)
        bend = tuple(
            Differences(points, f.numel_in(0), 0, parts.scales, parts.states, head, True, exact)
            for points, f in zip(link, links, strict=True)
        )
    else:
        curve = Points(_curve(parts, arguments), compiled)
        bend = tuple(Points(_bent(method.bend(dynamics), dynamics, parts.states), compiled) for method in METHODS)
    derive = None
    if shape.derived:
        size = layout.states.size + layout.algebraics.size + layout.outputs.size + parts.m
        derive = Points(derived_function(shape.derived, size), native)
    return Functions(
        parts.states, z.numel(), parts.m, shape.controls,
        tuple(Path(_driven(f, dynamics, parts.states), compiled) for f in flows),
        link, bend, see, curve, direct, tuple(flows), seen, dynamics,
        native, bool(externals), derive,
    )  # fmt: skip


def _driven(flow: Any, d: Dynamics, states: int) -> Any:
    """Return one sub-step ``(states, algebraics, worst; controls, item; shared)``; see `Functions`."""
    kind, controls = symbol_kind(flow), d.states - states
    carried, item = kind.sym("carried", states + d.algebraics + 1), kind.sym("item", controls + 2 + 4 * d.inputs)
    shared = kind.sym("shared", d.shared)
    end = flow(ca.vertcat(carried[:states], item[:controls], carried[states:]), item[controls:], shared)
    return ca.Function("driven", [carried, item, shared], [ca.densify(ca.vertcat(end[:states], end[d.states :]))])


def _linked(link: Any, d: Dynamics, states: int) -> Any:
    """Return one sub-step with its derivative; see `Functions`."""
    kind, head = symbol_kind(link), d.states + d.algebraics + 1
    item, shared = kind.sym("item", head + 2 + 4 * d.inputs), kind.sym("shared", d.shared)
    end, matrix, rest = link(item[:head], item[head:], shared)
    result = ca.vertcat(end[:states], end[d.states :], ca.vec(matrix[:states, :]), rest)
    return ca.Function("link", [item, shared], [ca.densify(result)])


def _bent(bend: Any, d: Dynamics, states: int) -> Any:
    """Return `bend` for points; see `Functions`."""
    kind, head = symbol_kind(bend), d.states + d.algebraics + 1
    width, rest = head + 2 + 4 * d.inputs, bend.numel_in(3)
    item, shared = kind.sym("item", width + rest + states), kind.sym("shared", d.shared)
    adjoint = ca.vertcat(item[width + rest :], ca.DM.zeros(d.states - states))
    arguments = [item[:head], item[head:width], shared, item[width : width + rest], adjoint]
    return ca.Function("bent", [item, shared], [bend(*arguments)])


def _seen(parts: _Parts, arguments: Sequence[Any]) -> tuple[Any, tuple[bool, ...]]:
    """Return `see` and `direct`; see `Functions`."""
    t, vector, z, u, shared = arguments
    rows = list(parts.shape.rows)
    found = parts.solve(t, vector, z, u, shared)[0]
    values, derivatives = parts.quantities(t, vector, found, u, shared)
    chosen = parts.kind(len(rows), parts.size)
    chosen[:, parts.places] = derivatives[rows, :]
    item = ca.vertcat(t, vector, z, u)
    seen = ca.vertcat(found, ca.densify(values[rows]), ca.vec(ca.densify(chosen).T))
    controls = range(parts.states, parts.size)
    direct = tuple(any(chosen.sparsity().has_nz(i, j) for j in controls) for i in range(len(rows)))
    return ca.Function("see", [item, shared], [ca.densify(seen)]), direct


def _curve(parts: _Parts, arguments: Sequence[Any]) -> Any:
    """Return `curve`; see `Functions`."""
    t, vector, z, u, shared = arguments
    rows = list(parts.shape.rows)
    values = parts.quantities(t, vector, parts.solve(t, vector, z, u, shared)[0], u, shared)[0]
    weights = parts.kind.sym("weights", len(rows))
    hessian = ca.hessian(ca.dot(weights, ca.densify(values[rows])), vector)[0]
    item = ca.vertcat(t, vector, z, u, weights)
    return ca.Function("curve", [item, shared], [ca.densify(ca.vec(hessian))])


def held(u: np.ndarray) -> np.ndarray:
    """Return constant inputs ``(..., inputs)`` as the coefficients a sub-step takes, ``(..., 4 * inputs)``."""
    found = np.zeros((*u.shape, 4))
    found[..., 0] = u
    return found.reshape(*u.shape[:-1], -1)
