"""Plug-flow reactor (PFR), along its axis in cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.phenomena.advection import Scheme, face_values, transport
from twinkit.unitops.reactor import (
    Thermal,
    _Reactor,
    heat_received,
    reaction_rates,
    reactor_balances,
    temperature_rise,
)

_ILLUSTRATIVE = "illustrative: a 30 L tube"


class PlugFlowReactor(_Reactor):
    """Plug-flow reactor with axial dispersion, in finite volumes (mole balances, energy balance).

    ``dc_i/dt = -u dc_i/dz + D d2c_i/dz2 + sum_j nu_ij r_j`` and the same for heat, with what flows in as the flux at
    the inlet and no dispersion through the outlet (Danckwerts). Values at the faces between cells come from a limited
    third-order scheme, or from the cell upstream. Heat from the jacket and from `Q` is spread evenly.

    The vector `c` holds the cells of the first species, then those of the second, and so on; `concentrations` unfolds
    it. In a graph the reactor has the material streams `inlet` and `outlet`.

    References
    ----------
    Levenspiel (1999), Chemical Reaction Engineering, 3rd ed., eqs. 5.17 and 13.11; boundary conditions: Danckwerts
    (1953), doi:10.1016/0009-2509(53)80001-1; scheme: `phenomena.advection`

    Examples
    --------
    >>> import twinkit as tk
    >>> from twinkit.unitops.reactions import SERIES_PARALLEL as system
    >>> reactor = PlugFlowReactor(c_in=system.vector(A=0.33, B=0.33), T="40 degC", V="30 L", F="1 L/min")
    >>> run = tk.simulate(reactor, until="3 h")
    >>> run["c_out"][-1].values.round(3)
    array([0.022, 0.113, 0.126, 0.091])
    """

    streams: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "inlet": {"flow": "F", "temperature": "T_in", "composition": "c_in"},
        "outlet": {"flow": "F_out", "temperature": "T_out", "composition": "c_out"},
    }

    n_cells = tk.Option(50, bounds=(3, 5000), doc="number of cells along the axis")
    scheme = tk.Option(Scheme.LIMITED, doc="values at the faces between cells")

    c = tk.State("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="reactions.n_species * n_cells",
                 doc="concentrations, cell by cell, species by species")  # fmt: skip
    T = tk.State("degC", 25.0, bounds=(-100, 400), nominal=25.0, shape="n_cells", doc="temperature along the axis")

    F = tk.Input("L/min", 1.0, bounds=(0, None), doc="flow through the reactor")
    T_in = tk.Input("degC", 25.0, doc="temperature of the feed")
    c_in = tk.Input("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="reactions.n_species",
                    doc="concentrations in the feed")  # fmt: skip
    V = tk.Parameter("L", 30.0, bounds=(1e-4, 1e5), doc="volume", source=_ILLUSTRATIVE)
    L = tk.Parameter("m", 10.0, bounds=(1e-3, 1e4), doc="length", source=_ILLUSTRATIVE)
    D = tk.Parameter(
        "m**2/min", 0.0, bounds=(0, 100), nominal=0.01, doc="axial dispersion", source="ideal plug flow: none"
    )

    F_out = tk.Output("L/min", doc="flow leaving")
    c_out = tk.Output("mol/L", shape="reactions.n_species", doc="concentrations leaving")
    T_out = tk.Output("degC", doc="temperature leaving")
    heat_released = tk.Output("kJ/min", doc="heat released by the reactions")
    duty = tk.Output("kJ/min", doc="heat into the liquid from outside: what the jacket gives, or what holding T takes")

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the mole balances and the energy balance of every cell."""
        species, n = range(self.reactions.n_species), self.n_cells
        cell = v.V / n
        exchange = v.D * v.V * n / (v.L * v.L)  # D A / dz
        c = [v.c[i * n : (i + 1) * n] for i in species]
        rates = reaction_rates(self.reactions, v, m, c, v.T)
        production = self.reactions.production(rates)
        trace = m.quantity(1e-9, "mol/L")
        faces = [_kept(m, face_values(m, c[i], v.c_in[i], self.scheme, trace)) for i in species]
        moved = [transport(m, c[i], faces[i], v.F, exchange) / cell for i in species]
        heat = self.reactions.heat_released(m, rates)
        walls = face_values(m, v.T, v.T_in, self.scheme, m.quantity(1e-6, "delta_degC"))
        carried = transport(m, v.T, walls, v.F, exchange) / cell
        held = self.thermal is Thermal.HELD
        received = heat_received(self.thermal, v, m, v.T)
        warming = (heat + received / v.V) / v.rho_cp + carried
        released = m.sum(heat + 0.0 * rates[0]) * cell
        holding = -(released + v.rho_cp * cell * m.sum(carried))
        return {
            "c": m.concatenate([moved[i] + production[i] for i in species]),
            "T": m.full(n, 0.0) if held else warming,
            "F_out": v.F,
            "c_out": m.concatenate([faces[i][n] for i in species]),
            "T_out": walls[n],
            "heat_released": released,
            "duty": holding if held else m.sum(received + 0.0 * warming * v.rho_cp * v.V) / n,
        }

    @property
    def conserved(self) -> Mapping[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Every invariant of the reactions, and energy unless the temperature is held."""
        n = self.n_cells

        def holding(v: Any, m: Any, weights: Sequence[float]) -> tuple[Any, Any]:
            amount: Any = 0.0 * v.V * v.c[0]
            carried: Any = 0.0 * v.F * v.c[0]
            for i, weight in enumerate(weights):
                amount = amount + weight * v.V / n * m.sum(v.c[i * n : (i + 1) * n])
                carried = carried + weight * v.F * (v.c_in[i] - v.c_out[i])
            return amount, carried

        def energy(v: Any, m: Any) -> tuple[Any, Any]:
            held = v.rho_cp * v.V / n * m.sum(temperature_rise(m, v.T))
            return held, v.rho_cp * v.F * (v.T_in - v.T_out) + v.duty

        return reactor_balances(self, holding, energy)


def _kept(m: Any, faces: Any) -> Any:
    """Return the faces of a concentration with the outlet, which is extrapolated, not below zero."""
    return m.concatenate([faces[:-1], m.maximum(faces[-1], 0.0)])
