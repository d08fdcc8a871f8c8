"""A plan is checked by a simulation from the estimate before it leaves: dynamics, limits, bounds, rates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from twinkit.control.deviations import Deviations, Indices
from twinkit.control.doubts import CAUTIOUS
from twinkit.control.horizon import Horizon
from twinkit.control.prediction import simulated
from twinkit.control.region import ALLOWED
from twinkit.control.task import Task
from twinkit.core.component import Array
from twinkit.optimise import Points

COARSE = 30.0  # times the accuracy asked for: a plan that is integrated worse is made again, with finer steps


@dataclass(frozen=True, eq=False)
class Checked:
    """What a simulation says about moves.

    Attributes
    ----------
    times
        Nodes in time.
    states
        States at the nodes, ``(N + 1, n)``.
    means, deviations
        All quantities (states, algebraic variables, outputs, inputs) at the nodes; at the end of each step.
    margins
        Margins that the limits need, ``(N, r)``.
    values
        The quantities of the controller at the ends of the steps, ``(N, r)``.
    error
        Largest difference to the states of the optimisation, relative to magnitude plus nominal value.
    reason
        Why the moves must not leave ('' where nothing speaks against them).
    between
        Names of quantities that exceed a hard limit between two nodes.
    foreign
        Learned terms that are asked beyond what they were trained on, in words.
    """

    times: Array
    states: Array
    means: Array
    deviations: Deviations
    margins: Array
    values: Array
    error: float
    reason: str
    between: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


def checked(h: Horizon, task: Task, method: int, substeps: int, u: Array, x: Array | None, grows: float) -> Checked:
    """Simulate controls from the estimate, in twice as many sub-steps as the optimisation took.

    Parameters
    ----------
    h, task
        The plan.
    method, substeps
        How the optimisation integrated.
    u
        Controls, ``(N, c)``.
    x
        The states of the optimisation, to compare with; None: no optimisation.
    grows
        For how long the covariance is carried along.
    """
    p, known = h.predictor, h.known
    items = h.items(2 * substeps, u)
    per = len(items) // task.count
    run = simulated(p, method, known.vector, task.guess, items, h.shared)
    last = np.arange(per - 1, len(items), per)
    vectors = np.vstack([known.vector, run.path[last]])
    zs = np.vstack([task.guess, run.algebraics[last]])
    times = h.real_times(u)
    inputs = _inputs(h, task, u)
    points = np.hstack([times[:, None], vectors, zs, inputs])
    seen = p.see(points, h.shared)
    n, m = p.size, p.algebraics
    total = (seen.shape[1] - m) // (1 + n)
    means, rows = np.hstack([seen[:, m : m + total], inputs]), seen[:, m + total :].reshape(len(times), total, n)
    slopes = None
    if h.functions.derive is not None:
        means, slopes = _with_derived(h, h.functions.derive, means)
        rows = _rows_of_all(rows, slopes)
    doubts, foreign = None, ()
    if h.doubts is not None:
        carried, foreign = h.doubts.carried(p, method, run, items, h.shared, last)
        doubts = np.sqrt(np.einsum("kri,kit->krt", rows, carried) ** 2 @ np.ones(carried.shape[2]))
    kept = max(1, int(np.searchsorted(np.cumsum(items[:, 1]), grows * (1 + 1e-9), side="right")))
    at = np.minimum(np.concatenate([[0], last + 1]), kept)
    deviations = Deviations(
        h, method, run, items, at, means.shape[1], rows, partial(_direct, h, points, slopes), doubts
    )
    margins = _margins(h, deviations)
    states = known.x.size
    away = 0.0
    if x is not None:
        scale = task.x_scale[:states]
        away = float(np.max(np.abs(vectors[:, :states] - x[:, :states]) / (scale + np.abs(vectors[:, :states]))))
    values = means[1:, [q.row for q in h.settings.quantities]]
    reason, between = _objections(h, task, u, vectors, values, run.path, zs, items, last)
    unknown = [q.place.label for q, m in zip(h.settings.quantities, margins.T, strict=True) if not np.isfinite(m).all()]
    if unknown and not reason:
        reason = f"how unsure {', '.join(map(repr, unknown))} would be could not be worked out"
    reason = f"{reason} ({foreign[0]})" if reason and foreign else reason
    return Checked(times, vectors[:, :states], means, deviations, margins, values, away, reason, between, foreign)


def _margins(h: Horizon, deviations: Deviations) -> Array:
    """Return the margins that the limits need, ``(N, r)``."""
    quantities = h.settings.quantities
    rows, quantile = [q.row for q in quantities], np.array([q.quantile for q in quantities])
    found = np.zeros((len(deviations.rows) - 1, len(quantities)))
    if quantile.any():
        found = np.where(quantile > 0.0, deviations.total[1:, rows], 0.0) * quantile
    if deviations.doubts is not None:
        alone = np.where([q.limited and not q.quantile > 0.0 for q in quantities], CAUTIOUS, 0.0)
        found = found + deviations.padded(deviations.doubts)[1:, rows] * alone
    return found


def _with_derived(h: Horizon, derive: Points, means: Array) -> tuple[Array, Array]:
    """Return quantities with what is derived, and the derivatives of that in the quantities."""
    count, size = len(h.settings.derived), means.shape[1]
    found = derive(means, np.zeros(1))
    return np.hstack([means, found[:, :count]]), found[:, count:].reshape(len(means), count, size)


def _rows_of_all(rows: Array, slopes: Array) -> Array:
    """Return derivatives with those of the inputs (none) and of what is derived."""
    full = np.zeros((len(rows), slopes.shape[2], rows.shape[2]))
    full[:, : rows.shape[1]] = rows
    return np.concatenate([full, slopes @ full], axis=1)


def _direct(h: Horizon, points: Array, slopes: Array | None) -> Array | None:
    """Return by how much each uncertain direction moves the quantities while the vector stays."""
    found = None if h.uncertain is None else h.uncertain.seen(points, h.shared)
    return found if found is None or slopes is None else _rows_of_all(found, slopes)


def _inputs(h: Horizon, task: Task, u: Array) -> Array:
    """Return all inputs at the nodes: those of the step that ends there, at the first node those that begin."""
    found = np.vstack([task.inputs[1][:1], task.inputs[0]])
    for j, index in enumerate(h.moved):
        found[:, index] = np.concatenate([u[:1, j], u[:, j]])
    return found


def _objections(
    h: Horizon, task: Task, u: Array, vectors: Array, values: Array, path: Array, zs: Array, items: Array, last: Indices
) -> tuple[str, tuple[str, ...]]:
    """Return why controls must not leave, and what exceeds hard limits between the nodes."""
    if not (np.isfinite(vectors).all() and np.isfinite(values).all()):
        return "the simulation of the plan failed", ()
    names = [m.place.label for m in h.settings.movers]
    slack = ALLOWED * task.u_scale
    change = np.abs(np.diff(np.vstack([task.before, u]), axis=0))
    for j, name in enumerate(names):
        where = task.free[:, j]
        out = np.maximum(task.u_low[:, j] - u[:, j], u[:, j] - task.u_high[:, j])[where] > slack[j]
        if out.any():
            return f"{name!r} leaves its bounds", ()
        if (change[:, j] > task.rate[:, j] + slack[j]).any():
            return f"{name!r} changes faster than allowed", ()
    hard = np.flatnonzero(np.isinf(task.soft))
    over = np.maximum(task.low - values, values - task.high)[:, hard] / task.y_scale[hard]
    if over.size and not over.max() <= ALLOWED:
        k, r = np.unravel_index(int(np.argmax(over)), over.shape)
        q = h.settings.quantities[int(hard[r])]
        return f"{q.place.label!r} would exceed a limit by {over[k, r] * q.scale:.3g} at t = {task.times[k + 1]:g}", ()
    if task.terminal is not None and np.isfinite(task.terminal.level):
        away = vectors[-1, : h.known.x.size] - task.terminal.centre[: h.known.x.size]
        weight = task.terminal.weight[: len(away), : len(away)]
        if float(away @ weight @ away) > task.terminal.level * (1.0 + 10.0 * ALLOWED):
            return "the plan does not end within the terminal set", ()
    return "", _between(h, task, hard, path, last)


def _between(h: Horizon, task: Task, hard: Indices, path: Array, last: Indices) -> tuple[str, ...]:
    """Return names of states that exceed a hard limit between nodes, though not at them."""
    per, found = int(last[0]) + 1, []
    for r in hard.tolist():
        q = h.settings.quantities[r]
        if q.place.kind == "state":
            inside = path[:, q.place.index].reshape(task.count, per)[1:]
            # Margins differ from node to node: between two nodes the wider of their limits counts.
            low = np.minimum(task.low[:-1, r], task.low[1:, r])
            high = np.maximum(task.high[:-1, r], task.high[1:, r])
            over = np.maximum(low - inside.min(axis=1), inside.max(axis=1) - high)
            if (over > 10.0 * ALLOWED * q.scale).any():
                found.append(q.place.label)
    return tuple(found)
