"""Measurement noise, estimated with everything else: a relative and an absolute part for every tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from twinkit.hybrid.training.observations import Observations

Array = npt.NDArray[np.float64]
_REL, _ABS = 0.05, 0.01  # prior medians: 5 % of the value, 1 % of the range
_REL_SPREAD, _ABS_SPREAD = 1.0, 1.5  # and standard deviations of their logarithms


@dataclass(frozen=True, eq=False)
class Noise:
    """Standard deviation ``sqrt((relative y)^2 + absolute^2)`` of each tag.

    Attributes
    ----------
    relative, absolute
        By tag; the absolute part is in the tag's unit.
    """

    relative: Array
    absolute: Array

    @classmethod
    def guess(cls, data: Observations) -> Noise:
        """Return a cautious first guess."""
        return cls(np.full(len(data.tags), 0.1), 0.05 * data.ranges)

    def of(self, data: Observations, predicted: Array) -> Array:
        """Return the standard deviation of every row; one that the instrument gave is kept."""
        own = np.sqrt((self.relative[data.tag] * predicted) ** 2 + self.absolute[data.tag] ** 2)
        return np.where(np.isfinite(data.std), data.std, own)

    def updated(self, data: Observations, predicted: Array, expected_squares: Array) -> Noise:
        """Return the most probable noise, given the expected squares of the errors (a step of EM)."""
        from scipy import optimize

        relative, absolute = self.relative.copy(), self.absolute.copy()
        for k in range(len(data.tags)):
            rows = (data.tag == k) & ~np.isfinite(data.std)
            if not rows.any():
                continue
            square, size = expected_squares[rows], predicted[rows] ** 2
            middle = np.array([np.log(_REL), np.log(_ABS * data.ranges[k])])

            def loss(logs: Array, square: Array = square, size: Array = size, middle: Array = middle) -> float:
                variance = np.exp(2 * logs[0]) * size + np.exp(2 * logs[1])
                prior = (logs - middle) / np.array([_REL_SPREAD, _ABS_SPREAD])
                return float(0.5 * np.sum(np.log(variance) + square / variance) + 0.5 * np.sum(prior**2))

            start = np.log([relative[k], absolute[k]])
            found = cast("Array", optimize.minimize(loss, start, method="Nelder-Mead", options={"maxiter": 200}).x)
            relative[k], absolute[k] = np.exp(np.clip(found, -20.0, 20.0 + np.log(data.ranges[k])))
        return Noise(relative, absolute)
