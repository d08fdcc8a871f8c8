"""Gas-liquid mass transfer."""

from __future__ import annotations

from typing import Any


def gas_transfer(coefficient: Any, saturation: Any, dissolved: Any) -> Any:
    """Two-film transfer rate into the liquid, ``kLa (C* - C)``.

    Parameters
    ----------
    coefficient
        Volumetric coefficient kLa [1/time].
    saturation
        Concentration C* in equilibrium with the gas.
    dissolved
        Concentration C in the liquid; same unit.

    Returns
    -------
    Rate [concentration/time].

    References
    ----------
    Garcia-Ochoa & Gomez (2009), Biotechnology Advances 27:153, eq. 1, doi:10.1016/j.biotechadv.2008.10.006

    Examples
    --------
    >>> gas_transfer(10.0, 0.25, 0.05)
    2.0
    """
    return coefficient * (saturation - dissolved)
