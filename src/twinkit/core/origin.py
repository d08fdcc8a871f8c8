"""Where a number comes from, and how well that is established."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from twinkit.core.errors import InvalidValueError


class Established(Enum):
    """How well a cited value is established."""

    VERIFIED = "verified"
    """The value was seen at its source, or reproduced by running what uses it."""
    RECALLED = "recalled"
    """Recalled from the literature and not looked up: check it before calling it published."""
    ILLUSTRATIVE = "illustrative"
    """Of a sensible magnitude, and no more."""


@dataclass(frozen=True)
class Origin:
    """Where one value of a parameter set comes from.

    Parameters
    ----------
    source
        Publication with DOI and table, or what the value rests on.
    established
        How well.
    interval
        Range ``(low, high)`` the source gives, in the unit of the value.

    Raises
    ------
    InvalidValueError
        If there is no source, or the range is not one.

    Examples
    --------
    >>> print(Origin("doi:10.3390/bioengineering5010025, Table 2", Established.VERIFIED))
    doi:10.3390/bioengineering5010025, Table 2 [verified]
    """

    source: str
    established: Established
    interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise InvalidValueError("a cited value needs a source: a DOI with table, or what it rests on")
        if self.interval is not None and not self.interval[0] < self.interval[1]:
            raise InvalidValueError(f"a range goes from a lower to a higher value, not {self.interval}")

    def __str__(self) -> str:
        return f"{self.source} [{self.established.value}]"

    def as_dict(self) -> dict[str, object]:
        """Return the fields for hashing and JSON."""
        return {"source": self.source, "established": self.established.value, "interval": self.interval}
