"""Growth kinetics: limitation, inhibition and product formation."""

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


def contois(substrate: Any, biomass: Any, half_saturation: Any) -> Any:
    """Limitation that worsens with cell density, ``S / (K X + S)``.

    Parameters
    ----------
    substrate
        Concentration S, any unit.
    biomass
        Concentration X.
    half_saturation
        K [substrate/biomass].

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    References
    ----------
    Contois (1959), Journal of General Microbiology 21:40, doi:10.1099/00221287-21-1-40

    Examples
    --------
    >>> contois(2.0, 4.0, 0.5)
    0.5
    """
    return substrate / (half_saturation * biomass + substrate)


def haldane(substrate: Any, half_saturation: Any, half_inhibition: Any) -> Any:
    """Limitation and inhibition by the same substrate, ``S / (K + S + S^2 / KI)`` (Andrews).

    The factor is largest, ``1 / (1 + 2 sqrt(K / KI))``, at ``S = sqrt(K KI)``.

    Parameters
    ----------
    substrate
        Concentration S, any unit.
    half_saturation, half_inhibition
        K and KI; same unit.

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    References
    ----------
    Andrews (1968), Biotechnology and Bioengineering 10:707, doi:10.1002/bit.260100602

    Examples
    --------
    >>> haldane(2.0, 1.0, 4.0)
    0.5
    """
    return substrate / (half_saturation + substrate + substrate * substrate / half_inhibition)


def moser(substrate: Any, half_saturation: Any, order: Any) -> Any:
    """Sigmoid limitation ``S^n / (K^n + S^n)``; Monod's law for n = 1.

    Parameters
    ----------
    substrate
        Concentration S, any unit.
    half_saturation
        K, the concentration at which the factor is one half; same unit. (Moser writes K for our K^n.)
    order
        Exponent n, dimensionless, at least 1.

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    References
    ----------
    Moser (1958), The Dynamics of Bacterial Populations Maintained in the Chemostat, Carnegie Institution

    Examples
    --------
    >>> moser(4.0, 2.0, 2.0)
    0.8
    """
    # The ratio first: an exponent may be a variable only where the base is a plain number.
    power = (substrate / half_saturation) ** order
    return power / (1.0 + power)


def saturating_square(substrate: Any, half_saturation: Any) -> Any:
    """Gate ``S^2 / (K^2 + S^2)`` that is sharp near zero and leaves rates alone where S is a thousand times K.

    Moser's law with order 2, for stopping a rate at exhaustion without touching a published law elsewhere.

    Parameters
    ----------
    substrate
        Concentration S, any unit, not negative.
    half_saturation
        K, same unit.

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    Examples
    --------
    >>> saturating_square(1.0, 1.0), saturating_square(0.0, 1.0)
    (0.5, 0.0)
    """
    return moser(substrate, half_saturation, 2)
