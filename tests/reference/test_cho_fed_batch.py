"""The CHO fed-batch against reference trajectories, with both solvers."""

from pathlib import Path

import numpy as np
import pytest

import twinkit as tk
from twinkit.unitops import CHOFedBatch

DATA = Path(__file__).parent / "data" / "cho_kornecki_fedbatch.csv"
FEED = tk.steps({0: 0.0, 72: 0.8e-3, 120: 1.6e-3, 168: 2.4e-3, 216: 2.4e-3, 264: 1.6e-3})
# Values at 336 h as stated in shared/reference/models.md, section 1, to the digits given there.
END = {"Xv": 14.629, "Xd": 0.75705, "Glc": 0.10182, "Gln": 13.5172, "Lac": 127.1056, "mAb": 3.431622, "V": 1.4608,
       "O2": 0.0188450}  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return np.genfromtxt(DATA, delimiter=",", names=True)


@pytest.fixture(scope="module", params=["Cvodes", "Compiled"])
def solution(request, table):
    solver = getattr(tk, request.param)()
    return tk.simulate(CHOFedBatch(), "14 d", inputs={"F": FEED}, outputs=table["t_h"], rtol=1e-8, solver=solver)


@pytest.mark.parametrize("name", ["Xv", "Xd", "Glc", "Gln", "Lac", "Amm", "mAb", "V", "O2"])
def test_trajectories_agree_to_1e_5_of_their_largest_value(solution, table, name):
    error = np.max(np.abs(solution[name].values - table[name])) / np.max(np.abs(table[name]))
    assert error < 1e-5


@pytest.mark.parametrize("name", END)
def test_end_values_are_the_stated_ones(solution, name):
    stated = END[name]
    digits = len(repr(stated).split(".")[1])
    assert float(solution[name][-1]) == pytest.approx(stated, abs=0.6 * 10.0**-digits, rel=1e-6)


def test_the_volume_is_what_was_fed(solution):
    fed = 48 * 0.8e-3 + 48 * 1.6e-3 + 96 * 2.4e-3 + 72 * 1.6e-3
    assert float(solution["V"][-1]) == pytest.approx(1.0 + fed, rel=1e-8)


def test_lactate_and_glucose_are_conserved(solution):
    model = CHOFedBatch()
    held = (solution["Lac"] + model.Y_Lac_Glc * solution["Glc"]) * solution["V"]
    fed = model.Y_Lac_Glc * model.GlcF * (solution["V"] - 1.0)
    np.testing.assert_allclose(held - fed, float(held[0]), rtol=1e-7)


def test_both_solvers_agree_without_a_reference():
    options = {"inputs": {"F": FEED}, "outputs": 100, "rtol": 1e-9}
    first = tk.simulate(CHOFedBatch(), 336, **options)
    second = tk.simulate(CHOFedBatch(), 336, solver=tk.Compiled(), **options)
    for name in first:
        scale = float(np.max(np.abs(first[name])))
        np.testing.assert_allclose(first[name].values, second[name].values, atol=1e-6 * scale)
