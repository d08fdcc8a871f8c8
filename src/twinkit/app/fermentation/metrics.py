"""Scores against the laboratory samples: the only place where they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.app.fermentation.data import Samples
from twinkit.app.fermentation.result import Array, Track


def positions(time: Array, samples: Samples) -> npt.NDArray[np.int64]:
    """Return, for every sample, the last spectrum taken before or with it."""
    return np.maximum(np.searchsorted(time, samples.time, side="right") - 1, 0)


def rmse(estimated: Array, reference: Array) -> float:
    """Return the root mean squared difference."""
    return float(np.sqrt(np.mean((estimated - reference) ** 2)))


def score(time: Array, sensor: Track, glucose: Track, ethanol: Track, samples: Samples) -> dict[str, Any]:
    """Return RMSE and coverage of all samples, against both glucose references."""
    at = positions(time, samples)
    inside_ethanol = _inside(ethanol, at, samples.ethanol)
    found: dict[str, Any] = {"hplc_points": len(samples.time)}
    for suffix, reference in (("", samples.glucose), ("_original", samples.glucose_original)):
        inside_glucose = _inside(glucose, at, reference)
        found[f"glucose_rmse_sensor{suffix}"] = rmse(sensor.mean[at], reference)
        found[f"glucose_rmse_twin{suffix}"] = rmse(glucose.mean[at], reference)
        found[f"ethanol_rmse_twin{suffix}"] = rmse(ethanol.mean[at], samples.ethanol)
        found[f"coverage_95{suffix}"] = float(np.mean(np.concatenate([inside_glucose, inside_ethanol])))
        found[f"coverage_95_glucose{suffix}"] = float(np.mean(inside_glucose))
        found[f"coverage_95_sensor{suffix}"] = float(np.mean(_inside(sensor, at, reference)))
    found["coverage_95_ethanol"] = float(np.mean(inside_ethanol))
    return found


def _inside(track: Track, at: npt.NDArray[np.int64], reference: Array) -> npt.NDArray[np.bool_]:
    return (reference >= track.low[at]) & (reference <= track.high[at])
