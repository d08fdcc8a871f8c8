"""A graph as a component of another graph, with a master and a step of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core.component import Array, Causality, HasEvents, Port, StepError, Stops, Values, Variability
from twinkit.core.errors import InvalidValueError
from twinkit.core.identity import digest
from twinkit.core.solution import Occurrence
from twinkit.graph.arrays import Evaluator, unpack
from twinkit.graph.check import GraphCheckError, problems_of
from twinkit.graph.engine import Engine, has, rolls_back
from twinkit.graph.march import Recorder
from twinkit.graph.masters import Master
from twinkit.graph.order import feedthrough_of
from twinkit.graph.ports import Connection, Node

if TYPE_CHECKING:
    from twinkit.graph.graph import Graph


class Inlet:
    """Stands for what comes from outside: a `GraphComponent` writes its output into the arrays of the run."""

    stateless = True

    def __init__(self, port: Port, time_unit: str) -> None:
        self.time_unit, self.start = time_unit, np.zeros(port.width)
        self.inputs: dict[str, Port] = {}
        out = replace(port, causality=Causality.OUTPUT, variability=Variability.DISCRETE, default=None)
        self.outputs = {port.name: out}

    def initialize(self, t0: float, inputs: Values) -> Values:
        """Return the value at the start."""
        return unpack(self.outputs, self.start)

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Never called: it has no memory, and is evaluated."""
        raise StepError("an inlet takes no steps", time=t)

    def bind_evaluate(self, inputs: Array, outputs: Array) -> Evaluator:
        """Return what leaves the output as it is."""
        return lambda t: None

    def snapshot(self) -> None:
        """Return None: the value is kept with the outputs of the run."""

    def restore(self, state: Any) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Nothing is held."""


class GraphComponent:
    """A graph that lives in another one; made by ``graph.as_component(master)``.

    Its inputs are the graph's free inputs, its outputs all outputs, as ``node.port``. Inputs are held over a step,
    within which the graph goes on with its own master. It offers what its components offer: rollback where all roll
    back, `evaluate` where all with feedthrough can be evaluated, events, occurrences, and the end of a run by an event.

    Parameters
    ----------
    graph
        A later change of it does not count.
    master
        How it is stepped within a step of the graph around it.

    Raises
    ------
    GraphCheckError
        If the graph has problems under this master (an input without a value is none: it is a port).
    """

    def __init__(self, graph: Graph, master: Master) -> None:
        if isinstance(master, type) or not isinstance(master, Master):
            raise InvalidValueError(f"a master is an object such as tk.graph.Midpoint('1 s'), not {master!r}")
        free = graph.free_inputs()
        found = problems_of(graph, master, dict.fromkeys(free, 0.0))
        if found:
            raise GraphCheckError(found)
        self.graph = graph.with_()
        self.master, self.time_unit = master, graph.time_unit
        self.inputs: dict[str, Port] = {name: replace(port, name=name) for name, port in free.items()}
        self.outputs: dict[str, Port] = {
            f"{name}.{port.name}": replace(port, name=f"{name}.{port.name}")
            for name, node in graph.nodes.items()
            for port in node.component.outputs.values()
        }
        self._inlets = {name: Inlet(port, self.time_unit) for name, port in free.items()}
        self._engine: Engine | None = None
        self._record = Recorder(0)
        components = [node.component for node in graph.nodes.values()]
        self.rolls_back = all(rolls_back(component) for component in components)
        self.has_events = any(has(component, HasEvents, "has_events") for component in components)
        self.can_stop = any(has(component, Stops, "can_stop") for component in components)
        if self._evaluates():
            self.evaluate = self._evaluate

    def _evaluates(self) -> bool:
        """Return whether all that follows inputs at once can be evaluated."""
        nodes = self.graph.nodes.values()
        passing = [node.component for node in nodes if any(feedthrough_of(node).values())]
        return all(hasattr(component, "evaluate") or hasattr(component, "bind_evaluate") for component in passing)

    def _made(self) -> Engine:
        """Return the run, made when first needed."""
        if self._engine is None:
            nodes, edges = dict(self.graph.nodes), list(self.graph.edges)
            for name, inlet in self._inlets.items():
                nodes[name] = Node.of(name, inlet)
                (port,) = inlet.outputs.values()
                edges.append(Connection((name, port.name), (name.split(".", 1)[0], port.name), 1.0, 0.0, port.unit,
                                        port.unit))  # fmt: skip
            alias = bool(getattr(self.master, "alias", False)) and not getattr(self.master, "rates", None)
            self._engine = Engine(nodes, edges, self.time_unit, {}, self.master.loops, alias=alias)
            self._record = Recorder(len(self._engine.Y))
        return self._engine

    def _given(self, inputs: Values) -> dict[str, Array]:
        given: dict[str, Array] = {}
        for name, port in self.inputs.items():
            value = inputs.get(name, port.default)
            if value is None:
                raise StepError(f"{self!r}: input {name!r} has neither a value nor a default", values=inputs)
            given[name] = np.atleast_1d(np.asarray(value, dtype=np.float64))
        return given

    def _write(self, engine: Engine, inputs: Values) -> None:
        for name, value in self._given(inputs).items():
            engine.Y[engine.slots[name].y] = value

    def _read(self, engine: Engine) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self.graph.nodes:
            slot = engine.slots[name]
            values = unpack(slot.component.outputs, slot.outputs)
            found |= {f"{name}.{port}": value for port, value in values.items()}
        return found

    # -- time --------------------------------------------------------------------------------------------------
    def initialize(self, t0: float, inputs: Values) -> Values:
        """Start (or start again) at `t0` and return the outputs there."""
        engine = self._made()
        for name, value in self._given(inputs).items():
            self._inlets[name].start[:] = value
        try:
            engine.initialize(t0)
        except StepError as error:
            raise _from_inside(error) from error
        return self._read(engine)

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Advance from `t` to ``t + dt`` with inputs held, and return the outputs at the end."""
        engine = self._made()
        if not dt > 0.0:
            raise StepError(f"a step goes forward: dt = {dt!r}", time=t, values=inputs)
        if engine.ended is not None:
            raise StepError(f"event {engine.ended.name!r} has ended the run", time=t, values=inputs)
        engine.need_own()
        engine.time = t
        self._write(engine, inputs)
        self._record.forget(0)
        self._record.add(t, engine.Y)
        try:
            self.master.march(engine, t + dt, self._record)
        except StepError as error:
            raise _from_inside(error) from error
        return self._read(engine)

    def _evaluate(self, t: float, inputs: Values) -> Values:
        """Return the outputs at `t`, the present instant, under other inputs."""
        engine = self._made()
        self._write(engine, inputs)
        if engine.propagate is not None:
            try:
                engine.propagate(t)
            except StepError as error:
                raise _from_inside(error) from error
        return self._read(engine)

    def feedthrough(self) -> Mapping[str, frozenset[str]]:
        """Return output -> inputs it depends on without delay, along all paths through the graph."""
        through = {name: feedthrough_of(node) for name, node in self.graph.nodes.items()}
        driver = {edge.target: edge.source for edge in self.graph.edges}
        found: dict[str, frozenset[str]] = {}
        for name, node in self.graph.nodes.items():
            for port in node.component.outputs:
                reached, seen, pending = set[str](), {(name, port)}, [(name, port)]
                while pending:
                    place = pending.pop()
                    for entry in through[place[0]].get(place[1], ()):
                        source = driver.get((place[0], entry))
                        if source is None:
                            reached.add(f"{place[0]}.{entry}")
                        elif source not in seen:
                            seen.add(source)
                            pending.append(source)
                found[f"{name}.{port}"] = frozenset(reached)
        return found

    # -- what happens ------------------------------------------------------------------------------------------
    def next_event(self, t: float) -> float | None:
        """Return the time of the next known event of a component after `t`, or None."""
        found = self._made().next_event(t, np.inf)
        return found if found < np.inf else None

    def occurrences(self) -> Sequence[Occurrence]:
        """Return what has happened in the components, as ``node.event``."""
        return self._made().occurrences()

    def stopped(self) -> Occurrence | None:
        """Return the event of a component that ended the run, or None."""
        return self._made().ended

    # -- rollback ----------------------------------------------------------------------------------------------
    def snapshot(self) -> Any:
        """Return everything that determines how the graph goes on."""
        return self._made().snapshot()

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; the continuation is bitwise the same."""
        self._made().restore(state)

    def close(self) -> None:
        """Close all components."""
        if self._engine is not None:
            self._engine.close()

    @property
    def content_hash(self) -> str:
        """SHA-256 of the graph and its master."""
        return digest({"graph": self.graph.content_hash, "master": repr(self.master)})

    def __repr__(self) -> str:
        return f"GraphComponent({', '.join(self.graph.nodes)}; {type(self.master).__name__})"


def _from_inside(error: StepError) -> StepError:
    """Return an error that the graph around may give its own name for the component to."""
    return StepError(str(error), time=error.time, values=error.values)
