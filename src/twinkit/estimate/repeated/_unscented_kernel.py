"""The unscented Kalman filter over a whole record, compiled by numba. Read as text, behind the extended kernel.

What it computes is `UnscentedKalmanFilter` with ``substeps``; a test holds the two together.
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
def drawn(x, root, reach, low, high, bounded, points):
    """Write the sigma points, one per row, the central one first."""
    for i in range(N):
        points[0, i] = x[i]
        for k in range(N):
            points[1 + k, i] = x[i] + reach * root[i, k]
            points[1 + N + k, i] = x[i] - reach * root[i, k]
    if bounded:
        for k in range(2 * N + 1):
            for i in range(N):
                points[k, i] = min(max(points[k, i], low[i]), high[i])


@njit(**_OPTIONS)
def flow(t, h, x, z, c, modes, p, u, at, total, found):
    """Move one point on by one Runge-Kutta step; return Newton's residual."""
    worst = 0.0
    for i in range(N):
        total[i] = 0.0
        at[i] = x[i]
    for k in range(4):
        shift = 0.0 if k == 0 else (h if k == 3 else 0.5 * h)
        weight = h / 6.0 if (k == 0 or k == 3) else h / 3.0
        ahead = 0.5 * h if k < 2 else h
        inputs_at(c, shift, u)
        rates(t + shift, at, z, u, modes, p, found)
        for i in range(NZ):
            z[i] = found[N + i]
        worst = max(worst, found[N + NZ])
        for i in range(N):
            total[i] += weight * found[i]
            at[i] = x[i] + ahead * found[i]
    for i in range(N):
        x[i] += total[i]
    return worst


@njit(**_OPTIONS)
def triangle(rows, count, width):
    """Turn the first `width` rows into the upper triangular factor of ``rows.T @ rows``, diagonal not negative."""
    for j in range(width):
        size = 0.0
        for i in range(j, count):
            size += rows[i, j] * rows[i, j]
        if size == 0.0:
            continue
        norm = math.copysign(math.sqrt(size), -rows[j, j])
        head = rows[j, j] - norm
        scale = size - rows[j, j] * norm  # half of the squared length of Householder's vector
        for k in range(j + 1, width):
            along = head * rows[j, k]
            for i in range(j + 1, count):
                along += rows[i, j] * rows[i, k]
            along /= scale
            rows[j, k] -= along * head
            for i in range(j + 1, count):
                rows[i, k] -= along * rows[i, j]
        rows[j, j] = norm
        for i in range(j + 1, count):
            rows[i, j] = 0.0
    for j in range(width):
        if rows[j, j] < 0.0:
            for k in range(j, width):
                rows[j, k] = -rows[j, k]


@njit(**_OPTIONS)
def averaged(values, width, outer, mean):
    """Write the weighted mean of rows of values."""
    for i in range(width):
        away = 0.0
        for k in range(1, 2 * N + 1):
            away += values[k, i] - values[0, i]
        mean[i] = values[0, i] + outer * away


@njit(**_OPTIONS)
def deviations(values, width, outer, central, mean, rows, begin, column):
    """Write the weighted deviations of rows of values."""
    for k in range(2 * N + 1):
        weight = math.sqrt(central) if k == 0 else math.sqrt(outer)
        for i in range(width):
            rows[begin + k, column + i] = weight * (values[k, i] - mean[i])


@njit(**_OPTIONS)
def covered(root, covariance):
    """Compute the covariance of a factor."""
    for i in range(N):
        for j in range(i + 1):
            total = 0.0
            for k in range(j + 1):
                total += root[i, k] * root[j, k]
            covariance[i, j] = total
            covariance[j, i] = total


@njit(**_OPTIONS)
def taken(
    x, root, points, seen_points, value, variance, gate, outer, central, rows, predicted, innovation, spreads, accepted
):
    """Take the readings of one time in; return NIS and the logarithm of the likelihood."""
    averaged(seen_points, M, outer, predicted)
    nis, count, some = 0.0, 0, False
    for j in range(M):
        spread = central * (seen_points[0, j] - predicted[j]) ** 2
        for k in range(1, 2 * N + 1):
            spread += outer * (seen_points[k, j] - predicted[j]) ** 2
        innovation[j] = value[j] - predicted[j]
        spreads[j] = spread + variance[j]
        accepted[j] = innovation[j] * innovation[j] <= gate * spreads[j]
        if value[j] == value[j]:
            some = True
            if accepted[j]:
                count += 1
            else:
                nis += innovation[j] * innovation[j] / spreads[j]
    if count == 0:
        return (nis if some else math.nan), 0.0
    averaged(points, N, outer, x)
    total, used = 2 * N + 1 + count, 0
    for i in range(total):
        for k in range(count + N):
            rows[i, k] = 0.0
    for j in range(M):
        if accepted[j]:
            rows[used, used] = math.sqrt(variance[j])
            for k in range(2 * N + 1):
                weight = math.sqrt(central) if k == 0 else math.sqrt(outer)
                rows[count + k, used] = weight * (seen_points[k, j] - predicted[j])
            predicted[used] = innovation[j]  # not needed any more: the accepted innovations in order
            used += 1
    deviations(points, N, outer, central, x, rows, count, count)
    triangle(rows, total, count + N)
    likelihood = 0.0
    for j in range(count):  # normalised innovations, by forward substitution
        left = predicted[j]
        for k in range(j):
            left -= rows[k, j] * predicted[k]
        predicted[j] = left / rows[j, j]
        nis += predicted[j] ** 2
        likelihood -= 0.5 * (predicted[j] ** 2 + math.log(6.283185307179586 * rows[j, j] * rows[j, j]))
    for i in range(N):
        for j in range(count):
            x[i] += rows[j, count + i] * predicted[j]
        for k in range(N):
            root[i, k] = rows[count + k, count + i] if k <= i else 0.0
    return nis, likelihood


@njit(**_OPTIONS)
def run(
    begins, widths, pieces, first, ends, coefficients, end_inputs, x, z, covariance, modes, p, q, low, high, bounded,
    values, variances, gate, means, stds, covariances, algebraics, innovations, spreads, accepted, nis, likelihoods,
    sigma, root,
):  # fmt: skip
    """Filter a record; return the position of the time that could not be reached, or -1."""
    reach, central, outer = sigma[0], sigma[1], sigma[2]
    u, at, total, predicted = np.empty(NU + 1), np.empty(N), np.empty(N), np.empty(M)
    found = np.empty(N + NJ + NZ + 1 + M + NH)
    stages, whole, second, copy = np.empty((4, N, N)), np.empty((N, N)), np.empty((N, N)), np.empty((N, N))
    points, rows = np.empty((2 * N + 1, N)), np.empty((5 * N + 1 + M, N + M))
    seen_points, zs, z0, ahead = np.empty((2 * N + 1, M)), np.empty(NZ), np.empty(NZ), np.empty(N)
    keep = covariances.shape[0] > 0
    for row in range(len(ends)):
        for s in range(first[row], first[row + 1]):
            t, h, c = begins[s], widths[s], coefficients[pieces[s]]
            drawn(x, root, reach, low, high, bounded, points)
            worst = 0.0
            for k in range(2 * N, -1, -1):  # the central one last: its algebraic variables are kept
                for i in range(NZ):
                    zs[i] = z[i]
                worst = max(worst, flow(t, h, points[k], zs, c, modes, p, u, at, total, found))
                if NZ > 0 and k == 0:
                    inputs_at(c, h, u)
                    settled(t + h, points[0], zs, u, modes, p, found)
            for i in range(N):
                ahead[i] = x[i]
            for i in range(NZ):
                z0[i] = z[i]
            tangent(t, h, ahead, z0, c, modes, p, u, at, total, found, stages, whole, second)
            averaged(points, N, outer, x)
            deviations(points, N, outer, central, x, rows, 0, 0)
            size, count = math.sqrt(h / 6.0), 2 * N + 1
            for k in range(N):
                if q[k] > 0.0:
                    noise = size * math.sqrt(q[k])
                    for i in range(N):
                        rows[count, i] = noise * whole[i, k]
                        rows[count + 1, i] = 2.0 * noise * second[i, k]
                        rows[count + 2, i] = 0.0
                    rows[count + 2, k] = noise
                    count += 3
            triangle(rows, count, N)
            for i in range(N):
                for k in range(N):
                    root[i, k] = rows[k, i] if k <= i else 0.0
            for i in range(NZ):
                z[i] = zs[i]
            if not worst <= 1e-6:
                return row
            if bounded:
                covered(root, covariance)
                project(x, covariance, low, high, copy)
        for i in range(NU):
            u[i] = end_inputs[row if end_inputs.shape[0] > 1 else 0, i]
        drawn(x, root, reach, low, high, bounded, points)
        for k in range(2 * N + 1):
            for i in range(NZ):
                zs[i] = z[i]
            settled(ends[row], points[k], zs, u, modes, p, found)
            seen(ends[row], points[k], zs, u, modes, p, found)
            for j in range(M):
                seen_points[k, j] = found[j]
        nis[row], likelihoods[row] = taken(
            x, root, points, seen_points, values[row], variances[row if variances.shape[0] > 1 else 0], gate, outer,
            central, rows, predicted, innovations[row], spreads[row], accepted[row],
        )  # fmt: skip
        covered(root, covariance)
        if bounded:
            project(x, covariance, low, high, copy)
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
