"""Readings that are too far from what the model expects: found before a window is solved, and left out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from twinkit.estimate.horizon.grid import Innovation, innovations
from twinkit.estimate.horizon.placement import Place
from twinkit.estimate.horizon.problem import Linear, Trajectory, WindowProblem
from twinkit.estimate.horizon.smoother import Swept
from twinkit.estimate.horizon.window import Window

if TYPE_CHECKING:
    from twinkit.estimate.horizon.estimator import MovingHorizonEstimator


def gated(mhe: MovingHorizonEstimator, window: Window, places: list[Place]) -> tuple[Window, dict[int, float]]:
    """Return the window without new readings outside the gate, and their standard deviations by position in `places`.

    They are refused node by node, from the oldest on: what an outlier did to what is expected later is undone before
    later readings are judged.
    """
    refused = dict[int, float]()
    while True:
        problem = WindowProblem(mhe.numbers, window)
        at = problem.linearise(Trajectory(window.x, window.adjoint, window.z, window.held))
        swept = problem.swept_free(at, np.zeros_like(window.held))
        left = {k: place for k, place in enumerate(places) if place.node >= 0 and k not in refused}
        far = _far(window, at, swept, left, mhe.threshold)
        if not far:
            return window, refused
        first = min(places[k].node for k in far)
        present, later = window.present.copy(), window.between.present.copy()
        for k in far:
            place = places[k]
            if place.node == first:
                refused[k] = far[k]
                if place.between < 0:
                    present[place.node, place.sensor] = 0.0
                else:
                    later[place.between] = 0.0
        window = replace(window, present=present, between=replace(window.between, present=later))


def _far(window: Window, at: Linear, swept: Swept, places: dict[int, Place], threshold: float) -> dict[int, float]:
    """Return the readings outside the gate, and by how many standard deviations they are."""
    seen, found = new_innovations(window, at, swept, list(places.values()), threshold), dict[int, float]()
    for k, place in places.items():
        if place.between >= 0:
            innovation, spread, _ = seen[place.between]
        else:
            innovation, spread = swept.innovation[place.node, place.sensor], swept.spread[place.node, place.sensor]
        if innovation**2 > threshold * spread:
            found[k] = float(innovation / math.sqrt(spread))
    return found


def new_innovations(
    window: Window, at: Linear, swept: Swept, places: list[Place], threshold: float = math.inf
) -> dict[int, Innovation]:
    """Return the innovations of those readings that are between nodes, by their position there."""
    chosen = {place.between for place in places if place.between >= 0}
    if at.between is None or not chosen:
        return {}
    return innovations(window, at.between, swept, at.point.x, chosen, threshold)
