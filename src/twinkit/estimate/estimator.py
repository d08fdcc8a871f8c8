"""The estimator: a filter with a memory, so that measurements may come late, twice, or in any order."""

from __future__ import annotations

import math
import os
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twinkit.core import BoundsError, InvalidValueError, Measurement
from twinkit.estimate.filter import Filter, Item, batch_of
from twinkit.estimate.log import Counts, Fate, Instant, Reports, admitted, arrival, replayed, same_content, unused
from twinkit.estimate.result import Estimate, Reading

if TYPE_CHECKING:
    from twinkit.estimate.component import EstimatorComponent
    from twinkit.estimate.forecast import Forecast
    from twinkit.estimate.history import History

LIMIT = 20_000


class _Sorted(NamedTuple):
    """A batch, sorted in: fates; instants to be filtered again, and from where on; those that only heard the same."""

    fates: list[Fate]
    tail: list[tuple[float, Mapping[str, Reports]]]
    index: int
    again: dict[float, dict[str, Reports]]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything that determines how an estimator goes on. Nothing in it ever changes.

    Attributes
    ----------
    made_by
        Content hash of the filter.
    now
        The time reached.
    base
        The estimate before the oldest instant that is remembered.
    earliest
        Reports of earlier times cannot be applied any more.
    instants
        What is remembered, in order of time.
    dropped
        Counts of what is not remembered any more, and of late reports.
    reports
        Number of reports that were not too late.
    latest
        What `update` returned last.
    """

    made_by: str
    now: float
    base: Estimate
    earliest: float
    instants: tuple[Instant, ...]
    dropped: Counts
    reports: int
    latest: Estimate


class Estimator:
    """A filter that remembers, and so takes measurements as they really arrive: late, twice, in any order.

    A measurement is applied at its `source_time`: what came after it is filtered again, from the estimate just before
    it. The estimate is therefore the one that the same measurements would have given in order, bit for bit.

    Time. The estimator's `now` is the latest time it has heard of: of the start, the source and received times of all
    measurements, and `until`. It never goes back. `update` returns the estimate at `now`.

    Several reports of one reading (same tag, same source time): the one received last counts; equal ones count once;
    different ones received at the same time contradict each other, and the reading is marked bad. None of this depends
    on the order of arrival.

    An estimator may be used from several threads: one call at a time is served, and what it returns never changes.

    Parameters
    ----------
    filter
        The filter.
    lag
        How far back a late measurement is still applied (number in the model's time unit or a text). Older ones are
        reported and counted, not used. None: twice the longest `Sensor.delay`; where no sensor has one, as far as the
        memory reaches.
    start
        Where to begin: a time, or an estimate of this filter.
    limit
        How many instants are remembered, for late measurements and for `history`: this bounds the memory. The oldest
        ones are dropped.

    Examples
    --------
    >>> import twinkit as tk
    >>> from twinkit.estimate import Estimator, ExtendedKalmanFilter, Sensor
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=8.0, bounds=(0, None))
    ...     k = tk.Parameter("1/h", 0.5, bounds=(0, None))
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> sensors = [Sensor("c", std="0.5 g/L"), Sensor("c", std="0.05 g/L", tag="laboratory", delay="4 h")]
    >>> twin = Estimator(ExtendedKalmanFilter(Decay(), sensors, initial_std={"c": 2.0}))
    >>> for time, value in ((1.0, 4.9), (2.0, 3.4), (3.0, 1.6)):
    ...     now = twin.update(tk.Measurement("c", value, "g/L", time))
    >>> print(f"{now.mean['c']:.2f} ± {now.std['c']:.2f}")
    1.84 ± 0.14
    >>> late = tk.Measurement("laboratory", 5.1, "g/L", source_time=1.0, received_time=5.0)
    >>> now, then = twin.update(late), twin.at("3 h")
    >>> now.time, f"{then.mean['c']:.2f} ± {then.std['c']:.2f}"
    (5.0, '1.88 ± 0.02')
    """

    def __init__(self, filter: Filter, *, lag: Any = None, start: Any = 0.0, limit: int = LIMIT) -> None:
        if not isinstance(filter, Filter):
            raise InvalidValueError(f"an Estimator needs a filter, such as ExtendedKalmanFilter(...), not {filter!r}")
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise InvalidValueError(f"limit is the number of instants that are remembered, at least 1, not {limit!r}")
        self.filter = filter
        self.lag = _lag(filter, lag)
        self.limit = limit
        if isinstance(start, Estimate) and start.filter.content_hash != filter.content_hash:
            raise InvalidValueError("start= is an estimate of another filter; give one of this filter, or a time")
        base = start if isinstance(start, Estimate) else filter.start(start)
        self._lock = threading.RLock()
        self._times: list[float] = []
        self._instants: list[Instant] = []
        self._base = base
        self._earliest = base.time
        self._now = base.time
        self._dropped = Counts()
        self._reports = 0
        self._latest = base

    # -- measurements in -----------------------------------------------------------------------------------------
    def update(self, measurements: Measurement | Iterable[Measurement] = (), until: Any = None) -> Estimate:
        """Take in any batch of measurements and return the estimate at `now`.

        The batch is taken whole, or, when an error is raised, not at all.

        Parameters
        ----------
        measurements
            One measurement or many, of any sensors, in any order.
        until
            What the time is now, where that is known better than from the measurements: `now` moves there, and a
            measurement from the future is refused.

        Returns
        -------
        Estimate
            At `now`; `readings` says what became of each measurement of this batch, `nis` is that of the instants it
            was about.

        Raises
        ------
        InvalidValueError
            No measurement, no standard deviation, `until` before `now`, or a measurement later
            than `until`.
        UnknownNameError, UnitError, ShapeError
            For a measurement that does not fit the sensors.
        SimulationError
            If the model cannot be integrated.
        """
        items = [self.filter.judged(m) for m in batch_of(measurements)]
        with self._lock:
            now = self._moved_on(items, until)
            fates, tail, index, again = self._sorted_in(items)
            before = self._instants[index - 1].after if index else self._base
            fresh = list(replayed(self.filter, before, tail))
            latest = self.filter.predict(fresh[-1].after if fresh else before, now)
            # Nothing has changed so far; from here on nothing can fail.
            for time, given in again.items():
                at = bisect_left(self._times, time)
                self._instants[at] = replace(self._instants[at], given=given)
            self._instants[index:] = fresh
            self._times[index:] = [instant.time for instant in fresh]
            self._latest = self._reported(latest, items, fates)
            self._now = now
            late = sum(fate is Fate.LATE for fate in fates)
            self._reports += len(items) - late
            self._dropped = replace(self._dropped, too_late=self._dropped.too_late + late)
            self._trim()
            return self._latest

    def _moved_on(self, items: Sequence[Item], until: Any) -> float:
        """Return the time that is reached."""
        unit, latest = self.filter.model.time_unit, self._now
        end = math.inf if until is None else self.filter.time(until, "until")
        if end < self._now:
            raise InvalidValueError(
                f"time goes forward: until= is {end:g} {unit}, but it has been {self._now:g} already"
            )
        for m, _, _ in items:
            heard = max(m.source_time, arrival(m))
            if heard > end:
                raise InvalidValueError(
                    f"measurement {m.tag!r} is of {heard:g} {unit}, later than until= ({end:g}): compare the clocks"
                )
            latest = max(latest, heard)
        return latest if until is None else end

    def _place(self, time: float) -> Mapping[str, Reports]:
        """Return what was reported of an instant."""
        at = bisect_left(self._times, time)
        return self._instants[at].given if at < len(self._times) and self._times[at] == time else {}

    def _sorted_in(self, items: Sequence[Item]) -> _Sorted:
        """Return what becomes of each report, and what is to be filtered again, without changing anything."""
        horizon = max(self._earliest, self._now - self.lag)
        fates: list[Fate] = []
        given: dict[float, dict[str, Reports]] = {}
        for m, _, _ in items:
            fate = Fate.LATE
            if m.source_time >= horizon:
                at_once = given.setdefault(m.source_time, dict(self._place(m.source_time)))
                at_once[m.tag], fate = admitted(at_once.get(m.tag, ()), m)
            fates.append(fate)
        changed = [time for time, at_once in given.items() if not same_content(at_once, self._place(time))]
        if not changed:
            return _Sorted(fates, [], len(self._instants), given)
        first = min(changed)
        index = bisect_left(self._times, first)
        tail: dict[float, Mapping[str, Reports]] = {one.time: one.given for one in self._instants[index:]}
        tail.update({time: at_once for time, at_once in given.items() if time >= first})
        again = {time: at_once for time, at_once in given.items() if time < first}
        return _Sorted(fates, sorted(tail.items(), key=_time_of), index, again)

    def _reported(self, latest: Estimate, items: Sequence[Item], fates: Sequence[Fate]) -> Estimate:
        """Return the estimate with what became of the measurements of a batch."""
        order = {tag: k for k, tag in enumerate(self.filter.lines)}
        readings: dict[Any, Reading] = {}
        instants: dict[float, Estimate] = {}
        listed = sorted(zip(items, fates, strict=True), key=lambda one: (one[0][0].source_time, order[one[0][0].tag]))
        for k, (item, fate) in enumerate(listed):
            m = item[0]
            key: Any = (m.source_time, m.tag)
            if fate is Fate.KEPT and key not in readings:
                after = instants.setdefault(
                    m.source_time, self._instants[bisect_left(self._times, m.source_time)].after
                )
                readings[key] = next(one for one in after.readings if one.tag == m.tag and one.time == m.source_time)
                continue
            reason = self._lateness(m) if fate is Fate.LATE else fate.value
            readings[k] = unused(item, self.filter.lines[m.tag].place.unit, reason)
        nis = [one.nis for one in instants.values() if not math.isnan(one.nis)]
        return replace(latest, readings=tuple(readings.values()), nis=sum(nis) if nis else math.nan)

    def _lateness(self, m: Measurement) -> str:
        """Return why a report is too late."""
        unit = self.filter.model.time_unit
        if m.source_time >= self._now - self.lag:
            return (
                f"too late: of {m.source_time:g} {unit}, but the memory begins at {self._base.time:g} {unit}; not used"
            )
        age = self._now - m.source_time
        return f"too late: {age:g} {unit} old when it came, but the lag is {self.lag:g} {unit}; not used"

    def _trim(self) -> None:
        """Drop the oldest instants beyond the limit."""
        excess = len(self._instants) - self.limit
        if excess > 0:
            for instant in self._instants[:excess]:
                self._dropped = self._dropped.of(instant.after.readings)
            self._base = self._instants[excess - 1].after
            self._earliest = math.nextafter(self._base.time, math.inf)
            del self._instants[:excess], self._times[:excess]

    # -- estimates out -------------------------------------------------------------------------------------------
    @property
    def now(self) -> float:
        """The time reached, in the model's time unit."""
        return self._now

    @property
    def earliest(self) -> float:
        """The earliest time that is remembered, in the model's time unit."""
        return self._base.time

    @property
    def estimate(self) -> Estimate:
        """The estimate at `now`: what `update` returned last."""
        return self._latest

    @property
    def counts(self) -> Counts:
        """How many reports came, and what became of them; the order of arrival does not matter."""
        with self._lock:
            found = self._dropped.of(reading for instant in self._instants for reading in instant.after.readings)
            return replace(found, duplicates=self._reports - found.used - found.rejected - found.bad)

    @property
    def history(self) -> History:
        """The estimates at all instants that are remembered, each from the measurements up to it."""
        from twinkit.estimate.history import History

        with self._lock:
            return History((self._base, *(instant.after for instant in self._instants)))

    def at(self, time: Any) -> Estimate:
        """Return the estimate at an earlier time (at the latest `now`), from the measurements up to it.

        Raises
        ------
        BoundsError
            If the time is later than `now` (see `predict`) or earlier than what is remembered.
        """
        t = self.filter.time(time, "time")
        with self._lock:
            if not self._base.time <= t <= self._now:
                raise BoundsError(
                    f"the estimator knows {self._base.time:g} to {self._now:g} {self._base.time_unit}, not {t:g}; "
                    "for a later time: predict(until)"
                )
            index = bisect_right(self._times, t)
            known = self._instants[index - 1].after if index else self._base
            return known if known.time == t else self.filter.predict(known, t)

    def predict(self, until: Any) -> Estimate:
        """Return the estimate at a later time, without measurements; see `Filter.predict`."""
        return self.filter.predict(self.estimate, until)

    def forecast(self, until: Any, **how: Any) -> Forecast:
        """Return how the process may go on; see `Filter.forecast`."""
        return self.filter.forecast(self.estimate, until, **how)

    def component(self, **how: Any) -> EstimatorComponent:
        """Return a component for a graph, with this filter, lag and limit; see `EstimatorComponent`."""
        from twinkit.estimate.component import EstimatorComponent

        return EstimatorComponent(self.filter, **{"lag": self.lag, "limit": self.limit, **how})

    # -- saving and going back -----------------------------------------------------------------------------------
    def snapshot(self) -> Snapshot:
        """Return everything that determines how the estimator goes on."""
        with self._lock:
            return Snapshot(
                self.filter.content_hash, self._now, self._base, self._earliest, tuple(self._instants), self._dropped,
                self._reports, self._latest,
            )  # fmt: skip

    def restore(self, state: Snapshot) -> None:
        """Go on from a snapshot; the continuation is bitwise the same.

        Raises
        ------
        InvalidValueError
            If it is no snapshot, or that of an estimator with another filter.
        """
        if not isinstance(state, Snapshot):
            raise InvalidValueError(f"restore takes what snapshot() returned, not {state!r}")
        if state.made_by != self.filter.content_hash:
            raise InvalidValueError(
                "the snapshot was made with another filter (its model, sensors or settings differ): make the filter "
                "as it was, or start anew"
            )
        with self._lock:
            self._instants = list(state.instants)
            self._times = [instant.time for instant in state.instants]
            self._now, self._base, self._earliest = state.now, state.base, state.earliest
            self._dropped, self._reports, self._latest = state.dropped, state.reports, state.latest
            self._trim()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the snapshot to a file (JSON), whole or not at all, so that `load` can go on after a restart.

        Raises
        ------
        StorageError
            If the file cannot be written; an earlier one stays as it is.
        """
        from twinkit.core.files import write_atomically
        from twinkit.estimate.saved import encoded

        return write_atomically(path, encoded(self.snapshot(), self.filter))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from a saved snapshot; the continuation is bitwise the same.

        Raises
        ------
        StorageError
            If the file cannot be read.
        DataError
            If it is truncated, altered, or no saved estimator.
        InvalidValueError
            If it was saved with another filter.
        """
        from twinkit.estimate.saved import loaded

        self.restore(loaded(path, self.filter))

    def __repr__(self) -> str:
        return f"Estimator({type(self.filter).__name__}), {_words(self.counts)}\n{self.estimate!r}"

    def _repr_html_(self) -> str:
        return f"<div>{_words(self.counts)}{self.estimate._repr_html_()}</div>"


def _time_of(entry: tuple[float, Any]) -> float:
    return entry[0]


def _words(counts: Counts) -> str:
    numbers = (f"{value} {name.replace('_', ' ')}" for name, value in vars(counts).items() if value)
    return f"{counts.received} measurements ({', '.join(numbers) or 'none yet'})"


def _lag(filter: Filter, lag: Any) -> float:
    """Return the lag in the model's time unit."""
    if lag is None:
        longest = max(line.delay for line in filter.lines.values())
        return 2.0 * longest if longest > 0.0 else math.inf
    if isinstance(lag, float) and lag == math.inf:
        return lag
    found = filter.time(lag, "lag")
    if found < 0.0:
        raise InvalidValueError(f"lag must not be negative, but is {found:g}")
    return found
