"""How a plan came about: a type per kind, never a bare flag. No plan that fails a simulation is ever `Optimal`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlanStatus:
    """How a plan came about.

    Attributes
    ----------
    solver
        What solved it last.
    iterations
        How many iterations that took.
    reason
        Why it is no better than it is ('' for an optimum).
    """

    solver: str = ""
    iterations: int = 0
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether there are moves that may be applied."""
        return True

    @property
    def fresh(self) -> bool:
        """Whether the moves were optimised for this estimate, and a simulation from it kept every hard constraint."""
        return False

    @property
    def text(self) -> str:
        """The status in words."""
        return type(self).__name__


@dataclass(frozen=True)
class Optimal(PlanStatus):
    """A local optimum to tolerance; the simulated plan keeps every hard constraint."""

    @property
    def fresh(self) -> bool:
        """True."""
        return True

    @property
    def text(self) -> str:
        """See `PlanStatus.text`."""
        return f"optimal ({self.solver}, {self.iterations} iterations)"


@dataclass(frozen=True)
class Suboptimal(PlanStatus):
    """Stopped early; the simulated plan keeps every hard constraint, but is not known to be optimal."""

    @property
    def fresh(self) -> bool:
        """True."""
        return True

    @property
    def text(self) -> str:
        """See `PlanStatus.text`."""
        return f"feasible, but not known to be optimal: {self.reason} ({self.solver}, {self.iterations} iterations)"


@dataclass(frozen=True)
class Fallback(PlanStatus):
    """No new plan was found in time: one of the two kinds below takes its place."""


@dataclass(frozen=True)
class PreviousPlan(Fallback):
    """The rest of the previous plan, continued with its last move.

    Attributes
    ----------
    age
        Time since that plan was made, in the model's time unit.
    """

    age: float = 0.0

    @property
    def text(self) -> str:
        """See `PlanStatus.text`."""
        return f"the previous plan continues: {self.reason}"


@dataclass(frozen=True)
class SafeSetpoint(Fallback):
    """The safe moves the user named, held."""

    @property
    def text(self) -> str:
        """See `PlanStatus.text`."""
        return f"the safe setpoint is held: {self.reason}"


@dataclass(frozen=True)
class Failed(PlanStatus):
    """There is no plan: no optimum, no previous plan that still holds, no safe setpoint. It has no moves."""

    @property
    def usable(self) -> bool:
        """False."""
        return False

    @property
    def text(self) -> str:
        """See `PlanStatus.text`."""
        return f"failed: {self.reason}"
