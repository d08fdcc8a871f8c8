"""What all reactors have in common: reactions, heat, balances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

import twinkit.core as tk
from twinkit.unitops.phenomena import wall_heat
from twinkit.unitops.reactions import SERIES_PARALLEL

if TYPE_CHECKING:
    import xarray as xr

_WATER = "water at 20 degC, CRC Handbook of Chemistry and Physics"
_ILLUSTRATIVE = "illustrative: a 100 L glass-lined vessel"


class Thermal(Enum):
    """Where the heat of a reactor goes."""

    HELD = "held"
    """Every temperature stays as it is at the start; `duty` says what that takes."""
    ADIABATIC = "adiabatic"
    """Nowhere, but with what flows out."""
    JACKET = "jacket"
    """Through the wall, to a jacket at `T_jacket`."""


class _Reactor(tk.Model):
    """What all reactors have in common; not a model by itself."""

    time_unit = "min"

    reactions = tk.Option(SERIES_PARALLEL, doc="stoichiometry, rate laws and heats")
    thermal = tk.Option(Thermal.HELD, doc="where the heat goes")

    T_jacket = tk.Input("degC", 25.0, doc="jacket temperature (with thermal=JACKET)")
    Q = tk.Input("kW", 0.0, nominal=1.0, doc="heat added: a heater, the stirrer")

    UA = tk.Parameter(
        "kJ/min/delta_degC", 20.0, bounds=(0, 1e5), doc="heat transfer to the jacket", source=_ILLUSTRATIVE
    )
    rho_cp = tk.Parameter("kJ/L/delta_degC", 4.17, bounds=(0.1, 10), doc="heat capacity of the liquid", source=_WATER)
    rate_factor = tk.Parameter("", 1.0, bounds=(0, 1e3), shape="reactions.n_reactions",
                               doc="factor on each rate law", source="definition: as given")  # fmt: skip
    activation_shift = tk.Parameter("kJ/mol", 0.0, bounds=(-50, 50), nominal=0.1, shape="reactions.n_reactions",
                                    doc="added to each activation energy", source="definition: as given")  # fmt: skip

    def concentrations(self, solution: tk.Solution) -> xr.DataArray:
        """Return the concentrations of a run with dimensions time and species (and cell, along a plug-flow reactor).

        Parameters
        ----------
        solution
            A run of this reactor.

        Returns
        -------
        xarray.DataArray
            [mol/L], ``c.sel(species="A")``.
        """
        import xarray as xr

        raw = solution["c"]
        shape = (len(raw), self.reactions.n_species, -1)
        data = raw.values.reshape(shape)
        names = list(self.reactions.species)
        times = raw[raw.dims[0]].values
        if data.shape[2] == 1:
            return xr.DataArray(data[:, :, 0], {"time": times, "species": names}, ("time", "species"), "c", raw.attrs)
        places = {"time": times, "species": names, "position": self._positions(data.shape[2])}
        return xr.DataArray(data, places, ("time", "species", "position"), "c", raw.attrs)

    @staticmethod
    def _positions(count: int) -> list[float]:
        """Return the middle of each cell as a share of the length."""
        return [(cell + 0.5) / count for cell in range(count)]


def reaction_rates(reactions: Any, v: Any, m: Any, c: Sequence[Any], temperature: Any) -> list[Any]:
    """Return the rates [mol/L/min] at concentrations `c` and a temperature in degC, with the model's factors."""
    kelvin = m.convert(temperature, "degC", "K")
    count = reactions.n_reactions
    factors = [v.rate_factor[j] for j in range(count)]
    shifts = [m.convert(v.activation_shift[j], "kJ/mol", "J/mol") for j in range(count)]
    return reactions.rates(m, c, kelvin, factors, shifts)


def heat_received(thermal: Thermal, v: Any, m: Any, temperature: Any) -> Any:
    """Return heat from the jacket and from `Q` [kJ/min] at a temperature, or along a vector of them."""
    added = m.convert(v.Q, "kW", "kJ/min")
    return added + wall_heat(v.UA, v.T_jacket, temperature) if thermal is Thermal.JACKET else added


Holding = Callable[[Any, Any, Sequence[float]], tuple[Any, Any]]
"""``(v, m, weights) -> (amount, inflow)`` of a weighted sum of species."""


def reactor_balances(model: Any, holding: Holding, energy: Callable[[Any, Any], tuple[Any, Any]]) -> Mapping[str, Any]:
    """Return the declared balances of a reactor: every invariant of its reactions, and energy unless T is held.

    Parameters
    ----------
    model
        The reactor.
    holding
        Amount and inflow of a weighted sum of species [mol].
    energy
        Sensible heat held and its inflow [kJ]; the enthalpy of the species is added here.
    """
    reactions = model.reactions

    def conserved(weights: Sequence[float]) -> Any:
        return lambda v, m: tk.Balance(*holding(v, m, weights))

    def energies(v: Any, m: Any) -> tk.Balance:
        sensible, entering = energy(v, m)
        enthalpies = [h * 1e-3 for h in reactions.enthalpies]  # kJ/mol
        bound, carried = holding(v, m, enthalpies)
        per_mole = m.quantity(1.0, "kJ/mol")
        return tk.Balance(sensible + per_mole * bound, entering + per_mole * carried)

    balances: dict[str, Any] = {name: conserved(weights) for name, weights in reactions.invariants.items()}
    if model.thermal is not Thermal.HELD:
        balances["energy"] = energies
    return balances


def weighted(m: Any, weights: Sequence[float], c: Any) -> Any:
    """Return ``sum(w_i c_i)`` of a vector in the order of the species."""
    total: Any = 0.0 * c[0]
    for i, weight in enumerate(weights):
        if weight:
            total = total + weight * c[i]
    return total


def temperature_rise(m: Any, temperature: Any) -> Any:
    """Return a temperature in degC as a difference from 0 degC, whose heat is counted as zero."""
    return temperature - m.quantity(0.0, "degC")
