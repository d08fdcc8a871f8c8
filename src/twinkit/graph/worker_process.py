"""The process that a component lives in, at the other end of a `Worker`'s pipe."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from twinkit.core.component import (
    Component,
    Differentiates,
    FeedsThrough,
    HasEvents,
    HasOccurrences,
    Port,
    StepError,
    Stepper,
    Stops,
)
from twinkit.core.errors import InvalidValueError
from twinkit.core.model import Model
from twinkit.graph.arrays import evaluator_of, pack, stepper_of, unpack
from twinkit.graph.engine import has, rolls_back

TIMES = struct.Struct("<cdd")
"""How a step begins: what is asked, `t`, `dt`; the inputs follow."""


@dataclass(frozen=True)
class Hello:
    """What a worker tells of its component when it has made it."""

    time_unit: str
    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]
    feedthrough: Mapping[str, frozenset[str]]
    stateless: bool
    rolls_back: bool
    evaluates: bool
    differentiates: bool
    has_events: bool
    can_stop: bool
    has_occurrences: bool
    content_hash: str
    text: str


def serve(connection: Connection, others_end: Connection, recipe: bytes) -> None:
    """Make the component and answer until the pipe is closed."""
    others_end.close()  # where it was inherited, the end of the pipe would not be seen
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the other end
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        server = _Server(recipe)
    except Exception as error:
        reply: bytes = b"P" + pickle.dumps(("refused", (f"no component in the process: {_words(error)}", 0.0)))
    else:
        reply = b"P" + pickle.dumps(("value", server.hello()))
        with contextlib.suppress(EOFError, OSError):
            while True:
                connection.send_bytes(reply)
                reply = server.answer(connection.recv_bytes())
        server.component.close()
        return
    connection.send_bytes(reply)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, StepError) else f"{type(error).__name__}: {error}"


class _Server:
    """The component, and what is asked of it."""

    def __init__(self, recipe: bytes) -> None:
        make = pickle.loads(recipe)  # written by Worker above
        if isinstance(make, Model):
            from twinkit.simulate.component import ModelComponent

            made: Any = ModelComponent(make)
        else:
            made = make()
        if isinstance(made, type) or not isinstance(made, Component):
            raise InvalidValueError(f"{made!r} is not a component")
        self.component: Any = made
        self.states: dict[int, Any] = {}
        self.count = 0
        self.u = np.zeros(sum(port.width for port in made.inputs.values()))
        self.y = np.zeros(sum(port.width for port in made.outputs.values()))
        self.evaluator = evaluator_of(made, self.u, self.y, made.time_unit)
        self.stepper: Stepper | None = None

    def hello(self) -> Hello:
        from twinkit.graph.graph import component_hash

        through = dict(self.component.feedthrough()) if isinstance(self.component, FeedsThrough) else {}
        made: Any = self.component
        return Hello(
            made.time_unit, dict(made.inputs), dict(made.outputs), through, bool(getattr(made, "stateless", False)),
            rolls_back(made), self.evaluator is not None, isinstance(made, Differentiates),
            has(made, HasEvents, "has_events"), has(made, Stops, "can_stop"), isinstance(made, HasOccurrences),
            component_hash(made), repr(made),
        )  # fmt: skip

    def answer(self, frame: bytes) -> bytes:
        """Return the answer to one question."""
        try:
            if frame[:1] == b"C":
                op, dropped, arguments = pickle.loads(frame[1:])
                for number in dropped:
                    self.states.pop(number, None)
                return b"P" + pickle.dumps(("value", self._controlled(op, arguments)))
            kind, t, dt = TIMES.unpack_from(frame)
            self.u[:] = np.frombuffer(frame, dtype=np.float64, offset=TIMES.size)
            if kind == b"S":
                if self.stepper is None:
                    self.stepper = stepper_of(self.component, self.u, self.y, self.component.time_unit)
                self.stepper(t, dt)
            else:
                assert self.evaluator is not None
                self.evaluator(t)
            return b"S" + self.y.tobytes()
        except Exception as error:  # whatever a component raises is told to the other end
            return b"P" + pickle.dumps(("failed", (_words(error), float(getattr(error, "time", float("nan"))))))

    def _controlled(self, op: str, arguments: Sequence[Any]) -> Any:
        component = self.component
        if op == "snapshot":
            self.count += 1
            self.states[self.count] = component.snapshot()
            return self.count
        if op == "restore":
            component.restore(self.states[arguments[0]])
            return None
        if op == "initialize":
            self.states.clear()
            self.stepper = None  # starting may give a component new memory
        if op == "evaluate" and not hasattr(component, "evaluate"):
            t, inputs = arguments
            given = {name: inputs.get(name, port.default) for name, port in component.inputs.items()}
            pack(component.inputs, given, self.u)
            assert self.evaluator is not None
            self.evaluator(t)
            return unpack(component.outputs, self.y)
        found = getattr(component, op)(*arguments)
        return dict(found) if isinstance(found, Mapping) else found
