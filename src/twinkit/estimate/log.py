"""What an estimator remembers: for every instant, what was reported of it and the estimate after it.

Which of several reports of one reading counts does not depend on the order in which they arrive:

1. The report that was received last counts; earlier ones are superseded (a laboratory corrects itself).
2. Reports received at the same time with the same content are one report.
3. Reports received at the same time with different contents contradict each other: the reading is marked bad.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from twinkit.core import Measurement, Quality
from twinkit.estimate.filter import Filter, Item
from twinkit.estimate.result import Estimate, Reading

Reports = tuple[Measurement, ...]
"""The reports of one reading that were received last, in an order of their own (one, unless they contradict)."""


class Fate(Enum):
    """What became of a report before any filter saw it."""

    KEPT = "kept"
    REPEATED = "reported before; ignored"
    SUPERSEDED = "an older report of a reading that has been corrected since; ignored"
    LATE = "too late"


@dataclass(frozen=True)
class Counts:
    """How many reports an estimator was given, and what became of them.

    Attributes
    ----------
    used
        Readings that corrected the estimate.
    rejected
        Readings outside the gate.
    bad
        Readings marked bad: by the sender, for being outside the instrument's range, or contradictory.
    duplicates
        Reports that repeat or correct another one of the same reading (one of them counts).
    too_late
        Reports older than the lag window; never used.
    """

    used: int = 0
    rejected: int = 0
    bad: int = 0
    duplicates: int = 0
    too_late: int = 0

    @property
    def received(self) -> int:
        """All reports."""
        return self.used + self.rejected + self.bad + self.duplicates + self.too_late

    def of(self, readings: Iterable[Reading]) -> Counts:
        """Return the counts with those of readings added."""
        used = rejected = bad = 0
        for reading in readings:
            used += reading.accepted
            bad += reading.quality is Quality.BAD
            rejected += not reading.accepted and reading.quality is not Quality.BAD
        return replace(self, used=self.used + used, rejected=self.rejected + rejected, bad=self.bad + bad)


@dataclass(frozen=True, eq=False)
class Instant:
    """One time at which something was measured.

    Attributes
    ----------
    time
        When.
    given
        Tag -> `Reports`.
    after
        The estimate after it, from everything up to it.
    """

    time: float
    given: Mapping[str, Reports]
    after: Estimate


def arrival(m: Measurement) -> float:
    """Return when a report was received (without a time of its own: when it was measured)."""
    return m.source_time if m.received_time is None else m.received_time


def admitted(reports: Reports, m: Measurement) -> tuple[Reports, Fate]:
    """Return the reports of one reading after another one came in, and what became of that one.

    Examples
    --------
    >>> first = Measurement("titre", 3.0, "g/L", source_time=12.0, received_time=30.0)
    >>> correction = Measurement("titre", 3.3, "g/L", source_time=12.0, received_time=32.0)
    >>> reports, fate = admitted((correction,), first)
    >>> fate.name, [m.value for m in reports]
    ('SUPERSEDED', [3.3])
    """
    if not reports:
        return (m,), Fate.KEPT
    if arrival(m) < arrival(reports[0]):
        return reports, Fate.SUPERSEDED
    if arrival(m) > arrival(reports[0]):
        return (m,), Fate.KEPT
    same = {_content(one): one for one in sorted((*reports, m), key=_everything, reverse=True)}
    found = tuple(sorted(same.values(), key=_everything))
    return found, Fate.REPEATED if any(_content(m) == _content(one) for one in reports) else Fate.KEPT


def counted(reports: Reports) -> Measurement:
    """Return the measurement that stands for the reports of one reading."""
    first = reports[0]
    if len(reports) == 1:
        return first
    note = f"{len(reports)} reports of this instant contradict each other, and none was received later"
    return replace(first, quality=Quality.BAD, note=note)


def same_content(one: Mapping[str, Reports], other: Mapping[str, Reports]) -> bool:
    """Return whether a filter would be given the same at an instant."""
    return one.keys() == other.keys() and all(
        [_everything(m) for m in one[tag]] == [_everything(m) for m in other[tag]] for tag in one
    )


def replayed(
    estimator: Filter, before: Estimate, tail: Iterable[tuple[float, Mapping[str, Reports]]]
) -> Iterator[Instant]:
    """Yield the instants after an estimate, in order of time."""
    tags = list(estimator.lines)
    for time, given in tail:
        before = estimator.update(before, [counted(given[tag]) for tag in tags if tag in given])
        yield Instant(time, given, before)


def unused(item: Item, unit: str, reason: str) -> Reading:
    """Return the reading of a report that no filter saw."""
    m, value, std = item
    nan = math.nan
    return Reading(m.tag, m.source_time, unit, value, std, nan, nan, nan, nan, m.quality, False, reason)


def _content(m: Measurement) -> tuple[str, ...]:
    """Return what makes a report this report, and not another one of the same reading."""
    return (repr(float(m.value)), m.unit, m.quality.value, repr(m.std))


def _everything(m: Measurement) -> tuple[str, ...]:
    return (*_content(m), m.note)
