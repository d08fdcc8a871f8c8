"""Heat transfer: walls, and heat exchangers by effectiveness and number of transfer units."""

from __future__ import annotations

from typing import Any


def wall_heat(conductance: Any, outside: Any, inside: Any) -> Any:
    """Heat through a wall into a vessel, ``UA (T_out - T_in)``.

    Parameters
    ----------
    conductance
        UA [power/temperature difference].
    outside, inside
        Temperatures on the two sides.

    Returns
    -------
    Heat flow into the vessel [power].

    References
    ----------
    Incropera et al. (2007), Fundamentals of Heat and Mass Transfer, 6th ed., eq. 3.17

    Examples
    --------
    >>> wall_heat(2.0, 60.0, 20.0)
    80.0
    """
    return conductance * (outside - inside)


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
