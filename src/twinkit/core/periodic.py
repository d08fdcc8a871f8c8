"""When something that is done again and again is due: reading an instrument, taking a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

_SLACK = 1e-9  # of a period: sums of steps miss a due time by rounding


@dataclass(frozen=True)
class Periodic:
    """Due at `origin`, and again after every `every`.

    Parameters
    ----------
    every
        The period, positive.
    origin
        The first time.

    Examples
    --------
    >>> reading = Periodic(every=0.1)
    >>> reading.count(0.25), reading.next(0.25)
    (3, 0.30000000000000004)
    """

    every: float
    origin: float = 0.0

    def count(self, t: float) -> int:
        """Return how many times it has been due until `t`, `t` included."""
        return max(0, math.floor((t - self.origin) / self.every + _SLACK) + 1)

    def next(self, t: float) -> float:
        """Return the first due time after `t`."""
        return self.origin + self.count(t) * self.every
