"""What an SSP file says, as frozen data: systems, components, connectors, connections, parameters, units.

The names are those of the standard, SSP 1.0 and 2.0 (Modelica Association Project SSP, https://ssp-standard.org): a
class is an XML element, a field is an attribute or what is inside. Everything is given by keyword.
"""

# ruff: noqa: RUF009 (the functions declare dataclass fields)
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from twinkit.graph.ssp._binding import Bound, attribute, child, children
from twinkit.graph.ssp._common import (
    Annotation,
    BaseUnit,
    DataType,
    Described,
    Dimension,
    Enumeration,
    EnumerationItem,
    LinearTransformation,
    MapEntry,
    MappingKind,
    MappingTransformation,
    SignalType,
    TopLevel,
    Transformation,
    Unit,
    declare_annotations,
    declare_dimensions,
    declare_enumerations,
    declare_meta_data,
    declare_signal_type,
    declare_transformation,
    declare_units,
)
from twinkit.graph.ssp._parameter_files import (
    MappingEntry,
    Parameter,
    ParameterBinding,
    ParameterMapping,
    ParameterMappingReference,
    ParameterSet,
    ParameterValue,
    SourceBase,
    ValueItem,
)
from twinkit.graph.ssp._xml import (
    FLAG,
    INTEGERS,
    NUMBER,
    NUMBERS,
    XMLNode,
    choice_of,
)

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


class Implementation(Enum):
    """Which kind of an FMU is to be used."""

    ANY = "any"
    CO_SIMULATION = "CoSimulation"
    MODEL_EXCHANGE = "ModelExchange"
    SCHEDULED_EXECUTION = "ScheduledExecution"


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
    type: SignalType | None = declare_signal_type()
    dimensions: tuple[Dimension, ...] = declare_dimensions()
    geometry: ConnectorGeometry | None = child(lambda: {"ssd:ConnectorGeometry": ConnectorGeometry})
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssd")


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
    meta_data: tuple[XMLNode, ...] = declare_meta_data()


@dataclass(frozen=True, kw_only=True)
class ComponentElement(Element):
    """A component, usually an FMU among the resources."""

    type: str = attribute("type", default=FMU_TYPE)
    source: str | None = attribute("source", default=None)
    implementation: Implementation = attribute("implementation", choice_of(Implementation), Implementation.ANY)
    annotations: tuple[Annotation, ...] = declare_annotations("ssd")


@dataclass(frozen=True, kw_only=True)
class SignalDictionaryReference(Element):
    """A signal dictionary as an element of a system."""

    dictionary: str = attribute("dictionary")
    annotations: tuple[Annotation, ...] = declare_annotations("ssd")


@dataclass(frozen=True, kw_only=True)
class DictionaryEntry(Described):
    """A signal of a dictionary."""

    name: str = attribute("name")
    type: SignalType | None = declare_signal_type(required=True)
    dimensions: tuple[Dimension, ...] = declare_dimensions()
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssb")


@dataclass(frozen=True, kw_only=True)
class SignalDictionary(TopLevel):
    """A collection of signals: an ``.ssb`` file, or inside a system."""

    version: str = attribute("version", default="1.0")
    entries: tuple[DictionaryEntry, ...] = children(lambda: {"ssb:DictionaryEntry": DictionaryEntry})
    enumerations: tuple[Enumeration, ...] = declare_enumerations("ssb")
    units: tuple[Unit, ...] = declare_units("ssb")
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssb")
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
    transformation: Transformation | None = declare_transformation()
    geometry: ConnectionGeometry | None = child(lambda: {"ssd:ConnectionGeometry": ConnectionGeometry})
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssd")

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
    annotations: tuple[Annotation, ...] = declare_annotations("ssd")


@dataclass(frozen=True, kw_only=True)
class DefaultExperiment(Described):
    """Start and stop of a run, where nothing else is said."""

    start_time: float | None = attribute("startTime", NUMBER, None)
    stop_time: float | None = attribute("stopTime", NUMBER, None)
    annotations: tuple[Annotation, ...] = declare_annotations("ssd")


@dataclass(frozen=True, kw_only=True)
class SystemStructure(TopLevel):
    """A whole system: an ``.ssd`` file."""

    version: str = attribute("version", default="1.0")
    name: str = attribute("name")
    system: System = child(lambda: {"ssd:System": System}, required=True)
    enumerations: tuple[Enumeration, ...] = declare_enumerations("ssd")
    units: tuple[Unit, ...] = declare_units("ssd")
    default_experiment: DefaultExperiment | None = child(lambda: {"ssd:DefaultExperiment": DefaultExperiment})
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssd")
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
