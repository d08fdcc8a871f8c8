"""Rate laws of yeast in lignocellulosic hydrolysates: ethanol inhibition and the lag while cells adapt."""

from __future__ import annotations

from typing import Any

CARBON_DIOXIDE_PER_ETHANOL = 44.0095 / 46.0684
"""Carbon dioxide formed with ethanol [g/g]: one molecule each (molar masses: NIST Chemistry WebBook)."""


def ethanol_tolerance(m: Any, ethanol: Any, limit: Any) -> Any:
    """Linear inhibition by the product, ``max(1 - E / E_max, 0)``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    ethanol
        Concentration E, any unit.
    limit
        E_max, the concentration at which the rate vanishes; same unit.

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    References
    ----------
    Levenspiel (1980), Biotechnology and Bioengineering 22:1671, exponent 1, doi:10.1002/bit.260220810;
    used for glucose and xylose by Krishnan, Ho & Tsao (1999), Applied Biochemistry and Biotechnology 77-79:373

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> float(ethanol_tolerance(NUMERIC, 25.0, 100.0))
    0.75
    """
    return m.maximum(1.0 - ethanol / limit, 0.0)


def readiness(m: Any, log_state: Any) -> Any:
    """Share of full activity of cells that are still adapting, ``q / (1 + q)`` with ``q = exp(log_state)``.

    The physiological state q grows exponentially while cells adapt, ``d(log q)/dt = nu``, so that activity rises
    from ``q0 / (1 + q0)`` to 1 after a lag of about ``log(1 + 1/q0) / nu``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    log_state
        log q, dimensionless.

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    References
    ----------
    Baranyi & Roberts (1994), International Journal of Food Microbiology 23:277, doi:10.1016/0168-1605(94)90157-0

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> float(readiness(NUMERIC, 0.0))
    0.5
    """
    return 1.0 / (1.0 + m.exp(-log_state))
