"""What happens to a session of advisory control, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from twinkit.control.gate import PlantCondition
from twinkit.control.recommendation import Recommendation


class ControlMode(Enum):
    """Who decides whether a move is applied."""

    OPEN_LOOP = "open_loop"
    ADVISORY = "advisory"
    CLOSED_LOOP = "closed_loop"


# -- what happens ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Proposed:
    """A controller recommends moves; `condition` is what is known of the plant then."""

    at: float
    advice: Recommendation
    condition: PlantCondition | None = None


@dataclass(frozen=True)
class Decided:
    """A person accepts or rejects the recommendation with a content hash."""

    at: float
    identity: str
    accepted: bool
    by: str
    reason: str


@dataclass(frozen=True)
class Switched:
    """A person asks for another mode."""

    at: float
    to: ControlMode
    by: str
    reason: str
    condition: PlantCondition | None = None


@dataclass(frozen=True)
class Looked:
    """Time has passed; `condition` is what is known of the plant now."""

    at: float
    condition: PlantCondition | None = None


@dataclass(frozen=True)
class WriteFailed:
    """The plant did not take the values."""

    at: float
    reason: str
    before: Mapping[str, float]


Happening = Proposed | Decided | Switched | Looked | WriteFailed


# -- what is said ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Answer:
    """What became of it.

    Attributes
    ----------
    reasons
        Why, in words.
    """

    reasons: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer in words."""
        said = type(self).__name__.lower()
        return said + (f": {'; '.join(self.reasons)}" if self.reasons else "")


@dataclass(frozen=True)
class Applied(Answer):
    """The values are applied.

    Attributes
    ----------
    setpoints
        Manipulated input -> value, in the units of the session.
    """

    setpoints: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Logged(Answer):
    """The recommendation is recorded, and nothing else happens (open loop)."""


@dataclass(frozen=True)
class Waiting(Answer):
    """The recommendation waits for a person."""


@dataclass(frozen=True)
class Rejected(Answer):
    """A person has rejected the recommendation."""


@dataclass(frozen=True)
class Done(Answer):
    """The mode is the one asked for, or nothing had to be done."""


@dataclass(frozen=True)
class Refused(Answer):
    """It is not allowed; nothing has changed, unless the reasons say so."""
