"""What one plan leaves for the next: where its optimisation ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinkit.control.problem import Point, Task
from twinkit.core.component import Array


@dataclass(frozen=True, eq=False)
class Warm:
    """Where the optimisation of a plan ended, over time.

    Attributes
    ----------
    times
        Nodes, ``(N + 1,)``.
    points
        The point of each scenario.
    margins
        Margins for uncertainty at the nodes, of each scenario, ``(N, r)``.
    method, substeps
        How the steps were integrated.
    """

    times: Array
    points: tuple[Point, ...]
    margins: tuple[Array, ...]
    method: int
    substeps: int


def shifted(warm: Warm, task: Task, scenario: int = 0) -> Point:
    """Return the point moved to the times of a new plan: controls hold, states are interpolated, the end repeats."""
    old, p, times = warm.times, warm.points[scenario], task.times
    slack = 1e-9 * (times[-1] - times[0])
    steps = np.clip(np.searchsorted(old, times[:-1] + slack, side="right") - 1, 0, len(old) - 2)
    right = np.clip(np.searchsorted(old, times + slack, side="right") - 1, 0, len(old) - 2)
    share = np.clip((times - old[right]) / (old[right + 1] - old[right]), 0.0, 1.0)[:, None]
    x = p.x[right] + share * (p.x[right + 1] - p.x[right])
    x[0] = task.start
    z = p.z[right + (share[:, 0] > 0.5)]
    z[0] = task.guess
    u = np.clip(p.u[steps], *_bounds(task))
    for j in range(u.shape[1]):  # what is held in a block follows its start
        held = np.maximum.accumulate(np.where(task.free[:, j], np.arange(len(u)), 0))
        u[:, j] = u[held, j]
    beyond = np.flatnonzero(times > old[-1] + slack)
    if beyond.size:  # where the last plan ended, the model goes on with its last controls
        k = int(beyond[0]) - 1
        x[beyond], z[beyond] = task.shooting.ahead(k, x[k], u[k:], z[k])
    if not np.isfinite(x).all():
        x[beyond] = p.x[-1]
    return Point(x, u, z, p.adjoint[steps], p.force[steps], p.bound_force[steps], p.rate_force[steps])


def _bounds(task: Task) -> tuple[Array, Array]:
    return np.where(task.free, task.u_low, -np.inf), np.where(task.free, task.u_high, np.inf)
