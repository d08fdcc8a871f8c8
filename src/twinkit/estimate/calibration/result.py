"""The result of a calibration."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core import Batch, InvalidValueError, Model, ParameterSet, SimulationError, Solution
from twinkit.core.errors import unknown_name
from twinkit.core.units import unit_label
from twinkit.estimate.calibration.estimated import Estimated, Fit
from twinkit.estimate.calibration.free import Transform
from twinkit.estimate.calibration.identifiability import Identifiability, correlation_of, covariance_of, judge
from twinkit.estimate.calibration.objective import Objective
from twinkit.estimate.calibration.search import at_bound
from twinkit.estimate.calibration.status import CalibrationStatus, Start
from twinkit.estimate.uncertain import Adaptation

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What `calibrate` found; it never changes.

    Attributes
    ----------
    start_model
        The model as it was given.
    batches
        The batches.
    objective
        What was minimised.
    starts
        What was found from every start, the given start first. Different costs show several local minima.
    coverage
        Nominal coverage of the intervals.
    provenance
        Content hashes of data, model and settings, and versions.
    """

    start_model: Model
    batches: tuple[Batch, ...]
    objective: Objective
    starts: tuple[Start, ...]
    coverage: float
    provenance: Mapping[str, Any]

    # -- how it ended ------------------------------------------------------------------------------------------
    @cached_property
    def best(self) -> Start:
        """The start that found the lowest cost."""
        return min(self.starts, key=lambda start: (not start.status.usable, start.cost))

    @property
    def status(self) -> CalibrationStatus:
        """How the best search ended."""
        return self.best.status

    @property
    def message(self) -> str:
        """The same in words."""
        return self.best.message

    @property
    def cost(self) -> float:
        """Negative log posterior at the estimates, up to a constant."""
        return self.best.cost

    @property
    def costs(self) -> Array:
        """Cost found from every start, infinite where it failed."""
        return np.array([start.cost for start in self.starts])

    # -- estimates ---------------------------------------------------------------------------------------------
    @cached_property
    def _labels(self) -> tuple[str, ...]:
        return self.objective.labels

    @cached_property
    def _root(self) -> Array:
        if self.status is CalibrationStatus.FAILED:
            return np.zeros((1, self.objective.size))
        return self.objective.information_root(self.best.end)

    @property
    def _tolerance(self) -> float:
        return 100.0 * max(batch.problem.rtol for batch in self.objective.data.batches)

    @cached_property
    def _inflation(self) -> float:
        """Factor of the variances where all noise was found from the data: ``N / (N - p)``, as for a linear model."""
        data, count = self.objective.data, len(self.objective.space.coordinates)
        found = all(term.find_std for term in data.noise) and not self.objective.priors
        return data.count / (data.count - count) if found and data.count > count else 1.0

    @cached_property
    def _quantile(self) -> float:
        from scipy import stats

        level, data = 0.5 + 0.5 * self.coverage, self.objective.data
        if self._inflation == 1.0:
            return float(stats.norm.ppf(level))
        return float(stats.t.ppf(level, data.count - len(self.objective.space.coordinates)))

    @cached_property
    def _search_covariance(self) -> Array:
        return covariance_of(self._root, self._tolerance)[0] * self._inflation

    @cached_property
    def _values(self) -> Array:
        number = len(self.objective.space.coordinates)
        return np.concatenate([self.objective.space.values(self.best.end), np.exp(self.best.end[number:])])

    @cached_property
    def _slopes(self) -> Array:
        number = len(self.objective.space.coordinates)
        return np.concatenate([self.objective.space.slopes(self.best.end), self._values[number:]])

    @property
    def labels(self) -> tuple[str, ...]:
        """What was searched for, noise included: the order of `covariance` and `correlation`."""
        return self._labels

    @cached_property
    def covariance(self) -> Array:
        """Covariance of everything in `labels`, in their units; infinite variances where nothing is determined."""
        return self._search_covariance * np.outer(self._slopes, self._slopes)

    @cached_property
    def correlation(self) -> Array:
        """Correlation of everything in `labels` (on the scale searched on); NaN where nothing is determined."""
        return correlation_of(self._search_covariance)

    @cached_property
    def estimates(self) -> Mapping[str, Estimated]:
        """Label -> estimate, noise that was found included."""
        number = len(self.objective.space.coordinates)
        bound = set(at_bound(self.objective, self.best.end).tolist()) if self.status.usable else set[int]()
        stds = np.sqrt(np.diag(self.covariance))
        logs = [column.transform is Transform.LOG for _, column in self.objective.space.each()]
        found: dict[str, Estimated] = {}
        for i, label in enumerate(self._labels):
            value, std = float(self._values[i]), float(stds[i])
            log = i >= number or logs[i]
            low, high = self._ends(value, std, log=log)
            unit = ""
            if i < number:
                column = self.objective.space.columns[self.objective.space.coordinates[i].column]
                low, high, unit = max(low, column.low), min(high, column.high), column.unit
            elif label.startswith("noise of"):
                unit = self.objective.data.noise[[*self.objective.noise_places][i - number][0]].unit
            found[label] = Estimated(label, value, unit, std, (low, high), i in bound)
        return found

    def _ends(self, value: float, std: float, *, log: bool) -> tuple[float, float]:
        reach = self._quantile * std
        if not math.isfinite(reach):
            return (0.0 if log else -math.inf), math.inf
        if log:
            share = min(reach / value, 700.0)
            return value * math.exp(-share), value * math.exp(share)
        return value - reach, value + reach

    def __getitem__(self, label: str) -> Estimated:
        if label not in self.estimates:
            raise unknown_name("estimate", label, self.estimates, "this calibration")
        return self.estimates[label]

    @cached_property
    def identifiability(self) -> Identifiability:
        """What the data determine, in words."""
        number = len(self.objective.space.coordinates)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(self._values != 0, self._slopes / np.abs(self._values), 1.0)
        labels = self._labels[:number]
        # Noise is found by how much is left over; what the parameters need is their own part of the information.
        return judge(labels, relative[:number].tolist(), self._root[:, :number], self._tolerance)

    # -- what it is for ----------------------------------------------------------------------------------------
    def _usable(self, what: str) -> None:
        if self.status is CalibrationStatus.FAILED:
            raise SimulationError(f"the calibration failed, so there is no {what}: {self.message}")

    @cached_property
    def parameters(self) -> ParameterSet:
        """The shared quantities as a parameter set: values, joint uncertainty, origin."""
        self._usable("parameter set")
        items = [(i, c) for i, (item, c) in enumerate(self.objective.space.each()) if item.batch is None]
        places = [i for i, _ in items]
        return ParameterSet(
            tuple(c.name for _, c in items), tuple(float(self._values[i]) for i in places),
            tuple(c.unit for _, c in items), self.covariance[np.ix_(places, places)],
            tuple(c.transform is Transform.LOG for _, c in items), self.source, self.provenance,
        )  # fmt: skip

    @property
    def source(self) -> str:
        """Where the values come from, in words."""
        data = self.objective.data
        names = ", ".join(batch.name for batch in data.batches[:3]) + (", ..." if len(data.batches) > 3 else "")
        return (
            f"calibrated by twinkit {self.provenance['twinkit']} on {data.count} measurements of "
            f"{', '.join(data.tags)} from {len(data.batches)} batches ({names}), data {self.provenance['data'][:12]}"
        )

    @cached_property
    def model(self) -> Model:
        """The model with the shared quantities that were found (see `parameters` for their origin)."""
        return self.parameters.apply(self.start_model)

    @cached_property
    def fitted_batches(self) -> Mapping[str, Batch]:
        """Batches by name, with what was found for each of them filled in."""
        self._usable("fit")
        found: dict[str, Batch] = {}
        for b, batch in enumerate(self.batches):
            initial, settings = dict(batch.initial), dict(batch.settings)
            own = [(c, float(self._values[i])) for i, (k, c) in enumerate(self.objective.space.each()) if k.batch == b]
            for column, value in own:
                (initial if column.initial else settings)[column.name] = value
            found[batch.name] = batch.with_(initial=initial, settings=settings)
        return found

    def simulate(self, batch: str, **how: Any) -> Solution:
        """Return the fitted model's run of a batch; `how` goes to `tk.simulate`."""
        from twinkit.simulate import simulate

        chosen = self._batch(batch)
        unit = chosen.time_unit
        return simulate(
            self.model.with_(chosen.settings), f"{max(chosen.end, chosen.begin + 1e-9)!r} {unit}",
            start=f"{chosen.begin!r} {unit}", inputs=chosen.inputs, initial=chosen.initial, **how,
        )  # fmt: skip

    def _batch(self, name: str) -> Batch:
        if name not in self.fitted_batches:
            raise unknown_name("batch", name, self.fitted_batches, "this calibration")
        return self.fitted_batches[name]

    @cached_property
    def residuals(self) -> Mapping[str, Mapping[str, Fit]]:
        """Batch -> tag -> measured against model."""
        self._usable("fit")
        rows, data = self.objective.rows(self.best.end, slopes=False), self.objective.data
        found: dict[str, dict[str, Fit]] = {}
        first = 0
        for batch in data.batches:
            span = slice(first, first + len(batch.value))
            first = span.stop
            found[batch.name] = {}
            for t, tag in enumerate(data.tags):
                mine = batch.tag == t
                if mine.any():
                    found[batch.name][tag] = Fit(
                        batch.times[mine], batch.value[mine], rows.value[span][mine], rows.std[span][mine],
                        data.places[t].unit,
                    )  # fmt: skip
        return found

    def draw(self, count: int, seed: int) -> dict[str, Array]:
        """Draw joint samples of the shared quantities for `tk.ensemble`; see `ParameterSet.draw`."""
        return self.parameters.draw(self.start_model, count=count, seed=seed)

    def adaptations(self, names: Iterable[str] | None = None, *, noise: Any = 0.0) -> dict[str, Adaptation]:
        """Return an `Adaptation` of each parameter, for an estimator that goes on learning these parameters.

        Parameters
        ----------
        names
            Which shared parameters; None: all that are determined.
        noise
            As for `Adaptation`.

        Raises
        ------
        InvalidValueError
            If the data do not determine a parameter that is named.
        """
        known = {c.name: c for item, c in self.objective.space.each() if item.batch is None and not c.initial}
        std = self.parameters.std
        chosen = [name for name in known if math.isfinite(std[name])] if names is None else list(names)
        for name in chosen:
            if name not in known:
                raise unknown_name("calibrated parameter", name, known, "this calibration")
            if not math.isfinite(std[name]):
                raise InvalidValueError(f"the data do not determine {name!r}: give it a standard deviation yourself")
        return {name: Adaptation(std=std[name], noise=noise) for name in chosen}

    def profile(self, label: str, **how: Any) -> Any:
        """Return the profile likelihood of one quantity; see `twinkit.estimate.calibration.profile.profile`."""
        from twinkit.estimate.calibration.profile import profile

        return profile(self, label, **how)

    # -- looks -------------------------------------------------------------------------------------------------
    def plot(self, *tags: str, batches: Iterable[str] | None = None) -> Any:
        """Plot the fitted model against the data, a row per tag and a column per batch; returns the axes."""
        from twinkit.estimate.calibration.plots import plot_fit

        return plot_fit(self, tags, batches)

    def plot_correlation(self, ax: Any = None) -> Any:
        """Plot the correlation matrix; returns the axes."""
        from twinkit.estimate.calibration.plots import plot_correlation

        return plot_correlation(self, ax)

    def _cells(self) -> list[tuple[str, ...]]:
        cells: list[tuple[str, ...]] = []
        for item in self.estimates.values():
            std = f"{item.std:.2g}" if item.determined else "not determined"
            span = f"{item.interval[0]:.4g} .. {item.interval[1]:.4g}" + (" (at a bound)" if item.at_bound else "")
            cells.append((item.label, f"{item.value:.5g}", unit_label(item.unit), std, span))
        return cells

    @property
    def _head(self) -> str:
        data = self.objective.data
        ends = f"{sum(s.status.usable for s in self.starts)} of {len(self.starts)} starts converged"
        return (
            f"Calibration of {type(self.start_model).__name__} on {len(data.batches)} batches, {data.count} "
            f"measurements: {self.status.value} (cost {self.cost:.6g}, {ends})"
        )

    def __repr__(self) -> str:
        if self.status is CalibrationStatus.FAILED:
            return f"{self._head}\n  {self.message}"
        rows = [("", "value", "unit", "std error", f"{100 * self.coverage:g} % interval"), *self._cells()]
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self._head, *(f"  {line}" for line in lines), *self.identifiability.sentences])

    def _repr_html_(self) -> str:
        if self.status is CalibrationStatus.FAILED:
            return f"<pre>{html.escape(repr(self))}</pre>"
        heads = ("", "value", "unit", "std error", f"{100 * self.coverage:g} % interval")
        head = "".join(f"<th>{text}</th>" for text in heads)
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in self._cells())
        words = self.identifiability._repr_html_()  # pyright: ignore[reportPrivateUsage]
        return f"<b>{html.escape(self._head)}</b><table><tr>{head}</tr>{rows}</table>{words}"
