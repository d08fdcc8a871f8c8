"""Hyperparameters of the learned terms, from the evidence of the linearised trajectories.

At the mode predicted measurements are nearly linear in the values of the learned functions, whose prior is Gaussian;
their evidence is then that of a linear Gaussian model (Rasmussen & Williams 2006, equation 2.30, in the coordinates of
the functions instead of the data).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from twinkit.hybrid.training.coordinates import Coordinates
from twinkit.hybrid.training.observations import Observations
from twinkit.hybrid.training.posterior import Mode

Array = npt.NDArray[np.float64]


_STEP = 1e-6
_FAR = 4.0  # prior standard deviations: farther out no hyperparameter goes


def log_evidence(coordinates: Coordinates, normal: Array, right: Array) -> tuple[float, Array]:
    """Return the log evidence, but for what does not depend on the prior, and its slope in the hyperparameters.

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


@dataclass(frozen=True, eq=False)
class _Linearised:
    """The evidence as a function of scaled hyperparameters ``z`` (each has a standard normal prior)."""

    coordinates: Coordinates
    normal: Array
    right: Array
    middle: Array
    spread: Array

    @classmethod
    def at(cls, coordinates: Coordinates, mode: Mode, data: Observations, std: Array) -> _Linearised:
        rows = mode.jacobian / std[:, None]
        residual = (data.value - mode.predicted) / std + rows @ (mode.theta - coordinates.mean)
        guesses, spreads = zip(*(term.basis.hyper for term in coordinates.terms), strict=True)
        return cls(coordinates, rows.T @ rows, rows.T @ residual, np.concatenate(guesses), np.concatenate(spreads))

    @property
    def start(self) -> Array:
        return (np.concatenate(self.coordinates.hyper) - self.middle) / self.spread

    def with_hyper(self, z: Array) -> Coordinates:
        cuts = np.cumsum([len(hyper) for hyper in self.coordinates.hyper])[:-1]
        return self.coordinates.with_hyper(np.split(self.middle + self.spread * z, cuts))

    def loss(self, z: Array) -> tuple[float, Array]:
        """Return minus the log posterior of hyperparameters, and its slope."""
        try:
            value, slope = log_evidence(self.with_hyper(z), self.normal, self.right)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(z)
        return -value + 0.5 * float(z @ z), z - self.spread * slope

    def posterior(self, z: Array) -> tuple[Array, Array]:
        """Return mean and covariance of what is learned, given hyperparameters."""
        found = self.with_hyper(z)
        factor = found.factor
        root = np.linalg.inv(np.linalg.cholesky(np.eye(len(factor)) + factor.T @ self.normal @ factor))
        half = factor @ root.T
        return found.mean + half @ (half.T @ self.right), half @ half.T


def improved(coordinates: Coordinates, mode: Mode, data: Observations, std: Array, iterations: int = 25) -> Coordinates:
    """Return coordinates with more probable hyperparameters (those of the terms; the prior of each is log-normal)."""
    from scipy import optimize

    if not coordinates.terms:
        return coordinates
    linear = _Linearised.at(coordinates, mode, data, std)
    bounds = [(-_FAR, _FAR)] * len(linear.start)
    options = {"maxiter": iterations, "ftol": 1e-6}
    found = cast(
        "Any", optimize.minimize(linear.loss, linear.start, method="L-BFGS-B", jac=True, bounds=bounds, options=options)
    )
    return linear.with_hyper(found.x)


def widened(coordinates: Coordinates, mode: Mode, data: Observations, std: Array, factor: Array) -> Array:
    """Return a square root of the posterior covariance that counts what is not known of the hyperparameters.

    Their own posterior is taken as Gaussian about its mode; mean and covariance of what is learned are gathered at its
    sigma points, and the scatter of the means is added to the mean of the covariances (law of total covariance).
    """
    if not coordinates.terms:
        return factor
    linear = _Linearised.at(coordinates, mode, data, std)
    z, size = linear.start, len(linear.start)
    free = linear.spread > 1e-3
    hessian = np.eye(size)
    for k in np.flatnonzero(free):
        step = np.zeros(size)
        step[k] = 1e-3
        hessian[k] = (linear.loss(z + step)[1] - linear.loss(z - step)[1]) / 2e-3
    hessian = 0.5 * (hessian + hessian.T)
    values, vectors = np.linalg.eigh(hessian)
    # The prior alone has curvature 1; where the evidence is flat or concave, no more spread than the prior's is taken.
    reach = np.sqrt(size) * vectors / np.sqrt(np.maximum(values, 1.0))
    center, covariance = linear.posterior(z)
    gathered = np.zeros_like(covariance)
    for point in np.clip(np.concatenate([z + reach.T, z - reach.T]), -_FAR, _FAR):
        mean, spread = linear.posterior(point)
        gathered += spread + np.outer(mean - center, mean - center)
    values, vectors = np.linalg.eigh(gathered / (2 * size))
    return vectors * np.sqrt(np.maximum(values, 0.0))
