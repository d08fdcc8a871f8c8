"""Where a learned term may be believed: how near its inputs are to those it was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

Array = npt.NDArray[np.float64]
_QUANTILE = 0.95
_ROOM = 1.2
_LEAST = 0.25  # of a standard deviation: dense data must not make the domain a dust of points


@dataclass(frozen=True, eq=False)
class Domain:
    """The inputs one term saw, with the distance beyond which a new input is foreign.

    Attributes
    ----------
    inputs
        Inputs seen, ``(samples, inputs)``.
    batch
        The batch each came from.
    """

    inputs: Array
    batch: npt.NDArray[np.int_]

    @property
    def spread(self) -> Array:
        """Scale of each input."""
        spread = self.inputs.std(axis=0)
        return np.where(spread > 1e-12 * (1.0 + np.abs(self.inputs.mean(axis=0))), spread, 1.0)

    @property
    def limit(self) -> float:
        """Largest distance, in standard deviations, to the nearest input of *another* batch that is ordinary."""
        scaled = self.inputs / self.spread
        distances = [
            KDTree(scaled[self.batch != one]).query(scaled[self.batch == one])[0]
            for one in np.unique(self.batch)
            if np.any(self.batch != one)
        ]
        if not distances:
            return 2.0 * _LEAST
        return max(_LEAST, _ROOM * float(np.quantile(np.concatenate(distances), _QUANTILE)))

    def distance(self, x: Array) -> Array:
        """Return the distance of inputs ``(n, inputs)`` to the nearest one seen, in units of the limit."""
        found = np.full(len(x), np.inf)
        finite = np.all(np.isfinite(x), axis=1)
        if finite.any():
            found[finite] = KDTree(self.inputs / self.spread).query(x[finite] / self.spread)[0]
        return found / self.limit

    def holds(self, x: Array) -> npt.NDArray[np.bool_]:
        """Say which inputs are near enough to what was seen."""
        return self.distance(x) <= 1.0
