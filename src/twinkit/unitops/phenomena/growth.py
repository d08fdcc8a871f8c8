"""Growth, limitation and inhibition kinetics."""

from __future__ import annotations

from typing import Any


def monod(substrate: Any, half_saturation: Any) -> Any:
    """Saturating limitation by a substrate, ``S / (K + S)``.

    Parameters
    ----------
    substrate
        Concentration S, any unit.
    half_saturation
        K, the concentration at which the factor is one half; same unit.

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    References
    ----------
    Monod (1949), Annual Review of Microbiology 3:371, eq. 2, doi:10.1146/annurev.mi.03.100149.002103

    Examples
    --------
    >>> monod(2.0, 2.0)
    0.5
    """
    return substrate / (half_saturation + substrate)


def inhibition(inhibitor: Any, half_inhibition: Any) -> Any:
    """Non-competitive inhibition, ``K / (K + I)``.

    Parameters
    ----------
    inhibitor
        Concentration I, any unit.
    half_inhibition
        K, the concentration at which the factor is one half; same unit.

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    References
    ----------
    Bailey & Ollis (1986), Biochemical Engineering Fundamentals, 2nd ed., section 7.3.1

    Examples
    --------
    >>> inhibition(0.0, 5.0)
    1.0
    """
    return half_inhibition / (half_inhibition + inhibitor)


def luedeking_piret(growth_rate: Any, growth_associated: Any, maintenance_associated: Any) -> Any:
    """Specific product formation ``q = alpha mu + beta``.

    Parameters
    ----------
    growth_rate
        Specific growth rate mu [1/time].
    growth_associated
        alpha [product/biomass].
    maintenance_associated
        beta [product/biomass/time].

    Returns
    -------
    Specific formation rate [product/biomass/time].

    References
    ----------
    Luedeking & Piret (1959), Journal of Biochemical and Microbiological Technology and Engineering 1:393,
    doi:10.1002/jbmte.390010406

    Examples
    --------
    >>> luedeking_piret(0.2, 2.0, 0.1)
    0.5
    """
    return growth_associated * growth_rate + maintenance_associated
