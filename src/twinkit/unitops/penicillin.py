"""Fed-batch penicillin (PenSim)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops._dosed_vessel import DosedVessel, doses
from twinkit.unitops.parameters import declare, load
from twinkit.unitops.phenomena import (
    activation_and_loss,
    contois,
    gas_transfer,
    haldane,
    hydrogen_ion,
    monod,
    saturating_square,
)

_SET = load("birol2002")
_LEAST = 1e-12  # keeps S / (K X + S) a number in a vessel without cells and substrate


def _evaporation(v: Any, m: Any) -> Any:
    """Water lost with the gas [L/h]: Birol's fit, zero at the freezing point."""
    above = (v.T - m.quantity(0.0, "degC")) / m.quantity(100.0, "delta_degC")
    return v.V * v.evaporation * (m.exp(5.0 * above) - 1.0)


class PenicillinFedBatch(DosedVessel):
    """Penicillium chrysogenum making penicillin in a fed, aerated vessel (Birol, Undey & Cinar 2002, "PenSim").

    Five states: biomass, glucose, dissolved oxygen, penicillin, volume. Growth follows Contois' law in glucose and
    oxygen, with pH and temperature; penicillin forms best where glucose is scarce, and hydrolyses. Water evaporates.
    Temperature and pH are inputs, so that a shift is a step. The heat and carbon dioxide balances of the original are
    not part of it.

    Two additions, marked illustrative: maintenance stops where glucose or oxygen is exhausted, without which either
    would become negative.

    A bolus of the feed every `bolus_every` hours and a sample every `sample_every` hours are options.

    References
    ----------
    Birol G., Undey C., Cinar A. (2002), Computers & Chemical Engineering 26:1553,
    doi:10.1016/S0098-1354(02)00127-8
    """

    X = tk.State("g/L", 0.1, bounds=(0, None), nominal=1.0, doc="biomass, dry weight")
    S = tk.State("g/L", 15.0, bounds=(0, None), nominal=1.0, doc="glucose")
    Cl = tk.State("g/L", 1.16, bounds=(0, None), nominal=0.1, doc="dissolved oxygen, in the source's scale")
    P = tk.State("g/L", 0.0, bounds=(0, None), nominal=1.0, doc="penicillin")
    V = tk.State("L", 100.0, bounds=(1e-6, None), nominal=100.0, doc="liquid volume")

    F = tk.Input("L/h", 0.05, bounds=(0, None), nominal=0.05, doc="glucose feed")
    S_feed = tk.Input("g/L", 600.0, bounds=(0, None), doc="glucose in the feed")
    acid = tk.Input("L/h", 3e-5, bounds=(0, None), nominal=1e-4, doc="acid added")
    base = tk.Input("L/h", 1.5e-4, bounds=(0, None), nominal=1e-4, doc="base added")
    T = tk.Input("degC", 23.85, bounds=(0, 60), doc="temperature")
    pH = tk.Input("", 5.1, bounds=(2, 9), doc="pH")
    aeration = tk.Input("L/h", 0.1, bounds=(0, None), doc="gas flow, in the source's scale")
    power = tk.Input("W", 29.9, bounds=(0, None), doc="agitation power")

    mu_x = declare(_SET, "mu_x", "largest specific growth rate", (0, 1))
    K_x = declare(_SET, "K_x", "Contois constant of glucose", (1e-6, 10))
    K_ox = declare(_SET, "K_ox", "Contois constant of oxygen in growth", (1e-6, 10))
    K_1 = declare(_SET, "K_1", "hydrogen ion that halves growth when scarce", (1e-14, 1e-3))
    K_2 = declare(_SET, "K_2", "hydrogen ion that halves growth in excess", (1e-10, 1))
    k_g = declare(_SET, "k_g", "activation of growth by heat", (0, 1e9))
    E_g = declare(_SET, "E_g", "its activation energy", (0, 1e5))
    k_d = declare(_SET, "k_d", "loss of growth by heat", (0, 1e50))
    E_d = declare(_SET, "E_d", "its activation energy", (0, 2e5))
    R = declare(_SET, "R", "gas constant as the source rounds it", (1.9, 2.1))
    mu_p = declare(_SET, "mu_p", "largest specific penicillin formation", (0, 1))
    K_p = declare(_SET, "K_p", "glucose half saturation of formation", (1e-9, 10))
    K_I = declare(_SET, "K_I", "glucose inhibition of formation", (1e-6, 100))
    K_op = declare(_SET, "K_op", "Contois constant of oxygen in formation (cubic law)", (1e-9, 10))
    K_hydrolysis = declare(_SET, "K_hydrolysis", "hydrolysis of penicillin", (0, 1))
    Y_xs = declare(_SET, "Y_xs", "biomass from glucose", (1e-3, 1))
    Y_xo = declare(_SET, "Y_xo", "biomass from oxygen", (1e-4, 10))
    Y_ps = declare(_SET, "Y_ps", "penicillin from glucose", (1e-3, 10))
    Y_po = declare(_SET, "Y_po", "penicillin from oxygen", (1e-3, 10))
    m_x = declare(_SET, "m_x", "glucose for maintenance", (0, 1))
    m_o = declare(_SET, "m_o", "oxygen for maintenance", (0, 10))
    Cl_sat = declare(_SET, "Cl_sat", "dissolved oxygen at saturation", (0, 10))
    alpha = declare(_SET, "alpha", "oxygen transfer at unit flow and power density", (0, 1e4))
    beta = declare(_SET, "beta", "exponent of the power density", (0, 1))
    evaporation = declare(_SET, "evaporation", "evaporation constant", (0, 1))
    K_gate = declare(_SET, "K_gate", "stops maintenance at exhaustion of glucose", (1e-9, 1))
    K_gate_oxygen = declare(_SET, "K_gate_oxygen", "stops maintenance at exhaustion of oxygen", (1e-9, 1))

    bolus = DosedVessel.bolus.altered(default=0.5, bounds=(0, 50))
    sample = DosedVessel.sample.altered(default=0.1, bounds=(0, 50))

    mu = tk.Output("1/h", doc="specific growth rate")
    formation = tk.Output("1/h", doc="specific penicillin formation")
    kLa = tk.Output("1/h", doc="oxygen transfer coefficient")
    titre = tk.Output("g", doc="penicillin in the vessel")

    plotted = ("X", "S", "Cl", "P")
    conserved: ClassVar[Mapping[str, Any]] = {
        "liquid": lambda v, m: tk.Balance(v.V, inflow=v.F + v.acid + v.base - _evaporation(v, m)),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return biomass, glucose, oxygen, penicillin and volume balances."""
        # What cells do is done by amounts that are not negative: an integrator's error must not grow as cells do.
        least = m.quantity(_LEAST, "g/L")
        oxygen, glucose, biomass = m.maximum(v.Cl, least), m.maximum(v.S, least), m.maximum(v.X, 0.0)
        hydrogen = hydrogen_ion(m, v.pH)
        acidity = 1.0 / (1.0 + v.K_1 / hydrogen + hydrogen / v.K_2)
        heat = activation_and_loss(m, v.k_g, v.E_g, v.k_d, v.E_d, m.convert(v.T, "degC", "K"), v.R)
        mu = v.mu_x * acidity * contois(glucose, biomass, v.K_x) * contois(oxygen, biomass, v.K_ox) * heat
        formation = v.mu_p * haldane(glucose, v.K_p, v.K_I) * oxygen**3 / (v.K_op * biomass + oxygen**3)
        # Roots and powers of zero have no slope: without gas or stirring a trace of either is assumed.
        flow = m.maximum(v.aeration / m.quantity(1.0, "L/h"), _LEAST)
        density = m.maximum(v.power / v.V / m.quantity(1.0, "W/L"), _LEAST)
        kLa = v.alpha * m.sqrt(flow) * density**v.beta
        volume = v.F + v.acid + v.base - _evaporation(v, m)
        maintenance = v.m_x * monod(glucose, v.K_gate)
        # Below zero the gate goes on with the sign turned, which brings an integrator's overshoot back.
        size = m.abs(v.Cl)
        breathing = v.Cl / m.maximum(size, least) * saturating_square(size, v.K_gate_oxygen)
        respiration = mu / v.Y_xo + formation / v.Y_po + v.m_o * breathing
        dilution = volume / v.V
        return {
            "X": mu * biomass - dilution * v.X,
            "S": -(mu / v.Y_xs + formation / v.Y_ps + maintenance) * biomass + v.F * v.S_feed / v.V - dilution * v.S,
            "Cl": gas_transfer(kLa, v.Cl_sat, v.Cl) - respiration * biomass - dilution * v.Cl,
            "P": formation * biomass - v.K_hydrolysis * v.P - dilution * v.P,
            "V": volume,
            "mu": mu,
            "formation": formation,
            "kLa": kLa,
            "titre": v.P * v.V,
        }

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the bolus feeds and the samples, where the options ask for them."""
        return doses(self, v, m, ("X", "S", "Cl", "P"), {"S": v.S_feed})
