"""What the CHO models of Kornecki & Strube (2018) share: declarations and specific rates."""

from __future__ import annotations

from typing import Any, NamedTuple

import twinkit.core as tk
from twinkit.unitops._dosed_vessel import DosedVessel
from twinkit.unitops.parameters import declare, load
from twinkit.unitops.phenomena import inhibition, luedeking_piret, monod

_SET = load("kornecki2018")


class CHORates(NamedTuple):
    """Specific rates: growth, death and their difference [1/h]; uptake and formation per 1e9 cells and hour.

    `cells` are the viable cells, never negative: an integrator's error of -1e-12 must not grow as cells do.
    """

    cells: Any
    mu: Any
    death: Any
    net: Any
    glucose: Any
    glutamine: Any
    ammonium: Any
    product: Any


class KorneckiCulture(tk.Model):
    """Cells, nutrients, metabolites and product of a CHO culture; a base for models that say what flows.

    Growth is limited by glucose and glutamine and inhibited by lactate and ammonium (structure after Xing et al.
    2010). Cell counts are in 1e9 cells (Gcell), rates per 1e9 cells.

    Two additions to the publication keep concentrations physical and are marked illustrative: maintenance stops
    where glucose is exhausted (without it glucose becomes negative), and ammonium uptake stops where there is none.

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

    mu_max = declare(_SET, "mu_max", "maximum specific growth rate", (0, 0.2))
    k_d = declare(_SET, "k_d", "maximum specific death rate", (0, 0.1))
    K_Glc = declare(_SET, "K_Glc", "glucose half saturation", (1e-6, 100))
    K_Gln = declare(_SET, "K_Gln", "glutamine half saturation", (1e-6, 100))
    KI_Lac = declare(_SET, "KI_Lac", "lactate inhibition of growth", (1e-3, 1e4))
    KI_Amm = declare(_SET, "KI_Amm", "ammonium inhibition of growth", (1e-3, 1e4))
    KD_Lac = declare(_SET, "KD_Lac", "lactate half effect on death", (1e-3, 1e4))
    KD_Amm = declare(_SET, "KD_Amm", "ammonium half effect on death", (1e-3, 1e4))
    Y_X_Glc = declare(_SET, "Y_X_Glc", "cell yield on glucose", (1e-3, 100))
    Y_X_Gln = declare(_SET, "Y_X_Gln", "cell yield on glutamine", (1e-3, 100))
    Y_Lac_Glc = declare(_SET, "Y_Lac_Glc", "lactate yield on glucose (mol/mol)", (0, 2))
    Y_Amm_Gln = declare(_SET, "Y_Amm_Gln", "ammonium yield on glutamine (mol/mol)", (0, 2))
    r_Amm = declare(_SET, "r_Amm", "ammonium uptake", (0, 1))
    m_Glc = declare(_SET, "m_Glc", "glucose for maintenance", (0, 1))
    a1 = declare(_SET, "a1", "glutamine for maintenance, maximum", (0, 1))
    a2 = declare(_SET, "a2", "its half saturation", (1e-6, 100))
    q_mAb = declare(_SET, "q_mAb", "specific productivity", (0, 1))
    K_gate = declare(_SET, "K_gate", "stops uptake at exhaustion", (1e-6, 10))


class KorneckiFedBatch(DosedVessel, KorneckiCulture):
    """The culture in a fed vessel with oxygen transfer; a base that leaves dissolved oxygen open."""

    V = tk.State("L", 1.0, bounds=(1e-6, None), nominal=1.0, doc="liquid volume")

    F = tk.Input("L/h", 0.0, bounds=(0, None), nominal=1e-3, doc="feed rate")
    GlcF = tk.Input("mmol/L", 500.0, bounds=(0, None), doc="glucose in the feed")
    GlnF = tk.Input("mmol/L", 100.0, bounds=(0, None), doc="glutamine in the feed")

    kLa = declare(_SET, "kLa", "oxygen transfer coefficient", (0, 1000))
    O2_sat = declare(_SET, "O2_sat", "oxygen at saturation", (0, 2))
    q_O2 = declare(_SET, "q_O2", "specific oxygen uptake", (0, 5))
    K_O2 = declare(_SET, "K_O2", "oxygen half saturation", (1e-6, 1))

    mu = tk.Output("1/h", doc="specific growth rate")
    titre = tk.Output("g", doc="antibody in the vessel")

    conserved = {  # noqa: RUF012
        # Every mole of lactate comes from Y_Lac_Glc moles of glucose, all of it by the same uptake.
        "lactate from glucose": lambda v, m: tk.Balance(
            (v.Lac + v.Y_Lac_Glc * v.Glc) * v.V, inflow=v.Y_Lac_Glc * v.F * v.GlcF
        ),
    }


def cho_rates(v: Any, m: Any) -> CHORates:
    """Return the specific rates of the culture.

    Parameters
    ----------
    v
        Variables of a `KorneckiCulture`.
    m
        The mathematics of a reading.
    """
    mu = v.mu_max * monod(v.Glc, v.K_Glc) * monod(v.Gln, v.K_Gln)
    mu = mu * inhibition(v.Lac, v.KI_Lac) * inhibition(v.Amm, v.KI_Amm)
    death = v.k_d * monod(v.Lac, v.KD_Lac) * monod(v.Amm, v.KD_Amm)
    net = mu - death
    return CHORates(
        cells=m.maximum(v.Xv, 0.0),
        mu=mu,
        death=death,
        net=net,
        glucose=net / v.Y_X_Glc + v.m_Glc * m.gate(v.Glc, v.K_gate),
        glutamine=net / v.Y_X_Gln + v.a1 * monod(v.Gln, v.a2),
        ammonium=v.Y_Amm_Gln * net / v.Y_X_Gln - v.r_Amm * m.gate(v.Amm, v.K_gate),
        # Product formation falls linearly as growth approaches its maximum: alpha = -q/mu_max, beta = q.
        product=luedeking_piret(mu, -v.q_mAb / v.mu_max, v.q_mAb),
    )


def fed_batch_balances(v: Any, rates: CHORates) -> dict[str, Any]:
    """Return the balances of a fed vessel, oxygen left out, and the two outputs.

    Parameters
    ----------
    v
        Variables of a `KorneckiFedBatch`.
    rates
        Its specific rates.
    """
    dilution = v.F / v.V
    return {
        "Xv": rates.net * rates.cells - dilution * v.Xv,
        "Xd": rates.death * rates.cells - dilution * v.Xd,
        "Glc": -rates.glucose * rates.cells + dilution * (v.GlcF - v.Glc),
        "Gln": -rates.glutamine * rates.cells + dilution * (v.GlnF - v.Gln),
        "Lac": v.Y_Lac_Glc * rates.glucose * rates.cells - dilution * v.Lac,
        "Amm": rates.ammonium * rates.cells - dilution * v.Amm,
        "mAb": rates.product * rates.cells - dilution * v.mAb,
        "V": v.F,
        "mu": rates.mu,
        "titre": v.mAb * v.V,
    }
