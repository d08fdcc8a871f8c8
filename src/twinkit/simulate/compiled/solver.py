"""`Compiled`: the solver for repeated runs, compiled by numba, without a C compiler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import casadi as ca
import numpy as np

from twinkit.core.errors import MissingDependencyError
from twinkit.readings.casadi import SYMBOLIC, CasadiModel, casadi_model
from twinkit.simulate.ensembles import Rows
from twinkit.simulate.problem import Array, Leg, Problem

try:
    from twinkit.simulate.compiled._types import EVENT, OK, STATUS_TEXT
    from twinkit.simulate.compiled.run import Runs, drive, simulate_many
    from twinkit.simulate.compiled.system import System, compile_system
except ImportError as error:
    raise MissingDependencyError.for_package("numba", "compiled", "The compiled solver") from error

_known: dict[Any, System] = {}


@dataclass(frozen=True)
class Compiled:
    """Integrate with Rodas5P, compiled by numba; for repeated runs and ensembles.

    The first run of a model compiles it (about a second); the machine code is kept on disk (``TWINKIT_CACHE``,
    default ``~/.cache/twinkit``). Ordinary and differential-algebraic models of index 1, with events.

    Parameters
    ----------
    max_steps
        Limit of steps of one run.
    threads
        Threads of an ensemble that runs without an executor (default: all processors this process may use).

    References
    ----------
    Steinebach (2023), BIT Numerical Mathematics 63:27, doi:10.1007/s10543-023-00967-x
    """

    max_steps: int = 100_000
    threads: int | None = None
    chunks: ClassVar[int] = 8

    def advance(
        self, problem: Problem, t: float, x: Array, z: Array, modes: Array, grid: Array, statistics: dict[str, Any],
        fired: int | None = None,
    ) -> Leg:  # fmt: skip
        """Integrate from `t` over `grid`, stopping at the first event (see `Solver`)."""
        runs = self._run(problem, np.concatenate([x, z]), np.concatenate([problem.p, modes]), grid, t, fired, 1)
        for name, number in runs.statistics(0).items():
            statistics[name] = statistics.get(name, 0) + number
        rows, status, states = runs.y[0], int(runs.status[0]), len(x)
        if status == OK:
            return Leg(grid, rows[:, :states], rows[:, states:])
        reached = int(np.searchsorted(grid, runs.t_end[0], side="left" if status == EVENT else "right"))
        if status == EVENT:
            last = runs.y_end[0][None]
            times, rows = np.append(grid[:reached], runs.t_end[0]), np.vstack([rows[:reached], last])
            return Leg(times, rows[:, :states], rows[:, states:], "", int(np.flatnonzero(runs.hit[0])[0]))
        return Leg(grid[:reached], rows[:reached, :states], rows[:reached, states:], STATUS_TEXT[status])

    def advance_many(self, problem: Problem, x: Array, z: Array, p: Array, *, alone: bool) -> Rows:
        """Integrate members over the problem's times (see `ManySolver`)."""
        runs = self._run(
            problem, np.hstack([x, z]), p, problem.times, problem.begin, None, self.threads if alone else 1
        )
        states = x.shape[1]
        unit = problem.layout.time_unit
        failures = {
            int(i): f"stopped at {runs.t_end[i]:.6g} {unit}: {STATUS_TEXT[int(runs.status[i])]}"
            for i in np.flatnonzero(runs.status != OK)
        }
        return Rows(runs.y[:, :, :states], runs.y[:, :, states:], np.empty((*runs.y.shape[:2], 0)), failures)

    def _run(
        self, problem: Problem, y: Array, p: Array, grid: Array, t: float, fired: int | None, threads: int | None
    ) -> Runs:
        setup = problem.once("compiled", lambda: _Setup.of(problem))
        return simulate_many(
            setup.system, setup.drive, y, p, grid,
            t0=t, t_end=float(grid[-1]), rtol=problem.rtol, atol=setup.tolerances, max_steps=self.max_steps,
            directions=setup.directions,
            fired=fired, threads=threads,
        )  # fmt: skip


@dataclass(frozen=True)
class _Setup:
    """What a recipe hands to the compiled integrator, made once."""

    system: System
    drive: Any
    tolerances: Array
    directions: list[int] | None

    @classmethod
    def of(cls, problem: Problem) -> _Setup:
        layout, events = problem.layout, problem.reading.events
        return cls(
            compiled_system(problem),
            drive_of(problem),
            problem.atol * np.concatenate([layout.states.scales, layout.algebraics.scales]),
            [event.crossing.value for event in events.values()] if events else None,
        )


def drive_of(problem: Problem) -> Any:
    """Return the inputs of a run as the compiled integrator takes them."""
    program = problem.program
    end = max(problem.end, float(program.knots[-1])) + 1.0  # the last piece has no end
    return drive(np.append(program.knots, end), program.coefficients, np.append(program.jumps, True))


def compiled_system(problem: Problem) -> System:
    """Return the compiled equations of a model (compiled or loaded once per class and options)."""
    key = problem.model.structure_key
    with SYMBOLIC:
        found = _known.get(key)
        if found is None:
            found = _known[key] = _compile(casadi_model(problem.model))
        return found


def _compile(reading: CasadiModel) -> System:
    """Compile with the modes among the parameters: they are constant between events."""
    t, x, z, u, p = reading.symbols
    count = reading.layout.inputs.size
    inputs, modes = ca.SX.sym("inputs", count), ca.SX.sym("modes", u.numel() - count)
    expressions = [reading.derivative, reading.residual, reading.roots]
    rate, residual, roots = ca.substitute(expressions, [u], [ca.vertcat(inputs, modes)]) if u.numel() else expressions
    return compile_system(t, x, z, inputs, ca.vertcat(p, modes), rate, residual, roots if roots.numel() else None)
