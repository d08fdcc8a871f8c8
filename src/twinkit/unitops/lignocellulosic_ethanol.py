"""Batch fermentation of a lignocellulosic hydrolysate by xylose-fermenting yeast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.phenomena.fermentation import CARBON_DIOXIDE_PER_ETHANOL, ethanol_tolerance, readiness
from twinkit.unitops.phenomena.growth import inhibition, monod

# How much each source can carry. RECALLED: the number was written down from memory of the paper and could not be
# looked up where this was written; ABSTRACT: the number stands in the abstract, which was read.
_KRISHNAN = "Krishnan, Ho & Tsao (1999), Applied Biochemistry and Biotechnology 77-79:373; RECALLED, not looked up"
_VERDUYN = "Verduyn et al. (1990), Journal of General Microbiology 136:395; RECALLED, not looked up"
_KRISHNAN_RATE = f"{_KRISHNAN}: ethanol formation rate divided by the ethanol yield it goes with"
_TAHERZADEH = (
    "Taherzadeh et al. (1999), Journal of Bioscience and Bioengineering 87:169; ABSTRACT gives 0.6 g/g/h for "
    "exponentially growing cells; half of it is assumed for cells that are adapting"
)
_BUDGET = "assumed: the limit 0.511 g/g less 6.5 % for glycerol and others (0.43 g per g of all glucose taken up)"
_RECOMBINANT = "assumed: 0.31 g per g of all xylose taken up, middle of 0.2-0.4 for recombinant strains"
_GROWTH = "assumed: the largest anaerobic growth rate of S. cerevisiae"
_ACETATE = "assumed: 3 g/L acetate, half inhibition at 5 g/L"
_ASSUMED = "assumed (order of magnitude only; no source found)"


def _mass(v: Any, m: Any) -> Any:
    """Everything that is sugar, or was made of it."""
    del m
    return v.biomass + v.glucose + v.xylose + v.residual + v.ethanol + v.carbon_dioxide + v.furfural + v.by_products


class LignocellulosicEthanol(tk.Model):
    """Yeast on glucose and xylose with ethanol inhibition, furfural inhibition and a lag (mass balances, batch).

    Three reactions: glucose uptake, xylose uptake (repressed by glucose), conversion of furfural. Each sugar gives
    biomass, ethanol, carbon dioxide and by-products (glycerol, xylitol, ...) that close the mass balance. Furfural
    slows uptake *and* the adaptation of the cells, which is why a hydrolysate ferments late rather than slowly.
    `residual` is sugar that an analyser reports as glucose and the yeast leaves (cellobiose, oligomers).

    The structure follows Cabaneros Lopez et al. (2021), Biotechnology and Bioengineering 118:579,
    doi:10.1002/bit.27586; their parameter table was not used. Every `source` says what its number rests on.
    """

    time_unit = "h"
    conserved: ClassVar[Mapping[str, Any]] = {"mass": _mass}

    biomass = tk.State("g/L", 0.5, bounds=(0, None), doc="yeast, dry weight", source="assumed: a usual inoculum")
    glucose = tk.State("g/L", 40.0, bounds=(0, None), doc="fermentable glucose", source=_ASSUMED)
    xylose = tk.State("g/L", 20.0, bounds=(0, None), doc="xylose", source=_ASSUMED)
    ethanol = tk.State("g/L", 0.0, bounds=(0, None), nominal=10.0, doc="ethanol", source="nothing formed yet")
    furfural = tk.State("g/L", 1.0, bounds=(0, None), doc="furfural", source="assumed: usual for steam-exploded straw")
    residual = tk.State("g/L", 0.0, bounds=(0, None), nominal=1.0, doc="sugar the yeast leaves", source=_ASSUMED)
    carbon_dioxide = tk.State(
        "g/L", 0.0, bounds=(0, None), nominal=10.0, doc="carbon dioxide formed", source="definition"
    )
    by_products = tk.State("g/L", 0.0, bounds=(0, None), nominal=1.0, doc="glycerol, xylitol, ...", source="definition")
    log_readiness = tk.State("", -2.0, nominal=1.0, doc="logarithm of the physiological state", source=_ASSUMED)

    activity = tk.Input("", 1.0, bounds=(0, None), doc="factor on every rate of the yeast (1: as in the literature)")

    uptake_glucose = tk.Parameter("g/g/h", 4.46, bounds=(0, 20), doc="largest specific uptake", source=_KRISHNAN_RATE)
    uptake_xylose = tk.Parameter("g/g/h", 0.69, bounds=(0, 20), doc="largest specific uptake", source=_KRISHNAN_RATE)
    half_glucose = tk.Parameter(
        "g/L", 1.342, bounds=(1e-3, 50), doc="half-saturation of glucose uptake", source=_KRISHNAN
    )
    half_xylose = tk.Parameter("g/L", 3.40, bounds=(1e-3, 50), doc="half-saturation of xylose uptake", source=_KRISHNAN)
    limit_glucose = tk.Parameter(
        "g/L", 95.4, bounds=(1, 500), doc="ethanol that stops glucose uptake", source=_KRISHNAN
    )
    limit_xylose = tk.Parameter("g/L", 59.04, bounds=(1, 500), doc="ethanol that stops xylose uptake", source=_KRISHNAN)
    repression = tk.Parameter("g/L", 2.0, bounds=(1e-3, 50), doc="glucose that halves xylose uptake", source=_ASSUMED)
    medium = tk.Parameter("", 0.625, bounds=(0, 1), doc="activity left by acetate", source=_ACETATE)
    inhibition_furfural = tk.Parameter(
        "g/L", 0.75, bounds=(1e-3, 50), doc="furfural that halves rates", source=_ASSUMED
    )
    uptake_furfural = tk.Parameter("g/g/h", 0.30, bounds=(0, 5), doc="largest specific conversion", source=_TAHERZADEH)
    half_furfural = tk.Parameter("g/L", 0.30, bounds=(1e-3, 50), doc="half-saturation of conversion", source=_ASSUMED)
    adaptation = tk.Parameter("1/h", 0.40, bounds=(0, 5), doc="adaptation without furfural", source=_GROWTH)
    yield_glucose = tk.Parameter(
        "g/g", 0.478, bounds=(0, 0.511), doc="ethanol from glucose not used for growth", source=_BUDGET
    )
    yield_xylose = tk.Parameter(
        "g/g", 0.345, bounds=(0, 0.511), doc="ethanol from xylose not used for growth", source=_RECOMBINANT
    )
    yield_biomass = tk.Parameter("g/g", 0.10, bounds=(0, 0.2), doc="biomass from sugar", source=_VERDUYN)

    glucose_total = tk.Output("g/L", doc="what an analyser reports as glucose")
    sugar_uptake = tk.Output("g/L/h", doc="glucose and xylose taken up")

    plotted = ("biomass", "glucose", "xylose", "ethanol", "furfural")

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the mass balances of the batch."""
        cells = v.activity * m.maximum(v.biomass, 0.0)
        active = cells * readiness(m, v.log_readiness) * v.medium * inhibition(v.furfural, v.inhibition_furfural)
        glucose = m.maximum(v.glucose, 0.0)
        share_glucose = monod(glucose, v.half_glucose) * ethanol_tolerance(m, v.ethanol, v.limit_glucose)
        share_xylose = monod(m.maximum(v.xylose, 0.0), v.half_xylose) * ethanol_tolerance(m, v.ethanol, v.limit_xylose)
        on_glucose = m.rate("on_glucose", active * v.uptake_glucose * share_glucose)
        on_xylose = m.rate("on_xylose", active * v.uptake_xylose * share_xylose * inhibition(glucose, v.repression))
        detoxified = cells * v.uptake_furfural * monod(m.maximum(v.furfural, 0.0), v.half_furfural)
        growth = v.yield_biomass * (on_glucose + on_xylose)
        fermented = 1.0 - v.yield_biomass
        ethanol = fermented * (v.yield_glucose * on_glucose + v.yield_xylose * on_xylose)
        gas = CARBON_DIOXIDE_PER_ETHANOL * ethanol
        return {
            "biomass": growth,
            "glucose": -on_glucose,
            "xylose": -on_xylose,
            "ethanol": ethanol,
            "furfural": -detoxified,
            "residual": 0.0,
            "carbon_dioxide": gas,
            "by_products": on_glucose + on_xylose + detoxified - growth - ethanol - gas,
            "log_readiness": v.adaptation * inhibition(v.furfural, v.inhibition_furfural),
            "glucose_total": v.glucose + v.residual,
            "sugar_uptake": on_glucose + on_xylose,
        }
