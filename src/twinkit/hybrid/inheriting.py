"""What a fitted model leaves to a model of another product or scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from twinkit.core.applicability import learned_terms
from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.model import Model
from twinkit.hybrid.domain import Domain
from twinkit.hybrid.learners import JITTER, Basis
from twinkit.hybrid.terms import GaussianProcessTerm, squared_distances
from twinkit.readings.numeric import NUMERIC

if TYPE_CHECKING:
    from twinkit.hybrid.model import HybridModel

Array = npt.NDArray[np.float64]
_DIFFERENCE = 0.3  # how much another product is expected to differ, as a share of the parent's own prior


@dataclass(frozen=True, eq=False)
class Inherited:
    """One term as a parent learned it.

    Attributes
    ----------
    weights, factor
        Mean of its weights, and a square root of their covariance ``(weights, learned)``.
    amplitude
        Prior standard deviation of its value.
    settings
        Its parameters other than the weights.
    domain
        Inputs it was trained on, if any.
    """

    weights: Array
    factor: Array
    amplitude: float
    settings: Mapping[str, Any]
    domain: Domain | None

    def basis(self, term: Model) -> Basis:
        """Return the prior this gives a term."""
        correlation = _correlation(term.with_(self.settings))
        center = np.zeros(term.values_of("n_inputs") if hasattr(term, "n_inputs") else 1)
        return _InheritedBasis(center, center + 1.0, self.amplitude, self, correlation)


@dataclass(frozen=True, eq=False)
class Inheritance:
    """What a parent leaves.

    Attributes
    ----------
    parent
        Its content hash.
    terms
        Term -> what it learned.
    """

    parent: str
    terms: Mapping[str, Inherited]


@dataclass(frozen=True, eq=False)
class _InheritedBasis(Basis):
    """Coordinates are values of the function at the parent's points; their prior is the parent's posterior, widened."""

    left: Inherited
    correlation: Array

    @property
    def hyper(self) -> tuple[Array, Array]:
        return np.array([np.log(_DIFFERENCE * self.amplitude)]), np.array([1.0])

    def mean(self, hyper: Array) -> Array:
        del hyper
        return self.correlation @ self.left.weights

    def covariance(self, hyper: Array) -> Array:
        known = self.correlation @ self.left.factor
        return known @ known.T + np.exp(2 * hyper[0]) * self.correlation

    def weights(self, hyper: Array) -> Array:
        del hyper
        return np.asarray(np.linalg.inv(self.correlation), dtype=np.float64)

    def settings(self, hyper: Array) -> dict[str, Any]:
        del hyper
        return dict(self.left.settings)


def _correlation(term: Any) -> Array:
    """Return the kernel between a Gaussian process's points; for other terms weights are independent."""
    if not isinstance(term, GaussianProcessTerm):
        return np.eye(len(term.weights))
    points = np.reshape(term.points, (term.n_inputs, term.n_points))
    r2 = squared_distances(points[:, :, None], points[:, None, :], [1.0] * term.n_inputs)
    return term.kernel.of_squared_distance(r2, NUMERIC) + JITTER * np.eye(term.n_points)


def inheritance_of(parent: HybridModel) -> Inheritance:
    """Return what a fitted model leaves."""
    trained = parent.trained_
    posterior = trained.posterior
    ends = np.cumsum([0, *posterior.sizes])
    left: dict[str, Inherited] = {}
    for name, term in learned_terms(trained.model).items():
        if f"{name}.weights" not in posterior.names:
            continue
        place = posterior.names.index(f"{name}.weights")
        rows = slice(int(ends[place]), int(ends[place + 1]))
        settings = {key: value for key, value in term.parameters.items() if key != "weights"}
        left[name] = Inherited(
            posterior.mean[rows], posterior.factor[rows], float(trained.hyper[name][0]), settings,
            trained.domains.get(name),
        )  # fmt: skip
    if not left:
        raise InvalidValueError("this model has learned no term that could be transferred")
    return Inheritance(parent.content_hash, left)


def handed_on(parent: Model, to: Model) -> Model:
    """Return a model with the terms of another: its own if it has the same, else those of the parent."""
    if not isinstance(to, Model):
        raise InvalidValueError(f"transfer(to=...) needs a model, not {to!r}")
    units = to.named_rates
    for path, part in parent.walk():
        if not part.corrections:
            continue
        own = dict(to.walk()).get(path)
        if own is None:
            raise unknown_name("sub-model", path.rstrip("."), [p.rstrip(".") for p, _ in to.walk()], "the new model")
        if own.corrections:
            if {**own.corrections} != {**part.corrections}:
                raise InvalidValueError("the new model has other learned terms than the parent: give one with none")
            continue
        for correction in part.corrections.values():
            rate = path + correction.rate
            if rate not in units:
                raise unknown_name("rate", rate, units, "the new model (what the parent's term corrects)")
            if units[rate] != correction.unit:
                raise InvalidValueError(
                    f"the rate {rate!r} is in {units[rate]!r} in the new model, in {correction.unit!r} in the parent"
                )
        grown = own.with_terms({c: part.submodels[c.name] for c in part.corrections.values()})
        to = grown if not path else to.with_({path.rstrip("."): grown})
    return to
