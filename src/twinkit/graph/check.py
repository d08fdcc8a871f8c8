"""All that can be wrong with a graph before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twinkit.core.component import Evaluates
from twinkit.core.errors import InvalidValueError
from twinkit.graph.engine import rolls_back
from twinkit.graph.order import Loop, instant_order

if TYPE_CHECKING:
    from twinkit.graph.graph import Graph
    from twinkit.graph.masters import Master


class GraphCheckError(InvalidValueError):
    """A graph that cannot run as it is.

    Attributes
    ----------
    problems
        All of them, in words.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem{'' if len(self.problems) == 1 else 's'}"
        super().__init__(f"the graph has {count}:\n" + "\n".join(f"  - {problem}" for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return (GraphCheckError, (self.problems,))


def problems_of(graph: Graph, master: Master | None, inputs: Mapping[str, Any]) -> list[str]:
    """Return every problem of a graph (under a master, where one is given)."""
    if not graph.nodes:
        return ["it has no nodes"]
    found = [
        f"input {name} [{port.unit}] is not connected and has no default: connect it, or pass inputs={{{name!r}: ...}}"
        for name, port in graph.free_inputs().items()
        if port.default is None and name not in inputs
    ]
    for item in instant_order(graph.nodes, graph.edges):
        if isinstance(item, Loop):
            found += _loop_problems(graph, item, master)
    if master is not None and master.needs_rollback:
        found += [
            f"{name} cannot roll back, which {type(master).__name__} needs: use Jacobi or GaussSeidel"
            for name, node in graph.nodes.items()
            if not rolls_back(node.component)
        ]
    return found


def _loop_problems(graph: Graph, loop: Loop, master: Master | None) -> list[str]:
    if master is None:
        return [f"algebraic loop {loop.path}: it needs a master, which solves it by Newton's method"]
    if master.loops is None:
        return []
    unable = [
        name for name in loop.nodes
        if not isinstance(graph.nodes[name].component, Evaluates)
        and not hasattr(graph.nodes[name].component, "bind_evaluate")
    ]  # fmt: skip
    if not unable:
        return []
    return [
        f"algebraic loop {loop.path}: {', '.join(unable)} cannot evaluate outputs at one instant, so that it cannot "
        "be solved: put a component with a state between, or accept values one exchange late with loops=None"
    ]
