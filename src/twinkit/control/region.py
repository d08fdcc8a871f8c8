"""A design space as limits of a plan: ranges of quantities, and limits of functions of several quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np

from twinkit.control.constraints import Within
from twinkit.core import DesignSpace, Formula, Model, Range
from twinkit.core.limits import Limit, Response
from twinkit.core.positions import Position, position, positions
from twinkit.core.units import affine
from twinkit.readings.casadi import CASADI

_OPEN = ((0, max, -np.inf), (1, min, np.inf))

ALLOWED = 1e-3
"""By how much of its scale a simulated quantity may exceed a hard limit."""


@dataclass(frozen=True)
class Derived:
    """A number computed from several quantities of a model, which a limit of a design space is about.

    Attributes
    ----------
    label, unit
        What it is called, and its unit.
    formula
        The function, in the units of the design space.
    sources
        For each name of the formula: row among the quantities, then factor and offset to the unit of the design space.
    scale
        Its magnitude.
    """

    label: str
    unit: str
    formula: Formula
    sources: tuple[tuple[int, float, float], ...]
    scale: float

    def value(self, quantities: Any) -> Any:
        """Return its symbol from those of all quantities."""
        given = {
            name: quantities[row] * factor + offset
            for name, (row, factor, offset) in zip(self.formula.names, self.sources, strict=True)
        }
        return self.formula(given, CASADI)


@dataclass(frozen=True, eq=False)
class Region:
    """The limits of one controller.

    Attributes
    ----------
    limits
        Label of a quantity -> its limits.
    derived
        The quantities that are not the model's own.
    """

    limits: Mapping[str, Within]
    derived: tuple[Derived, ...] = ()


def derived_places(derived: Sequence[Derived]) -> dict[str, Position]:
    """Return the positions of what is derived, by label."""
    free = (-np.inf, np.inf)
    return {d.label: Position("derived", k, d.label, d.unit, free, d.scale) for k, d in enumerate(derived)}


def region_of(model: Model, space: DesignSpace, row: Any) -> Region:
    """Return a design space as limits of the quantities of a model.

    Parameters
    ----------
    model
        The model; it has a quantity for every variable that is limited.
    space
        The design space.
    row
        Function from a `Position` to its row among all quantities.

    Raises
    ------
    UnknownNameError
        If the model has no quantity of that name: declare it as an output.
    UnitError
        If the units do not fit.
    """
    limits: dict[str, Within] = {}
    for name in dict.fromkeys(limit.variable for limit in space.limits if isinstance(limit, Range)):
        place = position(model, name, inputs=True)
        own = [limit for limit in space.limits if isinstance(limit, Range) and limit.variable == name]
        limits[name] = Within(
            *_sides(model, space, own, affine(space.variables[name], place.unit), _kept(place.kind, place.scale))
        )
    derived, taken = list[Derived](), positions(model.layout, inputs=True)
    for title, limit in space.general.items():
        label = f"{title} ({space.name})" if title in taken else title
        formula = _formula(limit)
        places = [position(model, name, inputs=True) for name in formula.names]
        sources = tuple((row(p), *affine(p.unit, space.variables[p.label])) for p in places)
        size = max([abs(side) for side in limit.bounds if np.isfinite(side)], default=1.0) or 1.0
        derived.append(Derived(label, limit.unit_in(space.variables), formula, sources, size))
        limits[label] = Within(*_sides(model, space, [limit], (1.0, 0.0), _kept("derived", size)))
    return Region(limits, tuple(derived))


def _formula(limit: Limit) -> Formula:
    return limit.formula if isinstance(limit, Response) else Formula.of(limit.evaluate, limit.names)


def _kept(kind: str, scale: float) -> float:
    """Return how far a plan stays inside, so that what its check allows does not lead outside."""
    return 0.0 if kind == "input" else ALLOWED * scale


def _sides(
    model: Model, space: DesignSpace, limits: list[Any], unit: tuple[float, float], inside: float
) -> tuple[Any, Any]:
    """Return low and high in another unit: numbers, or functions of time where some hold in a phase only."""
    factor, offset = unit
    per = affine(model.time_unit, space.time_unit)[0]

    def side(which: int) -> Any:
        def at(time: float | None) -> float:
            active = [limit.bounds for limit in limits if limit.active(None if time is None else time * per)]
            low, high = (of([pair[k] for pair in active], default=free) for k, of, free in _OPEN)
            gap = min(inside, 0.25 * factor * (high - low)) if high > low else 0.0
            return (low * factor + offset + gap, high * factor + offset - gap)[which]

        if any(limit.phased for limit in limits):
            return _Phased(at, [which, inside, *(_said(limit) for limit in limits)])
        number = at(None)
        return number if np.isfinite(number) else None

    return side(0), side(1)


def _said(limit: Limit) -> list[Any]:
    return [limit.label, limit.low, limit.high, limit.start, limit.end]


@dataclass(frozen=True, eq=False)
class _Phased:
    """A limit over time that says, for a content hash, what it is."""

    value: Any
    identity: list[Any]

    def __call__(self, time: float) -> float:
        return self.value(time)


def derived_function(derived: tuple[Derived, ...], size: int) -> Any:
    """Return ``(all quantities, unused) -> (derived quantities, their derivatives by rows)`` as one vector."""
    every, unused = ca.SX.sym("every", size), ca.SX.sym("unused")
    values = ca.vertcat(*[one.value(every) for one in derived])
    rows = ca.vec(ca.densify(ca.jacobian(values, every)).T)
    return ca.Function("derived", [every, unused], [ca.densify(ca.vertcat(values, rows))])


def with_derived(values: Any, rows: Any, derived: tuple[Derived, ...]) -> tuple[Any, Any]:
    """Return quantities and their derivatives, followed by those that are derived from them."""
    if not derived:
        return values, rows
    count, size = len(derived), values.numel()
    found = derived_function(derived, size)(values, 0.0)
    jacobian = ca.reshape(found[count:], size, count).T
    return ca.vertcat(values, found[:count]), ca.vertcat(rows, jacobian @ rows)
