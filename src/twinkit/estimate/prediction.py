"""One sub-step of a prediction as CasADi expressions: of controlled accuracy, or of given length.

Of controlled accuracy: two half steps of the classical Runge-Kutta method for the mean, together with the derivative of
that very map (the discrete variational equation), ``A = A2 A1``. The noise is integrated by Simpson's rule,
``Qd = h/6 (A Q A' + 4 A2 Q A2' + Q)``, and ``P+ = A P A' + Qd``: a sum of congruences, so `P` stays positive
semidefinite whatever the step. One full step beside the two half steps gives the local error, of the mean and of `A`:
at rest the mean has none, however wrong `A` is.

Of given length: one step of the same method, with ``A2`` from the Jacobians of its last two stages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import casadi as ca

from twinkit.core.component import Array
from twinkit.estimate.symbols import symmetric
from twinkit.optimise import Augmented


@dataclass(frozen=True)
class Step:
    """The expressions of one sub-step.

    Attributes
    ----------
    arguments
        ``t, h, x, z, c, modes, p``.
    end, z
        State and algebraic variables at its end.
    whole, second
        Tangent maps from its begin and from its middle to its end.
    error
        Local error, or for a sub-step of given length what Newton's method left.
    spread_error
        Local error of `whole`, which counts less: see `_SPREAD`.
    """

    arguments: list[Any]
    end: Any
    z: Any
    whole: Any
    second: Any
    error: Any
    spread_error: Any

    @property
    def kind(self) -> Any:
        """The class of the symbols, SX or MX."""
        return type(self.arguments[0])


_SPREAD = 1e-2  # a covariance need not be as accurate as a mean: 1e-4 where that has 1e-6


def _runge_kutta(
    s: Augmented, c: Any, offset: Any, width: Any, x: Any, z: Any, residual: Any
) -> tuple[Any, Any, Any, Any, list[Any]]:
    """Return state, tangent map, algebraic variables, Newton's residual and the Jacobians of the four stages."""
    eye = s.kind.eye(s.x.numel())
    slopes, maps, jacobians = [], [], []
    for part in (0.0, 0.5, 0.5, 1.0):
        shift = part * width
        at = x + shift * slopes[-1] if slopes else x
        u = inputs_at(c, offset + shift)
        z, size = s.solve(s.t + offset + shift, at, z, u, s.modes, s.p)
        dx, jacobian = s.slope(s.t + offset + shift, at, z, u, s.modes, s.p)
        maps.append(jacobian @ (eye + shift * maps[-1]) if maps else jacobian)
        slopes.append(dx)
        jacobians.append(jacobian)
        residual = ca.fmax(residual, size)
    weights = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
    x = x + width * sum(w * k for w, k in zip(weights, slopes, strict=True))
    return x, eye + width * sum(w * k for w, k in zip(weights, maps, strict=True)), z, residual, jacobians


def inputs_at(c: Any, offset: Any) -> Any:
    """Return the inputs a time after the sub-step's begin, from their coefficients ``(inputs, 4)``."""
    return c[:, 0] + offset * (c[:, 1] + offset * (c[:, 2] + offset * c[:, 3]))


def controlled(s: Augmented, scales: Array) -> Step:
    """Return a sub-step with its local error."""
    h, c = s.kind.sym("h"), s.kind.sym("c", s.u.numel(), 4)
    half = 0.5 * h
    middle, first, z, residual, _ = _runge_kutta(s, c, 0.0, half, s.x, s.z, s.kind(0))
    end, second, z, residual, _ = _runge_kutta(s, c, half, half, middle, z, residual)
    coarse, rough, _, residual, _ = _runge_kutta(s, c, 0.0, h, s.x, s.z, residual)
    whole = second @ first
    local = (end - coarse) / (15.0 * (ca.DM(scales) + ca.fabs(end)))
    error = ca.fmax(ca.norm_inf(local), residual)
    z = s.solve(s.t + h, end, z, inputs_at(c, h), s.modes, s.p)[0]
    nominal = ca.DM(scales)
    off = (ca.fabs(whole - rough) @ nominal) / (15.0 * (nominal + ca.fabs(whole) @ nominal))
    spread_error = _SPREAD * ca.norm_inf(off)
    return Step([s.t, h, s.x, s.z, c, s.modes, s.p], end, z, whole, second, error, spread_error)


def fixed(s: Augmented) -> Step:
    """Return a sub-step of given length; half the work of a controlled one."""
    h, c = s.kind.sym("h"), s.kind.sym("c", s.u.numel(), 4)
    end, whole, z, residual, jacobians = _runge_kutta(s, c, 0.0, h, s.x, s.z, s.kind(0))
    eye = s.kind.eye(s.x.numel())
    second = eye + h / 4 * (jacobians[2] + jacobians[3] @ (eye + h / 2 * jacobians[2]))
    z = s.solve(s.t + h, end, z, inputs_at(c, h), s.modes, s.p)[0]
    return Step([s.t, h, s.x, s.z, c, s.modes, s.p], end, z, whole, second, residual, s.kind(0))


def propagate(step: Step) -> Any:
    """Return the function ``(..., P, q) -> (x, z, P, error)``; `q` are variances per time."""
    n, h = step.end.numel(), step.arguments[1]
    covariance, intensity = step.kind.sym("P", n, n), step.kind.sym("q", n)
    q = ca.diag(intensity)
    noise = h / 6 * (step.whole @ q @ step.whole.T + 4 * step.second @ q @ step.second.T + q)
    after = step.whole @ covariance @ step.whole.T + noise
    results = [step.end, step.z, symmetric(after), ca.fmax(step.error, step.spread_error)]
    return ca.Function("propagate", [*step.arguments, covariance, intensity], results)


def flow(step: Step) -> Any:
    """Return the function ``(...) -> (x, z, error)``."""
    return ca.Function("flow", step.arguments, [step.end, step.z, step.error])


def tangent(step: Step) -> Any:
    """Return the function ``(...) -> (x, z, A, error)`` with the tangent map of the sub-step."""
    error = ca.fmax(step.error, step.spread_error)
    return ca.Function("tangent", step.arguments, [step.end, step.z, ca.densify(step.whole), error])


def noise_root(step: Step) -> Any:
    """Return the function ``(..., intensities) -> (G, error)``: the terms of Simpson's rule as factors side by side."""
    root, intensities = ca.sqrt(step.arguments[1] / 6), step.kind.sym("q", step.end.numel())
    q = ca.diag(intensities)
    terms = ca.horzcat(root * step.whole @ q, 2 * root * step.second @ q, root * q)
    return ca.Function("noise_root", [*step.arguments, intensities], [ca.densify(terms), step.spread_error])
