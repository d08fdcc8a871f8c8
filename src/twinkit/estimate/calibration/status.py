"""How a calibration ended, and what every start found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt


class CalibrationStatus(Enum):
    """How the search ended."""

    CONVERGED = "converged"
    AT_BOUND = "converged at a bound"
    NOT_CONVERGED = "stopped before it converged"
    FAILED = "failed"

    @property
    def usable(self) -> bool:
        """Whether the estimates are a minimum."""
        return self in {CalibrationStatus.CONVERGED, CalibrationStatus.AT_BOUND}


@dataclass(frozen=True)
class Start:
    """What the search found from one start.

    Attributes
    ----------
    begin, end
        The vector searched for, before and after.
    cost
        Negative log posterior at the end, up to a constant; infinite if it failed.
    status
        How it ended.
    evaluations
        Evaluations of the model over all batches.
    message
        In words.
    """

    begin: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    cost: float
    status: CalibrationStatus
    evaluations: int
    message: str
