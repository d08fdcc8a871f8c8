"""A record run by CasADi's own machine, where numba is not installed: the ordinary functions, chained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import casadi as ca
import numpy as np

from twinkit.core.component import Array
from twinkit.estimate.repeated.grid import Grid, Steps
from twinkit.readings.casadi import SYMBOLIC, Fast

if TYPE_CHECKING:
    from twinkit.estimate.extended import ExtendedKalmanFilter
    from twinkit.estimate.repeated.run import Task

_CHUNK = 256
_chains: dict[int, tuple[Any, Fast]] = {}


def _chain(ekf: ExtendedKalmanFilter) -> Fast:
    """Return so many sub-steps, each followed by a correction, as one function."""
    functions = ekf.functions
    known = _chains.get(id(functions))
    if known is not None:
        return known[1]
    with SYMBOLIC:
        propagate, correct = functions.fixed.propagate.function, functions.correct.function
        x, z = ca.MX.sym("x", propagate.size1_in(2)), ca.MX.sym("z", propagate.size1_in(3))
        covariance = ca.MX.sym("P", x.numel(), x.numel())
        t, h, end = ca.MX.sym("t"), ca.MX.sym("h"), ca.MX.sym("end")
        c, u = ca.MX.sym("c", *propagate.size_in(4)), ca.MX.sym("u", correct.size1_in(4))
        modes, p = ca.MX.sym("modes", propagate.size1_in(5)), ca.MX.sym("p", propagate.size1_in(6))
        q, gate = ca.MX.sym("q", x.numel()), ca.MX.sym("gate")
        value, variance, present = (ca.MX.sym(name, correct.size1_in(8)) for name in ("y", "r", "on"))
        ahead, z1, covariance1, error = propagate(t, h, x, z, c, modes, p, covariance, q)
        found = correct(end, ahead, ahead, z1, u, modes, p, covariance1, value, variance, present, gate)
        after, z2, covariance2, _, innovation, spreads, accepted, terms, likelihood = found
        inputs = [x, z, covariance, t, h, end, c, u, modes, p, q, value, variance, present, gate]
        outputs = [after, z2, covariance2, ahead, error, innovation, spreads, accepted, terms, likelihood]
        one = ca.Function("one", inputs, outputs)
        fast = Fast(one.mapaccum("chain", _CHUNK, [0, 1, 2], [0, 1, 2]), *range(len(outputs)))
    _chains[id(functions)] = functions, fast  # the functions are kept, so that their id stays theirs
    return fast


def run(ekf: ExtendedKalmanFilter, grid: Grid, task: Task, out: dict[str, Any]) -> int:
    """Filter a record into the arrays of `out`; return the position of the time that was not reached, or -1."""
    chain, n = _chain(ekf), len(task.x)
    steps = _Script(grid, task)
    x, z, covariance = task.x, task.z, task.covariance
    free = bool(np.isneginf(task.low).all() and np.isposinf(task.high).all())
    s = 0
    while s < steps.count:
        window = np.minimum(np.arange(s, s + _CHUNK), steps.count - 1)
        xs, zs, many, ahead, error, *seen = chain(x, z, covariance, *steps.arguments(window))
        good = _reached(window[0], steps.count, xs, ahead, error, free or not task.bounded, task)
        many = many.reshape(n, n, -1, order="F").transpose(2, 0, 1)
        kept = np.flatnonzero(steps.row[s : s + good] >= 0)
        parts = [part[:, kept].T for part in (xs, zs, *seen)]
        _keep(out, steps.row[s + kept], many[kept], steps.present[s + kept], *parts)
        if good:
            x, z, covariance = xs[:, good - 1], zs[:, good - 1], many[good - 1]
            s += good
        if good < min(_CHUNK, steps.count - (s - good)):  # beyond a bound, or not finite: this one with care
            found = _with_care(ekf, steps, s, x, z, covariance, task)
            if found is None:
                return int(np.searchsorted(grid.first, s, side="right") - 1)
            x, z, covariance, parts = found
            if steps.row[s] >= 0:
                each = [part[None] for part in (x, z, *parts)]
                _keep(out, steps.row[s : s + 1], covariance[None], steps.present[s : s + 1], *each)
            s += 1
    out["last"][...] = covariance
    return -1


class _Script:
    """A record as a chain of sub-steps, with its readings."""

    def __init__(self, grid: Grid, task: Task) -> None:
        self._task = task
        self.steps = steps = Steps(grid)
        self.row, self.count = steps.row, len(steps.row)
        known = np.where((steps.row >= 0)[:, None], task.values[steps.row], np.nan)
        self.present = np.isfinite(known)
        self._values = np.where(self.present, known, 0.0)
        self._variances = np.broadcast_to(task.variances, task.values.shape)
        self._inputs = steps.inputs()

    def at(self, s: int) -> tuple[Array, Array, Array]:
        """Return inputs, readings and variances at the end of a sub-step."""
        return self._inputs[s], self._values[s], self._variances[self.row[s]]

    def arguments(self, window: Any) -> list[Any]:
        """Return the columns of a window of sub-steps, in the order of the chain's arguments."""
        task, rows, count, steps = self._task, self.row[window], len(window), self.steps

        def alike(values: Array) -> Array:
            return np.repeat(values[:, None], count, axis=1)

        c = steps.pieces(window).transpose(1, 0, 2).reshape(-1, 4 * count)
        return [
            steps.t[window], steps.h[window], steps.end[window], c, self._inputs[window].T, alike(task.modes),
            alike(task.p), alike(task.q), self._values[window].T, self._variances[rows].T,
            self.present[window].T.astype(float), np.full(count, task.gate),
        ]  # fmt: skip


def _reached(s: int, count: int, xs: Array, ahead: Array, error: Array, free: bool, task: Task) -> int:
    """Return how many sub-steps of a chain hold: finite, solved, and within the bounds all along."""
    fine = np.isfinite(xs).all(axis=0) & (error[0] <= 1e-6)
    if not free:
        for points in (xs, ahead):
            fine &= ((points >= task.low[:, None]) & (points <= task.high[:, None])).all(axis=0)
    fine[count - s :] = False
    return int(np.argmin(fine)) if not fine.all() else len(fine)


def _with_care(
    ekf: ExtendedKalmanFilter, steps: _Script, s: int, x: Array, z: Array, covariance: Array, task: Task
) -> tuple[Array, Array, Array, list[Array]] | None:
    """Return one sub-step and its correction with the mean kept within its bounds; None if it is not finite."""
    functions, place = ekf.functions, ekf.constraint.placed
    x, z, covariance, (error,) = functions.fixed.propagate(
        steps.steps.t[s], steps.steps.h[s], x, z, steps.steps.pieces([s])[0], task.modes, task.p, covariance, task.q
    )
    if not (error <= 1e-6 and np.isfinite(x).all()):
        return None
    x = place(x, covariance, task.low, task.high)
    if steps.row[s] < 0:
        return x, z, covariance, []
    u, value, variance = steps.at(s)
    on = steps.present[s].astype(float)
    x, z, covariance, _, *parts = functions.correct(
        steps.steps.end[s], x, x, z, u, task.modes, task.p, covariance, value, variance, on, task.gate
    )
    if not np.isfinite(x).all():
        return None
    return place(x, covariance, task.low, task.high), z, covariance, parts


def _keep(
    out: dict[str, Any], rows: Any, covariances: Array, present: Array, x: Array, z: Array, innovation: Array,
    spreads: Array, accepted: Array, terms: Array, likelihood: Array,
) -> None:  # fmt: skip
    """Write what was found at some times into the results."""
    out["mean"][rows], out["algebraics"][rows] = x, z
    out["std"][rows] = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
    if out["covariance"].size:
        out["covariance"][rows] = covariances
    out["innovation"][rows] = np.where(present, innovation, np.nan)
    out["spreads"][rows], out["accepted"][rows] = spreads, accepted
    out["nis"][rows] = np.where(present.any(axis=1), np.sum(terms * present, axis=1), np.nan)
    out["likelihood"][rows] = likelihood[:, 0]
