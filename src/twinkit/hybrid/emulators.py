"""Functions from a unit cube to a few coefficients, learned from a table: what a surrogate is made of.

They are written in any mathematics, so that a surrogate is a model too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, MissingDependencyError
from twinkit.core.maths import Maths
from twinkit.hybrid.gaussian_process import GaussianProcess, fit_gaussian_process
from twinkit.hybrid.terms import polynomial_size
from twinkit.readings.numeric import NUMERIC

Array = npt.NDArray[np.float64]
_RIDGE = 1e-8


class Emulated(ABC):
    """A trained function."""

    @abstractmethod
    def many(self, u: Array) -> Array:
        """Return coefficients ``(n, coefficients)`` at points ``(n, inputs)``, each input between -1 and 1."""

    @abstractmethod
    def one(self, u: list[Any], m: Maths) -> Any:
        """Return the coefficients at one point as a vector, in the mathematics `m`."""


class Emulator(ABC):
    """A kind of function to train."""

    @abstractmethod
    def trained(self, u: Array, y: Array, seed: int) -> Emulated:
        """Train on points ``(n, inputs)`` between -1 and 1 and coefficients ``(n, coefficients)``."""


def _powers(inputs: int, degree: int) -> npt.NDArray[np.int_]:
    """Return all exponents of a total degree, ``(terms, inputs)``."""
    rows = np.zeros((1, 0), dtype=int)
    for _ in range(inputs):
        rows = np.concatenate(
            [np.column_stack([kept, np.full(len(kept), k)]) for k in range(degree + 1)
             for kept in (rows[rows.sum(axis=1) + k <= degree],)]
        )  # fmt: skip
    return rows


def _chebyshev(u: Any, degree: int) -> list[Any]:
    """Return the Chebyshev polynomials of one variable."""
    found = [1.0 + 0.0 * u, u]
    while len(found) <= degree:
        found.append(2.0 * u * found[-1] - found[-2])
    return found


@dataclass(frozen=True, eq=False)
class EmulatedChebyshev(Emulated):
    """Products of Chebyshev polynomials with a total degree."""

    powers: npt.NDArray[np.int_]
    weights: Array

    def features(self, u: Array) -> Array:
        """Return the products ``(n, terms)``."""
        table = np.array(_chebyshev(u, int(self.powers.max(initial=1))))
        found = np.ones((len(u), len(self.powers)))
        for i in range(u.shape[1]):
            found *= table[self.powers[:, i], :, i].T
        return found

    def many(self, u: Array) -> Array:
        """Return coefficients of many points."""
        return self.features(u) @ self.weights

    def one(self, u: list[Any], m: Maths) -> Any:
        """Return the coefficients of one point."""
        tables = [_chebyshev(each, int(self.powers.max(initial=1))) for each in u]
        products: list[Any] = []
        for row in self.powers:
            product: Any = tables[0][0]
            for i in np.flatnonzero(row):
                product = product * tables[i][row[i]]
            products.append(product)
        return m.matvec(self.weights.T, m.concatenate(products))


@dataclass(frozen=True)
class Chebyshev(Emulator):
    """Least squares in Chebyshev polynomials: trained at once, good for few inputs and smooth models.

    Parameters
    ----------
    degree
        Total degree; lowered if there are too few runs for its terms.
    """

    degree: int = 4

    def __post_init__(self) -> None:
        if not (isinstance(self.degree, int) and self.degree >= 1):
            raise InvalidValueError(f"the degree of a polynomial is a whole number from 1 on, not {self.degree!r}")

    def trained(self, u: Array, y: Array, seed: int) -> EmulatedChebyshev:
        """Solve the normal equations."""
        del seed
        degree = self.degree
        while degree > 1 and polynomial_size(u.shape[1], degree) > len(u) / 2:
            degree -= 1
        powers = _powers(u.shape[1], degree)
        a = EmulatedChebyshev(powers, np.empty(0)).features(u)
        normal = a.T @ a + _RIDGE * len(a) * np.eye(len(powers))
        return EmulatedChebyshev(powers, np.asarray(np.linalg.solve(normal, a.T @ y), dtype=np.float64))


@dataclass(frozen=True, eq=False)
class EmulatedNetwork(Emulated):
    """A polynomial, and a network with two hidden layers for what it leaves."""

    polynomial: EmulatedChebyshev
    layers: tuple[tuple[Array, Array], ...]

    def many(self, u: Array) -> Array:
        """Return coefficients of many points."""
        z = u
        for weights, bias in self.layers[:-1]:
            z = np.tanh(z @ weights + bias)
        weights, bias = self.layers[-1]
        return self.polynomial.many(u) + z @ weights + bias

    def one(self, u: list[Any], m: Maths) -> Any:
        """Return the coefficients of one point."""
        z: Any = m.concatenate(u)
        for weights, bias in self.layers[:-1]:
            z = m.tanh(m.matvec(weights.T, z) + m.concatenate(bias.tolist()))
        weights, bias = self.layers[-1]
        return self.polynomial.one(u, m) + m.matvec(weights.T, z) + m.concatenate(bias.tolist())


@dataclass(frozen=True)
class ChebyshevNetwork(Emulator):
    """A polynomial, and a network trained by JAX for what it leaves (extra ``jax``).

    Parameters
    ----------
    degree
        Total degree of the polynomial.
    hidden
        Units of each of the two hidden layers.
    steps
        Steps of Adam (Kingma & Ba 2015, arXiv:1412.6980), on all runs, with a rate that falls like a cosine.
    """

    degree: int = 2
    hidden: int = 48
    steps: int = 1200

    def __post_init__(self) -> None:
        for name in ("degree", "hidden", "steps"):
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= 1):
                raise InvalidValueError(f"{name} is a whole number from 1 on, not {getattr(self, name)!r}")

    def trained(self, u: Array, y: Array, seed: int) -> EmulatedNetwork:
        """Fit the polynomial, then the network."""
        polynomial = Chebyshev(self.degree).trained(u, y, seed)
        rest = y - polynomial.many(u)
        scale = float(rest.std()) or 1.0
        layers = [(np.asarray(w, dtype=np.float64), np.asarray(b, dtype=np.float64)) for w, b in
                  _trained_by_jax(u, rest / scale, self.hidden, self.steps, seed)]  # fmt: skip
        weights, bias = layers[-1]
        return EmulatedNetwork(polynomial, (*layers[:-1], (weights * scale, bias * scale)))


def _trained_by_jax(u: Array, y: Array, hidden: int, steps: int, seed: int) -> Any:
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        raise MissingDependencyError.for_package("jax", "jax", "Training a network as a surrogate") from None
    random = np.random.default_rng(seed)
    sizes = (u.shape[1], hidden, hidden, y.shape[1])
    gains = (1.5, 1.0, 0.1)
    start = [
        (jnp.asarray(gain * random.standard_normal((a, b)) / np.sqrt(a), jnp.float32), jnp.zeros(b, jnp.float32))
        for a, b, gain in zip(sizes[:-1], sizes[1:], gains, strict=True)
    ]
    x, target = jnp.asarray(u, jnp.float32), jnp.asarray(y, jnp.float32)

    def loss(layers: Any) -> Any:
        z = x
        for weights, bias in layers[:-1]:
            z = jnp.tanh(z @ weights + bias)
        weights, bias = layers[-1]
        return jnp.mean(jnp.sum((z @ weights + bias - target) ** 2, axis=1))

    slope = jax.grad(loss)

    def step(k: Any, state: Any) -> Any:
        layers, first, second = state
        rate = 5e-3 * (1.0 + jnp.cos(jnp.pi * k / steps))
        g = slope(layers)
        first = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, first, g)
        second = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b * b, second, g)
        one, two = 1.0 - 0.9 ** (k + 1.0), 1.0 - 0.999 ** (k + 1.0)
        moved = jax.tree.map(lambda w, a, b: w - rate * a / one / (jnp.sqrt(b / two) + 1e-8), layers, first, second)
        return moved, first, second

    nothing = jax.tree.map(jnp.zeros_like, start)
    return jax.jit(lambda state: jax.lax.fori_loop(0, steps, step, state))((start, nothing, nothing))[0]


@dataclass(frozen=True, eq=False)
class EmulatedProcesses(Emulated):
    """One Gaussian process for each coefficient."""

    processes: tuple[GaussianProcess, ...]

    def many(self, u: Array) -> Array:
        """Return coefficients of many points."""
        return np.column_stack([self._means(process, u) for process in self.processes])

    @staticmethod
    def _means(process: GaussianProcess, u: Array) -> Array:
        scaled, points = u / process.lengths, process.points / process.lengths
        r2 = np.sum(scaled**2, axis=1)[:, None] + np.sum(points**2, axis=1) - 2.0 * scaled @ points.T
        k = process.kernel.of_squared_distance(np.maximum(r2, 0.0), NUMERIC)
        return process.level + process.amplitude * (k @ process.weights)

    def one(self, u: list[Any], m: Maths) -> Any:
        """Return the coefficients of one point."""
        return m.concatenate([process.mean(u, m) for process in self.processes])


@dataclass(frozen=True)
class GaussianProcesses(Emulator):
    """Gaussian process emulators, trained by GPyTorch (extra ``hybrid``): for few runs of a costly model.

    Parameters
    ----------
    rows
        Most runs to train with; time grows as their cube.
    iterations
        Steps of the optimiser.
    """

    rows: int = 300
    iterations: int = 150

    def trained(self, u: Array, y: Array, seed: int) -> EmulatedProcesses:
        """Train one process per coefficient."""
        return EmulatedProcesses(
            fit_gaussian_process(
                u[: self.rows], y[: self.rows], iterations=self.iterations, random_state=seed, progress=False
            )
        )
