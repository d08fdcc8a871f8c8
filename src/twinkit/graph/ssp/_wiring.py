"""Connections of nested systems as one flat net: which connector drives which, and what happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from twinkit.core.errors import unknown_name
from twinkit.graph.ssp.errors import SSPFileError, UnsupportedSSPError
from twinkit.graph.ssp.structure import ComponentElement, Connection, Connector, Element, System
from twinkit.graph.ssp.structure import ConnectorKind as Kind

Path: TypeAlias = tuple[str, ...]
"""Names of elements from below the root system; () is the root system itself."""
End: TypeAlias = tuple[Path, str]
"""A connector: the path of its element, and its name."""

_IN = frozenset({Kind.INPUT, Kind.PARAMETER, Kind.STRUCTURAL_PARAMETER})
_OUT = frozenset({Kind.OUTPUT, Kind.CALCULATED_PARAMETER, Kind.CONSTANT, Kind.LOCAL})


@dataclass(frozen=True)
class Wire:
    """One connection, in the direction in which values go."""

    source: End
    target: End
    connection: Connection


@dataclass
class Wiring:
    """All components and connections of a system and of what is in it.

    Attributes
    ----------
    systems, components
        Path -> element.
    connectors
        Every connector.
    drivers
        Target -> the wire that drives it.
    """

    systems: dict[Path, System] = field(default_factory=dict[Path, System])
    components: dict[Path, ComponentElement] = field(default_factory=dict[Path, ComponentElement])
    connectors: dict[End, Connector] = field(default_factory=dict[End, Connector])
    drivers: dict[End, Wire] = field(default_factory=dict[End, Wire])

    @classmethod
    def of(cls, root: System) -> Wiring:
        """Return the wiring of a system.

        Raises
        ------
        SSPFileError
            If names appear twice, a connection leads nowhere, joins connectors that cannot be joined, or drives what
            is driven already.
        UnsupportedSSPError
            For signal dictionaries, and connections of single elements of arrays.
        """
        made = cls()
        made._add(root, ())
        for path, system in made.systems.items():
            for connection in system.connections:
                wire = made._wire(path, connection)
                known = made.drivers.get(wire.target)
                if known is not None:
                    raise SSPFileError(
                        f"{label(wire.target)} is driven twice: by {label(known.source)} and by {label(wire.source)}"
                    )
                made.drivers[wire.target] = wire
        return made

    def _add(self, element: Element, path: Path) -> None:
        for connector in element.connectors:
            if (path, connector.name) in self.connectors:
                raise SSPFileError(f"{label((path, connector.name))}: two connectors have this name")
            self.connectors[path, connector.name] = connector
        if isinstance(element, ComponentElement):
            self.components[path] = element
        elif isinstance(element, System):
            self.systems[path] = element
            for inner in element.elements:
                place = (*path, inner.name)
                if not inner.name or place in self.systems or place in self.components:
                    raise SSPFileError(
                        f"system {element.name!r} has two elements named {inner.name!r}, or an empty name"
                    )
                self._add(inner, place)
        else:
            raise UnsupportedSSPError(f"{'.'.join(path)}: signal dictionaries are kept, but cannot be run yet")

    def _wire(self, path: Path, connection: Connection) -> Wire:
        if connection.start_indices or connection.end_indices:
            raise UnsupportedSSPError(f"connection {connection}: single elements of arrays cannot be connected yet")
        ends = [
            self._end(path, connection.start_element, connection.start_connector, connection),
            self._end(path, connection.end_element, connection.end_connector, connection),
        ]
        gives, takes = [self._gives(end, path) for end in ends], [self._takes(end, path) for end in ends]
        if gives[0] and takes[1]:
            return Wire(ends[0], ends[1], connection)
        if gives[1] and takes[0]:
            return Wire(ends[1], ends[0], connection)
        kinds = " and ".join(f"{label(end)} ({self.connectors[end].kind.value})" for end in ends)
        raise SSPFileError(f"connection {connection}: {kinds} cannot be joined")

    def _end(self, path: Path, element: str | None, connector: str, connection: Connection) -> End:
        place = path if element is None else (*path, element)
        if element is not None and place not in self.systems and place not in self.components:
            inner = [found[-1] for found in (*self.systems, *self.components) if found[:-1] == path and found]
            raise SSPFileError(f"connection {connection}: {unknown_name('element', element, inner, 'the system')}")
        if (place, connector) not in self.connectors:
            names = [name for where, name in self.connectors if where == place]
            missing = unknown_name("connector", connector, names, label((place, "")).rstrip("."))
            raise SSPFileError(f"connection {connection}: {missing}")
        return place, connector

    def _gives(self, end: End, inside: Path) -> bool:
        kind = self.connectors[end].kind
        return kind in (Kind.INOUT, Kind.UNSPECIFIED) or kind in (_IN if end[0] == inside else _OUT)

    def _takes(self, end: End, inside: Path) -> bool:
        kind = self.connectors[end].kind
        return kind in (Kind.INOUT, Kind.UNSPECIFIED) or kind in (_OUT if end[0] == inside else _IN)

    # -- following wires ---------------------------------------------------------------------------------------
    def upstream(self, end: End) -> list[Wire]:
        """Return the wires that lead to a connector through systems, the last one first.

        Raises
        ------
        SSPFileError
            If they go round in a circle without a component.
        """
        found: list[Wire] = []
        seen = {end}
        while (wire := self.drivers.get(end)) is not None:
            found.append(wire)
            end = wire.source
            if end in seen:
                raise SSPFileError(f"{label(end)} drives itself, without a component in between")
            seen.add(end)
            if end[0] in self.components:
                break
        return found

    def taking(self) -> Iterator[End]:
        """Return the connectors of components that take values."""
        for end, connector in self.connectors.items():
            if end[0] in self.components and connector.kind in (*_IN, Kind.INOUT, Kind.UNSPECIFIED):
                yield end


def label(end: End) -> str:
    """Return a connector in words: its path with dots ('the system' for the root)."""
    path, name = end
    where = ".".join(path) or "the system"
    return f"{where}.{name}"
