"""The default solver: SUNDIALS' CVODES and IDAS through CasADi, on scaled variables, with exact Jacobians."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import casadi as ca
import numpy as np

from twinkit.readings.casadi import CasadiModel
from twinkit.simulate.problem import Array, Leg, Problem

_TRANSFERRED = {
    "nsteps": "steps",
    "nfevals": "evaluations",
    "nlinsetups": "factorisations",
    "netfails": "error_test_failures",
}
_cache: OrderedDict[Any, Any] = OrderedDict()
_CACHE_SIZE = 256
_EVENT_ROWS = 400
_LARGE = 30  # states, above which another linear solver is used


def _looks(problem: Problem, t: float, end: float, fired: int | None) -> Array:
    """Return times at which to look for a change of sign: many, whatever the user wants to see.

    Just after an event they start very near and double, because the next one may follow at once (a bouncing ball).
    """
    span = problem.end - problem.begin
    even = np.linspace(t, end, int(np.ceil(_EVENT_ROWS * (end - t) / span)) + 2)
    even = even[even > t]  # a stretch of a few roundings has no room between its ends
    if fired is None:
        return even
    near = t + span * np.geomspace(1e-9, 1.0 / _EVENT_ROWS, 23)
    return np.union1d(even, near[(near < end) & (near - t > 1e-13 * max(1.0, abs(t)))])


class RunFailedError(RuntimeError):
    """SUNDIALS gave up; only this is answered by keeping what was reached."""


@dataclass(frozen=True)
class Cvodes:
    """Integrate with CVODES (ODE) or IDAS (DAE) through CasADi.

    Parameters
    ----------
    max_steps
        Limit of internal steps between two output times.

    Notes
    -----
    Events are found by a change of sign between the rows of a grid of at least 400 per run; `Compiled` looks inside
    every step.
    """

    max_steps: int = 20_000

    def advance(
        self, problem: Problem, t: float, x: Array, z: Array, modes: Array, grid: Array, statistics: dict[str, Any],
        fired: int | None = None,
    ) -> Leg:  # fmt: skip
        """Integrate from `t` over `grid`, stopping at the first event (see `Solver`)."""
        if not problem.reading.events:
            return self._march(problem, t, x, z, modes, grid, statistics)
        fine = np.union1d(grid, _looks(problem, t, float(grid[-1]), fired))
        leg = self._march(problem, t, x, z, modes, fine, statistics)
        if len(leg.times):
            leg = self._first_event(problem, t, x, z, modes, leg, statistics)
        wanted = np.isin(leg.times, grid)
        if leg.event is not None:
            wanted[-1] = True
        return Leg(leg.times[wanted], leg.x[wanted], leg.z[wanted], leg.reason, leg.event)

    # -- integration -------------------------------------------------------------------------------------------
    def _march(
        self, problem: Problem, t: float, x: Array, z: Array, modes: Array, grid: Array, statistics: dict[str, Any]
    ) -> Leg:
        """Integrate in one call; where that fails, halve the stretch to keep all that can be had."""
        try:
            return Leg(grid, *self._integrate(problem, t, x, z, modes, grid, statistics))
        except RunFailedError as error:
            reason = in_words(str(error))
        if len(grid) == 1:
            return Leg(grid[:0], np.empty((0, len(x))), np.empty((0, len(z))), reason)
        half = len(grid) // 2
        first = self._march(problem, t, x, z, modes, grid[:half], statistics)
        if first.reason:
            return first
        second = self._march(problem, grid[half - 1], first.x[-1], first.z[-1], modes, grid[half:], statistics)
        return Leg(
            np.concatenate([first.times, second.times]),
            np.concatenate([first.x, second.x]),
            np.concatenate([first.z, second.z]),
            second.reason,
        )

    def _integrate(
        self, problem: Problem, t: float, x: Array, z: Array, modes: Array, grid: Array, statistics: dict[str, Any]
    ) -> tuple[Array, Array]:
        key = problem.model.structure_key
        return integrate(
            problem, key, lambda: system_of(problem.reading), t, x, z, modes, grid, self.max_steps, statistics
        )

    # -- events ------------------------------------------------------------------------------------------------
    def _first_event(
        self, problem: Problem, t: float, x: Array, z: Array, modes: Array, leg: Leg, statistics: dict[str, Any]
    ) -> Leg:
        times = np.concatenate([[t], leg.times])
        xs, zs = np.vstack([x, leg.x]), np.vstack([z, leg.z])
        roots = np.array([_roots(problem, *row, modes) for row in zip(times, xs, zs, strict=True)])
        directions = np.array([event.crossing.value for event in problem.reading.events.values()])
        for k in range(len(times) - 1):
            crossed = np.flatnonzero(crossings(roots[k], roots[k + 1], directions))
            if crossed.size == 0:
                continue
            rows = slice(k, k + 2)
            found = [self._locate(problem, times[rows], xs[rows], zs[rows], modes, int(i), statistics) for i in crossed]
            when, xe, ze = min(found, key=lambda item: item[0])
            event = int(crossed[int(np.argmin([item[0] for item in found]))])
            return Leg(
                np.append(leg.times[:k], when), np.vstack([leg.x[:k], xe]), np.vstack([leg.z[:k], ze]), "", event
            )
        return leg

    def _locate(
        self, problem: Problem, bracket: Array, x: Array, z: Array, modes: Array, index: int, statistics: dict[str, Any]
    ) -> tuple[float, Array, Array]:
        """Find the zero of one event expression between two times, by integrating to trial times."""
        from scipy import optimize

        begin, end = float(bracket[0]), float(bracket[1])
        # Both ends are as the run had them: integrated anew, a value within the tolerance may have the other sign.
        reached: dict[float, tuple[Array, Array]] = {begin: (x[0], z[0]), end: (x[1], z[1])}

        def at(time: float) -> float:
            if time not in reached:
                xs, zs = self._integrate(problem, begin, x[0], z[0], modes, np.array([time]), statistics)
                reached[time] = (xs[0], zs[0])
            return float(_roots(problem, time, *reached[time], modes)[index])

        when = end
        if at(end) != 0.0:
            when: Any = cast("Any", optimize).brentq(at, begin, end, xtol=1e-13 * max(1.0, abs(end)), rtol=1e-15)
            # Go on to the first instant past the crossing: restarting there, the event does not fire again.
            nudge = 1e-15 * max(1.0, abs(end))
            while when < end and at(when) * at(begin) > 0.0:
                when, nudge = min(end, when + nudge), 2.0 * nudge
        at(when)
        return when, *reached[when]


def crossings(before: Array, after: Array, directions: Array) -> Any:
    """Return which event expressions passed zero in their direction between two instants.

    An expression that starts at exactly zero has fired already.
    """
    rising = (before < 0) & (after >= 0)
    falling = (before > 0) & (after <= 0)
    return np.where(directions > 0, rising, np.where(directions < 0, falling, rising | falling))


def _roots(problem: Problem, t: float, x: Array, z: Array, modes: Array) -> Array:
    held = problem.held_values(t, modes, before=True)
    return np.asarray(problem.reading.event_roots(t, x, z, held, problem.p)).ravel()


def _cached(key: Any, make: Any) -> Any:
    if key in _cache:
        _cache.move_to_end(key)
        return _cache[key]
    made = _cache[key] = make()
    if len(_cache) > _CACHE_SIZE:
        _cache.popitem(last=False)
    return made


@dataclass(frozen=True)
class System:
    """Equations ready to be scaled and integrated.

    Attributes
    ----------
    symbols
        ``t, x, z, u, p`` (`u` holds inputs, then modes), all SX or all MX.
    derivative, residual
        Expressions of them.
    x_scale, z_scale
        Nominal magnitudes.
    inputs
        Number of inputs in `u`; the rest are modes.
    """

    symbols: tuple[Any, Any, Any, Any, Any]
    derivative: Any
    residual: Any
    x_scale: Array
    z_scale: Array
    inputs: int


def system_of(reading: CasadiModel) -> System:
    """Return the equations of a model as a `System`."""
    layout = reading.layout
    return System(
        reading.symbols, reading.derivative, reading.residual, layout.states.scales, layout.algebraics.scales,
        layout.inputs.size,
    )  # fmt: skip


def integrate(
    problem: Problem,
    key: Any,
    make_system: Callable[[], System],
    t: float,
    x: Array,
    z: Array,
    modes: Array,
    grid: Array,
    max_steps: int,
    statistics: dict[str, Any],
) -> tuple[Array, Array]:
    """Integrate from `t` over `grid`, one call per piece of the inputs, so that every knot is a fresh start.

    (CasADi can change inputs on the way, but CVODES' restart inside one call is not reliable: at the feed steps of
    the CHO example it ends in CV_ERR_FAILURE.)

    Parameters
    ----------
    problem
        The run.
    key
        Identifies the system, for the cache of integrators.
    make_system
        Returns the system when no integrator is cached.
    t, x, z, modes
        Start.
    grid
        Times to reach, all after `t`.
    max_steps
        Limit of internal steps between two times.
    statistics
        Counters to add to.

    Returns
    -------
    Rows of states and algebraic variables at `grid`.

    Raises
    ------
    RunFailedError
        With SUNDIALS' message.
    """
    program = problem.program
    ends = np.append(program.knots[(program.knots > t) & (program.knots < grid[-1])], grid[-1])
    rows_x, rows_z = np.empty((len(grid), len(x))), np.empty((len(grid), len(z)))
    begin, filled, knot = t, 0, 0
    while knot < len(ends):
        end = _stretch(grid[filled:], begin, float(ends[knot]))
        knot += end == ends[knot]
        last = int(np.searchsorted(grid, end, side="right"))
        wanted = grid[filled:last]
        times = wanted if last > filled and wanted[-1] == end else np.append(wanted, end)
        fractions = (times - begin) / (end - begin)
        cache_key = (key, fractions.tobytes(), problem.rtol, problem.atol, max_steps)
        integrator, x_scale, z_scale = _cached(
            cache_key, lambda f=fractions: build_integrator(make_system(), f, problem.rtol, problem.atol, max_steps)
        )
        piece = int(program.piece(0.5 * (begin + end)))
        held = [program.coefficients[piece].T.ravel(), program.knots[piece : piece + 1]]
        parameter = np.concatenate([problem.p, modes, *held, [begin, end - begin]])
        began = perf_counter()
        try:
            solved = integrator(x0=x / x_scale, z0=z / z_scale, p=parameter)
        except RuntimeError as error:
            raise RunFailedError(str(error)) from None
        _count(statistics, integrator.stats(), perf_counter() - began)
        xs, zs = np.asarray(solved["xf"]).T * x_scale, np.asarray(solved["zf"]).T * z_scale
        if not (np.all(np.isfinite(xs)) and np.all(np.isfinite(zs))):
            raise RunFailedError("the state became NaN or infinite")
        rows_x[filled:last], rows_z[filled:last] = xs[: last - filled], zs[: last - filled]
        begin, filled, x, z = float(end), last, xs[-1], zs[-1]
    return rows_x, rows_z


def _stretch(grid: Array, begin: float, end: float) -> float:
    """Return how far one call may go: CasADi takes times nearer than 1e-9 of the whole call for one and the same."""
    times = np.append(grid[grid < end], end)
    close = np.flatnonzero(np.diff(times, prepend=begin) < 1e-7 * (end - begin))
    return end if close.size == 0 else float(times[max(int(close[0]) - 1, 0)])


def build_integrator(
    system: System, fractions: Array, rtol: float, atol: float, max_steps: int
) -> tuple[Any, Array, Array]:
    """Return a CasADi integrator over one piece of the inputs, and the scales of its variables.

    It works on variables divided by their nominal values and on time as a fraction of the piece. Its parameter is
    ``[parameters, modes, coefficients (4 x inputs), knot, begin, length]``.
    """
    time, x, z, u, p = system.symbols
    count, kind = system.inputs, type(time)
    fraction, knot, begin, length = (kind.sym(name) for name in ("fraction", "knot", "begin", "length"))
    parameters, modes = kind.sym("parameters", p.numel()), kind.sym("modes", u.numel() - count)
    c = [kind.sym(f"c{k}", count) for k in range(4)]
    now = begin + fraction * length
    local = now - knot
    held = ca.vertcat(c[0] + local * (c[1] + local * (c[2] + local * c[3])), modes) if count else modes
    scaled_x, scaled_z = kind.sym("scaled_x", x.numel()), kind.sym("scaled_z", z.numel())
    sx, sz = ca.DM(system.x_scale), ca.DM(system.z_scale)
    ode, alg = ca.substitute(
        [system.derivative / sx * length, system.residual],
        [time, x, z, u, p],
        [now, scaled_x * sx, scaled_z * sz, held, parameters],
    )
    everything = ca.vertcat(parameters, modes, *c, knot, begin, length)
    dae = {"x": scaled_x, "z": scaled_z, "p": everything, "t": fraction, "ode": ode, "alg": alg}
    order: list[int] = []
    if x.numel() > _LARGE and kind is ca.SX:  # parts of an MX are no symbols
        order = _banded_order(ode, scaled_x)
        dae |= {"x": scaled_x[order], "ode": ode[order]}
    options = {
        "reltol": rtol, "abstol": atol, "max_num_steps": max_steps, "show_eval_warnings": False,
        "disable_internal_warnings": True,
    }  # fmt: skip
    if x.numel() > _LARGE:
        # CasADi's own QR breaks down on the Jacobians of long chains of cells (97 cells of upwind plug flow: NaN).
        options["linear_solver"] = "csparse"
    if z.numel():
        # The start is consistent already (see `consistent`); what IDAS needs are the slopes that go with it.
        options["calc_ic"] = True
    else:
        # CasADi's own QR gives NaN where the squares of a Jacobian's entries are too small for a double (1e-160).
        # For IDAS it stays: it keeps linear constraints to rounding.
        options["linear_solver"] = "csparse"
    solver = "idas" if z.numel() else "cvodes"
    made = ca.integrator("run", solver, dae, 0.0, [float(f) for f in fractions], options)
    return (_Reordered(made, order) if order else made), system.x_scale, system.z_scale


@dataclass(frozen=True)
class _Reordered:
    """An integrator that works on the states in another order."""

    integrator: Any
    order: Sequence[int]

    def __call__(self, *, x0: Any, z0: Any, p: Any) -> dict[str, Any]:
        solved = self.integrator(x0=np.asarray(x0)[list(self.order)], z0=z0, p=p)
        states = np.empty(solved["xf"].shape)
        states[list(self.order)] = np.asarray(solved["xf"])
        return {"xf": states, "zf": solved["zf"]}

    def stats(self) -> dict[str, Any]:
        """Return the counters of the last call."""
        return self.integrator.stats()


def _banded_order(ode: Any, x: Any) -> list[int]:
    """Return an order of the states that keeps coupled ones together: sparse factors of long chains stay sparse.

    (Reverse Cuthill-McKee; factorising 50 cells of 4 species and heat takes a tenth of the time.)
    """
    count = x.numel()
    from scipy.sparse import csc_matrix
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    pattern: Any = ca.jacobian_sparsity(ode, x)
    pattern = pattern + pattern.T
    graph = csc_matrix((np.ones(pattern.nnz()), pattern.row(), pattern.colind()), shape=(count, count))
    return [int(position) for position in reverse_cuthill_mckee(graph.tocsr(), symmetric_mode=True)]


def _count(statistics: dict[str, Any], stats: dict[str, Any], seconds: float) -> None:
    for theirs, ours in _TRANSFERRED.items():
        statistics[ours] = statistics.get(ours, 0) + int(stats.get(theirs, 0))
    statistics["seconds"] = statistics.get("seconds", 0.0) + seconds


def in_words(message: str) -> str:
    """Turn a SUNDIALS flag into a sentence that says what to do."""
    advice = {
        "TOO_MUCH_WORK": "the solver took too many steps: the solution changes too fast or grows without limit; "
        "raise max_steps, loosen rtol, or check the model near this time",
        "TOO_MUCH_ACC": "the tolerance asked for is finer than rounding allows; loosen rtol",
        "ERR_FAILURE": "the step became too small: the solution has a singularity or a discontinuity near this time",
        "ERR_FAIL": "the step became too small: the solution has a singularity or a discontinuity near this time",
        "CONV_FAIL": "the implicit equations could not be solved: the model is singular or jumps near this time",
        "RHSFUNC": "the equations gave NaN or infinity",
        "REP_RES_ERR": "the equations gave NaN or infinity",
        "RES_FAIL": "the equations gave NaN or infinity",
        "LSETUP_FAIL": "the Jacobian is singular or not finite",
        "LINIT_FAIL": "the Jacobian is singular or not finite",
        "NaN": "the equations gave NaN or infinity",
        "became NaN": "the state became NaN or infinite",
    }
    for flag, words in advice.items():
        if flag in message:
            return words
    return message.strip().splitlines()[-1]
