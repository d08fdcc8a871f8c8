"""Levels of fidelity of one unit operation, registered together with their measured errors."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from twinkit.core.component import Component
from twinkit.core.errors import InvalidValueError, UnitError, unknown_name
from twinkit.core.identity import digest
from twinkit.core.units import affine, as_number


class Fidelity(Enum):
    """How much a component knows of its unit operation."""

    DETAILED = "detailed"
    REDUCED = "reduced"
    SURROGATE = "surrogate"


@dataclass(frozen=True, eq=False)
class Fidelities:
    """Components that stand for one another; made by `fidelities`.

    ``graph.with_(vessel=levels[Fidelity.SURROGATE])`` swaps one in: its ports are those of the others.

    Attributes
    ----------
    components
        Level -> component.
    errors
        Level -> output -> root mean square difference to the detailed level, in % of its range there.
    worst
        Level -> largest difference, in % of the range.
    """

    components: Mapping[Fidelity, Component]
    errors: Mapping[Fidelity, Mapping[str, float]]
    worst: Mapping[Fidelity, float]

    def __getitem__(self, level: Fidelity) -> Component:
        """Return the component of a level."""
        if level not in self.components:
            raise unknown_name("level", str(getattr(level, "name", level)), [each.name for each in self.components])
        return self.components[level]

    def within(self, percent: float) -> tuple[Fidelity, ...]:
        """Return the levels no output of which errs by more, the least detailed first."""
        order = list(Fidelity)
        good = [level for level, each in self.errors.items() if max(each.values()) <= percent]
        return tuple(sorted(good, key=order.index, reverse=True))

    @property
    def content_hash(self) -> str:
        """SHA-256 of the components' hashes and the errors."""
        hashes = {level.value: getattr(part, "content_hash", repr(part)) for level, part in self.components.items()}
        return digest([hashes, {level.value: dict(each) for level, each in self.errors.items()}])

    def __repr__(self) -> str:
        lines = [f"{'level':<10} {'output':<16} error %"]
        for level, each in self.errors.items():
            lines += [f"{level.value:<10} {name:<16} {value:7.3f}" for name, value in each.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def fidelities(
    components: Mapping[Fidelity, Component], *, until: Any, outputs: Sequence[str],
    scenarios: Iterable[Mapping[str, Any]] = ({},), steps: int = 28,
) -> Fidelities:  # fmt: skip
    """Register components as levels of fidelity of one unit operation, and measure how they differ.

    Parameters
    ----------
    components
        Level -> component; `Fidelity.DETAILED` is what the others are compared with.
    until
        End of the comparison.
    outputs
        Output ports that all have.
    scenarios
        Inputs, held for the whole run, of every run of the comparison.
    steps
        Number of steps of a run.

    Raises
    ------
    InvalidValueError
        Without a detailed level, scenarios or outputs.
    UnknownNameError, UnitError
        If a level lacks a port that is needed, or has it in another unit.
    """
    for level, part in components.items():
        if not isinstance(level, Fidelity) or not isinstance(part, Component):
            raise InvalidValueError(f"levels are Fidelity -> component, not {level!r} -> {part!r}")
    if Fidelity.DETAILED not in components or not outputs:
        raise InvalidValueError("give the component of Fidelity.DETAILED, and at least one output to compare")
    listed = [dict(each) for each in scenarios]
    if not listed:
        raise InvalidValueError("give at least one scenario: {} for none but default inputs")
    detailed = components[Fidelity.DETAILED]
    end = as_number(until, detailed.time_unit, "the end of the comparison")
    for level, part in components.items():
        _check_ports(level.value, part, detailed, outputs, {name for each in listed for name in each})
    found = {level: _run(part, detailed, end, outputs, listed, steps) for level, part in components.items()}
    exact = found[Fidelity.DETAILED]
    ranges = np.ptp(exact, axis=(0, 1))
    ranges = np.where(ranges > 0, ranges, np.maximum(np.max(np.abs(exact), axis=(0, 1)), 1e-300))
    off = {level: 100.0 * np.abs(rows - exact) / ranges for level, rows in found.items()}
    errors = {
        level: dict(zip(outputs, map(float, np.sqrt(np.mean(each**2, axis=(0, 1)))), strict=True))
        for level, each in off.items()
    }
    return Fidelities(dict(components), errors, {level: float(each.max()) for level, each in off.items()})


def _check_ports(level: str, part: Component, detailed: Component, outputs: Sequence[str], inputs: set[str]) -> None:
    for names, own, others in ((outputs, part.outputs, detailed.outputs), (inputs, part.inputs, detailed.inputs)):
        for name in names:
            if name not in own:
                raise unknown_name("port", name, own, f"the {level} level")
            if name in others and own[name].unit != others[name].unit:
                raise UnitError(
                    f"port {name!r} of the {level} level is in {own[name].unit!r}, that of the detailed one in "
                    f"{others[name].unit!r}"
                )


def _run(part: Component, detailed: Component, end: float, outputs: Any, scenarios: Any, steps: int) -> Any:
    """Return the outputs ``(scenarios, times, outputs)`` of held inputs."""
    scale, _ = affine(detailed.time_unit, part.time_unit)
    grid = np.linspace(0.0, scale * end, steps + 1)
    rows = np.empty((len(scenarios), steps + 1, len(outputs)))
    for i, inputs in enumerate(scenarios):
        given = {**{name: port.default for name, port in part.inputs.items() if port.default is not None}, **inputs}
        shown = part.initialize(0.0, given)
        rows[i, 0] = [shown[name] for name in outputs]
        for j in range(steps):
            shown = part.step(float(grid[j]), float(grid[j + 1] - grid[j]), given)
            rows[i, j + 1] = [shown[name] for name in outputs]
    return rows
