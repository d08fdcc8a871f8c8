"""Terminal cost and region against the example of Chen and Allgöwer.

H. Chen, F. Allgöwer (1998), Automatica 34:1205-1217, doi:10.1016/S0005-1098(98)00073-9, section 5: gain, weight and
level as printed there; their sign of the gain is that of u = K x with K = -(2.118, 2.118).
"""

import numpy as np
import pytest

import twinkit as tk
from twinkit.control import TerminalRegion, terminal_region
from twinkit.core import InvalidValueError, UnknownNameError


class Unstable(tk.Model):
    """Both modes of its linearisation at the origin cannot be left alone: one is unstable."""

    time_unit = "s"
    x1 = tk.State("", initial=0.0)
    x2 = tk.State("", initial=0.0)
    u = tk.Input("", default=0.0, bounds=(-2.0, 2.0))

    def equations(self, v, m):
        rate = m.quantity(1.0, "1/s")
        return {
            "x1": rate * (v.x2 + v.u * (0.5 + 0.5 * v.x1)),
            "x2": rate * (v.x1 + v.u * (0.5 - 2.0 * v.x2)),
        }


ORIGIN = {"x1": 0.0, "x2": 0.0}
WEIGHTS = {"state_weight": {"x1": 0.5, "x2": 0.5}, "move_weight": {"u": 1.0}}


def region(**more):
    return terminal_region(Unstable(), ORIGIN, {"u": 0.0}, **{**WEIGHTS, **more})


def test_example_of_the_paper():
    found = region(decay=0.95)
    np.testing.assert_allclose(found.gain, [[-2.118, -2.118]], atol=5e-4)
    np.testing.assert_allclose(found.weight, [[16.5926, 11.5926], [11.5926, 16.5926]], atol=1e-4)
    assert 0.7 <= found.level <= 0.75  # the paper rounds down to 0.7


def test_the_linear_controller_stays_inside():
    found = region()
    root = np.linalg.cholesky(np.linalg.inv(found.weight))
    for angle in np.linspace(0.0, 2.0 * np.pi, 5):
        x, values = np.sqrt(found.level) * root @ [np.cos(angle), np.sin(angle)], []
        for _ in range(20):
            values.append(x @ found.weight @ x)
            u = (found.gain @ x).item()
            assert abs(u) <= 2.0
            run = tk.simulate(Unstable(), until=0.02, initial={"x1": x[0], "x2": x[1]}, inputs={"u": u})
            x = np.array([run["x1"].values[-1], run["x2"].values[-1]])
        assert (np.diff(values) < 0.0).all()


def controller(**more):
    settings = {
        "horizon": 1.5, "step": 0.1, "track": {n: tk.Track(0.0, weight=0.05) for n in ("x1", "x2", "u")},
        "moves": {"u": tk.Move()}, "native": False, "terminal": region(),
    }  # fmt: skip
    return tk.MPC(Unstable(), **{**settings, **more})


def test_plans_end_in_the_region_and_the_loop_comes_to_rest():
    mpc, x, plan, costs = controller(), {"x1": -0.683, "x2": -0.864}, None, []
    for k in range(30):
        plan = mpc.plan(x, t=0.1 * k, previous=plan)
        assert plan.status.fresh, plan.status.text
        end = np.array([plan.predicted[n].mean[-1] for n in ("x1", "x2")])
        assert end @ mpc.terminal.weight @ end <= mpc.terminal.level * 1.02
        run = tk.simulate(Unstable(), until=0.1, initial=x, inputs=plan.next_moves)
        x = {n: float(run[n].values[-1]) for n in x}
        costs.append(abs(x["x1"]) + abs(x["x2"]))
    assert costs[-1] < 0.1 * costs[0]


def test_too_far_for_the_region_is_no_plan():
    plan = controller(horizon=0.2).plan({"x1": 2.0, "x2": 2.0}, t=0.0)
    assert not plan.status.usable


def test_what_does_not_fit():
    with pytest.raises(InvalidValueError, match="not at rest"):
        terminal_region(Unstable(), {"x1": 1.0, "x2": 0.0}, {"u": 0.0}, **WEIGHTS)
    with pytest.raises(UnknownNameError):
        terminal_region(Unstable(), ORIGIN, {"v": 0.0}, **WEIGHTS)
    with pytest.raises(InvalidValueError, match="positive weight"):
        region(move_weight={})
    with pytest.raises(InvalidValueError, match="bound"):
        region(bounds={"u": (0.0, 2.0)})
    with pytest.raises(InvalidValueError, match="steady value"):
        terminal_region(Unstable(), {"x1": 0.0}, {"u": 0.0}, **WEIGHTS)
    with pytest.raises(InvalidValueError, match="decay"):
        region(decay=1.0)
    assert region(region=False).level == np.inf
    with pytest.raises(InvalidValueError, match=r"\(2, 2\)"):
        controller(terminal=TerminalRegion(ORIGIN, np.eye(3), np.eye(1))).plan(ORIGIN, t=0.0)
