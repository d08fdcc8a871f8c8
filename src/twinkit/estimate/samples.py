"""What the ensemble and the particle filter share: an estimate that is a set of weighted samples."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Prediction
from twinkit.core.component import Array
from twinkit.estimate.factors import factor
from twinkit.estimate.filter import Filter
from twinkit.estimate.result import Estimate
from twinkit.estimate.sensors import position
from twinkit.estimate.steps import stepped


@dataclass(frozen=True, eq=False, repr=False)
class SampledEstimate(Estimate):
    """An estimate that carries its samples; mean and covariance are theirs.

    Attributes
    ----------
    samples
        The members of the ensemble, or the particles, ``(n, count)``.
    weights
        One per sample, their sum is one.
    draws
        How often random numbers were drawn; with the filter's seed it says which come next.
    """

    samples: Array = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    weights: Array = field(default_factory=lambda: np.empty(0), repr=False)
    sampled_algebraics: Array = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    draws: int = 0

    @property
    def effective_samples(self) -> float:
        """Effective sample size, ``1 / sum(weights**2)``."""
        return 1.0 / float(np.sum(self.weights**2)) if self.weights.size else math.nan


@dataclass(frozen=True)
class Cloud:
    """Samples ``(n, count)``, their algebraic variables, their weights, and how often random numbers were drawn."""

    x: Array
    z: Array
    weights: Array
    draws: int


def moments(values: Array, weights: Array) -> tuple[Array, Array]:
    """Return mean and (unbiased) covariance of weighted values ``(rows, count)``."""
    mean = values @ weights
    away = values - mean[:, None]
    left = 1.0 - float(np.sum(weights**2))
    covariance = (away * weights) @ away.T / (left if left > 1e-9 else 1.0)  # one sample that has all the weight
    return mean, 0.5 * (covariance + covariance.T)


def quantiles(values: Array, weights: Array, probabilities: tuple[float, ...]) -> list[float]:
    """Return quantiles of weighted values, by interpolation of their distribution function.

    Examples
    --------
    >>> quantiles(np.arange(5.0), np.full(5, 0.2), (0.1, 0.5))
    [0.0, 2.0]
    """
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) - 0.5 * weights[order]
    return [float(found) for found in np.interp(probabilities, reached, values[order])]


@dataclass(frozen=True, eq=False)
class SampledFilter(Filter, ABC):
    """A filter whose estimate is a set of samples, each moved by the nonlinear model with noise of its own.

    The noise of a sub-step enters half before and half after it.

    Parameters
    ----------
    samples
        How many.
    seed
        The same seed gives the same bytes.
    """

    samples: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.samples, int) and self.samples >= 2):
            raise InvalidValueError(f"samples must be a whole number of at least 2, not {self.samples!r}")
        if not (isinstance(self.seed, int) and self.seed >= 0):
            raise InvalidValueError(f"seed must be a whole number that is not negative, not {self.seed!r}")

    def settings(self) -> dict[str, Any]:
        """Return what defines this kind of filter beside the problem, for the content hash."""
        return {**super().settings(), "samples": self.samples, "seed": self.seed}

    def start(self, time: Any = 0.0) -> Estimate:
        """Return the samples before any measurement, drawn from the initial mean and `initial_std`."""
        begin = super().start(time)
        return self.estimated(begin.time, self.cloud(begin))

    @abstractmethod
    def renewed(self, cloud: Cloud) -> Cloud:
        """Return the samples that go on in time (resampled, where that is due)."""

    def random(self, draws: int) -> np.random.Generator:
        """Return the generator for the draw of this number."""
        return np.random.default_rng([self.seed, draws])

    def cloud(self, estimate: Estimate) -> Cloud:
        """Return the samples of an estimate; drawn from its mean and covariance if it has none."""
        if isinstance(estimate, SampledEstimate) and estimate.samples.size:
            return Cloud(estimate.samples, estimate.sampled_algebraics, estimate.weights, estimate.draws)
        n, count = len(estimate.vector), self.samples
        drawn = self.random(0).standard_normal((n, count))
        x = estimate.vector[:, None] + factor(estimate.covariance) @ drawn
        z = np.repeat(estimate.algebraics[:, None], count, axis=1)
        return Cloud(self.placed(x), z, np.full(count, 1.0 / count), 1)

    def placed(self, x: Array) -> Array:
        """Return samples within the bounds, as far as `constraint` asks."""
        return self.constraint.members(x, self.plan.low, self.plan.high)

    def estimated(
        self, time: float, cloud: Cloud, readings: tuple[Any, ...] = (), nis: float = math.nan
    ) -> SampledEstimate:
        """Return the estimate that consists of these samples."""
        mean, covariance = moments(cloud.x, cloud.weights)
        made = self.make(time, mean, covariance, cloud.z @ cloud.weights, readings, nis)
        for array in (cloud.x, cloud.z, cloud.weights):
            array.setflags(write=False)
        known = {f.name: getattr(made, f.name) for f in fields(Estimate)}
        carried = {"samples": cloud.x, "weights": cloud.weights, "sampled_algebraics": cloud.z, "draws": cloud.draws}
        return SampledEstimate(**known, **carried)

    def moved(self, estimate: Estimate, end: float) -> SampledEstimate:
        """Return the estimate at a later time, without readings."""
        begin = self.renewed(self.cloud(estimate))
        return self.estimated(end, stepped(self, estimate.time, end, begin, self._noisy(self.plan.noise)))

    def _noisy(self, noise: Array) -> Callable[[float, float, Cloud], tuple[Cloud, float]]:
        """Return how all samples go one sub-step on."""
        modes, parameters = self.constants
        disturbed = np.flatnonzero(noise > 0)

        def attempt(t: float, h: float, cloud: Cloud) -> tuple[Cloud, float]:
            count = cloud.x.shape[1]
            # The same numbers whatever the step: a step tried again does not choose among draws.
            before, after = self.random(cloud.draws).standard_normal((2, len(disturbed), count))
            size = (noise[disturbed] * math.sqrt(0.5 * h))[:, None]
            x = cloud.x.copy()
            x[disturbed] += size * before
            arguments = (t, h, self.placed(x), cloud.z, self.given.piece(t, h), modes, parameters)
            x, z, errors = self.moves.flows(count)(*arguments)
            x[disturbed] += size * after
            return Cloud(self.placed(x), z, cloud.weights, cloud.draws + 1), float(np.max(errors))

        return attempt

    def seen(self, time: float, cloud: Cloud) -> Array:
        """Return states, algebraic variables and outputs of every sample, ``(rows, count)``."""
        modes, parameters = self.constants
        return self.functions.views(cloud.x.shape[1])(time, cloud.x, cloud.z, self.given.at(time), modes, parameters)[0]

    def output(self, estimate: Estimate, name: str, coverage: float = 0.95) -> Prediction:
        """Return a quantity with its uncertainty: mean, standard deviation and quantiles of the samples."""
        if not 0.0 < coverage < 1.0:
            raise InvalidValueError(f"coverage is a fraction between 0 and 1, not {coverage!r}")
        cloud, plan = self.cloud(estimate), self.plan
        if name in plan.labels:
            k = plan.labels.index(name)
            values, unit = cloud.x[k], plan.units[k]
        else:
            place = position(self.begun, name)
            values, unit = self.seen(estimate.time, cloud)[self.row(place)], place.unit
        mean, covariance = moments(values[None], cloud.weights)
        low, high = quantiles(values, cloud.weights, (0.5 - coverage / 2, 0.5 + coverage / 2))
        std = math.sqrt(float(covariance[0, 0]))
        return Prediction(float(mean[0]), std, unit, (low, high), coverage, made_by=self.content_hash)
