"""What the files of SSP have in common: types, units, enumerations, transformations, annotations."""

# ruff: noqa: RUF009 (the functions declare dataclass fields)
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from twinkit.graph.ssp._binding import Bound, anything, attribute, child, children, raw, tag_name
from twinkit.graph.ssp._xml import (
    INTEGER,
    NUMBER,
    XMLNode,
    choice_of,
)


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


class MappingKind(Enum):
    """What a table of values maps."""

    BOOLEAN = "BooleanMappingTransformation"
    INTEGER = "IntegerMappingTransformation"
    ENUMERATION = "EnumerationMappingTransformation"


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


def declare_annotations(prefix: str) -> tuple[Annotation, ...]:
    return children(lambda: {"ssc:Annotation": Annotation}, f"{prefix}:Annotations")


def declare_meta_data() -> tuple[XMLNode, ...]:
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
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssc")


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
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssc")


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


def declare_signal_type(*, required: bool = False) -> SignalType | None:
    return child(lambda: {f"ssc:{kind.value}": SignalType for kind in DataType}, required=required)


def declare_dimensions() -> tuple[Dimension, ...]:
    return children(lambda: {"ssc:Dimension": Dimension})


def declare_transformation() -> Transformation | None:
    tables = {f"ssc:{kind.value}": MappingTransformation for kind in MappingKind}
    # Some tools write (and FMPy reads) the linear one in the namespace of the system structure.
    linear = {"ssc:LinearTransformation": LinearTransformation, "ssd:LinearTransformation": LinearTransformation}
    return child(lambda: {**linear, **tables})


def declare_enumerations(prefix: str) -> tuple[Enumeration, ...]:
    return children(lambda: {"ssc:Enumeration": Enumeration}, f"{prefix}:Enumerations")


def declare_units(prefix: str) -> tuple[Unit, ...]:
    return children(lambda: {"ssc:Unit": Unit}, f"{prefix}:Units")
