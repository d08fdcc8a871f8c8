"""Heat of metabolism, heat through walls and jackets, and heat exchangers."""

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


def wall_heat(coefficient: Any, warm: Any, cold: Any) -> Any:
    """Heat through a wall from one side to the other, ``UA (T_warm - T_cold)``: jackets, heat exchangers, rooms.

    Parameters
    ----------
    coefficient
        UA [power/temperature difference].
    warm, cold
        Temperatures of the side that gives and of the side that takes; the result is negative where they are the
        other way round.

    Returns
    -------
    Heat [power].

    References
    ----------
    Bird, Stewart & Lightfoot (2002), Transport Phenomena, 2nd ed., section 14.1

    Examples
    --------
    >>> wall_heat(2.0, 40.0, 30.0)
    20.0
    """
    return coefficient * (warm - cold)


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


def counter_current_effectiveness(m: Any, transfer_units: Any, capacity_ratio: Any) -> Any:
    """Effectiveness of a counter-current heat exchanger, ``(1 - e^-x) / (1 - C e^-x)`` with ``x = N (1 - C)``.

    Evaluated as ``N g / (1 + C N g)`` with ``g = (1 - e^-x) / x``, which has no gap at ``C = 1``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    transfer_units
        Number of transfer units N = UA / C_min.
    capacity_ratio
        C = C_min / C_max, between 0 and 1.

    Returns
    -------
    Share of the largest possible duty, between 0 and 1.

    References
    ----------
    Kays & London (1984), Compact Heat Exchangers, 3rd ed., table 2-2; Incropera et al. (2007), Fundamentals of Heat
    and Mass Transfer, 6th ed., eq. 11.29a and 11.29b

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> round(float(counter_current_effectiveness(NUMERIC, 2.0, 1.0)), 12)
    0.666666666667
    >>> round(float(counter_current_effectiveness(NUMERIC, 2.0, 0.5)), 6)
    0.7746
    """
    x = transfer_units * (1.0 - capacity_ratio)
    small = m.abs(x) < 1e-3
    series = 1.0 - x * (0.5 - x * (1.0 / 6.0 - x / 24.0))
    mean = m.where(small, series, (1.0 - m.exp(-x)) / m.where(small, 1.0, x))
    return transfer_units * mean / (1.0 + capacity_ratio * transfer_units * mean)
