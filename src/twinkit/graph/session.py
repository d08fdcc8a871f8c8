"""A run of a graph: advanced piece by piece, saved, rolled back, and turned into a solution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from twinkit._version import __version__
from twinkit.core.component import Array, StepError, Variability
from twinkit.core.deferred import Deferred
from twinkit.core.errors import InvalidValueError
from twinkit.core.solution import Occurrence, RunStatus, Solution, Trace
from twinkit.core.units import as_number
from twinkit.graph.arrays import unpack
from twinkit.graph.check import GraphCheckError, problems_of
from twinkit.graph.engine import Engine
from twinkit.graph.march import Recorder
from twinkit.graph.masters import Adaptive, Master
from twinkit.graph.sources import described, with_sources
from twinkit.simulate.problem import output_times

if TYPE_CHECKING:
    from twinkit.graph.graph import Graph


class Session:
    """A run under way; made by ``graph.open(master)``. Use it in a ``with`` statement, which closes the components.

    Attributes
    ----------
    engine
        The arrays and functions of the run.
    """

    def __init__(
        self, graph: Graph, master: Master, *, start: Any = 0.0, inputs: Mapping[str, Any] | None = None,
        until: Any = None, progress: Callable[[float], None] | None = None,
    ) -> None:  # fmt: skip
        from twinkit.graph.graph import fixed_inputs

        if isinstance(master, type) or not isinstance(master, Master):
            raise InvalidValueError(f"a master is an object such as tk.graph.Jacobi('1 s'), not {master!r}")
        fixed = fixed_inputs(graph, inputs or {})
        found = problems_of(graph, master, inputs or {})
        if found:
            raise GraphCheckError(found)
        unit = graph.time_unit
        begin = as_number(start, unit, "the start")
        end = None if until is None else as_number(until, unit, "until")
        nodes, edges = with_sources(graph, inputs or {}, begin, end)
        self._inputs = {name: described(value) for name, value in (inputs or {}).items()}
        self._graph, self._master = graph, master
        self._hash = graph.content_hash
        self._seconds = 0.0
        self._until = end
        self._failure = ""
        alias = bool(getattr(master, "alias", False)) and not getattr(master, "rates", None)
        self.engine = Engine(nodes, edges, unit, fixed, master.loops, alias=alias)
        self._record = Recorder(len(self.engine.Y), progress)
        try:
            self.engine.initialize(begin)
        except BaseException:
            self.close()
            raise
        self._record.add(self.engine.time, self.engine.Y)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def time(self) -> float:
        """Where the run is, in the graph's time unit."""
        return self.engine.time

    @property
    def ended(self) -> Occurrence | None:
        """The event that ended the run, as ``node.event``, or None."""
        return self.engine.ended

    @property
    def outputs(self) -> dict[str, Any]:
        """All outputs now, as ``node.port``."""
        return {
            f"{name}.{port}": value
            for name, slot in self.engine.slots.items()
            if name not in self.engine.sources
            for port, value in unpack(slot.component.outputs, slot.outputs).items()
        }

    def advance(self, until: Any) -> None:
        """Go on to `until`, or to where an event of a component ends the run (see `ended`).

        What is scheduled for `until` happens in this call, not in the next one. (`Graph.simulate` leaves out what is
        scheduled for its very end, as a run of a model does.)

        Raises
        ------
        StepError
            If a component fails, or gives NaN or infinity; its `partial` is the solution up to there.
        InvalidValueError
            If the run has ended or failed, is beyond `until` already, or another run uses its components. After a
            failure (or an interrupt) components stand in the middle of a step: the run goes on only from a snapshot,
            with `restore`.
        """
        self._go(as_number(until, self.engine.time_unit, "until"))

    def _go(self, end: float, *, last: bool = False) -> None:
        """Go on to `end`; as the last stretch of a run, without what is scheduled there."""
        engine, unit = self.engine, self.engine.time_unit
        self._need_whole()
        if engine.ended is not None:
            raise InvalidValueError(f"the run has ended: {self._how_it_ended()}")
        if not end > engine.time:
            raise InvalidValueError(f"the run is at {engine.time:g} {unit} and goes forward, not to {end:g}")
        began, self._until = perf_counter(), end if self._until is None else max(end, self._until)
        try:
            engine.last = end if last else np.inf
            self._master.march(engine, end, self._record)
            if engine.ended is None:
                engine.time = self._record.times[-1] = end
        except StepError as error:
            self._failure = str(error)
            error.partial = self._solution(None)
            raise
        except BaseException as error:  # an interrupt: some components are further than others
            self._failure = f"interrupted by {type(error).__name__}"
            raise
        finally:
            self._seconds += perf_counter() - began

    def snapshot(self) -> Any:
        """Return everything that determines how the run goes on.

        Raises
        ------
        InvalidValueError
            If a component cannot roll back, or the run has failed.
        """
        self._need_whole()
        self.engine.need_rollback("a snapshot")
        return (self.engine.snapshot(), self._record.count)

    def restore(self, saved: Any) -> None:
        """Go on from a snapshot; what was recorded after it is forgotten, and the replay is bitwise the same."""
        state, count = saved
        self.engine.need_own()
        self.engine.restore(state)
        self._record.forget(count)
        self._failure = ""

    def close(self) -> None:
        """Close all components; a second call does nothing."""
        self.engine.close()

    def solution(self, outputs: Any = None) -> Solution:
        """Return what was recorded (at `outputs`, linear in between; None: at every exchange)."""
        return self._solution(outputs)

    def _need_whole(self) -> None:
        self.engine.need_own()
        if self._failure:
            raise InvalidValueError(f"the run has failed ({self._failure}): restore a snapshot, or start a new one")

    def _how_it_ended(self) -> str:
        engine, ended = self.engine, self.engine.ended
        if ended is None:
            return f"reached {engine.time:.6g} {engine.time_unit}"
        words = f"stopped by event {ended.name!r} at {ended.time:.6g} {engine.time_unit}"
        if engine.time < ended.time - 1e-6 * abs(ended.time):
            late = engine.cannot_roll_back()
            why = f", for {', '.join(late)} cannot roll back" if late else ""
            words += f"; the last values are those of the exchange before, at {engine.time:.6g}{why}"
        return words

    def _solution(self, outputs: Any) -> Solution:
        engine, unit = self.engine, self.engine.time_unit
        times, rows = self._record.times.copy(), self._record.rows.copy()
        reached = float(times[-1])
        if outputs is not None and len(times) > 1:
            wanted = self._wanted(outputs, float(times[0]), reached)
            times, rows = wanted, _sampled(engine, times, rows, wanted)
        last = self._record.rows[-1].copy()
        words, state = self._failure or self._how_it_ended(), Deferred(lambda: _named(engine, last))
        status = RunStatus(not self._failure, words, reached, state)
        statistics = {"master": type(self._master).__name__, "exchanges": self._record.count - 1,
                      "seconds": self._seconds, **engine.statistics}  # fmt: skip
        nodes = {name: repr(slot.component) for name, slot in engine.slots.items() if name not in engine.sources}
        provenance = {"model": f"Graph of {', '.join(nodes)}", "content_hash": self._hash, "nodes": nodes,
                      "edges": [str(edge) for edge in self._graph.edges], "inputs": self._inputs,
                      "master": repr(self._master), "twinkit": __version__}  # fmt: skip
        traces = Deferred(lambda: _traces(engine, rows))
        return Solution(times, unit, traces, status, statistics, provenance, engine.occurrences())

    def _wanted(self, outputs: Any, begin: float, reached: float) -> Array:
        """Return output times within what was reached: of a run that ended early, those up to there, and its end."""
        unit = self.engine.time_unit
        if self.engine.ended is None or self._until is None or not self._until > reached:
            return output_times(outputs, begin, reached, unit)[0]
        wanted, exact = output_times(outputs, begin, self._until, unit)
        wanted = wanted[wanted <= reached]
        return wanted if exact else np.union1d(wanted, [reached])


def _sampled(engine: Engine, times: Array, rows: Array, wanted: Array) -> Array:
    """Return rows at wanted times: linear between exchanges, held for what jumps."""
    left = np.clip(np.searchsorted(times, wanted, side="right") - 1, 0, len(times) - 2)
    s = np.clip((wanted - times[left]) / (times[left + 1] - times[left]), 0.0, 1.0)[:, None]
    found = rows[left] + s * (rows[left + 1] - rows[left])
    exact = s[:, 0] == 1.0
    found[exact] = rows[left[exact] + 1]
    for (name, port), place in engine.at_output.items():
        if _held(engine, name, port):
            found[:, place] = np.where(s >= 1.0, rows[left + 1][:, place], rows[left][:, place])
    return found


def _held(engine: Engine, name: str, port: str) -> bool:
    return engine.slots[name].component.outputs[port].variability is not Variability.CONTINUOUS


def _label(engine: Engine, name: str, port: str) -> str:
    return name if name in engine.sources else f"{name}.{port}"


def _named(engine: Engine, row: Array) -> dict[str, Any]:
    return {_label(engine, *key): row[place].tolist() for key, place in engine.at_output.items()}


def _traces(engine: Engine, rows: Array) -> dict[str, Trace]:
    traces: dict[str, Trace] = {}
    for (name, key), place in engine.at_output.items():
        port = engine.slots[name].component.outputs[key]
        data = np.ascontiguousarray(rows[:, place.start] if port.shape is None else rows[:, place])
        kind = "input" if name in engine.sources else "output"
        traces[_label(engine, name, key)] = Trace(kind, port.unit, port.doc, data, held=_held(engine, name, key))
    return traces


def simulate_graph(
    graph: Graph, until: Any, master: Master, *, start: Any, inputs: Mapping[str, Any] | None, outputs: Any,
    progress: bool,
) -> Solution:  # fmt: skip
    """Run a graph from start to end; see `Graph.simulate`."""
    unit = graph.time_unit
    begin, end = as_number(start, unit, "the start"), as_number(until, unit, "until")
    if not end > begin:
        raise InvalidValueError(f"the run must end after it starts; it goes from {begin:g} to {end:g} {unit}")
    stops = [end]
    if outputs is not None:
        wanted, _ = output_times(outputs, begin, end, unit)  # refused before the run rather than after it
        if isinstance(master, Adaptive):  # its steps are too long for values between them to be taken as linear
            stops = [*[float(time) for time in wanted if begin < time < end], end]
    with ExitStack() as stack:
        told: Callable[[float], None] | None = None
        if progress:
            from tqdm.auto import tqdm

            bar = stack.enter_context(tqdm(total=end - begin, unit=f" {unit}", desc="simulate", leave=False))

            def show(now: float) -> None:
                bar.update(now - begin - bar.n)

            told = show

        session = stack.enter_context(Session(graph, master, start=begin, inputs=inputs, until=end, progress=told))
        for stop in stops:
            if session.ended is None:
                session._go(stop, last=stop == end)  # pyright: ignore[reportPrivateUsage]
        return session.solution(outputs)
