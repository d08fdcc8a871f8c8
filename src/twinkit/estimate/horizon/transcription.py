"""Intervals: as many sub-steps as the accuracy needs, of a method that suits the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from twinkit.core import SimulationError
from twinkit.core.component import Array
from twinkit.estimate.held import HeldInputs
from twinkit.estimate.horizon.functions import METHODS, Functions, carried
from twinkit.estimate.horizon.window import Interval, Span, Window
from twinkit.estimate.inputs import Inputs
from twinkit.optimise import Chains

_FEW, _MANY = 64, 4096  # sub-steps: from the first on an implicit method is tried, beyond the second none is used
_FEWEST = 2
_SPREAD = 1e2  # times rtol: a covariance need not be as accurate as a mean
_MOVED = 0.1  # relative to magnitude plus nominal value: from there on an interval is cut anew


@dataclass(frozen=True, eq=False)
class Transcriber:
    """Cuts time into intervals and sub-steps.

    Attributes
    ----------
    functions
        The model.
    given
        The inputs.
    shared
        Modes and parameters.
    intensity
        Variance of the white noise per time.
    scale
        Nominal magnitudes.
    rtol
        Largest error at the end of an interval, relative to magnitude plus nominal value.
    longest
        Longest sub-step.
    """

    functions: Functions
    given: Inputs | HeldInputs
    shared: Array
    intensity: Array
    scale: Array
    rtol: float
    longest: float

    def interval(
        self, start: float, end: float, x: Array, z: Array, like: Interval | None
    ) -> tuple[Interval, Array, Array]:
        """Return an interval that is accurate from a point on, and the end point.

        Parameters
        ----------
        start, end
            When.
        x, z
            Where the model starts.
        like
            A similar interval, to start the search for the number of sub-steps from.

        Raises
        ------
        SimulationError
            If no number of sub-steps is enough.
        """
        span, x1, z1 = self.span(start, end, x, z, like)
        if end > start:
            span, x1, z1 = self._spread_too(span, x1, z1, z)
        noise = self._noise(span.method, span.steps, x, z) if end > start else np.zeros((len(x), len(x)))
        return Interval(start, end, span.method, span.steps, x, span.error, noise), x1, z1

    def span(self, start: float, end: float, x: Array, z: Array, like: Span | None) -> tuple[Span, Array, Array]:
        """Return what `interval` does, without the noise."""
        if not end > start:
            steps = np.zeros((_FEWEST, 2 + 4 * self.functions.dynamics.inputs))
            steps[:, 0] = start
            return Span(start, end, 0, steps, x, 0.0), x, z
        method, count = (like.method, self._count(like, end - start)) if like is not None else (0, 2 * _FEWEST)
        method, steps, x1, z1, error = self._enough(method, count, start, end, x, z)
        return Span(start, end, method, steps, x, error), x1, z1

    def _spread_too(self, span: Span, x1: Array, z1: Array, z: Array) -> tuple[Span, Array, Array]:
        """Return a span along which small deviations are carried accurately, too: at rest the mean says nothing."""
        x, method, steps = span.point, span.method, span.steps
        while True:
            double = self._steps(span.start, span.end, 2 * len(steps))
            rough, fine = (self._sensitivity(method, chain, x, z) for chain in (steps, double))
            if self._sensitivity_error(method, rough, fine) <= _SPREAD * self.rtol:
                return replace(span, method=method, steps=steps), x1, z1
            steps = double
            if method == 0 and len(steps) > _FEW:
                method, steps = 1, self._steps(span.start, span.end, _FEWEST, self.longest)
            elif len(steps) > _MANY:
                raise SimulationError(
                    f"the uncertainty could not be carried from {span.start:g} to {span.end:g} to "
                    f"rtol={_SPREAD * self.rtol:g}: the equations are singular or extremely fast there"
                )
            x1, z1 = self._flow(method, steps, x, z)

    def _sensitivity(self, method: int, steps: Array, x: Array, z: Array) -> Array:
        """Return the sensitivity of the end to the start, ``(n, n)``."""
        n = len(x)
        end = self.functions.move[method](carried(x[None], z[None], np.eye(n)), [steps], self.shared)
        return end[0, -n * n :].reshape(n, n).T

    def _sensitivity_error(self, method: int, rough: Array, fine: Array) -> float:
        """Return the error of the coarser of two sensitivities, relative to magnitude plus nominal value."""
        share = 2.0 ** METHODS[method].order / (2.0 ** METHODS[method].order - 1.0)
        found = share * (np.abs(fine - rough) @ self.scale) / (self.scale + np.abs(fine) @ self.scale)
        error = float(found.max(initial=0.0))
        return math.inf if math.isnan(error) else error

    def _count(self, like: Span, length: float) -> int:
        share = length / (like.end - like.start) if like.end > like.start else 1.0
        return max(_FEWEST, math.ceil(len(like.steps) * share - 1e-9))

    def _enough(
        self, method: int, count: int, start: float, end: float, x: Array, z: Array
    ) -> tuple[int, Array, Array, Array, float]:
        """Return method, sub-steps, end point and its error, found by comparing with twice as many sub-steps."""
        steps = self._steps(start, end, count, self.longest)
        double = self._steps(start, end, 2 * len(steps))
        (x1, z1), (x2, z2) = self._flows(method, [steps, double], x, z)
        while True:
            error = self._error(method, x1, x2)
            if error <= self.rtol:
                break
            steps, x1, z1 = double, x2, z2
            if method == 0 and len(steps) > _FEW:
                method = 1
                steps = self._steps(start, end, _FEWEST, self.longest)
                x1, z1 = self._flow(method, steps, x, z)
            elif len(steps) > _MANY:
                raise SimulationError(
                    f"the model could not be integrated from {start:g} to {end:g} to rtol={self.rtol:g}: its "
                    "equations are singular there, or the estimate is far from any sensible state"
                )
            double = self._steps(start, end, 2 * len(steps))
            x2, z2 = self._flow(method, double, x, z)
        if error * 2.0 ** (METHODS[method].order + 1) < self.rtol and len(steps) >= 2 * _FEWEST:
            half = self._steps(start, end, len(steps) // 2, self.longest)
            x0, z0 = self._flow(method, half, x, z)
            worse = self._error(method, x0, x1)
            if len(half) < len(steps) and worse <= self.rtol:
                return method, half, x0, z0, worse
        return method, steps, x1, z1, error

    def _steps(self, start: float, end: float, count: int, longest: float = math.inf) -> Array:
        """Return sub-steps of nearly equal length that respect the pieces of the inputs."""
        rows = []
        left = start
        width = min((end - start) / count, longest)
        for right in self.given.breaks(start, end):
            number = max(1, math.ceil((right - left) / width * (1 - 1e-12)))
            h = (right - left) / number
            piece = self.given.piece(left, right - left)
            block = np.empty((number, 2 + piece.size))
            block[:, 0] = left + h * np.arange(number)
            block[:, 1] = h
            if self.given.polynomial and not piece[:, 1:].any():
                block[:, 2:] = piece.ravel()
            else:
                for row in block:
                    row[2:] = self.given.piece(float(row[0]), h).ravel()
            rows.append(block)
            left = right
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def flowed(self, interval: Span, x: Array, z: Array) -> tuple[Array, Array]:
        """Return where the model leads over an interval, without noise."""
        return self._flow(interval.method, interval.steps, x, z)

    def _flow(self, method: int, steps: Array, x: Array, z: Array) -> tuple[Array, Array]:
        return self._flows(method, [steps], x, z)[0]

    def _flows(self, method: int, chains: list[Array], x: Array, z: Array) -> list[tuple[Array, Array]]:
        """Return the end points of several chains of sub-steps from one point."""
        n, m = len(x), len(z)
        ends = self.functions.flow[method](carried(x[None], z[None]).repeat(len(chains), axis=0), chains, self.shared)
        # Where Newton's method has not converged (or NaN) there is no end point.
        good = ends[:, n + m] <= max(1e-6, self.rtol)
        return [(end[:n] if ok else np.full(n, np.nan), end[n : n + m]) for end, ok in zip(ends, good, strict=True)]

    def _error(self, method: int, rough: Array, fine: Array) -> float:
        """Return the error of the coarser of two solutions, from their difference (Richardson)."""
        share = 2.0 ** METHODS[method].order
        found = np.abs(fine - rough) * (share / (share - 1.0)) / (self.scale + np.abs(fine))
        error = float(found.max(initial=0.0))
        return math.inf if math.isnan(error) else error

    def _noise(self, method: int, steps: Array, x: Array, z: Array) -> Array:
        n = len(x)
        if not self.intensity.any():
            return np.zeros((n, n))
        shared = np.concatenate([self.shared, self.intensity])
        start = carried(x[None], z[None], np.zeros((n, n)))
        noise = self.functions.diffuse[method](start, [steps], shared)[0, -n * n :].reshape(n, n)
        return 0.5 * (noise + noise.T)

    def moved(self, intervals: Sequence[Span], x: Array, z: Array) -> tuple[Array, Array]:
        """Return end points ``(N, n)`` and sensitivities ``(N, n, n)`` of intervals that start at `x`, `z`."""
        ends, _, maps = self.carried_on(intervals, x, z)
        return ends, maps

    def carried_on(self, intervals: Sequence[Span], x: Array, z: Array) -> tuple[Array, Array, Array]:
        """Return what `moved` does, with the algebraic variables at the ends as the second of three."""
        n, m = x.shape[1], z.shape[1]
        start = carried(x, z, np.eye(n))
        ends = self._batched(self.functions.move, intervals, start)
        maps = np.ascontiguousarray(ends[:, -n * n :].reshape(-1, n, n).transpose(0, 2, 1))
        return ends[:, :n].copy(), ends[:, n : n + m], maps

    def outdated(self, intervals: Sequence[Span], x: Array) -> list[int]:
        """Return the intervals whose accuracy was judged at points far from where they start now."""
        points = np.array([i.point for i in intervals]).reshape(x.shape)
        far = np.abs(x - points) > _MOVED * (self.scale + np.abs(points))
        return np.flatnonzero(far.any(axis=1)).tolist()

    def _batched(self, chains: Sequence[Chains], intervals: Sequence[Span], start: Array) -> Array:
        methods = {interval.method for interval in intervals}
        if len(methods) == 1:
            return chains[methods.pop()](start, [i.steps for i in intervals], self.shared)
        ends = np.empty_like(start)
        numbered = sorted(enumerate(intervals), key=lambda item: item[1].method)
        for method, group in groupby(numbered, key=lambda item: item[1].method):
            places, chosen = zip(*group, strict=True)
            ends[list(places)] = chains[method](start[list(places)], [i.steps for i in chosen], self.shared)
        return ends


def refined(transcriber: Transcriber, window: Window, x: Array, z: Array) -> tuple[Window, bool]:
    """Return the window with all spans as accurate along a trajectory, and whether that takes more sub-steps."""
    b, changed = window.between, False
    intervals, spans = list(window.intervals), list(b.spans)
    old = transcriber.outdated(intervals, x[:-1])
    later = transcriber.outdated(spans, x[b.node]) if spans else []
    if not old and not later:
        return window, False
    for k in old:
        before = intervals[k]
        intervals[k] = after = transcriber.interval(before.start, before.end, x[k], z[k], before)[0]
        changed = changed or len(after.steps) > len(before.steps) or after.method != before.method
    for k in later:
        before, node = spans[k], b.node[k]
        spans[k] = after = transcriber.span(before.start, before.end, x[node], z[node], before)[0]
        changed = changed or len(after.steps) > len(before.steps) or after.method != before.method
    return replace(window, intervals=tuple(intervals), between=replace(b, spans=tuple(spans))), changed
