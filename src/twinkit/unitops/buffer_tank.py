"""Preparation of a buffer: a weak acid titrated with strong base or acid, pH by charge balance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.phenomena import WATER_25, acid_charge, charge_balance

_PHOSPHATE = "phosphoric acid at 25 degC, CRC Handbook of Chemistry and Physics; recalled, rounded"
_ILLUSTRATIVE = "illustrative: a 100 L preparation"


class BufferTank(tk.Model):
    """Buffer preparation: a polyprotic weak acid with strong ions, titrated by base or acid (a DAE).

    Perfectly mixed, volumes add up. Strong ions (sodium less chloride) enter by their difference; the pH is an
    algebraic variable fixed by the balance of charges at 25 degC, with concentrations taken for activities (real
    phosphate of 50 mmol/L is about 0.3 below). Phosphate unless other pK are given; set those that an acid does not
    have to 40. Titration stops for good at the target where `stop_at_target` is on.

    References
    ----------
    Stumm & Morgan (1996), Aquatic Chemistry, 3rd ed., sections 3.4 and 3.5

    Examples
    --------
    >>> import twinkit as tk
    >>> run = tk.simulate(BufferTank(), until="2 h", inputs={"F_base": "0.05 L/min"})
    >>> round(float(run["pH"][-1]), 4)  # stopped by the event
    7.4
    """

    time_unit = "min"
    stop_at_target = tk.Option(True, doc="titration ends at the target")

    V = tk.State("L", 100.0, bounds=(1e-6, None), nominal=100.0, doc="volume")
    acid = tk.State("mmol/L", 50.0, bounds=(0, None), nominal=50.0, doc="weak acid, all forms together")
    strong = tk.State("mmol/L", 50.0, nominal=50.0, doc="strong cations less strong anions")
    titrating = tk.Mode("", 1.0, bounds=(0, 1), doc="1: the pump runs, 0: the target is reached")
    pH = tk.Algebraic("", 4.7, bounds=(-2, 16), nominal=1.0, doc="pH")

    F_base = tk.Input("L/min", 0.0, bounds=(0, None), nominal=0.1, doc="titrant, whatever its sign")
    F_in = tk.Input("L/min", 0.0, bounds=(0, None), nominal=0.1, doc="water or stock added")
    acid_in = tk.Input("mmol/L", 0.0, bounds=(0, None), nominal=50.0, doc="weak acid in it")
    strong_in = tk.Input("mmol/L", 0.0, nominal=50.0, doc="strong cations less anions in it")

    titrant = tk.Parameter(
        "mmol/L", 2000.0, bounds=(-2e4, 2e4), nominal=1000.0, doc="base in the titrant (negative: acid)",
        source="illustrative: 2 mol/L sodium hydroxide",
    )  # fmt: skip
    target = tk.Parameter("", 7.4, bounds=(0, 14), doc="pH wanted", source=_ILLUSTRATIVE)
    pK1 = tk.Parameter("", 2.15, bounds=(-10, 50), doc="first dissociation", source=_PHOSPHATE)
    pK2 = tk.Parameter("", 7.20, bounds=(-10, 50), doc="second dissociation", source=_PHOSPHATE)
    pK3 = tk.Parameter("", 12.35, bounds=(-10, 50), doc="third dissociation", source=_PHOSPHATE)

    F_titrant = tk.Output("L/min", doc="titrant that flows")
    charge = tk.Output("", doc="mean charges lost by a molecule of acid")

    conserved: ClassVar[Mapping[str, Any]] = {
        "weak acid": lambda v, m: tk.Balance(v.acid * v.V, inflow=v.F_in * v.acid_in),
        "strong ions": lambda v, m: tk.Balance(v.strong * v.V, inflow=v.F_in * v.strong_in + v.F_titrant * v.titrant),
        "volume": lambda v, m: tk.Balance(v.V, inflow=v.F_in + v.F_titrant),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the balances of volume, acid and strong ions, and the charge balance."""
        flow = v.F_base * v.titrating
        charge = acid_charge(m, v.pH, (v.pK1, v.pK2, v.pK3))
        left = charge_balance(m, v.pH, v.strong - v.acid * charge, m.quantity(0.0, "mmol/L"), WATER_25)
        return {
            "V": v.F_in + flow,
            "acid": (v.F_in * (v.acid_in - v.acid) - flow * v.acid) / v.V,
            "strong": (v.F_in * (v.strong_in - v.strong) + flow * (v.titrant - v.strong)) / v.V,
            "pH": left,
            "F_titrant": flow,
            "charge": charge,
        }

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the end of the titration."""
        if not self.stop_at_target:
            return {}
        # Afterwards the pH rests on the target: the expression must not.
        away = m.where(v.titrating > 0.5, v.pH - v.target, 1.0)
        return {"target": tk.Event(away, tk.Crossing.EITHER, set={"titrating": 0.0})}
