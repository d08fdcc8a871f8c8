"""Maximum posterior by Gauss-Newton on whole trajectories, and the Gaussian around it (Laplace)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twinkit.hybrid.training.coordinates import Coordinates
from twinkit.hybrid.training.observations import Observations
from twinkit.hybrid.training.trajectories import Predictor, stacked

Array = npt.NDArray[np.float64]
_MAX_DAMPING = 1e8


@dataclass(frozen=True, eq=False)
class Mode:
    """The most probable learned vector.

    Attributes
    ----------
    theta
        The vector.
    predicted, jacobian
        Of the rows of the data.
    cost
        Minus the logarithm of the posterior, up to a constant.
    """

    theta: Array
    predicted: Array
    jacobian: Array
    cost: float


def cost_of(data: Observations, predicted: Array, std: Array, whitened: Array) -> float:
    """Return half the sum of squares of scaled errors and of whitened coordinates; infinite where a run failed."""
    errors = (data.value - predicted) / std
    total = 0.5 * float(errors @ errors) + 0.5 * float(whitened @ whitened)
    return total if np.isfinite(total) else np.inf


def find_mode(
    predictor: Predictor,
    data: Observations,
    coordinates: Coordinates,
    theta: Array,
    std: Array,
    *,
    iterations: int,
    moving: npt.NDArray[np.bool_] | None = None,
    tolerance: float = 1e-3,
    tick: Callable[[], object] = lambda: None,
) -> Mode:
    """Minimise by Levenberg-Marquardt in whitened coordinates, within the bounds of the parameters.

    A parameter at its bound that would leave it is held for that step (projected Gauss-Newton: Bertsekas 1982,
    doi:10.1137/0320018).

    Parameters
    ----------
    predictor, data, coordinates
        What is predicted, measured and learned.
    theta
        Start.
    std
        Standard deviations of the rows, held.
    iterations
        Limit of accepted steps.
    moving
        Which coordinates may move (None: all).
    tolerance
        Relative decrease of the cost below which it stops.
    tick
        Called after every step.
    """
    factor, mean = coordinates.factor, coordinates.mean
    chosen = np.arange(len(mean)) if moving is None else np.flatnonzero(moving)
    whitened: Array = np.asarray(np.linalg.solve(factor, theta - mean), dtype=np.float64)
    # Only parameters of the mechanism have bounds, and their block of the prior is diagonal.
    low, high = ((end - mean) / np.diag(factor) for end in coordinates.limits)

    def at(v: Array) -> Mode:
        candidate = mean + factor @ v
        values, rows = stacked(predictor(coordinates, candidate), data)
        return Mode(candidate, values, rows, cost_of(data, values, std, v))

    best = at(whitened)
    damping = 1e-3 if np.isfinite(best.cost) else 1.0
    for _ in range(iterations if len(chosen) else 0):
        rows = best.jacobian @ factor / std[:, None]
        errors = (data.value - best.predicted) / std
        slope = rows.T @ errors - whitened
        held = ((whitened <= low) & (slope < 0)) | ((whitened >= high) & (slope > 0))
        inner = chosen[~held[chosen]]
        rows, gradient = rows[:, inner], slope[inner]
        normal = rows.T @ rows + np.eye(len(inner))
        before, growth = best.cost, 2.0
        while damping < _MAX_DAMPING:
            step = np.zeros(len(mean))
            weight = damping * np.diag(normal)
            step[inner] = np.linalg.solve(normal + np.diag(weight), gradient)
            step = np.clip(whitened + step, low, high) - whitened
            trial = at(whitened + step)
            tick()
            expected = 0.5 * float(step[inner] @ (weight * step[inner] + gradient))
            gain = (best.cost - trial.cost) / expected if np.isfinite(best.cost) and expected > 0 else 1.0
            if trial.cost < best.cost:
                best, whitened = trial, whitened + step
                # Nielsen's rule: damping follows how well the quadratic model foretold the gain.
                damping = max(damping * max(1.0 / 5.0, 1.0 - (2.0 * gain - 1.0) ** 3), 1e-9)
                break
            damping, growth = damping * growth, 2.0 * growth
        else:
            break
        if before - best.cost < tolerance * (1.0 + best.cost):
            break
    return best


def covariance_factor(mode: Mode, coordinates: Coordinates, std: Array) -> Array:
    """Return a square root of the posterior covariance of the learned vector (Gauss-Newton Hessian)."""
    rows = mode.jacobian @ coordinates.factor / std[:, None]
    precision = np.linalg.cholesky(np.eye(rows.shape[1]) + rows.T @ rows)
    return coordinates.factor @ np.linalg.inv(precision).T
