"""From exchange to exchange: the loop around a master's step, and the record of what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from twinkit.core.component import Array
from twinkit.core.errors import InvalidValueError
from twinkit.graph.engine import Engine, rounding

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
    """Advance by equal steps to `until` (the last may be shorter), stopping at events on the way.

    Where an event ends the run of a component, the run ends there (see `Engine.ended`).
    """
    begin = engine.time
    count = max(1, int(np.ceil((until - begin) / step * (1 - 1e-12))))
    if count > _MOST:
        raise InvalidValueError(f"{count} steps of {step:g} {engine.time_unit} are too many; choose a longer step")
    times = begin + step * np.arange(count + 1)
    times[-1] = until
    listed: list[float] = times.tolist()
    watched = bool(engine.event_slots or engine.stop_slots)
    for first in range(0, count, _CHUNK):
        chunk = listed[first : first + _CHUNK + 1]
        if watched:
            _with_events(engine, macro, chunk, until, record)
        else:
            _plain(engine, macro, chunk, record)
        if engine.ended is not None:
            return
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
    except BaseException:
        _file(engine, rows[:k], times, record)  # a NaN of an earlier step would be the reason
        raise
    _file(engine, rows, times, record)


def _file(engine: Engine, rows: Array, times: list[float], record: Recorder) -> None:
    """Count the rows up to the first that is not finite, and raise for that one."""
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    good = int(bad[0]) if bad.size else len(rows)
    engine.time = times[good]
    if good:
        record.commit(times[1 : good + 1])
    if bad.size:
        engine.verify(rows, times)


def _with_events(engine: Engine, macro: Macro, times: list[float], until: float, record: Recorder) -> None:
    """Take steps that end at known events too, and the last one where an event ends the run."""
    t = engine.time
    watch = _to_the_stop if engine.stop_slots else _to_the_end
    for following in times[1:]:
        slack = rounding(t, following)
        while following - t > slack:
            exact = following == until
            stop = engine.next_event(t, following, exact=exact) if engine.event_slots else following
            t = watch(engine, macro, t, stop, record)
            if engine.ended is not None:
                return


def _to_the_end(engine: Engine, macro: Macro, t: float, end: float, record: Recorder) -> float:
    macro(t, end - t)
    engine.verify(engine.Y[None], [t, end])
    record.add(end, engine.Y)
    engine.time = end
    return end


def nearly(t: float, dt: float) -> float:
    """Return what is too short a time to tell an event from the end of a step."""
    return max(1e-9 * dt, 1e-15 * abs(t))


def _to_the_stop(engine: Engine, macro: Macro, t: float, end: float, record: Recorder) -> float:
    """Take a step; where an event in it ends the run, take one to that event instead (with rollback)."""
    before, saved = engine.Y.copy(), None if engine.cannot_roll_back() else engine.snapshot()
    slack = nearly(t, end - t)
    macro(t, end - t)
    ended = engine.stopped()
    while ended is not None and end - ended.time > slack:
        if saved is None or ended.time < t - slack:  # (a slow component has looked further back than this step)
            engine.Y[:] = before
            record.forget(max(1, int(np.searchsorted(record.times, ended.time, side="right"))))
            engine.ended, engine.time = ended, float(record.times[-1])
            return engine.time
        engine.restore(saved)
        end = max(ended.time, t + 0.5 * slack)
        macro(t, end - t)
        ended = engine.stopped()
    engine.verify(engine.Y[None], [t, end])
    record.add(end, engine.Y)
    engine.time = end
    if ended is not None:
        engine.ended = ended
    return end
