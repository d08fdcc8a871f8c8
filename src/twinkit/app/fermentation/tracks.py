"""From estimates to the quantities of the demo, over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twinkit.app.fermentation.result import Array, Track
from twinkit.core import DataError, Prediction
from twinkit.estimate import Estimate

QUANTITIES = {"glucose": "process.glucose_total", "ethanol": "process.ethanol", "xylose": "process.xylose"}
"""Name in the result -> name in the model."""


def from_first(estimates: Sequence[Estimate | None], first: int) -> list[Estimate]:
    """Return estimates where those before the first usable spectrum are the first one, delivered late."""
    known = [estimate for estimate in estimates if estimate is not None]
    if not known:
        raise DataError("no spectrum of this run could be used: look at the instrument before the model")
    return [known[0]] * first + known


def track(estimates: Sequence[Estimate], name: str) -> Track:
    """Return one of `QUANTITIES` over time."""
    known: dict[int, Prediction] = {
        id(one): one.output(QUANTITIES[name]) for one in {id(one): one for one in estimates}.values()
    }
    said = [known[id(one)] for one in estimates]
    columns: list[Array] = [
        np.array([p.mean for p in said]),
        np.array([p.std for p in said]),
        np.array([p.interval[0] for p in said]),
        np.array([p.interval[1] for p in said]),
    ]
    return Track(name, "g/L", *columns)
