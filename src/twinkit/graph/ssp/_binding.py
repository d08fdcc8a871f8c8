"""Dataclasses bound to XML: one declaration of a field says how it is read and how it is written.

What a class does not declare is kept in `other_attributes` and `other_elements`, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from typing import Any, TypeVar, cast
from xml.etree.ElementTree import Element

from twinkit.core.errors import InvalidValueError
from twinkit.graph.ssp._xml import TEXT, Codec, XMLNode, is_blank, local_name, node_of, qualified
from twinkit.graph.ssp.errors import SSPFileError

B = TypeVar("B", bound="Bound")
Classes = Callable[[], Mapping[str, "type[Bound]"]]
"""Tag, with a prefix of SSP -> class; a function, since a system contains systems."""


@dataclass(frozen=True)
class _Attribute:
    name: str
    codec: Codec
    required: bool
    default: Any


@dataclass(frozen=True)
class _TagName:
    codec: Codec


@dataclass(frozen=True)
class _Elements:
    classes: Classes
    wrapper: str = ""
    single: bool = False
    required: bool = False


@dataclass(frozen=True)
class _Raw:
    tags: tuple[str, ...]


@dataclass(frozen=True)
class _Content:
    """The text (or the children) of an element that may hold anything."""


def attribute(name: str, codec: Codec = TEXT, default: Any = MISSING) -> Any:
    """Declare an attribute; without a default it is required."""
    required = default is MISSING
    return field(default=default, metadata={"xml": _Attribute(name, codec, required, None if required else default)})


def tag_name(codec: Codec) -> Any:
    """Declare that the element's own name (without its namespace) is a value."""
    return field(metadata={"xml": _TagName(codec)})


def child(classes: Classes, *, required: bool = False) -> Any:
    """Declare one child element: the first of these tags. Further ones stay in `other_elements`."""
    spec = _Elements(classes, single=True, required=required)
    return field(metadata={"xml": spec}) if required else field(default=None, metadata={"xml": spec})


def children(classes: Classes, wrapper: str = "") -> Any:
    """Declare child elements, in order, inside a wrapper element where one is named."""
    return field(default=(), metadata={"xml": _Elements(classes, qualified(wrapper) if wrapper else "")})


def raw(*tags: str) -> Any:
    """Declare child elements that are kept as `XMLNode`."""
    return field(default=(), metadata={"xml": _Raw(tuple(qualified(tag) for tag in tags))})


def anything(default: Any) -> Any:
    """Declare the text, or all children, of an element with any content."""
    return field(default=default, metadata={"xml": _Content()})


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Base of what is read from, and written to, one XML element.

    Attributes
    ----------
    other_attributes, other_elements
        What the SSP standard does not name here, kept as it was read.
    """

    other_attributes: tuple[tuple[str, str], ...] = ()
    other_elements: tuple[XMLNode, ...] = ()


@lru_cache(maxsize=256)
def _specs(cls: type[Bound]) -> dict[str, Any]:
    return {f.name: f.metadata["xml"] for f in fields(cls) if "xml" in f.metadata}


@lru_cache(maxsize=256)
def _table(cls: type[Bound]) -> dict[str, tuple[str, Any, type[Bound] | None]]:
    """Return tag -> ``(field, how it is bound, class)`` of the children a class knows."""
    found: dict[str, tuple[str, Any, type[Bound] | None]] = {}
    for name, spec in _specs(cls).items():
        if isinstance(spec, _Elements) and spec.wrapper:
            found[spec.wrapper] = (name, spec, None)
        elif isinstance(spec, _Elements):
            found.update({qualified(tag): (name, spec, kind) for tag, kind in spec.classes().items()})
        elif isinstance(spec, _Raw):
            found.update(dict.fromkeys(spec.tags, (name, spec, None)))
    return found


# -- reading ---------------------------------------------------------------------------------------------------
def bind(cls: type[B], element: Element, what: str) -> B:
    """Return an element as an instance of a bound class.

    Raises
    ------
    SSPFileError
        If something required is missing, appears twice or is no value of its kind; `what` says where.
    """
    name = element.get("name")
    where = f"{what} <{local_name(element.tag)}{f' {name[:60]!r}' if name else ''}>"
    values = _read_attributes(cls, element, where)
    specs = _specs(cls)
    if any(isinstance(spec, _Content) for spec in specs.values()):
        values["text"] = element.text or ""
        values["content"] = tuple(node_of(part, tail=True) for part in element)
    else:
        _refuse_text(element, where)
        _read_children(cls, element, where, values)
    for key, spec in specs.items():
        if getattr(spec, "required", False) and key not in values:
            label = spec.name if isinstance(spec, _Attribute) else " or ".join(spec.classes())
            raise SSPFileError(f"{where} has no {label}")
    return cls(**values)


def _read_attributes(cls: type[Bound], element: Element, where: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    left = dict(element.attrib)
    for key, spec in _specs(cls).items():
        if isinstance(spec, _Attribute) and spec.name in left:
            text = left.pop(spec.name)
            values[key] = _decoded(spec.codec, text, f"{where}, attribute {spec.name}")
        elif isinstance(spec, _TagName):
            values[key] = _decoded(spec.codec, local_name(element.tag), where)
    values["other_attributes"] = tuple(sorted(left.items()))
    return values


def _decoded(codec: Codec, text: str, where: str) -> Any:
    try:
        return codec.read(text)
    except SSPFileError as error:
        raise SSPFileError(f"{where}: {error}") from None


def _read_children(cls: type[Bound], element: Element, where: str, values: dict[str, Any]) -> None:
    table = _table(cls)
    others: list[XMLNode] = []
    for part in element:
        key, spec, kind = table.get(part.tag, ("", None, None))
        if isinstance(spec, _Raw):
            values[key] = (*values.get(key, ()), node_of(part))
        elif spec is None or (spec.single and key in values):
            others.append(node_of(part))
        elif spec.wrapper:
            if key in values:
                raise SSPFileError(f"{where} has two <{local_name(part.tag)}> elements")
            values[key] = _read_wrapped(spec, part, where, others)
        else:
            made = bind(cast("type[Bound]", kind), part, where)
            values[key] = made if spec.single else (*values.get(key, ()), made)
    # What stood in a wrapper comes first, in the order of the wrappers: there it is written, and found again.
    order = {tag: i for i, (tag, known) in enumerate(table.items()) if _wraps(known)}
    values["other_elements"] = tuple(sorted(others, key=lambda node: order.get(node.tag, len(table))))


def _wraps(known: tuple[str, Any, Any]) -> bool:
    return isinstance(known[1], _Elements) and bool(known[1].wrapper)


def _read_wrapped(spec: _Elements, wrapper: Element, where: str, others: list[XMLNode]) -> tuple[Bound, ...]:
    """Return what is inside a wrapper; what it should not hold is kept, as a wrapper with only that."""
    _refuse_text(wrapper, where)
    classes = {qualified(tag): kind for tag, kind in spec.classes().items()}
    found: list[Bound] = []
    unknown: list[XMLNode] = []
    for part in wrapper:
        if part.tag in classes:
            found.append(bind(classes[part.tag], part, where))
        else:
            unknown.append(node_of(part))
    if unknown or wrapper.attrib:
        others.append(XMLNode(wrapper.tag, tuple(sorted(wrapper.attrib.items())), "", tuple(unknown)))
    return tuple(found)


def _refuse_text(element: Element, where: str) -> None:
    stray = next((text for text in (element.text, *(part.tail for part in element)) if not is_blank(text)), None)
    if stray is not None:
        raise SSPFileError(f"{where} has text where only elements belong: {stray.strip()[:40]!r}")


# -- writing ---------------------------------------------------------------------------------------------------
def unbind(item: Bound, tag: str, depth: int = 0) -> XMLNode:
    """Return an instance as a node named `tag` (with a prefix of SSP), indented to be read.

    Raises
    ------
    InvalidValueError
        For a value that cannot be written.
    """
    attributes: dict[str, str] = dict(item.other_attributes)
    parts: list[XMLNode] = []
    specs, table = _specs(type(item)), _table(type(item))
    misplaced = [node for node in item.other_elements if node.tag in table and _wraps(table[node.tag])]
    for key, spec in specs.items():
        value = getattr(item, key)
        if isinstance(spec, _Attribute):
            if spec.required or spec.name == "version" or value != spec.default:
                attributes[spec.name] = _encoded(spec.codec, value, f"{tag}, {key}")
        elif isinstance(spec, _TagName):
            tag = f"{tag.partition(':')[0]}:{spec.codec.write(value)}"
        elif isinstance(spec, _Raw):
            parts += value
        elif isinstance(spec, _Elements):
            parts += _written_children(spec, value, tag, depth, misplaced)
    ordered = tuple(sorted(attributes.items()))
    if any(isinstance(spec, _Content) for spec in specs.values()):
        free = cast("Any", item)
        return XMLNode(qualified(tag), ordered, free.text, free.content)
    parts += [node for node in item.other_elements if node not in misplaced]
    return _indented(XMLNode(qualified(tag), ordered, "", tuple(parts)), depth)


def _encoded(codec: Codec, value: Any, where: str) -> str:
    try:
        return codec.write(value)
    except (InvalidValueError, ValueError, TypeError) as error:
        raise InvalidValueError(f"{where}: {value!r} cannot be written ({error})") from None


def _written_children(spec: _Elements, value: Any, tag: str, depth: int, misplaced: list[XMLNode]) -> list[XMLNode]:
    """Return child elements, in their wrapper where they have one; what was not understood there goes back into it."""
    items = ([] if value is None else [value]) if spec.single else list(value)
    inside = depth + (2 if spec.wrapper else 1)
    nodes = [unbind(item, _tag_of(spec, item, tag), inside) for item in items]
    if not spec.wrapper:
        return nodes
    back = [node for node in misplaced if node.tag == spec.wrapper]
    if not nodes and not back:
        return []
    attributes = {name: value for node in back for name, value in node.attributes}
    inner = (*nodes, *(part for node in back for part in node.children))
    return [_indented(XMLNode(spec.wrapper, tuple(sorted(attributes.items())), "", inner), depth + 1)]


def _tag_of(spec: _Elements, item: Bound, inside: str) -> str:
    for tag, kind in spec.classes().items():
        if type(item) is kind:
            return tag
    raise InvalidValueError(f"{item!r} cannot stand inside {inside}")


def _indented(node: XMLNode, depth: int) -> XMLNode:
    """Return a node of elements only, with its children on lines of their own."""
    if not node.children:
        return node
    inner, outer = "\n" + "  " * (depth + 1), "\n" + "  " * depth
    last = len(node.children) - 1
    placed = tuple(
        XMLNode(part.tag, part.attributes, part.text, part.children, outer if i == last else inner)
        for i, part in enumerate(node.children)
    )
    return XMLNode(node.tag, node.attributes, inner, placed, node.tail)
