"""What must hold along a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twinkit.core import InvalidValueError


@dataclass(frozen=True)
class Within:
    """Limits of a quantity along the plan. ``(low, high)`` alone means the same, as a hard constraint.

    Parameters
    ----------
    low, high
        Number in the quantity's unit, text with a unit, None (open), `tk.steps`, `tk.ramps`, or a function of time.
    penalty
        Makes the limits soft: the price of exceeding them by one nominal magnitude at one node, in units of the
        objective (exact: a price above what the limit is worth keeps it wherever it can be kept). None: hard, a plan
        that violates it is no plan.
    confidence
        Probability with which each limit is to hold at each node, given the uncertainty of the estimate; None: that of
        the controller.
    at_end
        Whether the limits hold at the end of the plan only: at the end of the batch, where the horizon reaches it.
    """

    low: Any = None
    high: Any = None
    penalty: float | None = None
    confidence: float | None = None
    at_end: bool = False

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise InvalidValueError("Within needs a limit: low, high, or both")
        if self.penalty is not None and not (math.isfinite(self.penalty) and self.penalty > 0.0):
            raise InvalidValueError(f"the penalty of a soft limit is a positive number, not {self.penalty!r}")
        check_confidence(self.confidence)


def check_confidence(confidence: float | None) -> None:
    """Raise unless a confidence is None or at least one half and below one."""
    if confidence is not None and not 0.5 <= confidence < 1.0:
        raise InvalidValueError(f"a confidence is at least 0.5 and less than 1, not {confidence!r}")


def limits(name: str, raw: Any) -> Within:
    """Return an entry of ``within={...}`` as `Within`."""
    if isinstance(raw, Within):
        return raw
    if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) != 2:
        raise InvalidValueError(f"within={{{name!r}: ...}} takes (low, high) or Within(...), not {raw!r}")
    return Within(*raw)
