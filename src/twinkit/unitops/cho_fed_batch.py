"""Mammalian (CHO) fed-batch producing a monoclonal antibody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.phenomena import gas_transfer, inhibition, luedeking_piret, monod

_KS = "Kornecki & Strube 2018, doi:10.3390/bioengineering5010025, Table 2"
_ILLUSTRATIVE = "illustrative: typical of CHO culture, not from the publication"


class CHOFedBatch(tk.Model):
    """CHO fed-batch with monoclonal antibody and dissolved oxygen (Kornecki & Strube 2018).

    Nine states: viable and dead cells, glucose, glutamine, lactate, ammonium, antibody, volume, oxygen. Growth is
    limited by glucose and glutamine and inhibited by lactate and ammonium (structure after Xing et al. 2010). Cell
    counts are in 1e9 cells (Gcell), rates per 1e9 cells.

    Three additions to the publication keep concentrations physical and are marked illustrative: maintenance stops
    where glucose is exhausted (without it glucose becomes negative), ammonium uptake stops where there is none, and
    an oxygen balance.

    References
    ----------
    Kornecki M., Strube J. (2018), Bioengineering 5(1):25, doi:10.3390/bioengineering5010025
    """

    time_unit = "h"

    Xv = tk.State("Gcell/L", 0.3, bounds=(0, None), nominal=10.0, doc="viable cells")
    Xd = tk.State("Gcell/L", 0.0, bounds=(0, None), nominal=1.0, doc="dead cells")
    Glc = tk.State("mmol/L", 35.0, bounds=(0, None), nominal=10.0, doc="glucose")
    Gln = tk.State("mmol/L", 4.0, bounds=(0, None), nominal=5.0, doc="glutamine")
    Lac = tk.State("mmol/L", 0.0, bounds=(0, None), nominal=50.0, doc="lactate")
    Amm = tk.State("mmol/L", 0.0, bounds=(0, None), nominal=5.0, doc="ammonium")
    mAb = tk.State("g/L", 0.0, bounds=(0, None), nominal=1.0, doc="monoclonal antibody")
    V = tk.State("L", 1.0, bounds=(1e-6, None), nominal=1.0, doc="liquid volume")
    O2 = tk.State("mmol/L", 0.21, bounds=(0, None), nominal=0.1, doc="dissolved oxygen")

    F = tk.Input("L/h", 0.0, bounds=(0, None), nominal=1e-3, doc="feed rate")
    GlcF = tk.Input("mmol/L", 500.0, bounds=(0, None), doc="glucose in the feed")
    GlnF = tk.Input("mmol/L", 100.0, bounds=(0, None), doc="glutamine in the feed")

    mu_max = tk.Parameter("1/h", 0.039, bounds=(0, 0.2), doc="maximum specific growth rate", source=_KS)
    k_d = tk.Parameter("1/h", 0.004, bounds=(0, 0.1), doc="maximum specific death rate", source=_KS)
    K_Glc = tk.Parameter("mmol/L", 1.0, bounds=(1e-6, 100), doc="glucose half saturation", source=_KS)
    K_Gln = tk.Parameter("mmol/L", 0.047, bounds=(1e-6, 100), doc="glutamine half saturation", source=_KS)
    KI_Lac = tk.Parameter("mmol/L", 43.0, bounds=(1e-3, 1e4), doc="lactate inhibition of growth", source=_KS)
    KI_Amm = tk.Parameter("mmol/L", 6.51, bounds=(1e-3, 1e4), doc="ammonium inhibition of growth", source=_KS)
    KD_Lac = tk.Parameter("mmol/L", 45.8, bounds=(1e-3, 1e4), doc="lactate half effect on death", source=_KS)
    KD_Amm = tk.Parameter("mmol/L", 6.51, bounds=(1e-3, 1e4), doc="ammonium half effect on death", source=_KS)
    Y_X_Glc = tk.Parameter("Gcell/mmol", 0.357, bounds=(1e-3, 100), doc="cell yield on glucose", source=_KS)
    Y_X_Gln = tk.Parameter("Gcell/mmol", 0.974, bounds=(1e-3, 100), doc="cell yield on glutamine", source=_KS)
    Y_Lac_Glc = tk.Parameter("", 0.70, bounds=(0, 2), doc="lactate yield on glucose (mol/mol)", source=_KS)
    Y_Amm_Gln = tk.Parameter("", 0.67, bounds=(0, 2), doc="ammonium yield on glutamine (mol/mol)", source=_KS)
    r_Amm = tk.Parameter("mmol/Gcell/h", 6.3e-3, bounds=(0, 1), doc="ammonium uptake", source=_KS)
    m_Glc = tk.Parameter("mmol/Gcell/h", 69.2e-3, bounds=(0, 1), doc="glucose for maintenance", source=_KS)
    a1 = tk.Parameter("mmol/Gcell/h", 3.2e-3, bounds=(0, 1), doc="glutamine for maintenance, maximum", source=_KS)
    a2 = tk.Parameter("mmol/L", 2.1, bounds=(1e-6, 100), doc="its half saturation", source=_KS)
    q_mAb = tk.Parameter("g/Gcell/h", 1.51e-3, bounds=(0, 1), doc="specific productivity", source=_KS)
    K_gate = tk.Parameter("mmol/L", 0.1, bounds=(1e-6, 10), doc="stops uptake at exhaustion", source=_ILLUSTRATIVE)
    kLa = tk.Parameter("1/h", 15.0, bounds=(0, 1000), doc="oxygen transfer coefficient", source=_ILLUSTRATIVE)
    O2_sat = tk.Parameter("mmol/L", 0.21, bounds=(0, 2), doc="oxygen at saturation", source=_ILLUSTRATIVE)
    q_O2 = tk.Parameter("mmol/Gcell/h", 0.30, bounds=(0, 5), doc="specific oxygen uptake", source=_ILLUSTRATIVE)
    K_O2 = tk.Parameter("mmol/L", 0.01, bounds=(1e-6, 1), doc="oxygen half saturation", source=_ILLUSTRATIVE)

    mu = tk.Output("1/h", doc="specific growth rate")
    titre = tk.Output("g", doc="antibody in the vessel")

    conserved: ClassVar[Mapping[str, Any]] = {
        # Every mole of lactate comes from Y_Lac_Glc moles of glucose, all of it by the same uptake.
        "lactate from glucose": lambda v, m: tk.Balance(
            (v.Lac + v.Y_Lac_Glc * v.Glc) * v.V, inflow=v.Y_Lac_Glc * v.F * v.GlcF
        ),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return cell, nutrient, metabolite, product, volume and oxygen balances."""
        mu = v.mu_max * monod(v.Glc, v.K_Glc) * monod(v.Gln, v.K_Gln)
        mu = mu * inhibition(v.Lac, v.KI_Lac) * inhibition(v.Amm, v.KI_Amm)
        death = v.k_d * monod(v.Lac, v.KD_Lac) * monod(v.Amm, v.KD_Amm)
        net = mu - death
        dilution = v.F / v.V
        glucose_uptake = net / v.Y_X_Glc + v.m_Glc * m.gate(v.Glc, v.K_gate)
        glutamine_uptake = net / v.Y_X_Gln + v.a1 * monod(v.Gln, v.a2)
        ammonium = v.Y_Amm_Gln * net / v.Y_X_Gln - v.r_Amm * m.gate(v.Amm, v.K_gate)
        # Product formation falls linearly as growth approaches its maximum: alpha = -q/mu_max, beta = q.
        product = luedeking_piret(mu, -v.q_mAb / v.mu_max, v.q_mAb)
        oxygen_uptake = v.q_O2 * v.Xv * monod(v.O2, v.K_O2)
        return {
            "Xv": (net - dilution) * v.Xv,
            "Xd": death * v.Xv - dilution * v.Xd,
            "Glc": -glucose_uptake * v.Xv + dilution * (v.GlcF - v.Glc),
            "Gln": -glutamine_uptake * v.Xv + dilution * (v.GlnF - v.Gln),
            "Lac": v.Y_Lac_Glc * glucose_uptake * v.Xv - dilution * v.Lac,
            "Amm": ammonium * v.Xv - dilution * v.Amm,
            "mAb": product * v.Xv - dilution * v.mAb,
            "V": v.F,
            "O2": gas_transfer(v.kLa, v.O2_sat, v.O2) - oxygen_uptake - dilution * v.O2,
            "mu": mu,
            "titre": v.mAb * v.V,
        }
