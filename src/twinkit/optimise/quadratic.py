"""Quadratic programmes of stages, solved by HPIPM, which needs time in proportion to the number of stages.

    minimise    sum over k of  1/2 x'Q x + q'x + u'S x + 1/2 u'R u + r'u      (k = 0..N; no u at N)
    subject to  x[0] = b_first + B_first v,  x[k+1] = A x + B u + b
                low <= x <= high,  low <= u <= high,  path_low <= C x + D u <= path_high

The first state is free through `v`, with cost 1/2 v'v: a prior covariance of any rank is ``B_first B_first'``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core.component import Array
from twinkit.readings.casadi import SYMBOLIC

_MODES = ("balance", "robust")
_FREE = 1e5  # the interface makes bounds of infinities; this far away they do not harm the interior-point method


@dataclass(frozen=True, eq=False)
class StageProgram:
    """A quadratic programme of `N` stages with `n` states, `m` inputs and `g` path constraints; see the module.

    Attributes
    ----------
    A, B, b
        ``(N, n, n)``, ``(N, n, m)``, ``(N, n)``.
    B_first, b_first
        ``(n, m0)`` with m0 >= 1, ``(n,)``.
    Q, q
        ``(N + 1, n, n)``, ``(N + 1, n)``.
    S, R, r
        ``(N, m, n)``, ``(N, m, m)``, ``(N, m)``.
    x_low, x_high
        ``(N + 1, n)``.
    u_low, u_high
        ``(N, m)``.
    C, D, path_low, path_high
        ``(N + 1, g, n)``, ``(N, g, m)``, ``(N + 1, g)``.
    """

    A: Array
    B: Array
    b: Array
    B_first: Array
    b_first: Array
    Q: Array
    q: Array
    S: Array
    R: Array
    r: Array
    x_low: Array
    x_high: Array
    u_low: Array
    u_high: Array
    C: Array
    D: Array
    path_low: Array
    path_high: Array

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """``N, n, m, m0, g``."""
        return len(self.A), self.Q.shape[1], self.B.shape[2], self.B_first.shape[1], self.C.shape[1]


@dataclass(frozen=True, eq=False)
class StageSolution:
    """The optimum of a `StageProgram`.

    Attributes
    ----------
    first, x, u
        ``v``, states ``(N + 1, n)``, inputs ``(N, m)``.
    adjoint
        Multipliers of the equations that give ``x[0], ..., x[N]``, ``(N + 1, n)``.
    x_force, path_force
        Multipliers of the bounds on the states and of the path constraints; positive at an upper bound.
    """

    first: Array
    x: Array
    u: Array
    adjoint: Array
    x_force: Array
    path_force: Array


def solve_stages(p: StageProgram) -> StageSolution | str:
    """Solve a programme; a text says why it has no solution.

    Parameters
    ----------
    p
        The programme, in variables of order one.
    """
    if not all(np.isfinite(a).all() for a in (p.A, p.B, p.b, p.B_first, p.b_first, p.Q, p.q, p.S, p.R, p.r, p.C, p.D)):
        return "the quadratic programme is not finite"
    reason = ""
    for mode in _MODES:
        found = _attempt(p, mode)
        if not isinstance(found, str):
            return found
        reason = found
    return reason


def _attempt(p: StageProgram, mode: str) -> StageSolution | str:
    first = p.sizes[3]
    with SYMBOLIC:
        solver, pattern_h, pattern_a = _solver(p.sizes, mode)
        low = np.concatenate([np.full(first, -np.inf), np.hstack([p.x_low[:-1], p.u_low]).ravel(), p.x_low[-1]])
        high = np.concatenate([np.full(first, np.inf), np.hstack([p.x_high[:-1], p.u_high]).ravel(), p.x_high[-1]])
        values = {
            "h": ca.DM(pattern_h, _hessian(p)),
            "a": ca.DM(pattern_a, _rows(p)),
            "g": np.concatenate([np.zeros(first), np.hstack([p.q[:-1], p.r]).ravel(), p.q[-1]]),
            "lbx": low,
            "ubx": high,
            "lba": _right(p, p.path_low),
            "uba": _right(p, p.path_high),
        }
        try:
            found = solver(**values)
        except RuntimeError as error:
            return f"HPIPM stopped: {str(error).splitlines()[0]}"
        stats = solver.stats()
        if not stats["success"]:
            return f"the quadratic programme has no solution within its bounds ({stats['unified_return_status']})"
        xu, forces, rows = (np.array(found[name]).ravel() for name in ("x", "lam_x", "lam_a"))
    if not np.isfinite(xu).all():
        return "HPIPM returned numbers that are not finite"
    if (np.abs(xu) > 0.9 * _FREE).any():
        return "the quadratic programme is unbounded, or far from scaled"
    return _unpacked(p, xu, forces, rows)


def _right(p: StageProgram, path: Array) -> Array:
    return np.concatenate([-p.b_first, np.hstack([-p.b, path[:-1]]).ravel(), path[-1]])


def _hessian(p: StageProgram) -> Array:
    """Return the entries of the Hessian by columns."""
    first = p.sizes[3]
    stages = np.block([[p.Q[:-1], p.S.transpose(0, 2, 1)], [p.S, p.R]])
    # By columns: of symmetric blocks, the same as by rows.
    return np.concatenate([np.eye(first).ravel(), stages.ravel(), p.Q[-1].ravel()])


def _rows(p: StageProgram) -> Array:
    """Return the entries of the constraints by columns: for a state -1, its dynamics, its path rows."""
    count, n, m, _, g = p.sizes
    lead = -np.ones((count, 1, n))
    states = np.concatenate([lead, p.A, p.C[:-1]], axis=1).transpose(0, 2, 1).reshape(count, n * (1 + n + g))
    inputs = np.concatenate([p.B, p.D], axis=1).transpose(0, 2, 1).reshape(count, m * (n + g))
    last = np.concatenate([-np.ones((1, n)), p.C[-1]], axis=0).T
    return np.concatenate([p.B_first.ravel("F"), np.hstack([states, inputs]).ravel(), last.ravel()])


@functools.lru_cache(maxsize=64)
def _solver(sizes: tuple[int, int, int, int, int], mode: str) -> tuple[Any, Any, Any]:
    """Return the solver of programmes of one size, and the patterns of the Hessian and the constraints."""
    count, n, m, first, g = sizes
    nx, nu, ng = [0, *[n] * (count + 1)], [first, *[m] * count, 0], [0, *[g] * (count + 1)]
    hessian = ca.diagcat(*[ca.DM.ones(a + b, a + b) for a, b in zip(nx, nu, strict=True)]).sparsity()
    columns = sum(nx) + sum(nu)
    rows, at = [], 0
    for k, (a, b, c) in enumerate(zip(nx, nu, ng, strict=True)):
        before, here = ca.Sparsity(n, at), ca.Sparsity.dense(n, a + b)
        if k <= count:
            parts = [before, here, ca.Sparsity.diag(n), ca.Sparsity(n, columns - at - a - b - n)]
            rows.append(ca.horzcat(*parts))
        if c:
            rows.append(
                ca.horzcat(ca.Sparsity(c, at), ca.Sparsity.dense(c, a + b), ca.Sparsity(c, columns - at - a - b))
            )
        at += a + b
    pattern = ca.vertcat(*rows)
    options: dict[str, Any] = {"error_on_fail": False, "print_time": False}
    name = "hpipm" if ca.has_conic("hpipm") else "qrqp"
    if name == "hpipm":
        options |= {"N": count + 1, "nx": nx, "nu": nu, "ng": ng, "inf": _FREE}
        options["hpipm"] = {"mode": mode, "iter_max": 100}
    else:
        options |= {"print_iter": False, "print_header": False, "print_info": False}
    return ca.conic("stages", name, {"h": hessian, "a": pattern}, options), hessian, pattern


def _unpacked(p: StageProgram, xu: Array, forces: Array, rows: Array) -> StageSolution:
    count, n, m, first, g = p.sizes
    middle, end = first + count * (n + m), n + count * (n + g)
    stages = xu[first:middle].reshape(count, n + m)
    pushes = forces[first:middle].reshape(count, n + m)
    lines = rows[n:end].reshape(count, n + g)
    return StageSolution(
        xu[:first],
        np.vstack([stages[:, :n], xu[middle:]]),
        stages[:, n:],
        np.vstack([rows[:n], lines[:, :n]]),
        np.vstack([pushes[:, :n], forces[middle:]]),
        np.vstack([lines[:, n:], rows[end:]]),
    )
