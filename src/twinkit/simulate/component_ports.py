"""What a model shows as a component: its ports, and which output follows which input at the same instant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from twinkit.core.component import Causality, Port, PortKind, Variability
from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.layout import Field
from twinkit.core.model import Model

Streams: TypeAlias = Mapping[str, Mapping[str, str]]
"""Stream name -> field (``flow``, ``temperature``, ...) -> variable of the model."""


def model_ports(model: Model, streams: Streams) -> tuple[dict[str, Port], dict[str, Port], dict[str, str]]:
    """Return input ports, output ports and port name -> variable name.

    Outputs are the model's outputs, then its states, then its algebraic variables. The variables of a stream become
    material ports ``<stream>.<field>``.
    """
    layout, values = model.layout, model.values()
    renamed: dict[str, tuple[str, PortKind]] = {}
    for stream, fields in streams.items():
        for field, variable in fields.items():
            if variable not in layout.names:
                raise unknown_name("variable", variable, layout.names, f"stream {stream!r} of {type(model).__name__}")
            if variable in renamed:
                raise InvalidValueError(f"{variable!r} of {type(model).__name__} is in two streams")
            renamed[variable] = (f"{stream}.{field}", PortKind.MATERIAL)

    def port(entry: Field, causality: Causality) -> Port:
        name, kind = renamed.get(entry.name, (entry.name, PortKind.SIGNAL))
        default = values.get(entry.name) if causality is Causality.INPUT else None
        if isinstance(default, np.ndarray):
            default = tuple(float(value) for value in default)
        variable = entry.variable
        return Port(name, variable.unit, causality, entry.size, kind, Variability.CONTINUOUS, default, variable.doc)

    shown = [*layout.outputs, *layout.states, *layout.algebraics]
    inputs = [(entry.name, port(entry, Causality.INPUT)) for entry in layout.inputs]
    outputs = [(entry.name, port(entry, Causality.OUTPUT)) for entry in shown]
    variables = {port.name: name for name, port in [*inputs, *outputs]}
    return {p.name: p for _, p in inputs}, {p.name: p for _, p in outputs}, variables


def model_feedthrough(model: Model) -> dict[str, frozenset[str]]:
    """Return output or algebraic variable -> inputs it depends on at the same instant.

    An algebraic variable depends on every input that appears in its connected set of residuals.
    """
    layout, incidence = model.layout, model.structure.incidence
    residuals = {entry.name: set(incidence[entry.name]) for entry in layout.algebraics}
    groups = [{name, *found} for name, found in residuals.items()]
    merged: list[set[str]] = []
    unknown = set(residuals)
    for group in groups:
        for other in [known for known in merged if known & group & unknown]:
            merged.remove(other)
            group |= other
        merged.append(group)
    inputs = {entry.name for entry in layout.inputs}
    reach = {name: next(group & inputs for group in merged if name in group) for name in residuals}
    found = {name: frozenset(depends) for name, depends in reach.items()}
    for entry in layout.outputs:
        direct = incidence[entry.name]
        through = [reach[name] for name in direct & unknown]
        found[entry.name] = frozenset((direct & inputs).union(*through))
    return found
