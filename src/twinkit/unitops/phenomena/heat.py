"""Heat of metabolism, and its removal through a jacket."""

from __future__ import annotations

from typing import Any

OXYCALORIC = 460.0
"""Heat per oxygen respired [kJ/mol]: thermochemistry, von Stockar & Marison (1989), doi:10.1007/BFb0009829."""


def metabolic_heat(m: Any, oxygen_uptake: Any) -> Any:
    """Heat of aerobic metabolism, 460 kJ per mole of oxygen.

    Parameters
    ----------
    m
        The mathematics of a reading.
    oxygen_uptake
        Oxygen uptake rate [mol/L/h].

    Returns
    -------
    Heat [kJ/L/h].

    References
    ----------
    von Stockar & Marison (1989), Advances in Biochemical Engineering 40:93, doi:10.1007/BFb0009829 (recalled).
    Cooney, Wang & Mateles (1969), doi:10.1002/bit.260110302, measured 0.124 kcal/mmol, 519 kJ/mol.

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> metabolic_heat(NUMERIC, 0.1)
    46.0
    """
    return m.quantity(OXYCALORIC, "kJ/mol") * oxygen_uptake


def jacket_heat(coefficient: Any, vessel: Any, jacket: Any) -> Any:
    """Heat from a vessel to its well-mixed jacket, ``UA (T - Tj)``.

    Parameters
    ----------
    coefficient
        UA [power/temperature difference].
    vessel, jacket
        Temperatures T and Tj.

    Returns
    -------
    Heat [power].

    References
    ----------
    Bird, Stewart & Lightfoot (2002), Transport Phenomena, 2nd ed., section 14.1

    Examples
    --------
    >>> jacket_heat(2.0, 40.0, 30.0)
    20.0
    """
    return coefficient * (vessel - jacket)


def overall_coefficient(inside: Any, thickness: Any, conductivity: Any, outside: Any) -> Any:
    """Overall coefficient through a wall, ``1 / (1/h_i + d/k + 1/h_o)``.

    Parameters
    ----------
    inside, outside
        Film coefficients h_i and h_o.
    thickness
        Of the wall, d.
    conductivity
        Of the wall, k.

    Returns
    -------
    U, in the unit of the film coefficients.

    References
    ----------
    Bird, Stewart & Lightfoot (2002), Transport Phenomena, 2nd ed., eq. 10.6-15, plane wall

    Examples
    --------
    >>> overall_coefficient(4.0, 0.5, 2.0, 2.0)
    1.0
    """
    return 1.0 / (1.0 / inside + thickness / conductivity + 1.0 / outside)


def flow_jacket_heat(m: Any, coefficient: Any, capacity_flow: Any, vessel: Any, entering: Any) -> Any:
    """Heat into coolant in plug flow through a jacket, ``F cp (T - T_in) (1 - exp(-UA / (F cp)))``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    coefficient
        UA [power/temperature difference].
    capacity_flow
        Mass flow times heat capacity F cp, same unit; positive.
    vessel, entering
        Temperature of the vessel, and of the coolant supplied.

    Returns
    -------
    Heat [power].

    References
    ----------
    Incropera et al. (2007), Fundamentals of Heat and Mass Transfer, 6th ed., eq. 11.35a (effectiveness, Cr = 0)

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> round(float(flow_jacket_heat(NUMERIC, 1.0, 1e6, 40.0, 30.0)), 4)  # much coolant: UA (T - T_in)
    10.0
    """
    return capacity_flow * (vessel - entering) * (1.0 - m.exp(-coefficient / capacity_flow))
