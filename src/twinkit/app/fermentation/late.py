"""The second run: the same spectra, and two laboratory samples that the twin is told hours after they were taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.app.fermentation.data import FermentationData, Samples
from twinkit.app.fermentation.metrics import score
from twinkit.app.fermentation.result import LateSamples, Track
from twinkit.app.fermentation.settings import Settings
from twinkit.app.fermentation.tracks import QUANTITIES, from_first, track
from twinkit.core import Measurement
from twinkit.estimate import Estimate, Estimator, Filter, Sensor

_SUBSTANCES = ("glucose", "ethanol")
_SCORES = ("glucose_rmse_twin", "ethanol_rmse_twin", "coverage_95", "glucose_rmse_twin_original")


def late_run(
    data: FermentationData,
    settings: Settings,
    filter: Filter,
    singles: Sequence[Measurement | None],
    before: dict[str, Track],
) -> LateSamples | None:
    """Replay the batch once more with late laboratory samples as input; they are not scored.

    Parameters
    ----------
    data, settings
        As of the first run.
    filter
        Its filter; the laboratory's sensors are added.
    singles
        What each spectrum gave it (None: nothing).
    before
        Its tracks (``sensor``, ``glucose``, ``ethanol``), scored on the same samples for comparison.

    Returns
    -------
    LateSamples or None
        None where the batch is over before a sample that was asked for is reported.
    """
    chosen = positions(data, settings)
    if not len(chosen):
        return None
    lab = [Sensor(QUANTITIES[name], settings.hplc_std, tag=f"hplc.{name}", relative_std=settings.hplc_relative_std,
                  delay=settings.hplc_delay) for name in _SUBSTANCES]  # fmt: skip
    twin = Estimator(replace(filter, sensors=[*filter.sensors, *lab]), start=float(data.time[0]))
    reports = [m for k in chosen for m in _reports(data.samples, int(k), settings.hplc_delay)]
    estimates: list[Estimate | None] = []
    for time, single in zip(data.time.tolist(), singles, strict=True):
        arrived = [m for m in reports if m.received_time is not None and m.received_time <= time]
        reports = reports[len(arrived) :]
        estimates.append(None if single is None else twin.update([single, *arrived], until=time))
    first = next(k for k, single in enumerate(singles) if single is not None)
    known = from_first(estimates, first)
    tracks = {name: track(known, name) for name in _SUBSTANCES}
    taken = data.samples.time[chosen]
    readings = [r for r in twin.history.readings if r.tag.startswith("hplc.")]
    metrics = {
        **_compared(data, before, tracks, chosen, float(taken[0]) + settings.hplc_delay),
        "readings_used": sum(reading.accepted for reading in readings),
        "readings_given": len(readings),
        "taken_h": taken.tolist(),
        "reported_h": (taken + settings.hplc_delay).tolist(),
    }
    return LateSamples(taken, taken + settings.hplc_delay, **tracks, metrics=metrics)


def positions(data: FermentationData, settings: Settings) -> npt.NDArray[np.int64]:
    """Return which samples are told: the first at or after each time of `hplc_at`, reported before the end."""
    time = data.samples.time
    found = sorted({int(np.searchsorted(time, at)) for at in settings.hplc_at})
    last = float(data.time[-1]) - settings.hplc_delay
    return np.array([k for k in found if k < len(time) and time[k] <= last], dtype=np.int64)


def _reports(samples: Samples, k: int, delay: float) -> list[Measurement]:
    taken = float(samples.time[k])
    return [
        Measurement(f"hplc.{name}", float(getattr(samples, name)[k]), "g/L", taken, taken + delay)
        for name in _SUBSTANCES
    ]


def _compared(
    data: FermentationData,
    before: dict[str, Track],
    after: dict[str, Track],
    chosen: npt.NDArray[np.int64],
    reported: float,
) -> dict[str, Any]:
    """Return the scores of both runs on the samples that were not told: all of them, and those after a report."""
    others = np.setdiff1d(np.arange(len(data.samples.time)), chosen)
    later = others[data.samples.time[others] >= reported]
    found: dict[str, Any] = {"hplc_points": len(others), "hplc_points_after": len(later)}
    for suffix, kept in (("", others), ("_after", later)):
        subset = Samples(**{name: values[kept] for name, values in vars(data.samples).items()})
        for run, tracks in (("without", before), ("with", {**before, **after})):
            scores = score(data.time, tracks["sensor"], tracks["glucose"], tracks["ethanol"], subset)
            found |= {f"{name}_{run}{suffix}": scores[name] for name in _SCORES}
    return found
