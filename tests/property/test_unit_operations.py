"""Every unit operation, any inputs and parameters within bounds: nothing negative, every declared balance closed."""

import warnings

import casadi as ca
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twinkit as tk
from twinkit import unitops
from twinkit.core.evaluate import evaluate_balances
from twinkit.readings.casadi import CASADI, casadi_model
from twinkit.testing.agreement import flat
from twinkit.unitops.cho_fed_batch import OxygenBalance
from twinkit.unitops.reactor import Thermal

# Ranges of inputs a plant could set; everything else is drawn around its default. The mixtures that react are drawn in
# test_reactors.py.
INPUTS = {
    "AeratedVessel": {
        "OUR": (0.0, 10.0), "CER": (0.0, 10.0), "lactate_made": (0.0, 0.08), "kLa": (0.0, 200.0), "gas": (0.0, 2000.0),
        "y_CO2_in": (0.0, 0.2), "y_O2_in": (0.0, 0.8),
    },
    "BatchReactor": {"T_jacket": (0.0, 100.0), "Q": (0.0, 5.0)},
    "BufferTank": {"F_base": (0.0, 0.5), "F_in": (0.0, 2.0), "acid_in": (0.0, 500.0), "strong_in": (-500.0, 500.0)},
    "CHOBolusFed": {"F": (0.0, 0.05), "T": (28.0, 40.0), "pH": (6.0, 8.5)},
    "CHOFedBatch": {"F": (0.0, 0.05), "GlcF": (0.0, 1000.0), "GlnF": (0.0, 300.0)},
    "CHOFedBatch with oxygen in balance": {"F": (0.0, 0.05), "GlcF": (0.0, 1000.0), "GlnF": (0.0, 300.0)},
    "CHOPerfusion": {"exchange": (0.0, 5.0), "bleed": (0.0, 1.0), "GlcF": (0.0, 100.0), "GlnF": (0.0, 20.0)},
    "ContinuousStirredTankReactor": {"F": (0.0, 30.0), "T_in": (0.0, 90.0), "c_in": (0.0, 10.0)},
    "CoolingJacket": {"T_vessel": (0.0, 95.0), "T_in": (0.0, 95.0), "F": (0.0, 100.0)},
    "CounterCurrentHeatExchanger": {
        "F_hot": (0.0, 20.0), "F_cold": (0.0, 20.0), "T_hot_in": (0.0, 95.0), "T_cold_in": (0.0, 95.0)
    },
    "EColiOverflow": {"F": (0.0, 0.3), "S_feed": (0.0, 600.0), "kLa": (0.0, 800.0)},
    "HeatExchanger": {"F_hot": (0.0, 20.0), "F_cold": (0.0, 20.0), "T_hot_in": (0.0, 95.0), "T_cold_in": (0.0, 95.0)},
    "HoldVessel": {"F_in": (0.0, 5.0), "F_draw": (0.0, 20.0), "c_in": (0.0, 10.0), "T_room": (0.0, 40.0)},
    "IndPenSim": {
        "Fs": (0.0, 200.0), "Foil": (0.0, 50.0), "Fg": (10.0, 100.0), "Fc": (0.1, 1000.0), "Fb": (0.0, 225.0),
        "Fa": (0.0, 225.0), "Fw": (0.0, 500.0), "Fpaa": (0.0, 20.0), "discharge": (0.0, 400.0),
    },
    "IndPenSimBatch": {},
    "JacketedTank": {"Q": (0.0, 20.0), "F": (0.0, 50.0), "T_in": (0.0, 90.0), "jacket.F": (0.0, 50.0)},
    "LignocellulosicEthanol": {},
    "MixingTank": {"F_a": (0.0, 10.0), "F_b": (0.0, 10.0), "c_a": (0.0, 10.0), "c_b": (0.0, 10.0), "T_a": (0.0, 90.0)},
    "PenicillinFedBatch": {"F": (0.0, 0.5), "T": (10.0, 35.0), "pH": (3.0, 8.0), "power": (0.0, 200.0)},
    "PlugFlowReactor": {"F": (0.0, 5.0), "T_in": (0.0, 90.0), "c_in": (0.0, 10.0)},
    "PreparationTank": {"dosing": (0.0, 500.0), "F_in": (0.0, 2.0), "c_in": (0.0, 100.0), "F_draw": (0.0, 20.0)},
    "SeedTrain": {"S_medium": (0.0, 60.0)},
    "SemiBatchReactor": {"F": (0.0, 5.0), "T_in": (0.0, 90.0), "c_in": (0.0, 10.0)},
    "SingleUseBag": {
        "N": (0.0, 300.0), "P_V": (0.0, 1000.0), "v_s": (0.0, 0.02), "uptake": (0.0, 0.5), "acid": (0.0, 100.0)
    },
    "WalledJacket": {"T_vessel": (0.0, 95.0), "T_in": (0.0, 95.0), "F": (0.0, 100.0)},
    "YeastBottleneck": {"F": (0.0, 0.1), "S_feed": (0.0, 500.0), "kLa": (0.0, 1000.0)},
}  # fmt: skip
LENGTH = {"EColiOverflow": 24.0, "IndPenSim": 50.0, "IndPenSimBatch": 24.0, "YeastBottleneck": 48.0}
OPTIONS = {
    "BatchReactor": {"thermal": Thermal.JACKET, "c": 1.0},
    "CHOFedBatch with oxygen in balance": {"oxygen": OxygenBalance.QUASI_STEADY},
    "ContinuousStirredTankReactor": {"thermal": Thermal.JACKET, "c": 1.0},
    "CounterCurrentHeatExchanger": {"n_cells": 5},
    "HoldVessel": {"c": 1.0, "k_loss": 0.01},
    "PlugFlowReactor": {"n_cells": 5, "thermal": Thermal.JACKET},
    "SemiBatchReactor": {"thermal": Thermal.JACKET, "c": 1.0},
}
JUMPING = {"transfer", "sample", "bolus"}  # events that add or take material at once: the ledger knows flows only


class _WithOutputs:
    """The variables of a model while its equations are evaluated, with the outputs that they gave."""

    def __init__(self, variables, found, names):
        self._variables, self._outputs = variables, {name: found[name] for name in names}

    def __getattr__(self, name):
        return self._outputs[name] if name in self._outputs else getattr(self._variables, name)


def with_ledger(model):
    """Return the model with one more state per declared balance: what has flowed in since the start."""
    kind = type(model)
    names = tuple(model.conserved)
    outputs = {entry.name for entry in model.layout.outputs if "." not in entry.name}

    def equations(self, v, m):
        found = {**kind.equations(self, v, m)}
        view = _WithOutputs(v, found, outputs)
        flows = [getattr(self.conserved[name](view, m), "inflow", 0.0) for name in names]
        return {**found, **{f"ledger{i}": flow for i, flow in enumerate(flows)}}

    states = {f"ledger{i}": tk.State("", 0.0, nominal=1.0, doc="what flowed in") for i in range(len(names))}
    made = type(f"{kind.__name__}Ledger", (kind,), {"__doc__": kind.__doc__, "equations": equations, **states})
    return made({**model.options, **model.values()})


def amounts(model, run, row):
    """Return what the model holds of every conserved quantity at one row of a run, and what nominal states hold."""
    held = {entry.name: run.trace(entry.name).data[row] for entry in model.layout.states}
    reading = casadi_model(model)
    t, x, z, u, p = reading.symbols
    balances = evaluate_balances(model, model.layout.named(t, x, z, u, p), CASADI)
    point = flat(model, {"t": 0.0, **model.values(), **held})
    found = {}
    for name, balance in balances.items():
        nominal = ca.fabs(ca.jacobian(balance.amount, x)) @ ca.DM(model.layout.states.scales)
        found[name] = tuple(map(float, reading.function("amount", balance.amount, nominal)(*point)))
    return found


def drawn(name, data):
    """Return a model with drawn parameters and the inputs drawn for it."""
    model = getattr(unitops, name.partition(" ")[0])(**OPTIONS.get(name, {}))
    changes = {}
    for entry in model.layout.parameters:
        low, high = (-np.inf if entry.variable.bounds[0] is None else entry.variable.bounds[0],
                     np.inf if entry.variable.bounds[1] is None else entry.variable.bounds[1])  # fmt: skip
        value = model.values()[entry.name]
        factor = data.draw(st.floats(0.5, 2.0), label=entry.name)
        changes[entry.name] = np.clip(np.asarray(value) * factor, low, high)
    inputs = {
        key: data.draw(st.floats(*limits, allow_subnormal=False), label=key) for key, limits in INPUTS[name].items()
    }
    return model.with_(changes), inputs


def test_none_is_left_out():
    assert {name.partition(" ")[0] for name in INPUTS} == set(unitops.__all__)


@pytest.mark.parametrize("name", INPUTS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_nothing_negative_and_every_balance_closed(name, data):
    model, inputs = drawn(name, data)
    ledger = with_ledger(model).with_(inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tk.SimulationWarning)
        run = tk.simulate(ledger, LENGTH.get(name, 240.0), outputs=101)
    assert run.success, run.status.reason
    for entry in model.layout.states:
        trace = run.trace(entry.name).data
        assert np.all(np.isfinite(trace))
        low = entry.variable.bounds[0]
        if low is not None:
            # Solver tolerance: 1e-6 of the variable's nominal magnitude.
            assert np.min(trace) >= low - 1e-6 * entry.variable.scale, (entry.name, float(np.min(trace)))
    if {occurrence.name for occurrence in run.occurrences} & JUMPING:
        return
    first, last = (amounts(model.with_(inputs), run, row) for row in (0, -1))
    for i, key in enumerate(model.conserved):
        flowed = run.trace(f"ledger{i}").data
        (before, _), (after, nominal) = first[key], last[key]
        size = max(abs(before), abs(after), float(np.max(np.abs(flowed))))
        # The solver's absolute tolerance is a share of the states' nominal magnitudes.
        assert abs(after - before - flowed[-1]) < 1e-5 * size + 1e-7 * nominal, key
