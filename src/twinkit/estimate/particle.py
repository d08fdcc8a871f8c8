"""The bootstrap particle filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError
from twinkit.core.component import Array
from twinkit.estimate.filter import Item
from twinkit.estimate.result import Estimate
from twinkit.estimate.samples import Cloud, SampledFilter, moments
from twinkit.estimate.steps import arrived, fates, finite, judged, total_nis


@dataclass(frozen=True, eq=False)
class ParticleFilter(SampledFilter):
    """Bootstrap particle filter: particles weighted by how well they explain the readings, for any model [1]_.

    It needs no Gaussian: an estimate may have several peaks. An estimate carries its particles and their weights, and
    intervals are their quantiles. Where too few particles carry the weight, they are resampled systematically [2]_
    before they go on in time.

    The number of particles that is needed grows fast with the number of uncertain quantities: beyond about five of
    them, or with very exact sensors, another filter does better.

    Parameters are those of `EstimationProblem`, `Filter` and `SampledFilter` (here 2000 samples), and:

    Parameters
    ----------
    resample_below
        Resample when the effective number of particles falls below this fraction.
    roughening
        Spread added to resampled particles, as a fraction of the particles' range times ``samples**(-1/n)`` [1]_.
        Adapted parameters without noise need it (0.05 to 0.2), for resampling alone leaves fewer and fewer values of
        them.

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
    >>> from twinkit.estimate import ParticleFilter, Sensor
    >>> pf = ParticleFilter(Decay(), [Sensor("c", std="0.5 g/L")], initial_std={"c": 2.0}, samples=4000)
    >>> estimate = pf.update(pf.start(), tk.Measurement("c", 3.0, "g/L", source_time=1.0))
    >>> print(f"{estimate.mean['c']:.1f} ± {estimate.std['c']:.1f}")
    3.2 ± 0.5

    References
    ----------
    .. [1] N. J. Gordon, D. J. Salmond, A. F. M. Smith, Novel approach to nonlinear/non-Gaussian Bayesian state
       estimation, IEE Proceedings F 140 (1993) 107-113. doi:10.1049/ip-f-2.1993.0015
    .. [2] G. Kitagawa, Monte Carlo filter and smoother for non-Gaussian nonlinear state space models, Journal of
       Computational and Graphical Statistics 5 (1996) 1-25. doi:10.1080/10618600.1996.10474692
    """

    samples: int = 2000
    resample_below: float = 0.5
    roughening: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.resample_below <= 1.0:
            raise InvalidValueError(f"resample_below is a fraction between 0 and 1, not {self.resample_below!r}")
        if not 0.0 <= self.roughening <= 1.0:
            raise InvalidValueError(f"roughening is a fraction between 0 and 1, not {self.roughening!r}")

    def settings(self) -> dict[str, Any]:
        """Return what defines this kind of filter beside the problem, for the content hash."""
        return {**super().settings(), "resampling": [self.resample_below, self.roughening]}

    def renewed(self, cloud: Cloud) -> Cloud:
        """Return particles of equal weight if too few carry the weight, otherwise the same ones."""
        count = len(cloud.weights)
        if np.sum(cloud.weights**2) * count * self.resample_below <= 1.0:
            return cloud
        rng = self.random(cloud.draws)
        chosen = systematic(cloud.weights, float(rng.random()))
        x = cloud.x[:, chosen]
        if self.roughening:
            reach = np.ptp(cloud.x[:, cloud.weights > 1e-3 / count], axis=1) * count ** (-1.0 / len(x))
            x = self.placed(x + self.roughening * reach[:, None] * rng.standard_normal(x.shape))
        return Cloud(x, cloud.z[:, chosen], np.full(count, 1.0 / count), cloud.draws + 1)

    def corrected(self, estimate: Estimate, items: Sequence[Item]) -> Estimate:
        """Return the estimate after readings of its own instant."""
        cloud, time = self.cloud(estimate), estimate.time
        seen, come = self.seen(time, cloud)[list(self.rows)], arrived(self, items)
        predicted, covariance = moments(seen, cloud.weights)
        found = judged(self, time, come, predicted, np.diag(covariance))
        used = found.accepted
        total = total_nis(found, come, (covariance + np.diag(come.variance))[np.ix_(used, used)])
        if used.any():
            off = (come.value[used, None] - seen[used]) ** 2 / come.variance[used, None]
            finite(self, time, off)
            exponent = -0.5 * off.sum(axis=0)
            with np.errstate(divide="ignore"):  # a particle of weight zero keeps it
                exponent += np.log(cloud.weights)
            weights = np.exp(exponent - exponent.max())
            cloud = Cloud(cloud.x, cloud.z, weights / weights.sum(), cloud.draws)
        return self.estimated(time, cloud, fates(self, time, come, found), total)


def systematic(weights: Array, start: float) -> Any:
    """Return which particles are kept: one look every ``1/count`` of the distribution function, from `start`.

    Examples
    --------
    >>> systematic(np.array([0.5, 0.0, 0.25, 0.25]), 0.5).tolist()
    [0, 0, 2, 3]
    """
    count = len(weights)
    reached = np.cumsum(weights)
    return np.minimum(np.searchsorted(reached, (np.arange(count) + start) / count * reached[-1]), count - 1)
