"""A picture of a graph, as SVG without any dependency: sources to the left, what they drive to the right."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from twinkit.core.units import unit_label
from twinkit.graph.order import run_order

if TYPE_CHECKING:
    from twinkit.graph.graph import Graph
    from twinkit.graph.ports import Node

_LINE, _HEAD, _GAP_X, _GAP_Y, _CHAR = 16, 24, 90, 28, 6.6


def layers(graph: Graph) -> list[list[str]]:
    """Return nodes by layer: each stands to the right of what drives it, edges that close a cycle left out."""
    order = run_order(graph.nodes, graph.edges)
    position = {name: k for k, name in enumerate(order)}
    depth = dict.fromkeys(order, 0)
    for name in order:
        before = [e.source[0] for e in graph.edges if e.target[0] == name and position[e.source[0]] < position[name]]
        depth[name] = max((depth[source] + 1 for source in before), default=0)
    found: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in order:
        found[depth[name]].append(name)
    return found


class _Box:
    """One node: where it stands, and where its ports are."""

    def __init__(self, name: str, node: Node, x: float, y: float, width: float) -> None:
        self.name, self.x, self.y, self.width = name, x, y, width
        self.kind = type(getattr(node.component, "model", node.component)).__name__
        self.inputs, self.outputs = list(node.component.inputs.values()), list(node.component.outputs.values())
        self.height = _HEAD + _LINE * max(1, len(self.inputs), len(self.outputs)) + 6

    def place(self, port: str, *, out: bool) -> tuple[float, float]:
        names = [p.name for p in (self.outputs if out else self.inputs)]
        return self.x + (self.width if out else 0), self.y + _HEAD + _LINE * (names.index(port) + 0.5)

    def svg(self) -> str:
        title = html.escape(f"{self.name}: {self.kind}")
        parts = [
            f'<rect x="{self.x:.1f}" y="{self.y:.1f}" width="{self.width:.1f}" height="{self.height:.1f}" rx="5" '
            'fill="#f6f8fa" stroke="#57606a"/>',
            f'<text x="{self.x + self.width / 2:.1f}" y="{self.y + 16:.1f}" text-anchor="middle" '
            f'font-weight="bold">{title}</text>',
        ]
        for ports, out in ((self.inputs, False), (self.outputs, True)):
            for port in ports:
                x, y = self.place(port.name, out=out)
                label = html.escape(f"{port.name} [{unit_label(port.unit) or '-'}]")
                shift, anchor = (-6, "end") if out else (6, "start")
                parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="#57606a"/>')
                parts.append(f'<text x="{x + shift:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{label}</text>')
        return "".join(parts)


def _width(name: str, node: Node) -> float:
    component = node.component
    longest = [max((len(f"{p.name} [{unit_label(p.unit) or '-'}]") for p in ports.values()), default=0)
               for ports in (component.inputs, component.outputs)]  # fmt: skip
    kind = type(getattr(component, "model", component)).__name__
    return max(90.0, _CHAR * (sum(longest) + 4), _CHAR * 1.15 * (len(name) + len(kind) + 4))


def svg(graph: Graph) -> str:
    """Return the picture of a graph; every label is escaped."""
    boxes: dict[str, _Box] = {}
    x = 14.0
    for layer in layers(graph):
        y, width = 14.0, max(_width(name, graph.nodes[name]) for name in layer)
        for name in layer:
            boxes[name] = _Box(name, graph.nodes[name], x, y, width)
            y += boxes[name].height + _GAP_Y
        x += width + _GAP_X
    high = max((box.y + box.height for box in boxes.values()), default=20.0)
    curves: list[str] = []
    for edge in graph.edges:
        a, b = boxes[edge.source[0]].place(edge.source[1], out=True), boxes[edge.target[0]].place(
            edge.target[1], out=False)  # fmt: skip
        bend = max(40.0, abs(b[0] - a[0]) / 2)
        color = "#bc4c00" if edge.converts else "#0969da"
        curves.append(
            f'<path d="M{a[0]:.1f},{a[1]:.1f} C{a[0] + bend:.1f},{a[1]:.1f} {b[0] - bend:.1f},{b[1]:.1f} '
            f'{b[0]:.1f},{b[1]:.1f}" fill="none" stroke="{color}"><title>{html.escape(str(edge))}</title></path>'
        )
    wide, high = max(60.0, x - _GAP_X + 60), high + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}" width="{wide:.0f}" '
        f'height="{high:.0f}" font-family="sans-serif" font-size="11">'
        f"{''.join(curves)}{''.join(box.svg() for box in boxes.values())}</svg>"
    )
