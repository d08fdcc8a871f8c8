"""From a graph of models to one model: every edge becomes a bound input, every loop an algebraic variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twinkit.core.errors import InvalidValueError
from twinkit.core.model import Model
from twinkit.core.terms import as_number_of, as_quantity_of
from twinkit.core.variables import Algebraic, Input, Output
from twinkit.graph.blocks import Block
from twinkit.graph.nested import GraphComponent
from twinkit.graph.order import run_order
from twinkit.graph.ports import Connection
from twinkit.simulate.component import ModelComponent

if TYPE_CHECKING:
    from twinkit.graph.graph import Graph


@dataclass(frozen=True)
class Part:
    """One node as a model: `inputs` and `outputs` say which variable a port is."""

    model: Model
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def flatten(graph: Graph, name: str) -> Model:
    """Return one model whose sub-models are the nodes of a graph.

    Inputs that are not connected become inputs of the whole (``node.input``). Where outputs depend on each other at
    one instant, an algebraic variable ``<node>_<input>`` is solved for, so that the model is a DAE. Time is counted
    as in the graph; models with another time unit keep theirs inside. A block whose function is symbolic becomes a
    model without states, and a graph within the graph is flattened first.

    Raises
    ------
    InvalidValueError
        If a node is neither a model, nor a symbolic block, nor a graph of such.
    """
    parts = parts_of(graph, name)
    called: set[str] = set()
    lines, residuals = list[str](), list[str]()
    declared: dict[str, Any] = {node: part.model for node, part in parts.items()}
    for node in _call_order(graph, parts):
        given: list[str] = []
        for edge in [edge for edge in graph.edges if edge.target[0] == node]:
            target, value = parts[node].inputs[edge.target[1]], _expression(parts, edge)
            if edge.source[0] not in called and _is_output(parts, edge):
                torn = f"{node}_{target}".replace(".", "_")
                if torn in declared:
                    raise InvalidValueError(f"flatten: the name {torn!r} is taken; rename node {node!r}")
                declared[torn] = _unknown(parts[node], edge)
                residuals.append(f"{torn!r}: v.{torn} - {value}")
                value = f"v.{torn}"
            given.append(f"{target!r}: {value}")
        lines.append(f"    v.{node}(**{{{', '.join(given)}}})")
        called.add(node)
    source = "\n".join(["def equations(self, v, m):", *lines, f"    return {{{', '.join(residuals)}}}"])
    document = f"A graph of {len(parts)} models as one: {', '.join(parts)}.\n\n{source}"
    return _model(name, declared, graph.time_unit, source, {"transformed": _transformed}, document)


def _model(name: str, declared: Mapping[str, Any], time_unit: str, source: str, space: dict[str, Any],
           document: str) -> Model:  # fmt: skip
    # The text holds identifiers and unit names only: nodes and variables are identifiers, units are repr'd.
    exec(compile(source, f"<flattened {name}>", "exec"), space)
    members = {**declared, "time_unit": time_unit, "equations": space["equations"], "__doc__": document}
    return type(name, (Model,), members)()


def parts_of(graph: Graph, name: str = "Flattened") -> dict[str, Part]:
    """Return all nodes as models, or raise what cannot be one."""
    if not name.isidentifier():
        raise InvalidValueError(f"the name of a model is an identifier, not {name!r}")
    if not graph.nodes:
        raise InvalidValueError("a graph without nodes has nothing to flatten")
    parts: dict[str, Part] = {}
    for node, entry in graph.nodes.items():
        component: Any = entry.component
        if isinstance(component, ModelComponent):
            parts[node] = Part(component.model, component.variable_of, component.variable_of)
        elif isinstance(component, GraphComponent):
            parts[node] = _of_graph(component.graph, f"{name}_{node}")
        elif isinstance(component, Block) and component.symbolic:
            parts[node] = _of_block(node, component, graph.time_unit)
        else:
            why = ": write its function over the maths m and say symbolic=True" if isinstance(component, Block) else ""
            raise InvalidValueError(f"only graphs of models can be flattened; {node!r} is {component!r}{why}")
    return parts


def _of_graph(graph: Graph, name: str) -> Part:
    """Return a graph within the graph as a model; its ports are ``node.port``."""
    within = parts_of(graph, name)
    sides = [
        {f"{node}.{port}": f"{node}.{variable}" for node, part in within.items() for port, variable in names(part)}
        for names in (lambda part: part.inputs.items(), lambda part: part.outputs.items())
    ]
    return Part(flatten(graph, name), *sides)


def _of_block(node: str, block: Block, time_unit: str) -> Part:
    """Return a model without states that does what a symbolic block does."""
    outputs = {port: port.replace(".", "_") for port in block.outputs}
    inputs = {port: port.replace(".", "_") for port in block.inputs}
    inputs = {port: f"{name}_in" if name in outputs.values() else name for port, name in inputs.items()}
    declared: dict[str, Any] = {}
    for port, name in inputs.items():
        given = block.inputs[port]
        declared[name] = Input(given.unit, given.default, shape=given.shape)
    for port, name in outputs.items():
        declared[name] = Output(block.outputs[port].unit, shape=block.outputs[port].shape)

    def block_outputs(v: Any, m: Any) -> dict[str, Any]:
        plain = {port: as_number_of(getattr(v, name), block.inputs[port].unit, m) for port, name in inputs.items()}
        found = block.over(m, plain)
        return {outputs[port]: as_quantity_of(value, block.outputs[port].unit, m) for port, value in found.items()}

    source = "def equations(self, v, m):\n    return block_outputs(v, m)"
    try:
        model = _model(f"Block_{node}", declared, time_unit, source, {"block_outputs": block_outputs}, f"{block!r}.")
        _ = model.layout  # evaluates the function: what it does beside m is found now
    except Exception as error:  # a function that is not written over m may raise anything
        raise InvalidValueError(f"flatten: block {node!r} cannot be read symbolically: {error}") from error
    return Part(model, inputs, outputs)


def _unknown(part: Part, edge: Connection) -> Algebraic:
    variable = part.model.layout.inputs[part.inputs[edge.target[1]]]
    guess: Any = variable.variable.default if edge.guess is None else edge.guess
    doc = f"{edge}: closes a loop"
    return Algebraic(variable.variable.unit, default=guess, shape=variable.size, doc=doc,
                     nominal=variable.variable.nominal, bounds=variable.variable.bounds)  # fmt: skip


def _is_output(parts: Mapping[str, Part], edge: Connection) -> bool:
    """Return whether the source exists only once its model has been evaluated (a state exists before)."""
    part = parts[edge.source[0]]
    return part.outputs[edge.source[1]] in part.model.layout.outputs


def _call_order(graph: Graph, parts: Mapping[str, Part]) -> Sequence[str]:
    return run_order(graph.nodes, [edge for edge in graph.edges if _is_output(parts, edge)])


def _expression(parts: Mapping[str, Part], edge: Connection) -> str:
    value = f"v.{edge.source[0]}.{parts[edge.source[0]].outputs[edge.source[1]]}"
    units = f"{edge.source_unit!r}, {edge.target_unit!r}"
    if edge.transformation != (1.0, 0.0) or not edge.convert_units:
        return f"transformed(m, {value}, {units}, {edge.scale!r}, {edge.offset!r})"
    return f"m.convert({value}, {units})" if edge.converts else value


def _transformed(m: Any, value: Any, source: str, target: str, scale: float, offset: float) -> Any:
    """Return what an edge with a transformation makes of a quantity: it works on the plain number."""
    return as_quantity_of(scale * as_number_of(value, source, m) + offset, target, m)
