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
        Of every reading, in sequence: innovation squared over variance.
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
    total = h.shape[1]
    before, before_covariance = np.zeros((nodes, n)), np.zeros((nodes, n, n))
    smoothed, adjoint = np.zeros((nodes, n)), np.zeros((nodes, n))
    innovation, spread = np.zeros((nodes, readings)), np.zeros((nodes, readings))
    surprise, force = np.zeros((nodes, readings)), np.zeros((nodes, total - readings))
    gains, ratios = np.zeros((nodes, total, n)), np.zeros((nodes, total))
    used = np.zeros((nodes, total))
    m, p = mean.copy(), covariance.copy()
    for k in range(nodes):
        if k > 0:
            m = f[k - 1] + a[k - 1] @ (m - x[k - 1])
            p = a[k - 1] @ p @ a[k - 1].T + noise[k - 1]
            p = 0.5 * (p + p.T)
        before[k] = m
        before_covariance[k] = p
        start, prior = m, p
        for j in range(total):
            if j < readings:
                wanted, std2, y = present[k, j] > 0, variance[k, j], value[k, j]
            else:
                wanted, std2, y = held[k, j - readings] != 0, 0.0, target[k, j - readings]
            if not wanted:
                continue
            row = rows[k, j]
            ph = p @ row
            s = row @ ph + std2
            e = y - h[k, j] - row @ (m - x[k])
            if j < readings:
                innovation[k, j] = y - h[k, j] - row @ (start - x[k])
                spread[k, j] = row @ (prior @ row) + std2
                surprise[k, j] = e * e / s
            if not s > _NOTHING:
                continue
            gain = ph / s
            used[k, j] = 1.0
            gains[k, j] = gain
            ratios[k, j] = e / s
            m = m + gain * e
            p = p - np.outer(gain, ph)
            p = p - np.outer(p @ row, gain) + std2 * np.outer(gain, gain)
    last = 0.5 * (p + p.T)
    after = np.zeros(n)
    for k in range(nodes - 1, -1, -1):
        if k < nodes - 1:
            after = a[k].T @ after
        for j in range(total - 1, -1, -1):
            if used[k, j] > 0:
                push = ratios[k, j] + gains[k, j] @ after
                after = after - rows[k, j] * push
                if j >= readings:
                    force[k, j - readings] = push
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
