"""What all filters have in common: batches of measurements in, estimates out; nothing ever changes in place."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core import InvalidValueError, Measurement, Prediction, Quality
from twinkit.core.component import Array
from twinkit.core.identity import digest
from twinkit.estimate.compiled import Moves
from twinkit.estimate.constraints import Constraint, Projection
from twinkit.estimate.problem import EstimationProblem
from twinkit.estimate.result import Estimate, Reading
from twinkit.estimate.sensors import position
from twinkit.readings.casadi import SYMBOLIC

if TYPE_CHECKING:
    from twinkit.estimate.forecast import Forecast
    from twinkit.estimate.history import History

_PIECE = 200  # measurements between two looks at the progress bar

_PROJECTION = Projection()  # frozen: one serves all

Item = tuple[Measurement, float, float]
"""A measurement with its value and standard deviation in the model's unit."""


def batch_of(measurements: Measurement | Iterable[Measurement]) -> list[Measurement]:
    """Return one measurement or many as a new list."""
    if isinstance(measurements, Measurement):
        return [measurements]
    if not isinstance(measurements, Iterable):
        raise InvalidValueError(f"measurements are Measurement(...) objects, one or many, not {measurements!r}")
    return list(measurements)


@dataclass(frozen=True, eq=False)
class Filter(EstimationProblem, ABC):
    """A recursive filter: an estimate is moved forward in time, and corrected by the readings of an instant.

    It is functional: a filter never changes; `start`, `update` and `predict` return a new `Estimate`. `Estimator` is
    the object with a memory around it, which also takes late measurements.

    Parameters
    ----------
    max_step
        Longest sub-step (number in the model's time unit or a text); None: as long as the accuracy allows.
    gate
        Probability with which an honest reading is accepted; a reading further out is reported, not used. None: every
        reading is used.
    rtol
        Local error of a sub-step, relative to magnitude plus nominal value.
    constraint
        How estimates are kept within the declared bounds: `Projection`, `Truncation` or `Unbounded`.
    substeps
        Number of sub-steps of equal length from one time (of a reading, or of a jump of an input) to the next; None: as
        many as `rtol` and `max_step` ask for. With a number, `rtol` and `max_step` are not looked at.
    """

    max_step: Any = None
    gate: float | None = 0.9999
    rtol: float = 1e-6
    constraint: Constraint = _PROJECTION
    substeps: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gate is not None and not 0.0 < self.gate < 1.0:
            raise InvalidValueError(f"gate is a probability between 0 and 1 (or None), not {self.gate!r}")
        if not 1e-13 <= self.rtol < 1.0:
            raise InvalidValueError(f"rtol must be within [1e-13, 1), not {self.rtol!r}")
        if not isinstance(self.constraint, Constraint):
            raise InvalidValueError(f"constraint is Projection(), Truncation() or Unbounded(), not {self.constraint!r}")
        if self.substeps is not None and not (isinstance(self.substeps, int) and self.substeps >= 1):
            raise InvalidValueError(f"substeps must be a whole number of at least 1 (or None), not {self.substeps!r}")
        if not self.longest > 0:
            raise InvalidValueError(f"max_step must be positive, not {self.max_step!r}")

    # -- what a kind of filter says --------------------------------------------------------------------------------
    @abstractmethod
    def moved(self, estimate: Estimate, end: float) -> Estimate:
        """Return the estimate at a later time (``end > estimate.time``), without readings."""

    @abstractmethod
    def corrected(self, estimate: Estimate, items: Sequence[Item]) -> Estimate:
        """Return the estimate after readings of its own instant, at most one of each sensor."""

    def settings(self) -> dict[str, Any]:
        """Return what defines this kind of filter beside the problem, for the content hash."""
        common = {"max_step": self.longest, "gate": self.gate, "rtol": self.rtol, "constraint": repr(self.constraint)}
        return {"kind": type(self).__name__, "substeps": self.substeps, **common}

    @cached_property
    def moves(self) -> Moves:
        """The functions that move the filter on by one sub-step."""
        return self.functions.controlled if self.substeps is None else self.functions.fixed

    # -- settings in numbers ---------------------------------------------------------------------------------------
    @cached_property
    def longest(self) -> float:
        """Longest sub-step in the model's time unit."""
        return math.inf if self.max_step is None else self.time(self.max_step, "max_step")

    @cached_property
    def threshold(self) -> float:
        """Largest normalised innovation squared of a reading that is used."""
        from scipy.special import chdtri

        return math.inf if self.gate is None else float(chdtri(1, 1.0 - self.gate))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the model and of all settings."""
        return digest({**self.identity, "filter": self.settings()})

    # -- the filter ------------------------------------------------------------------------------------------------
    def start(self, time: Any = 0.0) -> Estimate:
        """Return the estimate before any measurement: the model's initial values and `initial_std`."""
        t = self.time(time, "the start")
        x, z = self.initial_point(t)
        return self.make(t, x, np.diag(self.plan.std**2), z)

    def make(
        self,
        time: float,
        x: Array,
        covariance: Array,
        z: Array,
        readings: tuple[Reading, ...] = (),
        nis: float = math.nan,
    ) -> Estimate:
        """Return an estimate of this filter, within bounds, its arrays read-only."""
        x = self.constraint.placed(x, covariance, self.plan.low, self.plan.high)
        for array in (x, covariance, z):
            array.setflags(write=False)
        return Estimate(time, self.model.time_unit, self.plan.labels, x, covariance, z, self, readings, nis)

    def predict(self, estimate: Estimate, until: Any) -> Estimate:
        """Return the estimate at a later time, without measurements.

        Raises
        ------
        InvalidValueError
            If the time lies before the estimate's.
        SimulationError
            If the model cannot be integrated, with the time at which it fails.
        """
        end = self.time(until, "until")
        if not end >= estimate.time:
            raise InvalidValueError(f"a filter goes forward: {end:g} {estimate.time_unit} is before {estimate.time:g}")
        self.given.check(estimate.time, end)
        found = self.moved(estimate, end) if end > estimate.time else estimate
        return replace(found, readings=(), nis=math.nan)

    def update(self, estimate: Estimate, measurements: Measurement | Iterable[Measurement]) -> Estimate:
        """Return the estimate after one measurement or a batch of them (of any sensors, in any order).

        The estimate is propagated to each `source_time` and corrected there. Readings marked `Quality.BAD`, and
        those outside `Sensor.valid`, only propagate; `Quality.UNCERTAIN` ones count with a standard deviation
        `Sensor.uncertain_factor` times as large; readings outside the gate are not used. `Estimate.readings` tells
        what became of each.

        Raises
        ------
        InvalidValueError
            If a measurement is older than the estimate, or has no standard deviation.
        UnknownNameError
            For a tag without a sensor.
        UnitError
            For a unit that does not fit.
        """
        batch = batch_of(measurements)
        checked = [self.judged(m) for m in batch]
        for m in batch:
            if m.source_time < estimate.time - 1e-12 * max(1.0, abs(estimate.time)):
                raise InvalidValueError(
                    f"measurement {m.tag!r} is of {m.source_time:g} {estimate.time_unit}, before the estimate's time "
                    f"({estimate.time:g}): an Estimator takes late measurements; a filter does not"
                )
        checked.sort(key=lambda item: item[0].source_time)
        done: list[Reading] = []
        nis = 0.0
        for time, at_once in groupby(checked, key=lambda item: item[0].source_time):
            waiting = list(at_once)
            if time > estimate.time:
                estimate = self.predict(estimate, time)
            while waiting:
                taken = list({m.tag: (m, value, std) for m, value, std in reversed(waiting)}.values())
                waiting = [item for item in waiting if not any(item[0] is m for m, _, _ in taken)]
                estimate = self.corrected(estimate, list(reversed(taken)))
                done += estimate.readings
                nis += 0.0 if math.isnan(estimate.nis) else estimate.nis
        used = [reading for reading in done if reading.quality is not Quality.BAD]
        return replace(estimate, readings=tuple(done), nis=nis if used else math.nan)

    def run(self, measurements: Iterable[Measurement], start: Estimate | None = None) -> Iterator[Estimate]:
        """Yield the estimate after each measurement of a stream in order of time."""
        estimate = self.start() if start is None else start
        for measurement in measurements:
            estimate = self.update(estimate, measurement)
            yield estimate

    def history(
        self, measurements: Measurement | Iterable[Measurement], start: Any = 0.0, progress: bool = False
    ) -> History:
        """Return the estimates over a whole batch of measurements, in any order; see `Estimator` and `History`.

        Parameters
        ----------
        measurements
            The batch.
        start
            Where to begin: a time, or an estimate of this filter.
        progress
            Show a progress bar.

        Raises
        ------
        InvalidValueError
            As for `update`; also for a measurement before the start.
        """
        from twinkit.estimate.estimator import Estimator

        batch = batch_of(measurements)
        estimator = Estimator(self, lag=math.inf, start=start, limit=max(len(batch), 1))
        for item in batch:
            self.judged(item)  # all of it, before the work begins
        early = next((m for m in batch if m.source_time < estimator.now), None)
        if early is not None:
            raise InvalidValueError(
                f"measurement {early.tag!r} is of {early.source_time:g} {self.model.time_unit}, before the start "
                f"({estimator.now:g}): pass start=..."
            )
        batch.sort(key=lambda m: m.source_time)
        pieces = [batch[k : k + _PIECE] for k in range(0, len(batch), _PIECE)]
        if progress:
            from tqdm import tqdm

            pieces = tqdm(pieces, desc=type(self.model).__name__, unit_scale=_PIECE, unit="measurement")
        for piece in pieces:
            estimator.update(piece)
        return estimator.history

    def forecast(
        self,
        estimate: Estimate,
        until: Any,
        *,
        outputs: Sequence[str] | None = None,
        samples: int = 500,
        seed: int = 0,
        times: int = 121,
        process_noise: bool = True,
        parameter_uncertainty: bool = True,
    ) -> Forecast:
        """Return how the process may go on: sampled from the estimate and run through the nonlinear model.

        Parameters
        ----------
        estimate
            Where the process is.
        until
            End of the forecast.
        outputs
            Outputs, states, algebraic variables or adapted parameters to keep; None: all.
        samples
            Number of runs.
        seed
            The same seed gives the same bytes.
        times
            Number of times kept.
        process_noise
            Whether the runs are disturbed by the process noise.
        parameter_uncertainty
            Whether the adapted parameters are uncertain, or kept at their means.
        """
        from twinkit.estimate.forecast import Drawn, forecast

        drawn = Drawn(samples, seed, process_noise, parameter_uncertainty)
        with SYMBOLIC:
            return forecast(self, estimate, until, outputs, times, drawn)

    def output(self, estimate: Estimate, name: str, coverage: float = 0.95) -> Prediction:
        """Return a quantity with its uncertainty; see `Estimate.output`."""
        from scipy.special import ndtri

        if not 0.0 < coverage < 1.0:
            raise InvalidValueError(f"coverage is a fraction between 0 and 1, not {coverage!r}")
        p = self.plan
        if name in p.labels:
            k = p.labels.index(name)
            mean, variance = float(estimate.vector[k]), float(estimate.covariance[k, k])
            unit, low, high = p.units[k], float(p.low[k]), float(p.high[k])
        else:
            place = position(self.begun, name)
            unit, (low, high) = place.unit, place.bounds
            modes, parameters = self.constants
            t = estimate.time
            values, derivatives = self.functions.fast_look(
                t, estimate.vector, estimate.algebraics, self.given.at(t), modes, parameters
            )
            row = derivatives[self.row(place)]
            mean, variance = float(values[self.row(place)]), float(row @ estimate.covariance @ row)
        std = math.sqrt(max(variance, 0.0))
        reach = float(ndtri(0.5 + coverage / 2)) * std
        interval = (min(max(mean - reach, low), high), max(min(mean + reach, high), low))
        return Prediction(mean, std, unit, interval, coverage, made_by=self.content_hash)
