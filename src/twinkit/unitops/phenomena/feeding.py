"""Feeding strategies in closed form."""

from __future__ import annotations

from typing import Any


def exponential_feed(
    m: Any, time: Any, growth_rate: Any, biomass: Any, volume: Any, biomass_yield: Any, feed: Any
) -> Any:
    """Feed that lets biomass grow at a constant rate, ``F = mu X0 V0 / (Y S_feed) exp(mu t)``.

    The substrate left in the vessel and maintenance are neglected.

    Parameters
    ----------
    m
        The mathematics of a reading.
    time
        Time t since the feed began.
    growth_rate
        mu to be held [1/time].
    biomass, volume
        X0 and V0 when the feed began.
    biomass_yield
        Y [biomass/substrate].
    feed
        Substrate in the feed, S_feed.

    Returns
    -------
    Flow [volume/time].

    References
    ----------
    Lee (1996), Trends in Biotechnology 14:98, doi:10.1016/0167-7799(96)80930-9

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> float(exponential_feed(NUMERIC, 0.0, 0.2, 10.0, 2.0, 0.5, 400.0))
    0.02
    """
    return growth_rate * biomass * volume / (biomass_yield * feed) * m.exp(growth_rate * time)
