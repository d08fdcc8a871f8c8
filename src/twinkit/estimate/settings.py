"""What a user says about sensors and uncertainty, checked and turned into numbers in the model's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core import InvalidValueError, Model, ShapeError, UnitError
from twinkit.core.errors import unknown_name
from twinkit.core.layout import Field, Layout
from twinkit.core.units import affine, as_array, as_number, derivative_unit, parse_unit

Array = npt.NDArray[np.float64]


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
class Adaptation:
    """A parameter estimated along with the states, as a random walk within its bounds.

    Parameters
    ----------
    std
        Standard deviation of the parameter at the start: a number in its unit, or a text with a unit.
    noise
        Intensity of the random walk, in the parameter's unit per square root of the model's time unit: how fast the
        parameter may change. 0: a constant that is learned.
    """

    std: Any
    noise: Any = 0.0


@dataclass(frozen=True)
class Position:
    """One number of the model: where it is and what it is called."""

    kind: str
    index: int
    label: str
    unit: str
    bounds: tuple[float, float]


def spread_unit(unit: str, time_unit: str) -> str:
    """Return the unit of a standard deviation (a difference, where `unit` is an absolute temperature).

    Examples
    --------
    >>> spread_unit("degC", "h")
    'delta_degree_Celsius'
    """
    return str(parse_unit(derivative_unit(unit, time_unit)) * parse_unit(time_unit))


def noise_unit(unit: str, time_unit: str) -> str:
    """Return the unit of a white-noise intensity: standard deviation per square root of time.

    Examples
    --------
    >>> noise_unit("g/L", "h")
    'gram / hour ** 0.5 / liter'
    """
    return str(parse_unit(derivative_unit(unit, time_unit)) * parse_unit(time_unit) ** 0.5)


def spread(raw: Any, entry: Field, unit: str, what: str) -> Array:
    """Return a non-negative standard deviation or intensity for every element of a variable."""
    array = as_array(raw, unit, what)
    if array.ndim and array.shape != (entry.width,):
        raise ShapeError(f"{what} needs one number or {entry.width}, but an array of shape {array.shape} was given")
    if np.any(array < 0):
        raise InvalidValueError(f"{what} must not be negative, but is {float(np.min(array)):g}")
    return np.broadcast_to(array, (entry.width,))


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


@dataclass(frozen=True)
class Plan:
    """The uncertain vector (states, then adapted parameters) in numbers.

    Attributes
    ----------
    labels, units
        Per position.
    fields
        Name -> ``(first, width or None for a scalar)``.
    chosen
        Positions of the adapted parameters in the parameter vector.
    std
        Standard deviations at the start.
    noise
        White-noise intensities.
    low, high
        Bounds.
    scale
        Nominal magnitudes.
    """

    labels: tuple[str, ...]
    units: tuple[str, ...]
    fields: Mapping[str, tuple[int, int | None]]
    chosen: tuple[int, ...]
    std: Array
    noise: Array
    low: Array
    high: Array
    scale: Array


def plan(
    model: Model, initial_std: Mapping[str, Any], process_noise: Mapping[str, Any], adapt: Mapping[str, Adaptation]
) -> Plan:
    """Check what a user says about uncertainty; see `ExtendedKalmanFilter` for the arguments."""
    layout, where = model.layout, type(model).__name__
    adapted: list[Field] = []
    for name, how in adapt.items():
        if name not in layout.parameters:
            raise unknown_name("parameter", name, layout.parameters.by_name, where)
        if not isinstance(how, Adaptation):
            raise InvalidValueError(f"adapt={{{name!r}: ...}} takes Adaptation(std=..., noise=...), not {how!r}")
        adapted.append(layout.parameters[name])
    entries = [*layout.states, *adapted]
    names = [entry.name for entry in entries]
    for what, given in (("initial_std", initial_std), ("process_noise", process_noise)):
        for name in given:
            if name not in layout.states:
                advice = " (for a parameter: adapt={...})" if name in layout.parameters else ""
                raise unknown_name(f"state for {what}{advice}", name, layout.states.by_name, where)
    stds = {**initial_std, **{name: how.std for name, how in adapt.items()}}
    noises = {**process_noise, **{name: how.noise for name, how in adapt.items()}}
    unit = model.time_unit

    def joined(given: Mapping[str, Any], unit_of: Any, what: str) -> Array:
        parts = [
            spread(given.get(e.name, 0.0), e, unit_of(e.variable.unit, unit), f"{what} of {e.name!r}") for e in entries
        ]
        return np.concatenate([np.zeros(0), *parts])

    std, noise = joined(stds, spread_unit, "the initial standard deviation"), joined(noises, noise_unit, "the noise")
    if not np.any(std > 0) and not np.any(noise > 0):
        raise InvalidValueError(
            f"nothing about {where} is uncertain, so measurements could not change anything: give initial_std, "
            f"process_noise or adapt (states: {', '.join(names)})"
        )
    starts = np.cumsum([0, *[entry.width for entry in entries]])
    repeated = [entry for entry in entries for _ in range(entry.width)]
    return Plan(
        labels=tuple(label for entry in entries for label in entry.labels),
        units=tuple(entry.variable.unit for entry in repeated),
        fields={entry.name: (int(start), entry.size) for entry, start in zip(entries, starts, strict=False)},
        chosen=tuple(entry.start + k for entry in adapted for k in range(entry.width)),
        std=std,
        noise=noise,
        low=np.array([entry.variable.bounds[0] for entry in repeated], dtype=np.float64),
        high=np.array([entry.variable.bounds[1] for entry in repeated], dtype=np.float64),
        scale=np.array([entry.variable.scale for entry in repeated]),
    )
