"""What an SSP file says, as frozen data: systems, components, connectors, connections, parameters, units.

The names are those of the standard, SSP 1.0 and 2.0 (Modelica Association Project SSP, https://ssp-standard.org): a
class is an XML element, a field is an attribute or what is inside. Everything is given by keyword.
"""

# ruff: noqa: RUF009 (the functions declare dataclass fields)
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from twinkit.graph.ssp._binding import Bound, anything, attribute, child, children, raw, tag_name
from twinkit.graph.ssp._xml import (
    FLAG,
    INTEGER,
    INTEGERS,
    NUMBER,
    NUMBERS,
    XMLNode,
    choice_of,
    read_flag,
    read_integer,
    read_number,
)
from twinkit.graph.ssp.errors import SSPFileError

FMU_TYPE = "application/x-fmu-sharedlibrary"


class ConnectorKind(Enum):
    """What a connector is for."""

    INPUT = "input"
    OUTPUT = "output"
    PARAMETER = "parameter"
    CALCULATED_PARAMETER = "calculatedParameter"
    STRUCTURAL_PARAMETER = "structuralParameter"
    CONSTANT = "constant"
    LOCAL = "local"
    INOUT = "inout"
    UNSPECIFIED = "unspecified"


class DataType(Enum):
    """Type of a connector, a parameter or an entry of a signal dictionary."""

    REAL = "Real"
    FLOAT64 = "Float64"
    FLOAT32 = "Float32"
    INTEGER = "Integer"
    INT8 = "Int8"
    UINT8 = "UInt8"
    INT16 = "Int16"
    UINT16 = "UInt16"
    INT32 = "Int32"
    UINT32 = "UInt32"
    INT64 = "Int64"
    UINT64 = "UInt64"
    BOOLEAN = "Boolean"
    STRING = "String"
    ENUMERATION = "Enumeration"
    BINARY = "Binary"
    CLOCK = "Clock"

    @property
    def is_float(self) -> bool:
        """Whether it is a floating-point number."""
        return self in (DataType.REAL, DataType.FLOAT64, DataType.FLOAT32)


class Implementation(Enum):
    """Which kind of an FMU is to be used."""

    ANY = "any"
    CO_SIMULATION = "CoSimulation"
    MODEL_EXCHANGE = "ModelExchange"
    SCHEDULED_EXECUTION = "ScheduledExecution"


class SourceBase(Enum):
    """What a relative source starts from: the system structure, or the component."""

    SSD = "SSD"
    COMPONENT = "component"


class MappingKind(Enum):
    """What a table of values maps."""

    BOOLEAN = "BooleanMappingTransformation"
    INTEGER = "IntegerMappingTransformation"
    ENUMERATION = "EnumerationMappingTransformation"


# -- common ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Annotation(Bound):
    """What a tool or a layered standard adds; the content is kept as it is."""

    type: str = attribute("type")
    text: str = anything("")
    content: tuple[XMLNode, ...] = anything(())


@dataclass(frozen=True, kw_only=True)
class Described(Bound):
    """What most elements have: an id and a description."""

    id: str | None = attribute("id", default=None)
    description: str | None = attribute("description", default=None)


@dataclass(frozen=True, kw_only=True)
class TopLevel(Described):
    """What the root of a file has: who made it, when and with what."""

    author: str | None = attribute("author", default=None)
    file_version: str | None = attribute("fileversion", default=None)
    copyright: str | None = attribute("copyright", default=None)
    license: str | None = attribute("license", default=None)
    generation_tool: str | None = attribute("generationTool", default=None)
    generation_date_and_time: str | None = attribute("generationDateAndTime", default=None)


def _annotations(prefix: str) -> tuple[Annotation, ...]:
    return children(lambda: {"ssc:Annotation": Annotation}, f"{prefix}:Annotations")


def _meta_data() -> tuple[XMLNode, ...]:
    return raw("ssc:MetaData", "ssc:Signature")


@dataclass(frozen=True, kw_only=True)
class BaseUnit(Bound):
    """A unit in SI base units: ``value in SI = factor * value + offset``."""

    kg: int = attribute("kg", INTEGER, 0)
    m: int = attribute("m", INTEGER, 0)
    s: int = attribute("s", INTEGER, 0)
    A: int = attribute("A", INTEGER, 0)
    K: int = attribute("K", INTEGER, 0)
    mol: int = attribute("mol", INTEGER, 0)
    cd: int = attribute("cd", INTEGER, 0)
    rad: int = attribute("rad", INTEGER, 0)
    factor: float = attribute("factor", NUMBER, 1.0)
    offset: float = attribute("offset", NUMBER, 0.0)

    @property
    def exponents(self) -> dict[str, int]:
        """Exponent of each base unit."""
        return {name: getattr(self, name) for name in ("kg", "m", "s", "A", "K", "mol", "cd", "rad")}


@dataclass(frozen=True, kw_only=True)
class Unit(Described):
    """A unit that the file uses."""

    name: str = attribute("name")
    base_unit: BaseUnit | None = child(lambda: {"ssc:BaseUnit": BaseUnit})
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssc")


@dataclass(frozen=True, kw_only=True)
class EnumerationItem(Bound):
    """One value of an enumeration."""

    name: str = attribute("name")
    value: int = attribute("value", INTEGER)


@dataclass(frozen=True, kw_only=True)
class Enumeration(Described):
    """An enumeration that the file uses."""

    name: str = attribute("name")
    items: tuple[EnumerationItem, ...] = children(lambda: {"ssc:Item": EnumerationItem})
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssc")


@dataclass(frozen=True, kw_only=True)
class SignalType(Bound):
    """Type of a connector or of an entry of a signal dictionary."""

    kind: DataType = tag_name(choice_of(DataType))
    unit: str | None = attribute("unit", default=None)
    enumeration: str | None = attribute("name", default=None)
    mime_type: str | None = attribute("mime-type", default=None)


@dataclass(frozen=True, kw_only=True)
class Dimension(Bound):
    """One dimension of an array (SSP 2.0): a size, or the connector that has it."""

    size: int | None = attribute("size", INTEGER, None)
    size_connector: str | None = attribute("sizeConnector", default=None)


@dataclass(frozen=True, kw_only=True)
class LinearTransformation(Bound):
    """``target = factor * source + offset``, after units are converted."""

    factor: float = attribute("factor", NUMBER, 1.0)
    offset: float = attribute("offset", NUMBER, 0.0)


@dataclass(frozen=True, kw_only=True)
class MapEntry(Bound):
    """One row of a table of values."""

    source: str = attribute("source")
    target: str = attribute("target")


@dataclass(frozen=True, kw_only=True)
class MappingTransformation(Bound):
    """A table of values; what is not in it stays as it is."""

    kind: MappingKind = tag_name(choice_of(MappingKind))
    entries: tuple[MapEntry, ...] = children(lambda: {"ssc:MapEntry": MapEntry})


Transformation: TypeAlias = LinearTransformation | MappingTransformation


def _signal_type(*, required: bool = False) -> SignalType | None:
    return child(lambda: {f"ssc:{kind.value}": SignalType for kind in DataType}, required=required)


def _dimensions() -> tuple[Dimension, ...]:
    return children(lambda: {"ssc:Dimension": Dimension})


def _transformation() -> Transformation | None:
    tables = {f"ssc:{kind.value}": MappingTransformation for kind in MappingKind}
    # Some tools write (and FMPy reads) the linear one in the namespace of the system structure.
    linear = {"ssc:LinearTransformation": LinearTransformation, "ssd:LinearTransformation": LinearTransformation}
    return child(lambda: {**linear, **tables})


def _enumerations(prefix: str) -> tuple[Enumeration, ...]:
    return children(lambda: {"ssc:Enumeration": Enumeration}, f"{prefix}:Enumerations")


def _units(prefix: str) -> tuple[Unit, ...]:
    return children(lambda: {"ssc:Unit": Unit}, f"{prefix}:Units")


# -- parameters (SSV, SSM) -------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class ValueItem(Bound):
    """One element of an array of texts, enumeration values or binaries (SSP 2.0)."""

    value: str = attribute("value")


@dataclass(frozen=True, kw_only=True)
class ParameterValue(Bound):
    """Value of a parameter, as its type writes it (arrays: separated by spaces, or as items)."""

    kind: DataType = tag_name(choice_of(DataType))
    value: str | None = attribute("value", default=None)
    unit: str | None = attribute("unit", default=None)
    enumeration: str | None = attribute("name", default=None)
    mime_type: str | None = attribute("mime-type", default=None)
    items: tuple[ValueItem, ...] = children(lambda: {"ssv:Value": ValueItem})

    def values(self) -> tuple[float | int | bool | str | bytes, ...]:
        """Return the values; a single value is a tuple of one, an enumeration value is its name.

        Raises
        ------
        SSPFileError
            If the text is no value of its type.
        """
        texts = [item.value for item in self.items] if self.value is None else [self.value]
        if self.kind in (DataType.STRING, DataType.ENUMERATION):
            return tuple(texts)
        if self.kind is DataType.BINARY:
            return tuple(_binary(text) for text in texts)
        read = read_number if self.kind.is_float else read_flag if self.kind is DataType.BOOLEAN else read_integer
        return tuple(read(part) for text in texts for part in text.split())


def _binary(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise SSPFileError(f"{text[:40]!r} is not hexadecimal") from None


@dataclass(frozen=True, kw_only=True)
class Parameter(Described):
    """A named value."""

    name: str = attribute("name")
    value: ParameterValue = child(
        lambda: {f"ssv:{k.value}": ParameterValue for k in DataType if k is not DataType.CLOCK}, required=True
    )
    dimensions: tuple[Dimension, ...] = _dimensions()
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssv")


@dataclass(frozen=True, kw_only=True)
class ParameterSet(TopLevel):
    """Named values with their units: an ``.ssv`` file, or inside a binding."""

    version: str = attribute("version", default="1.0")
    name: str = attribute("name")
    parameters: tuple[Parameter, ...] = children(lambda: {"ssv:Parameter": Parameter}, "ssv:Parameters")
    enumerations: tuple[Enumeration, ...] = _enumerations("ssv")
    units: tuple[Unit, ...] = _units("ssv")
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssv")
    prefixes: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)


@dataclass(frozen=True, kw_only=True)
class MappingEntry(Described):
    """From a name in a parameter set to a name in a system or component."""

    source: str = attribute("source")
    target: str = attribute("target")
    suppress_unit_conversion: bool = attribute("suppressUnitConversion", FLAG, False)
    transformation: Transformation | None = _transformation()
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssm")


@dataclass(frozen=True, kw_only=True)
class ParameterMapping(TopLevel):
    """Names of parameters mapped to others: an ``.ssm`` file, or inside a binding."""

    version: str = attribute("version", default="1.0")
    entries: tuple[MappingEntry, ...] = children(lambda: {"ssm:MappingEntry": MappingEntry})
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssm")
    prefixes: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)


@dataclass(frozen=True, kw_only=True)
class ParameterMappingReference(Described):
    """Where a parameter mapping is: in a file, or here."""

    type: str = attribute("type", default="application/x-ssp-parameter-mapping")
    source: str | None = attribute("source", default=None)
    source_base: SourceBase = attribute("sourceBase", choice_of(SourceBase), SourceBase.SSD)
    mapping: ParameterMapping | None = child(lambda: {"ssm:ParameterMapping": ParameterMapping})


@dataclass(frozen=True, kw_only=True)
class ParameterBinding(Described):
    """Values applied to a component, or to a system and everything in it."""

    type: str = attribute("type", default="application/x-ssp-parameter-set")
    source: str | None = attribute("source", default=None)
    source_base: SourceBase = attribute("sourceBase", choice_of(SourceBase), SourceBase.SSD)
    prefix: str = attribute("prefix", default="")
    parameter_sets: tuple[ParameterSet, ...] = children(lambda: {"ssv:ParameterSet": ParameterSet},
                                                        "ssd:ParameterValues")  # fmt: skip
    mapping: ParameterMappingReference | None = child(lambda: {"ssd:ParameterMapping": ParameterMappingReference})
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssd")


# -- elements --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class ConnectorGeometry(Bound):
    """Where a connector is drawn: 0, 0 is the lower left corner of its element, 1, 1 the upper right."""

    x: float = attribute("x", NUMBER)
    y: float = attribute("y", NUMBER)
    system_inner_x: float | None = attribute("systemInnerX", NUMBER, None)
    system_inner_y: float | None = attribute("systemInnerY", NUMBER, None)


@dataclass(frozen=True, kw_only=True)
class Connector(Described):
    """Where an element meets the outside."""

    name: str = attribute("name")
    kind: ConnectorKind = attribute("kind", choice_of(ConnectorKind))
    type: SignalType | None = _signal_type()
    dimensions: tuple[Dimension, ...] = _dimensions()
    geometry: ConnectorGeometry | None = child(lambda: {"ssd:ConnectorGeometry": ConnectorGeometry})
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssd")


@dataclass(frozen=True, kw_only=True)
class ElementGeometry(Bound):
    """Where an element is drawn in its system."""

    x1: float = attribute("x1", NUMBER)
    y1: float = attribute("y1", NUMBER)
    x2: float = attribute("x2", NUMBER)
    y2: float = attribute("y2", NUMBER)
    rotation: float = attribute("rotation", NUMBER, 0.0)
    icon_source: str | None = attribute("iconSource", default=None)
    icon_rotation: float = attribute("iconRotation", NUMBER, 0.0)
    icon_flip: bool = attribute("iconFlip", FLAG, False)
    icon_fixed_aspect_ratio: bool = attribute("iconFixedAspectRatio", FLAG, False)


@dataclass(frozen=True, kw_only=True)
class Element(Described):
    """What components, systems and references to signal dictionaries have in common."""

    name: str = attribute("name")
    connectors: tuple[Connector, ...] = children(lambda: {"ssd:Connector": Connector}, "ssd:Connectors")
    geometry: ElementGeometry | None = child(lambda: {"ssd:ElementGeometry": ElementGeometry})
    parameter_bindings: tuple[ParameterBinding, ...] = children(
        lambda: {"ssd:ParameterBinding": ParameterBinding}, "ssd:ParameterBindings"
    )
    meta_data: tuple[XMLNode, ...] = _meta_data()


@dataclass(frozen=True, kw_only=True)
class ComponentElement(Element):
    """A component, usually an FMU among the resources."""

    type: str = attribute("type", default=FMU_TYPE)
    source: str | None = attribute("source", default=None)
    implementation: Implementation = attribute("implementation", choice_of(Implementation), Implementation.ANY)
    annotations: tuple[Annotation, ...] = _annotations("ssd")


@dataclass(frozen=True, kw_only=True)
class SignalDictionaryReference(Element):
    """A signal dictionary as an element of a system."""

    dictionary: str = attribute("dictionary")
    annotations: tuple[Annotation, ...] = _annotations("ssd")


@dataclass(frozen=True, kw_only=True)
class DictionaryEntry(Described):
    """A signal of a dictionary."""

    name: str = attribute("name")
    type: SignalType | None = _signal_type(required=True)
    dimensions: tuple[Dimension, ...] = _dimensions()
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssb")


@dataclass(frozen=True, kw_only=True)
class SignalDictionary(TopLevel):
    """A collection of signals: an ``.ssb`` file, or inside a system."""

    version: str = attribute("version", default="1.0")
    entries: tuple[DictionaryEntry, ...] = children(lambda: {"ssb:DictionaryEntry": DictionaryEntry})
    enumerations: tuple[Enumeration, ...] = _enumerations("ssb")
    units: tuple[Unit, ...] = _units("ssb")
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssb")
    prefixes: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)


@dataclass(frozen=True, kw_only=True)
class SignalDictionaryDeclaration(Described):
    """A signal dictionary of a system: in a file, or here."""

    name: str = attribute("name")
    type: str = attribute("type", default="application/x-ssp-signal-dictionary")
    source: str | None = attribute("source", default=None)
    dictionary: SignalDictionary | None = child(lambda: {"ssb:SignalDictionary": SignalDictionary})


@dataclass(frozen=True, kw_only=True)
class ConnectionGeometry(Bound):
    """Points between the ends of a drawn connection."""

    points_x: tuple[float, ...] = attribute("pointsX", NUMBERS)
    points_y: tuple[float, ...] = attribute("pointsY", NUMBERS)


@dataclass(frozen=True, kw_only=True)
class Connection(Described):
    """Two connectors joined; an element that is None is the system itself. Which way values go, their kinds say."""

    start_element: str | None = attribute("startElement", default=None)
    start_connector: str = attribute("startConnector")
    start_indices: tuple[int, ...] = attribute("startIndices", INTEGERS, ())
    end_element: str | None = attribute("endElement", default=None)
    end_connector: str = attribute("endConnector")
    end_indices: tuple[int, ...] = attribute("endIndices", INTEGERS, ())
    suppress_unit_conversion: bool = attribute("suppressUnitConversion", FLAG, False)
    transformation: Transformation | None = _transformation()
    geometry: ConnectionGeometry | None = child(lambda: {"ssd:ConnectionGeometry": ConnectionGeometry})
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssd")

    def __str__(self) -> str:
        ends = ((self.start_element, self.start_connector), (self.end_element, self.end_connector))
        return " -> ".join(name if element is None else f"{element}.{name}" for element, name in ends)


@dataclass(frozen=True, kw_only=True)
class SystemGeometry(Bound):
    """Extent of a system's canvas."""

    x1: float = attribute("x1", NUMBER)
    y1: float = attribute("y1", NUMBER)
    x2: float = attribute("x2", NUMBER)
    y2: float = attribute("y2", NUMBER)


@dataclass(frozen=True, kw_only=True)
class Note(Bound):
    """A text on the canvas."""

    x1: float = attribute("x1", NUMBER)
    y1: float = attribute("y1", NUMBER)
    x2: float = attribute("x2", NUMBER)
    y2: float = attribute("y2", NUMBER)
    text: str = attribute("text")


@dataclass(frozen=True, kw_only=True)
class System(Element):
    """Elements and how they are connected."""

    elements: tuple[ComponentElement | SignalDictionaryReference | System, ...] = children(
        lambda: {
            "ssd:Component": ComponentElement,
            "ssd:SignalDictionaryReference": SignalDictionaryReference,
            "ssd:System": System,
        },
        "ssd:Elements",
    )
    connections: tuple[Connection, ...] = children(lambda: {"ssd:Connection": Connection}, "ssd:Connections")
    signal_dictionaries: tuple[SignalDictionaryDeclaration, ...] = children(
        lambda: {"ssd:SignalDictionary": SignalDictionaryDeclaration}, "ssd:SignalDictionaries"
    )
    system_geometry: SystemGeometry | None = child(lambda: {"ssd:SystemGeometry": SystemGeometry})
    graphical_elements: tuple[Note, ...] = children(lambda: {"ssd:Note": Note}, "ssd:GraphicalElements")
    annotations: tuple[Annotation, ...] = _annotations("ssd")


@dataclass(frozen=True, kw_only=True)
class DefaultExperiment(Described):
    """Start and stop of a run, where nothing else is said."""

    start_time: float | None = attribute("startTime", NUMBER, None)
    stop_time: float | None = attribute("stopTime", NUMBER, None)
    annotations: tuple[Annotation, ...] = _annotations("ssd")


@dataclass(frozen=True, kw_only=True)
class SystemStructure(TopLevel):
    """A whole system: an ``.ssd`` file."""

    version: str = attribute("version", default="1.0")
    name: str = attribute("name")
    system: System = child(lambda: {"ssd:System": System}, required=True)
    enumerations: tuple[Enumeration, ...] = _enumerations("ssd")
    units: tuple[Unit, ...] = _units("ssd")
    default_experiment: DefaultExperiment | None = child(lambda: {"ssd:DefaultExperiment": DefaultExperiment})
    meta_data: tuple[XMLNode, ...] = _meta_data()
    annotations: tuple[Annotation, ...] = _annotations("ssd")
    prefixes: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)


__all__ = [
    "FMU_TYPE",
    "Annotation",
    "BaseUnit",
    "ComponentElement",
    "Connection",
    "ConnectionGeometry",
    "Connector",
    "ConnectorGeometry",
    "ConnectorKind",
    "DataType",
    "DefaultExperiment",
    "Described",
    "DictionaryEntry",
    "Dimension",
    "Element",
    "ElementGeometry",
    "Enumeration",
    "EnumerationItem",
    "Implementation",
    "LinearTransformation",
    "MapEntry",
    "MappingEntry",
    "MappingKind",
    "MappingTransformation",
    "Note",
    "Parameter",
    "ParameterBinding",
    "ParameterMapping",
    "ParameterMappingReference",
    "ParameterSet",
    "ParameterValue",
    "SignalDictionary",
    "SignalDictionaryDeclaration",
    "SignalDictionaryReference",
    "SignalType",
    "SourceBase",
    "System",
    "SystemGeometry",
    "SystemStructure",
    "TopLevel",
    "Transformation",
    "Unit",
    "ValueItem",
]
