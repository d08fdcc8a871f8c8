"""How an optimisation ended: a type per kind of ending, never a bare flag."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """How an optimisation ended.

    Attributes
    ----------
    solver
        What solved it last.
    iterations
        How many iterations that took.
    """

    solver: str = ""
    iterations: int = 0

    @property
    def usable(self) -> bool:
        """Whether the result is finite and satisfies the model and all constraints."""
        return False

    @property
    def text(self) -> str:
        """The ending in words, with what to do about it."""
        return type(self).__name__


@dataclass(frozen=True)
class Converged(Status):
    """A local optimum was found, to tolerance."""

    @property
    def usable(self) -> bool:
        """True."""
        return True

    @property
    def text(self) -> str:
        """See `Status.text`."""
        return f"converged in {self.iterations} iterations ({self.solver})"


@dataclass(frozen=True)
class MaxIterations(Status):
    """Stopped early at a point that satisfies the model and all constraints, but is not known to be optimal.

    Attributes
    ----------
    reason
        What stopped it.
    """

    reason: str = "the limit of iterations"

    @property
    def usable(self) -> bool:
        """True."""
        return True

    @property
    def text(self) -> str:
        """See `Status.text`."""
        return f"feasible, but stopped by {self.reason} after {self.iterations} iterations ({self.solver})"


@dataclass(frozen=True)
class Failed(Status):
    """No usable point was found.

    Attributes
    ----------
    reason
        Why, in words.
    stuck
        Whether no step lowered the merit: what is integrated may be integrated too coarsely.
    """

    reason: str = "unknown"
    stuck: bool = False

    @property
    def text(self) -> str:
        """See `Status.text`."""
        return f"failed: {self.reason}"
