"""What residuals cost, in standard deviations: squares, or less than squares for those beyond a limit (`Huber`)."""

from __future__ import annotations

import numpy as np

from twinkit.core.component import Array


def weights(residuals: Array, limits: Array) -> Array:
    """Return by how much each squared residual counts, so that its square touches the loss from above."""
    size = np.abs(residuals)
    return np.where(size > limits, limits / np.maximum(size, 1e-300), 1.0)


def costs(residuals: Array, limits: Array) -> Array:
    """Return the losses."""
    size = np.abs(residuals)
    far = np.where(np.isfinite(limits), limits, 0.0)
    return np.where(size > limits, far * (size - 0.5 * far), 0.5 * residuals**2)
