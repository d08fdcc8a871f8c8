"""Connectors and what lies between them: units, items of enumerations, and the steps from one to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twinkit.core.errors import unknown_name
from twinkit.fmi import FMUDescription
from twinkit.graph.ssp._parameters import variable_unit
from twinkit.graph.ssp._transform import FileUnit, Items, Step, Units, combined, conversion, items_of, step_of
from twinkit.graph.ssp._wiring import End, Path, Wire, Wiring, label
from twinkit.graph.ssp.errors import SSPFileError
from twinkit.graph.ssp.structure import Connector, DataType, LinearTransformation, SystemStructure
from twinkit.graph.ssp.structure import ConnectorKind as Kind


class Faces:
    """The connectors of a structure, together with the variables of the FMUs that they stand for.

    Parameters
    ----------
    structure
        What the file says.
    wiring
        Its connectors and connections.
    descriptions
        Path of a component -> what its FMU says about itself.

    Raises
    ------
    SSPFileError
        If a connector contradicts its variable: direction, type, unit or dimensions.
    """

    def __init__(self, structure: SystemStructure, wiring: Wiring, descriptions: Mapping[Path, FMUDescription]) -> None:
        self.wiring, self.descriptions = wiring, descriptions
        self._enumerations = structure.enumerations
        self._units = Units(structure.units, structure.name)
        for end, connector in wiring.connectors.items():
            if end[0] in descriptions:
                self._check(end, connector)

    def _check(self, end: End, connector: Connector) -> None:
        """Refuse a connector that contradicts the variable of the FMU that it stands for."""
        path, name = end
        description = self.descriptions[path]
        variable = description.variables.get(name)
        if variable is None:
            raise SSPFileError(f"{label(end)}: {unknown_name('variable', name, description.variables, 'the FMU')}")
        flows = {"input": Kind.INPUT, "output": Kind.OUTPUT}
        if connector.kind in flows.values() and flows.get(variable.causality) is not connector.kind:
            raise SSPFileError(
                f"{label(end)} is declared an {connector.kind.value}; the FMU has an {variable.causality}"
            )
        declared = connector.type
        if declared is not None and not _same_type(declared.kind, variable.type.value):
            raise SSPFileError(f"{label(end)} is declared {declared.kind.value}; the FMU has {variable.type.value}")
        sizes = [d.size for d in connector.dimensions]
        fits = len(sizes) == len(variable.shape) and all(
            size in (None, own) for size, own in zip(sizes, variable.shape, strict=True)
        )
        if sizes and not fits:
            raise SSPFileError(f"{label(end)} is declared with dimensions {sizes}; the FMU has {list(variable.shape)}")
        self.unit(end)

    def unit(self, end: End) -> FileUnit | None:
        """Return the unit of a connector: for components the FMU's, which a declared one may not contradict."""
        connector = self.wiring.connectors[end]
        declared = self._units.find(connector.type.unit) if connector.type is not None else None
        if end[0] not in self.descriptions:
            return declared
        description = self.descriptions[end[0]]
        own = variable_unit(description.variables[end[1]], description)
        if own is None or declared is None:
            return declared if own is None else own
        if combined([conversion(own, declared, label(end))]):
            raise SSPFileError(f"{label(end)} is declared in {declared.text!r}; the FMU has {own.text!r}")
        return own

    def outer_unit(self, end: End) -> FileUnit | None:
        """Return the unit of a system's connector; where it has none, that of what it leads to, if that is one."""
        own = self.unit(end)
        if own is not None:
            return own
        found: set[FileUnit] = set()
        for inner in self.wiring.taking():
            wires = self.wiring.upstream(inner)
            sources = [wire.source for wire in wires]
            if end in sources:
                way = reversed(wires[: sources.index(end) + 1])
                found.update([unit for wire in way if (unit := self.unit(wire.target)) is not None][:1])
        return found.pop() if len(found) == 1 else None

    def items(self, end: End) -> Items:
        connector = self.wiring.connectors[end]
        if connector.type is not None and connector.type.enumeration is not None:
            return items_of(self._enumerations, connector.type.enumeration)
        if end[0] in self.descriptions:
            variable = self.descriptions[end[0]].variables[end[1]]
            return {name: float(number) for number, name in variable.items.items()}
        return {}

    def steps(self, wires: Sequence[Wire], given: FileUnit | None = None) -> list[Step]:
        """Return what happens between the source of the last wire and the target of the first.

        `given` is the unit in which a value comes to the source from outside.
        """
        unit, items = self.unit(wires[-1].source), self.items(wires[-1].source)
        steps: list[Step] = [conversion(given, unit, label(wires[-1].source))]
        unit = unit or given
        for wire in reversed(wires):
            what = f"connection {wire.connection}"
            known, listed = self.unit(wire.target), self.items(wire.target)
            if not wire.connection.suppress_unit_conversion:
                steps.append(conversion(unit, known, what))
            transformation = wire.connection.transformation
            if isinstance(transformation, LinearTransformation) and not self._is_float(wire.target):
                raise SSPFileError(f"{what}: a linear transformation is for real numbers only")
            steps.append(step_of(transformation, items, listed or items, what))
            unit, items = known or unit, listed or items
        return combined(steps)

    def _is_float(self, end: End) -> bool:
        if end[0] in self.descriptions:
            return self.descriptions[end[0]].variables[end[1]].type.is_float
        declared = self.wiring.connectors[end].type
        return declared is None or declared.kind.is_float


def _same_type(declared: DataType, actual: str) -> bool:
    """Return whether a declared type is the FMU's; the two names that SSP 1 and FMI 2 have count as one."""
    same = {"Real": "Float64", "Integer": "Int32"}
    return same.get(declared.value, declared.value) == same.get(actual, actual) or (
        declared is DataType.INTEGER and actual == "Enumeration"
    )
