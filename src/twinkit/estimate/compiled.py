"""The filter's arithmetic as CasADi functions: prediction (see `prediction`), correction, outputs.

Algebraic variables are solved by Newton's method within every stage, and their derivative by the implicit function
theorem, ``dz/dx = -inv(dg/dz) dg/dx``.

Correction. Readings are taken one after the other with the linearisation held fixed, which equals the joint update for
independent readings [1]_, in Joseph's form ``P+ = (I - K H) P (I - K H)' + K R K'``.

References
----------
.. [1] D. Simon, Optimal State Estimation, Wiley 2006, section 6.1 (sequential filter). doi:10.1002/0470045345
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core import Model
from twinkit.estimate.prediction import Step, controlled, fixed, flow, noise_root, propagate, tangent
from twinkit.estimate.symbols import symbols_of, symmetric
from twinkit.estimate.uncertain import Plan
from twinkit.optimise import Augmented
from twinkit.readings.casadi import SYMBOLIC, Fast


class Moves:
    """The functions that move a filter on by one sub-step.

    `c` are input coefficients ``(inputs, 4)`` in powers of the time since `t`; `x` is the augmented vector.

    Parameters
    ----------
    step
        Their expressions.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._mapped: dict[int, Fast] = {}

    @cached_property
    def propagate(self) -> Fast:
        """``(t, h, x, z, c, modes, p, P, q) -> (x, z, P, error)``."""
        with SYMBOLIC:
            return Fast(propagate(self._step), 2)

    @cached_property
    def flow(self) -> Any:
        """``(t, h, x, z, c, modes, p) -> (x, z, error)``, a CasADi function to be mapped over samples."""
        with SYMBOLIC:
            return flow(self._step)

    @cached_property
    def noise_root(self) -> Fast:
        """``(t, h, x, z, c, modes, p, intensities) -> (G, error)``: ``G G'``, `G` ``(n, 3 n)``, its noise."""
        with SYMBOLIC:
            return Fast(noise_root(self._step), 0)

    @cached_property
    def tangent(self) -> Fast:
        """``(t, h, x, z, c, modes, p) -> (x, z, A, error)`` with the tangent map `A`."""
        with SYMBOLIC:
            return Fast(tangent(self._step), 2)

    def flows(self, count: int) -> Fast:
        """Return ``flow`` for `count` points side by side: ``(t, h, X, Z, c, modes, p) -> (X, Z, errors)``."""
        return side_by_side(self.flow, count, [0, 1, 4, 5, 6], (0, 1), self._mapped)


def side_by_side(
    function: Any, count: int, shared: list[int], matrices: tuple[int, ...], known: dict[int, Fast]
) -> Fast:
    """Return a function of `count` points side by side, of which some arguments are the same for all."""
    with SYMBOLIC:
        if count not in known:
            known[count] = Fast(function.map(f"{function.name()}_{count}", "serial", count, shared, []), *matrices)
        return known[count]


@dataclass(frozen=True)
class Compiled:
    """The functions of one filter.

    Attributes
    ----------
    controlled, fixed
        How it moves: by sub-steps of controlled accuracy, or of given length.
    correct
        ``(t, x, at, z, u, modes, p, P, value, variance, present, gate) -> (x, z, P, predicted, innovation, its
        variance, accepted, nis terms, logarithm of the likelihood of the accepted)``; the sensors are
        linearised at `at` (where an iterated filter has got to).
    look
        ``(t, x, z, u, modes, p) -> (values, derivatives)`` of all states, algebraic variables and outputs.
    symbols
        The expressions behind them.
    """

    controlled: Moves
    fixed: Moves
    correct: Fast
    look: Any
    fast_look: Fast
    symbols: Augmented = field(repr=False)
    _mapped: dict[int, Fast] = field(default_factory=dict[int, Fast], repr=False)

    @property
    def propagate(self) -> Fast:
        """``propagate`` with its local error; see `Moves`."""
        return self.controlled.propagate

    @property
    def flow(self) -> Any:
        """``flow`` with its local error; see `Moves`."""
        return self.controlled.flow

    def views(self, count: int) -> Fast:
        """Return the quantities of `look`, without derivatives, for `count` points side by side."""
        return side_by_side(self._view, count, [0, 3, 4, 5], (0,), self._mapped)

    @cached_property
    def _view(self) -> Any:
        with SYMBOLIC:
            return _look(self.symbols, "view")


_known: dict[Any, Compiled] = {}


def compiled(model: Model, plan: Plan, rows: tuple[int, ...]) -> Compiled:
    """Return the functions of a filter (made once per structure, adapted parameters and sensors).

    Parameters
    ----------
    model
        The model; its parameter values are arguments of the functions.
    plan
        What is estimated.
    rows
        Of the sensors: positions in states, then algebraic variables, then outputs.
    """
    key = (model.structure_key, plan.chosen, plan.disturbances, rows)
    with SYMBOLIC:
        found = _known.get(key)
        if found is None:
            s = symbols_of(model, plan)
            look = _look(s, "look")
            moves = Moves(controlled(s, plan.scale)), Moves(fixed(s))
            correct = Fast(_correction(s, rows), 2)
            found = _known[key] = Compiled(*moves, correct, look, Fast(look, 1), s)
        return found


def _look(s: Augmented, name: str) -> Any:
    """Return ``look`` (see `Compiled`), or for the name ``view`` the same without derivatives."""
    z = s.solve(s.t, s.x, s.z, s.u, s.modes, s.p)[0]
    found = s.quantities(s.t, s.x, z, s.u, s.modes, s.p)
    kept = [ca.densify(part) for part in (found if name == "look" else found[:1])]
    return ca.Function(name, [s.t, s.x, s.z, s.u, s.modes, s.p], kept)


def _correction(s: Augmented, rows: tuple[int, ...]) -> Any:
    """Return ``correct``; see `Compiled`."""
    n, count = s.x.numel(), len(rows)
    prior = s.kind.sym("P", n, n)
    value, variance, present = (s.kind.sym(name, count) for name in ("value", "variance", "present"))
    gate, linearised = s.kind.sym("gate"), s.kind.sym("at", n)
    z = s.solve(s.t, linearised, s.z, s.u, s.modes, s.p)[0]
    everything, derivative = s.quantities(s.t, linearised, z, s.u, s.modes, s.p)
    h = ca.densify(derivative[list(rows), :])
    predicted = ca.densify(everything[list(rows), 0] + h @ (s.x - linearised))
    innovation = value - predicted
    spreads = ca.vertcat(*[h[j, :] @ prior @ h[j, :].T for j in range(count)]) + variance
    accepted = ca.logic_and(present, innovation**2 <= gate * spreads)
    x, covariance, terms, likelihood = s.x, prior, [], s.kind(0)
    for j in range(count):
        row = h[j, :]
        spread = row @ covariance @ row.T + variance[j]
        surprise = innovation[j] - row @ (x - s.x)
        gain = ca.if_else(accepted[j], 1.0, 0.0) * (covariance @ row.T) / spread
        x = x + gain * surprise
        keep = s.kind.eye(n) - gain @ row
        covariance = keep @ covariance @ keep.T + variance[j] * gain @ gain.T
        terms.append(surprise**2 / spread)
        likelihood -= 0.5 * ca.if_else(accepted[j], terms[-1] + ca.log(2 * np.pi * spread), 0.0)
    z = s.solve(s.t, x, z, s.u, s.modes, s.p)[0]
    return ca.Function(
        "correct",
        [s.t, s.x, linearised, s.z, s.u, s.modes, s.p, prior, value, variance, present, gate],
        [
            x,
            z,
            symmetric(covariance),
            predicted,
            innovation,
            spreads,
            accepted,
            ca.vertcat(*terms),
            likelihood,
        ],
    )
