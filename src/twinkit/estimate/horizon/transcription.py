"""Intervals: as many sub-steps as the accuracy needs, of a method that suits the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from twinkit.core import SimulationError
from twinkit.core.component import Array
from twinkit.estimate.horizon.functions import METHODS, Functions, carried
from twinkit.estimate.horizon.window import Interval, root_of
from twinkit.estimate.inputs import Inputs

_FEW, _MANY = 64, 4096  # sub-steps: from the first on an implicit method is tried, beyond the second none is used
_ROUGH = 2


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
    given: Inputs
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
        if not end > start:
            steps = np.zeros((_ROUGH, 2 + 4 * self.functions.dynamics.inputs))
            steps[:, 0] = start
            nothing = np.zeros((len(x), len(x)))
            return Interval(start, end, 0, steps, nothing, nothing), x, z
        method, count = (like.method, self._count(like, end - start)) if like is not None else (0, 2 * _ROUGH)
        method, steps, x1, z1 = self._enough(method, count, start, end, x, z)
        noise = self._noise(method, steps, x, z)
        return Interval(start, end, method, steps, noise, root_of(noise, self.scale)), x1, z1

    def _count(self, like: Interval, length: float) -> int:
        share = length / (like.end - like.start) if like.end > like.start else 1.0
        count = max(2 * _ROUGH, math.ceil(len(like.steps) * share - 1e-9))
        return count + count % 2 if share != 1.0 else count

    def _enough(
        self, method: int, count: int, start: float, end: float, x: Array, z: Array
    ) -> tuple[int, Array, Array, Array]:
        """Return method, sub-steps and end point."""
        rough_steps = self._steps(start, end, max(_ROUGH, count // 2))
        rough, _ = self._flow(method, rough_steps, x, z)
        limit = _FEW if method == 0 else _MANY
        while True:
            steps = self._steps(start, end, count, self.longest)
            x1, z1 = self._flow(method, steps, x, z)
            error = self._error(method, rough, x1)
            if error <= self.rtol:
                wide = rough_steps[:, 1].max() > self.longest
                if error * 2.0 ** (METHODS[method].order + 1) < self.rtol and not wide:
                    steps, x1, z1 = rough_steps, rough, self._flow(method, rough_steps, x, z)[1]
                return method, steps, x1, z1
            rough_steps, rough = steps, x1
            count = 2 * len(steps)
            if count > limit and method == 0:
                method, count, limit = 1, 2 * _ROUGH, _MANY
                rough_steps = self._steps(start, end, _ROUGH)
                rough, _ = self._flow(method, rough_steps, x, z)
            elif count > limit:
                raise SimulationError(
                    f"the model could not be integrated from {start:g} to {end:g} to rtol={self.rtol:g}: its "
                    "equations are singular there, or the estimate is far from any sensible state"
                )

    def _steps(self, start: float, end: float, count: int, longest: float = math.inf) -> Array:
        """Return sub-steps of nearly equal length that respect the pieces of the inputs."""
        rows = []
        left = start
        width = min((end - start) / count, longest)
        for right in self.given.breaks(start, end):
            number = max(1, math.ceil((right - left) / width * (1 - 1e-12)))
            h = (right - left) / number
            for i in range(number):
                t = left + i * h
                rows.append(np.concatenate([[t, h], self.given.piece(t, h).ravel()]))
            left = right
        return np.array(rows)

    def flowed(self, interval: Interval, x: Array, z: Array) -> tuple[Array, Array]:
        """Return where the model leads over an interval, without noise."""
        return self._flow(interval.method, interval.steps, x, z)

    def _flow(self, method: int, steps: Array, x: Array, z: Array) -> tuple[Array, Array]:
        (end,) = self.functions.flow[method](carried(x[None], z[None]), [steps], self.shared)
        n, m = len(x), len(z)
        if not end[n + m] <= max(1e-6, self.rtol):  # Newton's method has not converged, or NaN
            return np.full(n, np.nan), end[n : n + m]
        return end[:n], end[n : n + m]

    def _error(self, method: int, rough: Array, fine: Array) -> float:
        """Return the error of the finer of two solutions, from their difference (Richardson)."""
        found = np.abs(fine - rough) / (2.0 ** METHODS[method].order - 1) / (self.scale + np.abs(fine))
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

    def moved(self, intervals: Sequence[Interval], x: Array, z: Array) -> tuple[Array, Array]:
        """Return end points ``(N, n)`` and sensitivities ``(N, n, n)`` of intervals that start at `x`, `z`."""
        n = x.shape[1]
        start = carried(x, z, np.eye(n))
        ends = self._batched(self.functions.move, intervals, start)
        return ends[:, :n].copy(), np.ascontiguousarray(ends[:, -n * n :].reshape(-1, n, n).transpose(0, 2, 1))

    def errors(self, intervals: Sequence[Interval], x: Array, z: Array, ends: Array) -> Array:
        """Return the error of every interval, by comparing it with half as many sub-steps."""
        start = carried(x, z)
        half = [
            Interval(i.start, i.end, i.method, self._steps(i.start, i.end, max(1, len(i.steps) // 2)), i.noise, i.root)
            if i.end > i.start
            else i
            for i in intervals
        ]
        rough = self._batched(self.functions.flow, half, start)[:, : x.shape[1]]
        orders = np.array([METHODS[i.method].order for i in intervals])[:, None]
        return (np.abs(ends - rough) / (2.0**orders - 1) / (self.scale + np.abs(ends))).max(axis=1, initial=0.0)

    def _batched(self, chains: Sequence[object], intervals: Sequence[Interval], start: Array) -> Array:
        methods = {interval.method for interval in intervals}
        if len(methods) == 1:
            return chains[methods.pop()](start, [i.steps for i in intervals], self.shared)
        ends = np.empty_like(start)
        numbered = sorted(enumerate(intervals), key=lambda item: item[1].method)
        for method, group in groupby(numbered, key=lambda item: item[1].method):
            places, chosen = zip(*group, strict=True)
            ends[list(places)] = chains[method](start[list(places)], [i.steps for i in chosen], self.shared)
        return ends
