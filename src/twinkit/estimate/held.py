"""Inputs that become known step by step, each held until the next: what a filter in a graph sees."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Model, SimulationError
from twinkit.core.component import Array


class HeldInputs:
    """The inputs of a model as they were told: each value holds until the next one, the last one for good.

    A filter with such inputs can be sent back in time and finds the inputs of then. It stands in for the mapping
    `EstimationProblem.inputs`; whoever owns it adds to it.

    Parameters
    ----------
    model
        The model; before anything is told, its inputs have their defaults (NaN where there is none).

    Examples
    --------
    >>> from twinkit.unitops import JacketedTank
    >>> held = HeldInputs(JacketedTank())
    >>> first = held.at(0.0)
    >>> held.tell(0.0, first)
    >>> held.tell(2.0, first + 1.0)
    >>> held.breaks(1.0, 3.0)
    [2.0, 3.0]
    """

    def __init__(self, model: Model) -> None:
        layout, values = model.layout, model.values()
        known = {entry.name: values.get(entry.name) for entry in layout.inputs}
        first = layout.inputs.pack({name: np.nan if value is None else value for name, value in known.items()})
        self._knots: list[float] = [-np.inf]
        self._values: list[Array] = [first]
        self._name = type(model).__name__

    @property
    def identity(self) -> list[Any]:
        """What is known of them beforehand, for a content hash: that they are told."""
        return ["held"]

    def tell(self, t: float, u: Array) -> None:
        """Add values that hold from `t` on.

        Raises
        ------
        InvalidValueError
            If `t` is earlier than the last ones, or a value is not finite.
        """
        if not t >= self._knots[-1]:
            raise InvalidValueError(f"inputs of {t:g} came after those of {self._knots[-1]:g}: tell them in order")
        if not np.isfinite(u).all():
            raise InvalidValueError(f"the inputs of {self._name} at {t:g} are not finite: {u}")
        if np.array_equal(u, self._values[-1]):
            return
        if t == self._knots[-1]:
            self._values[-1] = np.array(u)
        else:
            self._knots.append(t)
            self._values.append(np.array(u))

    def forget(self, before: float) -> None:
        """Drop what nobody will ask for: everything that ended before a time."""
        first = bisect_right(self._knots, before) - 1
        if first > 0:
            self._knots, self._values = self._knots[first:], self._values[first:]

    def mark(self) -> tuple[int, Array]:
        """Return a mark to which `back` can return, as long as nothing is forgotten in between."""
        return len(self._knots), self._values[-1]

    def back(self, mark: tuple[int, Array]) -> None:
        """Unsay what was told since a mark."""
        count, last = mark
        self._knots, self._values = self._knots[:count], [*self._values[: count - 1], last]

    def snapshot(self) -> tuple[tuple[float, ...], tuple[Array, ...]]:
        """Return all that is known."""
        return tuple(self._knots), tuple(self._values)

    def restore(self, state: tuple[tuple[float, ...], tuple[Array, ...]]) -> None:
        """Go on from a snapshot."""
        self._knots, self._values = list(state[0]), list(state[1])

    # -- as `Inputs` ---------------------------------------------------------------------------------------------
    @property
    def polynomial(self) -> bool:
        """Whether all inputs are polynomials between breaks: they are constant."""
        return True

    def check(self, t: float, end: float) -> None:
        """Raise `SimulationError` if the inputs from `t` on have been forgotten."""
        if t < self._knots[0]:
            raise SimulationError(f"the inputs before {self._knots[0]:g} have been forgotten; {t:g} is asked for")

    def breaks(self, t: float, end: float) -> list[float]:
        """Return the times strictly between `t` and `end` at which an input changes, then `end`."""
        return [*self._knots[bisect_right(self._knots, t) : bisect_left(self._knots, end)], end]

    def piece(self, t: float, h: float) -> Array:
        """Return coefficients ``(inputs, 4)`` in powers of the time since `t`, valid until ``t + h``."""
        u = self.at(t)
        found = np.zeros((len(u), 4))
        found[:, 0] = u
        return found

    def at(self, t: float) -> Array:
        """Return the inputs at one time (at a jump: just after it)."""
        return self._values[max(bisect_right(self._knots, t) - 1, 0)]
