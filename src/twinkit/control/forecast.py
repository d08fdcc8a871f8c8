"""What moves lead to, simulated from draws of what is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from twinkit.control.doubts import Doubts, doubts_of
from twinkit.control.known import known
from twinkit.control.plan import MoveSchedule, PredictedTrack
from twinkit.control.settings import constants_of
from twinkit.control.uncertain import taken_apart, uncertain_of
from twinkit.core import (
    Applicability,
    InvalidValueError,
    ParameterUncertainty,
    ShapeError,
    SimulationError,
    StateEstimate,
)
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.units import as_number, convert
from twinkit.simulate import EnsembleSolution, ensemble, steps
from twinkit.simulate.signals import program

_RTOL = 1e-8


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
    """A forecast by simulating a model from draws of what is not known.

    Drawn are the estimate, what was fitted (`uncertainty`), and the values of learned terms where the forecast leaves
    what they were trained on: the same that makes the margins of a plan. All moves are given the same draws.

    Parameters
    ----------
    model
        The model, or a fitted `HybridModel`; what is estimated are states or parameters of it.
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
    applicability, uncertainty
        As for `MPC`; a fitted model brings its own.

    Raises
    ------
    UnknownNameError
        If an estimated name is neither state nor parameter of the model (a disturbance: write it as an input).
    InvalidValueError, ShapeError
        If the estimate is NaN, its covariance has a negative variance, the forecast has no length, or what is uncertain
        is not of this model.
    """

    model: Any
    estimate: StateEstimate
    names: Sequence[str]
    until: Any
    every: Any
    inputs: Mapping[str, Any] | None = None
    size: int = 32
    seed: int = 0
    applicability: Mapping[str, Applicability] = field(default_factory=dict[str, Applicability])
    uncertainty: ParameterUncertainty | None = None

    def __post_init__(self) -> None:
        parts = taken_apart(self.model, self.applicability, self.uncertainty)
        for name, part in zip(("model", "applicability", "uncertainty"), parts, strict=True):
            object.__setattr__(self, name, part)
        if self.size < 2:
            raise InvalidValueError(f"a forecast needs at least two draws, not {self.size}")
        self._times()
        _ = self._draws, self._doubts

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

    @cached_property
    def _draws(self) -> dict[str, Array]:
        """Name -> samples, of everything that is drawn at the start."""
        estimated = self._estimated()
        if uncertain_of(self.model, self.uncertainty) is None or self.uncertainty is None:
            return estimated
        seed = int(np.random.SeedSequence([self.seed, 1]).generate_state(1)[0])
        drawn = self.uncertainty.draw(self.model, count=self.size, seed=seed)
        # The estimate knows the state of the process, and better about a parameter that it adapts.
        fitted = {name: values for name, values in drawn.items() if name in self.model.layout.parameters}
        return {**fitted, **estimated}

    @cached_property
    def _doubts(self) -> Doubts | None:
        return doubts_of(self.model, self.applicability)

    def _estimated(self) -> dict[str, Array]:
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
        layout = self.model.layout
        inputs = dict(self.inputs or {})
        for name, move in moves.items():
            if name not in layout.inputs:
                raise unknown_name("input", name, [e.name for e in layout.inputs], type(self.model).__name__)
            values = convert(np.asarray(move.values), move.unit, layout.inputs[name].variable.unit)
            inputs[name] = steps(_from(self._start, move.times, values))
        times = self._times()
        run = self._run(self._draws, inputs, times)
        values = {name: self._values(run, name) for name in self.names}
        if self._doubts is not None:
            stds = self._doubted(self._doubts, run, inputs, times)
            if stds.any():
                values = self._shifted(self._doubts, inputs, times, stds)
        return {n: Paths(n, layout.find(n).variable.unit, times, values[n]) for n in self.names}

    def _run(self, draws: Mapping[str, Array], inputs: Mapping[str, Any], times: Array) -> EnsembleSolution:
        run = ensemble(
            self.model, draws, float(times[-1]), inputs=inputs, start=float(times[0]), outputs=times, progress=False
        )
        if run.failures:
            member, why = next(iter(run.failures.items()))
            raise SimulationError(f"{len(run.failures)} of {len(run)} forecasts failed; member {member}: {why}")
        return run

    def _doubted(self, doubts: Doubts, run: EnsembleSolution, inputs: Mapping[str, Any], times: Array) -> Array:
        """Return the standard deviation of the shift of every learned term along the mean path, ``(k, terms)``."""
        model, layout = self.model, self.model.layout
        every = program(layout, model.values(), inputs, float(times[0]), float(times[-1]), _RTOL)
        constants = constants_of(model)
        points = np.hstack([times[:, None], run.x.mean(axis=0), run.z.mean(axis=0), every.values(times)])
        start = {entry.name: run.values(entry.name)[:, 0].mean(axis=0) for entry in layout.states}
        looking = doubts.looking(doubts.shifted(known(model, start, self._start)), native=False)
        # The look-up takes the vector of a prediction, in which the shifts follow the states.
        shifts = np.zeros((len(times), sum(place is not None for place in looking.places)))
        points = np.insert(points, [1 + layout.states.size] * shifts.shape[1], shifts, axis=1)
        return looking.stds_along(points, np.concatenate(constants))[0]

    def _shifted(self, doubts: Doubts, inputs: Mapping[str, Any], times: Array, stds: Array) -> dict[str, Array]:
        """Return the values where the learned terms are shifted as far as they are doubted, piece by piece."""
        layout = self.model.layout
        seed = np.random.SeedSequence([self.seed, 2])
        deviates = np.random.default_rng(seed).standard_normal((self.size, stds.shape[1]))
        # A model with modes cannot be stopped and started again: it is shifted all the way, which is cautious.
        stds = np.broadcast_to(stds[-1], stds.shape) if layout.modes.size else stds
        changes = np.flatnonzero((stds[2:] != stds[1:-1]).any(axis=1)) + 1
        ends = [0, *changes.tolist(), len(times) - 1]
        draws, found = dict(self._draws), {name: np.empty((self.size, len(times))) for name in self.names}
        for a, b in pairwise(ends):
            shifts = dict[str, Array]()
            for k, (term, _) in enumerate(doubts.terms):
                name = f"{term}.shift"
                if name in layout.parameters:
                    shifts[name] = self._draws.get(name, 0.0) + stds[b, k] * deviates[:, k]
            run = self._run(draws | shifts, inputs, times[a : b + 1])
            for name in self.names:
                found[name][:, a : b + 1] = self._values(run, name)
            draws |= {entry.name: run.values(entry.name)[:, -1] for entry in layout.states}
        return found

    def _values(self, run: EnsembleSolution, name: str) -> Array:
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
