"""The declarations a model is made of: states, inputs, parameters, each with its unit.

A declaration is a descriptor: on the class it is itself (`Tank.tau.unit`), on an instance it is the value the
instance holds (`Tank().tau`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self, TypeAlias, cast, overload, runtime_checkable

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import BoundsError, InvalidValueError, ModelDefinitionError, ShapeError
from twinkit.core.lengths import factors
from twinkit.core.units import as_array, as_number, parse_unit

Number: TypeAlias = Any  # a number, a text with a unit, or a quantity
Value: TypeAlias = float | npt.NDArray[np.float64]
Bounds: TypeAlias = tuple[Number, Number]


class _Declared:
    """A descriptor that is itself on the class, and on an instance the value the instance holds."""

    def __set_name__(self, owner: type, name: str) -> None:
        # A second name is refused when the class is made: an error raised here reaches the user wrapped (Python 3.11).
        if not self.label:
            object.__setattr__(self, "_name", name)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Any: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        return cast("Any", instance).values_of(self.label)

    @property
    def label(self) -> str:
        """Name under which it was declared ('' before a class owns it)."""
        return str(getattr(self, "_name", ""))


@dataclass(frozen=True, eq=False)
class Variable(_Declared):
    """What every declared quantity has.

    Parameters
    ----------
    unit
        Unit of the numbers (pint syntax; ``""`` for dimensionless).
    default
        Value when an instance does not set one: the initial value of a state, the first guess of an algebraic
        variable, the default of an input or parameter. A number is in `unit`; a text may carry its own unit.
    bounds
        Inclusive physical bounds `(low, high)`; None leaves a side open.
    nominal
        Typical magnitude, for scaling. Derived from default and bounds when not given.
    shape
        None for a scalar, or a length: an integer, the name of an integer `Option`, or a product of such options and
        of integer attributes of options (``"reactions.n_species * n_cells"``).
    doc
        One line saying what it is.
    source
        Where a value comes from: a DOI with table, "calibrated", "vendor datasheet".
    """

    unit: str = ""
    default: Number | Sequence[float] | None = None
    bounds: Bounds = (None, None)
    nominal: float | None = None
    shape: int | str | None = None
    doc: str = ""
    source: str = ""

    kind: ClassVar[str] = "variable"

    def __post_init__(self) -> None:
        parse_unit(self.unit)
        _check_shape(self.shape)
        low, high = self.bounds
        # An infinite bound is an open one: this is how None is kept, and `altered` gives it back.
        lower = -np.inf if low is None or low == -np.inf else as_number(low, self.unit, "the lower bound")
        upper = np.inf if high is None or high == np.inf else as_number(high, self.unit, "the upper bound")
        if lower > upper:
            raise BoundsError(f"the lower bound {lower:g} is above the upper bound {upper:g}")
        object.__setattr__(self, "bounds", (lower, upper))
        if self.nominal is not None and not (np.isfinite(self.nominal) and self.nominal > 0):
            raise BoundsError(f"a nominal value is a positive magnitude, not {self.nominal!r}")
        if self.default is not None and not isinstance(self.shape, str):
            size = self.shape
            object.__setattr__(self, "default", self.check(self.default, size, f"the default of a {self.kind}"))

    def check(self, raw: object, size: int | None, what: str) -> Value:
        """Return `raw` in this variable's unit, or raise a specific error.

        Parameters
        ----------
        raw
            Number, text with a unit, quantity, or (for a vector) an array; a scalar fills a vector.
        size
            Length of the vector, None for a scalar.
        what
            Used in messages.

        Raises
        ------
        UnitError, InvalidValueError, ShapeError, BoundsError
            Wrong unit; NaN or not a number; wrong length; outside the bounds.
        """
        array = as_array(raw, self.unit, what)
        if size is None and array.ndim != 0:
            raise ShapeError(f"{what} is a single value, but an array of shape {array.shape} was given")
        if size is not None:
            if array.ndim == 0:
                array = np.full(size, float(array))
            if array.shape != (size,):
                raise ShapeError(f"{what} has shape ({size},), but an array of shape {array.shape} was given")
        low, high = self.bounds
        if np.any(array < low) or np.any(array > high):
            raise BoundsError(
                f"{what} must be within [{low:g}, {high:g}] {self.unit}, but is "
                f"{_worst(array, float(low), float(high)):g}"
            )
        if array.ndim == 0:
            return float(array)
        array.setflags(write=False)
        return array

    @property
    def scale(self) -> float:
        """Magnitude used for scaling: `nominal`, else the default, else the largest bound, else 1."""
        if self.nominal is not None:
            return float(self.nominal)
        for candidate in (self.default, *self.bounds):
            if candidate is not None and not isinstance(candidate, str):
                largest = float(np.max(np.abs(np.asarray(candidate, dtype=np.float64))))
                if np.isfinite(largest) and largest > 0:
                    return largest
        return 1.0

    def altered(self, **changes: Any) -> Self:
        """Return a copy with some fields changed (to re-declare an inherited variable)."""
        if "initial" in changes:  # another name for `default`, which this copy already has
            changes["default"] = changes.pop("initial")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that define the variable (documentation left out), for hashing and JSON."""
        default = self.default
        return {
            "kind": self.kind,
            "unit": str(parse_unit(self.unit)),
            "default": None if default is None else np.asarray(default).tolist(),
            "bounds": [float(b) for b in self.bounds],
            "nominal": self.nominal,
            "shape": self.shape,
        }


def _check_shape(shape: object) -> None:
    if shape is None:
        return
    if isinstance(shape, str):
        factors(shape)
        return
    if not isinstance(shape, int) or isinstance(shape, bool) or shape < 1:
        raise ModelDefinitionError(f"a shape is a positive length or the name of an integer Option, not {shape!r}")


def _worst(array: npt.NDArray[np.float64], low: float, high: float) -> float:
    flat = np.atleast_1d(array)
    return float(flat[np.argmax(np.maximum(low - flat, flat - high))])


@dataclass(frozen=True, eq=False)
class _Started(Variable):
    """A variable with a value at the start."""

    initial: Number | Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.initial is not None:
            if self.default is not None:
                raise InvalidValueError("give either initial= or default=, not both")
            object.__setattr__(self, "default", self.initial)
            object.__setattr__(self, "initial", None)
        super().__post_init__()


@dataclass(frozen=True, eq=False)
class State(_Started):
    """A quantity with a time derivative. `initial` is another name for `default`."""

    kind: ClassVar[str] = "state"


@dataclass(frozen=True, eq=False)
class Algebraic(_Started):
    """A quantity fixed by a residual equation at every instant; `initial` is the first guess."""

    kind: ClassVar[str] = "algebraic"


@dataclass(frozen=True, eq=False)
class Input(Variable):
    """A quantity given from outside, as a function of time. Without a default it must be connected or supplied."""

    kind: ClassVar[str] = "input"


@dataclass(frozen=True, eq=False)
class Parameter(Variable):
    """A quantity that is constant during a run."""

    kind: ClassVar[str] = "parameter"


@dataclass(frozen=True, eq=False)
class Output(Variable):
    """A quantity computed from the others, offered to the outside."""

    kind: ClassVar[str] = "output"


@dataclass(frozen=True, eq=False)
class Mode(Variable):
    """A number that is constant between events and set by them (a phase, a valve position)."""

    kind: ClassVar[str] = "mode"


@runtime_checkable
class PlainOption(Protocol):
    """A value of an `Option` with an inside, such as a set of reactions: immutable, hashable, and JSON-ready.

    Its ``repr`` says all of it, and is part of the identity of the model.
    """

    def to_plain(self) -> Any:
        """Return numbers, texts, lists and dicts that say all of it."""
        ...

    def from_plain(self, document: Any) -> Any:
        """Return the value a document describes; `self` is the declared default, and may supply what JSON cannot."""
        ...


@dataclass(frozen=True, eq=False)
class Option(_Declared):
    """A structural choice fixed when the instance is made: a number of cells, a variant. May be used in `if`.

    Parameters
    ----------
    default
        Value when the instance does not set one (bool, int, str, an Enum member, or a `PlainOption`).
    choices
        Allowed values, where they are few.
    bounds
        Inclusive bounds of an integer option.
    doc
        One line saying what it chooses.
    redeclares
        Choice -> name -> declaration that takes the place of the class's own where that is chosen. A state that becomes
        an output has gone from what is integrated.
    """

    default: Any
    choices: tuple[Any, ...] | None = None
    bounds: tuple[int | None, int | None] = (None, None)
    doc: str = ""
    redeclares: Mapping[Any, Mapping[str, Variable]] = field(default_factory=dict[Any, Mapping[str, Variable]])
    kind: ClassVar[str] = "option"

    def __post_init__(self) -> None:
        self.check(self.default, "the default of an option")
        for choice, declarations in self.redeclares.items():
            self.check(choice, "a choice that redeclares variables")
            object.__setattr__(self, "redeclares", {**self.redeclares, choice: dict(declarations)})

    def check(self, value: Any, what: str) -> Any:
        """Return the value, or raise if it is of another type, outside the bounds or not among the choices."""
        wanted = cast("type[Any]", type(self.default))
        if isinstance(value, np.generic):
            value = cast("Any", value).item()
        if type(value) is not wanted:
            raise InvalidValueError(f"{what} must be of type {wanted.__name__}, not {value!r}")
        if self.choices is not None and value not in self.choices:
            raise InvalidValueError(f"{what} must be one of {', '.join(map(repr, self.choices))}; got {value!r}")
        low, high = self.bounds
        if isinstance(value, int) and ((low is not None and value < low) or (high is not None and value > high)):
            raise BoundsError(f"{what} must be within [{low}, {high}], but is {value}")
        return value

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that define the option, for hashing and JSON."""
        return {"kind": self.kind, "type": type(self.default).__name__, "default": repr(self.default)}
