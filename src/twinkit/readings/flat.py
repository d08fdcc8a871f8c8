"""The equations as functions of flat vectors, in any mathematics: what every solver-facing reading shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twinkit.core.evaluate import evaluate, evaluate_events
from twinkit.core.events import Event, Schedule
from twinkit.core.layout import Block
from twinkit.core.maths import Maths
from twinkit.core.model import Model

Flat = Callable[[Any, Any, Any, Any, Any], tuple[Any, Any, Any]]
"""``(t, x, z, u, p) -> (dx, residual, y)``; `u` holds the inputs, then the modes."""


def join(block: Block, values: Mapping[str, Any], m: Maths) -> Any:
    """Return the flat vector of named values in the order of a block."""
    return m.concatenate([values[entry.name] for entry in block])


def flat_equations(model: Model, m: Maths) -> Flat:
    """Return the model's equations as one function of flat vectors.

    Parameters
    ----------
    model
        The model; its parameter *values* do not matter, `p` supplies them.
    m
        The mathematics of a reading.

    Returns
    -------
    callable
        ``(t, x, z, u, p) -> (dx, residual, y)``, lengths as in ``model.layout``.
    """
    layout = model.layout

    def equations(t: Any, x: Any, z: Any, u: Any, p: Any) -> tuple[Any, Any, Any]:
        result = evaluate(model, layout.named(t, x, z, u, p), m)
        return (
            join(layout.states, result.derivatives, m),
            join(layout.algebraics, result.residuals, m),
            join(layout.outputs, result.outputs, m),
        )

    return equations


@dataclass(frozen=True)
class FlatEvents:
    """Declared happenings as expressions of one evaluation.

    Attributes
    ----------
    roots
        Vector of event expressions, in the order of ``structure.events``.
    jumps
        Happening name -> ``(x, modes)`` just after it.
    events, schedules
        The declarations.
    """

    roots: Any
    jumps: Mapping[str, tuple[Any, Any]]
    events: Mapping[str, Event]
    schedules: Mapping[str, Schedule]


def flat_events(model: Model, m: Maths, t: Any, x: Any, z: Any, u: Any, p: Any) -> FlatEvents:
    """Evaluate events and schedules at one point; see `flat_equations` for the arguments."""
    layout = model.layout
    values = layout.named(t, x, z, u, p)
    events, schedules = evaluate_events(model, values, m)
    happenings: list[tuple[str, Event | Schedule]] = [*events.items(), *schedules.items()]
    jumps = {
        name: (
            join(layout.states, {**values, **happening.set}, m),
            join(layout.modes, {**values, **happening.set}, m),
        )
        for name, happening in happenings
    }
    return FlatEvents(m.concatenate([event.when for event in events.values()]), jumps, events, schedules)
