"""XML from strangers: no DTD, no entities, limits on size, depth and number of elements."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from twinkit.fmi._errors import FMUFileError

MAX_BYTES = 256 * 1024 * 1024
MAX_DEPTH = 64
MAX_ELEMENTS = 4_000_000


def parse_xml(data: bytes, what: str) -> Element:
    """Return the root element of an XML document.

    Raises
    ------
    FMUFileError
        If it is not well-formed, has a document type or entities, or exceeds a limit.
    """
    if len(data) > MAX_BYTES:
        raise FMUFileError(f"{what} has {len(data)} bytes; more than {MAX_BYTES} are refused")
    builder = _Builder(what)
    parser = expat.ParserCreate()
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
    except FMUFileError:
        raise
    except (expat.ExpatError, LookupError, ValueError, AssertionError) as error:
        raise FMUFileError(f"{what} is not well-formed XML: {error}") from None


class _Builder:
    def __init__(self, what: str) -> None:
        self.what = what
        self.tree = TreeBuilder()
        self.depth = 0
        self.count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.count += 1
        if self.depth > MAX_DEPTH or self.count > MAX_ELEMENTS:
            raise FMUFileError(f"{self.what} nests deeper than {MAX_DEPTH} or has more than {MAX_ELEMENTS} elements")
        self.tree.start(tag, attributes)

    def end(self, tag: str) -> None:
        self.depth -= 1
        self.tree.end(tag)

    def refuse(self, *_: Any) -> int:
        raise FMUFileError(f"{self.what} has a document type or entity declaration; FMUs need none, so it is refused")
