"""Gas, heat and pH of IndPenSim (Goldrick et al. 2015)."""

from __future__ import annotations

from typing import Any, NamedTuple

from twinkit.unitops._indpensim_kinetics import present, total_biomass
from twinkit.unitops.phenomena import gassed_power, stirrer_power

_TRACE = 1e-30  # keeps roots and powers of what may be zero differentiable


class Vessel(NamedTuple):
    """State of the vessel: density [kg/m**3], gas flow [m**3/s], filled height [m], pressures [bar], dissolved oxygen.

    `oxygen_saturation` is the dissolved oxygen at equilibrium [mg/L].
    """

    density: Any
    gas: Any
    height: Any
    top: Any
    pressure: Any
    oxygen_saturation: Any


class Flows(NamedTuple):
    """Evaporation and what dilutes [L/h]; discharge of broth [L/h]; density of the feed [kg/m**3]."""

    evaporation: Any
    water: Any
    dilution: Any
    discharged: Any
    feed_density: Any


def vessel(v: Any, m: Any, oxygen: Any) -> Vessel:
    """Return density, height and pressures of the broth; `oxygen` is its mole fraction in the air."""
    density = v.rho_broth + m.convert(v.P + total_biomass(v), "g/L", "kg/m**3")
    area = m.pi * v.r_vessel**2
    height = m.convert(v.V, "L", "m**3") / area * (1.0 - v.epsilon)
    top = v.p_air + v.pressure
    weight = m.convert(density * v.g * height, "kg/m/s**2", "bar")
    pressure = weight / m.log((top + weight) / top)
    return Vessel(density, m.convert(v.Fg, "m**3/min", "m**3/s"), height, top, pressure, pressure * oxygen / v.H_O2)


def flows(v: Any, m: Any, state: Vessel, feed: Any) -> Flows:
    """Return the flows that the recipe does not set; `feed` is the sugar in the feed [g/L]."""
    evaporation = v.V * v.alpha_evp * (m.exp(v.beta_evp * (v.T - v.T_0) / (v.T_v - v.T_0)) - 1.0)
    water = m.maximum(v.Fw, 0.0)
    sugar = feed / m.quantity(1000.0, "g/L")
    return Flows(
        evaporation,
        water,
        v.Fs + v.Fb + v.Fa + water - evaporation + v.Fpaa,
        v.discharge / m.convert(state.density, "kg/m**3", "kg/L"),
        sugar * v.rho_g + (1.0 - sugar) * v.rho_w,
    )


def stirring(v: Any, m: Any, state: Vessel) -> Any:
    """Return the power of the stirrer in gassed broth, and of the gas that expands [kW]."""
    speed = m.convert(v.RPM, "1/min", "1/s")
    diameter = 2.0 * v.r_imp
    bare = v.n_imp * stirrer_power(v.Po, state.density, speed, diameter)
    stirrer = m.convert(gassed_power(m, m.convert(bare, "kg*m**2/s**3", "W"), speed, diameter, state.gas), "W", "kW")
    velocity = state.gas / (m.pi * v.r_vessel**2)
    weight = m.convert(state.density * v.g * state.height, "kg/m/s**2", "bar")
    volume = m.convert(v.V, "L", "m**3")
    molar = m.convert(v.V_molar, "L/mol", "m**3/kmol")
    gas = velocity * v.R * v.T * volume / (molar * state.height) * m.log(1.0 + weight / state.top)
    return stirrer + m.convert(gas, "m/s*J/mol*m**3/(m**3/kmol)/m", "kW")


def transfer_coefficient(v: Any, m: Any, state: Vessel, power: Any) -> Any:
    """Return kLa of oxygen [1/h] from gas velocity, power density, viscosity and oil; `power` in kW."""
    velocity = state.gas / (m.pi * v.r_vessel**2) / m.quantity(1.0, "m/s")
    density = power / m.convert(v.V, "L", "m**3") / m.quantity(1.0, "kW/m**3")
    viscosity = m.where(v.viscosity <= v.vis_least, m.quantity(1.0, "cP"), v.viscosity) / v.vis_ref
    oil = m.maximum(v.Foil / v.V / m.quantity(1.0, "1/h"), _TRACE)
    bare = v.alpha_kla * velocity**v.kla_a * density**v.kla_b * viscosity**v.kla_c
    return bare * (1.0 - oil**v.kla_d)


def off_gas(v: Any, m: Any, state: Vessel, transferred: Any, oxygen: Any) -> tuple[Any, Any]:
    """Return the rates of oxygen [1/h] and carbon dioxide [percent/h] in the off-gas.

    The source keeps these balances per minute and counts the result per hour (`gas_clock`).

    Parameters
    ----------
    v, m
        Variables and mathematics of a reading.
    state
        Of the vessel.
    transferred
        Oxygen passed to the liquid [mg/L/h].
    oxygen
        Mole fraction of oxygen in the air.
    """
    flow = m.convert(state.gas, "m**3/s", "L/min") / v.V_molar
    volume = m.convert(v.V, "L", "m**3")
    held = m.convert(v.epsilon * volume, "m**3", "L") * v.M_air / v.V_molar
    leaving = v.N2_in / (1.0 - v.O2 - m.convert(v.CO2_gas, "percent", ""))
    uptake = present(m, v.O2, v.trace_O2) * v.off_gas * m.convert(transferred * volume, "mg/L*m**3/h", "g/h")
    rate = v.M_O2 * flow * (oxygen - leaving * v.O2) - uptake
    evolved = v.q_CO2 * (v.a0 + v.a1) * v.V * m.quantity(1.0, "percent*h/min")
    carbon_dioxide = v.M_CO2 * flow * (v.CO2_in - v.CO2_gas) + evolved
    return v.gas_clock * rate / held, v.gas_clock * carbon_dioxide / held


def carbon_dioxide_saturation(v: Any, m: Any, pressure: Any) -> Any:
    """Return dissolved carbon dioxide at equilibrium [g/L]; `pressure` in bar."""
    exponent = 11.25 - m.quantity(395.9, "K") / (v.T - m.quantity(175.9, "K"))
    return pressure * v.CO2_gas / (m.quantity(1.0 / 4400.0, "bar*percent*L/g") * m.exp(exponent))


def heat(v: Any, m: Any, state: Vessel, flow: Flows, power: Any, reaction: Any, coolant: Any) -> Any:
    """Return the heat gained by the broth [kJ/h].

    Parameters
    ----------
    v, m
        Variables and mathematics of a reading.
    state, flow
        Of the vessel.
    power
        Of stirrer and gas [kW].
    reaction
        Heat of growth and formation [kJ/h].
    coolant
        Temperature of the cooling water [K].
    """
    fed = m.convert(v.Fs, "L/h", "m**3/h") * flow.feed_density * v.C_ps * (v.T_feed - v.T)
    diluted = m.convert(flow.water, "L/h", "m**3/h") * v.rho_w * v.C_pw * (v.T_water - v.T)
    vapour = m.convert(flow.evaporation, "L/h", "m**3/h")
    # The source lets the vapour take one kelvin's heat along.
    evaporated = vapour * (state.density * v.C_pw * m.quantity(1.0, "K") + v.H_evap * v.rho_w)
    cooled = _coil(v, m, v.Fc, v.T - coolant, state.density) + _coil(v, m, v.Fh, v.T - v.T_hot, state.density)
    lost = v.U_jacket * v.A_jacket * (v.T - v.T_air)
    return fed + diluted - evaporated + reaction + v.stirring_heat * power - cooled - lost


def _coil(v: Any, m: Any, flow: Any, difference: Any, density: Any) -> Any:
    """Return heat taken by water in the coils [kJ/h], the source's empirical form; `flow` in L/h."""
    plain = flow / m.quantity(1.0, "L/h")
    thousandth = plain / 1000.0
    capacity = density * v.C_ps / m.quantity(1.0, "kJ/m**3/K")
    denominator = thousandth + 0.5 * v.alpha_1 * thousandth**v.beta_T * capacity
    return v.alpha_1 / 1000.0 * plain ** (v.beta_T + 1.0) / denominator * m.quantity(1.0, "kJ/h/K") * difference


def hydrogen_rate(v: Any, m: Any, abc: Any, made: Any, flow: Flows) -> Any:
    """Return the rate of the hydrogen ion [mol/L/h].

    Acid and base act as if one step of the source's integrator were added at once (`ion_step`). Above pH 7 the source
    counts hydroxide instead, but gives its rate to the hydrogen ion, which then vanishes or chatters; here the
    equation of the acid side holds on both.

    Parameters
    ----------
    v, m
        Variables and mathematics of a reading.
    abc
        Strength of acid and base [mol/L].
    made
        Biomass and penicillin made, and maintenance [g/L/h].
    flow
        Flows of the vessel.
    """
    added = v.ion_step * (v.Fa + v.Fb)
    charge = (v.H * v.V + abc * v.ion_step * (v.Fa - v.Fb)) / (v.V + added)
    equilibrium = 0.5 * (charge + m.sqrt(charge**2 + 4.0 * v.K_w))
    entering = v.Fs + v.Foil + v.Fb + v.Fa + flow.water - v.discharge * m.quantity(1.0, "L/kg")
    rate = v.gamma_1 * made + v.gamma_2 * entering + v.k_pH * (equilibrium - v.H)
    return m.maximum(rate, 0.0) + m.minimum(rate, 0.0) * present(m, v.H, v.trace_H)
