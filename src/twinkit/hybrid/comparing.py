"""What was measured of a batch beside what was predicted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from twinkit.core.batch import Batch
from twinkit.core.model import Model
from twinkit.core.records import Quality
from twinkit.core.units import affine
from twinkit.hybrid.training.observations import converted

Array = npt.NDArray[np.float64]
CHANCE = 5e-3
"""Share of undisturbed batches that may be called deviating, at each time."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Usable measurements of a batch at times of a forecast, one per element.

    Attributes
    ----------
    row, column
        Positions of time and tag.
    value, std
        In the model's unit; `std` is NaN where the instrument did not say.
    """

    row: npt.NDArray[np.int_]
    column: npt.NDArray[np.int_]
    value: Array
    std: Array

    def noise(self, table: Array) -> Array:
        """Return the standard deviation of each: the instrument's own, or from a table ``(times, tags)``."""
        return np.where(np.isfinite(self.std), self.std, table[self.row, self.column])


def measured(model: Model, batch: Batch, tags: Sequence[str], times: Array) -> Measured:
    """Return what was measured of some tags at some times (in the model's time unit); other times are left out."""
    scale, _ = affine(batch.time_unit, model.time_unit)
    found: list[tuple[int, int, float, float]] = []
    close = 1e-9 * (1.0 + np.abs(times))
    for k, tag in enumerate(tags):
        for when, value, std in converted(model, batch, tag):
            rows = np.flatnonzero(np.abs(times - scale * when) <= close)
            found += [(int(row), k, value, std) for row in rows[:1]]
    found.sort()
    columns = list(zip(*found, strict=True)) if found else [(), (), (), ()]
    return Measured(
        np.array(columns[0], dtype=int), np.array(columns[1], dtype=int), np.array(columns[2], dtype=np.float64),
        np.array(columns[3], dtype=np.float64),
    )  # fmt: skip


def noise_table(noise: Mapping[str, tuple[float, float]], tags: Sequence[str], predicted: Array) -> Array:
    """Return the standard deviation of measurements ``(times, tags)``; 0 for what was never measured."""
    parts = np.array([noise.get(tag, (0.0, 0.0)) for tag in tags]).reshape(len(tags), 2)
    return np.hypot(parts[:, 0] * predicted, parts[:, 1])


def deviates(seen: Measured, middle: Array, spread: Array, noise: Array) -> npt.NDArray[np.bool_]:
    """Say from which time on what was measured disagrees with what was predicted by more than chance allows.

    All measurements up to a time are judged together, by their squared Mahalanobis distance: neighbouring errors of a
    trajectory are not independent. It follows a chi-squared law if the model is right.

    Parameters
    ----------
    seen
        The measurements.
    middle
        Predicted values ``(times, tags)``.
    spread
        Directions of their uncertainty ``(directions, times, tags)``: the covariance is their sum of squares.
    noise
        Standard deviation of each measurement.
    """
    found = np.zeros(len(middle), dtype=bool)
    errors = seen.value - middle[seen.row, seen.column]
    rows = spread[:, seen.row, seen.column]
    covariance = rows.T @ rows + np.diag(noise**2 + 1e-12 * (1e-300 + middle[seen.row, seen.column] ** 2))
    for row in np.unique(seen.row):
        upto = seen.row <= row
        try:
            distance = float(errors[upto] @ np.linalg.solve(covariance[np.ix_(upto, upto)], errors[upto]))
        except np.linalg.LinAlgError:
            continue
        if distance > stats.chi2.isf(CHANCE, int(upto.sum())):
            found[row:] = True
            break
    return found


def distrusted(model: Model, batch: Batch, tags: Sequence[str], times: Array) -> npt.NDArray[np.bool_]:
    """Say when the sensor of each tag is not valid ``(times, tags)``: from a bad reading to the next that is not."""
    scale, _ = affine(batch.time_unit, model.time_unit)
    found = np.zeros((len(times), len(tags)), dtype=bool)
    for k, tag in enumerate(tags):
        mine = sorted((m for m in batch.measurements if m.tag == tag), key=lambda m: m.source_time)
        for item in mine:
            found[times >= scale * item.source_time * (1 - 1e-12), k] = item.quality is Quality.BAD
    return found
