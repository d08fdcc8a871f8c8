"""A controller keeps the contract of components, and an estimate that of controllers."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import twinkit as tk
from twinkit.core import StateEstimate, StepError, UnknownNameError
from twinkit.core.component import Component
from twinkit.estimate import ExtendedKalmanFilter, Sensor
from twinkit.testing.component import check_component
from twinkit.unitops import JacketedTank


def controller(**changes):
    moves = {"Q": tk.Move(bounds=(0.0, "50 kW"), safe=0.0)}
    settings = {"horizon": "1 h", "step": "5 min", "track": {"T": "40 degC"}, "moves": moves, "native": False}
    return tk.MPC(JacketedTank(), **{**settings, **changes})


def test_component_keeps_the_contract():
    component = controller().component()
    assert isinstance(component, Component)
    inputs = {"T": 20.0, "jacket.T": 20.0}
    assert check_component(component, inputs=inputs, dt=5.0, steps=4).passed
    assert len(component.plans) >= 1


def test_failed_plans_hold_the_last_moves():
    component = controller().component()
    first = component.initialize(0.0, {"T": 20.0, "jacket.T": 20.0})
    assert first["Q"] > 0.0
    assert first["status"] == 0.0
    bad = component.step(0.0, 5.0, {"T": np.nan, "jacket.T": 20.0})
    assert bad["status"] == 2.0
    with pytest.raises(StepError, match="neither a value"):
        component.step(5.0, 5.0, {"T": 20.0})
    with pytest.raises(StepError, match="initialize"):
        controller().component().step(0.0, 1.0, {})
    with pytest.raises(UnknownNameError):
        controller().component(("nothing",))


def test_estimates_are_what_controllers_take():
    ekf = ExtendedKalmanFilter(JacketedTank(), [Sensor("T", std=0.5)], {"T": 5.0, "jacket.T": 3.0})
    estimate = ekf.start()
    assert isinstance(estimate, StateEstimate)
    assert estimate.content_hash != ekf.update(estimate, tk.Measurement("T", 22.0, "degC", 1.0)).content_hash
    plan = controller(within={"T": (None, "41 degC")}, confidence=0.95).plan(estimate)
    assert plan.status.fresh
    assert plan.predicted["T"].std[0] == pytest.approx(5.0)


@pytest.mark.integration
def test_closed_loop_as_a_graph_has_no_offset():
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "cstr_tracking.py"))
    run, plans = example["closed_loop"](0.2)
    assert all(plan.status.fresh for plan in plans)
    assert float(run["plant.C_b"][-1]) == pytest.approx(0.6, abs=1e-3)
