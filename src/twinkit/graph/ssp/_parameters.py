"""Parameter bindings: which variable of which component gets which start value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twinkit.fmi import FMUDescription, FMUVariable
from twinkit.fmi.foreign import open_archive, read_member
from twinkit.graph.ssp._transform import (
    Affine,
    FileUnit,
    Items,
    Step,
    Units,
    apply,
    combined,
    conversion,
    file_unit,
    items_of,
    step_of,
)
from twinkit.graph.ssp._wiring import End, Path, Wiring
from twinkit.graph.ssp._xml import read_integer
from twinkit.graph.ssp.errors import SSPFileError, UnsupportedSSPError
from twinkit.graph.ssp.package import member_name, read_document
from twinkit.graph.ssp.structure import (
    Element,
    MappingEntry,
    Parameter,
    ParameterBinding,
    ParameterMapping,
    ParameterSet,
    SourceBase,
    System,
    Transformation,
)

_SETS = "application/x-ssp-parameter-set"
_MAPPINGS = "application/x-ssp-parameter-mapping"
_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Assigned:
    """A value on its way to a variable.

    Attributes
    ----------
    parameter
        The parameter as the set declares it.
    unit
        Its unit; None: not said.
    items
        Of its enumeration.
    convert_units
        Whether its unit may be converted.
    transformation
        To apply after that.
    origin
        Where it comes from, for messages.
    """

    parameter: Parameter
    unit: FileUnit | None
    items: Items
    convert_units: bool = True
    transformation: Transformation | None = None
    origin: str = ""


@dataclass
class Values:
    """What all bindings of a structure say.

    Attributes
    ----------
    variables
        ``(component, variable)`` -> ``(level, value)``; level 0 is the root system.
    connectors
        The same for connectors of systems.
    notes
        Parameters that match nothing.
    """

    variables: dict[End, tuple[int, Assigned]] = field(default_factory=dict[End, tuple[int, Assigned]])
    connectors: dict[End, tuple[int, Assigned]] = field(default_factory=dict[End, tuple[int, Assigned]])
    notes: list[str] = field(default_factory=list[str])


def collect(wiring: Wiring, descriptions: Mapping[Path, FMUDescription], sources: Sources) -> Values:
    """Return the values of all bindings; those of an outer system prevail over those of an inner one.

    Raises
    ------
    SSPFileError
        If a parameter file is missing or broken.
    UnsupportedSSPError
        For parameter files of other kinds.
    """
    found = Values()
    elements: dict[Path, Element] = {**wiring.components, **wiring.systems}
    for path in sorted(elements, key=len, reverse=True):  # the outermost last
        for binding in elements[path].parameter_bindings:
            where = ".".join(path) or "the system"
            for name, value in _bound(binding, where, sources.of(path)):
                targets = _targets(wiring, descriptions, path, name)
                for end in targets:
                    place = found.connectors if end[0] in wiring.systems else found.variables
                    place[end] = (len(path), value)
                if not targets:
                    found.notes.append(f"parameter {name!r} of {value.origin} matches nothing in {where}")
    return found


@dataclass(frozen=True)
class Sources:
    """Where parameter files are read from.

    Attributes
    ----------
    read
        Name in the archive -> bytes.
    fmus
        Path of a component -> the file of its FMU.
    """

    read: Callable[[str, str], bytes]
    fmus: Mapping[Path, Any]

    def of(self, path: Path) -> Callable[[str, SourceBase, str], bytes]:
        """Return a reader of the sources that the element at `path` names."""

        def find(source: str, base: SourceBase, what: str) -> bytes:
            name = member_name(source, what)
            if base is SourceBase.SSD:
                return self.read(name, what)
            if path not in self.fmus:
                raise SSPFileError(f"{what}: only a component with an FMU has files of its own")
            with open_archive(self.fmus[path]) as archive:
                return read_member(archive, name, _LIMIT)

        return find


def _bound(
    binding: ParameterBinding, where: str, read: Callable[[str, SourceBase, str], bytes]
) -> list[tuple[str, Assigned]]:
    """Return ``(name, value)`` of everything a binding applies."""
    what = f"the parameter binding of {where}"
    if binding.type != _SETS:
        raise UnsupportedSSPError(f"{what}: parameters of type {binding.type!r} are kept, but cannot be applied")
    sets = list(binding.parameter_sets)
    if binding.source is not None:
        data = read(binding.source, binding.source_base, what)
        sets.append(read_document(ParameterSet, data, binding.source))
    mapping = _mapping(binding, what, read)
    found: list[tuple[str, Assigned]] = []
    for group in sets:
        units = Units(group.units, f"parameter set {group.name!r}")
        for parameter in group.parameters:
            items = items_of(group.enumerations, parameter.value.enumeration)
            origin = f"parameter set {group.name!r}"
            value = Assigned(parameter, units.find(parameter.value.unit), items, origin=origin)
            name = binding.prefix + parameter.name
            found += [(name, value)] if mapping is None else _mapped(mapping, name, value)
    return found


def _mapping(
    binding: ParameterBinding, what: str, read: Callable[[str, SourceBase, str], bytes]
) -> ParameterMapping | None:
    reference = binding.mapping
    if reference is None:
        return None
    if reference.type != _MAPPINGS:
        raise UnsupportedSSPError(f"{what}: mappings of type {reference.type!r} are kept, but cannot be applied")
    if reference.source is None:
        return reference.mapping or ParameterMapping()
    return read_document(ParameterMapping, read(reference.source, reference.source_base, what), reference.source)


def _mapped(mapping: ParameterMapping, name: str, value: Assigned) -> list[tuple[str, Assigned]]:
    def through(entry: MappingEntry) -> Assigned:
        return Assigned(value.parameter, value.unit, value.items, not entry.suppress_unit_conversion,
                        entry.transformation, value.origin)  # fmt: skip

    return [(entry.target, through(entry)) for entry in mapping.entries if entry.source == name]


def _targets(wiring: Wiring, descriptions: Mapping[Path, FMUDescription], path: Path, name: str) -> list[End]:
    """Return every variable and connector with this (hierarchical) name; there may be several."""
    if path in wiring.components:
        return [(path, name)] if name in descriptions[path].variables else []
    found: list[End] = [(path, name)] if (path, name) in wiring.connectors else []
    system: System = wiring.systems[path]
    for element in system.elements:
        if name.startswith(f"{element.name}."):
            found += _targets(wiring, descriptions, (*path, element.name), name[len(element.name) + 1 :])
    return found


def start_value(value: Assigned, variable: FMUVariable, unit: FileUnit | None, after: Sequence[Step], what: str) -> Any:
    """Return the start value of a variable of an FMU.

    Parameters
    ----------
    value
        What is assigned.
    variable
        To what.
    unit
        Unit in which it is wanted (where `after` begins); None: as it is.
    after
        Steps from there to the variable.
    what
        Its name, for messages.

    Raises
    ------
    SSPFileError
        If the value is not one that the variable can have.
    """
    parameter = value.parameter
    where = f"{what}, parameter {parameter.name!r} of {value.origin}"
    try:
        values = parameter.value.values()
    except SSPFileError as error:
        raise SSPFileError(f"{where}: {error}") from None
    if variable.type.is_number:
        items = {name: float(number) for number, name in variable.items.items()}
        own = value.items or items
        change: Affine = conversion(value.unit, unit, where) if value.convert_units else Affine()
        steps = combined([change, step_of(value.transformation, own, items, where), *after])
        numbers = [_number(v, items or own, where) for v in values]
        values = tuple(_typed(apply(steps, number), variable, where) for number in numbers)
    elif variable.type.value not in ("String", "Binary") or not all(
        isinstance(v, str if variable.type.value == "String" else bytes) for v in values
    ):
        raise SSPFileError(f"{where}: a {parameter.value.kind.value} cannot be given to a {variable.type.value}")
    if len(values) != (variable.width if variable.shape else 1):
        raise SSPFileError(f"{where}: {variable.width} value(s) are needed, {len(values)} given")
    return values if variable.shape else values[0]


def _number(value: Any, items: Items, where: str) -> float:
    if isinstance(value, str):
        if value in items:
            return items[value]
        try:
            return float(read_integer(value))
        except SSPFileError:
            known = ", ".join(items) or "none"
            raise SSPFileError(f"{where}: {value[:40]!r} is no item of the enumeration (known: {known})") from None
    if isinstance(value, bytes):
        raise SSPFileError(f"{where}: a binary value cannot be given to a number")
    return float(value)


def _typed(number: float, variable: FMUVariable, where: str) -> float | int | bool:
    kind = variable.type
    if kind.is_float:
        return float(number)
    if not float(number).is_integer() or (kind.value == "Boolean" and number not in (0.0, 1.0)):
        raise SSPFileError(f"{where}: {number:g} is no {kind.value}")
    return bool(number) if kind.value == "Boolean" else int(number)


def variable_unit(variable: FMUVariable, description: FMUDescription) -> FileUnit | None:
    """Return the unit that an FMU gives a variable; None where it gives none."""
    if not variable.type.is_float or not variable.unit:
        return None
    return file_unit(variable.unit, description.units.get(variable.unit))
