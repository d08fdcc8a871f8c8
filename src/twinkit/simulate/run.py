"""`simulate`: from a model and what the user wants to a `Solution`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from twinkit._version import __version__
from twinkit.core.deferred import Deferred
from twinkit.core.errors import InvalidValueError
from twinkit.core.model import Model
from twinkit.core.solution import Occurrence, RunStatus, Solution, Trace
from twinkit.simulate.consistent import consistent_algebraics
from twinkit.simulate.cvodes import Cvodes
from twinkit.simulate.problem import Array, Problem, Solver, check_solver, make_problem

_MAX_OCCURRENCES = 100_000


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


@dataclass
class _Rows:
    """Rows of the solution as they are reached."""

    times: list[Array] = field(default_factory=list[Array])
    x: list[Array] = field(default_factory=list[Array])
    z: list[Array] = field(default_factory=list[Array])
    modes: list[Array] = field(default_factory=list[Array])
    before: list[Any] = field(default_factory=list[Any])

    def add(self, times: Array, x: Array, z: Array, modes: Array, *, before: Any = False) -> None:
        self.times.append(times)
        self.x.append(x)
        self.z.append(z)
        self.modes.append(np.broadcast_to(modes, (len(times), len(modes))))
        self.before.append(np.broadcast_to(before, len(times)))

    def joined(self) -> tuple[Array, Array, Array, Array, Any]:
        return (
            np.concatenate(self.times), np.concatenate(self.x), np.concatenate(self.z), np.concatenate(self.modes),
            np.concatenate(self.before),
        )  # fmt: skip


@dataclass
class _Point:
    """Where the run is."""

    t: float
    x: Array
    z: Array
    modes: Array


def solve(problem: Problem, solver: Solver) -> Solution:
    """Run a prepared problem leg by leg: from one state jump (event, schedule) to the next."""
    schedule = _schedule(problem)
    rows, statistics, occurrences = _Rows(), {"solver": type(solver).__name__}, list[Occurrence]()
    point = _Point(problem.begin, problem.x, problem.z, problem.modes)
    point.z = consistent_algebraics(problem, point.t, point.x, point.z, point.modes)
    rows.add(np.array([point.t]), point.x[None], point.z[None], point.modes)
    reason, stopped, fired = "", "", None
    while not reason and not stopped and (point.t < problem.end or schedule):
        for name in [name for time, name in schedule if time <= point.t]:
            _apply(problem, point, name, rows, occurrences)
        schedule = [(time, name) for time, name in schedule if time > point.t]
        end = min([problem.end, *[time for time, _ in schedule]])
        if point.t >= end:
            break
        grid = _grid(problem, point.t, end)
        leg = solver.advance(problem, point.t, point.x, point.z, point.modes, grid, statistics, fired)
        reason, fired = leg.reason, leg.event
        if len(leg.times):
            _add_leg(problem, rows, leg.times, leg.x, leg.z, point.modes)
            point.t, point.x, point.z = float(leg.times[-1]), leg.x[-1], leg.z[-1]
        if leg.event is not None:
            name = problem.model.structure.events[leg.event]
            _apply(problem, point, name, rows, occurrences)
            stopped = name if problem.reading.events[name].stop else ""
        if len(occurrences) > _MAX_OCCURRENCES:
            reason = f"more than {_MAX_OCCURRENCES} events: they follow each other without end"
    return _assemble(problem, rows, statistics, occurrences, point, reason, stopped)


def _schedule(problem: Problem) -> list[tuple[float, str]]:
    unit = problem.layout.time_unit
    schedules = problem.reading.schedules
    planned = [(t, name) for name, plan in schedules.items() for t in plan.times(problem.begin, problem.end, unit)]
    return sorted(planned, key=lambda item: item[0])


def _grid(problem: Problem, t: float, end: float) -> Array:
    """Return the times a leg must reach: requested ones, jumps of inputs, and its end."""
    wanted = [problem.times, problem.breaks, [end]]
    every = np.unique(np.concatenate(wanted))
    return every[(every > t) & (every <= end)]


def _add_leg(problem: Problem, rows: _Rows, times: Array, x: Array, z: Array, modes: Array) -> None:
    """File the rows of a leg; a jump of an input gets a row before and a row after."""
    jump = np.isin(times, problem.breaks)
    copies = np.where(jump, 2, 1)
    index = np.repeat(np.arange(len(times)), copies)
    before = np.zeros(len(index), dtype=bool)
    before[np.cumsum(copies)[jump] - 2] = True
    rows.add(times[index], x[index], z[index], modes, before=before)


def _apply(problem: Problem, point: _Point, name: str, rows: _Rows, occurrences: list[Occurrence]) -> None:
    """Let one happening change states and modes; file the row just after it."""
    reading = problem.reading
    held = problem.held_values(point.t, point.modes)
    x, modes = reading.after[name](point.t, point.x, point.z, held, problem.p)
    point.x, point.modes = np.asarray(x).ravel(), np.asarray(modes).ravel()
    point.z = consistent_algebraics(problem, point.t, point.x, point.z, point.modes)
    rows.add(np.array([point.t]), point.x[None], point.z[None], point.modes)
    occurrences.append(Occurrence(point.t, name))


def _assemble(
    problem: Problem,
    rows: _Rows,
    statistics: dict[str, Any],
    occurrences: list[Occurrence],
    point: _Point,
    reason: str,
    stopped: str,
) -> Solution:
    times, x, z, modes, before = rows.joined()
    if problem.exact:
        keep = _last_at(times, problem.times)
        times, x, z, modes, before = times[keep], x[keep], z[keep], modes[keep], before[keep]
    unit = problem.layout.time_unit
    words = f"stopped by event {stopped!r} at {point.t:.6g} {unit}" if stopped else f"reached {point.t:.6g} {unit}"
    if reason:
        words = (
            f"{type(problem.model).__name__} stopped at {point.t:.6g} {unit}, before {problem.end:.6g} {unit}: {reason}"
        )
    last = point.x
    status = RunStatus(
        not reason, words, point.t, Deferred(lambda: _by_name(problem, last)), _violations(problem, times, x)
    )
    return Solution(
        times, unit, Deferred(lambda: _traces(problem, times, x, z, modes, before)), status, statistics,
        Deferred(lambda: provenance(problem, statistics["solver"])), occurrences,
    )  # fmt: skip


def _violations(problem: Problem, times: Array, x: Array) -> tuple[str, ...]:
    """Say which states left their declared bounds, by more than the tolerance explains, and when first."""
    block = problem.layout.states
    low, high = block.limits
    slack = np.maximum(1e-6, 100 * problem.rtol) * block.scales
    outside = (x < low - slack) | (x > high + slack)
    if not outside.any():
        return ()
    found: list[str] = []
    for i in np.flatnonzero(outside.any(axis=0)):
        first = int(np.argmax(outside[:, i]))
        found.append(
            f"{block.labels[i]} leaves its bounds [{low[i]:g}, {high[i]:g}] at {times[first]:.6g} "
            f"{problem.layout.time_unit} ({x[first, i]:.6g}): the model is used outside its domain"
        )
    return tuple(found)


def _by_name(problem: Problem, x: Array) -> dict[str, Any]:
    return {name: np.asarray(value).tolist() for name, value in problem.layout.states.split(x).items()}


def _traces(problem: Problem, times: Array, x: Array, z: Array, modes: Array, before: Any) -> dict[str, Trace]:
    """Evaluate everything that follows from the states: inputs, derivatives, outputs."""
    layout, program = problem.layout, problem.program
    u = program.values(times)
    if np.any(before):
        u[before] = program.values(times[before], before=True)
    held = np.hstack([u, modes])
    dx, _, y = (
        np.asarray(part).T
        for part in problem.reading.equations.map(len(times))(times[None], x.T, z.T, held.T, problem.p)
    )
    traces: dict[str, Trace] = {}
    for block, data, slopes in (
        (layout.states, x, dx), (layout.algebraics, z, None), (layout.outputs, y, None),
        (layout.inputs, u, None), (layout.modes, modes, None),
    ):  # fmt: skip
        for entry in block:
            columns = entry.start if entry.size is None else slice(entry.start, entry.start + entry.width)
            variable = entry.variable
            traces[entry.name] = Trace(
                variable.kind, variable.unit, variable.doc, np.ascontiguousarray(data[:, columns]),
                None if slopes is None else np.ascontiguousarray(slopes[:, columns]),
                held=entry.name in program.held or variable.kind == "mode",
            )  # fmt: skip
    return traces


def _last_at(times: Array, wanted: Array) -> Any:
    """Return the position of the last row at each wanted time that was reached."""
    position = np.searchsorted(times, wanted, side="right") - 1
    return position[(position >= 0) & (times[np.maximum(position, 0)] == wanted)]


def provenance(problem: Problem, solver: str) -> dict[str, Any]:
    """Return what made a solution: enough to find the model, repeat the run and compare."""
    model = problem.model.with_(problem.changes)
    return {
        "model": type(model).__name__,
        "content_hash": model.content_hash,
        "parameters": {name: np.asarray(value).tolist() for name, value in model.parameters.items()},
        "options": dict(model.options),
        "solver": solver,
        "rtol": problem.rtol,
        "atol": problem.atol,
        "twinkit": __version__,
    }
