"""How unsure each predicted quantity is, and what that comes from: three sources that do not depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from twinkit.control.horizon import Horizon
from twinkit.control.prediction import Run, covariances, links
from twinkit.core.component import Array

Indices = npt.NDArray[np.intp]
ESTIMATE, FITTED, BEYOND = "the estimate", "what was fitted", "terms beyond their data"


@dataclass(frozen=True, eq=False)
class Deviations:
    """Standard deviations of all quantities at the nodes of a simulated plan, worked out when first looked at.

    Attributes
    ----------
    h, method, run, items
        The simulated plan.
    at
        How many sub-steps lie before each node; beyond `margin_growth` they count no more.
    count
        Number of quantities. The last of them may be inputs, which are certain; R leaves those out.
    rows
        Derivatives of the quantities in the vector at the nodes, ``(N + 1, R, n)``.
    direct
        Returns by how much each uncertain direction moves them while the vector stays, ``(N + 1, R, r)``; None: not at
        all.
    doubts
        From learned terms beyond their domain, ``(N + 1, R)``; None: there are none.
    """

    h: Horizon
    method: int
    run: Run
    items: Array
    at: Indices
    count: int
    rows: Array
    direct: Callable[[], Array | None]
    doubts: Array | None

    @cached_property
    def _known(self) -> bool:
        return bool(self.h.known.covariance.any() or self.h.known.noise.any())

    @cached_property
    def _links(self) -> tuple[Array, Array]:
        """Derivatives of the sub-steps, in the vector and in the uncertain directions (empty: there are none)."""
        count = int(self.at.max())
        items, first = self.items[:count], self.run.until(count)
        if self.h.uncertain is None:
            return links(self.h.predictor, self.method, first, items, self.h.shared), np.empty((count, 0, 0))
        return self.h.uncertain.links(self.method, first, items, self.h.shared)

    @cached_property
    def estimate(self) -> Array | None:
        """From the covariance of the estimate, ``(N + 1, R)``; None: it is taken to be exact."""
        if not self._known:
            return None
        known = self.h.known
        found = covariances(self._links[0], self.items, known.covariance, known.noise)
        every = np.concatenate([known.covariance[None], found])[self.at]
        return np.sqrt(np.maximum(np.einsum("kri,kij,krj->kr", self.rows, every, self.rows), 0.0))

    @cached_property
    def fitted(self) -> Array | None:
        """From uncertain parameters and learned terms, ``(N + 1, R)``; None: they are taken to be known."""
        uncertain = self.h.uncertain
        if uncertain is None:
            return None
        moved = np.concatenate([uncertain.begin[None], uncertain.carried(*self._links)])[self.at]
        direct = self.direct()
        found = self.rows @ moved if direct is None else self.rows @ moved + direct
        return np.sqrt(np.sum(found**2, axis=2))

    @cached_property
    def total(self) -> Array:
        """From all together, of all quantities, ``(N + 1, count)``."""
        found = None
        for part in (self.estimate, self.fitted, self.doubts):
            if part is not None:
                found = part if found is None else np.hypot(found, part)
        return self.padded(np.zeros(self.rows.shape[:2]) if found is None else found)

    def padded(self, part: Array) -> Array:
        """Return deviations with those of the inputs (none)."""
        return np.hstack([part, np.zeros((len(part), self.count - part.shape[1]))])

    def shares(self, node: int, row: int) -> tuple[tuple[str, float], ...]:
        """Return sources and their shares of the variance of one quantity at a node; empty where there is none."""
        parts = {ESTIMATE: self.estimate, FITTED: self.fitted, BEYOND: self.doubts}
        variances = {name: float(self.padded(p)[node, row]) ** 2 for name, p in parts.items() if p is not None}
        total = sum(variances.values())
        return tuple((name, v / total) for name, v in variances.items() if v > 0.0) if 0.0 < total < np.inf else ()
