"""Nodes on a regular grid, with readings between them: many readings per node in a window of bounded size.

A reading at ``t`` within an interval is predicted by the model from the node before it, ``y(t) = h(x(t; x[k]))``, so it
is a reading of that node. The process noise of an interval acts at its end. All readings of one node together are
replaced by at most as many as there are states, which give the same least squares: of the whitened derivatives and
residuals ``[J e] = Q [R d; 0 r]`` only `R` and `d` are kept [1]_. So the smoother's work does not grow with their
number.

References
----------
.. [1] G. J. Bierman, Factorization Methods for Discrete Sequential Estimation, Academic Press 1977, chapter IV.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twinkit.core import Quality
from twinkit.core.component import Array
from twinkit.estimate.horizon.losses import costs, weights
from twinkit.estimate.horizon.placement import SAME, Place, with_node_at
from twinkit.estimate.horizon.window import Between, Span, Window

if TYPE_CHECKING:
    from twinkit.estimate.filter import Item
    from twinkit.estimate.horizon.estimator import MovingHorizonEstimator
    from twinkit.estimate.horizon.problem import Settings, Trajectory
    from twinkit.estimate.horizon.smoother import Swept

_ROUNDING = 1e-9  # of an interval: a reading so little before a node is at the node


def grid_time(mhe: MovingHorizonEstimator, window: Window, t: float) -> float:
    """Return the time of the node a reading belongs to."""
    steps = math.floor((t - window.begun) / mhe.grid + _ROUNDING)
    return max(window.begun + steps * mhe.grid, float(window.times[0]))


def gridded(mhe: MovingHorizonEstimator, window: Window, items: list[Item]) -> tuple[Window, list[Place]]:
    """Return the window with nodes of the grid for all readings, and where each is; see `placed`."""
    tags = list(mhe.lines)
    good = sorted((i for i in items if i[0].quality is not Quality.BAD), key=lambda item: item[0].source_time)
    for item in good:
        t = grid_time(mhe, window, item[0].source_time)
        if not (np.abs(window.times - t) <= SAME * max(1.0, abs(t))).any():
            window = with_node_at(mhe, window, int(np.searchsorted(window.times, t, side="right")), t)
    nodes: list[int] = []
    spans: list[Span] = []
    for item in good:
        t = item[0].source_time
        node = int(np.searchsorted(window.times, grid_time(mhe, window, t) + SAME * max(1.0, abs(t)), "right")) - 1
        start = float(window.times[node])
        like = spans[-1] if spans else window.intervals[-1] if window.intervals else None
        cut = mhe.transcriber.span(start, max(t, start), window.x[node], window.z[node], like)[0]
        nodes.append(node)
        spans.append(cut)
    columns = [tags.index(item[0].tag) for item in good]
    inputs = [mhe.given.at(span.end) for span in spans]
    added = Between(
        np.array(nodes, dtype=np.intp),
        np.array(columns, dtype=np.intp),
        np.array([value for _, value, _ in good]),
        np.array([std * std for _, _, std in good]),
        np.ones(len(good)),
        np.array(inputs).reshape(len(good), window.inputs.shape[1]),
        tuple(spans),
    )
    between, at = window.between.joined(added)
    places = [Place(*entry) for entry in zip(good, nodes, columns, at.tolist(), strict=True)]
    bad = [Place(item, -1, -1) for item in items if item[0].quality is Quality.BAD]
    return replace(window, between=between), [*places, *bad]


@dataclass(frozen=True, eq=False)
class Seen:
    """The readings between the nodes, predicted from a trajectory; ``(readings, ...)``.

    Attributes
    ----------
    values, rows
        Predicted, and the derivatives with respect to the node before.
    residual, weight
        In standard deviations, and the weight of the loss.
    loss
        Sum of the losses.
    """

    values: Array
    rows: Array
    residual: Array
    weight: Array
    loss: float


def seen_between(s: Settings, window: Window, point: Trajectory) -> Seen:
    """Return the readings between the nodes as predicted from a trajectory."""
    b, n, m = window.between, point.x.shape[1], point.z.shape[1]
    ends, algebraics, maps = s.transcriber.carried_on(b.spans, point.x[b.node], point.z[b.node])
    found = s.functions.see(np.hstack([b.times[:, None], ends, algebraics, b.inputs]), s.transcriber.shared)
    total, every = (found.shape[1] - m) // (1 + n), np.arange(len(b))
    values = found[every, m + b.sensor]
    there = found[:, m + total :].reshape(len(b), total, n)[every, b.sensor]
    residual = b.present * (b.value - values) / np.sqrt(b.variance)
    limits = s.limits[b.sensor]
    loss = float(np.sum(costs(residual, limits)))
    return Seen(values, (there[:, None] @ maps)[:, 0], residual, weights(residual, limits), loss)


def condensed(seen: Seen, b: Between, nodes: int) -> tuple[Array, Array]:
    """Return fewer readings that say the same: residuals ``(nodes, q)`` and derivatives ``(nodes, q, n)``, whitened."""
    n = seen.rows.shape[1]
    root = np.sqrt(seen.weight)
    stacked = np.hstack(
        [seen.rows * (root * b.present / np.sqrt(b.variance))[:, None], (root * seen.residual)[:, None]]
    )
    counts = np.bincount(b.node, minlength=nodes)
    padded = np.zeros((nodes, int(counts.max()), n + 1))
    first = np.cumsum(counts) - counts
    padded[b.node, np.arange(len(b)) - first[b.node]] = stacked
    if padded.shape[1] > n:
        finite = np.isfinite(padded).all()
        reduced: Array = np.asarray(np.linalg.qr(padded, mode="r")) if finite else np.full_like(padded, np.nan)
        padded = reduced[:, :n]
    return padded[:, :, n], np.ascontiguousarray(padded[:, :, :n])


class Innovation(NamedTuple):
    """A reading against what was expected from the data before it."""

    value: float
    spread: float
    accepted: bool


def innovations(
    window: Window, seen: Seen, swept: Swept, x: Array, chosen: set[int], threshold: float = math.inf
) -> dict[int, Innovation]:
    """Return the innovations of chosen readings, each from the data before it.

    Parameters
    ----------
    window, seen, swept
        The window, its readings as predicted along `x`, and the window smoothed.
    x
        Where it was linearised.
    chosen
        Positions in `Window.between`.
    threshold
        Largest normalised innovation squared of a chosen reading that is accepted.
    """
    b, found = window.between, dict[int, Innovation]()
    for node in sorted({int(b.node[k]) for k in chosen}):
        m, p = swept.before[node].copy(), swept.before_covariance[node].copy()
        for k in np.flatnonzero(b.node == node).tolist():
            row = seen.rows[k]
            gain = p @ row
            spread = float(row @ gain + b.variance[k] / seen.weight[k])
            value = float(b.value[k] - seen.values[k] - row @ (m - x[node]))
            accepted = bool(b.present[k] > 0) and not (k in chosen and value**2 > threshold * spread)
            if k in chosen:
                found[k] = Innovation(value, spread, accepted)
            if accepted:
                m = m + gain * (value / spread)
                p = p - np.outer(gain, gain) / spread
    return found
