"""From a graph of models to one model: every edge becomes a bound input, every loop an algebraic variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twinkit.core.errors import InvalidValueError
from twinkit.core.model import Model
from twinkit.core.units import affine
from twinkit.core.variables import Algebraic
from twinkit.graph.order import run_order
from twinkit.graph.ports import Connection
from twinkit.simulate.component import ModelComponent

if TYPE_CHECKING:
    from twinkit.graph.graph import Graph


def flatten(graph: Graph, name: str) -> Model:
    """Return one model whose sub-models are the nodes of a graph.

    Inputs that are not connected become inputs of the whole (``node.input``). Where outputs depend on each other at
    one instant, an algebraic variable ``<node>_<input>`` is solved for, so that the model is a DAE.

    Raises
    ------
    InvalidValueError
        If a node is not a model, models count time in different units, or an edge drives an input of a sub-model's
        own sub-model, or has a transformation.
    """
    parts = _parts(graph, name)
    called: set[str] = set()
    lines, residuals = list[str](), list[str]()
    declared: dict[str, Any] = {node: component.model for node, component in parts.items()}
    unit = next(iter(parts.values())).time_unit
    for node in _call_order(graph, parts):
        given: list[str] = []
        for edge in [edge for edge in graph.edges if edge.target[0] == node]:
            target, value = _input_of(parts[node], edge), _expression(parts, edge)
            if edge.source[0] not in called and _is_output(parts, edge):
                torn = f"{node}_{target}"
                if torn in declared:
                    raise InvalidValueError(f"flatten: the name {torn!r} is taken; rename node {node!r}")
                declared[torn] = _unknown(parts[node], edge)
                residuals.append(f"{torn!r}: v.{torn} - {value}")
                value = f"v.{torn}"
            given.append(f"{target}={value}")
        lines.append(f"    v.{node}({', '.join(given)})")
        called.add(node)
    source = "\n".join(["def equations(self, v, m):", *lines, f"    return {{{', '.join(residuals)}}}"])
    space: dict[str, Any] = {}
    # The text holds identifiers and unit names only: nodes and variables are identifiers, units are repr'd.
    exec(compile(source, f"<flattened {name}>", "exec"), space)
    document = f"A graph of {len(parts)} models as one: {', '.join(parts)}.\n\n{source}"
    members = {**declared, "time_unit": unit, "equations": space["equations"], "__doc__": document}
    return type(name, (Model,), members)()


def _parts(graph: Graph, name: str) -> dict[str, ModelComponent]:
    if not name.isidentifier():
        raise InvalidValueError(f"the name of a model is an identifier, not {name!r}")
    if not graph.nodes:
        raise InvalidValueError("a graph without nodes has nothing to flatten")
    parts: dict[str, ModelComponent] = {}
    for node, entry in graph.nodes.items():
        if not isinstance(entry.component, ModelComponent):
            raise InvalidValueError(f"only graphs of models can be flattened; {node!r} is {entry.component!r}")
        parts[node] = entry.component
    first = next(iter(parts.values())).time_unit
    for node, part in parts.items():
        if affine(part.time_unit, first) != (1.0, 0.0) or part.time_unit != first:
            raise InvalidValueError(
                f"{node!r} counts time in {part.time_unit!r} and others in {first!r}: one model has one time_unit"
            )
    return parts


def _is_output(parts: dict[str, ModelComponent], edge: Connection) -> bool:
    """Return whether the source exists only once its model has been evaluated (a state exists before)."""
    part = parts[edge.source[0]]
    return part.variable_of[edge.source[1]] in part.model.layout.outputs


def _call_order(graph: Graph, parts: dict[str, ModelComponent]) -> Sequence[str]:
    return run_order(graph.nodes, [edge for edge in graph.edges if _is_output(parts, edge)])


def _expression(parts: dict[str, ModelComponent], edge: Connection) -> str:
    if edge.transformation != (1.0, 0.0) or not edge.convert_units:
        raise InvalidValueError(f"{edge}: an edge with a transformation cannot be flattened; put it into a model")
    value = f"v.{edge.source[0]}.{parts[edge.source[0]].variable_of[edge.source[1]]}"
    return f"m.convert({value}, {edge.source_unit!r}, {edge.target_unit!r})" if edge.converts else value


def _input_of(part: ModelComponent, edge: Connection) -> str:
    name = part.variable_of[edge.target[1]]
    if "." in name:
        raise InvalidValueError(
            f"{edge.target[0]}.{name} is an input of a sub-model: give {type(part.model).__name__} an input of its own "
            "that it passes on, to flatten this graph"
        )
    return name


def _unknown(part: ModelComponent, edge: Connection) -> Algebraic:
    variable = part.model.layout.inputs[part.variable_of[edge.target[1]]]
    guess: Any = variable.variable.default if edge.guess is None else edge.guess
    doc = f"{edge}: closes a loop"
    return Algebraic(variable.variable.unit, default=guess, shape=variable.size, doc=doc,
                     nominal=variable.variable.nominal, bounds=variable.variable.bounds)  # fmt: skip
