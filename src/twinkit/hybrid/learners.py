"""What kind of function is learned for a rate, and what is believed of it before any data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError
from twinkit.core.model import Model
from twinkit.hybrid.terms import (
    GaussianProcessTerm,
    Kernel,
    NeuralNetworkTerm,
    PolynomialTerm,
    polynomial_size,
    squared_distances,
)
from twinkit.readings.numeric import NUMERIC

Array = npt.NDArray[np.float64]
JITTER = 1e-6
"""Added to the diagonal of the kernel between points."""


@dataclass(frozen=True, eq=False)
class Basis(ABC):
    """A learner placed on data: a function of coordinates ``u`` with a Gaussian prior that depends on `hyper`.

    Attributes
    ----------
    center, spread
        Of the inputs, ``(inputs,)``.
    amplitude
        Typical size of the value before anything is learned.
    """

    center: Array
    spread: Array
    amplitude: float

    @property
    @abstractmethod
    def hyper(self) -> tuple[Array, Array]:
        """First guess of the logarithms of the hyperparameters, and their prior standard deviations."""

    @abstractmethod
    def covariance(self, hyper: Array) -> Array:
        """Return the prior covariance of the coordinates."""

    @abstractmethod
    def weights(self, hyper: Array) -> Array:
        """Return the matrix that turns coordinates into the term's weights."""

    @abstractmethod
    def settings(self, hyper: Array) -> dict[str, Any]:
        """Return the term's parameters other than its weights."""

    def mean(self, hyper: Array) -> Array:
        """Return the prior mean of the coordinates."""
        return np.zeros(len(self.covariance(hyper)))

    def start(self, hyper: Array, random: np.random.Generator) -> Array:
        """Return coordinates to start from."""
        del random
        return self.mean(hyper)


class Learner(ABC):
    """A kind of function that can be learned."""

    @abstractmethod
    def term(self, inputs: int) -> Model:
        """Return the untrained term of so many inputs; it is zero."""

    @abstractmethod
    def placed(self, x: Array, amplitude: float, random: np.random.Generator) -> Basis:
        """Return the function placed on inputs ``(samples, inputs)`` that are typical of its use."""


def spread_of(x: Array) -> tuple[Array, Array]:
    """Return centre and spread of inputs; an input that never changes has spread 1 (or its own size)."""
    center = x.mean(axis=0)
    spread = x.std(axis=0)
    constant = spread <= 1e-9 * (1e-12 + np.abs(center))
    return center, np.where(constant, np.maximum(np.abs(center), 1.0), spread)


# ------------------------------------------------------------------------------------------- Gaussian process


@dataclass(frozen=True)
class InducingGP(Learner):
    """Gaussian process on inducing points.

    Parameters
    ----------
    points
        Number of inducing points; None: 12 for one input, and 8 more for every other.
    kernel
        Covariance function.
    length
        First guess of the kernel lengths, in standard deviations of the (warped) inputs; they are learned.
    softening
        First guess of the softening, in standard deviations of the inputs; it is learned (see `GaussianProcessTerm`).
    reach
        How far the points reach, as a multiple of the spread of the data about its centre.
    """

    points: int | None = None
    kernel: Kernel = Kernel.MATERN52
    length: float = 2.0
    softening: float = 0.5
    reach: float = 1.5

    def __post_init__(self) -> None:
        if self.points is not None and self.points < 1:
            raise InvalidValueError(f"a Gaussian process needs at least one point, not {self.points}")
        for name in ("length", "softening", "reach"):
            if not getattr(self, name) > 0:
                raise InvalidValueError(f"{name} must be positive, not {getattr(self, name)!r}")

    def term(self, inputs: int) -> Model:
        """Return the untrained term."""
        count = 4 + 8 * inputs if self.points is None else self.points
        return GaussianProcessTerm(n_inputs=inputs, n_points=count, n_coordinates=inputs * count, kernel=self.kernel)

    def placed(self, x: Array, amplitude: float, random: np.random.Generator) -> Basis:
        """Put the points where the inputs are, and beyond."""
        center, spread = spread_of(x)
        soft = self.softening * spread
        bent = np.arcsinh(x / soft)
        middle, size = spread_of(bent)
        # Points beyond the data too: what is not known there is then uncertain, not absent.
        beyond = middle + self.reach * (bent - middle)
        beyond = np.where(x.min(axis=0) >= 0, np.maximum(beyond, 0.0), beyond)
        cloud = (np.concatenate([bent, beyond]) - middle) / size
        count = (4 + 8 * x.shape[1]) if self.points is None else self.points
        points = np.sinh(middle + size * _spaced(cloud, count, random)) * soft
        return _PointBasis(center, spread, amplitude, x, points, self)


def _spaced(x: Array, count: int, random: np.random.Generator) -> Array:
    """Return points spread over a cloud: from its middle on, each the farthest from those before it."""
    jittered = x + 1e-6 * random.standard_normal(x.shape)
    if len(jittered) < count:
        more = random.integers(0, len(x), count - len(x))
        jittered = np.concatenate([jittered, x[more] + 0.1 * random.standard_normal((len(more), x.shape[1]))])
    chosen = [int(np.argmin(np.sum((jittered - jittered.mean(axis=0)) ** 2, axis=1)))]
    distance = np.sum((jittered - jittered[chosen[0]]) ** 2, axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.sum((jittered - jittered[chosen[-1]]) ** 2, axis=1))
    return np.asarray(jittered[chosen], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _PointBasis(Basis):
    x: Array
    points: Array
    learner: InducingGP

    @property
    def hyper(self) -> tuple[Array, Array]:
        count = len(self.spread)
        guess = [
            [np.log(self.amplitude)],
            [np.log(self.learner.length)] * count,
            [np.log(self.learner.softening)] * count,
        ]
        return np.concatenate(guess), np.concatenate([[1.0], np.full(count, 0.7), np.full(count, 1.0)])

    def _scales(self, hyper: Array) -> tuple[Array, Array]:
        """Return softening and lengths."""
        count = len(self.spread)
        soft = np.exp(hyper[1 + count :]) * self.spread
        return soft, np.exp(hyper[1 : 1 + count]) * spread_of(np.arcsinh(self.x / soft))[1]

    def correlation(self, hyper: Array) -> Array:
        """Return the kernel between the points, with a little added to its diagonal."""
        soft, lengths = self._scales(hyper)
        bent = np.arcsinh(self.points / soft)
        r2 = squared_distances(bent.T[:, :, None], bent.T[:, None, :], lengths)
        return self.learner.kernel.of_squared_distance(r2, NUMERIC) + JITTER * np.eye(len(bent))

    def covariance(self, hyper: Array) -> Array:
        return np.exp(2 * hyper[0]) * self.correlation(hyper)

    def weights(self, hyper: Array) -> Array:
        return np.asarray(np.linalg.inv(self.correlation(hyper)), dtype=np.float64)

    def settings(self, hyper: Array) -> dict[str, Any]:
        soft, lengths = self._scales(hyper)
        scaled = np.arcsinh(self.points / soft) / lengths
        return {"points": scaled.T.ravel(), "lengths": lengths, "softening": soft}


# ------------------------------------------------------------------------------------- polynomial and network


@dataclass(frozen=True)
class Polynomial(Learner):
    """Polynomial of first or second degree."""

    degree: int = 1

    def __post_init__(self) -> None:
        if self.degree not in (1, 2):
            raise InvalidValueError(f"the degree of a polynomial term is 1 or 2, not {self.degree!r}")

    def term(self, inputs: int) -> Model:
        """Return the untrained term."""
        return PolynomialTerm(n_inputs=inputs, degree=self.degree, n_weights=polynomial_size(inputs, self.degree))

    def placed(self, x: Array, amplitude: float, random: np.random.Generator) -> Basis:
        """Centre and scale the inputs."""
        del random
        return _WeightBasis(*spread_of(x), amplitude, polynomial_size(x.shape[1], self.degree))


@dataclass(frozen=True)
class NeuralNetwork(Learner):
    """Network with one hidden layer."""

    hidden: int = 6

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise InvalidValueError(f"a network needs at least one hidden unit, not {self.hidden}")

    def term(self, inputs: int) -> Model:
        """Return the untrained term."""
        return NeuralNetworkTerm(n_inputs=inputs, n_hidden=self.hidden, n_weights=self.hidden * (inputs + 2))

    def placed(self, x: Array, amplitude: float, random: np.random.Generator) -> Basis:
        """Centre and scale the inputs."""
        del random
        return _NetworkBasis(*spread_of(x), amplitude, self.hidden * (x.shape[1] + 2), self.hidden)


@dataclass(frozen=True, eq=False)
class _WeightBasis(Basis):
    count: int

    @property
    def hyper(self) -> tuple[Array, Array]:
        return np.array([np.log(self.amplitude)]), np.array([1.0])

    def covariance(self, hyper: Array) -> Array:
        return np.exp(2 * hyper[0]) * np.eye(self.count)

    def weights(self, hyper: Array) -> Array:
        del hyper
        return np.eye(self.count)

    def settings(self, hyper: Array) -> dict[str, Any]:
        del hyper
        return {"center": self.center, "lengths": self.spread}


@dataclass(frozen=True, eq=False)
class _NetworkBasis(_WeightBasis):
    hidden: int

    @property
    def hyper(self) -> tuple[Array, Array]:
        # The weights' prior is fixed: their scale is not identified beside that of the value.
        return np.zeros(1), np.array([1e-6])

    def settings(self, hyper: Array) -> dict[str, Any]:
        return {**super().settings(hyper), "amplitude": self.amplitude}

    def start(self, hyper: Array, random: np.random.Generator) -> Array:
        del hyper
        u = random.standard_normal(self.count)
        u[-self.hidden :] *= 0.1
        return u


def learner_for(given: Any, rate: str) -> Learner:
    """Return the learner of a rate from what the user gave: one for all, or one per rate."""
    if isinstance(given, Mapping):
        given = cast("Mapping[str, Any]", given).get(rate, InducingGP())
    if not isinstance(given, Learner):
        raise InvalidValueError(f"a term is learned by InducingGP(), Polynomial() or NeuralNetwork(), not {given!r}")
    return given


def learner_of(term: Model) -> Learner:
    """Return the learner whose term this is.

    Raises
    ------
    InvalidValueError
        If the term is of a class of somebody else's.
    """
    if isinstance(term, GaussianProcessTerm):
        return InducingGP(points=term.n_points, kernel=term.kernel)
    if isinstance(term, PolynomialTerm):
        return Polynomial(term.degree)
    if isinstance(term, NeuralNetworkTerm):
        return NeuralNetwork(term.n_hidden)
    raise InvalidValueError(f"HybridModel cannot train a {type(term).__name__}: use the terms of tk.hybrid")
