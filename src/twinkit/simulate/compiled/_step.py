"""One step of the compiled integrator: inputs, stages, dense output, step estimate.

``k`` is the :class:`_types.Kernel` of the run; arrays are pointers.
"""

# numba infers the types of these functions.
# ruff: noqa: ANN001, ANN202
# pyright: basic

import math

from twinkit.simulate.compiled._native import call, factor, inner, shift, solve
from twinkit.simulate.compiled._rodas5p import ERROR_ORDER, GAMMA, NODES, A, C, D, H
from twinkit.simulate.compiled._types import N_JAC, N_LU, N_RHS

#: Where in a step the continuous extension is checked (near its largest error).
_DEFECT_AT = 0.4


@inner
def evaluate_inputs(k, t, first, last):
    """Evaluate ``u`` and its slope from the pieces ``first..last``; True if it moves.

    Confining the search to the pieces between two jumps makes the value at a
    jump the limit from the side that is being integrated.
    """
    low, high = first, last
    while low < high:
        middle = (low + high + 1) // 2
        if t >= k.knots[middle]:
            low = middle
        else:
            high = middle - 1
    s = t - k.knots[low]
    moving = False
    for i in range(k.nu):
        at = 4 * (low * k.nu + i)
        c1, c2, c3 = k.coefs[at + 1], k.coefs[at + 2], k.coefs[at + 3]
        slope = c1 + s * (2.0 * c2 + 3.0 * s * c3)
        k.u[i] = k.coefs[at] + s * (c1 + s * (c2 + s * c3))
        k.u[k.nu + i] = slope
        moving = moving or slope != 0.0
    return moving


@inner
def rate(k, t, y, first, last, out):
    """Evaluate ``F(t, y, u(t), p)``."""
    evaluate_inputs(k, t, first, last)
    call(k.rhs, t, y, k.u, k.p, out)
    k.stats[N_RHS] += 1


@inner
def linearise(k, t, y, first, last):
    """Evaluate F, dF/dy and, where F moves in time by itself, dF/dt."""
    moving = evaluate_inputs(k, t, first, last) or k.explicit_time != 0
    call(k.rhs, t, y, k.u, k.p, k.f0)
    call(k.jac, t, y, k.u, k.p, k.jacobian)
    if moving:
        call(k.dfdt, t, y, k.u, k.p, k.drift)
    k.stats[N_RHS] += 1
    k.stats[N_JAC] += 1
    return moving


@inner
def weighted_norm(k, v, y, y_new):
    """Root mean square of ``v`` in units of the tolerance."""
    total = 0.0
    for i in range(k.n):
        e = v[i] / (k.atol[i] + k.rtol * max(abs(y[i]), abs(y_new[i])))
        total += e * e
    return math.sqrt(total / k.n)


@inner
def factorise(k, diagonal):
    """Factorise ``M * diagonal - J``; False if it is singular."""
    n, a = k.n, k.matrix
    for j in range(n):
        for i in range(max(0, j - k.below - k.above), min(n, j + k.below + 1)):
            a[j * n + i] = 0.0
    for e in range(k.nnz):
        a[k.cols[e] * n + k.rows[e]] = -k.jacobian[e]
    for i in range(n):
        a[i * n + i] += k.mass[i] * diagonal
    k.stats[N_LU] += 1
    return factor(a, k.pivots, n, k.below, k.above)


@inner
def attempt(k, t, h, y, y_new, first, last, moving):
    """Try a step into ``y_new``; return its error in units of the tolerance.

    Infinite if the matrix is singular, NaN if the model gave NaN.
    """
    if not factorise(k, 1.0 / (h * GAMMA)):
        return math.inf
    n, stage = k.n, k.stages
    for i in range(8):
        b = shift(stage, i * n)
        if i == 0:
            f = k.f0
            for m in range(n):
                b[m] = f[m]
        else:
            if i < 6:
                for m in range(n):
                    total = y[m]
                    for j in range(i):
                        total += A[i, j] * stage[j * n + m]
                    y_new[m] = total
            else:
                for m in range(n):
                    y_new[m] += stage[(i - 1) * n + m]
            f = k.f
            rate(k, t + NODES[i] * h, y_new, first, last, f)
            for m in range(n):
                total = 0.0
                for j in range(i):
                    total += C[i, j] * stage[j * n + m]
                b[m] = f[m] + k.mass[m] * (total / h)
        if moving and i < 5:
            for m in range(n):
                b[m] += h * D[i] * k.drift[m]
        solve(k.matrix, k.pivots, n, k.below, k.above, b)
    error = shift(stage, 7 * n)
    for m in range(n):
        y_new[m] += error[m]
    return weighted_norm(k, error, y, y_new)


@inner
def dense_coefficients(k):
    """Combine the stages into the coefficients of the continuous extension."""
    for i in range(3):
        for m in range(k.n):
            total = 0.0
            for j in range(8):
                total += H[i, j] * k.stages[j * k.n + m]
            k.dense[i * k.n + m] = total


@inner
def dense_value(k, s, y, y_new, out):
    """Evaluate the continuous extension at the fraction ``s`` of the step."""
    r, n, d = 1.0 - s, k.n, k.dense
    for m in range(n):
        out[m] = r * y[m] + s * (y_new[m] + r * (d[m] + s * (d[n + m] + s * d[2 * n + m])))


@inner
def dense_error(k, t, h, y, y_new, first, last):
    """Estimate the error of the continuous extension in units of the tolerance.

    The defect ``F(s, y(s)) - M y'(s)`` inside the step, seen through the stage
    matrix.  In stiff components that error can be a hundred times the embedded
    one, which looks at the end of the step only.
    """
    n, s, d = k.n, _DEFECT_AT, k.dense
    r = 1.0 - s
    dense_value(k, s, y, y_new, k.point)
    rate(k, t + s * h, k.point, first, last, k.f)
    for m in range(n):
        inner_value = d[m] + s * (d[n + m] + s * d[2 * n + m])
        inner_slope = d[n + m] + 2.0 * s * d[2 * n + m]
        slope = y_new[m] - y[m] + (r - s) * inner_value + s * r * inner_slope
        k.f[m] -= k.mass[m] * slope / h
    solve(k.matrix, k.pivots, n, k.below, k.above, k.f)
    return weighted_norm(k, k.f, y, y_new)


@inner
def initial_step(k, t, span, y, first, last):
    """Estimate a first step (Hairer, Norsett & Wanner, Solving ODEs I, sec. II.4).

    ``k.f0`` holds the rates at ``t``.
    """
    y1, f1 = k.trial, k.f
    for i in range(k.n):
        f1[i] = k.mass[i] * k.f0[i]
    d0, d1 = weighted_norm(k, y, y, y), weighted_norm(k, f1, y, y)
    h = 1e-6 * span if d0 < 1e-5 or d1 < 1e-5 else min(0.01 * d0 / d1, span)
    for i in range(k.n):
        y1[i] = y[i] + h * f1[i]
    rate(k, t + h, y1, first, last, f1)
    for i in range(k.n):
        f1[i] = k.mass[i] * (f1[i] - k.f0[i])
    steepest = max(d1, weighted_norm(k, f1, y, y) / h)
    if not math.isfinite(steepest):
        return min(h, 1e-3 * span)
    if steepest <= 1e-15:
        return max(1e-6 * span, 1e-3 * h)
    return min(100.0 * h, (0.01 / steepest) ** (1.0 / ERROR_ORDER))


@inner
def _algebraic_only(k, v):
    for i in range(k.n):
        if k.mass[i] > 0.5:
            v[i] = 0.0


@inner
def consistent(k, t, y, first, last):
    """Solve the algebraic equations for the algebraic variables, in place.

    Damped Newton with the affine-invariant monotonicity test, so the outcome
    does not depend on how the residuals are scaled.
    """
    if k.algebraic == 0:
        return True
    n, step, residual = k.n, k.stages, shift(k.stages, k.n)
    rate(k, t, y, first, last, k.f)
    for _ in range(50):
        call(k.jac, t, y, k.u, k.p, k.jacobian)
        k.stats[N_JAC] += 1
        for e in range(k.nnz):
            if k.mass[k.rows[e]] > 0.5 or k.mass[k.cols[e]] > 0.5:
                k.jacobian[e] = 0.0
        if not factorise(k, 1.0):
            return False
        for i in range(n):
            step[i] = k.f[i]
        _algebraic_only(k, step)
        solve(k.matrix, k.pivots, n, k.below, k.above, step)
        size = weighted_norm(k, step, y, y)
        if not math.isfinite(size):
            return False
        damping, finished = 1.0, size <= 1e-2
        while True:
            for i in range(n):
                k.trial[i] = y[i] + damping * step[i]
            rate(k, t, k.trial, first, last, k.f)
            if finished:
                break
            for i in range(n):
                residual[i] = k.f[i]
            _algebraic_only(k, residual)
            solve(k.matrix, k.pivots, n, k.below, k.above, residual)
            if weighted_norm(k, residual, y, y) <= (1.0 - 0.25 * damping) * size:
                break
            damping *= 0.5
            if damping < 1e-8:
                return False
        for i in range(n):
            y[i] = k.trial[i]
        if finished:
            return True
    return False
