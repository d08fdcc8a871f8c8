"""Kinetics of IndPenSim: inhibition, hyphae, vacuoles, penicillin (Goldrick et al. 2015)."""

from __future__ import annotations

from typing import Any, NamedTuple

from twinkit.unitops.phenomena import activation_and_loss, monod


class Disturbed(NamedTuple):
    """Parameters as the disturbance leaves them, in their own units."""

    mu_p: Any
    mu_x: Any
    c_s: Any
    c_oil: Any
    abc: Any
    PAA_c: Any
    T_coolant: Any
    O2_in: Any


class Inhibitions(NamedTuple):
    """Factors between 0 and 1 on growth and on penicillin formation; the rate of hydrolysis [1/h]."""

    growth: Any
    formation: Any
    hydrolysis: Any


class Hyphae(NamedTuple):
    """Rates of the biomass regions [g/L/h].

    `tip` and `extension` grow the regions a0 and a1, `ageing` turns a0 into a1, `vacuolation` a1 into a3, `autolysis`
    a3 into a4.
    """

    tip: Any
    extension: Any
    ageing: Any
    vacuolation: Any
    autolysis: Any


class Production(NamedTuple):
    """Volume of the productive region [cm**3/L]; formation and hydrolysis of penicillin, maintenance [g/L/h]."""

    productive: Any
    formation: Any
    net: Any
    maintenance: Any


def disturbed(v: Any, m: Any) -> Disturbed:
    """Return the parameters a disturbance acts on; one random walk moves all of them."""
    w = v.disturbance
    largest = m.minimum(v.mu_x, v.growth_limit)
    return Disturbed(
        v.mu_p + v.d_mu_p * w, largest + v.d_mu_x * w, v.c_s + v.d_c_s * w, v.c_oil + v.d_c_oil * w,
        v.abc + v.d_abc * w, v.PAA_c + v.d_PAA_c * w, v.T_coolant + v.d_T_coolant * w, v.O2_in + v.d_O2_in * w,
    )  # fmt: skip


def total_biomass(v: Any) -> Any:
    """Return all regions of the hyphae together [g/L]."""
    return v.a0 + v.a1 + v.a3 + v.a4


def hydrogen_ion(v: Any, m: Any) -> Any:
    """Return the hydrogen ion [mol/L], kept from zero so that pH is a number."""
    return m.maximum(v.H, m.quantity(1e-13, "mol/L"))


def acidity(v: Any, m: Any) -> Any:
    """Return pH."""
    return -m.log10(hydrogen_ion(v, m) / m.quantity(1.0, "mol/L"))


def present(m: Any, amount: Any, trace: Any) -> Any:
    """Return 1 where there is more than a trace, falling to 0 with the amount: what is used up is not used further."""
    return m.clip(amount / trace, 0.0, 1.0)


def _switch(m: Any, x: Any) -> Any:
    """Smooth step that is one for large `x`, ``(1 + tanh x) / 2``."""
    return 0.5 * (1.0 + m.tanh(x))


def inhibitions(v: Any, m: Any, oxygen_saturation: Any) -> Inhibitions:
    """Return how pH, temperature, oxygen, carbon dioxide, nitrogen and phenylacetic acid act.

    Parameters
    ----------
    v, m
        Variables and mathematics of a reading.
    oxygen_saturation
        Dissolved oxygen at equilibrium [mg/L].
    """
    pH = acidity(v, m)
    hydrogen = hydrogen_ion(v, m)
    acid = 1.0 / (1.0 + hydrogen / v.K_1 + v.K_2 / hydrogen)
    # Above 310 K the source's factor is below zero, and its hyphae with it.
    heat = m.maximum(activation_and_loss(m, v.k_g, v.E_g, v.k_d, v.E_d, v.T, v.R), 0.0)
    nitrogen = _switch(m, v.A_inhib * (v.N - v.X_crit_N))
    carbon_dioxide = _switch(m, v.A_inhib * (v.X_crit_CO2 - m.convert(v.CO2, "g/L", "mg/L")))
    oxygen = _switch(m, v.A_inhib * (v.DO2 - v.X_crit_DO2 * oxygen_saturation))
    sharp = m.quantity(1.0, "L/mg")
    toxic = _switch(m, sharp * (v.X_crit_PAA - v.PAA))
    oxygen_formation = _switch(m, v.A_inhib * (v.DO2 - v.P_crit_DO2 * oxygen_saturation))
    precursor = _switch(m, sharp * (v.PAA - v.P_crit_PAA))
    exponent = v.B_1 + v.B_2 * pH + v.B_3 * v.T + v.B_4 * pH**2 + v.B_5 * v.T**2
    return Inhibitions(
        acid * nitrogen * heat * oxygen * carbon_dioxide * toxic,
        oxygen_formation * precursor,
        m.quantity(1.0, "1/h") * m.exp(exponent),
    )


def differentiation_constant(v: Any, m: Any) -> Any:
    """Return the constant of the step from a0 to a1 [g/L]: it falls with the age of the culture."""
    least = m.quantity(1e-12, "g/L")
    return m.maximum(v.K_diff - v.beta_1 * v.age / m.maximum(total_biomass(v), least), v.K_diff_L)


def hyphae(v: Any, m: Any, growth: Any) -> Hyphae:
    """Return the rates of the biomass regions.

    Parameters
    ----------
    v, m
        Variables and mathematics of a reading.
    growth
        Largest specific growth rate as it is inhibited [1/h].
    """
    largest = v.r_0 + 10.0 * v.delta_r
    inner = v.r_0 + 8.0 * v.delta_r
    volume = m.pi * (inner + largest) ** 3 / 6.0
    sugar = m.maximum(v.S, 0.0)
    return Hyphae(
        v.branching * growth * v.a1 * monod(sugar, v.K_b),
        growth * v.a0 * monod(sugar, v.K_e),
        v.mu_diff * v.a0 / (differentiation_constant(v, m) + sugar),
        m.convert(volume * v.rho_d * v.k_v * v.n[9], "cm**2*g/cm**2/h/L", "g/L/h"),
        v.mu_a * v.a3,
    )


def production(v: Any, m: Any, mu_p: Any, factors: Inhibitions) -> Production:
    """Return volume of the productive region, and formation and hydrolysis of penicillin.

    Parameters
    ----------
    v, m
        Variables and mathematics of a reading.
    mu_p
        Largest specific formation rate [1/h].
    factors
        Inhibitions.
    """
    radii = [v.r_0 + float(k) * v.delta_r for k in range(9)]
    vacuoles = v.phi0
    for k, radius in enumerate(radii):
        vacuoles = vacuoles + 4.0 / 3.0 * m.pi * radius**3 * v.n[k + 1] * v.delta_r
    dry = m.convert(v.a1 / v.rho_a0, "g/L/(g/cm**3)", "cm**3/L")
    # Density rho_a1 = a1 / (a1 / rho_a0 + vacuoles); half of a1 by that density, less the vacuoles.
    productive = 0.5 * (dry + vacuoles) - vacuoles
    peak = v.P_peak / m.sqrt(2.0 * m.pi) * m.exp(-0.5 * ((v.S - v.P_mean) / v.P_std) ** 2)
    cytoplasm = m.convert(v.rho_a0 * productive, "g/cm**3*cm**3/L", "g/L")
    formation = mu_p * cytoplasm * peak * factors.formation * present(m, v.S, v.trace_S)
    return Production(
        productive, formation, formation - factors.hydrolysis * v.P, v.m_s * cytoplasm * monod(v.S, v.K_v)
    )


def vacuole_rates(v: Any, m: Any, productive: Any) -> tuple[Any, Any, Any]:
    """Return the rates of the ten densities of number, of the largest vacuoles, and of the smallest ones' volume.

    Vacuoles grow through nine classes of size (central differences in radius) after they were formed in the smallest.

    Parameters
    ----------
    v, m
        Variables and mathematics of a reading.
    productive
        Volume of the productive region [cm**3/L].
    """
    made = v.mu_v * productive / (v.K_v + v.S)
    # The source forms vacuoles per litre where their density per litre and radius is meant.
    per_radius = m.quantity(1.0, "1/cm")
    diameter = v.r_0 + v.delta_0
    first = per_radius * (made * 6.0 / m.pi / diameter**3) - m.quantity(1.0, "1/cm") * v.k_v * v.n[0]
    middle, above, below = v.n[1:9], v.n[2:10], v.n[0:8]
    inner = -v.k_v * (above - below) / (2.0 * v.delta_r) + v.D_v * (above - 2.0 * middle + below) / v.delta_r**2
    last = -v.k_v * (v.nm - v.n[8]) / (2.0 * v.delta_r) + v.D_v * (v.nm - 2.0 * v.n[9] + v.n[8]) / v.delta_r**2
    # The source hands the rate of the ninth class on, where its density is meant.
    largest = v.k_v * last * m.quantity(1.0, "h") / (2.0 * v.delta_r) - v.mu_a * v.nm
    volume = made - v.k_v * v.n[0] * m.pi * diameter**3 / 6.0
    return m.concatenate([first, inner, last]), largest, volume
