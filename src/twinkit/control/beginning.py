"""What a plan begins from: the estimate brought to its start, and first guesses of the moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinkit.control.horizon import Horizon
from twinkit.control.prediction import covariances, links, simulated
from twinkit.control.rounds import first_algebraics
from twinkit.core import InvalidValueError, SimulationError
from twinkit.core.component import Array


def brought_forward(h: Horizon, time: float) -> Horizon:
    """Return a horizon whose estimate was carried forward to its start."""
    k, count = h.known, 32
    early = replace(h, times=np.linspace(k.time, time, 2))
    items = early.items(count, np.hstack([h.before, np.ones(int(h.settings.stretched))])[None])
    z = first_algebraics(early)
    method = 0
    run = simulated(h.predictor, method, k.vector, z, items, h.shared)
    if not np.isfinite(run.path).all():
        method = 1
        run = simulated(h.predictor, method, k.vector, z, items, h.shared)
    if not np.isfinite(run.path).all():
        raise SimulationError(f"the estimate of {k.time:g} could not be carried forward to {time:g}")
    if h.uncertain is None:
        maps = links(h.predictor, method, run, items, h.shared)
    else:
        maps, pushes = h.uncertain.links(method, run, items, h.shared)
        h = replace(h, uncertain=replace(h.uncertain, begin=h.uncertain.carried(maps, pushes)[-1]))
    covariance = covariances(maps, items, k.covariance, k.noise)[-1]
    n, a = k.x.size, k.adapted.size
    end = run.path[-1]
    moved = replace(k, time=time, x=end[:n], adapted=end[n : n + a], pushes=end[n + a :], covariance=covariance)
    return replace(h, known=moved)


def first_guesses(h: Horizon, starts: int) -> list[Array]:
    """Return first guesses of the controls, ``(N, c)`` each: the moves in force (or as asked), then ramps."""
    s, count = h.settings, len(h.times) - 1
    found = [np.tile(h.before, (count, 1))]
    for j, m in enumerate(s.movers):
        if m.first is not None:
            found[0][:, j] = m.first(h.times[:-1])
    if not np.isfinite(found[0]).all():
        raise InvalidValueError("the first profile of a move is not finite at all steps of the plan")
    at = h.times[:1]
    low, high = (
        np.array([float(side(at)[0]) for side in (getattr(m, name) for m in s.movers)]) for name in ("low", "high")
    )
    if starts > 1 and np.isfinite(high - low).all():
        from scipy.stats import qmc

        sides = qmc.Sobol(2 * len(low), scramble=False).random_base2((starts - 1).bit_length() + 1)[1:]
        share = np.linspace(0.0, 1.0, count)[:, None]
        for first, last in sides[: starts - 1].reshape(-1, 2, len(low)) ** 3:
            found.append(low + (high - low) * (first + share * (last - first)))
    ones = np.ones((count, int(s.stretched)))
    return [np.hstack([one, ones]) for one in found]
