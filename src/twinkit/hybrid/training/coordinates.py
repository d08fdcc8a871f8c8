"""What is learned, as one vector: parameters of the mechanism, and the coordinates of every learned term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import block_diag

from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.model import Model
from twinkit.hybrid.learners import Basis
from twinkit.hybrid.posterior import Posterior

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FreeParameter:
    """A parameter of the mechanism that is learned too.

    Attributes
    ----------
    name
        Full name.
    column
        Position in the flat parameter vector.
    mean, std
        Prior of its coordinate: its logarithm where it is positive, else itself.
    logarithmic
        Whether the coordinate is the logarithm.
    """

    name: str
    column: int
    mean: float
    std: float
    logarithmic: bool

    def value(self, coordinate: float) -> float:
        """Return the parameter."""
        return float(np.exp(coordinate)) if self.logarithmic else coordinate

    def slope(self, coordinate: float) -> float:
        """Return the derivative of the parameter in its coordinate."""
        return float(np.exp(coordinate)) if self.logarithmic else 1.0


def free_parameters(model: Model, chosen: Any, terms: Sequence[str]) -> tuple[FreeParameter, ...]:
    """Return the parameters of the mechanism to learn.

    Parameters
    ----------
    model
        The model; its values are the prior means.
    chosen
        None (none), names, or name -> relative standard deviation of the prior.
    terms
        Prefixes of the learned terms: their parameters are not free in this sense.
    """
    layout = model.layout.parameters
    stds: Mapping[str, float] = chosen if isinstance(chosen, Mapping) else dict.fromkeys(chosen or (), 1.0)
    names = [entry.name for entry in layout if entry.size is None and not entry.name.startswith(tuple(terms))]
    found: list[FreeParameter] = []
    for name, std in stds.items():
        if name not in names:
            raise unknown_name("parameter", name, names, type(model).__name__)
        if not (np.isfinite(std) and std > 0):
            raise InvalidValueError(f"the prior standard deviation of {name!r} must be positive, not {std!r}")
        entry, value = layout[name], float(model.parameters[name])
        low = entry.variable.bounds[0]
        positive = value > 0 and low is not None and float(low) >= 0
        scale = 1.0 if positive else abs(value) or float(entry.variable.scale)
        found.append(
            FreeParameter(name, entry.start, float(np.log(value)) if positive else value, float(std) * scale, positive)
        )
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Learned:
    """One learned term: where its weights are, and the basis it is placed on.

    Attributes
    ----------
    name
        Full name of the sub-model.
    columns
        Positions of its weights in the flat parameter vector.
    basis
        Its function, with a prior.
    """

    name: str
    columns: tuple[int, ...]
    basis: Basis


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The vector that is learned: free parameters first, then each term's coordinates.

    Attributes
    ----------
    free
        Parameters of the mechanism.
    terms
        Learned terms.
    hyper
        Hyperparameters of each term.
    """

    free: tuple[FreeParameter, ...]
    terms: tuple[Learned, ...]
    hyper: tuple[Array, ...]

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Place of each term's coordinates in the vector."""
        ends = len(self.free) + np.cumsum([0, *(len(term.columns) for term in self.terms)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @property
    def columns(self) -> tuple[int, ...]:
        """Positions of everything learned in the flat parameter vector."""
        return (*(item.column for item in self.free), *(c for term in self.terms for c in term.columns))

    @property
    def mean(self) -> Array:
        """Prior mean of the vector."""
        tails = [t.basis.mean(h) for t, h in zip(self.terms, self.hyper, strict=True)]
        return np.concatenate([[item.mean for item in self.free], *tails])

    def with_hyper(self, hyper: Sequence[Array]) -> Coordinates:
        """Return the same coordinates with other hyperparameters."""
        return replace(self, hyper=tuple(hyper))

    @cached_property
    def factor(self) -> Array:
        """Square root of the prior covariance, block by block."""
        blocks = [np.diag([item.std for item in self.free])] if self.free else []
        blocks += [np.linalg.cholesky(t.basis.covariance(h)) for t, h in zip(self.terms, self.hyper, strict=True)]
        return _blocks(blocks)

    @cached_property
    def _to_weights(self) -> list[Array]:
        return [term.basis.weights(hyper) for term, hyper in zip(self.terms, self.hyper, strict=True)]

    def values(self, theta: Array) -> Array:
        """Return what `columns` hold, ``(len(columns),)`` or ``(members, len(columns))``."""
        theta = np.asarray(theta)
        head = [np.exp(theta[..., k]) if item.logarithmic else theta[..., k] for k, item in enumerate(self.free)]
        tail = [theta[..., part] @ w.T for part, w in zip(self.slices, self._to_weights, strict=True)]
        return np.concatenate([theta[..., :0], *(column[..., None] for column in head), *tail], axis=-1)

    def chained(self, derivatives: Array, theta: Array) -> Array:
        """Turn derivatives in `columns` (last axis) into derivatives in the vector."""
        count = len(self.free)
        slopes = np.array([item.slope(float(theta[k])) for k, item in enumerate(self.free)])
        parts = [derivatives[..., :count] * slopes.reshape(count)]
        parts += [derivatives[..., s] @ w for s, w in zip(self.slices, self._to_weights, strict=True)]
        return np.concatenate(parts, axis=-1)

    def posterior(self, theta: Array, factor: Array) -> Posterior:
        """Return a Gaussian in the coordinates as one in the parameters of the model.

        Beside learned terms, parameters are not taken by their logarithm: a rate is linear in most of them and in the
        weights of an added term, so that what one takes the other gives back, however far a draw goes.
        """
        natural = bool(self.terms)
        logs = [item.logarithmic and not natural for item in self.free]
        slopes = [item.slope(float(theta[k])) if natural else 1.0 for k, item in enumerate(self.free)]
        blocks = [np.diag(slopes), *self._to_weights] if slopes else self._to_weights
        change = _blocks(blocks)
        mean = self.values(theta) if natural else theta
        return Posterior(
            (*(item.name for item in self.free), *(f"{term.name}.weights" for term in self.terms)),
            (*logs, *(False for _ in self.terms)),
            (*(item.logarithmic and natural for item in self.free), *(False for _ in self.terms)),
            (*(1 for _ in self.free), *(len(term.columns) for term in self.terms)),
            mean, change @ factor,
        )  # fmt: skip

    def settings(self, theta: Array) -> dict[str, Any]:
        """Return model values by full name: free parameters, and everything of the terms."""
        values = self.values(theta)
        changes: dict[str, Any] = {item.name: float(values[k]) for k, item in enumerate(self.free)}
        for term, part, hyper in zip(self.terms, self.slices, self.hyper, strict=True):
            changes |= {f"{term.name}.{key}": value for key, value in term.basis.settings(hyper).items()}
            changes[f"{term.name}.weights"] = values[part]
        return changes


def _blocks(blocks: Sequence[Array]) -> Array:
    return np.asarray(block_diag(*blocks), dtype=np.float64) if blocks else np.zeros((0, 0))
