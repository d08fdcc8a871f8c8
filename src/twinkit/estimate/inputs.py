"""Inputs over time for a filter, which does not know when it will end: cubic pieces, asked for step by step."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Model, SimulationError
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.units import as_array, as_number
from twinkit.simulate.signals import NODES, Program, Ramps, Steps, cubic_through, program, shifted


class Inputs:
    """The inputs of a model as polynomials in time; an interval always gives the same numbers."""

    def __init__(self, model: Model, given: Mapping[str, Any] | None) -> None:
        layout, values, unit = model.layout, model.values(), model.time_unit
        self._unit = unit
        self._functions: list[tuple[Any, Callable[[float], Any]]] = []
        self._until = (np.inf, "")
        begins: list[float] = []
        static: dict[str, Any] = {}
        for name, raw in (given or {}).items():
            if name not in layout.inputs:
                raise unknown_name("input", name, layout.inputs.by_name, type(model).__name__)
            if isinstance(raw, (Steps, Ramps)):
                begins.append(as_number(raw.points[0][0], unit, f"a time of input {name!r}"))
            if isinstance(raw, Ramps) and not raw.hold_last:
                last = as_number(raw.points[-1][0], unit, f"a time of input {name!r}")
                self._until = min(self._until, (last, name))
                raw = Ramps(raw.points, hold_last=True)
            if callable(raw) and not hasattr(raw, "magnitude"):
                entry = layout.inputs[name]
                self._functions.append((entry, raw))
                raw = np.clip(entry.variable.scale, *entry.variable.bounds)  # replaced at every step
            static[name] = raw
        self._begin = max(begins, default=-np.inf)
        begin = max(begins, default=0.0)
        self._program: Program = program(layout, values, static, begin, begin, 1e-8)
        self._knots = self._program.knots.tolist()
        self._constant = bool(np.all(self._program.coefficients[:, :, 1:] == 0.0))

    @property
    def constant(self) -> bool:
        """Whether the inputs never change."""
        return self._constant and len(self._knots) == 1 and not self._functions

    @property
    def identity(self) -> list[Any]:
        """What defines the inputs, for a content hash; a function of time counts by its name."""
        names = [(entry.name, getattr(function, "__qualname__", "")) for entry, function in self._functions]
        return [self._program.knots, self._program.coefficients, list(self._until), names]

    @property
    def polynomial(self) -> bool:
        """Whether all inputs are polynomials between breaks, so that no function of time need be sampled."""
        return not self._functions

    def check(self, t: float, end: float) -> None:
        """Raise `SimulationError` unless the inputs are given from `t` to `end`."""
        if t < self._begin:
            raise SimulationError(
                f"an input starts at {self._begin:g} {self._unit}, after {t:g} {self._unit}: add a point"
            )
        last, name = self._until
        if end > last:
            raise SimulationError(
                f"input {name!r} ends at {last:g} {self._unit}, before {end:g} {self._unit}: add a point, or pass "
                "hold_last=True to tk.ramps"
            )

    def breaks(self, t: float, end: float) -> list[float]:
        """Return the times strictly between `t` and `end` at which an input changes its piece, then `end`."""
        return [*self._knots[bisect_right(self._knots, t) : bisect_left(self._knots, end)], end]

    def piece(self, t: float, h: float) -> Array:
        """Return coefficients ``(inputs, 4)`` in powers of the time since `t`, valid until ``t + h``."""
        index = max(bisect_right(self._knots, t) - 1, 0)
        c = self._program.coefficients[index]
        if not self._constant:
            c = shifted(c, t - self._knots[index])
        if not self._functions:
            return c
        c = c.copy()
        for entry, function in self._functions:
            values = np.array([self._value(entry, function, t + h * node) for node in NODES])
            c[entry.start : entry.start + entry.width] = cubic_through(values, h if h > 0 else 1.0)
        return c

    def at(self, t: float) -> Array:
        """Return the inputs at one time (at a jump: just after it)."""
        return self.piece(t, 0.0)[:, 0]

    def _value(self, entry: Any, function: Callable[[float], Any], t: float) -> Array:
        what = f"input {entry.name!r} at t = {t:g}"
        return np.atleast_1d(entry.variable.check(as_array(function(t), entry.variable.unit, what), entry.size, what))


def check_followable(model: Model) -> None:
    """Raise `InvalidValueError` if a model has events or schedules, which the filter does not follow."""
    structure = model.structure
    happenings = [*structure.events, *structure.schedules]
    if happenings:
        raise InvalidValueError(
            f"{type(model).__name__} has events or schedules ({', '.join(happenings)}), which a Kalman filter cannot "
            "follow yet: leave them out of the model given to it, or give their effect as inputs"
        )
