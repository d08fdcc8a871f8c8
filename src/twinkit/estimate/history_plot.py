"""Drawing estimates over time with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from twinkit.core.units import unit_label

if TYPE_CHECKING:
    from twinkit.estimate.history import History


def plot_history(history: History, names: Sequence[str], coverage: float, ax: Any) -> Any:
    """Draw quantities into one axes, or each into its own when `ax` is None; return the axes."""
    import matplotlib.pyplot as plt

    labels = [f"{name} [{unit_label(history.unit(name)) or '-'}]" for name in names]  # checks the names first
    when = f"time [{unit_label(history.time_unit)}]"
    if ax is not None:
        for name, label in zip(names, labels, strict=True):
            _draw(history, name, coverage, ax, label)
        ax.legend(frameon=False)
        ax.set_xlabel(when)
        return ax
    columns = 1 if len(names) <= 3 else 2
    rows = -(-len(names) // columns)
    figure, grid = plt.subplots(
        rows, columns, sharex=True, squeeze=False, figsize=(4.2 * columns + 2, 1.9 * rows + 0.8), layout="constrained"
    )
    axes: list[Any] = list(np.ravel(grid))
    for name, label, axis in zip(names, labels, axes, strict=False):
        _draw(history, name, coverage, axis, None)
        axis.set_ylabel(label)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    cast("Any", figure).supxlabel(when, fontsize="medium")
    return axes[0] if len(names) == 1 else np.array(axes[: len(names)], dtype=object)


def _draw(history: History, name: str, coverage: float, axis: Any, label: str | None) -> None:
    said = history.predictions(name, coverage)
    low, high = np.array([one.interval for one in said]).T
    (line,) = axis.plot(history.time, [one.mean for one in said], label=label)
    axis.fill_between(history.time, low, high, color=line.get_color(), alpha=0.18, linewidth=0)
    readings = [reading for reading in history.measured(name) if np.isfinite(reading.value)]
    for used, marker in ((True, "o"), (False, "x")):
        shown = [reading for reading in readings if reading.accepted is used]
        if shown:
            times, values = ([getattr(one, what) for one in shown] for what in ("time", "value"))
            axis.plot(times, values, marker, markersize=3.5, color="0.25", alpha=0.7, label="_", zorder=3)
    axis.margins(x=0.01)
