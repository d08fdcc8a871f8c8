"""What a controller says to a person: the moves, what they are predicted to do, and everything needed to judge them."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from twinkit.control.plan import Binding, MoveSchedule, PredictedTrack
from twinkit.control.status import PlanStatus
from twinkit.core import InvalidValueError
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.identity import digest, plain
from twinkit.core.units import affine, parse_unit, unit_label

_FORMAT = "twinkit-recommendation/1"


@dataclass(frozen=True)
class Effect:
    """How an outcome answers to one move, everything else as recommended.

    Attributes
    ----------
    move, move_unit, change
        The move, and by how much it was raised throughout the plan (negative: lowered), at most.
    outcome, outcome_unit, time
        The outcome, and when.
    difference, std
        By how much the outcome changes, and the standard deviation of that over the uncertainty of the estimate.
    time_unit
        Unit of `time`.
    relative
        By which share of each value it was raised; 0: by the same amount throughout.
    """

    move: str
    move_unit: str
    change: float
    outcome: str
    outcome_unit: str
    time: float
    difference: float
    std: float
    time_unit: str
    relative: float = 0.0

    @property
    def certain(self) -> bool:
        """Whether the sign of the difference is beyond doubt (two standard deviations)."""
        return abs(self.difference) > 2.0 * self.std and self.difference != 0.0

    @property
    def text(self) -> str:
        """The effect in words."""
        way = "raising" if self.change > 0 else "lowering"
        much = f"{abs(self.relative):.0%}" if self.relative else _with_unit(abs(self.change), self.move_unit)
        by = f"{way} {self.move} by {much} throughout"
        when = f"{self.outcome} at {_with_unit(self.time, self.time_unit, 4)}"
        if not self.certain:
            wide = _with_unit(abs(self.difference) + 2.0 * self.std, self.outcome_unit)
            return f"{by} does not clearly change {when} (by no more than about {wide})"
        verb = "raises" if self.difference > 0 else "lowers"
        size = f"{abs(self.difference):.3g} ± {2.0 * self.std:.1g} {unit_label(self.outcome_unit)}".rstrip()
        return f"{by} {verb} {when} by {size}"


@dataclass(frozen=True, eq=False)
class Recommendation:
    """Moves for a person, or a closed loop, to accept or not.

    What is accepted are the values that hold at the moment of acceptance. The rest of the moves shows what the plan
    intends; it will be recommended again in its time.

    Parameters
    ----------
    time, expires, time_unit
        When it was made for, and from when on it must not be accepted any more.
    moves
        Manipulated input -> schedule.
    present
        Manipulated input -> the value that is applied now, in the unit of its schedule.
    predicted
        Quantity -> what is predicted with these moves.
    unchanged
        Quantity -> what is predicted, from the same estimate, when the present values are kept.
    status
        How the plan came about.
    goal
        What the controller aims at, in words.
    binding
        Constraints that shape the plan.
    effects
        Sensitivity of outcomes to each move.
    made_by
        What made it -> content hash: controller, model, trained terms.
    data
        What it was made from -> content hash, or identifier: estimate, measurements, batch.
    in_domain
        False where a model is used beyond what it was made from.
    warnings
        What a reader should know.
    coverage
        Of the intervals shown.

    Raises
    ------
    InvalidValueError
        If a number is NaN, it expires before it begins, the plan has failed, or it does not say what is applied now.
    UnknownNameError
        If `present` names an input that is not moved.
    """

    time: float
    expires: float
    time_unit: str
    moves: Mapping[str, MoveSchedule]
    present: Mapping[str, float]
    predicted: Mapping[str, PredictedTrack]
    unchanged: Mapping[str, PredictedTrack]
    status: PlanStatus
    goal: str = ""
    binding: tuple[Binding, ...] = ()
    effects: tuple[Effect, ...] = ()
    made_by: Mapping[str, str] = field(default_factory=dict[str, str])
    data: Mapping[str, str] = field(default_factory=dict[str, str])
    in_domain: bool = True
    warnings: tuple[str, ...] = ()
    coverage: float = 0.95

    def __post_init__(self) -> None:
        affine(self.time_unit, "s")
        if not (is_finite(self.time) and is_finite(self.expires) and self.expires > self.time):
            raise InvalidValueError(
                f"a recommendation expires after it is made: time={self.time!r}, expires={self.expires!r}"
            )
        if not isinstance(self.status, PlanStatus):
            raise InvalidValueError(f"the status of a recommendation is a PlanStatus, not {self.status!r}")
        if not self.status.usable:
            raise InvalidValueError(f"a plan without moves recommends nothing: it {self.status.text}")
        if not 0.0 < self.coverage < 1.0:
            raise InvalidValueError(f"a coverage lies between 0 and 1, not {self.coverage!r}")
        for key in ("moves", "present", "predicted", "unchanged", "made_by", "data"):
            if not isinstance(getattr(self, key), Mapping):
                raise InvalidValueError(f"{key} of a recommendation is given by name, not as {getattr(self, key)!r}")
        _check_moves(self.moves, self.present, self.time)
        for which, tracks in (("predicted", self.predicted), ("unchanged", self.unchanged)):
            for name, track in tracks.items():
                _check_track(f"{name} ({which})", track)
        # Copies that cannot be written to: what is accepted must be what was seen.
        for key in ("moves", "predicted", "unchanged"):
            object.__setattr__(self, key, {name: _frozen(part) for name, part in getattr(self, key).items()})
        for key in ("present", "made_by", "data"):
            object.__setattr__(self, key, dict(getattr(self, key)))
        for key in ("binding", "effects", "warnings"):
            object.__setattr__(self, key, tuple(getattr(self, key)))

    # -- what it holds -----------------------------------------------------------------------------------------
    def setpoints(self, at: float) -> dict[str, float]:
        """Return manipulated input -> the value that accepting at a time applies, in the unit of its schedule."""
        return {name: move.at(at) for name, move in self.moves.items()}

    def open_at(self, at: float) -> bool:
        """Whether it may still be accepted at a time."""
        return at < self.expires

    def gain(self, name: str) -> float:
        """Return how much larger the mean of a quantity ends with the moves than without.

        Raises
        ------
        UnknownNameError
            If nothing is predicted by that name.
        """
        for tracks in (self.predicted, self.unchanged):
            if name not in tracks:
                raise unknown_name("predicted quantity", name, tracks, "this recommendation")
        return float(self.predicted[name].mean[-1] - self.unchanged[name].mean[-1])

    # -- storage -----------------------------------------------------------------------------------------------
    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything it says: the identity under which it is accepted or rejected."""
        return digest(self.to_plain())

    @property
    def intact(self) -> bool:
        """Whether it still says what its content hash was made of."""
        return digest(self.to_plain()) == self.content_hash

    def to_plain(self) -> dict[str, Any]:
        """Return everything it says as JSON-ready data; a limit that is not there is None."""
        effects = [{**vars(effect), "text": effect.text} for effect in self.effects]
        status = {"kind": type(self.status).__name__, "text": self.status.text}
        found = {
            "format": _FORMAT, "time": self.time, "expires": self.expires, "time_unit": self.time_unit,
            "moves": {name: vars(move) for name, move in self.moves.items()}, "present": self.present,
            "predicted": {name: vars(track) for name, track in self.predicted.items()},
            "unchanged": {name: vars(track) for name, track in self.unchanged.items()},
            "status": status, "goal": self.goal, "binding": [{**vars(b), "text": b.text} for b in self.binding],
            "effects": effects, "made_by": self.made_by, "data": self.data, "in_domain": self.in_domain,
            "warnings": self.warnings, "coverage": self.coverage,
        }  # fmt: skip
        return _strict(plain(found))

    def to_json(self) -> str:
        """Return everything it says, and its content hash, as strict JSON (no NaN, no Infinity)."""
        return json.dumps({**self.to_plain(), "content_hash": self.content_hash}, ensure_ascii=False, allow_nan=False)

    # -- looks -------------------------------------------------------------------------------------------------
    @property
    def text(self) -> str:
        """Everything a person needs to decide, in words."""
        return "\n".join([self._head(), *(f"  {line}" for line in self._lines())])

    def _head(self) -> str:
        clock = unit_label(self.time_unit)
        return (
            f"Recommendation {self.content_hash[:12]} of {self.time:.6g} {clock}, "
            f"to be decided before {self.expires:.6g} {clock}"
        )

    def _lines(self) -> list[str]:
        lines = [self._move_text(name) for name in self.moves]
        lines += [f"aim: {self.goal}"] if self.goal else []
        lines += [self._outcome_text(name) for name in self.predicted]
        lines += [f"shaped by: {binding.text}" for binding in self.binding]
        lines += [f"sensitivity: {effect.text}" for effect in self.effects]
        lines += [f"plan: {self.status.text}"]
        lines += [] if self.in_domain else ["WARNING: a model is used beyond what it was made from"]
        lines += [f"WARNING: {warning}" for warning in self.warnings]
        for title, hashes in (("made by", self.made_by), ("from", self.data)):
            lines += [f"{title}: {', '.join(f'{k} {v[:12]}' for k, v in hashes.items())}"] if hashes else []
        return lines

    def _move_text(self, name: str) -> str:
        move, now = self.moves[name], self.present[name]
        if math.isclose(move.first, now, rel_tol=1e-9, abs_tol=1e-12):
            return f"keep {name} at {_with_unit(now, move.unit, 5)}"
        return f"change {name} from {now:.5g} to {_with_unit(move.first, move.unit, 5)}"

    def _outcome_text(self, name: str) -> str:
        track = self.predicted[name]
        when = f"{track.times[-1]:.4g} {unit_label(self.time_unit)}"
        text = f"{name} at {when}: {self._interval(track)}"
        return text + (f"; doing nothing: {self._interval(self.unchanged[name])}" if name in self.unchanged else "")

    def _interval(self, track: PredictedTrack) -> str:
        low, high = (side[-1] for side in track.interval(self.coverage))
        return f"{track.mean[-1]:.4g} [{low:.4g}, {high:.4g}] {unit_label(track.unit)}".rstrip()

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        rows = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines())
        return f"<div><b>{html.escape(self._head())}</b><ul>{rows}</ul></div>"

    def plot(self, *names: str, ax: Any = None) -> Any:
        """Draw the moves, and the predictions with and without them as fans; returns the axes.

        Parameters
        ----------
        *names
            Moves and predicted quantities; all when none are named.
        ax
            matplotlib axes for a single name; None: a new figure.
        """
        from twinkit.control.recommendation_plot import plot_recommendation

        return plot_recommendation(self, names, ax)


def _with_unit(value: float, unit: str, digits: int = 3) -> str:
    return f"{value:.{digits}g} {unit_label(unit)}".rstrip()


def _check_moves(moves: Mapping[str, MoveSchedule], present: Mapping[str, float], time: float) -> None:
    if not moves:
        raise InvalidValueError("a recommendation has at least one move")
    for name in present:
        if name not in moves:
            raise unknown_name("move", name, moves, "the recommendation")
    for name, move in moves.items():
        if not isinstance(move, MoveSchedule) or move.name != name:
            raise InvalidValueError(f"the move {name!r} is a MoveSchedule of that name, not {move!r}")
        parse_unit(move.unit)
        times, values = (np.asarray(part, dtype=np.float64) for part in (move.times, move.values))
        if times.ndim != 1 or times.shape != values.shape or times.size == 0:
            raise InvalidValueError(f"the move {name!r} needs as many values as times, and at least one")
        if not (_finite(times) and _finite(values)):
            raise InvalidValueError(f"the move {name!r} is not finite: nothing is recommended")
        if np.any(np.diff(times) <= 0.0) or times[0] > time + 1e-9 * max(1.0, abs(time)):
            raise InvalidValueError(f"the times of the move {name!r} increase, from {time:g} or before")
        if name not in present or not _finite(np.asarray(present[name], dtype=np.float64)):
            raise InvalidValueError(f"present={{{name!r}: ...}} must say what is applied now, as a finite number")


def _check_track(what: str, track: PredictedTrack) -> None:
    if not isinstance(track, PredictedTrack):
        raise InvalidValueError(f"what is predicted of {what} is a PredictedTrack, not {track!r}")
    parse_unit(track.unit)
    times, mean, std = (np.asarray(part, dtype=np.float64) for part in (track.times, track.mean, track.std))
    if times.ndim != 1 or times.size == 0 or not times.shape == mean.shape == std.shape:
        raise InvalidValueError(f"what is predicted of {what} needs one mean and one standard deviation per time")
    if not (_finite(times) and _finite(mean) and _finite(std)) or np.any(std < 0.0):
        raise InvalidValueError(f"what is predicted of {what} is not finite, or has a negative standard deviation")


T = TypeVar("T", MoveSchedule, PredictedTrack)


def _frozen(part: T) -> T:
    """Return a copy whose arrays cannot be written to."""
    arrays = {key: np.array(value, dtype=np.float64) for key, value in vars(part).items() if np.ndim(value) == 1}
    for array in arrays.values():
        array.setflags(write=False)
    return replace(part, **arrays)


def is_finite(value: object) -> bool:
    """Whether something is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _finite(values: Array) -> bool:
    return bool(np.isfinite(values).all())


def _strict(value: Any) -> Any:
    """Return plain data with None for numbers JSON does not have (a limit that is not there)."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
