"""Which mechanism to build on: chosen by how well whole batches that were left out are predicted."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.batch import Batch
from twinkit.core.errors import InvalidValueError, TwinkitError
from twinkit.core.units import affine
from twinkit.hybrid.model import HybridModel
from twinkit.hybrid.predicting import Propagation
from twinkit.hybrid.training.observations import checked_batches

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Selection:
    """Scores of candidates on batches they had not seen.

    Attributes
    ----------
    names
        Candidates.
    errors
        Error of each held-out fold, ``(candidates, folds)``: root mean square over its measurements, in % of the range
        of each tag, averaged over tags. NaN where a candidate could not be fitted or run.
    coverage
        Share of held-out measurements inside the 95 % interval (measurement noise included), in %.
    failures
        Candidate -> why a fold failed.
    """

    names: tuple[str, ...]
    errors: Array
    coverage: Array
    failures: Mapping[str, str]

    @property
    def scores(self) -> dict[str, float]:
        """Median error over the folds; infinite for a candidate that failed on some."""
        return {
            name: float(np.median(row)) if np.all(np.isfinite(row)) else np.inf
            for name, row in zip(self.names, self.errors, strict=True)
        }

    @property
    def best(self) -> str:
        """Candidate with the smallest score.

        Raises
        ------
        InvalidValueError
            If every candidate failed.
        """
        scores = self.scores
        if not np.isfinite(min(scores.values())):
            raise InvalidValueError(f"every candidate failed: {dict(self.failures)}")
        return min(scores, key=lambda name: scores[name])

    def __repr__(self) -> str:
        lines = [f"{'candidate':<24} error %  coverage %"]
        for name, row in zip(self.names, self.coverage, strict=True):
            lines.append(
                f"{name:<24} {self.scores[name]:7.2f}  {np.nanmean(row) if np.isfinite(row).any() else np.nan:9.1f}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

    def plot(self, ax: Any = None) -> Any:
        """Plot the errors of the folds by candidate; returns the axes."""
        import matplotlib.pyplot as plt

        axis = ax if ax is not None else plt.subplots(figsize=(5, 3), layout="constrained")[1]
        for k, row in enumerate(self.errors):
            axis.plot(row, np.full(len(row), k), "o", alpha=0.5)
        axis.set_yticks(range(len(self.names)), self.names)
        axis.set_xlabel("error of held-out batches [% of range]")
        return axis


def select(
    candidates: Mapping[str, HybridModel], batches: Any, *, groups: Sequence[Any] | None = None,
    folds: int | None = None, progress: bool = True,
) -> Selection:  # fmt: skip
    """Compare candidates by leave-batch-out: full kinetics, mass balance only, data only, or any others.

    A mechanism that fits badly can predict worse than none, most of all outside the data; so it is chosen, not assumed.

    Parameters
    ----------
    candidates
        Name -> an unfitted `HybridModel`.
    batches
        Batches to fit and to judge with.
    groups
        One label per batch; batches of one label are left out together (default: every batch alone).
    folds
        Number of folds (default: one per group).
    progress
        Whether progress is shown.

    Raises
    ------
    InvalidValueError
        If there are fewer than 2 groups, or a candidate is no `HybridModel`.
    """
    from tqdm.auto import tqdm

    listed = checked_batches(batches, least=2)
    for name, candidate in candidates.items():
        if not isinstance(candidate, HybridModel):
            raise InvalidValueError(f"candidate {name!r} must be a HybridModel, not {candidate!r}")
    if not candidates:
        raise InvalidValueError("select needs at least one candidate")
    labels = [batch.name for batch in listed] if groups is None else list(groups)
    if len(labels) != len(listed):
        raise InvalidValueError(f"groups has one label per batch: {len(labels)} labels, {len(listed)} batches")
    kinds = list(dict.fromkeys(labels))
    count = len(kinds) if folds is None else folds
    if not 2 <= count <= len(kinds):
        raise InvalidValueError(
            f"the number of folds must be between 2 and the number of groups ({len(kinds)}), not {count}"
        )
    errors, coverage = np.full((len(candidates), count), np.nan), np.full((len(candidates), count), np.nan)
    failures: dict[str, str] = {}
    with tqdm(total=count * len(candidates), desc="selecting", unit="fit", disable=not progress) as bar:
        for i, (name, candidate) in enumerate(candidates.items()):
            for j in range(count):
                held = {kind for k, kind in enumerate(kinds) if k % count == j}
                inside = [b for b, label in zip(listed, labels, strict=True) if label not in held]
                outside = [b for b, label in zip(listed, labels, strict=True) if label in held]
                try:
                    errors[i, j], coverage[i, j] = _judged(candidate, inside, outside)
                except TwinkitError as error:
                    failures[name] = str(error)
                bar.update()
    return Selection(tuple(candidates), errors, coverage, failures)


def _judged(candidate: HybridModel, inside: Sequence[Batch], outside: Sequence[Batch]) -> tuple[float, float]:
    fitted = HybridModel(**{**candidate.get_params(), "progress": False}).fit(inside)
    squares: dict[str, list[float]] = {tag: [] for tag in fitted.trained_.tags}
    hits: list[bool] = []
    layout = fitted.model_.layout
    for batch, found in zip(outside, fitted.forecast(outside, propagation=Propagation.LINEARISED), strict=True):
        scale, _ = affine(batch.time_unit, found.time_unit)
        for k, tag in enumerate(found.tags):
            if tag not in batch.tags:
                continue
            times, values = batch.values(tag, layout.find(tag).variable.unit)
            rows = np.searchsorted(found.time, scale * times - 1e-12)
            middle, std = found.median[rows, k], found.std[rows, k]
            relative, absolute = fitted.noise_[tag]
            noise = np.hypot(relative * middle, absolute)
            squares[tag] += list(((values - middle) / fitted.trained_.ranges[tag]) ** 2)
            hits += list(np.abs(values - middle) <= 1.96 * np.hypot(std, noise))
    means = [np.sqrt(np.mean(each)) for each in squares.values() if each]
    return 100.0 * float(np.mean(means)), 100.0 * float(np.mean(hits))
