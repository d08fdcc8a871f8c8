"""The negative log posterior as a sum of squares, with its exact Jacobian.

For measurement ``m_i`` with model value ``h_i`` and variance ``s_i**2 = f_i**2 (a**2 + (b h_i)**2)`` the residuals are
``(h_i - m_i) / s_i`` and, where ``s_i`` is not known beforehand, ``sqrt(2 log(s_i / s_i0) + C)``: half the sum of their
squares is the negative logarithm of the likelihood, up to a constant. Priors add one residual each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from twinkit.core import InvalidValueError
from twinkit.estimate.calibration.data import Data, Observed
from twinkit.estimate.calibration.free import Space
from twinkit.estimate.calibration.gradients import Gradients, RunStoppedError
from twinkit.estimate.calibration.noise import Huber
from twinkit.estimate.calibration.priors import PriorTerm

Array = npt.NDArray[np.float64]
_FAR, _NEAR = 50.0, 1.5
_HUGE = 1e150  # the square of more is not finite


@dataclass(frozen=True)
class Rows:
    """Everything about the measurements at one point of the search, all batches in one ``(n,)``.

    Attributes
    ----------
    value, std
        Model value and standard deviation of each measurement.
    slopes
        ``d(value)/dq``, ``(n, coordinates)``.
    log_std_slopes
        ``d(log std)/dq``, ``(n, coordinates)``.
    """

    value: Array
    std: Array
    slopes: Array
    log_std_slopes: Array


@dataclass(frozen=True)
class Objective:
    """What is minimised.

    The vector that is searched for, `q`, holds the coordinates of `space`, then the logarithms of noise that is
    searched for.

    Attributes
    ----------
    data, space, gradients, priors, loss
        The parts.
    reference
        Standard deviations the logarithms are counted from, one per measurement (see the module), and
    offset
        the constant ``C``.
    """

    data: Data
    space: Space
    gradients: Gradients
    priors: tuple[PriorTerm, ...] = ()
    loss: Huber | None = None
    reference: Array | None = None
    offset: float = _FAR

    # -- the vector --------------------------------------------------------------------------------------------
    @cached_property
    def noise_places(self) -> dict[tuple[int, str], int]:
        """(tag, "std" or "relative") -> position in `q`."""
        found: dict[tuple[int, str], int] = {}
        for t, term in enumerate(self.data.noise):
            for part, wanted in (("std", term.find_std), ("relative", term.find_relative)):
                if wanted:
                    found[t, part] = len(self.space.coordinates) + len(found)
        return found

    @property
    def size(self) -> int:
        """Length of `q`."""
        return len(self.space.coordinates) + len(self.noise_places)

    @property
    def start(self) -> Array:
        """Where the search starts."""
        noise = [math.log(getattr(self.data.noise[t], part)) for t, part in self.noise_places]
        return np.concatenate([self.space.start, noise])

    @property
    def limits(self) -> tuple[Array, Array]:
        """Bounds of the search."""
        low, high = self.space.limits
        first = self.start[len(low) :]
        return np.concatenate([low, first - 23.0]), np.concatenate([high, first + 23.0])

    @property
    def labels(self) -> tuple[str, ...]:
        """One per position of `q`."""
        words = {"std": "noise of", "relative": "relative noise of"}
        noise = [f"{words[part]} {self.data.tags[t]}" for t, part in self.noise_places]
        return (*(item.label for item in self.space.coordinates), *noise)

    # -- rows --------------------------------------------------------------------------------------------------
    def rows(self, q: Array, *, slopes: bool) -> Rows:
        """Return model values and standard deviations, with their derivatives if `slopes`.

        Raises
        ------
        RunStoppedError
            If a batch cannot be simulated with these values.
        """
        values, steps = self.space.values(q), self.space.slopes(q)
        runs: dict[tuple[str, bytes], tuple[Array, Array]] = {}
        parts = [self._rows_of(b, batch, q, values, steps, slopes, runs) for b, batch in enumerate(self.data.batches)]
        return Rows(
            np.concatenate([part.value for part in parts]), np.concatenate([part.std for part in parts]),
            np.concatenate([part.slopes for part in parts]), np.concatenate([part.log_std_slopes for part in parts]),
        )  # fmt: skip

    def _rows_of(
        self, b: int, batch: Observed, q: Array, values: Array, steps: Array, slopes: bool,
        runs: dict[tuple[str, bytes], tuple[Array, Array]],
    ) -> Rows:  # fmt: skip
        chosen = self.space.of_batch[b]
        key = (batch.recipe, values[chosen].tobytes())
        if key not in runs:  # replicates share a run
            if slopes:
                runs[key] = self.gradients.differentiated(batch, values[chosen])
            else:
                runs[key] = self.gradients.predicted(batch, values[chosen]), np.empty(0)
        h, by_column = runs[key]
        by_q = np.zeros((len(batch.value), self.size if slopes else 0))
        if slopes:
            by_q[:, chosen] = by_column[batch.quantity, batch.row] * steps[chosen]
        value = h[batch.quantity, batch.row]
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(by_q))):
            raise RunStoppedError(f"batch {batch.name!r}: the model gives NaN or infinity")
        std, by_log = self._noise(batch, value, by_q, q)
        return Rows(value, std, by_q, by_log)

    def _noise(self, batch: Observed, value: Array, by_q: Array, q: Array) -> tuple[Array, Array]:
        std, by_log = batch.std * batch.factor, np.zeros_like(by_q)
        for t, term in enumerate(self.data.noise):
            mine = batch.tag == t
            if math.isnan(term.std) or not mine.any():
                continue
            a = math.exp(q[self.noise_places[t, "std"]]) if term.find_std else term.std
            b = math.exp(q[self.noise_places[t, "relative"]]) if term.find_relative else term.relative
            h = value[mine]
            size = np.hypot(a, b * h)
            if np.any(size <= 0):
                raise InvalidValueError(
                    f"the noise of {term.tag!r} is zero where the model's value is: give it a constant part, "
                    f"Noise(std=..., relative={b:g})"
                )
            std[mine] = size * batch.factor[mine]
            if by_q.shape[1]:
                part = by_q[mine] * (b / size * (b * h / size))[:, None]
                if term.find_std:
                    part[:, self.noise_places[t, "std"]] += (a / size) ** 2
                if term.find_relative:
                    part[:, self.noise_places[t, "relative"]] += (b * h / size) ** 2
                by_log[mine] = part
        return std, by_log

    @cached_property
    def _measured(self) -> Array:
        return np.concatenate([batch.value for batch in self.data.batches])

    @cached_property
    def _tags(self) -> npt.NDArray[np.intp]:
        return np.concatenate([batch.tag for batch in self.data.batches])

    @cached_property
    def _varying(self) -> npt.NDArray[np.bool_]:
        """Which measurements have a standard deviation that is not known beforehand."""
        return ~np.array([term.constant for term in self.data.noise])[self._tags]

    @cached_property
    def _reference(self) -> Array:
        if self.reference is not None:
            return self.reference
        factors = np.concatenate([batch.factor for batch in self.data.batches])
        return np.array([term.std or 1.0 for term in self.data.noise])[self._tags] * factors

    # -- the sum of squares ------------------------------------------------------------------------------------
    def residuals(self, q: Array) -> Array:
        """Return all residuals; infinite where the model cannot be simulated, so that a search turns back."""
        try:
            found = self._stacked(self.rows(q, slopes=False), q)
        except RunStoppedError:
            count = len(self._measured) + int(self._varying.sum()) + len(self._prior_places)
            return np.full(count, np.inf)
        return np.where(np.abs(found[0]) < _HUGE, found[0], np.inf)

    def jacobian(self, q: Array) -> Array:
        """Return the derivatives of `residuals`, ``(residuals, len(q))``."""
        return self._stacked(self.rows(q, slopes=True), q)[1]

    def _stacked(self, rows: Rows, q: Array) -> tuple[Array, Array]:
        with np.errstate(over="ignore"):
            r = (rows.value - self._measured) / rows.std
        j = rows.slopes / rows.std[:, None] - r[:, None] * rows.log_std_slopes
        if self.loss is not None:
            r, slope = _huber(r, self.loss.threshold)
            j = j * slope[:, None]
        mine = self._varying
        inside = 2.0 * np.log(rows.std[mine] / self._reference[mine]) + self.offset
        with np.errstate(invalid="ignore"):
            spread = np.where(inside > 0, np.sqrt(inside), np.inf)
        j_spread = rows.log_std_slopes[mine] / spread[:, None]
        prior, j_prior = self._prior_rows(q, rows.slopes.shape[1])
        return np.concatenate([r, spread, prior]), np.vstack([j, j_spread, j_prior])

    @cached_property
    def _prior_places(self) -> list[tuple[PriorTerm, int]]:
        coordinates = enumerate(self.space.coordinates)
        by_column = {term.column: term for term in self.priors}
        return [(by_column[item.column], i) for i, item in coordinates if item.column in by_column]

    def _prior_rows(self, q: Array, width: int) -> tuple[Array, Array]:
        values, steps = self.space.values(q), self.space.slopes(q)
        r, j = np.zeros(len(self._prior_places)), np.zeros((len(self._prior_places), width))
        for k, (term, i) in enumerate(self._prior_places):
            r[k], slope = term.residual(values[i])
            if width:
                j[k, i] = slope * steps[i]
        return r, j

    def cost(self, q: Array) -> float:
        """Return the negative log posterior, up to a constant that depends on the data and known noise alone."""
        try:
            rows = self.rows(q, slopes=False)
        except RunStoppedError:
            return math.inf
        with np.errstate(over="ignore"):
            r = (rows.value - self._measured) / rows.std
        if self.loss is not None:
            r = _huber(r, self.loss.threshold)[0]
        prior = self._prior_rows(q, 0)[0]
        if np.any(np.abs(r) > _HUGE):
            return math.inf
        return float(0.5 * r @ r + np.sum(np.log(rows.std[self._varying])) + 0.5 * prior @ prior)

    def centred(self, q: Array) -> Objective:
        """Return the same objective with its logarithms counted from `q`: near it, the search converges fast."""
        return replace(self, reference=self.rows(q, slopes=False).std, offset=_NEAR)

    # -- information -------------------------------------------------------------------------------------------
    def information_root(self, q: Array) -> Array:
        """Return a matrix ``G`` with ``G' G`` the expected Fisher information (priors included) of `q`."""
        rows = self.rows(q, slopes=True)
        first = rows.slopes / rows.std[:, None]
        if self.loss is not None:
            r = (rows.value - self._measured) / rows.std
            first = first * np.sqrt(np.minimum(1.0, self.loss.threshold / np.maximum(np.abs(r), 1e-300)))[:, None]
        return np.vstack([first, math.sqrt(2.0) * rows.log_std_slopes, self._prior_rows(q, self.size)[1]])


def _huber(r: Array, k: float) -> tuple[Array, Array]:
    """Return residuals whose squares are Huber's loss (times 2), and their derivatives."""
    far = np.abs(r) > k
    size = np.where(far, np.sqrt(np.maximum(2.0 * k * np.abs(r) - k * k, k * k)), np.abs(r))
    return np.sign(r) * size, np.where(far, k / size, 1.0)
