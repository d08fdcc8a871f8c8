"""Closed loops of the examples do what their documents say."""

import runpy
import shutil
from pathlib import Path

import pytest

import twinkit as tk

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def tank():
    return runpy.run_path(str(EXAMPLES / "fmu_in_the_loop.py"))


def test_an_fmu_is_the_plant_of_a_closed_loop(tank, tmp_path):
    if not (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")):
        pytest.skip("no C compiler to build an FMU with")
    made = tk.fmi.export(tank["PLANT"], tmp_path / "tank.fmu", version="3.0", kind="cs")
    model, _ = tank["closed_loop"](tk.ModelComponent(tank["PLANT"], solver=tk.Cvodes()))
    run, plans = tank["closed_loop"](tk.FMU(made.path))
    assert all(plan.status.fresh for plan in plans)
    assert float(run["plant.T"][40]) == pytest.approx(40.0, abs=0.01)
    assert float(run["plant.T"][-1]) == pytest.approx(50.0, abs=0.01)
    assert run["plant.T"].values == pytest.approx(model["plant.T"].values, abs=1e-3)


def test_an_fmu_is_plant_and_model_of_a_closed_loop(tank, tmp_path):
    if not (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")):
        pytest.skip("no C compiler to build an FMU with")
    plant = tk.fmi.export(tank["PLANT"], tmp_path / "tank.fmu", version="3.0", kind="cs").path
    inside = tk.fmi.export(tank["MODEL"], tmp_path / "model.fmu", version="2.0", kind="me").path
    known, _ = tank["closed_loop"](tk.FMU(plant))
    run, plans = tank["closed_loop"](tk.FMU(plant), tk.fmi.model(inside, time_unit="min"))
    assert all(plan.status.fresh for plan in plans)
    assert run["plant.T"].values == pytest.approx(known["plant.T"].values, abs=1e-6)
    assert run["controller.Q"].values == pytest.approx(known["controller.Q"].values, abs=1e-6)


def test_a_controller_says_how_an_fmu_becomes_its_model(tank, tmp_path):
    made = tk.fmi.export(tank["PLANT"], tmp_path / "tank.fmu", version="3.0", kind="me", binary="none")
    with pytest.raises(tk.InvalidValueError, match=r"a controller needs a model instance.*tk\.fmi\.model"):
        tk.MPC(made.path, horizon="1 h", step="1 min", track={"T": 40.0}, moves={"Q": tk.Move()})


def test_only_the_multi_stage_controller_keeps_the_limit(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    cstr = runpy.run_path(str(EXAMPLES / "robust_cstr.py"))
    hottest, made = {}, {}
    for robust in (False, True):
        runs, plans, made[robust] = cstr["closed_loop"](robust, "hotter")
        assert all(plan.status.fresh for plan in plans)
        hottest[robust] = max(float(run["T_R"].max()) for run in runs)
    assert hottest[False] > cstr["LIMIT"] + 1.0
    assert hottest[True] <= cstr["LIMIT"]
    assert made[True] > 0.9 * made[False]  # what it costs
