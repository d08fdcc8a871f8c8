"""The numeric reading: plain NumPy evaluation, for debugging and as the yardstick of every other reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twinkit.core.errors import InvalidValueError
from twinkit.core.evaluate import Evaluation, evaluate
from twinkit.core.external import External
from twinkit.core.maths import Maths, Table
from twinkit.core.model import Model
from twinkit.readings.flat import Flat, flat_equations


class NumericMaths(Maths):
    """`Maths` on floats and NumPy arrays."""

    def exp(self, x: Any) -> Any:
        return np.exp(x)

    def log(self, x: Any) -> Any:
        return np.log(x)

    def sqrt(self, x: Any) -> Any:
        return np.sqrt(x)

    def tanh(self, x: Any) -> Any:
        return np.tanh(x)

    def sin(self, x: Any) -> Any:
        return np.sin(x)

    def cos(self, x: Any) -> Any:
        return np.cos(x)

    def abs(self, x: Any) -> Any:
        return np.abs(x)

    def minimum(self, a: Any, b: Any) -> Any:
        return np.minimum(a, b)

    def maximum(self, a: Any, b: Any) -> Any:
        return np.maximum(a, b)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return np.where(condition, a, b)

    def logical_and(self, a: Any, b: Any) -> Any:
        return np.logical_and(a, b)

    def logical_or(self, a: Any, b: Any) -> Any:
        return np.logical_or(a, b)

    def logical_not(self, a: Any) -> Any:
        return np.logical_not(a)

    def sum(self, x: Any) -> Any:
        return np.sum(x)

    def dot(self, a: Any, b: Any) -> Any:
        return np.sum(np.multiply(a, b))

    def concatenate(self, parts: Sequence[Any]) -> Any:
        return (
            np.concatenate([np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in parts])
            if parts
            else np.zeros(0)
        )

    def matvec(self, matrix: Any, x: Any) -> Any:
        return np.asarray(matrix, dtype=np.float64) @ np.atleast_1d(x)

    def roll(self, x: Any, shift: int) -> Any:
        return np.roll(x, shift)

    def diff(self, x: Any) -> Any:
        return np.diff(x)

    def full(self, size: int, value: Any) -> Any:
        return np.full(size, value, dtype=np.float64)

    def interpolate(self, x: Any, table: Table) -> Any:
        return np.interp(x, table.x, table.y)

    def external(self, function: External, *arguments: Any) -> tuple[Any, ...]:
        return function(*arguments)


NUMERIC = NumericMaths()
"""The one instance; it has no state."""


def numeric_functions(model: Model) -> Flat:
    """Return ``(t, x, z, u, p) -> (dx, residual, y)`` on NumPy arrays.

    Division by zero and the like give inf or NaN, as in compiled code, without a warning.
    """
    equations = flat_equations(model, NUMERIC)

    def evaluated(t: Any, x: Any, z: Any, u: Any, p: Any) -> tuple[Any, Any, Any]:
        with np.errstate(all="ignore"):
            return equations(t, x, z, u, p)

    return evaluated


def evaluate_at(model: Model, values: Mapping[str, Any] | None = None, t: float = 0.0) -> Evaluation:
    """Evaluate a model's equations at one point, by name.

    Parameters
    ----------
    model
        The model; variables not in `values` have the value the model holds.
    values
        Full name -> number in the declared unit.
    t
        Time in the model's time unit.

    Returns
    -------
    Evaluation
        Derivatives, residuals and outputs by full name.

    Raises
    ------
    InvalidValueError
        If a variable has no value.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=1.0)
    ...     k = tk.Parameter("1/h", 0.5)
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> float(evaluate_at(Decay(), {"c": 4.0}).derivatives["c"])
    -2.0
    """
    known = {**model.values(), **(values or {}), "t": t}
    layout = model.layout
    blocks = (layout.states, layout.algebraics, layout.inputs, layout.modes, layout.parameters)
    missing = [entry.name for block in blocks for entry in block if entry.name not in known]
    if missing:
        raise InvalidValueError(f"no value for {', '.join(map(repr, missing))}")
    for name in values or {}:
        layout.find(name, type(model).__name__)
    return evaluate(model, known, NUMERIC)
