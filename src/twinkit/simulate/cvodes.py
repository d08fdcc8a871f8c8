"""The default solver: SUNDIALS' CVODES and IDAS through CasADi, on scaled variables, with exact Jacobians."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import casadi as ca
import numpy as np

from twinkit.readings.casadi import CasadiModel
from twinkit.simulate.problem import Array, Leg, Problem

_TRANSFERRED = {"nsteps": "steps", "nfevals": "evaluations", "nlinsetups": "factorisations", "netfails": "error_test_failures"}
_cache: OrderedDict[Any, Any] = OrderedDict()
_CACHE_SIZE = 64


class RunFailedError(RuntimeError):
    """SUNDIALS gave up; only this is answered by keeping what was reached."""


@dataclass(frozen=True)
class Cvodes:
    """Integrate with CVODES (ODE) or IDAS (DAE) through CasADi.

    Parameters
    ----------
    max_steps
        Limit of internal steps between two output times.
    """

    max_steps: int = 20_000

    def advance(self, problem: Problem, t: float, x: Array, z: Array, modes: Array, grid: Array, statistics: dict[str, Any]) -> Leg:
        """Integrate from `t` over `grid`, stopping at the first event (see `Solver`)."""
        leg = self._march(problem, t, x, z, modes, grid, statistics)
        if problem.reading.events and len(leg.times):
            return self._first_event(problem, t, x, z, modes, leg, statistics)
        return leg

    # -- integration -------------------------------------------------------------------------------------------
    def _march(self, problem: Problem, t: float, x: Array, z: Array, modes: Array, grid: Array, statistics: dict[str, Any]) -> Leg:
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
        knots = problem.program.knots
        inner = knots[(knots > t) & (knots < grid[-1])]
        every = np.union1d(grid, inner)
        integrator = _integrator(problem, t, every, self.max_steps)
        layout = problem.layout
        sx, sz = layout.states.scales, layout.algebraics.scales
        began = perf_counter()
        try:
            solved = integrator(
                x0=x / sx, z0=z / sz, p=np.concatenate([problem.p, modes]), u=controls(problem, t, every)
            )
        except RuntimeError as error:
            raise RunFailedError(str(error)) from None
        _count(statistics, integrator.stats(), perf_counter() - began)
        rows = np.searchsorted(every, grid)
        xs = np.asarray(solved["xf"]).T[rows] * sx
        zs = np.asarray(solved["zf"]).T[rows] * sz
        if not (np.all(np.isfinite(xs)) and np.all(np.isfinite(zs))):
            raise RunFailedError("the state became NaN or infinite")
        return xs, zs

    # -- events ------------------------------------------------------------------------------------------------
    def _first_event(self, problem: Problem, t: float, x: Array, z: Array, modes: Array, leg: Leg, statistics: dict[str, Any]) -> Leg:
        times = np.concatenate([[t], leg.times])
        xs, zs = np.vstack([x, leg.x]), np.vstack([z, leg.z])
        roots = np.array([_roots(problem, *row, modes) for row in zip(times, xs, zs, strict=True)])
        directions = np.array([event.crossing.value for event in problem.reading.events.values()])
        for k in range(len(times) - 1):
            crossed = np.flatnonzero(crossings(roots[k], roots[k + 1], directions))
            if crossed.size == 0:
                continue
            found = [self._locate(problem, times[k : k + 2], xs[k], zs[k], modes, int(i), statistics) for i in crossed]
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
        from scipy.optimize import brentq

        begin, end = float(bracket[0]), float(bracket[1])
        reached: dict[float, tuple[Array, Array]] = {begin: (x, z)}

        def at(time: float) -> float:
            if time not in reached:
                xs, zs = self._integrate(problem, begin, x, z, modes, np.array([time]), statistics)
                reached[time] = (xs[0], zs[0])
            return float(_roots(problem, time, *reached[time], modes)[index])

        when = end
        if at(end) != 0.0:
            when = float(brentq(at, begin, end, xtol=1e-13 * max(1.0, abs(end)), rtol=1e-15))
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
    function = _cached(("roots", problem.model.structure_key), lambda: problem.reading.function("roots", problem.reading.roots))
    return np.asarray(function(t, x, z, problem.held_values(t, modes, before=True), problem.p)).ravel()


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
        SX ``t, x, z, u, p`` (`u` holds inputs, then modes).
    derivative, residual
        SX expressions of them.
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


def _integrator(problem: Problem, t: float, grid: Array, max_steps: int) -> Any:
    key = (problem.model.structure_key, t, grid.tobytes(), problem.rtol, problem.atol, max_steps)
    return _cached(
        key, lambda: build_integrator(system_of(problem.reading), t, grid, problem.rtol, problem.atol, max_steps)
    )


def build_integrator(system: System, t: float, grid: Array, rtol: float, atol: float, max_steps: int) -> Any:
    """Return a CasADi integrator from `t` over `grid`, on variables divided by their nominal values.

    Its parameter is ``[parameters, modes]``; its control holds, per interval, the start of the input piece and the
    piece's coefficients. A control that does not change does not restart the integrator.
    """
    time, x, z, u, p = system.symbols
    count = system.inputs
    sx, sz = ca.DM(system.x_scale), ca.DM(system.z_scale)
    parameter = ca.SX.sym("parameter", p.numel() + u.numel() - count)
    control = ca.SX.sym("control", 1 + 4 * count)
    piece, *c = ca.vertsplit(control, [0, *(1 + k * count for k in range(5))])
    parameters, modes = ca.vertsplit(parameter, [0, p.numel(), parameter.numel()])
    local = time - piece
    held = ca.vertcat(c[0] + local * (c[1] + local * (c[2] + local * c[3])), modes) if count else modes
    scaled_x, scaled_z = ca.SX.sym("scaled_x", x.numel()), ca.SX.sym("scaled_z", z.numel())
    ode, alg = ca.substitute(
        [system.derivative / sx, system.residual], [x, z, u, p], [scaled_x * sx, scaled_z * sz, held, parameters]
    )
    dae = {"x": scaled_x, "z": scaled_z, "p": parameter, "u": control, "t": time, "ode": ode, "alg": alg}
    options = {
        "reltol": rtol, "abstol": atol, "max_num_steps": max_steps, "show_eval_warnings": False,
        "disable_internal_warnings": True,
    }  # fmt: skip
    if z.numel():
        options["calc_ic"] = False  # the start is made consistent before (see `consistent`)
    return ca.integrator("run", "idas" if z.numel() else "cvodes", dae, t, [float(g) for g in grid], options)


def controls(problem: Problem, t: float, grid: Array) -> Array:
    """Return the control matrix ``(1 + 4 inputs, intervals)`` for intervals ending at `grid`."""
    program = problem.program
    middles = 0.5 * (np.concatenate([[t], grid[:-1]]) + grid)
    index = program.piece(middles)
    coefficients = program.coefficients[index].transpose(2, 1, 0).reshape(-1, len(grid))
    return np.vstack([program.knots[index][None, :], coefficients])


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
        "CONV_FAIL": "the solver's equations could not be solved: the model is singular or discontinuous near this time",
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
