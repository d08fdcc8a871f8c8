"""The window as one nonlinear problem, for FATROP and IPOPT: where SQP found no usable optimum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import casadi as ca
import numpy as np

from twinkit.core.component import Array
from twinkit.estimate.horizon.problem import Linear, Trajectory, WindowProblem
from twinkit.estimate.horizon.window import Window, root_of
from twinkit.optimise import SOLVERS, Failed, StageProblem, Status, solve_nonlinear
from twinkit.readings.casadi import SYMBOLIC

if TYPE_CHECKING:
    from twinkit.estimate.horizon.estimator import MovingHorizonEstimator


def escalated(
    mhe: MovingHorizonEstimator, problem: WindowProblem, window: Window, guess: Trajectory, status: Status
) -> tuple[Trajectory, Linear | None, Status]:
    """Return trajectory, linearisation there and status, from the first solver that succeeds."""
    scale, reasons = mhe.plan.scale, [getattr(status, "reason", status.text)]
    with SYMBOLIC:
        whole = _problem(mhe, window, guess)
    roots = _roots(window, scale) / scale[:, None]
    w = -np.einsum("kji,kj->ki", roots, scale * guess.adjoint)
    exact = not mhe.model.structure.externals
    for solver in SOLVERS:
        v, x, moves, ended = solve_nonlinear(
            whole, w[0], guess.x / scale, w[1:], solver, mhe.limits.seconds, exact=exact
        )
        if ended.usable:
            low, high = mhe.plan.low, mhe.plan.high
            inverse = np.linalg.pinv(roots.transpose(0, 2, 1))  # the optimal noise is in the range of its root
            adjoint = -np.einsum("kij,kj->ki", inverse, np.vstack([v, moves])) / scale
            point = Trajectory(np.clip(x * scale, low, high), adjoint, guess.z, np.zeros_like(guess.held))
            at = problem.linearise(point)
            if np.isfinite(at.cost) and not isinstance(step := problem.step(at), str):
                return Trajectory(point.x, point.adjoint, at.point.z, step.point.held), at, ended
            ended = Failed(solver.upper(), ended.iterations, "the model cannot be evaluated at the optimum")
        reasons.append(f"{solver.upper()}: {getattr(ended, 'reason', ended.text)}")
    return guess, None, Failed(status.solver, status.iterations, "; ".join(reasons))


def _roots(window: Window, scale: Array) -> Array:
    """Return a root of the covariance that leads to each node."""
    return root_of(np.array([window.arrival.covariance, *(i.noise for i in window.intervals)]), scale)


def _problem(mhe: MovingHorizonEstimator, window: Window, guess: Trajectory) -> StageProblem:
    """Return the window in variables scaled by the nominal values."""
    s, functions, scale = mhe.numbers, mhe.window_functions, ca.DM(mhe.plan.scale)
    shared, states, sensors = ca.DM(s.transcriber.shared), len(s.bounded), window.value.shape[1]
    m, roots = window.z.shape[1], _roots(window, mhe.plan.scale)

    def advance(k: int) -> Any:
        interval = window.intervals[k]
        chain = functions.steps[interval.method].fold(len(interval.steps))
        items, common = ca.DM(interval.steps.T), ca.repmat(shared, 1, len(interval.steps))

        def run(x: Any, w: Any) -> Any:
            end = chain(ca.vertcat(x * scale, ca.DM(guess.z[k]), 0.0), items, common)
            return (end[: x.numel()] + ca.DM(roots[k + 1]) @ w) / scale

        return run

    def seen(k: int, x: Any) -> Any:
        item = ca.vertcat(float(window.times[k]), x * scale, ca.DM(guess.z[k]), ca.DM(window.inputs[k]))
        return functions.seen(item, shared)[m:]

    def loss(residual: Any, limit: float) -> Any:
        square, size = 0.5 * residual**2, ca.fabs(residual)
        return ca.if_else(size > limit, limit * (size - 0.5 * limit), square) if np.isfinite(limit) else square

    between = window.between

    def later(i: int, x: Any) -> Any:
        span, z = between.spans[i], ca.DM(guess.z[between.node[i]])
        common = ca.repmat(shared, 1, len(span.steps))
        chain = functions.steps[span.method].fold(len(span.steps))
        end = chain(ca.vertcat(x * scale, z, 0.0), ca.DM(span.steps.T), common)[: x.numel() + m]
        item = ca.vertcat(span.end, end, ca.DM(between.inputs[i]))
        return functions.seen(item, shared)[m + int(between.sensor[i])]

    def cost(k: int) -> Any:
        def of(x: Any, w: Any) -> Any:
            values, total = seen(k, x), ca.MX(0) if w is None else 0.5 * ca.sumsqr(w)
            for j in np.flatnonzero(window.present[k] > 0).tolist():
                total = total + loss(
                    (window.value[k, j] - values[j]) / np.sqrt(window.variance[k, j]), float(s.limits[j])
                )
            for i in np.flatnonzero((between.node == k) & (between.present > 0)).tolist():
                missing = (between.value[i] - later(i, x)) / np.sqrt(between.variance[i])
                total = total + loss(missing, float(s.limits[between.sensor[i]]))
            return total

        return of

    def path(k: int) -> Any:
        count = len(s.nominal) - states
        return lambda x, w: seen(k, x)[sensors : sensors + count] / ca.DM(s.nominal[states:])

    nodes, nominal = range(len(window)), s.nominal[states:]
    arrival = window.arrival
    return StageProblem(
        first=lambda v: (ca.DM(arrival.mean) + ca.DM(roots[0]) @ v) / scale,
        advance=[advance(k) for k in range(len(window.intervals))],
        cost=[cost(k) for k in nodes],
        path=[path(k) for k in nodes],
        low=mhe.plan.low / mhe.plan.scale,
        high=mhe.plan.high / mhe.plan.scale,
        path_low=s.low[states:] / nominal,
        path_high=s.high[states:] / nominal,
    )
