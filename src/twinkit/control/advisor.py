"""Advisory control as a component of a graph: proposed moves come in, accepted ones go out.

It stands between a controller and a plant. In a simulated run a policy plays the person who decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from twinkit.control.gate import Gate, PlantCondition
from twinkit.control.happenings import ControlMode
from twinkit.control.modes import SessionState, named_person, needed
from twinkit.control.plan import MoveSchedule
from twinkit.control.recommendation import Recommendation
from twinkit.control.session import ControlSession
from twinkit.control.status import Suboptimal
from twinkit.core import AuditSink, InvalidValueError, Measurement, Quality, TwinkitError, no_audit
from twinkit.core.component import Causality, Port, StepError, Values, Variability
from twinkit.core.identity import digest
from twinkit.core.periodic import Periodic
from twinkit.core.units import as_number, difference_unit


@dataclass(frozen=True)
class Decision:
    """What a person decides about a recommendation."""

    accepted: bool
    reason: str


class Policy(Protocol):
    """Plays a person in a simulated run. It keeps no memory, so that a run can be repeated."""

    @property
    def by(self) -> str:
        """The person's name."""
        ...

    def decide(self, advice: Recommendation, at: float, since: float) -> Decision | None:
        """Return the decision at a time about what has waited since another; None: not yet."""
        ...

    def closes(self, at: float, dropped: bool) -> bool:
        """Whether the person now asks for closed loop; `dropped`: it has been left before."""
        ...


@dataclass(frozen=True)
class Always:
    """A person who decides the same every time.

    Parameters
    ----------
    accepted
        What is decided.
    by, reason
        Who, and why.
    delay
        How long it takes, in the time unit of the component.
    closed
        Whether the person asks for closed loop as soon as the gate lets it; once only, unless `again`.
    again
        Whether the person asks again after it was left.
    """

    accepted: bool = True
    by: str = "simulated operator"
    reason: str = "policy of the simulation"
    delay: float = 0.0
    closed: bool = False
    again: bool = False

    def __post_init__(self) -> None:
        named_person(self.by)
        needed(self.reason, "a reason")
        if not self.delay >= 0.0:
            raise InvalidValueError(f"a person decides after a delay of zero or more, not {self.delay!r}")

    def decide(self, advice: Recommendation, at: float, since: float) -> Decision | None:
        """Return the decision once the delay has passed."""
        del advice
        waited = at - since >= self.delay - 1e-9 * max(1.0, abs(at))
        return Decision(self.accepted, self.reason) if waited else None

    def closes(self, at: float, dropped: bool) -> bool:
        """Whether closed loop is asked for."""
        del at
        return self.closed and (self.again or not dropped)


@dataclass(frozen=True)
class Offer:
    """What the ports say at a time.

    Attributes
    ----------
    time, time_unit, expires
        When, and until when it is to be decided.
    moves
        Manipulated input -> proposed value, as a schedule of one step.
    present
        Manipulated input -> what is applied.
    condition
        What is known of the plant.
    in_domain
        What the controller says about its models.
    """

    time: float
    time_unit: str
    expires: float
    moves: Mapping[str, MoveSchedule]
    present: Mapping[str, float]
    condition: PlantCondition
    in_domain: bool


def unexplained(offer: Offer) -> Recommendation:
    """Return a recommendation of the proposed moves without a prediction; a gate never lets it through by itself."""
    status = Suboptimal("the controller of the graph", 0, "moves without a prediction")
    return Recommendation(
        offer.time, offer.expires, offer.time_unit, offer.moves, offer.present, {}, {}, status,
        in_domain=offer.in_domain, warnings=("nothing is predicted of these moves",),
    )  # fmt: skip


@dataclass(frozen=True)
class _Place:
    session: SessionState
    taken: int
    origin: float
    since: float
    dropped: bool


class AdvisorComponent:
    """Advisory control in a graph, between a controller and a plant.

    Input ports: every manipulated input, as proposed; every watched quantity, with ``std(NAME)``; ``quality(TAG)`` of
    every sensor of the gate (0 good, 1 uncertain, 2 bad); ``usable``, 0 while the controller has no plan; and
    ``in_domain``. Output ports: every manipulated input, as accepted; ``mode`` (0 open loop, 1 advisory, 2 closed
    loop); and ``waiting``, 1 while a recommendation waits.

    Parameters
    ----------
    name
        Of the session, in the records.
    present
        Manipulated input -> what is applied at the start, as a text with a unit.
    policy
        Plays the person.
    watch
        Estimated quantity -> unit; with a gate, the units of its design space.
    gate, audit
        See `ControlSession`. With an audit trail the component cannot roll back: records stay.
    explain
        Makes a recommendation of an `Offer`, with predictions; None: one without, which closed loop never follows.
    mode
        The mode asked for at the start; `CLOSED_LOOP` starts as advisory, and the policy asks for more.
    every, lifetime
        Time between two recommendations, and how long each may wait (None: `every`). Numbers in `time_unit`, or texts.
    time_unit
        Unit of time.

    Examples
    --------
    >>> advisor = AdvisorComponent("bioreactor 3", {"F": "0.01 L/h"}, Always(), every="1 h")
    >>> _ = advisor.initialize(0.0, {"F": 0.01})
    >>> advisor.step(0.0, 1.0, {"F": 0.02})
    {'F': 0.02, 'mode': 1.0, 'waiting': 0.0}
    """

    stateless = False

    def __init__(
        self, name: str, present: Mapping[str, str], policy: Policy, *, watch: Mapping[str, str] | None = None,
        gate: Gate | None = None, audit: AuditSink = no_audit,
        explain: Callable[[Offer], Recommendation] | None = None, mode: ControlMode = ControlMode.ADVISORY,
        every: Any = 1.0, lifetime: Any = None, time_unit: str = "h",
    ) -> None:  # fmt: skip
        if not callable(getattr(policy, "decide", None)) or not callable(getattr(policy, "closes", None)):
            raise InvalidValueError(f"a policy has decide(...) and closes(...); {policy!r} has not")
        if not isinstance(mode, ControlMode):
            raise InvalidValueError(f"a mode is one of {', '.join(map(str, ControlMode))}, not {mode!r}")
        self.name, self.policy, self.gate, self.audit, self.mode = name, policy, gate, audit, mode
        self.present, self.explain = dict(present), explain or unexplained
        self._time_unit = time_unit
        self._every = as_number(every, time_unit, "every")
        self._lifetime = self._every if lifetime is None else as_number(lifetime, time_unit, "lifetime")
        if not (self._every > 0.0 and self._lifetime > 0.0):
            raise InvalidValueError("every and lifetime of an advisor are positive")
        self._session = self._fresh(0.0)
        self._sensors = tuple(gate.sensors) if gate is not None else ()
        self._watch = dict(watch or {})
        self._inputs, self._outputs = self._ports()
        self._taken, self._origin, self._since, self._dropped = 0, 0.0, 0.0, False

    def _fresh(self, start: float) -> ControlSession:
        return ControlSession(
            self.name, self.present, gate=self.gate, audit=self.audit, start=start, time_unit=self._time_unit
        )

    def _ports(self) -> tuple[dict[str, Port], dict[str, Port]]:
        held, units = Variability.DISCRETE, self._session.rules.units
        ports: list[Port] = []
        for name, value in self._session.setpoints.items():
            ports.append(Port(name, units[name], Causality.INPUT, default=value, variability=held, doc="as proposed"))
        for name, unit in self._watch.items():
            ports.append(Port(name, unit, Causality.INPUT, variability=held, doc="estimate"))
            ports.append(Port(f"std({name})", difference_unit(unit), Causality.INPUT, default=0.0, variability=held,
                              doc="its standard deviation"))  # fmt: skip
        flags = {f"quality({tag})": (0.0, "0 good, 1 uncertain, 2 bad") for tag in self._sensors}
        flags |= {"usable": (1.0, "0: the controller has no plan"), "in_domain": (1.0, "0: beyond its models' data")}
        ports += [Port(n, "", Causality.INPUT, default=v, variability=held, doc=d) for n, (v, d) in flags.items()]
        names = [port.name for port in ports]
        if len(set(names)) != len(names):
            raise InvalidValueError(f"a port would appear twice among {', '.join(names)}: rename a watched quantity")
        out = [Port(n, u, Causality.OUTPUT, variability=held, doc="as accepted") for n, u in units.items()]
        out += [Port("mode", "", Causality.OUTPUT, variability=held, doc="0 open loop, 1 advisory, 2 closed loop"),
                Port("waiting", "", Causality.OUTPUT, variability=held, doc="1: a recommendation waits")]  # fmt: skip
        return {port.name: port for port in ports}, {port.name: port for port in out}

    # -- what it is --------------------------------------------------------------------------------------------
    @property
    def time_unit(self) -> str:
        """Unit of `t` and `dt`."""
        return self._time_unit

    @property
    def inputs(self) -> Mapping[str, Port]:
        """Proposed moves, estimates, qualities and flags."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        """Accepted moves, mode, and whether a recommendation waits."""
        return self._outputs

    @property
    def session(self) -> ControlSession:
        """The session inside."""
        return self._session

    @property
    def rolls_back(self) -> bool:
        """Whether it can return to a snapshot: not where records are kept."""
        return self.audit is no_audit

    @property
    def content_hash(self) -> str:
        """SHA-256 of its settings."""
        gate = "" if self.gate is None else self.gate.content_hash
        return digest([self.name, self.present, repr(self.policy), self._watch, gate, self.mode.value, self._every,
                       self._lifetime, self._time_unit])  # fmt: skip

    def __repr__(self) -> str:
        return f"AdvisorComponent({self.name!r})"

    # -- time --------------------------------------------------------------------------------------------------
    def initialize(self, t0: float, inputs: Values) -> Values:
        """Start (or start again) at `t0` in the mode asked for; what is applied is `present`."""
        try:
            self._session = self._fresh(t0)
            if self.mode is not ControlMode.OPEN_LOOP:
                self._session.switch(ControlMode.ADVISORY, by=self.policy.by, reason="start of the run", at=t0)
        except TwinkitError as error:
            raise StepError(f"{self!r}: {error}", time=t0, values=inputs) from error
        self._taken, self._origin, self._since, self._dropped = 0, t0, t0, False
        return self._shown()

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Take in what is proposed at `t`, let the person decide, and return what is applied until ``t + dt``."""
        if not dt > 0.0:
            raise StepError(f"a step goes forward: dt = {dt!r}", time=t, values=inputs)
        try:
            condition = self._condition(t, inputs)
            was = self._session.mode
            due = Periodic(self._every, self._origin).count(t)
            if due > self._taken and self._value("usable", t, inputs) > 0.5:
                self._propose(t, inputs, condition)
            else:
                self._session.check(at=t, condition=condition)
            self._taken = max(due, self._taken)
            self._decide(t)
            self._dropped |= was is ControlMode.CLOSED_LOOP and self._session.mode is not ControlMode.CLOSED_LOOP
            self._close(t, condition)
        except StepError:
            raise
        except TwinkitError as error:
            raise StepError(f"{self!r}: {error}", time=t, values=inputs) from error
        return self._shown()

    def next_event(self, t: float) -> float | None:
        """Return when the next recommendation is due after `t`."""
        return Periodic(self._every, self._origin).next(t)

    def snapshot(self) -> Any:
        """Return everything that determines how the component goes on."""
        return _Place(self._session.state, self._taken, self._origin, self._since, self._dropped)

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; the continuation is bitwise the same."""
        if not isinstance(state, _Place):
            raise InvalidValueError(f"restore takes what snapshot() returned, not {state!r}")
        self._session.restore(state.session)
        self._taken, self._origin, self._since, self._dropped = state.taken, state.origin, state.since, state.dropped

    def close(self) -> None:
        """Nothing is held."""

    # -- the work ----------------------------------------------------------------------------------------------
    def _value(self, name: str, t: float, inputs: Values) -> float:
        port = self._inputs[name]
        value = inputs.get(name, port.default)
        if value is None:
            raise StepError(f"{self!r}: input {name!r} has neither a value nor a default", time=t, values=inputs)
        return float(np.asarray(value, dtype=np.float64).reshape(()))

    def _condition(self, t: float, inputs: Values) -> PlantCondition:
        values = {name: self._value(name, t, inputs) for name in self._watch}
        std = {name: self._value(f"std({name})", t, inputs) for name in self._watch}
        qualities = {tag: Quality.of_code(self._value(f"quality({tag})", t, inputs)) for tag in self._sensors}
        # The port tells the quality only; its time is that of the step.
        sensors = {tag: Measurement(tag, 0.0, "", t, quality=q) for tag, q in qualities.items()}
        return PlantCondition(t, values, std, sensors, self._value("in_domain", t, inputs) > 0.5)

    def _propose(self, t: float, inputs: Values, condition: PlantCondition) -> None:
        units, end = self._session.rules.units, t + self._lifetime
        moves = {
            n: MoveSchedule(n, u, np.array([t]), np.array([self._value(n, t, inputs)]), end) for n, u in units.items()
        }
        offer = Offer(t, self._time_unit, end, moves, self._session.setpoints, condition, condition.in_domain)
        self._session.propose(self.explain(offer), at=t, condition=condition)
        self._since = t

    def _decide(self, t: float) -> None:
        pending = self._session.pending
        decision = None if pending is None else self.policy.decide(pending, t, self._since)
        if pending is None or decision is None:
            return
        act = self._session.accept if decision.accepted else self._session.reject
        act(pending, by=self.policy.by, reason=decision.reason, at=t)

    def _close(self, t: float, condition: PlantCondition) -> None:
        asked = self.mode is ControlMode.CLOSED_LOOP and self._session.mode is ControlMode.ADVISORY
        if asked and self.policy.closes(t, self._dropped) and self._session.state.latest is not None:
            self._session.switch(
                ControlMode.CLOSED_LOOP, by=self.policy.by, reason="policy of the simulation", at=t, condition=condition
            )

    def _shown(self) -> Values:
        modes = list(ControlMode)
        found = {name: float(value) for name, value in self._session.setpoints.items()}
        waits = float(self._session.pending is not None)
        return {**found, "mode": float(modes.index(self._session.mode)), "waiting": waits}
