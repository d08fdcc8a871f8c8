"""A soft sensor as a component of a graph: a spectrum comes in, a value with its uncertainty and quality goes out."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Measurement, Quality, TwinkitError
from twinkit.core.component import Causality, Port, PortKind, StepError, Values, Variability
from twinkit.core.identity import digest
from twinkit.core.periodic import Periodic
from twinkit.core.units import as_number, derivative_unit, parse_unit
from twinkit.pat.soft_sensor import SoftSensor


class SoftSensorComponent:
    """A soft sensor that lives in a graph.

    Its input ``spectrum`` is a spectrum port as long as the calibration's wavelengths. Its outputs are ``TAG``, the
    value; ``std(TAG)``, its standard deviation; and ``quality(TAG)``: 0 good, 1 uncertain, 2 bad. They are held until
    the next spectrum. An estimator's component has input ports of the same names.

    A port carries finite numbers only: until there is a usable reading, the value is 0 with quality 2, bad.

    Parameters
    ----------
    sensor
        The soft sensor, as it is before the first spectrum; the component works on copies of it.
    every
        Time between two spectra (number in `time_unit` or a text); None: every step brings a new one.
    time_unit
        Unit in which it is told the time.
    single
        Whether the reading of each spectrum by itself goes out, with its noise alone as standard deviation (for an
        estimator that models the systematic error), or the median of the last ones.

    Raises
    ------
    InvalidValueError
        If the sensor has read spectra already, or its calibration is not fitted.
    """

    stateless = False

    def __init__(self, sensor: SoftSensor, *, every: Any = None, time_unit: str = "s", single: bool = False) -> None:
        if not isinstance(sensor, SoftSensor):
            raise InvalidValueError(f"a SoftSensorComponent needs a SoftSensor, not {sensor!r}")
        if sensor.single is not None:
            raise InvalidValueError("this soft sensor has read spectra already: give a new one")
        if not hasattr(sensor.calibration, "wavenumbers_"):
            raise InvalidValueError("the calibration of this soft sensor is not fitted: call its fit first")
        parse_unit(time_unit)
        self._time_unit = time_unit
        self._plan = None if every is None else Periodic(as_number(every, time_unit, "every= of a soft sensor"))
        if self._plan is not None and self._plan.every <= 0.0:
            raise InvalidValueError(f"every= of a soft sensor must be positive, not {self._plan.every:g}")
        self._single = single
        self._fresh = _copied(sensor)
        self._sensor = _copied(sensor)
        self._reading: Measurement | None = None
        self._taken = 0
        tag, held = sensor.tag, Variability.DISCRETE
        spread = str(parse_unit(derivative_unit(sensor.unit, "s")) * parse_unit("s"))
        width = len(sensor.calibration.wavenumbers_)
        self._inputs = {
            "spectrum": Port(
                "spectrum", "", Causality.INPUT, width, PortKind.SPECTRUM, held, doc="on the calibration's wavelengths"
            )
        }
        ports = [
            Port(tag, sensor.unit, Causality.OUTPUT, variability=held, doc="value"),
            Port(f"std({tag})", spread, Causality.OUTPUT, variability=held, doc="its standard deviation"),
            Port(f"quality({tag})", "", Causality.OUTPUT, variability=held, doc="0 good, 1 uncertain, 2 bad"),
        ]
        self._outputs = {port.name: port for port in ports}

    # -- what it is --------------------------------------------------------------------------------------------
    @property
    def time_unit(self) -> str:
        """Unit of `t` and `dt`."""
        return self._time_unit

    @property
    def inputs(self) -> Mapping[str, Port]:
        """The spectrum."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        """Value, standard deviation, quality."""
        return self._outputs

    @property
    def reading(self) -> Measurement | None:
        """The last reading, with its note; None before the first spectrum."""
        return self._reading

    @property
    def content_hash(self) -> str:
        """SHA-256 of what determines its results."""
        fresh = self._fresh
        weights = [fresh.calibration.weights_, fresh.calibration.offsets_, fresh.calibration.rmsecv_]
        sensor = [fresh.tag, fresh.unit, fresh.window, fresh.low, repr(type(fresh.health))]
        settings = {key: value for key, value in vars(fresh.health).items() if not key.startswith("_")}
        return digest([weights, sensor, settings, repr(self._plan and self._plan.every), self._time_unit, self._single])

    def __repr__(self) -> str:
        return f"SoftSensorComponent({self._fresh.tag!r})"

    # -- time --------------------------------------------------------------------------------------------------
    def initialize(self, t0: float, inputs: Values) -> Values:
        """Start (or start again) at `t0`, before any spectrum."""
        self._sensor, self._reading = _copied(self._fresh), None
        self._taken = 0
        self._plan = self._plan and Periodic(self._plan.every, t0)
        return self._shown()

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Read the spectrum of time `t` and return what it says; it is held until ``t + dt``."""
        due = self._taken + 1 if self._plan is None else self._plan.count(t)
        if due > self._taken:
            spectrum = inputs.get("spectrum")
            if spectrum is None:
                raise StepError(f"{self!r}: no spectrum was given", time=t, values=inputs)
            try:
                reading = self._sensor.read(np.asarray(spectrum, dtype=np.float64), t)
            except TwinkitError as error:
                raise StepError(f"{self!r}: {error}", time=t, values=inputs) from error
            self._reading = self._sensor.single if self._single else reading
            self._taken = due
        return self._shown()

    def next_event(self, t: float) -> float | None:
        """Return when the next spectrum is read after `t`, or None where every step brings one."""
        return self._plan and self._plan.next(t)

    def snapshot(self) -> Any:
        """Return everything that determines how the component goes on."""
        return _copied(self._sensor), self._reading, self._taken, self._plan

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; the continuation is bitwise the same."""
        sensor, self._reading, self._taken, self._plan = state
        self._sensor = _copied(sensor)

    def close(self) -> None:
        """Nothing is held."""

    def _shown(self) -> Values:
        tag, m = self._fresh.tag, self._reading
        value = 0.0 if m is None or not math.isfinite(m.value) else float(m.value)
        quality = Quality.BAD if m is None or not math.isfinite(m.value) else m.quality
        std = self._fresh.noise if m is None or m.std is None else m.std
        return {tag: value, f"std({tag})": float(std), f"quality({tag})": float(quality.code)}


def _copied(sensor: SoftSensor) -> SoftSensor:
    """Return a copy with a memory of its own; the calibration, which never changes, is shared."""
    return copy.deepcopy(sensor, {id(sensor.calibration): sensor.calibration})
