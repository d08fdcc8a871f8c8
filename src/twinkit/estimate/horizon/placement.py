"""Where readings stand in a window: at the node of their time, or at a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twinkit.core import Quality
from twinkit.estimate.horizon.window import Interval, Window

if TYPE_CHECKING:
    from twinkit.estimate.filter import Item
    from twinkit.estimate.horizon.estimator import MovingHorizonEstimator

SAME = 1e-12
"""Times that differ by less, relative to their size, are one time."""


class Place(NamedTuple):
    """Where a reading is: its node (-1: marked bad), its sensor, and on a grid its position in `Window.between`."""

    item: Item
    node: int
    sensor: int
    between: int = -1


def placed(mhe: MovingHorizonEstimator, window: Window, items: list[Item]) -> tuple[Window, list[Place]]:
    """Return the window with nodes for all readings, and where each is."""
    tags = list(mhe.lines)
    found: list[tuple[Item, int]] = []
    taken = (window.present > 0).tolist()
    for item in items:
        m = item[0]
        column = tags.index(m.tag)
        if m.quality is Quality.BAD:
            continue
        t = m.source_time
        slack = SAME * max(1.0, abs(t))
        node = int(np.searchsorted(window.times, t + slack, side="right"))  # all nodes from here on are later
        free = node - 1
        while free >= 0 and window.times[free] >= t - slack and taken[free][column]:
            free -= 1
        if free >= 0 and window.times[free] >= t - slack:
            node = free
        else:
            window = with_node_at(mhe, window, node, t)
            taken.insert(node, [False] * len(tags))
            found = [(other, k + (k >= node)) for other, k in found]
        taken[node][column] = True
        found.append((item, node))
    places = [Place(item, node, tags.index(item[0].tag)) for item, node in found]
    numbers = [(node, column, item[1], item[2]) for item, node, column, _ in places]
    bad = [Place(item, -1, -1) for item in items if item[0].quality is Quality.BAD]
    return window.with_readings(numbers), [*places, *bad]


def with_node_at(mhe: MovingHorizonEstimator, window: Window, node: int, t: float) -> Window:
    """Return the window with a node at a time; `node` is its position, 1 or more."""
    cut = mhe.transcriber.interval
    like = window.intervals[node - 2] if len(window.intervals) >= max(1, node - 1) and node >= 2 else None
    before = window.intervals[-1] if like is None and window.intervals else like
    x, z = window.x[node - 1], window.z[node - 1]
    left, x1, z1 = cut(float(window.times[node - 1]), max(t, float(window.times[node - 1])), x, z, before)
    x1 = np.clip(x1, mhe.plan.low, mhe.plan.high)
    around: tuple[Interval, ...] = (left,)
    if node < len(window):
        around = (left, cut(t, float(window.times[node]), x1, z1, before)[0])
    return window.with_node(node, t, mhe.given.at(t), x1, z1, around)
