"""A filter prepared for whole records: many readings in one compiled call."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, ShapeError, SimulationError
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.units import as_array
from twinkit.estimate.constraints import Truncation
from twinkit.estimate.extended import ExtendedKalmanFilter
from twinkit.estimate.factors import factor, triangular
from twinkit.estimate.filter import Filter
from twinkit.estimate.repeated.grid import Grid
from twinkit.estimate.repeated.record import FilteredRecord
from twinkit.estimate.repeated.source import compiled_module
from twinkit.estimate.result import Estimate
from twinkit.estimate.uncertain import spread_unit
from twinkit.estimate.unscented import UnscentedKalmanFilter


class Engine(Enum):
    """What runs a prepared filter."""

    NUMBA = "numba"
    """Machine code, made by numba: no C compiler is needed, but the extra ``compiled``."""
    CASADI = "casadi"
    """CasADi's own machine: slower, needs nothing more; extended Kalman filters only."""


@dataclass(frozen=True)
class Task:
    """The numbers of one run."""

    x: Array
    z: Array
    covariance: Array
    modes: Array
    p: Array
    q: Array
    low: Array
    high: Array
    bounded: bool
    values: Array
    variances: Array
    gate: float


@dataclass(frozen=True, eq=False)
class PreparedFilter:
    """A filter and the times of a record; call it with the readings. See `prepare_filter`."""

    filter: Filter
    grid: Grid
    engine: Engine

    def __call__(
        self, values: Any, *, std: Any = None, start: Estimate | None = None, covariances: bool = True
    ) -> FilteredRecord:
        """Return what the filter finds in a record.

        Parameters
        ----------
        values
            Readings in the model's units, ``(times, sensors)``, sensors in the filter's order; or tag -> readings
            (numbers or a quantity with a unit). NaN: no reading.
        std
            Standard deviations instead of the sensors': one per sensor, or one per reading.
        start
            Estimate to start from (of the begin of the record); None: the filter's own start.
        covariances
            Whether to keep a covariance for every time, and not only the standard deviations.

        Raises
        ------
        InvalidValueError, ShapeError, UnknownNameError, UnitError
            For readings that do not fit.
        SimulationError
            If the filter does not get through, with the time where it stops.
        """
        return self.run(self.task(self._values(values), std, start), covariances)

    def task(self, values: Array, std: Any = None, start: Estimate | None = None) -> Task:
        """Return the numbers of a run, for readings ``(times, sensors)`` that have been checked."""
        kind = self.filter
        begin = kind.start(self.grid.begin) if start is None else start
        if abs(begin.time - self.grid.begin) > 1e-9 * max(1.0, abs(begin.time)):
            raise InvalidValueError(
                f"the record begins at {self.grid.begin:g} {begin.time_unit}, but the estimate is of {begin.time:g}"
            )
        modes, p = kind.constants
        plan = kind.plan
        bounded = type(kind.constraint).__name__ != "Unbounded"
        return Task(
            np.array(begin.vector), np.array(begin.algebraics), np.array(begin.covariance), modes, p, plan.noise**2,
            plan.low, plan.high, bounded, values, self._variances(std), kind.threshold,
        )  # fmt: skip

    def run(self, task: Task, covariances: bool = True) -> FilteredRecord:
        """Return what the filter finds, from numbers that have been checked."""
        out = self._arrays(task, covariances)
        if self.engine is Engine.CASADI:
            from twinkit.estimate.repeated.machine import run

            assert isinstance(self.filter, ExtendedKalmanFilter)
            failed = run(self.filter, self.grid, task, out)
        else:
            failed = self._compiled(task, out)
        blind = (np.isnan(out["innovation"]) & np.isfinite(task.values)).any(axis=1)  # a sensor that is not finite
        if failed < 0 and blind.any():
            failed = int(np.argmax(blind))
        if failed >= 0:
            raise SimulationError(
                f"the filter did not get to {self.grid.times[failed]:g} {self.filter.model.time_unit}: the model is "
                "too fast for its sub-steps there, or a sensor is not finite; take more substeps"
            )
        names, tags = self.filter.plan.labels, tuple(self.filter.lines)
        return FilteredRecord(
            self.grid.times, names, tags, out["mean"], out["std"], out["covariance"], out["algebraics"],
            out["innovation"], np.sqrt(np.where(np.isfinite(out["innovation"]), out["spreads"], np.nan)),
            out["accepted"], out["nis"], out["likelihood"], self.filter, out["last"],
        )  # fmt: skip

    def _arrays(self, task: Task, covariances: bool) -> dict[str, Any]:
        count, n, sensors = len(self.grid.times), len(task.x), len(self.filter.lines)
        return {
            "mean": np.empty((count, n)),
            "std": np.empty((count, n)),
            "covariance": np.empty((count if covariances else 0, n, n)),
            "algebraics": np.empty((count, len(task.z))),
            "innovation": np.empty((count, sensors)),
            "spreads": np.empty((count, sensors)),
            "accepted": np.zeros((count, sensors), dtype=np.bool_),
            "nis": np.empty(count),
            "likelihood": np.zeros(count),
            "last": np.empty((n, n)),
        }

    def _compiled(self, task: Task, out: dict[str, Any]) -> int:
        kind, grid = self.filter, self.grid
        kernel = "extended" if isinstance(kind, ExtendedKalmanFilter) else "unscented"
        module = compiled_module(kind.functions, kind.rows, kernel)
        extra = ()
        if isinstance(kind, UnscentedKalmanFilter):
            w = kind.sigma
            extra = (np.array([w.reach, w.central, w.outer]), np.ascontiguousarray(triangular(factor(task.covariance))))
        covariance = task.covariance.copy()
        failed = module.run(
            grid.begins, grid.widths, grid.pieces, grid.first, grid.times, grid.coefficients, grid.end_inputs,
            task.x.copy(), task.z.copy(), covariance, task.modes, task.p, task.q, task.low, task.high, task.bounded,
            task.values, task.variances, task.gate, out["mean"], out["std"], out["covariance"], out["algebraics"],
            out["innovation"], out["spreads"], out["accepted"], out["nis"], out["likelihood"], *extra,
        )  # fmt: skip
        out["last"][...] = covariance
        return int(failed)

    def _values(self, raw: Any) -> Array:
        tags, count = list(self.filter.lines), len(self.grid.times)
        if isinstance(raw, Mapping):
            values = np.full((count, len(tags)), np.nan)
            for tag, some in raw.items():
                if tag not in tags:
                    raise unknown_name("sensor", tag, tags, "this filter")
                found = as_array(some, self.filter.lines[tag].place.unit, f"readings of {tag!r}", allow_nan=True)
                if found.shape != (count,):
                    raise ShapeError(f"{tag!r} needs {count} readings, one per time, not an array of {found.shape}")
                values[:, tags.index(tag)] = found
        else:
            values = np.array(raw, dtype=np.float64)
            if values.shape == (count,) and len(tags) == 1:
                values = values[:, None]
            if values.shape != (count, len(tags)):
                raise ShapeError(
                    f"readings must be ({count}, {len(tags)}) for {count} times and the sensors {', '.join(tags)}, not "
                    f"{values.shape}"
                )
        if np.isinf(values).any():
            raise InvalidValueError("readings must be finite, or NaN where there is none; there is an infinite one")
        return np.ascontiguousarray(values)

    def _variances(self, raw: Any) -> Array:
        lines, count = self.filter.lines, len(self.grid.times)
        if raw is None:
            missing = [tag for tag, line in lines.items() if line.std is None]
            if missing:
                raise InvalidValueError(
                    f"no standard deviation for {', '.join(map(repr, missing))}: give Sensor(std=...) or std=..."
                )
            return np.array([[line.std**2 for line in lines.values() if line.std is not None]])
        if isinstance(raw, Mapping):
            given: list[Array] = []
            for tag, line in lines.items():
                what = f"the standard deviation of {tag!r}"
                unit = spread_unit(line.place.unit, self.filter.model.time_unit)
                given.append(as_array(raw.get(tag, line.std), unit, what))
            raw = np.stack(np.broadcast_arrays(*given), axis=-1)
        stds = np.atleast_2d(np.array(raw, dtype=np.float64))
        if stds.shape not in ((1, len(lines)), (count, len(lines))):
            raise ShapeError(f"std must have one number per sensor ({len(lines)}), or per reading, not {stds.shape}")
        if not np.all(stds > 0):
            raise InvalidValueError("standard deviations must be positive")
        return np.ascontiguousarray(stds**2)


def prepare_filter(
    kind: Filter, times: Any, *, begin: Any = 0.0, substeps: int | None = None, engine: Engine | None = None
) -> PreparedFilter:
    """Prepare an extended or unscented Kalman filter for records with readings at given times.

    The whole record is filtered in one compiled call: for repeated runs, tuning, and long records. It takes sub-steps
    of equal length from time to time; the result is that of the ordinary filter with the same ``substeps``.

    Parameters
    ----------
    kind
        The filter.
    times
        Times of the readings, never going backwards: numbers in the model's time unit, or a quantity.
    begin
        Time at which the filter starts.
    substeps
        Sub-steps from one time to the next; None: the filter's `substeps`, or one if it has none.
    engine
        What runs it; None: numba where it is installed, otherwise CasADi.

    Raises
    ------
    InvalidValueError
        For another kind of filter, for ``Truncation()``, or for times that go backwards.
    MissingDependencyError
        Without numba, where it is needed.

    Examples
    --------
    >>> import numpy as np
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=8.0)
    ...     k = tk.Parameter("1/h", 0.5)
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> from twinkit.estimate import Engine, ExtendedKalmanFilter, Sensor, prepare_filter
    >>> ekf = ExtendedKalmanFilter(Decay(), [Sensor("c", std=0.1)], initial_std={"c": 2.0})
    >>> run = prepare_filter(ekf, times=[1.0, 2.0, 3.0], substeps=10, engine=Engine.CASADI)
    >>> record = run([[3.0], [np.nan], [1.1]])
    >>> print(record["c"].round(3))
    [3.013 1.827 1.107]
    """
    if not isinstance(kind, (ExtendedKalmanFilter, UnscentedKalmanFilter)):
        raise InvalidValueError(
            f"prepare_filter takes an ExtendedKalmanFilter or an UnscentedKalmanFilter, not {type(kind).__name__}"
        )
    if isinstance(kind.constraint, Truncation):
        raise InvalidValueError("a prepared filter takes constraint=Projection() or Unbounded(), not Truncation()")
    if isinstance(kind, ExtendedKalmanFilter) and kind.iterations != 1:
        raise InvalidValueError("a prepared filter linearises its sensors once: take iterations=1")
    if isinstance(kind, UnscentedKalmanFilter) and kind.sigma.central < 0:
        raise InvalidValueError(
            f"a prepared unscented filter needs a central weight that is not negative, but alpha={kind.alpha:g}, "
            f"beta={kind.beta:g}, kappa={kind.kappa:g} give {kind.sigma.central:.3g}: take alpha=1 and kappa=0"
        )
    if engine is None:
        installed = importlib.util.find_spec("numba") is not None
        engine = Engine.NUMBA if installed or isinstance(kind, UnscentedKalmanFilter) else Engine.CASADI
    if not isinstance(engine, Engine) or (engine is Engine.CASADI and isinstance(kind, UnscentedKalmanFilter)):
        raise InvalidValueError(f"{engine!r} does not run a {type(kind).__name__}; take Engine.NUMBA")
    kind = replace(kind, substeps=kind.substeps or 1 if substeps is None else substeps)
    grid = Grid.of(kind, times, kind.time(begin, "the begin of the record"), kind.substeps or 1)
    return PreparedFilter(kind, grid, engine)
