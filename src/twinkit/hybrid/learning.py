"""Cold start: how good a model is with few batches, and how it grows with more."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError
from twinkit.hybrid.comparing import measured
from twinkit.hybrid.model import HybridModel
from twinkit.hybrid.predicting import Propagation
from twinkit.hybrid.training.observations import checked_batches, observed

Array = npt.NDArray[np.float64]
COUNTS = (0, 1, 3, 5, 10, 20)


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Error, interval width and coverage on test batches, by number of training batches.

    Attributes
    ----------
    counts
        Numbers of training batches.
    error
        Root mean square error, in % of the range of each tag, averaged over tags.
    width
        Mean width of the intervals, in % of the range.
    covered
        Share of the test values inside, in %.
    coverage
        Nominal coverage.
    """

    counts: tuple[int, ...]
    error: Array
    width: Array
    covered: Array
    coverage: float

    def __repr__(self) -> str:
        lines = ["batches  error %  width %  covered %"]
        rows = zip(self.counts, self.error, self.width, self.covered, strict=True)
        lines += [f"{count:7d}{error:9.2f}{width:9.1f}{covered:11.1f}" for count, error, width, covered in rows]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

    def plot(self, axes: Any = None) -> Any:
        """Plot error and width over the number of batches; returns the two axes."""
        import matplotlib.pyplot as plt

        if axes is None:
            axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")[1]
        for axis, values, name in ((axes[0], self.error, "error"), (axes[1], self.width, "width of the intervals")):
            axis.plot(range(len(self.counts)), values, "o-")
            axis.set_xticks(range(len(self.counts)), [str(count) for count in self.counts])
            axis.set_ylim(bottom=0.0)
            axis.set(xlabel="training batches", ylabel=f"{name} [% of range]")
        return axes


def learning_curve(
    model: HybridModel, batches: Any, test: Any, *, counts: Sequence[int] = COUNTS, coverage: float = 0.95,
    propagation: Propagation = Propagation.PATHWISE, n: int = 100, noise: bool = False, progress: bool = True,
) -> LearningCurve:  # fmt: skip
    """Fit to the first so many batches, and judge each fit on test batches.

    With 0 batches the model is its mechanism with the prior of its parameters (or what it inherits).

    Parameters
    ----------
    model
        A `HybridModel`; it is not changed.
    batches
        Training batches, in the order they came.
    test
        Batches to judge with.
    counts
        Numbers of training batches; those beyond what there is are left out.
    coverage, propagation, n
        As for `HybridModel.forecast`.
    noise
        Whether test values carry measurement noise, which intervals then count.
    progress
        Whether progress is shown.

    Raises
    ------
    InvalidValueError
        If no count can be used, or a test batch is among the training batches.
    """
    from statistics import NormalDist

    from tqdm.auto import tqdm

    train, judged = checked_batches(batches), checked_batches(test)
    both = {batch.name for batch in train} & {batch.name for batch in judged}
    if both:
        raise InvalidValueError(f"batch {min(both)!r} is among the training and the test batches")
    for count in counts:
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InvalidValueError(f"counts are whole numbers from 0 on, not {count!r}")
    usable = tuple(sorted({count for count in counts if count <= len(train)}))
    if not usable:
        raise InvalidValueError(f"there are {len(train)} training batches; no count of {tuple(counts)} can be used")
    data = observed(model.model, train, model.rtol)
    ranges, factor = np.array(data.ranges), NormalDist().inv_cdf(0.5 + coverage / 2)
    found: list[tuple[float, float, float]] = []
    for count in tqdm(usable, desc="learning curve", unit="fit", disable=not progress):
        fitted = HybridModel(**{**model.get_params(), "progress": False}).fit(train[:count])
        squares: list[Array] = []
        widths: list[Array] = []
        inside: list[bool] = []
        made = fitted.forecast(judged, tags=data.tags, coverage=coverage, propagation=propagation, n=n)
        for batch, each in zip(judged, made, strict=True):
            seen = measured(fitted.model_, batch, each.tags, each.time)
            extra = factor * seen.noise(each.noise) if noise else np.zeros(len(seen.value))
            low, middle, high = (part[seen.row, seen.column] for part in (each.low, each.median, each.high))
            low, high = middle - np.hypot(middle - low, extra), middle + np.hypot(high - middle, extra)
            off = np.zeros((len(data.tags), 2))
            np.add.at(off, seen.column, np.column_stack([(seen.value - middle) ** 2, np.ones(len(middle))]))
            squares.append(off)
            widths.append((high - low) / ranges[seen.column])
            later = seen.row > 0  # the start is given
            inside += list(((low - 1e-9 <= seen.value) & (seen.value <= high + 1e-9))[later])
        total = np.sum(squares, axis=0)
        kept = total[:, 1] > 0
        error = np.sqrt(total[kept, 0] / total[kept, 1]) / ranges[kept]
        found.append((float(np.mean(error)), float(np.mean(np.concatenate(widths))), float(np.mean(inside))))
    error, width, covered = 100.0 * np.array(found).T
    return LearningCurve(usable, error, width, covered, coverage)
