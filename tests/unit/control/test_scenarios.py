"""Several scenarios in one plan."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from tests.control_models import Reactor

import twinkit as tk
from twinkit.control import Scenario
from twinkit.core import InvalidValueError, UnknownNameError
from twinkit.unitops import JacketedTank


class Tank(tk.Model):
    """A heated tank; its heater is not known well."""

    time_unit = "min"
    T = tk.State("degC", initial=20.0, nominal=50.0)
    Q = tk.Input("kW", default=0.0, bounds=(0, 10))
    gain = tk.Parameter("delta_degC/min/kW", 0.5)

    def equations(self, v, m):
        return {"T": v.gain * v.Q - m.quantity(0.05, "1/min") * (v.T - m.quantity(20.0, "degC"))}


GAINS = {"nominal": {"gain": 0.5}, "weak": {"gain": 0.4}, "strong": Scenario({"gain": 0.6}, weight=2.0)}
SHARES = (0.25, 0.25, 0.5)


def tank(**changes):
    settings = {
        "horizon": "20 min", "step": "2 min", "track": {"T": 45.0}, "moves": {"Q": tk.Move(penalty=0.01)},
        "native": False, "scenarios": GAINS,
    }  # fmt: skip
    return tk.MPC(Tank(), **{**settings, **changes})


def trajectory(q, gain, start=20.0):
    a, t, found = math.exp(-0.1), start, []
    for value in q:
        t = 20.0 + (t - 20.0) * a + gain * value * (1.0 - a) / 0.05
        found.append(t)
    return np.array(found)


@pytest.mark.parametrize("shared", [1, 3])
def test_tree_is_the_optimum_of_the_whole_problem(shared):
    """Against SciPy on the tree written out: shared moves once, later ones per scenario."""
    plan = tank(shared_steps=shared, rtol=1e-8, tolerance=1e-7).plan({"T": 20.0}, t=0.0)
    assert plan.status.fresh, plan.status.text
    gains = (0.5, 0.4, 0.6)

    def split(free):
        rest = free[shared:].reshape(3, 10 - shared)
        return [np.concatenate([free[:shared], own]) for own in rest]

    def cost(free):
        total = 0.0
        for share, gain, q in zip(SHARES, gains, split(free), strict=True):
            changes = np.diff(np.concatenate([[0.0], q])) / 10.0
            total += share * (np.sum(((trajectory(q, gain) - 45.0) / 50.0) ** 2) + 0.01 * np.sum(changes**2))
        return total

    count = shared + 3 * (10 - shared)
    best = minimize(cost, np.full(count, 5.0), bounds=[(0.0, 10.0)] * count, tol=1e-14, options={"maxfun": 10**6})
    np.testing.assert_allclose(plan.moves["Q"].values, split(best.x)[0], atol=2e-2)
    ours = [trajectory(plan.moves["Q"].values, 0.5)]
    np.testing.assert_allclose(plan.predicted["T"].mean[1:], ours[0], atol=1e-4)
    assert set(plan.scenarios) == set(GAINS)
    for name, gain, q in zip(GAINS, gains, split(best.x), strict=True):
        np.testing.assert_allclose(plan.scenarios[name]["T"].mean[1:], trajectory(q, gain), atol=2e-2)


def test_limits_hold_in_every_scenario():
    within = {"T": (None, 40.0)}
    nominal = tank(scenarios={}, within=within).plan({"T": 36.0}, t=0.0)
    plan = tank(within=within).plan({"T": 36.0}, t=0.0)
    assert plan.status.fresh, plan.status.text
    assert plan.moves["Q"].first < nominal.moves["Q"].first - 0.5
    for tracks in plan.scenarios.values():
        assert tracks["T"].mean.max() <= 40.0 + 0.05
    strong = trajectory([plan.moves["Q"].first], 0.6, 36.0)
    assert strong[0] == pytest.approx(40.0, abs=0.06)
    assert trajectory([nominal.moves["Q"].first], 0.6, 36.0)[0] > 40.4
    assert {b.name for b in plan.binding} >= {"T"}


def test_next_plan_starts_from_the_last():
    mpc = tank(within={"T": (None, 46.0)})
    first = mpc.plan({"T": 20.0}, t=0.0)
    second = mpc.plan({"T": float(first.predicted["T"].mean[1])}, t=2.0, previous=first)
    assert second.status.fresh
    assert second.status.iterations <= first.status.iterations + 1
    cold = mpc.plan({"T": float(first.predicted["T"].mean[1])}, t=2.0, applied=first.next_moves)
    np.testing.assert_allclose(second.moves["Q"].values, cold.moves["Q"].values, atol=2e-2)
    assert len({float(point.u[0, 0]) for point in second.warm.points}) == 1  # shared in all scenarios
    assert tank(scenarios={}).plan({"T": 22.0}, t=2.0, previous=second).status.fresh
    assert mpc.plan({"T": 22.0}, t=2.0, previous=tank(scenarios={}).plan({"T": 20.0}, t=0.0)).status.fresh


def test_nonlinear_reactor_and_economic_goal():
    scenarios = {f"{b:g}": {"beta": b} for b in (1.0, 0.95, 1.05)}
    mpc = tk.MPC(
        Reactor(), horizon=0.1, step=0.005, track={"C_b": tk.Track(0.6, scale=1.0)}, scenarios=scenarios,
        moves={"F": tk.Move(penalty=0.1, scale=100.0), "Q": tk.Move(penalty=1e-3, scale=2000.0)},
        within={"T_R": tk.Within(50.0, 140.0, penalty=100.0), "T_K": (50.0, 140.0)}, native=False,
    )  # fmt: skip
    plan = mpc.plan({"C_a": 0.8, "C_b": 0.4, "T_R": 134.14, "T_K": 130.0}, t=0.0, applied={"F": 5.0, "Q": -6000.0})
    assert plan.status.fresh, plan.status.text
    assert len({round(float(tracks["C_b"].mean[-1]), 12) for tracks in plan.scenarios.values()}) == 3
    economic = tank(track={}, maximize=tk.final("T"), within={"T": (None, 40.0)}).plan({"T": 20.0}, t=0.0)
    assert economic.status.fresh, economic.status.text
    assert economic.objective == pytest.approx(40.0, abs=0.1)
    for tracks in economic.scenarios.values():
        assert tracks["T"].mean[-1] == pytest.approx(40.0, abs=0.1)


def test_previous_plan_must_survive_every_scenario():
    mpc = tank(within={"T": (None, 46.0)}, seconds=1e-9)
    previous = tank(scenarios={}, within={"T": (None, 46.0)}).plan({"T": 45.0}, t=0.0)
    plan = mpc.plan({"T": 45.9}, t=2.0, previous=previous)
    assert not plan.status.fresh
    assert "exceed a limit" in plan.status.text


@pytest.mark.parametrize(
    ("scenarios", "error"),
    [
        ({"a": {"gian": 1.0}}, UnknownNameError),
        ({"a": {"T": 1.0}}, InvalidValueError),
        ({"a": 3.0}, InvalidValueError),
        ([{"gain": 1.0}], InvalidValueError),
    ],
)
def test_what_does_not_fit(scenarios, error):
    with pytest.raises(error):
        tank(scenarios=scenarios)


def test_what_excludes_each_other():
    with pytest.raises(InvalidValueError, match="weight"):
        Scenario({}, weight=0.0)
    with pytest.raises(InvalidValueError, match="shared_steps"):
        tank(shared_steps=0)

    class Guess:
        time, time_unit, names, content_hash = 0.0, "min", ("T", "gain"), "guess"
        vector, covariance = np.array([20.0, 0.5]), np.zeros((2, 2))
        noise = decay = np.zeros(2)

    plan = tank().plan(Guess())
    assert not plan.status.usable
    assert "both say what gain is" in plan.status.text


@pytest.mark.parametrize("shared", [1, 3])
def test_where_sqp_crashes_the_nonlinear_solvers_take_all_scenarios(monkeypatch, shared):
    def broken(*_):
        raise RuntimeError("injected")

    mpc = tk.MPC(
        JacketedTank(), horizon="1 h", step="5 min", track={"T": 45.0}, moves={"Q": tk.Move(bounds=(0, 60))},
        within={"T": (None, 44.0)}, scenarios={"as planned": {}, "fuller": {"V": "600 L"}}, shared_steps=shared,
        native=False, tolerance=1e-6,
    )  # fmt: skip
    start = {"T": 20.0, "jacket.T": 20.0}
    expected = mpc.plan(start, t=0.0)
    monkeypatch.setattr("twinkit.control.solving._sequential", broken)
    plan = mpc.plan(start, t=0.0)
    assert isinstance(plan.status, tk.control.Optimal)
    assert plan.status.solver == "FATROP"
    assert plan.objective == pytest.approx(expected.objective, rel=1e-6)
    assert {binding.name for binding in plan.binding} == {binding.name for binding in expected.binding}
    assert all(tracks["T"].mean.max() <= 44.0 + 0.1 for tracks in plan.scenarios.values())
    monkeypatch.setattr("twinkit.control.solving.SOLVERS", ("ipopt",))
    assert mpc.plan(start, t=0.0).objective == pytest.approx(expected.objective, rel=1e-5)


def test_all_scenarios_share_a_free_end(monkeypatch):
    """The end is decided now, so the slowest one sets it; here by the equation of the tank."""
    settings = {
        "until": ("10 min", "90 min"), "step": "3 min", "moves": {"Q": tk.Move()}, "native": False,
        "within": {"T": tk.Within(60.0, None, at_end=True)}, "minimize": tk.integral("Q") + 3.0 * tk.duration(),
    }  # fmt: skip
    mpc = tk.MPC(Tank(), scenarios={"as it is": {}, "weak": {"gain": 0.35}}, **settings)
    plan = mpc.plan({"T": 20.0}, t=0.0)
    slowest = -math.log(1.0 - 40.0 * 0.05 / (0.35 * 10.0)) / 0.05
    assert plan.status.fresh, plan.status.text
    assert plan.moves["Q"].end == pytest.approx(slowest, rel=1e-5)
    for tracks in plan.scenarios.values():
        assert tracks["T"].times[-1] == plan.moves["Q"].end
        assert tracks["T"].mean[-1] == pytest.approx(60.0, abs=1e-3)
    alone = tk.MPC(Tank(gain=0.35), **settings).plan({"T": 20.0}, t=0.0)
    assert plan.objective < alone.objective  # the other one needs less power in the same time
    later = mpc.plan({"T": 23.0}, t=3.0, previous=plan)
    assert later.status.fresh

    def crash(*_):
        raise RuntimeError("a crash")

    monkeypatch.setattr("twinkit.control.solving._sequential", crash)
    other = mpc.plan({"T": 20.0}, t=0.0)
    assert other.status.solver == "FATROP"
    assert other.objective == pytest.approx(plan.objective, rel=1e-6)
