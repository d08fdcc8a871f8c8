"""Keeping a mean within the declared bounds."""

from __future__ import annotations

import numpy as np

from twinkit.core.component import Array


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
