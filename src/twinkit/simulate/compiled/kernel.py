"""A stiff integrator compiled once by numba and shared by every model.

``M y' = F(t, y, u(t), p)`` with ``M`` diagonal, 1 for a differential and 0 for
an algebraic row (index 1), is advanced with Rodas5P.  A one-step method suits
process models: they are driven by held inputs, and every jump would send a
multistep method back to order one.  On the CHO fed-batch at rtol 1e-6 it takes
131 steps, where CVODES takes 485 for an error sixteen times as large.

The code is plain loops over scalars, without fused or reordered arithmetic:
the same inputs give the same bits, alone or in any thread of an ensemble.
"""

# numba infers the types of these functions.
# ruff: noqa: ANN001, ANN202
# pyright: basic

import hashlib
import math
from pathlib import Path

import numpy as np
from numba import float64, int64, njit, types

from twinkit.simulate.compiled._events import crossed, evaluate_roots, find_event, sign_of
from twinkit.simulate.compiled._native import OPTIONS, inner, pointer, shift
from twinkit.simulate.compiled._rodas5p import ERROR_ORDER
from twinkit.simulate.compiled._step import (
    attempt,
    consistent,
    dense_coefficients,
    dense_error,
    dense_value,
    initial_step,
    linearise,
    rate,
)
from twinkit.simulate.compiled._types import (
    CONTROL,
    DRIVE,
    EVENT,
    INCONSISTENT,
    MODEL,
    NON_FINITE,
    OK,
    PENDING,
    REJECTED,
    STEP_TOO_SMALL,
    STEPS,
    TOO_MANY_STEPS,
    Kernel,
)

_SOURCES = ("_events.py", "_native.py", "_rodas5p.py", "_step.py", "_types.py", "kernel.py")
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 6.0
_EPS = 2.220446049250313e-16
#: Consecutive rejections after which a step is given up.
_MAX_FAILURES = 40


@inner
def _clip(h, remaining):
    """Fit a step to what remains, without leaving a sliver for the last one."""
    if h >= 0.99 * remaining:
        return remaining
    if h > 0.5 * remaining:
        return 0.5 * remaining
    return h


@inner
def _step(k, t, t_stop, t_next, h, y, y_new, first, last):
    """Take one accepted step; return (status, step taken, next step).

    The continuous extension is held to the tolerance where it will be used:
    in steps that pass the next output time ``t_next`` or look for events.
    """
    moving = linearise(k, t, y, first, last)
    failures, broken = 0, False
    while True:
        if k.stats[STEPS] + k.stats[REJECTED] >= k.max_steps:
            return TOO_MANY_STEPS, 0.0, h
        wish = min(h, k.h_max)
        taken = _clip(wish, t_stop - t)
        error = attempt(k, t, taken, y, y_new, first, last, moving)
        if error <= 1.0 and (k.n_roots > 0 or t_next < t + taken):
            dense_coefficients(k)
            inside = dense_error(k, t, taken, y, y_new, first, last)
            error = error if inside <= error else inside  # NaN must not pass
        if error <= 1.0:
            break
        k.stats[REJECTED] += 1
        failures += 1
        if math.isfinite(error):
            h = taken * max(_SHRINK, _SAFETY * error ** (-1.0 / ERROR_ORDER))
        else:
            h = taken * _SHRINK
            broken = True
        if h < 8.0 * _EPS * abs(t) or failures > _MAX_FAILURES:
            return NON_FINITE if broken else STEP_TOO_SMALL, 0.0, h
    k.stats[STEPS] += 1
    factor = _SAFETY * max(error, 1e-10) ** (-1.0 / ERROR_ORDER)
    h_next = taken * min(1.0 if failures > 0 else _GROW, max(_SHRINK, factor))
    # A step cut short by the end of a segment says nothing against a longer one.
    return OK, taken, h_next if taken >= wish else max(wish, h_next)


@inner
def _advance(k, t, t_stop, first, last, h, y, y_new, t_out, n_out, done, y_out):
    """Integrate between two jumps; return (status, t, h, outputs written)."""
    while t < t_stop:
        t_next = t_out[done] if done < n_out else math.inf
        status, taken, h = _step(k, t, t_stop, t_next, h, y, y_new, first, last)
        if status != OK:
            return status, t, h, done
        t_new = t_stop if taken == t_stop - t else t + taken
        event = find_event(k, t, taken, y, y_new, first, last) if k.n_roots > 0 else 2.0
        if event < 0.0:
            return NON_FINITE, t, h, done
        limit = t + event * taken if event <= 1.0 else t_new
        while done < n_out and t_out[done] < limit:
            row = shift(y_out, done * k.n)
            dense_value(k, (t_out[done] - t) / taken, y, y_new, row)
            done += 1
        if event <= 1.0:
            dense_value(k, event, y, y_new, k.point)
        for i in range(k.n):
            y[i] = k.point[i] if event <= 1.0 else y_new[i]
        t = limit
        if event <= 1.0:
            return EVENT, t, h, done
    return OK, t, h, done


@inner
def _segment(k, t, t_end):
    """Find the input pieces from ``t`` up to the next jump, and where they end."""
    first = 0
    while first < k.pieces - 1 and t >= k.knots[first + 1]:
        first += 1
    last = first
    while last < k.pieces - 1 and k.jumps[last + 1] == 0:
        last += 1
    stop = min(t_end, k.knots[last + 1]) if last < k.pieces - 1 else t_end
    return first, last, stop


@inner
def _start(k, t, y, first, last, fresh):
    """Begin a segment: consistent algebraic variables, finite rates, root signs."""
    if not consistent(k, t, y, first, last):
        return INCONSISTENT
    rate(k, t, y, first, last, k.f0)
    for i in range(k.n):
        if not math.isfinite(k.f0[i]):
            return NON_FINITE
    if k.n_roots == 0:
        return OK
    if not evaluate_roots(k, t, y, first, last):
        return NON_FINITE
    status = OK
    for e in range(k.n_roots):
        # A jump of the inputs can carry a root function across zero.  A root that
        # has just fired is at zero give or take rounding: the first step tells its sign.
        fired = not fresh and crossed(k.signs[e], k.values[e], k.directions[e])
        k.signs[e] = 0.0 if fresh and k.hit[e] == 1 else sign_of(k.values[e])
        k.hit[e] = 1 if fired else 0
        status = EVENT if fired else status
    return status


@inner
def _run(k, t, h, y, y_new, t_end, t_out, n_out, done, y_out):
    """Integrate from jump to jump; return (status, t, h, outputs written)."""
    fresh = True
    while True:
        first, last, stop = _segment(k, t, t_end)
        status = _start(k, t, y, first, last, fresh)
        if status != OK:
            return status, t, h, done
        while done < n_out and t_out[done] <= t:
            for i in range(k.n):
                y_out[done * k.n + i] = y[i]
            done += 1
        if t >= t_end:
            return OK, t, h, done
        if h <= 0.0 or not fresh:
            guess = initial_step(k, t, stop - t, y, first, last)
            h = guess if h <= 0.0 else min(h, guess)
        fresh = False
        status, t, h, done = _advance(k, t, stop, first, last, h, y, y_new, t_out, n_out, done, y_out)
        if status != OK:
            return status, t, h, done


@inner
def _bind(i, model, drive, control, p, directions, hit, stats, work, iwork):
    """Take pointers to the arguments of member ``i`` and lay out the scratch arrays."""
    n, nu, nnz = model.mass.shape[0], drive.coefs.shape[2], model.rows.shape[0]
    pieces, n_roots = drive.coefs.shape[1], directions.shape[0]
    own = i if drive.coefs.shape[0] > 1 else 0
    w = pointer(work)
    s = shift(w, n * n)
    tail = shift(s, 18 * n)
    return Kernel(
        n, nu, nnz, n_roots,
        model.functions[0], model.functions[1], model.functions[2], model.functions[3],
        model.flags[0], model.flags[1], model.band[0], model.band[1],
        pointer(model.rows), pointer(model.cols), pointer(model.mass),
        pieces, pointer(drive.knots), shift(pointer(drive.coefs), own * pieces * nu * 4),
        pointer(drive.jumps),
        control.rtol, pointer(control.atol), control.h_max, control.max_steps,
        shift(pointer(p), i * p.shape[1]), pointer(directions), shift(pointer(hit), i * n_roots),
        w, pointer(iwork), tail, s, shift(s, 8 * n),
        shift(s, 11 * n), shift(s, 12 * n), shift(s, 13 * n), shift(s, 14 * n), shift(s, 15 * n),
        shift(tail, nnz), shift(tail, nnz + 2 * nu), shift(tail, nnz + 2 * nu + n_roots),
        shift(pointer(stats), i * stats.shape[1]),
    )  # fmt: skip


@inner
def _integrate(
    model, drive, control, t_end, t_out, directions, begin, end,
    y, p, y_out, hit, stats, status, reached, done,
):  # fmt: skip
    n, n_out = model.mass.shape[0], t_out.shape[0]
    extra = model.rows.shape[0] + 2 * drive.coefs.shape[2] + 2 * directions.shape[0]
    work, iwork = np.zeros(n * n + 18 * n + extra), np.zeros(n, np.int64)
    for i in range(begin, end):
        if status[i] != PENDING:
            continue
        k = _bind(i, model, drive, control, p, directions, hit, stats, work, iwork)
        status[i], reached[i, 0], reached[i, 1], done[i] = _run(
            k, reached[i, 0], reached[i, 1], shift(pointer(y), i * n), shift(k.stages, 16 * n),
            t_end, pointer(t_out), n_out, done[i], shift(pointer(y_out), i * n_out * n),
        )  # fmt: skip
    # Read the scratch arrays here, or numba would free them before the run.
    if work.shape[0] + iwork.shape[0] < 0:
        y[0, 0] = work[0] + iwork[0]


_F2, _I1, _I2 = float64[:, ::1], int64[::1], int64[:, ::1]
_SIGNATURE = types.void(
    MODEL, DRIVE, CONTROL, float64, float64[::1], _I1, int64, int64,
    _F2, _F2, float64[:, :, ::1], _I2, _I2, _I1, _F2, _I1,
)  # fmt: skip


def _fingerprint():
    """Hash the sources of the kernel, so that a change in any recompiles it."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()


def _build(fingerprint, cache):
    """Compile the entry point; numba's cache key includes closure variables."""

    @njit(_SIGNATURE, cache=cache, **OPTIONS)
    def integrate(
        model, drive, control, t_end, t_out, directions, begin, end,
        y, p, y_out, hit, stats, status, reached, done,
    ):  # fmt: skip
        """Advance the pending members ``begin..end`` to ``t_end`` or their next event.

        All per-member arrays are updated in place, so a member stopped by an
        event goes on where it was when its status is set to ``PENDING`` again.
        The same machine code serves a single run (``N = 1``) and an ensemble.

        Parameters
        ----------
        model, drive, control : Model, Drive, Control
            See :mod:`_types`.  ``drive.coefs`` is (1 or N, K, n_u, 4).
        t_end : float
            End of the run.
        t_out : ndarray, shape (m,)
            Increasing output times, none after ``t_end``.
        directions : ndarray of int64, shape (n_roots,)
            +1 rising, -1 falling, 0 both; empty for no events.
        begin, end : int
            Members to advance.
        y : ndarray, shape (N, n)
            State at the time reached.
        p : ndarray, shape (N, n_p)
            Parameters.
        y_out : ndarray, shape (N, m, n)
            Outputs.  At a jump it is the value after the jump; at an event the
            row is left to the run that continues from it.
        hit : ndarray of int64, shape (N, n_roots)
            In: 1 for roots that have just fired and must leave zero first.
            Out: 1 for the roots reached when the status is ``EVENT``.
        stats : ndarray of int64, shape (N, 6)
            Counters (``STAT_NAMES``), added to.
        status : ndarray of int64, shape (N,)
            In: ``PENDING`` to advance a member, anything else to leave it.
        reached : ndarray, shape (N, 2)
            Time reached and step to continue with (0: estimate one).
        done : ndarray of int64, shape (N,)
            Rows of ``y_out`` written.
        """
        _ = fingerprint
        _integrate(
            model, drive, control, t_end, t_out, directions, begin, end,
            y, p, y_out, hit, stats, status, reached, done,
        )  # fmt: skip

    return integrate


def _load():
    """Take the entry point from numba's cache, or compile it."""
    try:
        return _build(_fingerprint(), cache=True)
    except (RuntimeError, OSError):
        # Neither the package nor the user's cache directory can be written.
        return _build("", cache=False)


integrate = _load()
