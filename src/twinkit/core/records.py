"""What passes between rooms: a measurement, a prediction, and a decision worth recording."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError
from twinkit.core.units import parse_unit


class Quality(Enum):
    """Whether a measured value may be used (the three classes of OPC UA status codes)."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"

    @property
    def code(self) -> int:
        """As a number at a port: 0 good, 1 uncertain, 2 bad."""
        return list(Quality).index(self)

    @classmethod
    def of_code(cls, code: float) -> Quality:
        """Return the quality a number at a port stands for.

        Raises
        ------
        InvalidValueError
            If it is not 0, 1 or 2.
        """
        if code not in (0, 1, 2):
            raise InvalidValueError(f"a quality is 0 good, 1 uncertain or 2 bad, not {code!r}")
        return list(cls)[int(code)]


@dataclass(frozen=True)
class Measurement:
    """One reading from the plant.

    Parameters
    ----------
    tag
        What was measured; for an estimator, the name of a model output or state.
    value
        A number or a read-only array; NaN only together with `Quality.BAD`.
    unit
        Unit of `value` and `std`.
    source_time
        When the plant had this value, in the consumer's time unit.
    received_time
        When it arrived; None: at once. A late or out-of-order arrival is ordinary input.
    quality
        Whether the value may be used.
    std
        Standard deviation, where the instrument knows it.
    note
        Why the quality is what it is.

    Raises
    ------
    InvalidValueError
        If a value that is not marked bad is NaN or infinite, the standard deviation is not positive, or something is
        not a number that has to be one.
    """

    tag: str
    value: Any
    unit: str
    source_time: float
    received_time: float | None = None
    quality: Quality = Quality.GOOD
    std: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        parse_unit(self.unit)
        try:
            usable = bool(np.all(np.isfinite(np.asarray(self.value, dtype=np.float64))))
            times = [math.isfinite(time) for time in (self.source_time, self.received_time) if time is not None]
        except (TypeError, ValueError):
            raise InvalidValueError(
                f"a measurement of {self.tag} needs numbers, the times in the consumer's time unit; not value="
                f"{self.value!r}, source_time={self.source_time!r}, received_time={self.received_time!r}"
            ) from None
        if not times[0]:
            raise InvalidValueError(f"{self.tag} has no finite source time")
        if not all(times):
            raise InvalidValueError(f"{self.tag} at {self.source_time:g} has no finite received time")
        if not usable and self.quality is not Quality.BAD:
            raise InvalidValueError(f"{self.tag} at {self.source_time:g} is not finite; mark it Quality.BAD")
        if self.std is not None and not (math.isfinite(self.std) and self.std > 0):
            raise InvalidValueError(f"the standard deviation of {self.tag} must be positive, not {self.std!r}")


@dataclass(frozen=True)
class Prediction:
    """A predicted quality attribute; never a bare number.

    Attributes
    ----------
    mean, std, unit
        Central value and standard deviation.
    interval
        Interval ``(low, high)`` at `coverage`.
    coverage
        Nominal coverage of the interval.
    deviation
        True when what was observed disagrees with what was predicted by more than chance allows.
    in_domain
        False when the inputs are outside what the maker was trained on, or the interval is wider than its limit.
    made_by
        Content hash of what made it.
    """

    mean: float
    std: float
    unit: str
    interval: tuple[float, float]
    coverage: float = 0.95
    deviation: bool = False
    in_domain: bool = True
    made_by: str = ""

    @property
    def defers(self) -> bool:
        """Whether the answer is "defer to the laboratory": out of the domain, or what was observed deviates."""
        return self.deviation or not self.in_domain


@runtime_checkable
class StateEstimate(Protocol):
    """Where a process is, as an estimator says and a controller needs it: a normal distribution by name.

    Names are those of the model's states and, where they are estimated too, of parameters, and
    ``disturbance(NAME)`` for what acts on an input (added to it) or on a state (added to its derivative).
    """

    @property
    def time(self) -> float:
        """When, in `time_unit`."""
        ...

    @property
    def time_unit(self) -> str:
        """Unit of `time`."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Name per position; one element of a vector is ``c[3]``."""
        ...

    @property
    def vector(self) -> npt.NDArray[np.float64]:
        """Mean, ``(n,)``, in the units of the model."""
        ...

    @property
    def covariance(self) -> npt.NDArray[np.float64]:
        """Covariance, ``(n, n)``."""
        ...

    @property
    def noise(self) -> npt.NDArray[np.float64]:
        """White-noise intensity that acts on each position, a standard deviation per square root of time, ``(n,)``."""
        ...

    @property
    def decay(self) -> npt.NDArray[np.float64]:
        """Rate at which each position decays to 0 by itself (disturbances with a time constant; else 0), ``(n,)``."""
        ...

    @property
    def content_hash(self) -> str:
        """SHA-256 of what made the estimate, and of its numbers."""
        ...


class AuditSink(Protocol):
    """Where a decision worth recording goes. The default (`no_audit`) forgets it: research carries no GMP weight."""

    def record(self, action: str, details: Mapping[str, Any]) -> None:
        """Record that `action` happened."""
        ...


@dataclass(frozen=True)
class _Forget:
    kept: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def record(self, action: str, details: Mapping[str, Any]) -> None:
        """Do nothing."""


no_audit: AuditSink = _Forget()
