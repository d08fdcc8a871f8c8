"""A session of advisory control: records first, then acts; one thing at a time."""

from __future__ import annotations

import html
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from twinkit.control.gate import Gate, PlantCondition
from twinkit.control.happenings import Answer, ControlMode, Decided, Happening, Looked, Proposed, Switched, WriteFailed
from twinkit.control.modes import Rules, SessionState, Transition, needed, transition
from twinkit.control.recommendation import Recommendation
from twinkit.core import AuditSink, InvalidValueError, SimulationError, StorageError, no_audit
from twinkit.core.errors import unknown_name
from twinkit.core.units import affine, as_number, parse_unit, unit_label


class Actuator(Protocol):
    """What writes to the plant."""

    def write(self, setpoints: Mapping[str, float], at: float) -> None:
        """Apply values, in the units of the session; raise if the plant does not take them."""
        ...


class ControlSession:
    """Recommendations go in; what a person, or the gate, lets through comes out.

    Every change of mode and every decision is recorded *before* it takes effect: if the audit trail cannot take the
    record, nothing is written to the plant and the session stays where it was. Time is an argument everywhere; it never
    goes back. A session may be used from several threads, but not from inside its own audit sink or actuator.

    Parameters
    ----------
    name
        Of the session, in the records.
    present
        Manipulated input -> what is applied at the start: a text with a unit or, with `units`, a number.
    units
        Manipulated input -> unit; None: those of the texts in `present`.
    gate
        Conditions of closed loop, and the design space. Without one there is no closed loop.
    audit
        Where records go.
    actuator
        What writes to the plant; None: whoever reads `setpoints`.
    start, time_unit
        When the session begins, and the unit of all times.

    Examples
    --------
    >>> session = ControlSession("bioreactor 3", {"F": "0.01 L/h"})
    >>> session.mode.value, session.setpoints
    ('open_loop', {'F': 0.01})
    >>> session.switch(ControlMode.ADVISORY, by="A. Weber", reason="start of the feed phase", at="24 h").text
    'done'
    """

    def __init__(
        self, name: str, present: Mapping[str, Any], *, units: Mapping[str, str] | None = None,
        gate: Gate | None = None, audit: AuditSink = no_audit, actuator: Actuator | None = None, start: Any = 0.0,
        time_unit: str = "h",
    ) -> None:  # fmt: skip
        affine(time_unit, "s")
        needed(name, "the name of the session")
        if gate is not None and not isinstance(gate, Gate):
            raise InvalidValueError(f"gate= takes a Gate, not {gate!r}")
        if gate is not None and gate.time_unit != time_unit:
            raise InvalidValueError(f"the gate is in {gate.time_unit!r}, the session in {time_unit!r}: use one unit")
        if not callable(getattr(audit, "record", None)):
            raise InvalidValueError(f"an audit sink has record(action, details); {audit!r} has not")
        if actuator is not None and not callable(getattr(actuator, "write", None)):
            raise InvalidValueError(f"an actuator has write(setpoints, at); {actuator!r} has not")
        known = _units(present, units)
        values = {name: as_number(value, known[name], f"present {name}") for name, value in present.items()}
        self.rules = Rules(name, known, gate, time_unit)
        self.audit, self.actuator = audit, actuator
        self._state = SessionState(ControlMode.OPEN_LOOP, as_number(start, time_unit, "the start"), values)
        self._lock, self._inside = threading.RLock(), False

    # -- what it is --------------------------------------------------------------------------------------------
    @property
    def state(self) -> SessionState:
        """Where the session is (frozen)."""
        return self._state

    @property
    def mode(self) -> ControlMode:
        """Who decides."""
        return self._state.mode

    @property
    def setpoints(self) -> dict[str, float]:
        """Manipulated input -> value that is applied."""
        return dict(self._state.setpoints)

    @property
    def pending(self) -> Recommendation | None:
        """The recommendation that waits for a person (it may have expired since)."""
        return self._state.pending

    # -- what happens ------------------------------------------------------------------------------------------
    def propose(self, advice: Recommendation, *, at: Any, condition: PlantCondition | None = None) -> Answer:
        """Hand in a recommendation.

        Parameters
        ----------
        advice
            The recommendation; a newer one takes the place of one that waits.
        at
            Now: a number in the time unit of the session, or a text.
        condition
            What is known of the plant; closed loop needs it.

        Returns
        -------
        Answer
            `Logged` in open loop, `Waiting` in advisory mode (with what closed loop would object to), `Applied` in
            closed loop, or `Refused`.

        Raises
        ------
        InvalidValueError, UnknownNameError, UnitError
            If the time goes back, or the recommendation does not fit the session.
        StorageError
            If it could not be recorded; then nothing has happened.
        """
        if not isinstance(advice, Recommendation):
            raise InvalidValueError(f"a session is proposed a Recommendation, not {advice!r}")
        return self._handle(Proposed(self._time(at), advice, _checked(condition)))

    def accept(self, identity: str | Recommendation, *, by: str, reason: str, at: Any) -> Answer:
        """Accept the recommendation that waits.

        Parameters
        ----------
        identity
            The recommendation, or its content hash: what the person has seen.
        by, reason
            Who accepts, and why.
        at
            Now.

        Returns
        -------
        Answer
            `Applied`; or `Refused` when it has expired, is decided already, is not the one that waits, or would leave
            the design space.

        Raises
        ------
        InvalidValueError
            If nobody or nothing is named, or the time goes back.
        StorageError
            If it could not be recorded; then nothing has happened.
        """
        return self._handle(Decided(self._time(at), _identity(identity), True, by, reason))

    def reject(self, identity: str | Recommendation, *, by: str, reason: str, at: Any) -> Answer:
        """Reject the recommendation that waits; see `accept`."""
        return self._handle(Decided(self._time(at), _identity(identity), False, by, reason))

    def switch(
        self, to: ControlMode, *, by: str, reason: str, at: Any, condition: PlantCondition | None = None
    ) -> Answer:
        """Change the mode. Closed loop is reached from advisory mode, when the gate has no objection.

        Returns
        -------
        Answer
            `Done`, or `Refused` with what the gate objects to.
        """
        return self._handle(Switched(self._time(at), to, by, reason, _checked(condition)))

    def check(self, *, at: Any, condition: PlantCondition | None = None) -> Answer:
        """Say that time has passed: what waits may expire, and a closed loop whose conditions fail drops back.

        Returns
        -------
        Answer
            `Done`, or `Refused` with the reasons why closed loop was left.
        """
        return self._handle(Looked(self._time(at), _checked(condition)))

    def restore(self, state: SessionState) -> None:
        """Go back to an earlier state: for simulation only, since records cannot be taken back.

        Raises
        ------
        SimulationError
            If the session records somewhere, or writes to a plant.
        """
        if self.audit is not no_audit or self.actuator is not None:
            raise SimulationError("a session with an audit trail or a plant cannot be taken back")
        if not isinstance(state, SessionState):
            raise InvalidValueError(f"restore takes a SessionState, not {state!r}")
        with self._lock:
            self._state = state

    # -- the work ----------------------------------------------------------------------------------------------
    def _time(self, at: Any) -> float:
        return as_number(at, self.rules.time_unit, "the time")

    def _handle(self, happening: Happening) -> Answer:
        with self._lock:
            if self._inside:
                raise SimulationError("a session cannot be used from inside its own audit sink or actuator")
            self._inside = True
            try:
                return self._carry_out(happening)
            finally:
                self._inside = False

    def _carry_out(self, happening: Happening) -> Answer:
        before = self._state
        following = transition(self.rules, before, happening)
        self._record(following)
        self._state = following.state
        if following.write is None or self.actuator is None:
            return following.answer
        try:
            self.actuator.write(dict(following.write), happening.at)
        except Exception as error:  # whatever a driver raises: the plant did not take it
            failed = transition(
                self.rules, self._state, WriteFailed(happening.at, f"{type(error).__name__}: {error}", before.setpoints)
            )
            self._state = failed.state  # first: a loop that cannot write must not stay closed, recorded or not
            self._record(failed)
            return failed.answer
        return following.answer

    def _record(self, following: Transition) -> None:
        for entry in following.entries:
            try:
                self.audit.record(entry.action, entry.details)
            except Exception as error:
                raise StorageError(
                    f"{entry.action!r} could not be recorded ({type(error).__name__}: {error}): nothing more was "
                    "written to the plant"
                ) from error

    # -- looks -------------------------------------------------------------------------------------------------
    def _lines(self) -> list[str]:
        state, units = self._state, self.rules.units
        lines = [f"{name} is {value:.5g} {unit_label(units[name])}".rstrip() for name, value in state.setpoints.items()]
        if state.pending is not None:
            lines.append(f"waiting: {state.pending.content_hash[:12]}, until {state.pending.expires:.6g}")
        return lines

    def _head(self) -> str:
        state = self._state
        return f"ControlSession {self.rules.name!r}: {state.mode.value} at {state.at:.6g} {self.rules.time_unit}"

    def __repr__(self) -> str:
        return "\n".join([self._head(), *(f"  {line}" for line in self._lines())])

    def _repr_html_(self) -> str:
        rows = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines())
        return f"<div><b>{html.escape(self._head())}</b><ul>{rows}</ul></div>"


def _units(present: Mapping[str, Any], units: Mapping[str, str] | None) -> dict[str, str]:
    if not isinstance(present, Mapping) or not present:
        raise InvalidValueError("a session needs present=: manipulated input -> what is applied now")
    if units is None:
        texts = {name: value.split(maxsplit=1) if isinstance(value, str) else [] for name, value in present.items()}
        bare = [name for name, parts in texts.items() if len(parts) != 2]
        if bare:
            raise InvalidValueError(f"present {bare[0]!r} needs a unit: write it like '0.01 L/h', or give units=")
        units = {name: parts[1] for name, parts in texts.items()}
    for name in {**present, **units}:
        if name not in units or name not in present:
            raise unknown_name("unit" if name not in units else "present value", name, present, "the session")
    for unit in units.values():
        parse_unit(unit)
    return dict(units)


def _identity(given: str | Recommendation) -> str:
    if isinstance(given, Recommendation):
        return given.content_hash
    return needed(given, "the content hash of a recommendation")


def _checked(condition: PlantCondition | None) -> PlantCondition | None:
    if condition is not None and not isinstance(condition, PlantCondition):
        raise InvalidValueError(f"condition= takes a PlantCondition, not {condition!r}")
    return condition
