"""Model predictive control: the best moves over a horizon, checked by simulation before they leave."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from twinkit.control.assembly import empty_plan, plan_of
from twinkit.control.check import Checked, checked
from twinkit.control.component import ControllerComponent
from twinkit.control.constraints import check_confidence
from twinkit.control.functions import Functions
from twinkit.control.horizon import Horizon, check_inputs, functions_of, inputs_over, nodes, task_of
from twinkit.control.known import Known, known
from twinkit.control.moves import Move
from twinkit.control.objective import Objective
from twinkit.control.plan import Plan
from twinkit.control.prediction import Predictor, simulated, spread
from twinkit.control.problem import PlanProblem, Point, Task, Terminal
from twinkit.control.settings import Settings, settings_of
from twinkit.control.solving import Attempt, solved
from twinkit.control.status import Failed, Optimal, PreviousPlan, SafeSetpoint, Suboptimal
from twinkit.control.terminal import TerminalRegion
from twinkit.control.warm import Warm, shifted
from twinkit.core import DesignSpace, InvalidValueError, Model, SimulationError, StateEstimate
from twinkit.core.component import Array
from twinkit.core.identity import digest
from twinkit.core.units import as_number
from twinkit.optimise import Converged

_FEW, _MANY = 64, 512  # sub-steps of a step: beyond the first an implicit method is tried
_ROUNDS = 4  # solutions of one plan, with finer steps or other margins
_CLOSE = 0.02  # of the scale: margins that differ by less are the same


@dataclass(frozen=True, eq=False)
class MPC:
    """A model predictive controller.

    It is functional: `plan` returns a `Plan` and changes nothing; the warm start travels in the plan. Moves are held
    between the steps, exactly as `tk.simulate` holds `tk.steps`. Limits and references count at the ends of the steps.

    Parameters
    ----------
    model
        The model (ODE, or DAE of index 1).
    horizon
        How far a plan looks ahead: number in the model's time unit or text. None: to `until`.
    step
        Time between two moves.
    until
        End of the batch: the horizon shrinks towards it. ``(first, last)``: the end is free between the two.
    maximize, minimize
        What is to be achieved, from `final`, `integral`, `summed`; it is added to the costs of `track` and `moves`.
    track
        Output, state or input -> reference, or `Track`.
    moves
        Input -> `Move`.
    within
        Output, state, algebraic variable or input -> ``(low, high)`` (hard), or `Within` (soft, if it has a penalty).
        Or a `DesignSpace`: its limits are hard, also those of functions of several quantities; those of a phase hold
        then.
    inputs
        Measured disturbances: other inputs over time, as for `tk.simulate`. `plan` may give newer ones.
    confidence
        Probability with which each limit of `within` is to hold at each node, given the covariance of the estimate,
        which is carried along the plan by the linearised model: limits are tightened by as many standard deviations.
        None: limits apply to the mean.
    margin_growth
        For how long the covariance is carried along; beyond, the margins stay: later readings will tell more. None:
        over all of the plan (cautious).
    terminal
        Cost and region at the end; see `terminal_region`.
    valid_for
        How long a plan may be followed without a new one; None: five steps.
    tolerance
        Scaled size of a step of the optimiser that counts as converged.
    rtol
        Accuracy of the integration over a step.
    second_derivatives
        Whether the curvature of the model is used; None: where the objective is not a sum of squares.
    iterations, seconds
        Largest number of quadratic programmes, and the time budget of a plan.
    starts
        Number of first guesses tried when there is no previous plan (constant moves across their bounds): for problems
        with several local optima.
    escalate
        Whether FATROP and IPOPT are tried where SQP fails.
    native
        Whether to use a C compiler where there is one: seconds once, kept on disk.

    Raises
    ------
    InvalidValueError, UnknownNameError, UnitError, ShapeError
        For anything that does not fit the model, and for limits no value keeps.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Tank(tk.Model):
    ...     '''A heated tank.'''
    ...     time_unit = "min"
    ...     T = tk.State("degC", initial=20.0, nominal=50.0)
    ...     Q = tk.Input("kW", default=0.0, bounds=(0, 10))
    ...     def equations(self, v, m):
    ...         return {"T": m.quantity(0.5, "delta_degC/min/kW") * v.Q
    ...                 - m.quantity(0.05, "1/min") * (v.T - m.quantity(20.0, "degC"))}
    >>> mpc = MPC(Tank(), horizon="60 min", step="2 min", track={"T": 45.0}, moves={"Q": Move(penalty=0.01)})
    >>> plan = mpc.plan({"T": 20.0}, t=0.0)
    >>> plan.status.fresh, round(plan.moves["Q"].first, 1), round(float(plan.predicted["T"].mean[-1]), 1)
    (True, 9.6, 45.0)
    """

    model: Model
    horizon: Any = None
    step: Any = None
    until: Any = None
    maximize: Objective | None = None
    minimize: Objective | None = None
    track: Mapping[str, Any] = field(default_factory=dict[str, Any])
    moves: Mapping[str, Move] = field(default_factory=dict[str, Move])
    within: Mapping[str, Any] | DesignSpace = field(default_factory=dict[str, Any])
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    confidence: float | None = None
    margin_growth: Any = None
    terminal: TerminalRegion | None = None
    valid_for: Any = None
    tolerance: float = 1e-4
    rtol: float = 1e-5
    second_derivatives: bool | None = None
    iterations: int = 50
    seconds: float = math.inf
    starts: int = 1
    escalate: bool = True
    native: bool = True

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        for name in ("tolerance", "rtol", "seconds"):
            if not getattr(self, name) > 0.0:
                raise InvalidValueError(f"{name} must be positive, not {getattr(self, name)!r}")
        if self.iterations < 1 or self.starts < 1:
            raise InvalidValueError("iterations and starts are at least 1")
        if self.terminal is not None and not isinstance(self.terminal, TerminalRegion):
            raise InvalidValueError(f"terminal takes what terminal_region(...) returns, not {self.terminal!r}")
        _ = self.settings, self._valid_for, self._grows, self._terminal  # check now, not at the first plan
        check_inputs(self.model, self.settings, self.inputs)

    # -- what it is ----------------------------------------------------------------------------------------------
    @cached_property
    def settings(self) -> Settings:
        """What was asked, in numbers."""
        return settings_of(self)

    @cached_property
    def _valid_for(self) -> float:
        if self.valid_for is None:
            return 5.0 * self.settings.step
        return as_number(self.valid_for, self.model.time_unit, "valid_for")

    @cached_property
    def _grows(self) -> float:
        if self.margin_growth is None:
            return math.inf
        return as_number(self.margin_growth, self.model.time_unit, "margin_growth")

    @cached_property
    def _terminal(self) -> Terminal | None:
        if self.terminal is None:
            return None
        return self.terminal.numbers(self.model, bool(self.settings.running), self.settings.size)

    @property
    def goal(self) -> str:
        """The objective in words."""
        parts = [f"follow {name}" for name in self.track]
        if self.maximize is not None:
            parts.insert(0, f"maximise {self.maximize.text}")
        if self.minimize is not None:
            parts.insert(0, f"minimise {self.minimize.text}")
        return " and ".join(parts)

    @property
    def exact(self) -> bool:
        """Whether the curvature of the model is used."""
        if self.second_derivatives is not None:
            return self.second_derivatives
        return self.maximize is not None or self.minimize is not None

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the model and of all that determines the plans."""
        s = self.settings
        quantities = [
            [q.place.label, q.low.identity, q.high.identity, q.soft, q.quantile, q.reference.identity, q.weight,
             q.final_weight, q.summed, q.final, q.scale]
            for q in s.quantities
        ]  # fmt: skip
        moves = [[m.place.label, m.low.identity, m.high.identity, m.rate, m.move.penalty, m.move.blocks, m.safe]
                 for m in s.movers]  # fmt: skip
        rest = [s.running, s.step, s.horizon, s.until, self._grows, self._valid_for, repr(self.terminal), self.rtol,
                self.tolerance, self.exact, self.iterations, self.starts, sorted(self.inputs),
                [[d.label, d.formula.content_hash, d.sources] for d in s.derived]]  # fmt: skip
        return digest([self.model.content_hash, quantities, moves, rest])

    # -- planning ------------------------------------------------------------------------------------------------
    def plan(
        self,
        estimate: StateEstimate | Mapping[str, Any],
        t: Any = None,
        *,
        previous: Plan | None = None,
        applied: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Plan:
        """Return a plan from an estimate on.

        Parameters
        ----------
        estimate
            Where the process is: what an estimator returned (or any `twinkit.core.StateEstimate`), or the values of all
            states by name, taken to be exact.
        t
            When, a number in the model's time unit or a text; None: the time of the estimate. An estimate from earlier
            is carried forward by the model.
        previous
            The plan that is being followed: warm start, the moves in force, and what to fall back on.
        applied
            Moves in force just before `t`, where they are not those of `previous` (and not the model's defaults).
        inputs
            Other inputs over time, instead of those of the controller.

        Returns
        -------
        Plan
            Check ``plan.status``: an infeasible iterate never leaves as a plan.

        Raises
        ------
        InvalidValueError, UnknownNameError, UnitError
            If an argument does not fit the model. What goes wrong in a plant (an estimate that is not finite, limits
            that exclude each other, a solver that crashes, a deadline) does not raise: it is in the status.
        """
        began = clock.perf_counter()
        unit = self.model.time_unit
        at = None if t is None else as_number(t, unit, "the time of a plan")
        here = known(self.model, estimate, at)
        time = here.time if at is None else at
        if previous is not None and not isinstance(previous, Plan):
            raise InvalidValueError(f"previous takes a Plan, not {previous!r}")
        if not math.isfinite(time):
            raise InvalidValueError(f"the time of a plan must be finite, not {time!r}")
        if not here.time <= time + 1e-9 * max(1.0, abs(time)):
            raise InvalidValueError(f"the estimate is of {here.time:g} {unit}, later than the plan ({time:g} {unit})")
        given = self.inputs if inputs is None else inputs
        check_inputs(self.model, self.settings, given)
        before = self.moves_in_force(time, previous, applied)
        made_by = {"controller": self.content_hash, "model": self.model.content_hash, "estimate": here.made_by}
        if not here.finite:
            return self._fallback("the estimate is not finite", None, time, previous, before, made_by, began)
        functions = functions_of(self.model, self.settings, here, self.native)
        horizon: Horizon | str | None = None
        try:
            horizon = self._horizon(here, time, before, given, previous, functions)
            if isinstance(horizon, str):
                return self._fallback(horizon, None, time, None, before, made_by, began)
            return self._optimised(horizon, previous, made_by, began)
        except _NoPlan as stop:
            reason = str(stop)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        return self._fallback(
            reason, horizon if isinstance(horizon, Horizon) else None, time, previous, before, made_by, began
        )

    def component(self, estimated: Sequence[str] = ()) -> ControllerComponent:
        """Return the controller as a component of a graph; see `ControllerComponent`."""
        return ControllerComponent(self, estimated)

    def moves_in_force(
        self, time: float, previous: Plan | None = None, applied: Mapping[str, Any] | None = None
    ) -> Array:
        """Return the moves in force before a time: those applied, of the previous plan, or defaults."""
        found, values = [], self.model.values()
        for m in self.settings.movers:
            label = m.place.label
            if applied is not None and label in applied:
                found.append(as_number(applied[label], m.place.unit, f"the move of {label!r} in force"))
            elif previous is not None and label in previous.moves:
                move = previous.moves[label]
                found.append(move.at(time - 1e-6 * self.settings.step))
            else:
                name, _, element = label.partition("[")
                value = values.get(name)
                one = None if value is None else np.ravel(value)[int(element[:-1]) if element else 0]
                low, high = m.low(np.array([time]))[0], m.high(np.array([time]))[0]
                found.append(float(np.clip(_middle(low, high) if one is None else one, low, high)))
        return np.array(found)

    def _horizon(
        self,
        here: Known,
        time: float,
        before: Array,
        given: Mapping[str, Any],
        previous: Plan | None,
        functions: tuple[Functions, Predictor],
    ) -> Horizon | str:
        s = self.settings
        guess = None
        if s.stretched and previous is not None and previous.warm is not None:
            guess = previous.moves[s.movers[0].place.label].end
        found = nodes(s, time, guess)
        if isinstance(found, str):
            return found
        times, stretch = found
        end = times[0] + max(1.0, stretch[1]) * (times[-1] - times[0])
        inputs = inputs_over(self.model, s, given, min(here.time, time), end)
        horizon = Horizon(
            self.model, s, here, times, stretch, inputs, before, *functions, self._terminal, self.exact,
            self.tolerance,
        )  # fmt: skip
        return _forward(horizon, time) if here.time < time - 1e-9 * max(1.0, abs(time)) else horizon

    def _optimised(self, h: Horizon, previous: Plan | None, made_by: Mapping[str, str], began: float) -> Plan:
        """Return a fresh plan, or raise `_NoPlan`."""
        deadline = began + self.seconds
        warm = previous.warm if previous is not None and isinstance(previous.warm, Warm) else None
        if warm is not None and (warm.point.u.shape[1] != h.functions.controls or warm.times[-1] <= h.times[0]):
            warm = None
        best, reasons = None, []
        for guess in self._guesses(h, warm):
            found = self._attempt(h, warm, guess, deadline)
            if isinstance(found, str):
                reasons.append(found)
            elif best is None or found[4] < best[4]:
                best = found
        if best is None:
            raise _NoPlan("; ".join(dict.fromkeys(reasons)))
        task, attempt, check, substeps, _ = best
        status = attempt.status
        if isinstance(status, Converged):
            shown = Optimal(status.solver, status.iterations)
        else:
            reason = getattr(status, "reason", status.text)
            shown = Suboptimal(status.solver, status.iterations, reason)
        return plan_of(self, h, task, attempt, check, substeps, shown, made_by, began)

    def _guesses(self, h: Horizon, warm: Warm | None) -> list[Array | None]:
        if warm is not None:
            return [None]
        s, count = h.settings, len(h.times) - 1
        rows = [h.before]
        if self.starts > 1:
            at = h.times[:1]
            low, high = (np.array([float(side(at)[0]) for side in sides]) for sides in zip(*((m.low, m.high) for m in s.movers), strict=True))  # noqa: E501  # fmt: skip
            shares = (np.arange(self.starts - 1) + 0.5) / (self.starts - 1)
            rows += [low + share * (high - low) for share in shares if np.isfinite(high - low).all()]
        extra = np.ones(int(s.stretched))
        return [np.tile(np.concatenate([row, extra]), (count, 1)) for row in rows]

    def _attempt(
        self, h: Horizon, warm: Warm | None, guess: Array | None, deadline: float
    ) -> tuple[Task, Attempt, Checked, tuple[int, int], float] | str:
        """Return one checked solution, with its cost; a text says why there is none."""
        algebraics = _first_algebraics(h)
        shape = (len(h.times) - 1, len(h.settings.quantities))
        method, substeps = (warm.method, warm.substeps) if warm is not None else self._fitted(h, guess, algebraics)
        margins = np.zeros(shape) if warm is None else _carried(warm, h.times, shape)
        task = task_of(h, method, substeps, margins, algebraics)
        point = shifted(warm, task) if warm is not None else PlanProblem(task).restored(_point(task, guess))
        if warm is None and any(q.quantile for q in h.settings.quantities):
            first = checked(h, task, method, substeps, point.u, None, self._grows)
            margins = np.where(np.isfinite(first.margins), first.margins, 0.0)
            task = task_of(h, method, substeps, margins, algebraics)
        found: tuple[Task, Attempt, Checked, tuple[int, int], float] | str = "nothing was tried"
        for _ in range(_ROUNDS):
            if clock.perf_counter() > deadline and isinstance(found, str):
                return "the deadline passed before there was a plan"
            if clock.perf_counter() > deadline:
                break
            attempt = solved(task, point, self.iterations, deadline, self.escalate)
            check = checked(h, task, method, substeps, attempt.point.u, attempt.point.x, self._grows)
            if check.error > 30.0 * self.rtol and attempt.status.usable and substeps < _MANY:
                method, substeps = self._fitted(h, attempt.point.u, algebraics, (method, 2 * substeps))
                task, point = task_of(h, method, substeps, margins, algebraics), attempt.point
                continue
            if check.reason:
                found = check.reason
                if not attempt.status.usable:
                    return f"{getattr(attempt.status, 'reason', attempt.status.text)} ({check.reason})"
            else:
                cost = PlanProblem(task)._cost(*_ends_of(task, attempt.point), check.values, None)[0]
                found = task, attempt, check, (method, substeps), cost
            moved = np.max(np.abs(check.margins - margins) / task.y_scale, initial=0.0)
            if not moved > _CLOSE:
                break
            margins = check.margins
            task, point = task_of(h, method, substeps, margins, algebraics), attempt.point
        return found

    def _fitted(self, h: Horizon, u: Array | None, z: Array, first: tuple[int, int] = (0, 1)) -> tuple[int, int]:
        """Return method and number of sub-steps that integrate all steps accurately with given controls."""
        method, substeps = first
        if u is None:
            u = np.tile(np.concatenate([h.before, np.ones(int(h.settings.stretched))]), (len(h.times) - 1, 1))
        scale = np.abs(h.model.layout.states.scales)
        states = len(scale)

        def at_nodes(count: int) -> Array:
            items = h.items(count, u)
            per = len(items) // len(u)
            return simulated(h.predictor, method, h.known.vector, z, items, h.shared).path[per - 1 :: per, :states]

        rough = at_nodes(substeps)
        while substeps <= _MANY:
            fine = at_nodes(2 * substeps)
            error = np.abs(fine - rough) / (scale + np.abs(fine))
            if np.isfinite(error).all() and error.max() <= self.rtol:
                return method, substeps
            substeps, rough = 2 * substeps, fine
            if method == 0 and substeps > _FEW:
                method, substeps = 1, 1
                rough = at_nodes(substeps)
        raise SimulationError("the model could not be integrated over the horizon with the first guess of the moves")

    # -- when there is no new plan ---------------------------------------------------------------------------------
    def _fallback(
        self, reason: str, h: Horizon | None, time: float, previous: Plan | None, before: Array,
        made_by: Mapping[str, str], began: float,
    ) -> Plan:  # fmt: skip
        """Return the rest of the previous plan, the safe setpoint, or a failed plan."""
        if previous is not None and previous.valid_at(time) and isinstance(previous.warm, Warm):
            found = self._held(h, time, previous, None)
            status = PreviousPlan(reason=reason, age=time - (previous.expires - self._valid_for))
            if isinstance(found, str):
                reason = f"{reason}; the previous plan: {found}"
            else:
                return plan_of(self, h, *found, status, made_by, began, time, previous)
        safe = [m.safe for m in self.settings.movers]
        if all(value is not None for value in safe):
            status = SafeSetpoint(reason=reason)
            found = self._held(h, time, None, np.array(safe, dtype=np.float64))
            if not isinstance(found, str) or h is None:
                parts = (None, None, None, None) if isinstance(found, str) else found
                return plan_of(self, h, *parts, status, made_by, began, time, None, np.array(safe, dtype=np.float64))
            warning = f"the safe setpoint itself: {found}"
            plan = plan_of(
                self, None, None, None, None, None, status, made_by, began, time, None, np.array(safe, dtype=np.float64)
            )
            return replace(plan, warnings=(*plan.warnings, warning))
        return empty_plan(self, Failed(reason=reason), time, made_by, began)

    def _held(
        self, h: Horizon | None, time: float, previous: Plan | None, safe: Array | None
    ) -> tuple[Task | None, Attempt | None, Checked | None, tuple[int, int] | None] | str:
        """Return the simulation of moves that were not optimised now; a text says why they must not be followed."""
        if h is None or isinstance(h, str):
            return None, None, None, None
        extra = np.ones((len(h.times) - 1, int(h.settings.stretched)))
        if safe is not None:
            u = np.hstack([np.tile(safe, (len(extra), 1)), extra])
        else:
            assert previous is not None
            labels = [m.place.label for m in h.settings.movers]
            slack = 1e-9 * (h.times[-1] - h.times[0])
            rows = [[previous.moves[label].at(t + slack) for label in labels] for t in h.times[:-1]]
            u = np.hstack([np.array(rows), extra])
        try:
            z = _first_algebraics(h)
            method, substeps = self._fitted(h, u, z)
            task = task_of(h, method, substeps, np.zeros((len(u), len(h.settings.quantities))), z)
            check = checked(h, task, method, substeps, u, None, self._grows)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        if check.reason and not (safe is not None and "simulation" not in check.reason and "bounds" in check.reason):
            return check.reason
        point = _point(task, u)
        return task, Attempt(point, None, Converged()), check, (method, substeps)


class _NoPlan(Exception):
    """No checked plan was found."""


def _middle(low: float, high: float) -> float:
    if math.isfinite(low) and math.isfinite(high):
        return 0.5 * (low + high)
    return low if math.isfinite(low) else (high if math.isfinite(high) else 0.0)


def _point(task: Task, u: Array | None) -> Point:
    """Return a first guess with given controls, kept within their bounds."""
    count, f = task.count, task.functions
    assert u is not None
    inside = np.where(task.free, np.clip(u, task.u_low, task.u_high), u)
    for j in range(inside.shape[1]):
        held = np.maximum.accumulate(np.where(task.free[:, j], np.arange(count), 0))
        inside[:, j] = inside[held, j]
    nothing = np.zeros((count, f.controls))
    return Point(
        np.tile(task.start, (count + 1, 1)), inside, np.tile(task.guess, (count + 1, 1)), np.zeros((count, f.states)),
        np.zeros_like(task.weight), nothing, nothing,
    )  # fmt: skip


def _ends_of(task: Task, point: Point) -> tuple[Array, Array]:
    return point.x[1:], point.u


def _carried(warm: Warm, times: Array, shape: tuple[int, int]) -> Array:
    """Return the margins of the previous plan at the nodes of a new one: they belong to how far ahead a node is."""
    found = np.zeros(shape)
    old = warm.margins
    count = min(len(old), shape[0])
    found[:count] = old[:count]
    found[count:] = old[-1] if len(old) else 0.0
    return found


def _first_algebraics(h: Horizon) -> Array:
    """Return consistent algebraic variables at the start, from the model's initial guess."""
    layout = h.model.layout
    if not layout.algebraics.size:
        return np.empty(0)
    values = h.model.values()
    guess = layout.algebraics.pack({e.name: values.get(e.name, e.variable.scale) for e in layout.algebraics})
    inputs = h.program.values(h.times[:1])[0].copy()
    inputs[h.moved] = h.before
    item = np.concatenate([h.times[:1], h.known.vector, guess, inputs])[None]
    for _ in range(20):
        found = h.predictor.see(item, h.shared)[0, : layout.algebraics.size]
        if np.allclose(found, item[0, 1 + h.predictor.size :][: len(found)], rtol=1e-12, atol=0.0):
            break
        item[0, 1 + h.predictor.size : 1 + h.predictor.size + len(found)] = found
    return found


def _forward(h: Horizon, time: float) -> Horizon:
    """Return a horizon whose estimate was carried forward to its start."""
    k, count = h.known, 32
    early = replace(h, times=np.linspace(k.time, time, 2))
    items = early.items(count, np.hstack([h.before, np.ones(int(h.settings.stretched))])[None])
    z = _first_algebraics(early)
    method = 0
    run = simulated(h.predictor, method, k.vector, z, items, h.shared)
    if not np.isfinite(run.path).all():
        method = 1
        run = simulated(h.predictor, method, k.vector, z, items, h.shared)
    if not np.isfinite(run.path).all():
        raise SimulationError(f"the estimate of {k.time:g} could not be carried forward to {time:g}")
    covariance = spread(h.predictor, method, run, items, h.shared, k.covariance, k.noise)[-1]
    n, a = k.x.size, k.adapted.size
    end = run.path[-1]
    moved = replace(k, time=time, x=end[:n], adapted=end[n : n + a], pushes=end[n + a :], covariance=covariance)
    return replace(h, known=moved)
