"""A controller as a component of a graph: estimates come in at ports, moves go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.control.plan import Plan
from twinkit.control.status import Optimal, PlanStatus, PreviousPlan, SafeSetpoint, Suboptimal
from twinkit.core import InvalidValueError, TwinkitError
from twinkit.core.component import Array, Causality, Port, StepError, Values, Variability
from twinkit.core.errors import unknown_name
from twinkit.core.identity import digest
from twinkit.core.periodic import Periodic
from twinkit.core.positions import positions
from twinkit.core.units import derivative_unit, difference_unit

if TYPE_CHECKING:
    from twinkit.control.mpc import MPC

_CODES: tuple[type[PlanStatus], ...] = (Optimal, Suboptimal, PreviousPlan, SafeSetpoint)


@dataclass(frozen=True, eq=False)
class PortEstimate:
    """What the ports of a controller say: a `twinkit.core.StateEstimate` without correlations."""

    time: float
    time_unit: str
    names: tuple[str, ...]
    vector: Array
    std: Array

    @property
    def covariance(self) -> Array:
        """Diagonal."""
        return np.diag(self.std**2)

    @property
    def noise(self) -> Array:
        """None: ports do not tell."""
        return np.zeros(len(self.vector))

    @property
    def decay(self) -> Array:
        """None: ports do not tell."""
        return np.zeros(len(self.vector))

    @property
    def content_hash(self) -> str:
        """SHA-256 of the numbers."""
        return digest([self.time, self.names, self.vector, self.std])


@dataclass(frozen=True)
class _State:
    plans: tuple[Plan, ...]
    held: tuple[float, ...]
    origin: float
    taken: int = field(default=0)


class ControllerComponent:
    """A controller that lives in a graph.

    Every state has two input ports, ``NAME`` and ``std(NAME)`` (default 0), so has everything in `estimated`; other
    inputs of the model are ports too, and are expected to stay as they are. Outputs are the moves, and ``status``: 0
    optimal, 1 feasible, 2 the previous plan continues, 3 safe setpoint, 4 failed (the moves in force are held).

    A new plan is made at the start, and each time the step of the controller has passed, from the values at the ports
    then. With the `GaussSeidel` master these are of the same time, if the estimator comes before the controller.

    Parameters
    ----------
    mpc
        The controller.
    estimated
        Parameters, and ``disturbance(NAME)``, that are estimated with the states.

    Examples
    --------
    >>> import twinkit as tk
    >>> from twinkit.unitops import JacketedTank
    >>> moves = {"Q": tk.Move(bounds=(0.0, "20 kW"))}
    >>> mpc = tk.MPC(JacketedTank(), horizon="1 h", step="5 min", track={"T": "40 degC"}, moves=moves)
    >>> component = mpc.component()
    >>> list(component.inputs)[:2], list(component.outputs)
    (['T', 'std(T)'], ['Q', 'status'])
    """

    stateless = False

    def __init__(self, mpc: MPC, estimated: Sequence[str] = ()) -> None:
        self.mpc = mpc
        self._names = (*mpc.model.layout.states.labels, *estimated)
        self._inputs = _input_ports(mpc, estimated)
        self._outputs = {
            m.place.label: Port(
                m.place.label, m.place.unit, Causality.OUTPUT, doc="move", variability=Variability.DISCRETE
            )
            for m in mpc.settings.movers
        }
        doc = "0 optimal, 1 feasible, 2 previous plan, 3 safe setpoint, 4 failed"
        self._outputs["status"] = Port("status", "", Causality.OUTPUT, doc=doc, variability=Variability.DISCRETE)
        self._plans: tuple[Plan, ...] = ()
        self._held: tuple[float, ...] = ()
        self._origin, self._taken = 0.0, 0

    @property
    def time_unit(self) -> str:
        """Unit of `t` and `dt`."""
        return self.mpc.model.time_unit

    @property
    def inputs(self) -> Mapping[str, Port]:
        """Input ports."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        """Output ports."""
        return self._outputs

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All plans so far."""
        return self._plans

    @property
    def content_hash(self) -> str:
        """SHA-256 of what determines its results."""
        return digest({"controller": self.mpc.content_hash, "names": self._names})

    def __repr__(self) -> str:
        return f"ControllerComponent(MPC of {type(self.mpc.model).__name__})"

    def initialize(self, t0: float, inputs: Values) -> Values:
        """Start (or start again) at `t0`, and plan."""
        self._plans, self._origin, self._taken = (), t0, 1
        self._held = tuple(self.mpc.moves_in_force(t0).tolist())
        self._decide(t0, inputs)
        return self._shown()

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Advance from `t` to ``t + dt``, and plan there if it is time."""
        if not self._plans:
            raise StepError("the controller has not been started: initialize comes first", time=t, values=inputs)
        if not dt > 0.0:
            raise StepError(f"a step goes forward: dt = {dt!r}", time=t, values=inputs)
        end = t + dt
        due = Periodic(self.mpc.settings.step, self._origin).count(end)
        if due > self._taken:
            self._decide(end, inputs)
            self._taken = due
        return self._shown()

    def next_event(self, t: float) -> float | None:
        """Return the time after `t` at which the next plan is due."""
        return Periodic(self.mpc.settings.step, self._origin).next(t)

    def close(self) -> None:
        """Nothing is held."""

    def snapshot(self) -> _State:
        """Return everything that determines how the component goes on."""
        return _State(self._plans, self._held, self._origin, self._taken)

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; the continuation is bitwise the same."""
        if not isinstance(state, _State):
            raise InvalidValueError(f"restore takes what snapshot() returned, not {state!r}")
        self._plans, self._held, self._origin, self._taken = state.plans, state.held, state.origin, state.taken

    def _decide(self, time: float, inputs: Values) -> None:
        labels = [m.place.label for m in self.mpc.settings.movers]
        given = {name: self._value(name, time, inputs) for name in self._inputs}
        vector = np.array([given[name] for name in self._names], dtype=np.float64)
        std = np.array([given[f"std({name})"] for name in self._names], dtype=np.float64)
        estimate = PortEstimate(time, self.time_unit, self._names, vector, std)
        others = {name: given[name] for name in self._inputs if name in self.mpc.model.layout.inputs}
        try:
            plan = self.mpc.plan(
                estimate, time, previous=self._plans[-1] if self._plans else None,
                applied=dict(zip(labels, self._held, strict=True)), inputs={**others, **self.mpc.inputs},
            )  # fmt: skip
        except TwinkitError as error:
            raise StepError(f"{self!r}: {error}", time=time, values=inputs) from error
        self._plans = (*self._plans, plan)
        if plan.status.usable:
            self._held = tuple(plan.moves[label].first for label in labels)

    def _value(self, name: str, time: float, inputs: Values) -> Any:
        port = self._inputs[name]
        value = inputs.get(name, port.default)
        if value is None:
            raise StepError(f"{self!r}: input {name!r} has neither a value nor a default", time=time, values=inputs)
        return value

    def _shown(self) -> Values:
        labels = [m.place.label for m in self.mpc.settings.movers]
        status = self._plans[-1].status
        code = next((k for k, kind in enumerate(_CODES) if isinstance(status, kind)), len(_CODES))
        return {**dict(zip(labels, self._held, strict=True)), "status": float(code)}


def _input_ports(mpc: MPC, estimated: Sequence[str]) -> dict[str, Port]:
    layout, unit, found = mpc.model.layout, mpc.model.time_unit, {}
    known: dict[str, str] = {label: place.unit for label, place in positions(layout).items() if place.kind == "state"}
    for entry in layout.parameters:
        known |= dict.fromkeys(entry.labels, str(entry.variable.unit))
    for entry in layout.inputs:
        known |= {f"disturbance({label})": difference_unit(entry.variable.unit) for label in entry.labels}
    for entry in layout.states:
        known |= {f"disturbance({label})": derivative_unit(entry.variable.unit, unit) for label in entry.labels}
    for name in (*layout.states.labels, *estimated):
        if name not in known:
            raise unknown_name("state, parameter or disturbance", name, known, type(mpc.model).__name__)
        found[name] = Port(name, known[name], Causality.INPUT, doc=f"estimate of {name}")
        spread = f"std({name})"
        found[spread] = Port(
            spread, difference_unit(known[name]), Causality.INPUT, default=0.0, doc="its standard deviation"
        )
    moved = {m.place.label for m in mpc.settings.movers}
    values = mpc.model.values()
    for entry in layout.inputs:
        if moved & set(entry.labels) or entry.name in mpc.inputs:
            continue
        value = values.get(entry.name)
        flat = None if value is None else tuple(np.broadcast_to(np.asarray(value, float), (entry.width,)).tolist())
        default = flat[0] if flat is not None and entry.size is None else flat
        found[entry.name] = Port(
            entry.name, entry.variable.unit, Causality.INPUT, entry.size, default=default, doc=entry.variable.doc
        )
    return found
