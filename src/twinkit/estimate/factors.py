"""Covariances as factors ``P = S S'``: what is computed from a factor cannot become indefinite."""

from __future__ import annotations

import math

import numpy as np

from twinkit.core.component import Array

_RANK = 1e-13  # of the correlation matrix: smaller eigenvalues are rounding


def factor(covariance: Array) -> Array:
    """Return a symmetric factor of a covariance; eigenvalues below zero, which only rounding makes, count as zero."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def triangular(columns: Array) -> Array:
    """Return the lower triangular factor ``L`` with ``L L' = C C'``, by an orthogonal transformation.

    Examples
    --------
    >>> triangular(np.array([[3.0, 4.0]]))
    array([[5.]])
    """
    found: Array = np.asarray(np.linalg.qr(columns.T, mode="r")).T
    if found.shape[1] < columns.shape[0]:  # fewer columns than rows
        found = np.pad(found, ((0, 0), (0, columns.shape[0] - found.shape[1])))
    return found * np.where(np.diag(found) < 0, -1.0, 1.0)


def product(root: Array) -> Array:
    """Return the covariance of a factor, exactly symmetric."""
    covariance = root @ root.T
    return 0.5 * (covariance + covariance.T)


def array_update(root: Array, seen: Array, variances: Array) -> tuple[Array, Array, Array]:
    """Return gain, corrected factor and factor of the innovation's covariance, all by one orthogonal transformation.

    Parameters
    ----------
    root
        Factor ``(n, k)`` of the covariance.
    seen
        What the sensors see of it, ``(sensors, k)``: the columns of ``H S``, or deviations of sigma points.
    variances
        Of the sensors' noise.

    References
    ----------
    .. [1] T. Kailath, A. H. Sayed, B. Hassibi, Linear Estimation, Prentice Hall 2000, section 12.4 (array algorithms).
    """
    count = len(variances)
    noise = np.diag(np.sqrt(variances))
    whole = triangular(
        np.block([[noise, seen], [np.zeros((len(root), count)), root]])  # pre-array
    )
    spread, cross, left = whole[:count, :count], whole[count:, :count], whole[count:, count:]
    gain: Array = np.asarray(np.linalg.solve(spread.T, cross.T).T, dtype=np.float64)
    return gain, left, spread


def downdated(root: Array, column: Array, weight: float) -> Array:
    """Return a factor of ``S S' + weight c c'``; where a negative weight would make it indefinite, of what is not."""
    if weight >= 0:
        return triangular(np.column_stack([root, math.sqrt(weight) * column]))
    return triangular(factor(product(root) + weight * np.outer(column, column)))


def inverse(covariance: Array) -> Array:
    """Return the inverse on the part of the space that is uncertain (the pseudo-inverse, free of units)."""
    scale = np.sqrt(np.diag(covariance))
    scale = np.where(scale > 0.0, scale, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    keep = values > _RANK * max(values[-1], 0.0)
    return (vectors[:, keep] / values[keep]) @ vectors[:, keep].T / np.outer(scale, scale)
