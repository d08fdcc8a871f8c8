"""Drawing plans with matplotlib: moves as steps, predictions as fans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core.errors import unknown_name
from twinkit.core.units import unit_label

if TYPE_CHECKING:
    from twinkit.control.plan import Plan


def plot_plan(plan: Plan, names: Sequence[str], coverage: float, ax: Any) -> Any:
    """Draw a plan; see `Plan.plot`."""
    import matplotlib.pyplot as plt

    known = {**plan.predicted, **plan.moves}
    for name in names:
        if name not in known:
            raise unknown_name("move or predicted quantity", name, known, "this plan")
    limited = [n for n, t in plan.predicted.items() if np.isfinite(t.low).any() or np.isfinite(t.high).any()]
    shown = list(names) or [*limited, *plan.moves] or list(plan.predicted)
    shown = list(dict.fromkeys(shown))
    when = f"time [{unit_label(plan.time_unit)}]"
    if ax is not None:
        for name in shown:
            _draw(plan, name, coverage, ax)
        ax.legend(frameon=False)
        ax.set_xlabel(when)
        return ax
    _, axes = plt.subplots(
        max(1, len(shown)), 1, sharex=True, squeeze=False, layout="constrained", figsize=(6.4, 1.7 * len(shown) + 0.8)
    )
    for name, axis in zip(shown, axes[:, 0], strict=False):
        _draw(plan, name, coverage, axis)
        unit = plan.moves[name].unit if name in plan.moves else plan.predicted[name].unit
        axis.set_ylabel(f"{name} [{unit_label(unit) or '-'}]")
    axes[-1, 0].set_xlabel(when)
    return axes[:, 0]


def _draw(plan: Plan, name: str, coverage: float, axis: Any) -> None:
    if name in plan.moves:
        move = plan.moves[name]
        axis.step([*move.times, move.end], [*move.values, move.values[-1]], where="post", label=name)
        return
    track = plan.predicted[name]
    (line,) = axis.plot(track.times, track.mean, label=name)
    low, high = track.interval(coverage)
    axis.fill_between(track.times, low, high, color=line.get_color(), alpha=0.18, linewidth=0)
    for limit in (track.low, track.high):
        if np.isfinite(limit).any():
            axis.plot(track.times, limit, color="0.4", linestyle="--", linewidth=1, label="_")
