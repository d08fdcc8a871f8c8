"""Nodes, their sockets, and the checks made when two ports are joined."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twinkit.core.component import Causality, Component, Port, PortKind
from twinkit.core.errors import InvalidValueError, ShapeError, UnitError, unknown_name
from twinkit.core.units import affine, unit_label


class ConnectError(InvalidValueError):
    """Two ports that cannot be joined: wrong direction, kind, or an input that is driven already."""


@dataclass(frozen=True)
class Plug:
    """One port of one node, or one material stream: several ports that are connected together.

    Attributes
    ----------
    node
        Name of the node.
    name
        Port, or stream.
    ports
        The port; of a stream, all its ports by field.
    stream
        Whether this is a stream.
    """

    node: str
    name: str
    ports: Mapping[str, Port]
    stream: bool = False

    @property
    def label(self) -> str:
        """``node.port``."""
        return f"{self.node}.{self.name}"

    def __repr__(self) -> str:
        inner = ", ".join(f"{p.name} [{unit_label(p.unit) or '-'}]" for p in self.ports.values())
        return f"<{self.label}: {inner}>"


class Sockets(Mapping[str, Plug]):
    """The ports of one side of a node, by name; ``node.out["w"]``."""

    def __init__(self, node: str, side: str, ports: Mapping[str, Port]) -> None:
        self._side = f"node {node!r}"
        self._kind = side
        self._plugs = {name: Plug(node, name, {name: port}) for name, port in ports.items()}
        streams: dict[str, dict[str, Port]] = {}
        for name, port in ports.items():
            if port.kind is PortKind.MATERIAL and "." in name:
                stream, _, field = name.rpartition(".")
                streams.setdefault(stream, {})[field] = port
        for stream, fields in streams.items():
            self._plugs.setdefault(stream, Plug(node, stream, fields, True))

    def __getitem__(self, name: str) -> Plug:
        found = self._plugs.get(name)
        if found is None:
            raise unknown_name(self._kind, str(name), self._plugs, self._side)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugs)

    def __len__(self) -> int:
        return len(self._plugs)

    def __repr__(self) -> str:
        return f"{self._side} {self._kind}s: {', '.join(self._plugs) or 'none'}"


@dataclass(frozen=True, eq=False)
class Node:
    """A component in a graph.

    Attributes
    ----------
    name
        Its name there.
    component
        The component.
    out, inp
        Its output and input sockets.
    """

    name: str
    component: Component
    out: Sockets
    inp: Sockets

    @classmethod
    def of(cls, name: str, component: Component) -> Node:
        """Make the node of a component."""
        outputs, inputs = Sockets(name, "output", component.outputs), Sockets(name, "input", component.inputs)
        return cls(name, component, outputs, inputs)

    def __repr__(self) -> str:
        return f"<{self.name}: {self.component!r}>"


@dataclass(frozen=True)
class Connection:
    """One edge: ``target = scale * source + offset``, the conversion of units and a transformation together.

    Attributes
    ----------
    source, target
        ``(node, port)``.
    scale, offset
        Worked out when the edge was made.
    source_unit, target_unit
        What is converted.
    guess
        First value of the target where the edge closes an algebraic loop.
    transformation
        ``(factor, offset)`` applied after the units are converted.
    convert_units
        False where the numbers were taken as they are.
    """

    source: tuple[str, str]
    target: tuple[str, str]
    scale: float
    offset: float
    source_unit: str
    target_unit: str
    guess: float | tuple[float, ...] | None = None
    transformation: tuple[float, float] = (1.0, 0.0)
    convert_units: bool = True

    @property
    def converts(self) -> bool:
        """Whether the numbers change on the way."""
        return (self.scale, self.offset) != (1.0, 0.0)

    def __str__(self) -> str:
        units = f"{unit_label(self.source_unit)} -> {unit_label(self.target_unit)}"
        how = f"  ({units}: {_affine_text(self.scale, self.offset)})" if self.converts else ""
        if not self.convert_units:
            how = f"  (units not converted: {_affine_text(self.scale, self.offset)})"
        elif self.transformation != (1.0, 0.0):
            how = how[:-1] + f", with the transformation {_affine_text(*self.transformation)})"
        return f"{'.'.join(self.source)} -> {'.'.join(self.target)}{how}"


def _affine_text(scale: float, offset: float) -> str:
    shift = f" {'+' if offset > 0 else '-'} {abs(offset):.6g}" if offset else ""
    return f"x {scale:.6g}{shift}"


@dataclass(frozen=True)
class Transformation:
    """What an edge does to a value besides carrying it: ``factor * value + offset``, after units are converted."""

    factor: float = 1.0
    offset: float = 0.0
    convert_units: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.factor) and math.isfinite(self.offset)):
            raise ConnectError(f"a transformation is finite, not x {self.factor} + {self.offset}")


def join(source: Plug, target: Plug, guess: Any, how: Transformation) -> list[Connection]:
    """Return the edges from one plug to another, or raise what is wrong with them.

    Raises
    ------
    ConnectError
        Wrong direction or kind, or streams whose fields differ.
    ShapeError, UnitError
        Wrong length, wrong dimension.
    """
    for plug in (source, target):
        if not isinstance(plug, Plug):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConnectError(f"connect joins node.out[...] to node.inp[...], not {plug!r}")
    what = f"{source.label} -> {target.label}"
    faces = [next(iter(plug.ports.values())).causality for plug in (source, target)]
    if faces == [Causality.INPUT, Causality.OUTPUT]:
        raise ConnectError(f"{what}: an output drives an input; write connect({target.label}, {source.label})")
    if faces != [Causality.OUTPUT, Causality.INPUT]:
        raise ConnectError(f"{what}: both are {faces[0].value}s; an edge goes from an output to an input")
    if source.stream != target.stream or (source.stream and set(source.ports) != set(target.ports)):
        sides = [f"{p.label} ({'stream of ' + ', '.join(p.ports) if p.stream else 'port'})" for p in (source, target)]
        raise ConnectError(f"{what}: a stream joins a stream with the same fields, not {sides[0]} to {sides[1]}")
    if source.stream:
        if guess is not None:
            raise ConnectError(f"{what}: a guess is given for a port, not for a stream")
        if how != Transformation():
            raise ConnectError(f"{what}: a transformation is given for a port, not for a stream")
        return [_edge(source.node, target.node, port, target.ports[field], None, how)
                for field, port in source.ports.items()]  # fmt: skip
    a, b = next(iter(source.ports.values())), next(iter(target.ports.values()))
    for plug, port in ((source, a), (target, b)):
        if port.kind is PortKind.MATERIAL and "." in port.name:
            stream = port.name.rpartition(".")[0]
            raise ConnectError(f"{what}: {plug.label} is part of the stream {stream!r}: connect the stream whole")
    return [_edge(source.node, target.node, a, b, guess, how)]


def _edge(source: str, target: str, a: Port, b: Port, guess: Any, how: Transformation) -> Connection:
    what = f"{source}.{a.name} -> {target}.{b.name}"
    if a.kind is not b.kind:
        raise ConnectError(f"{what}: a {a.kind.value} port cannot be joined to a {b.kind.value} port")
    if a.shape != b.shape:
        sizes = ["a single value" if p.shape is None else f"a vector of length {p.shape}" for p in (a, b)]
        raise ShapeError(f"{what}: {sizes[0]} cannot be joined to {sizes[1]}")
    try:
        scale, offset = affine(a.unit, b.unit) if how.convert_units else (1.0, 0.0)
    except UnitError as error:
        raise UnitError(f"{what}: {error}") from None
    first = None
    if guess is not None:
        flat = b.flat(guess, f"the guess of {what}")
        first = float(flat[0]) if b.shape is None else tuple(float(value) for value in flat)
    return Connection(
        (source, a.name), (target, b.name), how.factor * scale, how.factor * offset + how.offset, a.unit, b.unit, first,
        (how.factor, how.offset), how.convert_units,
    )  # fmt: skip


def material(name: str, causality: Causality, *, flow: str, temperature: str,
             composition: tuple[str, int]) -> dict[str, Port]:  # fmt: skip
    """Return the three ports of a material stream: flow, temperature and composition, connected together.

    Parameters
    ----------
    name
        Of the stream.
    causality
        Which way it faces.
    flow, temperature
        Units.
    composition
        Unit and number of entries.

    Examples
    --------
    >>> list(material("feed", Causality.INPUT, flow="kg/h", temperature="degC", composition=("g/L", 3)))
    ['feed.flow', 'feed.temperature', 'feed.composition']
    """
    unit, count = composition
    fields: dict[str, tuple[str, int | None]] = {
        "flow": (flow, None), "temperature": (temperature, None), "composition": (unit, count),
    }  # fmt: skip
    return {
        f"{name}.{field}": Port(f"{name}.{field}", unit, causality, shape, PortKind.MATERIAL)
        for field, (unit, shape) in fields.items()
    }
