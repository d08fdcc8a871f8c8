"""Mammalian (CHO) fed-batch producing a monoclonal antibody."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import twinkit.core as tk
from twinkit.unitops._cho import KorneckiFedBatch, cho_rates, fed_batch_balances
from twinkit.unitops._dosed_vessel import doses
from twinkit.unitops.phenomena import gas_transfer, monod, saturable_balance


class OxygenBalance(Enum):
    """How dissolved oxygen is treated."""

    DYNAMIC = "dynamic"
    QUASI_STEADY = "quasi-steady"


class CHOFedBatch(KorneckiFedBatch):
    """CHO fed-batch with monoclonal antibody and dissolved oxygen (Kornecki & Strube 2018).

    Nine states: viable and dead cells, glucose, glutamine, lactate, ammonium, antibody, volume, oxygen. Growth is
    limited by glucose and glutamine and inhibited by lactate and ammonium (structure after Xing et al. 2010). Cell
    counts are in 1e9 cells (Gcell), rates per 1e9 cells.

    Three additions to the publication keep concentrations physical and are marked illustrative: maintenance stops
    where glucose is exhausted (without it glucose becomes negative), ammonium uptake stops where there is none, and
    an oxygen balance. Oxygen changes within minutes and the culture within days, which makes the model stiff. With
    ``oxygen=OxygenBalance.QUASI_STEADY`` oxygen balances itself at every instant,
    ``kLa (O2* - O2) = q Xv O2 / (K + O2) + D O2``, a quadratic equation with one positive solution: it is an output
    then, there are eight states, and the model is not stiff. After the first minutes both agree.

    Feed comes continuously (`F`) or as a bolus of the same feed every `bolus_every` hours; every `sample_every` hours
    a sample takes volume away. A bolus brings no oxygen.

    References
    ----------
    Kornecki M., Strube J. (2018), Bioengineering 5(1):25, doi:10.3390/bioengineering5010025

    Examples
    --------
    >>> CHOFedBatch(oxygen=OxygenBalance.QUASI_STEADY).layout.states.size
    8
    """

    O2 = tk.State("mmol/L", 0.21, bounds=(0, None), nominal=0.1, doc="dissolved oxygen")
    oxygen = tk.Option(
        OxygenBalance.DYNAMIC,
        doc="dissolved oxygen as a state, or in balance with the cells",
        redeclares={
            OxygenBalance.QUASI_STEADY: {
                "O2": tk.Output("mmol/L", bounds=(0, None), nominal=0.1, doc="dissolved oxygen"),
                # Without transfer there is no steady state.
                "kLa": KorneckiFedBatch.kLa.altered(bounds=(1e-3, 1000)),
            }
        },
    )

    plotted = ("Xv", "Glc", "Lac", "Amm", "mAb", "O2")

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return cell, nutrient, metabolite, product, volume and oxygen balances."""
        rates = cho_rates(v, m)
        if self.oxygen is OxygenBalance.QUASI_STEADY:
            oxygen = saturable_balance(m, v.kLa * v.O2_sat, v.kLa + v.F / v.V, v.q_O2 * rates.cells, v.K_O2)
        else:
            uptake = v.q_O2 * rates.cells * monod(v.O2, v.K_O2)
            oxygen = gas_transfer(v.kLa, v.O2_sat, v.O2) - uptake - v.F / v.V * v.O2
        return {**fed_batch_balances(v, rates), "O2": oxygen}

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the bolus feeds and the samples, where the options ask for them."""
        mixed = ["Xv", "Xd", "Glc", "Gln", "Lac", "Amm", "mAb"]
        if self.oxygen is OxygenBalance.DYNAMIC:
            mixed.append("O2")
        return doses(self, v, m, mixed, {"Glc": v.GlcF, "Gln": v.GlnF})
