"""Drawing a solution with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from twinkit.core.units import unit_label

if TYPE_CHECKING:
    from twinkit.core.solution import Solution


def plot_traces(solution: Solution, names: Sequence[str], ax: Any) -> Any:
    """Draw traces into one axes, or each into its own when `ax` is None; return the axes."""
    import matplotlib.pyplot as plt

    if ax is not None:
        for name in names:
            _draw(solution, name, ax, label=f"{name} [{unit_label(solution.traces[name].unit) or '-'}]")
        ax.legend(frameon=False)
        ax.set_xlabel(f"time [{unit_label(solution.time_unit)}]")
        return ax
    columns = 1 if len(names) <= 3 else 2
    rows = -(-len(names) // columns)
    figure, grid = plt.subplots(
        rows, columns, sharex=True, squeeze=False, figsize=(4.2 * columns + 2, 1.9 * rows + 0.8), layout="constrained"
    )
    axes: list[Any] = list(np.ravel(grid))
    for name, axis in zip(names, axes, strict=False):
        _draw(solution, name, axis, label=None)
        axis.set_ylabel(f"{name} [{unit_label(solution.traces[name].unit) or '-'}]")
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    cast("Any", figure).supxlabel(f"time [{unit_label(solution.time_unit)}]", fontsize="medium")
    return axes[0] if len(names) == 1 else np.array(axes[: len(names)], dtype=object)


def _draw(solution: Solution, name: str, axis: Any, label: str | None) -> None:
    trace = solution.traces[name]
    style = "steps-post" if trace.held else "default"
    lines = axis.plot(solution.time, trace.data, drawstyle=style, label=label)
    if label is not None and len(lines) > 1:
        for line in lines[1:]:
            line.set_label("_")
    if not solution.success:
        axis.axvline(solution.status.time, color="firebrick", linestyle=":", linewidth=1)
    axis.margins(x=0)
