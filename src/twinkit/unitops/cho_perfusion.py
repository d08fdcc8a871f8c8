"""CHO perfusion: cells held back, product drawn off all the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops._cho import KorneckiCulture, cho_rates

_VESSEL = "illustrative: a bench vessel with a usual retention device"


class CHOPerfusion(KorneckiCulture):
    """CHO perfusion with cell retention and bleed (kinetics of Kornecki & Strube 2018), constant volume.

    Medium flows through at `exchange` vessel volumes per day. A share `bleed` of it leaves with the cells; the rest
    passes a device that holds back the share `retention` of the cells and `product_retention` of the product. At
    steady state cells grow as fast as they leave, ``mu - death = D (bleed + (1 - bleed) (1 - retention))``.

    The kinetics were fitted to fed-batch, not to perfusion: cell densities beyond those of the publication are an
    extrapolation.

    References
    ----------
    Kornecki M., Strube J. (2018), Bioengineering 5(1):25, doi:10.3390/bioengineering5010025
    """

    exchange = tk.Input("1/day", 2.0, bounds=(0, 20), doc="medium per vessel volume (VVD)")
    bleed = tk.Input("", 0.1, bounds=(0, 1), doc="share of the medium that leaves with the cells")
    GlcF = tk.Input("mmol/L", 40.0, bounds=(0, None), doc="glucose in the medium")
    GlnF = tk.Input("mmol/L", 6.0, bounds=(0, None), doc="glutamine in the medium")

    V = tk.Parameter("L", 1.0, bounds=(1e-3, 1e5), doc="liquid volume", source=_VESSEL)
    retention = tk.Parameter("", 0.98, bounds=(0, 1), doc="cells held back by the device", source=_VESSEL)
    product_retention = tk.Parameter("", 0.0, bounds=(0, 1), doc="product held back (a fouled one)", source=_VESSEL)

    mu = tk.Output("1/h", doc="specific growth rate")
    harvest = tk.Output("L/h", doc="cell-free liquid drawn off")
    harvested = tk.Output("g/h", doc="antibody in the harvest")
    per_cell = tk.Output("L/Gcell/day", doc="medium per cell (cell-specific perfusion rate)")

    conserved: ClassVar[Mapping[str, Any]] = {
        "lactate from glucose": lambda v, m: tk.Balance(
            v.Lac + v.Y_Lac_Glc * v.Glc,
            inflow=m.convert(v.exchange, "1/day", "1/h") * (v.Y_Lac_Glc * (v.GlcF - v.Glc) - v.Lac),
        ),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return cell, nutrient, metabolite and product balances."""
        rates = cho_rates(v, m)
        dilution = m.convert(v.exchange, "1/day", "1/h")
        filtered = dilution * (1.0 - v.bleed)
        cells_out = dilution * v.bleed + filtered * (1.0 - v.retention)
        product_out = dilution * v.bleed + filtered * (1.0 - v.product_retention)
        return {
            "Xv": rates.net * rates.cells - cells_out * v.Xv,
            "Xd": rates.death * rates.cells - cells_out * v.Xd,
            "Glc": -rates.glucose * rates.cells + dilution * (v.GlcF - v.Glc),
            "Gln": -rates.glutamine * rates.cells + dilution * (v.GlnF - v.Gln),
            "Lac": v.Y_Lac_Glc * rates.glucose * rates.cells - dilution * v.Lac,
            "Amm": rates.ammonium * rates.cells - dilution * v.Amm,
            "mAb": rates.product * rates.cells - product_out * v.mAb,
            "mu": rates.mu,
            "harvest": filtered * v.V,
            "harvested": filtered * (1.0 - v.product_retention) * v.mAb * v.V,
            "per_cell": v.exchange / m.maximum(v.Xv, m.quantity(1e-9, "Gcell/L")),
        }
