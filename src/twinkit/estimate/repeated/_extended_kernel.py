"""The extended Kalman filter over a whole record, compiled by numba. Read as text: see `source`.

Everything below the line is put behind the emitted functions and the constants of one filter: ``N`` estimated
quantities, ``M`` sensors, ``NZ`` algebraic variables, ``NU`` inputs, ``NJ`` and ``NH`` nonzeros of the Jacobians of
rates and sensors. What it computes is `prediction.fixed` and `compiled._correction`; a test holds the two together.
"""
# ruff: noqa: F821 - the emitted functions

import math
from typing import Any

import numpy as np

_OPTIONS: dict[str, Any] = {}
N = M = NZ = NU = NJ = NH = 0


def njit(**_options: Any) -> Any:
    """Stand in for numba's, so that this file can be imported without it."""
    return lambda function: function


# ------------------------------------------------------------------------------------------------------------ kernel


@njit(**_OPTIONS)
def inputs_at(c, offset, u):
    """Evaluate the input polynomials."""
    for i in range(NU):
        u[i] = c[i, 0] + offset * (c[i, 1] + offset * (c[i, 2] + offset * c[i, 3]))


@njit(**_OPTIONS)
def settled(t, x, z, u, modes, p, found):
    """Solve the algebraic variables."""
    if NZ > 0:
        solve(t, x, z, u, modes, p, found)
        for i in range(NZ):
            z[i] = found[i]


@njit(**_OPTIONS)
def tangent(t, h, x, z, c, modes, p, u, at, total, found, stages, whole, second):
    """Move `x` and `z` on by one sub-step and compute its tangent maps; return Newton's residual.

    The maps of the stages are ``B1 = J1`` and ``Bk = Jk + s (Jk B(k-1))``.
    """
    worst = 0.0
    for i in range(N):
        total[i] = 0.0
        at[i] = x[i]
    for k in range(4):
        shift = 0.0 if k == 0 else (h if k == 3 else 0.5 * h)
        weight = h / 6.0 if (k == 0 or k == 3) else h / 3.0
        inputs_at(c, shift, u)
        stage(t + shift, at, z, u, modes, p, found)
        for i in range(NZ):
            z[i] = found[N + NJ + i]
        worst = max(worst, found[N + NJ + NZ])
        ahead = 0.5 * h if k < 2 else h
        for i in range(N):
            total[i] += weight * found[i]
            at[i] = x[i] + ahead * found[i]
        jacobian = found[N : N + NJ]
        if k == 0:
            clear(stages[0])
        else:
            times(jacobian, stages[k - 1], shift, stages[k])
        scatter(jacobian, 1.0, stages[k])
        if k == 2:  # for the map from the middle to the end
            clear(whole)
            scatter(jacobian, 1.0, whole)
        if k == 3:
            times(jacobian, whole, 0.125 * h * h, second)
            scatter(jacobian, 0.25 * h, second)
    for i in range(N):
        x[i] += total[i]
        for j in range(N):
            second[i, j] += 0.25 * h * whole[i, j]
            inner = stages[0, i, j] + 2.0 * (stages[1, i, j] + stages[2, i, j]) + stages[3, i, j]
            whole[i, j] = h / 6.0 * inner
        second[i, i] += 1.0
        whole[i, i] += 1.0
    inputs_at(c, h, u)
    settled(t + h, x, z, u, modes, p, found)
    return worst


@njit(**_OPTIONS)
def clear(matrix):
    """Put zeros everywhere."""
    for i in range(N):
        for j in range(N):
            matrix[i, j] = 0.0


@njit(**_OPTIONS)
def mirrored(matrix):
    """Copy the lower half to the upper one."""
    for i in range(N):
        for j in range(i):
            matrix[j, i] = matrix[i, j]


@njit(**_OPTIONS)
def rows_times(a, b, count, matrix, out, second):
    """Compute ``out += a @ matrix`` and ``second += b @ matrix`` for two rows; four rows of the matrix at a time."""
    k = 0
    while k + 4 <= count:
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
        for j in range(N):
            m0, m1, m2, m3 = matrix[k, j], matrix[k + 1, j], matrix[k + 2, j], matrix[k + 3, j]
            out[j] += (a0 * m0 + a1 * m1) + (a2 * m2 + a3 * m3)
            second[j] += (b0 * m0 + b1 * m1) + (b2 * m2 + b3 * m3)
        k += 4
    while k < count:
        for j in range(N):
            out[j] += a[k] * matrix[k, j]
            second[j] += b[k] * matrix[k, j]
        k += 1


@njit(**_OPTIONS)
def multiply(left, count, right, out, spare):
    """Compute ``out = left[:, :count] @ right[:count]``, two rows at a time."""
    for i in range(N):
        for j in range(N):
            out[i, j] = 0.0
    for i in range(0, N - 1, 2):
        rows_times(left[i], left[i + 1], count, right, out[i], out[i + 1])
    if N % 2:
        rows_times(left[N - 1], left[N - 1], count, right, out[N - 1], spare)


@njit(**_OPTIONS)
def spread_on(h, covariance, q, whole, second, left, right, spare):
    """Move the covariance on: a sum of congruences, ``[A V, s S] [A, S]'`` with ``V = P + h/6 Q``."""
    for i in range(N):
        covariance[i, i] += h / 6.0 * q[i]
        for j in range(N):
            right[j, i] = whole[i, j]
    columns = N
    for k in range(N):
        if q[k] > 0.0:
            size = 2.0 * h / 3.0 * q[k]
            for i in range(N):
                left[i, columns] = size * second[i, k]
                right[columns, i] = second[i, k]
            columns += 1
    multiply(whole, N, covariance, left, spare)
    multiply(left, columns, right, covariance, spare)
    for i in range(N):
        covariance[i, i] += h / 6.0 * q[i]
    mirrored(covariance)


@njit(**_OPTIONS)
def project(x, covariance, low, high, copy):
    """Put the mean onto its bounds in the metric of the covariance; see `constraints.within_bounds`."""
    inside = True
    for i in range(N):
        if not (low[i] <= x[i] <= high[i]):
            inside = False
    if inside:
        return
    for i in range(N):
        for j in range(N):
            copy[i, j] = covariance[i, j]
    for _ in range(N):
        worst, k = 0.0, -1
        for i in range(N):
            beyond = max(low[i] - x[i], x[i] - high[i])
            if copy[i, i] > 1e-300 and beyond / math.sqrt(copy[i, i]) > worst:
                worst, k = beyond / math.sqrt(copy[i, i]), i
        if k < 0:
            break
        bound = low[k] if x[k] < low[k] else high[k]
        change = (bound - x[k]) / copy[k, k]
        for i in range(N):
            x[i] += copy[i, k] * change
        x[k] = bound
        pivot = copy[k, k]
        for i in range(N):
            if i != k:
                factor = copy[i, k] / pivot
                for j in range(N):
                    if j != k:
                        copy[i, j] -= factor * copy[k, j]
        for i in range(N):
            copy[i, k] = 0.0
            copy[k, i] = 0.0
    for i in range(N):
        x[i] = min(max(x[i], low[i]), high[i])


@njit(**_OPTIONS)
def correct(x, covariance, found, value, variance, gate, prior, v, mh, innovation, spreads, accepted):
    """Take the readings in, one after the other, in Joseph's form; return NIS and the logarithm of the likelihood."""
    nis, likelihood = 0.0, 0.0
    some, some_accepted = False, False
    for i in range(N):
        prior[i] = x[i]
    for j in range(M):
        innovation[j] = value[j] - found[j]
        through(j, found[M:], covariance, v)
        spreads[j] = onto(j, found[M:], v) + variance[j]
        accepted[j] = innovation[j] * innovation[j] <= gate * spreads[j]  # not where it is missing (NaN)
    for j in range(M):
        if value[j] != value[j]:
            continue
        some = True
        through(j, found[M:], covariance, v)
        spread = onto(j, found[M:], v) + variance[j]
        for i in range(N):
            mh[i] = x[i] - prior[i]
        surprise = innovation[j] - onto(j, found[M:], mh)
        nis += surprise * surprise / spread
        if not accepted[j]:
            continue
        likelihood -= 0.5 * (surprise * surprise / spread + math.log(6.283185307179586 * spread))
        some_accepted = True
        joseph(j, found[M:], covariance, spread, v, mh)  # (P - K h P) h'
        for i in range(N):
            gain = v[i] / spread
            x[i] += gain * surprise
            rest = (variance[j] * gain - mh[i]) / spread
            for k in range(N):
                covariance[i, k] += rest * v[k] - gain * v[k]
    if some_accepted:
        mirrored(covariance)
    return (nis if some else math.nan), likelihood


@njit(**_OPTIONS)
def run(
    begins, widths, pieces, first, ends, coefficients, end_inputs, x, z, covariance, modes, p, q, low, high, bounded,
    values, variances, gate, means, stds, covariances, algebraics, innovations, spreads, accepted, nis, likelihoods,
):  # fmt: skip
    """Filter a record; return the position of the time that could not be reached, or -1."""
    u, at, total, v = np.empty(NU + 1), np.empty(N), np.empty(N), np.empty(N)
    found = np.empty(N + NJ + NZ + 1 + M + NH)
    stages, whole, second = np.empty((4, N, N)), np.empty((N, N)), np.empty((N, N))
    left, right = np.empty((N, 2 * N)), np.empty((2 * N, N))
    keep = covariances.shape[0] > 0
    for row in range(len(ends)):
        for s in range(first[row], first[row + 1]):
            h = widths[s]
            worst = tangent(
                begins[s], h, x, z, coefficients[pieces[s]], modes, p, u, at, total, found, stages, whole, second
            )
            spread_on(h, covariance, q, whole, second, left, right, total)
            if not worst <= 1e-6:
                return row
            if bounded:
                project(x, covariance, low, high, stages[0])
        for i in range(NU):
            u[i] = end_inputs[row if end_inputs.shape[0] > 1 else 0, i]
        settled(ends[row], x, z, u, modes, p, found)
        seen(ends[row], x, z, u, modes, p, found)
        nis[row], likelihoods[row] = correct(
            x, covariance, found, values[row], variances[row if variances.shape[0] > 1 else 0], gate, at, v, total,
            innovations[row], spreads[row], accepted[row],
        )  # fmt: skip
        if bounded:
            project(x, covariance, low, high, stages[0])
        settled(ends[row], x, z, u, modes, p, found)
        finite = True
        for i in range(N):
            means[row, i] = x[i]
            stds[row, i] = math.sqrt(max(covariance[i, i], 0.0))
            finite = finite and math.isfinite(x[i]) and math.isfinite(covariance[i, i])
            if keep:
                for j in range(N):
                    covariances[row, i, j] = covariance[i, j]
        for i in range(NZ):
            algebraics[row, i] = z[i]
        if not finite:
            return row
    return -1
