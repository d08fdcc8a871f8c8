"""What a calibration says of one quantity, and of one tag of one batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimated:
    """One quantity that was found.

    Attributes
    ----------
    label, value, unit
        ``mu_max``, ``X(0)``, ``X(0) [B1]`` for one batch's; its value and unit.
    std
        Standard error; infinite where the data do not determine the quantity.
    interval
        Confidence interval, within the declared bounds.
    at_bound
        Whether the estimate lies at a bound: its interval is then one-sided at best.
    """

    label: str
    value: float
    unit: str
    std: float
    interval: tuple[float, float]
    at_bound: bool

    @property
    def determined(self) -> bool:
        """Whether the data determine it."""
        return math.isfinite(self.std)


@dataclass(frozen=True, eq=False)
class Fit:
    """One tag of one batch against the fitted model; arrays ``(n,)``, in `unit`.

    Attributes
    ----------
    time
        In the model's time unit.
    measured, model, std
        Measured value, model value, standard deviation of the measurement.
    unit
        Of all three.
    """

    time: Array
    measured: Array
    model: Array
    std: Array
    unit: str

    @property
    def residuals(self) -> Array:
        """Measured minus model."""
        return self.measured - self.model

    @property
    def standardised(self) -> Array:
        """Residuals in standard deviations."""
        return self.residuals / self.std
