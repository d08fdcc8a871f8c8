"""Escherichia coli with overflow metabolism and acetate cycling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops._dosed_vessel import DosedVessel, doses
from twinkit.unitops.parameters import declare, load
from twinkit.unitops.phenomena import gas_transfer, inhibition, monod, saturating_square

_SET = load("anane2017")


class EColiOverflow(DosedVessel):
    """E. coli on glucose with overflow to acetate, its cycling, and a lagging oxygen probe (Anane et al. 2017).

    Six states: volume, biomass, glucose, acetate, dissolved oxygen tension and what the probe shows of it. Batch
    without feed, fed-batch with it. Where glucose is taken up faster than it can be respired the excess leaves as
    acetate, which is taken up again later. Anane's yields do not close the carbon balance of the overflow (more
    carbon leaves in acetate and biomass than enters), so that none is declared.

    One addition: maintenance and the oxidation of acetate stop where there is no oxygen, else the oxygen tension
    would become negative. It acts far below any tension a probe can see.

    A bolus of the feed every `bolus_every` hours and a sample every `sample_every` hours are options; a bolus leaves
    the oxygen tension, as the continuous feed does.

    References
    ----------
    Anane E. et al. (2017), Biochemical Engineering Journal 125:23, doi:10.1016/j.bej.2017.05.013
    """

    V = tk.State("L", 2.0, bounds=(1e-6, None), nominal=1.0, doc="liquid volume")
    X = tk.State("g/L", 0.17, bounds=(0, None), nominal=1.0, doc="biomass, dry weight")
    S = tk.State("g/L", 4.94, bounds=(0, None), nominal=1.0, doc="glucose")
    A = tk.State("g/L", 0.0129, bounds=(0, None), nominal=0.1, doc="acetate")
    DOT = tk.State("percent", 98.0, bounds=(0, None), nominal=1.0, doc="dissolved oxygen tension")
    DOT_probe = tk.State("percent", 98.0, bounds=(0, None), nominal=1.0, doc="what the oxygen probe shows")

    F = tk.Input("L/h", 0.0, bounds=(0, None), nominal=1e-2, doc="feed rate")
    S_feed = tk.Input("g/L", 300.0, bounds=(0, None), doc="glucose in the feed")
    kLa = tk.Input("1/h", 220.0, bounds=(0, None), doc="oxygen transfer coefficient (stirrer and gas flow)")

    q_S_max = declare(_SET, "q_S_max", "largest specific glucose uptake", (0, 5))
    q_A_max = declare(_SET, "q_A_max", "largest specific acetate uptake", (0, 5))
    p_A_max = declare(_SET, "p_A_max", "largest overflow", (0, 5))
    q_m = declare(_SET, "q_m", "glucose for maintenance", (0, 1))
    K_s = declare(_SET, "K_s", "glucose half saturation", (1e-6, 10))
    K_sa = declare(_SET, "K_sa", "acetate half saturation", (1e-6, 10))
    K_ap = declare(_SET, "K_ap", "uptake at which overflow is half its largest", (1e-6, 10))
    K_ia = declare(_SET, "K_ia", "acetate that halves glucose uptake", (1e-6, 100))
    K_is = declare(_SET, "K_is", "glucose uptake that halves acetate uptake", (1e-6, 100))
    K_o = declare(_SET, "K_o", "oxygen half saturation", (1e-9, 10))
    Y_em = declare(_SET, "Y_em", "biomass from glucose respired, without maintenance", (0, 1))
    Y_xsof = declare(_SET, "Y_xsof", "biomass from glucose that overflows", (0, 1))
    Y_xa = declare(_SET, "Y_xa", "biomass from acetate", (0, 1))
    Y_as = declare(_SET, "Y_as", "acetate from glucose that overflows", (0, 1))
    Y_os = declare(_SET, "Y_os", "oxygen for glucose", (0, 5))
    Y_oa = declare(_SET, "Y_oa", "oxygen for acetate", (0, 5))
    C_s = declare(_SET, "C_s", "carbon in glucose", (0.1, 1))
    C_x = declare(_SET, "C_x", "carbon in biomass", (0, 1))
    H = declare(_SET, "H", "oxygen tension per dissolved oxygen", (0, 1e6))
    DOT_sat = declare(_SET, "DOT_sat", "oxygen tension in equilibrium with the gas", (0, 1000))
    tau_probe = declare(_SET, "tau_probe", "time constant of the probe", (0.1, 600))
    K_gate = declare(_SET, "K_gate", "stops respiration at exhaustion", (1e-9, 1))

    bolus = DosedVessel.bolus.altered(default=0.01)

    mu = tk.Output("1/h", doc="specific growth rate")
    q_S = tk.Output("g/g/h", doc="specific glucose uptake")
    OUR = tk.Output("g/L/h", doc="oxygen uptake")

    plotted = ("X", "S", "A", "DOT")
    conserved: ClassVar[Mapping[str, Any]] = {"liquid": lambda v, m: tk.Balance(v.V, inflow=v.F)}

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return volume, biomass, glucose, acetate and oxygen balances."""
        # What cells do is done by amounts that are not negative: an integrator's error must not grow as cells do.
        biomass = m.maximum(v.X, 0.0)
        glucose, acetate = m.maximum(v.S, 0.0), m.maximum(v.A, 0.0)
        # Below zero oxygen's two laws go on with the sign turned, which brings an integrator's overshoot back.
        oxygen = m.abs(v.DOT)
        side = v.DOT / m.maximum(oxygen, m.quantity(1e-12, "percent"))
        respiring = side * saturating_square(oxygen, v.K_gate)
        uptake = v.q_S_max * monod(glucose, v.K_s) * inhibition(acetate, v.K_ia)
        overflow = v.p_A_max * monod(uptake, v.K_ap)
        respired = (uptake - overflow) * side * monod(oxygen, v.K_o)
        growing = (respired - v.q_m * respiring) * v.Y_em
        acetate_uptake = v.q_A_max * inhibition(uptake, v.K_is) * monod(acetate, v.K_sa) * respiring
        acetate_made = overflow * v.Y_as
        mu = growing + acetate_uptake * v.Y_xa + overflow * v.Y_xsof
        oxygen_uptake = v.Y_os * (respired - growing * v.C_x / v.C_s) + acetate_uptake * v.Y_oa
        dilution = v.F / v.V
        return {
            "V": v.F,
            "X": mu * biomass - dilution * v.X,
            "S": dilution * (v.S_feed - v.S) - uptake * biomass,
            "A": (acetate_made - acetate_uptake) * biomass - dilution * v.A,
            "DOT": gas_transfer(v.kLa, v.DOT_sat, v.DOT) - oxygen_uptake * biomass * v.H,
            "DOT_probe": (v.DOT - v.DOT_probe) / m.convert(v.tau_probe, "s", "h"),
            "mu": mu,
            "q_S": uptake,
            "OUR": oxygen_uptake * biomass,
        }

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the bolus feeds and the samples, where the options ask for them."""
        return doses(self, v, m, ("X", "S", "A"), {"S": v.S_feed})
