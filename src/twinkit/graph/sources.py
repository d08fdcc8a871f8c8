"""Inputs of a graph that vary over a run: each is a hidden component that drives one free input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core.component import Causality, Port, StepError, Values, Variability
from twinkit.core.errors import TwinkitError
from twinkit.core.identity import digest
from twinkit.core.layout import Block, Field, Layout
from twinkit.core.variables import Input
from twinkit.graph.ports import Connection, Node
from twinkit.simulate.signals import Ramps, Steps, called, program

if TYPE_CHECKING:
    from twinkit.graph.graph import Graph


def varies(value: Any) -> bool:
    """Return whether what a user gives for an input changes over time."""
    return isinstance(value, (Steps, Ramps)) or (callable(value) and not hasattr(value, "magnitude"))


class Source:
    """Drives one input of a node with `steps`, `ramps` or a function of time, in the graph's time unit.

    Parameters
    ----------
    name
        ``node.port`` of the input.
    port
        The input.
    signal
        What it follows.
    begin, end
        The run, in `time_unit`; None for an end that is not known yet.
    time_unit
        Of the graph.

    Raises
    ------
    UnitError, InvalidValueError, ShapeError, SimulationError
        For values that do not fit the port, times that do not increase, or a signal that does not cover the run.
    """

    stateless = False

    def __init__(
        self, name: str, port: Port, signal: Any, begin: float, end: float | None, time_unit: str
    ) -> None:  # fmt: skip
        self.name, self.time_unit = name, time_unit
        self._entry = Field(name, Input(port.unit, shape=port.shape), 0, port.shape)
        self._function: Callable[[float], Any] | None = None
        self._at_events, self._last = np.empty(0), np.inf
        if isinstance(signal, (Steps, Ramps)):
            if isinstance(signal, Ramps) and not signal.hold_last:
                self._last = self._last_time(signal, begin)
            self._program = self._programmed(signal, begin, min(self._last, np.inf if end is None else end, 1e300))
            if end is not None and end > self._last:
                self._programmed(signal, begin, end)  # says that the signal ends before the run
            self._at_events = self._program.knots[self._program.jumps]
        else:
            self._function = signal
        held = isinstance(signal, Steps)
        variability = Variability.DISCRETE if held else Variability.CONTINUOUS
        self.inputs: dict[str, Port] = {}
        self.outputs = {port.name: Port(port.name, port.unit, Causality.OUTPUT, port.shape, port.kind, variability,
                                        doc=port.doc)}  # fmt: skip
        self._port = port

    def _programmed(self, signal: Any, begin: float, end: float) -> Any:
        empty = Block.of("none", ())
        inputs = Block("input", (self._entry,))
        layout = Layout(empty, empty, inputs, empty, empty, empty, self.time_unit)
        return program(layout, {}, {self.name: signal}, begin, end, 1e-8)

    def _last_time(self, signal: Ramps, begin: float) -> float:
        return float(self._programmed(Ramps(signal.points, True), begin, begin).knots[-1])

    def _at(self, t: float) -> Values:
        slack = 1e-9 * max(1.0, abs(t))
        if t > self._last + slack:
            raise StepError(
                f"the input ends at {self._last:g} {self.time_unit}: add a point, or pass hold_last=True to tk.ramps",
                time=t,
            )
        if self._function is not None:
            try:
                found = called(self._entry, self._function, t)
            except TwinkitError as error:
                raise StepError(str(error), time=t) from error
        else:
            # A time that is a jump's but for rounding is the jump's.
            jump = self._at_events[np.abs(self._at_events - t) <= 1e-12 * max(1.0, abs(t))]
            found = self._program.values(jump[:1] if jump.size else np.array([t]))[0]
        return {self._port.name: float(found[0]) if self._port.shape is None else found}

    def initialize(self, t0: float, inputs: Values) -> Values:
        """Return the value at `t0`."""
        return self._at(t0)

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Return the value at ``t + dt``."""
        return self._at(t + dt)

    @property
    def has_events(self) -> bool:
        """Whether the input jumps or kinks."""
        return bool(self._at_events.size)

    def next_event(self, t: float) -> float | None:
        """Return the time of the next jump or kink, or None."""
        later = self._at_events[self._at_events > t + 1e-12 * max(1.0, abs(t))]
        return float(later[0]) if later.size else None

    def snapshot(self) -> None:
        """Return None: it depends on the time alone."""

    def restore(self, state: Any) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Nothing is held."""

    def __repr__(self) -> str:
        return f"Source({self.name})"


def with_sources(
    graph: Graph, inputs: Mapping[str, Any], begin: float, end: float | None
) -> tuple[dict[str, Node], list[Connection]]:
    """Return the nodes and edges of a run: those of the graph, and a source for each input that varies.

    A source has the name of its input, ``node.port``, which no node can have.
    """
    nodes, edges, free = dict(graph.nodes), list(graph.edges), graph.free_inputs()
    for name, value in inputs.items():
        if varies(value):
            port = free[name]
            nodes[name] = Node.of(name, Source(name, port, value, begin, end, graph.time_unit))
            target = (name.split(".", 1)[0], port.name)
            edges.append(Connection((name, port.name), target, 1.0, 0.0, port.unit, port.unit))
    return nodes, edges


def described(value: Any) -> str:
    """Return what an input was given, for the provenance of a solution."""
    if isinstance(value, (Steps, Ramps)):
        points = digest({"points": [[str(time), str(number)] for time, number in value.points]})
        return f"{type(value).__name__} of {len(value.points)} points, {points}"
    return f"function {getattr(value, '__qualname__', repr(value))}" if varies(value) else str(value)
