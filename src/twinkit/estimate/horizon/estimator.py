"""Moving-horizon estimation: the best trajectory through a window of readings, within bounds."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, groupby
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Measurement, SimulationError
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.estimate.calibration.noise import Huber
from twinkit.estimate.filter import Filter, Item, batch_of
from twinkit.estimate.horizon.escalation import escalated
from twinkit.estimate.horizon.functions import Functions, window_functions
from twinkit.estimate.horizon.gate import gated, new_innovations
from twinkit.estimate.horizon.grid import grid_time, gridded
from twinkit.estimate.horizon.placement import SAME, Place, placed
from twinkit.estimate.horizon.problem import Linear, Positions, Settings, Trajectory, WindowProblem
from twinkit.estimate.horizon.readings import kept, reported, too_old
from twinkit.estimate.horizon.result import HorizonEstimate, Propagated
from twinkit.estimate.horizon.smoother import smoother
from twinkit.estimate.horizon.transcription import Transcriber, refined
from twinkit.estimate.horizon.window import Arrival, Window, nothing_between
from twinkit.estimate.horizon.within import constraints
from twinkit.estimate.result import Estimate, Reading
from twinkit.optimise import Converged, Failed, Limits, Status, sqp

_REFINED = 3  # times the sub-steps may be made smaller within one update


@dataclass(frozen=True, eq=False)
class MovingHorizonEstimator(Filter):
    """Moving-horizon estimation for any model (ODE, or DAE of index 1).

    At every update the trajectory through a window of readings is found that is most probable: states, adapted
    parameters, disturbances and process noise, within the declared bounds and `within`, with what came before the
    window as a normal prior (the arrival cost). Nodes stand at the times of the readings; any sensor may be missing at
    any node, and a late reading takes its place in the window. The model is integrated between the nodes by multiple
    shooting, in as many sub-steps as `rtol` needs (explicit, or implicit where the model is stiff).

    The optimisation is Gauss-Newton SQP. Its quadratic programmes are solved exactly by a Kalman smoother while few
    constraints are active, by HPIPM otherwise; FATROP, then IPOPT, take over where SQP fails. The arrival cost is the
    filter's prior of the first node, linearised about the smoothed trajectory [1]_: for a linear model with normal
    noise and no active bound every estimate is exactly the Kalman filter's.

    It is functional like every filter: the window travels in the estimate.

    Parameters
    ----------
    horizon
        Longest time a window spans (number in the model's time unit or a text); None: no limit.
    nodes
        Largest number of intervals of a window; None: no limit. Without both limits: full information.
    every
        Distance of the nodes (number in the model's time unit or a text): nodes stand only on this grid, from the start
        on, and readings between them are predicted by the model from the node before. None: nodes stand at the times
        of the readings.
    loss
        Sensor -> `Huber`; the residuals of other sensors are squared.
    within
        Output, state or algebraic variable -> ``(low, high)``: constraints beside the declared bounds; None: no bound.
    tolerance
        A step smaller than this many standard deviations is converged.
    limits
        When to stop.
    escalate
        Whether FATROP and IPOPT are tried where SQP fails.
    native
        Whether to use a C compiler, and numba, where they are installed: seconds once, kept on disk.

    Other parameters are those of `EstimationProblem` and `Filter`; `gate` is None by default.

    Raises
    ------
    InvalidValueError
        For a horizon, a limit or a constraint that makes no sense.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=8.0, bounds=(0, None))
    ...     k = tk.Parameter("1/h", 0.5, bounds=(0, None))
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> from twinkit.estimate import MovingHorizonEstimator, Sensor
    >>> mhe = MovingHorizonEstimator(Decay(), [Sensor("c", std="0.1 g/L")], initial_std={"c": 2.0}, horizon="12 h")
    >>> estimate = mhe.update(mhe.start(), tk.Measurement("c", 3.0, "g/L", source_time=1.0))
    >>> print(f"{estimate.mean['c']:.3f} ± {estimate.std['c']:.3f}; {estimate.status.text}")
    3.013 ± 0.100; converged in 2 iterations (SQP)

    References
    ----------
    .. [1] C. V. Rao, J. B. Rawlings, D. Q. Mayne, Constrained state estimation for nonlinear discrete-time systems:
       stability and moving horizon approximations, IEEE Trans. Automat. Contr. 48 (2003) 246-258, section V.
       doi:10.1109/TAC.2002.808470
    """

    gate: float | None = None
    horizon: Any = None
    nodes: int | None = 20
    every: Any = None
    loss: Mapping[str, Huber] = field(default_factory=dict[str, Huber])
    within: Mapping[str, tuple[Any, Any]] = field(default_factory=dict[str, tuple[Any, Any]])
    tolerance: float = 1e-3
    limits: Limits = field(default_factory=Limits)
    escalate: bool = True
    native: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.span > 0:
            raise InvalidValueError(f"the horizon must be positive, not {self.horizon!r}")
        if self.nodes is not None and not (isinstance(self.nodes, int) and self.nodes >= 1):
            raise InvalidValueError(f"nodes must be a whole number of at least 1, or None, not {self.nodes!r}")
        if not 0 < self.grid < math.inf:
            raise InvalidValueError(f"every= must be a positive time, not {self.every!r}")
        if not self.tolerance > 0:
            raise InvalidValueError(f"the tolerance must be positive, not {self.tolerance!r}")
        for tag, loss in self.loss.items():
            if tag not in self.lines:
                raise unknown_name("sensor", tag, self.lines, "this estimator")
            if not isinstance(loss, Huber):
                raise InvalidValueError(f"loss={{{tag!r}: ...}} takes Huber(...), not {loss!r}")
        _ = self.constraints

    def settings(self) -> dict[str, Any]:
        """Return what defines this estimator beside the problem, for the content hash."""
        losses = {tag: repr(loss) for tag, loss in self.loss.items()}
        own = {
            "horizon": self.span,
            "nodes": self.nodes,
            "every": None if self.every is None else self.grid,
            "loss": losses,
            "tolerance": self.tolerance,
        }
        constraints = [(row, low, high) for row, low, high, _ in self.constraints]
        return {
            **super().settings(),
            **own,
            "within": constraints,
            "limits": repr(self.limits),
            "escalate": self.escalate,
        }

    # -- settings in numbers ---------------------------------------------------------------------------------------
    @cached_property
    def span(self) -> float:
        """Longest window in the model's time unit."""
        return math.inf if self.horizon is None else self.time(self.horizon, "horizon")

    @cached_property
    def grid(self) -> float:
        """Distance of the nodes in the model's time unit (1 where they stand at the times of readings)."""
        return 1.0 if self.every is None else self.time(self.every, "every")

    @cached_property
    def constraints(self) -> tuple[tuple[int, float, float, float], ...]:
        """Per entry of `within`: position of the quantity, bounds, nominal magnitude."""
        return constraints(self)

    @cached_property
    def window_functions(self) -> Functions:
        """The functions of a window."""
        rows = (*self.rows, *(row for row, _, _, _ in self.constraints))
        return window_functions(self.begun, self.plan, rows, self.native)

    @cached_property
    def transcriber(self) -> Transcriber:
        """Cuts time into intervals."""
        shared, p = np.concatenate(self.constants), self.plan
        return Transcriber(self.window_functions, self.given, shared, p.noise**2, p.scale, self.rtol, self.longest)

    @cached_property
    def numbers(self) -> Settings:
        """What all windows share."""
        p = self.plan
        bounded: Positions = np.flatnonzero(np.isfinite(p.low) | np.isfinite(p.high))
        rest = np.array([entry[1:] for entry in self.constraints]).reshape(-1, 3)
        return Settings(
            self.transcriber,
            self.window_functions,
            p.scale,
            bounded,
            np.concatenate([p.low[bounded], rest[:, 0]]),
            np.concatenate([p.high[bounded], rest[:, 1]]),
            np.concatenate([p.scale[bounded], rest[:, 2]]),
            np.array([self.loss[tag].threshold if tag in self.loss else math.inf for tag in self.lines]),
            self.tolerance,
            smoother(self.native),
        )

    # -- the estimator ---------------------------------------------------------------------------------------------
    def start(self, time: Any = 0.0) -> HorizonEstimate:
        """Return the estimate before any measurement: the model's initial values and `initial_std`."""
        t = self.time(time, "the start")
        x, z = self.initial_point(t)
        return self._fresh(t, t, np.clip(x, self.plan.low, self.plan.high), np.diag(self.plan.std**2), z, Converged())

    def _fresh(self, begun: float, t: float, x: Array, covariance: Array, z: Array, status: Status) -> HorizonEstimate:
        """Return an estimate whose window holds one node without readings."""
        sensors, held = len(self.lines), len(self.numbers.low)
        window = Window(
            begun,
            Arrival(x, covariance),
            np.array([t]),
            self.given.at(t)[None],
            (),
            x[None],
            z[None],
            np.zeros((1, len(x))),
            np.zeros((1, sensors)),
            np.ones((1, sensors)),
            np.zeros((1, sensors)),
            np.zeros((1, held)),
            nothing_between(len(self.given.at(t))),
        )
        return self._estimate(t, x, covariance, z, window, status)

    def _estimate(
        self, t: float, x: Array, covariance: Array, z: Array, window: Window, status: Status, **more: Any
    ) -> HorizonEstimate:
        for array in (x, covariance, z):
            array.setflags(write=False)
        unit, names = self.model.time_unit, self.plan.labels
        return HorizonEstimate(t, unit, names, x, covariance, z, self, window=window, status=status, **more)

    def moved(self, estimate: Estimate, end: float) -> HorizonEstimate:
        """Return the estimate at a later time, without readings; its window stays where it is."""
        own = self._own(estimate)
        x, z = estimate.vector, estimate.algebraics
        with np.errstate(all="ignore"):
            interval, x1, z1 = self.transcriber.interval(estimate.time, end, x, z, None)
            _, (a,) = self.transcriber.moved([interval], x[None], z[None])
        covariance = a @ estimate.covariance @ a.T + interval.noise
        x1 = np.clip(x1, self.plan.low, self.plan.high)
        found = replace(own, time=end, vector=x1, covariance=0.5 * (covariance + covariance.T), algebraics=z1)
        return replace(found, readings=(), nis=math.nan)

    def corrected(self, estimate: Estimate, items: Sequence[Item]) -> HorizonEstimate:
        """Return the estimate after readings of its own instant."""
        return self._updated(self._own(estimate), list(items))

    def _own(self, estimate: Estimate) -> HorizonEstimate:
        if isinstance(estimate, HorizonEstimate):
            return estimate
        if isinstance(estimate, Estimate) and estimate.filter.content_hash == self.content_hash:
            # It was read from a file, without its window: a new one begins.
            x, covariance, z = estimate.vector, estimate.covariance, estimate.algebraics
            return self._fresh(estimate.time, estimate.time, x, covariance, z, Converged())
        raise InvalidValueError(
            "a moving-horizon estimator goes on from its own estimates (start() gives the first), not from "
            f"{type(estimate).__name__}"
        )

    def update(self, estimate: Estimate, measurements: Measurement | Iterable[Measurement]) -> HorizonEstimate:
        """Return the estimate after one measurement or a batch of them, of any sensors and times, in any order.

        Late measurements take their place in the window. Those older than the window are reported in
        `Estimate.readings` and not used. Many at once are taken up piece by piece, so that no window grows far beyond
        its limits.

        Raises
        ------
        InvalidValueError
            If a measurement has no standard deviation.
        UnknownNameError
            For a tag without a sensor.
        UnitError
            For a unit that does not fit.
        """
        found = self._own(estimate)
        items = sorted((self.judged(m) for m in batch_of(measurements)), key=lambda item: item[0].source_time)
        for m, _, _ in items:
            self.given.check(min(m.source_time, estimate.time), max(m.source_time, estimate.time))
        readings: tuple[Reading, ...] = ()
        nis = math.nan
        for piece in self._pieces(found.window, items):
            found = self._updated(found, piece)
            readings += found.readings
            nis = found.nis if math.isnan(nis) else nis + (0.0 if math.isnan(found.nis) else found.nis)
        return replace(found, readings=readings, nis=nis)

    def _pieces(self, window: Window, items: list[Item]) -> list[list[Item]]:
        """Return readings in order of time in pieces that make a window at most half as long again."""
        if self.nodes is None:
            return [items] if items else []
        half = max(1, self.nodes // 2)
        if self.every is None:
            several = half * len(self.lines)
            return [items[first : first + several] for first in range(0, len(items), several)]
        nodes = [list(group) for _, group in groupby(items, lambda item: grid_time(self, window, item[0].source_time))]
        return [[*chain(*nodes[first : first + half])] for first in range(0, len(nodes), half)]

    def run(
        self, measurements: Iterable[Measurement], start: Estimate | None = None, *, progress: bool = False
    ) -> Iterator[HorizonEstimate]:
        """Yield the estimate after each measurement of a stream.

        Parameters
        ----------
        measurements
            The stream.
        start
            Where to go on from; None: `start()`.
        progress
            Whether to show a progress bar.
        """
        from tqdm.auto import tqdm

        estimate = self.start() if start is None else self._own(start)
        for measurement in tqdm(measurements, desc="moving horizon", unit="reading", disable=not progress):
            estimate = self.update(estimate, measurement)
            yield estimate

    def _updated(self, estimate: HorizonEstimate, items: list[Item]) -> HorizonEstimate:
        """Return the estimate after so few readings that one window holds them."""
        began = clock.perf_counter()
        now = max([estimate.time, *(m.source_time for m, _, _ in items)])
        old = [item for item in items if item[0].source_time < self._oldest(estimate)]
        usable = [item for item in items if item not in old]
        try:
            with np.errstate(all="ignore"):
                put = placed if self.every is None else gridded
                window, places = put(self, estimate.window, usable)
                found, done = self._solved(estimate, window, places)
        except SimulationError as error:
            found, done = self._propagated(estimate, now, Failed("integration", 0, str(error))), []
        if not found.status.usable:
            done = [kept(self, item, found.status.text) for item in usable]
        if found.time < now:
            found = replace(self.moved(found, now))
        nis = found.nis
        done = [too_old(self, item, estimate.window) for item in old] + done
        return replace(found, readings=tuple(done), nis=nis, seconds=clock.perf_counter() - began)

    def _oldest(self, estimate: HorizonEstimate) -> float:
        first = float(estimate.window.times[0])
        return first - SAME * max(1.0, abs(first))

    # -- one window ------------------------------------------------------------------------------------------------
    def _solved(
        self, estimate: HorizonEstimate, window: Window, places: list[Place]
    ) -> tuple[HorizonEstimate, list[Reading]]:
        refused: dict[int, float] = {}
        if self.gate is not None:
            window, refused = gated(self, window, places)
        guess, left = Trajectory(window.x, window.adjoint, window.z, window.held), _REFINED
        contraction = estimate.contraction
        while True:
            problem = WindowProblem(self.numbers, window)
            found = sqp(problem, guess, self.limits, contraction)
            point, at, status, contraction = found.point, found.at, found.status, found.contraction
            if not status.usable and self.escalate:
                point, at, status = escalated(self, problem, window, guess, status)
            if not status.usable or at is None:
                now = float(window.times[-1])
                return self._propagated(estimate, max(now, estimate.time), status), []
            window, changed = refined(self.transcriber, window, point.x, point.z)
            left -= 1
            if not changed or not left:
                break
            guess = replace(point, z=at.point.z)
        error = max((interval.error for interval in window.intervals), default=0.0)
        result, done = self._finished(window, problem, point, at, status, places, refused, error)
        return replace(result, contraction=contraction), done

    def _finished(
        self, window: Window, problem: WindowProblem, point: Trajectory, at: Linear, status: Status,
        places: list[Place], refused: dict[int, float], error: float,
    ) -> tuple[HorizonEstimate, list[Reading]]:  # fmt: skip
        """Return the estimate, its window shortened to its limits, and what became of the readings."""
        free = problem.swept_free(at, np.zeros_like(point.held)) if point.held.any() or problem.swept is None else None
        swept = free or problem.swept
        assert swept is not None
        seen = new_innovations(window, at, swept, places)
        done = [reported(self, place, at, swept, seen, refused.get(k)) for k, place in enumerate(places)]
        used = sorted({p.node for p in places if p.node >= 0 and p.between < 0 and window.present[p.node, p.sensor]})
        surprises = [*swept.surprise[used], *(i.value**2 / i.spread for i in seen.values() if i.accepted)]
        nis = float(sum(surprises)) if surprises else math.nan
        x = np.clip(point.x, self.plan.low, self.plan.high)
        window = replace(window, x=x, adjoint=point.adjoint, z=at.point.z, held=point.held)
        first = self._first(window)
        if first:
            pull = (problem.swept or swept).adjoint[first]
            window = window.from_node(first, swept.before_covariance[first], pull)
        t, cost = float(window.times[-1]), at.cost
        z = self._consistent(window)
        result = self._estimate(
            t, x[-1].copy(), swept.covariance, z, window, status, nis=nis, cost=cost, discretisation_error=error
        )
        return result, done

    def _consistent(self, window: Window) -> Array:
        """Return the algebraic variables at the newest node."""
        m = window.z.shape[1]
        if not m:
            return np.zeros(0)
        item = np.concatenate([window.times[-1:], window.x[-1], window.z[-1], window.inputs[-1]])
        return self.window_functions.see(item[None], self.transcriber.shared)[0, :m]

    def _first(self, window: Window) -> int:
        """Return the position of the first node a window of the wanted length keeps."""
        last = len(window) - 1
        first = 0 if self.nodes is None else max(0, last - self.nodes)
        early = window.times[-1] - window.times > self.span * (1 + SAME)
        return min(last, max(first, int(np.sum(early))))

    def _propagated(self, estimate: HorizonEstimate, now: float, status: Status) -> HorizonEstimate:
        """Return the last good estimate at a later time, marked so; a new window begins with it."""
        found = self.moved(estimate, now) if now > estimate.time else estimate
        begun, covariance = estimate.window.begun, found.covariance.copy()
        marked = Propagated(status.solver, status.iterations, getattr(status, "reason", status.text))
        return self._fresh(begun, now, found.vector.copy(), covariance, found.algebraics.copy(), marked)
