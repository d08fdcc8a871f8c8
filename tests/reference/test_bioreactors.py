"""Bioreactors against trajectories and steady states computed outside twinkit (data/README.md says how)."""

from pathlib import Path

import numpy as np
import pytest

import twinkit as tk
from twinkit.unitops import CHOFedBatch, CHOFedBatchQuasiSteadyOxygen, CHOPerfusion, EColiOverflow, PenicillinFedBatch

DATA = Path(__file__).parent / "data"
TOLERANCE = 1e-5  # of the largest value of each column, over the whole trajectory
ECOLI = ("V", "X", "S", "A", "DOT", "DOT_probe")
PENICILLIN = ("X", "S", "Cl", "P", "V")
# 60 d at 2 VVD, bleed 10 %, retention 0.98, medium 40 mM glucose and 6 mM glutamine: shared/reference/scalars.json,
# cho_perf, computed by two integrators that agree to 1e-11.
PERFUSION = {
    "Xv": 36.254103813161585, "Xd": 0.46252513904273884, "Glc": 0.9055041255538249, "Gln": 1.1228011718435231,
    "Lac": 27.366147112112316, "Amm": 0.5958375198310442, "mAb": 0.489176453434612,
}  # fmt: skip


def read(name):
    return np.genfromtxt(DATA / name, delimiter=",", skip_header=1)


def worst(solution, table, names):
    """Return the largest scaled error of each column, by name; the first column is time."""
    return {
        name: float(np.max(np.abs(solution[name].values - column)) / np.max(np.abs(column)))
        for name, column in zip(names, table.T[1:], strict=True)
    }


@pytest.mark.parametrize("solver", [tk.Cvodes(), tk.Compiled()], ids=["Cvodes", "Compiled"])
def test_ecoli_batch(solver):
    table = read("ecoli_anane_batch.csv")
    solution = tk.simulate(EColiOverflow(), "8 h", outputs=table[:, 0], solver=solver)
    errors = worst(solution, table, ECOLI)
    assert max(errors.values()) < TOLERANCE, errors


def test_ecoli_fed_batch():
    table = read("ecoli_anane_fed_batch.csv")
    start = dict(zip(ECOLI, table[0, 1:], strict=True))
    solution = tk.simulate(
        EColiOverflow(), "6 h", initial=start, outputs=table[:, 0], rtol=1e-9,
        inputs={"F": lambda t: 0.00603694652473 * np.exp(0.22 * t)},
    )  # fmt: skip
    errors = worst(solution, table, ECOLI)
    assert max(errors.values()) < TOLERANCE, errors


def test_penicillin():
    table = read("penicillin_birol.csv")
    solution = tk.simulate(PenicillinFedBatch(), "400 h", outputs=table[:, 0])
    errors = worst(solution, table, PENICILLIN)
    assert max(errors.values()) < TOLERANCE, errors


def test_perfusion_comes_to_its_steady_state():
    end = tk.simulate(CHOPerfusion(), "120 d", rtol=1e-10)
    for name, value in PERFUSION.items():
        # The dead cells were not quite settled at 60 d.
        assert float(end[name][-1]) == pytest.approx(value, rel=1e-5), name


def test_perfused_cells_grow_as_fast_as_they_leave():
    end = tk.simulate(CHOPerfusion(), "120 d", rtol=1e-10)
    lost = 0.1 * 2 / 24 + 0.9 * 2 / 24 * 0.02
    lactate, ammonium = float(end["Lac"][-1]), float(end["Amm"][-1])
    death = 0.004 * lactate / (45.8 + lactate) * ammonium / (6.51 + ammonium)
    assert float(end["mu"][-1]) - death == pytest.approx(lost, rel=1e-8)


def test_quasi_steady_oxygen_follows_the_dynamic_one():
    feed = tk.steps({"0 d": 0, "3 d": "0.8 mL/h", "5 d": "1.6 mL/h"})
    times = np.arange(0.0, 337.0)
    dynamic, steady = (
        tk.simulate(model, "14 d", inputs={"F": feed}, outputs=times, rtol=1e-9)
        for model in (CHOFedBatch(), CHOFedBatchQuasiSteadyOxygen())
    )
    late = times > 2.0
    assert np.max(np.abs(dynamic["O2"].values - steady["O2"].values)[late]) < 1e-3 * 0.21
    for name in ("Xv", "Glc", "mAb"):
        scale = float(np.max(dynamic[name]))
        np.testing.assert_allclose(steady[name].values, dynamic[name].values, atol=1e-6 * scale)
