"""An aerated vessel: oxygen and carbon dioxide between liquid and headspace, pH by charge balance, heat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.phenomena import (
    bicarbonate,
    carbon_dioxide_coefficient,
    charge_balance,
    dissolved_at_equilibrium,
    gas_transfer,
    headspace,
    metabolic_heat,
    saturating_square,
    wall_heat,
)

_HENRY = "Sander (2015), doi:10.5194/acp-15-4399-2015, corrected to 37 degC; recalled, rounded"
_BUFFER = "0.0307 mmol/L per mmHg at 37 degC, the usual physiological value; recalled"
_WATER = "water at 37 degC, CRC Handbook of Chemistry and Physics; recalled"
_VESSEL = "illustrative: a 2 L bench vessel"
_GATE = "illustrative: stops respiration where oxygen is exhausted"


class AeratedVessel(tk.Model):
    """Stirred vessel with sparged gas, headspace, bicarbonate buffer and jacket, for given respiration (a DAE).

    Cells are outside: they enter as uptake of oxygen, evolution of carbon dioxide and lactate made. Oxygen and
    carbon dioxide pass between liquid and a well-mixed gas phase; carbon dioxide stays in the liquid as gas and as
    bicarbonate, whose balance with the strong ions fixes the pH (an algebraic variable). Carbon dioxide is stripped
    by the same gas that brings oxygen. Constant pressure and liquid volume.
    """

    time_unit = "h"

    O2 = tk.State("mmol/L", 0.2, bounds=(0, None), nominal=0.1, doc="dissolved oxygen")
    carbonate = tk.State("mmol/L", 24.9664, bounds=(0, None), nominal=10.0, doc="carbon dioxide and bicarbonate")
    lactate = tk.State("mmol/L", 0.0, bounds=(0, None), nominal=10.0, doc="lactate")
    sodium = tk.State("mmol/L", 23.8, bounds=(0, None), nominal=10.0, doc="strong cations less chloride")
    y_O2 = tk.State("", 0.2095, bounds=(0, 1), nominal=0.1, doc="oxygen in the gas, mole fraction")
    y_CO2 = tk.State("", 0.05, bounds=(0, 1), nominal=0.01, doc="carbon dioxide in the gas, mole fraction")
    T = tk.State("degC", 37.0, bounds=(0, 100), nominal=10.0, doc="liquid temperature")
    pH = tk.Algebraic("", 7.2, bounds=(0, 14), nominal=1.0, doc="pH")

    OUR = tk.Input("mmol/L/h", 2.0, bounds=(0, None), doc="oxygen uptake of the cells")
    CER = tk.Input("mmol/L/h", 2.0, bounds=(0, None), doc="carbon dioxide evolution of the cells")
    lactate_made = tk.Input("mmol/L/h", 0.0, bounds=(0, None), nominal=0.1, doc="lactate made by the cells")
    base = tk.Input("mmol/L/h", 0.0, bounds=(0, None), nominal=0.1, doc="sodium hydroxide or bicarbonate's sodium")
    kLa = tk.Input("1/h", 15.0, bounds=(0, 2000), doc="oxygen transfer coefficient (see phenomena.aeration)")
    gas = tk.Input("mmol/h", 250.0, bounds=(0, None), doc="gas sparged")
    y_O2_in = tk.Input("", 0.2095, bounds=(0, 1), doc="oxygen in the gas sparged")
    y_CO2_in = tk.Input("", 0.05, bounds=(0, 1), doc="carbon dioxide in the gas sparged")
    agitation = tk.Input("kJ/h", 1.0, bounds=(0, None), doc="agitation power")
    T_jacket = tk.Input("degC", 37.0, bounds=(0, 100), doc="temperature of the jacket")

    V = tk.Parameter("L", 2.0, bounds=(1e-3, 1e5), doc="liquid volume", source=_VESSEL)
    gas_held = tk.Parameter("mmol", 40.0, bounds=(1e-3, 1e8), doc="gas in bubbles and headspace", source=_VESSEL)
    pressure = tk.Parameter("mmHg", 760.0, bounds=(1, 1e4), doc="pressure", source=_VESSEL)
    H_O2 = tk.Parameter("mmol/L/mmHg", 1.4e-3, bounds=(0, 1), doc="solubility of oxygen", source=_HENRY)
    H_CO2 = tk.Parameter("mmol/L/mmHg", 0.0307, bounds=(1e-6, 1), doc="solubility of carbon dioxide", source=_BUFFER)
    K_O2 = tk.Parameter("mmol/L", 1e-4, bounds=(1e-9, 1), doc="stops respiration at exhaustion", source=_GATE)
    UA = tk.Parameter("kJ/h/delta_degC", 20.0, bounds=(0, 1e7), doc="heat transfer to the jacket", source=_VESSEL)
    rho_cp = tk.Parameter("kJ/L/delta_degC", 4.15, bounds=(0.1, 10), doc="heat capacity of the liquid", source=_WATER)

    gas_out = tk.Output("mmol/h", doc="gas that leaves")
    CO2 = tk.Output("mmol/L", doc="carbon dioxide dissolved as gas")
    pCO2 = tk.Output("mmHg", doc="its partial pressure")
    saturation = tk.Output("", doc="dissolved oxygen over that of air at this pressure")

    plotted = ("O2", "pCO2", "pH", "T")
    conserved: ClassVar[Mapping[str, Any]] = {
        "strong ions": lambda v, m: tk.Balance(v.sodium - v.lactate, inflow=v.base - v.lactate_made),
        "carbon dioxide": lambda v, m: tk.Balance(
            v.carbonate * v.V + v.y_CO2 * v.gas_held, inflow=v.CER * v.V + v.gas * v.y_CO2_in - v.gas_out * v.y_CO2
        ),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return liquid, gas and heat balances, and the charge balance."""
        dissolved = v.carbonate / (1.0 + bicarbonate(m, v.pH, 1.0))
        oxygen = gas_transfer(v.kLa, dissolved_at_equilibrium(v.H_O2, v.pressure, v.y_O2), v.O2)
        equilibrium = dissolved_at_equilibrium(v.H_CO2, v.pressure, v.y_CO2)
        stripped = gas_transfer(carbon_dioxide_coefficient(v.kLa), dissolved, equilibrium)
        uptake = v.OUR * saturating_square(m.maximum(v.O2, 0.0), v.K_O2)
        released = (stripped - oxygen) * v.V
        heat = metabolic_heat(m, m.convert(uptake, "mmol/L/h", "mol/L/h")) * v.V + v.agitation
        cooling = wall_heat(v.UA, v.T, v.T_jacket)
        air = dissolved_at_equilibrium(v.H_O2, v.pressure, 0.2095)
        return {
            "O2": oxygen - uptake,
            "carbonate": v.CER - stripped,
            "lactate": v.lactate_made,
            "sodium": v.base,
            "y_O2": headspace(v.gas, v.gas_held, v.y_O2_in, v.y_O2, -oxygen * v.V, released),
            "y_CO2": headspace(v.gas, v.gas_held, v.y_CO2_in, v.y_CO2, stripped * v.V, released),
            "T": (heat - cooling) / (v.rho_cp * v.V),
            "pH": charge_balance(m, v.pH, v.sodium - v.lactate, dissolved),
            "gas_out": v.gas + released,
            "CO2": dissolved,
            "pCO2": dissolved / v.H_CO2,
            "saturation": v.O2 / air,
        }
