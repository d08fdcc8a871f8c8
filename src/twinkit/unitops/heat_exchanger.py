"""Counter-current heat exchangers: by effectiveness, and along their length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.phenomena import counter_current_effectiveness, wall_heat
from twinkit.unitops.phenomena.advection import Scheme, face_values, transport

_ILLUSTRATIVE = "illustrative: a small plate exchanger"
_WATER = "water at 20 degC, CRC Handbook of Chemistry and Physics"


class HeatExchanger(tk.Model):
    """Counter-current heat exchanger by effectiveness and transfer units, with a lag on both sides.

    The duty is ``E(N, C) C_min (T_hot,in - T_cold,in)`` at once; the outlets follow with the time that the liquid
    held on their side takes to be replaced. One balanced flow of each liquid; without flow nothing is exchanged.

    References
    ----------
    Kays & London (1984), Compact Heat Exchangers, 3rd ed., table 2-2

    Examples
    --------
    >>> import twinkit as tk
    >>> run = tk.simulate(HeatExchanger(F_hot=10.0, F_cold=10.0, UA=83.4), until="1 h")
    >>> round(float(run["effectiveness"][-1]), 6)
    0.666667
    """

    time_unit = "min"
    streams: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "hot_inlet": {"flow": "F_hot", "temperature": "T_hot_in"},
        "hot_outlet": {"flow": "F_hot_out", "temperature": "T_hot"},
        "cold_inlet": {"flow": "F_cold", "temperature": "T_cold_in"},
        "cold_outlet": {"flow": "F_cold_out", "temperature": "T_cold"},
    }

    T_hot = tk.State("degC", 20.0, bounds=(-100, 400), nominal=50.0, doc="temperature leaving the hot side")
    T_cold = tk.State("degC", 20.0, bounds=(-100, 400), nominal=20.0, doc="temperature leaving the cold side")

    F_hot = tk.Input("L/min", 5.0, bounds=(0, None), doc="flow on the hot side")
    T_hot_in = tk.Input("degC", 80.0, doc="its temperature coming in")
    F_cold = tk.Input("L/min", 10.0, bounds=(0, None), doc="flow on the cold side")
    T_cold_in = tk.Input("degC", 20.0, doc="its temperature coming in")

    UA = tk.Parameter("kJ/min/delta_degC", 60.0, bounds=(0, 1e6), doc="heat transfer", source=_ILLUSTRATIVE)
    V_hot = tk.Parameter("L", 2.0, bounds=(1e-3, 1e4), doc="volume of the hot side", source=_ILLUSTRATIVE)
    V_cold = tk.Parameter("L", 2.0, bounds=(1e-3, 1e4), doc="volume of the cold side", source=_ILLUSTRATIVE)
    rho_cp_hot = tk.Parameter("kJ/L/delta_degC", 4.17, bounds=(0.1, 10), doc="heat capacity, hot side", source=_WATER)
    rho_cp_cold = tk.Parameter("kJ/L/delta_degC", 4.17, bounds=(0.1, 10), doc="heat capacity, cold side", source=_WATER)

    F_hot_out = tk.Output("L/min", doc="flow leaving the hot side")
    F_cold_out = tk.Output("L/min", doc="flow leaving the cold side")
    effectiveness = tk.Output("", doc="share of the largest possible duty")
    duty = tk.Output("kJ/min", doc="heat exchanged")

    conserved: ClassVar[Mapping[str, Any]] = {
        "energy": lambda v, m: tk.Balance(
            v.rho_cp_hot * v.V_hot * (v.T_hot - m.quantity(0.0, "degC"))
            + v.rho_cp_cold * v.V_cold * (v.T_cold - m.quantity(0.0, "degC")),
            inflow=v.rho_cp_hot * v.F_hot * (v.T_hot_in - v.T_hot)
            + v.rho_cp_cold * v.F_cold * (v.T_cold_in - v.T_cold),
        ),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the energy balances of both sides."""
        hot, cold = v.rho_cp_hot * v.F_hot, v.rho_cp_cold * v.F_cold
        trace = m.quantity(1e-9, "kJ/min/delta_degC")
        least, most = m.minimum(hot, cold) + trace, m.maximum(hot, cold) + trace
        effectiveness = counter_current_effectiveness(m, v.UA / least, least / most)
        duty = effectiveness * m.minimum(hot, cold) * (v.T_hot_in - v.T_cold_in)
        return {
            "T_hot": (hot * (v.T_hot_in - v.T_hot) - duty) / (v.rho_cp_hot * v.V_hot),
            "T_cold": (cold * (v.T_cold_in - v.T_cold) + duty) / (v.rho_cp_cold * v.V_cold),
            "F_hot_out": v.F_hot,
            "F_cold_out": v.F_cold,
            "effectiveness": effectiveness,
            "duty": duty,
        }


class CounterCurrentHeatExchanger(tk.Model):
    """Counter-current heat exchanger along its length: two liquids and the wall between them, in cells.

    Each liquid flows through its cells by a limited third-order scheme; the wall takes heat from one and gives it to
    the other, with half of the resistance on each side. Cells count in the direction of flow of their own side: the
    last cell of the cold side is beside the first of the hot side. The wall counts as the hot side does.

    References
    ----------
    Incropera et al. (2007), Fundamentals of Heat and Mass Transfer, 6th ed., section 11.3

    Examples
    --------
    >>> import twinkit as tk
    >>> run = tk.simulate(CounterCurrentHeatExchanger(F_hot=10.0, F_cold=10.0, UA=83.4), until="1 h")
    >>> round(float(run["effectiveness"][-1]), 4)
    0.6667
    """

    time_unit = "min"
    streams: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "hot_inlet": {"flow": "F_hot", "temperature": "T_hot_in"},
        "hot_outlet": {"flow": "F_hot_out", "temperature": "T_hot_out"},
        "cold_inlet": {"flow": "F_cold", "temperature": "T_cold_in"},
        "cold_outlet": {"flow": "F_cold_out", "temperature": "T_cold_out"},
    }
    n_cells = tk.Option(20, bounds=(3, 2000), doc="number of cells")
    scheme = tk.Option(Scheme.LIMITED, doc="values at the faces between cells")

    T_hot = tk.State("degC", 20.0, bounds=(-100, 400), nominal=50.0, shape="n_cells", doc="hot side")
    T_wall = tk.State("degC", 20.0, bounds=(-100, 400), nominal=20.0, shape="n_cells", doc="wall")
    T_cold = tk.State("degC", 20.0, bounds=(-100, 400), nominal=20.0, shape="n_cells",
                      doc="cold side, in its own direction of flow")  # fmt: skip

    F_hot = HeatExchanger.F_hot.altered()
    T_hot_in = HeatExchanger.T_hot_in.altered()
    F_cold = HeatExchanger.F_cold.altered()
    T_cold_in = HeatExchanger.T_cold_in.altered()

    UA = HeatExchanger.UA.altered()
    V_hot = HeatExchanger.V_hot.altered()
    V_cold = HeatExchanger.V_cold.altered()
    rho_cp_hot = HeatExchanger.rho_cp_hot.altered()
    rho_cp_cold = HeatExchanger.rho_cp_cold.altered()
    C_wall = tk.Parameter(
        "kJ/delta_degC", 2.0, bounds=(1e-4, 1e5), doc="heat capacity of the wall", source=_ILLUSTRATIVE
    )

    F_hot_out = HeatExchanger.F_hot_out.altered()
    T_hot_out = tk.Output("degC", doc="temperature leaving the hot side")
    F_cold_out = HeatExchanger.F_cold_out.altered()
    T_cold_out = tk.Output("degC", doc="temperature leaving the cold side")
    effectiveness = tk.Output("", doc="share of the largest possible duty that the hot side gives")
    duty = tk.Output("kJ/min", doc="heat that the cold side takes")

    conserved: ClassVar[Mapping[str, Any]] = {
        "energy": lambda v, m: tk.Balance(
            (
                v.rho_cp_hot * v.V_hot * m.sum(v.T_hot - m.quantity(0.0, "degC"))
                + v.C_wall * m.sum(v.T_wall - m.quantity(0.0, "degC"))
                + v.rho_cp_cold * v.V_cold * m.sum(v.T_cold - m.quantity(0.0, "degC"))
            )
            / v.n_cells,
            inflow=v.rho_cp_hot * v.F_hot * (v.T_hot_in - v.T_hot_out)
            + v.rho_cp_cold * v.F_cold * (v.T_cold_in - v.T_cold_out),
        ),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the energy balances of every cell of both liquids and the wall."""
        n = self.n_cells
        still = m.quantity(0.0, "L/min")
        trace = m.quantity(1e-6, "delta_degC")
        hot_faces = face_values(m, v.T_hot, v.T_hot_in, self.scheme, trace)
        cold_faces = face_values(m, v.T_cold, v.T_cold_in, self.scheme, trace)
        backwards = m.stack([v.T_wall[n - 1 - i] for i in range(n)])
        from_hot = wall_heat(2.0 * v.UA / n, v.T_hot, v.T_wall)
        to_cold = wall_heat(2.0 * v.UA / n, backwards, v.T_cold)
        mirrored = m.stack([to_cold[n - 1 - i] for i in range(n)])
        hot_cell, cold_cell = v.V_hot / n, v.V_cold / n
        hot, cold = v.rho_cp_hot * v.F_hot, v.rho_cp_cold * v.F_cold
        largest = m.minimum(hot, cold) * m.maximum(v.T_hot_in - v.T_cold_in, m.quantity(1e-6, "delta_degC"))
        given = hot * (v.T_hot_in - hot_faces[n])
        return {
            "T_hot": transport(m, v.T_hot, hot_faces, v.F_hot, still) / hot_cell - from_hot / (v.rho_cp_hot * hot_cell),
            "T_wall": (from_hot - mirrored) / (v.C_wall / n),
            "T_cold": transport(m, v.T_cold, cold_faces, v.F_cold, still) / cold_cell
            + to_cold / (v.rho_cp_cold * cold_cell),
            "F_hot_out": v.F_hot,
            "T_hot_out": hot_faces[n],
            "F_cold_out": v.F_cold,
            "T_cold_out": cold_faces[n],
            "effectiveness": given / (largest + m.quantity(1e-9, "kJ/min")),
            "duty": cold * (cold_faces[n] - v.T_cold_in),
        }
