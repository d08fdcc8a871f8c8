"""Power of stirrers, and the oxygen transfer it brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TransferCorrelation:
    """Constants of ``kLa = k (P/V)^a vs^b`` in SI units (kLa in 1/s, P/V in W/m^3, vs in m/s).

    Vessels that differ (single-use bags above all) need their own: fit them, or take the vendor's.

    Parameters
    ----------
    k, a, b
        The three constants.
    source
        Where they come from.
    """

    k: float
    a: float
    b: float
    source: str


_VAN_T_RIET = "van 't Riet (1979), doi:10.1021/i260071a001; recalled, not looked up"
COALESCING = TransferCorrelation(0.026, 0.4, 0.5, _VAN_T_RIET)
"""Pure water: bubbles merge (within 20 to 40 %)."""
NON_COALESCING = TransferCorrelation(0.002, 0.7, 0.2, _VAN_T_RIET)
"""Salt solutions: bubbles stay small (within 20 to 40 %)."""


def oxygen_transfer_coefficient(
    m: Any, power_density: Any, superficial_velocity: Any, correlation: TransferCorrelation = COALESCING
) -> Any:
    """Volumetric coefficient ``kLa = k (P/V)^a vs^b`` of a stirred, sparged vessel.

    Parameters
    ----------
    m
        The mathematics of a reading.
    power_density
        Gassed power per liquid volume P/V [W/m**3]; 500 to 10000 in the source.
    superficial_velocity
        Gas flow per cross-section vs [m/s].
    correlation
        Constants.

    Returns
    -------
    kLa [1/s].

    References
    ----------
    van 't Riet (1979), Industrial & Engineering Chemistry Process Design and Development 18:357, eqs. 11 and 12,
    doi:10.1021/i260071a001; equation numbers recalled, not looked up

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> round(3600 * oxygen_transfer_coefficient(NUMERIC, 1000.0, 0.01), 6)  # 1/h
    148.346003
    """
    k = m.quantity(correlation.k, "1/s")
    return transfer_power_law(m, k, correlation.a, correlation.b, power_density, superficial_velocity)


def transfer_power_law(m: Any, k: Any, a: Any, b: Any, power_density: Any, superficial_velocity: Any) -> Any:
    """Volumetric coefficient ``kLa = k (P/V)^a vs^b`` with constants that are variables of a model.

    Parameters
    ----------
    m
        The mathematics of a reading.
    k
        kLa at 1 W/m**3 and 1 m/s [1/time].
    a, b
        Exponents, dimensionless.
    power_density
        Gassed power per liquid volume P/V [W/m**3], positive.
    superficial_velocity
        Gas flow per cross-section vs [m/s], positive.

    Returns
    -------
    kLa, in the unit of `k`.

    References
    ----------
    van 't Riet (1979), doi:10.1021/i260071a001

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> transfer_power_law(NUMERIC, 2.0, 0.5, 1.0, 4.0, 0.25)
    1.0
    """
    power = power_density / m.quantity(1.0, "W/m**3")
    velocity = superficial_velocity / m.quantity(1.0, "m/s")
    return k * power**a * velocity**b


def stirrer_power(power_number: Any, density: Any, speed: Any, diameter: Any) -> Any:
    """Ungassed power of a stirrer in turbulent flow, ``P0 = Np rho N^3 D^5``.

    Parameters
    ----------
    power_number
        Np, dimensionless (about 5 for a Rushton turbine, 0.3 for a marine propeller).
    density
        rho [kg/m**3].
    speed
        N [1/s].
    diameter
        D of the stirrer [m].

    Returns
    -------
    Power [kg m**2/s**3 = W].

    References
    ----------
    Rushton, Costich & Everett (1950), Chemical Engineering Progress 46:395 and 467

    Examples
    --------
    >>> round(stirrer_power(5.0, 1000.0, 100 / 60, 1.7), 4)
    328670.6019
    """
    return power_number * density * speed**3 * diameter**5


def gassed_power(m: Any, power: Any, speed: Any, diameter: Any, gas_flow: Any) -> Any:
    """Power of a stirrer in gassed liquid, ``Pg = 0.706 (P0^2 N D^3 / Q^0.56)^0.45`` (SI), at most P0.

    The correlation has no limit at vanishing gas flow; there the ungassed power holds.

    Parameters
    ----------
    m
        The mathematics of a reading.
    power
        Ungassed power P0 [W].
    speed
        N [1/s].
    diameter
        D [m].
    gas_flow
        Q [m**3/s], not negative.

    Returns
    -------
    Gassed power [W].

    References
    ----------
    Michel & Miller (1962), AIChE Journal 8:262, doi:10.1002/aic.690080226; the constant 0.706 as in IndPenSim
    (Goldrick et al. 2015, doi:10.1016/j.jbiotec.2014.10.029)

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> round(float(gassed_power(NUMERIC, 1000.0, 5.0, 0.2, 1e-3)), 3)
    473.949
    >>> float(gassed_power(NUMERIC, 1000.0, 5.0, 0.2, 0.0))
    1000.0
    """
    watt = m.quantity(1.0, "W")
    # A floor keeps the quotient finite where there is no gas; it is far below any flow at which power drops.
    flow = m.maximum(gas_flow / m.quantity(1.0, "m**3/s"), 1e-12)
    turning = speed * diameter**3 / m.quantity(1.0, "m**3/s")
    drawn = 0.706 * ((power / watt) ** 2 * turning / flow**0.56) ** 0.45
    return m.minimum(power, drawn * watt)
