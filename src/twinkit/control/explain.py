"""From a plan to a recommendation: what happens without it, and how the outcome answers to each move."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from twinkit.control.forecast import Forecast, Paths
from twinkit.control.plan import Plan, PredictedTrack
from twinkit.control.recommendation import Effect, Recommendation
from twinkit.core import BoundsError, InvalidValueError
from twinkit.core.errors import unknown_name
from twinkit.core.units import as_number

_NUDGE = 0.1


def recommend(
    plan: Plan, forecast: Forecast, *, present: Mapping[str, Any], outcomes: Sequence[str] | None = None,
    nudge: Mapping[str, Any] | None = None, expires: Any = None, data: Mapping[str, str] | None = None,
    coverage: float = 0.95,
) -> Recommendation:  # fmt: skip
    """Turn a plan into a recommendation.

    Parameters
    ----------
    plan
        The plan; its status must be usable.
    forecast
        Predicts what the plan, doing nothing, and each changed move lead to, from one estimate.
    present
        Manipulated input -> what is applied now: a number in the move's unit, or a text with a unit.
    outcomes
        Quantities whose sensitivity to the moves is worked out; None: all that are forecast.
    nudge
        Manipulated input -> by how much it is raised for that; without it, by a tenth of each of its values.
    expires
        Until when it may be accepted; None: as the plan says.
    data
        What it was made from -> content hash or identifier; an `EnsembleForecast` adds the estimate's.
    coverage
        Of the intervals.

    Raises
    ------
    InvalidValueError
        If the plan has failed or is not finite, or a present value is missing.
    UnknownNameError
        If a name is none of the plan's, or no outcome is forecast by it.
    """
    if not isinstance(plan, Plan):
        raise InvalidValueError(f"recommend takes a Plan, not {plan!r}")
    if not plan.status.usable:
        raise InvalidValueError(f"a plan without moves recommends nothing: it {plan.status.text}")
    for name in (*present, *(nudge or {})):
        if name not in plan.moves:
            raise unknown_name("move", name, plan.moves, "the plan")
    missing = [name for name in plan.moves if name not in present]
    if missing:
        raise InvalidValueError(f"present= must say what is applied now: {', '.join(missing)} is missing")
    now = {name: as_number(v, plan.moves[name].unit, f"present {name}") for name, v in present.items()}
    kept = {
        name: replace(move, times=move.times[:1], values=np.array([now[name]])) for name, move in plan.moves.items()
    }
    with_plan, without = forecast.paths(plan.moves), forecast.paths(kept)
    wanted = list(with_plan) if outcomes is None else list(outcomes)
    for name in wanted:
        if name not in with_plan:
            raise unknown_name("forecast quantity", name, with_plan, "the forecast")
    effects = [e for name in plan.moves for e in _effects(plan, forecast, name, with_plan, wanted, (nudge or {}))]
    limits = {name: track for name, track in plan.predicted.items() if name in with_plan}
    predicted = {name: _limited(paths.track, limits.get(name)) for name, paths in with_plan.items()}
    hashed = getattr(forecast, "content_hash", "")
    until = plan.expires if expires is None else as_number(expires, plan.time_unit, "the expiry")
    return Recommendation(
        time=plan.time, expires=min(until, plan.expires), time_unit=plan.time_unit, moves=plan.moves, present=now,
        predicted=predicted, unchanged={name: paths.track for name, paths in without.items()}, status=plan.status,
        goal=plan.goal, binding=tuple(plan.binding), effects=tuple(effects), made_by=plan.made_by,
        data={**({"estimate": hashed} if hashed else {}), **(data or {})}, in_domain=plan.in_domain,
        warnings=tuple(plan.warnings), coverage=coverage,
    )  # fmt: skip


def _limited(track: PredictedTrack, planned: PredictedTrack | None) -> PredictedTrack:
    """Return a track with the limits the plan was made with, at its own times (each holds until the next)."""
    if planned is None:
        return track
    at = np.clip(np.searchsorted(planned.times, track.times, side="right") - 1, 0, None)
    return replace(track, low=np.asarray(planned.low)[at], high=np.asarray(planned.high)[at])


def _effects(
    plan: Plan, forecast: Forecast, name: str, base: Mapping[str, Paths], wanted: Sequence[str],
    nudge: Mapping[str, Any],
) -> list[Effect]:  # fmt: skip
    """Return the sensitivity of every outcome to one move; where raising it breaks a bound, it is lowered."""
    move = plan.moves[name]
    largest = float(np.max(np.abs(move.values)))
    change = as_number(nudge[name], move.unit, f"the nudge of {name}") if name in nudge else _NUDGE * largest
    if change == 0.0 and name in nudge:
        raise InvalidValueError(f"a nudge of zero tells nothing about {name}")
    if change == 0.0:
        return []  # a plan of zeros has no tenth
    shares = np.ones(len(move.values)) if name in nudge else move.values / largest

    def moved(sign: float) -> Mapping[str, Paths]:
        return forecast.paths({**plan.moves, name: replace(move, values=move.values + sign * change * shares)})

    try:
        sign, after = 1.0, moved(1.0)
    except BoundsError:
        sign, after = -1.0, moved(-1.0)
    relative = 0.0 if name in nudge else sign * _NUDGE
    found: list[Effect] = []
    for outcome in wanted:
        difference = after[outcome].values[:, -1] - base[outcome].values[:, -1]
        spread = float(difference.std(ddof=1)) if len(difference) > 1 else math.nan
        found.append(Effect(name, move.unit, sign * change, outcome, base[outcome].unit, float(base[outcome].times[-1]),
                            float(difference.mean()), spread, plan.time_unit, relative))  # fmt: skip
    return found
