"""Transport along an axis by finite volumes: flow with a limited high-order scheme, and dispersion."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Scheme(Enum):
    """How the value at a face between two cells is found from the averages of the cells."""

    UPWIND = "upwind"
    """The cell upstream: first order, smears fronts."""
    LIMITED = "limited"
    """Third order where the profile is smooth, limited where it is not: no new extremes."""


def face_values(m: Any, averages: Any, inlet: Any, scheme: Scheme, negligible: Any) -> Any:
    """Values at the n + 1 faces of n equal cells, for flow from the first cell to the last.

    With the differences ``a = c_i - c_(i-1)`` and ``b = c_(i+1) - c_i``, the face downstream of cell i is
    ``c_i + L / 2`` with ``L = (a + 2 b) / 3 g``. The first factor is the third-order reconstruction (kappa = 1/3); the
    limiter ``g = 1 - (1 - s^3)^2`` with ``s = 2 ab / (a^2 + b^2)`` where ``ab > 0``, else 0, is one up to the fourth
    order where a and b agree, and keeps L between zero and both ``2 a`` and ``2 b``. Unlike limiters made of minima it
    has continuous second derivatives, so that implicit solvers take longer steps.

    The inlet is a face whose value is known; it enters the first cell as the difference ``a = 2 (c_1 - c_in)`` over
    half a cell. The outlet face is extrapolated with half of the last difference.

    Parameters
    ----------
    m
        The mathematics of a reading.
    averages
        Vector of n cell averages, n >= 3.
    inlet
        Value at the first face.
    scheme
        The reconstruction.
    negligible
        Difference between cells that does not count; in the unit of differences of `averages`.

    Returns
    -------
    Vector of n + 1 values, inlet first.

    References
    ----------
    Reconstruction and limits: LeVeque (2002), Finite Volume Methods for Hyperbolic Problems, sections 6.9 to 6.12,
    doi:10.1017/CBO9780511791253; Koren (1993), in: Numerical Methods for Advection-Diffusion Problems, Vieweg, p. 117.
    The smooth limiter is of our own, after van Albada, van Leer & Roberts (1982), Astronomy & Astrophysics 108:76

    Examples
    --------
    >>> import numpy as np
    >>> from twinkit.readings.numeric import NUMERIC
    >>> face_values(NUMERIC, np.array([1.0, 3.0, 5.0, 7.0]), 0.0, Scheme.LIMITED, 1e-9)
    array([0., 2., 4., 6., 8.])
    >>> face_values(NUMERIC, np.array([1.0, 3.0, 5.0, 7.0]), 0.0, Scheme.UPWIND, 1e-9)
    array([0., 1., 3., 5., 7.])
    """
    if scheme is Scheme.UPWIND:
        return m.concatenate([inlet, averages])
    inner = m.diff(averages)
    a = m.concatenate([2.0 * (averages[0] - inlet), inner[:-1]])
    product = a * inner
    share = (product + m.abs(product)) / (a * a + inner * inner + negligible * negligible)
    half = (a + 2.0 * inner) * (1.0 - (1.0 - share * share * share) ** 2) * (1.0 / 6.0)
    return m.concatenate([inlet, averages[:-1] + half, averages[-1] + 0.5 * inner[-1]])


def transport(m: Any, averages: Any, faces: Any, flow: Any, exchange: Any) -> Any:
    """Rate of change of the amount in each cell by flow through the faces and by dispersion between cells.

    Nothing is dispersed through the inlet or the outlet face (Danckwerts: what enters is what the flow carries in).

    Parameters
    ----------
    m
        The mathematics of a reading.
    averages
        Vector of n cell averages [concentration].
    faces
        Vector of n + 1 face values.
    flow
        Flow [volume/time].
    exchange
        Flow exchanged between neighbours by dispersion, ``D A / dz`` [volume/time].

    Returns
    -------
    Vector of n rates [concentration volume/time].

    References
    ----------
    Danckwerts (1953), Chemical Engineering Science 2:1, doi:10.1016/0009-2509(53)80001-1

    Examples
    --------
    >>> import numpy as np
    >>> from twinkit.readings.numeric import NUMERIC
    >>> transport(NUMERIC, np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.0, 0.0]), 2.0, 0.5)
    array([-0.5,  2.5,  0. ])
    """
    inner = exchange * m.diff(averages)
    nothing = 0.0 * inner[0]
    return m.diff(m.concatenate([nothing, inner, nothing])) - flow * m.diff(faces)
