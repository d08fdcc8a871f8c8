"""Constraints beside the declared bounds, checked and turned into numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twinkit.core import InvalidValueError
from twinkit.core.units import as_number
from twinkit.estimate.sensors import position

if TYPE_CHECKING:
    from twinkit.estimate.horizon.estimator import MovingHorizonEstimator


def constraints(mhe: MovingHorizonEstimator) -> tuple[tuple[int, float, float, float], ...]:
    """Return position of the quantity, bounds and nominal magnitude of every entry of `within`."""
    layout = mhe.begun.layout
    blocks = (layout.states, layout.algebraics, layout.outputs)
    found = []
    scales = {e.name: e.variable.scale for block in blocks for e in block}
    for name, pair in mhe.within.items():
        place = position(mhe.begun, name)
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise InvalidValueError(f"within={{{name!r}: ...}} takes (low, high), not {pair!r}")
        what = f"a bound of {name!r}"
        low, high = (
            side if raw is None else as_number(raw, place.unit, what)
            for raw, side in zip(pair, (-math.inf, math.inf), strict=True)
        )
        if not max(low, place.bounds[0]) < min(high, place.bounds[1]):
            raise InvalidValueError(
                f"no value of {name!r} is within ({low:g}, {high:g}) and its declared bounds {place.bounds}"
            )
        found.append((mhe.row(place), low, high, scales[name.partition("[")[0]]))
    return tuple(found)
