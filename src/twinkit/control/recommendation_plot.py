"""Drawing a recommendation: moves as steps, predictions with and without them as fans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core import InvalidValueError
from twinkit.core.errors import unknown_name
from twinkit.core.units import unit_label

if TYPE_CHECKING:
    from twinkit.control.plan import PredictedTrack
    from twinkit.control.recommendation import Recommendation


def plot_recommendation(advice: Recommendation, names: Sequence[str], ax: Any) -> Any:
    """Draw a recommendation; see `Recommendation.plot`.

    Raises
    ------
    UnknownNameError
        If a name is neither a move nor predicted.
    InvalidValueError
        If several names are to go into one axes.
    """
    import matplotlib.pyplot as plt

    known = {**advice.moves, **advice.predicted}
    chosen = list(names) or list(known)
    for name in chosen:
        if name not in known:
            raise unknown_name("move or prediction", name, known, "this recommendation")
    if ax is not None and len(chosen) != 1:
        raise InvalidValueError("one axes shows one quantity: name it, or leave ax= out")
    if ax is None:
        _, grid = plt.subplots(
            len(chosen), 1, sharex=True, squeeze=False, figsize=(6, 1.9 * len(chosen) + 0.8), layout="constrained"
        )
        axes = list(grid[:, 0])
    else:
        axes = [ax]
    for name, axis in zip(chosen, axes, strict=True):
        if name in advice.moves:
            _draw_move(advice, name, axis)
        else:
            _draw_fans(advice, name, axis)
        axis.axvline(advice.expires, color="0.6", linestyle=":", linewidth=1)
        axis.set_ylabel(f"{name} [{unit_label(known[name].unit) or '-'}]")
        axis.legend(frameon=False, fontsize="small")
    axes[-1].set_xlabel(f"time [{unit_label(advice.time_unit)}]")
    return axes[0] if len(axes) == 1 else np.array(axes, dtype=object)


def _draw_move(advice: Recommendation, name: str, axis: Any) -> None:
    move = advice.moves[name]
    times = np.append(move.times, max(move.end, move.times[-1]))
    axis.step(times, np.append(move.values, move.values[-1]), where="post", label="recommended")
    axis.plot(times[[0, -1]], [advice.present[name]] * 2, color="0.5", linestyle="--", label="as now")


def _draw_fans(advice: Recommendation, name: str, axis: Any) -> None:
    tracks = [("recommended", advice.predicted[name], "tab:blue")]
    if name in advice.unchanged:
        tracks.append(("doing nothing", advice.unchanged[name], "0.5"))
    for label, track, colour in tracks:
        _fan(track, advice.coverage, label, colour, axis)
    for side in (advice.predicted[name].low, advice.predicted[name].high):
        if np.isfinite(side).any():
            axis.plot(advice.predicted[name].times, side, color="firebrick", linestyle="--", linewidth=1)


def _fan(track: PredictedTrack, coverage: float, label: str, colour: str, axis: Any) -> None:
    low, high = track.interval(coverage)
    if len(track.times) == 1:
        axis.errorbar(track.times, track.mean, yerr=track.mean - low, fmt="o", color=colour, label=label, capsize=3)
        return
    axis.plot(track.times, track.mean, color=colour, label=label)
    axis.fill_between(track.times, low, high, color=colour, alpha=0.2, linewidth=0)
