"""Mass-action kinetics of chemical reactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def mass_action(constant: Any, concentrations: Sequence[Any], orders: Sequence[float]) -> Any:
    """Rate of an elementary reaction, ``k c1^n1 c2^n2 ...``.

    Parameters
    ----------
    constant
        k, in the unit that makes the product a rate.
    concentrations
        One per reactant.
    orders
        One number per reactant.

    Returns
    -------
    Rate [concentration/time].

    References
    ----------
    Fogler (2016), Elements of Chemical Reaction Engineering, 5th ed., eq. 3-3

    Examples
    --------
    >>> mass_action(2.0, (0.5, 3.0), (2, 1))
    1.5
    """
    rate = constant
    for concentration, order in zip(concentrations, orders, strict=True):
        rate = rate * (concentration if order == 1 else concentration**order)
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
