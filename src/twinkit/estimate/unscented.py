"""The continuous-discrete unscented Kalman filter, on a factor of the covariance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError
from twinkit.core.component import Array
from twinkit.estimate.factors import array_update, downdated, factor, inverse, product, triangular
from twinkit.estimate.filter import Filter, Item
from twinkit.estimate.result import Estimate
from twinkit.estimate.steps import Arrived, Mask, arrived, fates, finite, judged, stepped, total_nis


@dataclass(frozen=True, eq=False, repr=False)
class FactoredEstimate(Estimate):
    """An estimate with a factor of its covariance.

    Attributes
    ----------
    root
        ``(n, n)``, ``covariance = root @ root.T``.
    """

    root: Array = field(default_factory=lambda: np.empty((0, 0)), repr=False)


@dataclass(frozen=True)
class SigmaPoints:
    """Weights and spread of the scaled sigma points.

    Attributes
    ----------
    reach
        Distance of the outer points from the mean, in standard deviations.
    mean, central, outer
        Weight of the central point in the mean and in covariances, and of each outer point in both.
    """

    reach: float
    mean: float
    central: float
    outer: float

    @classmethod
    def of(cls, n: int, alpha: float, beta: float, kappa: float) -> SigmaPoints:
        """Return the weights for `n` dimensions; see `UnscentedKalmanFilter`."""
        square = alpha**2 * (n + kappa)
        mean = 1.0 - n / square
        return cls(math.sqrt(square), mean, mean + 1.0 - alpha**2 + beta, 0.5 / square)

    def points(self, x: Array, root: Array) -> Array:
        """Return the points ``(n, 2 n + 1)``, the central one first."""
        away = self.reach * root
        return np.column_stack([x, x[:, None] + away, x[:, None] - away])

    def average(self, values: Array) -> Array:
        """Return the weighted mean of values ``(rows, 2 n + 1)``."""
        centre = values[:, 0]
        return centre + self.outer * (values[:, 1:] - centre[:, None]).sum(axis=1)

    def deviations(self, values: Array, mean: Array) -> tuple[Array, Array]:
        """Return the weighted deviations of the outer points, and the plain one of the central point."""
        return math.sqrt(self.outer) * (values[:, 1:] - mean[:, None]), values[:, 0] - mean


@dataclass(frozen=True, eq=False)
class UnscentedKalmanFilter(Filter):
    """Continuous-discrete unscented Kalman filter in square-root form [1]_, for any model (ODE, or DAE of index 1).

    Mean and covariance are carried by ``2 n + 1`` sigma points through the nonlinear model and the nonlinear sensors.
    The points are drawn anew at every sub-step of controlled accuracy, to which the process noise of that sub-step is
    added. The covariance is kept as a factor, by orthogonal transformations, so that it stays positive semidefinite.

    Sigma points beyond the bounds are put onto them [2]_ (not with ``constraint=Unbounded()``).

    Parameters are those of `EstimationProblem` and `Filter`, and:

    Parameters
    ----------
    alpha, beta, kappa
        Of the scaled sigma points [1]_: the outer ones lie ``alpha sqrt(n + kappa)`` standard deviations from the mean;
        `beta` weights the central one in covariances (2 is best for Gaussians). The default, 1, 2 and 0, has no
        negative weight; a smaller `alpha` looks at a smaller neighbourhood and comes closer to the extended filter.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''Second-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=8.0, bounds=(0, None))
    ...     k = tk.Parameter("L/g/h", 0.1, bounds=(0, None))
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c * v.c}
    >>> from twinkit.estimate import Sensor, UnscentedKalmanFilter
    >>> ukf = UnscentedKalmanFilter(Decay(), [Sensor("c", std="0.1 g/L")], initial_std={"c": 2.0})
    >>> estimate = ukf.update(ukf.start(), tk.Measurement("c", 4.0, "g/L", source_time=1.0))
    >>> print(f"{estimate.mean['c']:.2f} ± {estimate.std['c']:.2f}")
    4.02 ± 0.10

    References
    ----------
    .. [1] R. van der Merwe, E. A. Wan, The square-root unscented Kalman filter for state and parameter-estimation,
       ICASSP 2001, 3461-3464. doi:10.1109/ICASSP.2001.940586
    .. [2] R. Kandepu, B. Foss, L. Imsland, Applying the unscented Kalman filter for nonlinear state estimation, Journal
       of Process Control 18 (2008) 753-768. doi:10.1016/j.jprocont.2007.11.004
    """

    alpha: float = 1.0
    beta: float = 2.0
    kappa: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        n = len(self.plan.labels)
        if not 0.0 < self.alpha <= 10.0:
            raise InvalidValueError(f"alpha must be within (0, 10], not {self.alpha!r}")
        if not (math.isfinite(self.beta) and math.isfinite(self.kappa) and n + self.kappa > 0):
            raise InvalidValueError(
                f"beta must be finite and kappa above {-n} (minus the {n} estimated quantities), not {self.beta!r} and "
                f"{self.kappa!r}"
            )

    def settings(self) -> dict[str, Any]:
        """Return what defines this kind of filter beside the problem, for the content hash."""
        return {**super().settings(), "sigma points": [self.alpha, self.beta, self.kappa]}

    @cached_property
    def sigma(self) -> SigmaPoints:
        """The weights of the sigma points."""
        return SigmaPoints.of(len(self.plan.labels), self.alpha, self.beta, self.kappa)

    def moved(self, estimate: Estimate, end: float) -> Estimate:
        """Return the estimate at a later time, without readings."""
        begin = (estimate.vector, _root(estimate), estimate.algebraics)
        x, root, z = stepped(self, estimate.time, end, begin, self._attempt)
        return _factored(self.make(end, x, product(root), z), root)

    def crossed(self, estimate: Estimate, end: float) -> tuple[Estimate, Array]:
        """Return the estimate at a later time, and its cross-covariance with the one now (see `Smoothable`)."""
        begin = (estimate.vector, _root(estimate), estimate.algebraics)
        trace: list[tuple[Array, Array]] = []

        def attempt(t: float, h: float, state: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array, Array], float]:
            after, error = self._attempt(t, h, state)
            if self.substeps is not None or error <= self.rtol:
                trace.append((product(state[1]), self._cross(t, h, state)))
            return after, error

        x, root, z = stepped(self, estimate.time, end, begin, attempt)
        whole: Array | None = None
        for covariance, cross in trace:
            whole = cross if whole is None else whole @ inverse(covariance) @ cross
        later = _factored(self.make(end, x, product(root), z), root)
        return later, estimate.covariance if whole is None else whole

    def _cross(self, t: float, h: float, state: tuple[Array, Array, Array]) -> Array:
        """Return the cross-covariance of the vector before a sub-step with the one after it."""
        points, after, _, _ = self._flowed(t, h, state)
        before, centre = self.sigma.deviations(points, self.sigma.average(points))
        behind, other = self.sigma.deviations(after, self.sigma.average(after))
        return before @ behind.T + self.sigma.central * np.outer(centre, other)

    def _flowed(self, t: float, h: float, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        """Return the sigma points before and after a sub-step, algebraic variables, and local errors."""
        x, root, z = state
        modes, parameters = self.constants
        points = self._drawn(x, root)
        count = points.shape[1]
        zs = np.repeat(z[:, None], count, axis=1)
        after, zs, errors = self.moves.flows(count)(t, h, points, zs, self.given.piece(t, h), modes, parameters)
        return points, after, zs, errors

    def _drawn(self, x: Array, root: Array) -> Array:
        return self.constraint.members(self.sigma.points(x, root), self.plan.low, self.plan.high)

    def _attempt(
        self, t: float, h: float, state: tuple[Array, Array, Array]
    ) -> tuple[tuple[Array, Array, Array], float]:
        """Return mean, factor and algebraic variables after one sub-step, and the largest local error."""
        x, root, z = state
        modes, parameters = self.constants
        _, after, zs, errors = self._flowed(t, h, state)
        piece = self.given.piece(t, h)
        mean = self.sigma.average(after)
        noise, (off,) = self.moves.noise_root(t, h, x, z, piece, modes, parameters, self.plan.noise)
        outer, centre = self.sigma.deviations(after, mean)
        root = downdated(triangular(np.column_stack([outer, noise])), centre, self.sigma.central)
        mean = self.constraint.placed(mean, product(root), self.plan.low, self.plan.high)
        worst = float(np.max(errors))  # NaN stays
        return (mean, root, zs[:, 0]), float(np.maximum(worst, off)) if self.plan.noise.any() else worst

    def corrected(self, estimate: Estimate, items: Sequence[Item]) -> Estimate:
        """Return the estimate after readings of its own instant."""
        come, z = arrived(self, items), estimate.algebraics
        x, root = estimate.vector, _root(estimate)
        points = self._drawn(x, root)
        modes, parameters = self.constants
        count = points.shape[1]
        seen = self.functions.views(count)(
            estimate.time, points, np.repeat(z[:, None], count, axis=1), self.given.at(estimate.time), modes, parameters
        )[0][list(self.rows)]
        predicted = self.sigma.average(seen)
        outer, centre = self.sigma.deviations(seen, predicted)
        variances = np.sum(outer**2, axis=1) + self.sigma.central * centre**2
        found = judged(self, estimate.time, come, predicted, np.maximum(variances, 0.0))
        spread = np.empty((0, 0))
        if found.accepted.any():
            x, root, spread = self._taken(points, outer, centre, found.innovation, come, found.accepted)
        finite(self, estimate.time, x, root)
        total = total_nis(found, come, spread @ spread.T)
        x, covariance = self.constraint.corrected(x, product(root), self.plan.low, self.plan.high)
        if not np.array_equal(covariance, product(root)):
            root = factor(covariance)
        z = self._algebraics(estimate.time, x, z)
        made = self.make(estimate.time, x, covariance, z, fates(self, estimate.time, come, found), total)
        return _factored(made, root)

    def _taken(
        self, points: Array, outer: Array, centre: Array, innovation: Array, come: Arrived, used: Mask
    ) -> tuple[Array, Array, Array]:
        """Return mean, factor, and factor of the covariance of the innovations, after the accepted readings."""
        mean = self.sigma.average(points)
        away, middle = self.sigma.deviations(points, mean)
        w = self.sigma.central
        if w >= 0:  # the central point is one more column
            away = np.column_stack([away, math.sqrt(w) * middle])
            outer = np.column_stack([outer, math.sqrt(w) * centre])
            found, root, spread = array_update(away, outer[used], come.variance[used])
            return mean + found @ innovation[used], root, spread
        seen, middle_seen = outer[used], centre[used]
        noise = np.diag(np.sqrt(come.variance[used]))
        spread = downdated(triangular(np.column_stack([seen, noise])), middle_seen, w)
        cross = away @ seen.T + w * np.outer(middle, middle_seen)
        gain: Array = np.asarray(np.linalg.solve(spread @ spread.T, cross.T).T, dtype=np.float64)
        root = triangular(np.column_stack([away - gain @ seen, gain @ noise]))
        return mean + gain @ innovation[used], downdated(root, middle - gain @ middle_seen, w), spread

    def _algebraics(self, time: float, x: Array, z: Array) -> Array:
        """Return the algebraic variables at the mean."""
        if not z.size:
            return z
        modes, parameters = self.constants
        values = self.functions.fast_look(time, x, z, self.given.at(time), modes, parameters)[0]
        states = self.begun.layout.states.size
        return values[states : states + z.size]


def _root(estimate: Estimate) -> Array:
    """Return a factor of an estimate's covariance (its own, where a filter of this kind made it)."""
    if isinstance(estimate, FactoredEstimate) and estimate.root.shape == estimate.covariance.shape:
        return estimate.root
    return factor(estimate.covariance)


def _factored(made: Estimate, root: Array) -> FactoredEstimate:
    root.setflags(write=False)
    return FactoredEstimate(**{f.name: getattr(made, f.name) for f in fields(Estimate)}, root=root)
