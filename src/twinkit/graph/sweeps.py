"""One step of a whole graph, in several ways; each is compiled once into a closure on the engine's arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np

from twinkit.core.component import Array, StepError
from twinkit.graph.arrays import Evaluator, mover
from twinkit.graph.engine import Engine, just_before, rounding
from twinkit.graph.march import Macro
from twinkit.graph.newton import Newton

Rate: TypeAlias = float
_SLACK = 1e-9
_NUDGE = 1e-6


def jacobi(engine: Engine, threads: int | None = None) -> Macro:
    """Return a step in which all components start from the same values."""
    if threads is not None and threads > 1 and len(engine.steps) > 1:
        return _Threaded(engine, threads)
    steps = [(slot.name, slot.step) for slot in engine.steps]
    move, propagate = engine.move_all, engine.propagate

    def macro(t: float, dt: float) -> None:
        name = ""
        move()
        try:
            for name, step in steps:  # noqa: B007 (the name is for the error)
                step(t, dt)
        except Exception as error:
            raise engine.failure(name, t, error) from error
        if propagate is not None:
            propagate(t + dt)

    return macro


class _Threaded:
    """A Jacobi step whose components run at the same time; the result does not depend on who is first."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="twinkit-graph")

    def __call__(self, t: float, dt: float) -> None:
        engine = self._engine
        engine.move_all()
        jobs = [(slot.name, self._pool.submit(slot.step, t, dt)) for slot in engine.steps]
        failed: StepError | None = None
        for name, job in jobs:  # every one is waited for, so that nothing runs on behind an error
            try:
                job.result()
            except Exception as error:
                failed = failed or engine.failure(name, t, error)
        if failed is not None:
            raise failed
        if engine.propagate is not None:
            engine.propagate(t + dt)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def gauss_seidel(engine: Engine, order: Sequence[str]) -> Macro:
    """Return a step in which each component sees what those before it have just given.

    Values that jump (discrete ports) are taken at the start of the step by everyone.
    """
    early = mover(engine.pieces([edge for edge in engine.edges if engine.is_discrete(edge)]), engine.U, engine.Y)
    work: list[tuple[str, Callable[[], None] | None, Macro]] = []
    for name in order:
        slot = engine.slots[name]
        move = engine.move_into(name, discrete=False)
        if slot.stateless and slot.evaluate is not None:
            work.append((name, move, _at_end(slot.evaluate)))
        else:
            work.append((name, move, slot.step))
    propagate = engine.propagate

    def macro(t: float, dt: float) -> None:
        name = ""
        if early is not None:
            early()
        try:
            for name, move, step in work:  # noqa: B007 (the name is for the error)
                if move is not None:
                    move()
                step(t, dt)
        except Exception as error:
            raise engine.failure(name, t, error) from error
        if propagate is not None:
            propagate(t + dt)

    return macro


def _at_end(evaluate: Evaluator) -> Macro:
    return lambda t, dt: evaluate(t + dt)


class _Rates:
    """A step in which components have steps of their own."""

    def __init__(self, engine: Engine, rates: Mapping[str, Rate], order: Sequence[str], together: bool) -> None:
        self._engine, self._rates, self._order = engine, rates, order
        # Values that jump are taken where a step begins; the others, one after the other, when others have stepped.
        self._early = {name: engine.move_into(name, discrete=None if together else True) for name in order}
        self._movers = {} if together else {name: engine.move_into(name, discrete=False) for name in order}
        engine.extra.setdefault("pending", {})

    def _begin(self, t: float) -> list[str]:
        """Take what is taken at `t` by the components whose step begins there; return their names."""
        pending = self._engine.extra["pending"]
        beginning = [name for name in self._order if name not in pending]
        for name in beginning:
            early = self._early[name]
            if early is not None:
                early()
            pending[name] = t
        return beginning

    def _push(self, name: str, end: float, *, last: bool = False) -> None:
        """Take the steps that are due at `end`."""
        pending, step = self._engine.extra["pending"], self._engine.slots[name].step
        since = pending[name]
        passed = end - since
        rate = self._rates.get(name, passed)
        if not last and passed < rate * (1 - _SLACK):
            return
        parts = max(1, int(np.ceil(passed / rate * (1 - _SLACK))))
        for k in range(parts):
            a, b = since + passed * k / parts, since + passed * (k + 1) / parts
            step(a, b - a)
        del pending[name]

    def macro(self, t: float, dt: float) -> None:
        """Advance by one exchange."""
        name, beginning = "", self._begin(t)
        try:
            for name in self._order:
                move = self._movers.get(name) if name in beginning else None
                if move is not None:
                    move()
                self._push(name, t + dt)
        except Exception as error:
            raise self._engine.failure(name, t, error) from error
        if self._engine.propagate is not None:
            self._engine.propagate(t + dt)

    def finish(self, begin: float, until: float) -> None:
        """Bring the slow ones up to the end of the run."""
        name = ""
        try:
            for name in [name for name in self._order if name in self._engine.extra["pending"]]:
                self._push(name, until, last=True)
        except Exception as error:
            raise self._engine.failure(name, until, error) from error
        if self._engine.propagate is not None:
            self._engine.propagate(until)


def with_rates(
    engine: Engine, rates: Mapping[str, Rate], order: Sequence[str], *, together: bool
) -> tuple[Macro, Macro]:
    """Return a step in which components have steps of their own, and what brings the slow ones up to the end.

    A fast component takes several steps within an exchange, its inputs held. A slow one keeps the inputs it had at
    the start of its step, and takes it when at least its own step has passed.
    """
    made = _Rates(engine, rates, order, together)
    return made.macro, made.finish


def _repeat(engine: Engine) -> tuple[Callable[[], list[object]], Callable[[list[object]], None]]:
    """Return what saves and what restores the components alone (the arrays are the caller's)."""
    saves = [slot.component.snapshot for slot in engine.steps]  # type: ignore[attr-defined]
    restores = [slot.component.restore for slot in engine.steps]  # type: ignore[attr-defined]

    def save() -> list[object]:
        return [one() for one in saves]

    def restore(states: list[object]) -> None:
        for one, state in zip(restores, states, strict=True):
            one(state)

    return save, restore


class _Held:
    """A step of all components with the inputs that are in the array, without moving any.

    It stops just before its end: what jumps there is not passed on. A mean of inputs that includes a jump at the end of
    a step would be wrong by half of it. `finish` is for the step that is accepted.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        jumping = [slot.name for slot in engine.event_slots]
        self._steps = [(slot.name, slot.step, slot.name in jumping) for slot in engine.steps]
        self._watched = bool(jumping)

    def jumps(self, t: float, dt: float) -> bool:
        """Return whether a component that is at `t` will change abruptly at the end of a step."""
        return self._watched and self._engine.next_event(t, np.inf) <= t + dt + rounding(t, t + dt)

    def __call__(self, t: float, dt: float, *, jumps: bool = False) -> None:
        """Take the step; those that jump at its end stop just before."""
        short = just_before(t + dt) - t if jumps else dt
        self._step(t, dt, short)
        if self._engine.propagate_held is not None:
            self._engine.propagate_held(t + dt)

    def finish(self, t: float, dt: float) -> None:
        """Take the step to its very end."""
        self._step(t, dt, dt)
        self.arrive(t + dt)

    def arrive(self, end: float) -> None:
        """Carry what there is at the end of a step through feedthrough."""
        if self._engine.propagate is not None:
            self._engine.propagate(end)

    def _step(self, t: float, dt: float, short: float) -> None:
        name = ""
        try:
            for name, step, jumping in self._steps:  # noqa: B007 (the name is for the error)
                step(t, short if jumping else dt)
        except Exception as error:
            raise self._engine.failure(name, t, error) from error


def midpoint(engine: Engine, iterations: int) -> Macro:
    """Return a step with the mean of the inputs at its ends, found by fixed-point iteration."""
    engine.need_rollback("Midpoint (and Adaptive)")
    save, restore = _repeat(engine)
    step, move, smooth, u = _Held(engine), engine.move_all, engine.smooth, engine.U

    def macro(t: float, dt: float) -> None:
        jumps = step.jumps(t, dt)
        move()
        before, states = u.copy(), save()
        step(t, dt, jumps=jumps)
        for k in range(iterations):
            move()
            mean = before.copy()
            mean[smooth] = 0.5 * (before[smooth] + u[smooth])
            restore(states)
            u[:] = mean
            if k < iterations - 1:
                step(t, dt, jumps=jumps)
        step.finish(t, dt)

    return macro


def implicit(engine: Engine, theta: float, newton: Newton) -> Macro:
    """Return a step whose held inputs agree with the outputs at its end, found by Newton's method.

    The Jacobian is kept from step to step and made anew where the iteration converges slowly.
    """
    engine.need_rollback("Implicit")
    save, restore = _repeat(engine)
    step, move, smooth, u = _Held(engine), engine.move_all, engine.smooth, engine.U
    tolerance = max(newton.tolerance, 1e-9)

    def macro(t: float, dt: float) -> None:
        jumps = step.jumps(t, dt)
        move()
        before, states = u.copy(), save()

        def begin(end: Array) -> None:
            restore(states)
            u[:] = before
            u[smooth] = (1.0 - theta) * before[smooth] + theta * end

        def mismatch(end: Array) -> Array:
            begin(end)
            step(t, dt, jumps=jumps)
            move()
            return u[smooth] - end

        end, fresh = before[smooth].copy(), False
        value = mismatch(end)
        for _ in range(2 * newton.iterations):
            size = float(np.max(np.abs(value) / (1.0 + np.abs(end)), initial=0.0))
            if size <= tolerance:
                if jumps:
                    begin(end)
                    step.finish(t, dt)
                else:
                    step.arrive(t + dt)
                return
            if "jacobian" not in engine.extra or engine.extra["jacobian_dt"] != dt:
                engine.extra["jacobian"], engine.extra["jacobian_dt"] = _slopes(mismatch, end, value), dt
                fresh = True
            try:
                end = end - np.linalg.solve(engine.extra["jacobian"], value)
            except np.linalg.LinAlgError:
                break
            value = mismatch(end)
            now = float(np.max(np.abs(value) / (1.0 + np.abs(end)), initial=0.0))
            if not np.isfinite(now):
                engine.verify(engine.Y[None], [t, t + dt])
                break
            if now > 0.1 * size and not fresh:
                del engine.extra["jacobian"]
            fresh = False
        raise StepError(
            f"the implicit coupling at t = {t:g} {engine.time_unit} is not solved in {2 * newton.iterations} "
            "iterations: choose a shorter step", component=engine.steps[0].name, time=t,
            values={"inputs": before.tolist()},
        )  # fmt: skip

    return macro


def _slopes(mismatch: Callable[[Array], Array], end: Array, value: Array) -> Array:
    matrix = np.empty((len(end), len(end)))
    for i in range(len(end)):
        moved = end.copy()
        moved[i] += _NUDGE * (1.0 + abs(end[i]))
        matrix[:, i] = (mismatch(moved) - value) / (moved[i] - end[i])
    return matrix
