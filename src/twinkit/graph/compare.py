"""How far a co-simulation is from the flattened model, and whether that shrinks with the step."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core.component import Array
from twinkit.core.errors import InvalidValueError
from twinkit.core.units import as_number, unit_label
from twinkit.graph.flatten import parts_of
from twinkit.graph.masters import Adaptive, Master
from twinkit.simulate.cvodes import Cvodes
from twinkit.simulate.run import simulate

if TYPE_CHECKING:
    from twinkit.graph.graph import Graph


@dataclass(frozen=True)
class Comparison:
    """What `Graph.compare` found.

    Attributes
    ----------
    settings
        The step (or rtol) of each run, the coarsest first.
    errors
        Output -> largest difference from the flattened model, per run, in the output's unit.
    spans
        Output -> range of its values over the run.
    units
        Output -> unit.
    what
        ``"step"`` or ``"rtol"``.
    """

    settings: tuple[float, ...]
    errors: Mapping[str, tuple[float, ...]]
    spans: Mapping[str, float]
    units: Mapping[str, str]
    what: str

    @property
    def worst(self) -> tuple[float, ...]:
        """Largest error per run, relative to each output's range."""
        return tuple(
            max((errors[k] / self.spans[name] for name, errors in self.errors.items() if self.spans[name] > 0),
                default=0.0)
            for k in range(len(self.settings))
        )  # fmt: skip

    @property
    def order(self) -> float:
        """Observed order of the error in the step, from the two finest runs (for an rtol: in the rtol)."""
        coarse, fine = self.worst[-2:]
        if fine <= 0.0 or coarse <= 0.0:
            return float("inf")
        return float(np.log(coarse / fine) / np.log(self.settings[-2] / self.settings[-1]))

    @property
    def shrinks(self) -> bool:
        """Whether the error falls from run to run (or is rounding and solver tolerance already)."""
        return all(b < a or b < 1e-8 for a, b in pairwise(self.worst))

    def __str__(self) -> str:
        heads = [f"{self.what} {value:.4g}" for value in self.settings]
        width = max(
            [len("relative to its range, worst"), *[len(name) + len(self.units[name]) + 3 for name in self.errors]]
        )
        lines = ["largest difference from the flattened model".ljust(width) + "".join(f"{h:>16}" for h in heads)]
        for name, errors in self.errors.items():
            label = f"{name} [{unit_label(self.units[name]) or '-'}]"
            lines.append(label.ljust(width) + "".join(f"{error:>16.3e}" for error in errors))
        lines.append("relative to its range, worst".ljust(width) + "".join(f"{value:>16.3e}" for value in self.worst))
        lines.append(f"order in the {self.what}: {self.order:.2f}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _runs(graph: Graph, master: Master, halvings: int) -> tuple[str, list[tuple[float, Master]]]:
    if isinstance(master, Adaptive):
        return "rtol", [(master.rtol / 10**k, replace(master, rtol=master.rtol / 10**k)) for k in range(halvings + 1)]
    step: Any = getattr(master, "step", None)
    if step is None:
        raise InvalidValueError(f"compare needs a master with a step, or Adaptive, not {master!r}")
    number = as_number(step, graph.time_unit, "the step")
    changed: Any = master
    return "step", [(number / 2**k, replace(changed, step=number / 2**k)) for k in range(halvings + 1)]


def compare(graph: Graph, until: Any, master: Master, *, halvings: int = 2, rtol: float = 1e-10) -> Comparison:
    """Compare a graph of models, under a master and finer and finer steps, with its flattened model.

    Parameters
    ----------
    graph, until, master
        The run.
    halvings
        How often the step is halved (of `Adaptive`: its rtol divided by ten); at least once.
    rtol
        Tolerance of the flattened model's run.

    Returns
    -------
    Comparison
        The errors per output and run; printing it shows the table.
    """
    if halvings < 1:
        raise InvalidValueError("compare needs at least one halving, to see whether the error shrinks")
    flat, parts = graph.flatten(), parts_of(graph)
    what, runs = _runs(graph, master, halvings)
    solutions = [graph.simulate(until, master=one) for _, one in runs]
    errors: dict[str, list[float]] = {}
    spans: dict[str, float] = {}
    units: dict[str, str] = {}
    for solution in solutions:
        exact = simulate(flat, until, outputs=solution.time[1:], rtol=rtol, solver=Cvodes(max_steps=200_000))
        exact.raise_if_failed()
        for name in solution:
            node, _, port = name.partition(".")
            reference: Array = exact.trace(f"{node}.{parts[node].outputs[port]}").data
            errors.setdefault(name, []).append(float(np.max(np.abs(solution.trace(name).data[1:] - reference))))
            spans[name] = max(spans.get(name, 0.0), float(np.ptp(reference)))
            units[name] = solution.trace(name).unit
    return Comparison(
        tuple(value for value, _ in runs), {name: tuple(found) for name, found in errors.items()}, spans, units, what
    )
