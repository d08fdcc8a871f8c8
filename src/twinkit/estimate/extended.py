"""The continuous-discrete extended Kalman filter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core import (
    InvalidValueError,
    Measurement,
    Model,
    Prediction,
    Quality,
    ShapeError,
)
from twinkit.core.errors import unknown_name
from twinkit.core.identity import digest
from twinkit.core.units import as_number
from twinkit.estimate.compiled import Compiled, compiled
from twinkit.estimate.inputs import Inputs, check_followable
from twinkit.estimate.result import Estimate, Reading
from twinkit.estimate.settings import Adaptation, Array, Line, Plan, Sensor, in_unit, lines, plan, position
from twinkit.estimate.steps import corrected, propagated, within_bounds
from twinkit.readings.casadi import SYMBOLIC
from twinkit.simulate.consistent import consistent_algebraics
from twinkit.simulate.problem import make_problem

if TYPE_CHECKING:
    from twinkit.estimate.forecast import Forecast


@dataclass(frozen=True, eq=False)
class ExtendedKalmanFilter:
    """Continuous-discrete extended Kalman filter for any model (ODE, or DAE of index 1), with exact Jacobians.

    Between measurements the mean follows the model and the covariance its exact linearisation (sub-steps of at most
    `max_step`, shortened where the local error asks for it). A measurement corrects both in Joseph's form, so that the
    covariance stays symmetric and positive semidefinite. It is functional: a filter never changes, `start`, `update`
    and `predict` return a new `Estimate`.

    Means are kept within the declared bounds of states and parameters: a mean beyond a bound is projected onto it in
    the metric of the covariance, which moves correlated quantities along, and the covariance is left as it is,
    which errs on the side of caution [1]_.

    Parameters
    ----------
    model
        The model. Its values are the initial mean.
    sensors
        What is measured.
    initial_std
        State -> standard deviation at the start: a number in the state's unit or a text with a unit. States that are
        not named are known exactly.
    process_noise
        State -> white-noise intensity, a standard deviation per square root of time (``"0.15 g/L/h**0.5"``, or a
        number in the state's unit and the model's time unit).
    adapt
        Parameter -> `Adaptation`: estimated along with the states.
    inputs
        Inputs over time, as for `tk.simulate`.
    initial
        Initial mean of states (first guess of algebraic variables), instead of the model's.
    max_step
        Longest sub-step (number in the model's time unit or a text); None: as long as the accuracy allows.
    gate
        Probability with which an honest reading is accepted; a reading further out is reported, not used. None: every
        reading is used.
    rtol
        Local error of a sub-step, relative to magnitude plus nominal value.

    Raises
    ------
    UnknownNameError, UnitError, InvalidValueError, ShapeError
        For anything given that does not fit the model.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=8.0, bounds=(0, None))
    ...     k = tk.Parameter("1/h", 0.5, bounds=(0, None))
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> ekf = ExtendedKalmanFilter(Decay(), [Sensor("c", std="0.1 g/L")], initial_std={"c": 2.0})
    >>> estimate = ekf.update(ekf.start(), tk.Measurement("c", 3.0, "g/L", source_time=1.0))
    >>> print(f"{estimate.mean['c']:.3f} ± {estimate.std['c']:.3f}")
    3.013 ± 0.100

    References
    ----------
    .. [1] D. Simon, Kalman filtering with state constraints: a survey of linear and nonlinear algorithms, IET Control
       Theory & Applications 4 (2010) 1303-1318, section 2.4 (estimate projection). doi:10.1049/iet-cta.2009.0032
    """

    model: Model
    sensors: Sequence[Sensor]
    initial_std: Mapping[str, Any] = field(default_factory=dict[str, Any])
    process_noise: Mapping[str, Any] = field(default_factory=dict[str, Any])
    adapt: Mapping[str, Adaptation] = field(default_factory=dict[str, Adaptation])
    inputs: Mapping[str, Any] | None = None
    initial: Mapping[str, Any] | None = None
    max_step: Any = None
    gate: float | None = 0.9999
    rtol: float = 1e-6

    def __post_init__(self) -> None:
        if not isinstance(self.model, Model):
            raise InvalidValueError(f"a filter needs a model instance, not {self.model!r}")
        check_followable(self.model)
        missing = [entry.name for entry in self.model.layout.states if entry.name not in self.begun.values()]
        if missing:
            raise InvalidValueError(f"no initial value for {', '.join(map(repr, missing))}: pass initial={{...}}")
        if self.gate is not None and not 0.0 < self.gate < 1.0:
            raise InvalidValueError(f"gate is a probability between 0 and 1 (or None), not {self.gate!r}")
        if not 1e-13 <= self.rtol < 1.0:
            raise InvalidValueError(f"rtol must be within [1e-13, 1), not {self.rtol!r}")
        if not self.longest > 0:
            raise InvalidValueError(f"max_step must be positive, not {self.max_step!r}")
        _ = self.plan, self.lines, self.given  # check now, not at the first measurement

    # -- what the settings mean in numbers -----------------------------------------------------------------------
    @cached_property
    def begun(self) -> Model:
        """The model with its initial values."""
        return self.model.with_(self.initial) if self.initial else self.model

    @cached_property
    def plan(self) -> Plan:
        """The uncertain vector in numbers."""
        return plan(self.begun, self.initial_std, self.process_noise, self.adapt)

    @cached_property
    def lines(self) -> Mapping[str, Line]:
        """The sensors in numbers, by tag."""
        return lines(self.begun, self.sensors)

    @cached_property
    def given(self) -> Inputs:
        """The inputs over time."""
        return Inputs(self.begun, self.inputs)

    @cached_property
    def longest(self) -> float:
        """Longest sub-step in the model's time unit."""
        return math.inf if self.max_step is None else as_number(self.max_step, self.model.time_unit, "max_step")

    @cached_property
    def functions(self) -> Compiled:
        """The compiled arithmetic."""
        return compiled(self.begun, self.plan.chosen, tuple(self.row(line.place) for line in self.lines.values()))

    def row(self, place: Any) -> int:
        """Return the position of a quantity in states, then algebraic variables, then outputs."""
        layout = self.begun.layout
        before = {"state": 0, "algebraic": layout.states.size, "output": layout.states.size + layout.algebraics.size}
        return before[place.kind] + place.index

    @cached_property
    def constants(self) -> tuple[Array, Array]:
        """Modes and parameters as vectors."""
        layout, values = self.begun.layout, self.begun.values()
        modes = layout.modes.pack({entry.name: values.get(entry.name, 0.0) for entry in layout.modes})
        return modes, layout.parameters.pack(values)

    @cached_property
    def threshold(self) -> float:
        """Largest normalised innovation squared of a reading that is used."""
        from scipy.special import chdtri

        return math.inf if self.gate is None else float(chdtri(1, 1.0 - self.gate))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the model and of all settings."""
        p = self.plan
        sensors = [
            (tag, line.sensor.output, line.std, line.sensor.uncertain_factor) for tag, line in self.lines.items()
        ]
        settings = [p.labels, p.std, p.noise, sensors, self.longest, self.gate, self.rtol, self.given.identity]
        return digest({"model": self.begun.content_hash, "settings": settings})

    # -- the filter ----------------------------------------------------------------------------------------------
    def start(self, time: Any = 0.0) -> Estimate:
        """Return the estimate before any measurement: the model's initial values and `initial_std`."""
        begun, layout, p = self.begun, self.begun.layout, self.plan
        t = as_number(time, begun.time_unit, "the start")
        self.given.check(t, t)
        values = begun.values()
        adapted = self.constants[1][list(p.chosen)] if p.chosen else np.empty(0)
        x = np.concatenate([layout.states.pack(values), adapted])
        z = np.empty(0)
        if layout.algebraics.size:
            inputs = layout.inputs.split(self.given.at(t))
            problem = make_problem(begun, t + 1.0, start=t, inputs=inputs)
            z = consistent_algebraics(problem, t, problem.x, problem.z, problem.modes)
        return self.make(t, x, np.diag(p.std**2), z)

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
        x = within_bounds(x, covariance, self.plan.low, self.plan.high)
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
        end = as_number(until, self.model.time_unit, "until")
        return self.make(end, *propagated(self, estimate, end))

    def update(self, estimate: Estimate, measurements: Measurement | Iterable[Measurement]) -> Estimate:
        """Return the estimate after one measurement or a batch of them (of any sensors, in any order).

        The estimate is propagated to each `source_time` and corrected there. Readings marked `Quality.BAD` only
        propagate; `Quality.UNCERTAIN` ones count with a standard deviation `Sensor.uncertain_factor` times as large;
        readings outside the gate are not used. `Estimate.readings` tells what became of each.

        Raises
        ------
        InvalidValueError
            If a measurement is older than the estimate, or has no standard deviation.
        UnknownNameError
            For a tag without a sensor.
        UnitError
            For a unit that does not fit.
        """
        batch = [measurements] if isinstance(measurements, Measurement) else list(measurements)
        checked = [(m, *self._checked(estimate, m)) for m in batch]
        checked.sort(key=lambda item: item[0].source_time)
        done: list[Reading] = []
        nis = 0.0
        for time, at_once in groupby(checked, key=lambda item: item[0].source_time):
            waiting = list(at_once)
            while waiting:
                taken = list({m.tag: (m, value, std) for m, value, std in reversed(waiting)}.values())
                waiting = [item for item in waiting if not any(item[0] is m for m, _, _ in taken)]
                estimate = corrected(self, estimate, max(time, estimate.time), list(reversed(taken)))
                done += estimate.readings
                nis += 0.0 if math.isnan(estimate.nis) else estimate.nis
        used = [reading for reading in done if reading.quality is not Quality.BAD]
        return self.make(
            estimate.time,
            estimate.vector,
            estimate.covariance,
            estimate.algebraics,
            tuple(done),
            nis if used else math.nan,
        )

    def run(self, measurements: Iterable[Measurement], start: Estimate | None = None) -> Iterator[Estimate]:
        """Yield the estimate after each measurement of a stream in order of time."""
        estimate = self.start() if start is None else start
        for measurement in measurements:
            estimate = self.update(estimate, measurement)
            yield estimate

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

    # -- steps -----------------------------------------------------------------------------------------------------
    def _checked(self, estimate: Estimate, m: Measurement) -> tuple[float, float]:
        """Return value and standard deviation in the model's unit, or raise."""
        if not isinstance(m, Measurement):
            raise InvalidValueError(f"update takes Measurement(...) objects, not {m!r}")
        line = self.lines.get(m.tag)
        if line is None:
            raise unknown_name("sensor", m.tag, self.lines, "this filter")
        if m.source_time < estimate.time - 1e-12 * max(1.0, abs(estimate.time)):
            raise InvalidValueError(
                f"measurement {m.tag!r} is of {m.source_time:g} {estimate.time_unit}, before the estimate's time "
                f"({estimate.time:g}): apply it to an earlier estimate and go on from there"
            )
        if np.ndim(m.value) != 0:
            raise ShapeError(f"measurement {m.tag!r} must be one number, not an array of shape {np.shape(m.value)}")
        value, std = in_unit(float(m.value), m.std, m.unit, line.place.unit, m.tag)
        std = line.std if std is None else std
        if std is None:
            if m.quality is not Quality.BAD:
                raise InvalidValueError(
                    f"no standard deviation for {m.tag!r}: give Sensor(std=...) or Measurement(std=...)"
                )
            std = math.nan
        return value, std * (line.sensor.uncertain_factor if m.quality is Quality.UNCERTAIN else 1.0)
