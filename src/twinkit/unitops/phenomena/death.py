"""Death and lysis of cells."""

from __future__ import annotations

from typing import Any


def death_of_slow_growth(growth_rate: Any, largest: Any, half_growth: Any) -> Any:
    """Specific death rate that rises as growth stops, ``kd k_mu / (mu + k_mu)``.

    Parameters
    ----------
    growth_rate
        Specific growth rate mu [1/time], not negative.
    largest
        kd, the death rate without growth [1/time].
    half_growth
        k_mu, the growth rate at which death is half of that [1/time].

    Returns
    -------
    Specific death rate [1/time].

    References
    ----------
    de Tremblay et al. (1992), Bioprocess Engineering 7:229, doi:10.1007/BF00369551

    Examples
    --------
    >>> death_of_slow_growth(0.0, 0.01, 0.01), death_of_slow_growth(0.01, 0.01, 0.01)
    (0.01, 0.005)
    """
    return largest * half_growth / (growth_rate + half_growth)


def lysis(constant: Any, dead: Any) -> Any:
    """First-order disappearance of dead cells, ``k Xd``.

    Parameters
    ----------
    constant
        k [1/time].
    dead
        Dead cells Xd.

    Returns
    -------
    Rate [cells/volume/time].

    References
    ----------
    First-order decay; reviewed for animal cells by Kroll et al. (2017), Pharmaceutical Bioprocessing (recalled)

    Examples
    --------
    >>> lysis(0.25, 2.0)
    0.5
    """
    return constant * dead
