"""The rules of advisory control, without clock, lock or plant: a state, what happens, and what follows from it.

`transition` is a pure function. `ControlSession` runs it and carries out what it says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from twinkit.control.gate import Gate, PlantCondition
from twinkit.control.happenings import (
    Answer,
    Applied,
    ControlMode,
    Decided,
    Done,
    Happening,
    Logged,
    Looked,
    Proposed,
    Refused,
    Rejected,
    Switched,
    Waiting,
    WriteFailed,
)
from twinkit.control.recommendation import Recommendation
from twinkit.core import InvalidValueError, UnitError
from twinkit.core.errors import unknown_name
from twinkit.core.units import affine, convert

AUTOMATIC = "(automatic)"
"""Who decides where no person does."""
_REMEMBERED = 256


# -- where the session is --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Rules:
    """What does not change during a session.

    Attributes
    ----------
    name
        Of the session, in the records.
    units
        Manipulated input -> unit of its setpoint.
    gate
        Conditions of closed loop; None: there is no closed loop, and no design space to stay in.
    time_unit
        Unit of all times.
    """

    name: str
    units: Mapping[str, str]
    gate: Gate | None = None
    time_unit: str = "h"


@dataclass(frozen=True)
class SessionState:
    """Where a session is.

    Attributes
    ----------
    mode
        Who decides.
    at
        Time of the last happening.
    setpoints
        Manipulated input -> value that is applied.
    latest
        The newest recommendation.
    pending
        The one that waits for a person.
    condition
        What was last known of the plant.
    settled
        Content hash -> what became of it, for recent recommendations.
    """

    mode: ControlMode
    at: float
    setpoints: Mapping[str, float]
    latest: Recommendation | None = None
    pending: Recommendation | None = None
    condition: PlantCondition | None = None
    settled: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Entry:
    """One line for the audit trail: what happened, and its details (JSON-ready)."""

    action: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Transition:
    """What follows from a happening.

    Attributes
    ----------
    state
        Where the session is now.
    entries
        What must be recorded before anything is done.
    answer
        What is said.
    write
        Values to write to the plant, in the units of the session; None: nothing.
    """

    state: SessionState
    entries: tuple[Entry, ...]
    answer: Answer
    write: Mapping[str, float] | None = None


def transition(rules: Rules, state: SessionState, happening: Happening) -> Transition:
    """Return what follows from a happening in a state.

    Raises
    ------
    InvalidValueError
        If a time is not finite or earlier than the last one, or a person or a reason is not named.
    UnknownNameError, UnitError
        If a recommendation moves what the session does not have, or in another unit.
    """
    if not math.isfinite(happening.at):
        raise InvalidValueError(f"a time is a finite number in {rules.time_unit}, not {happening.at!r}")
    if happening.at < state.at:
        raise InvalidValueError(
            f"time goes forward: {happening.at:g} comes after {state.at:g} {rules.time_unit} (one clock for all?)"
        )
    run = _Run(rules, replace(state, at=happening.at), happening.at)
    run.expire()
    if isinstance(happening, Proposed):
        answer = run.proposed(happening)
    elif isinstance(happening, Decided):
        answer = run.decided(happening)
    elif isinstance(happening, Switched):
        answer = run.switched(happening)
    elif isinstance(happening, Looked):
        answer = run.looked(happening)
    else:
        answer = run.write_failed(happening)
    return Transition(run.state, tuple(run.entries), answer, run.write)


class _Run:
    """One transition in the making."""

    def __init__(self, rules: Rules, state: SessionState, at: float) -> None:
        self.rules, self.state, self.at = rules, state, at
        self.entries: list[Entry] = []
        self.write: Mapping[str, float] | None = None

    # -- records -----------------------------------------------------------------------------------------------
    def record(
        self, action: str, *, by: str = AUTOMATIC, why: str | tuple[str, ...] = (),
        advice: Recommendation | None = None, **more: Any,
    ) -> None:  # fmt: skip
        gate = self.rules.gate
        details: dict[str, Any] = {
            "session": self.rules.name, "at": self.at, "time_unit": self.rules.time_unit, "mode": self.state.mode.value,
            "by": by, "reasons": [why] if isinstance(why, str) else list(why), **more,
        }  # fmt: skip
        if gate is not None:
            details |= {"gate": gate.content_hash, "design_space": gate.space.content_hash}
        if advice is not None:
            details |= {
                "recommendation": advice.content_hash, "made_for": advice.time, "expires": advice.expires,
                "status": advice.status.text, "made_by": dict(advice.made_by), "data": dict(advice.data),
            }  # fmt: skip
        self.entries.append(Entry(action, details))

    def settle(self, advice: Recommendation, outcome: str) -> None:
        settled = {**self.state.settled, advice.content_hash: outcome}
        for old in list(settled)[: max(0, len(settled) - _REMEMBERED)]:
            del settled[old]
        pending = self.state.pending
        same = pending is not None and pending.content_hash == advice.content_hash
        self.state = replace(self.state, settled=settled, pending=None if same else pending)

    def expire(self) -> None:
        pending = self.state.pending
        if pending is not None and not pending.open_at(self.at):
            self.record("recommendation expired", advice=pending, why="nobody decided in time")
            self.settle(pending, "expired")

    def withdraw(self, outcome: str) -> None:
        if (pending := self.state.pending) is not None:
            self.record(f"recommendation {outcome}", advice=pending)
            self.settle(pending, outcome)

    # -- happenings --------------------------------------------------------------------------------------------
    def proposed(self, event: Proposed) -> Answer:
        advice = event.advice
        self._check(advice)
        self._see(event.condition)
        earlier = self.state.settled.get(advice.content_hash)
        pending = self.state.pending
        if pending is not None and pending.content_hash == advice.content_hash:
            return Waiting(("it waits already",))
        why = (f"it was {earlier} before",) if earlier else self._outdated(advice) or self._not_offered(advice)
        if why:
            self.record("recommendation refused", advice=advice, why=why)
            if not earlier and not self._outdated(advice):
                self.state = replace(self.state, latest=advice)
            # A loop whose newest plan must not be followed is no longer closed.
            self._drop_unless_open()
            return Refused(why)
        self.withdraw("superseded")
        self.state = replace(self.state, latest=advice)
        if self.state.mode is ControlMode.OPEN_LOOP:
            self.record("recommendation logged", advice=advice, content=advice.to_plain())
            self.settle(advice, "logged")
            return Logged()
        self.record("recommendation made", advice=advice, content=advice.to_plain())
        if self.state.mode is ControlMode.CLOSED_LOOP and not self._drop_unless_open():
            return self._apply(advice, AUTOMATIC, ("every condition of closed loop holds",))
        self.state = replace(self.state, pending=advice)
        return Waiting(self._objections())

    def decided(self, event: Decided) -> Answer:
        by, reason = named_person(event.by), needed(event.reason, "a reason for the decision")
        advice = self.state.pending
        if advice is None or advice.content_hash != event.identity:
            return self._refuse_decision(event, self._why_not_pending(event.identity))
        if not event.accepted:
            self.record("recommendation rejected", by=by, why=reason, advice=advice)
            self.settle(advice, "rejected")
            return Rejected((reason,))
        if why := self._not_offered(advice):
            return self._refuse_decision(event, why)
        return self._apply(advice, by, (reason,))

    def switched(self, event: Switched) -> Answer:
        by, reason = named_person(event.by), needed(event.reason, "a reason for the change of mode")
        if not isinstance(event.to, ControlMode):
            raise InvalidValueError(f"a mode is one of {', '.join(map(str, ControlMode))}, not {event.to!r}")
        self._see(event.condition)
        if event.to is self.state.mode:
            return Done((f"the mode is {event.to.value} already",))
        if event.to is ControlMode.CLOSED_LOOP and (why := self._why_not_closed()):
            self.record("mode change refused", by=by, why=(reason, *why), to=event.to.value)
            return Refused(why)
        if event.to is not ControlMode.ADVISORY:
            self.withdraw("withdrawn")
        self.record("mode changed", by=by, why=reason, to=event.to.value)
        self.state = replace(self.state, mode=event.to)
        return Done()

    def looked(self, event: Looked) -> Answer:
        self._see(event.condition)
        dropped = self._drop_unless_open()
        return Refused(dropped) if dropped else Done()

    def write_failed(self, event: WriteFailed) -> Answer:
        why = (f"the plant did not take the values: {event.reason}",)
        self.record("write failed", why=why, setpoints=dict(event.before))
        self.state = replace(self.state, setpoints=dict(event.before))
        if self.state.mode is ControlMode.CLOSED_LOOP:
            self._drop(why)
        return Refused(why)

    # -- parts -------------------------------------------------------------------------------------------------
    def _check(self, advice: Recommendation) -> None:
        units = self.rules.units
        for name, move in advice.moves.items():
            if name not in units:
                raise unknown_name("manipulated input", name, units, f"the session {self.rules.name!r}")
            affine(move.unit, units[name])
        if advice.time_unit != self.rules.time_unit:
            raise UnitError(f"the recommendation is in {advice.time_unit!r}, the session in {self.rules.time_unit!r}")

    def _see(self, condition: PlantCondition | None) -> None:
        if condition is not None:
            self.state = replace(self.state, condition=condition)

    def _not_offered(self, advice: Recommendation) -> tuple[str, ...]:
        """Return why nobody may accept a recommendation now."""
        if not advice.intact:
            return ("it was changed after it was made",)
        if not advice.open_at(self.at):
            return (f"it expired at {advice.expires:.6g} {self.rules.time_unit}",)
        if advice.time > self.at:
            return (f"it is of a later time, {advice.time:.6g} {self.rules.time_unit}",)
        return () if self.rules.gate is None else self.rules.gate.of_setpoints(advice, self.at)

    def _outdated(self, advice: Recommendation) -> tuple[str, ...]:
        latest = self.state.latest
        newer = latest is not None and advice.time < latest.time
        return ("a recommendation of a later time is known",) if newer else ()

    def _objections(self) -> tuple[str, ...]:
        gate = self.rules.gate
        return () if gate is None else gate.objections(self.state.latest, self.state.condition, self.at)

    def _why_not_closed(self) -> tuple[str, ...]:
        if self.rules.gate is None:
            return ("the session has no gate: nothing says when closed loop is safe",)
        if self.state.mode is ControlMode.OPEN_LOOP:
            return ("closed loop is reached from advisory mode only",)
        return self._objections()

    def _why_not_pending(self, identity: str) -> tuple[str, ...]:
        if identity in self.state.settled:
            return (f"this recommendation was {self.state.settled[identity]}",)
        if self.state.pending is not None:
            return (f"another recommendation waits, {self.state.pending.content_hash[:12]}",)
        return (f"no recommendation waits for a decision ({self.state.mode.value})",)

    def _refuse_decision(self, event: Decided, why: tuple[str, ...]) -> Answer:
        what = "acceptance" if event.accepted else "rejection"
        self.record(f"{what} refused", by=event.by, why=why, said=event.reason, recommendation=event.identity)
        return Refused(why)

    def _drop_unless_open(self) -> tuple[str, ...]:
        """In closed loop, fall back to advisory mode if a condition fails; return why (nothing: it holds)."""
        if self.state.mode is not ControlMode.CLOSED_LOOP:
            return ()
        why = self._objections()
        if why:
            self._drop(why)
        return why

    def _drop(self, why: tuple[str, ...]) -> None:
        self.record("mode changed", why=why, to=ControlMode.ADVISORY.value, setpoints=dict(self.state.setpoints))
        self.state = replace(self.state, mode=ControlMode.ADVISORY)

    def _apply(self, advice: Recommendation, by: str, why: tuple[str, ...]) -> Answer:
        units = self.rules.units
        values = {
            name: float(convert(value, advice.moves[name].unit, units[name]))
            for name, value in advice.setpoints(self.at).items()
        }
        self.record("moves applied", by=by, why=why, advice=advice, setpoints=values, units=dict(units),
                    before=dict(self.state.setpoints), despite=list(self._objections()))  # fmt: skip
        self.settle(advice, "applied")
        self.state = replace(self.state, setpoints={**self.state.setpoints, **values})
        self.write = values
        return Applied(why, values)


def needed(text: str, what: str) -> str:
    """Return a text without blanks around it, or raise if nothing is left."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidValueError(f"{what} is needed, in words; {text!r} says nothing")
    return text.strip()


def named_person(by: str) -> str:
    """Return a person's name, or raise if it names nobody."""
    name = needed(by, "the name of a person")
    if name == AUTOMATIC or not any(letter.isalnum() for letter in name):
        raise InvalidValueError(f"{name!r} is no person")
    return name
