"""The continuous-discrete extended Kalman filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twinkit.core import InvalidValueError
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

    Means are kept within the declared bounds of states and parameters as `constraint` says.

    Parameters are those of `EstimationProblem` and `Filter`, and:

    Parameters
    ----------
    iterations
        How often the sensors are linearised in a correction. 1: the extended Kalman filter; more: the iterated one,
        which linearises again where the correction has led, until it stands still. It helps where a sensor is strongly
        nonlinear over the spread of the estimate; its limit is the mode of the posterior [1]_.

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
    .. [1] B. M. Bell, F. W. Cathey, The iterated Kalman filter update as a Gauss-Newton method, IEEE Transactions on
       Automatic Control 38 (1993) 294-297. doi:10.1109/9.250476
    """

    iterations: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.iterations, int) and self.iterations >= 1):
            raise InvalidValueError(f"iterations must be a whole number of at least 1, not {self.iterations!r}")

    def settings(self) -> dict[str, Any]:
        """Return what defines this kind of filter beside the problem, for the content hash."""
        return {**super().settings(), "iterations": self.iterations}

    def moved(self, estimate: Estimate, end: float) -> Estimate:
        """Return the estimate at a later time, without readings."""
        return self.make(end, *propagated(self, estimate, end))

    def corrected(self, estimate: Estimate, items: Sequence[Item]) -> Estimate:
        """Return the estimate after readings of its own instant."""
        return corrected(self, estimate, items)

    def crossed(self, estimate: Estimate, end: float) -> tuple[Estimate, Array]:
        """Return the estimate at a later time, and its cross-covariance with the one now (see `Smoothable`)."""
        return crossed(self, estimate, end)
