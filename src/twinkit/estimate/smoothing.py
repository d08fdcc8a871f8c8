"""Looking back: what the process was at every time, given the measurements of the whole batch.

The Rauch-Tung-Striebel smoother goes back over the estimates of a filter [1]_. With the cross-covariance ``C`` of the
vector at one instant with the vector at the next, and the predicted mean and covariance ``x-, P-`` there,

    G = C inv(P-),   xs = x + G (xs' - x-),   Ps = P + G (Ps' - P-) G',

where the primes are the smoothed values of the next instant. A filter that can give ``C`` can be smoothed: an extended
Kalman filter has ``C = P A'``, an unscented one has it from its sigma points [2]_, an ensemble from its members.

References
----------
.. [1] H. E. Rauch, F. Tung, C. T. Striebel, Maximum likelihood estimates of linear dynamic systems, AIAA Journal 3
   (1965) 1445-1450. doi:10.2514/3.3166
.. [2] S. Särkkä, Unscented Rauch-Tung-Striebel smoother, IEEE Transactions on Automatic Control 53 (2008) 845-849.
   doi:10.1109/TAC.2008.919531
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from twinkit.core import InvalidValueError
from twinkit.core.component import Array
from twinkit.estimate.factors import inverse
from twinkit.estimate.filter import Filter
from twinkit.estimate.history import History
from twinkit.estimate.result import Estimate


@runtime_checkable
class Smoothable(Protocol):
    """A filter whose estimates can be smoothed."""

    def crossed(self, estimate: Estimate, end: float) -> tuple[Estimate, Array]:
        """Return what `moved` returns, and the covariance ``(n, n)`` of the vector now (rows) with the one then."""
        ...


def smooth(history: History) -> History:
    """Return the history with every estimate corrected by all later measurements.

    The readings, and what was thought of them, stay those of the filter.

    Parameters
    ----------
    history
        What a filter or an `Estimator` found: ``filter.history(measurements)``, ``estimator.history``.

    Raises
    ------
    InvalidValueError
        If the filter cannot say how the vector of one instant goes with that of the next, or the history has been
        smoothed already.
    """
    made_by = history.filter
    if not isinstance(made_by, Smoothable):
        raise InvalidValueError(
            f"estimates of {type(made_by).__name__} cannot be smoothed: it does not give the covariance between one "
            "instant and the next (ExtendedKalmanFilter does)"
        )
    if history.smoothed:
        raise InvalidValueError("this history is smoothed already; smooth the one of the filter")
    later = history.estimates[-1]
    found = [later]
    for estimate in reversed(history.estimates[:-1]):
        later = _smoothed(made_by, estimate, later) if later.time > estimate.time else _same(made_by, estimate, later)
        found.append(later)
    return History(tuple(reversed(found)), smoothed=True)


def _same(made_by: Filter, estimate: Estimate, later: Estimate) -> Estimate:
    """Return an estimate of the same instant as the next one: what is known is the same."""
    return made_by.make(
        estimate.time, later.vector.copy(), later.covariance.copy(), later.algebraics.copy(), estimate.readings,
        estimate.nis,
    )  # fmt: skip


def _smoothed(made_by: Smoothable, estimate: Estimate, later: Estimate) -> Estimate:
    """Return an estimate corrected by the smoothed one of the next instant."""
    predicted, cross = made_by.crossed(estimate, later.time)
    gain = cross @ inverse(predicted.covariance)
    x = estimate.vector + gain @ (later.vector - predicted.vector)
    # The covariance that is left when the next vector is known, as a congruence, so that it stays one.
    left = estimate.covariance - gain @ cross.T - cross @ gain.T + gain @ predicted.covariance @ gain.T
    covariance = _positive(left) + gain @ later.covariance @ gain.T
    filter = estimate.filter
    z = _algebraics(filter, estimate, x)
    return filter.make(estimate.time, x, 0.5 * (covariance + covariance.T), z, estimate.readings, estimate.nis)


def _positive(matrix: Array) -> Array:
    """Return a matrix that is positive semidefinite but for rounding, exactly so."""
    matrix = 0.5 * (matrix + matrix.T)
    scale = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    scale = np.where(scale > 0.0, scale, 1.0)
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    if values[0] >= 0.0:
        return matrix
    return (vectors * np.maximum(values, 0.0)) @ vectors.T * np.outer(scale, scale)


def _algebraics(filter: Filter, estimate: Estimate, x: Array) -> Array:
    """Return the algebraic variables that belong to a vector."""
    if not estimate.algebraics.size:
        return estimate.algebraics.copy()
    modes, parameters = filter.constants
    t, states = estimate.time, filter.begun.layout.states.size
    values, _ = filter.functions.fast_look(t, x, estimate.algebraics, filter.given.at(t), modes, parameters)
    return np.array(values[states : states + estimate.algebraics.size])
