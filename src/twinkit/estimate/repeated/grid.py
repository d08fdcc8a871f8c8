"""The sub-steps between the times of a record, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core import InvalidValueError
from twinkit.core.component import Array
from twinkit.core.units import as_array
from twinkit.estimate.inputs import Inputs
from twinkit.estimate.steps import even

if TYPE_CHECKING:
    from twinkit.estimate.filter import Filter


@dataclass(frozen=True)
class Grid:
    """When a record's readings come, and by which sub-steps a filter goes there.

    Attributes
    ----------
    begin, times
        The start, and the times of the readings.
    begins, widths
        Of the sub-steps.
    pieces
        Which of `coefficients` ``(pieces, inputs, 4)`` a sub-step takes.
    first
        Per time its first sub-step; one more at the end.
    end_inputs
        Inputs at the times, ``(times or 1, inputs)``.
    """

    begin: float
    times: Array
    begins: Array
    widths: Array
    pieces: Any
    first: Any
    coefficients: Array
    end_inputs: Array

    @classmethod
    def of(cls, kind: Filter, raw: Any, begin: float, substeps: int) -> Grid:
        """Return the grid of a filter for a record's times."""
        unit, given = kind.model.time_unit, kind.given
        times = np.ascontiguousarray(as_array(raw, unit, "times"))
        if times.ndim != 1 or not times.size:
            raise InvalidValueError(f"times must be a list of at least one time, not an array of shape {times.shape}")
        edges = np.concatenate([[begin], times])
        if not np.all(np.diff(edges) >= 0):
            late = int(np.argmax(np.diff(edges) < 0))
            raise InvalidValueError(
                f"times must not go backwards: {edges[late + 1]:g} {unit} comes after {edges[late]:g} {unit}"
            )
        given.check(begin, float(times[-1]))
        if isinstance(given, Inputs) and given.constant:
            lengths = np.diff(edges)
            widths = np.repeat(lengths / substeps, substeps)
            begins = np.repeat(edges[:-1], substeps) + np.tile(np.arange(substeps), len(times)) * widths
            first = np.arange(len(times) + 1) * substeps
            pieces, coefficients = np.zeros(len(begins), dtype=np.int64), given.piece(begin, 0.0)[None]
            ends = given.at(begin)[None]
        else:
            steps = [even(kind, a, b, substeps) if b > a else [] for a, b in zip(edges, times, strict=False)]
            flat = [step for some in steps for step in some]
            first = np.cumsum([0, *[len(some) for some in steps]])
            begins, widths = np.array([t for t, _ in flat]), np.array([h for _, h in flat])
            pieces = np.arange(len(flat), dtype=np.int64)
            coefficients = np.array([given.piece(t, h) for t, h in flat]).reshape(len(flat), -1, 4)
            ends = np.array([given.at(float(t)) for t in times])
        return cls(begin, times, begins, widths, pieces, first.astype(np.int64), coefficients, ends)


class Steps:
    """A grid as one chain of sub-steps; where a time has none of its own, one of length zero stands in.

    Parameters
    ----------
    grid
        The grid.

    Attributes
    ----------
    t, h, end
        Begin, length and end of the sub-steps.
    row
        Which time a sub-step ends at; -1: none.
    """

    def __init__(self, grid: Grid) -> None:
        begins: list[float] = []
        widths: list[float] = []
        pieces: list[int] = []
        rows: list[int] = []
        for row, end in enumerate(grid.times.tolist()):
            inside = slice(int(grid.first[row]), int(grid.first[row + 1]))
            begins += grid.begins[inside].tolist() or [end]
            widths += grid.widths[inside].tolist() or [0.0]
            pieces += grid.pieces[inside].tolist() or [-1]
            rows += [-1] * (len(begins) - len(rows) - 1) + [row]
        self.t, self.h, self.row = np.array(begins), np.array(widths), np.array(rows, dtype=np.int64)
        self.end = np.where(self.row >= 0, grid.times[self.row], self.t + self.h)
        self._pieces = np.array(pieces)
        nothing = np.zeros((1, *grid.coefficients.shape[1:]))
        self._coefficients = np.concatenate([grid.coefficients, nothing])  # the last one for a length of zero
        self._inputs = np.broadcast_to(grid.end_inputs, (len(grid.times), grid.end_inputs.shape[1]))

    def pieces(self, window: Any = slice(None)) -> Array:
        """Return the input coefficients of sub-steps, ``(sub-steps, inputs, 4)``."""
        return self._coefficients[self._pieces[window]]

    def inputs(self) -> Array:
        """Return the inputs at the end of every sub-step that ends at a time, ``(sub-steps, inputs)``."""
        return self._inputs[self.row]
