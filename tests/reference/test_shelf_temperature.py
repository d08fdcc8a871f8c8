"""The shelf temperature that dries a vial in the shortest time, with the product at most at -5 degC.

Reference: LyoPRONTO's example (`data/README.md`), which ends at 2.12296 h. It takes explicit steps of 0.01 h; the same
model integrated exactly ends at 2.12501 h. The best shelf temperature follows from the model alone: as hot as can be,
then as hot as the product allows.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from tests.control_models import PrimaryDrying

import twinkit as tk

REFERENCE = np.genfromtxt(Path(__file__).parent / "data" / "lyopronto_optimal_shelf.csv", delimiter=",", names=True)
HOTTEST, LIMIT = 120.0, -5.0
MODEL, FILLED = PrimaryDrying(), PrimaryDrying.FILLED


def seen(dried, shelf):
    """Return the model's outputs at one moment."""
    return tk.simulate(MODEL, 1e-6, initial={"dried": dried}, inputs={"shelf": shelf}, outputs=[0.0])


def fastest(dried):
    """Return the best speed of drying, in cm/h, by the equations of the example."""
    transfer = 3.8 * (2.75e-4 + 8.93e-4 * 0.15 / (1.0 + 0.46 * 0.15))

    def at(front):
        vapour = 3.14 * (2.698e10 * np.exp(-6144.96 / (front + 273.15)) - 0.15) / (1.4 + 16.0 * dried) / 1000.0
        heat = 678.0 * vapour / 3.6
        return vapour, heat, front + heat * (FILLED - dried) / (3.14 * 0.0059)

    front = brentq(lambda t: at(t)[2] - LIMIT, -40.0, 0.0)
    if LIMIT + at(front)[1] / transfer > HOTTEST:
        front = brentq(lambda t: transfer * (HOTTEST - at(t)[2]) - at(t)[1], -40.0, 20.0)
    return 1000.0 * at(front)[0] / (3.14 * 0.918 * (1.0 - 0.05 / 1.5)) * (1.0 - 0.05 * (1.0 - 0.918) / 1.5)


EXACT = quad(lambda dried: 1.0 / fastest(dried), 0.0, FILLED, points=[0.31], epsrel=1e-10, limit=200)[0]


def planned(steps, **more):
    mpc = tk.MPC(
        MODEL, until=(1.5, 3.0), step=2.25 / steps, minimize=tk.duration(), moves={"shelf": tk.Move(first=60.0)},
        within={"bottom": (None, LIMIT), "load": (None, PrimaryDrying.CAPACITY),
                "percent": tk.Within(100.0, None, at_end=True)}, native=False, **more,
    )  # fmt: skip
    return mpc.plan({"dried": 0.0}, t=0.0)


def test_the_model_is_that_of_the_reference():
    for row in REFERENCE[::50]:
        run = seen(row["dried_percent"] / 100.0 * FILLED, row["shelf_C"])
        for name, column in (("front", "front_C"), ("bottom", "bottom_C"), ("flux", "flux_kg_h_m2")):
            assert float(run[name][0]) == pytest.approx(row[column], rel=1e-6), name


def test_the_reference_ends_where_explicit_steps_end():
    dried, time = 0.0, 0.0
    while dried + 0.01 * fastest(dried) < FILLED:
        dried, time = dried + 0.01 * fastest(dried), time + 0.01
    assert REFERENCE["t_h"][-1] == pytest.approx(time + (FILLED - dried) / fastest(dried), rel=1e-7)
    assert pytest.approx(2.12501, abs=1e-5) == EXACT


def test_the_plan_dries_in_the_shortest_time():
    """A shelf temperature held over each step costs time in proportion to the step: twice as many, half of it."""
    coarse, fine = planned(112), planned(224)
    for plan in (coarse, fine):
        assert type(plan.status).__name__ == "Optimal"
        assert plan.predicted["bottom"].mean.max() <= LIMIT + 1e-3
        assert plan.objective == pytest.approx(plan.moves["shelf"].end, rel=1e-9)
        assert plan.objective > EXACT
    assert fine.objective == pytest.approx(REFERENCE["t_h"][-1], rel=2e-3)
    assert 2.0 * fine.objective - coarse.objective == pytest.approx(EXACT, rel=2e-5)
    percent, shelf = fine.predicted["percent"], fine.moves["shelf"]
    expected = np.interp(percent.times, REFERENCE["t_h"], REFERENCE["dried_percent"])
    np.testing.assert_allclose(percent.mean, expected, atol=0.15)
    middle = shelf.times + 0.5 * (shelf.end - shelf.times[-1])
    expected = np.interp(middle, REFERENCE["t_h"], REFERENCE["shelf_C"])
    np.testing.assert_allclose(shelf.values, expected, atol=0.6)
