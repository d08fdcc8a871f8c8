"""What is followed when there is no new plan: the rest of the previous one, the safe setpoint, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from twinkit.control.assembly import empty_plan, plan_of, unseen_plan
from twinkit.control.check import checked
from twinkit.control.horizon import Horizon, task_of
from twinkit.control.plan import Plan
from twinkit.control.rounds import Found, Result, first_algebraics, point_of
from twinkit.control.solving import Attempt
from twinkit.control.status import Failed, PreviousPlan, SafeSetpoint
from twinkit.control.substeps import fitted
from twinkit.control.warm import Warm
from twinkit.core.component import Array
from twinkit.optimise import Converged

if TYPE_CHECKING:
    from twinkit.control.mpc import MPC


def fallback(
    mpc: MPC, reason: str, horizons: Sequence[Horizon], time: float, previous: Plan | None,
    made_by: Mapping[str, str], began: float,
) -> Plan:  # fmt: skip
    """Return the rest of the previous plan, the safe setpoint, or a failed plan.

    Parameters
    ----------
    mpc
        The controller.
    reason
        Why there is no new plan.
    horizons
        One per scenario; none: what is followed cannot be simulated.
    time, previous, made_by, began
        See `twinkit.control.assembly.plan_of`.
    """
    if previous is not None and previous.valid_at(time) and isinstance(previous.warm, Warm):
        labels = [m.place.label for m in mpc.settings.movers]
        found = _held(mpc, horizons, _moves_of(previous, labels, horizons[0]) if horizons else None, False)
        status = PreviousPlan(reason=reason, age=time - (previous.expires - mpc.validity))
        if isinstance(found, str):
            reason = f"{reason}; the previous plan: {found}"
        elif found is None:
            return unseen_plan(mpc, status, time, previous, None, made_by, began)
        else:
            return plan_of(mpc, found, status, made_by, began, previous)
    values = [m.safe for m in mpc.settings.movers]
    if all(value is not None for value in values):
        safe, status = np.array(values, dtype=np.float64), SafeSetpoint(reason=reason)
        found = _held(mpc, horizons, np.tile(safe, (len(horizons[0].times) - 1, 1)) if horizons else None, True)
        if isinstance(found, Found):
            return plan_of(mpc, found, status, made_by, began)
        plan = unseen_plan(mpc, status, time, None, safe, made_by, began)
        return plan if found is None else replace(plan, warnings=(*plan.warnings, f"the safe setpoint itself: {found}"))
    return empty_plan(mpc, Failed(reason=reason), time, made_by, began)


def _moves_of(plan: Plan, labels: Sequence[str], h: Horizon) -> Array:
    slack = 1e-9 * (h.times[-1] - h.times[0])
    return np.array([[plan.moves[label].at(t + slack) for label in labels] for t in h.times[:-1]])


def _held(mpc: MPC, horizons: Sequence[Horizon], moves: Array | None, safe: bool) -> Found | str | None:
    """Return the simulation of moves that were not optimised now.

    A text says why they must not be followed; None: they cannot be simulated, because it is not known where the
    process is.
    """
    results, substeps = list[Result](), (0, 1)
    if moves is None:
        return None
    for h in horizons:
        u = np.hstack([moves, np.ones((len(moves), int(h.settings.stretched)))])
        try:
            z = first_algebraics(h)
            substeps = fitted(h, u, z, mpc.rtol, (mpc.chosen_method or 0, 1), mpc.chosen_method is None)
            task = task_of(h, *substeps, np.zeros((len(u), len(h.settings.quantities))), z)
            check = checked(h, task, *substeps, u, None, mpc.grows)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        # A safe setpoint may be outside the bounds of the optimiser.
        if check.reason and not (safe and check.reason.endswith("leaves its bounds")):
            return check.reason
        results.append(Result(h, task, Attempt((point_of(task, u),), (None,), Converged()), check))
    return Found(tuple(results), Converged(), substeps)
