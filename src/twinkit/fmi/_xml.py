"""XML from strangers: no DTD, no entities, limits on size, depth and number of elements."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from twinkit.core.errors import DataError
from twinkit.fmi._errors import FMUFileError

MAX_BYTES = 256 * 1024 * 1024
MAX_DEPTH = 64
MAX_ELEMENTS = 4_000_000


def parse_xml(data: bytes, what: str) -> Element:
    """Return the root element of an XML document, with tags as they are written.

    Raises
    ------
    FMUFileError
        If it is not well-formed, has a document type or entities, or exceeds a limit.
    """
    return _parse(data, _Builder(what, FMUFileError), expat.ParserCreate())


def parse_namespaced_xml(data: bytes, what: str, error: type[DataError]) -> tuple[Element, dict[str, str]]:
    """Return the root element, with tags and attributes as ``{namespace}name``, and the namespace of each prefix.

    Raises
    ------
    DataError
        The given `error`, in the cases in which `parse_xml` raises.
    """
    builder = _Builder(what, error)
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartNamespaceDeclHandler = builder.namespace
    return _parse(data, builder, parser), builder.prefixes


def _parse(data: bytes, builder: _Builder, parser: expat.XMLParserType) -> Element:
    what, refused = builder.what, builder.error
    if len(data) > MAX_BYTES:
        raise refused(f"{what} has {len(data)} bytes; more than {MAX_BYTES} are refused")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.tree.data
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    parser.ExternalEntityRefHandler = builder.refuse
    try:
        parser.Parse(data, True)
        return builder.tree.close()
    except refused:
        raise
    except (expat.ExpatError, LookupError, ValueError, AssertionError) as error:
        raise refused(f"{what} is not well-formed XML: {error}") from None


def _braced(name: str) -> str:
    return "{" + name if "}" in name else name


class _Builder:
    def __init__(self, what: str, error: type[DataError]) -> None:
        self.what = what
        self.error = error
        self.prefixes: dict[str, str] = {}
        self.tree = TreeBuilder()
        self.depth = 0
        self.count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.count += 1
        if self.depth > MAX_DEPTH or self.count > MAX_ELEMENTS:
            raise self.error(f"{self.what} nests deeper than {MAX_DEPTH} or has more than {MAX_ELEMENTS} elements")
        self.tree.start(_braced(tag), {_braced(name): value for name, value in attributes.items()})

    def end(self, tag: str) -> None:
        self.depth -= 1
        self.tree.end(_braced(tag))

    def namespace(self, prefix: str | None, uri: str | None) -> None:
        if prefix and uri:
            self.prefixes.setdefault(prefix, uri)

    def refuse(self, *_: Any) -> int:
        raise self.error(f"{self.what} has a document type or entity declaration; none is needed, so it is refused")
