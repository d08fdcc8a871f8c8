"""From a plan to a recommendation: what happens without it, and how the outcome answers to each move."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from twinkit.control.plan import MoveSchedule, Plan, PredictedTrack
from twinkit.control.recommendation import Effect, Recommendation
from twinkit.core import BoundsError, InvalidValueError, Model, ShapeError, SimulationError, StateEstimate
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.units import as_number, convert

_NUDGE = 0.1


class Forecast(Protocol):
    """Says what moves lead to. The same uncertain starting points are used every time, so that differences are real."""

    def paths(self, moves: Mapping[str, MoveSchedule]) -> Mapping[str, Paths]:
        """Return quantity -> its paths under these moves."""
        ...


@dataclass(frozen=True, eq=False)
class Paths:
    """One quantity over time, once per uncertain starting point.

    Attributes
    ----------
    name, unit, times
        The quantity, its unit, and the times ``(k,)``.
    values
        ``(members, k)``.
    """

    name: str
    unit: str
    times: Array
    values: Array

    @property
    def track(self) -> PredictedTrack:
        """Mean and standard deviation over the members."""
        none = np.full(len(self.times), np.inf)
        std = self.values.std(axis=0, ddof=1) if len(self.values) > 1 else np.zeros(len(self.times))
        return PredictedTrack(self.name, self.unit, self.times, self.values.mean(axis=0), std, -none, none)


@dataclass(frozen=True, eq=False)
class EnsembleForecast:
    """A forecast by simulating a model from draws of an estimate.

    Parameters
    ----------
    model
        The model; what is estimated are states or parameters of it.
    estimate
        Where the process is. Its process noise is not simulated: the fans show what is not known now, not what will
        disturb the process.
    names
        Quantities to predict: states, algebraic variables or outputs (single values).
    until, every
        End of the forecast and distance of its times: numbers in the model's time unit, or texts.
    inputs
        Inputs that are not moved -> value, as for `tk.simulate`.
    size, seed
        Number of draws, and their seed. Draws outside declared bounds are moved onto them.

    Raises
    ------
    UnknownNameError
        If an estimated name is neither state nor parameter of the model (a disturbance: write it as an input).
    InvalidValueError, ShapeError
        If the estimate is NaN, its covariance has a negative variance, or the forecast has no length.
    """

    model: Model
    estimate: StateEstimate
    names: Sequence[str]
    until: Any
    every: Any
    inputs: Mapping[str, Any] | None = None
    size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 2:
            raise InvalidValueError(f"a forecast needs at least two draws, not {self.size}")
        self._times()
        self._draws()

    @property
    def _start(self) -> float:
        return float(convert(self.estimate.time, self.estimate.time_unit, self.model.time_unit))

    def _times(self) -> Array:
        unit, start = self.model.time_unit, self._start
        until = as_number(self.until, unit, "the end of the forecast")
        every = as_number(self.every, unit, "the distance of its times")
        if not (until > start and every > 0.0):
            raise InvalidValueError(f"a forecast goes forward: from {start:g} until {until:g}, every {every:g}")
        count = max(1, round((until - start) / every))
        return np.linspace(start, until, count + 1)

    def _draws(self) -> dict[str, Array]:
        mean = np.asarray(self.estimate.vector, dtype=np.float64)
        covariance = np.asarray(self.estimate.covariance, dtype=np.float64)
        if covariance.shape != (len(mean),) * 2 or len(self.estimate.names) != len(mean):
            raise ShapeError(f"an estimate of {len(mean)} values needs as many names and a covariance of that size")
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()) or np.any(np.diag(covariance) < 0.0):
            raise InvalidValueError("an estimate that is not finite, or has a negative variance, forecasts nothing")
        # Eigenvalues: a covariance may be singular (an exactly known state).
        values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        random = np.random.default_rng(self.seed).standard_normal((self.size, len(mean)))
        return self._columns(mean + random @ root.T)

    def _columns(self, rows: Array) -> dict[str, Array]:
        """Return name -> samples, vectors put together, within the declared bounds."""
        layout, place = self.model.layout, {name: k for k, name in enumerate(self.estimate.names)}
        found: dict[str, Array] = {}
        for name in dict.fromkeys(label.partition("[")[0] for label in place):
            block = layout.states if name in layout.states else layout.parameters
            if name not in block:
                known = [entry.name for part in (layout.states, layout.parameters) for entry in part]
                raise unknown_name("state or parameter", name, known, type(self.model).__name__)
            entry = block[name]
            labels = [name] if entry.size is None else [f"{name}[{k}]" for k in range(entry.width)]
            column = np.clip(rows[:, [place[label] for label in labels]], *entry.variable.bounds)
            found[name] = column[:, 0] if entry.size is None else column
        return found

    @property
    def content_hash(self) -> str:
        """SHA-256 of the estimate the forecast starts from."""
        return self.estimate.content_hash

    def paths(self, moves: Mapping[str, MoveSchedule]) -> Mapping[str, Paths]:
        """Return quantity -> its paths under these moves.

        Raises
        ------
        UnknownNameError, UnitError, BoundsError
            If the moves do not fit the model.
        SimulationError
            If a member did not finish: a forecast without it would look safer than it is.
        """
        from twinkit.simulate import ensemble, steps

        times, layout = self._times(), self.model.layout
        inputs = dict(self.inputs or {})
        for name, move in moves.items():
            if name not in layout.inputs:
                raise unknown_name("input", name, [e.name for e in layout.inputs], type(self.model).__name__)
            values = convert(np.asarray(move.values), move.unit, layout.inputs[name].variable.unit)
            inputs[name] = steps(_from(self._start, move.times, values))
        run = ensemble(
            self.model, self._draws(), float(times[-1]), inputs=inputs, start=self._start, outputs=times, progress=False
        )
        if run.failures:
            member, why = next(iter(run.failures.items()))
            raise SimulationError(f"{len(run.failures)} of {len(run)} forecasts failed; member {member}: {why}")
        return {n: Paths(n, layout.find(n).variable.unit, times, self._values(run, n)) for n in self.names}

    def _values(self, run: Any, name: str) -> Array:
        values = run.values(name)
        if values.ndim != 2:
            raise ShapeError(f"{name!r} is a vector: declare an output for the element that matters")
        return values


def _from(start: float, times: Array, values: Array) -> dict[float, float]:
    """Return the steps from `start` on."""
    first = max(0, int(np.searchsorted(times, start, side="right")) - 1)
    found = {start: float(values[first])}
    found.update((float(t), float(v)) for t, v in zip(times[first:], values[first:], strict=True) if t > start)
    return found


def recommend(
    plan: Plan, forecast: Forecast, *, present: Mapping[str, Any], outcomes: Sequence[str] | None = None,
    nudge: Mapping[str, Any] | None = None, expires: Any = None, data: Mapping[str, str] | None = None,
    coverage: float = 0.95,
) -> Recommendation:  # fmt: skip
    """Turn a plan into a recommendation.

    Parameters
    ----------
    plan
        The plan; its status must be usable.
    forecast
        Predicts what the plan, doing nothing, and each changed move lead to, from one estimate.
    present
        Manipulated input -> what is applied now: a number in the move's unit, or a text with a unit.
    outcomes
        Quantities whose sensitivity to the moves is worked out; None: all that are forecast.
    nudge
        Manipulated input -> by how much it is raised for that; without it, by a tenth of each of its values.
    expires
        Until when it may be accepted; None: as the plan says.
    data
        What it was made from -> content hash or identifier; an `EnsembleForecast` adds the estimate's.
    coverage
        Of the intervals.

    Raises
    ------
    InvalidValueError
        If the plan has failed or is not finite, or a present value is missing.
    UnknownNameError
        If a name is none of the plan's, or no outcome is forecast by it.
    """
    if not isinstance(plan, Plan):
        raise InvalidValueError(f"recommend takes a Plan, not {plan!r}")
    if not plan.status.usable:
        raise InvalidValueError(f"a plan without moves recommends nothing: it {plan.status.text}")
    for name in (*present, *(nudge or {})):
        if name not in plan.moves:
            raise unknown_name("move", name, plan.moves, "the plan")
    missing = [name for name in plan.moves if name not in present]
    if missing:
        raise InvalidValueError(f"present= must say what is applied now: {', '.join(missing)} is missing")
    now = {name: as_number(v, plan.moves[name].unit, f"present {name}") for name, v in present.items()}
    kept = {
        name: replace(move, times=move.times[:1], values=np.array([now[name]])) for name, move in plan.moves.items()
    }
    with_plan, without = forecast.paths(plan.moves), forecast.paths(kept)
    wanted = list(with_plan) if outcomes is None else list(outcomes)
    for name in wanted:
        if name not in with_plan:
            raise unknown_name("forecast quantity", name, with_plan, "the forecast")
    effects = [e for name in plan.moves for e in _effects(plan, forecast, name, with_plan, wanted, (nudge or {}))]
    limits = {name: track for name, track in plan.predicted.items() if name in with_plan}
    predicted = {name: _limited(paths.track, limits.get(name)) for name, paths in with_plan.items()}
    hashed = getattr(forecast, "content_hash", "")
    until = plan.expires if expires is None else as_number(expires, plan.time_unit, "the expiry")
    return Recommendation(
        time=plan.time, expires=min(until, plan.expires), time_unit=plan.time_unit, moves=plan.moves, present=now,
        predicted=predicted, unchanged={name: paths.track for name, paths in without.items()}, status=plan.status,
        goal=plan.goal, binding=tuple(plan.binding), effects=tuple(effects), made_by=plan.made_by,
        data={**({"estimate": hashed} if hashed else {}), **(data or {})}, in_domain=plan.in_domain,
        warnings=tuple(plan.warnings), coverage=coverage,
    )  # fmt: skip


def _limited(track: PredictedTrack, planned: PredictedTrack | None) -> PredictedTrack:
    """Return a track with the limits the plan was made with, at its own times (each holds until the next)."""
    if planned is None:
        return track
    at = np.clip(np.searchsorted(planned.times, track.times, side="right") - 1, 0, None)
    return replace(track, low=np.asarray(planned.low)[at], high=np.asarray(planned.high)[at])


def _effects(
    plan: Plan, forecast: Forecast, name: str, base: Mapping[str, Paths], wanted: Sequence[str],
    nudge: Mapping[str, Any],
) -> list[Effect]:  # fmt: skip
    """Return the sensitivity of every outcome to one move; where raising it breaks a bound, it is lowered."""
    move = plan.moves[name]
    largest = float(np.max(np.abs(move.values)))
    change = as_number(nudge[name], move.unit, f"the nudge of {name}") if name in nudge else _NUDGE * largest
    if change == 0.0 and name in nudge:
        raise InvalidValueError(f"a nudge of zero tells nothing about {name}")
    if change == 0.0:
        return []  # a plan of zeros has no tenth
    shares = np.ones(len(move.values)) if name in nudge else move.values / largest

    def moved(sign: float) -> Mapping[str, Paths]:
        return forecast.paths({**plan.moves, name: replace(move, values=move.values + sign * change * shares)})

    try:
        sign, after = 1.0, moved(1.0)
    except BoundsError:
        sign, after = -1.0, moved(-1.0)
    relative = 0.0 if name in nudge else sign * _NUDGE
    found: list[Effect] = []
    for outcome in wanted:
        difference = after[outcome].values[:, -1] - base[outcome].values[:, -1]
        spread = float(difference.std(ddof=1)) if len(difference) > 1 else math.nan
        found.append(Effect(name, move.unit, sign * change, outcome, base[outcome].unit, float(base[outcome].times[-1]),
                            float(difference.mean()), spread, plan.time_unit, relative))  # fmt: skip
    return found
