"""Noises of a filter from past batches, by maximum likelihood of the innovations."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Measurement, Quality
from twinkit.core.batch import Batch
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.units import affine, unit_label
from twinkit.estimate.filter import Filter
from twinkit.estimate.repeated.run import Engine, PreparedFilter, Task, prepare_filter
from twinkit.estimate.uncertain import Part, noise_unit, spread_unit

_REACH = math.log(1e6)  # how far a standard deviation may move from where it starts, either way


@dataclass(frozen=True)
class Tuned:
    """One tuned number.

    Attributes
    ----------
    name
        ``noise(STATE)`` or ``std(TAG)``.
    unit
        Its unit.
    start, value
        Before and after.
    interval
        Of the value, at the result's confidence, from the curvature of the likelihood.
    at_limit
        Whether it ran to the end of its range: the batches do not tell it (for a noise: zero will do).
    """

    name: str
    unit: str
    start: float
    value: float
    interval: tuple[float, float]
    at_limit: bool


@dataclass(frozen=True, eq=False)
class TuningResult:
    """What `tune` found.

    Attributes
    ----------
    filter
        The filter with the tuned numbers.
    tuned
        The numbers.
    log_likelihood
        Natural logarithm of the likelihood of all batches, before and after.
    standard_errors
        Of the logarithms of the numbers.
    converged
        Whether the optimiser came to an end; `message` is its own.
    confidence
        Of the intervals.
    """

    filter: Filter
    tuned: tuple[Tuned, ...]
    log_likelihood: tuple[float, float]
    standard_errors: Array
    converged: bool
    message: str
    confidence: float

    def __getitem__(self, name: str) -> Tuned:
        """Return one tuned number by its name."""
        known = {one.name: one for one in self.tuned}
        if name not in known:
            raise unknown_name("tuned number", name, known, "this result")
        return known[name]

    def _rows(self) -> list[tuple[str, str, str, str, str, str]]:
        return [
            (
                one.name, unit_label(one.unit), f"{one.start:.3g}", f"{one.value:.3g}",
                f"{one.interval[0]:.3g} to {one.interval[1]:.3g}", "at the end of its range" if one.at_limit else "",
            )
            for one in self.tuned
        ]  # fmt: skip

    def _head(self) -> str:
        before, after = self.log_likelihood
        end = "" if self.converged else f"; not converged: {self.message}"
        return f"Log-likelihood {before:.6g} before, {after:.6g} after tuning{end}"

    def __repr__(self) -> str:
        rows = [f"  {n} [{u or '-'}] {a} -> {b} ({i}) {note}".rstrip() for n, u, a, b, i, note in self._rows()]
        return "\n".join([self._head(), *rows])

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self._rows()
        )
        titles = ("name", "unit", "before", "after", f"{self.confidence:.0%} interval", "")
        head = "".join(f"<th>{title}</th>" for title in titles)
        return f"<div><b>{html.escape(self._head())}</b><table><tr>{head}</tr>{rows}</table></div>"

    def plot(self, *, ax: Any = None) -> Any:
        """Plot the tuned numbers with their intervals, relative to where they started; return the axes."""
        import matplotlib.pyplot as plt

        axes = plt.subplots(layout="constrained")[1] if ax is None else ax
        for k, one in enumerate(self.tuned):
            low, high = (max(end, 1e-300) / one.start for end in one.interval)
            axes.plot([low, high], [k, k], color="C0")
            axes.plot(one.value / one.start, k, "o", color="C0")
        axes.axvline(1.0, linestyle="--", color="grey")
        axes.set_xscale("log")
        axes.set_yticks(np.arange(len(self.tuned)), [one.name for one in self.tuned])
        axes.set_xlabel("after / before")
        return axes


@dataclass(frozen=True)
class _Past:
    """One past batch, ready to be run again and again."""

    run: PreparedFilter
    task: Task
    own: Any  # readings that carry a standard deviation of their own
    factors: Array  # on the sensor's standard deviation, for uncertain readings
    relative: Array  # part of the sensor's standard deviation that goes with the reading


@dataclass(frozen=True)
class _Free:
    """What is tuned: parts of the vector, and sensors."""

    parts: tuple[Part, ...]
    positions: tuple[Any, ...]
    tags: tuple[str, ...]
    start: Array

    def names(self) -> list[str]:
        return [f"noise({part.name})" for part in self.parts] + [f"std({tag})" for tag in self.tags]


def tune(
    kind: Filter,
    batches: Iterable[Batch | Iterable[Measurement]],
    *,
    noise: Sequence[str] = (),
    std: Sequence[str] = (),
    begin: Any = 0.0,
    substeps: int = 10,
    starts: int = 1,
    seed: int = 0,
    confidence: float = 0.95,
    progress: bool = True,
    engine: Engine | None = None,
) -> TuningResult:
    """Find process noises and sensors' standard deviations from past batches, by maximum likelihood of the innovations.

    The likelihood of all readings is the product of those of the innovations [1]_; its maximum is sought over the
    logarithms of the numbers, so that none can become negative. Every reading counts: the gate is not applied.

    Parameters
    ----------
    kind
        An extended or unscented Kalman filter; where it has a number, the search starts there.
    batches
        Past batches, each begun from the filter's initial values: lists of measurements, or `Batch` objects,
        whose inputs, initial values and settings then take the place of the filter's.
    noise
        What gets a tuned process noise: states, adapted parameters, or ``disturbance(NAME)``.
    std
        Tags of sensors that get a tuned standard deviation.
    begin
        Time at which batches begin that do not say it themselves.
    substeps
        Sub-steps from one reading to the next.
    starts
        How many searches, all but the first from random starts (`seed`); the best is kept.
    confidence
        Of the intervals.
    progress
        Whether to show how far the search is.
    engine
        See `prepare_filter`.

    Raises
    ------
    InvalidValueError, UnknownNameError
        For names or measurements that do not fit, or when nothing is to be tuned.

    References
    ----------
    .. [1] F. C. Schweppe, Evaluation of likelihood functions for Gaussian signals, IEEE Transactions on Information
       Theory 11 (1965) 61-70. doi:10.1109/TIT.1965.1053737
    """
    free = _free(kind, noise, std)
    if not (isinstance(starts, int) and starts >= 1):
        raise InvalidValueError(f"starts must be a whole number of at least 1, not {starts!r}")
    if not 0.0 < confidence < 1.0:
        raise InvalidValueError(f"confidence is a probability between 0 and 1, not {confidence!r}")
    known = _with(kind, free, free.start)
    past = [_past(*_of(replace(known, gate=None), batch, begin), substeps, engine) for batch in batches]
    if not past:
        raise InvalidValueError("there is nothing to learn from: batches is empty")

    def cost(logarithms: Array) -> float:
        return -sum(_likelihood(one, free, np.exp(logarithms)) for one in past)

    begun = np.log(free.start)
    found = _searched(cost, begun, starts, seed, progress)
    errors = _standard_errors(cost, found.x)
    tuned = _tuned(kind, free, found.x, errors, confidence)
    ends = (-cost(begun), -float(found.fun))
    return TuningResult(
        _with(kind, free, np.exp(found.x)), tuned, ends, errors, bool(found.success), str(found.message), confidence
    )


def _free(kind: Filter, noise: Sequence[str], std: Sequence[str]) -> _Free:
    plan, lines = kind.plan, kind.lines
    if isinstance(noise, str) or isinstance(std, str) or not (len(noise) or len(std)):
        raise InvalidValueError("say what to tune, as lists of names: noise=['S'], std=['reading']")
    by_name = {part.name: part for part in plan.parts}
    for name in noise:
        if name not in by_name:
            raise unknown_name("estimated quantity", name, by_name, "this filter")
    for tag in std:
        if tag not in lines:
            raise unknown_name("sensor", tag, lines, "this filter")
    parts = tuple(by_name[name] for name in noise)
    starts = [float(np.max(part.noise)) or 1e-2 * part.scale for part in parts]
    starts += [lines[tag].std or 0.05 * _magnitude(kind, tag) for tag in std]
    positions = tuple(plan.fields[part.name][0] + np.arange(part.entry.width) for part in parts)
    return _Free(parts, positions, tuple(std), np.array(starts))


def _magnitude(kind: Filter, tag: str) -> float:
    place = kind.lines[tag].place
    block = {"state": kind.model.layout.states, "algebraic": kind.model.layout.algebraics}.get(place.kind)
    entries = kind.model.layout.outputs if block is None else block
    return next(entry.variable.scale for entry in entries if place.label in entry.labels)


def _with(kind: Filter, free: _Free, values: Array) -> Filter:
    """Return the filter with the free numbers set."""
    changes: dict[str, dict[str, Any]] = {
        "process_noise": dict(kind.process_noise), "adapt": dict(kind.adapt), "disturb": dict(kind.disturb)
    }  # fmt: skip
    states = {part.name for part in kind.plan.states}
    for part, value in zip(free.parts, values.tolist(), strict=False):
        if part.name in states:
            changes["process_noise"][part.name] = value
        elif part.name in kind.adapt:
            changes["adapt"][part.name] = replace(kind.adapt[part.name], noise=value)
        else:
            changes["disturb"][part.entry.name] = replace(kind.disturb[part.entry.name], noise=value)
    stds = dict(zip(free.tags, values[len(free.parts) :].tolist(), strict=True))
    sensors = [replace(s, std=stds[s.name]) if s.name in stds else s for s in kind.sensors]
    return replace(kind, sensors=sensors, **changes)


def _of(kind: Filter, batch: Batch | Iterable[Measurement], begin: Any) -> tuple[Filter, list[Measurement], Any]:
    """Return the filter of a batch, its measurements in the model's time unit, and its begin."""
    if not isinstance(batch, Batch):
        return kind, list(batch), begin
    scale, _ = affine(batch.time_unit, kind.model.time_unit)
    inputs = {**kind.inputs, **batch.inputs} if isinstance(kind.inputs, Mapping) else batch.inputs
    own = replace(
        kind,
        model=kind.model.with_(**batch.settings),
        initial={**(kind.initial or {}), **batch.initial},
        inputs=inputs if batch.inputs else kind.inputs,
    )
    moved = [replace(m, source_time=m.source_time * scale, received_time=None) for m in batch.measurements]
    return own, moved, batch.begin * scale


def _past(kind: Filter, measurements: list[Measurement], begin: Any, substeps: int, engine: Engine | None) -> _Past:
    """Return a batch as a record: one row per time, and one more for a second reading of the same sensor."""
    tags = list(kind.lines)
    checked = [item for item in map(kind.judged, measurements) if item[0].quality is not Quality.BAD]
    if not checked:
        raise InvalidValueError("a batch has no usable measurement")
    rows: list[tuple[float, dict[str, tuple[float, float, bool, float]]]] = []
    for m, value, spread in sorted(checked, key=lambda item: item[0].source_time):
        if not rows or rows[-1][0] != m.source_time or m.tag in rows[-1][1]:
            rows.append((m.source_time, {}))
        uncertain = m.quality is Quality.UNCERTAIN
        factor = kind.lines[m.tag].sensor.uncertain_factor if uncertain else 1.0
        rows[-1][1][m.tag] = value, spread, m.std is not None, factor
    shape = len(rows), len(tags)
    values, stds = np.full(shape, np.nan), np.ones(shape)
    own, factors = np.zeros(shape, dtype=np.bool_), np.ones(shape)
    for i, (_, row) in enumerate(rows):
        for tag, found in row.items():
            j = tags.index(tag)
            values[i, j], stds[i, j], own[i, j], factors[i, j] = found
    run = prepare_filter(kind, [time for time, _ in rows], begin=begin, substeps=substeps, engine=engine)
    shares = np.array([line.sensor.relative_std for line in kind.lines.values()])
    return _Past(run, run.task(values, stds), own, factors, np.nan_to_num(values) * shares)


def _likelihood(past: _Past, free: _Free, values: Array) -> float:
    """Return the logarithm of the likelihood of a batch (minus infinity where the filter does not get through)."""
    from twinkit.core import SimulationError

    q, variances = past.task.q.copy(), past.task.variances.copy()
    tags = list(past.run.filter.lines)
    for positions, value in zip(free.positions, values, strict=False):
        q[positions] = value**2
    for tag, value in zip(free.tags, values[len(free.parts) :], strict=True):
        j = tags.index(tag)
        mine = (value**2 + past.relative[:, j] ** 2) * past.factors[:, j] ** 2
        variances[:, j] = np.where(past.own[:, j], variances[:, j], mine)
    try:
        record = past.run.run(replace(past.task, q=q, variances=variances), covariances=False)
    except SimulationError:
        return -1e12
    return record.total_log_likelihood


def _searched(cost: Any, begun: Array, starts: int, seed: int, progress: bool) -> Any:
    """Return the best of several searches."""
    from scipy.optimize import minimize
    from tqdm.auto import tqdm

    rng = np.random.default_rng(seed)
    bounds = [(one - _REACH, one + _REACH) for one in begun]
    best: Any = None
    with tqdm(desc="tuning", unit=" runs", disable=not progress, leave=False) as bar:

        def counted(logarithms: Array) -> float:
            bar.update()
            return cost(logarithms)

        for number in range(starts):
            first = begun if number == 0 else begun + rng.normal(0.0, 1.5, len(begun))
            found = minimize(counted, first, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-5})
            best = found if best is None or found.fun < best.fun else best
    return best


def _standard_errors(cost: Any, at: Array) -> Array:
    """Return standard errors of the logarithms, from the curvature of the likelihood by central differences."""
    n, h = len(at), 1e-3
    middle = cost(at)
    curvature = np.empty((n, n))
    moves = h * np.eye(n)
    for i in range(n):
        for j in range(i + 1):
            if i == j:
                found = cost(at + moves[i]) - 2.0 * middle + cost(at - moves[i])
                curvature[i, i] = found / h**2
            else:
                ahead = cost(at + moves[i] + moves[j]) + cost(at - moves[i] - moves[j])
                across = cost(at + moves[i] - moves[j]) + cost(at - moves[i] + moves[j])
                curvature[i, j] = curvature[j, i] = (ahead - across) / (4.0 * h**2)
    errors = np.full(n, np.inf)
    told = np.diag(curvature) > 1e-6  # the likelihood does not depend on the others
    if told.any():
        inverse = np.linalg.pinv(curvature[np.ix_(told, told)], hermitian=True)
        errors[told] = np.sqrt(np.where(np.diag(inverse) > 0, np.diag(inverse), np.inf))
    return errors


def _tuned(kind: Filter, free: _Free, at: Array, errors: Array, confidence: float) -> tuple[Tuned, ...]:
    from scipy.special import ndtri

    time_unit = kind.model.time_unit
    units = [noise_unit(part.unit, time_unit) for part in free.parts]
    units += [spread_unit(kind.lines[tag].place.unit, time_unit) for tag in free.tags]
    reach = float(ndtri(0.5 + confidence / 2)) * errors
    found: list[Tuned] = []
    for name, unit, start, where, width in zip(free.names(), units, free.start, at, reach, strict=True):
        limit = abs(abs(where - math.log(start)) - _REACH) < 1e-3 or not math.isfinite(width)
        interval = (0.0, math.inf) if limit else (math.exp(where - width), math.exp(where + width))
        found.append(Tuned(name, unit, float(start), math.exp(where), interval, limit))
    return tuple(found)
