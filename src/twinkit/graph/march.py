"""From exchange to exchange: the loop around a master's step, and the record of what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from twinkit.core.component import Array, StepError
from twinkit.core.errors import InvalidValueError
from twinkit.graph.engine import Engine

Macro: TypeAlias = Callable[[float, float], None]
"""``(t, dt)``: one step of the whole graph."""

_CHUNK = 256
_MOST = 50_000_000


class Recorder:
    """Times and all outputs, row by row.

    Parameters
    ----------
    width
        Number of output values.
    progress
        Told the time reached, now and then.
    """

    def __init__(self, width: int, progress: Callable[[float], None] | None = None) -> None:
        self.count = 0
        self._times, self._rows = np.empty(64), np.empty((64, width))
        self._progress = progress

    @property
    def times(self) -> Array:
        """Times recorded."""
        return self._times[: self.count]

    @property
    def rows(self) -> Array:
        """Outputs recorded, ``(times, values)``."""
        return self._rows[: self.count]

    def room(self, more: int) -> Array:
        """Return so many rows to be written next."""
        need = self.count + more
        if need > len(self._times):
            size = max(need, 2 * len(self._times))
            times, rows = np.empty(size), np.empty((size, self._rows.shape[1]))
            times[: self.count], rows[: self.count] = self.times, self.rows
            self._times, self._rows = times, rows
        return self._rows[self.count : need]

    def commit(self, times: Sequence[float]) -> None:
        """Count rows that have been written."""
        self._times[self.count : self.count + len(times)] = times
        self.count += len(times)
        if self._progress is not None:
            self._progress(times[-1])

    def add(self, time: float, row: Array) -> None:
        """Record one row."""
        self.room(1)[0] = row
        self.commit([time])

    def forget(self, count: int) -> None:
        """Keep only the first rows."""
        self.count = count


def march_fixed(
    engine: Engine, macro: Macro, until: float, step: float, record: Recorder, finish: Macro | None = None
) -> None:
    """Advance by equal steps to `until` (the last may be shorter), stopping at events on the way."""
    begin = engine.time
    count = max(1, int(np.ceil((until - begin) / step * (1 - 1e-12))))
    if count > _MOST:
        raise InvalidValueError(f"{count} steps of {step:g} {engine.time_unit} are too many; choose a longer step")
    times = begin + step * np.arange(count + 1)
    times[-1] = until
    listed: list[float] = times.tolist()
    for first in range(0, count, _CHUNK):
        chunk = listed[first : first + _CHUNK + 1]
        if engine.event_slots:
            chunk = _with_events(engine, macro, chunk, record)
        else:
            _plain(engine, macro, chunk, record)
    if finish is not None:
        finish(begin, until)
        engine.verify(engine.Y[None], [until, until])
        record.rows[-1] = engine.Y


def _plain(engine: Engine, macro: Macro, times: list[float], record: Recorder) -> None:
    """Take steps without looking left or right; check afterwards that everything is finite."""
    rows, y, k, t = record.room(len(times) - 1), engine.Y, 0, times[0]
    try:
        for k, following in enumerate(times[1:]):
            macro(t, following - t)
            rows[k] = y
            t = following
    except StepError:
        engine.verify(rows[:k], times)  # a NaN of an earlier step would be the reason
        raise
    engine.verify(rows, times)
    engine.time = t
    record.commit(times[1:])


def _with_events(engine: Engine, macro: Macro, times: list[float], record: Recorder) -> list[float]:
    """Take steps that end at known events too."""
    t = times[0]
    for following in times[1:]:
        while t < following:
            stop = engine.next_event(t, following)
            macro(t, stop - t)
            engine.verify(engine.Y[None], [t, stop])
            record.add(stop, engine.Y)
            engine.time = t = stop
    return times
