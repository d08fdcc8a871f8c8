"""The clocks of one FMI 3 instance: which tick when, and what waits for a tick.

Clocks with an interval (inputs of the FMU) are ticked from here by the time; triggered inputs when the user says so;
triggered outputs are ticked by the FMU and seen here. A value for a clocked input waits for a tick of its clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from twinkit.core.errors import InvalidValueError
from twinkit.fmi._instance import CallFailedError
from twinkit.fmi._version3 import Instance3
from twinkit.fmi.description import FMUVariable, Interval


class Clocks:
    """Ticks the clocks of an instance in event mode.

    Parameters
    ----------
    instance
        Of FMI 3.

    Attributes
    ----------
    ticks
        (time, name) of the ticks since `forget`, in order.
    """

    def __init__(self, instance: Instance3) -> None:
        self.instance = instance
        clocks = instance.description.clocks
        self.timed = {v.name: v for v in clocks if v.causality == "input" and not is_triggered(v)}
        self.watched = [v for v in clocks if v.causality != "input" and is_triggered(v)]
        self.ticks: list[tuple[float, str]] = []
        self.next: dict[str, float] = {}  # clock -> time of its next tick
        self.intervals: dict[str, float] = {}  # of the periodic ones
        self.counts: dict[str, tuple[float, int]] = {}  # clock -> time counted from, ticks since then
        self.waiting: dict[str, Any] = {}  # clocked input -> value

    @property
    def next_time(self) -> float | None:
        """Time of the next tick that is known."""
        return min(self.next.values(), default=None)

    # -- start -------------------------------------------------------------------------------------------------
    def prepare(self, values: Mapping[str, Any]) -> None:
        """Tell the FMU the intervals that were given; start values of clocked inputs wait (initialization mode)."""
        for name, value in values.items():
            clock = self.timed.get(name)
            if clock is None:
                variable = self.instance.description.variables[name]
                self.instance.checked({variable: value})
                self.waiting[name] = value
            elif clock.clock is not None and clock.clock.variability is Interval.CONSTANT:
                raise InvalidValueError(f"the interval of {name!r} is constant")
            else:
                self._tell(clock, value)

    def _tell(self, clock: FMUVariable, value: Any) -> None:
        interval = _interval(clock, value)
        self.instance.set_interval(clock, interval)
        self.intervals[clock.name] = interval

    def begin(self, t0: float) -> None:
        """Schedule the first ticks (event mode, right after the initialization)."""
        for name, v in self.timed.items():
            if v.clock is None or not v.clock.variability.is_periodic:
                continue
            if name not in self.intervals:
                known = v.clock.interval
                self.intervals[name] = _interval(v, self.instance.interval(v)[0] if known is None else known)
            shift = self.instance.shift(v) if v.clock.shift is None and v.clock.interval is None else v.clock.shift
            self._count_from(name, t0 + (shift or 0.0))
        self.look(t0)

    def _count_from(self, name: str, start: float) -> None:
        self.counts[name] = (start, 0)
        self.next[name] = start

    def check_changes(self, intervals: Mapping[str, Any]) -> None:
        """Raise unless these clocks can have these intervals from now on."""
        for name, value in intervals.items():
            v = self.timed[name]
            if v.clock is None or v.clock.variability is not Interval.TUNABLE:
                raise InvalidValueError(f"the interval of {name!r} cannot be changed during a run")
            _interval(v, value)

    def change(self, intervals: Mapping[str, Any], t: float) -> None:
        """Change the intervals of tunable clocks (event mode); they are counted from their last ticks."""
        for name, value in intervals.items():
            last = self.next[name] - self.intervals[name]
            self._tell(self.timed[name], value)
            self._count_from(name, max(t, last + self.intervals[name]))

    # -- run ---------------------------------------------------------------------------------------------------
    def due(self, t: float) -> list[str]:
        """Return the clocks that tick at `t`."""
        return [name for name, at in self.next.items() if at <= t + tolerance(t)]

    def tick(self, t: float, names: list[str]) -> None:
        """Activate clocks, set the inputs that waited for them, and schedule the next ticks of the periodic ones."""
        if not names:
            return
        variables = self.instance.description.variables
        self.instance.write({variables[name]: True for name in names})
        ready = [name for name in self.waiting if not set(variables[name].clocks).isdisjoint(names)]
        self.instance.write({variables[name]: self.waiting.pop(name) for name in ready})
        for name in names:
            self.ticks.append((t, name))
            self.next.pop(name, None)
            if name in self.intervals:
                start, count = self.counts[name]
                self.counts[name] = (start, count + 1)
                self.next[name] = start + (count + 1) * self.intervals[name]

    def watch(self, t: float) -> None:
        """Note which clocks the FMU ticks now."""
        if self.watched:
            active = self.instance.read(self.watched)
            self.ticks += [(t, name) for name, value in active.items() if value]

    def look(self, t: float) -> None:
        """Ask for the intervals that change from tick to tick."""
        for name, v in self.timed.items():
            if v.clock is not None and not v.clock.variability.is_periodic and name not in self.next:
                interval, new = self.instance.interval(v)
                repeats = v.clock.variability is Interval.CHANGING
                if new or (repeats and name in self.counts):
                    self._later(v, interval, t)

    def _later(self, v: FMUVariable, interval: float, t: float) -> None:
        if not (math.isfinite(interval) and interval >= 0):
            raise CallFailedError(f"the FMU gives clock {v.name!r} the impossible interval {interval}")
        self.counts[v.name] = (t, 0)
        self.next[v.name] = t + interval

    # -- state -------------------------------------------------------------------------------------------------
    def save(self) -> dict[str, Any]:
        """Return what is known beyond the FMU."""
        return {
            "next": dict(self.next), "intervals": dict(self.intervals), "counts": dict(self.counts),
            "waiting": dict(self.waiting),
        }  # fmt: skip

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go back to what `save` returned."""
        self.next, self.intervals = dict(saved["next"]), dict(saved["intervals"])
        self.counts, self.waiting = dict(saved["counts"]), dict(saved["waiting"])
        self.ticks = []


def is_triggered(variable: FMUVariable) -> bool:
    """Say whether a variable is a clock without an interval."""
    return variable.clock is not None and variable.clock.variability is Interval.TRIGGERED


def tolerance(t: float) -> float:
    """Return how close two times are that are one instant."""
    return 1e-12 * max(1.0, abs(t))


def _interval(clock: FMUVariable, value: Any) -> float:
    try:
        interval = float(value)
    except (TypeError, ValueError):
        interval = math.nan
    if not (math.isfinite(interval) and interval > 0):
        raise InvalidValueError(f"clock {clock.name!r} has an interval longer than 0, not {value!r}")
    return interval
