"""The extended Kalman filter over a whole record, compiled by numba. Read as text: see `source`.

Everything below the line is put behind the emitted functions and the constants of one filter: ``N`` estimated
quantities, ``M`` sensors, ``NZ`` algebraic variables, ``NU`` inputs, ``NJ`` and ``NH`` nonzeros of the Jacobians of
rates and sensors. What it computes is `prediction.fixed` and `compiled._correction`; a test holds the two together.
"""
# ruff: noqa: F821
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
    """Move `x` and `z` on by one sub-step and compute its tangent maps; return Newton's residual."""
    a, b = stages[0], stages[1]
    worst = 0.0
    for i in range(N):
        total[i] = 0.0
        at[i] = x[i]
        for j in range(N):
            whole[i, j] = 0.0
            a[i, j] = 0.0
        a[i, i] = 1.0
    for k in range(4):
        shift = 0.0 if k == 0 else (h if k == 3 else 0.5 * h)
        weight = h / 6.0 if (k == 0 or k == 3) else h / 3.0
        inputs_at(c, shift, u)
        stage(t + shift, at, z, u, modes, p, found)
        for i in range(NZ):
            z[i] = found[N + NJ + i]
        worst = max(worst, found[N + NJ + NZ])
        ahead = 0.5 * h if k < 2 else h
        times(found[N : N + NJ], a, b)
        for i in range(N):
            total[i] += weight * found[i]
            at[i] = x[i] + ahead * found[i]
            for j in range(N):
                whole[i, j] += weight * b[i, j]
                a[i, j] = ahead * b[i, j]
            a[i, i] += 1.0
        if k == 2:  # of the half step from the middle to the end
            for i in range(N):
                for j in range(N):
                    stages[2, i, j] = 0.0
                stages[2, i, i] = 1.0
            times(found[N : N + NJ], stages[2], second)
            for i in range(N):
                for j in range(N):
                    stages[2, i, j] = 0.5 * h * second[i, j]
                stages[2, i, i] += 1.0
        if k == 3:
            times(found[N : N + NJ], stages[2], stages[3])
            for i in range(N):
                for j in range(N):
                    second[i, j] = 0.25 * h * (second[i, j] + stages[3, i, j])
                second[i, i] += 1.0
    for i in range(N):
        x[i] += total[i]
        whole[i, i] += 1.0
    inputs_at(c, h, u)
    settled(t + h, x, z, u, modes, p, found)
    return worst


@njit(**_OPTIONS)
def mirrored(matrix):
    """Copy the lower half to the upper one."""
    for i in range(N):
        for j in range(i):
            matrix[j, i] = matrix[i, j]


@njit(**_OPTIONS)
def spread_on(h, covariance, q, whole, second, product, transposed):
    """Move the covariance on: a sum of congruences."""
    for i in range(N):
        covariance[i, i] += h / 6.0 * q[i]
        for j in range(N):
            transposed[j, i] = whole[i, j]
            product[i, j] = 0.0
    for i in range(N):
        for k in range(N):
            factor = whole[i, k]
            for j in range(N):
                product[i, j] += factor * covariance[k, j]
    for i in range(N):
        for j in range(N):
            covariance[i, j] = 0.0
        for k in range(N):
            factor = product[i, k]
            for j in range(i + 1):
                covariance[i, j] += factor * transposed[k, j]
    for k in range(N):
        if q[k] > 0.0:
            for i in range(N):
                transposed[k, i] = second[i, k]
            size = 2.0 * h / 3.0 * q[k]
            for i in range(N):
                factor = size * transposed[k, i]
                for j in range(i + 1):
                    covariance[i, j] += factor * transposed[k, j]
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
    some = False
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
        for i in range(N):
            gain = v[i] / spread
            x[i] += gain * surprise
            for k in range(N):
                covariance[i, k] -= gain * v[k]
        for i in range(N):
            mh[i] = onto(j, found[M:], covariance[i])
        for i in range(N):
            for k in range(i + 1):
                gain = v[k] / spread
                covariance[i, k] += (variance[j] * v[i] / spread - mh[i]) * gain
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
    keep = covariances.shape[0] > 0
    for row in range(len(ends)):
        for s in range(first[row], first[row + 1]):
            h = widths[s]
            worst = tangent(
                begins[s], h, x, z, coefficients[pieces[s]], modes, p, u, at, total, found, stages, whole, second
            )
            spread_on(h, covariance, q, whole, second, stages[0], stages[1])
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
