"""What a controller is to achieve: quantities at the end, integrated, summed over the nodes, or near a reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from twinkit.core import InvalidValueError


class Kind(Enum):
    """How a quantity over time becomes one number."""

    FINAL = "final"
    INTEGRAL = "integral"
    SUMMED = "summed"
    DURATION = "duration"


@dataclass(frozen=True)
class Term:
    """One quantity in an objective; the duration has no name."""

    kind: Kind
    name: str
    weight: float = 1.0

    @property
    def text(self) -> str:
        """In words."""
        said = {
            Kind.FINAL: "{} at the end", Kind.INTEGRAL: "the integral of {}", Kind.SUMMED: "the sum of {}",
            Kind.DURATION: "the duration",
        }  # fmt: skip
        factor = "" if self.weight == 1.0 else f"{self.weight:g} x "
        return factor + said[self.kind].format(self.name)


@dataclass(frozen=True)
class Objective:
    """A weighted sum of quantities; objectives add, subtract and take factors.

    Examples
    --------
    >>> (final("titer") - 0.1 * integral("F")).text
    'titer at the end + -0.1 x the integral of F'
    """

    terms: tuple[Term, ...]

    def __add__(self, other: object) -> Objective:
        return Objective((*self.terms, *other.terms)) if isinstance(other, Objective) else NotImplemented

    def __sub__(self, other: object) -> Objective:
        return self + (-1.0) * other if isinstance(other, Objective) else NotImplemented

    def __mul__(self, factor: float) -> Objective:
        if not math.isfinite(factor):
            raise InvalidValueError(f"the factor of an objective must be a finite number, not {factor!r}")
        return Objective(tuple(replace(term, weight=factor * term.weight) for term in self.terms))

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        return (-1.0) * self

    @property
    def text(self) -> str:
        """In words."""
        return " + ".join(term.text for term in self.terms)


def _of(kind: Kind, name: str) -> Objective:
    if not isinstance(name, str):
        raise InvalidValueError(f"an objective takes the name of an output, state or input, not {name!r}")
    return Objective((Term(kind, name),))


def final(name: str) -> Objective:
    """Return the value of a quantity at the end of the horizon.

    Parameters
    ----------
    name
        An output, state, algebraic variable or input of the model (``"c[3]"``: one element).
    """
    return _of(Kind.FINAL, name)


def integral(name: str) -> Objective:
    """Return the integral of a quantity over the horizon, in its unit times the model's time unit; see `final`."""
    return _of(Kind.INTEGRAL, name)


def summed(name: str) -> Objective:
    """Return the sum of a quantity over the ends of all steps of the horizon; see `final`."""
    return _of(Kind.SUMMED, name)


def duration() -> Objective:
    """Return how long the plan takes to its end, in the model's time unit: for a free end, ``until=(first, last)``.

    Examples
    --------
    >>> (final("titer") - 0.2 * duration()).text
    'titer at the end + -0.2 x the duration'
    """
    return Objective((Term(Kind.DURATION, ""),))


@dataclass(frozen=True)
class Track:
    """A reference that a quantity is to follow.

    The cost is ``weight * ((y - reference) / scale)**2``, summed over the ends of all steps, where `scale` is the
    nominal magnitude of the quantity.

    Parameters
    ----------
    reference
        Number in the quantity's unit, text with a unit, `tk.steps`, `tk.ramps`, or a function of time.
    weight
        Of the squares.
    final_weight
        Weight at the last node; None: `weight`.
    scale
        Magnitude the error is counted in; None: the nominal magnitude of the quantity.
    """

    reference: Any
    weight: float = 1.0
    final_weight: float | None = None
    scale: Any = None

    def __post_init__(self) -> None:
        for weight in (self.weight, self.weight if self.final_weight is None else self.final_weight):
            if not (math.isfinite(weight) and weight >= 0.0):
                raise InvalidValueError(f"a tracking weight is a number of 0 or more, not {weight!r}")
