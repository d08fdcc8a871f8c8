"""A run of a graph: advanced piece by piece, saved, rolled back, and turned into a solution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from twinkit._version import __version__
from twinkit.core.component import Array, Variability
from twinkit.core.deferred import Deferred
from twinkit.core.errors import InvalidValueError
from twinkit.core.solution import RunStatus, Solution, Trace
from twinkit.core.units import as_number
from twinkit.graph.arrays import unpack
from twinkit.graph.check import GraphCheckError, problems_of
from twinkit.graph.engine import Engine
from twinkit.graph.march import Recorder
from twinkit.graph.masters import Master
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
        progress: Callable[[float], None] | None = None,
    ) -> None:  # fmt: skip
        from twinkit.graph.graph import fixed_inputs

        if isinstance(master, type) or not isinstance(master, Master):
            raise InvalidValueError(f"a master is an object such as tk.graph.Jacobi('1 s'), not {master!r}")
        fixed = fixed_inputs(graph, inputs or {})
        found = problems_of(graph, master, inputs or {})
        if found:
            raise GraphCheckError(found)
        self._graph, self._master = graph, master
        self._hash = graph.content_hash
        self._seconds = 0.0
        alias = bool(getattr(master, "alias", False)) and not getattr(master, "rates", None)
        self.engine = Engine(graph.nodes, graph.edges, graph.time_unit, fixed, master.loops, alias=alias)
        self._record = Recorder(len(self.engine.Y), progress)
        try:
            self.engine.initialize(as_number(start, graph.time_unit, "the start"))
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
    def outputs(self) -> dict[str, Any]:
        """All outputs now, as ``node.port``."""
        return {
            f"{name}.{port}": value
            for name, slot in self.engine.slots.items()
            for port, value in unpack(slot.component.outputs, slot.outputs).items()
        }

    def advance(self, until: Any) -> None:
        """Go on to `until`.

        Raises
        ------
        StepError
            If a component fails, or gives NaN or infinity.
        """
        end = as_number(until, self.engine.time_unit, "until")
        if not end > self.engine.time:
            raise InvalidValueError(
                f"the run is at {self.engine.time:g} {self.engine.time_unit} and goes forward, not to {end:g}"
            )
        began = perf_counter()
        self._master.march(self.engine, end, self._record)
        self._seconds += perf_counter() - began

    def snapshot(self) -> Any:
        """Return everything that determines how the run goes on.

        Raises
        ------
        InvalidValueError
            If a component cannot roll back.
        """
        self.engine.need_rollback("a snapshot")
        return (self.engine.snapshot(), self._record.count)

    def restore(self, saved: Any) -> None:
        """Go on from a snapshot; what was recorded after it is forgotten, and the replay is bitwise the same."""
        state, count = saved
        self.engine.restore(state)
        self._record.forget(count)

    def close(self) -> None:
        """Close all components; a second call does nothing."""
        with ExitStack() as stack:
            for slot in self.engine.slots.values():
                stack.callback(slot.component.close)

    def solution(self, outputs: Any = None) -> Solution:
        """Return what was recorded (at `outputs`, linear in between; None: at every exchange)."""
        engine, unit = self.engine, self.engine.time_unit
        times, rows = self._record.times.copy(), self._record.rows.copy()
        if outputs is not None and len(times) > 1:
            wanted, _ = output_times(outputs, float(times[0]), float(times[-1]), unit)
            times, rows = wanted, _sampled(engine, times, rows, wanted)
        last = rows[-1]
        status = RunStatus(
            True, f"reached {engine.time:.6g} {unit}", engine.time, Deferred(lambda: _named(engine, last))
        )
        statistics = {"master": type(self._master).__name__, "exchanges": self._record.count - 1,
                      "seconds": self._seconds, **engine.statistics}  # fmt: skip
        nodes = {name: repr(slot.component) for name, slot in engine.slots.items()}
        provenance = {"model": f"Graph of {', '.join(nodes)}", "content_hash": self._hash, "nodes": nodes,
                      "edges": [str(edge) for edge in engine.edges], "master": repr(self._master),
                      "twinkit": __version__}  # fmt: skip
        return Solution(times, unit, Deferred(lambda: _traces(engine, rows)), status, statistics, provenance)


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


def _named(engine: Engine, row: Array) -> dict[str, Any]:
    return {f"{name}.{port}": row[place].tolist() for (name, port), place in engine.at_output.items()}


def _traces(engine: Engine, rows: Array) -> dict[str, Trace]:
    traces: dict[str, Trace] = {}
    for (name, key), place in engine.at_output.items():
        port = engine.slots[name].component.outputs[key]
        data = rows[:, place.start] if port.shape is None else rows[:, place]
        traces[f"{name}.{key}"] = Trace(
            "output", port.unit, port.doc, np.ascontiguousarray(data), held=_held(engine, name, key)
        )
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
    if outputs is not None:
        output_times(outputs, begin, end, unit)  # refused before the run rather than after it
    with ExitStack() as stack:
        told: Callable[[float], None] | None = None
        if progress:
            from tqdm.auto import tqdm

            bar = stack.enter_context(tqdm(total=end - begin, unit=f" {unit}", desc="simulate", leave=False))

            def show(now: float) -> None:
                bar.update(now - begin - bar.n)

            told = show

        session = stack.enter_context(Session(graph, master, start=begin, inputs=inputs, progress=told))
        session.advance(end)
        return session.solution(outputs)
