"""The small set of mathematics an equation may use; every reading implements the same primitives.

`Maths` is abstract or final in the sense of STYLE.md: the primitives are abstract, everything built from them is
written here once and overridden nowhere.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import ExternalEquationsError, InvalidValueError, ShapeError
from twinkit.core.external import External
from twinkit.core.units import affine, parse_unit


@dataclass(frozen=True, eq=False)
class Table:
    """A tabulated function of one variable, linear between the points and constant beyond the ends.

    Parameters
    ----------
    x, y
        Points; `x` strictly increasing, both finite, at least two.
    x_unit, y_unit
        Units of the two columns.
    source
        Where the numbers come from.

    Raises
    ------
    ShapeError, InvalidValueError
        If the columns do not match, are not finite, or `x` does not increase.
    """

    x: Sequence[float] | npt.NDArray[np.float64]
    y: Sequence[float] | npt.NDArray[np.float64]
    x_unit: str = ""
    y_unit: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        x = np.array(self.x, dtype=np.float64)
        y = np.array(self.y, dtype=np.float64)
        if x.ndim != 1 or x.shape != y.shape or x.size < 2:
            raise ShapeError(f"a table needs two columns of equal length (at least 2); got {x.shape} and {y.shape}")
        if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
            raise InvalidValueError("a table must be finite: drop or repair the NaN or infinite points first")
        if np.any(np.diff(x) <= 0):
            raise InvalidValueError("the x column of a table must increase strictly")
        parse_unit(self.x_unit)
        parse_unit(self.y_unit)
        x.setflags(write=False)
        y.setflags(write=False)
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)


class Maths(ABC):
    """What `m` offers inside `equations(self, v, m)`. Numbers are in the declared units throughout."""

    pi: ClassVar[float] = math.pi
    _naming: Callable[[str, Any], Any] | None = None

    # -- elementwise primitives --------------------------------------------------------------------------------
    @abstractmethod
    def exp(self, x: Any) -> Any:
        """Exponential; `x` must be dimensionless."""

    @abstractmethod
    def log(self, x: Any) -> Any:
        """Natural logarithm; `x` must be dimensionless."""

    @abstractmethod
    def sqrt(self, x: Any) -> Any:
        """Square root."""

    @abstractmethod
    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent; `x` must be dimensionless."""

    @abstractmethod
    def sin(self, x: Any) -> Any:
        """Sine; `x` in radians."""

    @abstractmethod
    def cos(self, x: Any) -> Any:
        """Cosine; `x` in radians."""

    @abstractmethod
    def abs(self, x: Any) -> Any:
        """Absolute value."""

    @abstractmethod
    def minimum(self, a: Any, b: Any) -> Any:
        """Elementwise smaller of two."""

    @abstractmethod
    def maximum(self, a: Any, b: Any) -> Any:
        """Elementwise larger of two."""

    @abstractmethod
    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """`a` where the condition holds, else `b`."""

    @abstractmethod
    def logical_and(self, a: Any, b: Any) -> Any:
        """Both conditions."""

    @abstractmethod
    def logical_or(self, a: Any, b: Any) -> Any:
        """Either condition."""

    @abstractmethod
    def logical_not(self, a: Any) -> Any:
        """The condition does not hold."""

    # -- along a vector ----------------------------------------------------------------------------------------
    @abstractmethod
    def sum(self, x: Any) -> Any:
        """Sum of a vector's elements."""

    @abstractmethod
    def dot(self, a: Any, b: Any) -> Any:
        """Inner product of two vectors."""

    @abstractmethod
    def concatenate(self, parts: Sequence[Any]) -> Any:
        """Join scalars and vectors, in order, into one vector."""

    @abstractmethod
    def matvec(self, matrix: Any, x: Any) -> Any:
        """Product of a constant matrix of plain numbers, shape ``(n, m)``, and a vector of length ``m``."""

    @abstractmethod
    def roll(self, x: Any, shift: int) -> Any:
        """Shift a vector cyclically: element i moves to i + shift."""

    @abstractmethod
    def diff(self, x: Any) -> Any:
        """Differences of neighbours; one element shorter than `x`."""

    @abstractmethod
    def full(self, size: int, value: Any) -> Any:
        """Vector of `size` equal elements."""

    # -- units and tables --------------------------------------------------------------------------------------
    @abstractmethod
    def interpolate(self, x: Any, table: Table) -> Any:
        """Linear interpolation in a table, constant beyond its ends."""

    def convert(self, x: Any, source: str, target: str) -> Any:
        """Turn numbers in unit `source` into numbers in unit `target`."""
        scale, offset = affine(source, target)
        return x * scale + offset if offset else x * scale

    def quantity(self, value: float, unit: str) -> Any:
        """Return a literal constant with a unit, so that the dimensions reading knows what it is."""
        parse_unit(unit)
        return value

    def external(self, function: External, *arguments: Any) -> tuple[Any, ...]:
        """Return the results of a function that can only be called, all vectors of plain numbers.

        Raises
        ------
        ExternalEquationsError
            If this reading cannot follow it.
        """
        del arguments
        reading = type(self).__name__.removesuffix("Maths")
        raise ExternalEquationsError(f"{function.label} can only be called: there is no {reading} reading of it")

    # -- written once in the primitives ------------------------------------------------------------------------
    @final
    def stack(self, elements: Sequence[Any]) -> Any:
        """Join scalars into a vector."""
        return self.concatenate(elements)

    @final
    def log10(self, x: Any) -> Any:
        """Logarithm to base ten; `x` must be dimensionless."""
        return self.log(x) * (1.0 / math.log(10.0))

    @final
    def clip(self, x: Any, low: Any, high: Any) -> Any:
        """Limit `x` to `[low, high]`."""
        return self.minimum(self.maximum(x, low), high)

    @final
    def gate(self, x: Any, half: Any) -> Any:
        """Saturating gate `x / (x + half)` for `x >= 0`: 0 at zero, one half at `half`, towards 1."""
        return x / (x + half)

    @final
    def smooth_step(self, x: Any, width: Any) -> Any:
        """Smooth 0-to-1 step at zero, `(1 + tanh(x / width)) / 2`."""
        return 0.5 * (1.0 + self.tanh(x / width))

    @final
    def smooth_maximum(self, a: Any, b: Any, width: Any) -> Any:
        """Smooth maximum `b + (d + sqrt(d^2 + width^2)) / 2` with `d = a - b`."""
        difference = a - b
        return b + 0.5 * (difference + self.sqrt(difference * difference + width * width))

    @final
    def smooth_minimum(self, a: Any, b: Any, width: Any) -> Any:
        """Smooth minimum `b + (d - sqrt(d^2 + width^2)) / 2` with `d = a - b`."""
        difference = a - b
        return b + 0.5 * (difference - self.sqrt(difference * difference + width * width))

    # -- names ---------------------------------------------------------------------------------------------------
    @final
    def rate(self, name: str, value: Any) -> Any:
        """Name a rate: it is `value`, unless a learned term corrects the rate of that name (see `core.terms`)."""
        return value if self._naming is None else self._naming(name, value)

    # -- used by the library, not by equations -----------------------------------------------------------------
    @final
    def naming(self, take: Callable[[str, Any], Any]) -> Self:
        """Return the same mathematics, whose `rate` hands name and value to `take` and gives what it returns."""
        bound = copy.copy(self)
        bound._naming = take
        return bound

    def bind(self, x: Any, variable: Any, name: str) -> Any:
        """Accept an expression as the value of a sub-model's input (the dimensions reading checks its unit)."""
        del variable, name
        return x

    def size(self, x: Any) -> int | None:
        """Return the length of a vector, None for a scalar (used to check shapes)."""
        shape = np.shape(x)
        return None if shape == () else int(shape[0])


MATHS_NAMES: tuple[str, ...] = tuple(
    name for name in vars(Maths) if not name.startswith("_") and name not in {"bind", "size", "naming"}
)
"""The names an equation may use after `m.` (one definition: the class above)."""
