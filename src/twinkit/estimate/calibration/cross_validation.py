"""Leave-one-group-out: how well a calibrated model predicts what it has not seen."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core import Batch, InvalidValueError, Model
from twinkit.core.errors import unknown_name
from twinkit.core.units import unit_label
from twinkit.estimate.calibration.calibrate import calibrate
from twinkit.estimate.calibration.data import Data, Observed, listed, prepare
from twinkit.estimate.calibration.free import Column, Transform
from twinkit.estimate.calibration.gradients import RunStoppedError
from twinkit.estimate.calibration.noise import Noise
from twinkit.estimate.calibration.result import Calibration
from twinkit.estimate.calibration.status import CalibrationStatus

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Held:
    """One tag of one batch that was left out; arrays ``(n,)``.

    Attributes
    ----------
    group, batch, tag
        What it is.
    time, measured
        In the model's units.
    predicted
        By the model calibrated on the other groups; NaN where that failed.
    baseline
        Mean curve of the other groups' batches at these times; NaN outside their times.
    """

    group: str
    batch: str
    tag: str
    time: Array
    measured: Array
    predicted: Array
    baseline: Array


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Scores of a calibration on groups of batches it has not seen.

    Attributes
    ----------
    held
        Predictions.
    calibrations
        Group left out -> calibration on the others.
    units
        Tag -> unit.
    """

    held: tuple[Held, ...]
    calibrations: Mapping[str, Calibration]
    units: Mapping[str, str]

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups, in order of appearance."""
        return tuple(self.calibrations)

    @property
    def tags(self) -> tuple[str, ...]:
        """Measured tags."""
        return tuple(self.units)

    def rmse(self, tag: str, group: str | None = None, *, baseline: bool = False) -> float:
        """Return the root mean square error of a tag, of one group or of all.

        Model and baseline are scored on the same measurements: those at which other groups were measured before and
        after.

        Parameters
        ----------
        tag, group
            What to score.
        baseline
            Score the mean curve of the other groups instead of the model.
        """
        for what, name, valid in (("tag", tag, self.tags), ("group", group, self.groups)):
            if name is not None and name not in valid:
                raise unknown_name(what, name, valid, "this cross-validation")
        errors: list[Array] = []
        for item in self.held:
            if item.tag == tag and group in {None, item.group}:
                known = np.isfinite(item.baseline)
                errors.append((item.baseline if baseline else item.predicted)[known] - item.measured[known])
        every = np.concatenate([np.zeros(0), *errors])
        return float(np.sqrt(np.mean(every**2))) if every.size else float("nan")

    def plot(self, ax: Any = None) -> Any:
        """Plot the error of model and mean curve per group; returns the axes."""
        from twinkit.estimate.calibration.plots import plot_scores

        return plot_scores(self, ax)

    def _cells(self) -> list[tuple[str, str, str, str]]:
        rows: list[tuple[str, str, str, str]] = []
        for tag in self.tags:
            for group in (*self.groups, None):
                pair = (f"{self.rmse(tag, group):.3g}", f"{self.rmse(tag, group, baseline=True):.3g}")
                label = f"{tag} [{unit_label(self.units[tag]) or '-'}]"
                rows.append((label, "all" if group is None else group, *pair))
        return rows

    def __repr__(self) -> str:
        rows = [("rms error of", "left out", "model", "mean curve"), *self._cells()]
        widths = [max(len(row[k]) for row in rows) for k in range(4)]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        head = "<tr><th>rms error of</th><th>left out</th><th>model</th><th>mean curve of the others</th></tr>"
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in self._cells())
        return f"<table>{head}{rows}</table>"


def cross_validate(
    model: Model,
    batches: Iterable[Batch],
    free: Iterable[Any],
    groups: Mapping[str, str] | Callable[[str], str] | None = None,
    *,
    progress: bool = True,
    **how: Any,
) -> CrossValidation:
    """Calibrate once per group, on all others, and predict the group left out.

    A `PerBatch` quantity of a batch left out takes what the batch itself says (`initial`, `settings`), or else the mean
    of the other batches' (geometric, where it is searched for on the logarithmic scale).

    Parameters
    ----------
    model, batches, free
        As for `calibrate`.
    groups
        Batch name -> group (a feeding strategy, a scale, a campaign), or a function of the name; None: every batch by
        itself.
    progress
        Show a progress bar.
    **how
        Everything else `calibrate` takes.

    Returns
    -------
    CrossValidation
        Predictions and errors, against the mean curve of the other groups.

    Raises
    ------
    InvalidValueError
        If there are fewer than two groups, or a batch has none.
    """
    from tqdm.auto import tqdm

    given, wanted = listed(batches), list(free)
    members = _grouped(given, groups)
    held: list[Held] = []
    calibrations: dict[str, Calibration] = {}
    units: dict[str, str] = {}
    for group in tqdm(members, desc="cross-validate", unit="group", disable=not progress):
        out = [batch for batch in given if batch.name in members[group]]
        others = [batch for batch in given if batch.name not in members[group]]
        found = calibrations[group] = calibrate(model, others, wanted, progress=False, **how)
        tested = _prepared(model, out, found, how)
        trained = found.objective.data
        for batch in tested.batches:
            source = next(item for item in out if item.name == batch.name)
            predicted = _predicted(found, tested, batch, source)
            for t, tag in enumerate(tested.tags):
                mine = batch.tag == t
                if mine.any():
                    units[tag] = tested.places[t].unit
                    mean = _mean_curve(trained, tag, batch.times[mine])
                    held.append(
                        Held(group, batch.name, tag, batch.times[mine], batch.value[mine], predicted[mine], mean)
                    )
    return CrossValidation(tuple(held), calibrations, units)


def _grouped(batches: Sequence[Batch], groups: Any) -> dict[str, set[str]]:
    members: dict[str, set[str]] = {}
    for batch in batches:
        if groups is None:
            group = batch.name
        elif callable(groups):
            group = str(groups(batch.name))
        elif batch.name in groups:
            group = str(groups[batch.name])
        else:
            raise InvalidValueError(f"batch {batch.name!r} has no group: name one in groups={{...}}")
        members.setdefault(group, set()).add(batch.name)
    if len(members) < 2:
        raise InvalidValueError(f"to leave one group out takes at least two; there is {len(members)}")
    return members


def _prepared(model: Model, out: Sequence[Batch], found: Calibration, how: Mapping[str, Any]) -> Data:
    columns = found.objective.space.columns
    tags = dict.fromkeys(tag for batch in out for tag in batch.tags)
    started = [column.name for column in columns if column.initial and "[" not in column.name]
    return prepare(
        model, out, sensors=how.get("sensors", ()), noise={tag: Noise(1.0, 1.0) for tag in tags}, free=started,
        rtol=how.get("rtol", 1e-7),
    )  # fmt: skip


def _predicted(found: Calibration, tested: Data, batch: Observed, source: Batch) -> Array:
    """Return predictions of all measurements of a batch that was left out; NaN where they cannot be made."""
    if found.status is CalibrationStatus.FAILED:
        return np.full(len(batch.value), np.nan)
    space = found.objective.space
    number = len(space.coordinates)
    every = space.values(found.best.end[:number])
    values = [_value(column, j, space.of_batch, every, source) for j, column in enumerate(space.columns)]
    gradients = replace(found.objective.gradients, places=tested.places)
    try:
        return gradients.predicted(batch, np.array(values))[batch.quantity, batch.row]
    except RunStoppedError:
        return np.full(len(batch.value), np.nan)


def _value(column: Column, j: int, of_batch: Any, every: Array, source: Batch) -> float:
    chosen = every[np.unique(of_batch[:, j])]
    if column.per_batch:
        known = (source.initial if column.initial else source.settings).get(column.name)
        if known is not None:
            from twinkit.core.units import as_number

            return as_number(known, column.unit, f"{column.label!r} of batch {source.name!r}")
        if column.transform is Transform.LOG:
            return float(np.exp(np.mean(np.log(chosen))))
    return float(np.mean(chosen))


def _mean_curve(data: Data, tag: str, times: Array) -> Array:
    """Return the mean over batches of their measurements, interpolated to these times; NaN where no batch reaches."""
    total, count = np.zeros(len(times)), np.zeros(len(times))
    if tag not in data.tags:
        return np.full(len(times), np.nan)
    for batch in data.batches:
        mine = batch.tag == data.tags.index(tag)
        if not mine.any():
            continue
        order = np.argsort(batch.times[mine], kind="stable")
        when, what = batch.times[mine][order], batch.value[mine][order]
        within = (times >= when[0] - 1e-9) & (times <= when[-1] + 1e-9)
        total[within] += np.interp(times[within], when, what)
        count[within] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)
