"""A second CHO fed-batch of different structure, with bolus feeds, samples and a temperature shift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops._dosed_vessel import DosedVessel, doses
from twinkit.unitops.parameters import declare, load
from twinkit.unitops.phenomena import arrhenius_from, cardinal_ph, death_of_slow_growth, inhibition, lysis, monod

_SET = load("craven2014")
_SETTING = "setting of the run"


class CHOBolusFed(DosedVessel):
    """CHO fed-batch whose cells die of slow growth, lyse, and whose glutamine degrades (after Craven et al. 2014).

    It differs from `CHOFedBatch` where models of CHO differ: death rises as growth stops instead of with lactate,
    dead cells disappear, glutamine decays by itself, lactate inhibits little. Feed comes continuously (`F`), or as a
    bolus every `bolus_every` hours; every `sample_every` hours a sample takes volume away. Growth follows temperature
    and pH, so that a shift is a step of `T` or `pH`.

    The parameters were seen in a public re-coding of the publication, the equations follow the literature this
    family of models comes from; lysis, productivity and the effects of temperature and pH are illustrative. It has
    not been compared with a published trajectory.

    References
    ----------
    Craven S., Whelan J., Glennon B. (2014), Journal of Process Control 24:344, doi:10.1016/j.jprocont.2014.02.007
    """

    Xv = tk.State("Gcell/L", 0.3, bounds=(0, None), nominal=10.0, doc="viable cells")
    Xd = tk.State("Gcell/L", 0.0, bounds=(0, None), nominal=1.0, doc="dead cells")
    Glc = tk.State("mmol/L", 30.0, bounds=(0, None), nominal=10.0, doc="glucose")
    Gln = tk.State("mmol/L", 4.0, bounds=(0, None), nominal=5.0, doc="glutamine")
    Lac = tk.State("mmol/L", 0.0, bounds=(0, None), nominal=50.0, doc="lactate")
    Amm = tk.State("mmol/L", 0.0, bounds=(0, None), nominal=5.0, doc="ammonium")
    mAb = tk.State("g/L", 0.0, bounds=(0, None), nominal=1.0, doc="monoclonal antibody")
    V = tk.State("L", 1.0, bounds=(1e-6, None), nominal=1.0, doc="liquid volume")

    F = tk.Input("L/h", 0.0, bounds=(0, None), nominal=1e-3, doc="continuous feed rate")
    GlcF = tk.Input("mmol/L", 653.0, bounds=(0, None), doc="glucose in the feed")
    GlnF = tk.Input("mmol/L", 58.8, bounds=(0, None), doc="glutamine in the feed")
    T = tk.Input("degC", 37.0, bounds=(25, 42), doc="temperature")
    pH = tk.Input("", 7.1, bounds=(5, 9), doc="pH")

    bolus_Glc = tk.Parameter("mmol/L", 653.0, bounds=(0, 5e3), doc="glucose in a bolus", source=_SETTING)
    bolus_Gln = tk.Parameter("mmol/L", 58.8, bounds=(0, 5e3), doc="glutamine in a bolus", source=_SETTING)
    mu_max = declare(_SET, "mu_max", "maximum specific growth rate", (0, 0.2))
    k_d_max = declare(_SET, "k_d_max", "death rate without growth", (0, 0.1))
    k_mu = declare(_SET, "k_mu", "growth rate at which death is half of that", (1e-6, 1))
    k_lysis = declare(_SET, "k_lysis", "lysis of dead cells", (0, 1))
    K_Glc = declare(_SET, "K_Glc", "glucose half saturation", (1e-6, 100))
    K_Gln = declare(_SET, "K_Gln", "glutamine half saturation", (1e-6, 100))
    KI_Lac = declare(_SET, "KI_Lac", "lactate inhibition of growth", (1e-3, 1e4))
    KI_Amm = declare(_SET, "KI_Amm", "ammonium inhibition of growth", (1e-3, 1e4))
    Y_X_Glc = declare(_SET, "Y_X_Glc", "cell yield on glucose", (1e-3, 100))
    Y_X_Gln = declare(_SET, "Y_X_Gln", "cell yield on glutamine", (1e-3, 100))
    m_Glc = declare(_SET, "m_Glc", "glucose for maintenance", (0, 5))
    m_Gln = declare(_SET, "m_Gln", "glutamine for maintenance", (0, 5))
    Y_Lac_Glc = declare(_SET, "Y_Lac_Glc", "lactate yield on glucose (mol/mol)", (0, 2))
    Y_Amm_Gln = declare(_SET, "Y_Amm_Gln", "ammonium yield on glutamine (mol/mol)", (0, 2))
    k_d_Gln = declare(_SET, "k_d_Gln", "degradation of glutamine", (0, 1))
    q_mAb = declare(_SET, "q_mAb", "specific productivity", (0, 1))
    K_gate = declare(_SET, "K_gate", "stops maintenance at exhaustion", (1e-6, 10))
    E_growth = declare(_SET, "E_growth", "activation energy of growth", (0, 500))
    pH_low = declare(_SET, "pH_low", "pH below which there is no growth", (4, 6.9))
    pH_best = declare(_SET, "pH_best", "pH of the fastest growth", (6.9, 7.3))
    pH_high = declare(_SET, "pH_high", "pH above which there is no growth", (7.3, 10))
    T_reference = declare(_SET, "T_reference", "temperature the growth rate is given for", (273, 350))

    mu = tk.Output("1/h", doc="specific growth rate")
    viability = tk.Output("", doc="share of the cells that is viable")
    titre = tk.Output("g", doc="antibody in the vessel")

    plotted = ("Xv", "viability", "Glc", "Lac", "Amm", "mAb")
    conserved: ClassVar[Mapping[str, Any]] = {
        "lactate from glucose": lambda v, m: tk.Balance(
            (v.Lac + v.Y_Lac_Glc * v.Glc) * v.V, inflow=v.Y_Lac_Glc * v.F * v.GlcF
        ),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return cell, nutrient, metabolite, product and volume balances."""
        energy = m.convert(v.E_growth, "kJ/mol", "J/mol")
        largest = arrhenius_from(m, v.mu_max, energy, m.convert(v.T, "degC", "K"), v.T_reference)
        largest = largest * cardinal_ph(m, v.pH, v.pH_low, v.pH_best, v.pH_high)
        mu = largest * monod(v.Glc, v.K_Glc) * monod(v.Gln, v.K_Gln)
        mu = mu * inhibition(v.Lac, v.KI_Lac) * inhibition(v.Amm, v.KI_Amm)
        death = death_of_slow_growth(mu, v.k_d_max, v.k_mu)
        glucose_uptake = mu / v.Y_X_Glc + v.m_Glc * m.gate(v.Glc, v.K_gate)
        glutamine_uptake = mu / v.Y_X_Gln + v.m_Gln * m.gate(v.Gln, v.K_gate)
        decay = v.k_d_Gln * v.Gln
        dilution = v.F / v.V
        cells = m.maximum(v.Xv, 0.0)  # an integrator's error of -1e-12 must not grow as cells do
        counted = m.maximum(v.Xv + v.Xd, m.quantity(1e-9, "Gcell/L"))
        return {
            "Xv": (mu - death) * cells - dilution * v.Xv,
            "Xd": death * cells - lysis(v.k_lysis, v.Xd) - dilution * v.Xd,
            "Glc": -glucose_uptake * cells + dilution * (v.GlcF - v.Glc),
            "Gln": -glutamine_uptake * cells - decay + dilution * (v.GlnF - v.Gln),
            "Lac": v.Y_Lac_Glc * glucose_uptake * cells - dilution * v.Lac,
            "Amm": v.Y_Amm_Gln * glutamine_uptake * cells + decay - dilution * v.Amm,
            "mAb": v.q_mAb * cells - dilution * v.mAb,
            "V": v.F,
            "mu": mu,
            "viability": cells / counted,
            "titre": v.mAb * v.V,
        }

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the bolus feeds and the samples, where the options ask for them."""
        mixed = ("Xv", "Xd", "Glc", "Gln", "Lac", "Amm", "mAb")
        return doses(self, v, m, mixed, {"Glc": v.bolus_Glc, "Gln": v.bolus_Gln})
