"""The ensemble Kalman filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError
from twinkit.core.component import Array
from twinkit.estimate.filter import Item
from twinkit.estimate.result import Estimate
from twinkit.estimate.samples import Cloud, SampledFilter, moments
from twinkit.estimate.steps import arrived, fates, finite, judged, total_nis


class EnsembleUpdate(Enum):
    """How readings correct an ensemble."""

    TRANSFORM = "transform"
    """The mean by the Kalman gain, the deviations by a symmetric root: no noise is drawn (Bishop et al. 2001)."""
    PERTURBED = "perturbed observations"
    """Every member by a reading with noise of its own (Burgers, van Leeuwen & Evensen 1998)."""


@dataclass(frozen=True, eq=False)
class EnsembleKalmanFilter(SampledFilter):
    """Ensemble Kalman filter, for any model: every member goes through the nonlinear model and sensors.

    It scales to models with many states, and an estimate carries its members: intervals are their quantiles.

    Parameters are those of `EstimationProblem`, `Filter` and `SampledFilter`, and:

    Parameters
    ----------
    scheme
        `EnsembleUpdate.TRANSFORM` [1]_ or `EnsembleUpdate.PERTURBED` [2]_.
    inflation
        Factor on the members' distances from their mean before every correction; a little above 1 makes up for what a
        small ensemble loses.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=8.0, bounds=(0, None))
    ...     k = tk.Parameter("1/h", 0.5, bounds=(0, None))
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> from twinkit.estimate import EnsembleKalmanFilter, Sensor
    >>> enkf = EnsembleKalmanFilter(Decay(), [Sensor("c", std="0.1 g/L")], initial_std={"c": 2.0}, samples=500)
    >>> estimate = enkf.update(enkf.start(), tk.Measurement("c", 3.0, "g/L", source_time=1.0))
    >>> print(f"{estimate.mean['c']:.2f} ± {estimate.std['c']:.2f}, {estimate.samples.shape[1]} members")
    3.01 ± 0.10, 500 members

    References
    ----------
    .. [1] C. H. Bishop, B. J. Etherton, S. J. Majumdar, Adaptive sampling with the ensemble transform Kalman filter,
       Monthly Weather Review 129 (2001) 420-436. doi:10.1175/1520-0493(2001)129<0420:ASWTET>2.0.CO;2
    .. [2] G. Burgers, P. J. van Leeuwen, G. Evensen, Analysis scheme in the ensemble Kalman filter, Monthly Weather
       Review 126 (1998) 1719-1724. doi:10.1175/1520-0493(1998)126<1719:ASITEK>2.0.CO;2
    """

    scheme: EnsembleUpdate = EnsembleUpdate.TRANSFORM
    inflation: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.scheme, EnsembleUpdate):
            raise InvalidValueError(f"scheme is EnsembleUpdate.TRANSFORM or .PERTURBED, not {self.scheme!r}")
        if not 1.0 <= self.inflation <= 10.0:
            raise InvalidValueError(f"inflation must be within [1, 10], not {self.inflation!r}")

    def settings(self) -> dict[str, Any]:
        """Return what defines this kind of filter beside the problem, for the content hash."""
        return {**super().settings(), "update": self.scheme.value, "inflation": self.inflation}

    def renewed(self, cloud: Cloud) -> Cloud:
        """Return the members as they are."""
        return cloud

    def crossed(self, estimate: Estimate, end: float) -> tuple[Estimate, Array]:
        """Return the estimate at a later time, and its cross-covariance with the one now (see `Smoothable`)."""
        before, later = self.cloud(estimate).x, self.moved(estimate, end)
        away, behind = before - before.mean(axis=1, keepdims=True), later.samples - later.vector[:, None]
        return later, away @ behind.T / (before.shape[1] - 1)

    def corrected(self, estimate: Estimate, items: Sequence[Item]) -> Estimate:
        """Return the estimate after readings of its own instant."""
        cloud, time = self.cloud(estimate), estimate.time
        mean = cloud.x @ cloud.weights
        x = self.placed(mean[:, None] + self.inflation * (cloud.x - mean[:, None]))
        cloud = Cloud(x, cloud.z, cloud.weights, cloud.draws)
        seen, come = self.seen(time, cloud)[list(self.rows)], arrived(self, items)
        predicted, covariance = moments(seen, cloud.weights)
        found = judged(self, time, come, predicted, np.diag(covariance))
        used = found.accepted
        total = total_nis(found, come, (covariance + np.diag(come.variance))[np.ix_(used, used)])
        draws = cloud.draws
        if used.any():
            noise = come.variance[used]
            if self.scheme is EnsembleUpdate.TRANSFORM:
                x = _transformed(x, seen[used], found.innovation[used], noise)
            else:
                rng, draws = self.random(draws), draws + 1
                x = _perturbed(x, seen[used], come.value[used], noise, rng)
        finite(self, time, x)
        after = Cloud(self.placed(x), cloud.z, cloud.weights, draws)
        return self.estimated(time, after, fates(self, time, come, found), total)


def _transformed(x: Array, seen: Array, innovation: Array, variance: Array) -> Array:
    """Return members after the ensemble transform."""
    count = x.shape[1]
    mean = x.mean(axis=1, keepdims=True)
    away = x - mean
    scaled = (seen - seen.mean(axis=1, keepdims=True)) / np.sqrt((count - 1) * variance)[:, None]
    # In the thin singular value decomposition of what the sensors see; the rest of the ensemble's space stays.
    _, values, right = np.linalg.svd(scaled, full_matrices=False)
    shrunk = 1.0 / np.sqrt(1.0 + values**2)
    moved = away + ((away @ right.T) * (shrunk - 1.0)) @ right
    weights = right.T @ (shrunk**2 * (right @ (scaled.T @ (innovation / np.sqrt(variance)))))
    return mean + moved + (away @ weights / np.sqrt(count - 1))[:, None]


def _perturbed(x: Array, seen: Array, value: Array, variance: Array, rng: np.random.Generator) -> Array:
    """Return members, each corrected by a reading with noise of its own."""
    count = x.shape[1]
    noise = np.sqrt(variance)[:, None] * rng.standard_normal((len(value), count))
    noise -= noise.mean(axis=1, keepdims=True)
    away, other = x - x.mean(axis=1, keepdims=True), seen - seen.mean(axis=1, keepdims=True)
    spread = other @ other.T / (count - 1) + np.diag(variance)
    gain = np.linalg.solve(spread, other @ away.T / (count - 1)).T
    return x + gain @ (value[:, None] + noise - seen)
