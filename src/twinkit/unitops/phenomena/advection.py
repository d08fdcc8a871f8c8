"""Transport along an axis by finite volumes: flow with a limited high-order scheme, and dispersion."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Scheme(Enum):
    """How the value at a face between two cells is found from the averages of the cells."""

    UPWIND = "upwind"
    """The cell upstream: first order, smears fronts."""
    KOREN = "koren"
    """Third order where the profile is smooth, limited where it is not: no new extremes, never negative."""


def face_values(m: Any, averages: Any, inlet: Any, scheme: Scheme) -> Any:
    """Values at the n + 1 faces of n equal cells, for flow from the first cell to the last.

    Koren's scheme: with the differences ``a = c_i - c_(i-1)`` and ``b = c_(i+1) - c_i``, the face downstream of cell i
    is ``c_i + L / 2``, where L is ``(a + 2 b) / 3`` (the third-order, kappa = 1/3 reconstruction) limited to at most
    ``2 a`` and ``2 b`` in size, and zero where a and b have different signs. The inlet is a face whose value is known;
    it enters the first cell as the difference ``a = 2 (c_1 - c_in)`` over half a cell. The outlet face is extrapolated
    with the last difference.

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

    Returns
    -------
    Vector of n + 1 values, inlet first.

    References
    ----------
    Koren (1993), in: Numerical Methods for Advection-Diffusion Problems, Vieweg, p. 117; LeVeque (2002), Finite
    Volume Methods for Hyperbolic Problems, section 6.11, doi:10.1017/CBO9780511791253

    Examples
    --------
    >>> import numpy as np
    >>> from twinkit.readings.numeric import NUMERIC
    >>> face_values(NUMERIC, np.array([1.0, 3.0, 5.0, 7.0]), 0.0, Scheme.KOREN)
    array([0., 2., 4., 6., 8.])
    >>> face_values(NUMERIC, np.array([1.0, 3.0, 5.0, 7.0]), 0.0, Scheme.UPWIND)
    array([0., 1., 3., 5., 7.])
    """
    if scheme is Scheme.UPWIND:
        return m.concatenate([inlet, averages])
    inner = m.diff(averages)
    upstream = m.concatenate([2.0 * (averages[0] - inlet), inner])
    downstream = m.concatenate([inner, inner[-1]])
    third = (upstream + 2.0 * downstream) * (1.0 / 3.0)
    twice_up, twice_down = 2.0 * upstream, 2.0 * downstream
    rising = m.maximum(m.minimum(m.minimum(twice_up, twice_down), third), 0.0)
    falling = m.minimum(m.maximum(m.maximum(twice_up, twice_down), third), 0.0)
    return m.concatenate([inlet, averages + 0.5 * (rising + falling)])


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
