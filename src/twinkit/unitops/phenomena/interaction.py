"""Several substrates and inhibitors at once."""

from __future__ import annotations

from typing import Any


def competitive(substrate: Any, half_saturation: Any, inhibitor: Any, half_inhibition: Any) -> Any:
    """Competition for the same site, ``S / (K (1 + I / KI) + S)``.

    Parameters
    ----------
    substrate, half_saturation
        S and K; same unit.
    inhibitor, half_inhibition
        I and KI; same unit.

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    References
    ----------
    Cornish-Bowden (2012), Fundamentals of Enzyme Kinetics, 4th ed., section 5.2

    Examples
    --------
    >>> competitive(2.0, 1.0, 3.0, 3.0)
    0.5
    """
    return substrate / (half_saturation * (1.0 + inhibitor / half_inhibition) + substrate)


def uncompetitive(substrate: Any, half_saturation: Any, inhibitor: Any, half_inhibition: Any) -> Any:
    """Inhibition of the occupied site only, ``S / (K + S (1 + I / KI))``.

    Parameters
    ----------
    substrate, half_saturation
        S and K; same unit.
    inhibitor, half_inhibition
        I and KI; same unit.

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    References
    ----------
    Cornish-Bowden (2012), Fundamentals of Enzyme Kinetics, 4th ed., section 5.2

    Examples
    --------
    >>> uncompetitive(1.0, 1.0, 3.0, 3.0)
    0.3333333333333333
    """
    return substrate / (half_saturation + substrate * (1.0 + inhibitor / half_inhibition))


def least(m: Any, *factors: Any) -> Any:
    """Law of the minimum: the scarcest substrate alone limits growth.

    The product of the factors, written ``a * b``, is the other usual choice (multiplicative, interacting).

    Parameters
    ----------
    m
        The mathematics of a reading.
    *factors
        Factors of limitation, dimensionless; at least one.

    Returns
    -------
    The smallest of them.

    References
    ----------
    Bader (1978), Biotechnology and Bioengineering 20:183 (non-interacting models), doi:10.1002/bit.260200203

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> float(least(NUMERIC, 0.9, 0.2, 0.5))
    0.2
    """
    smallest = factors[0]
    for factor in factors[1:]:
        smallest = m.minimum(smallest, factor)
    return smallest
