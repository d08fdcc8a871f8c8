"""Second derivatives as differences of first ones, for equations that can only be called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinkit.core.component import Array
from twinkit.optimise import Points

_EXACT, _ROUGH = 1e-5, 1e-3  # of magnitude plus scale: steps where first derivatives are exact, and where they are not


@dataclass(frozen=True, eq=False)
class Differences:
    """Second derivatives of a weighted sum of results, by central differences; it is called like `Points`.

    An item is one of `first`, whatever else `Points` would be given, and the weights of the results; the result is
    the matrix, by columns.

    Attributes
    ----------
    first
        Results with their first derivatives; these are the last of what it returns.
    width, begin
        Length of its items, and where in them the variables begin.
    scale
        Magnitudes of the variables, ``(n,)``.
    results, at
        Number of results, and where in what `first` returns their first derivatives begin.
    by_columns
        Whether the first derivatives are given by columns; otherwise by rows.
    exact
        Whether these are exact, not differences themselves.
    """

    first: Points
    width: int
    begin: int
    scale: Array
    results: int
    at: int
    by_columns: bool
    exact: bool

    def __call__(self, items: Array, shared: Array) -> Array:
        """Return the second derivatives, one row per row of `items`."""
        size, count = len(self.scale), len(items)
        base, weights = items[:, : self.width], items[:, items.shape[1] - self.results :]
        if not weights.any():
            return np.zeros((count, size * size))
        own = slice(self.begin, self.begin + size)
        steps = (_EXACT if self.exact else _ROUGH) * (np.abs(base[:, own]) + self.scale)
        sides = np.concatenate([np.eye(size), -np.eye(size)])
        moved = np.tile(base, (2 * size, 1, 1))
        moved[:, :, own] += sides[:, None] * steps
        found = self.first(moved.reshape(-1, self.width), shared)[:, self.at : self.at + self.results * size]
        if self.by_columns:
            slopes = found.reshape(2, size, count, size, self.results) @ weights[:, :, None]
        else:
            slopes = (weights[:, None] @ found.reshape(2, size, count, self.results, size)).swapaxes(-1, -2)
        matrix = ((slopes[0] - slopes[1])[..., 0] / (2.0 * steps.T[:, :, None])).transpose(1, 0, 2)
        return 0.5 * (matrix + matrix.transpose(0, 2, 1)).reshape(count, -1)
