"""The filter's arithmetic as CasADi functions: prediction with covariance, prediction alone, correction, outputs.

Prediction. Each sub-step takes two half steps of the classical Runge-Kutta method for the mean, together with the
derivative of that very map (the discrete variational equation), ``A = A2 A1``. The noise is integrated by Simpson's
rule, ``Qd = h/6 (A Q A' + 4 A2 Q A2' + Q)``, and ``P+ = A P A' + Qd``: a sum of congruences, so `P` stays positive
semidefinite whatever the step. One full step beside the two half steps gives the local error.

Algebraic variables are solved by Newton's method within every stage, and their derivative by the implicit function
theorem, ``dz/dx = -inv(dg/dz) dg/dx``.

Correction. Readings are taken one after the other with the linearisation held fixed, which equals the joint update for
independent readings [1]_, in Joseph's form ``P+ = (I - K H) P (I - K H)' + K R K'``.

References
----------
.. [1] D. Simon, Optimal State Estimation, Wiley 2006, section 6.1 (sequential filter). doi:10.1002/0470045345
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core import Model
from twinkit.core.component import Array
from twinkit.estimate.uncertain import Plan
from twinkit.readings.casadi import SYMBOLIC, casadi_model

_NEWTON = 4


class Fast:
    """A CasADi function on fixed buffers: a call costs microseconds, not tens of them. Safe among threads.

    Parameters
    ----------
    function
        A function of dense arguments and results.
    matrices
        Positions of the results that are matrices; the others come back as vectors.
    """

    def __init__(self, function: Any, *matrices: int) -> None:
        self._buffer, self._run = function.buffer()
        self._lock = threading.Lock()
        self._args = [np.zeros(function.numel_in(i)) for i in range(function.n_in())]
        self._results = [np.zeros(function.numel_out(i)) for i in range(function.n_out())]
        self._shapes = [function.size_out(i) if i in matrices else -1 for i in range(function.n_out())]
        for set_one, arrays in ((self._buffer.set_arg, self._args), (self._buffer.set_res, self._results)):
            for i, array in enumerate(arrays):
                if array.size:
                    set_one(i, memoryview(array))  # pyright: ignore[reportArgumentType]

    def __call__(self, *values: Any) -> list[Array]:
        """Return the results as new arrays."""
        with self._lock:
            for array, value in zip(self._args, values, strict=True):
                array[...] = value.ravel("F") if isinstance(value, np.ndarray) else value
            self._run()
            results = [array.copy() for array in self._results]
        return [array.reshape(shape, order="F") for array, shape in zip(results, self._shapes, strict=True)]


@dataclass(frozen=True)
class Compiled:
    """The functions of one filter. `c` are input coefficients ``(inputs, 4)`` in powers of the time since `t`.

    Attributes
    ----------
    propagate
        ``(t, h, x, z, c, modes, p, P, q) -> (x, z, P, error)``; `x` is the augmented vector.
    flow
        ``(t, h, x, z, c, modes, p) -> (x, z, error)``, a CasADi function to be mapped over samples.
    correct
        ``(t, x, at, z, u, modes, p, P, value, variance, present, gate) -> (x, z, P, predicted, innovation, its
        variance, accepted, nis terms)``; the sensors are linearised at `at` (where an iterated filter has got to).
    look
        ``(t, x, z, u, modes, p) -> (values, derivatives)`` of all states, algebraic variables and outputs.
    """

    propagate: Fast
    flow: Any
    correct: Fast
    look: Any
    fast_look: Fast
    symbols: Symbols = field(repr=False)
    _mapped: dict[tuple[str, int], Fast] = field(default_factory=dict[tuple[str, int], Fast], repr=False)

    def flows(self, count: int) -> Fast:
        """Return ``flow`` for `count` points side by side: ``(t, h, X, Z, c, modes, p) -> (X, Z, errors)``."""
        return self._side_by_side("flow", self.flow, count, [0, 1, 4, 5, 6], 0, 1)

    def views(self, count: int) -> Fast:
        """Return the quantities of `look`, without derivatives, for `count` points side by side."""
        return self._side_by_side("view", self._view, count, [0, 3, 4, 5], 0)

    @cached_property
    def noise_root(self) -> Fast:
        """``(t, h, x, z, c, modes, p, intensities) -> G`` ``(n, 3 n)``: ``G G'`` is the noise of one sub-step."""
        with SYMBOLIC:
            return Fast(_noise_root(self.symbols), 0)

    @cached_property
    def _view(self) -> Any:
        s = self.symbols
        z = s.solve(s.t, s.x, s.z, s.u, s.modes, s.p)[0]
        arguments = [s.t, s.x, s.z, s.u, s.modes, s.p]
        return ca.Function("view", arguments, [ca.densify(s.quantities(s.t, s.x, z, s.u, s.modes, s.p)[0])])

    def _side_by_side(self, name: str, function: Any, count: int, shared: list[int], *matrices: int) -> Fast:
        with SYMBOLIC:
            found = self._mapped.get((name, count))
            if found is None:
                mapped = function.map(f"{name}_{count}", "serial", count, shared, [])
                found = self._mapped[name, count] = Fast(mapped, *matrices)
            return found


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


_known: dict[Any, Compiled] = {}


def compiled(model: Model, plan: Plan, rows: tuple[int, ...]) -> Compiled:
    """Return the functions of a filter (made once per structure, adapted parameters and sensors).

    Parameters
    ----------
    model
        The model; its parameter values are arguments of the functions.
    plan
        What is estimated.
    rows
        Of the sensors: positions in states, then algebraic variables, then outputs.
    """
    key = (model.structure_key, plan.chosen, plan.disturbances, rows)
    with SYMBOLIC:
        found = _known.get(key)
        if found is None:
            s = _symbols(model, plan)
            propagate, flow = _prediction(s, plan.scale)
            look = _look(s)
            correct = Fast(_correction(s, rows), 2)
            found = _known[key] = Compiled(Fast(propagate, 2), flow, correct, look, Fast(look, 1), s)
        return found


def _symbols(model: Model, plan: Plan) -> Symbols:
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


def _symmetric(matrix: Any) -> Any:
    """Return a matrix that is symmetric but for rounding, exactly so; only its lower half is computed."""
    return ca.densify(ca.tril2symm(ca.tril(ca.densify(matrix))))


def _look(s: Symbols) -> Any:
    """Return ``look``; see `Compiled`."""
    z = s.solve(s.t, s.x, s.z, s.u, s.modes, s.p)[0]
    found = s.quantities(s.t, s.x, z, s.u, s.modes, s.p)
    return ca.Function("look", [s.t, s.x, s.z, s.u, s.modes, s.p], [ca.densify(part) for part in found])


@dataclass(frozen=True)
class _Step:
    """The expressions of one sub-step: two half steps of Runge-Kutta, their tangent maps, and one whole step."""

    shared: list[Any]
    end: Any
    z: Any
    first: Any
    second: Any
    error: Any


def tangent_step(s: Symbols, c: Any, offset: Any, width: Any, x: Any, z: Any, residual: Any) -> tuple[Any, ...]:
    """Return one classical Runge-Kutta step from ``t + offset``: state, tangent map, algebraics, Newton's residual."""
    eye = ca.SX.eye(s.x.numel())
    slopes, maps = [], []
    for part in (0.0, 0.5, 0.5, 1.0):
        shift = part * width
        at = x + shift * slopes[-1] if slopes else x
        moment = offset + shift
        u = c[:, 0] + moment * (c[:, 1] + moment * (c[:, 2] + moment * c[:, 3]))
        z, size = s.solve(s.t + moment, at, z, u, s.modes, s.p)
        dx, jacobian = s.slope(s.t + moment, at, z, u, s.modes, s.p)
        maps.append(jacobian @ (eye + shift * maps[-1]) if maps else jacobian)
        slopes.append(dx)
        residual = ca.fmax(residual, size)
    weights = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
    x = x + width * sum(w * k for w, k in zip(weights, slopes, strict=True))
    return x, eye + width * sum(w * k for w, k in zip(weights, maps, strict=True)), z, residual


def _substep(s: Symbols, scales: Array) -> _Step:
    h, c = ca.SX.sym("h"), ca.SX.sym("c", s.u.numel(), 4)
    half = 0.5 * h
    middle, first, z, residual = tangent_step(s, c, 0.0, half, s.x, s.z, ca.SX(0))
    end, second, z, residual = tangent_step(s, c, half, half, middle, z, residual)
    coarse, _, _, residual = tangent_step(s, c, 0.0, h, s.x, s.z, residual)
    local = (end - coarse) / (15.0 * (ca.DM(scales) + ca.fabs(end)))
    error = ca.fmax(ca.norm_inf(local), residual)
    u_end = c[:, 0] + h * (c[:, 1] + h * (c[:, 2] + h * c[:, 3]))
    z = s.solve(s.t + h, end, z, u_end, s.modes, s.p)[0]
    return _Step([s.t, h, s.x, s.z, c, s.modes, s.p], end, z, first, second, error)


def _prediction(s: Symbols, scales: Array) -> tuple[Any, Any]:
    """Return ``propagate`` and ``flow``; see `Compiled`."""
    n, step = s.x.numel(), _substep(s, scales)
    h = step.shared[1]
    covariance, intensity = ca.SX.sym("P", n, n), ca.SX.sym("q", n)
    a, q = step.second @ step.first, ca.diag(intensity)
    noise = h / 6 * (a @ q @ a.T + 4 * step.second @ q @ step.second.T + q)
    after = a @ covariance @ a.T + noise
    results = [step.end, step.z, _symmetric(after), step.error]
    propagate = ca.Function("propagate", [*step.shared, covariance, intensity], results)
    return propagate, ca.Function("flow", step.shared, [step.end, step.z, step.error])


def _noise_root(s: Symbols) -> Any:
    """Return ``noise_root``: Simpson's rule for the noise, each of its three terms as a factor."""
    n, step = s.x.numel(), _substep(s, np.ones(s.x.numel()))
    root, intensities = ca.sqrt(step.shared[1] / 6), ca.SX.sym("q", n)
    q = ca.diag(intensities)
    terms = ca.horzcat(root * step.second @ step.first @ q, 2 * root * step.second @ q, root * q)
    return ca.Function("noise_root", [*step.shared, intensities], [ca.densify(terms)])


def _correction(s: Symbols, rows: tuple[int, ...]) -> Any:
    """Return ``correct``; see `Compiled`."""
    n, count = s.x.numel(), len(rows)
    prior = ca.SX.sym("P", n, n)
    value, variance, present = (ca.SX.sym(name, count) for name in ("value", "variance", "present"))
    gate, linearised = ca.SX.sym("gate"), ca.SX.sym("at", n)
    z = s.solve(s.t, linearised, s.z, s.u, s.modes, s.p)[0]
    everything, derivative = s.quantities(s.t, linearised, z, s.u, s.modes, s.p)
    h = ca.densify(derivative[list(rows), :])
    predicted = ca.densify(everything[list(rows)] + h @ (s.x - linearised))
    innovation = value - predicted
    spreads = ca.vertcat(*[h[j, :] @ prior @ h[j, :].T for j in range(count)]) + variance
    accepted = ca.logic_and(present, innovation**2 <= gate * spreads)
    x, covariance, terms = s.x, prior, []
    for j in range(count):
        row = h[j, :]
        spread = row @ covariance @ row.T + variance[j]
        surprise = innovation[j] - row @ (x - s.x)
        gain = ca.if_else(accepted[j], 1.0, 0.0) * (covariance @ row.T) / spread
        x = x + gain * surprise
        keep = ca.SX.eye(n) - gain @ row
        covariance = keep @ covariance @ keep.T + variance[j] * gain @ gain.T
        terms.append(surprise**2 / spread)
    z = s.solve(s.t, x, z, s.u, s.modes, s.p)[0]
    return ca.Function(
        "correct",
        [s.t, s.x, linearised, s.z, s.u, s.modes, s.p, prior, value, variance, present, gate],
        [
            x,
            z,
            _symmetric(covariance),
            predicted,
            innovation,
            spreads,
            accepted,
            ca.vertcat(*terms),
        ],
    )
