"""Is the uncertainty right? Coverage against its nominal value, PIT, CRPS, and sharpness beside them."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from twinkit.core.errors import InvalidValueError
from twinkit.core.units import as_number
from twinkit.hybrid.comparing import measured
from twinkit.hybrid.model import HybridModel
from twinkit.hybrid.predicting import Propagation, quantiles
from twinkit.hybrid.training.observations import checked_batches

Array = npt.NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.9, 0.95)
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Coverage:
    """Coverage of one level in one part of the data.

    Attributes
    ----------
    level
        Nominal coverage.
    by, part
        What the data were split by (``all``, ``state``, ``phase``, ``batch``), and which part this is.
    count, share
        Number of values, and the share of them inside.
    low, high
        95 % Clopper-Pearson bounds of the share. Values of one batch are not independent: their number is divided by
        the design effect first (Korn & Graubard 1998), but for parts of a single batch.
    width
        Mean width of the intervals, as a share of the range of the training data: sharpness.
    """

    level: float
    by: str
    part: str
    count: int
    share: float
    low: float
    high: float
    width: float

    @property
    def right(self) -> bool:
        """Whether the nominal coverage lies within the bounds."""
        return self.low <= self.level <= self.high


@dataclass(frozen=True, eq=False)
class CalibrationReport:
    """How well predicted distributions agree with what was measured.

    Attributes
    ----------
    rows
        The table of coverage.
    pit
        Probability integral transforms of all values: uniform if the distributions are right.
    crps
        Tag -> mean continuous ranked probability score, in the tag's unit (Gneiting & Raftery 2007,
        doi:10.1198/016214506000001437); smaller is better.
    silent
        Share of values outside the interval of the highest level where the model did not defer to the laboratory.
    deferred
        Share of values where it did.
    made_by
        Content hash of the model.
    """

    rows: tuple[Coverage, ...]
    pit: Array
    crps: Mapping[str, float]
    silent: float
    deferred: float
    made_by: str

    def of(self, level: float, by: str = "all") -> tuple[Coverage, ...]:
        """Return the rows of one level and one split."""
        return tuple(row for row in self.rows if row.by == by and abs(row.level - level) < 1e-12)

    def __repr__(self) -> str:
        lines = [f"{'':<22}{'nominal':>8}{'covered':>9}{'95 % bounds':>16}{'width':>8}{'values':>8}"]
        lines += [
            f"{row.by + ' ' + row.part:<22.22}{row.level:>8.0%}{row.share:>9.1%}"
            f"{f'{row.low:.1%} to {row.high:.1%}':>16}{row.width:>8.1%}{row.count:>8}"
            for row in self.rows
        ]
        lines += [f"CRPS {tag}: {value:.4g}" for tag, value in self.crps.items()]
        lines.append(f"silent failures {self.silent:.1%}, deferred to the laboratory {self.deferred:.1%}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

    def plot(self, axes: Any = None) -> Any:
        """Plot coverage against its nominal value, the PIT, and coverage by part; returns the three axes."""
        import matplotlib.pyplot as plt

        if axes is None:
            axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")[1]
        whole = [row for row in self.rows if row.by == "all"]
        levels, shares = [row.level for row in whole], np.array([row.share for row in whole])
        bars = np.array([[row.share - row.low, row.high - row.share] for row in whole]).T
        axes[0].plot([0, 1], [0, 1], color="grey", linewidth=1)
        axes[0].errorbar(levels, shares, yerr=np.maximum(bars, 0.0), fmt="o-")
        axes[0].set(xlabel="nominal coverage", ylabel="share inside", xlim=(0, 1), ylim=(0, 1))
        axes[1].hist(self.pit, bins=10, range=(0.0, 1.0), density=True)
        axes[1].axhline(1.0, color="grey", linewidth=1)
        axes[1].set(xlabel="probability integral transform", ylabel="density")
        top = max(row.level for row in self.rows)
        parts = [row for row in self.rows if row.level == top]
        for k, row in enumerate(parts):
            axes[2].plot([row.low, row.high], [k, k], color="C0")
            axes[2].plot(row.share, k, "o", color="C0" if row.right else "C3")
        axes[2].axvline(top, color="grey", linewidth=1)
        axes[2].set_yticks(range(len(parts)), [f"{row.by} {row.part}" for row in parts], fontsize=7)
        axes[2].set_xlabel(f"share inside {top:.0%} intervals")
        return axes


@dataclass(frozen=True, eq=False)
class _Values:
    """Everything compared, one element per value; `low` and `high` are ``(levels, values)``."""

    batch: npt.NDArray[np.int_]
    tag: npt.NDArray[np.str_]
    phase: npt.NDArray[np.str_]
    inside: npt.NDArray[np.bool_]
    width: Array
    pit: Array
    crps: Array
    defers: npt.NDArray[np.bool_]


def calibration_report(
    model: HybridModel, batches: Any, *, levels: Sequence[float] = LEVELS, phases: Mapping[str, Any] | None = None,
    noise: bool = True, n: int = 200, random_state: int = 0,
) -> CalibrationReport:  # fmt: skip
    """Compare predicted distributions with measurements of batches (best of such that were not trained on).

    Parameters
    ----------
    model
        A fitted model.
    batches
        The batches.
    levels
        Nominal coverages.
    phases
        Name -> (begin, end), numbers in the model's time unit or texts. Default: thirds of each batch.
    noise
        Whether the values compared with carry measurement noise (false for simulated truth).
    n
        Number of sampled trajectories.
    random_state
        Seed.

    Raises
    ------
    InvalidValueError
        For a level that is no share, a phase that is empty, or batches without usable measurements.
    """
    for level in levels:
        if not 0.0 < level < 1.0:
            raise InvalidValueError(f"a level is a share between 0 and 1, such as 0.95, not {level!r}")
    if not levels:
        raise InvalidValueError("give at least one level")
    listed = checked_batches(batches)
    unit = model.model_.time_unit
    spans = {
        name: (as_number(a, unit, f"the begin of {name!r}"), as_number(b, unit, f"the end of {name!r}"))
        for name, (a, b) in (phases or {}).items()
    }
    for name, (begin, end) in spans.items():
        if not begin < end:
            raise InvalidValueError(
                f"phase {name!r} goes from {begin:g} to {end:g} {unit}: its end is not after its begin"
            )
    values = _compared(model, listed, tuple(levels), spans, noise, n, random_state)
    names = [batch.name for batch in listed]
    splits = {
        "all": np.full(len(values.tag), ""), "state": values.tag, "phase": values.phase,
        "batch": np.array(names)[values.batch],
    }  # fmt: skip
    rows = [
        _row(level, k, by, part, values, labels == part)
        for by, labels in splits.items()
        for part in dict.fromkeys(labels.tolist())
        if part or by == "all"
        for k, level in enumerate(levels)
    ]
    top = int(np.argmax(levels))
    return CalibrationReport(
        tuple(rows), values.pit,
        {tag: float(values.crps[values.tag == tag].mean()) for tag in dict.fromkeys(values.tag.tolist())},
        float((~values.inside[top] & ~values.defers).mean()), float(values.defers.mean()), model.content_hash,
    )  # fmt: skip


def _compared(
    model: HybridModel, batches: Sequence[Any], levels: tuple[float, ...], spans: Mapping[str, tuple[float, float]],
    noise: bool, n: int, seed: int,
) -> _Values:  # fmt: skip
    random = np.random.default_rng(seed)
    tails = [end for level in levels for end in (0.5 - level / 2, 0.5 + level / 2)]
    parts: list[tuple[Any, ...]] = []
    found = model.forecast(batches, n=n, random_state=seed, coverage=max(levels), propagation=Propagation.PATHWISE)
    for i, (batch, forecast) in enumerate(zip(batches, found, strict=True)):
        seen = measured(model.model_, batch, forecast.tags, forecast.time)
        if not len(seen.value):
            continue
        draws = forecast.samples[:, seen.row, seen.column]
        if noise:
            draws = draws + seen.noise(forecast.noise) * random.standard_normal(draws.shape)
        ends = quantiles(draws, tails).reshape(len(levels), 2, -1)
        ranges = np.array([model.trained_.ranges.get(tag, np.nan) for tag in forecast.tags])[seen.column]
        slack = 1e-9 * (1.0 + np.abs(seen.value))
        inside = (ends[:, 0] - slack <= seen.value) & (seen.value <= ends[:, 1] + slack)
        below = np.sum(draws < seen.value, axis=0) + 0.5 * np.sum(np.isnan(draws), axis=0)
        same = np.sum(draws == seen.value, axis=0)
        pit = (below + random.uniform(size=len(seen.value)) * (same + 1)) / (len(draws) + 1)
        begin, end = forecast.time[0], forecast.time[-1]
        phase = [_phase(t, begin, end, spans) for t in forecast.time[seen.row]]
        parts.append((
            np.full(len(seen.value), i), np.array(forecast.tags)[seen.column], np.array(phase), inside,
            (ends[:, 1] - ends[:, 0]) / ranges, pit, _crps(draws, seen.value),
            forecast.defers[seen.row, seen.column],
        ))  # fmt: skip
    if not parts:
        raise InvalidValueError("the batches hold no usable measurement of what the model predicts")
    return _Values(*(np.concatenate(each, axis=-1) for each in zip(*parts, strict=True)))


def _phase(t: float, begin: float, end: float, spans: Mapping[str, tuple[float, float]]) -> str:
    if spans:
        return next((name for name, (a, b) in spans.items() if a <= t <= b), "")
    share = (t - begin) / (end - begin) if end > begin else 0.0
    return "early" if share < 1 / 3 else "middle" if share < 2 / 3 else "late"


def _crps(draws: Array, value: Array) -> Array:
    """Return the score of each value: ``E|X - y| - E|X - X'| / 2``, unbiased in the number of samples."""
    ordered = np.sort(draws, axis=0)  # NaN last
    count = np.sum(np.isfinite(ordered), axis=0)
    rank = np.arange(len(ordered))[:, None]
    pairs = np.nansum(np.where(rank < count, (2 * rank - count + 1) * ordered, 0.0), axis=0)
    away = np.nansum(np.abs(ordered - value), axis=0) / np.maximum(count, 1)
    return away - pairs / np.maximum(count * (count - 1), 1)


def _row(level: float, k: int, by: str, part: str, values: _Values, mask: npt.NDArray[np.bool_]) -> Coverage:
    inside = values.inside[k][mask]
    share = float(inside.mean())
    size = effective(inside, values.batch[mask])
    low, high = clopper_pearson(share * size, size)
    return Coverage(level, by, part, int(mask.sum()), share, low, high, float(values.width[k][mask].mean()))


def effective(inside: npt.NDArray[np.bool_], batch: npt.NDArray[np.int_]) -> float:
    """Return the number of independent values that say as much about a share as these, which come in batches.

    Korn & Graubard (1998), Survey Methodology 24:193: the number divided by the design effect, the variance of the
    share between batches over that of independent values.
    """
    kinds, place = np.unique(batch, return_inverse=True)
    count, share = len(inside), float(inside.mean())
    if len(kinds) < 2:
        return float(count)
    if share in (0.0, 1.0):
        return float(count) if share == 1.0 and count == len(kinds) else float(len(kinds))
    sums = np.bincount(place, inside - share)
    variance = len(kinds) / (len(kinds) - 1) * float(sums @ sums) / count**2
    return count / max(1.0, variance / (share * (1 - share) / count))


def clopper_pearson(hits: float, count: float, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """Return bounds of a share (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404); `hits` need not be whole."""
    tail = (1.0 - confidence) / 2.0
    inverse: Callable[..., Any] = stats.beta.ppf
    low = 0.0 if hits <= 0 else float(inverse(tail, hits, count - hits + 1))
    high = 1.0 if hits >= count else float(inverse(1.0 - tail, hits + 1, count - hits))
    return low, high
