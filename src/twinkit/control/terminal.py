"""Terminal cost and region, from the linearisation at a steady state (Chen and Allgöwer 1998).

References
----------
H. Chen, F. Allgöwer (1998), A quasi-infinite horizon nonlinear model predictive control scheme with guaranteed
stability, Automatica 34:1205-1217, doi:10.1016/S0005-1098(98)00073-9
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np

from twinkit.control.task import Terminal
from twinkit.core import InvalidValueError, Model
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.positions import positions
from twinkit.core.units import as_number
from twinkit.optimise import augmented
from twinkit.readings.casadi import SYMBOLIC

_POINTS = 1024  # at which the decrease of the cost is looked at, on the surface of each ellipsoid
_SHELLS = 6
_AT_REST = 1e-6  # of the nominal magnitude per unit of time


@dataclass(frozen=True, eq=False)
class TerminalRegion:
    """A cost ``(x - centre)' weight (x - centre)`` at the end, and the region where it may be at most `level`.

    Attributes
    ----------
    centre
        State -> steady state, in the model's units.
    weight
        ``(n, n)``, in the order of the model's states.
    gain
        Of the controller ``u = u_s + gain (x - centre)`` it belongs to, ``(m, n)``.
    level
        Infinite: a cost, no region.
    """

    centre: Mapping[str, Any]
    weight: Array
    gain: Array
    level: float = math.inf

    def numbers(self, model: Model, integral: bool, size: float) -> Terminal:
        """Return it for an optimiser whose costs are divided by `size`."""
        n = model.layout.states.size
        if self.weight.shape != (n, n):
            raise InvalidValueError(f"the terminal weight must be ({n}, {n}), not {self.weight.shape}")
        full, centre = np.zeros((n + integral, n + integral)), np.zeros(n + integral)
        full[:n, :n] = self.weight / size
        centre[:n] = model.layout.states.pack(self.centre)
        return Terminal(full, centre, self.level / size)


def terminal_region(
    model: Model,
    at: Mapping[str, Any],
    moves: Mapping[str, Any],
    *,
    state_weight: Mapping[str, float],
    move_weight: Mapping[str, float],
    bounds: Mapping[str, tuple[Any, Any]] | None = None,
    decay: float = 0.95,
    region: bool = True,
    seed: int = 0,
) -> TerminalRegion:
    """Return a terminal cost and region that make a tracking controller stable, by the method of Chen and Allgöwer.

    Within the region a linear controller keeps its bounds and stays inside, and the cost bounds the integral of
    ``sum(weight * deviation**2)`` under it. A controller sums its costs at the nodes: to match, give weights divided by
    its step (and by the squared scales).

    Parameters
    ----------
    model
        The model; it must be stabilisable at the steady state.
    at, moves
        State -> value, and manipulated input -> value, at which the model is at rest.
    state_weight, move_weight
        State -> and manipulated input -> weight of its squared deviation, in the model's units; states not named: 0.
    bounds
        Manipulated input -> ``(low, high)``; not named: those declared.
    decay
        Part of the slowest rate of the linear closed loop with which the cost must at least decrease: more makes the
        cost larger and the region larger.
    region
        False: only the cost.
    seed
        Of the points at which the region is verified: it is sampled, not proven.

    Raises
    ------
    InvalidValueError, UnknownNameError, UnitError
        If the model is not at rest there, cannot be stabilised, or an argument does not fit.
    """
    layout = model.layout
    known = {label: p for label, p in positions(layout, inputs=True).items() if p.kind == "input"}
    for name in moves:
        if name not in known:
            raise unknown_name("input", name, known, type(model).__name__)
    x = layout.states.pack({e.name: _value(at, e.name, e.variable.unit) for e in layout.states})
    u = np.array([as_number(value, known[name].unit, f"the steady {name!r}") for name, value in moves.items()])
    rate, a, b = _linearised(model, [known[name].index for name in moves], x, u)
    still = np.abs(rate(x[:, None], u[:, None])).ravel() / layout.states.scales
    if not still.max() <= _AT_REST:
        worst = layout.states.labels[int(np.argmax(still))]
        raise InvalidValueError(
            f"{type(model).__name__} is not at rest there: {worst} changes by {still.max():.2g} nominal magnitudes per "
            f"{model.time_unit}"
        )
    q = np.diag(_weights(state_weight, layout.states.labels, "state"))
    r = np.diag(_weights(move_weight, list(moves), "move"))
    gain, weight = _linear(a, b, q, r, decay)
    level = math.inf
    if region:
        sides = [(bounds or {}).get(name, known[name].bounds) for name in moves]
        level = _level(rate, (x, u), (gain, weight, q + gain.T @ r @ gain), [
            (_side(low, known[name].unit, -math.inf), _side(high, known[name].unit, math.inf))
            for name, (low, high) in zip(moves, sides, strict=True)
        ], seed)  # fmt: skip
        if not level > 0.0:
            raise InvalidValueError("a steady move is at its bound: there is no region around it")
    return TerminalRegion(layout.states.split(x), weight, gain, level)


def _value(at: Mapping[str, Any], name: str, unit: str) -> Any:
    if name not in at:
        raise InvalidValueError(f"no steady value for {name!r}: all states are needed")
    raw = at[name]
    return raw if isinstance(raw, (float, int, np.ndarray)) else as_number(raw, unit, f"the steady {name!r}")


def _side(raw: Any, unit: str, missing: float) -> float:
    if raw is None or (isinstance(raw, float) and math.isinf(raw)):
        return missing
    return as_number(raw, unit, "a bound")


def _weights(given: Mapping[str, float], labels: Any, what: str) -> Array:
    for name, weight in given.items():
        if name not in labels:
            raise unknown_name(what, name, labels, "the weights")
        if not (math.isfinite(weight) and weight >= 0.0):
            raise InvalidValueError(f"the weight of {name!r} is a number of 0 or more, not {weight!r}")
    found = np.array([given.get(name, 0.0) for name in labels])
    if what == "move" and not (found > 0.0).all():
        raise InvalidValueError("every move needs a positive weight")
    return found


def _linearised(
    model: Model, moved: list[int], x: Array, u: Array
) -> tuple[Callable[[Array, Array], Array], Array, Array]:
    """Return the rate of change at many points ``(n, K), (m, K)``, and the linearisation at one."""
    layout, values = model.layout, model.values()
    n = len(x)
    with SYMBOLIC:
        s = augmented(model, (), (), moved)
        z = s.solve(s.t, s.x, s.z, s.u, s.modes, s.p)[0]
        slope, jacobian = s.slope(s.t, s.x, z, s.u, s.modes, s.p)
        full = ca.Function("rate", [s.x, s.t, s.z, s.u, s.modes, s.p], [slope[:n], jacobian[:n, :]])
        inputs = {e.name: values.get(e.name) for e in layout.inputs}
        u0 = layout.inputs.pack({k: 0.0 if value is None else value for k, value in inputs.items()})
        modes = layout.modes.pack({e.name: values.get(e.name, 0.0) for e in layout.modes})
        guess = layout.algebraics.pack({e.name: values.get(e.name, e.variable.scale) for e in layout.algebraics})
        rest = [0.0, guess, u0, modes, layout.parameters.pack(values)]
        matrix = np.array(full(np.concatenate([x, u]), *rest)[1])

    maps: dict[int, Any] = {}

    def rate(points: Array, controls: Array) -> Array:
        with SYMBOLIC:
            found = _mapped(full, points.shape[1], maps)(np.vstack([points, controls]), *[
                ca.repmat(ca.DM(part), 1, points.shape[1]) for part in rest
            ])  # fmt: skip
            return np.array(found[0])

    return rate, matrix[:, :n], matrix[:, n:]


def _mapped(function: Any, count: int, known: dict[int, Any]) -> Any:
    if count not in known:
        known[count] = function.map(count)
    return known[count]


def _linear(a: Array, b: Array, q: Array, r: Array, decay: float) -> tuple[Array, Array]:
    """Return gain and weight."""
    from scipy.linalg import solve_continuous_are, solve_continuous_lyapunov

    if not 0.0 <= decay < 1.0:
        raise InvalidValueError(f"decay is at least 0 and below 1, not {decay!r}")
    try:
        gain = -np.linalg.solve(r, b.T @ solve_continuous_are(a, b, q, r))
    except np.linalg.LinAlgError as error:
        raise InvalidValueError(f"the model cannot be stabilised there with these weights: {error}") from error
    closed = a + b @ gain
    kappa = -decay * float(np.linalg.eigvals(closed).real.max())
    if not kappa > 0.0 and decay:
        raise InvalidValueError("the model cannot be stabilised there with these weights")
    shifted = closed + kappa * np.eye(len(a))
    weight = solve_continuous_lyapunov(shifted.T, -(q + gain.T @ r @ gain))
    return gain, 0.5 * (weight + weight.T)


def _level(
    rate: Callable[[Array, Array], Array], steady: tuple[Array, Array], linear: tuple[Array, Array, Array],
    bounds: list[tuple[float, float]], seed: int,
) -> float:  # fmt: skip
    """Return the largest level at which the linear controller keeps its bounds and the cost decreases as promised."""
    (x, u), (gain, weight, stage) = steady, linear
    inverse = np.linalg.inv(weight)
    room = np.array([min(high - at, at - low) for (low, high), at in zip(bounds, u, strict=True)])
    reach = np.einsum("ij,jk,ik->i", gain, inverse, gain)
    level = float(np.min(np.where(reach > 0.0, np.maximum(room, 0.0) ** 2 / np.maximum(reach, 1e-300), np.inf)))
    root = np.linalg.cholesky(inverse)
    directions = np.random.default_rng(seed).standard_normal((len(x), _POINTS))
    directions = root @ (directions / np.linalg.norm(directions, axis=0))

    def decreases(size: float) -> bool:
        for share in np.linspace(0.0, 1.0, _SHELLS + 1)[1:]:
            away = math.sqrt(size) * share * directions
            slope = rate(x[:, None] + away, u[:, None] + gain @ away)
            change = 2.0 * np.einsum("ik,ij,jk->k", away, weight, slope)
            promised = np.einsum("ik,ij,jk->k", away, stage, away)
            if not (change <= -promised).all():
                return False
        return True

    if not math.isfinite(level):
        level = 1e6 * float(np.max(weight.diagonal()))
    low, high = 0.0, level
    for _ in range(40):
        if decreases(high):
            low = high
            break
        high *= 0.5
    if low == 0.0 or low == level:
        return low
    high = 2.0 * low
    for _ in range(20):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if decreases(middle) else (low, middle)
    return low
