"""The optimisation of one window: its cost, its linearisation, and the quadratic programme at a trajectory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.component import Array
from twinkit.estimate.horizon.functions import Functions
from twinkit.estimate.horizon.losses import costs, weights
from twinkit.estimate.horizon.smoother import Swept
from twinkit.estimate.horizon.transcription import Transcriber
from twinkit.estimate.horizon.window import Window
from twinkit.optimise import StageProgram, StageSolution, Step, solve_stages

_ROUNDS = 4  # changes of the active set before the interior-point solver is asked
_TOUCH = 1e-9  # of the nominal value: how far outside a bound is still on it
Optimum = tuple[Array, Array, Array, Array, Swept]  # states, noise, active set, adjoints, the smoother's result
Positions = npt.NDArray[np.intp]
_KNOWN = 1e-4  # of the nominal value: a smaller standard deviation does not make convergence stricter


@dataclass(frozen=True, eq=False)
class Trajectory:
    """States, noise, algebraic variables and active constraints at all nodes; see `Window`."""

    x: Array
    w: Array
    z: Array
    held: Array


@dataclass(frozen=True, eq=False)
class Linear:
    """A window linearised about a trajectory; a `twinkit.optimise.Linearised`.

    Attributes
    ----------
    point, cost, violation
        The trajectory, its cost, and the sum of its scaled violations of model and constraints.
    ends, maps
        Per interval: where the model leads, and its sensitivity.
    values, rows
        Per node: readings, bounded states and constrained quantities, and their derivatives.
    variance, residual, weight
        Per node and reading: variance in effect, residual in standard deviations, weight of the loss.
    """

    point: Trajectory
    cost: float
    violation: float
    ends: Array
    maps: Array
    values: Array
    rows: Array
    variance: Array
    residual: Array
    weight: Array


@dataclass(frozen=True, eq=False)
class Settings:
    """What all windows of an estimator share.

    Attributes
    ----------
    transcriber, functions
        The model.
    scale
        Nominal magnitudes of the vector.
    bounded
        Positions of the vector that have a bound.
    low, high, nominal
        Of the bounded positions, then of the constrained quantities.
    limits
        Per sensor: where its loss turns linear.
    tolerance
        Step that counts as converged, in standard deviations of the result.
    smooth
        The solver of the quadratic programme.
    """

    transcriber: Transcriber
    functions: Functions
    scale: Array
    bounded: Positions
    low: Array
    high: Array
    nominal: Array
    limits: Array
    tolerance: float
    smooth: Callable[..., Any]


class WindowProblem:
    """A window as a `twinkit.optimise.Problem`."""

    def __init__(self, settings: Settings, window: Window) -> None:
        self._s, self._window = settings, window
        self._std = np.sqrt(window.variance)
        self._noise = np.array([i.noise for i in window.intervals]).reshape(-1, *window.arrival.covariance.shape)
        self._roots = np.array([window.arrival.root, *(i.root for i in window.intervals)])
        nodes, n = window.x.shape
        self._seen_at = np.hstack([window.times[:, None], window.x, window.z, window.inputs])
        self._unit = np.broadcast_to(np.eye(n)[settings.bounded], (nodes, len(settings.bounded), n))
        self._robust = bool(np.isfinite(settings.limits).any())
        self._full = np.ones_like(window.value)
        self.swept: Swept | None = None

    def linearise(self, point: Trajectory) -> Linear:
        """Evaluate the model with its derivatives along a trajectory."""
        s, w, x = self._s, self._window, point.x
        n, sensors = x.shape[1], w.value.shape[1]
        ends, maps = np.zeros((0, n)), np.zeros((0, n, n))
        if w.intervals:
            ends, maps = s.transcriber.moved(w.intervals, x[:-1], point.z[:-1])
        m = point.z.shape[1]
        self._seen_at[:, 1 : 1 + n] = x
        self._seen_at[:, 1 + n : 1 + n + m] = point.z
        seen = s.functions.see(self._seen_at, s.transcriber.shared)
        total = (seen.shape[1] - m) // (1 + n)
        values, rows = seen[:, m : m + total], seen[:, m + total :].reshape(len(x), total, n)
        if s.bounded.size:
            values = np.hstack([values[:, :sensors], x[:, s.bounded], values[:, sensors:]])
            rows = np.concatenate([rows[:, :sensors], self._unit, rows[:, sensors:]], axis=1)
        residual = w.present * (w.value - values[:, :sensors]) / self._std
        weight = weights(residual, s.limits) if self._robust else self._full
        cost = 0.5 * _square(point.w) + self._cost(residual)
        targets = np.vstack([w.arrival.mean, ends]) + _each(self._roots, point.w)
        beyond = np.maximum(s.low - values[:, sensors:], values[:, sensors:] - s.high) / s.nominal
        violation = float(np.sum(np.abs(x - targets) / s.scale) + np.sum(np.maximum(beyond, 0.0)))
        if not np.isfinite(np.sum(maps) + np.sum(rows)):
            cost = np.nan
        here = Trajectory(x, point.w, seen[:, :m], point.held)
        variance = w.variance / weight if self._robust else w.variance
        return Linear(here, cost, violation, ends, maps, values, rows, variance, residual, weight)

    def between(self, start: Trajectory, end: Trajectory, fraction: float) -> Trajectory:
        """Return a trajectory on the line between two."""
        if fraction == 1.0:
            return end
        x, w = (a + fraction * (b - a) for a, b in ((start.x, end.x), (start.w, end.w)))
        return Trajectory(x, w, start.z, end.held)

    def restored(self, point: Trajectory) -> Trajectory:
        """Return the trajectory of the model with the same noise, from the same first node, kept within the bounds."""
        s, w = self._s, self._window
        x, z = point.x.copy(), point.z.copy()
        low, high = np.full(x.shape[1], -np.inf), np.full(x.shape[1], np.inf)
        states = len(s.bounded)
        low[s.bounded], high[s.bounded] = s.low[:states], s.high[:states]
        for k, interval in enumerate(w.intervals):
            end, z[k + 1] = s.transcriber.flowed(interval, x[k], z[k])
            x[k + 1] = np.clip(end + self._roots[k + 1] @ point.w[k + 1], low, high)
        return Trajectory(x, point.w, z, point.held)

    def step(self, at: Linear) -> Step[Trajectory] | str:
        """Solve the quadratic programme at a trajectory."""
        found = self._active(at) or self._interior(at)
        if isinstance(found, str):
            return found
        x, w, held, adjoint, swept = found
        if not np.isfinite(_square(x) + _square(w)):
            return "the quadratic programme is not finite"
        s = self._s
        states = len(s.bounded)
        if held[:, :states].any():
            limit = np.where(held[:, :states] < 0, s.low[:states], s.high[:states])
            x[:, s.bounded] = np.where(held[:, :states] != 0, limit, x[:, s.bounded])  # exactly, not but for rounding
        spread = np.maximum(np.sqrt(np.maximum(np.diag(swept.covariance), 0.0)), _KNOWN * s.scale)
        size = float(np.max(np.abs(x - at.point.x) / spread)) / s.tolerance
        sensors = self._window.value.shape[1]
        moved = _each(at.rows[:, :sensors], x - at.point.x) * self._window.present / self._std
        bowl = 0.5 * float(np.sum(at.weight * moved * (moved - 2.0 * at.residual)))
        cost = 0.5 * _square(w) + self._cost(at.residual) + bowl
        multiplier = float(np.max(np.abs(adjoint) * s.scale))
        return Step(Trajectory(x, w, at.point.z, held), cost, multiplier, size)

    def _cost(self, residual: Array) -> float:
        return float(np.sum(costs(residual, self._s.limits))) if self._robust else 0.5 * _square(residual)

    def swept_free(self, at: Linear, held: Array) -> Swept:
        """Return the smoothed window with some constraints active."""
        w = self._window
        target = held
        if held.any():
            target = np.where(held < 0, self._s.low, np.where(held > 0, self._s.high, 0.0))
        return Swept(
            *self._s.smooth(
                w.arrival.mean, w.arrival.covariance, at.ends, at.maps, self._noise, at.point.x, at.values, at.rows,
                w.value, at.variance, w.present, held, target,
            )
        )  # fmt: skip

    def _active(self, at: Linear) -> Optimum | None:
        """Return the optimum if few changes of the active set lead there."""
        held = at.point.held
        for _ in range(_ROUNDS):
            self.swept = swept = self.swept_free(at, held)
            after = self._changed(at, swept, held)
            if after is None:
                return swept.smoothed, self._noises(swept.adjoint), held, swept.adjoint, swept
            held = after
        return None

    def _changed(self, at: Linear, swept: Swept, held: Array) -> Array | None:
        """Return the active set with what is violated, without what pushes the wrong way; None: no change."""
        s, sensors = self._s, self._window.value.shape[1]
        if not held.shape[1]:
            return None
        values = at.values[:, sensors:] + _each(at.rows[:, sensors:], swept.smoothed - at.point.x)
        slack = _TOUCH * s.nominal
        below, above = values < s.low - slack, values > s.high + slack
        wrong = held * swept.force > 0.0
        if not (below | above | wrong).any():
            return None
        after = np.where(wrong, 0.0, held)
        after = np.where(below, -1.0, np.where(above, 1.0, after))
        return after

    def _noises(self, adjoint: Array) -> Array:
        return -_each(self._roots.transpose(0, 2, 1), adjoint)

    def _interior(self, at: Linear) -> Optimum | str:
        """Return the optimum found by HPIPM, with the active constraints made exact where that succeeds."""
        found = solve_stages(self._program(at))
        if isinstance(found, str):
            return found
        s = self._s
        force = np.hstack([found.x_force[:, s.bounded], found.path_force])
        held = np.where(force > 1e-5, 1.0, np.where(force < -1e-5, -1.0, 0.0))
        self.swept = swept = self.swept_free(at, held)
        if self._changed(at, swept, held) is None:
            return swept.smoothed, self._noises(swept.adjoint), held, swept.adjoint, swept
        return self._as_found(at, found, held, swept)

    def _as_found(self, at: Linear, found: StageSolution, held: Array, swept: Swept) -> Optimum:
        s = self._s
        x = at.point.x + s.scale * found.x
        x[:, s.bounded] = np.clip(x[:, s.bounded], s.low[: len(s.bounded)], s.high[: len(s.bounded)])
        return x, np.vstack([found.first, found.u]), held, found.adjoint / s.scale, swept

    def _program(self, at: Linear) -> StageProgram:
        """Return the quadratic programme in steps scaled by the nominal values."""
        s, w = self._s, self._window
        nodes, n = at.point.x.shape
        sensors, states = w.value.shape[1], len(s.bounded)
        scaled = at.rows[:, :sensors] * s.scale * (w.present / np.sqrt(at.variance))[:, :, None]
        missing = w.present * (w.value - at.values[:, :sensors]) / np.sqrt(at.variance)
        low, high = np.full((nodes, n), -np.inf), np.full((nodes, n), np.inf)
        low[:, s.bounded] = (s.low[:states] - at.point.x[:, s.bounded]) / s.scale[s.bounded]
        high[:, s.bounded] = (s.high[:states] - at.point.x[:, s.bounded]) / s.scale[s.bounded]
        path, nominal = at.values[:, sensors + states :], s.nominal[states:]
        infinite = np.full((nodes - 1, n), np.inf)
        return StageProgram(
            A=at.maps * s.scale / s.scale[:, None],
            B=self._roots[1:] / s.scale[:, None],
            b=(at.ends - at.point.x[1:]) / s.scale,
            B_first=self._roots[0] / s.scale[:, None],
            b_first=(w.arrival.mean - at.point.x[0]) / s.scale,
            Q=np.einsum("kji,kjl->kil", scaled, scaled),
            q=-np.einsum("kji,kj->ki", scaled, missing),
            S=np.zeros((nodes - 1, n, n)),
            R=np.broadcast_to(np.eye(n), (nodes - 1, n, n)),
            r=np.zeros((nodes - 1, n)),
            x_low=low,
            x_high=high,
            u_low=-infinite,
            u_high=infinite,
            C=at.rows[:, sensors + states :] * s.scale / nominal[:, None],
            D=np.zeros((nodes - 1, len(nominal), n)),
            path_low=(s.low[states:] - path) / nominal,
            path_high=(s.high[states:] - path) / nominal,
        )


def _square(array: Array) -> float:
    """Return the sum of squares."""
    flat = array.ravel()
    return float(flat @ flat)


def _each(matrices: Array, vectors: Array) -> Array:
    """Return the product of each matrix with its vector."""
    return (matrices @ vectors[:, :, None])[:, :, 0]
