"""Whether a filter's uncertainty is honest: innovations and errors against what the filter says of them."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Quality, ShapeError
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.estimate.history import History
from twinkit.estimate.repeated.record import FilteredRecord
from twinkit.estimate.result import Estimate

_FEWEST = 8  # readings of a sensor, below which nothing can be said


@dataclass(frozen=True)
class Check:
    """One statistic and what chance allows.

    Attributes
    ----------
    subject
        A sensor's tag, the name of a quantity, or ``all``.
    what
        The statistic.
    value, low, high
        What was found, and the interval in which it should lie.
    words
        What it means.
    """

    subject: str
    what: str
    value: float
    low: float
    high: float
    words: str

    @property
    def passed(self) -> bool:
        """Whether the statistic is within its interval."""
        return self.low <= self.value <= self.high


@dataclass(frozen=True, eq=False)
class ConsistencyReport:
    """What `consistency_report` found.

    Attributes
    ----------
    checks
        One per statistic.
    confidence
        Probability with which a consistent filter passes each check.
    innovations
        Tag -> ``(times, innovations in their standard deviations)``, runs one after the other.
    """

    checks: tuple[Check, ...]
    confidence: float
    innovations: Mapping[str, tuple[Array, Array]]
    time_unit: str

    @property
    def passed(self) -> bool:
        """Whether every check is passed."""
        return all(check.passed for check in self.checks)

    def __getitem__(self, key: tuple[str, str]) -> Check:
        """Return the check of a subject and a statistic, such as ``report["G", "mean NIS"]``."""
        known = {(check.subject, check.what): check for check in self.checks}
        if key not in known:
            raise unknown_name("check", str(key), [str(k) for k in known], "this report")
        return known[key]

    def _summary(self) -> str:
        failed = [check for check in self.checks if not check.passed]
        if not self.checks:
            return "Nothing could be checked: there are too few readings."
        if not failed:
            return f"Consistent: all {len(self.checks)} checks passed at {self.confidence:.0%}."
        return f"Not consistent: {len(failed)} of {len(self.checks)} checks failed at {self.confidence:.0%}."

    def __repr__(self) -> str:
        lines = [self._summary()]
        for check in self.checks:
            mark = "ok  " if check.passed else "FAIL"
            lines.append(
                f"  {mark} {check.subject}: {check.what} {check.value:.3g} "
                f"({check.low:.3g} to {check.high:.3g}); {check.words}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'✓' if check.passed else '✗'}</td><td><b>{html.escape(check.subject)}</b></td>"
            f"<td>{html.escape(check.what)}</td><td>{check.value:.3g}</td><td>{check.low:.3g} to {check.high:.3g}</td>"
            f"<td>{html.escape(check.words)}</td></tr>"
            for check in self.checks
        )
        head = "<tr><th></th><th>of</th><th>statistic</th><th>found</th><th>expected</th><th>meaning</th></tr>"
        return f"<div><b>{html.escape(self._summary())}</b><table>{head}{rows}</table></div>"

    def plot(self, *, axes: Any = None) -> Any:
        """Plot the innovations over time and their autocorrelation, one row per sensor; return the axes.

        Parameters
        ----------
        axes
            Axes ``(sensors, 2)`` to draw on; None: new ones.
        """
        import matplotlib.pyplot as plt
        from scipy.special import ndtri

        if axes is None:
            axes = plt.subplots(max(len(self.innovations), 1), 2, squeeze=False, layout="constrained")[1]
        reach = float(ndtri(0.5 + self.confidence / 2))
        for (tag, (times, values)), (left, right) in zip(self.innovations.items(), axes, strict=False):
            left.plot(times, values, ".")
            left.axhspan(-reach, reach, alpha=0.15)
            left.set_xlabel(f"time [{self.time_unit}]")
            left.set_ylabel(f"{tag}: innovation / its std")
            if len(values) > _FEWEST:
                r = autocorrelation(values, min(20, len(values) // 2))
                right.stem(np.arange(1, len(r) + 1), r)
                right.axhspan(-reach / math.sqrt(len(values)), reach / math.sqrt(len(values)), alpha=0.15)
            right.set_xlabel("lag")
            right.set_ylabel("autocorrelation")
        return axes


def autocorrelation(values: Array, lags: int) -> Array:
    """Return the sample autocorrelation at lags 1 to `lags`.

    Examples
    --------
    >>> autocorrelation(np.array([1.0, -1.0, 1.0, -1.0]), 1)
    array([-0.75])
    """
    away = values - values.mean()
    total = float(away @ away)
    if total == 0.0:
        return np.zeros(lags)
    return np.array([away[k:] @ away[:-k] / total for k in range(1, lags + 1)])


def clopper_pearson(hits: int, count: int, confidence: float) -> tuple[float, float]:
    """Return the exact interval of a probability from `hits` in `count` trials [1]_.

    References
    ----------
    .. [1] C. J. Clopper, E. S. Pearson, The use of confidence or fiducial limits illustrated in the case of the
       binomial, Biometrika 26 (1934) 404-413. doi:10.1093/biomet/26.4.404

    Examples
    --------
    >>> low, high = clopper_pearson(9, 10, 0.95)
    >>> print(f"{low:.3f} {high:.3f}")
    0.555 0.997
    """
    from scipy.special import betaincinv

    tail = (1.0 - confidence) / 2
    low = float(betaincinv(hits, count - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1.0 - tail)) if hits < count else 1.0
    return low, high


@dataclass(frozen=True)
class _Run:
    """What is needed of one run: per sensor its times and normalised innovations; per time mean and covariance."""

    readings: Mapping[str, tuple[Array, Array]]
    times: Array
    names: tuple[str, ...]
    means: Array
    covariances: Array
    time_unit: str


def _run(found: Any) -> _Run:
    if isinstance(found, FilteredRecord):
        readings: dict[str, tuple[Array, Array]] = {}
        for j, tag in enumerate(found.tags):
            known = np.isfinite(found.innovation[:, j])
            values = found.innovation[known, j] / found.innovation_std[known, j]
            readings[tag] = found.time[known], values
        unit = found.filter.model.time_unit
        return _Run(readings, found.time, found.names, found.mean, found.covariance, unit)
    estimates = list(found.estimates if isinstance(found, History) else found)
    if not estimates or not all(isinstance(estimate, Estimate) for estimate in estimates):
        raise InvalidValueError("consistency_report takes estimates, or a record of a prepared filter, or several")
    collected: dict[str, list[tuple[float, float]]] = {}
    for estimate in estimates:
        for reading in estimate.readings:
            if reading.quality is not Quality.BAD and math.isfinite(reading.innovation):
                number = reading.innovation / reading.innovation_std
                collected.setdefault(reading.tag, []).append((reading.time, number))
    arrays = {tag: tuple(np.array(pairs).T) for tag, pairs in collected.items()}
    return _Run(
        {tag: (pair[0], pair[1]) for tag, pair in arrays.items()},
        np.array([estimate.time for estimate in estimates]),
        estimates[0].names,
        np.array([estimate.vector for estimate in estimates]),
        np.array([estimate.covariance for estimate in estimates]),
        estimates[0].time_unit,
    )


def consistency_report(
    found: FilteredRecord | History | Iterable[Estimate] | Sequence[Any],
    truth: Any = None,
    *,
    confidence: float = 0.95,
    lags: int = 10,
) -> ConsistencyReport:
    """Check whether a filter's uncertainty is honest.

    Without the truth: the mean normalised innovation squared (NIS) of every sensor against its χ² bounds, the whiteness
    of the innovations (Ljung-Box [2]_) and the coverage of the predicted intervals (Clopper-Pearson). With the truth,
    from a simulation: the normalised estimation error squared (NEES) at every time against its χ² bounds, and how often
    the true value lies in the interval of every quantity.

    Parameters
    ----------
    found
        A `History`, the estimates of a run, or the record of a prepared filter; or a list of several of them.
    truth
        Name -> true values at the times of the run; a list of such mappings for several runs. A `Solution` of a
        simulation with these outputs will do.
    confidence
        Probability with which a consistent filter passes each check.
    lags
        Of the autocorrelation.

    Notes
    -----
    The errors of one run are correlated in time, so the checks against the truth are sharp over several runs only [1]_;
    over one run they fail more often than `confidence` says.

    References
    ----------
    .. [1] Y. Bar-Shalom, X. R. Li, T. Kirubarajan, Estimation with Applications to Tracking and Navigation, Wiley 2001,
       section 5.4. doi:10.1002/0471221279
    .. [2] G. M. Ljung, G. E. P. Box, On a measure of lack of fit in time series models, Biometrika 65 (1978) 297-303.
       doi:10.1093/biomet/65.2.297
    """
    if not 0.0 < confidence < 1.0:
        raise InvalidValueError(f"confidence is a probability between 0 and 1, not {confidence!r}")
    if not (isinstance(lags, int) and lags >= 1):
        raise InvalidValueError(f"lags must be a whole number of at least 1, not {lags!r}")
    given: list[Any] = [found] if isinstance(found, (FilteredRecord, History)) else list(found)
    if not given or not all(isinstance(one, (Estimate, FilteredRecord, History, Iterable)) for one in given):
        raise InvalidValueError("consistency_report takes estimates, or a record of a prepared filter, or several")
    several = not isinstance(found, (FilteredRecord, History)) and not isinstance(given[0], Estimate)
    runs = [_run(given)] if isinstance(given[0], Estimate) else [_run(one) for one in given]
    checks: list[Check] = []
    shown: dict[str, tuple[Array, Array]] = {}
    for tag in dict.fromkeys(tag for run in runs for tag in run.readings):
        parts = [run.readings[tag] for run in runs if tag in run.readings]
        shown[tag] = np.concatenate([times for times, _ in parts]), np.concatenate([values for _, values in parts])
        checks += _innovation_checks(tag, [values for _, values in parts], confidence, lags)
    if truth is not None:
        truths = list(truth) if several else [truth]
        if len(truths) != len(runs):
            raise ShapeError(f"{len(runs)} runs need {len(runs)} truths, but {len(truths)} were given")
        checks += _error_checks(
            runs, [_true_values(run, one) for run, one in zip(runs, truths, strict=True)], confidence
        )
    return ConsistencyReport(tuple(checks), confidence, shown, runs[0].time_unit)


def _innovation_checks(tag: str, parts: list[Array], confidence: float, lags: int) -> list[Check]:
    from scipy.special import chdtri, ndtri

    values = np.concatenate(parts)
    count, tail = len(values), (1.0 - confidence) / 2
    if count < _FEWEST:
        return []
    mean = float(np.mean(values**2))
    low, high = float(chdtri(count, 1.0 - tail)) / count, float(chdtri(count, tail)) / count
    if mean > high:
        words = "readings are further out than the filter says: a noise is set too small, or the model is wrong"
    elif mean < low:
        words = "readings are closer than the filter says: a noise is set too large"
    else:
        words = "readings are as far out as the filter says"
    checks = [Check(tag, "mean NIS", mean, low, high, words)]
    statistic, freedom = 0.0, 0
    for part in parts:
        reach = min(lags, len(part) // 4)
        if reach >= 1:
            r = autocorrelation(part, reach)
            statistic += len(part) * (len(part) + 2) * float(np.sum(r**2 / (len(part) - np.arange(1, reach + 1))))
            freedom += reach
    if freedom:
        limit = float(chdtri(freedom, 1.0 - confidence))
        white = statistic <= limit
        words = "innovations are white" if white else "an innovation tells the next one: the model misses something"
        checks.append(Check(tag, "Ljung-Box statistic", statistic, 0.0, limit, words))
    hits = int(np.sum(np.abs(values) <= float(ndtri(0.5 + confidence / 2))))
    checks.append(_coverage(tag, f"{confidence:.0%} intervals of readings", hits, count, confidence))
    return checks


def _coverage(subject: str, what: str, hits: int, count: int, confidence: float) -> Check:
    """Return the check that nominal coverage lies in the interval of the observed one.

    It is stated the other way round: by how much the observed coverage may differ from the nominal one.
    """
    low, high = clopper_pearson(hits, count, confidence)
    share = hits / count
    words = f"{share:.1%} of {count} inside ({low:.1%} to {high:.1%} with {confidence:.0%} confidence)"
    return Check(subject, what, confidence, low, high, words)


def _true_values(run: _Run, truth: Any) -> Array:
    """Return true values ``(times, names)``; NaN where none is known."""
    values = np.full((len(run.times), len(run.names)), np.nan)
    known = False
    for k, name in enumerate(run.names):
        try:
            column = np.asarray(truth[name], dtype=np.float64)
        except KeyError:
            continue
        if column.ndim == 0:
            column = np.full(len(run.times), float(column))
        if column.shape != (len(run.times),):
            raise ShapeError(f"the truth of {name!r} needs {len(run.times)} values, one per time, not {column.shape}")
        values[:, k] = column
        known = True
    if not known:
        raise InvalidValueError(f"the truth has none of the estimated quantities: {', '.join(run.names)}")
    return values


def _error_checks(runs: list[_Run], truths: list[Array], confidence: float) -> list[Check]:
    from scipy.special import chdtri, ndtri

    first = runs[0]
    if any(not run.covariances.size for run in runs):
        raise InvalidValueError("the covariances were not kept: run the record with covariances=True")
    if any(run.means.shape != first.means.shape for run in runs):
        raise ShapeError("several runs with a truth must have the same times")
    columns = np.flatnonzero(np.isfinite(truths[0]).any(axis=0))
    errors = np.array([t - run.means for t, run in zip(truths, runs, strict=True)])[:, :, columns]
    covariances = np.array([run.covariances for run in runs])[:, :, columns][..., columns]
    nees, ranks = _nees(errors, covariances)
    tail = (1.0 - confidence) / 2
    inside, count = 0, 0
    for k in range(nees.shape[1]):
        freedom = int(ranks[:, k].sum())
        total = float(nees[:, k].sum())
        if freedom and math.isfinite(total):
            count += 1
            inside += chdtri(freedom, 1.0 - tail) <= total <= chdtri(freedom, tail)
    checks = []
    if count:
        checks.append(_coverage("all", "times with NEES within its bounds", int(inside), count, confidence))
    reach = float(ndtri(0.5 + confidence / 2))
    for i, column in enumerate(columns):
        std = np.sqrt(np.maximum(covariances[..., i, i], 0.0))
        known = np.isfinite(errors[..., i]) & (std > 0)
        hits = int(np.sum(np.abs(errors[..., i][known]) <= reach * std[known]))
        if known.any():
            what = f"{confidence:.0%} intervals of the truth"
            checks.append(_coverage(first.names[column], what, hits, int(known.sum()), confidence))
    return checks


def _nees(errors: Array, covariances: Array) -> tuple[Array, Array]:
    """Return the normalised errors squared and their degrees of freedom, ``(runs, times)``."""
    scale = np.sqrt(np.maximum(np.diagonal(covariances, axis1=-2, axis2=-1), 0.0))
    safe = np.where(scale > 0, scale, 1.0)
    correlations = covariances / (safe[..., :, None] * safe[..., None, :])
    values, vectors = np.linalg.eigh(correlations)
    along = np.einsum("...ij,...i->...j", vectors, errors / safe)
    uncertain = values > 1e-10
    squares = np.where(uncertain, along**2 / np.where(uncertain, values, 1.0), 0.0)
    return squares.sum(axis=-1), uncertain.sum(axis=-1)
