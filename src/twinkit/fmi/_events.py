"""Events of one instance: the iteration at one instant, and a co-simulation that has them (FMI 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from twinkit.fmi._clocks import Clocks, is_triggered, tolerance
from twinkit.fmi._instance import CallFailedError, Instance
from twinkit.fmi._version3 import Instance3
from twinkit.fmi.description import FMUVariable

MAX_EVENTS = 10_000  # in one macro step
MAX_ITERATIONS = 1_000  # of one event


class EventHandler:
    """Takes an instance through event mode and back.

    Attributes
    ----------
    clocks
        Its clocks; None before FMI 3.
    count
        Events handled so far.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.clocks = Clocks(instance) if isinstance(instance, Instance3) and instance.description.clocks else None
        self.count = 0
        self.told: float | None = None  # next event time, as the FMU says

    @property
    def next_time(self) -> float | None:
        """Time of the next event that is known."""
        ticking = None if self.clocks is None else self.clocks.next_time
        return min((time for time in (self.told, ticking) if time is not None), default=None)

    def prepare(self, values: Mapping[str, Any]) -> None:
        """Take the intervals of clocks, and start values of what belongs to clocks (initialization mode)."""
        if self.clocks is not None:
            self.clocks.prepare(values)

    def begin(self, t0: float) -> None:
        """Iterate the initial event (the instance has left initialization mode, into event mode)."""
        if self.clocks is not None:
            self.clocks.begin(t0)
            self.clocks.tick(t0, self.clocks.due(t0))
        self._iterate(t0, first=True)

    def handle(self, t: float, values: Mapping[FMUVariable, Any] | None = None) -> None:
        """Go through event mode: clocks that are due tick, values are set, discrete states are updated."""
        given, clocks = dict(values or {}), self.clocks
        self.check(given)  # what cannot be set is refused before anything has changed
        ticking = {v: given.pop(v) for v in list(given) if v.clock is not None}
        waiting = {v.name: given.pop(v) for v in list(given) if v.clocked}
        asked = [v.name for v, on in ticking.items() if is_triggered(v) and on]
        self.count += 1
        self.instance.enter_event_mode()
        self.instance.write(given)
        if clocks is not None:
            clocks.waiting.update(waiting)
            clocks.change({v.name: value for v, value in ticking.items() if not is_triggered(v)}, t)
            clocks.tick(t, list(dict.fromkeys([*asked, *clocks.due(t)])))
        self._iterate(t)

    def check(self, values: Mapping[FMUVariable, Any]) -> None:
        """Raise `InvalidValueError` unless all of these can be set."""
        self.instance.checked({v: value for v, value in values.items() if v.clock is None or is_triggered(v)})
        if self.clocks is not None:
            intervals = {v.name: value for v, value in values.items() if v.clock is not None and not is_triggered(v)}
            self.clocks.check_changes(intervals)

    def finish(self, t: float) -> None:
        """Iterate after inputs were set in event mode, and leave it."""
        if self.clocks is not None:
            self.clocks.tick(t, self.clocks.due(t))
        self._iterate(t)

    def _iterate(self, t: float, first: bool = False) -> None:
        """Update the discrete states until nothing changes any more, and go on in time."""
        clocks = self.clocks
        for _ in range(MAX_ITERATIONS):
            if clocks is not None:
                clocks.watch(t)
            answer = self.instance.first_update() if first else self.instance.update_discrete()
            first = False
            if answer.terminate:
                raise ended()
            due: list[str] = []
            if clocks is not None:
                clocks.look(t)
                due = clocks.due(t)
                clocks.tick(t, due)
            if not answer.again and not due:
                break
        else:
            raise CallFailedError(f"the event iteration is not finished after {MAX_ITERATIONS} rounds")
        self.told = answer.next_time
        if self.told is not None and math.isnan(self.told):
            raise CallFailedError("the time of the FMU's next event is not a number")
        self.instance.leave_event_mode()

    # -- state -------------------------------------------------------------------------------------------------
    def save(self) -> dict[str, Any]:
        """Return what is known beyond the FMU."""
        return {"told": self.told, "clocks": None if self.clocks is None else self.clocks.save()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go back to what `save` returned."""
        self.told = saved["told"]
        if self.clocks is not None:
            self.clocks.restore(saved["clocks"])


def ended() -> CallFailedError:
    """Return the exception for an FMU that asks to end the simulation."""
    return CallFailedError("the FMU asks to end the simulation")


class EventedSteps:
    """Drives one co-simulation in event mode, from one communication point to the next.

    The FMU may return early; then its events are handled where it stopped, and it goes on from there.
    """

    def __init__(self, instance: Instance3, events: EventHandler) -> None:
        self.instance, self.events = instance, events

    def write(self, values: Mapping[FMUVariable, Any], t: float) -> None:
        """Set inputs: continuous ones at once, discrete ones by an event."""
        self.events.check(values)
        smooth = {v: value for v, value in values.items() if v.variability == "continuous" and not v.clocked}
        rest = {v: value for v, value in values.items() if v not in smooth}
        self.instance.write(smooth)
        if rest:
            self.events.handle(t, rest)

    def advance(self, t: float, dt: float) -> None:
        """Go from `t` to ``t + dt``."""
        end, before = t + dt, self.events.count
        while True:
            bound = self._bound(t, end)
            answer = self.instance.do_step(t, bound - t)
            reached = answer.reached
            if not (math.isfinite(reached) and t <= reached <= bound + tolerance(bound)):
                raise CallFailedError(f"the FMU says that it reached {reached}, in a step from {t:g} to {bound:g}")
            if reached <= t and not answer.event:
                raise CallFailedError(f"the FMU returned early at {t:g}, where it began")
            next_time = self.events.next_time
            if answer.event or (next_time is not None and next_time <= reached + tolerance(reached)):
                self.events.handle(reached)
            if self.events.count - before > MAX_EVENTS:
                raise CallFailedError(f"more than {MAX_EVENTS} events in one step of {dt:g}")
            if reached >= end - tolerance(end):
                return
            t = reached

    def _bound(self, t: float, end: float) -> float:
        """Return where to step to: the end, or an event before it."""
        next_time = self.events.next_time
        if next_time is None or next_time >= end - tolerance(end):
            return end
        if self.instance.interface.variable_step:
            return next_time
        if self.events.clocks is not None and next_time == self.events.clocks.next_time:
            raise CallFailedError(
                f"a clock ticks at {next_time:g}, inside a step up to {end:g} of an FMU with steps of fixed length: "
                f"choose steps that end at its ticks"
            )
        return end
