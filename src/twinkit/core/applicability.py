"""Where a learned term may be believed, and how unsure its value is elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError
from twinkit.core.model import Model
from twinkit.core.uncertainty import ParameterUncertainty

Array = npt.NDArray[np.float64]
_MOST = 3.0  # prior standard deviations: no function drawn before any data is much farther out


class TrainingDomain(Protocol):
    """The inputs a term was trained on."""

    def distance(self, x: Array) -> Array:
        """Return the distance of inputs ``(n, inputs)`` from those seen, ``(n,)``; at most 1 within the domain."""
        ...


@dataclass(frozen=True, eq=False)
class Applicability:
    """Where one learned term may be believed.

    Parameters
    ----------
    domain
        The inputs it was trained on.
    std
        Standard deviation of its (dimensionless) value before anything was learned: how unsure it is far away.
    identity
        Content hash of what it was trained on.

    Raises
    ------
    InvalidValueError
        If the standard deviation is not a positive number.
    """

    domain: TrainingDomain
    std: float
    identity: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.std) and self.std > 0.0):
            raise InvalidValueError(f"the standard deviation of a term is a positive number, not {self.std!r}")

    def doubt(self, distance: Array) -> Array:
        """Return the standard deviation of the term's value beyond its domain, ``(n,)``; 0 within.

        It grows in proportion to the distance, to what it was before any data at twice the ordinary distance, and not
        beyond three times that.
        """
        return self.std * np.clip(distance - 1.0, 0.0, _MOST)


@runtime_checkable
class FittedModel(Protocol):
    """What was fitted to data, and knows where it holds (a fitted hybrid model)."""

    @property
    def model_(self) -> Model:
        """The fitted model."""
        ...

    @property
    def applicability_(self) -> Mapping[str, Applicability]:
        """Learned term, by its full name in the model, -> where it may be believed."""
        ...

    @property
    def posterior_(self) -> ParameterUncertainty:
        """What is not known of its parameters and learned terms."""
        ...


def learned_terms(model: Model) -> dict[str, Model]:
    """Return the learned terms of a model by full name."""
    return {
        f"{prefix}{c.name}": part.submodels[c.name] for prefix, part in model.walk() for c in part.corrections.values()
    }
