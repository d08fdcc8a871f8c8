"""The continuous-discrete extended Kalman filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinkit.core.component import Array
from twinkit.estimate.filter import Filter, Item
from twinkit.estimate.result import Estimate
from twinkit.estimate.steps import corrected, crossed, propagated


@dataclass(frozen=True, eq=False)
class ExtendedKalmanFilter(Filter):
    """Continuous-discrete extended Kalman filter for any model (ODE, or DAE of index 1), with exact Jacobians.

    Between measurements the mean follows the model and the covariance its exact linearisation (sub-steps of at most
    `max_step`, shortened where the local error asks for it). A measurement corrects both in Joseph's form, so that the
    covariance stays symmetric and positive semidefinite. It is functional: a filter never changes, `start`, `update`
    and `predict` return a new `Estimate`.

    Means are kept within the declared bounds of states and parameters: a mean beyond a bound is projected onto it in
    the metric of the covariance, which moves correlated quantities along, and the covariance is left as it is,
    which errs on the side of caution [1]_.

    Parameters are those of `EstimationProblem` and `Filter`.

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
    >>> from twinkit.estimate import ExtendedKalmanFilter, Sensor
    >>> ekf = ExtendedKalmanFilter(Decay(), [Sensor("c", std="0.1 g/L")], initial_std={"c": 2.0})
    >>> estimate = ekf.update(ekf.start(), tk.Measurement("c", 3.0, "g/L", source_time=1.0))
    >>> print(f"{estimate.mean['c']:.3f} ± {estimate.std['c']:.3f}")
    3.013 ± 0.100

    References
    ----------
    .. [1] D. Simon, Kalman filtering with state constraints: a survey of linear and nonlinear algorithms, IET Control
       Theory & Applications 4 (2010) 1303-1318, section 2.4 (estimate projection). doi:10.1049/iet-cta.2009.0032
    """

    def moved(self, estimate: Estimate, end: float) -> Estimate:
        """Return the estimate at a later time, without readings."""
        return self.make(end, *propagated(self, estimate, end))

    def corrected(self, estimate: Estimate, items: Sequence[Item]) -> Estimate:
        """Return the estimate after readings of its own instant."""
        return corrected(self, estimate, items)

    def crossed(self, estimate: Estimate, end: float) -> tuple[Estimate, Array]:
        """Return the estimate at a later time, and its cross-covariance with the one now (see `Smoothable`)."""
        return crossed(self, estimate, end)
