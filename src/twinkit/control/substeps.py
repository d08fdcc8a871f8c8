"""How the steps of a plan are integrated: by which method, in how many sub-steps."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from twinkit.control.check import COARSE
from twinkit.control.horizon import Horizon
from twinkit.control.prediction import Run, simulated
from twinkit.core import SimulationError
from twinkit.core.component import Array

_FEW, _MANY = 8, 512  # sub-steps of a step: beyond the first an implicit method is tried
_WORTH = 12  # explicit sub-steps that cost as much as an implicit one: 4 to 13 where measured, less without a compiler
_WORK, _LEAST = 2000, 16  # implicit sub-steps of a plan, and of a step, for accuracy alone; more only to have a plan
_BLOWN = 0.5  # change of derivatives over a step, with half the sub-step, of a method that is not stable


def most_substeps(steps: int) -> int:
    """Return how many sub-steps of a step accuracy is worth."""
    return min(_MANY, max(_LEAST, _WORK // steps))


def fitted(
    h: Horizon, u: Array | None, z: Array, rtol: float, first: tuple[int, int] = (0, 1), free: bool = True
) -> tuple[int, int]:
    """Return method and number of sub-steps that integrate all steps accurately with given controls.

    Parameters
    ----------
    h, u, z
        The plan, its controls (None: those in force), and a first guess of the algebraic variables.
    rtol
        How accurately.
    first
        Method and number of sub-steps to begin with.
    free
        Whether the method may be another one: implicit where that costs less.
    """
    if u is None:
        u = np.tile(np.concatenate([h.before, np.ones(int(h.settings.stretched))]), (len(h.times) - 1, 1))
    start = h.items(1, u)[:1]
    start[:, 1] = 0.0  # a step of length zero changes nothing, but asks for rates
    if not np.isfinite(simulated(h.predictor, 0, h.known.vector, z, start, h.shared).path).all():
        raise SimulationError("the model cannot be evaluated where the plan starts")
    method, least = first
    if method or not free:
        found = _accurate(h, u, z, rtol, method, least, _MANY)
        if found:
            return method, found
    elif explicit := _accurate(h, u, z, rtol, 0, least, _FEW):
        return 0, explicit
    else:
        implicit = _accurate(h, u, z, rtol, 1, 1, _MANY)
        most = min(_MANY, _WORTH * implicit) if implicit else _MANY
        if explicit := _accurate(h, u, z, rtol, 0, max(least, 2 * _FEW), most):
            return 0, explicit
        if implicit:
            return 1, implicit
    raise SimulationError("the model could not be integrated over the horizon with the first guess of the moves")


def _accurate(h: Horizon, u: Array, z: Array, rtol: float, method: int, least: int, most: int) -> int:
    """Return the number of sub-steps with which a method is accurate, doubled from the least on; 0: more than most.

    An implicit method may be less accurate, where more would be too much work.
    """
    scale = np.abs(h.model.layout.states.scales)

    def over_steps(count: int) -> _Steps:
        items = h.items(count, u)
        return _Steps(items, simulated(h.predictor, method, h.known.vector, z, items, h.shared), len(items) // len(u))

    count, rough = least, over_steps(least) if least <= most else None
    enough = finest = 0
    while rough is not None and count <= (most if not finest else most_substeps(len(u))):
        fine = over_steps(2 * count)
        with np.errstate(invalid="ignore", over="ignore"):  # an explicit method may run away
            ends = fine.ends[:, : len(scale)]
            error = np.abs(ends - rough.ends[:, : len(scale)]) / (scale + np.abs(ends))
            apart = method == 0 and bool(error.max() <= rtol) and _unstable(h, rough, fine)
        if np.isfinite(error).all() and not apart:
            if error.max() <= rtol:
                return count
            if method:  # an explicit one that is not accurate is about to be unstable
                finest, enough = count, enough or (count if error.max() <= COARSE * rtol else 0)
        count, rough = 2 * count, fine
    return enough or finest


@dataclass(frozen=True, eq=False)
class _Steps:
    """A simulation: its sub-steps, what they led to, and how many of them make a step."""

    items: Array
    run: Run
    per: int

    @property
    def ends(self) -> Array:
        """The vector at the ends of the steps."""
        return self.run.path[self.per - 1 :: self.per]


def _unstable(h: Horizon, rough: _Steps, fine: _Steps) -> bool:
    """Return whether an explicit method blows up what does not show: a plan may begin where nothing moves."""
    scale, found = np.ones(h.predictor.size), list[Array]()
    scale[: len(h.model.layout.states.scales)] = np.abs(h.model.layout.states.scales)
    for one in (rough, fine):
        maps = h.predictor.link[0](np.hstack([one.run.starts, one.items]), h.shared)
        maps = maps.reshape(-1, one.per, len(scale), len(scale)).transpose(0, 1, 3, 2) * scale / scale[:, None]
        found.append(functools.reduce(lambda a, b: b @ a, maps.transpose(1, 0, 2, 3)))
    return not bool((np.abs(found[1] - found[0]) <= _BLOWN * (1.0 + np.abs(found[1]).max())).all())
