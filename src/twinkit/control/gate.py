"""The gate of closed loop: what must be true before a move is applied without a person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from twinkit.control.recommendation import Recommendation, is_finite
from twinkit.core import DesignSpace, InvalidValueError, Measurement, Quality, TwinkitError
from twinkit.core.identity import digest
from twinkit.core.units import affine, as_number, convert


@dataclass(frozen=True)
class PlantCondition:
    """What is known of the plant at a time.

    Parameters
    ----------
    time
        When, in the time unit of the session.
    values, std
        Estimated quantities by name, with their standard deviations, in the units of the design space.
    sensors
        Tag -> its last measurement; times in the time unit of the session.
    in_domain
        False where the estimate, or a soft sensor, is beyond what its models were made from.

    Raises
    ------
    InvalidValueError
        If the time is not finite, or a sensor's entry is no `Measurement`.
    """

    time: float
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    std: Mapping[str, float] = field(default_factory=dict[str, float])
    sensors: Mapping[str, Measurement] = field(default_factory=dict[str, Measurement])
    in_domain: bool = True

    def __post_init__(self) -> None:
        if not is_finite(self.time):
            raise InvalidValueError(f"the condition of a plant has a finite time, not {self.time!r}")
        for tag, measurement in self.sensors.items():
            if not isinstance(measurement, Measurement):
                raise InvalidValueError(f"the last reading of {tag} is a Measurement, not {measurement!r}")
        for key in ("values", "std", "sensors"):
            object.__setattr__(self, key, dict(getattr(self, key)))


@dataclass(frozen=True)
class Gate:
    """The conditions of closed loop. What is not known does not pass.

    Parameters
    ----------
    space
        The design space. The plant, as estimated, and the prediction over its whole horizon must be inside, each with
        its interval; so must the values that are applied.
    freshness
        Largest age of a plan: a number in `time_unit` or a text.
    sensors
        Tag -> largest age of its last good reading.
    coverage
        Of the intervals that must be inside.
    time_unit
        Unit of all times.

    Raises
    ------
    InvalidValueError, UnitError
        If an age is not positive, or the coverage is not between 0 and 1.
    """

    space: DesignSpace
    freshness: Any
    sensors: Mapping[str, Any] = field(default_factory=dict[str, Any])
    coverage: float = 0.95
    time_unit: str = "h"

    def __post_init__(self) -> None:
        if not isinstance(self.space, DesignSpace):
            raise InvalidValueError(f"a gate needs a DesignSpace, not {self.space!r}")
        affine(self.time_unit, "s")
        if not isinstance(self.sensors, Mapping):
            raise InvalidValueError(f"sensors= of a gate is tag -> largest age, not {self.sensors!r}")
        if not 0.0 < self.coverage < 1.0:
            raise InvalidValueError(f"a coverage lies between 0 and 1, not {self.coverage!r}")
        object.__setattr__(self, "freshness", self._age(self.freshness, "the largest age of a plan"))
        ages = {tag: self._age(age, f"the largest age of {tag}") for tag, age in self.sensors.items()}
        object.__setattr__(self, "sensors", ages)

    def _age(self, value: Any, what: str) -> float:
        number = as_number(value, self.time_unit, what)
        if not number > 0.0:
            raise InvalidValueError(f"{what} must be positive, not {number:g}")
        return number

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of its settings."""
        return digest([self.space.content_hash, self.freshness, dict(self.sensors), self.coverage, self.time_unit])

    # -- questions ---------------------------------------------------------------------------------------------
    def objections(self, advice: Recommendation | None, condition: PlantCondition | None, at: float) -> tuple[str, ...]:
        """Return why a recommendation may not be applied without a person; nothing: it may.

        Parameters
        ----------
        advice
            The newest recommendation.
        condition
            What is known of the plant.
        at
            Now, in `time_unit`.
        """
        if advice is None:
            return ("there is no recommendation",)
        found = list(self.of_setpoints(advice, at)) + self._of_plan(advice, at)
        if condition is None:
            return (*found, "nothing is known of the plant")
        return (*found, *self._of_plant(advice, condition, at), *self._of_prediction(advice, at))

    def of_setpoints(self, advice: Recommendation, at: float) -> tuple[str, ...]:
        """Return why the values that accepting at a time applies are outside the design space by themselves."""
        values: dict[str, Any] = {}
        for name, value in advice.setpoints(at).items():
            if not math.isfinite(value):
                return (f"{name} would become {value}",)
            if name in self.space.variables:
                values[name] = self._number(value, advice.moves[name].unit, name)
        # Only limits of moves alone can be judged here; the others are judged in the prediction.
        own = tuple(limit for limit in self.space.limits if set(limit.names) <= set(values))
        if not own:
            return ()
        part = DesignSpace(self.space.variables, own, self.space.name, self.space.time_unit)
        return tuple(
            f"would be set outside {self.space.name}: {p}" for p in part.contains(values, at=self._when(at)).problems
        )

    def _when(self, time: float) -> float:
        return float(convert(time, self.time_unit, self.space.time_unit))

    def _number(self, value: Any, unit: str, name: str) -> Any:
        return convert(value, unit, self.space.variables[name])

    def _of_plan(self, advice: Recommendation, at: float) -> list[str]:
        found: list[str] = []
        age = at - advice.time
        if age > self.freshness:
            found.append(f"the plan is {age:.4g} {self.time_unit} old, more than {self.freshness:.4g}")
        if age < 0.0:
            found.append(f"the plan is of a later time, {advice.time:.6g} {self.time_unit}")
        if not advice.open_at(at):
            found.append(f"the recommendation expired at {advice.expires:.6g} {self.time_unit}")
        if not advice.status.fresh:
            found.append(f"the plan was not optimised for this estimate: {advice.status.text}")
        if not advice.in_domain:
            found.append("the prediction is beyond what its models were made from")
        return found

    def _of_plant(self, advice: Recommendation, condition: PlantCondition, at: float) -> list[str]:
        found: list[str] = []
        age = at - condition.time
        if not 0.0 <= age <= self.freshness:
            found.append(f"the plant was last looked at {age:.4g} {self.time_unit} ago")
        if not condition.in_domain:
            found.append("the estimate is beyond what its models were made from")
        for tag, oldest in self.sensors.items():
            found += _of_sensor(tag, condition.sensors.get(tag), oldest, at, self.time_unit)
        present = {name: self._number(value, advice.moves[name].unit, name)
                   for name, value in advice.present.items() if name in self.space.variables}  # fmt: skip
        return found + self._outside("the plant is", {**present, **condition.values}, condition.std, condition.time)

    def _of_prediction(self, advice: Recommendation, at: float) -> list[str]:
        tracks = {name: track for name, track in advice.predicted.items() if name in self.space.variables}
        nodes = [np.asarray(track.times, dtype=np.float64) for track in tracks.values()]
        nodes += [np.asarray(move.times, dtype=np.float64) for name, move in advice.moves.items()
                  if name in self.space.variables]  # fmt: skip
        times = np.unique(np.concatenate(nodes)) if nodes else np.empty(0)
        times = times[times >= max(at, advice.time)]
        if len(times) == 0:
            return ["nothing is predicted from now on"]
        for time in times.tolist():
            values = {
                name: self._number(move.at(time), move.unit, name)
                for name, move in advice.moves.items()
                if name in self.space.variables
            }
            std: dict[str, float] = {}
            for name, track in tracks.items():
                if track.times[0] <= time <= track.times[-1]:  # beyond them nothing is known
                    scale = affine(track.unit, self.space.variables[name])[0]
                    values[name] = self._number(float(np.interp(time, track.times, track.mean)), track.unit, name)
                    std[name] = scale * float(np.interp(time, track.times, track.std))
            if found := self._outside(f"predicted at {time:.4g} {self.time_unit},", values, std, time):
                return found  # the first time is enough to be told
        return []

    def _outside(self, who: str, values: Mapping[str, Any], std: Mapping[str, float], time: float) -> list[str]:
        try:
            verdict = self.space.contains(values, at=self._when(time), std=std, coverage=self.coverage)
        except TwinkitError as error:
            return [f"{who} not known to be inside {self.space.name}: {error}"]
        return [f"{who} outside {self.space.name}: {problem}" for problem in verdict.problems]


def _of_sensor(tag: str, last: Measurement | None, oldest: float, at: float, time_unit: str) -> list[str]:
    if last is None:
        return [f"{tag} has no reading"]
    if last.quality is not Quality.GOOD:
        note = f" ({last.note})" if last.note else ""
        return [f"the reading of {tag} is {last.quality.value}{note}"]
    age = at - last.source_time
    if age > oldest:
        return [f"the reading of {tag} is {age:.4g} {time_unit} old, more than {oldest:.4g}"]
    return [f"the reading of {tag} is of a later time"] if age < 0.0 else []
