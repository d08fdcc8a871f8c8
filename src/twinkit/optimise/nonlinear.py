"""The whole problem at once, for an interior-point solver: where sequential quadratic programming got stuck.

    minimise    1/2 v'v + sum over k of cost[k](x[k], w[k])
    subject to  x[0] = first(v),  x[k+1] = advance[k](x[k], w[k]),  low <= path[k](x[k], w[k]) <= high,  bounds on x, w

FATROP uses the stages; IPOPT is slower and sturdier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core.component import Array
from twinkit.optimise.status import Converged, Failed, Status
from twinkit.readings.casadi import SYMBOLIC

SOLVERS = ("fatrop", "ipopt")
_TOLERANCE = 1e-8
_PATIENCE, _ITERATIONS = 60.0, 200  # seconds of IPOPT, and iterations of FATROP, which takes no time limit


@dataclass(frozen=True, eq=False)
class StageProblem:
    """A nonlinear problem of stages, in variables of order one. All callables take and return CasADi expressions.

    Attributes
    ----------
    first
        ``v -> x[0]``.
    advance
        Per interval: ``(x, w) -> x`` at its end.
    cost
        Per node: ``(x, w) -> cost``; `w` is None at the last node, which may be left out.
    path
        Per node: ``(x, w) -> constrained quantities``; as `cost`.
    low, high
        Bounds on the states, ``(n,)``.
    path_low, path_high
        Bounds on the constrained quantities: ``(g,)``, or per node ``(N, g)`` or ``(N + 1, g)``.
    w_low, w_high
        Bounds on `w`, ``(N, m)``; None: none.
    """

    first: Callable[[Any], Any]
    advance: Sequence[Callable[[Any, Any], Any]]
    cost: Sequence[Callable[[Any, Any], Any]]
    path: Sequence[Callable[[Any, Any], Any]]
    low: Array
    high: Array
    path_low: Array
    path_high: Array
    w_low: Array | None = None
    w_high: Array | None = None


def solve_nonlinear(
    problem: StageProblem, v: Array, x: Array, w: Array, solver: str, seconds: float = math.inf, *, exact: bool = True
) -> tuple[Array, Array, Array, Status]:
    """Solve a problem from a guess; return ``v, x, w`` and how it ended.

    Parameters
    ----------
    problem
        The problem.
    v, x, w
        Guess: ``(m0,)``, ``(N + 1, n)``, ``(N, m)``.
    solver
        One of `SOLVERS`.
    seconds
        Time budget, for IPOPT; it takes a minute at most.
    exact
        Whether there are second derivatives. Otherwise IPOPT approximates them from first ones; FATROP cannot.
    """
    if solver == "fatrop" and not exact:
        return v, x, w, Failed("FATROP", 0, "it needs second derivatives, which equations that can only be called lack")
    with SYMBOLIC:
        variables, constraints, equalities, limits, cost = _transcribed(problem, len(v), x.shape, w.shape)
        options: dict[str, Any] = {"print_time": False, "error_on_fail": False, "show_eval_warnings": False}
        if solver == "fatrop":
            options |= {
                "structure_detection": "auto",
                "equality": equalities,
                "fatrop": {"print_level": 0, "max_iter": _ITERATIONS},
            }
        else:
            options["ipopt"] = {"print_level": 0, "sb": "yes", "tol": _TOLERANCE, "max_iter": 500}
            options["ipopt"]["max_wall_time"] = min(max(seconds, 1e-3), _PATIENCE)
            if not exact:
                options["ipopt"]["hessian_approximation"] = "limited-memory"
        try:
            nlp = {"x": ca.vertcat(*variables), "f": cost, "g": ca.vertcat(*constraints)}
            run = ca.nlpsol("stages", solver, nlp, options)
            found = run(x0=_packed(v, x, w), **limits)
            stats = run.stats()
        except RuntimeError as error:
            return v, x, w, Failed(solver.upper(), 0, str(error).splitlines()[-1])
        values, rows = np.array(found["x"]).ravel(), np.array(found["g"]).ravel()
    beyond = np.maximum(limits["lbg"] - rows, rows - limits["ubg"]).max(initial=0.0)
    count = int(stats["iter_count"])
    if not (stats["success"] and np.isfinite(values).all() and beyond < 1e-6):
        reason = f"{stats.get('return_status', 'no solution')}, constraints violated by {beyond:.1e}"
        return v, x, w, Failed(solver.upper(), count, reason)
    v, x, w = _unpacked(values, len(v), x.shape, w.shape)
    return v, x, w, Converged(solver.upper(), count)


def _transcribed(
    p: StageProblem, first: int, shape: tuple[int, ...], noise: tuple[int, ...]
) -> tuple[list[Any], list[Any], list[bool], dict[str, Array], Any]:
    """Return variables, constraints, which are equations, limits, and the cost; stage by stage."""
    count, n, m = noise[0], shape[1], noise[1]
    v, xs = ca.MX.sym("v", first), [ca.MX.sym(f"x{k}", n) for k in range(count + 1)]
    ws = [ca.MX.sym(f"w{k}", m) for k in range(count)]
    variables, lows, highs = [v], [np.full(first, -np.inf)], [np.full(first, np.inf)]
    constraints, bottoms, tops = [xs[0] - p.first(v)], [np.zeros(n)], [np.zeros(n)]
    equalities = [True] * n
    cost = 0.5 * ca.sumsqr(v)
    for k in range(count + 1):
        variables.append(xs[k])
        lows.append(p.low)
        highs.append(p.high)
        w = ws[k] if k < count else None
        if k < len(p.cost):
            cost = cost + p.cost[k](xs[k], w)
        if k < count:
            variables.append(ws[k])
            lows.append(np.full(m, -np.inf) if p.w_low is None else p.w_low[k])
            highs.append(np.full(m, np.inf) if p.w_high is None else p.w_high[k])
            constraints.append(xs[k + 1] - p.advance[k](xs[k], ws[k]))
            bottoms.append(np.zeros(n))
            tops.append(np.zeros(n))
            equalities += [True] * n
        bottom, top = (side if side.ndim == 1 else side[k : k + 1].ravel() for side in (p.path_low, p.path_high))
        if k < len(p.path) and len(bottom):
            constraints.append(p.path[k](xs[k], w))
            bottoms.append(bottom)
            tops.append(top)
            equalities += (bottom == top).tolist()
    limits = {
        "lbx": np.concatenate(lows), "ubx": np.concatenate(highs),
        "lbg": np.concatenate(bottoms), "ubg": np.concatenate(tops),
    }  # fmt: skip
    return variables, constraints, equalities, limits, cost


def _packed(v: Array, x: Array, w: Array) -> Array:
    return np.concatenate([v, np.hstack([x[:-1], w]).ravel(), x[-1]])


def _unpacked(values: Array, first: int, shape: tuple[int, ...], noise: tuple[int, ...]) -> tuple[Array, Array, Array]:
    n, end = shape[1], len(values) - shape[1]
    stages = values[first:end].reshape(noise[0], n + noise[1])
    return values[:first], np.vstack([stages[:, :n], values[end:]]), stages[:, n:]
