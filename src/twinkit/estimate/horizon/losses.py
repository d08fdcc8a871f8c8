"""What a residual costs: squares, or less than squares for what is far away."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from twinkit.core import InvalidValueError
from twinkit.core.component import Array


class Loss(ABC):
    """Cost of a residual that is given in standard deviations."""

    @property
    @abstractmethod
    def limit(self) -> float:
        """Residual from which the cost grows linearly; infinite: it never does."""


@dataclass(frozen=True)
class Squared(Loss):
    """Half the square: the maximum-likelihood cost of normal noise."""

    @property
    def limit(self) -> float:
        """Infinite."""
        return math.inf


@dataclass(frozen=True)
class Huber(Loss):
    """Half the square up to some standard deviations, linear beyond: an outlier pulls, but not without limit [1]_.

    Parameters
    ----------
    deviations
        Where the cost turns linear. 1.345 keeps 95 % of the efficiency under normal noise.

    References
    ----------
    .. [1] P. J. Huber, Robust estimation of a location parameter, Ann. Math. Statist. 35 (1964) 73-101.
       doi:10.1214/aoms/1177703732
    """

    deviations: float = 1.345

    def __post_init__(self) -> None:
        if not self.deviations > 0:
            raise InvalidValueError(f"Huber(deviations) must be positive, not {self.deviations!r}")

    @property
    def limit(self) -> float:
        """`deviations`."""
        return self.deviations


def weights(residuals: Array, limits: Array) -> Array:
    """Return by how much each squared residual counts, so that its square touches the loss from above."""
    size = np.abs(residuals)
    return np.where(size > limits, limits / np.maximum(size, 1e-300), 1.0)


def costs(residuals: Array, limits: Array) -> Array:
    """Return the losses."""
    size = np.abs(residuals)
    far = np.where(np.isfinite(limits), limits, 0.0)
    return np.where(size > limits, far * (size - 0.5 * far), 0.5 * residuals**2)
