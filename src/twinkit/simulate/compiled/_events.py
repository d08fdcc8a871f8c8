"""Events of the compiled integrator: sign changes and their location."""

# numba infers the types of these functions.
# ruff: noqa: ANN001, ANN202
# pyright: basic

import math

from twinkit.simulate.compiled._native import call, inner
from twinkit.simulate.compiled._step import dense_value, evaluate_inputs
from twinkit.simulate.compiled._types import N_ROOTS

#: Points per step at which a sign change is looked for.
_SAMPLES = 4
_EPS = 2.220446049250313e-16


@inner
def sign_of(x):
    """Return -1, 0 or 1."""
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else 0.0)


@inner
def crossed(sign, value, direction):
    """Whether a root of that direction lies between a past sign and a value."""
    rising = sign < 0.0 and value >= 0.0 and direction >= 0
    return rising or (sign > 0.0 and value <= 0.0 and direction <= 0)


@inner
def evaluate_roots(k, t, y, first, last):
    """Evaluate the root functions into ``k.values``; False if one is NaN."""
    evaluate_inputs(k, t, first, last)
    call(k.root, t, y, k.u, k.p, k.values)
    k.stats[N_ROOTS] += 1
    for e in range(k.n_roots):  # noqa: SIM110 - numba compiles the loop, not the generator
        if math.isnan(k.values[e]):
            return False
    return True


@inner
def flag_crossings(k):
    """Set ``k.hit`` from the remembered signs and ``k.values``; return how many."""
    count = 0
    for e in range(k.n_roots):
        k.hit[e] = 1 if crossed(k.signs[e], k.values[e], k.directions[e]) else 0
        count += k.hit[e]
    return count


@inner
def _roots_inside(k, s, t, h, y, y_new, first, last):
    dense_value(k, s, y, y_new, k.point)
    return evaluate_roots(k, t + s * h, k.point, first, last)


@inner
def _locate(k, e, low, high, t, h, y, y_new, first, last):
    """Narrow the bracket of root ``e`` on the dense output; return its far end.

    Regula falsi (Illinois), with a bisection whenever the bracket fails to halve.
    """
    _roots_inside(k, low, t, h, y, y_new, first, last)
    g_low = k.values[e]
    _roots_inside(k, high, t, h, y, y_new, first, last)
    g_high = k.values[e]
    resolution = 2.0 * _EPS * max(abs(t), abs(t + h)) / h
    side, width = 0, 4.0 * (high - low)
    for _ in range(200):
        if high - low <= resolution:
            break
        s = low - g_low * (high - low) / (g_high - g_low)
        if not (low < s < high) or high - low > 0.5 * width:
            s = 0.5 * (low + high)
        width = high - low
        if not (low < s < high):
            break
        _roots_inside(k, s, t, h, y, y_new, first, last)
        g = k.values[e]
        if crossed(k.signs[e], g, k.directions[e]):
            high, g_high = s, g
            g_low = 0.5 * g_low if side == 1 else g_low
            side = 1
        else:
            low, g_low = s, g
            g_high = 0.5 * g_high if side == -1 else g_high
            side = -1
    return high


@inner
def find_event(k, t, h, y, y_new, first, last):
    """Look for the first root in a step; 2 if none, -1 if a root function is NaN.

    On success ``k.hit`` flags every root reached at the returned fraction of
    the step, so that coincident events are all reported.
    """
    for sample in range(_SAMPLES):
        low, high = sample / _SAMPLES, (sample + 1) / _SAMPLES
        if not _roots_inside(k, high, t, h, y, y_new, first, last):
            return -1.0
        if flag_crossings(k) == 0:
            for e in range(k.n_roots):
                k.signs[e] = sign_of(k.values[e])
            continue
        earliest = 2.0
        for e in range(k.n_roots):
            if k.hit[e] == 1:
                earliest = min(earliest, _locate(k, e, low, high, t, h, y, y_new, first, last))
        _roots_inside(k, earliest, t, h, y, y_new, first, last)
        flag_crossings(k)
        return earliest
    return 2.0
