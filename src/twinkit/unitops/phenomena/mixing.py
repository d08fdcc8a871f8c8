"""How long a vessel takes to mix, and what happens while it has not."""

from __future__ import annotations

from typing import Any


def mixing_time(constant: Any, speed: Any) -> Any:
    """Time to 95 % homogeneity in turbulent flow, ``theta95 = C / N``.

    Parameters
    ----------
    constant
        Revolutions it takes C, dimensionless (a few tens; vessels differ, bags above all: measure it).
    speed
        N [1/time].

    Returns
    -------
    Time.

    References
    ----------
    Nienow (1997), Chemical Engineering Science 52:2557, doi:10.1016/S0009-2509(97)00072-9

    Examples
    --------
    >>> mixing_time(30.0, 2.0)
    15.0
    """
    return constant / speed


def exchange(flow: Any, volume: Any, other: Any, here: Any) -> Any:
    """Rate of change in one of two compartments that exchange liquid, ``Q (c_other - c) / V``.

    Parameters
    ----------
    flow
        Exchange Q [volume/time], the same in both directions.
    volume
        Of this compartment, V.
    other, here
        Concentrations in the other compartment and in this one.

    Returns
    -------
    Rate [concentration/time].

    References
    ----------
    Levenspiel (1999), Chemical Reaction Engineering, 3rd ed., chapter 12 (compartment models)

    Examples
    --------
    >>> exchange(2.0, 4.0, 1.0, 0.5)
    0.25
    """
    return flow * (other - here) / volume


def exchange_flow(m: Any, mixing: Any, first: Any, second: Any) -> Any:
    """Exchange of two compartments that mixes them to 95 % in a given time, ``Q = ln 20 V1 V2 / ((V1 + V2) theta)``.

    Their difference decays at the rate ``Q (1/V1 + 1/V2)``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    mixing
        theta95 [time].
    first, second
        Volumes V1 and V2.

    Returns
    -------
    Flow [volume/time].

    References
    ----------
    Solution of the two balances of `exchange`

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> round(float(exchange_flow(NUMERIC, 1.0, 2.0, 2.0)), 6)
    2.995732
    """
    return m.log(20.0) * first * second / ((first + second) * mixing)
