"""A component in a process of its own, so that slow ones are stepped at the same time, whatever they are made of."""

from __future__ import annotations

import multiprocessing
import pickle
import weakref
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import BaseContext
from typing import Any

import numpy as np

from twinkit.core.component import (
    Array,
    Component,
    StepError,
    Stepper,
    Values,
)
from twinkit.core.errors import InvalidValueError
from twinkit.core.model import Model
from twinkit.core.solution import Occurrence
from twinkit.graph.arrays import Evaluator
from twinkit.graph.worker_process import TIMES, Hello, serve

_START_LIMIT = 120.0
Make = Callable[[], Component]


class WorkerDiedError(StepError):
    """The process of a component died, or did not answer in time and was ended."""


class Worker:
    """A component that lives in a process of its own; to a graph it is like the component itself.

    Under ``Jacobi(step, threads=n)`` workers are stepped at the same time, also models (which take turns within one
    process, for CasADi allows only one thread). One exchange with a worker costs some tens of microseconds.

    Parameters
    ----------
    make
        A model, or what returns the component, called in the other process: something that can be pickled, such as
        ``functools.partial(ModelComponent, Tank(), solver=tk.Cvodes())``.
    time_limit
        Seconds that one call may take; then the process is ended.
    context
        How the process is started (``multiprocessing.get_context(...)``); None: ``"spawn"``. A script then needs
        ``if __name__ == "__main__":``, and what is defined in a notebook needs the context ``"fork"``.

    Raises
    ------
    InvalidValueError
        If `make` cannot be sent to another process, or makes no component there.
    StepError
        If the process does not start.

    Notes
    -----
    An exception of the component becomes a `StepError` with its words; a crash or a call that takes too long becomes a
    `WorkerDiedError`, and `initialize` starts a new process. `close` ends the process, and so does the end of this one.
    """

    def __init__(
        self, make: Model | Make, *, time_limit: float = 600.0, context: BaseContext | None = None
    ) -> None:  # fmt: skip
        if not isinstance(make, Model) and (not callable(make) or (isinstance(make, type) and issubclass(make, Model))):
            raise InvalidValueError(f"a Worker needs a model or what makes a component, not {make!r}")
        if not time_limit > 0.0:
            raise InvalidValueError(f"time_limit is a positive number of seconds, not {time_limit!r}")
        try:
            self._recipe = pickle.dumps(make)
        except Exception as error:  # pickle raises whatever the objects do
            raise InvalidValueError(f"{make!r} cannot be sent to another process ({error}): define it in a module"
                                    ) from error  # fmt: skip
        self._context = multiprocessing.get_context("spawn") if context is None else context
        self._time_limit = time_limit
        self._dropped: list[int] = []
        self._link: _Link | None = None
        hello = self._hello = self._connected()
        self.time_unit, self.inputs, self.outputs = hello.time_unit, hello.inputs, hello.outputs
        self.stateless, self.rolls_back = hello.stateless, hello.rolls_back
        self.has_events, self.can_stop = hello.has_events, hello.can_stop
        self.content_hash = hello.content_hash
        if hello.evaluates:
            self.evaluate = self._evaluate
            self.bind_evaluate = self._bind_evaluate
        if hello.differentiates:
            self.derivatives = self._derivatives

    def _connected(self) -> Hello:
        link = self._link = _Link(self._context, self._recipe)
        try:
            return link.receive(max(_START_LIMIT, self._time_limit))
        except BaseException:
            self.close()
            raise

    def _ask(self, op: str, *arguments: Any) -> Any:
        if self._link is None:
            raise WorkerDiedError("the process of this component has ended; initialize starts a new one")
        dropped, self._dropped[:] = list(self._dropped), []
        link = self._link
        try:
            link.send(b"C" + pickle.dumps((op, dropped, arguments)))
            return link.receive(self._time_limit)
        except BaseException:
            self._check(link)
            raise

    def _check(self, link: _Link) -> None:
        """Forget a process that has ended."""
        if not link.running and self._link is link:
            self._link = None

    # -- time --------------------------------------------------------------------------------------------------
    def initialize(self, t0: float, inputs: Values) -> Values:
        """Start (or start again) at `t0` and return the outputs there."""
        if self._link is None:
            self._connected()
        return self._ask("initialize", t0, dict(inputs))

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Advance from `t` to ``t + dt`` with inputs held, and return the outputs at the end."""
        return self._ask("step", t, dt, dict(inputs))

    def bind(self, inputs: Array, outputs: Array) -> Stepper:
        """Return a stepper on arrays (see `twinkit.core.component.Binds`)."""
        return self._bound(b"S", inputs, outputs)

    def _bind_evaluate(self, inputs: Array, outputs: Array) -> Evaluator:
        bound = self._bound(b"V", inputs, outputs)
        return lambda t: bound(t, 0.0)

    def _bound(self, kind: bytes, inputs: Array, outputs: Array) -> Stepper:
        def step(t: float, dt: float) -> None:
            link = self._link
            if link is None:
                raise WorkerDiedError("the process of this component has ended; initialize starts a new one", time=t)
            try:
                link.send(TIMES.pack(kind, t, dt) + inputs.tobytes())
                outputs[:] = np.frombuffer(link.receive(self._time_limit), dtype=np.float64)
            except BaseException:
                self._check(link)
                raise

        return step

    def _evaluate(self, t: float, inputs: Values) -> Values:
        """Return the outputs at `t`, the present instant, under other inputs."""
        return self._ask("evaluate", t, dict(inputs))

    def _derivatives(self, of: tuple[str, ...], to: tuple[str, ...]) -> Array:
        """Return d(outputs)/d(inputs) at the present point."""
        return self._ask("derivatives", tuple(of), tuple(to))

    def feedthrough(self) -> Mapping[str, frozenset[str]]:
        """Return output -> inputs it depends on without delay."""
        return self._hello.feedthrough

    def next_event(self, t: float) -> float | None:
        """Return the time of the next known event after `t`, or None."""
        return self._ask("next_event", t) if self.has_events else None

    def occurrences(self) -> Sequence[Occurrence]:
        """Return what has happened in the component (nothing, once its process has ended)."""
        return self._ask("occurrences") if self._hello.has_occurrences and self._link is not None else ()

    def stopped(self) -> Occurrence | None:
        """Return the event that ended the run, or None."""
        return self._ask("stopped") if self.can_stop and self._link is not None else None

    # -- rollback ----------------------------------------------------------------------------------------------
    def snapshot(self) -> Any:
        """Return the mark of a snapshot that the other process keeps."""
        return _Mark(int(self._ask("snapshot")), self._link, self._dropped)

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; the continuation is bitwise the same."""
        if not isinstance(state, _Mark) or state.link is not self._link:
            raise StepError("this is no snapshot of the component in this process")
        self._ask("restore", state.number)

    def close(self) -> None:
        """End the process; a second call does nothing, and `initialize` starts a new one."""
        link, self._link = self._link, None
        if link is not None:
            link.end()

    def __repr__(self) -> str:
        return f"Worker({self._hello.text})"


class _Mark:
    """A snapshot kept by a worker, which is told when nothing refers to it any more."""

    def __init__(self, number: int, link: _Link | None, dropped: list[int]) -> None:
        self.number, self.link = number, link
        weakref.finalize(self, dropped.append, number)


class _Link:
    """The process and the pipe to it."""

    def __init__(self, context: BaseContext, recipe: bytes) -> None:
        self._connection, other = context.Pipe()
        kind: Any = context
        self._process = kind.Process(target=serve, args=(other, self._connection, recipe), daemon=True)
        try:
            self._process.start()
        except BaseException:
            self._connection.close()
            raise
        finally:
            other.close()
        self._end = weakref.finalize(self, _end, self._process, self._connection)

    @property
    def running(self) -> bool:
        """Whether the process has not been ended from here."""
        return self._end.alive

    def end(self) -> None:
        """End the process, and wait for it."""
        self._end()

    def send(self, frame: bytes) -> None:
        """Send one question."""
        try:
            self._connection.send_bytes(frame)
        except OSError:
            raise self._died() from None

    def receive(self, limit: float) -> Any:
        """Return the answer, or raise what it says."""
        try:
            if not self._connection.poll(limit):
                self.end()
                raise WorkerDiedError(f"the component did not answer within {limit:g} s; its process was ended")
            reply = self._connection.recv_bytes()
        except (OSError, EOFError):
            raise self._died() from None
        except BaseException:  # an interrupt: the answer that is still to come would be taken for the next one's
            self.end()
            raise
        if reply[:1] == b"S":
            return reply[1:]
        kind, found = pickle.loads(reply[1:])  # written by worker_process.serve
        if kind == "value":
            return found
        words, time = found
        if kind == "refused":
            raise InvalidValueError(words)
        raise StepError(words, time=time)

    def _died(self) -> WorkerDiedError:
        self._process.join(5.0)
        code = self._process.exitcode
        self.end()
        how = "" if code is None else f" (signal {-code})" if code < 0 else f" (exit code {code})"
        return WorkerDiedError(f"the process of the component died{how}")


def _end(process: Any, connection: Any) -> None:
    connection.close()  # it ends by itself, if it is listening
    process.join(0.2)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()
