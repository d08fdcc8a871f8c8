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
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core import Model
from twinkit.core.component import Array
from twinkit.estimate.uncertain import Plan
from twinkit.optimise import Augmented, augmented
from twinkit.readings.casadi import SYMBOLIC


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
        ``(t, x, z, u, modes, p, P, value, variance, present, gate) -> (x, z, P, predicted, innovation, its
        variance, accepted, nis terms)``.
    look
        ``(t, x, z, u, modes, p) -> (values, derivatives)`` of all states, algebraic variables and outputs.
    """

    propagate: Fast
    flow: Any
    correct: Fast
    look: Any
    fast_look: Fast

    @cached_property
    def transition(self) -> Fast:
        """``(t, h, x, z, c, modes, p) -> (A,)``: the derivative of one sub-step, for smoothing; made when used."""
        with SYMBOLIC:
            arguments = self.flow.sx_in()
            end = self.flow(*arguments)[0]
            a = ca.densify(ca.jacobian(end, arguments[2]))
            return Fast(ca.Function("transition", arguments, [a]), 0)


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
            found = _known[key] = Compiled(Fast(propagate, 2), flow, Fast(_correction(s, rows), 2), look, Fast(look, 1))
        return found


def _symbols(model: Model, plan: Plan) -> Augmented:
    """Return the model on the vector that is estimated."""
    return augmented(model, plan.chosen, plan.disturbances)


def _symmetric(matrix: Any) -> Any:
    """Return a matrix that is symmetric but for rounding, exactly so; only its lower half is computed."""
    return ca.densify(ca.tril2symm(ca.tril(ca.densify(matrix))))


def _look(s: Augmented) -> Any:
    """Return ``look``; see `Compiled`."""
    z = s.solve(s.t, s.x, s.z, s.u, s.modes, s.p)[0]
    found = s.quantities(s.t, s.x, z, s.u, s.modes, s.p)
    return ca.Function("look", [s.t, s.x, s.z, s.u, s.modes, s.p], [ca.densify(part) for part in found])


def _prediction(s: Augmented, scales: Array) -> tuple[Any, Any]:
    """Return ``propagate`` and ``flow``; see `Compiled`."""
    n, inputs = s.x.numel(), s.u.numel()
    h, c = ca.SX.sym("h"), ca.SX.sym("c", inputs, 4)
    covariance, intensity = ca.SX.sym("P", n, n), ca.SX.sym("q", n)

    def stage(offset: Any, x: Any, z: Any) -> tuple[Any, Any, Any, Any]:
        u = c[:, 0] + offset * (c[:, 1] + offset * (c[:, 2] + offset * c[:, 3]))
        at = s.t + offset
        z, size = s.solve(at, x, z, u, s.modes, s.p)
        dx, jacobian = s.slope(at, x, z, u, s.modes, s.p)
        return dx, jacobian, z, size

    def runge_kutta(offset: Any, width: Any, x: Any, z: Any, residual: Any) -> tuple[Any, Any, Any, Any]:
        eye = ca.SX.eye(n)
        slopes, maps = [], []
        for part in (0.0, 0.5, 0.5, 1.0):
            shift = part * width
            at = x + shift * slopes[-1] if slopes else x
            dx, jacobian, z, size = stage(offset + shift, at, z)
            maps.append(jacobian @ (eye + shift * maps[-1]) if maps else jacobian)
            slopes.append(dx)
            residual = ca.fmax(residual, size)
        weights = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
        x = x + width * sum(w * k for w, k in zip(weights, slopes, strict=True))
        return x, eye + width * sum(w * k for w, k in zip(weights, maps, strict=True)), z, residual

    half = 0.5 * h
    middle, first, z, residual = runge_kutta(0.0, half, s.x, s.z, ca.SX(0))
    end, second, z, residual = runge_kutta(half, half, middle, z, residual)
    coarse, _, _, residual = runge_kutta(0.0, h, s.x, s.z, residual)
    local = (end - coarse) / (15.0 * (ca.DM(scales) + ca.fabs(end)))
    error = ca.fmax(ca.norm_inf(local), residual)
    u_end = c[:, 0] + h * (c[:, 1] + h * (c[:, 2] + h * c[:, 3]))
    z = s.solve(s.t + h, end, z, u_end, s.modes, s.p)[0]
    a, q = second @ first, ca.diag(intensity)
    noise = h / 6 * (a @ q @ a.T + 4 * second @ q @ second.T + q)
    after = a @ covariance @ a.T + noise
    shared = [s.t, h, s.x, s.z, c, s.modes, s.p]
    propagate = ca.Function("propagate", [*shared, covariance, intensity], [end, z, _symmetric(after), error])
    return propagate, ca.Function("flow", shared, [end, z, error])


def _correction(s: Augmented, rows: tuple[int, ...]) -> Any:
    """Return ``correct``; see `Compiled`."""
    n, count = s.x.numel(), len(rows)
    prior = ca.SX.sym("P", n, n)
    value, variance, present = (ca.SX.sym(name, count) for name in ("value", "variance", "present"))
    gate = ca.SX.sym("gate")
    z = s.solve(s.t, s.x, s.z, s.u, s.modes, s.p)[0]
    everything, derivative = s.quantities(s.t, s.x, z, s.u, s.modes, s.p)
    predicted, h = ca.densify(everything[list(rows), 0]), ca.densify(derivative[list(rows), :])
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
        [s.t, s.x, s.z, s.u, s.modes, s.p, prior, value, variance, present, gate],
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
