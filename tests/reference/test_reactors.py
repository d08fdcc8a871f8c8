"""Reactors and heat exchangers against exact values.

Sources: the series-parallel system of PharmaPy's test (A + B -> C, C + A -> D), solved independently to all digits
given (/shared/reference/models.md, section 5; R = 8.314 J/mol/K there). Tolerances: 1e-6 as asked for; the digits
given are good to 5e-9.
"""

import numpy as np
import pytest

import twinkit as tk
from twinkit.unitops import (
    BatchReactor,
    ContinuousStirredTankReactor,
    CounterCurrentHeatExchanger,
    HeatExchanger,
    PlugFlowReactor,
    SemiBatchReactor,
)
from twinkit.unitops.phenomena.advection import Scheme
from twinkit.unitops.reactions import SERIES_PARALLEL, Arrhenius, MassAction, Reaction, Reactions
from twinkit.unitops.reactor import Thermal

START = SERIES_PARALLEL.vector(A=0.33, B=0.33)
BATCH = [0.00238211, 0.10373135, 0.12491941, 0.10134924]  # 3600 s at 313 K
CSTR = [0.09363562, 0.16913697, 0.08536167, 0.07550136]  # 1800 s at 313.15 K
PFR = [0.02233017, 0.11327927, 0.12577164, 0.0909491]  # 1800 s at 313.15 K
FIRST = Reactions([Reaction("A -> B", MassAction(Arrhenius(0.1, "1/min")), heat="-50 kJ/mol")])


def test_batch():
    run = tk.simulate(BatchReactor(c=START, T="313 K"), until="1 h", rtol=1e-10)
    assert run["c"].values[-1] == pytest.approx(BATCH, abs=1e-8)


def test_batch_is_what_a_semi_batch_without_dosing_does():
    run = tk.simulate(SemiBatchReactor(c=START, T="313 K"), until="1 h", rtol=1e-10)
    assert run["c"].values[-1] == pytest.approx(BATCH, abs=1e-8)


def test_cstr_at_steady_state():
    reactor = ContinuousStirredTankReactor(c_in=START, T="313.15 K", V="30 L", F="1 L/min")
    run = tk.simulate(reactor, until="30 h", rtol=1e-10)
    assert run["c"].values[-1] == pytest.approx(CSTR, abs=1e-8)


def test_plug_flow_is_within_a_thousandth_at_50_cells():
    reactor = PlugFlowReactor(c_in=START, T="313.15 K", V="30 L", F="1 L/min")
    outlet = tk.simulate(reactor, until="2 h", rtol=1e-7, outputs=2)["c_out"].values[-1]
    assert outlet == pytest.approx(PFR, rel=1e-3)
    assert np.max(np.abs(outlet / PFR - 1.0)) < 2e-4  # measured 1.64e-4


def test_the_upwind_scheme_is_far_off_at_50_cells():
    reactor = PlugFlowReactor(c_in=START, T="313.15 K", scheme=Scheme.UPWIND)
    outlet = tk.simulate(reactor, until="2 h", rtol=1e-7, outputs=2)["c_out"].values[-1]
    assert outlet[0] / PFR[0] - 1.0 == pytest.approx(0.081, abs=0.001)


def test_plug_flow_with_dispersion_between_closed_ends():
    """First-order reaction, Danckwerts' solution: Levenspiel (1999), eq. 13.17.

    0.1 % at 50 cells is what is asked for (measured 4.6e-4); with twice the cells it is a third of that.
    """
    peclet, damkoehler = 10.0, 3.0  # u L / D, k tau
    a = np.sqrt(1.0 + 4.0 * damkoehler / peclet)
    ends = (1 + a) ** 2 * np.exp(a * peclet / 2) - (1 - a) ** 2 * np.exp(-a * peclet / 2)
    exact = 4 * a * np.exp(peclet / 2) / ends
    length, tau = 10.0, 30.0
    errors: list[float] = []
    for n_cells in (50, 100):
        reactor = PlugFlowReactor(n_cells=n_cells, reactions=FIRST, c_in=[1.0, 0.0], D=length**2 / tau / peclet)
        outlet = tk.simulate(reactor, until="5 h", rtol=1e-7, outputs=2)["c_out"].values[-1]
        errors.append(abs(outlet[0] / exact - 1.0))
    assert errors[0] < 1e-3
    assert errors[0] / errors[1] > 2.5  # measured 2.9


def test_an_adiabatic_batch_warms_by_the_heat_of_what_reacted():
    reactor = BatchReactor(reactions=FIRST, c=[1.0, 0.0], thermal=Thermal.ADIABATIC, rho_cp=4.0)
    run = tk.simulate(reactor, until="1 h", rtol=1e-10)
    assert run["T"].values - 25.0 == pytest.approx(50.0 * run["c"].values[:, 1] / 4.0, abs=1e-6)
    assert run["c"].values[-1, 0] == pytest.approx(np.exp(-6.0), abs=1e-9)


def test_a_jacketed_batch_without_reaction_cools_exponentially():
    reactor = BatchReactor(c=0.0, thermal=Thermal.JACKET, T=80.0, T_jacket=20.0, V=10.0, UA=4.17, rho_cp=4.17)
    run = tk.simulate(reactor, until="30 min", rtol=1e-10)
    assert run["T"].values[-1] == pytest.approx(20.0 + 60.0 * np.exp(-3.0), abs=1e-6)


@pytest.mark.parametrize(("hot", "cold"), [(10.0, 10.0), (5.0, 10.0), (10.0, 4.0)])
def test_the_discretised_exchanger_agrees_with_effectiveness_and_transfer_units(hot, cold):
    capacity = 4.17 * min(hot, cold)
    ratio, units = min(hot, cold) / max(hot, cold), 83.4 / capacity
    exact = units / (1 + units) if ratio == 1 else (1 - np.exp(-units * (1 - ratio))) / (
        1 - ratio * np.exp(-units * (1 - ratio)))  # fmt: skip
    lumped = tk.simulate(HeatExchanger(F_hot=hot, F_cold=cold, UA=83.4), until="1 h")
    cells = tk.simulate(CounterCurrentHeatExchanger(F_hot=hot, F_cold=cold, UA=83.4), until="1 h")
    assert lumped["effectiveness"].values[-1] == pytest.approx(exact, rel=1e-9)
    assert cells["effectiveness"].values[-1] == pytest.approx(exact, rel=2e-4)
    assert cells["T_hot_out"].values[-1] == pytest.approx(lumped["T_hot"].values[-1], abs=0.01)
