"""`simulate`: from a model and what the user wants to a `Solution`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, SimulationError
from twinkit.core.model import Model
from twinkit.core.solution import Occurrence, Solution
from twinkit.readings.casadi import SYMBOLIC
from twinkit.simulate.consistent import consistent_algebraics
from twinkit.simulate.cvodes import Cvodes
from twinkit.simulate.legs import Point, Rows, Walk, doubled, grid_of
from twinkit.simulate.problem import Array, Problem, Solver, check_solver, make_problem
from twinkit.simulate.record import Ending, Record, solution_of


class SimulationWarning(UserWarning):
    """A run that did not reach its end (the solution holds what was reached), or left declared bounds."""


@runtime_checkable
class Simulates(Protocol):
    """What knows how to simulate itself: `simulate` hands it the run (a graph is one)."""

    def __simulate__(self, until: Any, **how: Any) -> Solution:
        """Return the solution of a run; `how` holds what `simulate` was given."""
        ...


def simulate(
    model: Model | Simulates,
    until: Any,
    *,
    inputs: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    start: Any = 0.0,
    outputs: Any = None,
    rtol: float = 1e-8,
    atol: float | None = None,
    solver: Solver | None = None,
    sensitivities: Sequence[str] = (),
    master: Any = None,
    progress: bool = False,
) -> Solution:
    """Simulate a model, or a graph of components.

    Parameters
    ----------
    model
        The model or graph.
    until
        End of the run: number in the model's time unit, text (``"14 d"``) or quantity.
    inputs
        Input name -> number, text, quantity, `steps(...)` (holds each value), `ramps(...)` (linear), or a continuous
        function of time.
    initial
        State, algebraic variable or mode -> value at the start, instead of the model's.
    start
        Start of the run.
    outputs
        At which times: None (201), a number of times, a spacing such as ``"1 h"``, or an array of times. Rows are added
        at events and jumps of inputs (just before and just after), except when an array of times is given.
    rtol, atol
        Relative tolerance, and absolute tolerance in units of each variable's nominal value (default ``rtol / 100``).
    solver
        `Cvodes()` (default) or `Compiled()` for repeated runs.
    sensitivities
        Parameters for which to compute the derivatives of all states (forward sensitivities).
    master, progress
        For a graph: how its components are stepped together, and whether a progress bar is shown. Its components keep
        their own tolerances, solvers and initial values.

    Returns
    -------
    Solution
        Complete, or up to the point where the run failed, with ``solution.status`` saying why (and a
        `SimulationWarning`).

    Raises
    ------
    UnknownNameError, UnitError, BoundsError, ShapeError, InvalidValueError
        For anything given that does not fit the model.
    SimulationError
        If the run cannot start: an input or initial value is missing, or no consistent start exists.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=1.0)
    ...     k = tk.Parameter("1/h", 0.5)
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> solution = tk.simulate(Decay(), until="2 h")
    >>> round(float(solution["c"][-1]), 6)
    0.367879
    """
    if isinstance(model, Simulates) and not isinstance(model, (Model, type)):
        own = {"initial": initial, "atol": atol, "solver": solver, "sensitivities": sensitivities or None}
        given = [name for name, value in own.items() if value is not None] + ["rtol"] * (rtol != 1e-8)
        if given:
            raise InvalidValueError(f"a graph takes no {given[0]}: give it to the component or the master")
        return model.__simulate__(
            until, master=master, start=start, inputs=inputs, outputs=outputs, progress=progress
        )  # fmt: skip
    if master is not None:
        raise InvalidValueError("a master steps the components of a graph; a model needs a solver")
    problem = make_problem(
        cast("Model", model), until, start=start, inputs=inputs, initial=initial, outputs=outputs, rtol=rtol, atol=atol
    )
    chosen = Cvodes() if solver is None else solver
    check_solver(chosen)
    solution = solve(problem, chosen)
    if sensitivities:
        from twinkit.simulate.sensitivity import with_sensitivities

        solution = with_sensitivities(problem, solution, tuple(sensitivities))
    for trouble in [*([] if solution.success else [solution.status.reason]), *solution.status.violations]:
        warnings.warn(trouble, SimulationWarning, stacklevel=3)
    return solution


def solve(problem: Problem, solver: Solver) -> Solution:
    """Run a prepared problem leg by leg: from one state jump (event, schedule) to the next.

    Threads take turns (see `SYMBOLIC`); the compiled ensemble does not come this way.
    """
    with SYMBOLIC:
        reading = problem.reading
        if not problem.layout.states.size:
            raise SimulationError(
                f"{type(problem.model).__name__} has no states, so there is nothing to integrate: evaluate it with "
                "twinkit.readings.evaluate_at"
            )
        if not reading.events and not reading.schedules:
            return _solve_at_once(problem, solver)
        return _solve_by_legs(problem, solver)


@dataclass(frozen=True)
class _Plan:
    """The rows of an undisturbed run, worked out once per recipe.

    `grid` are the times to integrate to; `rows` picks the rows of the solution from the start and the grid; `before`
    marks those just before a jump of an input (None: there are none).
    """

    grid: Array
    rows: npt.NDArray[np.intp]
    times: Array
    before: npt.NDArray[np.bool_] | None

    @classmethod
    def of(cls, problem: Problem) -> _Plan:
        grid = grid_of(problem, problem.begin, problem.end)
        index, before = doubled(problem, grid)
        rows, before = np.concatenate([[0], index + 1]), np.concatenate([[False], before])
        times = np.concatenate([[problem.begin], grid])[rows]
        if problem.exact:
            keep = _last_at(times, problem.times)
            rows, before, times = rows[keep], before[keep], times[keep]
        return cls(grid, rows, times, before if before.any() else None)


def _solve_at_once(problem: Problem, solver: Solver) -> Solution:
    """Run a problem without events or schedules: one leg."""
    statistics: dict[str, Any] = {"solver": type(solver).__name__}
    plan = problem.once("plan", lambda: _Plan.of(problem))
    point = Point(problem.begin, problem.x, problem.z, problem.modes)
    point.z = consistent_algebraics(problem, point.t, point.x, point.z, point.modes)
    leg = solver.advance(problem, point.t, point.x, point.z, point.modes, plan.grid, statistics)
    if leg.reason:
        rows = Rows()
        rows.add_point(point)
        if len(leg.times):
            rows.add_leg(problem, leg, point.modes)
            point = Point(float(leg.times[-1]), leg.x[-1], leg.z[-1], point.modes)
        return _assemble(problem, rows, statistics, [], Ending(point.t, point.x, leg.reason))
    x, z = _picked(point.x, leg.x, plan.rows), _picked(point.z, leg.z, plan.rows)
    modes = np.broadcast_to(point.modes, (len(x), len(point.modes))) if point.modes.size else np.empty((len(x), 0))
    record = _settled(problem, Record(plan.times, x, z, modes, plan.before))
    return solution_of(problem, record, statistics, (), Ending(problem.end, leg.x[-1]))


def _picked(start: Array, after: Array, rows: npt.NDArray[np.intp]) -> Array:
    """Return some rows of a start and what came after it."""
    if not start.size:
        return np.empty((len(rows), 0))
    return np.concatenate([start[None], after]).take(rows, axis=0)


def _solve_by_legs(problem: Problem, solver: Solver) -> Solution:
    point = Point(problem.begin, problem.x, problem.z, problem.modes)
    walk = Walk(problem, solver, point, problem.end - problem.begin, Rows())
    walk.statistics["solver"] = type(solver).__name__
    walk.settle()
    assert walk.rows is not None
    walk.rows.add_point(point)
    walk.to(problem.end, _schedule(problem))
    ending = Ending(point.t, point.x, walk.reason, walk.stopped)
    return _assemble(problem, walk.rows, walk.statistics, walk.occurrences, ending)


def _schedule(problem: Problem) -> list[tuple[float, str]]:
    unit = problem.layout.time_unit
    schedules = problem.reading.schedules
    planned = [(t, name) for name, plan in schedules.items() for t in plan.times(problem.begin, problem.end, unit)]
    return sorted(planned, key=lambda item: item[0])


def _assemble(
    problem: Problem, rows: Rows, statistics: dict[str, Any], occurrences: list[Occurrence], ending: Ending
) -> Solution:
    times, x, z, modes, before = rows.joined()
    if problem.exact:
        keep = _last_at(times, problem.times)
        times, x, z, modes, before = times[keep], x[keep], z[keep], modes[keep], before[keep]
    record = _settled(problem, Record(times, x, z, modes, before if before.any() else None))
    return solution_of(problem, record, statistics, occurrences, ending)


def _settled(problem: Problem, record: Record) -> Record:
    """Let algebraic variables jump with the inputs: solvers give one value where an input has two."""
    if not problem.layout.algebraics.size or not problem.breaks.size:
        return record
    z = record.z.copy()
    for i in np.flatnonzero(np.isin(record.times, problem.breaks)):
        before = record.before is not None and bool(record.before[i])
        z[i] = consistent_algebraics(problem, float(record.times[i]), record.x[i], z[i], record.modes[i], before=before)
    return replace(record, z=z)


def _last_at(times: Array, wanted: Array) -> Any:
    """Return the position of the last row at each wanted time that was reached."""
    position = np.searchsorted(times, wanted, side="right") - 1
    return position[(position >= 0) & (times[np.maximum(position, 0)] == wanted)]
