"""XML as frozen data: nodes of any content, values of attributes, and the text of a document."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

from twinkit.core.errors import InvalidValueError
from twinkit.graph.ssp.errors import SSPFileError

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

_BASE = "http://ssp-standard.org/SSP1/SystemStructure"
NAMESPACES: Mapping[str, str] = {
    "ssd": f"{_BASE}Description",
    "ssc": f"{_BASE}Common",
    "ssv": f"{_BASE}ParameterValues",
    "ssm": f"{_BASE}ParameterMapping",
    "ssb": f"{_BASE}SignalDictionary",
}
_XML = "http://www.w3.org/XML/1998/namespace"
_NAME = re.compile(r"^[^\W\d][\w.\-·]*$")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACE = " \t\r\n"  # of XML; Python's strip() knows more


@dataclass(frozen=True)
class XMLNode:
    """Any XML element, kept as it is: annotations, and whatever the SSP standard does not name.

    Attributes
    ----------
    tag
        ``{namespace}name``, or a name without a namespace.
    attributes
        ``(name, value)``, sorted by name.
    text, tail
        Text before the first child, and after the element.
    children
        Elements inside.
    """

    tag: str
    attributes: tuple[tuple[str, str], ...] = ()
    text: str = ""
    children: tuple[XMLNode, ...] = ()
    tail: str = ""


def qualified(name: str) -> str:
    """Return ``{namespace}name`` for a name with one of the prefixes of SSP.

    Examples
    --------
    >>> qualified("ssc:Unit")
    '{http://ssp-standard.org/SSP1/SystemStructureCommon}Unit'
    """
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def local_name(tag: str) -> str:
    """Return a tag's name without its namespace."""
    return tag.rpartition("}")[2]


def node_of(element: Element, *, tail: bool = False) -> XMLNode:
    """Return a parsed element as a node (without what follows it, unless asked)."""
    return XMLNode(
        element.tag,
        tuple(sorted(element.attrib.items())),
        element.text or "",
        tuple(node_of(child, tail=True) for child in element),
        (element.tail or "") if tail else "",
    )


def is_blank(text: str | None) -> bool:
    """Return whether a text is only white space."""
    return not text or not text.strip(_SPACE)


# -- values of attributes --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Codec:
    """How the text of an attribute becomes a value, and the other way round."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


def read_number(text: str) -> float:
    """Return an ``xs:double``, which must not be NaN."""
    stripped = text.strip(_SPACE)
    special = {"INF": math.inf, "+INF": math.inf, "-INF": -math.inf}.get(stripped)
    if special is not None:
        return special
    try:
        number = float(stripped)
    except ValueError:
        raise SSPFileError(f"{text[:40]!r} is not a number") from None
    if not math.isfinite(number) or "_" in stripped:
        raise SSPFileError(f"{text[:40]!r} is not a number that can be used")
    return number


def write_number(number: float) -> str:
    """Return a number as ``xs:double``, exactly."""
    value = float(number)
    if math.isnan(value):
        raise InvalidValueError("NaN cannot be written to an SSP file")
    return repr(value) if math.isfinite(value) else "INF" if value > 0 else "-INF"


def read_flag(text: str) -> bool:
    """Return an ``xs:boolean``."""
    stripped = text.strip(_SPACE)
    if stripped not in ("true", "false", "1", "0"):
        raise SSPFileError(f"{text[:40]!r} is not a boolean (true or false)")
    return stripped in ("true", "1")


def read_integer(text: str) -> int:
    """Return an integer."""
    stripped = text.strip(_SPACE)
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", stripped):
        raise SSPFileError(f"{text[:40]!r} is not an integer")
    return int(stripped)


def _list(codec: Codec) -> Codec:
    return Codec(
        lambda text: tuple(codec.read(part) for part in text.split()),
        lambda values: " ".join(codec.write(value) for value in values),
    )


TEXT = Codec(str, str)
NUMBER = Codec(read_number, write_number)
FLAG = Codec(read_flag, lambda value: "true" if value else "false")
INTEGER = Codec(read_integer, lambda value: str(int(value)))
NUMBERS = _list(NUMBER)
INTEGERS = _list(INTEGER)


def choice_of(kinds: type[E]) -> Codec:
    """Return the codec of an enumeration."""

    def read(text: str) -> E:
        try:
            return kinds(text.strip(_SPACE))
        except ValueError:
            known = ", ".join(str(kind.value) for kind in kinds)
            raise SSPFileError(f"{text[:40]!r} is none of {known}") from None

    return Codec(read, lambda value: str(kinds(value).value))


# -- the text of a document ------------------------------------------------------------------------------------
def document(root: XMLNode, prefixes: Mapping[str, str]) -> bytes:
    """Return an XML document; all namespaces are declared at its root, under the given prefixes where they are free.

    Raises
    ------
    InvalidValueError
        For names or characters that XML cannot hold.
    """
    names = _prefixes(root, prefixes)
    declared = "".join(f" xmlns:{prefix}={_quoted(uri)}" for uri, prefix in sorted(names.items(), key=lambda p: p[1]))
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    _render(root, names, parts, declared)
    return ("".join(parts).rstrip("\n") + "\n").encode()


def _prefixes(root: XMLNode, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return namespace -> prefix for everything used, and for what was declared."""
    used = dict.fromkeys(uri for name in _all_names(root) if (uri := _split(name)[0]))
    found = {uri: prefix for prefix, uri in NAMESPACES.items() if uri in used}
    for prefix, uri in wanted.items():
        reserved = prefix in NAMESPACES or prefix[:3].lower() == "xml"
        if uri and uri not in found and uri != _XML and not reserved and _NAME.match(prefix):
            found[uri] = prefix
    number = 0
    for uri in used:
        if uri in found or uri == _XML:
            continue
        while f"ns{number}" in found.values():
            number += 1
        found[uri] = f"ns{number}"
    return found


def _all_names(node: XMLNode) -> Iterator[str]:
    yield node.tag
    yield from (name for name, _ in node.attributes)
    for child in node.children:
        yield from _all_names(child)


def _split(name: str) -> tuple[str, str]:
    uri, _, local = name.rpartition("}")
    if not _NAME.match(local) or (uri and not uri.startswith("{")):
        raise InvalidValueError(f"{name[:80]!r} cannot be the name of an XML element or attribute")
    return uri[1:], local


def _render(node: XMLNode, names: Mapping[str, str], parts: list[str], declared: str = "") -> None:
    tag = _written(node.tag, names)
    attributes = "".join(f" {_written(name, names)}={_quoted(value)}" for name, value in node.attributes)
    if not node.text and not node.children:
        parts.append(f"<{tag}{declared}{attributes}/>{_escaped(node.tail)}")
        return
    parts.append(f"<{tag}{declared}{attributes}>{_escaped(node.text)}")
    for child in node.children:
        _render(child, names, parts)
    parts.append(f"</{tag}>{_escaped(node.tail)}")


def _written(name: str, names: Mapping[str, str]) -> str:
    uri, local = _split(name)
    return local if not uri else f"xml:{local}" if uri == _XML else f"{names[uri]}:{local}"


def _escaped(text: str) -> str:
    bad = _FORBIDDEN.search(text)
    if bad is not None:
        raise InvalidValueError(f"the character {bad[0]!r} cannot be written to XML (in {text[:40]!r})")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def _quoted(text: str) -> str:
    escaped = _escaped(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    return f'"{escaped}"'
