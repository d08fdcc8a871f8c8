"""How the process may go on: samples of the estimate, run through the nonlinear model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core import InvalidValueError, SimulationError
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.units import as_number, unit_label
from twinkit.estimate.factors import factor, triangular
from twinkit.estimate.samples import SampledEstimate
from twinkit.estimate.sensors import positions
from twinkit.estimate.uncertain import Plan

if TYPE_CHECKING:
    import xarray as xr

    from twinkit.estimate.filter import Filter
    from twinkit.estimate.result import Estimate


_RTOL = 1e-4  # local error of a run: far below what the samples differ by
_HALVINGS = 12


@dataclass(frozen=True)
class When:
    """When something will have happened.

    Attributes
    ----------
    median
        Time by which half of the runs have crossed; infinite when fewer have by the end of the forecast.
    interval
        Central interval at `coverage`; an end that lies beyond the forecast is infinite.
    probability
        Fraction of the runs that cross within the forecast.
    coverage
        Nominal coverage of the interval.
    unit
        Time unit.
    """

    median: float
    interval: tuple[float, float]
    probability: float
    coverage: float
    unit: str

    def __repr__(self) -> str:
        low, high = (f"{end:.4g}" if math.isfinite(end) else "later" for end in self.interval)
        middle = f"{self.median:.4g} {self.unit}" if math.isfinite(self.median) else "not within the forecast"
        return f"When({middle}, {self.coverage:.0%} interval {low} to {high}, probability {self.probability:.1%})"


@dataclass(frozen=True, eq=False)
class Forecast:
    """Runs of the model from samples of an estimate.

    Attributes
    ----------
    time, time_unit
        Times, the first one the estimate's.
    samples
        Name -> values ``(runs, times)``.
    units
        Name -> unit.
    failed
        Number of runs that could not be finished; they are left out of `samples`.
    made_by
        Content hash of the filter.
    """

    time: Array
    time_unit: str
    samples: Mapping[str, Array]
    units: Mapping[str, str]
    failed: int = 0
    made_by: str = ""

    def _of(self, name: str) -> Array:
        if name not in self.samples:
            raise unknown_name("quantity", name, self.samples, "this forecast")
        return self.samples[name]

    def quantile(self, name: str, probability: float | Sequence[float]) -> Array:
        """Return quantiles over time: ``(times,)``, or ``(probabilities, times)``."""
        return np.quantile(self._of(name), probability, axis=0)

    def median(self, name: str) -> Array:
        """Return the median over time."""
        return self.quantile(name, 0.5)

    def mean(self, name: str) -> Array:
        """Return the mean over time."""
        return np.mean(self._of(name), axis=0)

    def std(self, name: str) -> Array:
        """Return the standard deviation over time."""
        return np.std(self._of(name), axis=0, ddof=1)

    def interval(self, name: str, coverage: float = 0.95) -> tuple[Array, Array]:
        """Return the central interval over time, ``(low, high)``."""
        low, high = self.quantile(name, [0.5 - coverage / 2, 0.5 + coverage / 2])
        return low, high

    def time_when(self, name: str, *, below: Any = None, above: Any = None, coverage: float = 0.95) -> When:
        """Return when a quantity first is at or below, or at or above, a limit.

        Parameters
        ----------
        name
            The quantity.
        below, above
            The limit, one of the two: a number in the quantity's unit or a text with a unit.
        coverage
            Nominal coverage of the interval.
        """
        values = self._of(name)
        if (below is None) == (above is None):
            raise InvalidValueError("time_when needs either below= or above=")
        limit = as_number(above if below is None else below, self.units[name], f"the limit of {name!r}")
        beyond = limit - values if below is not None else values - limit  # >= 0: there
        there = beyond >= 0
        crossed = np.any(there, axis=1)
        first = np.argmax(there, axis=1)
        before = np.maximum(first - 1, 0)
        rows = np.arange(len(values))
        a, b = beyond[rows, before], beyond[rows, first]
        share = np.where(first > 0, -a / np.where(b > a, b - a, 1.0), 0.0)
        when = self.time[before] + share * (self.time[first] - self.time[before])
        when = np.sort(np.where(crossed, when, np.inf))
        ends = [when[min(int(p * len(when)), len(when) - 1)] for p in (0.5 - coverage / 2, 0.5, 0.5 + coverage / 2)]
        low, middle, high = (float(end) for end in ends)
        return When(middle, (low, high), float(np.mean(crossed)), coverage, self.time_unit)

    def to_xarray(self) -> xr.Dataset:
        """Return all runs as one dataset with dimensions ``run`` and ``time``."""
        import xarray as xr

        coords = {"time": ("time", self.time, {"units": self.time_unit})}
        arrays = {name: (("run", "time"), data, {"units": self.units[name]}) for name, data in self.samples.items()}
        return xr.Dataset(arrays, coords=coords, attrs={"failed": self.failed, "made_by": self.made_by})

    def __repr__(self) -> str:
        runs = len(next(iter(self.samples.values())))
        head = f"Forecast from {self.time[0]:.6g} to {self.time[-1]:.6g} {self.time_unit}, {runs} runs"
        lines = [head + (f" ({self.failed} failed)" if self.failed else "")]
        for name in self.samples:
            low, high = self.interval(name)
            unit = unit_label(self.units[name])
            lines.append(
                f"  {name} [{unit or '-'}] ends at {self.median(name)[-1]:.4g} ({low[-1]:.4g} to {high[-1]:.4g})"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class Drawn:
    """How samples are drawn; see `Filter.forecast`."""

    samples: int
    seed: int
    process_noise: bool
    parameter_uncertainty: bool


def forecast(
    ekf: Filter, estimate: Estimate, until: Any, outputs: Sequence[str] | None, times: int, drawn: Drawn
) -> Forecast:
    """Run the model from samples of an estimate; see `Filter.forecast`."""
    samples = drawn.samples
    unit = ekf.model.time_unit
    end = as_number(until, unit, "until")
    if not end > estimate.time:
        raise InvalidValueError(f"a forecast must end after {estimate.time:g} {unit}, not at {end:g}")
    if samples < 2 or times < 2:
        raise InvalidValueError(f"a forecast needs at least 2 samples and 2 times, not {samples} and {times}")
    ekf.given.check(estimate.time, end)
    wanted = _wanted(ekf, outputs)
    rng = np.random.default_rng(drawn.seed)
    x = _drawn(ekf.plan, estimate, samples, rng, drawn.parameter_uncertainty)
    z = np.repeat(estimate.algebraics[:, None], samples, axis=1)
    grid = np.linspace(estimate.time, end, times)
    kept = np.empty((times, len(wanted), samples))
    rows = [row for _, row in wanted.values()]
    runner = _Runner(ekf, samples, rng if drawn.process_noise else None)
    for k, t in enumerate(grid):
        if k:
            x, z = runner.advance(float(grid[k - 1]), float(t), x, z)
        kept[k] = runner.quantities(float(t), x, z)[rows]
    ok = np.all(np.isfinite(kept), axis=(0, 1))
    if np.sum(ok) < 0.5 * samples:
        raise SimulationError(
            f"{samples - int(np.sum(ok))} of {samples} runs of the forecast failed; the estimate is too uncertain"
        )
    data = {name: np.ascontiguousarray(kept[:, i, ok].T) for i, name in enumerate(wanted)}
    units = {name: u for name, (u, _) in wanted.items()}
    return Forecast(grid, unit, data, units, samples - int(np.sum(ok)), ekf.content_hash)


def _wanted(ekf: Filter, outputs: Sequence[str] | None) -> dict[str, tuple[str, int]]:
    """Return name -> (unit, row among states, algebraic variables, outputs, adapted parameters)."""
    known = {label: (place.unit, ekf.row(place)) for label, place in positions(ekf.begun.layout).items()}
    count, states = len(known), ekf.begun.layout.states.size
    p = ekf.plan
    known.update({p.labels[k]: (p.units[k], count + k - states) for k in range(states, len(p.labels))})
    for name in outputs or ():
        if name not in known:
            raise unknown_name("quantity to forecast", name, known, type(ekf.model).__name__)
    return known if outputs is None else {name: known[name] for name in outputs}


def _drawn(plan: Plan, estimate: Estimate, samples: int, rng: Any, parameter_uncertainty: bool) -> Array:
    """Return samples ``(n, samples)`` of the estimate, projected onto the bounds."""
    if isinstance(estimate, SampledEstimate):
        x = estimate.samples[:, rng.choice(estimate.samples.shape[1], samples, p=estimate.weights)]
    else:
        drawn = rng.standard_normal((len(estimate.vector), samples))
        x = estimate.vector[:, None] + factor(estimate.covariance) @ drawn  # symmetric: continuous in the covariance
    if not parameter_uncertainty:
        first = sum(part.entry.width for part in plan.states)
        x[first : first + len(plan.chosen)] = estimate.vector[first : first + len(plan.chosen), None]
    return np.clip(x, plan.low[:, None], plan.high[:, None])


class _Runner:
    """All samples, advanced together; those that change fast take smaller steps than the others."""

    def __init__(self, ekf: Filter, samples: int, rng: Any) -> None:
        self._ekf, self._rng, self._plan = ekf, rng, ekf.plan
        self._look = ekf.functions.look.map(samples)
        self._flows: dict[int, Any] = {}
        self._modes, self._parameters = ekf.constants
        self._tolerance = max(ekf.rtol, _RTOL)

    def advance(self, t: float, end: float, x: Array, z: Array) -> tuple[Array, Array]:
        """Return samples at a later time, disturbed at the end of every sub-step."""
        for stop in self._ekf.given.breaks(t, end):
            count = max(1, math.ceil((stop - t) / self._ekf.longest * (1 - 1e-12)))
            edges = np.linspace(t, stop, count + 1)
            for left, right in pairwise(edges.tolist()):
                x, z = self._step(left, right - left, x, z, _HALVINGS)
            t = stop
        return x, z

    def _step(self, t: float, h: float, x: Array, z: Array, halvings: int) -> tuple[Array, Array]:
        """Return samples after one step, or two halves for those whose local error is too large."""
        noise, off = self._noise(t, h, x, z)
        if halvings and off > self._ekf.rtol:
            middle = self._step(t, h / 2, x, z, halvings - 1)
            return self._step(t + h / 2, h / 2, *middle, halvings - 1)
        x1, z1, error = self._flowed(t, h, x, z)
        known = np.isfinite(x).all(axis=0)
        x1[:, ~known] = np.nan
        again = np.flatnonzero(known & ~(error <= self._tolerance)) if halvings else np.empty(0, dtype=np.intp)
        if self._rng is not None:
            x1 = x1 + noise @ self._rng.standard_normal(x1.shape)
        x1 = np.clip(x1, self._plan.low[:, None], self._plan.high[:, None])
        if again.size:
            middle = self._step(t, h / 2, x[:, again], z[:, again], halvings - 1)
            x1[:, again], z1[:, again] = self._step(t + h / 2, h / 2, *middle, halvings - 1)
        return x1, z1

    def _noise(self, t: float, h: float, x: Array, z: Array) -> tuple[Array, float]:
        """Return a factor of the process noise of a step, as the model carries it on, and its local error."""
        ok = np.isfinite(x).all(axis=0) & np.isfinite(z).all(axis=0)
        if self._rng is None or not self._plan.noise.any() or not ok.any():
            return np.zeros((len(x), len(x))), 0.0
        middle = x[:, ok].mean(axis=1), z[:, ok].mean(axis=1)
        args = (t, h, *middle, self._ekf.given.piece(t, h), self._modes, self._parameters, self._plan.noise)
        columns, (off,) = self._ekf.functions.controlled.noise_root(*args)
        if not np.isfinite(columns).all():
            return np.diag(self._plan.noise * math.sqrt(h)), math.inf
        return triangular(columns), float(off)

    def _flowed(self, t: float, h: float, x: Array, z: Array) -> tuple[Array, Array, Array]:
        """Call ``flow`` on any number of samples, filled up to a power of two so that few sizes occur."""
        count = x.shape[1]
        size = 1 << (count - 1).bit_length()
        fill = np.minimum(np.arange(size), count - 1)
        piece = self._ekf.given.piece(t, h)
        if size not in self._flows:
            self._flows[size] = self._ekf.functions.flow.map(size)
        found = self._flows[size](t, h, x[:, fill], z[:, fill], piece, self._modes, self._parameters)
        x1, z1, error = (np.array(part)[:, :count] for part in found)
        return x1, z1, error[0]

    def quantities(self, t: float, x: Array, z: Array) -> Array:
        """Return states, algebraic variables, outputs and adapted parameters, ``(rows, samples)``."""
        values = np.asarray(self._look(t, x, z, self._ekf.given.at(t), self._modes, self._parameters)[0])
        return np.vstack([values, x[self._ekf.begun.layout.states.size :]])
