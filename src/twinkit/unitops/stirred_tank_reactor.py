"""Continuous stirred-tank reactor (CSTR)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.reactor import (
    Thermal,
    _Reactor,
    heat_received,
    reaction_rates,
    reactor_balances,
    temperature_rise,
    weighted,
)

_ILLUSTRATIVE = "illustrative: a 30 L vessel"


class ContinuousStirredTankReactor(_Reactor):
    """CSTR: perfectly mixed, constant volume, what flows in flows out (mole balances, energy balance).

    ``dc_i/dt = sum_j nu_ij r_j + F / V (c_in,i - c_i)`` and
    ``rho cp V dT/dt = V sum_j (-dH_j) r_j + rho cp F (T_in - T) + UA (T_jacket - T) + Q``, or dT/dt = 0 where the
    temperature is held. Densities and heat capacities are equal and constant.

    In a graph it has the material streams `inlet` and `outlet`.

    References
    ----------
    Levenspiel (1999), Chemical Reaction Engineering, 3rd ed., eq. 5.11; with heat: Fogler (2016), Elements of
    Chemical Reaction Engineering, 5th ed., eq. 13-10

    Examples
    --------
    >>> import twinkit as tk
    >>> from twinkit.unitops.reactions import SERIES_PARALLEL as system
    >>> reactor = ContinuousStirredTankReactor(c_in=system.vector(A=0.33, B=0.33), T="40 degC", V="30 L", F="1 L/min")
    >>> run = tk.simulate(reactor, until="20 h")
    >>> reactor.concentrations(run).values[-1].round(6)
    array([0.093636, 0.169137, 0.085362, 0.075501])
    """

    streams: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "inlet": {"flow": "F", "temperature": "T_in", "composition": "c_in"},
        "outlet": {"flow": "F_out", "temperature": "T", "composition": "c"},
    }

    c = tk.State("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="reactions.n_species", doc="concentrations")
    T = tk.State("degC", 25.0, bounds=(-100, 400), nominal=25.0, doc="temperature")

    F = tk.Input("L/min", 1.0, bounds=(0, None), doc="flow through the reactor")
    T_in = tk.Input("degC", 25.0, doc="temperature of the feed")
    c_in = tk.Input("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="reactions.n_species",
                    doc="concentrations in the feed")  # fmt: skip
    V = tk.Parameter("L", 30.0, bounds=(1e-3, 1e5), doc="liquid volume", source=_ILLUSTRATIVE)

    F_out = tk.Output("L/min", doc="flow leaving")
    T_vessel = tk.Output("degC", doc="temperature, for a jacket in a graph (T is part of the outlet)")
    heat_released = tk.Output("kJ/min", doc="heat released by the reactions")
    duty = tk.Output("kJ/min", doc="heat into the liquid from outside: what the jacket gives, or what holding T takes")

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the mole balances and the energy balance."""
        species = range(self.reactions.n_species)
        rates = reaction_rates(self.reactions, v, m, [v.c[i] for i in species], v.T)
        production = self.reactions.production(rates)
        released = v.V * self.reactions.heat_released(m, rates)
        carried = v.rho_cp * v.F * (v.T_in - v.T)
        held = self.thermal is Thermal.HELD
        duty = -(released + carried) if held else heat_received(self.thermal, v, m, v.T)
        return {
            "c": m.concatenate([production[i] + v.F / v.V * (v.c_in[i] - v.c[i]) for i in species]),
            "T": 0.0 if held else (released + carried + duty) / (v.rho_cp * v.V),
            "F_out": v.F,
            "T_vessel": v.T,
            "heat_released": released,
            "duty": duty,
        }

    @property
    def conserved(self) -> Mapping[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Every invariant of the reactions, and energy unless the temperature is held."""

        def holding(v: Any, m: Any, weights: Sequence[float]) -> tuple[Any, Any]:
            return weighted(m, weights, v.c) * v.V, v.F * (weighted(m, weights, v.c_in) - weighted(m, weights, v.c))

        def energy(v: Any, m: Any) -> tuple[Any, Any]:
            return v.rho_cp * v.V * temperature_rise(m, v.T), v.rho_cp * v.F * (v.T_in - v.T) + v.duty

        return reactor_balances(self, holding, energy)
