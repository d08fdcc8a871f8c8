"""Rates of chemical reactions: temperature dependence and dependence on concentrations."""

from __future__ import annotations

from typing import Any

GAS_CONSTANT = 8.31446261815324
"""Molar gas constant [J/mol/K], exact since the SI of 2019 (CODATA 2018)."""


def arrhenius(m: Any, activation_energy: Any, temperature: Any, reference: float | None = None) -> Any:
    """Factor of a rate constant that depends on temperature, ``exp(-E / R (1 / T - 1 / T_ref))``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    activation_energy
        E [J/mol].
    temperature
        T [K].
    reference
        T_ref [K] at which the factor is one; None for the limit of infinite temperature, where the constant is the
        pre-exponential factor.

    Returns
    -------
    Factor, dimensionless.

    References
    ----------
    Laidler (1984), Journal of Chemical Education 61:494, eq. 1, doi:10.1021/ed061p494; the centred form: Schwaab &
    Pinto (2007), Chemical Engineering Science 62:2750, doi:10.1016/j.ces.2007.02.020

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> float(arrhenius(NUMERIC, 5e4, 298.15, reference=298.15))
    1.0
    >>> round(float(arrhenius(NUMERIC, 5e4, 308.15, reference=298.15)), 3)
    1.924
    """
    gas = m.quantity(GAS_CONSTANT, "J/mol/K")
    inverse = 1.0 / temperature
    if reference is not None:
        inverse = inverse - 1.0 / m.quantity(reference, "K")
    return m.exp(-activation_energy / gas * inverse)


def concentration_power(m: Any, concentration: Any, order: float, cutoff: Any) -> Any:
    """Dependence of a rate on one concentration, ``c^n``, that vanishes at zero with a finite slope.

    For n >= 1 it is the power itself. For n < 1 its slope at zero would be infinite (n = 0: the rate would go on with
    nothing left to react), so that it is ``c (c + cutoff)^(n - 1)``, which differs from ``c^n`` by about
    ``(1 - n) cutoff / c``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    concentration
        c, any unit.
    order
        n; negative for a species that inhibits, which gives ``(c + cutoff)^n``.
    cutoff
        Concentration below which the power is replaced; same unit.

    Returns
    -------
    Factor [concentration^n].

    References
    ----------
    Levenspiel (1999), Chemical Reaction Engineering, 3rd ed., section 3.1 (power laws); the cutoff is a
    regularisation of our own

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> concentration_power(NUMERIC, 3.0, 2, 1e-6)
    9.0
    >>> round(float(concentration_power(NUMERIC, 4.0, 0.5, 1e-6)), 5)
    2.0
    >>> float(concentration_power(NUMERIC, 0.0, 0, 1e-6))
    0.0
    """
    if order in (1, 2, 3):
        power = concentration
        for _ in range(int(order) - 1):
            power = power * concentration
        return power
    positive = m.maximum(concentration, 0.0)
    if order > 1:
        return positive**order
    if order < 0:
        return (positive + cutoff) ** order
    # Linear below zero, so that a solver's rounding is driven back rather than left there.
    return concentration * (positive + cutoff) ** (order - 1.0)
