"""All scenarios of a plan as one problem of stages, for the nonlinear solvers; see `twinkit.control.tree`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core.component import Array
from twinkit.optimise import StageProblem

Of = Callable[[Any, Any], Any]


def chained(parts: Sequence[StageProblem], shared: int, controls: int) -> StageProblem:
    """Return one problem whose stages are those of all scenarios, one after the other.

    Parameters
    ----------
    parts
        One problem per scenario, of the same shape; the first `controls` of each `w` are the moves.
    shared
        Number of first stages whose moves are those of the first scenario. They travel along in additional states.
    controls
        Number of moves.
    """
    count, n = len(parts[0].advance), len(parts[0].low)

    def moves(scenario: int, k: int, x: Any, w: Any) -> Any:
        if scenario == 0 or k >= shared:
            return w
        return ca.vertcat(x[n + k * controls : n + (k + 1) * controls, 0], w[controls:, 0])

    def advance(scenario: int, k: int) -> Of:
        last = k == count - 1 and scenario + 1 < len(parts)

        def run(x: Any, w: Any) -> Any:
            carried = x[n:, 0]
            if scenario == 0 and k < shared:
                carried = ca.vertcat(x[n : n + k * controls, 0], w[:controls, 0], x[n + (k + 1) * controls :, 0])
            if last:  # the next scenario begins where this one began
                return ca.vertcat(parts[scenario + 1].first(ca.DM.zeros(1)), carried)
            return ca.vertcat(parts[scenario].advance[k](x[:n, 0], moves(scenario, k, x, w)), carried)

        return run

    def cost(scenario: int, k: int) -> Of:
        def of(x: Any, w: Any) -> Any:
            found = parts[scenario].cost[k](x[:n, 0], moves(scenario, k, x, w))
            unused = scenario > 0 and k < shared
            return found + 0.5 * ca.sumsqr(w[:controls]) if unused else found

        return of

    def path(scenario: int, k: int) -> Of:
        return lambda x, w: parts[scenario].path[k](x[:n, 0], moves(scenario, k, x, w))

    places = [(scenario, k) for scenario in range(len(parts)) for k in range(count)]
    slots = shared * controls
    free = np.full(slots, np.inf)
    w_low, w_high = (
        np.vstack([_unbounded(part, side, scenario, shared, controls) for scenario, part in enumerate(parts)])
        for side in ("w_low", "w_high")
    )
    return StageProblem(
        first=lambda v: ca.vertcat(parts[0].first(v), ca.DM.zeros(slots)),
        advance=[advance(*place) for place in places],
        cost=[cost(*place) for place in places],
        path=[path(*place) for place in places],
        low=np.concatenate([parts[0].low, -free]), high=np.concatenate([parts[0].high, free]),
        path_low=np.vstack([part.path_low for part in parts]), path_high=np.vstack([part.path_high for part in parts]),
        w_low=w_low, w_high=w_high,
    )  # fmt: skip


def _unbounded(part: StageProblem, side: str, scenario: int, shared: int, controls: int) -> Array:
    """Return bounds in which the moves that count in the first scenario only are free elsewhere."""
    found = np.array(getattr(part, side))
    if scenario:
        found[:shared, :controls] = -np.inf if side == "w_low" else np.inf
    return found
