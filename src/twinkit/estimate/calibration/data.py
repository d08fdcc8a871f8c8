"""Batches made ready: a run per batch, and its measurements as rows in the model's units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core import (
    Batch,
    InvalidValueError,
    Measurement,
    Model,
    Quality,
    ShapeError,
    SimulationError,
    TwinkitError,
    UnitError,
)
from twinkit.core.errors import unknown_name
from twinkit.core.identity import digest
from twinkit.core.units import affine
from twinkit.estimate.calibration.noise import Noise, NoiseTerm, check_noise, noise_term
from twinkit.estimate.sensors import Line, Position, Sensor, in_unit, lines, position
from twinkit.simulate.problem import Problem, make_problem

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Observed:
    """One batch in numbers.

    Attributes
    ----------
    name
        The batch's.
    problem
        The run, up to the last measurement; its `times` are those of the measurements.
    row, quantity, tag
        Of each measurement, ``(n,)``: its time, the measured quantity, its tag.
    value
        ``(n,)``, in the model's unit.
    std
        Standard deviation the measurement carries, ``(n,)``; NaN where it carries none or the tag's noise replaces it.
    factor
        By how much the standard deviation is multiplied (uncertain readings), ``(n,)``.
    bad
        Measurements that were left out because they are marked bad, or outside their instrument's range.
    recipe
        Identifies the run: batches of one recipe (replicates) have the same times, and one run serves them all while
        nothing that is searched for differs between them.
    """

    name: str
    problem: Problem
    row: Indices
    quantity: Indices
    tag: Indices
    value: Array
    std: Array
    factor: Array
    bad: int
    recipe: str = ""

    @property
    def times(self) -> Array:
        """Time of each measurement, ``(n,)``."""
        return self.problem.times[self.row]


@dataclass(frozen=True)
class Data:
    """All batches in numbers.

    Attributes
    ----------
    batches
        In order.
    tags, places
        Tags, and which quantity each measures.
    noise
        Per tag.
    """

    batches: tuple[Observed, ...]
    tags: tuple[str, ...]
    places: tuple[Position, ...]
    noise: tuple[NoiseTerm, ...]

    @property
    def count(self) -> int:
        """Number of measurements."""
        return sum(len(batch.value) for batch in self.batches)


def listed(batches: Any) -> tuple[Batch, ...]:
    """Return batches as a tuple, or say what is wrong with them."""
    given = (batches,) if isinstance(batches, Batch) else tuple(batches) if isinstance(batches, Iterable) else ()
    if not given:
        raise InvalidValueError("there are no batches to calibrate with: pass a list of tk.Batch")
    for batch in given:
        if not isinstance(batch, Batch):
            raise InvalidValueError(f"{batch!r} is not a tk.Batch")
    names = [batch.name for batch in given]
    for name in names:
        if names.count(name) > 1:
            raise InvalidValueError(f"two batches are called {name!r}; give them different names")
    return given


def prepare(
    model: Model,
    batches: Sequence[Batch],
    *,
    sensors: Sequence[Sensor] = (),
    noise: Mapping[str, Any] | None = None,
    free: Iterable[str] = (),
    rtol: float = 1e-7,
) -> Data:
    """Check batches against the model and put them into numbers.

    Parameters
    ----------
    model, batches
        The model and its batches.
    sensors
        What a tag measures, where the tag is not the name of a quantity of the model.
    noise
        Tag -> `Noise` or `EstimatedNoise`.
    free
        Names of states whose initial values are searched for: a batch need not have them.
    rtol
        Tolerance of the integration.

    Raises
    ------
    InvalidValueError, UnknownNameError, UnitError, ShapeError
        For what does not fit; names the batch.
    """
    if noise is not None and not isinstance(noise, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(f"noise is a mapping of tags to Noise or EstimatedNoise, not {noise!r}")
    known = _sensors(sensors)
    tags = tuple(dict.fromkeys(tag for batch in batches for tag in batch.tags))
    places = tuple(_place(model, tag, known.get(tag), batches) for tag in tags)
    given = check_noise({**_sensor_noise(known, batches), **dict(noise or {})}, tags) if tags else {}
    shared = lines(model, [sensor for sensor in known.values() if sensor.name in tags]) if known else {}
    observed = _shared(
        [_observed(model, batch, tags, places, shared, set(given), tuple(free), rtol) for batch in batches]
    )
    terms: list[NoiseTerm] = []
    for t, (tag, place) in enumerate(zip(tags, places, strict=True)):
        chosen = [item.tag == t for item in observed]
        values = np.concatenate([item.value[mask] for item, mask in zip(observed, chosen, strict=True)])
        own = np.concatenate([item.std[mask] for item, mask in zip(observed, chosen, strict=True)])
        spread = float(np.std(values)) or abs(float(values[0] if values.size else 0.0)) or 1.0
        stds = [None if np.isnan(std) else float(std) for std in own]
        terms.append(noise_term(tag, given.get(tag), stds, spread, place.unit, model.time_unit))
    return Data(observed, tags, places, tuple(terms))


def _sensors(sensors: Sequence[Sensor]) -> dict[str, Sensor]:
    found: dict[str, Sensor] = {}
    if not isinstance(sensors, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(f"sensors is a list of Sensor(...), not {sensors!r}")
    for sensor in sensors:
        if not isinstance(sensor, Sensor):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValueError(f"sensors are Sensor(...) objects, not {sensor!r}")
        if sensor.name in found:
            raise InvalidValueError(f"two sensors have the tag {sensor.name!r}; give one of them another tag=")
        found[sensor.name] = sensor
    return found


def _sensor_noise(sensors: Mapping[str, Sensor], batches: Sequence[Batch]) -> dict[str, Noise]:
    """Return the noise of sensors whose measurements carry no standard deviation of their own, which goes first."""
    own = {item.tag for batch in batches for item in batch.measurements if item.std is not None}
    return {
        tag: Noise(0.0 if sensor.std is None else sensor.std, sensor.relative_std)
        for tag, sensor in sensors.items()
        if tag not in own and (sensor.std is not None or sensor.relative_std > 0)
    }


def _place(model: Model, tag: str, sensor: Sensor | None, batches: Sequence[Batch]) -> Position:
    try:
        return position(model, tag if sensor is None else sensor.output)
    except TwinkitError as error:
        where = next(batch.name for batch in batches if tag in batch.tags)
        raise type(error)(
            f"batch {where!r}, tag {tag!r}: {error}"
            + ("" if sensor else f" (for a tag of another name: sensors=[Sensor(output=..., tag={tag!r})])")
        ) from None


def _observed(
    model: Model, batch: Batch, tags: Sequence[str], places: Sequence[Position], sensors: Mapping[str, Line],
    replaced: set[str], free: Sequence[str], rtol: float,
) -> Observed:  # fmt: skip
    index = {tag: t for t, tag in enumerate(tags)}
    good = [
        item for item in batch.measurements if item.quality is not Quality.BAD and not _outside(item, sensors, batch)
    ]
    bad = len(batch.measurements) - len(good)
    if not good:
        raise InvalidValueError(
            f"batch {batch.name!r} has no usable measurement"
            + (f" ({bad} are marked bad or out of range)" if bad else "")
        )
    scale = affine(batch.time_unit, model.time_unit)[0]
    moments = np.array([item.source_time for item in good]) * scale
    grid, row = np.unique(moments, return_inverse=True)
    numbers = [_number(item, places[index[item.tag]], batch) for item in good]
    factors = [
        (sensors[item.tag].sensor.uncertain_factor if item.tag in sensors else 2.0)
        if item.quality is Quality.UNCERTAIN
        else 1.0
        for item in good
    ]
    return Observed(
        name=batch.name,
        problem=_problem(model, batch, grid, scale, free, rtol),
        row=np.asarray(row, dtype=np.intp),
        quantity=np.array([index[item.tag] for item in good], dtype=np.intp),
        tag=np.array([index[item.tag] for item in good], dtype=np.intp),
        value=np.array([value for value, _ in numbers]),
        std=np.array([_spread(m, value, s, sensors, replaced) for m, (value, s) in zip(good, numbers, strict=True)]),
        factor=np.array(factors),
        bad=bad,
    )  # fmt: skip


def _outside(item: Measurement, sensors: Mapping[str, Line], batch: Batch) -> bool:
    """Return whether a reading is outside its instrument's range, and so counts as bad."""
    line = sensors.get(item.tag)
    return line is not None and bool(line.outside(_number(item, line.place, batch)[0]))


def _spread(
    item: Measurement, value: float, own: float | None, sensors: Mapping[str, Line], replaced: set[str]
) -> float:
    """Return the standard deviation of a reading: its own, else its sensor's; NaN where the tag's noise is used."""
    if item.tag in replaced:
        return np.nan
    if own is None and item.tag in sensors:
        own = sensors[item.tag].spread(value)
    return np.nan if own is None else own


def _shared(observed: Sequence[Observed]) -> tuple[Observed, ...]:
    """Give batches that are run alike the same times: those of all of them."""
    recipes = [_recipe(item.problem) for item in observed]
    made: list[Observed] = []
    for item, recipe in zip(observed, recipes, strict=True):
        alike = [other.problem for other, its in zip(observed, recipes, strict=True) if its == recipe]
        times = np.unique(np.concatenate([problem.times for problem in alike]))
        longest = max(alike, key=lambda problem: problem.end)
        row = np.searchsorted(times, item.times)
        made.append(replace(item, problem=replace(longest, times=times), row=row.astype(np.intp), recipe=recipe))
    return tuple(made)


def _recipe(problem: Problem) -> str:
    inputs = problem.program
    parts = (problem.x, problem.z, problem.modes, problem.p, inputs.knots, inputs.coefficients, inputs.jumps)
    return digest([*parts, problem.begin])


def _number(item: Measurement, place: Position, batch: Batch) -> tuple[float, float | None]:
    if np.ndim(item.value) != 0:
        raise ShapeError(
            f"batch {batch.name!r}: {item.tag!r} at {item.source_time:g} is an array of shape {np.shape(item.value)}; "
            f"give its elements tags of their own, such as '{item.tag}[0]'"
        )
    try:
        return in_unit(float(item.value), item.std, item.unit, place.unit, item.tag)
    except UnitError as error:
        raise UnitError(f"batch {batch.name!r}: {error}") from None


def _problem(
    model: Model, batch: Batch, grid: Array, scale: float, free: Sequence[str], rtol: float
) -> Problem:  # fmt: skip
    begin = batch.begin * scale
    last = float(grid[-1])
    try:
        for name in batch.settings:
            if name not in model.layout.parameters:
                raise unknown_name("parameter", name, model.layout.parameters.by_name, type(model).__name__)
        own = model.with_(batch.settings)
        started = {**{name: _guess(own, name) for name in free}, **batch.initial}
        problem = make_problem(
            own, last if last > begin else begin + 1.0, start=begin, inputs=batch.inputs, initial=started, rtol=rtol
        )
    except TwinkitError as error:
        raise type(error)(f"batch {batch.name!r}: {error}") from None
    if problem.reading.events or problem.reading.schedules:
        raise SimulationError(
            f"{type(model).__name__} has events or schedules, and exact gradients across them are not derived yet: "
            "describe what happens at known times as inputs (tk.steps), or calibrate the legs as batches of their own"
        )
    return replace(problem, times=grid, exact=True)


def _guess(model: Model, name: str) -> Any:
    value = model.values().get(name)
    return model.layout.states[name].variable.scale if value is None else value
