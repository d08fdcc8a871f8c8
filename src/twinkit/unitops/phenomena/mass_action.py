"""Mass-action kinetics of chemical reactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


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


def mass_action(m: Any, constant: Any, concentrations: Sequence[Any], orders: Sequence[float], cutoff: Any) -> Any:
    """Rate of a reaction by powers of concentrations, ``k c1^n1 c2^n2 ...``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    constant
        k, in the unit that makes the product a rate.
    concentrations
        One per species the rate depends on.
    orders
        One number per concentration.
    cutoff
        Concentration below which orders less than one are limited: see `concentration_power`.

    Returns
    -------
    Rate [concentration/time].

    References
    ----------
    Fogler (2016), Elements of Chemical Reaction Engineering, 5th ed., eq. 3-3

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> mass_action(NUMERIC, 2.0, (0.5, 3.0), (2, 1), 1e-6)
    1.5
    """
    rate = constant
    for concentration, order in zip(concentrations, orders, strict=True):
        rate = rate * concentration_power(m, concentration, order, cutoff)
    return rate


def reversible(constant: Any, equilibrium: Any, forward: Any, backward: Any) -> Any:
    """Net rate of a reversible reaction, ``k (forward - backward / K)``.

    Parameters
    ----------
    constant
        Forward rate constant k.
    equilibrium
        K, the ratio of the two products of concentrations at equilibrium.
    forward, backward
        Products of concentrations of the reactants and of what they form.

    Returns
    -------
    Net rate; zero at equilibrium.

    References
    ----------
    Fogler (2016), Elements of Chemical Reaction Engineering, 5th ed., eq. 3-12

    Examples
    --------
    >>> reversible(2.0, 4.0, 1.0, 4.0)
    0.0
    """
    return constant * (forward - backward / equilibrium)
