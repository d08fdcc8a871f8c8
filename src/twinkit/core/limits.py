"""The kinds of limit a design space is made of: a range, a linear combination, a function of several values."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.formula import Formula
from twinkit.core.maths import Maths
from twinkit.core.units import affine, as_number, parse_unit, unit_label


@dataclass(frozen=True, kw_only=True)
class Limit(ABC):
    """A lower and an upper limit of one number, over the whole process or a phase of it.

    Parameters
    ----------
    low, high
        Limits: a number in the unit of the limit, or a text with a unit; None: none.
    start, end
        The phase in which it holds, ``start <= t < end``: a number in the time unit of the design space, or a text
        with a unit; None: open. With both None it always holds.
    """

    low: Any = None
    high: Any = None
    start: Any = None
    end: Any = None

    @property
    @abstractmethod
    def label(self) -> str:
        """What is limited, as messages and margins name it."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The variables it depends on."""

    @abstractmethod
    def unit_in(self, variables: Mapping[str, str]) -> str:
        """Return the unit of `low` and `high`, given the units of the variables."""

    @abstractmethod
    def evaluate(self, values: Mapping[str, Any], m: Maths) -> Any:
        """Return the limited number from values (or symbols) in the units of the design space."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what is particular to this kind, as JSON-ready data."""

    @property
    def phased(self) -> bool:
        """Whether it holds in a phase only."""
        return self.start is not None or self.end is not None

    def active(self, at: float | None) -> bool:
        """Whether it holds at a time (a number in the time unit of the design space)."""
        if not self.phased:
            return True
        if at is None:
            raise InvalidValueError(f"the limit of {self.label} holds in a phase only: say when, with at=")
        return (self.start is None or at >= self.start) and (self.end is None or at < self.end)

    def resolved(self, variables: Mapping[str, str], time_unit: str) -> Self:
        """Return it with all numbers in the units of a design space.

        Raises
        ------
        UnknownNameError
            If it depends on a variable the space does not have.
        UnitError, InvalidValueError
            If a limit is no number of the right unit, there is none, or none lies between them.
        """
        for name in self.names:
            if name not in variables:
                raise unknown_name("variable", name, variables, "the design space")
        unit, what = self.unit_in(variables), f"a limit of {self.label}"
        low, high = (None if side is None else as_number(side, unit, what) for side in (self.low, self.high))
        start, end = (
            None if side is None else as_number(side, time_unit, f"the phase of {self.label}")
            for side in (self.start, self.end)
        )
        if low is None and high is None:
            raise InvalidValueError(f"{self.label} has neither low nor high: it limits nothing")
        if low is not None and high is not None and not low <= high:
            raise InvalidValueError(f"no value of {self.label} is both at least {low:g} and at most {high:g}")
        if start is not None and end is not None and not start < end:
            raise InvalidValueError(f"the phase of {self.label} ends at {end:g}, not after its start {start:g}")
        return replace(self, low=low, high=high, start=start, end=end)

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper limit as numbers, infinite where there is none."""
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high

    def text(self, unit: str) -> str:
        """The limit in words."""
        shown = f" {unit_label(unit)}" if unit_label(unit) else ""
        sides = [f"{word} {side:.6g}{shown}" for word, side in (("≥", self.low), ("≤", self.high)) if side is not None]
        when = "" if not self.phased else f" during [{_open(self.start, '-∞')}, {_open(self.end, '∞')})"
        return f"{self.label} {' and '.join(sides)}{when}"


def _open(side: float | None, otherwise: str) -> str:
    return otherwise if side is None else f"{side:g}"


@dataclass(frozen=True, kw_only=True)
class Range(Limit):
    """Limits of one variable.

    Parameters
    ----------
    variable
        Its name.
    low, high, start, end
        See `Limit`.
    """

    variable: str

    @property
    def label(self) -> str:
        """The variable."""
        return self.variable

    @property
    def names(self) -> tuple[str, ...]:
        """The variable."""
        return (self.variable,)

    def unit_in(self, variables: Mapping[str, str]) -> str:
        """Return the variable's unit."""
        return variables[self.variable]

    def evaluate(self, values: Mapping[str, Any], m: Maths) -> Any:
        """Return the variable's value."""
        del m
        return values[self.variable]

    def describe(self) -> dict[str, Any]:
        """Return kind and variable."""
        return {"kind": "range", "variable": self.variable}

    def in_units(self, old: Mapping[str, str], new: Mapping[str, str]) -> Range:
        """Return the same range in another unit of its variable."""
        scale, offset = affine(old[self.variable], new[self.variable])
        low, high = (None if side is None else side * scale + offset for side in (self.low, self.high))
        return replace(self, low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Combination(Limit):
    """Limits of a weighted sum of variables.

    Parameters
    ----------
    title
        What the sum is, in a word or two.
    weights
        Variable -> weight; the products of weights and variables are in `unit`.
    unit
        Unit of the sum.
    low, high, start, end
        See `Limit`.
    """

    title: str
    weights: Mapping[str, float]
    unit: str = ""

    def __post_init__(self) -> None:
        _need_title(self.title)
        if not isinstance(self.weights, Mapping) or not self.weights:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValueError(f"{self.title} needs weights: variable -> number")
        given = {name: as_number(w, "", f"the weight of {name}") for name, w in self.weights.items()}
        object.__setattr__(self, "weights", given)
        parse_unit(self.unit)

    @property
    def label(self) -> str:
        """Its title."""
        return self.title

    @property
    def names(self) -> tuple[str, ...]:
        """The variables with a weight."""
        return tuple(self.weights)

    def unit_in(self, variables: Mapping[str, str]) -> str:
        """Return the unit of the sum."""
        del variables
        return self.unit

    def evaluate(self, values: Mapping[str, Any], m: Maths) -> Any:
        """Return the sum."""
        del m
        first, *rest = (weight * values[name] for name, weight in self.weights.items())
        for term in rest:
            first = first + term
        return first

    def describe(self) -> dict[str, Any]:
        """Return kind, title, weights and unit."""
        return {"kind": "combination", "title": self.title, "weights": dict(self.weights), "unit": self.unit}


@dataclass(frozen=True, kw_only=True)
class Response(Limit):
    """Limits of a function of several variables, such as a quality attribute fitted to a designed experiment.

    Parameters
    ----------
    title
        What the function gives.
    function
        ``function(v, m)``, written as the equations of a model are (it is recorded once, see `Formula`), or a
        `Formula`. Numbers are in the units of the design space.
    over
        The variables it may use; None with a `Formula`.
    unit
        Unit of its value.
    low, high, start, end
        See `Limit`.

    Examples
    --------
    >>> yields = Response(title="yield", over=("T", "pH"), low=0.9,
    ...                   function=lambda v, m: 1 - 0.002 * (v.T - 37) ** 2 - 0.5 * (v.pH - 7) ** 2)
    >>> yields.names
    ('T', 'pH')
    """

    title: str
    function: Formula | Callable[[Any, Maths], Any] = field(repr=False)
    over: Sequence[str] | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        _need_title(self.title)
        parse_unit(self.unit)
        if not isinstance(self.function, Formula):
            if not callable(self.function) or self.over is None or isinstance(self.over, str):
                raise InvalidValueError(f"{self.title} needs function=, and with over= the names it may use")
            object.__setattr__(self, "function", Formula.of(self.function, tuple(self.over)))
        object.__setattr__(self, "over", self.formula.names)

    @classmethod
    def polynomial(cls, title: str, terms: Mapping[tuple[str, ...], float], **settings: Any) -> Response:
        """Return a polynomial given as data.

        Parameters
        ----------
        title
            What it gives.
        terms
            The factors of each term -> its coefficient: ``{(): 1.0, ("T",): 0.2, ("T", "pH"): -0.1}`` is
            ``1 + 0.2 T - 0.1 T pH``.
        **settings
            `unit`, `low`, `high`, `start`, `end`.

        Raises
        ------
        InvalidValueError
            If there is no term with a variable, or a coefficient is not finite.
        """
        if not isinstance(terms, Mapping) or not all(isinstance(factors, tuple) for factors in terms):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValueError(f"the terms of {title!r} are (variable, ...) -> coefficient: {{('T', 'T'): 0.1}}")
        names = tuple(dict.fromkeys(name for factors in terms for name in factors))
        if not names:
            raise InvalidValueError(f"the polynomial {title!r} has no variable")
        numbers = {factors: as_number(c, "", f"a coefficient of {title}") for factors, c in terms.items()}

        def value(v: Any, m: Maths) -> Any:
            del m
            total: Any = 0.0
            for factors, coefficient in numbers.items():
                term: Any = coefficient
                for name in factors:
                    term = term * v[name]
                total = total + term
            return total

        return cls(title=title, function=value, over=names, **settings)

    @property
    def formula(self) -> Formula:
        """What was recorded."""
        return cast("Formula", self.function)

    @property
    def label(self) -> str:
        """Its title."""
        return self.title

    @property
    def names(self) -> tuple[str, ...]:
        """The variables it uses."""
        return self.formula.names

    def unit_in(self, variables: Mapping[str, str]) -> str:
        """Return the unit of its value."""
        del variables
        return self.unit

    def evaluate(self, values: Mapping[str, Any], m: Maths) -> Any:
        """Return its value."""
        return self.formula(values, m)

    def describe(self) -> dict[str, Any]:
        """Return kind, title, formula and unit."""
        return {"kind": "response", "title": self.title, "formula": self.formula.to_plain(), "unit": self.unit}


def _need_title(title: object) -> None:
    if not isinstance(title, str) or not title.strip():
        raise InvalidValueError(f"a limit of several variables needs a title, not {title!r}")
