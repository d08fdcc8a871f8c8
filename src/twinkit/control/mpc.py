"""Model predictive control: the best moves over a horizon, checked by simulation before they leave."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from twinkit.control.assembly import plan_of
from twinkit.control.beginning import brought_forward, first_guesses
from twinkit.control.component import ControllerComponent
from twinkit.control.constraints import check_confidence
from twinkit.control.doubts import Doubts, doubts_of
from twinkit.control.fallback import fallback
from twinkit.control.functions import METHODS, Functions
from twinkit.control.horizon import Horizon, changes, check_inputs, functions_of, inputs_over, nodes
from twinkit.control.known import Known, known
from twinkit.control.moves import Move
from twinkit.control.objective import Objective
from twinkit.control.plan import Plan
from twinkit.control.prediction import Predictor
from twinkit.control.rounds import optimised
from twinkit.control.scenarios import Branch, branches_of, under
from twinkit.control.settings import Settings, settings_of
from twinkit.control.status import Optimal, Suboptimal
from twinkit.control.task import Terminal
from twinkit.control.terminal import TerminalRegion
from twinkit.control.uncertain import Uncertain, taken_apart, uncertain_of
from twinkit.control.warm import Warm
from twinkit.core import (
    Applicability,
    DesignSpace,
    InvalidValueError,
    ParameterUncertainty,
    SimulationError,
    StateEstimate,
)
from twinkit.core.component import Array
from twinkit.core.deferred import Deferred
from twinkit.core.identity import digest
from twinkit.core.units import as_number
from twinkit.optimise import Converged, Method
from twinkit.simulate.signals import Program


@dataclass(frozen=True, eq=False)
class MPC:
    """A model predictive controller.

    It is functional: `plan` returns a `Plan` and changes nothing; the warm start travels in the plan. Moves are held
    between the steps, exactly as `tk.simulate` holds `tk.steps`. Limits and references count at the ends of the steps.

    Parameters
    ----------
    model
        The model (ODE, or DAE of index 1); a fitted `HybridModel`, which also says where its learned terms hold
        (`applicability`) and how well they and its parameters are known (`uncertainty`); or an FMU as a model,
        `tk.fmi.model`.
    horizon
        How far a plan looks ahead: number in the model's time unit or text. None: to `until`.
    step
        Time between two moves.
    until
        End of the batch: the horizon shrinks towards it. ``(first, last)``: the end is free between the two, the same
        in all scenarios; limits, references and inputs must not change with time then.
    maximize, minimize
        What is to be achieved, from `final`, `integral`, `summed`, `duration`; it is added to the costs of `track` and
        `moves`.
    track
        Output, state or input -> reference, or `Track`.
    moves
        Input -> `Move`.
    within
        Output, state, algebraic variable or input -> ``(low, high)`` (hard), or `Within` (soft, if it has a penalty;
        or at the end only).
        Or a `DesignSpace`: its limits are hard, also those of functions of several quantities; those of a phase hold
        then.
    inputs
        Measured disturbances: other inputs over time, as for `tk.simulate`. `plan` may give newer ones.
    confidence
        Probability with which each limit of `within` is to hold at each node, given the covariance of the estimate and
        `uncertainty`, which are carried along the plan by the linearised model: limits are tightened by as many
        standard deviations. None: limits apply to the mean.
    margin_growth
        For how long these are carried along; beyond, the margins stay: later readings will tell more. None: over all
        of the plan (cautious).
    scenarios
        Name -> values of parameters that may be true (or `Scenario`, with a weight): the plan keeps all hard limits in
        each of them, and what is achieved is the weighted mean. The moves of the first `shared_steps` are the same in
        all; later ones may differ, because by then it is known which scenario is true. The first one is shown.
    shared_steps
        See `scenarios`.
    terminal
        Cost and region at the end; see `terminal_region`.
    applicability
        Learned term -> where it may be believed. A fitted `HybridModel` knows it. Where a plan leaves what a term was
        trained on, it is not ``in_domain``, says so, and keeps wider margins: the standard deviation that the term's
        value had before any data is carried along the plan (with the asked confidence, or 0.95). A plan with a term
        of which nothing is known is never ``in_domain``.
    uncertainty
        What is not known of the parameters: a `ParameterSet` with a covariance (``calibration.parameters``), or the
        posterior of a fitted model. A fitted `HybridModel` brings its own. What the estimate adapts, or a scenario
        sets, is taken from there instead; the rest keeps its (marginal) covariance.
    valid_for
        How long a plan may be followed without a new one; None: five steps.
    tolerance
        Scaled size of a step of the optimiser that counts as converged.
    rtol
        Accuracy of the integration over a step.
    method
        How steps are integrated: ``RungeKutta4()``, ``Radau()`` (collocation, for stiff models), or None: the one that
        needs less work for `rtol`, found for the first plan.
    second_derivatives
        Whether the curvature of the model is used; None: where the objective is not a sum of squares, or converges
        slowly without it.
    iterations, seconds
        Largest number of quadratic programmes, and the time budget of a plan.
    starts
        Number of first guesses tried when there is no previous plan: for problems with several local optima. The first
        holds the moves in force, or follows the profiles given as `Move.first`; the others are ramps between the
        bounds, spread evenly (a Sobol sequence), more of them near the lower bound.
    escalate
        Whether FATROP and IPOPT are tried where SQP fails (with equations of FMUs only IPOPT, which takes seconds).
    native
        Whether to use a C compiler where there is one: seconds once, kept on disk. Equations of FMUs are called.

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
    (True, 10.0, 45.0)
    """

    model: Any
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
    scenarios: Mapping[str, Any] = field(default_factory=dict[str, Any])
    shared_steps: int = 1
    terminal: TerminalRegion | None = None
    applicability: Mapping[str, Applicability] = field(default_factory=dict[str, Applicability])
    uncertainty: ParameterUncertainty | None = None
    valid_for: Any = None
    tolerance: float = 1e-3
    rtol: float = 1e-5
    method: Method | None = None
    second_derivatives: bool | None = None
    iterations: int = 50
    seconds: float = math.inf
    starts: int = 1
    escalate: bool = True
    native: bool = True

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        parts = taken_apart(self.model, self.applicability, self.uncertainty)
        for name, part in zip(("model", "applicability", "uncertainty"), parts, strict=True):
            object.__setattr__(self, name, part)
        for name in ("tolerance", "rtol", "seconds"):
            if not getattr(self, name) > 0.0:
                raise InvalidValueError(f"{name} must be positive, not {getattr(self, name)!r}")
        if min(self.iterations, self.starts, self.shared_steps) < 1:
            raise InvalidValueError("iterations, starts and shared_steps are at least 1")
        if self.method is not None and self.method not in METHODS:
            known_methods = " or ".join(f"{type(one).__name__}()" for one in METHODS)
            raise InvalidValueError(f"method takes {known_methods}, or None for the faster one, not {self.method!r}")
        if self.terminal is not None and not isinstance(self.terminal, TerminalRegion):
            raise InvalidValueError(f"terminal takes what terminal_region(...) returns, not {self.terminal!r}")
        _ = (
            self.settings,
            self.branches,
            self.validity,
            self.grows,
            self._terminal,
            self._doubts,
            self._uncertain,
        )  # check now, not at the first plan
        check_inputs(self.model, self.settings, self.inputs)

    # -- what it is ----------------------------------------------------------------------------------------------
    @cached_property
    def settings(self) -> Settings:
        """What was asked, in numbers."""
        return settings_of(self)

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        """The scenarios in numbers; empty: the model as it is."""
        return branches_of(self.model, self.scenarios)

    @cached_property
    def validity(self) -> float:
        """How long a plan may be followed."""
        if self.valid_for is None:
            return 5.0 * self.settings.step
        return as_number(self.valid_for, self.model.time_unit, "valid_for")

    @cached_property
    def grows(self) -> float:
        """For how long the covariance is carried along a plan."""
        if self.margin_growth is None:
            return math.inf
        return as_number(self.margin_growth, self.model.time_unit, "margin_growth")

    @property
    def chosen_method(self) -> int | None:
        """Position of the integration method in `METHODS`; None: whichever needs less work."""
        return None if self.method is None else METHODS.index(self.method)

    @cached_property
    def _terminal(self) -> Terminal | None:
        if self.terminal is None:
            return None
        return self.terminal.numbers(self.model, bool(self.settings.running), self.settings.size)

    @cached_property
    def _doubts(self) -> Doubts | None:
        return doubts_of(self.model, self.applicability)

    @cached_property
    def _uncertain(self) -> Uncertain | None:
        set_ = [position for branch in self.branches for position in branch.chosen]
        return uncertain_of(self.model, self.uncertainty, set_)

    @cached_property
    def _steady(self) -> Program:
        """The inputs where none is given: they never change."""
        return inputs_over(self.model, self.settings, {}, 0.0, 1.0)

    @cached_property
    def _kept(self) -> dict[Any, Any]:
        """What is the same in all plans, made for the first one."""
        return {}

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
             q.final_weight, q.summed, q.final, q.scale, q.at_end]
            for q in s.quantities
        ]  # fmt: skip
        moves = [
            [m.place.label, m.low.identity, m.high.identity, m.rate, m.move.penalty, m.scale, m.move.blocks, m.safe,
             None if m.first is None else m.first.identity]
            for m in s.movers
        ]  # fmt: skip
        rest = [s.running, s.step, s.horizon, s.until, self.grows, self.validity, repr(self.terminal), self.rtol,
                self.chosen_method, self.tolerance, self.second_derivatives, self.iterations, self.seconds,
                self.escalate, self.starts,
                sorted((name, getattr(value, "__qualname__", repr(value))) for name, value in self.inputs.items()),
                [[d.label, d.formula.content_hash, d.sources] for d in s.derived], self.shared_steps,
                [[b.name, b.share, b.values] for b in self.branches],
                sorted((name, one.std, one.identity) for name, one in self.applicability.items()),
                *([] if self.uncertainty is None else [self.uncertainty.content_hash])]  # fmt: skip
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
        if self._doubts is not None:
            here = self._doubts.shifted(here)
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
        made_by = Deferred(partial(_made_by, self, here))
        if not here.finite:
            return fallback(self, "the estimate is not finite", (), time, previous, made_by, began)
        functions = functions_of(self.model, self.settings, here, self.native)
        horizons: list[Horizon] = []
        try:
            base = self._horizon(here, time, before, given, previous, functions)
            if isinstance(base, str):
                return fallback(self, base, (), time, None, made_by, began)
            horizons = [under(base, branch) for branch in self.branches] or [base]
            return self._optimised(horizons, previous, made_by, began)
        except _NoPlanError as stop:
            reason = str(stop)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        return fallback(self, reason, horizons, time, previous, made_by, began)

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
        begin = min(here.time, time)
        inputs = (
            inputs_over(self.model, s, given, begin, end) if given else replace(self._steady, knots=np.array([begin]))
        )
        if s.stretched and given and changes(inputs, begin, end, [m.place.index for m in s.movers]):
            raise _NoPlanError("an input changes during a plan whose end is free, which it cannot follow: fix the end")
        doubts = None if self._doubts is None else self._doubts.looking(here, self.native)
        horizon = Horizon(
            self.model, s, here, times, stretch, inputs, before, *functions, self._terminal, self.exact,
            self.second_derivatives is None, self.tolerance, self._kept, doubts,
            None if self._uncertain is None else self._uncertain.looking(here, self.native),
        )  # fmt: skip
        return brought_forward(horizon, time) if here.time < time - 1e-9 * max(1.0, abs(time)) else horizon

    def _optimised(
        self, horizons: Sequence[Horizon], previous: Plan | None, made_by: Mapping[str, str], began: float
    ) -> Plan:
        """Return a fresh plan, or raise `_NoPlanError`."""
        deadline, h = began + self.seconds, horizons[0]
        warm = previous.warm if previous is not None and isinstance(previous.warm, Warm) else None
        if warm is not None and (not _fits(warm, h) or warm.times[-1] <= h.times[0]):
            warm = None
        best, reasons = None, list[str]()
        shares = [branch.share for branch in self.branches] or [1.0]
        for begin in [warm] if warm is not None else first_guesses(h, self.starts):
            try:
                found = optimised(self, horizons, shares, begin, deadline)
            except SimulationError as error:  # of this first guess; another may do
                found = str(error)
            if isinstance(found, str):
                reasons.append(found)
            elif best is None or found.cost < best.cost:
                best = found
        if best is None:
            raise _NoPlanError("; ".join(dict.fromkeys(reasons)))
        status = best.status
        if isinstance(status, Converged):
            shown = Optimal(status.solver, status.iterations)
        else:
            shown = Suboptimal(status.solver, status.iterations, getattr(status, "reason", status.text))
        return plan_of(self, best, shown, made_by, began)


def _made_by(mpc: MPC, here: Known) -> dict[str, str]:
    return {"controller": mpc.content_hash, "model": mpc.model.content_hash, "estimate": here.made_by}


def _fits(warm: Warm, h: Horizon) -> bool:
    """Return whether a plan has the shape of those for a horizon: it may be another controller's."""
    p, f = warm.points[0], h.functions
    sizes = p.x.shape[1], p.u.shape[1], p.z.shape[1], p.force.shape[1], warm.margins[0].shape[1]
    return sizes == (f.states, f.controls, f.algebraics, len(h.settings.quantities), len(h.settings.quantities))


class _NoPlanError(Exception):
    """No checked plan was found."""


def _middle(low: float, high: float) -> float:
    if math.isfinite(low) and math.isfinite(high):
        return 0.5 * (low + high)
    return low if math.isfinite(low) else (high if math.isfinite(high) else 0.0)
