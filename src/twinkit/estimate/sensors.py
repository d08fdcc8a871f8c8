"""What a user says about sensors, checked and turned into numbers in the model's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twinkit.core import InvalidValueError, Model, ShapeError, UnitError
from twinkit.core.errors import unknown_name
from twinkit.core.layout import Layout
from twinkit.core.units import affine, as_number
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
        measurement must carry its own. `Measurement.std` overrides it.
    tag
        Tag of its measurements; None: the name of what it measures.
    uncertain_factor
        By how much the standard deviation of a reading marked `Quality.UNCERTAIN` is multiplied.
    """

    output: str
    std: Any = None
    tag: str | None = None
    uncertain_factor: float = 2.0

    @property
    def name(self) -> str:
        """Tag of its measurements."""
        return self.output if self.tag is None else self.tag


@dataclass(frozen=True)
class Position:
    """One number of the model: where it is and what it is called."""

    kind: str
    index: int
    label: str
    unit: str
    bounds: tuple[float, float]


def positions(layout: Layout) -> dict[str, Position]:
    """Return every single number of states, algebraic variables and outputs by its label."""
    found: dict[str, Position] = {}
    for block in (layout.states, layout.algebraics, layout.outputs):
        for entry in block:
            low, high = (float(bound) for bound in entry.variable.bounds)
            for k, label in enumerate(entry.labels):
                found[label] = Position(block.kind, entry.start + k, label, entry.variable.unit, (low, high))
    return found


def position(model: Model, name: str) -> Position:
    """Return the position of a scalar output, state or algebraic variable, or of one element.

    Raises
    ------
    UnknownNameError
        If there is none; names the nearest.
    ShapeError
        If the name is a vector's: name one element.
    """
    known = positions(model.layout)
    if name in known:
        return known[name]
    elements = [label for label in known if label.startswith(f"{name}[")]
    if elements:
        raise ShapeError(f"{name!r} has {len(elements)} elements; name one of them, such as {elements[0]!r}")
    raise unknown_name("output, state or algebraic variable", name, known, type(model).__name__)


@dataclass(frozen=True)
class Line:
    """A sensor in numbers."""

    sensor: Sensor
    place: Position
    std: float | None


def lines(model: Model, sensors: Sequence[Sensor]) -> dict[str, Line]:
    """Check sensors; return them by tag, in order."""
    found: dict[str, Line] = {}
    for sensor in sensors:
        if not isinstance(sensor, Sensor):
            raise InvalidValueError(f"sensors are Sensor(...) objects, not {sensor!r}")
        place = position(model, sensor.output)
        if sensor.name in found:
            raise InvalidValueError(f"two sensors have the tag {sensor.name!r}; give one of them another tag=")
        what = f"the standard deviation of sensor {sensor.name!r}"
        std = None if sensor.std is None else as_number(sensor.std, spread_unit(place.unit, model.time_unit), what)
        if std is not None and std <= 0:
            raise InvalidValueError(f"{what} must be positive, not {std:g}")
        if not sensor.uncertain_factor >= 1.0:
            raise InvalidValueError(
                f"uncertain_factor of {sensor.name!r} must be at least 1, not {sensor.uncertain_factor!r}"
            )
        found[sensor.name] = Line(sensor, place, std)
    if not found:
        raise InvalidValueError("a filter needs at least one sensor: sensors=[Sensor(output=..., std=...)]")
    return found


def in_unit(value: float, std: float | None, source: str, target: str, tag: str) -> tuple[float, float | None]:
    """Return a value and its standard deviation in another unit."""
    if source == target:
        return value, std
    try:
        scale, offset = affine(source, target)
    except UnitError as error:
        raise UnitError(f"measurement {tag!r}: {error}") from None
    return value * scale + offset, None if std is None else std * abs(scale)
