"""What a moving-horizon estimator returns: an estimate with its window and how its optimisation ended."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core.errors import unknown_name
from twinkit.core.units import unit_label
from twinkit.estimate.horizon.window import Window
from twinkit.estimate.result import Estimate
from twinkit.optimise import Contraction, Converged, Status

if TYPE_CHECKING:
    import xarray as xr

_LEARNED = 0.99


@dataclass(frozen=True)
class Propagated(Status):
    """No usable optimum: the last good estimate was moved on by the model alone, and a new window begins with it.

    Attributes
    ----------
    reason
        Why there was none.
    """

    reason: str = ""

    @property
    def text(self) -> str:
        """See `Status.text`."""
        return f"the last good estimate, propagated: {self.reason}"


@dataclass(frozen=True, eq=False, repr=False)
class HorizonEstimate(Estimate):
    """An `Estimate` with the window it came from.

    Attributes
    ----------
    window
        Readings and trajectory of the window.
    status
        How the optimisation ended: `Converged`, `MaxIterations` (feasible, not known to be optimal), or `Propagated`.
    cost
        Cost of the trajectory.
    discretisation_error
        Largest error of an interval, relative to magnitude plus nominal value.
    seconds
        Time the last update took.
    contraction
        How fast the optimisation converged lately.
    """

    window: Window = field(kw_only=True)
    status: Status = field(default_factory=Converged, kw_only=True)
    cost: float = field(default=math.nan, kw_only=True)
    discretisation_error: float = field(default=0.0, kw_only=True)
    seconds: float = field(default=math.nan, kw_only=True)
    contraction: Contraction | None = field(default=None, kw_only=True)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Adapted parameters about which the readings so far say nothing: as uncertain as they began."""
        plan, passed = self.filter.plan, self.time - self.window.begun
        begin = plan.std**2 + plan.noise**2 * passed
        first = sum(part.entry.width for part in plan.states)
        chosen = range(first, first + len(plan.chosen))
        variance = np.diag(self.covariance)
        return tuple(plan.labels[k] for k in chosen if begin[k] > 0 and variance[k] >= _LEARNED * begin[k])

    @property
    def reason(self) -> str:
        """What is worth knowing about the last update ('' when there is nothing)."""
        notes = [] if isinstance(self.status, Converged) else [self.status.text]
        if self.unseen and passed_readings(self):
            notes.append(f"not seen by any reading so far: {', '.join(self.unseen)}")
        return "; ".join([*notes, *filter(None, [super().reason])])

    def smoothed(self) -> xr.Dataset:
        """Return the trajectory in the window: all estimated quantities at the nodes, and the readings by sensor."""
        import xarray as xr

        w, plan = self.window, self.filter.plan
        coords = {"time": ("time", w.times, {"units": self.time_unit})}
        data: dict[str, Any] = {
            name: ("time", w.x[:, k], {"units": unit})
            for k, (name, unit) in enumerate(zip(plan.labels, plan.units, strict=True))
        }
        for j, (tag, line) in enumerate(self.filter.lines.items()):
            readings = np.where(w.present[:, j] > 0, w.value[:, j], np.nan)
            own = w.between.sensor == j
            if own.any():  # on a grid: at their own times
                coords[f"time({tag})"] = (f"time({tag})", w.between.times[own], {"units": self.time_unit})
                readings = np.where(w.between.present[own] > 0, w.between.value[own], np.nan)
                data[f"reading({tag})"] = (f"time({tag})", readings, {"units": line.place.unit})
                continue
            data[f"reading({tag})"] = ("time", readings, {"units": line.place.unit})
        return xr.Dataset(data, coords=coords)

    def plot(self, *names: str, ax: Any = None) -> Any:
        """Plot the smoothed trajectory in the window against the readings.

        Parameters
        ----------
        names
            Estimated quantities; none: all states.
        ax
            One axes per name, or None for a new figure.

        Returns
        -------
        The axes.

        Raises
        ------
        UnknownNameError
            If there is no such quantity.
        """
        import matplotlib.pyplot as plt

        w, plan = self.window, self.filter.plan
        labels = plan.labels
        chosen = names or labels[: sum(part.entry.width for part in plan.states)]
        for name in chosen:
            if name not in labels:
                raise unknown_name("estimated quantity", name, labels, "this estimate")
        axes = np.atleast_1d(plt.subplots(len(chosen), 1, sharex=True, squeeze=False)[1][:, 0] if ax is None else ax)
        for axis, name in zip(axes, chosen, strict=True):
            k = labels.index(name)
            axis.plot(w.times, w.x[:, k], ".-", label="window")
            mean, std = self.vector[k], math.sqrt(max(self.covariance[k, k], 0.0))
            axis.errorbar([self.time], [mean], [1.96 * std], fmt="o", capsize=3, label="now, 95 %")
            for j, (tag, line) in enumerate(self.filter.lines.items()):
                if line.place.label == name:
                    there, own = w.present[:, j] > 0, (w.between.sensor == j) & (w.between.present > 0)
                    times = np.concatenate([w.times[there], w.between.times[own]])
                    values = np.concatenate([w.value[there, j], w.between.value[own]])
                    spread = np.sqrt(np.concatenate([w.variance[there, j], w.between.variance[own]]))
                    axis.errorbar(times, values, spread, fmt="x", alpha=0.6, label=tag)
            axis.set_ylabel(f"{name} [{unit_label(plan.units[k]) or '-'}]")
            axis.legend(loc="best", fontsize="small")
        axes[-1].set_xlabel(f"time [{self.time_unit}]")
        return axes

    def _repr_html_(self) -> str:
        w = self.window
        read = int((w.present > 0).sum() + (w.between.present > 0).sum())
        head = f"window {w.times[0]:.6g} to {w.times[-1]:.6g} {self.time_unit}, {len(w)} nodes, {read} readings"
        return f"<div>{super()._repr_html_()}<p>{html.escape(head)}; {html.escape(self.status.text)}</p></div>"


def passed_readings(estimate: HorizonEstimate) -> bool:
    """Return whether the window holds a reading that was used."""
    window = estimate.window
    return bool((window.present > 0).any() or (window.between.present > 0).any())
