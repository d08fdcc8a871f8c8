"""The order in which values travel through a graph at one instant, and the loops in it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from twinkit.core.component import FeedsThrough
from twinkit.graph.ports import Connection, Node

V = TypeVar("V", bound=Hashable)


@dataclass(frozen=True)
class Loop:
    """An algebraic loop: nodes whose outputs at one instant depend on each other.

    Attributes
    ----------
    nodes
        In the order of the graph.
    targets
        The inputs ``(node, port)`` that close it: the unknowns.
    path
        One way around, in words.
    """

    nodes: tuple[str, ...]
    targets: tuple[tuple[str, str], ...]
    path: str


def components(vertices: Sequence[V], successors: Mapping[V, Sequence[V]]) -> list[list[V]]:
    """Return the strongly connected components, each after those that lead to it (Tarjan, without recursion)."""
    index: dict[V, int] = {}
    low: dict[V, int] = {}
    stack: list[V] = []
    on: set[V] = set()
    found: list[list[V]] = []
    for root in vertices:
        if root in index:
            continue
        work = [(root, iter(successors.get(root, ())))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on.add(root)
        while work:
            vertex, rest = work[-1]
            for follower in rest:
                if follower not in index:
                    index[follower] = low[follower] = len(index)
                    stack.append(follower)
                    on.add(follower)
                    work.append((follower, iter(successors.get(follower, ()))))
                    break
                if follower in on:
                    low[vertex] = min(low[vertex], index[follower])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[vertex])
                if low[vertex] == index[vertex]:
                    cut = stack.index(vertex)
                    found.append(stack[cut:])
                    on.difference_update(stack[cut:])
                    del stack[cut:]
    return found[::-1]


def feedthrough_of(node: Node) -> Mapping[str, frozenset[str]]:
    """Return a node's declared feedthrough (none where it declares none)."""
    return node.component.feedthrough() if isinstance(node.component, FeedsThrough) else {}


def instant_order(nodes: Mapping[str, Node], edges: Sequence[Connection]) -> list[str | Loop]:
    """Return what must be evaluated at one instant, in order: nodes with feedthrough, and loops.

    The order is worked out on ports, so that two independent paths through one node are not taken for a loop.
    """
    after: dict[tuple[str, str, str], list[tuple[str, str, str]]] = {}
    driven = {edge.target for edge in edges}
    for edge in edges:
        after.setdefault((*edge.source, "out"), []).append((*edge.target, "in"))
    for name, node in nodes.items():
        for output, sources in feedthrough_of(node).items():
            for port in sorted(sources):
                if (name, port) in driven:
                    after.setdefault((name, port, "in"), []).append((name, output, "out"))
    vertices = list(after)
    plan: list[str | Loop] = []
    for group in components(vertices, after):
        if len(group) > 1:
            plan.append(_loop(nodes, group, edges))
        elif group[0][2] == "in" and group[0] in after and (not plan or plan[-1] != group[0][0]):
            plan.append(group[0][0])
    return _compact(plan)


def _compact(plan: list[str | Loop]) -> list[str | Loop]:
    """Join visits of one node where nothing in between can change its inputs (neighbours in the order)."""
    kept: list[str | Loop] = []
    for item in plan:
        if not kept or kept[-1] != item:
            kept.append(item)
    return kept


def _loop(nodes: Mapping[str, Node], group: list[tuple[str, str, str]], edges: Sequence[Connection]) -> Loop:
    inside = set(group)
    chosen = [edge for edge in edges if (*edge.target, "in") in inside and (*edge.source, "out") in inside]
    return Loop(
        tuple(name for name in nodes if any(vertex[0] == name for vertex in group)),
        tuple(edge.target for edge in chosen),
        _way_around(chosen, inside, nodes),
    )


def _way_around(edges: list[Connection], inside: set[tuple[str, str, str]], nodes: Mapping[str, Node]) -> str:
    """Return one closed path through a loop."""
    start = edges[0].source
    came: dict[tuple[str, str], tuple[str, str] | None] = {start: None}
    queue = [start]
    while queue:
        source = queue.pop(0)
        for edge in [edge for edge in edges if edge.source == source]:
            through = feedthrough_of(nodes[edge.target[0]])
            for port, sources in through.items():
                place = (edge.target[0], port)
                if edge.target[1] not in sources or (*place, "out") not in inside:
                    continue
                if place == start:
                    path = [start]
                    step: tuple[str, str] | None = source
                    while step is not None and step != start:
                        path.append(step)
                        step = came[step]
                    return " -> ".join(".".join(p) for p in [start, *path[:0:-1], start])
                if place not in came:
                    came[place] = source
                    queue.append(place)
    return " -> ".join(".".join(edge.source) for edge in edges)


def run_order(nodes: Mapping[str, Node], edges: Sequence[Connection]) -> list[str]:
    """Return all nodes, sources before what they drive; within a cycle in the order they were added."""
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for edge in edges:
        after[edge.source[0]].append(edge.target[0])
    position = {name: k for k, name in enumerate(nodes)}
    return [name for group in components(list(nodes), after) for name in sorted(group, key=position.__getitem__)]
