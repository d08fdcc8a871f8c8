"""Master algorithms: how the components of a graph are stepped together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.units import as_number
from twinkit.graph.adaptive import march_adaptive
from twinkit.graph.engine import Engine
from twinkit.graph.march import Recorder, march_fixed
from twinkit.graph.newton import Newton
from twinkit.graph.sweeps import Rate, gauss_seidel, implicit, jacobi, midpoint, with_rates

Duration = Any
"""A number in the graph's time unit, a text with a unit, or a quantity."""


_NEWTON = Newton()


@runtime_checkable
class Master(Protocol):
    """What advances a graph. Write your own by giving these three."""

    @property
    def loops(self) -> Newton | None:
        """How algebraic loops are solved; None: their values are one exchange late."""
        ...

    @property
    def needs_rollback(self) -> bool:
        """Whether every component must be able to return to a snapshot."""
        ...

    def march(self, engine: Engine, until: float, record: Recorder) -> None:
        """Advance the engine from its time to `until`, recording every step."""
        ...


def _duration(value: Duration, engine: Engine, what: str) -> float:
    number = as_number(value, engine.time_unit, what)
    if not number > 0:
        raise InvalidValueError(f"{what} must be positive, not {value!r}")
    return number


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _rates(engine: Engine, rates: Mapping[str, Duration]) -> dict[str, Rate]:
    for name in rates:
        if name not in engine.slots:
            raise unknown_name("node", name, engine.slots, "the graph (rates)")
        if engine.slots[name].stateless:
            raise InvalidValueError(f"rates: {name!r} has no memory and so no step of its own")
    return {name: _duration(value, engine, f"the step of {name!r}") for name, value in rates.items()}


@dataclass(frozen=True)
class Jacobi:
    """All components step from the same instant with inputs held; then values are exchanged. First order.

    Parameters
    ----------
    step
        Time between exchanges.
    rates
        Node -> its own step: a shorter one is taken several times within an exchange, a longer one spans several.
    threads
        Step components at the same time in so many threads (for slow ones that release the interpreter's lock).
    loops
        How algebraic loops are solved. None leaves their values one exchange late, which is all that can be done
        through components that cannot evaluate (an FMU that declares feedthrough).
    """

    step: Duration
    rates: Mapping[str, Duration] = field(default_factory=dict[str, Any])
    threads: int | None = None
    loops: Newton | None = _NEWTON
    needs_rollback = False

    def __post_init__(self) -> None:
        if self.threads is not None and not _is_count(self.threads):
            raise InvalidValueError(f"threads is None or a positive whole number, not {self.threads!r}")

    def march(self, engine: Engine, until: float, record: Recorder) -> None:
        """Advance to `until` (see `Master`)."""
        rates, finish = _rates(engine, self.rates), None
        if rates:
            macro, finish = with_rates(engine, rates, [slot.name for slot in engine.steps], together=True)
        else:
            macro = jacobi(engine, self.threads)
        try:
            march_fixed(engine, macro, until, _duration(self.step, engine, "the step"), record, finish)
        finally:
            close: Callable[[], None] | None = getattr(macro, "close", None)
            if close is not None:
                close()


@dataclass(frozen=True)
class GaussSeidel:
    """Components step one after the other, each with the newest values. First order, often a smaller error.

    Parameters
    ----------
    step
        Time between exchanges.
    order
        Nodes in the order they step; None: sources before what they drive, else the order they were added.
    rates, loops
        As for `Jacobi`.
    """

    step: Duration
    order: Sequence[str] | None = None
    rates: Mapping[str, Duration] = field(default_factory=dict[str, Any])
    loops: Newton | None = _NEWTON
    needs_rollback = False
    alias = True

    def march(self, engine: Engine, until: float, record: Recorder) -> None:
        """Advance to `until` (see `Master`)."""
        order, rates, finish = self._order(engine), _rates(engine, self.rates), None
        if rates:
            stateful = [name for name in order if not engine.slots[name].stateless]
            macro, finish = with_rates(engine, rates, stateful, together=False)
        else:
            macro = gauss_seidel(engine, order)
        march_fixed(engine, macro, until, _duration(self.step, engine, "the step"), record, finish)

    def _order(self, engine: Engine) -> list[str]:
        if self.order is None:
            return engine.order
        for name in self.order:
            if name not in engine.slots:
                raise unknown_name("node", name, engine.slots, "the graph (order)")
        order = [*engine.sources, *self.order]
        if sorted(order) != sorted(engine.slots):
            missing = [name for name in engine.slots if name not in order]
            raise InvalidValueError(f"order must name every node once; missing: {', '.join(missing) or 'none'}")
        return order


@dataclass(frozen=True)
class Midpoint:
    """A Jacobi step, then corrections with the mean of the inputs at both ends. Second order.

    Needs components that can roll back; those with feedthrough must be able to evaluate (else first order).

    Parameters
    ----------
    step
        Time between exchanges.
    iterations
        Corrections; one gives second order, more give a smaller error constant and more stability.
    loops
        As for `Jacobi`.
    """

    step: Duration
    iterations: int = 1
    loops: Newton | None = _NEWTON
    needs_rollback = True

    def __post_init__(self) -> None:
        if not _is_count(self.iterations):
            raise InvalidValueError(f"Midpoint needs at least one correction, not {self.iterations!r}")

    def march(self, engine: Engine, until: float, record: Recorder) -> None:
        """Advance to `until` (see `Master`)."""
        macro = midpoint(engine, self.iterations)
        march_fixed(engine, macro, until, _duration(self.step, engine, "the step"), record)


@dataclass(frozen=True)
class Implicit:
    """Find, by Newton's method with rollback, inputs that agree with the outputs at the end of the step.

    For stiff couplings that make the explicit masters unstable.

    Parameters
    ----------
    step
        Time between exchanges.
    theta
        Weight of the end in the inputs held over the step: 0.5 is of second order, 1 damps most.
    loops
        As for `Jacobi`; its tolerance and iterations hold for the coupling too, the tolerance at least 1e-9.
    """

    step: Duration
    theta: float = 0.5
    loops: Newton | None = _NEWTON
    needs_rollback = True

    def __post_init__(self) -> None:
        if not 0.5 <= self.theta <= 1.0:
            raise InvalidValueError(f"theta is within [0.5, 1], not {self.theta!r}")

    def march(self, engine: Engine, until: float, record: Recorder) -> None:
        """Advance to `until` (see `Master`)."""
        macro = implicit(engine, self.theta, self.loops or _NEWTON)
        march_fixed(engine, macro, until, _duration(self.step, engine, "the step"), record)


@dataclass(frozen=True)
class Adaptive:
    """Midpoint steps whose length follows the error, found by doing each in one and in two steps.

    Parameters
    ----------
    rtol
        Allowed error of an output in one step, relative to the largest magnitude it has had.
    atol
        The same in the output's unit, added.
    first_step, max_step
        None: a thousandth of the run, and no limit.
    iterations
        Corrections per step, as for `Midpoint`.
    loops
        As for `Jacobi`.
    """

    rtol: float = 1e-5
    atol: float = 1e-9
    first_step: Duration | None = None
    max_step: Duration | None = None
    iterations: int = 1
    loops: Newton | None = _NEWTON
    needs_rollback = True

    def __post_init__(self) -> None:
        if not (0 < self.rtol < 1 and self.atol > 0 and _is_count(self.iterations)):
            raise InvalidValueError(f"Adaptive needs 0 < rtol < 1, a positive atol and a correction, not {self!r}")

    def march(self, engine: Engine, until: float, record: Recorder) -> None:
        """Advance to `until` (see `Master`)."""
        first = (until - engine.time) / 1000 if self.first_step is None else _duration(
            self.first_step, engine, "the first step")  # fmt: skip
        longest = np.inf if self.max_step is None else _duration(self.max_step, engine, "the longest step")
        engine.extra.setdefault("h", min(first, longest))
        macro = midpoint(engine, self.iterations)
        march_adaptive(engine, macro, until, (self.rtol, self.atol), longest, record)
