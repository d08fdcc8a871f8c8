"""The graph: components joined by typed edges, built step by step, run by a master."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from twinkit.core.component import Array, Component, Port
from twinkit.core.errors import InvalidValueError, nearest, unknown_name
from twinkit.core.identity import digest
from twinkit.core.model import Model
from twinkit.core.solution import Solution
from twinkit.core.units import affine, unit_label
from twinkit.graph.check import GraphCheckError, problems_of
from twinkit.graph.masters import Master
from twinkit.graph.ports import ConnectError, Connection, Node, Plug, Transformation, join
from twinkit.graph.sources import varies

if TYPE_CHECKING:
    from twinkit.graph.compare import Comparison
    from twinkit.graph.nested import GraphComponent
    from twinkit.graph.session import Session


class Graph:
    """A typed graph of components.

    It is built by adding nodes and edges, and nothing is ever removed from it: `with_` and `without` return another
    graph. Every edge is checked when it is made; a run works on a copy of what there is when it starts.

    Parameters
    ----------
    time_unit
        In which the graph counts time; None: that of the first component. Components keep their own.

    Examples
    --------
    >>> import twinkit as tk
    >>> graph = tk.Graph()
    >>> heat = graph.add("heat", tk.Block(lambda level: 5 * level, inputs={"level": ("", 0.5)}, outputs={"Q": "kW"}))
    >>> show = graph.add("show", tk.Block(lambda Q: Q, inputs={"Q": "W"}, outputs={"Q": "W"}))
    >>> edge = graph.connect(heat.out["Q"], show.inp["Q"])
    >>> print(graph)
    Graph: 2 nodes, 1 edge, time in s
      heat: Block(<lambda>)
      show: Block(<lambda>)
      heat.Q -> show.Q  (kW -> W: x 1000)
      heat.level: not connected, 0.5
    """

    def __init__(self, time_unit: str | None = None) -> None:
        self._time_unit = time_unit
        self._nodes: dict[str, Node] = {}
        self._edges: list[Connection] = []
        if time_unit is not None:
            affine(time_unit, "s")

    # -- building ----------------------------------------------------------------------------------------------
    def add(self, name: str, component: Component | Model) -> Node:
        """Add a component, or a model, under a name of its own; return its node.

        Raises
        ------
        InvalidValueError
            If the name is no identifier or taken, or the object is no component or in the graph already.
        """
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise InvalidValueError(f"a node's name is a Python identifier, not {name!r}")
        if name in self._nodes:
            raise InvalidValueError(f"the graph has a node {name!r} already")
        if isinstance(component, Model):
            from twinkit.simulate.component import ModelComponent

            component = ModelComponent(component)
        if isinstance(component, type) or not isinstance(component, Component):
            raise InvalidValueError(
                f"{component!r} is not a component or a model instance; a function becomes one with tk.Block(function, "
                "inputs={...}, outputs={...}), recorded data with tk.Replay(table, hold=...)"
            )
        for other, node in self._nodes.items():
            if node.component is component:
                raise InvalidValueError(f"this component is in the graph already, as {other!r}: make another one")
        affine(component.time_unit, "s")
        made = self._nodes[name] = Node.of(name, component)
        return made

    def connect(
        self, source: Plug, target: Plug, *, guess: Any = None, factor: float = 1.0, offset: float = 0.0,
        convert_units: bool = True,
    ) -> tuple[Connection, ...]:  # fmt: skip
        """Join an output to an input (or a stream to a stream); units are converted, and the edge says how.

        Parameters
        ----------
        source, target
            ``a.out["w"]``, ``b.inp["w"]``.
        guess
            First value of the input, where the edge closes an algebraic loop.
        factor, offset
            The input is ``factor * value + offset``, after the units are converted (SSP: a linear transformation).
        convert_units
            False: take the numbers as they are, whatever the units.

        Raises
        ------
        ConnectError
            Wrong direction or kind; an input that is driven already; a node of another graph.
        ShapeError, UnitError
            Wrong length; wrong dimension.
        """
        made = join(source, target, guess, Transformation(float(factor), float(offset), convert_units))
        for plug in (source, target):
            node = self._nodes.get(plug.node)
            side = () if node is None else (*node.out.values(), *node.inp.values())
            if not any(own is plug for own in side):
                raise ConnectError(f"{plug.label} belongs to no node of this graph ({nearest(plug.node, self._nodes)})")
        for edge in made:
            driver = next((known for known in self._edges if known.target == edge.target), None)
            if driver is not None:
                name, by, also = (".".join(place) for place in (edge.target, driver.source, edge.source))
                raise ConnectError(f"{name} is driven by {by} already and cannot be driven by {also} too")
        self._edges.extend(made)
        return tuple(made)

    def with_(self, **components: Component | Model) -> Graph:
        """Return a graph in which other components stand at some nodes; edges are checked and converted anew.

        A component without inputs (recorded data, a live plant) may stand for one that has some: the edges into it go.

        Parameters
        ----------
        **components
            Node -> component (or model) that has the ports which are connected.

        Raises
        ------
        UnknownNameError
            If there is no such node, or a component lacks a port that is connected.
        ConnectError, ShapeError, UnitError
            If a port does not fit its edge.

        Examples
        --------
        >>> import twinkit as tk
        >>> graph = tk.Graph()
        >>> plant = graph.add("plant", tk.Block(lambda Q: 2 * Q, inputs={"Q": ("kW", 1.0)}, outputs={"T": "K"}))
        >>> show = graph.add("show", tk.Block(lambda T: T, inputs={"T": "K"}, outputs={"T": "K"}))
        >>> edge = graph.connect(plant.out["T"], show.inp["T"])
        >>> record = tk.Replay({"T": [300.0, 301.0]}, hold="previous", times=[0, 10], units={"T": "K"})
        >>> graph.with_(plant=record).simulate(20.0, master=tk.graph.Jacobi(5.0))["show.T"].data.tolist()
        [300.0, 300.0, 301.0, 301.0, 301.0]
        """
        for name in components:
            if name not in self._nodes:
                raise unknown_name("node", name, self._nodes, "the graph")
        other = Graph(self.time_unit)
        for name, node in self._nodes.items():
            other.add(name, components.get(name, node.component))
        mute = {name for name in components if not other.nodes[name].component.inputs}
        other._reconnect([edge for edge in self._edges if edge.target[0] not in mute])
        return other

    def without(self, *names: str) -> Graph:
        """Return a graph without some nodes and the edges at them.

        Raises
        ------
        UnknownNameError
            If there is no such node.
        """
        for name in names:
            if name not in self._nodes:
                raise unknown_name("node", name, self._nodes, "the graph")
        other = Graph(self.time_unit)
        for name, node in self._nodes.items():
            if name not in names:
                other.add(name, node.component)
        other._reconnect([edge for edge in self._edges if not {edge.source[0], edge.target[0]} & set(names)])
        return other

    def _reconnect(self, edges: Sequence[Connection]) -> None:
        """Make edges between nodes of the same names, those of a stream together."""
        made = {edge.target for edge in self._edges}
        for edge in edges:
            if edge.target in made:
                continue
            source, target = self._plug(edge.source, "out"), self._plug(edge.target, "inp")
            factor, offset = edge.transformation
            edges_made = self.connect(
                source, target, guess=edge.guess, factor=factor, offset=offset, convert_units=edge.convert_units
            )
            made |= {new.target for new in edges_made}

    def _plug(self, place: tuple[str, str], side: Literal["out", "inp"]) -> Plug:
        """Return the plug of a port, or of the stream it is part of."""
        name, port = place
        sockets = self._nodes[name].out if side == "out" else self._nodes[name].inp
        stream = sockets.get(port.rpartition(".")[0])
        if stream is not None and any(own.name == port for own in stream.ports.values()):
            return stream
        return sockets[port]

    # -- what there is -----------------------------------------------------------------------------------------
    @property
    def nodes(self) -> Mapping[str, Node]:
        """Nodes by name, in the order they were added."""
        return MappingProxyType(self._nodes)

    @property
    def edges(self) -> tuple[Connection, ...]:
        """Edges in the order they were made."""
        return tuple(self._edges)

    @property
    def time_unit(self) -> str:
        """Unit in which the graph counts time."""
        if self._time_unit is not None:
            return self._time_unit
        return next((node.component.time_unit for node in self._nodes.values()), "s")

    def __getitem__(self, name: str) -> Node:
        if name not in self._nodes:
            raise unknown_name("node", name, self._nodes, "the graph")
        return self._nodes[name]

    def free_inputs(self) -> dict[str, Port]:
        """Return the inputs that are not connected, as ``node.port``."""
        driven = {edge.target for edge in self._edges}
        return {
            f"{name}.{port.name}": port
            for name, node in self._nodes.items()
            for port in node.component.inputs.values()
            if (name, port.name) not in driven
        }

    def check(self, master: Master | None = None, inputs: Mapping[str, Any] | None = None) -> None:
        """Check the whole graph.

        Parameters
        ----------
        master
            Check also what this master needs; without one, every algebraic loop is a problem.
        inputs
            ``node.port`` -> value of inputs that are not connected, as `simulate` will be given.

        Raises
        ------
        GraphCheckError
            With all problems: inputs without a value, algebraic loops with their path, components that cannot roll
            back.
        """
        found = problems_of(self, master, inputs or {})
        if found:
            raise GraphCheckError(found)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the components, the edges and the time unit."""
        parts = {name: component_hash(node.component) for name, node in self._nodes.items()}
        return digest({"nodes": parts, "edges": sorted(map(repr, self._edges)), "time_unit": self.time_unit})

    # -- running -----------------------------------------------------------------------------------------------
    def open(self, master: Master, *, start: Any = 0.0, inputs: Mapping[str, Any] | None = None,
             progress: Any = None) -> Session:  # fmt: skip
        """Start a run that can be advanced piece by piece, saved and rolled back (see `Session`)."""
        from twinkit.graph.session import Session

        return Session(self, master, start=start, inputs=inputs, progress=progress)

    def as_component(self, master: Master) -> GraphComponent:
        """Return this graph as a component of another one, stepped by a master of its own.

        Its inputs are the free inputs, its outputs all outputs, as ``node.port``.

        Examples
        --------
        >>> import twinkit as tk
        >>> inner = tk.Graph()
        >>> node = inner.add("double", tk.Block(lambda x: 2 * x, inputs={"x": ("m", 1.0)}, outputs={"y": "m"}))
        >>> outer = tk.Graph()
        >>> inside = outer.add("inside", inner.as_component(tk.graph.Jacobi(1.0)))
        >>> list(inside.inp), list(inside.out)
        (['double.x'], ['double.y'])
        """
        from twinkit.graph.nested import GraphComponent

        return GraphComponent(self, master)

    def simulate(
        self, until: Any, *, master: Master, start: Any = 0.0, inputs: Mapping[str, Any] | None = None,
        outputs: Any = None, progress: bool = False,
    ) -> Solution:  # fmt: skip
        """Run the graph.

        Parameters
        ----------
        until, start
            End and start: numbers in the graph's time unit, texts or quantities.
        master
            `Jacobi`, `GaussSeidel`, `Midpoint`, `Implicit` or `Adaptive`.
        inputs
            ``node.port`` -> value of an input that is not connected, as for `tk.simulate` of a model: a number, text or
            quantity, `tk.steps(...)`, `tk.ramps(...)` or a function of time, in the graph's time unit. Steps of the
            master end where such an input jumps or kinks.
        outputs
            At which times, as for `tk.simulate`; None: at every exchange. Values between exchanges are linear.
        progress
            Show a progress bar.

        Returns
        -------
        Solution
            All outputs, and the inputs that vary, as ``node.port``; what happened in the components, as
            ``node.event``. Where an event of a component ends the run, it holds what there was up to then.

        Raises
        ------
        GraphCheckError
            If `check` finds problems.
        StepError
            If a component fails, or gives NaN or infinity: with its name, the time, its inputs, and the solution up
            to there as ``error.partial``.
        """
        from twinkit.graph.session import simulate_graph

        return simulate_graph(self, until, master, start=start, inputs=inputs, outputs=outputs, progress=progress)

    def __simulate__(self, until: Any, *, master: Any = None, **how: Any) -> Solution:
        """Serve ``tk.simulate(graph, ...)``; without a master, `Adaptive` (where all roll back) or an error."""
        if master is None:
            from twinkit.graph.engine import rolls_back
            from twinkit.graph.masters import Adaptive

            if not all(rolls_back(node.component) for node in self._nodes.values()):
                raise InvalidValueError("say how to step this graph: master=tk.graph.GaussSeidel('1 s'), for example")
            master = Adaptive()
        return self.simulate(until, master=master, **how)

    # -- as one model ------------------------------------------------------------------------------------------
    def flatten(self, name: str = "Flattened") -> Model:
        """Return the graph as one model, with all readings.

        Every node must be a model, a `Block` with ``symbolic=True``, or a graph of such (`as_component`).
        """
        from twinkit.graph.flatten import flatten

        return flatten(self, name)

    def compare(self, until: Any, master: Master, *, halvings: int = 2, rtol: float = 1e-10) -> Comparison:
        """Return how far the co-simulation is from the flattened model, and how that shrinks with the step."""
        from twinkit.graph.compare import compare

        return compare(self, until, master, halvings=halvings, rtol=rtol)

    # -- looks -------------------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        count = len(self._edges)
        head = f"Graph: {len(self._nodes)} nodes, {count} edge{'' if count == 1 else 's'}, time in {self.time_unit}"
        lines = [head, *[f"  {name}: {node.component!r}" for name, node in self._nodes.items()]]
        lines += [f"  {edge}" for edge in self._edges]
        for name, port in self.free_inputs().items():
            value = "no value" if port.default is None else f"{port.default} {unit_label(port.unit)}".rstrip()
            lines.append(f"  {name}: not connected, {value}")
        return "\n".join(lines)

    def _repr_svg_(self) -> str:
        from twinkit.graph.draw import svg

        return svg(self)


def component_hash(component: Component) -> str:
    """Return a component's content hash: its own, or one of its type and ports."""
    own = getattr(component, "content_hash", None)
    if isinstance(own, str):
        return own
    ports = [repr(port) for port in (*component.inputs.values(), *component.outputs.values())]
    return digest({"type": type(component).__qualname__, "ports": ports, "time_unit": component.time_unit})


def fixed_inputs(graph: Graph, inputs: Mapping[str, Any]) -> dict[tuple[str, str], Array]:
    """Return ``(node, port)`` -> values of all inputs that are not connected and have a constant value."""
    free = graph.free_inputs()
    for name in inputs:
        if name not in free:
            driven = [e for e in graph.edges if ".".join(e.target) == name]
            if driven:
                raise ConnectError(f"{name} is driven by {'.'.join(driven[0].source)}; it cannot be given a value too")
            raise unknown_name("free input", name, free, "the graph")
    found: dict[tuple[str, str], Array] = {}
    for name, port in free.items():
        value = inputs.get(name, port.default)
        if value is None and name in inputs:
            raise InvalidValueError(f"input {name} is given None, which is no value; leave it out to have its default")
        if value is None:
            continue
        if varies(value):
            continue
        node = name.split(".", 1)[0]
        found[node, port.name] = port.flat(value, f"input {name}")
    return found
