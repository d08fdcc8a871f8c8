"""What a model in a graph remembers of events from step to step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from twinkit.core.solution import Occurrence
from twinkit.simulate.legs import Pace, Walk
from twinkit.simulate.problem import Array


@dataclass(frozen=True)
class Past:
    """What a component remembers of events, beside its state: never changed in place, so that a snapshot keeps it.

    Attributes
    ----------
    begin
        Where the run began.
    roots, inputs
        Event expressions at the end of the last step, and the inputs they belong to; None before the first.
    fired
        Position of the event that has just happened, or None.
    pace
        The rhythm of events.
    happened
        ``(what was before, occurrence)``, or None.
    ended
        The event that ended the run, or None.
    """

    begin: float = 0.0
    roots: Array | None = None
    inputs: bytes = b""
    fired: int | None = None
    pace: Pace = field(default_factory=Pace)
    happened: Any = None
    ended: Occurrence | None = None

    def after(self, walk: Walk) -> Past:
        """Return what is remembered after a walk."""
        happened = self.happened
        for one in walk.occurrences:
            happened = (happened, one)
        ended = Occurrence(walk.point.t, walk.stopped) if walk.stopped else None
        return replace(self, fired=walk.fired, pace=walk.pace, happened=happened, ended=ended)

    def passing(self) -> Past:
        """Return what is remembered after a step without events."""
        return self if self.fired is None else replace(self, fired=None)

    def seeing(self, roots: Array, inputs: Array) -> Past:
        """Return what is remembered at the end of a step."""
        return replace(self, roots=roots.copy(), inputs=inputs.tobytes())
