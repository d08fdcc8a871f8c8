"""What a user asked of a controller, checked and turned into numbers in the model's units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.control.constraints import Within, limits
from twinkit.control.moves import Move
from twinkit.control.objective import Kind, Objective, Track
from twinkit.control.region import Derived, Region, derived_places, region_of
from twinkit.control.timed import Timed, fixed, timed
from twinkit.core import DesignSpace, InvalidValueError, Model
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.positions import Position, position, positions
from twinkit.core.units import as_number, derivative_unit, difference_unit

if TYPE_CHECKING:
    from twinkit.control.mpc import MPC

_INTEGRATED = (Kind.INTEGRAL, Kind.DURATION)


@dataclass(frozen=True, eq=False)
class Mover:
    """A manipulated input in numbers; `first` is the profile to start from, where there is one."""

    place: Position
    move: Move
    low: Timed
    high: Timed
    rate: float
    safe: float | None
    scale: float
    first: Timed | None = None


@dataclass(frozen=True, eq=False)
class Quantity:
    """A quantity a plan looks at.

    Attributes
    ----------
    place, row
        Which one; its row in states, algebraic variables, outputs, inputs.
    low, high
        Limits.
    soft
        Price of exceeding them by one scale (infinite: hard).
    quantile
        Standard deviations of margin.
    reference, weight, final_weight
        What it follows; weights of squared errors in units of `scale`.
    summed, final
        Linear prices.
    at_end
        Whether the limits hold at the last node only.
    """

    place: Position
    row: int
    scale: float
    low: Timed
    high: Timed
    soft: float
    quantile: float
    reference: Timed
    weight: float
    final_weight: float
    summed: float
    final: float
    at_end: bool = False

    @property
    def limited(self) -> bool:
        """Whether it has a limit."""
        return self.low.constant != -math.inf or self.high.constant != math.inf


@dataclass(frozen=True, eq=False)
class Settings:
    """A controller in numbers.

    Attributes
    ----------
    movers, quantities
        What it may do and what it looks at.
    running
        Rows and weights of what is integrated; the row None is time itself.
    sign
        -1 where the objective is maximised.
    size
        Magnitude of the objective: the optimiser sees costs divided by it.
    step, horizon, until
        Lengths in the model's time unit; until: the latest end, or the first and last of a free end.
    constants
        Modes and parameters.
    derived
        What is computed from several quantities.
    """

    movers: tuple[Mover, ...]
    quantities: tuple[Quantity, ...]
    running: tuple[tuple[int | None, float], ...]
    sign: float
    size: float
    step: float
    horizon: float
    until: tuple[float, float] | None
    constants: tuple[Array, Array]
    derived: tuple[Derived, ...] = ()

    @property
    def scales(self) -> tuple[Array, Array]:
        """Magnitudes of controls and quantities."""
        return np.array([m.scale for m in self.movers]), np.array([q.scale for q in self.quantities])

    @cached_property
    def steady(self) -> bool:
        """Whether limits and references are the same at all times."""
        sides = [side for m in self.movers for side in (m.low, m.high)]
        sides += [side for q in self.quantities for side in (q.low, q.high, q.reference)]
        return all(side.constant is not None for side in sides)

    @property
    def stretched(self) -> bool:
        """Whether the end is free."""
        return self.until is not None and self.until[1] > self.until[0]


def settings_of(mpc: MPC) -> Settings:
    """Check what a user asked; see `MPC` for what is raised."""
    model = mpc.model
    if not isinstance(model, Model):
        raise InvalidValueError(
            f"a controller needs a model instance (or a fitted HybridModel), not {model!r}; an FMU becomes a model by "
            "tk.fmi.model(path)"
        )
    unit = model.time_unit
    happenings = [*model.structure.events, *model.structure.schedules]
    if happenings:
        raise InvalidValueError(
            f"{type(model).__name__} has events or schedules ({', '.join(happenings)}); a plan cannot follow these "
            "yet: leave them out of the model given to it, or give their effect as inputs"
        )
    step = _length(mpc.step, unit, "the step")
    until = _until(mpc, unit)
    if mpc.horizon is None and until is None:
        raise InvalidValueError("a controller needs horizon=, until=, or both")
    horizon = math.inf if mpc.horizon is None else _length(mpc.horizon, unit, "the horizon")
    if horizon < step:
        raise InvalidValueError(f"the horizon {horizon:g} {unit} is shorter than the step {step:g} {unit}")
    if until is not None and until[1] > until[0] and math.isfinite(horizon):
        raise InvalidValueError("a free end (until=(first, last)) and a horizon exclude each other")
    if not mpc.moves:
        raise InvalidValueError("a controller needs at least one move: moves={'F': Move()}")
    movers = tuple(_mover(model, name, move) for name, move in mpc.moves.items())
    sign, objective = _goal(mpc)
    if any(term.kind is Kind.DURATION for term in objective.terms) and (until is None or until[1] <= until[0]):
        raise InvalidValueError("the duration can only be an objective where the end is free: until=(first, last)")
    region = _region(mpc)
    quantities = _quantities(mpc, region, objective, sign)
    size = sum(abs(q.summed + q.final) * q.place.scale for q in quantities)
    found = Settings(
        movers, quantities, _running(model, objective, sign), sign, max(1.0, size), step, horizon, until,
        constants_of(model), region.derived,
    )  # fmt: skip
    if found.stretched and not found.steady:
        raise InvalidValueError(
            "a limit or reference that changes with time and a free end exclude each other: the plan is stretched with "
            "its end. Fix the end, or make it constant"
        )
    return found


def constants_of(model: Model) -> tuple[Array, Array]:
    """Return modes and parameters of a model as the functions of a plan take them."""
    layout, values = model.layout, model.values()
    modes = layout.modes.pack({entry.name: values.get(entry.name, 0.0) for entry in layout.modes})
    return modes, layout.parameters.pack(values)


def _length(raw: Any, unit: str, what: str) -> float:
    found = as_number(raw, unit, what)
    if not found > 0.0:
        raise InvalidValueError(f"{what} must be longer than 0, not {found:g} {unit}")
    return found


def _until(mpc: MPC, unit: str) -> tuple[float, float] | None:
    if mpc.until is None:
        return None
    pair = mpc.until if isinstance(mpc.until, tuple) else (mpc.until, mpc.until)
    if len(pair) != 2:
        raise InvalidValueError(f"until takes a time, or (first, last) for a free end, not {mpc.until!r}")
    first, last = (as_number(raw, unit, "the end of the batch") for raw in pair)
    if last < first:
        raise InvalidValueError(f"the end of the batch is between {first:g} and {last:g}: the last is before the first")
    return first, last


def _mover(model: Model, name: str, move: Any) -> Mover:
    if not isinstance(move, Move):
        raise InvalidValueError(f"moves={{{name!r}: ...}} takes Move(...), not {move!r}")
    known = {label: p for label, p in positions(model.layout, inputs=True).items() if p.kind == "input"}
    if name not in known:
        raise unknown_name("input", name, known, type(model).__name__)
    place, time_unit = known[name], model.time_unit
    low, high = (
        timed(raw, place.unit, time_unit, f"a bound of {name!r}", missing=side)
        for raw, side in zip(move.bounds, place.bounds, strict=True)
    )
    low, high = _tighter(low, place.bounds[0], np.maximum), _tighter(high, place.bounds[1], np.minimum)
    if low.constant is not None and high.constant is not None and not low.constant <= high.constant:
        raise InvalidValueError(
            f"no value of {name!r} is within its bounds ({low.constant:g}, {high.constant:g}) {place.unit}"
        )
    rate = math.inf
    if move.max_rate is not None:
        rate = as_number(move.max_rate, derivative_unit(place.unit, time_unit), f"the rate of {name!r}")
        if not rate > 0.0:
            raise InvalidValueError(f"the largest rate of {name!r} must be positive, not {rate:g}")
    safe = None if move.safe is None else as_number(move.safe, place.unit, f"the safe value of {name!r}")
    if safe is not None and not place.bounds[0] <= safe <= place.bounds[1]:
        raise InvalidValueError(f"the safe value {safe:g} of {name!r} is outside its declared bounds {place.bounds}")
    scale = _scale(move.scale, place, [low.constant, high.constant])
    first = None if move.first is None else timed(move.first, place.unit, time_unit, f"the first profile of {name!r}")
    if first is not None and first.constant is not None and not math.isfinite(first.constant):
        raise InvalidValueError(f"the first profile of {name!r} must be finite, not {first.constant}")
    return Mover(place, move, low, high, rate, safe, scale, first)


def _scale(raw: Any, place: Position, ends: list[float | None]) -> float:
    """Return the magnitude asked for; else the nominal one, but no more than the range allowed."""
    if raw is not None:
        found = as_number(raw, difference_unit(place.unit), f"the scale of {place.label!r}")
        if not found > 0.0:
            raise InvalidValueError(f"the scale of {place.label!r} must be positive, not {found:g}")
        return found
    low, high = ends
    if low is not None and high is not None and 0.0 < high - low < math.inf:
        return min(place.scale, high - low)
    return place.scale


def _tighter(one: Timed, bound: float, of: Any) -> Timed:
    if one.constant is not None:
        return fixed(float(of(one.constant, bound)))
    return Timed(lambda times: of(one.values(times), bound), None, [one.identity, bound])


def _goal(mpc: MPC) -> tuple[float, Objective]:
    """Return the factor that makes the objective one to be minimised, and the objective."""
    if mpc.maximize is not None and mpc.minimize is not None:
        raise InvalidValueError("give maximize= or minimize=, not both: objectives add up, with negative factors too")
    objective = mpc.maximize if mpc.maximize is not None else mpc.minimize
    if objective is None:
        if not mpc.track and mpc.terminal is None:
            raise InvalidValueError("a controller needs a goal: maximize=, minimize= or track=")
        return 1.0, Objective(())
    if not isinstance(objective, Objective):
        raise InvalidValueError(
            f"maximize and minimize take final(...), integral(...) or their sums, not {objective!r}"
        )
    return (-1.0 if mpc.maximize is not None else 1.0), objective


def _row(model: Model, place: Position) -> int:
    layout = model.layout
    sizes = {"state": 0, "algebraic": layout.states.size, "output": layout.states.size + layout.algebraics.size}
    sizes["input"] = sizes["output"] + layout.outputs.size
    sizes["derived"] = sizes["input"] + layout.inputs.size
    return sizes[place.kind] + place.index


def _running(model: Model, objective: Objective, factor: float) -> tuple[tuple[int | None, float], ...]:
    return tuple(
        (
            None if term.kind is Kind.DURATION else _row(model, position(model, term.name, inputs=True)),
            factor * term.weight,
        )
        for term in objective.terms
        if term.kind in _INTEGRATED
    )


def _region(mpc: MPC) -> Region:
    """Return all limits."""
    if isinstance(mpc.within, DesignSpace):
        return region_of(mpc.model, mpc.within, lambda place: _row(mpc.model, place))
    if not isinstance(mpc.within, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(f"within takes name -> (low, high), or a DesignSpace, not {mpc.within!r}")
    return Region({name: limits(name, raw) for name, raw in mpc.within.items()})


def _quantities(mpc: MPC, region: Region, objective: Objective, factor: float) -> tuple[Quantity, ...]:
    prices: dict[str, dict[Kind, float]] = {}
    for term in objective.terms:
        if term.kind not in _INTEGRATED:
            entry = prices.setdefault(term.name, {})
            entry[term.kind] = entry.get(term.kind, 0.0) + factor * term.weight
    names = dict.fromkeys([*region.limits, *mpc.track, *prices])
    return tuple(_quantity(mpc, region, name, prices.get(name, {})) for name in names)


def _quantity(mpc: MPC, region: Region, name: str, price: Mapping[Kind, float]) -> Quantity:
    model = mpc.model
    known = derived_places(region.derived)
    place = known[name] if name in known else position(model, name, inputs=True)
    unit = model.time_unit
    within = region.limits.get(name)
    low, high = fixed(-math.inf), fixed(math.inf)
    if within is not None:
        low = timed(within.low, place.unit, unit, f"the lower limit of {name!r}", missing=-math.inf)
        high = timed(within.high, place.unit, unit, f"the upper limit of {name!r}", missing=math.inf)
        if low.constant is not None and high.constant is not None and not low.constant <= high.constant:
            raise InvalidValueError(f"no value of {name!r} is within ({low.constant:g}, {high.constant:g})")
    track = _track(mpc, name)
    reference, weight, final_weight, scale = fixed(0.0), 0.0, 0.0, place.scale
    if track is not None:
        reference = timed(track.reference, place.unit, unit, f"the reference of {name!r}")
        scale = _scale(track.scale, place, [None, None])
        weight = track.weight
        final_weight = weight if track.final_weight is None else track.final_weight
    return Quantity(
        place, _row(model, place), scale, low, high, _soft(within), _quantile(mpc, within), reference, weight,
        final_weight, price.get(Kind.SUMMED, 0.0), price.get(Kind.FINAL, 0.0), within is not None and within.at_end,
    )  # fmt: skip


def _track(mpc: MPC, name: str) -> Track | None:
    raw = mpc.track.get(name)
    return raw if raw is None or isinstance(raw, Track) else Track(raw)


def _soft(within: Within | None) -> float:
    return math.inf if within is None or within.penalty is None else within.penalty


def _quantile(mpc: MPC, within: Within | None) -> float:
    level = within.confidence if within is not None and within.confidence is not None else mpc.confidence
    return 0.0 if within is None or level is None else NormalDist().inv_cdf(level)
