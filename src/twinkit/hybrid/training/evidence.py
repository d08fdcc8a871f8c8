"""Hyperparameters of the learned terms, from the evidence of the linearised trajectories.

At the mode the predicted measurements are nearly linear in the values of the learned functions, whose prior is Gaussian;
their evidence is then that of a linear Gaussian model (Rasmussen & Williams 2006, equation 2.30, in the coordinates of
the functions instead of the data).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from twinkit.hybrid.training.coordinates import Coordinates
from twinkit.hybrid.training.observations import Observations
from twinkit.hybrid.training.posterior import Mode

Array = npt.NDArray[np.float64]


_STEP = 1e-6


def log_evidence(coordinates: Coordinates, normal: Array, right: Array) -> tuple[float, Array]:
    """Return the log evidence, up to what does not depend on the prior covariance, and its slope in the hyperparameters.

    Parameters
    ----------
    coordinates
        With the hyperparameters to judge.
    normal, right
        ``J^T R^-1 J`` and ``J^T R^-1 r`` of the linearised problem.
    """
    factor = coordinates.factor
    root = np.linalg.cholesky(np.eye(len(factor)) + factor.T @ normal @ factor)
    inverse = np.linalg.inv(root)
    half = inverse @ (factor.T @ right)
    value = 0.5 * float(half @ half) - float(np.sum(np.log(np.diag(root))))
    # In whitened coordinates the slope is 1/2 tr((m m^T + S - I) F^-1 dC F^-T), with mean m and covariance S.
    mean = inverse.T @ half
    spread = np.outer(mean, mean) + inverse.T @ inverse - np.eye(len(factor))
    slopes: list[float] = []
    for term, part, hyper in zip(coordinates.terms, coordinates.slices, coordinates.hyper, strict=True):
        own = np.linalg.inv(factor[part, part])
        inner = own.T @ spread[part, part] @ own
        for k in range(len(hyper)):
            ahead, behind = hyper.copy(), hyper.copy()
            ahead[k] += _STEP
            behind[k] -= _STEP
            change = (term.basis.covariance(ahead) - term.basis.covariance(behind)) / (2 * _STEP)
            slopes.append(0.5 * float(np.sum(inner * change)))
    return value, np.array(slopes)


def improved(coordinates: Coordinates, mode: Mode, data: Observations, std: Array, iterations: int = 25) -> Coordinates:
    """Return coordinates with more probable hyperparameters (those of the terms; the prior of each is log-normal)."""
    from scipy import optimize

    if not coordinates.terms:
        return coordinates
    rows = mode.jacobian / std[:, None]
    residual = (data.value - mode.predicted) / std + rows @ (mode.theta - coordinates.mean)
    normal, right = rows.T @ rows, rows.T @ residual
    guesses, spreads = zip(*(term.basis.hyper for term in coordinates.terms), strict=True)
    middle, spread = np.concatenate(guesses), np.concatenate(spreads)
    cuts = np.cumsum([len(guess) for guess in guesses])[:-1]

    def parts(flat: Array) -> Sequence[Array]:
        return np.split(flat, cuts)

    def loss(z: Array) -> tuple[float, Array]:
        try:
            value, slope = log_evidence(coordinates.with_hyper(parts(middle + spread * z)), normal, right)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(z)
        return -value + 0.5 * float(z @ z), z - spread * slope

    start = (np.concatenate(coordinates.hyper) - middle) / spread
    bounds = [(-4.0, 4.0)] * len(start)
    found = cast(
        "Any",
        optimize.minimize(
            loss, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": iterations, "ftol": 1e-6}
        ),
    )
    return coordinates.with_hyper(parts(middle + spread * found.x))
