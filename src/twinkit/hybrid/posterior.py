"""What was learned, as a Gaussian over parameters of the model: enough to run it, without what it was trained with."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.identity import digest
from twinkit.core.model import Model
from twinkit.core.uncertainty import check_centre

Array = npt.NDArray[np.float64]
_FLOOR = 0.01


@dataclass(frozen=True, eq=False)
class Posterior:
    """A Gaussian over parameters of the mechanism and weights of learned terms, in one vector.

    A draw is one function for the whole run (pathwise): it is never drawn anew on the way.

    Attributes
    ----------
    names
        Parameters of the model, in order; vectors count with all their elements.
    logarithmic
        For each name, whether its coordinate is the logarithm.
    positive
        For each name, whether values below 1 % of the centre are raised to it.
    sizes
        Length of each.
    mean
        Centre, ``(n,)``.
    factor
        Square root of the covariance, ``(n, n)``.
    bounds
        For each name, the model's bounds: no value lies outside.
    """

    names: tuple[str, ...]
    logarithmic: tuple[bool, ...]
    positive: tuple[bool, ...]
    sizes: tuple[int, ...]
    mean: Array
    factor: Array
    bounds: tuple[tuple[float, float], ...]

    @cached_property
    def _logs(self) -> npt.NDArray[np.bool_]:
        return np.repeat(np.array(self.logarithmic, dtype=bool), self.sizes)

    @property
    def std(self) -> Array:
        """Standard deviations of the coordinates."""
        return np.sqrt(np.sum(self.factor**2, axis=1))

    @property
    def content_hash(self) -> str:
        """SHA-256 of all of it."""
        return digest([getattr(self, entry.name) for entry in fields(self)])

    def columns(self, model: Model) -> tuple[int, ...]:
        """Return positions in the flat parameter vector of a model."""
        layout = model.layout.parameters
        return tuple(
            c for name in self.names for c in range(layout[name].start, layout[name].start + layout[name].width)
        )

    def values(self, theta: Array) -> Array:
        """Return parameters from coordinates, ``(..., n)``."""
        theta = np.asarray(theta)
        floor = np.where(np.repeat(np.array(self.positive, dtype=bool), self.sizes), _FLOOR * self.mean, -np.inf)
        low, high = np.repeat(np.reshape(self.bounds, (-1, 2)), self.sizes, axis=0).T
        made = np.where(self._logs, np.exp(np.where(self._logs, theta, 0.0)), np.maximum(theta, floor))
        return np.clip(made, low, high)

    def chained(self, derivatives: Array, theta: Array) -> Array:
        """Turn derivatives in the parameters (last axis) into derivatives in the coordinates."""
        return derivatives * np.where(self._logs, np.exp(np.where(self._logs, theta, 0.0)), 1.0)

    def settings(self, theta: Array) -> dict[str, Any]:
        """Return parameters by name."""
        ends = np.cumsum([0, *self.sizes])
        values = self.values(theta)
        return {
            name: float(values[a]) if b - a == 1 and not name.endswith(".weights") else values[a:b]
            for name, a, b in zip(self.names, ends[:-1], ends[1:], strict=True)
        }

    def drawn(self, count: int, random: np.random.Generator) -> Array:
        """Draw coordinates, ``(count, n)``."""
        return self.mean + random.standard_normal((count, len(self.mean))) @ self.factor.T

    def directions(self, model: Model) -> tuple[tuple[int, ...], Array]:
        """Return positions and factor at the centre, in the model's units; see `ParameterUncertainty`."""
        slopes, positions = self.chained(np.ones_like(self.mean), self.mean), self.columns(model)
        factor = slopes[:, None] * self.factor
        check_centre(model, positions, self.values(self.mean), np.sqrt(np.sum(factor**2, axis=1)))
        return positions, factor

    def draw(self, model: Model, *, count: int, seed: int) -> dict[str, Array]:
        """Draw values for `tk.ensemble`: name -> ``(count,)``, of vectors ``(count, size)``; see `drawn`."""
        values = self.values(self.drawn(count, np.random.default_rng(seed)))
        parts = np.split(values, np.cumsum(self.sizes)[:-1], axis=1)
        layout = model.layout.parameters
        return {n: v[:, 0] if layout[n].size is None else v for n, v in zip(self.names, parts, strict=True)}

    def sigma_points(self) -> Array:
        """Return the points of the unscented transform, ``(2 n, n)``, all of one weight.

        Julier & Uhlmann (2004), Proceedings of the IEEE 92:401, section III, doi:10.1109/JPROC.2003.823141
        """
        reach = np.sqrt(len(self.mean)) * self.factor.T
        return np.concatenate([self.mean + reach, self.mean - reach])
