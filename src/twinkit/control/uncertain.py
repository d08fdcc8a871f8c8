"""Uncertain parameters: what a plan does not know of the mechanism and the learned terms that were fitted.

They are constants of a run, so a deviation of them is carried along a plan as one vector. To first order the vector of
a prediction moves by ``M_k factor xi``, where `xi` is standard normal, and

    ``M_0 = 0,  M_{k+1} = A_k M_k + B_k``

with the derivatives of a sub-step in the vector (`A`) and in the parameters (`B`). Only as many columns are carried as
the uncertainty has directions; the parameters are constant states where these derivatives are made, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np
import numpy.typing as npt

from twinkit.control.functions import METHODS
from twinkit.control.known import Known
from twinkit.control.prediction import Run, linked
from twinkit.core import Applicability, FittedModel, InvalidValueError, Model, ParameterUncertainty
from twinkit.core.component import Array
from twinkit.optimise import Points, augmented, dynamics_of
from twinkit.readings.casadi import SYMBOLIC

Disturbances = tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Steering:
    """How parameters steer a prediction.

    Attributes
    ----------
    link
        Per method: the derivatives of the vector after one sub-step in the full vector, by columns, at points. The
        full vector has the parameters too, after those that are estimated.
    see
        ``(t, full vector, algebraics, inputs) -> `` derivatives of all quantities in the parameters, by rows; None:
        there are none.
    """

    link: tuple[Points, ...]
    see: Points | None


_known: dict[Any, Steering] = {}


@dataclass(frozen=True, eq=False)
class Uncertain:
    """Uncertain parameters of a model.

    Attributes
    ----------
    model
        The model.
    positions
        Of the parameters.
    factor
        ``(parameters, r)``: times its transpose it is their covariance.
    """

    model: Model
    positions: tuple[int, ...]
    factor: Array

    def looking(self, known: Known, native: bool) -> LookingUncertain | None:
        """Return them for predictions from an estimate, without those that it adapts; None: none is left."""
        left = _without(self.positions, self.factor, known.chosen)
        if left is None:
            return None
        positions, factor = left
        key = (self.model.structure_key, known.chosen, known.disturbances, positions, native)
        with SYMBOLIC:
            if key not in _known:
                _known[key] = _steering(self.model, known.chosen, known.disturbances, positions, native)
            places = self.model.layout.modes.size + np.array(positions)
            first, begin = known.x.size + known.adapted.size, np.zeros((known.vector.size, factor.shape[1]))
            return LookingUncertain(places, first, factor, _known[key], begin)


@dataclass(frozen=True, eq=False)
class LookingUncertain:
    """Uncertain parameters, as seen along a prediction.

    Attributes
    ----------
    places
        Positions of the parameters among what all sub-steps share.
    first
        Position of the first of them in the full vector.
    factor
        See `Uncertain`.
    steering
        The derivatives.
    begin
        By how much each direction has moved the vector at the start of the plan, ``(n, r)``.
    """

    places: npt.NDArray[np.intp]
    first: int
    factor: Array
    steering: Steering
    begin: Array

    def links(self, method: int, run: Run, items: Array, shared: Array) -> tuple[Array, Array]:
        """Return the derivatives of every sub-step in vector and directions, ``(K, n, n)`` and ``(K, n, r)``."""
        n, end = len(self.begin), self.first + len(self.places)
        full = np.hstack([self._full(run.starts, 0, shared), items])
        found = self.steering.link[method](full, shared).reshape(len(items), -1, n).transpose(0, 2, 1)
        maps = np.concatenate([found[:, :, : self.first], found[:, :, end:]], axis=2)
        return maps, found[:, :, self.first : end] @ self.factor

    def _full(self, points: Array, before: int, shared: Array) -> Array:
        """Return points with the parameters in the vector, which begins after so many columns."""
        values = np.broadcast_to(shared[self.places], (len(points), len(self.places)))
        at = before + self.first
        return np.hstack([points[:, :at], values, points[:, at:]])

    def carried(self, maps: Array, pushes: Array) -> Array:
        """Return by how much each direction has moved the vector after every sub-step, ``(K, n, r)``."""
        found, here = np.empty_like(pushes), self.begin
        for k, (a, b) in enumerate(zip(maps, pushes, strict=True)):
            here = a @ here + b
            found[k] = here
        return found

    def seen(self, points: Array, shared: Array) -> Array | None:
        """Return by how much each direction moves the quantities while the vector stays, ``(T, R, r)``."""
        if self.steering.see is None:
            return None
        found = self.steering.see(self._full(points, 1, shared), shared)
        return found.reshape(len(points), -1, len(self.factor)) @ self.factor


def taken_apart(
    model: Any, applicability: Mapping[str, Applicability], uncertainty: ParameterUncertainty | None
) -> tuple[Any, Mapping[str, Applicability], ParameterUncertainty | None]:
    """Return a fitted model as its model, where it holds, and how well it is known; others as they are.

    Parameters
    ----------
    model
        A model, or a fitted one.
    applicability, uncertainty
        What was given instead of its own.
    """
    if isinstance(model, Model) or not isinstance(model, FittedModel):
        return model, applicability, uncertainty
    own = model.posterior_ if uncertainty is None else uncertainty
    return model.model_, {**model.applicability_, **applicability}, own


def uncertain_of(model: Model, given: ParameterUncertainty | None, known: Sequence[int] = ()) -> Uncertain | None:
    """Return what is uncertain of a model; None: nothing.

    Parameters
    ----------
    model
        The model.
    given
        What is uncertain.
    known
        Positions of parameters that are not uncertain after all: scenarios say what they are.

    Raises
    ------
    InvalidValueError, UnknownNameError
        If it is not uncertainty of this model at its values.
    """
    if given is None:
        return None
    if not isinstance(given, ParameterUncertainty):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(
            "uncertainty takes a ParameterSet (calibration.parameters) or the posterior of a fitted model, not "
            f"{given!r}"
        )
    positions, factor = given.directions(model)
    if not np.isfinite(factor).all():
        raise InvalidValueError("what is uncertain of the parameters is not finite")
    left = _without(positions, factor, known)
    return None if left is None else Uncertain(model, *left)


def _without(
    positions: tuple[int, ...], factor: Array, known: Sequence[int]
) -> tuple[tuple[int, ...], Array] | None:  # fmt: skip
    """Return what is left where some parameters are known, and those that are certain are left out."""
    rows = [k for k, position in enumerate(positions) if position not in known and factor[k].any()]
    if not rows:
        return None
    part = factor[rows]
    return tuple(positions[k] for k in rows), part[:, part.any(axis=0)]


def _steering(
    model: Model, chosen: tuple[int, ...], disturbances: Disturbances, steered: tuple[int, ...], native: bool
) -> Steering:  # fmt: skip
    s = augmented(model, (*chosen, *steered), disturbances)
    native = native and not model.structure.externals  # what can only be called has no C code
    d, shared, given = dynamics_of(model, s)
    first, count = model.layout.states.size + len(chosen), len(steered)
    push = range(first, first + count)
    keep = [k for k in range(d.states) if k not in push]
    rows = s.quantities(*given[:2], s.solve(*given)[0], *given[3:])[1][:, list(push)]
    item = ca.vertcat(s.t, s.x, s.z, s.u)
    see = ca.Function("seen", [item, shared], [ca.vec(ca.densify(rows).T)]) if rows.nnz() else None
    return Steering(
        tuple(Points(linked(method, d, keep), native) for method in METHODS),
        None if see is None else Points(see, native),
    )
