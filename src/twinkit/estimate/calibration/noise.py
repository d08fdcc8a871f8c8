"""How measurements scatter: standard deviations that are known, or found along with the parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from twinkit.core import InvalidValueError
from twinkit.core.errors import unknown_name
from twinkit.core.units import as_number
from twinkit.estimate.uncertain import spread_unit


@dataclass(frozen=True)
class Noise:
    """Measurement noise that is known: variance ``std**2 + (relative * model value)**2``.

    Parameters
    ----------
    std
        Constant part: a number in the quantity's unit, or a text with a unit.
    relative
        Proportional part: a fraction of the model's value.
    """

    std: Any = 0.0
    relative: float = 0.0


@dataclass(frozen=True)
class EstimatedNoise:
    """Measurement noise that is found by maximum likelihood, along with the parameters.

    Parameters
    ----------
    std
        Where the constant part starts; None: a tenth of the spread of the data.
    relative
        Where the proportional part starts; None: there is none.
    """

    std: Any = None
    relative: float | None = None


@dataclass(frozen=True)
class Huber:
    """Robust loss: a residual beyond `threshold` standard deviations counts linearly, not squared.

    Huber (1964), doi:10.1214/aoms/1177703732; 1.345 keeps 95 % efficiency for normal noise.
    """

    threshold: float = 1.345

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            raise InvalidValueError(f"the threshold of Huber must be positive, not {self.threshold!r}")


AnyNoise: TypeAlias = Noise | EstimatedNoise


@dataclass(frozen=True)
class NoiseTerm:
    """The noise of one tag in numbers.

    Attributes
    ----------
    tag, unit
        Of the measurements, in the model's unit.
    std, relative
        Values, or where the search starts. NaN for `std`: every measurement has its own.
    find_std, find_relative
        Whether they are searched for.
    """

    tag: str
    unit: str
    std: float
    relative: float
    find_std: bool
    find_relative: bool

    @property
    def constant(self) -> bool:
        """Whether the standard deviation depends on nothing that is searched for."""
        return not (self.find_std or self.find_relative or self.relative > 0)


def check_noise(noise: Mapping[str, Any], tags: Sequence[str]) -> Mapping[str, AnyNoise]:
    """Refuse noise of unknown tags and of other kinds."""
    for tag, value in noise.items():
        if tag not in tags:
            raise unknown_name("measured tag for noise", tag, tags, "the data")
        if not isinstance(value, (Noise, EstimatedNoise)):
            raise InvalidValueError(
                f"noise of {tag!r} is Noise(std=..., relative=...) or EstimatedNoise(), not {value!r}"
            )
    return noise


def noise_term(
    tag: str, given: AnyNoise | None, own: Sequence[float | None], spread: float, unit: str, time_unit: str
) -> NoiseTerm:
    """Return the noise of a tag.

    Parameters
    ----------
    tag
        The tag.
    given
        What the user said of it; None: nothing.
    own
        Standard deviations the measurements carry.
    spread
        Standard deviation of the data, where a search starts from.
    unit, time_unit
        Of the quantity, and of the model.
    """
    deviation = spread_unit(unit, time_unit)
    what = f"the noise of {tag!r}"
    if given is None:
        missing = sum(std is None for std in own)
        if 0 < missing < len(own):
            raise InvalidValueError(
                f"{missing} of {len(own)} measurements of {tag!r} have no standard deviation and the others have: say "
                f"noise={{{tag!r}: Noise(...)}} or EstimatedNoise() for all of them"
            )
        if missing == 0:
            return NoiseTerm(tag, unit, math.nan, 0.0, find_std=False, find_relative=False)
        given = EstimatedNoise()
    std = 0.1 * spread if given.std is None else as_number(given.std, deviation, what)
    relative = 0.0 if given.relative is None else as_number(given.relative, "", f"the relative part of {what}")
    if std < 0 or relative < 0:
        raise InvalidValueError(f"{what} must not be negative")
    if isinstance(given, EstimatedNoise):
        if std == 0 or given.relative == 0:
            raise InvalidValueError(f"{what} is searched for on a logarithmic scale, so it cannot start at zero")
        return NoiseTerm(tag, unit, std, relative, find_std=True, find_relative=given.relative is not None)
    if std == 0 and relative == 0:
        raise InvalidValueError(f"{what} must be positive: no measurement is exact")
    return NoiseTerm(tag, unit, std, relative, find_std=False, find_relative=False)
