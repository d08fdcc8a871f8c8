"""Baker's yeast and the respiratory bottleneck."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops._dosed_vessel import DosedVessel, doses
from twinkit.unitops.parameters import declare, load
from twinkit.unitops.phenomena import gas_transfer, inhibition, monod

_SET = load("sonnleitner1986")
# Carbon per mass: glucose CH2O, ethanol C2H6O, carbon dioxide CO2 from their molar masses; yeast CH1.79O0.57N0.15.
_GLUCOSE, _ETHANOL, _CARBON_DIOXIDE, _BIOMASS = 12.011 / 30.026, 24.022 / 46.069, 12.011 / 44.009, 12.011 / 25.036


class YeastBottleneck(DosedVessel):
    """Saccharomyces cerevisiae on glucose and ethanol with a limited respiratory capacity (Sonnleitner & Kaeppeli).

    Glucose is respired as far as the capacity for oxygen goes; what is taken up beyond it becomes ethanol (the
    Crabtree effect). What capacity is left respires ethanol. Six states: volume, biomass, glucose, ethanol, oxygen,
    and the carbon dioxide that has left, which closes the carbon balance by its composition. The parameters are mostly
    recalled, not looked up: each says so. A bolus of the feed every `bolus_every` hours and a sample every
    `sample_every` hours are options.

    References
    ----------
    Sonnleitner B., Kaeppeli O. (1986), Biotechnology and Bioengineering 28:927, doi:10.1002/bit.260280615
    """

    V = tk.State("L", 1.0, bounds=(1e-6, None), nominal=1.0, doc="liquid volume")
    X = tk.State("g/L", 0.5, bounds=(0, None), nominal=1.0, doc="biomass, dry weight")
    S = tk.State("g/L", 10.0, bounds=(0, None), nominal=1.0, doc="glucose")
    E = tk.State("g/L", 0.0, bounds=(0, None), nominal=1.0, doc="ethanol")
    O2 = tk.State("g/L", 7e-3, bounds=(0, None), nominal=1e-3, doc="dissolved oxygen")
    CO2 = tk.State("g", 0.0, bounds=(0, None), nominal=1.0, doc="carbon dioxide that has left")

    F = tk.Input("L/h", 0.0, bounds=(0, None), nominal=1e-2, doc="feed rate")
    S_feed = tk.Input("g/L", 300.0, bounds=(0, None), doc="glucose in the feed")
    kLa = tk.Input("1/h", 500.0, bounds=(0, None), doc="oxygen transfer coefficient (stirrer and gas flow)")

    q_S_max = declare(_SET, "q_S_max", "largest specific glucose uptake", (0, 20))
    q_O_max = declare(_SET, "q_O_max", "respiratory capacity: largest specific oxygen uptake", (0, 5))
    q_E_max = declare(_SET, "q_E_max", "largest specific ethanol uptake", (0, 5))
    K_S = declare(_SET, "K_S", "glucose half saturation", (1e-6, 10))
    K_O = declare(_SET, "K_O", "oxygen half saturation", (1e-9, 1))
    K_E = declare(_SET, "K_E", "ethanol half saturation", (1e-6, 10))
    K_I = declare(_SET, "K_I", "glucose that halves ethanol uptake", (1e-6, 10))
    Y_xs_ox = declare(_SET, "Y_xs_ox", "biomass from glucose respired", (0, 0.8))
    Y_xs_red = declare(_SET, "Y_xs_red", "biomass from glucose fermented", (0, 0.2))
    Y_es = declare(_SET, "Y_es", "ethanol from glucose fermented", (0, 0.511))
    Y_xe = declare(_SET, "Y_xe", "biomass from ethanol", (0, 1))
    Y_os = declare(_SET, "Y_os", "oxygen for glucose", (1e-3, 5))
    Y_oe = declare(_SET, "Y_oe", "oxygen for ethanol", (1e-3, 5))
    O2_sat = declare(_SET, "O2_sat", "oxygen at saturation", (0, 1))

    bolus = DosedVessel.bolus.altered(default=0.01)

    mu = tk.Output("1/h", doc="specific growth rate")
    OUR = tk.Output("g/L/h", doc="oxygen uptake")
    CER = tk.Output("g/L/h", doc="carbon dioxide evolution")

    plotted = ("X", "S", "E", "O2")
    conserved: ClassVar[Mapping[str, Any]] = {
        "carbon": lambda v, m: tk.Balance(
            (_BIOMASS * v.X + _GLUCOSE * v.S + _ETHANOL * v.E) * v.V + _CARBON_DIOXIDE * v.CO2,
            inflow=_GLUCOSE * v.F * v.S_feed,
        ),
        "liquid": lambda v, m: tk.Balance(v.V, inflow=v.F),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return volume, biomass, glucose, ethanol, oxygen and carbon dioxide balances."""
        # What cells do is done by amounts that are not negative: an integrator's error must not grow as cells do.
        biomass, glucose, alcohol = m.maximum(v.X, 0.0), m.maximum(v.S, 0.0), m.maximum(v.E, 0.0)
        capacity = v.q_O_max * monod(m.maximum(v.O2, 0.0), v.K_O)
        uptake = v.q_S_max * monod(glucose, v.K_S)
        respired = m.minimum(uptake, capacity / v.Y_os)
        fermented = uptake - respired
        left = (capacity - v.Y_os * respired) / v.Y_oe
        ethanol_uptake = m.minimum(v.q_E_max * monod(alcohol, v.K_E) * inhibition(glucose, v.K_I), left)
        mu = v.Y_xs_ox * respired + v.Y_xs_red * fermented + v.Y_xe * ethanol_uptake
        oxygen_uptake = v.Y_os * respired + v.Y_oe * ethanol_uptake
        ethanol = v.Y_es * fermented - ethanol_uptake
        # What carbon is in neither biomass nor ethanol leaves as carbon dioxide.
        gas = (_GLUCOSE * uptake - _ETHANOL * ethanol - _BIOMASS * mu) / _CARBON_DIOXIDE
        dilution = v.F / v.V
        return {
            "V": v.F,
            "X": mu * biomass - dilution * v.X,
            "S": dilution * (v.S_feed - v.S) - uptake * biomass,
            "E": ethanol * biomass - dilution * v.E,
            "O2": gas_transfer(v.kLa, v.O2_sat, v.O2) - oxygen_uptake * biomass - dilution * v.O2,
            "CO2": gas * biomass * v.V,
            "mu": mu,
            "OUR": oxygen_uptake * biomass,
            "CER": gas * biomass,
        }

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the bolus feeds and the samples, where the options ask for them."""
        return doses(self, v, m, ("X", "S", "E", "O2"), {"S": v.S_feed})
