"""Parameter files: sets of values (SSV), mappings of names (SSM)."""

# ruff: noqa: RUF009 (the functions declare dataclass fields)
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from twinkit.graph.ssp._binding import Bound, attribute, child, children, tag_name
from twinkit.graph.ssp._common import (
    Annotation,
    DataType,
    Described,
    Dimension,
    Enumeration,
    TopLevel,
    Transformation,
    Unit,
    declare_annotations,
    declare_dimensions,
    declare_enumerations,
    declare_meta_data,
    declare_transformation,
    declare_units,
)
from twinkit.graph.ssp._xml import (
    FLAG,
    XMLNode,
    choice_of,
    read_flag,
    read_integer,
    read_number,
)
from twinkit.graph.ssp.errors import SSPFileError


class SourceBase(Enum):
    """What a relative source starts from: the system structure, or the component."""

    SSD = "SSD"
    COMPONENT = "component"


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
    dimensions: tuple[Dimension, ...] = declare_dimensions()
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssv")


@dataclass(frozen=True, kw_only=True)
class ParameterSet(TopLevel):
    """Named values with their units: an ``.ssv`` file, or inside a binding."""

    version: str = attribute("version", default="1.0")
    name: str = attribute("name")
    parameters: tuple[Parameter, ...] = children(lambda: {"ssv:Parameter": Parameter}, "ssv:Parameters")
    enumerations: tuple[Enumeration, ...] = declare_enumerations("ssv")
    units: tuple[Unit, ...] = declare_units("ssv")
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssv")
    prefixes: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)


@dataclass(frozen=True, kw_only=True)
class MappingEntry(Described):
    """From a name in a parameter set to a name in a system or component."""

    source: str = attribute("source")
    target: str = attribute("target")
    suppress_unit_conversion: bool = attribute("suppressUnitConversion", FLAG, False)
    transformation: Transformation | None = declare_transformation()
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssm")


@dataclass(frozen=True, kw_only=True)
class ParameterMapping(TopLevel):
    """Names of parameters mapped to others: an ``.ssm`` file, or inside a binding."""

    version: str = attribute("version", default="1.0")
    entries: tuple[MappingEntry, ...] = children(lambda: {"ssm:MappingEntry": MappingEntry})
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssm")
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
    meta_data: tuple[XMLNode, ...] = declare_meta_data()
    annotations: tuple[Annotation, ...] = declare_annotations("ssd")
