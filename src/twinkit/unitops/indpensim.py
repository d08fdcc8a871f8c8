"""The industrial penicillin fermentation IndPenSim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops import _indpensim_balances as balances
from twinkit.unitops import _indpensim_kinetics as kinetics
from twinkit.unitops._indpensim import IndustrialPenicillin
from twinkit.unitops.phenomena import gas_transfer


def _state(v: Any, m: Any) -> tuple[kinetics.Disturbed, balances.Vessel, balances.Flows]:
    moved = kinetics.disturbed(v, m)
    state = balances.vessel(v, m, moved.O2_in)
    return moved, state, balances.flows(v, m, state, moved.c_s)


def _rates(v: Any, m: Any) -> kinetics.Hyphae:
    moved, state, _ = _state(v, m)
    return kinetics.hyphae(v, m, moved.mu_x * kinetics.inhibitions(v, m, state.oxygen_saturation).growth)


def _liquid(v: Any, m: Any) -> tk.Balance:
    _, _, flow = _state(v, m)
    return tk.Balance(v.V, inflow=flow.dilution - flow.discharged)


def _hyphae(v: Any, m: Any) -> tk.Balance:
    """Only extension makes biomass (branching moves it), only discharge takes it away."""
    _, _, flow = _state(v, m)
    biomass = kinetics.total_biomass(v)
    return tk.Balance(biomass * v.V, inflow=_rates(v, m).extension * v.V - flow.discharged * biomass)


class IndPenSim(IndustrialPenicillin):
    """Industrial penicillin fermentation of 100 000 L, "IndPenSim" (Goldrick et al. 2015): 33 states.

    Hyphae have four regions (tips, extended, degenerated, autolysed), vacuoles ten classes of size. Growth and
    formation depend on sugar, pH, temperature, oxygen, carbon dioxide, ammonia and phenylacetic acid. With off-gas,
    heat, evaporation, viscosity, acid and base. Inputs are the flows; `IndPenSimBatch` adds recipe and controllers.

    The equations are those of the benchmark as it runs, with its inconsistent units: the parameters `stirring_heat`,
    `gas_clock` and `off_gas` say where. All disturbances follow one random walk, as they do there.

    References
    ----------
    Goldrick S., Stefan A., Lovett D., Montague G., Lennox B. (2015), Journal of Biotechnology 193:70,
    doi:10.1016/j.jbiotec.2014.10.029; extended in Goldrick et al. (2019), Computers & Chemical Engineering 130:106585,
    doi:10.1016/j.compchemeng.2019.05.037
    """

    pH = tk.Output("", doc="pH")
    X = tk.Output("g/L", doc="biomass, all regions")
    kLa = tk.Output("1/h", doc="oxygen transfer coefficient")
    mu = tk.Output("1/h", doc="inhibited specific growth rate")
    titre = tk.Output("kg", doc="penicillin in the vessel")

    plotted = ("P", "X", "S", "DO2", "PAA", "N", "pH", "T", "V")
    conserved: ClassVar[Mapping[str, Any]] = {"liquid": _liquid, "hyphae": _hyphae}

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the balances of hyphae, vacuoles, product, nutrients, gas, ions, heat, volume and weight."""
        moved, state, flow = _state(v, m)
        factors = kinetics.inhibitions(v, m, state.oxygen_saturation)
        growth = moved.mu_x * factors.growth
        rates = kinetics.hyphae(v, m, growth)
        made = kinetics.production(v, m, moved.mu_p, factors)
        number, largest, smallest = kinetics.vacuole_rates(v, m, made.productive)
        thinning = flow.dilution / v.V
        regions = _regions(v, rates, thinning)
        biomass = regions["a0"] + regions["a1"] + regions["a3"] + regions["a4"]
        penicillin = made.net - v.P * thinning
        power = balances.stirring(v, m, state)
        kLa = balances.transfer_coefficient(v, m, state, power)
        return {
            **regions,
            "P": penicillin,
            "n": number,
            "nm": largest,
            "phi0": smallest,
            "age": kinetics.total_biomass(v),
            "formed": moved.mu_p,
            "grown": growth,
            **_nutrients(v, m, moved, flow, rates, made, biomass, penicillin),
            **_gases(v, m, moved, state, kLa, thinning, biomass, penicillin),
            **_vessel(v, m, moved, state, flow, rates, made, power, biomass, penicillin),
            "pH": kinetics.acidity(v, m),
            "X": kinetics.total_biomass(v),
            "kLa": kLa,
            "mu": growth,
            "titre": m.convert(v.P * v.V, "g", "kg"),
        }


def _regions(v: Any, rates: kinetics.Hyphae, thinning: Any) -> dict[str, Any]:
    """Return the rates of the four regions [g/L/h]; branching belongs to the tips, and comes from what is extended."""
    return {
        "a0": rates.tip - rates.ageing - v.a0 * thinning,
        "a1": rates.extension - rates.tip + rates.ageing - rates.vacuolation - v.a1 * thinning,
        "a3": rates.vacuolation - rates.autolysis - v.a3 * thinning,
        "a4": rates.autolysis - v.a4 * thinning,
    }


def _nutrients(v: Any, m: Any, moved: Any, flow: Any, rates: Any, made: Any, biomass: Any, penicillin: Any) -> Any:
    """Return the balances of sugar, phenylacetic acid and nitrogen; `biomass`, `penicillin`: what changes [g/L/h]."""
    thinning = flow.dilution / v.V
    resting = (
        kinetics.present(m, v.S, v.trace_S)
        * v.m_s
        * v.a0
        * m.quantity(1.0, "g/L")
        / (kinetics.differentiation_constant(v, m) + v.S)
    )
    used = v.Y_sX * (rates.extension + rates.tip) + resting + made.maintenance + v.Y_sP * made.formation
    moving = rates.tip + rates.extension + rates.ageing + rates.autolysis
    fed = (v.shots * v.N_shot + v.N_paa * v.Fpaa + v.N_oil * v.Foil) / v.V
    spent = kinetics.present(m, v.N, v.trace) * (
        moving * v.Y_NX + penicillin * v.Y_NP + v.m_N * kinetics.total_biomass(v)
    )
    bound = v.Y_PAA_P * penicillin + v.Y_PAA_X * biomass + v.m_PAA * v.P
    return {
        "S": (v.Fs * moved.c_s + v.Foil * moved.c_oil) / v.V - used - v.S * thinning,
        "PAA": v.Fpaa * moved.PAA_c / v.V - kinetics.present(m, v.PAA, v.trace) * bound - v.PAA * thinning,
        "N": fed - spent - v.N * thinning,
    }  # fmt: skip


def _gases(
    v: Any, m: Any, moved: Any, state: Any, kLa: Any, thinning: Any, biomass: Any, penicillin: Any
) -> dict[str, Any]:
    """Return the balances of oxygen and carbon dioxide in broth and off-gas."""
    transferred = gas_transfer(kLa, state.oxygen_saturation, v.DO2)
    uptake = biomass * v.Y_O2_X + v.m_O2_X * kinetics.total_biomass(v) + penicillin * v.Y_O2_P
    oxygen, carbon_dioxide = balances.off_gas(v, m, state, transferred, moved.O2_in)
    saturation = balances.carbon_dioxide_saturation(v, m, state.pressure)
    return {
        "DO2": transferred - kinetics.present(m, v.DO2, v.trace) * uptake - v.DO2 * thinning,
        "O2": oxygen,
        "CO2_gas": carbon_dioxide,
        "CO2": gas_transfer(kLa * v.kla_CO2, saturation, v.CO2) - v.CO2 * thinning,
    }


def _vessel(
    v: Any, m: Any, moved: Any, state: Any, flow: Any, rates: Any, made: Any, power: Any, biomass: Any, penicillin: Any
) -> dict[str, Any]:
    """Return the balances of volume, weight, hydrogen ion, heat and viscosity."""
    liquids = (v.Fb + v.Fa + flow.water - flow.evaporation) * v.rho_w + v.Fpaa * v.rho_paa
    weight = v.Fs * flow.feed_density + v.rho_oil * v.Foil + liquids
    oxygen = m.convert((biomass * v.Y_O2_X + penicillin * v.Y_O2_P) * v.V, "mg/h", "g/h")
    reaction = m.maximum(v.Y_QX * oxygen, 0.0)
    warmed = balances.heat(v, m, state, flow, power, reaction, moved.T_coolant)
    acid = rates.tip + rates.extension + rates.autolysis + rates.ageing + v.m_pH * kinetics.total_biomass(v) + made.net
    tips = m.maximum(v.a0 / m.quantity(1.0, "g/L"), 1e-12)
    early, late = (1.0 / (1.0 + m.exp(-k * (v.t - t))) for k, t in ((v.k_1, v.t_1), (v.k_2, v.t_2)))
    return {
        "V": flow.dilution - flow.discharged,
        "Wt": m.convert(weight, "L/h*kg/m**3", "kg/h") - v.discharge,
        "H": balances.hydrogen_rate(v, m, moved.abc, acid, flow),
        "T": warmed / (m.convert(v.V, "L", "m**3") * v.C_pw * state.density),
        "Q": warmed,
        "viscosity": v.k_4 * tips ** (1.0 / 3.0) * early * late - v.k_3 * v.Fw,
    }
