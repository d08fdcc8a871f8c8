"""Any inputs and parameters within bounds: no concentration becomes negative, no run breaks off."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twinkit as tk
from twinkit import unitops

# Ranges of inputs a plant could set; everything else is drawn around its default.
INPUTS = {
    "CHOFedBatch": {"F": (0.0, 0.05), "GlcF": (0.0, 1000.0), "GlnF": (0.0, 300.0)},
    "CHOFedBatchQuasiSteadyOxygen": {"F": (0.0, 0.05), "GlcF": (0.0, 1000.0), "GlnF": (0.0, 300.0)},
    "CHOPerfusion": {"exchange": (0.0, 5.0), "bleed": (0.0, 1.0), "GlcF": (0.0, 100.0), "GlnF": (0.0, 20.0)},
    "CHOBolusFed": {"F": (0.0, 0.05), "T": (28.0, 40.0)},
    "EColiOverflow": {"F": (0.0, 0.3), "S_feed": (0.0, 600.0), "kLa": (0.0, 800.0)},
    "PenicillinFedBatch": {"F": (0.0, 0.5), "T": (10.0, 35.0), "pH": (3.0, 8.0), "power": (0.0, 200.0)},
    "YeastBottleneck": {"F": (0.0, 0.1), "S_feed": (0.0, 500.0), "kLa": (0.0, 1000.0)},
    "AeratedVessel": {
        "OUR": (0.0, 10.0), "CER": (0.0, 10.0), "lactate_made": (0.0, 0.08), "kLa": (0.0, 200.0), "gas": (0.0, 2000.0),
        "y_CO2_in": (0.0, 0.2), "y_O2_in": (0.0, 0.8),
    },
    "SeedTrain": {"S_medium": (0.0, 60.0)},
}  # fmt: skip
LENGTH = {"EColiOverflow": 24.0, "YeastBottleneck": 48.0}


@pytest.mark.parametrize("name", INPUTS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_concentration_becomes_negative(name, data):
    model = getattr(unitops, name)()
    changes = {}
    for entry in model.layout.parameters:
        low, high = entry.variable.bounds
        value = model.values()[entry.name]
        factor = data.draw(st.floats(0.5, 2.0), label=entry.name)
        changes[entry.name] = float(np.clip(value * factor, low, high))
    inputs = {
        key: data.draw(st.floats(*limits, allow_subnormal=False), label=key) for key, limits in INPUTS[name].items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tk.SimulationWarning)
        run = tk.simulate(model.with_(changes), LENGTH.get(name, 240.0), inputs=inputs, outputs=101)
    assert run.success, run.status.reason
    for entry in model.layout.states:
        trace = run.trace(entry.name).data
        assert np.all(np.isfinite(trace))
        # Solver tolerance: 1e-6 of the variable's nominal magnitude.
        assert np.min(trace) >= -1e-6 * entry.variable.scale, (entry.name, float(np.min(trace)))
