"""The quadratic programme of a window, solved exactly by a Kalman filter forward and adjoints backward.

About a trajectory `x` the window is linear: ``x[k+1] = f[k] + A[k] (x[k] - x[k]) + noise``, readings
``y = h[k] + H[k] (x - x[k]) + noise``, and a normal prior for the first node. The optimum is the smoothed trajectory,
found by the modified Bryson-Frazier recursion [1]_. It inverts no covariance: states known exactly, constant parameters
and noise of any rank are ordinary input. Bounds that are active are readings without noise; their adjoints are the
multipliers.

Written for both NumPy and numba: the same text, interpreted or compiled.

References
----------
.. [1] G. J. Bierman, Fixed interval smoothing with discrete measurements, Int. J. Control 18 (1973) 65-75.
   doi:10.1080/00207177308932487
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from twinkit.core.component import Array

_NOTHING = 1e-300


class Swept(NamedTuple):
    """Result of `sweep`; ``(nodes, ...)`` unless said otherwise.

    Attributes
    ----------
    before, before_covariance
        Mean and covariance at every node from the data before it.
    smoothed
        The optimal trajectory.
    adjoint
        ``smoothed = before - before_covariance @ adjoint``.
    innovation, spread
        Of every reading, from the data before its instant: innovation and its variance.
    surprise
        Of all readings of a node together: normalised innovation squared, ``(nodes,)``.
    force
        Multipliers of the active bounds.
    covariance
        Covariance at the last node from all data, ``(n, n)``.
    """

    before: Array
    before_covariance: Array
    smoothed: Array
    adjoint: Array
    innovation: Array
    spread: Array
    surprise: Array
    force: Array
    covariance: Array


def sweep(
    mean: Array, covariance: Array, f: Array, a: Array, noise: Array, x: Array, h: Array, rows: Array, value: Array,
    variance: Array, present: Array, held: Array, target: Array,
) -> tuple[Array, ...]:  # fmt: skip
    """Solve the window linearised about `x`; return the fields of `Swept`.

    Parameters
    ----------
    mean, covariance
        Prior of the first node, ``(n,)`` and ``(n, n)``.
    f, a, noise
        Per interval: end point, sensitivity and noise covariance.
    x
        Per node: where the window was linearised.
    h, rows
        Per node: predicted quantities (readings, then constraints) and their derivatives.
    value, variance, present
        Per node and reading.
    held, target
        Per node and constraint: whether it is active, and at which value.
    """
    nodes, n = x.shape
    readings = value.shape[1]
    constraints = held.shape[1]
    before, before_covariance = np.zeros((nodes, n)), np.zeros((nodes, n, n))
    smoothed, adjoint = np.zeros((nodes, n)), np.zeros((nodes, n))
    innovation, spread = np.zeros((nodes, readings)), np.zeros((nodes, readings))
    surprise, force = np.zeros(nodes), np.zeros((nodes, constraints))
    keeps, pulls = np.zeros((nodes, n, n)), np.zeros((nodes, n))
    gains, ratios = np.zeros((nodes, constraints, n)), np.zeros((nodes, constraints))
    eye, seen, active = np.eye(n), np.zeros(nodes, dtype=np.bool_), np.zeros(nodes, dtype=np.bool_)
    bounded = held.any()
    m, p = mean.copy(), covariance.copy()
    for k in range(nodes):
        if k > 0:
            m = f[k - 1] + a[k - 1] @ (m - x[k - 1])
            p = a[k - 1] @ p @ a[k - 1].T + noise[k - 1]
            p = 0.5 * (p + p.T)
        before[k] = m
        before_covariance[k] = p
        chosen = np.nonzero(present[k] > 0)[0]
        seen[k] = chosen.size > 0
        if chosen.size > 0:
            observe, std2 = rows[k][chosen], variance[k][chosen]
            hp = observe @ p
            total = hp @ observe.T
            right = np.empty((chosen.size, n + 1))
            right[:, :n] = hp
            right[:, n] = value[k][chosen] - h[k][chosen] - observe @ (m - x[k])
            for i in range(chosen.size):
                total[i, i] += std2[i]
                innovation[k, chosen[i]] = right[i, n]
                spread[k, chosen[i]] = total[i, i]
            solved = np.linalg.solve(total, right)
            weighted, pull = np.ascontiguousarray(solved[:, :n]), np.ascontiguousarray(solved[:, n])
            e = np.ascontiguousarray(right[:, n])
            surprise[k] = e @ pull
            keep = eye - weighted.T @ observe
            keeps[k] = keep
            pulls[k] = pull @ observe
            m = m + e @ weighted
            p = keep @ p @ keep.T + (weighted.T * std2) @ weighted
        active[k] = bounded and held[k].any()
        for j in range(constraints if active[k] else 0):
            if held[k, j] == 0:
                continue
            row = rows[k, readings + j]
            ph = p @ row
            s = row @ ph
            if not s > _NOTHING:
                continue
            ratios[k, j] = (target[k, j] - h[k, readings + j] - row @ (m - x[k])) / s
            gains[k, j] = ph / s
            m = m + ph * ratios[k, j]
            p = p - gains[k, j].reshape(n, 1) * ph
    last = 0.5 * (p + p.T)
    after = np.zeros(n)
    for k in range(nodes - 1, -1, -1):
        if k < nodes - 1:
            after = a[k].T @ after
        for j in range(constraints - 1 if active[k] else -1, -1, -1):
            if held[k, j] != 0:
                push = ratios[k, j] + gains[k, j] @ after
                if ratios[k, j] != 0.0 or np.any(gains[k, j] != 0.0):
                    after = after - rows[k, readings + j] * push
                    force[k, j] = push
        if seen[k]:
            after = keeps[k].T @ after - pulls[k]
        adjoint[k] = after
        smoothed[k] = before[k] - before_covariance[k] @ after
    return before, before_covariance, smoothed, adjoint, innovation, spread, surprise, force, last


@functools.cache
def smoother(native: bool) -> Callable[..., Any]:
    """Return `sweep`, compiled by numba where that is wanted and possible."""
    if not native:
        return sweep
    try:
        from numba import njit
    except ImportError:
        return sweep
    return njit(cache=True, error_model="numpy")(sweep)
