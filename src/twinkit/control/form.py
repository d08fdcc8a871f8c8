"""The form of the quadratic programmes of a plan: which variables and rows there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twinkit.control.functions import Functions
from twinkit.core.component import Array


@dataclass(frozen=True, eq=False)
class Form:
    """Which variables and rows the quadratic programmes of a plan have.

    Attributes
    ----------
    remembered
        Controls whose last value matters.
    limited
        Controls with a limited rate.
    slacked
        Quantities with soft limits.
    rows
        Limits as rows: the quantity, whether at the end of a step, its slack (-1: none), the sign of the slack.
    begun
        Whether each quantity is limited where steps start too: it changes at once with a control.
    spreads
        Per step, what takes the variables of the programme to states and applied controls, scaled.
    """

    remembered: list[int]
    limited: list[int]
    slacked: list[int]
    rows: list[tuple[int, bool, int, float]]
    begun: npt.NDArray[np.bool_]
    spreads: Array


def form_of(
    rate: Array, penalty: Array, free: npt.NDArray[np.bool_], low: Array, high: Array, soft: Array, f: Functions,
    at_end: npt.NDArray[np.bool_],
) -> Form:  # fmt: skip
    """Return the form for what a `Task` has under the same names; `at_end`: quantities that are limited there only."""
    limited = np.isfinite(rate).any(axis=0)
    remembered = np.flatnonzero(limited | (penalty > 0.0) | ~free.all(axis=0)).tolist()
    below, above = (np.flatnonzero(np.isfinite(side).any(axis=0)).tolist() for side in (low, high))
    bounded = sorted({*below, *above})
    slacked = [r for r in bounded if np.isfinite(soft[r])]
    rows: list[tuple[int, bool, int, float]] = []
    begun = np.array(f.direct, dtype=bool) & ~at_end
    for ends in (True, False):
        for r in bounded:
            if not (ends or begun[r]):
                continue
            if r not in slacked:
                rows.append((r, ends, -1, 0.0))
                continue
            if r in above:
                rows.append((r, ends, slacked.index(r), -1.0))
            if r in below:
                rows.append((r, ends, slacked.index(r), 1.0))
    spreads = _spreads(free, remembered, f.states, len(slacked))
    return Form(remembered, np.flatnonzero(limited).tolist(), slacked, rows, begun, spreads)


def _spreads(free: npt.NDArray[np.bool_], remembered: list[int], n: int, slacks: int) -> Array:
    count, c = free.shape
    head = n + len(remembered)
    found = np.zeros((count, n + c, head + c + slacks))
    found[:, range(n), range(n)] = 1.0
    for j in range(c):
        found[:, n + j, head + j] = free[:, j]
        if j in remembered:
            found[:, n + j, n + remembered.index(j)] = ~free[:, j]
    return found
