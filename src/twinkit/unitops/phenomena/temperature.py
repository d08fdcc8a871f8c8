"""How rates and equilibria depend on temperature."""

from __future__ import annotations

from typing import Any

GAS_CONSTANT = 8.31446261815324
"""Molar gas constant [J/mol/K], exact (SI 2019, CODATA)."""


def gas_constant(m: Any) -> Any:
    """Return the molar gas constant as a quantity in J/mol/K.

    Parameters
    ----------
    m
        The mathematics of a reading.

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> gas_constant(NUMERIC)
    8.31446261815324
    """
    return m.quantity(GAS_CONSTANT, "J/mol/K")


def arrhenius(m: Any, prefactor: Any, energy: Any, temperature: Any, gas: Any = None) -> Any:
    """Rate constant ``A exp(-Ea / (R T))``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    prefactor
        A, any unit; the result has it too.
    energy
        Activation energy Ea [J/mol, or what `gas` goes with].
    temperature
        T [K].
    gas
        Gas constant, where a source rounds it or uses calories; by default that of `gas_constant`.

    Returns
    -------
    Rate constant.

    References
    ----------
    Arrhenius (1889), Zeitschrift fuer Physikalische Chemie 4:226, doi:10.1515/zpch-1889-0416

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> round(float(arrhenius(NUMERIC, 26540.0, 4e4, 313.0, 8.314)), 9)
    0.005601527
    """
    return prefactor * m.exp(-energy / ((gas_constant(m) if gas is None else gas) * temperature))


def arrhenius_from(m: Any, rate: Any, energy: Any, temperature: Any, reference: Any) -> Any:
    """Rate constant ``k_ref exp(-Ea / R (1 / T - 1 / T_ref))``, better conditioned for fitting than A and Ea.

    Also van 't Hoff's equation, with an equilibrium constant for the rate and an enthalpy of reaction for Ea.

    Parameters
    ----------
    m
        The mathematics of a reading.
    rate
        k_ref, the constant at `reference`.
    energy
        Ea [J/mol].
    temperature, reference
        T and T_ref [K].

    Returns
    -------
    The constant at `temperature`, in the unit of `rate`.

    References
    ----------
    Schwaab & Pinto (2007), Chemical Engineering Science 62:2750, eq. 2, doi:10.1016/j.ces.2007.02.020

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> float(arrhenius_from(NUMERIC, 0.1, 5e4, 310.15, 310.15))
    0.1
    """
    return rate * m.exp(-energy / gas_constant(m) * (1.0 / temperature - 1.0 / reference))


def activation_and_loss(
    m: Any, gain: Any, gain_energy: Any, loss: Any, loss_energy: Any, temperature: Any, gas: Any
) -> Any:
    """Growth activated by heat less its thermal loss, ``kg exp(-Eg / (R T)) - kd exp(-Ed / (R T))``.

    Parameters
    ----------
    m
        The mathematics of a reading.
    gain, gain_energy
        kg and Eg of growth.
    loss, loss_energy
        kd and Ed of loss.
    temperature
        T [K].
    gas
        Gas constant in the unit of the energies.

    Returns
    -------
    Factor in the unit of `gain`.

    References
    ----------
    Birol, Undey & Cinar (2002), Computers & Chemical Engineering 26:1553, eq. 4,
    doi:10.1016/S0098-1354(02)00127-8

    Examples
    --------
    >>> from twinkit.readings.numeric import NUMERIC
    >>> round(float(activation_and_loss(NUMERIC, 7e3, 5100.0, 1e33, 5e4, 297.0, 1.987)), 4)
    1.2355
    """
    return arrhenius(m, gain, gain_energy, temperature, gas) - arrhenius(m, loss, loss_energy, temperature, gas)
