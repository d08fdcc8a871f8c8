"""From one jump of the state to the next: events, schedules, and what they bring about at the same instant.

A run of a model and a step of a model in a graph go this same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.solution import Occurrence
from twinkit.readings.casadi import OnNumbers
from twinkit.simulate.consistent import consistent_algebraics
from twinkit.simulate.cvodes import crossings
from twinkit.simulate.problem import Array, Leg, Problem, Solver

_MAX_OCCURRENCES = 100_000
_SERIES, _REST = 8, 1e-4  # events that show a geometric series, and the share of the run that is left of it


@dataclass
class Point:
    """Where a run is."""

    t: float
    x: Array
    z: Array
    modes: Array


@dataclass
class Rows:
    """Rows of the solution as they are reached."""

    times: list[Array] = field(default_factory=list[Array])
    x: list[Array] = field(default_factory=list[Array])
    z: list[Array] = field(default_factory=list[Array])
    modes: list[Array] = field(default_factory=list[Array])
    before: list[Any] = field(default_factory=list[Any])

    def add(self, times: Array, x: Array, z: Array, modes: Array, *, before: Any = False) -> None:
        """Add the rows of a stretch with constant modes."""
        self.times.append(times)
        self.x.append(x)
        self.z.append(z)
        self.modes.append(np.broadcast_to(modes, (len(times), len(modes))))
        self.before.append(np.broadcast_to(before, len(times)))

    def add_point(self, point: Point) -> None:
        """Add one row."""
        self.add(np.array([point.t]), point.x[None], point.z[None], point.modes)

    def add_leg(self, problem: Problem, leg: Leg, modes: Array) -> None:
        """Add the rows of a leg; a jump of an input gets a row before and a row after."""
        index, before = doubled(problem, leg.times)
        self.add(leg.times[index], leg.x[index], leg.z[index], modes, before=before)

    def joined(self) -> tuple[Array, Array, Array, Array, Any]:
        """Return times, states, algebraic variables, modes and marks of all rows."""
        return (
            np.concatenate(self.times), np.concatenate(self.x), np.concatenate(self.z), np.concatenate(self.modes),
            np.concatenate(self.before),
        )  # fmt: skip


@dataclass
class Pace:
    """Notices events that follow each other without end (a ball whose bounces never stop), before they are missed.

    The intervals of such events shrink geometrically towards an instant they never reach; once the rest of the series
    is a small part of the run, the run stops. (Later, the excursions between events would drown in the tolerance.)
    """

    times: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    count: int = 0

    def copy(self) -> Pace:
        """Return an independent copy."""
        return Pace({name: list(times) for name, times in self.times.items()}, self.count)

    def trouble(self, name: str, t: float, span: float) -> str:
        """Take note of an event in a run of length `span`; return what is wrong, in words ('' when nothing is)."""
        self.count += 1
        times = self.times.setdefault(name, [])
        times.append(t)
        del times[:-_SERIES]
        if not _accumulates(np.diff(times), span) and self.count <= _MAX_OCCURRENCES:
            return ""
        return (
            f"events {name!r} follow each other without end ({self.count} so far): let the model come to rest, for "
            "example by a mode that switches the motion off"
        )


def _accumulates(intervals: Array, span: float) -> bool:
    if len(intervals) < _SERIES - 1 or np.all(intervals <= 0.0):
        return len(intervals) == _SERIES - 1  # so many in one instant
    if np.any(intervals <= 0.0):
        return False
    ratios = intervals[1:] / intervals[:-1]
    ratio = float(np.max(ratios))
    if ratio > 0.98 or ratio - float(np.min(ratios)) > 0.05:
        return False
    rest = float(intervals[-1]) * ratio / (1.0 - ratio)
    return rest < _REST * span


@dataclass
class Walk:
    """A run under way, leg by leg.

    Attributes
    ----------
    problem, solver
        What is run, and what integrates a leg.
    point
        Where it is.
    span
        Length of the whole run: what is a short time in it.
    rows
        Where rows are filed; None: nowhere.
    pace
        What it knows of the rhythm of events.
    fired
        Position of the event that has just happened at `point` (see `Solver.advance`), or None.
    reason, stopped
        Why the run failed, in words; the event that ended it ('' while neither is so).
    """

    problem: Problem
    solver: Solver
    point: Point
    span: float
    rows: Rows | None = None
    pace: Pace = field(default_factory=Pace)
    fired: int | None = None
    statistics: dict[str, Any] = field(default_factory=dict[str, Any])
    occurrences: list[Occurrence] = field(default_factory=list[Occurrence])
    reason: str = ""
    stopped: str = ""

    def roots(self) -> Array:
        """Return the event expressions at the point."""
        problem, point = self.problem, self.point
        if not problem.reading.events:
            return np.empty(0)
        held = problem.held_values(point.t, point.modes)
        expressions = problem.once("roots", lambda: OnNumbers(problem.reading.event_roots))
        return expressions(point.t, point.x, point.z, held, problem.p)[0]

    def settle(self) -> None:
        """Move the algebraic variables to where everything else wants them."""
        point = self.point
        point.z = consistent_algebraics(self.problem, point.t, point.x, point.z, point.modes)

    def to(self, end: float, schedule: list[tuple[float, str]]) -> None:
        """Go on to `end`, or to where an event or a failure ends the run.

        Parameters
        ----------
        end
            In the model's time unit.
        schedule
            ``(time, name)`` of what is scheduled on the way, in order of time.
        """
        roots = self.roots()
        due, count = 0, len(schedule)
        while not self.reason and not self.stopped and (self.point.t < end or due < count):
            while due < count and schedule[due][0] <= self.point.t:
                self._apply(schedule[due][1])
                self.cascade(roots)
                roots = self.roots()
                due += 1
            stop = min(end, schedule[due][0]) if due < count else end
            if self.point.t >= stop or self.stopped:
                return
            self._leg(stop, roots)
            roots = self.roots()

    def _leg(self, stop: float, roots: Array) -> None:
        """Integrate to `stop` or the first event on the way, and let that one happen."""
        problem, point = self.problem, self.point
        if not point.x.size:  # nothing to integrate, and no path on which to look for an event
            point.t = stop
            self.settle()
            self.cascade(roots)
            return
        leg = self.solver.advance(
            problem, point.t, point.x, point.z, point.modes, grid_of(problem, point.t, stop), self.statistics,
            self.fired,
        )  # fmt: skip
        self.reason, self.fired = leg.reason, leg.event
        if len(leg.times):
            if self.rows is not None:
                self.rows.add_leg(problem, leg, point.modes)
            point.t, point.x, point.z = float(leg.times[-1]), leg.x[-1], leg.z[-1]
        if leg.event is not None:
            name = problem.model.structure.events[leg.event]
            self._apply(name)
            self.stopped = name if problem.reading.events[name].stop else ""
            self.reason = self.reason or self.pace.trouble(name, point.t, self.span)
            self.cascade(roots, name)

    def _apply(self, name: str) -> None:
        """Let one happening change states and modes; file the row just after it."""
        problem, point = self.problem, self.point
        held = problem.held_values(point.t, point.modes)
        after = problem.once(f"after {name}", lambda: OnNumbers(problem.reading.after[name]))
        point.x, point.modes = after(point.t, point.x, point.z, held, problem.p)
        self.settle()
        if self.rows is not None:
            self.rows.add_point(point)
        self.occurrences.append(Occurrence(point.t, name))

    def cascade(self, roots: Array, fired: str = "") -> None:
        """Let events happen that a happening brought about, or that fall on the same instant.

        An event happens once per instant, so that a chain of them ends.

        Parameters
        ----------
        roots
            The event expressions before.
        fired
            The event that happened already.
        """
        events = self.problem.reading.events
        if not events:
            return
        names = self.problem.model.structure.events
        directions = np.array([event.crossing.value for event in events.values()])
        happened = {fired}
        while True:
            crossed = crossings(roots, self.roots(), directions)
            due = [name for name, passed in zip(names, crossed, strict=True) if passed and name not in happened]
            if not due:
                return
            happened.add(due[0])
            self._apply(due[0])
            self.pace.trouble(due[0], self.point.t, self.span)
            self.stopped = due[0] if events[due[0]].stop else self.stopped


def grid_of(problem: Problem, t: float, end: float) -> Array:
    """Return the times a leg must reach: requested ones, jumps of inputs, and its end."""
    every = problem.stops
    first, last = np.searchsorted(every, [t, end], side="right")
    within = every[first:last]
    return within if len(within) and within[-1] == end else np.append(within, end)


def doubled(problem: Problem, times: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Return positions in `times` with jumps of inputs taken twice, and which rows are the ones just before."""
    breaks = problem.breaks
    place = np.searchsorted(breaks, times)
    jump = np.append(breaks, np.nan)[place] == times
    copies = np.where(jump, 2, 1)
    index = np.repeat(np.arange(len(times)), copies)
    before = np.zeros(len(index), dtype=bool)
    before[np.cumsum(copies)[jump] - 2] = True
    return index, before
