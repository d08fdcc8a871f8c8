"""A graph made ready to run: one array of all outputs, one of all inputs, and functions on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from twinkit.core.component import (
    Array,
    Component,
    HasEvents,
    HasOccurrences,
    RollsBack,
    StepError,
    Stepper,
    Stops,
    Variability,
)
from twinkit.core.errors import InvalidValueError, TwinkitError
from twinkit.core.solution import Occurrence
from twinkit.core.units import affine
from twinkit.graph.arrays import Evaluator, Mover, Piece, evaluator_of, mover, pack, stepper_of, unpack
from twinkit.graph.newton import Newton
from twinkit.graph.order import Loop, instant_order, run_order
from twinkit.graph.ports import Connection, Node
from twinkit.graph.sources import Source

_PASSES = 60


def rolls_back(component: Component) -> bool:
    """Return whether a component can return to a snapshot (one that says ``rolls_back = False`` cannot)."""
    return has(component, RollsBack, "rolls_back")


def has(component: Component, protocol: Any, unless: str) -> bool:
    """Return whether a component offers an optional part of the contract, and does not deny it."""
    return isinstance(component, protocol) and bool(getattr(component, unless, True))


def rounding(t: float, end: float) -> float:
    """Return by how much two times may differ and be one, in a step from `t` to `end`."""
    return 1e-12 * max(1.0, abs(t), abs(end) if end < np.inf else 0.0)


def just_before(end: float) -> float:
    """Return a time that is `end` for all but what is scheduled there (after a change of units, too)."""
    return end - 4.0 * float(np.spacing(abs(end)))


_owners: WeakValueDictionary[int, Engine] = WeakValueDictionary()
"""Which run a component is in, by its `id` (a run keeps its components alive)."""


@dataclass
class Slot:
    """One node at run time."""

    name: str
    component: Component
    u: slice
    y: slice
    inputs: Array
    outputs: Array
    step: Stepper
    evaluate: Evaluator | None
    stateless: bool
    scale: float


class Engine:
    """The arrays and functions of one run.

    Parameters
    ----------
    nodes, edges, time_unit
        Of the graph.
    fixed
        ``(node, port)`` -> values of inputs that are not connected.
    loops
        How algebraic loops are solved; None: their values are one exchange late.
    alias
        Let a node read another's outputs in place where it can (Gauss-Seidel).
    """

    def __init__(
        self, nodes: Mapping[str, Node], edges: Sequence[Connection], time_unit: str,
        fixed: Mapping[tuple[str, str], Array], loops: Newton | None, *, alias: bool = False,
    ) -> None:  # fmt: skip
        self.nodes, self.edges, self.time_unit, self.loops = dict(nodes), list(edges), time_unit, loops
        self.statistics: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        self.time, self.last = 0.0, np.inf  # where it is; where a run ends that goes no further
        self.fresh = True  # no loop has been solved yet: its guesses count
        self._place()
        self.Y, self.U = np.zeros(self._sizes[1]), np.zeros(self._sizes[0])
        for place, values in fixed.items():
            self.U[self.at_input[place]] = values
        for edge in self.edges:
            default = self.nodes[edge.target[0]].component.inputs[edge.target[1]].default
            first = default if edge.guess is None else edge.guess
            if first is not None:
                self.U[self.at_input[edge.target]] = first
        self.start_inputs = self.U.copy()
        outputs = [port for node in self.nodes.values() for port in node.component.outputs.values()]
        self.continuous = np.repeat(
            [port.variability is Variability.CONTINUOUS for port in outputs], [port.width for port in outputs]
        ).astype(bool)
        self.plan = instant_order(self.nodes, self.edges)
        aliases = self._aliases() if alias and not self.plan else {}
        self.slots = {name: self._slot(name, node, aliases.get(name)) for name, node in self.nodes.items()}
        self.aliased = frozenset(aliases)
        self.sources = [name for name, node in self.nodes.items() if isinstance(node.component, Source)]
        self.order = run_order(self.nodes, self.edges)
        self.steps = [slot for slot in self.slots.values() if not slot.stateless]
        self.event_slots = [slot for slot in self.steps if has(slot.component, HasEvents, "has_events")]
        self.stop_slots = [slot for slot in self.steps if has(slot.component, Stops, "can_stop")]
        self.move_all: Mover = mover(self.pieces(self.edges), self.U, self.Y) or _nothing
        smooth = [edge for edge in self.edges if not self.is_discrete(edge)]
        self.smooth = _indices([self.at_input[edge.target] for edge in smooth])
        self.propagate: Evaluator | None = self._propagation(self.move_all, self.move_into)
        self.propagate_held = self.propagate if len(smooth) == len(self.edges) else self._held_propagation(smooth)

    def _place(self) -> None:
        self.at_input: dict[tuple[str, str], slice] = {}
        self.at_output: dict[tuple[str, str], slice] = {}
        self._sizes = [0, 0]
        for k, (side, places) in enumerate((("inputs", self.at_input), ("outputs", self.at_output))):
            for name, node in self.nodes.items():
                for port in getattr(node.component, side).values():
                    places[name, port.name] = slice(self._sizes[k], self._sizes[k] + port.width)
                    self._sizes[k] += port.width

    def _span(self, name: str, places: Mapping[tuple[str, str], slice], size: int) -> slice:
        own = [place for (node, _), place in places.items() if node == name]
        return slice(own[0].start, own[-1].stop) if own else slice(size, size)

    def _slot(self, name: str, node: Node, alias: slice | None) -> Slot:
        u, y = self._span(name, self.at_input, len(self.U)), self._span(name, self.at_output, len(self.Y))
        inputs = self.U[u] if alias is None else self.Y[alias]
        outputs, component = self.Y[y], node.component
        scale = affine(self.time_unit, component.time_unit)[0]
        evaluate = evaluator_of(component, inputs, outputs, self.time_unit)
        stateless = bool(getattr(component, "stateless", False)) and evaluate is not None
        return Slot(name, component, u, y, inputs, outputs, _not_started, evaluate, stateless, scale)

    def _aliases(self) -> dict[str, slice]:
        """Return nodes whose inputs, all of them, are one stretch of another node's outputs, unconverted."""
        found: dict[str, slice] = {}
        for name, node in self.nodes.items():
            own = {edge.target[1]: edge for edge in self.edges if edge.target[0] == name}
            edges = [own.get(port) for port in node.component.inputs]
            if not edges or any(e is None or e.converts or e.source[0] == name or self.is_discrete(e) for e in edges):
                continue
            places = [self.at_output[edge.source] for edge in edges if edge is not None]
            if all(a.stop == b.start for a, b in pairwise(places)):
                found[name] = slice(places[0].start, places[-1].stop)
        return found

    # -- moving values -----------------------------------------------------------------------------------------
    def is_discrete(self, edge: Connection) -> bool:
        """Return whether an edge carries the value of the start of a step, under every master.

        It does where the output jumps, so that it is held over a step, never averaged; and where the input samples.
        """
        source = self.nodes[edge.source[0]].component.outputs[edge.source[1]]
        target = self.nodes[edge.target[0]].component.inputs[edge.target[1]]
        return Variability.DISCRETE in (source.variability, target.variability)

    def pieces(self, edges: Sequence[Connection]) -> list[Piece]:
        """Return what a mover copies for these edges."""
        found: list[Piece] = []
        for edge in edges:
            target, source = self.at_input[edge.target], self.at_output[edge.source]
            found.append((target.start, source.start, target.stop - target.start, edge.scale, edge.offset))
        return found

    def move_into(self, name: str, *, discrete: bool | None = None) -> Mover | None:
        """Return the mover of one node's inputs (of its continuous, or its discrete ones); None: nothing to move."""
        if name in self.aliased:
            return None
        edges = [e for e in self.edges if e.target[0] == name and discrete in (None, self.is_discrete(e))]
        return mover(self.pieces(edges), self.U, self.Y)

    def _held_propagation(self, smooth: Sequence[Connection]) -> Evaluator | None:
        """Return the same, with what jumps as it was during the step: what there is just before an instant."""
        move = mover(self.pieces(smooth), self.U, self.Y) or _nothing
        return self._propagation(move, lambda name: self.move_into(name, discrete=False))

    def _propagation(self, move_all: Mover, move_into: Callable[[str], Mover | None]) -> Evaluator | None:
        """Return what carries values through feedthrough at one instant; None when there is none."""
        work: list[tuple[str, Callable[[], None], Evaluator]] = []
        for item in self.plan:
            if isinstance(item, Loop):
                members = [self.slots[name] for name in item.nodes]
                if self.loops is not None and all(slot.evaluate is not None for slot in members):
                    work.append((item.nodes[0], move_all, self.loops.solver(self, item)))
            elif (evaluate := self.slots[item].evaluate) is not None:
                work.append((item, move_into(item) or _nothing, evaluate))
        if not work:
            return None

        def propagate(t: float) -> None:
            name = ""
            try:
                for name, move, evaluate in work:  # noqa: B007 (the name is for the error)
                    move()
                    evaluate(t)
            except Exception as error:
                raise self.failure(name, t, error) from error

        return propagate

    # -- starting ----------------------------------------------------------------------------------------------
    def initialize(self, t0: float) -> None:
        """Start all components and carry their outputs along until nothing changes any more."""
        self.time = t0
        for slot in self.slots.values():
            _owners[id(slot.component)] = self
        self.U[:], self.Y[:] = self.start_inputs, 0.0
        self.extra.clear()
        self.fresh = True
        for name in self.aliased:  # what its sources will give: a guess until they have started
            self.slots[name].inputs[:] = self.start_inputs[self.slots[name].u]
        slack = 1e-11 if any(isinstance(item, Loop) for item in self.plan) else 0.0
        used: dict[str, Array] = {}
        last = ""
        for _ in range(_PASSES):
            changed = False
            for name in self.order:
                slot = self.slots[name]
                self._move_known(name, used)
                if name in used and np.allclose(used[name], slot.inputs, rtol=1e-11, atol=slack):
                    continue
                changed, last = True, name
                used[name] = slot.inputs.copy()
                self._start(slot, t0)
            if self.propagate is not None and len(used) == len(self.slots):
                self.propagate(t0)
                self.fresh = False
            if not changed:
                self.move_all()
                self.verify(self.Y[None], [t0, t0])
                for slot in self.steps:  # now, since starting may give a component new memory
                    slot.step = stepper_of(slot.component, slot.inputs, slot.outputs, self.time_unit)
                ended = self.stopped()
                if ended is not None:
                    self.ended = ended
                return
        raise self.failure(
            last, t0, StepError(f"the outputs at the start do not settle in {_PASSES} passes: an algebraic loop that "
                                "does not contract, through components that cannot evaluate"))  # fmt: skip

    def _move_known(self, name: str, used: Mapping[str, Array]) -> None:
        """Move the inputs of a node whose sources have started."""
        edges = [edge for edge in self.edges if edge.target[0] == name and edge.source[0] in used]
        move = mover(self.pieces(edges), self.U, self.Y)
        if move is not None:
            move()

    def _start(self, slot: Slot, t0: float) -> None:
        try:
            given = unpack(slot.component.inputs, slot.inputs)
            pack(slot.component.outputs, slot.component.initialize(slot.scale * t0, given), slot.outputs)
        except Exception as error:
            raise self.failure(slot.name, t0, error) from error

    def need_own(self) -> None:
        """Raise unless the components are where this run has left them."""
        taken = [name for name, slot in self.slots.items() if _owners.get(id(slot.component)) is not self]
        if taken:
            raise InvalidValueError(
                f"another run has started since with the same components ({', '.join(taken)}): finish one run before "
                "the next, or give each graph components of its own"
            )

    # -- going back --------------------------------------------------------------------------------------------
    def snapshot(self) -> Any:
        """Return everything that determines how the run goes on."""
        extra = {key: value.copy() if isinstance(value, (np.ndarray, dict)) else value
                 for key, value in self.extra.items()}  # fmt: skip
        states = [slot.component.snapshot() for slot in self.steps]  # type: ignore[attr-defined]
        return (self.time, self.U.copy(), self.Y.copy(), states, extra)

    def restore(self, saved: Any) -> None:
        """Go on from a snapshot."""
        self.time, self.U[:], self.Y[:], states, extra = saved
        for slot, state in zip(self.steps, states, strict=True):
            slot.component.restore(state)  # type: ignore[attr-defined]
        self.extra = {key: value.copy() if isinstance(value, (np.ndarray, dict)) else value
                      for key, value in extra.items()}  # fmt: skip

    def cannot_roll_back(self) -> list[str]:
        """Return the names of components that cannot return to a snapshot."""
        return [slot.name for slot in self.steps if not rolls_back(slot.component)]

    def need_rollback(self, who: str) -> None:
        """Raise unless every component can return to a snapshot."""
        unable = self.cannot_roll_back()
        if unable:
            raise InvalidValueError(f"{who} needs components that can roll back; {', '.join(unable)} cannot")

    # -- events ------------------------------------------------------------------------------------------------
    def next_event(self, t: float, end: float, *, exact: bool = True) -> float:
        """Return the first known event in ``(t, end)``, else `end`.

        Without `exact`, an event that is at `end` but for rounding is returned in its place, on either side of it. An
        event at the very end of a run is left out: the time just before is returned.
        """
        first, slack = np.inf, rounding(t, end)
        for slot in self.event_slots:
            event = slot.component.next_event(slot.scale * t)  # type: ignore[attr-defined]
            if event is not None and event / slot.scale > t + slack:
                first = min(first, event / slot.scale)
        if end == self.last and abs(first - end) <= slack:
            return just_before(end)
        return first if first < (end - slack if exact else end + slack) else end

    @property
    def ended(self) -> Occurrence | None:
        """The event that ended the run, as ``node.event``, or None."""
        return self.extra.get("ended")

    @ended.setter
    def ended(self, event: Occurrence) -> None:
        self.extra["ended"] = event

    def stopped(self) -> Occurrence | None:
        """Return the first event that has ended the run of a component, or None."""
        found = list[Occurrence]()
        for slot in self.stop_slots:
            event: Occurrence | None = slot.component.stopped()  # type: ignore[attr-defined]
            if event is not None:
                found.append(Occurrence(event.time / slot.scale, f"{slot.name}.{event.name}"))
        return min(found, key=lambda event: event.time, default=None)

    def occurrences(self) -> list[Occurrence]:
        """Return what has happened in the components, as ``node.event``, in order of time."""
        found = [
            Occurrence(event.time / slot.scale, f"{slot.name}.{event.name}")
            for slot in self.steps
            if isinstance(slot.component, HasOccurrences)
            for event in slot.component.occurrences()
        ]
        if self.ended is not None and not any(event.name == self.ended.name for event in found):
            found.append(self.ended)
        return sorted(found, key=lambda event: event.time)

    def close(self) -> None:
        """Close all components, whatever one of them raises; a second call does nothing."""
        with ExitStack() as stack:
            for slot in self.slots.values():
                stack.callback(slot.component.close)

    # -- failing loudly ----------------------------------------------------------------------------------------
    def failure(self, name: str, t: float, error: Exception) -> StepError:
        """Return an error that names the component, the time and its inputs."""
        if isinstance(error, StepError) and error.component in self.slots:
            return error  # it has been through here (a component knows itself by another name, such as its file's)
        for edge in self._bad_inputs(name):
            port, to = edge.source[1], ".".join(edge.target)
            value = self.Y[self.at_output[edge.source]]
            name, error = edge.source[0], StepError(f"output {port!r} became {value[0]} and was passed on to {to}")
        slot = self.slots[name]
        values = unpack(slot.component.inputs, slot.inputs)
        reason = str(error) if isinstance(error, TwinkitError) else f"{type(error).__name__}: {error}"
        shown = ", ".join(f"{key} = {value:.6g}" if isinstance(value, float) else f"{key} = [...]"
                          for key, value in values.items())  # fmt: skip
        text = f"{name} at t = {t:g} {self.time_unit}: {reason}" + (f" (inputs: {shown})" if shown else "")
        return StepError(text, component=name, time=t, values=values)

    def _bad_inputs(self, name: str) -> list[Connection]:
        """Return the edges, from a node upwards, by which a value that is not finite came to it."""
        found: list[Connection] = []
        while True:
            into = [edge for edge in self.edges if edge.target[0] == name]
            bad = [edge for edge in into if not np.isfinite(self.Y[self.at_output[edge.source]]).all()]
            if not bad or bad[0] in found:
                return found
            found.append(bad[0])
            name = bad[0].source[0]

    def verify(self, rows: Array, times: Sequence[float]) -> None:
        """Raise for the first output that is not finite; ``rows[k]`` was reached from ``times[k]``."""
        if np.isfinite(rows).all():
            return
        k = int(np.argmax(~np.isfinite(rows).all(axis=1)))
        column = int(np.argmax(~np.isfinite(rows[k])))
        node, port = next(key for key, place in self.at_output.items() if place.start <= column < place.stop)
        value = rows[k, column]
        if k:
            self.Y[:] = rows[k - 1]
            self.move_all()
        error = StepError(f"output {port!r} became {value} at {times[k + 1]:g} {self.time_unit}")
        raise self.failure(node, float(times[k]), error)


def _not_started(t: float, dt: float) -> None:
    raise InvalidValueError(f"a step from {t} by {dt} before the start")


def _nothing() -> None:
    """Move nothing."""


def _indices(places: Sequence[slice]) -> Any:
    return np.array([i for place in places for i in range(place.start, place.stop)], dtype=np.intp)
