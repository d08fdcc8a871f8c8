"""Gas-liquid mass transfer, and the headspace above."""

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


def dissolved_at_equilibrium(solubility: Any, pressure: Any, fraction: Any) -> Any:
    """Concentration in equilibrium with a gas (Henry's law), ``C* = H p y``.

    Parameters
    ----------
    solubility
        H [concentration/pressure].
    pressure
        Total pressure p.
    fraction
        Mole fraction y of the gas, dimensionless.

    Returns
    -------
    Concentration.

    References
    ----------
    Sander (2015), Atmospheric Chemistry and Physics 15:4399, eq. 1 (H^cp), doi:10.5194/acp-15-4399-2015

    Examples
    --------
    >>> dissolved_at_equilibrium(2.0, 0.5, 0.25)
    0.25
    """
    return solubility * pressure * fraction


CARBON_DIOXIDE_TO_OXYGEN = 0.89
"""kLa of carbon dioxide over that of oxygen: the square root of the ratio of their diffusivities, as in IndPenSim."""


def carbon_dioxide_coefficient(oxygen_coefficient: Any) -> Any:
    """Transfer coefficient of carbon dioxide from that of oxygen, ``0.89 kLa_O2``.

    Parameters
    ----------
    oxygen_coefficient
        kLa of oxygen [1/time].

    Returns
    -------
    kLa of carbon dioxide, same unit.

    References
    ----------
    Royce & Thornhill (1991), AIChE Journal 37:1680, doi:10.1002/aic.690371111; the number as in IndPenSim

    Examples
    --------
    >>> carbon_dioxide_coefficient(100.0)
    89.0
    """
    return CARBON_DIOXIDE_TO_OXYGEN * oxygen_coefficient


def headspace(flow: Any, holdup: Any, entering: Any, present: Any, release: Any, total_release: Any) -> Any:
    """Rate of change of a mole fraction in a well-mixed gas, ``(n_in (y_in - y) + r - R y) / N``.

    At constant pressure as much leaves as enters and is released, ``n_in + R``.

    Parameters
    ----------
    flow
        Gas fed n_in [amount/time].
    holdup
        Gas in the headspace N [amount].
    entering, present
        Mole fractions y_in and y.
    release
        Release of this gas from the liquid r [amount/time]; negative where it is absorbed.
    total_release
        Release of all gases together R [amount/time].

    Returns
    -------
    Rate [1/time].

    References
    ----------
    Component balance of a perfectly mixed gas at constant pressure and temperature

    Examples
    --------
    >>> headspace(2.0, 4.0, 0.5, 0.25, 0.5, 0.0)
    0.25
    """
    return (flow * (entering - present) + release - total_release * present) / holdup


def saturable_balance(m: Any, supply: Any, removal: Any, uptake: Any, half_saturation: Any) -> Any:
    """Concentration at which supply meets removal and saturable uptake: ``s = r C + q C / (K + C)``.

    The positive root of a quadratic equation, written so that nothing cancels.

    Parameters
    ----------
    m
        The mathematics of a reading.
    supply
        s [concentration/time], not negative.
    removal
        r [1/time], positive.
    uptake
        Largest uptake q [concentration/time], not negative.
    half_saturation
        K of the uptake.

    Returns
    -------
    C.

    References
    ----------
    Quasi-steady oxygen balance, Bailey & Ollis (1986), Biochemical Engineering Fundamentals, 2nd ed., section 8.2

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> c = float(saturable_balance(NUMERIC, 3.15, 15.0, 3.0, 0.01))
    >>> round(15.0 * c + 3.0 * c / (0.01 + c), 12)
    3.15
    """
    # r C^2 + b C - s K = 0 with b = r K + q - s. Where b < 0 the usual form is the accurate one, else its reciprocal.
    half = 0.5 * (removal * half_saturation + uptake - supply)
    root = m.sqrt(half * half + removal * supply * half_saturation)
    positive = m.maximum(half, 0.0)
    negative = m.minimum(half, 0.0)
    # Only one of the two terms of `half` is not zero: (root - half) without its cancellation where half > 0.
    return m.where(half > 0.0, supply * half_saturation / (root + positive), (root - negative) / removal)
