"""The optimisation of one window: its cost, its linearisation, and the quadratic programme at a trajectory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.core.component import Array
from twinkit.estimate.horizon.functions import Functions
from twinkit.estimate.horizon.grid import Seen, condensed, seen_between
from twinkit.estimate.horizon.losses import costs, weights
from twinkit.estimate.horizon.smoother import Swept
from twinkit.estimate.horizon.transcription import Transcriber
from twinkit.estimate.horizon.window import Positions, Window, root_of
from twinkit.optimise import StageProgram, StageSolution, Step, solve_stages

_ROUNDS = 4  # changes of the active set before the interior-point solver is asked
_TOUCH = 1e-9  # of the nominal value: how far outside a bound is still on it
Optimum = tuple[Array, Array, Array, Swept]  # states, active set, adjoints, the smoother's result
_KNOWN = 1e-4  # of the nominal value: a smaller standard deviation does not make convergence stricter


@dataclass(frozen=True, eq=False)
class Trajectory:
    """States, adjoints, algebraic variables and active constraints at all nodes; see `Window`."""

    x: Array
    adjoint: Array
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
    value, precision, variance, residual, weight
        Per node and reading: value, inverse standard deviation (0: there is none), variance in effect, residual in
        standard deviations, weight of the loss. Those of a grid come last, condensed.
    loss
        Sum of the losses.
    between
        Readings between the nodes, one by one.
    """

    point: Trajectory
    cost: float
    violation: float
    ends: Array
    maps: Array
    values: Array
    rows: Array
    value: Array
    precision: Array
    variance: Array
    residual: Array
    weight: Array
    loss: float
    between: Seen | None


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
        self._precision = window.present / np.sqrt(window.variance)
        self._covariances = np.array([window.arrival.covariance, *(i.noise for i in window.intervals)])
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
        residual = self._precision * (w.value - values[:, :sensors])
        weight = weights(residual, s.limits) if self._robust else self._full
        loss = float(np.sum(costs(residual, s.limits))) if self._robust else 0.5 * _square(residual)
        variance = w.variance / weight if self._robust else w.variance
        value, precision = w.value, self._precision
        seen_here, own = [values[:, :sensors]], [rows[:, :sensors]]
        between = None
        if len(w.between):
            between = seen_between(s, w, point)
            missing, derivatives = condensed(between, w.between, len(x))
            ones, known = np.ones_like(missing), (derivatives != 0.0).any(axis=2).astype(float)
            readings, more = (value, precision, variance, residual, weight), (missing, known, ones, missing, ones)
            value, precision, variance, residual, weight = map(np.hstack, zip(readings, more, strict=True))
            seen_here.append(np.zeros_like(missing))
            own.append(derivatives)
            loss += between.loss
        if len(own) > 1 or s.bounded.size:
            values = np.hstack([*seen_here, x[:, s.bounded], values[:, sensors:]])
            rows = np.concatenate([*own, self._unit, rows[:, sensors:]], axis=1)
            sensors = value.shape[1]
        noise = self._noises(point.adjoint)
        cost = loss - 0.5 * _product(point.adjoint, noise)
        targets = np.vstack([w.arrival.mean, ends]) + noise
        beyond = np.maximum(s.low - values[:, sensors:], values[:, sensors:] - s.high) / s.nominal
        violation = float(np.sum(np.abs(x - targets) / s.scale) + np.sum(np.maximum(beyond, 0.0)))
        if not np.isfinite(np.sum(maps) + np.sum(rows)):
            cost = np.nan
        here = Trajectory(x, point.adjoint, seen[:, :m], point.held)
        return Linear(
            here, cost, violation, ends, maps, values, rows, value, precision, variance, residual, weight, loss, between
        )

    def between(self, start: Trajectory, end: Trajectory, fraction: float) -> Trajectory:
        """Return a trajectory on the line between two."""
        if fraction == 1.0:
            return end
        x, adjoint = (a + fraction * (b - a) for a, b in ((start.x, end.x), (start.adjoint, end.adjoint)))
        return Trajectory(x, adjoint, start.z, end.held)

    def restored(self, point: Trajectory) -> Trajectory:
        """Return the trajectory of the model with the same noise, from the same first node, kept within the bounds."""
        s, w = self._s, self._window
        x, z = point.x.copy(), point.z.copy()
        low, high = np.full(x.shape[1], -np.inf), np.full(x.shape[1], np.inf)
        states = len(s.bounded)
        low[s.bounded], high[s.bounded] = s.low[:states], s.high[:states]
        noise = self._noises(point.adjoint)
        for k, interval in enumerate(w.intervals):
            end, z[k + 1] = s.transcriber.flowed(interval, x[k], z[k])
            x[k + 1] = np.clip(end + noise[k + 1], low, high)
        return Trajectory(x, point.adjoint, z, point.held)

    def step(self, at: Linear) -> Step[Trajectory] | str:
        """Solve the quadratic programme at a trajectory."""
        found = self._active(at) or self._interior(at)
        if isinstance(found, str):
            return found
        x, held, adjoint, swept = found
        force = -_product(adjoint, self._noises(adjoint))
        if not np.isfinite(_square(x) + force):
            return "the quadratic programme is not finite"
        s = self._s
        states = len(s.bounded)
        if held[:, :states].any():
            limit = np.where(held[:, :states] < 0, s.low[:states], s.high[:states])
            x[:, s.bounded] = np.where(held[:, :states] != 0, limit, x[:, s.bounded])  # exactly, not but for rounding
        spread = np.maximum(np.sqrt(np.maximum(np.diag(swept.covariance), 0.0)), _KNOWN * s.scale)
        size = float(np.max(np.abs(x - at.point.x) / spread)) / s.tolerance
        moved = _each(at.rows[:, : at.value.shape[1]], x - at.point.x) * at.precision
        bowl = 0.5 * float(np.sum(at.weight * moved * (moved - 2.0 * at.residual)))
        cost = 0.5 * force + at.loss + bowl
        multiplier = float(np.max(np.abs(adjoint) * s.scale))
        far = self._robust and ((at.weight < 1.0).any() or (at.between is not None and (at.between.weight < 1.0).any()))
        smooth = not far and np.array_equal(held, at.point.held)
        return Step(Trajectory(x, adjoint, at.point.z, held), cost, multiplier, size, smooth)

    def swept_free(self, at: Linear, held: Array) -> Swept:
        """Return the smoothed window with some constraints active."""
        w = self._window
        target = held
        if held.any():
            target = np.where(held < 0, self._s.low, np.where(held > 0, self._s.high, 0.0))
        return Swept(
            *self._s.smooth(
                w.arrival.mean, w.arrival.covariance, at.ends, at.maps, self._covariances[1:], at.point.x, at.values,
                at.rows, at.value, at.variance, at.precision, held, target,
            )
        )  # fmt: skip

    def _active(self, at: Linear) -> Optimum | None:
        """Return the optimum if few changes of the active set lead there."""
        held = at.point.held
        for _ in range(_ROUNDS):
            self.swept = swept = self.swept_free(at, held)
            after = self._changed(at, swept, held)
            if after is None:
                return swept.smoothed, held, swept.adjoint, swept
            held = after
        return None

    def _changed(self, at: Linear, swept: Swept, held: Array) -> Array | None:
        """Return the active set with what is violated, without what pushes the wrong way; None: no change."""
        s, sensors = self._s, at.value.shape[1]
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
        """Return the noise that leads to every node."""
        return -_each(self._covariances, adjoint)

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
            return swept.smoothed, held, swept.adjoint, swept
        return self._as_found(at, found, held, swept)

    def _as_found(self, at: Linear, found: StageSolution, held: Array, swept: Swept) -> Optimum:
        s = self._s
        x = at.point.x + s.scale * found.x
        x[:, s.bounded] = np.clip(x[:, s.bounded], s.low[: len(s.bounded)], s.high[: len(s.bounded)])
        return x, held, found.adjoint / s.scale, swept

    def _program(self, at: Linear) -> StageProgram:
        """Return the quadratic programme in steps scaled by the nominal values."""
        s, w = self._s, self._window
        nodes, n = at.point.x.shape
        sensors, states = at.value.shape[1], len(s.bounded)
        root = np.sqrt(at.weight)
        scaled = at.rows[:, :sensors] * s.scale * (at.precision * root)[:, :, None]
        missing = root * at.residual
        low, high = np.full((nodes, n), -np.inf), np.full((nodes, n), np.inf)
        low[:, s.bounded] = (s.low[:states] - at.point.x[:, s.bounded]) / s.scale[s.bounded]
        high[:, s.bounded] = (s.high[:states] - at.point.x[:, s.bounded]) / s.scale[s.bounded]
        path, nominal = at.values[:, sensors + states :], s.nominal[states:]
        infinite = np.full((nodes - 1, n), np.inf)
        roots = root_of(self._covariances, s.scale)
        return StageProgram(
            A=at.maps * s.scale / s.scale[:, None],
            B=roots[1:] / s.scale[:, None],
            b=(at.ends - at.point.x[1:]) / s.scale,
            B_first=roots[0] / s.scale[:, None],
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


def _product(a: Array, b: Array) -> float:
    """Return the sum of products."""
    return float(a.ravel() @ b.ravel())


def _each(matrices: Array, vectors: Array) -> Array:
    """Return the product of each matrix with its vector."""
    return (matrices @ vectors[:, :, None])[:, :, 0]
