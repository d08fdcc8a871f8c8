"""What is known of a quantity before the data: a normal or log-normal distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from twinkit.core import InvalidValueError
from twinkit.core.units import as_number
from twinkit.estimate.calibration.free import Column, Space, labelled
from twinkit.estimate.uncertain import spread_unit


@dataclass(frozen=True)
class Normal:
    """The quantity is normally distributed.

    Parameters
    ----------
    mean, std
        Numbers in the quantity's unit, or texts with a unit.
    """

    mean: Any
    std: Any


@dataclass(frozen=True)
class LogNormal:
    """The logarithm of the quantity is normally distributed.

    The posterior is maximised over the logarithm, so that the prior alone gives back its median.

    Parameters
    ----------
    median
        A positive number in the quantity's unit, or a text with a unit.
    sigma
        Standard deviation of the natural logarithm: about the relative standard deviation while small.
    """

    median: Any
    sigma: float


Prior: TypeAlias = Normal | LogNormal


@dataclass(frozen=True)
class PriorTerm:
    """A prior in numbers: residual ``(f(value) - centre) / width``, `f` the logarithm or nothing."""

    column: int
    centre: float
    width: float
    log: bool

    def residual(self, value: float) -> tuple[float, float]:
        """Return the residual and its derivative in the value."""
        if self.log:
            if value <= 0:
                return math.inf, 0.0
            return (math.log(value) - self.centre) / self.width, 1.0 / (value * self.width)
        return (value - self.centre) / self.width, 1.0 / self.width


def prior_terms(priors: Mapping[str, Any] | None, space: Space, time_unit: str) -> tuple[PriorTerm, ...]:
    """Check priors and put them into numbers; a prior of a quantity per batch holds for each batch's."""
    if priors is not None and not isinstance(priors, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(f"priors is a mapping of labels to Normal or LogNormal, not {priors!r}")
    given = dict(priors or {})
    labelled(given, space, "priors")
    terms: list[PriorTerm] = []
    for j, column in enumerate(space.columns):
        if column.label in given:
            terms.append(_term(given[column.label], j, column, time_unit))
    return tuple(terms)


def _term(prior: Any, j: int, column: Column, time_unit: str) -> PriorTerm:
    what = f"of the prior of {column.label!r}"
    if isinstance(prior, Normal):
        centre = as_number(prior.mean, column.unit, f"the mean {what}")
        width = as_number(prior.std, spread_unit(column.unit, time_unit), f"the standard deviation {what}")
        log = False
    elif isinstance(prior, LogNormal):
        median = as_number(prior.median, column.unit, f"the median {what}")
        if median <= 0:
            raise InvalidValueError(f"the median {what} must be positive, not {median:g}")
        centre, width, log = math.log(median), as_number(prior.sigma, "", f"sigma {what}"), True
    else:
        raise InvalidValueError(f"a prior is Normal(mean, std) or LogNormal(median, sigma), not {prior!r}")
    if width <= 0:
        raise InvalidValueError(f"the standard deviation {what} must be positive, not {width:g}")
    return PriorTerm(j, centre, width, log)
