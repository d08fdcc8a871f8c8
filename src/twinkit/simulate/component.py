"""A model as a component: it steps with inputs held, and can roll back, evaluate, differentiate and bind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import casadi as ca
import numpy as np

from twinkit.core.component import Port, StepError, Stepper, Values
from twinkit.core.errors import InvalidValueError, SimulationError, unknown_name
from twinkit.core.model import Model
from twinkit.core.solution import Occurrence
from twinkit.core.units import as_number
from twinkit.readings.casadi import SYMBOLIC
from twinkit.simulate.component_past import Past
from twinkit.simulate.component_ports import Streams, model_feedthrough, model_ports
from twinkit.simulate.consistent import consistent_algebraics
from twinkit.simulate.cvodes import Cvodes, crossings
from twinkit.simulate.legs import Point, Walk
from twinkit.simulate.problem import Array, Problem, Solver, check_solver, make_problem
from twinkit.simulate.signals import Program


def _default_solver(model: Model) -> Solver:
    """Return `Compiled` where numba is installed and the equations can be compiled, else `Cvodes`."""
    if model.structure.externals:
        return Cvodes()
    try:
        from twinkit.simulate.compiled.solver import Compiled
    except ImportError:
        return Cvodes()
    return Compiled()


class ModelComponent:
    """A model that lives in a graph.

    Its inputs are the model's inputs; its outputs the model's outputs, states and algebraic variables. Events and
    schedules happen where they do in `simulate`, those of one instant and those that inputs bring about by jumping
    between two steps included.

    Parameters
    ----------
    model
        The model.
    solver
        `Compiled()` (default where numba is installed, but not for the equations of FMUs) or `Cvodes()`.
    hold
        What an input does during a step: ``"zero"`` keeps its value, ``"first"`` goes on with the slope it had from
        the step before (for `Jacobi` and `GaussSeidel`).
    inputs, initial
        Values instead of the model's: defaults of inputs; states, algebraic variables and modes at the start.
    rtol, atol
        As for `simulate`.
    streams
        Stream name -> field -> variable: these variables become material ports, connected together. None: as the
        model declares them (``Model.streams``); ``{}``: none.

    Examples
    --------
    >>> from twinkit.unitops import JacketedTank
    >>> tank = ModelComponent(JacketedTank(), solver=Cvodes())
    >>> start = tank.initialize(0.0, {})
    >>> sorted(tank.inputs) == sorted(entry.name for entry in JacketedTank().layout.inputs)
    True
    """

    def __init__(
        self, model: Model, *, solver: Solver | None = None, hold: Literal["zero", "first"] = "zero",
        inputs: Mapping[str, Any] | None = None, initial: Mapping[str, Any] | None = None,
        rtol: float = 1e-8, atol: float | None = None, streams: Streams | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(model, Model):
            raise InvalidValueError(f"ModelComponent needs a model, not {model!r}")
        if hold not in ("zero", "first"):
            raise InvalidValueError(f"hold is 'zero' or 'first', not {hold!r}")
        chosen = _default_solver(model) if solver is None else solver
        check_solver(chosen)
        for name in inputs or {}:
            if name not in model.layout.inputs:
                raise unknown_name("input", name, model.layout.inputs.by_name, type(model).__name__)
        model = model.with_(inputs) if inputs else model
        held = {e.name: _fallback(e.variable.bounds) for e in model.layout.inputs if model.values().get(e.name) is None}
        problem = make_problem(model, 1.0, inputs=held, initial=initial, rtol=rtol, atol=atol)
        self._problem: Problem = replace(problem, times=np.empty(0))
        self.model: Model = self._problem.model
        self.solver = chosen
        self.hold = hold
        chosen_streams = model.streams if streams is None else streams
        self.streams = {stream: dict(fields) for stream, fields in chosen_streams.items()}
        self._inputs, self._outputs, self.variable_of = model_ports(self.model, self.streams)
        self._make_buffers()

    def _make_buffers(self) -> None:
        problem, layout = self._problem, self.model.layout
        self._begin = np.concatenate([problem.x, problem.z])
        self._state = self._begin.copy()
        self._x, self._z = self._state[: len(problem.x)], self._state[len(problem.x) :]
        self._u = np.concatenate([np.zeros(layout.inputs.size), problem.modes])
        self._given, self._modes = self._u[: layout.inputs.size], self._u[layout.inputs.size :]
        self._time = np.zeros(1)
        self._before = np.full(layout.inputs.size + 1, np.nan)  # the last inputs and when they came
        self._coefficients = np.zeros((1, layout.inputs.size, 4))
        self._p = np.ascontiguousarray(problem.p)
        self._past = Past()
        self._statistics: dict[str, Any] = {}
        self._kept: list[Any] = []
        reading = problem.reading
        self._result = np.zeros(sum(port.width for port in self._outputs.values()))
        everything = ca.vertcat(reading.output, reading.symbols[1], reading.symbols[2])
        self._shown = reading.function("look", everything)
        self._look = self._looker(self._shown, self._result)
        self._roots = np.zeros(len(reading.events))
        self._directions = np.array([event.crossing.value for event in reading.events.values()])
        self._look_roots = self._looker(reading.event_roots, self._roots)
        self._due = (np.inf, -np.inf)  # between the first and the second time nothing is scheduled
        self._kernel = None
        if type(self.solver).__name__ == "Compiled" and len(problem.x):
            from twinkit.simulate.compiled.stepping import HeldStep

            self._kernel = HeldStep(problem, self.solver, self._state, self._modes, self._coefficients)

    def _looker(self, function: Any, into: Array) -> Any:
        """Return a function without arguments that evaluates a CasADi function at the present point."""
        buffer, run = function.buffer()
        for i, array in enumerate((self._time, self._x, self._z, self._u, self._p)):
            if array.size:
                buffer.set_arg(i, memoryview(array))  # pyright: ignore[reportArgumentType]
        if into.size:
            buffer.set_res(0, memoryview(into))  # pyright: ignore[reportArgumentType]
        self._kept.append((function, buffer, into))  # CasADi keeps none of them alive
        return run

    # -- what it is --------------------------------------------------------------------------------------------
    @property
    def time_unit(self) -> str:
        """Unit of `t` and `dt`."""
        return self.model.time_unit

    @property
    def inputs(self) -> Mapping[str, Port]:
        """Input ports by name."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        """Output ports by name: outputs, states, algebraic variables."""
        return self._outputs

    def feedthrough(self) -> Mapping[str, frozenset[str]]:
        """Return output -> inputs it depends on without delay, from the structure of the equations."""
        port_of = {variable: port for port, variable in self.variable_of.items()}
        found = model_feedthrough(self.model)
        return {
            name: frozenset(port_of[entry] for entry in found.get(self.variable_of[name], frozenset()))
            for name in self._outputs
        }

    @property
    def content_hash(self) -> str:
        """SHA-256 of what determines its results."""
        from twinkit.core.identity import digest

        p = self._problem
        return digest({"model": self.model.content_hash, "solver": repr(self.solver), "hold": self.hold,
                       "begin": self._begin, "modes": p.modes, "rtol": p.rtol, "atol": p.atol,
                       "streams": self.streams})  # fmt: skip

    def __repr__(self) -> str:
        return f"ModelComponent({self.model!r})"

    # -- time --------------------------------------------------------------------------------------------------
    def initialize(self, t0: float, inputs: Values) -> Values:
        """Start (or start again) at `t0` and return the outputs there."""
        self._state[:] = self._begin
        self._modes[:] = self._problem.modes
        self._time[0], self._past = t0, Past(begin=t0)
        self._before[:] = np.nan
        if self._kernel is not None:
            self._kernel.width[0] = 0.0
        self._take(inputs)
        self._settle(t0)
        planned = self._planned(t0, float(np.nextafter(t0, np.inf)))
        if planned:
            self._walk(t0, t0, planned)
        return self._show()

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Advance from `t` to ``t + dt`` with inputs held, and return the outputs at the end."""
        self._take(inputs)
        self._advance(t, dt)
        return self._show()

    def evaluate(self, t: float, inputs: Values) -> Values:
        """Return the outputs at `t`, the present instant, under other inputs."""
        self._take(inputs)
        self._settle(t)
        return self._show()

    @property
    def has_events(self) -> bool:
        """Whether `next_event` may ever return a time."""
        return bool(self._problem.reading.schedules)

    def next_event(self, t: float) -> float | None:
        """Return the time of the next scheduled action after `t`, or None."""
        if not self._problem.reading.schedules:
            return None
        known, due = self._due
        if not known <= t < due:
            known, due = self._due = t, self._scheduled_after(t)
        return due if due < np.inf else None

    def occurrences(self) -> Sequence[Occurrence]:
        """Return the events and scheduled actions since the start, in order of time."""
        found = list[Occurrence]()
        happened = self._past.happened
        while happened is not None:
            happened, one = happened
            found.append(one)
        return found[::-1]

    @property
    def can_stop(self) -> bool:
        """Whether the model has an event that ends a run."""
        return any(event.stop for event in self._problem.reading.events.values())

    def stopped(self) -> Occurrence | None:
        """Return the event that ended the run of this model, or None."""
        return self._past.ended

    def bind(self, inputs: Array, outputs: Array) -> Stepper:
        """Return a stepper on arrays (see `twinkit.core.component.Binds`)."""
        given, advance, look = self._given, self._advance, self._looker(self._shown, outputs)

        def step(t: float, dt: float) -> None:
            given[:] = inputs
            advance(t, dt)
            with SYMBOLIC:
                look()

        return step

    def bind_evaluate(self, inputs: Array, outputs: Array) -> Any:
        """Return ``evaluate`` on arrays: ``(t) -> None``."""
        given, settle, look = self._given, self._settle, self._looker(self._shown, outputs)

        def evaluate(t: float) -> None:
            given[:] = inputs
            settle(t)
            with SYMBOLIC:
                look()

        return evaluate

    def close(self) -> None:
        """Nothing is held."""

    # -- rollback ----------------------------------------------------------------------------------------------
    def snapshot(self) -> Any:
        """Return everything that determines how the component goes on."""
        width = 0.0 if self._kernel is None else float(self._kernel.width[0])
        return (float(self._time[0]), self._state.copy(), self._u.copy(), self._before.copy(), self._past, width)

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; the continuation is bitwise the same."""
        self._time[0], self._state[:], self._u[:], self._before[:], self._past, width = state
        if self._kernel is not None:
            self._kernel.width[0] = width

    # -- derivatives -------------------------------------------------------------------------------------------
    def derivatives(self, of: tuple[str, ...], to: tuple[str, ...]) -> Array:
        """Return d(outputs)/d(inputs) at the present point, states held, algebraic variables following."""
        for names, ports, kind in ((of, self._outputs, "output"), (to, self._inputs, "input")):
            for name in names:
                if name not in ports:
                    raise unknown_name(kind, name, ports, repr(self))
        reading = self._problem.reading
        _, x, z, u, _ = reading.symbols
        everything = ca.vertcat(reading.output, x, z)
        total = ca.jacobian(everything, u)
        if z.numel():
            follows = -ca.solve(ca.jacobian(reading.residual, z), ca.jacobian(reading.residual, u))
            total = total + ca.jacobian(everything, z) @ follows
        function = reading.function("gain", total)
        matrix = np.asarray(function(float(self._time[0]), self._x, self._z, self._u, self._p))
        return matrix[np.ix_(_positions(self._outputs, of), _positions(self._inputs, to))]

    # -- the work ----------------------------------------------------------------------------------------------
    def _take(self, inputs: Values) -> None:
        at = 0
        for name, port in self._inputs.items():
            value = inputs.get(name, port.default)
            if value is None:
                raise StepError(f"{self!r}: input {name!r} has neither a value nor a default", values=inputs)
            self._given[at : at + port.width] = value
            at += port.width

    def _show(self) -> Values:
        with SYMBOLIC:
            self._look()
        found, at = dict[str, Any](), 0
        for name, port in self._outputs.items():
            found[name] = float(self._result[at]) if port.shape is None else self._result[at : at + port.width].copy()
            at += port.width
        return found

    def _settle(self, t: float) -> None:
        """Move the algebraic variables to where the inputs want them."""
        self._time[0] = t
        if self._z.size:
            problem = self._with_inputs(t, t)
            try:
                with SYMBOLIC:
                    self._z[:] = consistent_algebraics(problem, t, self._x, self._z, self._modes)
            except SimulationError as error:
                raise StepError(str(error), time=t, values=self._values()) from error

    def _slopes(self, t: float) -> None:
        """Set the input polynomials of this step, from `t` on."""
        c = self._coefficients[0]
        c[:, 0] = self._given
        if self.hold == "first":
            passed = t - self._before[-1]
            c[:, 1] = (self._given - self._before[:-1]) / passed if passed > 0.0 else 0.0
            self._before[:-1], self._before[-1] = self._given, t

    def _advance(self, t: float, dt: float) -> None:
        if not dt > 0.0:
            raise StepError(f"a step goes forward: dt = {dt!r}", time=t, values=self._values())
        if self._past.ended is not None:
            raise self._failed(t, f"event {self._past.ended.name!r} has ended the run")
        self._slopes(t)
        if self._kernel is None or not self._plain_step(t, dt):
            self._legs(t, t + dt)
        if self._past.ended is None:
            self._time[0] = t + dt
        if self.hold == "first":
            self._given += self._coefficients[0, :, 1] * (self._time[0] - t)
        if not self._x.size:
            self._settle(self._time[0])
        if self._roots.size:
            with SYMBOLIC:
                self._look_roots()
            self._past = self._past.seeing(self._roots, self._given)

    def _plain_step(self, t: float, dt: float) -> bool:
        """Take a step in which nothing happens; return False, and do nothing, where something does."""
        assert self._kernel is not None
        if self._problem.reading.schedules:
            due = self.next_event(t)
            if due is not None and due <= t + dt:
                return False
        try:
            if not self._roots.size:
                return self._kernel(t, dt)
            if self._jumped() and (self._z.size or self._brought_about()):
                return False
            state, width = self._state.copy(), float(self._kernel.width[0])
            if self._kernel(t, dt, self._past.fired):
                self._past = self._past.passing()
                return True
        except StepError as error:
            raise self._failed(t, str(error)) from None
        self._state[:], self._kernel.width[0] = state, width
        return False

    def _jumped(self) -> bool:
        """Return whether the inputs are not what they were at the end of the last step."""
        return self._past.roots is not None and self._past.inputs != self._given.tobytes()

    def _brought_about(self) -> bool:
        """Return whether the jump of the inputs makes an event happen."""
        assert self._past.roots is not None
        with SYMBOLIC:
            self._look_roots()
        return bool(crossings(self._past.roots, self._roots, self._directions).any())

    def _legs(self, t: float, end: float) -> None:
        """Integrate from happening to happening."""
        due = self.next_event(t)
        planned = due is not None and due <= end
        schedule = self._planned(float(np.nextafter(t, np.inf)), float(np.nextafter(end, np.inf))) if planned else []
        self._walk(t, end, schedule)

    def _walk(self, t: float, end: float, schedule: list[tuple[float, str]]) -> None:
        past, jumped = self._past, self._jumped()
        point = Point(t, self._x.copy(), self._z.copy(), self._modes.copy())
        walk = Walk(
            self._with_inputs(t, end), self.solver, point, end - past.begin, pace=past.pace.copy(), fired=past.fired,
            statistics=self._statistics,
        )  # fmt: skip
        try:
            with SYMBOLIC:
                if jumped and past.roots is not None:
                    walk.settle()
                    walk.cascade(past.roots)
                if not walk.stopped:
                    walk.to(end, schedule)
        except SimulationError as error:
            raise self._failed(point.t, str(error)) from error
        if walk.reason:
            raise self._failed(point.t, walk.reason)
        if walk.occurrences and self._kernel is not None:
            self._kernel.width[0] = 0.0
        self._time[0], self._x[:], self._z[:], self._modes[:] = point.t, point.x, point.z, point.modes
        self._past = past.after(walk)

    def _planned(self, begin: float, end: float) -> list[tuple[float, str]]:
        plans = self._problem.reading.schedules
        planned = [(t, name) for name, plan in plans.items() for t in plan.times(begin, end, self.time_unit)]
        return sorted(planned, key=lambda item: item[0])

    def _scheduled_after(self, t: float) -> float:
        """Return the time of the next scheduled action after `t`, or infinity."""
        after, first = float(np.nextafter(t, np.inf)), np.inf
        for plan in self._problem.reading.schedules.values():
            horizon = np.inf
            if plan.every is not None:
                period = as_number(plan.every, self.time_unit, "the period of a schedule")
                horizon = max(t, as_number(plan.start, self.time_unit, "the start of a schedule")) + 2.0 * period
            first = min([first, *plan.times(after, horizon, self.time_unit)[:1]])
        return first

    def _with_inputs(self, begin: float, end: float) -> Problem:
        coefficients = self._coefficients.copy()
        if begin == end:
            coefficients[0, :, 0], coefficients[0, :, 1] = self._given, 0.0
        program = Program(np.array([begin]), coefficients, np.array([False]), frozenset())
        # The span only says how finely Cvodes looks for events: a step gets at least eight looks.
        return replace(
            self._problem, begin=begin, end=begin + 50.0 * (end - begin), program=program,
            scratch={"reading": self._problem.reading},
        )  # fmt: skip

    def _values(self) -> dict[str, Any]:
        found, at = dict[str, Any](), 0
        for name, port in self._inputs.items():
            found[name] = float(self._given[at]) if port.shape is None else self._given[at : at + port.width].tolist()
            at += port.width
        return found

    def _failed(self, t: float, reason: str) -> StepError:
        name = type(self.model).__name__
        return StepError(f"{name} at {t:g} {self.time_unit}: {reason}", time=t, values=self._values())


def _fallback(bounds: Any) -> float:
    """Return an allowed value for an input that will be given later."""
    return float(np.clip(0.0, *bounds))


def _positions(ports: Mapping[str, Port], names: tuple[str, ...]) -> list[int]:
    start = dict(zip(ports, np.cumsum([0, *[port.width for port in ports.values()]]), strict=False))
    return [int(start[name]) + i for name in names for i in range(ports[name].width)]
