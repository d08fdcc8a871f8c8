"""What one plan leaves for the next: where its optimisation ended."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twinkit.control.task import Point, Task
from twinkit.core.component import Array

_FURTHEST = 2.0  # beyond so many times the last change nothing is foretold from it


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
    earlier
        What the plan before left, where its nodes were as far apart.
    drifts
        Whether the last change from plan to plan, at nodes as far ahead, foretold this plan better than its moves at
        the same times did: so it is where the horizon recedes steadily.
    """

    times: Array
    points: tuple[Point, ...]
    margins: tuple[Array, ...]
    method: int
    substeps: int
    earlier: Warm | None = None
    drifts: bool = False


def left(new: Warm, old: Warm | None, scale: Array) -> Warm:
    """Return what a plan leaves, with what it has from the one before; `scale` holds magnitudes of the controls."""
    if old is None or len(old.points) != len(new.points) or not _as_far(new.times, old.times):
        return new
    before, drifts = replace(old, earlier=None), False
    share = _share(new.times, old)
    if share:
        now, u = new.points[0].u, old.points[0].u
        foretold = u + share * (u - old.earlier.points[0].u)  # type: ignore[union-attr]
        held = u[
            np.minimum(
                np.arange(len(u)) + round(float((new.times[0] - old.times[0]) / np.diff(old.times[:2])[0])), len(u) - 1
            )
        ]
        drifts = bool(np.abs((now - foretold) / scale).max() < np.abs((now - held) / scale).max())
    return replace(new, earlier=before, drifts=drifts)


def guessed(warm: Warm, task: Task, scenario: int = 0) -> Point:
    """Return where to start a new plan: the last one, shifted in time or, where it drifts, carried on as it changed."""
    share = _share(task.times, warm) if warm.drifts else 0.0
    if not share or warm.earlier is None:
        return shifted(warm, task, scenario)
    new, old = warm.points[scenario], warm.earlier.points[scenario]
    u = np.clip(new.u + share * (new.u - old.u), *_bounds(task))
    u = np.where((new.u == task.u_low) | (new.u == task.u_high), new.u, u)
    for j in range(u.shape[1]):
        u[:, j] = u[_starts(task, j), j]
    x, z = new.x.copy(), new.z.copy()
    x[0], z[0] = task.start, task.guess
    x[1:], z[1:] = task.shooting.ahead(0, task.start, u, task.guess)
    if not np.isfinite(x).all():
        return shifted(warm, task, scenario)
    adjoint, force = (a + share * (a - b) for a, b in ((new.adjoint, old.adjoint), (new.force, old.force)))
    return Point(x, u, z, adjoint, force, new.bound_force, new.rate_force)


def _as_far(new: Array, old: Array) -> bool:
    """Return whether nodes are as far apart, and later."""
    return len(new) == len(old) and new[0] > old[0] and bool(np.ptp(new - old) <= 1e-9 * (old[-1] - old[0]))


def _share(times: Array, warm: Warm) -> float:
    """Return how much later a plan begins, relative to the time between the last two; 0: that foretells nothing."""
    if warm.earlier is None or not _as_far(times, warm.times):
        return 0.0
    share = float((times[0] - warm.times[0]) / (warm.times[0] - warm.earlier.times[0]))
    return share if share <= _FURTHEST else 0.0


def _starts(task: Task, j: int) -> np.ndarray:
    """Return per step where the block begins in which a control is held."""
    return np.maximum.accumulate(np.where(task.free[:, j], np.arange(task.count), 0))


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
        u[:, j] = u[_starts(task, j), j]
    beyond = np.flatnonzero(times > old[-1] + slack)
    if beyond.size:  # where the last plan ended, the model goes on with its last controls
        k = int(beyond[0]) - 1
        x[beyond], z[beyond] = task.shooting.ahead(k, x[k], u[k:], z[k])
    if not np.isfinite(x).all():
        x[beyond] = p.x[-1]
    return Point(x, u, z, p.adjoint[steps], p.force[steps], p.bound_force[steps], p.rate_force[steps])


def _bounds(task: Task) -> tuple[Array, Array]:
    return np.where(task.free, task.u_low, -np.inf), np.where(task.free, task.u_high, np.inf)
