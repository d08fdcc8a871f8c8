"""Whatever is fed and however fast it reacts: nothing negative, and no element lost."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twinkit as tk
from twinkit.unitops import (
    BatchReactor,
    ContinuousStirredTankReactor,
    HoldVessel,
    PlugFlowReactor,
    PreparationTank,
    SemiBatchReactor,
)
from twinkit.unitops.reactions import Arrhenius, MassAction, PowerLaw, Reaction, Reactions, Reversible
from twinkit.unitops.reactor import Thermal

SYSTEM = Reactions(
    [
        Reaction("acid + ethanol <-> ester + water", Reversible(
            Arrhenius(0.3, "L/mol/h", "55 kJ/mol", reference="25 degC"),
            Arrhenius(0.08, "L/mol/h", "59 kJ/mol", reference="25 degC")), heat="-4 kJ/mol"),
        Reaction("2 acid -> anhydride + water", PowerLaw(
            Arrhenius(0.01, "mol**0.5/L**0.5/h", "70 kJ/mol", reference="25 degC"), {"acid": 0.5}), heat="15 kJ/mol"),
        Reaction("ethanol -> ethene + water", PowerLaw(
            Arrhenius(0.01, "mol/L/h", "90 kJ/mol", reference="25 degC"), {}), heat="45 kJ/mol"),
        Reaction("ester + water -> acid + ethanol", MassAction(
            Arrhenius(0.02, "L/mol/h", "40 kJ/mol", reference="25 degC")), heat="4 kJ/mol"),
    ],
    formulas={"acid": "C2H4O2", "ethanol": "C2H6O", "ester": "C4H8O2", "water": "H2O", "anhydride": "C4H6O3",
              "ethene": "C2H4"},
)  # fmt: skip
ELEMENTS = np.array(list(SYSTEM.invariants.values()))


def upto(high):
    """Draw nothing, or what can be told from nothing (test_unit_operations.py: 1e-153 is beyond the solver)."""
    return st.one_of(st.just(0.0), st.floats(1e-9 * high, high))


amounts = st.lists(upto(10.0), min_size=6, max_size=6)
factors = st.lists(upto(1000.0), min_size=4, max_size=4)
temperatures = st.floats(-20.0, 150.0)


def ran(model, until, **inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("error", tk.simulate.SimulationWarning)
        return tk.simulate(model, until, outputs=21, rtol=1e-8, inputs=inputs or None)


def check_not_negative(c):
    assert np.min(c) > -1e-7  # ten times the solver's absolute tolerance


@settings(max_examples=25, deadline=None)
@given(amounts, factors, temperatures, st.sampled_from([Thermal.HELD, Thermal.JACKET]))
def test_batch(c, factor, temperature, thermal):
    reactor = BatchReactor(reactions=SYSTEM, c=c, rate_factor=factor, T=temperature, T_jacket=temperature,
                           UA=1e4, thermal=thermal)  # fmt: skip
    found = ran(reactor, "2 h")["c"].values
    check_not_negative(found)
    assert found @ ELEMENTS.T == pytest.approx(np.tile(ELEMENTS @ np.array(c), (21, 1)), abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(amounts, amounts, factors, upto(5.0))
def test_semi_batch(c, dosed, factor, flow):
    reactor = SemiBatchReactor(reactions=SYSTEM, c=c, c_in=dosed, rate_factor=factor, V=20.0)
    run = ran(reactor, "1 h", F=flow)
    check_not_negative(run["c"].values)
    volume = run["V"].values[-1]
    assert volume == pytest.approx(min(20.0 + 60.0 * flow, 100.0), abs=1e-6)
    held = ELEMENTS @ (volume * run["c"].values[-1])
    expected = ELEMENTS @ (20.0 * np.array(c) + (volume - 20.0) * np.array(dosed))
    assert held == pytest.approx(expected, rel=1e-6, abs=1e-5)


@settings(max_examples=15, deadline=None)
@given(amounts, amounts, factors, temperatures, upto(30.0))
def test_cstr(c, fed, factor, temperature, flow):
    reactor = ContinuousStirredTankReactor(reactions=SYSTEM, c=c, c_in=fed, rate_factor=factor, T=temperature)
    found = ran(reactor, "2 h", F=flow)["c"].values
    check_not_negative(found)
    gone = np.exp(-flow / 30.0 * 120.0)
    expected = ELEMENTS @ (np.array(c) * gone + np.array(fed) * (1.0 - gone))
    assert ELEMENTS @ found[-1] == pytest.approx(expected, abs=1e-5)


@settings(max_examples=8, deadline=None)
@given(amounts, amounts, factors, upto(5.0), upto(1.0))
def test_plug_flow(c, fed, factor, flow, dispersion):
    reactor = PlugFlowReactor(
        reactions=SYSTEM, n_cells=5, c=np.repeat(c, 5), c_in=fed, rate_factor=factor, D=dispersion
    )
    check_not_negative(ran(reactor, "1 h", F=flow)["c"].values)


@settings(max_examples=15, deadline=None)
@given(upto(500.0), upto(2.0), upto(20.0), upto(5.0))
def test_preparation_tank_runs_dry_without_going_negative(dosing, fill, draw, rate):
    tank = PreparationTank(V=5.0, k=rate)
    run = ran(tank, "1 h", dosing=dosing, F_in=fill, F_draw=draw)
    for name in ("V", "c", "solid"):
        check_not_negative(run[name].values)


@settings(max_examples=15, deadline=None)
@given(upto(5.0), upto(20.0), upto(1.0))
def test_hold_vessel_runs_dry_without_going_negative(fill, draw, loss):
    run = ran(HoldVessel(c=1.0, k_loss=loss), "1 h", F_in=fill, F_draw=draw)
    for name in ("V", "c", "age"):
        check_not_negative(run[name].values)
