"""pH by charge balance in a bicarbonate-buffered liquid: a residual for an `Algebraic` variable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PLASMA = "physiological medium at 37 degC: textbook values, as in shared/reference/scalars.json; illustrative"


@dataclass(frozen=True)
class BicarbonateBuffer:
    """Dissociation constants of a medium.

    Parameters
    ----------
    pk1, pk2
        First (apparent) and second dissociation of dissolved carbon dioxide.
    pkw
        Dissociation of water.
    source
        Where they come from.
    """

    pk1: float = 6.1
    pk2: float = 10.2
    pkw: float = 13.62
    source: str = _PLASMA


MEDIUM_37 = BicarbonateBuffer()
"""Medium at 37 degC."""
WATER_25 = BicarbonateBuffer(6.35, 10.33, 14.0, "water at 25 degC, CRC Handbook of Chemistry and Physics; recalled")
"""Dilute solutions at 25 degC."""


def hydrogen_ion(m: Any, ph: Any) -> Any:
    """Hydrogen ion concentration ``10^-pH`` [mol/L].

    Parameters
    ----------
    m
        The mathematics of a reading.
    ph
        pH, dimensionless.

    References
    ----------
    IUPAC Gold Book, "pH" (activity taken as concentration), doi:10.1351/goldbook.P04524

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> round(float(hydrogen_ion(NUMERIC, 3.0)), 12)
    0.001
    """
    return m.quantity(1.0, "mol/L") * _ten_to(m, -ph)


def bicarbonate(m: Any, ph: Any, carbon_dioxide: Any, buffer: BicarbonateBuffer = MEDIUM_37) -> Any:
    """Bicarbonate in equilibrium with dissolved carbon dioxide, ``CO2 10^(pH - pK1)`` (Henderson-Hasselbalch).

    Parameters
    ----------
    m
        The mathematics of a reading.
    ph
        pH, dimensionless.
    carbon_dioxide
        Dissolved carbon dioxide, any unit.
    buffer
        Dissociation constants.

    Returns
    -------
    Bicarbonate in the same unit.

    References
    ----------
    Stumm & Morgan (1996), Aquatic Chemistry, 3rd ed., section 4.2

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> float(bicarbonate(NUMERIC, 6.1, 1.2))
    1.2
    """
    return carbon_dioxide * _ten_to(m, ph - buffer.pk1)


def charge_balance(
    m: Any, ph: Any, strong_ions: Any, carbon_dioxide: Any, buffer: BicarbonateBuffer = MEDIUM_37
) -> Any:
    """Residual of electroneutrality, zero at the true pH; strictly increasing in pH up to its sign.

    ``SID + [H+] - [HCO3-] - 2 [CO3--] - [OH-] = 0``. Strong ions (sodium, chloride, and lactate, whose pK of 3.9 is
    far below culture pH) enter by their difference.

    Parameters
    ----------
    m
        The mathematics of a reading.
    ph
        pH, dimensionless.
    strong_ions
        Strong cations less strong anions SID [mmol/L].
    carbon_dioxide
        Dissolved carbon dioxide [mmol/L].
    buffer
        Dissociation constants.

    Returns
    -------
    Residual [mmol/L].

    References
    ----------
    Stewart (1983), Canadian Journal of Physiology and Pharmacology 61:1444 (strong-ion difference),
    doi:10.1139/y83-207

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> round(float(charge_balance(NUMERIC, 7.40824375171386, 23.8, 0.0307 * 38.0)), 9)
    0.0
    """
    millimole = m.quantity(1.0, "mmol/L")
    hydrogen = m.convert(hydrogen_ion(m, ph), "mol/L", "mmol/L")
    hydroxide = millimole * 1e3 * _ten_to(m, ph - buffer.pkw)
    hydrogencarbonate = bicarbonate(m, ph, carbon_dioxide, buffer)
    carbonate = hydrogencarbonate * _ten_to(m, ph - buffer.pk2)
    return strong_ions + hydrogen - hydrogencarbonate - 2.0 * carbonate - hydroxide


def ionised(m: Any, ph: Any, pk: Any) -> Any:
    """Share of a weak acid that is dissociated, ``1 / (1 + 10^(pK - pH))``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    ph, pk
        pH and pK, dimensionless.

    Returns
    -------
    Factor between 0 and 1, dimensionless.

    References
    ----------
    Stumm & Morgan (1996), Aquatic Chemistry, 3rd ed., section 3.4

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> float(ionised(NUMERIC, 4.76, 4.76))
    0.5
    """
    return 1.0 / (1.0 + _ten_to(m, pk - ph))


def acid_charge(m: Any, ph: Any, pks: Sequence[Any]) -> Any:
    """Mean number of negative charges on a molecule of a polyprotic acid, ``sum(k t_k) / sum(t_k)``.

    ``t_k = 10^(k pH - pK_1 - ... - pK_k)`` is the amount that has lost k protons over the amount that has lost none.

    Parameters
    ----------
    m
        The mathematics of a reading.
    ph
        pH, dimensionless.
    pks
        pK of each dissociation, in order.

    Returns
    -------
    Charge, dimensionless, between 0 and the number of dissociations.

    References
    ----------
    Stumm & Morgan (1996), Aquatic Chemistry, 3rd ed., section 3.4

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> round(float(acid_charge(NUMERIC, 7.20, (2.15, 7.20, 12.35))), 5)  # phosphate, half way to its second charge
    1.5
    """
    exponent: Any = 0.0
    whole: Any = 1.0
    charged: Any = 0.0
    for lost, pk in enumerate(pks, start=1):
        exponent = exponent + ph - pk
        share = _ten_to(m, exponent)
        whole = whole + share
        charged = charged + lost * share
    return charged / whole


def _ten_to(m: Any, exponent: Any) -> Any:
    return m.exp(exponent * 2.302585092994046)
