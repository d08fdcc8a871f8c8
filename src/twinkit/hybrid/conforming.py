"""Grouped conformal correction: intervals widened or narrowed by what batches that were not trained on showed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError
from twinkit.core.identity import digest
from twinkit.hybrid.comparing import measured
from twinkit.hybrid.model import HybridModel
from twinkit.hybrid.predicting import Forecast, Propagation
from twinkit.hybrid.training.observations import checked_batches

Array = npt.NDArray[np.float64]


class Guarantee(Enum):
    """What an interval is to hold with the stated probability, in a new batch like those it was calibrated on."""

    SAMPLE = "sample"
    """One measurement, drawn at random from the batch."""
    BATCH = "batch"
    """Every measurement of the batch at once."""


def least_groups(coverage: float) -> int:
    """Return the smallest number of groups of batches that can promise a coverage: ``coverage / (1 - coverage)``.

    Examples
    --------
    >>> [least_groups(coverage) for coverage in (0.5, 0.8, 0.9, 0.95)]
    [1, 4, 9, 19]
    """
    if not 0.0 < coverage < 1.0:
        raise InvalidValueError(f"coverage is a share between 0 and 1, such as 0.95, not {coverage!r}")
    return max(1, math.ceil(coverage / (1.0 - coverage) - 1e-9))


@dataclass(frozen=True, eq=False)
class Conformal:
    """A fitted model whose intervals hold measurements of new batches with a guaranteed probability.

    The guarantee needs no model to be right. It holds on average over calibration sets and new batches, if the new
    batch and those of calibration are exchangeable (none is special, such as a new strategy or a later, drifted one)
    and none of them was trained on.

    Attributes
    ----------
    model
        The fitted model.
    coverage
        Guaranteed probability.
    guarantee
        What is held with it.
    factor
        What half widths of intervals for measurements are multiplied by; 1: they were right as they were.
    groups
        Groups of batches it rests on.
    made_from
        Content hash of the batches.

    References
    ----------
    Lee, Barber & Willett (2023), Distribution-free inference with hierarchical data, arXiv:2306.06342, section 3.1

    Vovk, Gammerman & Shafer (2005), Algorithmic learning in a random world, doi:10.1007/b106715
    """

    model: HybridModel
    coverage: float
    guarantee: Guarantee
    factor: float
    groups: tuple[Any, ...]
    made_from: str

    @property
    def content_hash(self) -> str:
        """SHA-256 of the model, the correction and the batches it was found with."""
        return digest([self.model.content_hash, self.coverage, self.guarantee.value, self.factor, self.made_from])

    def forecast(self, batches: Any, **how: Any) -> tuple[Forecast, ...]:
        """Predict batches as `HybridModel.forecast` does; intervals are for *measurements*, noise included."""
        if "coverage" in how:
            raise InvalidValueError(
                f"the coverage was chosen when the correction was made ({self.coverage:g}); make another for another"
            )
        return tuple(self._applied(item) for item in self.model.forecast(batches, coverage=self.coverage, **how))

    def _applied(self, found: Forecast) -> Forecast:
        below, above = (self.factor * each for each in _half_widths(found))
        limits = np.array([self.model.widest * self.model.trained_.ranges.get(tag, np.inf) for tag in found.tags])
        return replace(
            found, low=found.median - below, high=found.median + above,
            in_domain=found.in_domain & (below + above <= limits), made_by=self.content_hash,
        )  # fmt: skip

    def __repr__(self) -> str:
        what = "all measurements" if self.guarantee is Guarantee.BATCH else "a measurement"
        return (
            f"Conformal: intervals times {self.factor:.3g} hold {what} of a new batch with probability >= "
            f"{self.coverage:g} ({len(self.groups)} groups; {least_groups(self.coverage)} are needed)"
        )


def conformal(
    model: HybridModel, batches: Any, *, coverage: float = 0.95, guarantee: Guarantee = Guarantee.SAMPLE,
    groups: Sequence[Any] | None = None, propagation: Propagation = Propagation.PATHWISE, n: int = 200,
) -> Conformal:  # fmt: skip
    """Correct the intervals of a fitted model with batches it has not seen.

    Parameters
    ----------
    model
        A fitted model.
    batches
        Batches for calibration; none may have been trained on.
    coverage
        Probability to guarantee.
    guarantee
        For a random measurement of a new batch (default), or for all of them at once.
    groups
        One label per batch: batches of one label (a site, a campaign) count as one. Then the guarantee is for a batch
        of a new group. Default: every batch by itself.
    propagation, n
        As for `HybridModel.forecast`.

    Raises
    ------
    InvalidValueError
        If there are fewer groups than ``coverage / (1 - coverage)`` (19 for 95 %), a batch was trained on, or nothing
        usable was measured.
    """
    needed = least_groups(coverage)
    if not isinstance(guarantee, Guarantee):
        raise InvalidValueError(f"guarantee is Guarantee.SAMPLE or Guarantee.BATCH, not {guarantee!r}")
    listed = checked_batches(batches)
    labels = [batch.name for batch in listed] if groups is None else list(groups)
    if len(labels) != len(listed):
        raise InvalidValueError(f"groups has one label per batch: {len(labels)} labels, {len(listed)} batches")
    kinds = list(dict.fromkeys(labels))
    if len(kinds) < needed:
        reach = len(kinds) / (len(kinds) + 1)
        raise InvalidValueError(
            f"{len(kinds)} groups of batches can promise a coverage of at most {reach:.1%}; {coverage:.1%} needs "
            f"{needed}: give more batches, or ask for less"
        )
    for batch in listed:
        if batch.name in model.batches_:
            raise InvalidValueError(
                f"batch {batch.name!r} was trained on: its errors are too small. Keep batches aside for calibration"
            )
    scores: dict[Any, list[float]] = {kind: [] for kind in kinds}
    found = model.forecast(listed, coverage=coverage, propagation=propagation, n=n)
    for label, batch, forecast in zip(labels, listed, found, strict=True):
        scores[label] += _scores(model, batch, forecast)
    empty = [kind for kind in kinds if not scores[kind]]
    if empty:
        raise InvalidValueError(f"nothing usable was measured in {empty[0]!r}: leave it out")
    factor = _quantile([np.array(scores[kind]) for kind in kinds], coverage, guarantee)
    return Conformal(model, coverage, guarantee, factor, tuple(kinds), digest([batch.content_hash for batch in listed]))


def _half_widths(found: Forecast) -> tuple[Array, Array]:
    """Return how far the interval for a measurement goes below and above the median."""
    from statistics import NormalDist

    noise = NormalDist().inv_cdf(0.5 + found.coverage / 2) * found.noise
    return np.hypot(found.median - found.low, noise), np.hypot(found.high - found.median, noise)


def _scores(model: HybridModel, batch: Any, found: Forecast) -> list[float]:
    """Return errors of measurements as multiples of the half width on their side."""
    seen = measured(model.model_, batch, found.tags, found.time)
    below, above = (np.maximum(each[seen.row, seen.column], 1e-300) for each in _half_widths(found))
    errors = seen.value - found.median[seen.row, seen.column]
    return list(np.minimum(np.where(errors < 0, -errors / below, errors / above), 1e300))


def _quantile(scores: Sequence[Array], coverage: float, guarantee: Guarantee) -> float:
    """Return the smallest factor with enough weight below it; every group weighs ``1 / (groups + 1)``."""
    if guarantee is Guarantee.BATCH:
        scores = [each.max(keepdims=True) for each in scores]
    values = np.concatenate(scores)
    weights = np.concatenate([np.full(len(each), 1.0 / (len(each) * (len(scores) + 1))) for each in scores])
    order = np.argsort(values)
    enough = np.flatnonzero(np.cumsum(weights[order]) >= coverage - 1e-12)
    return float(values[order][enough[0]])
