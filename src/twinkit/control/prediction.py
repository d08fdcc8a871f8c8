"""What moves are predicted to do: a simulation from the estimate, with its covariance carried along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np

from twinkit.control.functions import METHODS
from twinkit.core import Model
from twinkit.core.component import Array
from twinkit.optimise import Dynamics, Method, Path, Points, augmented, dynamics_of
from twinkit.readings.casadi import SYMBOLIC, symbol_kind

_SOLVED = 1e-6


@dataclass(frozen=True)
class Predictor:
    """A model on states, adapted parameters and disturbances. Positions in `METHODS` name the method.

    Attributes
    ----------
    size, algebraics
        Sizes.
    run
        Per method: a chain of sub-steps.
    link
        Per method: the derivative of one sub-step, at points.
    see
        ``(t, vector, algebraics, inputs) -> (algebraics, all quantities, their derivatives by rows)``.
    """

    size: int
    algebraics: int
    run: tuple[Path, ...]
    link: tuple[Points, ...]
    see: Points


@dataclass(frozen=True, eq=False)
class Run:
    """A simulated plan.

    Attributes
    ----------
    path, algebraics
        Vector and algebraic variables after every sub-step, ``(K, n)`` and ``(K, m)``.
    starts
        The same before every sub-step, vector, algebraic variables and 0.
    """

    path: Array
    algebraics: Array
    starts: Array

    def until(self, count: int) -> Run:
        """Return the first sub-steps."""
        return Run(self.path[:count], self.algebraics[:count], self.starts[:count])


_known: dict[Any, Predictor] = {}


def predictor(
    model: Model, chosen: tuple[int, ...], disturbances: tuple[tuple[str, int, float], ...], native: bool
) -> Predictor:
    """Return the functions of a prediction, made once per structure and what is estimated."""
    key = (model.structure_key, chosen, disturbances, native)
    with SYMBOLIC:
        if key not in _known:
            _known[key] = _made(model, chosen, disturbances, native)
        return _known[key]


def _made(model: Model, chosen: Any, disturbances: Any, native: bool) -> Predictor:
    s = augmented(model, chosen, disturbances)
    native = native and not model.structure.externals  # what can only be called has no C code
    d, shared, given = dynamics_of(model, s)
    found = s.solve(*given)[0]
    values, rows = s.quantities(s.t, s.x, found, *given[3:])
    seen = ca.vertcat(found, ca.densify(values), ca.vec(ca.densify(rows).T))
    see = ca.Function("see", [ca.vertcat(s.t, s.x, s.z, s.u), shared], [ca.densify(seen)])
    return Predictor(
        d.states, d.algebraics,
        tuple(Path(method.advance(d, sensitive=False), native) for method in METHODS),
        tuple(Points(linked(method, d, range(d.states)), native) for method in METHODS),
        Points(see, native),
    )  # fmt: skip


def linked(method: Method, d: Dynamics, rows: Sequence[int]) -> Any:
    """Return the derivative of rows of the vector after one sub-step, by columns, for points; see `Predictor`."""
    link = method.link(d)
    kind, head = symbol_kind(link), d.states + d.algebraics + 1
    item, shared = kind.sym("item", head + 2 + 4 * d.inputs), kind.sym("shared", d.shared)
    matrix = link(item[:head], item[head:], shared)[1]
    chosen = matrix if len(rows) == d.states else matrix[list(rows), :]
    return ca.Function("link", [item, shared], [ca.densify(ca.vec(chosen))])


def simulated(p: Predictor, method: int, x: Array, z: Array, items: Array, shared: Array) -> Run:
    """Simulate a chain of sub-steps.

    Parameters
    ----------
    p
        The model.
    method
        Position in `METHODS`.
    x, z
        Where it starts.
    items
        Time, length and inputs of the sub-steps in order, ``(K, 2 + 4 inputs)``.
    shared
        Modes and parameters.
    """
    start = np.concatenate([x, z, [0.0]])
    path = p.run[method](start, np.ascontiguousarray(items), shared)
    n, m = p.size, p.algebraics
    if not (path[:, n + m] <= _SOLVED).all():
        path = np.full_like(path, np.nan)
    return Run(path[:, :n], path[:, n : n + m], np.vstack([start, path[:-1]]))


def links(p: Predictor, method: int, run: Run, items: Array, shared: Array) -> Array:
    """Return the derivative of every sub-step of a simulated chain, ``(K, n, n)``; see `simulated`."""
    n = p.size
    return p.link[method](np.hstack([run.starts, items]), shared).reshape(-1, n, n).transpose(0, 2, 1)


def covariances(maps: Array, items: Array, covariance: Array, noise: Array) -> Array:
    """Return the covariance after every sub-step, ``(K, n, n)``, of the linearised model.

    Parameters
    ----------
    maps
        What `links` returned.
    items
        See `simulated`.
    covariance
        At the start.
    noise
        White-noise intensity per position; it acts at the middle of each sub-step.
    """
    found, here, added = np.empty_like(maps), covariance, np.diag(noise**2)
    some = bool(noise.any())
    for k, a in enumerate(maps):
        if some:
            push = 0.5 * items[k, 1] * added
            here = a @ (here + push) @ a.T + push
        else:
            here = a @ here @ a.T
        found[k] = here
    return found
