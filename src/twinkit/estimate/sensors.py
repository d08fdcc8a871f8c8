"""What a user says about sensors, checked and turned into numbers in the model's units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twinkit.core import InvalidValueError, Model, UnitError
from twinkit.core.positions import Position, position
from twinkit.core.units import affine, as_number, unit_label
from twinkit.estimate.uncertain import spread_unit


@dataclass(frozen=True)
class Sensor:
    """A source of measurements of one model quantity.

    Parameters
    ----------
    output
        What it measures: an output, a state or an algebraic variable of the model (``"c[3]"`` for one element of a
        vector).
    std
        Standard deviation of a reading: a number in the quantity's unit, or a text with a unit. None: every
        measurement must carry its own. `Measurement.std` overrides it (and `relative_std`).
    tag
        Tag of its measurements; None: the name of what it measures.
    uncertain_factor
        By how much the standard deviation of a reading marked `Quality.UNCERTAIN` is multiplied.
    relative_std
        A second part of the standard deviation, as a fraction of the reading; the two are added in squares.
    delay
        Time from the sample to its report: a number in the model's time unit or a text. An `Estimator` takes its
        default lag from it; as a component, it holds readings back so long.
    every
        Time between two readings; None: not known (as a component: at every step).
    valid
        The instrument's range ``(low, high)``, numbers in the quantity's unit or texts; None at an end: open. A
        reading outside is treated as marked bad.
    """

    output: str
    std: Any = None
    tag: str | None = None
    uncertain_factor: float = 2.0
    relative_std: float = 0.0
    delay: Any = 0.0
    every: Any = None
    valid: tuple[Any, Any] | None = None

    @property
    def name(self) -> str:
        """Tag of its measurements."""
        return self.output if self.tag is None else self.tag


@dataclass(frozen=True)
class Line:
    """A sensor in numbers: units of what it measures, and the model's time unit."""

    sensor: Sensor
    place: Position
    std: float | None
    delay: float = 0.0
    every: float | None = None
    valid: tuple[float, float] = (-math.inf, math.inf)

    def spread(self, value: float) -> float | None:
        """Return the standard deviation of a reading that brings none of its own (None: not known)."""
        if not self.sensor.relative_std:
            return self.std
        found = math.hypot(self.std or 0.0, self.sensor.relative_std * value)
        return found if found > 0.0 else None

    def outside(self, value: float) -> str:
        """Return in words that a value is outside the instrument's range ('' when it is within)."""
        low, high = self.valid
        if not (value < low or value > high):
            return ""
        unit = unit_label(self.place.unit)
        return f"{value:g} {unit}".rstrip() + f" is outside the instrument's range, {low:g} to {high:g} {unit}".rstrip()


def lines(model: Model, sensors: Sequence[Sensor]) -> dict[str, Line]:
    """Check sensors; return them by tag, in order."""
    found: dict[str, Line] = {}
    for sensor in sensors:
        if not isinstance(sensor, Sensor):
            raise InvalidValueError(f"sensors are Sensor(...) objects, not {sensor!r}")
        line = _line(model, sensor)
        if sensor.name in found:
            raise InvalidValueError(f"two sensors have the tag {sensor.name!r}; give one of them another tag=")
        found[sensor.name] = line
    if not found:
        raise InvalidValueError("a filter needs at least one sensor: sensors=[Sensor(output=..., std=...)]")
    return found


def _line(model: Model, sensor: Sensor) -> Line:
    """Return one sensor in numbers."""
    place, tag = position(model, sensor.output), sensor.name
    what = f"the standard deviation of sensor {tag!r}"
    std = None if sensor.std is None else as_number(sensor.std, spread_unit(place.unit, model.time_unit), what)
    if std is not None and std <= 0:
        raise InvalidValueError(f"{what} must be positive, not {std:g}")
    if not sensor.uncertain_factor >= 1.0:
        raise InvalidValueError(f"uncertain_factor of {tag!r} must be at least 1, not {sensor.uncertain_factor!r}")
    relative = as_number(sensor.relative_std, "", f"relative_std of {tag!r}")
    if not relative >= 0.0:
        raise InvalidValueError(f"relative_std of {tag!r} must not be negative, but is {relative:g}")
    delay = as_number(sensor.delay, model.time_unit, f"the delay of sensor {tag!r}")
    if delay < 0.0:
        raise InvalidValueError(f"the delay of sensor {tag!r} must not be negative, but is {delay:g}")
    every = None if sensor.every is None else as_number(sensor.every, model.time_unit, f"every= of sensor {tag!r}")
    if every is not None and every <= 0.0:
        raise InvalidValueError(f"every= of sensor {tag!r} must be positive, not {every:g}")
    return Line(sensor, place, std, delay, every, _range(sensor, place.unit))


def _range(sensor: Sensor, unit: str) -> tuple[float, float]:
    """Return the instrument's range in numbers."""
    if sensor.valid is None:
        return -math.inf, math.inf
    what = f"the valid range of sensor {sensor.name!r}"
    if not isinstance(sensor.valid, (tuple, list)) or len(sensor.valid) != 2:
        raise InvalidValueError(f"{what} is a pair (low, high), not {sensor.valid!r}")
    low, high = (
        end if bound is None else as_number(bound, unit, what)
        for bound, end in zip(sensor.valid, (-math.inf, math.inf), strict=True)
    )
    if not low < high:
        raise InvalidValueError(f"{what} is (low, high) with low < high, not {sensor.valid!r}")
    return low, high


def in_unit(value: float, std: float | None, source: str, target: str, tag: str) -> tuple[float, float | None]:
    """Return a value and its standard deviation in another unit."""
    if source == target:
        return value, std
    try:
        scale, offset = affine(source, target)
    except UnitError as error:
        raise UnitError(f"measurement {tag!r}: {error}") from None
    return value * scale + offset, None if std is None else std * abs(scale)
