"""Batch reactors: everything charged at the start, or one charge dosed to another."""

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

_ILLUSTRATIVE = "illustrative: a 100 L vessel"


class BatchReactor(_Reactor):
    """Batch reactor: perfectly mixed, constant volume and density (mole balances, energy balance).

    ``dc_i/dt = sum_j nu_ij r_j`` and ``rho cp V dT/dt = V sum_j (-dH_j) r_j + UA (T_jacket - T) + Q``, or dT/dt = 0
    where the temperature is held.

    References
    ----------
    Levenspiel (1999), Chemical Reaction Engineering, 3rd ed., eqs. 5.1 and 9.1 onwards

    Examples
    --------
    >>> import twinkit as tk
    >>> from twinkit.unitops.reactions import SERIES_PARALLEL
    >>> reactor = BatchReactor(c=SERIES_PARALLEL.vector(A=0.33, B=0.33), T="313 K")
    >>> run = tk.simulate(reactor, until="1 h")
    >>> reactor.concentrations(run).values[-1].round(6)
    array([0.002382, 0.103731, 0.124919, 0.101349])
    """

    c = tk.State("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="reactions.n_species", doc="concentrations")
    T = tk.State("degC", 25.0, bounds=(-100, 400), nominal=25.0, doc="temperature")
    V = tk.Parameter("L", 60.0, bounds=(1e-3, 1e5), doc="liquid volume", source=_ILLUSTRATIVE)

    heat_released = tk.Output("kJ/min", doc="heat released by the reactions")
    duty = tk.Output("kJ/min", doc="heat into the liquid from outside: what the jacket gives, or what holding T takes")

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the mole balances and the energy balance."""
        c = [v.c[i] for i in range(self.reactions.n_species)]
        rates = reaction_rates(self.reactions, v, m, c, v.T)
        released = v.V * self.reactions.heat_released(m, rates)
        held = self.thermal is Thermal.HELD
        duty = -released if held else heat_received(self.thermal, v, m, v.T)
        return {
            "c": m.concatenate(self.reactions.production(rates)),
            "T": 0.0 if held else (released + duty) / (v.rho_cp * v.V),
            "heat_released": released,
            "duty": duty,
        }

    @property
    def conserved(self) -> Mapping[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Every invariant of the reactions, and energy unless the temperature is held."""

        def holding(v: Any, m: Any, weights: Sequence[float]) -> tuple[Any, Any]:
            return weighted(m, weights, v.c) * v.V, 0.0

        def energy(v: Any, m: Any) -> tuple[Any, Any]:
            return v.rho_cp * v.V * temperature_rise(m, v.T), v.duty

        return reactor_balances(self, holding, energy)


class SemiBatchReactor(_Reactor):
    """Semi-batch reactor: one charge in the vessel, another dosed to it until the vessel is full.

    ``dc_i/dt = sum_j nu_ij r_j + F / V (c_in,i - c_i)``, ``dV/dt = F``, densities and heat capacities equal, and
    ``rho cp V dT/dt = V sum_j (-dH_j) r_j + rho cp F (T_in - T) + UA (T_jacket - T) + Q``. Dosing stops for good when
    the volume reaches `V_max`.

    References
    ----------
    Levenspiel (1999), Chemical Reaction Engineering, 3rd ed., chapter 4 (semibatch); Stoessel (2008), Thermal Safety
    of Chemical Processes, chapter 7, doi:10.1002/9783527621606

    Examples
    --------
    >>> import twinkit as tk
    >>> from twinkit.unitops.reactions import SERIES_PARALLEL as system
    >>> reactor = SemiBatchReactor(c=system.vector(B=1.0), c_in=system.vector(A=2.0), V="20 L", T="40 degC")
    >>> run = tk.simulate(reactor, until="2 h", inputs={"F": tk.steps({"0 min": "0.2 L/min", "50 min": 0})})
    >>> round(float(run["V"][-1]), 9)
    30.0
    """

    streams: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "inlet": {"flow": "F", "temperature": "T_in", "composition": "c_in"},
    }

    c = tk.State("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="reactions.n_species", doc="concentrations")
    T = tk.State("degC", 25.0, bounds=(-100, 400), nominal=25.0, doc="temperature")
    V = tk.State("L", 40.0, bounds=(1e-3, None), nominal=40.0, doc="liquid volume")
    dosing = tk.Mode("", 1.0, bounds=(0, 1), doc="1: what is dosed goes in, 0: the vessel is full")

    F = tk.Input("L/min", 0.0, bounds=(0, None), nominal=0.1, doc="dosing rate")
    T_in = tk.Input("degC", 25.0, doc="temperature of what is dosed")
    c_in = tk.Input("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="reactions.n_species",
                    doc="concentrations in what is dosed")  # fmt: skip
    V_max = tk.Parameter("L", 100.0, bounds=(1e-3, 1e5), doc="volume at which dosing stops", source=_ILLUSTRATIVE)

    heat_released = tk.Output("kJ/min", doc="heat released by the reactions")
    duty = tk.Output("kJ/min", doc="heat into the liquid from outside: what the jacket gives, or what holding T takes")

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the mole balances, the volume balance and the energy balance."""
        species = range(self.reactions.n_species)
        c = [v.c[i] for i in species]
        rates = reaction_rates(self.reactions, v, m, c, v.T)
        production = self.reactions.production(rates)
        flow = v.F * v.dosing
        released = v.V * self.reactions.heat_released(m, rates)
        carried = v.rho_cp * flow * (v.T_in - v.T)
        held = self.thermal is Thermal.HELD
        duty = -(released + carried) if held else heat_received(self.thermal, v, m, v.T)
        return {
            "c": m.concatenate([production[i] + flow / v.V * (v.c_in[i] - v.c[i]) for i in species]),
            "T": 0.0 if held else (released + carried + duty) / (v.rho_cp * v.V),
            "V": flow,
            "heat_released": released,
            "duty": duty,
        }

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the end of dosing."""
        return {"full": tk.Event(v.V - v.V_max, tk.Crossing.RISING, set={"dosing": 0.0})}

    @property
    def conserved(self) -> Mapping[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Every invariant of the reactions, and energy unless the temperature is held."""

        def holding(v: Any, m: Any, weights: Sequence[float]) -> tuple[Any, Any]:
            return weighted(m, weights, v.c) * v.V, weighted(m, weights, v.c_in) * v.F * v.dosing

        def energy(v: Any, m: Any) -> tuple[Any, Any]:
            entering = v.rho_cp * v.F * v.dosing * temperature_rise(m, v.T_in)
            return v.rho_cp * v.V * temperature_rise(m, v.T), entering + v.duty

        return reactor_balances(self, holding, energy)
