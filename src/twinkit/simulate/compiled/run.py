"""Run a compiled system, once or as an ensemble over threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinkit.simulate.compiled._types import EVENT, OK, PENDING, STAT_NAMES, STATUS_TEXT, Control, Drive
from twinkit.simulate.compiled.kernel import integrate
from twinkit.simulate.compiled.system import System

#: ``reset(member, roots, t, y) -> y after the event``, or None to stop there.
Reset = Callable[[int, NDArray, float, NDArray], ArrayLike | None]


@dataclass(frozen=True, eq=False)
class Runs:
    """Outcome of ``N`` runs; a failed run keeps what it reached.

    Attributes
    ----------
    t : ndarray, shape (m,)
        Output times.
    y : ndarray, shape (N, m, n)
        States (differential, then algebraic); NaN after the time reached.
    status : ndarray of int64, shape (N,)
        ``OK``, ``EVENT`` (stopped by choice), or the kind of failure.
    t_end, y_end : ndarray, shapes (N,), (N, n)
        Time reached and the state there.
    hit : ndarray of int64, shape (N, n_roots)
        Roots reached by a run that stopped at an event.
    events : list of (member, root, time)
        Every event passed, in the order of its run.
    stats : ndarray of int64, shape (N, 6)
        Counters named by ``STAT_NAMES``.
    """

    t: NDArray
    y: NDArray
    status: NDArray
    t_end: NDArray
    y_end: NDArray
    hit: NDArray
    events: list[tuple[int, int, float]]
    stats: NDArray

    def message(self, member: int = 0) -> str:
        """Say in words how a run ended."""
        text = STATUS_TEXT[int(self.status[member])]
        return f"{text} (t = {self.t_end[member]:.10g})"

    def statistics(self, member: int = 0) -> dict[str, int]:
        """Solver counters of one run by name."""
        return dict(zip(STAT_NAMES, map(int, self.stats[member]), strict=True))


def hold(knots: ArrayLike, values: ArrayLike) -> Drive:
    """Hold inputs between knots: ``values`` is (K, n_u) for knots (K+1,)."""
    values = np.atleast_2d(np.asarray(values, dtype=float))
    coefs = np.zeros((1, *values.shape, 4))
    coefs[0, :, :, 0] = values
    return drive(knots, coefs)


def drive(knots: ArrayLike, coefs: ArrayLike, jumps: ArrayLike | None = None) -> Drive:
    """Check and bundle inputs given as piecewise cubics.

    Parameters
    ----------
    knots : array_like, shape (K+1,)
        Increasing.
    coefs : array_like, shape (K, n_u, 4) or (N, K, n_u, 4)
        Coefficients of rising powers of ``t - knots[k]``.
    jumps : array_like of bool, shape (K+1,), optional
        Knots where the integrator restarts.  By default those where value or
        slope change, which also covers the kinks of linear interpolation.
    """
    knots = np.ascontiguousarray(knots, dtype=float)
    coefs = np.ascontiguousarray(coefs, dtype=float)
    coefs = coefs[None] if coefs.ndim == 3 else coefs
    if coefs.ndim != 4 or coefs.shape[3] != 4 or coefs.shape[1] != knots.size - 1:
        raise ValueError(f"coefs {coefs.shape} does not fit (N, {knots.size - 1}, n_u, 4)")
    if coefs.shape[1] < 1:
        raise ValueError("an input needs at least one piece")
    if not (np.isfinite(knots).all() and np.isfinite(coefs).all() and (np.diff(knots) > 0).all()):
        raise ValueError("knots must increase and knots and coefs be finite")
    flags = np.ones(knots.size, dtype=np.int64)
    if jumps is None:
        flags[1:-1] = _breaks(knots, coefs)
    else:
        flags[:] = np.asarray(jumps, dtype=bool)
    return Drive(knots, coefs, flags)


def _breaks(knots: NDArray, coefs: NDArray) -> NDArray:
    """Inner knots at which some input's value or slope is not continuous."""
    width = np.diff(knots)[:-1, None]
    c0, c1, c2, c3 = np.moveaxis(coefs[:, :-1], -1, 0)
    value = c0 + width * (c1 + width * (c2 + width * c3))
    slope = c1 + width * (2 * c2 + 3 * width * c3)
    right = coefs[:, 1:]
    scale = np.abs(coefs[..., 0]).max(axis=(0, 1)) + 1e-300
    broken = np.abs(value - right[..., 0]) > 1e-12 * scale
    broken |= np.abs(slope - right[..., 1]) * width > 1e-9 * scale
    return broken.any(axis=(0, 2)) if coefs.shape[2] else np.zeros(knots.size - 2, dtype=bool)


def _members(value: NDArray, count: int, columns: int, what: str) -> NDArray:
    """Broadcast to (count, columns) and copy."""
    if value.shape not in {(columns,), (count, columns)}:
        raise ValueError(f"{what} has shape {value.shape}, expected ({count}, {columns})")
    array = np.empty((count, columns))
    array[:] = value
    return array


def simulate_many(
    system: System,
    inputs: Drive,
    y0: ArrayLike,
    p: ArrayLike,
    t_out: ArrayLike,
    *,
    t0: float | None = None,
    t_end: float | None = None,
    rtol: float = 1e-6,
    atol: ArrayLike = 1e-8,
    h0: float = 0.0,
    h_max: float = np.inf,
    max_steps: int = 100_000,
    directions: ArrayLike | None = None,
    reset: Reset | None = None,
    fired: int | None = None,
    max_events: int = 10_000,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Runs:
    """Integrate one or many members of a system.

    Members run in threads that hold no lock and share no memory; which thread
    takes a member does not touch its arithmetic, so results are bit-identical
    for any ``threads``, and to a run of that member alone.

    Parameters
    ----------
    system : System
        The compiled model.
    inputs : Drive
        One for all, or with one set of coefficients per member.
    y0 : array_like, shape (n,) or (N, n)
        Initial states, then initial values (guesses) of algebraic variables.
    p : array_like, shape (n_p,) or (N, n_p)
        Parameters.
    t_out : array_like, shape (m,)
        Increasing output times.
    t0, t_end : float, optional
        Start and end; by default the first and last output time.
    rtol, atol : float, array_like of shape (n,)
        Tolerances.
    h0, h_max : float
        First step (0: estimated) and largest step.
    max_steps : int
        Limit on accepted and rejected steps of a member.
    directions : array_like of int, shape (n_roots,), optional
        +1 rising, -1 falling, 0 both (default).
    reset : callable, optional
        Called at each event; without it a run stops there with status EVENT.
    fired : int, optional
        Root that has just fired at the start: it must leave zero before it can fire again.
    max_events : int
        A member stops with status EVENT at its next event after so many.
    threads : int, optional
        By default the CPUs this process may use.
    progress : callable, optional
        Told ``(members finished, members)``.

    Returns
    -------
    Runs
    """
    t_out = np.ascontiguousarray(t_out, dtype=float)
    if t_out.ndim != 1 or (t_out.size == 0 and (t0 is None or t_end is None)):
        raise ValueError("t_out must be a vector; give t0 and t_end if it is empty")
    begin = float(t_out[0]) if t0 is None else float(t0)
    end = float(t_out[-1]) if t_end is None else float(t_end)
    _check_times(t_out, begin, end)
    y0, p = np.asarray(y0, dtype=float), np.asarray(p, dtype=float)
    count = max(y0.shape[0] if y0.ndim == 2 else 1, p.shape[0] if p.ndim == 2 else 1, inputs.coefs.shape[0])
    if inputs.coefs.shape[0] not in (1, count) or inputs.coefs.shape[2] != system.n_u:
        raise ValueError(
            f"inputs are for {inputs.coefs.shape[0]} members and {inputs.coefs.shape[2]} inputs; "
            f"expected 1 or {count} and {system.n_u}"
        )
    control = _control(system, rtol, atol, h_max, max_steps)
    job = _Job(system, inputs, control, end, t_out, directions, reset, max_events)
    y0 = _members(y0, count, system.n, "y0")
    s = _State(system, y0, _members(p, count, system.n_p, "p"), t_out.size, begin, h0)
    if fired is not None:
        s.hit[:, fired] = 1
    job.run_all(s, threads, progress)
    return s.outcome(system, t_out)


def _control(system: System, rtol: float, atol: ArrayLike, h_max: float, max_steps: int) -> Control:
    tolerance = np.empty(system.n)
    tolerance[:] = atol
    if not (rtol > 0 and tolerance.min() > 0 and h_max > 0):
        raise ValueError("rtol, atol and h_max must be positive")
    if not system.natural:
        tolerance = tolerance[system.order]
    return Control(float(rtol), tolerance, float(h_max), int(max_steps))


def _check_times(t_out: NDArray, begin: float, end: float) -> None:
    # Written so that NaN anywhere fails a comparison.
    good = -np.inf < begin <= end < np.inf
    if t_out.size:
        good = good and begin <= t_out[0] and t_out[-1] <= end
        good = good and bool((t_out[1:] >= t_out[:-1]).all())
    if not good:
        raise ValueError("times must be finite with t0 <= t_out[0] <= ... <= t_out[-1] <= t_end")


class _State:
    """Per-member arrays, in the kernel's order of states."""

    def __init__(self, system: System, y0: NDArray, p: NDArray, m: int, begin: float, h0: float) -> None:
        count = y0.shape[0]
        self.y = y0 if system.natural else np.ascontiguousarray(y0[:, system.order])
        self.p = p
        self.y_out = np.empty((count, m, system.n))
        self.hit = np.zeros((count, system.n_roots), dtype=np.int64)
        self.stats = np.zeros((count, len(STAT_NAMES)), dtype=np.int64)
        self.status = np.full(count, PENDING, dtype=np.int64)
        self.reached = np.empty((count, 2))
        self.reached[:] = begin, h0
        self.done = np.zeros(count, dtype=np.int64)
        self.events: list[list[tuple[int, int, float]]] = [[] for _ in range(count)]

    def outcome(self, system: System, t_out: NDArray) -> Runs:
        """Blank what was not reached and return to the model's order of states."""
        if self.done.min() < t_out.size:
            for i in np.flatnonzero(self.done < t_out.size):
                self.y_out[i, self.done[i] :] = np.nan
        y, y_out = self.y, self.y_out
        if not system.natural:
            back = np.argsort(system.order)
            y, y_out = y[:, back], y_out[:, :, back]
        events = [event for member in self.events for event in member]
        t_end = self.reached[:, 0]
        return Runs(t_out, y_out, self.status, t_end, y, self.hit, events, self.stats)


@dataclass(frozen=True)
class _Job:
    """What all members share."""

    system: System
    inputs: Drive
    control: Control
    t_end: float
    t_out: NDArray
    directions: ArrayLike | None
    reset: Reset | None
    max_events: int

    def run_all(self, s: _State, threads: int | None, progress: Callable[[int, int], None] | None) -> None:
        """Advance all members, in blocks small enough to balance the threads."""
        count = s.y.shape[0]
        workers = 1 if count == 1 else min(count, threads or _cpus())
        block = max(1, count // (8 * workers))
        starts = range(0, count, block)
        if workers <= 1 and progress is None:
            self.advance(s, 0, count)
            return
        with ThreadPoolExecutor(workers) as pool:
            ends = [min(count, i + block) for i in starts]
            finished = 0
            jobs = pool.map(lambda i, j: self.advance(s, i, j), starts, ends)
            for (i, j), _ in zip(zip(starts, ends, strict=True), jobs, strict=True):
                finished += j - i
                if progress is not None:
                    progress(finished, count)

    def advance(self, s: _State, begin: int, end: int) -> None:
        """Advance members ``begin..end``, applying resets at their events."""
        roots = self.system.n_roots
        signs = np.zeros(roots) if self.directions is None else self.directions
        directions = np.ascontiguousarray(signs, dtype=np.int64)
        if directions.shape != (roots,):
            raise ValueError(f"directions has shape {directions.shape}, expected ({roots},)")
        stopped: set[int] = set()
        while True:
            integrate(
                self.system.model, self.inputs, self.control, self.t_end, self.t_out, directions,
                begin, end, s.y, s.p, s.y_out, s.hit, s.stats, s.status, s.reached, s.done,
            )  # fmt: skip
            if roots == 0:
                return
            fired = [i for i in range(begin, end) if s.status[i] == EVENT and i not in stopped]
            stopped.update(i for i in fired if not self._reset(s, i))
            if stopped.issuperset(fired):
                return

    def _reset(self, s: _State, i: int) -> bool:
        """Record the event of member ``i`` and apply its reset; True to go on."""
        order, time = self.system.order, float(s.reached[i, 0])
        roots = np.flatnonzero(s.hit[i])
        s.events[i].extend((i, int(e), time) for e in roots)
        if self.reset is None or len(s.events[i]) > self.max_events:
            return False
        natural = np.empty(self.system.n)
        natural[order] = s.y[i]
        after = self.reset(i, roots, time, natural)
        if after is None:
            return False
        s.y[i] = np.asarray(after, dtype=float)[order]
        s.reached[i, 1] = 0.0
        s.status[i] = PENDING
        return True


def _cpus() -> int:
    """CPUs this process may use (affinity and containers respected where known)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)


__all__ = ["EVENT", "OK", "Runs", "drive", "hold", "simulate_many"]
