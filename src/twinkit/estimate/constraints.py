"""Keeping an estimate within the declared bounds: projection of the mean, truncation of the Gaussian, or nothing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from twinkit.core.component import Array

_FAR = 38.0  # standard deviations beyond which a bound cuts nothing off in double precision


class Constraint(ABC):
    """How an estimate is kept within the declared bounds of states and parameters."""

    @abstractmethod
    def placed(self, x: Array, covariance: Array, low: Array, high: Array) -> Array:
        """Return a mean within its bounds, as far as this choice asks; the covariance is left as it is."""

    def corrected(self, x: Array, covariance: Array, low: Array, high: Array) -> tuple[Array, Array]:
        """Return mean and covariance after readings were taken in."""
        return self.placed(x, covariance, low, high), covariance

    def members(self, points: Array, low: Array, high: Array) -> Array:
        """Return points ``(n, count)``, each within the bounds."""
        return np.clip(points, low[:, None], high[:, None])


@dataclass(frozen=True)
class Projection(Constraint):
    """Project the mean onto the bounds in the metric of the covariance, and leave the covariance as it is [1]_.

    It errs on the side of caution: what the bound says about the spread is not used.

    References
    ----------
    .. [1] D. Simon, Kalman filtering with state constraints: a survey of linear and nonlinear algorithms, IET Control
       Theory & Applications 4 (2010) 1303-1318, section 2.4 (estimate projection). doi:10.1049/iet-cta.2009.0032
    """

    def placed(self, x: Array, covariance: Array, low: Array, high: Array) -> Array:
        """Return the mean projected onto its bounds."""
        return within_bounds(x, covariance, low, high)


@dataclass(frozen=True)
class Truncation(Constraint):
    """Cut the Gaussian off at the bounds after every correction, and go on with the mean and covariance of the rest.

    One quantity after the other is cut to its bounds; the others follow as their correlation with it says [1]_. Between
    readings the mean alone is kept within the bounds, so that time alone does not narrow the covariance.

    References
    ----------
    .. [1] D. Simon, D. L. Simon, Constrained Kalman filtering via density function truncation for turbofan engine
       health estimation, International Journal of Systems Science 41 (2010) 159-171. doi:10.1080/00207720903042970
    """

    def placed(self, x: Array, covariance: Array, low: Array, high: Array) -> Array:
        """Return the mean projected onto its bounds."""
        return within_bounds(x, covariance, low, high)

    def corrected(self, x: Array, covariance: Array, low: Array, high: Array) -> tuple[Array, Array]:
        """Return mean and covariance of the truncated Gaussian."""
        x, covariance = x.copy(), covariance.copy()
        for k in range(len(x)):
            spread = math.sqrt(max(covariance[k, k], 0.0))
            if spread < 1e-150:
                continue
            mean, variance = truncated((low[k] - x[k]) / spread, (high[k] - x[k]) / spread)
            if mean == 0.0 and variance == 1.0:
                continue
            gain = covariance[:, k] / covariance[k, k]
            x += gain * (mean * spread)
            covariance += np.outer(gain, gain) * ((variance - 1.0) * spread**2)
        return within_bounds(x, covariance, low, high), covariance


@dataclass(frozen=True)
class Unbounded(Constraint):
    """Do not look at the bounds: the plain filter of the textbook, which may go negative."""

    def placed(self, x: Array, covariance: Array, low: Array, high: Array) -> Array:
        """Return the mean as it is."""
        del covariance, low, high
        return x

    def members(self, points: Array, low: Array, high: Array) -> Array:
        """Return the points as they are."""
        del low, high
        return points


def truncated(low: float, high: float) -> tuple[float, float]:
    """Return mean and variance of a standard normal variable cut to an interval.

    Examples
    --------
    >>> mean, variance = truncated(0.0, float("inf"))
    >>> print(f"{mean:.4f} {variance:.4f}")
    0.7979 0.3634
    """
    from scipy.special import log_ndtr

    if low < -_FAR and high > _FAR:
        return 0.0, 1.0
    if low + high < 0:  # the nearer bound below
        mean, variance = truncated(-high, -low)
        return -mean, variance
    if high > _FAR:  # one bound
        if low > 25.0:  # the series of Mill's ratio: differences of the closed form cancel
            square = 1.0 / (low * low)
            mean = low + (1.0 - square * (2.0 - 10.0 * square)) / low
            return mean, square * (1.0 - square * (6.0 - 50.0 * square))
        hazard = math.exp(-0.5 * low * low - 0.5 * math.log(2 * math.pi) - float(log_ndtr(-low)))
        return hazard, max(1.0 + low * hazard - hazard * hazard, 0.0)
    return _between(low, high)


def _between(low: float, high: float) -> tuple[float, float]:
    """Return the moments between two bounds by Gauss-Legendre quadrature, where nothing cancels."""
    # Beyond so much from the nearest point to zero, the density has fallen by exp(-30).
    near = max(low, 0.0)
    high = min(high, near + 30.0 / max(near, 4.0))
    nodes, weights = np.polynomial.legendre.leggauss(80)
    low = max(low, -8.0)
    points = 0.5 * (high - low) * nodes + 0.5 * (high + low)
    weights = weights * np.exp(-0.5 * (points - near) * (points + near))
    total = weights.sum()
    mean = float(weights @ points / total)
    return mean, float(weights @ (points - mean) ** 2 / total)


def within_bounds(x: Array, covariance: Array, low: Array, high: Array) -> Array:
    """Return the mean projected onto its bounds in the metric of the covariance.

    Each violated bound in turn is treated as known to hold with equality: the others move as their correlation with it
    says, and those already on a bound stay there.
    """
    if (x >= low).all() and (x <= high).all():
        return x
    x, p = x.copy(), covariance.copy()
    for _ in range(len(x)):
        beyond = np.maximum(low - x, x - high)
        reach = np.where(np.diag(p) > 1e-300, beyond / np.sqrt(np.maximum(np.diag(p), 1e-300)), -np.inf)
        k = int(np.argmax(reach))
        if reach[k] <= 0:
            break
        bound = low[k] if x[k] < low[k] else high[k]
        gain = p[:, k] / p[k, k]
        x = x + gain * (bound - x[k])
        x[k] = bound
        p = p - np.outer(gain, p[k, :])
        p[k, :] = p[:, k] = 0.0
    return np.clip(x, low, high)
