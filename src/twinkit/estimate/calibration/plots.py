"""Plots of a calibration: fit against data, profiles, correlations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core import InvalidValueError
from twinkit.core.errors import unknown_name
from twinkit.core.units import unit_label

if TYPE_CHECKING:
    from twinkit.estimate.calibration.cross_validation import CrossValidation
    from twinkit.estimate.calibration.profile import Profile
    from twinkit.estimate.calibration.result import Calibration


def plot_fit(result: Calibration, tags: Sequence[str], batches: Iterable[str] | None) -> Any:
    """Plot model (line) and measurements (points with one standard deviation), a row per tag, a column per batch."""
    import matplotlib.pyplot as plt

    data = result.objective.data
    rows = list(tags) or list(data.tags)
    columns = list(result.residuals) if batches is None else list(batches)
    for tag in rows:
        if tag not in data.tags:
            raise unknown_name("tag", tag, data.tags, "this calibration")
    if not columns:
        raise InvalidValueError("there are no batches to plot")
    _, axes = plt.subplots(
        len(rows), len(columns), sharex="col", sharey="row", squeeze=False,
        figsize=(1.2 + 2.3 * len(columns), 0.8 + 1.9 * len(rows)), layout="constrained",
    )  # fmt: skip
    for j, name in enumerate(columns):
        run = result.simulate(name)
        for i, tag in enumerate(rows):
            axis, place = axes[i, j], data.places[data.tags.index(tag)]
            axis.plot(run.time, _trace(run, place.label), color="tab:blue")
            fit = result.residuals[name].get(tag)
            if fit is not None:
                axis.errorbar(fit.time, fit.measured, fit.std, fmt="o", color="black", markersize=3, linewidth=0.8)
            if j == 0:
                axis.set_ylabel(f"{tag} [{unit_label(place.unit) or '-'}]")
        axes[0, j].set_title(name, fontsize="small")
        axes[-1, j].set_xlabel(f"time [{unit_label(run.time_unit)}]")
    return axes


def _trace(run: Any, label: str) -> Any:
    name, _, rest = label.partition("[")
    data = run.trace(name).data
    return data if not rest else data[:, int(rest.rstrip("]"))]


def plot_correlation(result: Calibration, ax: Any) -> Any:
    """Plot the correlation matrix as a heat map with numbers; what is not determined stays grey."""
    import matplotlib.pyplot as plt

    count = len(result.labels)
    if ax is None:
        _, ax = plt.subplots(figsize=(1.5 + 0.55 * count, 1.2 + 0.5 * count), layout="constrained")
    ax.set_facecolor("lightgrey")
    image = ax.imshow(result.correlation, vmin=-1, vmax=1, cmap="RdBu_r")
    for i in range(count):
        for j in range(count):
            r = result.correlation[i, j]
            if np.isfinite(r) and count <= 12:
                ax.text(j, i, f"{r:.2f}", ha="center", va="center", fontsize="x-small")
    ax.set_xticks(range(count), result.labels, rotation=90)
    ax.set_yticks(range(count), result.labels)
    ax.figure.colorbar(image, ax=ax, label="correlation")
    return ax


def plot_profile(profile: Profile, ax: Any) -> Any:
    """Plot twice the rise of the cost over the values tried."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(4.2, 3), layout="constrained")
    ax.plot(profile.values, profile.rise, "o-", markersize=3)
    ax.axhline(profile.threshold, color="tab:red", linewidth=1, label=f"{100 * profile.coverage:g} %")
    ax.axvline(profile.estimate, color="black", linewidth=0.8, linestyle=":")
    ax.set_xlabel(f"{profile.label} [{unit_label(profile.unit) or '-'}]")
    ax.set_ylabel("twice the rise of the cost")
    ax.legend()
    return ax


def plot_scores(scores: CrossValidation, ax: Any) -> Any:
    """Plot the error of model and mean curve for each group left out."""
    import matplotlib.pyplot as plt

    groups, tags = scores.groups, scores.tags
    if ax is None:
        _, axes = plt.subplots(1, len(tags), squeeze=False, figsize=(1.5 + 3.2 * len(tags), 3), layout="constrained")
        targets = list(axes[0])
    else:
        targets = [ax] * len(tags)
    for tag, axis in zip(tags, targets, strict=True):
        where = np.arange(len(groups))
        for shift, values, label in (
            (-0.2, [scores.rmse(tag, g) for g in groups], "model"),
            (0.2, [scores.rmse(tag, g, baseline=True) for g in groups], "mean curve of the others"),
        ):
            axis.bar(where + shift, values, 0.4, label=f"{label}")
        axis.set_xticks(where, groups, rotation=45 if max(map(len, groups)) > 6 else 0)
        axis.set_ylabel(f"rms error of {tag} [{unit_label(scores.units[tag]) or '-'}]")
        axis.set_xlabel("left out")
    targets[0].legend(fontsize="small")
    return targets[0] if len(tags) == 1 or ax is not None else np.array(targets, dtype=object)
