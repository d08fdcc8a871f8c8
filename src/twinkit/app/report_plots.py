"""The figures of the fermentation report, as SVG inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from twinkit.app.fermentation import FermentationResult, LateSamples

# Okabe & Ito's palette, told apart by colour-blind readers.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8a94a0"
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#5a6675",
    "axes.labelcolor": "#1c2430",
    "xtick.color": "#48525f",
    "ytick.color": "#48525f",
    "axes.grid": True,
    "grid.color": "#e6e9ee",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "svg.hashsalt": "twinkit",
}


@dataclass(frozen=True)
class Figure:
    """A picture in the page: heading, data address, size, what it shows in words, caption."""

    title: str
    source: str
    width: int
    height: int
    alt: str
    caption: str


def figures(result: FermentationResult) -> list[Figure]:
    """Return all figures of the report."""
    made = [_glucose(result), _ethanol(result)]
    if result.forecasts:
        made.append(_forecasts(result))
    return [*made, _learned(result)]


def _draw(title: str, paint: Callable[[Any], None], height: float, alt: str, caption: str, rows: int = 1) -> Figure:
    """Return a figure painted on fresh axes; the same numbers give the same bytes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    size = (9.6, height)
    with rc_context(_STYLE):
        canvas = Canvas(figsize=size, layout="constrained")
        FigureCanvasSVG(canvas)
        axes = canvas.subplots(rows, 1, sharex=True)
        paint(axes)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "twinkit"})
    address = "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Figure(title, address, round(size[0] * 100), round(size[1] * 100), alt, caption)


def _glucose(result: FermentationResult) -> Figure:
    def paint(ax: Any) -> None:
        t, lab = result.time, result.samples
        bad = np.array([quality == "bad" for quality in result.quality])
        single = np.where(bad, np.nan, result.single)
        ax.plot(t, single, ".", ms=2, color=GREY, alpha=0.45, label="one spectrum")
        ax.plot(t, result.sensor.mean, color=ORANGE, lw=1.4, label="soft sensor alone")
        ax.fill_between(t, result.glucose.low, result.glucose.high, color=BLUE, alpha=0.16, lw=0, label="twin, 95 %")
        ax.plot(t, result.glucose.mean, color=BLUE, lw=1.8, label="twin")
        ax.plot(lab.time, lab.glucose, "o", ms=5, mfc="#1c2430", mec="white", mew=0.6, label="laboratory")
        ax.plot(
            lab.time, lab.glucose_original, "o", ms=4.5, mfc="none", mec="#1c2430", mew=0.8, label="as first published"
        )
        top = 1.12 * float(np.nanmax([np.nanpercentile(single, 99.5), lab.glucose.max(), result.glucose.mean.max()]))
        ax.set_ylim(-0.05 * top, top)
        ax.plot(t[bad], np.full(int(bad.sum()), -0.025 * top), "|", ms=9, color=RED, label="spectrum refused")
        _mark_deviation(ax, result)
        ax.set(ylabel="glucose [g/L]", xlabel="time [h]", xlim=(0, float(t[-1]) * 1.01))
        _legend(ax, 4)

    m = result.metrics
    alt = (
        f"Glucose over {result.time[-1]:.0f} hours: laboratory samples fall from {result.samples.glucose[0]:.0f} to "
        f"{result.samples.glucose[-1]:.0f} g/L; the twin follows with an error of {m['glucose_rmse_twin']:.1f} g/L, "
        f"the soft sensor alone with {m['glucose_rmse_sensor']:.1f} g/L."
    )
    caption = "Dots: each spectrum by itself. The laboratory samples (black) were not shown to the twin."
    return _draw("Glucose", paint, 4.4, alt, caption)


def _legend(ax: Any, columns: int) -> None:
    """Put the legend above the axes, where it hides nothing."""
    ax.legend(ncol=columns, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.3, markerscale=1.3)


def _mark_deviation(ax: Any, result: FermentationResult) -> None:
    raised = np.flatnonzero(result.deviation)
    if raised.size:
        groups = np.split(raised, np.flatnonzero(np.diff(raised) > 1) + 1)
        for k, group in enumerate(groups):
            label = "deviation flag" if k == 0 else None
            left, right = result.time[group[0]], result.time[min(group[-1] + 1, len(result.time) - 1)]
            ax.axvspan(left, right, color=RED, alpha=0.22, lw=0, label=label)


def _ethanol(result: FermentationResult) -> Figure:
    def paint(ax: Any) -> None:
        t = result.time
        for track, measured, colour, name in (
            (result.ethanol, result.samples.ethanol, GREEN, "ethanol"),
            (result.xylose, result.samples.xylose, GREY, "xylose"),
        ):
            ax.fill_between(t, track.low, track.high, color=colour, alpha=0.16, lw=0, label=f"{name}, 95 %")
            ax.plot(t, track.mean, color=colour, lw=1.8, label=f"{name}, twin")
            marker = {"marker": "o" if name == "ethanol" else "s", "ms": 5, "mfc": colour, "mec": "white", "mew": 0.6}
            ax.plot(result.samples.time, measured, ls="", label=f"{name}, laboratory", **marker)
        ax.set(ylabel="concentration [g/L]", xlabel="time [h]", xlim=(0, float(t[-1]) * 1.01), ylim=(0, None))
        _legend(ax, 3)

    end, m = result.samples.ethanol[-1], result.metrics
    alt = (
        f"Ethanol and xylose over time. Ethanol rises to {end:.0f} g/L in the laboratory; the twin ends at "
        f"{result.ethanol.mean[-1]:.0f} g/L, with an error of {m['ethanol_rmse_twin']:.1f} g/L over the batch."
    )
    return _draw(
        "Ethanol and xylose", paint, 4.0, alt, "No sensor measures either of them: the twin infers them from glucose."
    )


def _forecasts(result: FermentationResult) -> Figure:
    horizon = float(result.settings.get("horizon", 2 * result.time[-1]))

    def paint(ax: Any) -> None:
        for k, one in enumerate(result.forecasts):
            low, high = one.exhausted_interval
            ax.plot([low, min(high, horizon)], [k, k], color=BLUE, lw=5, alpha=0.3, solid_capstyle="butt")
            if not np.isfinite(high):
                ax.plot(horizon, k, ">", color=BLUE, alpha=0.5, ms=8)
            if np.isfinite(one.exhausted):
                ax.plot(one.exhausted, k, "o", color=BLUE, ms=7)
            ax.plot(one.time, k, "|", color="#1c2430", ms=14, mew=2)
        seen = _used_up(result)
        if seen is not None:
            ax.axvline(seen, color=GREEN, lw=1.4, ls="--", label=f"the twin saw it used up at {seen:.1f} h")
            _legend(ax, 1)
        ax.set_yticks(range(len(result.forecasts)), [f"at {one.time:.0f} h" for one in result.forecasts])
        ax.set(xlabel="glucose used up at [h]", xlim=(0, horizon * 1.03), ylim=(len(result.forecasts) - 0.4, -0.6))
        ax.grid(axis="y", visible=False)

    words = "; ".join(
        f"at {one.time:.0f} h: {one.exhausted:.1f} h ({one.exhausted_interval[0]:.1f} to "
        + (f"{one.exhausted_interval[1]:.1f} h)" if np.isfinite(one.exhausted_interval[1]) else "later)")
        for one in result.forecasts
    )
    caption = (
        "When the glucose will be used up, as expected on the way: median (dot) and 95 % interval (bar; an arrow where "
        "it is open). The black tick is when the forecast was made."
    )
    return _draw(
        "Forecasts of the end",
        paint,
        1.2 + 0.42 * len(result.forecasts),
        f"Forecasts of the end of the fermentation. {words}.",
        caption,
    )


def late_figure(result: FermentationResult, late: LateSamples) -> Figure:
    """Return the figure of the second run, in which the twin was told late laboratory samples."""

    def paint(axes: Any) -> None:
        t, lab = result.time, result.samples
        told = np.isin(lab.time, late.taken)
        for ax, first, second, measured in (
            (axes[0], result.glucose, late.glucose, lab.glucose),
            (axes[1], result.ethanol, late.ethanol, lab.ethanol),
        ):
            ax.plot(t, first.mean, color=GREY, lw=1.6, ls="--", label="told no sample")
            ax.fill_between(t, second.low, second.high, color=BLUE, alpha=0.16, lw=0, label="told two, 95 %")
            ax.plot(t, second.mean, color=BLUE, lw=1.8, label="told two")
            ax.plot(lab.time[~told], measured[~told], "o", ms=4.5, mfc="#1c2430", mec="white", mew=0.6,
                    label="laboratory, scored")  # fmt: skip
            ax.plot(lab.time[told], measured[told], "D", ms=6, mfc=RED, mec="white", mew=0.6, label="laboratory, told")
            for time in late.reported:
                ax.axvline(time, color=RED, lw=1, ls=":")
            ax.set(ylabel=f"{first.name} [g/L]", xlim=(0, float(t[-1]) * 1.01), ylim=(0, None))
        axes[1].set_xlabel("time [h]")
        _legend(axes[0], 3)

    caption = (
        "The twin at every time as it was known then. Diamonds: samples it was told, at the dotted lines; it applied "
        "them at the time they were taken."
    )
    return _draw("Told late laboratory samples, or not", paint, 5.2, late.summary, caption, rows=2)


def _used_up(result: FermentationResult) -> float | None:
    """Return when the twin saw the fermentable glucose used up, if it did."""
    glucose = result.states.get("process.glucose")
    if glucose is None:
        return None
    above = np.flatnonzero(glucose > float(result.settings.get("exhausted", 1.0)))
    last = int(above[-1]) if above.size else -1
    return float(result.time[last + 1]) if last + 1 < len(result.time) else None


def _learned(result: FermentationResult) -> Figure:
    def paint(axes: Any) -> None:
        t = result.time
        if "log_activity" in result.states:
            axes[0].plot(t, np.exp(result.states["log_activity"]), color=BLUE, lw=1.6)
            axes[0].axhline(1.0, color=GREY, lw=1, ls="--")
            axes[0].set_ylabel("activity,\nliterature = 1")
        axes[1].plot(t, result.nis, ".", ms=2.5, color=GREY)
        axes[1].axhline(3.84, color=RED, lw=1, ls="--", label="exceeded by 5 % of readings by chance")
        _mark_deviation(axes[1], result)
        axes[1].set(ylabel="surprise\n(NIS)", xlabel="time [h]", xlim=(0, float(t[-1]) * 1.01), yscale="symlog")
        axes[1].set_ylim(0, max(20.0, 1.3 * float(np.nanmax(result.nis, initial=0.0))))
        _legend(axes[1], 2)

    share = float(np.mean(result.nis[np.isfinite(result.nis)] > 3.84)) if np.any(np.isfinite(result.nis)) else 0.0
    alt = f"Activity of the yeast and surprise of each reading over time; {share:.0%} of readings exceed the 5 % limit."
    caption = (
        "Above: how much faster or slower than the literature the yeast works, as the twin learned it. Below: the "
        "squared innovation of each reading over its variance, which is about 1 when model and sensor agree."
    )
    return _draw("What the twin learned", paint, 4.2, alt, caption, rows=2)
