"""A stirred, heated tank with a cooling jacket, held together as a model with a sub-model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.phenomena import wall_heat

_WATER = "water at 20 degC, CRC Handbook of Chemistry and Physics"
_ILLUSTRATIVE = "illustrative: a 500 L stainless-steel vessel"


class CoolingJacket(tk.Model):
    """Well-mixed cooling jacket around a vessel (energy balance, constant properties)."""

    time_unit = "min"

    T = tk.State("degC", 20.0, bounds=(-20, 200), nominal=10.0, doc="jacket temperature")
    T_vessel = tk.Input("degC", 20.0, doc="temperature of the vessel")
    T_in = tk.Input("degC", 10.0, doc="temperature of the coolant supplied")
    F = tk.Input("L/min", 0.0, bounds=(0, None), doc="coolant flow")
    V = tk.Parameter("L", 60.0, bounds=(0.1, 1e4), doc="jacket volume", source=_ILLUSTRATIVE)
    UA = tk.Parameter("kJ/min/delta_degC", 21.6, bounds=(0, 1e4), doc="heat transfer", source=_ILLUSTRATIVE)
    rho_cp = tk.Parameter("kJ/L/delta_degC", 4.17, bounds=(0.1, 10), doc="heat capacity of the coolant", source=_WATER)
    heat = tk.Output("kJ/min", doc="heat taken from the vessel")

    conserved: ClassVar[Mapping[str, Any]] = {
        "energy": lambda v, m: tk.Balance(
            v.rho_cp * v.V * (v.T - m.quantity(0.0, "degC")), inflow=v.rho_cp * v.F * (v.T_in - v.T) + v.heat
        ),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the energy balance of the coolant."""
        heat = wall_heat(v.UA, v.T_vessel, v.T)
        return {"T": v.F / v.V * (v.T_in - v.T) + heat / (v.rho_cp * v.V), "heat": heat}


class WalledJacket(tk.Model):
    """Well-mixed cooling jacket behind a lumped wall that holds heat itself (energy balances).

    The vessel gives ``UA_inside (T_vessel - T_wall)`` to the wall, the wall ``UA_outside (T_wall - T)`` to the
    coolant. A reactor joined to it in a graph has `T_wall` as its jacket temperature and `UA_inside` as its UA.

    References
    ----------
    Stephanopoulos (1984), Chemical Process Control, section 5 (jacketed vessels); a wall as one capacity: Luyben
    (1990), Process Modeling, Simulation and Control for Chemical Engineers, 2nd ed., section 3.6

    Examples
    --------
    >>> import twinkit as tk
    >>> run = tk.simulate(WalledJacket(T_vessel=60.0, F=5.0), until="10 h")
    >>> bool(run["T"][-1] < run["T_wall"][-1] < 60.0)
    True
    """

    time_unit = "min"

    T_wall = tk.State("degC", 20.0, bounds=(-20, 200), nominal=10.0, doc="wall temperature")
    T = CoolingJacket.T.altered()
    T_vessel = CoolingJacket.T_vessel.altered()
    T_in = CoolingJacket.T_in.altered()
    F = CoolingJacket.F.altered()
    V = CoolingJacket.V.altered()
    UA_inside = tk.Parameter(
        "kJ/min/delta_degC", 43.2, bounds=(0, 1e4), doc="heat transfer vessel to wall", source=_ILLUSTRATIVE
    )
    UA_outside = tk.Parameter(
        "kJ/min/delta_degC", 43.2, bounds=(0, 1e4), doc="heat transfer wall to coolant", source=_ILLUSTRATIVE
    )
    C_wall = tk.Parameter("kJ/delta_degC", 75.0, bounds=(0.1, 1e5), doc="heat capacity of the wall",
                          source="illustrative: 150 kg of steel")  # fmt: skip
    rho_cp = CoolingJacket.rho_cp.altered()
    heat = CoolingJacket.heat.altered()

    conserved: ClassVar[Mapping[str, Any]] = {
        "energy": lambda v, m: tk.Balance(
            v.C_wall * (v.T_wall - m.quantity(0.0, "degC")) + v.rho_cp * v.V * (v.T - m.quantity(0.0, "degC")),
            inflow=v.rho_cp * v.F * (v.T_in - v.T) + v.heat,
        ),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the energy balances of wall and coolant."""
        taken = wall_heat(v.UA_inside, v.T_vessel, v.T_wall)
        given = wall_heat(v.UA_outside, v.T_wall, v.T)
        return {
            "T_wall": (taken - given) / v.C_wall,
            "T": v.F / v.V * (v.T_in - v.T) + given / (v.rho_cp * v.V),
            "heat": taken,
        }


class JacketedTank(tk.Model):
    """Stirred tank of constant volume with feed, heater and cooling jacket (energy balance, perfectly mixed)."""

    time_unit = "min"

    T = tk.State("degC", 20.0, bounds=(-20, 200), nominal=10.0, doc="liquid temperature")
    Q = tk.Input("kW", 0.0, bounds=(0, None), doc="heater duty")
    F = tk.Input("L/min", 0.0, bounds=(0, None), doc="flow through the tank")
    T_in = tk.Input("degC", 20.0, doc="feed temperature")
    V = tk.Parameter("L", 500.0, bounds=(1, 1e5), doc="liquid volume", source=_ILLUSTRATIVE)
    rho_cp = tk.Parameter("kJ/L/delta_degC", 4.17, bounds=(0.1, 10), doc="heat capacity of the liquid", source=_WATER)
    jacket = CoolingJacket()

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the energy balance of the liquid; the jacket takes its heat from it."""
        jacket = v.jacket(T_vessel=v.T)
        heating = m.convert(v.Q, "kW", "kJ/min") - jacket.heat
        return {"T": v.F / v.V * (v.T_in - v.T) + heating / (v.rho_cp * v.V)}

    conserved: ClassVar[Mapping[str, Any]] = {
        "energy": lambda v, m: tk.Balance(
            v.rho_cp * v.V * (v.T - m.quantity(0.0, "degC"))
            + v.jacket.rho_cp * v.jacket.V * (v.jacket.T - m.quantity(0.0, "degC")),
            inflow=v.rho_cp * v.F * (v.T_in - v.T)
            + v.jacket.rho_cp * v.jacket.F * (v.jacket.T_in - v.jacket.T)
            + m.convert(v.Q, "kW", "kJ/min"),
        ),
    }
