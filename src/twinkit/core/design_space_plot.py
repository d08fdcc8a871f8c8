"""Drawing a design space over two of its variables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.units import as_number, unit_label

if TYPE_CHECKING:
    from twinkit.core.design_space import DesignSpace

_POINTS = 161


def plot_region(
    space: DesignSpace, x: str, y: str, *, held: Mapping[str, Any], at: Any, span: Mapping[str, tuple[float, float]],
    ax: Any,
) -> Any:  # fmt: skip
    """Shade where all limits are kept, and draw the edge of each.

    Parameters
    ----------
    space
        The design space.
    x, y
        Variables of the axes.
    held
        Values of the other variables that limits depend on.
    at
        Time, where limits hold in phases.
    span
        Variable -> ``(from, to)`` of its axis; without it, a little more than its range.
    ax
        matplotlib axes; None: new ones.

    Raises
    ------
    UnknownNameError
        If there is no such variable, or one of the others has no value.
    InvalidValueError
        If an axis has neither a span nor a finite range.
    """
    import matplotlib.pyplot as plt

    from twinkit.core.verdict import numeric

    time = None if at is None else as_number(at, space.time_unit, "the time")
    active = {label: limit for label, limit in space.labelled.items() if limit.active(time)}
    for name in (x, y):
        if name not in space.variables:
            raise unknown_name("variable", name, space.variables, space.name)
    axis = {name: np.linspace(*_span(space, name, time, span), _POINTS) for name in (x, y)}
    grid = dict(zip((x, y), np.meshgrid(axis[x], axis[y]), strict=True))
    values: dict[str, Any] = {name: as_number(v, space.variables[name], name) for name, v in held.items()
                              if name in space.variables}  # fmt: skip
    values.update(grid)
    for name in (name for limit in active.values() for name in limit.names):
        if name not in values:
            raise unknown_name("held value", name, values, "this plot")
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    inside = np.ones_like(grid[x], dtype=bool)
    with np.errstate(all="ignore"):
        for limit in active.values():
            value = np.broadcast_to(np.asarray(limit.evaluate(values, numeric()), dtype=np.float64), inside.shape)
            inside &= (value >= limit.bounds[0]) & (value <= limit.bounds[1])
            edges = sorted({side for side in limit.bounds if math.isfinite(side)})
            if np.nanmin(value) < edges[-1] and np.nanmax(value) > edges[0]:
                ax.contour(axis[x], axis[y], value, levels=edges, colors="0.4", linewidths=0.8)
    ax.contourf(axis[x], axis[y], inside.astype(float), levels=[0.5, 1.5], colors=["tab:green"], alpha=0.25)
    ax.set_xlabel(f"{x} [{unit_label(space.variables[x]) or '-'}]")
    ax.set_ylabel(f"{y} [{unit_label(space.variables[y]) or '-'}]")
    ax.set_title(space.name, fontsize="medium")
    return ax


def _span(
    space: DesignSpace, name: str, at: float | None, span: Mapping[str, tuple[float, float]]
) -> tuple[float, float]:
    if name in span:
        low, high = (as_number(side, space.variables[name], f"the span of {name}") for side in span[name])
    else:
        low, high = space.bounds(at).get(name, (-math.inf, math.inf))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InvalidValueError(f"{name} has no finite range: say span={{{name!r}: (from, to)}}")
        low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)
    if not low < high:
        raise InvalidValueError(f"the span of {name} must be wider than nothing, not ({low:g}, {high:g})")
    return low, high
