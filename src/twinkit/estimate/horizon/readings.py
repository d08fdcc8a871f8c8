"""What became of each reading of a window."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from twinkit.core import Quality
from twinkit.estimate.horizon.grid import Innovation
from twinkit.estimate.horizon.placement import Place
from twinkit.estimate.horizon.problem import Linear
from twinkit.estimate.horizon.smoother import Swept
from twinkit.estimate.horizon.window import Window
from twinkit.estimate.result import Reading

if TYPE_CHECKING:
    from twinkit.estimate.filter import Item
    from twinkit.estimate.horizon.estimator import MovingHorizonEstimator


def kept(mhe: MovingHorizonEstimator, item: Item, reason: str) -> Reading:
    """Return the report on a reading that was not used."""
    m, value, std = item
    unit = mhe.lines[m.tag].place.unit
    nan = math.nan
    return Reading(m.tag, m.source_time, unit, value, std, nan, nan, nan, nan, m.quality, False, reason)


def too_old(mhe: MovingHorizonEstimator, item: Item, window: Window) -> Reading:
    """Return the report on a reading from before the window."""
    late = f"older than the window, which begins at {window.times[0]:g} {mhe.model.time_unit}; not used"
    return kept(mhe, item, late)


def reported(
    mhe: MovingHorizonEstimator,
    place: Place,
    at: Linear,
    swept: Swept,
    between: Mapping[int, Innovation],
    deviations: float | None,
) -> Reading:
    """Return the report on a reading; `deviations`: the gate refused it so far out."""
    item, node, column, k = place
    m, value, std = item
    note = f" ({m.note})" if m.note else ""
    if node < 0:
        return kept(mhe, item, f"marked bad{note}; the model alone was followed")
    if deviations is not None:
        return kept(mhe, item, f"{abs(deviations):.1f} standard deviations from what the model expects; not used")
    if at.between is not None and k >= 0:
        innovation, variance, _ = between[k]
        weight = float(at.between.weight[k])
    else:
        innovation, variance = float(swept.innovation[node, column]), float(swept.spread[node, column])
        weight = float(at.weight[node, column])
    if not 0.0 < variance < math.inf:
        return kept(mhe, item, "too uncertain to tell anything; not used")
    spread = math.sqrt(variance)
    reason = f"marked uncertain{note}; used with a larger standard deviation" if m.quality is Quality.UNCERTAIN else ""
    if weight < 1.0:
        reason = f"an outlier; counted with a weight of {weight:.2g}"
    numbers = (value, std, value - innovation, innovation, spread, (innovation / spread) ** 2)
    unit = mhe.lines[m.tag].place.unit
    return Reading(m.tag, m.source_time, unit, *numbers, m.quality, True, reason)
