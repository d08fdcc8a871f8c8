"""What can be known about a model without a number: its layout, its identity, which variable enters which equation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twinkit.core.evaluate import evaluate, evaluate_events
from twinkit.core.events import Event, Schedule
from twinkit.core.expression import Recorder, fingerprint, symbol, symbols_in
from twinkit.core.external import External
from twinkit.core.identity import digest
from twinkit.core.layout import Block, Layout
from twinkit.core.variables import Variable

if TYPE_CHECKING:
    from twinkit.core.model import Model


@dataclass(frozen=True)
class Structure:
    """The shape of a model: everything that depends on its class and options, not on parameter values.

    Attributes
    ----------
    layout
        Positions of all variables in the flat vectors.
    incidence
        Equation (state derivative, residual or output) -> the variables it depends on.
    events, schedules
        Names of the declared happenings, in order.
    definition_hash
        SHA-256 of the declarations and of what the equations compute.
    externals
        Functions in the equations that can only be called.
    """

    layout: Layout
    incidence: Mapping[str, frozenset[str]]
    events: tuple[str, ...]
    schedules: tuple[str, ...]
    definition_hash: str
    externals: tuple[External, ...] = ()


_known: dict[Any, Structure] = {}


def structure_of(model: Model) -> Structure:
    """Return the structure of a model, worked out once per class and set of options."""
    key = model.structure_key
    found = _known.get(key)
    if found is None:
        found = _known[key] = _analyse(model)
    return found


def _analyse(model: Model) -> Structure:
    recorder = Recorder()
    entries: dict[str, list[tuple[str, Variable, int | None]]] = {}
    symbols: dict[str, Any] = {"t": symbol("t")}
    for prefix, part in model.walk():
        for name, variable in part.declared.items():
            full = prefix + name
            entries.setdefault(variable.kind, []).append((full, variable, part.size_of(variable)))
            if variable.kind != "output":
                symbols[full] = symbol(full, part.size_of(variable))
    result = evaluate(model, symbols, recorder)
    free_inputs = [entry for entry in entries.get("input", []) if entry[0] not in result.bound]
    layout = Layout(
        states=Block.of("state", entries.get("state", [])),
        algebraics=Block.of("algebraic", entries.get("algebraic", [])),
        inputs=Block.of("input", free_inputs),
        modes=Block.of("mode", entries.get("mode", [])),
        parameters=Block.of("parameter", entries.get("parameter", [])),
        outputs=Block.of("output", entries.get("output", [])),
        time_unit=model.time_unit,
    )
    events, schedules = evaluate_events(model, symbols, recorder)
    equations = {
        **{f"d({name})": value for name, value in result.derivatives.items()},
        **{f"0({name})": value for name, value in result.residuals.items()},
        **{f"y({name})": value for name, value in result.outputs.items()},
        **_happenings(events, schedules),
    }
    definition = {
        "model": type(model).__name__,
        "time_unit": model.time_unit,
        "variables": {
            prefix + name: variable.as_dict()
            for prefix, part in model.walk()
            for name, variable in part.declared.items()
        },
        "options": {
            prefix + name: repr(value) for prefix, part in model.walk() for name, value in part.options.items()
        },
        # Lists, because the order counts where two happen at once.
        "schedules": [
            [name, list(map(str, s.at)), str(s.every), str(s.start), str(s.until)] for name, s in schedules.items()
        ],
        "events": [[name, event.crossing.value, event.stop] for name, event in events.items()],
        "equations": fingerprint(equations),
    }
    incidence = {
        name: symbols_in(value)
        for part in (result.derivatives, result.residuals, result.outputs)
        for name, value in part.items()
    }
    return Structure(
        layout, incidence, tuple(events), tuple(schedules), digest(definition), tuple(recorder.externals.values())
    )


def _happenings(events: Mapping[str, Event], schedules: Mapping[str, Schedule]) -> dict[str, Any]:
    found: dict[str, Any] = {f"when({name})": event.when for name, event in events.items()}
    for name, happening in [*events.items(), *schedules.items()]:
        found.update({f"set({name},{key})": value for key, value in happening.set.items()})
    return found
