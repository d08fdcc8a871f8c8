"""From the rows a solver reached to a `Solution`, evaluating only what is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit._version import __version__
from twinkit.core.deferred import Deferred
from twinkit.core.layout import Block, Field
from twinkit.core.solution import Occurrence, RunStatus, Solution, Trace
from twinkit.readings.casadi import SYMBOLIC
from twinkit.simulate.problem import Array, Problem


@dataclass(frozen=True)
class Record:
    """Rows of a run.

    Attributes
    ----------
    times, x, z, modes
        ``(n,)``, ``(n, states)``, ``(n, algebraics)``, ``(n, modes)``.
    before
        Marks rows just before a jump of an input; None: there are none.
    """

    times: Array
    x: Array
    z: Array
    modes: Array
    before: npt.NDArray[np.bool_] | None


@dataclass(frozen=True)
class Ending:
    """How and where a run ended: `reason` why it failed ('' if not), `stopped` by which event ('' if by none)."""

    t: float
    x: Array
    reason: str = ""
    stopped: str = ""


class Traces(Mapping[str, Trace]):
    """The variables of a run by name. States are there; outputs and derivatives are evaluated on first use."""

    def __init__(self, problem: Problem, record: Record) -> None:
        self._problem = problem
        self._record = record
        self._made: dict[str, Trace] = {}

    @property
    def _blocks(self) -> tuple[Block, ...]:
        layout = self._problem.layout
        return (layout.states, layout.algebraics, layout.outputs, layout.inputs, layout.modes)

    @cached_property
    def _names(self) -> dict[str, tuple[Block, Field]]:
        return {entry.name: (block, entry) for block in self._blocks for entry in block}

    @cached_property
    def _inputs(self) -> Array:
        record, program = self._record, self._problem.program
        u = program.values(record.times)
        if record.before is not None:
            u[record.before] = program.values(record.times[record.before], before=True)
        return u

    @cached_property
    def _evaluated(self) -> tuple[Array, Array]:
        """Derivatives and outputs at all rows."""
        record, problem = self._record, self._problem
        held = np.hstack([self._inputs, record.modes])
        with SYMBOLIC:
            mapped = problem.reading.mapped(len(record.times))
            dx, _, y = mapped(record.times[None], record.x.T, record.z.T, held.T, problem.p)
            return np.asarray(dx).T, np.asarray(y).T

    def _data(self, block: Block) -> Array:
        layout, record = self._problem.layout, self._record
        known = {id(layout.states): record.x, id(layout.algebraics): record.z, id(layout.modes): record.modes}
        if id(block) in known:
            return known[id(block)]
        return self._evaluated[1] if block is layout.outputs else self._inputs

    def _derivative(self, columns: Any) -> Array:
        return np.ascontiguousarray(self._evaluated[0][:, columns])

    def __getitem__(self, name: str) -> Trace:
        if name not in self._made:
            block, entry = self._names[name]
            columns: Any = entry.start if entry.size is None else slice(entry.start, entry.start + entry.width)
            variable = entry.variable
            later = partial(self._derivative, columns) if block is self._problem.layout.states else None
            held = name in self._problem.program.held or variable.kind == "mode"
            data = np.ascontiguousarray(self._data(block)[:, columns])
            self._made[name] = Trace(variable.kind, variable.unit, variable.doc, data, later, held)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[Any, ...]:
        return (dict, (dict(self),))


def solution_of(
    problem: Problem, record: Record, statistics: dict[str, Any], occurrences: Sequence[Occurrence], ending: Ending
) -> Solution:
    """Return the solution that holds a record."""
    unit = problem.layout.time_unit
    words = f"stopped by event {ending.stopped!r} at" if ending.stopped else "reached"
    words = f"{words} {ending.t:.6g} {unit}"
    if ending.reason:
        name = type(problem.model).__name__
        words = f"{name} stopped at {ending.t:.6g} {unit}, before {problem.end:.6g} {unit}: {ending.reason}"
    state = Deferred(lambda: _by_name(problem, ending.x))
    status = RunStatus(not ending.reason, words, ending.t, state, _violations(problem, record.times, record.x))
    made_by = Deferred(lambda: provenance(problem, statistics["solver"]))
    plotted = problem.model.plotted
    return Solution(
        record.times, unit, Traces(problem, record), status, statistics, made_by, occurrences, plotted=plotted
    )


def _violations(problem: Problem, times: Array, x: Array) -> tuple[str, ...]:
    """Say which states left their declared bounds, by more than the tolerance explains, and when first."""
    low, high = problem.once("limits", lambda: _limits(problem))
    outside = (x < low) | (x > high)
    if not outside.any():
        return ()
    block = problem.layout.states
    found: list[str] = []
    for i in np.flatnonzero(outside.any(axis=0)):
        first = int(np.argmax(outside[:, i]))
        bounds = ", ".join(f"{limit[i]:g}" for limit in block.limits)
        found.append(
            f"{block.labels[i]} leaves its bounds [{bounds}] at {times[first]:.6g} {problem.layout.time_unit} "
            f"({x[first, i]:.6g}): the model is used outside its domain"
        )
    return tuple(found)


def _limits(problem: Problem) -> tuple[Array, Array]:
    block = problem.layout.states
    slack = np.maximum(1e-6, 100 * problem.rtol) * block.scales
    return block.limits[0] - slack, block.limits[1] + slack


def _by_name(problem: Problem, x: Array) -> dict[str, Any]:
    return {name: np.asarray(value).tolist() for name, value in problem.layout.states.split(x).items()}


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
