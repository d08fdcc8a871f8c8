"""One plan in numbers: the nodes, what is known at the start, limits and references over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.control.doubts import LookingDoubts
from twinkit.control.form import form_of
from twinkit.control.functions import Functions, Shape, plan_functions
from twinkit.control.known import Known
from twinkit.control.prediction import Predictor, predictor
from twinkit.control.settings import Settings
from twinkit.control.shooting import Shooting, pieces
from twinkit.control.task import Asked, Task, Terminal
from twinkit.control.uncertain import LookingUncertain
from twinkit.core import InvalidValueError, Model
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.simulate.signals import Program, program

_LOOKS = 100  # at the inputs over a plan, and where they jump: whether they change


@dataclass(frozen=True, eq=False)
class Horizon:
    """What stays the same while one plan is made.

    Attributes
    ----------
    model, settings
        The controller.
    known
        The estimate.
    times
        Nodes (for a free end: those of the first guess of the end).
    stretch
        Bounds of the factor by which time may be stretched.
    program
        All inputs over time; those of the moves do not count.
    before
        Controls that hold before the first node.
    functions, predictor
        The model.
    terminal
        What is asked of the last node.
    exact, exact_later, tolerance
        As for `Task`.
    kept
        What the controller remembers of its plans, by number of nodes.
    doubts
        Learned terms of the model; None: it has none.
    uncertain
        Parameters that are uncertain; None: there are none.
    """

    model: Model
    settings: Settings
    known: Known
    times: Array
    stretch: tuple[float, float]
    program: Any
    before: Array
    functions: Functions
    predictor: Predictor
    terminal: Terminal | None
    exact: bool
    exact_later: bool
    tolerance: float
    kept: dict[Any, Asked]
    doubts: LookingDoubts | None = None
    uncertain: LookingUncertain | None = None

    @property
    def moved(self) -> list[int]:
        """Positions of the moves among the inputs."""
        return [m.place.index for m in self.settings.movers]

    @property
    def shared(self) -> Array:
        """Modes and parameters, with those that are adapted at their initial values in the model."""
        return np.concatenate(self.settings.constants)

    @property
    def adapted(self) -> Array:
        """Modes and parameters as estimated, then disturbances, their decay, and the time they are of."""
        modes, p = self.settings.constants
        p = p.copy()
        p[list(self.known.chosen)] = self.known.adapted
        rates = [rate for _, _, rate in self.known.disturbances]
        return np.concatenate([modes, p, self.known.pushes, rates, [self.times[0]]])

    def items(self, substeps: int, u: Array) -> Array:
        """Return the sub-steps of a simulation in order, with controls in place, ``(K, 2 + 4 inputs)``."""
        found = pieces(self.times, substeps, self.program).transpose(1, 0, 2).copy()
        for j, index in enumerate(self.moved):
            found[:, :, 2 + 4 * index] = u[:, j : j + 1]
            found[:, :, 3 + 4 * index : 6 + 4 * index] = 0.0
        if self.settings.stretched:
            found[:, :, 0] = self.times[0] + u[0, -1] * (found[:, :, 0] - self.times[0])
            found[:, :, 1] *= u[0, -1]
        return found.reshape(-1, found.shape[2])

    def real_times(self, u: Array) -> Array:
        """Return the nodes in time."""
        return self.times if not self.settings.stretched else self.times[0] + u[0, -1] * (self.times - self.times[0])


def nodes(settings: Settings, begin: float, guess: float | None) -> tuple[Array, tuple[float, float]] | str:
    """Return the nodes of a plan and by how much its end may be stretched; a text: there is nothing left to plan."""
    if settings.until is None:
        count = max(1, math.ceil(settings.horizon / settings.step - 1e-9))
        return begin + settings.step * np.arange(count + 1.0), (1.0, 1.0)
    first, last = settings.until
    if last - begin <= 1e-9 * max(1.0, abs(last)):
        return f"the batch ends at {last:g}, and it is {begin:g}"
    if not settings.stretched:
        end = min(last, begin + settings.horizon)
        count = max(1, math.ceil((end - begin) / settings.step - 1e-9))
        times = begin + settings.step * np.arange(count + 1.0)
        times[-1] = end
        return times, (1.0, 1.0)
    middle = 0.5 * (first + last) if guess is None else guess
    end = max(middle, begin + settings.step)
    count = max(1, math.ceil((end - begin) / settings.step - 1e-9))
    low = max(first - begin, 1e-3 * settings.step)
    return np.linspace(begin, end, count + 1), (low / (end - begin), (last - begin) / (end - begin))


def inputs_over(model: Model, settings: Settings, given: Mapping[str, Any], begin: float, end: float) -> Program:
    """Return all inputs over time; a moved input that is not given has any value."""
    layout, values = model.layout, dict(model.values())
    moved = {m.place.label for m in settings.movers}
    for entry in layout.inputs:
        if moved & set(entry.labels) and values.get(entry.name) is None:
            values[entry.name] = np.clip(entry.variable.scale, *entry.variable.bounds)
    return program(layout, values, given, begin, end, 1e-8)


def changes(inputs: Program, begin: float, end: float, moved: Sequence[int]) -> bool:
    """Return whether an input that is not moved changes within a time."""
    knots = inputs.knots[(inputs.knots >= begin) & (inputs.knots < end)]
    seen = np.delete(inputs.values(np.union1d(np.linspace(begin, end, _LOOKS), knots)), moved, axis=1)
    return bool((np.ptp(seen, axis=0) > 1e-9 * (1.0 + np.abs(seen[0]))).any())


def check_inputs(model: Model, settings: Settings, given: Mapping[str, Any]) -> None:
    """Raise unless all inputs that are given exist and are not moved by the controller."""
    moved, inputs = {m.place.label for m in settings.movers}, model.layout.inputs
    for name in given:
        if name not in inputs:
            raise unknown_name("input", name, inputs.by_name, type(model).__name__)
        if moved & set(inputs[name].labels):
            raise InvalidValueError(f"input {name!r} is moved by the controller, so inputs={{...}} cannot give it")


def shape_of(settings: Settings, known: Known) -> Shape:
    """Return what the functions of a plan are made for."""
    return Shape(
        tuple(m.place.index for m in settings.movers),
        tuple(q.row for q in settings.quantities),
        settings.running,
        tuple((kind, index) for kind, index, _ in known.disturbances),
        settings.stretched,
        settings.derived,
    )


def functions_of(model: Model, settings: Settings, known: Known, native: bool) -> tuple[Functions, Predictor]:
    """Return the compiled model."""
    own = plan_functions(model, shape_of(settings, known), native)
    return own, predictor(model, known.chosen, known.disturbances, native)


def task_of(h: Horizon, method: int, substeps: int, margins: Array, guess: Array) -> Task:
    """Return one plan in numbers.

    Parameters
    ----------
    h
        The horizon.
    method, substeps
        How steps are integrated.
    margins
        By how much each limit is tightened, ``(N, r)``.
    guess
        First guess of the algebraic variables.
    """
    times, a = h.times, asked(h)
    shooting = Shooting(h.functions, method, pieces(times, substeps, h.program), h.adapted)
    low, high = tightened(a.low, a.high, margins) if margins.any() else (a.low, a.high)
    return Task(
        **{**vars(a), "low": low, "high": high}, functions=h.functions, shooting=shooting, times=times,
        inputs=(h.program.values(times[1:], before=True), h.program.values(times[:-1])),
        start=np.concatenate([h.known.x, np.zeros(h.functions.states - len(h.known.x))]), guess=guess,
        before=np.concatenate([h.before, np.ones(int(h.settings.stretched))]),
        terminal=h.terminal, exact=h.exact, exact_later=h.exact_later,
        tolerance=h.tolerance,
    )  # fmt: skip


def asked(h: Horizon) -> Asked:
    """Return what is asked at the nodes; it is remembered where it is the same at all times."""
    s, times, count = h.settings, h.times, len(h.times) - 1
    even = abs(times[-1] - times[0] - count * s.step) <= 1e-9 * s.step
    if s.stretched or not (s.steady and even):
        return _asked(h)
    key = count, h.functions.see
    if key not in h.kept:
        h.kept[key] = _asked(h)
    return h.kept[key]


def _asked(h: Horizon) -> Asked:
    s, times, count = h.settings, h.times, len(h.times) - 1
    u_scale, y_scale = s.scales
    extra = int(s.stretched)
    low = np.array([m.low(times[:-1]) for m in s.movers]).T
    high = np.array([m.high(times[:-1]) for m in s.movers]).T
    free = np.array([m.move.free(count) for m in s.movers]).T
    low, high = _blocked(low, free, np.maximum), _blocked(high, free, np.minimum)
    if (low > high).any():
        k, j = (int(i[0]) for i in np.nonzero(low > high))
        raise InvalidValueError(
            f"no value of {s.movers[j].place.label!r} is within its bounds ({low[k, j]:g}, {high[k, j]:g}) at "
            f"t = {times[k]:g}"
        )
    waits = np.concatenate([[s.step], np.diff(times)[:-1]])
    rate = waits[:, None] * np.array([m.rate for m in s.movers])
    if extra:
        low, high = (np.hstack([a, np.full((count, 1), b)]) for a, b in zip((low, high), h.stretch, strict=True))
        free = np.hstack([free, np.arange(count)[:, None] == 0])
        rate = np.hstack([rate, np.full((count, 1), np.inf)])
    weight, reference, price, y_low, y_high = _over_time(s, times[1:])
    states = h.model.layout.states.scales
    integral = h.functions.states - len(states)
    penalty = np.array([*(m.move.penalty for m in s.movers), *np.zeros(extra)]) / s.size
    soft = np.array([q.soft for q in s.quantities]) / s.size
    return Asked(
        form=form_of(
            rate, penalty, free, y_low, y_high, soft, h.functions,
            np.array([q.at_end for q in s.quantities], dtype=bool),
        ),
        x_scale=np.concatenate([states, np.full(integral, s.size)]),
        u_scale=np.concatenate([u_scale, np.ones(extra)]), y_scale=y_scale, u_low=low, u_high=high, free=free,
        rate=rate, penalty=penalty, weight=weight / s.size, reference=reference, price=price / s.size,
        running=integral / s.size, low=y_low, high=y_high, soft=soft,
    )  # fmt: skip


def _over_time(s: Settings, times: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Return weights, references, prices and limits of the quantities at the nodes, ``(N, r)`` each."""
    shape = (len(times), len(s.quantities))
    weight, reference, price, low, high = (np.zeros(shape) for _ in range(5))
    for r, q in enumerate(s.quantities):
        weight[:, r], price[:, r] = q.weight, q.summed
        weight[-1, r] = q.final_weight
        price[-1, r] += q.final
        reference[:, r], low[:, r], high[:, r] = q.reference(times), q.low(times), q.high(times)
        if q.at_end:
            low[:-1, r], high[:-1, r] = -np.inf, np.inf
        if not np.isfinite(reference[:, r]).all():
            raise InvalidValueError(f"the reference of {q.place.label!r} is not finite at some t in {times}")
        crossed = np.flatnonzero(~(low[:, r] <= high[:, r]))  # also NaN
        if crossed.size:
            k = int(crossed[0])
            raise InvalidValueError(
                f"no value of {q.place.label!r} is within ({low[k, r]:g}, {high[k, r]:g}) at t = {times[k]:g}"
            )
    return weight, reference, price, low, high


def tightened(low: Array, high: Array, margins: Array) -> tuple[Array, Array]:
    """Return limits with margins; where these leave nothing, their middle."""
    tight = low + margins, high - margins
    bounded = np.isfinite(low) & np.isfinite(high)
    middle = 0.5 * (np.where(bounded, low, 0.0) + np.where(bounded, high, 0.0))
    crossed = tight[0] > tight[1]
    return np.where(crossed, middle, tight[0]), np.where(crossed, middle, tight[1])


def limits_over(s: Settings, times: Array) -> tuple[Array, Array]:
    """Return the limits of the quantities at nodes, without margins, ``(N, r)`` each."""
    return _over_time(s, times)[3:]


def _blocked(bounds: Array, free: Array, of: Any) -> Array:
    """Return at the start of each block the bound that holds over all of it."""
    found = bounds.copy()
    for j in range(bounds.shape[1]):
        starts = np.flatnonzero(free[:, j])
        found[starts, j] = of.reduceat(bounds[:, j], starts)
    return found
