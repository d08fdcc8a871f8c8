"""An estimator as a component of a graph: readings and inputs come in at ports, estimates go out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Measurement, Quality, TwinkitError
from twinkit.core.component import Array, Causality, Port, StepError, Values, Variability
from twinkit.core.identity import digest
from twinkit.core.periodic import Periodic
from twinkit.estimate.estimator import LIMIT, Estimator, Snapshot
from twinkit.estimate.filter import Filter
from twinkit.estimate.held import HeldInputs
from twinkit.estimate.log import arrival
from twinkit.estimate.sensors import Line
from twinkit.estimate.uncertain import spread_unit


@dataclass(frozen=True)
class _State:
    """Where the component is."""

    inner: Snapshot
    held: Any
    waiting: tuple[Measurement, ...]
    taken: tuple[int, ...]
    origin: float


class EstimatorComponent:
    """An estimator that lives in a graph.

    Every sensor has three input ports: ``TAG``, its reading in the unit of the quantity (NaN: bad); ``std(TAG)``, its
    standard deviation (0: the sensor's own); ``quality(TAG)``, 0 good, 1 uncertain, 2 bad. The model's inputs are ports
    too, held over a step; the estimator remembers them, so that a late reading meets the inputs of its time. Outputs
    are the mean of each quantity and its standard deviation, ``std(NAME)``.

    A reading is of the start of a step: the ports of sensors are discrete, so that every master passes on what there
    was then, and steps end where a sensor with `every` is read next. Such a sensor is read at the start, and again each
    time so much time has passed; one with `delay` is read then, but its reading reaches the estimator so much later,
    and is applied at its own time. A sensor without `every` is read in every step.

    Parameters
    ----------
    filter
        The filter; its inputs are those of the ports.
    lag, limit
        As for `Estimator`.
    outputs
        Names of the quantities that go out; None: everything that is estimated and all outputs of the model.

    Examples
    --------
    >>> from twinkit.estimate import ExtendedKalmanFilter, Sensor
    >>> from twinkit.unitops import JacketedTank
    >>> ekf = ExtendedKalmanFilter(JacketedTank(), [Sensor("T", std=0.5, every="10 s")], {"T": 5.0})
    >>> twin = EstimatorComponent(ekf, outputs=["T"])
    >>> list(twin.inputs)[:3], list(twin.outputs)
    (['T', 'std(T)', 'quality(T)'], ['T', 'std(T)'])
    """

    stateless = False

    def __init__(
        self, filter: Filter, *, lag: Any = None, limit: int = LIMIT, outputs: Sequence[str] | None = None
    ) -> None:  # fmt: skip
        if not isinstance(filter, Filter):
            raise InvalidValueError(
                f"an EstimatorComponent needs a filter, such as ExtendedKalmanFilter, not {filter!r}"
            )
        self._held = HeldInputs(filter.begun)
        self._blank = self._held.snapshot()
        self.filter = replace(filter, inputs=self._held)
        self._lag, self._limit = lag, limit
        self._inputs = _input_ports(self.filter)
        begun = filter.begun.layout.outputs
        chosen = [*filter.plan.labels, *begun.labels] if outputs is None else list(outputs)
        self._names = list(dict.fromkeys(chosen))
        self._estimator: Estimator | None = None
        Estimator(self.filter, lag=lag, start=self._nominal(), limit=limit)  # refuse a wrong lag or limit now
        self._outputs = self._output_ports()
        self._waiting: list[Measurement] = []
        self._taken = [0] * len(self.filter.lines)
        self._origin = 0.0

    def _nominal(self) -> Any:
        """Return an estimate with inputs that are known, for looking at names and units."""
        layout = self.filter.begun.layout.inputs
        first = self._held.at(0.0)
        fallback = layout.pack({e.name: np.clip(e.variable.scale, *e.variable.bounds) for e in layout})
        self._held.tell(-math.inf, np.where(np.isfinite(first), first, fallback))
        try:
            return self.filter.start(0.0)
        finally:
            self._held.restore(self._blank)

    # -- what it is --------------------------------------------------------------------------------------------
    @property
    def time_unit(self) -> str:
        """Unit of `t` and `dt`."""
        return self.filter.model.time_unit

    @property
    def inputs(self) -> Mapping[str, Port]:
        """Input ports: reading, standard deviation and quality of every sensor; the model's inputs."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        """Output ports: mean and standard deviation of every quantity asked for."""
        return self._outputs

    @property
    def estimator(self) -> Estimator:
        """The estimator inside: its estimate, history and counts.

        Raises
        ------
        StepError
            Before `initialize`.
        """
        if self._estimator is None:
            raise StepError("the estimator has not been started: initialize comes first")
        return self._estimator

    @property
    def content_hash(self) -> str:
        """SHA-256 of what determines its results."""
        parts = {"filter": self.filter.content_hash, "lag": repr(self._lag), "limit": self._limit}
        return digest({**parts, "outputs": self._names})

    def __repr__(self) -> str:
        return f"EstimatorComponent({type(self.filter).__name__} of {type(self.filter.model).__name__})"

    def _output_ports(self) -> dict[str, Port]:
        start, time_unit = self._nominal(), self.time_unit
        found: dict[str, Port] = {}
        for name in self._names:
            unit = start.output(name).unit  # raises where there is no such quantity
            found[name] = Port(name, unit, Causality.OUTPUT, doc=f"{name}, mean")
            spread = f"std({name})"
            found[spread] = Port(
                spread, spread_unit(unit, time_unit), Causality.OUTPUT, doc=f"{name}, standard deviation"
            )
        return found

    # -- time --------------------------------------------------------------------------------------------------
    def initialize(self, t0: float, inputs: Values) -> Values:
        """Start (or start again) at `t0`, before any reading, and return the estimates there."""
        self._held.restore(self._blank)
        self._waiting, self._origin = [], t0
        self._taken = [0] * len(self.filter.lines)
        try:
            self._held.tell(t0, self._given(t0, inputs))
            self._estimator = Estimator(self.filter, lag=self._lag, start=t0, limit=self._limit)
            return self._shown()
        except StepError:
            raise
        except TwinkitError as error:
            raise StepError(f"{self!r}: {error}", time=t0, values=inputs) from error

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Advance from `t` to ``t + dt`` with inputs held, take in what arrives, and return the estimates."""
        estimator, end = self.estimator, t + dt
        if not dt > 0.0:
            raise StepError(f"a step goes forward: dt = {dt!r}", time=t, values=inputs)
        mark = self._held.mark()
        try:
            self._held.tell(t, self._given(t, inputs))
            taken, read = self._read(t, inputs)
            waiting = [*self._waiting, *read]
            here = [m for m in waiting if arrival(m) <= end + 1e-9 * max(dt, abs(end))]
            estimator.update([replace(m, received_time=min(arrival(m), end)) for m in here], until=end)
        except TwinkitError as error:
            self._held.back(mark)
            if isinstance(error, StepError):
                raise
            raise StepError(f"{self!r}: {error}", time=t, values=inputs) from error
        self._taken, self._waiting = taken, [m for m in waiting if not any(m is one for one in here)]
        self._held.forget(estimator.earliest)
        return self._shown()

    def next_event(self, t: float) -> float | None:
        """Return the time after `t` at which a sensor with `every` is read next, or None."""
        periods = [line.every for line in self.filter.lines.values() if line.every is not None]
        return min((Periodic(every, self._origin).next(t) for every in periods), default=None)

    def close(self) -> None:
        """Nothing is held."""

    def snapshot(self) -> _State:
        """Return everything that determines how the component goes on."""
        held = self._held.snapshot()
        return _State(self.estimator.snapshot(), held, tuple(self._waiting), tuple(self._taken), self._origin)

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; the continuation is bitwise the same."""
        if not isinstance(state, _State):
            raise InvalidValueError(f"restore takes what snapshot() returned, not {state!r}")
        self._held.restore(state.held)
        self.estimator.restore(state.inner)
        self._waiting, self._taken, self._origin = list(state.waiting), list(state.taken), state.origin

    # -- the work ----------------------------------------------------------------------------------------------
    def _given(self, t: float, inputs: Values) -> Array:
        """Return the model's inputs as a vector."""
        parts = [np.empty(0)]
        for entry in self.filter.begun.layout.inputs:
            port = self._inputs[entry.name]
            parts.append(port.flat(self._value(port, t, inputs), f"input {entry.name!r}"))
        return np.concatenate(parts)

    def _value(self, port: Port, t: float, inputs: Values) -> Any:
        value = inputs.get(port.name, port.default)
        if value is None:
            raise StepError(f"{self!r}: input {port.name!r} has neither a value nor a default", time=t, values=inputs)
        return value

    def _read(self, t: float, inputs: Values) -> tuple[list[int], list[Measurement]]:
        """Return the readings of the sensors whose time it is, and how many were taken of each then."""
        found: list[Measurement] = []
        taken = list(self._taken)
        for k, (tag, line) in enumerate(self.filter.lines.items()):
            due = taken[k] + 1 if line.every is None else Periodic(line.every, self._origin).count(t)
            if due > taken[k]:
                taken[k] = due
                found.append(self._reading(tag, line, t, inputs))
        return taken, found

    def _reading(self, tag: str, line: Line, t: float, inputs: Values) -> Measurement:
        """Return what the ports of a sensor say."""
        value = float(self._value(self._inputs[tag], t, inputs))
        std = float(self._value(self._inputs[f"std({tag})"], t, inputs))
        quality, note = Quality.of_code(float(self._value(self._inputs[f"quality({tag})"], t, inputs))), ""
        if not math.isfinite(value):
            quality, note = Quality.BAD, f"the port gave {value}"
        own = None if std == 0.0 else std
        return Measurement(tag, value, line.place.unit, t, t + line.delay, quality, own, note)

    def _shown(self) -> Values:
        found: dict[str, float] = {}
        estimate = self.estimator.estimate
        for name in self._names:
            said = estimate.output(name)
            found[name], found[f"std({name})"] = said.mean, said.std
        return found


def _input_ports(filter: Filter) -> dict[str, Port]:
    """Return the ports of the sensors and of the model's inputs."""
    found: dict[str, Port] = {}
    for tag, line in filter.lines.items():
        for port in _sensor_ports(tag, line, filter.model.time_unit):
            found[port.name] = port
    for entry in filter.begun.layout.inputs:
        if entry.name in found:
            raise InvalidValueError(
                f"{entry.name!r} is both a sensor's tag and an input of {type(filter.model).__name__}: give the sensor "
                "another tag="
            )
        value = filter.begun.values().get(entry.name)
        flat = None if value is None else tuple(np.broadcast_to(np.asarray(value, float), (entry.width,)).tolist())
        default = flat[0] if flat is not None and entry.size is None else flat
        found[entry.name] = Port(
            entry.name, entry.variable.unit, Causality.INPUT, entry.size, default=default, doc=entry.variable.doc
        )
    return found


def _sensor_ports(tag: str, line: Line, time_unit: str) -> tuple[Port, Port, Port]:
    unit, held = line.place.unit, Variability.DISCRETE
    spread = spread_unit(unit, time_unit)
    return (
        Port(tag, unit, Causality.INPUT, doc=f"reading of {line.place.label}", variability=held),
        Port(f"std({tag})", spread, Causality.INPUT, default=0.0, doc="its standard deviation; 0: the sensor's own",
             variability=held),
        Port(f"quality({tag})", "", Causality.INPUT, default=0.0, doc="0 good, 1 uncertain, 2 bad", variability=held),
    )  # fmt: skip
