"""What a controller may do with a manipulated input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twinkit.core import InvalidValueError


@dataclass(frozen=True)
class Move:
    """A manipulated input, held between the steps (zero-order hold, as in the simulator).

    Parameters
    ----------
    max_rate
        Largest change per time, up and down: a number in the input's unit per the model's time unit, or a text. A
        change at a step may be that rate times the time since the step before.
    penalty
        Cost of changing by one nominal magnitude, squared: ``penalty * (change / scale)**2`` at each step.
    blocking
        How many steps each value is held: ``[1, 1, 2, 4]`` (the last number repeats), or one number for all. None: a
        new value at each step.
    bounds
        ``(low, high)``, within the declared bounds: numbers, texts, None, `tk.steps`, `tk.ramps` or functions of time.
    safe
        Value to hold when there is no plan to follow (see `MPC`); None: there is none.
    scale
        Magnitude changes are counted in; None: the nominal magnitude of the input.
    first
        Profile that a plan starts from where there is no previous plan, such as a feed that is trusted: number, text,
        `tk.steps`, `tk.ramps` or a function of time. Outside the bounds it is cut off. None: the value in force is
        held.
    """

    max_rate: Any = None
    penalty: float = 0.0
    blocking: int | Sequence[int] | None = None
    bounds: tuple[Any, Any] = (None, None)
    safe: Any = None
    scale: Any = None
    first: Any = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.penalty) and self.penalty >= 0.0):
            raise InvalidValueError(f"the penalty of a move is a number of 0 or more, not {self.penalty!r}")
        if not isinstance(self.bounds, tuple) or len(self.bounds) != 2:
            raise InvalidValueError(f"the bounds of a move are (low, high), not {self.bounds!r}")
        if any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in self.blocks):
            raise InvalidValueError(f"blocking takes numbers of steps of 1 or more, not {self.blocking!r}")

    @property
    def blocks(self) -> tuple[int, ...]:
        """Lengths of the blocks, in steps; the last one repeats."""
        if self.blocking is None:
            return (1,)
        return (self.blocking,) if isinstance(self.blocking, int) else tuple(self.blocking)

    def free(self, count: int) -> list[bool]:
        """Return for each of so many steps whether the move may change there."""
        found: list[bool] = []
        blocks = self.blocks or (1,)
        while len(found) < count:
            length = blocks[min(sum(found), len(blocks) - 1)]
            found += [True] + [False] * (length - 1)
        return found[:count]
