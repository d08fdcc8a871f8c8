"""What is to be estimated, and from what: shared by all estimators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Measurement, Model, Quality, ShapeError
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.units import as_number
from twinkit.estimate.compiled import Compiled, compiled
from twinkit.estimate.held import HeldInputs
from twinkit.estimate.inputs import Inputs, check_followable
from twinkit.estimate.sensors import Line, Sensor, in_unit, lines
from twinkit.estimate.uncertain import Adaptation, Disturbance, Plan, plan
from twinkit.simulate.consistent import consistent_algebraics
from twinkit.simulate.problem import make_problem


@dataclass(frozen=True, eq=False)
class EstimationProblem:
    """A model, its sensors, and what is uncertain about it.

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
    disturb
        Input or state -> `Disturbance`: an unmeasured disturbance of it, estimated along with the states.
    inputs
        Inputs over time, as for `tk.simulate`; `HeldInputs` where they become known step by step.
    initial
        Initial mean of states (first guess of algebraic variables), instead of the model's.

    Raises
    ------
    UnknownNameError, UnitError, InvalidValueError, ShapeError
        For anything given that does not fit the model.
    """

    model: Model
    sensors: Sequence[Sensor]
    initial_std: Mapping[str, Any] = field(default_factory=dict[str, Any])
    process_noise: Mapping[str, Any] = field(default_factory=dict[str, Any])
    adapt: Mapping[str, Adaptation] = field(default_factory=dict[str, Adaptation])
    disturb: Mapping[str, Disturbance] = field(default_factory=dict[str, Disturbance])
    inputs: Mapping[str, Any] | HeldInputs | None = None
    initial: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.model, Model):
            raise InvalidValueError(f"an estimator needs a model instance, not {self.model!r}")
        check_followable(self.model)
        missing = [entry.name for entry in self.model.layout.states if entry.name not in self.begun.values()]
        if missing:
            raise InvalidValueError(f"no initial value for {', '.join(map(repr, missing))}: pass initial={{...}}")
        _ = self.plan, self.lines, self.given  # check now, not at the first measurement

    @cached_property
    def begun(self) -> Model:
        """The model with its initial values."""
        return self.model.with_(self.initial) if self.initial else self.model

    @cached_property
    def plan(self) -> Plan:
        """The vector that is estimated, in numbers."""
        return plan(self.begun, self.initial_std, self.process_noise, self.adapt, self.disturb)

    @cached_property
    def lines(self) -> Mapping[str, Line]:
        """The sensors in numbers, by tag."""
        return lines(self.begun, self.sensors)

    @cached_property
    def given(self) -> Inputs | HeldInputs:
        """The inputs over time."""
        return self.inputs if isinstance(self.inputs, HeldInputs) else Inputs(self.begun, self.inputs)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Of every sensor: the position of what it measures (see `row`)."""
        return tuple(self.row(line.place) for line in self.lines.values())

    @cached_property
    def functions(self) -> Compiled:
        """The compiled arithmetic."""
        return compiled(self.begun, self.plan, self.rows)

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
    def identity(self) -> Mapping[str, Any]:
        """What defines the problem, for a content hash."""
        p = self.plan
        sensors = [(tag, repr(line.sensor), line.std) for tag, line in self.lines.items()]
        uncertain = [p.labels, p.std, p.noise, [rate for _, _, rate in p.disturbances]]
        return {
            "model": self.begun.content_hash,
            "uncertain": uncertain,
            "sensors": sensors,
            "inputs": self.given.identity,
        }

    def initial_point(self, time: float) -> tuple[Array, Array]:
        """Return the initial mean of the vector and consistent algebraic variables."""
        begun, layout, p = self.begun, self.begun.layout, self.plan
        self.given.check(time, time)
        values = begun.values()
        adapted = self.constants[1][list(p.chosen)] if p.chosen else np.empty(0)
        x = np.concatenate([layout.states.pack(values), adapted, np.zeros(len(p.disturbances))])
        if not layout.algebraics.size:
            return x, np.empty(0)
        inputs = layout.inputs.split(self.given.at(time))
        problem = make_problem(begun, time + 1.0, start=time, inputs=inputs)
        return x, consistent_algebraics(problem, time, problem.x, problem.z, problem.modes)

    def time(self, raw: Any, what: str) -> float:
        """Return a time in the model's unit."""
        return as_number(raw, self.model.time_unit, what)

    def checked(self, m: Measurement) -> tuple[float, float]:
        """Return value and standard deviation of a measurement in the model's unit (NaN: bad, and none is known).

        Raises
        ------
        InvalidValueError, UnknownNameError, ShapeError, UnitError
            If it is no measurement, no sensor has its tag, it is not one number, or its unit does not fit.
        """
        if not isinstance(m, Measurement):
            raise InvalidValueError(f"update takes Measurement(...) objects, not {m!r}")
        line = self.lines.get(m.tag)
        if line is None:
            raise unknown_name("sensor", m.tag, self.lines, "this filter")
        if np.ndim(m.value) != 0:
            raise ShapeError(f"measurement {m.tag!r} must be one number, not an array of shape {np.shape(m.value)}")
        value, std = in_unit(float(m.value), m.std, m.unit, line.place.unit, m.tag)
        std = line.spread(value) if std is None else std
        if std is None:
            if m.quality is not Quality.BAD:
                raise InvalidValueError(
                    f"no standard deviation for {m.tag!r}: give Sensor(std=...) or Measurement(std=...)"
                )
            std = math.nan
        return value, std * (line.sensor.uncertain_factor if m.quality is Quality.UNCERTAIN else 1.0)

    def judged(self, m: Measurement) -> tuple[Measurement, float, float]:
        """Return a measurement with value and standard deviation in the model's unit (see `checked`).

        One that lies outside the instrument's range comes back marked bad, with the reason.
        """
        value, std = self.checked(m)
        outside = "" if m.quality is Quality.BAD else self.lines[m.tag].outside(value)
        return (replace(m, quality=Quality.BAD, note=outside) if outside else m), value, std
