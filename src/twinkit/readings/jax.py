"""The JAX reading: a pure function for jit, vmap and grad."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from twinkit.core.errors import MissingDependencyError
from twinkit.core.maths import Maths, Table
from twinkit.core.model import Model
from twinkit.readings.flat import Flat, flat_equations


def _import_jax() -> tuple[Any, Any]:
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        raise MissingDependencyError.for_package("jax", "jax", "The JAX reading of a model") from None
    return jax, jnp


class JaxMaths(Maths):
    """`Maths` on JAX arrays."""

    def __init__(self) -> None:
        self._jnp = _import_jax()[1]

    def exp(self, x: Any) -> Any:
        return self._jnp.exp(x)

    def log(self, x: Any) -> Any:
        return self._jnp.log(x)

    def sqrt(self, x: Any) -> Any:
        return self._jnp.sqrt(x)

    def tanh(self, x: Any) -> Any:
        return self._jnp.tanh(x)

    def sin(self, x: Any) -> Any:
        return self._jnp.sin(x)

    def cos(self, x: Any) -> Any:
        return self._jnp.cos(x)

    def abs(self, x: Any) -> Any:
        return self._jnp.abs(x)

    def minimum(self, a: Any, b: Any) -> Any:
        return self._jnp.minimum(a, b)

    def maximum(self, a: Any, b: Any) -> Any:
        return self._jnp.maximum(a, b)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return self._jnp.where(condition, a, b)

    def logical_and(self, a: Any, b: Any) -> Any:
        return self._jnp.logical_and(a, b)

    def logical_or(self, a: Any, b: Any) -> Any:
        return self._jnp.logical_or(a, b)

    def logical_not(self, a: Any) -> Any:
        return self._jnp.logical_not(a)

    def sum(self, x: Any) -> Any:
        return self._jnp.sum(x)

    def dot(self, a: Any, b: Any) -> Any:
        return self._jnp.sum(a * b)

    def concatenate(self, parts: Sequence[Any]) -> Any:
        jnp = self._jnp
        return (
            jnp.concatenate([jnp.atleast_1d(jnp.asarray(part, dtype=float)) for part in parts])
            if parts
            else jnp.zeros(0)
        )

    def matvec(self, matrix: Any, x: Any) -> Any:
        return self._jnp.asarray(matrix, dtype=float) @ x

    def roll(self, x: Any, shift: int) -> Any:
        return self._jnp.roll(x, shift)

    def diff(self, x: Any) -> Any:
        return x[1:] - x[:-1]

    def full(self, size: int, value: Any) -> Any:
        return self._jnp.full(size, value, dtype=float)

    def interpolate(self, x: Any, table: Table) -> Any:
        return self._jnp.interp(x, self._jnp.asarray(table.x), self._jnp.asarray(table.y))


@cache
def jax_maths() -> JaxMaths:
    """Return the JAX mathematics (made when first used, so that JAX is imported then)."""
    return JaxMaths()


def double_precision() -> Any:
    """Return a context in which JAX computes in double precision, as all other readings do."""
    jax, _ = _import_jax()
    return jax.enable_x64(True)


def jax_functions(model: Model) -> Flat:
    """Return ``(t, x, z, u, p) -> (dx, residual, y)`` as a pure JAX function.

    JAX computes in single precision unless its ``jax_enable_x64`` is set; twinkit does not change that setting for
    you. Use ``with double_precision():`` around calls that need the accuracy of the other readings.

    Raises
    ------
    MissingDependencyError
        If JAX is not installed (extra ``jax``).
    """
    return flat_equations(model, jax_maths())
