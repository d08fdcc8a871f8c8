"""Vessels around reactors: preparing buffers and media, mixing, holding, single-use bags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import twinkit.core as tk
from twinkit.unitops.phenomena import (
    exchange,
    exchange_flow,
    gas_transfer,
    mixing_time,
    transfer_power_law,
    wall_heat,
)

_ILLUSTRATIVE = "illustrative"
_SALT = "illustrative: sodium chloride in water at 25 degC, order of magnitude"
_WATER = "water at 20 degC, CRC Handbook of Chemistry and Physics"


def drawn(m: Any, wanted: Any, volume: Any, heel: Any) -> Any:
    """Flow that leaves a vessel of which a heel cannot be drawn: what is wanted, fading over the last heel above it."""
    above = m.maximum(volume - heel, 0.0)
    return wanted * m.gate(above, heel)


class PreparationTank(tk.Model):
    """Preparation of a buffer or medium: a solid is dosed to a stirred liquid and dissolves.

    ``dm/dt = dosing - k m (1 - c / c_sat)`` for the solid that is not dissolved (first order in the solid, driven by
    undersaturation; nothing crystallises), ``d(c V)/dt = k m (1 - c / c_sat) + F_in c_in - F_out c``. A dissolved gram
    adds `v_solid` to the volume. The last `V_heel` stays in the vessel. The conductivity is that of one strong
    electrolyte, ``(Lambda_0 - K sqrt(c / M)) c / M`` (Kohlrausch).

    References
    ----------
    Dissolution: Noyes & Whitney (1897), Journal of the American Chemical Society 19:930, doi:10.1021/ja02086a003;
    conductivity: Atkins & de Paula (2010), Physical Chemistry, 9th ed., eq. 20.28. All values are illustrative.

    Examples
    --------
    >>> import twinkit as tk
    >>> run = tk.simulate(PreparationTank(), until="1 h", inputs={"dosing": tk.steps({"0 min": 50.0, "20 min": 0})})
    >>> round(float((run["c"] * run["V"] + run["solid"])[-1]), 6)
    1000.0
    """

    time_unit = "min"
    streams: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "inlet": {"flow": "F_in", "temperature": "T_in", "composition": "c_in"},
        "outlet": {"flow": "F_out", "temperature": "T", "composition": "c"},
    }

    solid = tk.State("g", 0.0, bounds=(0, None), nominal=100.0, doc="solid not dissolved yet")
    c = tk.State("g/L", 0.0, bounds=(0, None), nominal=10.0, doc="concentration")
    V = tk.State("L", 100.0, bounds=(1e-6, None), nominal=100.0, doc="volume of the solution")
    T = tk.State("degC", 20.0, bounds=(-20, 150), nominal=20.0, doc="temperature")

    dosing = tk.Input("g/min", 0.0, bounds=(0, None), nominal=50.0, doc="solid dosed")
    F_in = tk.Input("L/min", 0.0, bounds=(0, None), nominal=0.1, doc="liquid added")
    c_in = tk.Input("g/L", 0.0, bounds=(0, None), nominal=1.0, doc="concentration in it")
    T_in = tk.Input("degC", 20.0, doc="its temperature")
    F_draw = tk.Input("L/min", 0.0, bounds=(0, None), nominal=0.1, doc="flow asked for at the outlet")

    k = tk.Parameter("1/min", 0.5, bounds=(0, 100), doc="dissolution rate constant", source=_ILLUSTRATIVE)
    c_sat = tk.Parameter("g/L", 300.0, bounds=(1, 2000), doc="solubility", source=_SALT)
    v_solid = tk.Parameter("L/g", 3.5e-4, bounds=(0, 2e-3), doc="volume of a dissolved gram", source=_SALT)
    V_heel = tk.Parameter("L", 0.1, bounds=(1e-6, 1e3), doc="volume that cannot be drawn", source=_ILLUSTRATIVE)
    M = tk.Parameter(
        "g/mol", 58.44, bounds=(1, 1e4), doc="molar mass", source="sodium chloride, standard atomic weights"
    )
    Lambda_0 = tk.Parameter("mS*L/cm/mol", 126.4, bounds=(0, 1e3), doc="molar conductivity at dilution", source=_SALT)
    K_conductivity = tk.Parameter("mS*L**1.5/cm/mol**1.5", 30.0, bounds=(0, 1e3), doc="its fall", source=_SALT)

    F_out = tk.Output("L/min", doc="flow leaving")
    conductivity = tk.Output("mS/cm", doc="conductivity")

    conserved: ClassVar[Mapping[str, Any]] = {
        "solute": lambda v, m: tk.Balance(v.solid + v.c * v.V, inflow=v.dosing + v.F_in * v.c_in - v.F_out * v.c),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the balances of solid, solute, volume and heat."""
        dissolved = v.k * v.solid * m.maximum(1.0 - v.c / v.c_sat, 0.0)
        flow = drawn(m, v.F_draw, v.V, v.V_heel)
        molar = m.maximum(v.c, 0.0) / v.M
        rise = dissolved * v.v_solid
        return {
            "solid": v.dosing - dissolved,
            "c": (dissolved + v.F_in * (v.c_in - v.c) - rise * v.c) / v.V,
            "V": v.F_in - flow + rise,
            "T": v.F_in / v.V * (v.T_in - v.T),
            "F_out": flow,
            # sqrt has no slope at zero; a trace of salt does not show.
            "conductivity": (v.Lambda_0 - v.K_conductivity * m.sqrt(molar + m.quantity(1e-9, "mol/L"))) * molar,
        }


class MixingTank(tk.Model):
    """Two streams mixed in a tank of constant volume: perfectly, or in two zones that exchange liquid.

    The feeds enter the first zone and the outlet leaves the second; the flow `F_exchange` between them is what the
    stirrer does (a large one mixes perfectly). The second zone takes the share `share` of the volume.

    References
    ----------
    Levenspiel (1999), Chemical Reaction Engineering, 3rd ed., chapter 12 (compartment models)

    Examples
    --------
    >>> import twinkit as tk
    >>> tank = MixingTank(n_components=1, c_a=[10.0], c_b=[0.0], F_a=1.0, F_b=3.0)
    >>> float(tk.simulate(tank, until="10 h")["c_out"][-1, 0].round(6))
    2.5
    """

    time_unit = "min"
    streams: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "a": {"flow": "F_a", "temperature": "T_a", "composition": "c_a"},
        "b": {"flow": "F_b", "temperature": "T_b", "composition": "c_b"},
        "outlet": {"flow": "F_out", "temperature": "T_second", "composition": "c_out"},
    }
    n_components = tk.Option(1, bounds=(1, 1000), doc="number of components")

    c_first = tk.State("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="n_components", doc="in the first zone")
    c_second = tk.State("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="n_components", doc="in the second zone")
    T_first = tk.State("degC", 20.0, bounds=(-50, 200), nominal=20.0, doc="temperature of the first zone")
    T_second = tk.State("degC", 20.0, bounds=(-50, 200), nominal=20.0, doc="temperature of the second zone")

    F_a = tk.Input("L/min", 1.0, bounds=(0, None), doc="first feed")
    c_a = tk.Input("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="n_components", doc="its concentrations")
    T_a = tk.Input("degC", 20.0, doc="its temperature")
    F_b = tk.Input("L/min", 0.0, bounds=(0, None), nominal=1.0, doc="second feed")
    c_b = tk.Input("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="n_components", doc="its concentrations")
    T_b = tk.Input("degC", 20.0, doc="its temperature")

    V = tk.Parameter("L", 10.0, bounds=(1e-3, 1e5), doc="volume", source=_ILLUSTRATIVE)
    share = tk.Parameter("", 0.3, bounds=(0.01, 0.99), doc="share of the second zone", source=_ILLUSTRATIVE)
    F_exchange = tk.Parameter("L/min", 50.0, bounds=(0, 1e6), doc="flow between the zones", source=_ILLUSTRATIVE)

    F_out = tk.Output("L/min", doc="flow leaving")
    c_out = tk.Output("mol/L", shape="n_components", doc="concentrations leaving")

    conserved: ClassVar[Mapping[str, Any]] = {
        "heat, in volumes of liquid": lambda v, m: tk.Balance(
            v.V
            * (
                (1.0 - v.share) * (v.T_first - m.quantity(0.0, "degC"))
                + v.share * (v.T_second - m.quantity(0.0, "degC"))
            ),
            inflow=v.F_a * (v.T_a - v.T_second) + v.F_b * (v.T_b - v.T_second),
        ),
        "components": lambda v, m: tk.Balance(
            v.V * ((1.0 - v.share) * m.sum(v.c_first) + v.share * m.sum(v.c_second)),
            inflow=v.F_a * m.sum(v.c_a) + v.F_b * m.sum(v.c_b) - v.F_out * m.sum(v.c_second),
        ),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the balances of both zones."""
        first, second = v.V * (1.0 - v.share), v.V * v.share
        through = v.F_a + v.F_b
        entering = v.F_a * (v.c_a - v.c_first) + v.F_b * (v.c_b - v.c_first)
        warming = v.F_a * (v.T_a - v.T_first) + v.F_b * (v.T_b - v.T_first)
        return {
            "c_first": entering / first + exchange(v.F_exchange, first, v.c_second, v.c_first),
            "c_second": exchange(through + v.F_exchange, second, v.c_first, v.c_second),
            "T_first": warming / first + exchange(v.F_exchange, first, v.T_second, v.T_first),
            "T_second": exchange(through + v.F_exchange, second, v.T_first, v.T_second),
            "F_out": through,
            "c_out": v.c_second,
        }


class HoldVessel(tk.Model):
    """Hold vessel: takes what comes, gives what is asked for, and counts what is lost while it waits.

    Perfectly mixed, variable volume, first-order loss of every component with its own constant, heat from the room.
    The last `V_heel` stays in the vessel; `age` is the mean time that the liquid has spent here.

    References
    ----------
    Mean age: Sandberg (1981), Building and Environment 16:123, doi:10.1016/0360-1323(81)90028-7, for a mixed volume

    Examples
    --------
    >>> import twinkit as tk
    >>> kept = tk.simulate(HoldVessel(V=10.0, c=[2.0], k_loss=0.01), until="100 min")
    >>> round(float(kept["c"][-1, 0]), 6), round(float(kept["age"][-1]), 6)
    (0.735759, 100.0)
    """

    time_unit = "min"
    streams: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "inlet": {"flow": "F_in", "temperature": "T_in", "composition": "c_in"},
        "outlet": {"flow": "F_out", "temperature": "T", "composition": "c"},
    }
    n_components = tk.Option(1, bounds=(1, 1000), doc="number of components")

    V = tk.State("L", 10.0, bounds=(1e-6, None), nominal=10.0, doc="liquid volume")
    c = tk.State("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="n_components", doc="concentrations")
    T = tk.State("degC", 20.0, bounds=(-50, 200), nominal=20.0, doc="temperature")
    age = tk.State("min", 0.0, bounds=(0, None), nominal=60.0, doc="mean time spent here")

    F_in = tk.Input("L/min", 0.0, bounds=(0, None), nominal=0.1, doc="flow coming")
    c_in = tk.Input("mol/L", 0.0, bounds=(0, None), nominal=1.0, shape="n_components", doc="its concentrations")
    T_in = tk.Input("degC", 20.0, doc="its temperature")
    F_draw = tk.Input("L/min", 0.0, bounds=(0, None), nominal=0.1, doc="flow asked for")
    T_room = tk.Input("degC", 20.0, doc="temperature of the room")

    k_loss = tk.Parameter("1/min", 0.0, bounds=(0, 10), nominal=1e-3, shape="n_components",
                          doc="first-order loss", source="stable unless the user says otherwise")  # fmt: skip
    UA = tk.Parameter("kJ/min/delta_degC", 0.5, bounds=(0, 1e4), doc="heat from the room", source=_ILLUSTRATIVE)
    rho_cp = tk.Parameter("kJ/L/delta_degC", 4.17, bounds=(0.1, 10), doc="heat capacity of the liquid", source=_WATER)
    V_heel = tk.Parameter("L", 0.05, bounds=(1e-6, 1e3), doc="volume that cannot be drawn", source=_ILLUSTRATIVE)

    F_out = tk.Output("L/min", doc="flow leaving")
    loss = tk.Output("mol/min", shape="n_components", doc="what is lost")

    conserved: ClassVar[Mapping[str, Any]] = {
        "components": lambda v, m: tk.Balance(
            v.V * m.sum(v.c), inflow=v.F_in * m.sum(v.c_in) - v.F_out * m.sum(v.c) - m.sum(v.loss)
        ),
        "volume": lambda v, m: tk.Balance(v.V, inflow=v.F_in - v.F_out),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the balances of volume, components, heat and age."""
        renewal = v.F_in / v.V
        flow = drawn(m, v.F_draw, v.V, v.V_heel)
        return {
            "V": v.F_in - flow,
            "c": renewal * (v.c_in - v.c) - v.k_loss * v.c,
            "T": renewal * (v.T_in - v.T) + wall_heat(v.UA, v.T_room, v.T) / (v.rho_cp * v.V),
            "age": 1.0 - renewal * v.age,
            "F_out": flow,
            "loss": v.k_loss * v.c * v.V,
        }


class SingleUseBag(tk.Model):
    """Single-use mixing bag: a stirred and a slow compartment, with oxygen from sparging.

    A tracer and dissolved oxygen in two compartments, which exchange as much liquid as mixes them to 95 % in the mixing
    time ``C / N``: measure or ask for the revolutions C of the bag. Gas is sparged into the stirred one:
    ``kLa = k (P/V)^a v_s^b`` with P/V in W/m^3 and v_s in m/s, where k, a and b are what the vendor of the bag fitted.
    Oxygen is taken up at `uptake` where there is any.

    References
    ----------
    Form of kLa: van 't Riet (1979), Industrial & Engineering Chemistry Process Design and Development 18:357,
    doi:10.1021/i260071a001 (its constants for coalescing liquids, 0.026, 0.4 and 0.5, are the defaults; recalled, not
    looked up); mixing time: Nienow (1997), Chemical Engineering Science 52:2557, doi:10.1016/S0009-2509(97)00072-9;
    compartments: Levenspiel (1999), Chemical Reaction Engineering, 3rd ed., chapter 12

    Examples
    --------
    >>> import twinkit as tk
    >>> run = tk.simulate(SingleUseBag(tracer_stirred=1.0), until="10 min")
    >>> bool(abs(run["tracer_slow"][-1] - run["tracer_stirred"][-1]) < 0.01)
    True
    """

    time_unit = "min"

    tracer_stirred = tk.State("mmol/L", 0.0, bounds=(0, None), nominal=1.0, doc="tracer, stirred compartment")
    tracer_slow = tk.State("mmol/L", 0.0, bounds=(0, None), nominal=1.0, doc="tracer, slow compartment")
    O2_stirred = tk.State("mmol/L", 0.1, bounds=(0, None), nominal=0.1, doc="oxygen, stirred compartment")
    O2_slow = tk.State("mmol/L", 0.1, bounds=(0, None), nominal=0.1, doc="oxygen, slow compartment")

    N = tk.Input("1/min", 60.0, bounds=(0, None), doc="stirrer speed")
    P_V = tk.Input("W/m**3", 20.0, bounds=(0, None), doc="power per volume")
    v_s = tk.Input("m/s", 1e-3, bounds=(0, None), doc="superficial gas velocity")
    uptake = tk.Input("mmol/L/min", 0.0, bounds=(0, None), nominal=0.01, doc="oxygen uptake of the culture")
    acid = tk.Input("mmol/min", 0.0, bounds=(0, None), nominal=1.0, doc="tracer added to the slow compartment")

    V = tk.Parameter("L", 200.0, bounds=(0.1, 1e4), doc="volume", source=_ILLUSTRATIVE)
    slow = tk.Parameter("", 0.25, bounds=(0.01, 0.99), doc="share of the slow compartment", source=_ILLUSTRATIVE)
    C = tk.Parameter("", 40.0, bounds=(1, 1e4), doc="revolutions it takes to mix to 95 %", source=_ILLUSTRATIVE)
    k_kLa = tk.Parameter(
        "1/min", 0.026 * 60.0, bounds=(0, 100), doc="k of the kLa", source="van 't Riet 1979 (recalled)"
    )
    a_kLa = tk.Parameter("", 0.4, bounds=(0, 1), doc="exponent of P/V", source="van 't Riet 1979 (recalled)")
    b_kLa = tk.Parameter("", 0.5, bounds=(0, 1), doc="exponent of v_s", source="van 't Riet 1979 (recalled)")
    O2_sat = tk.Parameter("mmol/L", 0.21, bounds=(0, 2), doc="oxygen at saturation", source=_ILLUSTRATIVE)
    K_O2 = tk.Parameter("mmol/L", 0.005, bounds=(1e-6, 1), doc="stops uptake at exhaustion", source=_ILLUSTRATIVE)

    kLa = tk.Output("1/min", doc="oxygen transfer coefficient of the stirred compartment")
    exchange = tk.Output("L/min", doc="flow between the compartments")
    theta95 = tk.Output("min", doc="time to 95 % homogeneity")
    supplied = tk.Output("mmol/min", doc="oxygen from the gas")
    used = tk.Output("mmol/min", doc="oxygen taken up")

    conserved: ClassVar[Mapping[str, Any]] = {
        "tracer": lambda v, m: tk.Balance(
            v.V * ((1.0 - v.slow) * v.tracer_stirred + v.slow * v.tracer_slow), inflow=v.acid
        ),
        "oxygen": lambda v, m: tk.Balance(
            v.V * ((1.0 - v.slow) * v.O2_stirred + v.slow * v.O2_slow), inflow=v.supplied - v.used
        ),
    }

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return tracer and oxygen balances of both compartments."""
        stirred, slow = v.V * (1.0 - v.slow), v.V * v.slow
        # Powers and quotients need positive numbers: a bag at rest mixes in 40 million minutes.
        theta = mixing_time(v.C, m.maximum(v.N, m.quantity(1e-6, "1/min")))
        flow = exchange_flow(m, theta, stirred, slow)
        power = m.maximum(v.P_V, m.quantity(1e-12, "W/m**3"))
        gas = m.maximum(v.v_s, m.quantity(1e-12, "m/s"))
        coefficient = transfer_power_law(m, v.k_kLa, v.a_kLa, v.b_kLa, power, gas)
        supplied = gas_transfer(coefficient, v.O2_sat, v.O2_stirred)
        return {
            "tracer_stirred": exchange(flow, stirred, v.tracer_slow, v.tracer_stirred),
            "tracer_slow": exchange(flow, slow, v.tracer_stirred, v.tracer_slow) + v.acid / slow,
            "O2_stirred": supplied
            + exchange(flow, stirred, v.O2_slow, v.O2_stirred)
            - v.uptake * m.gate(v.O2_stirred, v.K_O2),
            "O2_slow": exchange(flow, slow, v.O2_stirred, v.O2_slow) - v.uptake * m.gate(v.O2_slow, v.K_O2),
            "kLa": coefficient,
            "exchange": flow,
            "theta95": theta,
            "supplied": supplied * stirred,
            "used": v.uptake * (stirred * m.gate(v.O2_stirred, v.K_O2) + slow * m.gate(v.O2_slow, v.K_O2)),
        }
