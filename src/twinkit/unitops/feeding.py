"""Feeding strategies as points in time, for ``tk.steps``: an input of a run or of a graph.

A pump is set from time to time: each strategy is a flow that is held until the next point, and the volume that flows
is exact. A constant feed is ``tk.steps({"0 h": 0, "8 h": "6 mL/h"})``, a linear one ``tk.ramps({...})``; feeding on
demand is the model `twinkit.unitops.DOStatFeed`; bolus feeds and samples are options of the fed vessels
(``CHOFedBatch(bolus_every=24, sample_every=12)``).
"""

from __future__ import annotations

import math

from twinkit.core.errors import InvalidValueError
from twinkit.core.units import as_number
from twinkit.readings.numeric import NUMERIC
from twinkit.unitops.phenomena.feeding import exponential_feed

_MOST = 100_000
_LARGEST = 600.0  # exp of more is no number any longer


def exponential_points(
    *, growth_rate: float, biomass: float, volume: float, biomass_yield: float, feed: float,
    start: float, stop: float, every: float, limit: float = math.inf,
) -> dict[float, float]:  # fmt: skip
    """Return an exponential feed, ``F = mu X0 V0 / (Y S_feed) exp(mu (t - start))``, as a pump follows it.

    Each value is the mean of the exponential until the next point, so that the volume fed is that of the curve.

    Parameters
    ----------
    growth_rate
        mu to be held [1/time].
    biomass, volume
        X0 and V0 when the feed begins.
    biomass_yield
        Y [biomass/substrate].
    feed
        Substrate in the feed, S_feed.
    start, stop
        When the feed begins and ends; nothing flows before and after.
    every
        Time between two settings of the pump.
    limit
        The largest flow that the pump gives.

    Returns
    -------
    dict
        Time -> flow [volume/time], from time 0 on, in the units of the arguments.

    Raises
    ------
    InvalidValueError
        For a value that is not a positive number, or times in the wrong order.

    References
    ----------
    Lee (1996), Trends in Biotechnology 14:98, doi:10.1016/0167-7799(96)80930-9

    Examples
    --------
    >>> import twinkit as tk
    >>> from twinkit.unitops import EColiOverflow
    >>> points = exponential_points(growth_rate=0.2, biomass=4.0, volume=2.0, biomass_yield=0.45, feed=300.0,
    ...                             start=6.0, stop=12.0, every=0.5)
    >>> run = tk.simulate(EColiOverflow(), "14 h", inputs={"F": tk.steps(points)})
    >>> round(float(run["V"][-1]), 4)
    2.1375
    """
    _positive(growth_rate=growth_rate, biomass=biomass, volume=volume, biomass_yield=biomass_yield, feed=feed)
    stretches = _stretches(start, stop, every)
    if not limit > 0.0:
        raise InvalidValueError(f"limit must be positive, not {limit!r}")
    if growth_rate * (float(stop) - float(start)) > _LARGEST:
        raise InvalidValueError(f"growth at {growth_rate:g} until {stop:g} passes every number; limit the time")
    found = {0.0: 0.0}
    for begin, end in stretches:
        grown = growth_rate * (end - begin)
        first = float(exponential_feed(NUMERIC, begin - start, growth_rate, biomass, volume, biomass_yield, feed))
        found[begin] = min(limit, first * math.expm1(grown) / grown)
    found[float(stop)] = 0.0
    return found


def pulse_points(*, volume: float, duration: float, every: float, start: float, stop: float) -> dict[float, float]:
    """Return pulses of feed: a volume over a short time, again and again.

    Parameters
    ----------
    volume
        Of one pulse.
    duration
        How long the pump runs for it.
    every
        Time from one pulse to the next, longer than `duration`.
    start, stop
        The first pulse begins at `start`; none begins at `stop` or later.

    Returns
    -------
    dict
        Time -> flow [volume/time], from time 0 on, in the units of the arguments.

    Raises
    ------
    InvalidValueError
        For a value that is not a positive number, or times in the wrong order.

    Examples
    --------
    >>> pulse_points(volume=0.02, duration=0.1, every=24.0, start=48.0, stop=73.0)
    {0.0: 0.0, 48.0: 0.2, 48.1: 0.0, 72.0: 0.2, 72.1: 0.0}
    """
    _positive(volume=volume, duration=duration)
    stretches = _stretches(start, stop, every)
    if not duration < every:
        raise InvalidValueError(f"a pulse of {duration:g} does not end before the next one, {every:g} later")
    found = {0.0: 0.0}
    for begin, _ in stretches:
        found[begin], found[begin + duration] = volume / duration, 0.0
    return found


def _stretches(start: float, stop: float, every: float) -> list[tuple[float, float]]:
    """Return the stretches from `start` to `stop`, each `every` long but for the last."""
    _positive(every=every)
    start, stop = as_number(start, "", "start"), as_number(stop, "", "stop")
    if not 0.0 <= start < stop < math.inf:
        raise InvalidValueError(f"a feed starts at 0 or later and stops after that; got {start!r} and {stop!r}")
    count = (stop - start) / every
    if count > _MOST:
        raise InvalidValueError(f"a point every {every:g} is more than {_MOST} points; choose a longer time")
    # A last stretch that only rounding has made is none.
    times = [start + k * every for k in range(max(1, math.ceil(count * (1.0 - 1e-12))))]
    return list(zip(times, [*times[1:], float(stop)], strict=True))


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 < as_number(value, "", name) < math.inf:
            raise InvalidValueError(f"{name} must be a positive number, not {value!r}")
