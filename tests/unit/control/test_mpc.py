"""Model predictive control: what is asked, what comes back, and what happens when something goes wrong."""

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from tests.control_models import Reactor

import twinkit as tk
from twinkit.control import (
    MPC,
    Failed,
    Move,
    Optimal,
    PreviousPlan,
    SafeSetpoint,
    Suboptimal,
    Track,
    Within,
    duration,
    final,
    integral,
    rounds,
    solving,
    summed,
)
from twinkit.core import InvalidValueError, StateEstimate, UnitError, UnknownNameError
from twinkit.estimate import Disturbance, ExtendedKalmanFilter, Sensor
from twinkit.optimise import Failed as OptimiserFailed


class Tank(tk.Model):
    """A heated tank; its heat loss is not known well."""

    time_unit = "min"
    T = tk.State("degC", initial=20.0, nominal=50.0)
    Q = tk.Input("kW", default=0.0, bounds=(0, 10))
    room = tk.Input("degC", default=20.0)
    gain = tk.Parameter("delta_degC/min/kW", 0.5)
    loss = tk.Parameter("1/min", 0.05)
    power = tk.Output("kW")

    def equations(self, v, m):
        return {"T": v.gain * v.Q - v.loss * (v.T - v.room), "power": 1.0 * v.Q}


def tank(**changes):
    settings = {
        "horizon": "40 min", "step": "2 min", "track": {"T": 45.0}, "moves": {"Q": Move(penalty=0.01)}, "native": False,
    }  # fmt: skip
    return MPC(Tank(), **{**settings, **changes})


def test_plan_is_what_the_simulator_does():
    plan = tank().plan({"T": 20.0}, t=3.0)
    assert isinstance(plan.status, Optimal)
    inputs = {name: tk.steps(points) for name, points in plan.inputs.items()}
    track = plan.predicted["T"]
    run = tk.simulate(Tank(), until=track.times[-1], start=3.0, outputs=track.times, initial={"T": 20.0}, inputs=inputs)
    np.testing.assert_allclose(track.mean, run["T"].values, atol=1e-3)


def test_linear_quadratic_optimum():
    """Without active limits the plan is the least-squares solution of the exactly discretised tank."""
    mpc = tank(horizon="20 min", track={"T": 30.0}, moves={"Q": Move(penalty=10.0)}, rtol=1e-9)
    plan = mpc.plan({"T": 25.0}, t=0.0, applied={"Q": 1.0})
    a, steps = math.exp(-0.05 * 2.0), 10
    b = 0.5 * (1.0 - a) / 0.05
    gain = np.array([[b * a ** (k - j) if j <= k else 0.0 for j in range(steps)] for k in range(steps)])
    drift = np.array([20.0 + (25.0 - 20.0) * a ** (k + 1) for k in range(steps)])
    changes = np.eye(steps) - np.eye(steps, k=-1)
    root = math.sqrt(10.0) / 10.0  # the scale of Q is its largest bound
    rows = np.vstack([gain / 50.0, root * changes])
    right = np.concatenate([(30.0 - drift) / 50.0, root * np.eye(steps)[0] * 1.0])
    expected = np.linalg.lstsq(rows, right, rcond=None)[0]
    np.testing.assert_allclose(plan.moves["Q"].values, expected, atol=1e-5)


def test_rates_blocks_and_bounds_are_kept():
    move = Move(max_rate="0.5 kW/min", blocking=[1, 2, 3], bounds=("1 kW", "6 kW"))
    values = tank(moves={"Q": move}).plan({"T": 20.0}, t=0.0, applied={"Q": 2.0}).moves["Q"].values
    changes = np.diff(np.concatenate([[2.0], values]))
    assert np.abs(changes).max() <= 1.0 + 1e-6
    assert values.min() >= 1.0 - 1e-9
    assert values.max() <= 6.0 + 1e-9
    assert values[1] == values[2]
    assert values[3] == values[4] == values[5]
    assert values[1] != values[0]


def test_soft_limits_are_exact():
    hard = tank(within={"T": (None, 40.0)}).plan({"T": 20.0}, t=0.0)
    soft = tank(within={"T": Within(None, 40.0, penalty=100.0)}).plan({"T": 20.0}, t=0.0)
    np.testing.assert_allclose(soft.moves["Q"].values, hard.moves["Q"].values, atol=1e-3)
    assert hard.predicted["T"].mean.max() <= 40.0 + 1e-3
    cheap = tank(within={"T": Within(None, 40.0, penalty=1e-4)}).plan({"T": 20.0}, t=0.0)
    (binding,) = (b for b in cheap.binding if b.name == "T")
    assert cheap.predicted["T"].mean.max() > 41.0
    assert binding.violated > 1.0
    assert "exceeded" in binding.text


def test_outputs_references_and_limits_over_time():
    reference = tk.steps({0.0: 30.0, "20 min": 40.0})
    mpc = tank(track={"T": Track(reference)}, within={"power": (None, tk.ramps({0.0: 8.0, 40.0: 6.0}))})
    plan = mpc.plan({"T": 20.0}, t=0.0)
    ends = plan.predicted["power"].times[1:]
    assert (plan.moves["Q"].values <= np.interp(ends, [0.0, 40.0], [8.0, 6.0]) + 1e-2).all()
    assert abs(plan.predicted["T"].mean[8] - 30.0) < 1.0
    assert plan.predicted["T"].mean[-1] > 38.0


def test_measured_disturbance_is_foreseen():
    inputs = {"room": tk.steps({0.0: 20.0, 11.0: -10.0})}
    plan = tank(inputs=inputs).plan({"T": 45.0}, t=0.0, applied={"Q": 2.5})
    run = tk.simulate(
        Tank(), until=40.0, outputs=plan.predicted["T"].times, initial={"T": 45.0},
        inputs={"Q": tk.steps(plan.inputs["Q"]), **inputs},
    )  # fmt: skip
    np.testing.assert_allclose(plan.predicted["T"].mean, run["T"].values, atol=5e-3)
    assert abs(run["T"].values[-1] - 45.0) < 0.3


def test_horizon_shrinks_to_the_end_of_a_batch():
    mpc = tank(horizon=None, until="15 min", track={}, maximize=final("T"))
    plan = mpc.plan({"T": 20.0}, t=0.0)
    assert plan.moves["Q"].end == 15.0
    assert len(plan.moves["Q"].times) == 8
    later = mpc.plan({"T": 30.0}, t=12.0, previous=plan)
    assert list(later.moves["Q"].times) == [12.0, 14.0]
    over = mpc.plan({"T": 30.0}, t=15.0, previous=later)
    assert isinstance(over.status, Failed)
    assert "batch ends" in over.status.text
    assert not over.moves


def test_free_end():
    """Heating at full power until 40 degC: the time follows from the equation of the tank."""
    mpc = tank(
        horizon=None, until=("5 min", "60 min"), track={"T": Track(40.0, weight=0.0, final_weight=1e7)},
        minimize=integral("power"), moves={"Q": Move(bounds=(4.0, 8.0))},
    )  # fmt: skip
    plan = mpc.plan({"T": 20.0}, t=0.0)
    assert plan.status.fresh, plan.status.text
    # The loss grows with time, so the fastest way needs the least energy.
    expected = -math.log(1.0 - 20.0 / (0.5 * 8.0 / 0.05)) / 0.05
    assert plan.moves["Q"].end == pytest.approx(expected, rel=2e-3)
    assert plan.objective == pytest.approx(8.0 * expected, rel=2e-3)


def heated(**changes):
    """Heating to 60 degC, the end free."""
    settings = {
        "horizon": None, "until": ("10 min", "90 min"), "step": "3 min", "track": {}, "minimize": duration(),
        "moves": {"Q": Move()}, "within": {"T": Within(60.0, None, at_end=True)},
    }  # fmt: skip
    return tank(**{**settings, **changes})


def test_shortest_time():
    """Full power: the time follows from the equation of the tank; the limit at the end does not count before."""
    plan = heated().plan({"T": 20.0}, t=0.0)
    assert isinstance(plan.status, Optimal), plan.status.text
    expected = -math.log(1.0 - 40.0 * 0.05 / (0.5 * 10.0)) / 0.05
    assert plan.objective == pytest.approx(expected, rel=1e-6)
    assert plan.moves["Q"].end == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(plan.moves["Q"].values, 10.0, rtol=1e-6)
    assert "minimise the duration" in plan.rationale
    low = plan.predicted["T"].low
    assert low[-1] == 60.0
    assert np.isinf(low[:-1]).all()
    assert [(b.name, b.side) for b in plan.binding if b.name == "T"] == [("T", "low")]
    # What a minute costs against power decides how fast: the same end for any price, as the loss makes waiting dear.
    mixed = heated(minimize=integral("power") + 3.0 * duration()).plan({"T": 20.0}, t=0.0)
    assert mixed.objective == pytest.approx(13.0 * expected, rel=1e-5)
    with pytest.raises(InvalidValueError, match="end is free"):
        tank(track={}, minimize=duration())


def test_limits_at_the_end_of_a_batch():
    """With a fixed end too: heated late, as that loses least; a soft one gives way at its price."""
    fixed = {"until": "30 min", "minimize": integral("power")}
    plan = heated(**fixed).plan({"T": 20.0}, t=0.0)
    assert plan.predicted["T"].mean[-1] == pytest.approx(60.0, abs=1e-3)
    assert plan.moves["Q"].values[0] < 1e-3
    soft = heated(**fixed, within={"T": Within(60.0, None, penalty=1e-3, at_end=True)}).plan({"T": 20.0}, t=0.0)
    assert soft.predicted["T"].mean[-1] == pytest.approx(20.0, abs=1e-2)


def test_what_changes_with_time_is_refused_where_the_end_is_free():
    """The plan is stretched with its end, and with it would be what comes in or is asked at a time."""
    with pytest.raises(InvalidValueError, match="changes with time"):
        heated(within={"T": (None, tk.steps({0.0: 80.0, 20.0: 70.0}))})
    with pytest.raises(InvalidValueError, match="changes with time"):
        heated(moves={"Q": Move(bounds=(None, tk.steps({0.0: 8.0, 20.0: 6.0})))})
    colder = heated(inputs={"room": tk.steps({0.0: 20.0, 20.0: -10.0})})
    assert "input changes" in colder.plan({"T": 20.0}, t=0.0).status.text
    assert colder.plan({"T": 20.0}, t=25.0).status.fresh  # nothing changes from then on
    for room in (15.0, lambda t: 15.0, tk.ramps({0.0: 15.0, 100.0: 15.0})):
        assert heated(inputs={"room": room}).plan({"T": 20.0}, t=0.0).status.fresh
    for room in (lambda t: 15.0 + 0.1 * t, tk.ramps({0.0: 15.0, 100.0: 10.0})):
        assert "input changes" in heated(inputs={"room": room}).plan({"T": 20.0}, t=0.0).status.text


def test_a_first_profile_is_where_a_plan_starts(monkeypatch):
    begun, before = [], rounds.optimised

    def spy(mpc, horizons, shares, begin, deadline):
        begun.append(begin)
        return before(mpc, horizons, shares, begin, deadline)

    monkeypatch.setattr("twinkit.control.mpc.optimised", spy)
    ramp = tk.ramps({0.0: 0.0, 40.0: "8 kW"})
    for first, values in (
        (ramp, np.arange(0.0, 8.0, 0.4)),
        (2.5, np.full(20, 2.5)),
        (lambda t: 20.0, np.full(20, 20.0)),
    ):
        mpc = tank(moves={"Q": Move(first=first)}, starts=2)
        plan = mpc.plan({"T": 20.0}, t=0.0)
        assert isinstance(plan.status, Optimal)  # what is outside the bounds is cut off
        np.testing.assert_allclose(begun[-2][:, 0], values, atol=1e-12)
        mpc.plan({"T": 21.0}, t=2.0, previous=plan)
        assert begun[-1] is plan.warm
    assert tank(moves={"Q": Move(first=2.5)}).content_hash != tank(moves={"Q": Move()}).content_hash
    for first, error in (("3 kg", UnitError), (math.nan, InvalidValueError), (math.inf, InvalidValueError)):
        with pytest.raises(error):
            tank(moves={"Q": Move(first=first)})
    broken = tank(moves={"Q": Move(first=lambda t: math.nan)}).plan({"T": 20.0}, t=0.0)
    assert "first profile" in broken.status.text


def test_objectives_add_up():
    plan = tank(track={}, maximize=final("T") - 0.5 * integral("power") + 0.0 * summed("T")).plan({"T": 20.0}, t=0.0)
    track, q = plan.predicted["T"], plan.moves["Q"]
    assert plan.objective == pytest.approx(track.mean[-1] - 0.5 * 2.0 * q.values.sum(), rel=1e-4)
    with pytest.raises(InvalidValueError, match="factor"):
        math.nan * final("T")


def test_sensitivity_and_prices_are_derivatives():
    mpc = tank(track={}, maximize=final("T"), moves={"Q": Move()}, horizon="10 min")
    plan = mpc.plan({"T": 20.0}, t=0.0)
    a = math.exp(-0.05 * 2.0)
    b = 0.5 * (1.0 - a) / 0.05
    np.testing.assert_allclose(plan.sensitivity["Q"], [b * a ** (4 - k) for k in range(5)], rtol=1e-4)
    prices = {binding.name: binding.price for binding in plan.binding}
    assert prices["Q"] == pytest.approx(b * a**4, rel=1e-3)


# ------------------------------------------------------------------------------------ offset-free control
def test_no_offset_under_constant_mismatch():
    plant = Tank(gain=0.35, loss=0.08)
    ekf = ExtendedKalmanFilter(
        Tank(), [Sensor("T", std=0.05)], {"T": 1.0}, disturb={"T": Disturbance(std=1.0, noise=0.3)},
        inputs={"Q": 0.0},
    )  # fmt: skip
    mpc, value, time, plan = tank(), 20.0, 0.0, None
    held = {0.0: 0.0}
    estimate = ekf.start()
    assert isinstance(estimate, StateEstimate)
    for _ in range(40):
        plan = mpc.plan(estimate, time, previous=plan)
        assert plan.status.fresh, plan.status.text
        held[time] = plan.moves["Q"].first
        run = tk.simulate(plant, until=time + 2.0, start=time, initial={"T": value}, inputs=plan.next_moves)
        value, time = float(run["T"].values[-1]), time + 2.0
        ekf = replace(ekf, inputs={"Q": tk.steps(held)})
        estimate = ekf.update(estimate, tk.Measurement("T", value, "degC", source_time=time))
    assert abs(value - 45.0) < 1e-3
    assert abs(float(plan.predicted["T"].mean[-1]) - 45.0) < 1e-3


# ------------------------------------------------------------------------------------ uncertainty
class Guess:
    """An estimate that is all uncertainty."""

    def __init__(self, mean, std, time=0.0, names=("T",), noise=0.0):
        self.time, self.time_unit, self.names = time, "min", names
        self.vector = np.array([mean] if np.ndim(mean) == 0 else mean, dtype=float)
        self.covariance = np.diag(np.square(np.atleast_1d(np.array(std, dtype=float))))
        self.noise, self.decay = np.full(len(names), noise), np.zeros(len(names))
        self.content_hash = "guess"


def test_margins_follow_the_covariance():
    mpc = tank(within={"T": (None, 40.0)}, confidence=0.95)
    plan = mpc.plan(Guess(20.0, 1.0))
    track = plan.predicted["T"]
    np.testing.assert_allclose(track.std, np.exp(-0.05 * track.times), rtol=1e-4)  # the tank forgets
    assert plan.status.fresh
    assert (track.mean[1:] + 1.6449 * track.std[1:] <= 40.0 + 0.06).all()
    (binding,) = (b for b in plan.binding if b.name == "T")
    assert binding.backoff > 0.0
    assert "margin" in binding.text


def test_uncertain_parameter_widens_the_fan():
    plan = tank().plan(Guess([20.0, 0.5], [0.0, 0.05], names=("T", "gain")))
    assert plan.predicted["T"].std[0] == 0.0
    assert plan.predicted["T"].std[-1] > 1.0


def test_chance_constraint_holds_as_often_as_asked():
    mpc = tank(within={"T": (None, 40.0)}, confidence=0.9, track={"T": 60.0}, horizon="20 min")
    plan = mpc.plan(Guess([20.0, 0.5], [0.5, 0.03], names=("T", "gain")))
    rng, q = np.random.default_rng(1), plan.moves["Q"].values
    t, gain = rng.normal(20.0, 0.5, 4000), rng.normal(0.5, 0.03, 4000)
    a, over = math.exp(-0.1), []
    for value in q:
        t = 20.0 + (t - 20.0) * a + gain * value * (1.0 - a) / 0.05
        over.append((t > 40.0).mean())
    assert 0.07 < max(over) < 0.13


# ------------------------------------------------------------------------------------ when something goes wrong
def test_estimate_that_is_not_finite():
    mpc = tank()
    failed = mpc.plan({"T": math.nan}, t=0.0)
    assert isinstance(failed.status, Failed)
    assert not failed.moves
    assert "not finite" in failed.status.text
    previous = mpc.plan({"T": 20.0}, t=0.0)
    plan = mpc.plan({"T": math.nan}, t=2.0, previous=previous)
    assert isinstance(plan.status, PreviousPlan)
    assert plan.moves["Q"].first == previous.moves["Q"].at(2.0)
    assert not plan.predicted
    assert plan.expires == previous.expires
    late = mpc.plan({"T": math.nan}, t=50.0, previous=plan)
    assert isinstance(late.status, Failed)
    safe = tank(moves={"Q": Move(safe=1.0)}).plan({"T": math.nan}, t=50.0, previous=plan)
    assert isinstance(safe.status, SafeSetpoint)
    assert safe.next_moves == {"Q": 1.0}


def test_limits_that_exclude_each_other():
    with pytest.raises(InvalidValueError, match="no value of 'T'"):
        tank(within={"T": (50.0, 40.0)})
    with pytest.raises(InvalidValueError, match="no value of 'Q'"):
        tank(moves={"Q": Move(bounds=(11.0, None))})
    crossing = tank(within={"T": (tk.ramps({0.0: 20.0, 40.0: 50.0}), 40.0)})
    plan = crossing.plan({"T": 20.0}, t=0.0)
    assert isinstance(plan.status, Failed)
    assert "no value of 'T'" in plan.status.text


def test_empty_feasible_set_is_never_a_plan():
    mpc = tank(within={"T": (60.0, None)})
    plan = mpc.plan({"T": 20.0}, t=0.0)
    assert isinstance(plan.status, Failed)
    assert not plan.moves
    safe = tank(within={"T": (60.0, None)}, moves={"Q": Move(safe=10.0)}).plan({"T": 20.0}, t=0.0)
    assert isinstance(safe.status, SafeSetpoint)
    assert safe.warnings


def test_previous_plan_that_would_leave_its_limits_is_not_continued():
    mpc = tank(within={"T": (None, 46.0)})
    previous = mpc.plan({"T": 20.0}, t=0.0)
    plan = mpc.plan({"T": 55.0}, t=2.0, previous=previous)
    assert isinstance(plan.status, Failed)
    assert "the previous plan" in plan.status.text


def test_solver_that_crashes(monkeypatch):
    mpc = tank()
    previous = mpc.plan({"T": 20.0}, t=0.0)

    def crash(*_):
        raise RuntimeError("segmented")

    monkeypatch.setattr(solving, "sqp", crash)
    plan = mpc.plan({"T": 20.0}, t=0.0)
    assert plan.status.solver in ("FATROP", "IPOPT")
    assert plan.status.fresh
    np.testing.assert_allclose(plan.moves["Q"].values, previous.moves["Q"].values, atol=1e-3)
    monkeypatch.setattr(solving, "solve_nonlinear", crash)
    again = mpc.plan({"T": 22.0}, t=2.0, previous=previous)
    assert again.status.usable
    assert not isinstance(again.status, Optimal)
    monkeypatch.setattr(rounds, "solved", crash)
    held = mpc.plan({"T": 22.0}, t=2.0, previous=previous)
    assert isinstance(held.status, PreviousPlan)
    assert "segmented" in held.status.text
    assert held.predicted


def test_ipopt_takes_over_from_fatrop(monkeypatch):
    def crash(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(solving, "sqp", crash)
    monkeypatch.setattr(solving, "SOLVERS", ("ipopt",))
    plan = tank(moves={"Q": Move(max_rate=1.0, blocking=2)}).plan({"T": 20.0}, t=0.0)
    assert plan.status.solver == "IPOPT"
    assert isinstance(plan.status, Optimal)


def test_deadline():
    mpc = tank(seconds=1e-9)
    plan = mpc.plan({"T": 20.0}, t=0.0)
    assert isinstance(plan.status, Failed)
    assert "deadline" in plan.status.text
    previous = tank().plan({"T": 20.0}, t=0.0)
    held = mpc.plan({"T": 20.5}, t=2.0, previous=previous)
    assert isinstance(held.status, PreviousPlan)
    assert held.valid_at(2.0)


def test_few_iterations_are_feasible_but_not_optimal():
    reactor = MPC(
        Reactor(), horizon=0.1, step=0.005, track={"C_b": 0.6}, moves={"F": Move(), "Q": Move()}, iterations=1,
        native=False, escalate=False,
    )  # fmt: skip
    plan = reactor.plan({"C_a": 0.8, "C_b": 0.4, "T_R": 134.14, "T_K": 130.0}, t=0.0)
    assert isinstance(plan.status, (Suboptimal, Failed))


# ------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"horizon": "1 min"}, InvalidValueError),
        ({"horizon": None}, InvalidValueError),
        ({"step": "-1 min"}, InvalidValueError),
        ({"step": "1 kg"}, UnitError),
        ({"moves": {}}, InvalidValueError),
        ({"moves": {"q": Move()}}, UnknownNameError),
        ({"moves": {"Q": 3.0}}, InvalidValueError),
        ({"track": {"Temp": 3.0}}, UnknownNameError),
        ({"track": {}}, InvalidValueError),
        ({"maximize": "T"}, InvalidValueError),
        ({"maximize": final("titre")}, UnknownNameError),
        ({"maximize": final("T"), "minimize": final("T")}, InvalidValueError),
        ({"within": {"T": 40.0}}, InvalidValueError),
        ({"within": {"T": ("1 kg", None)}}, UnitError),
        ({"confidence": 1.0}, InvalidValueError),
        ({"tolerance": 0.0}, InvalidValueError),
        ({"until": (30.0, 10.0), "horizon": None}, InvalidValueError),
    ],
)
def test_bad_settings(changes, error):
    with pytest.raises(error):
        tank(**changes)


def test_bad_arguments_of_plan():
    mpc = tank()
    with pytest.raises(UnknownNameError, match="'T'"):
        mpc.plan({"t": 3.0}, t=0.0)
    with pytest.raises(InvalidValueError, match="no value"):
        mpc.plan({}, t=0.0)
    with pytest.raises(InvalidValueError, match="later than the plan"):
        mpc.plan(Guess(20.0, 1.0, time=5.0), t=1.0)
    with pytest.raises(InvalidValueError, match="moved by the controller"):
        tank(inputs={"Q": 3.0}).plan({"T": 20.0}, t=0.0)
    with pytest.raises(InvalidValueError, match="starts from"):
        mpc.plan(3.0)


def test_an_older_estimate_is_carried_forward():
    plan = tank().plan(Guess(40.0, 1.0), t=10.0, applied={"Q": 0.0})
    assert plan.predicted["T"].mean[0] == pytest.approx(20.0 + 20.0 * math.exp(-0.5), rel=1e-6)
    assert plan.predicted["T"].std[0] == pytest.approx(math.exp(-0.5), rel=1e-6)


def test_plans_describe_themselves():
    plan = tank(within={"T": (None, 40.0)}).plan({"T": 20.0}, t=0.0)
    assert "T is at most 40" in plan.rationale
    assert "optimal" in repr(plan)
    assert "<table>" in plan._repr_html_()
    with pytest.raises(UnknownNameError):
        plan.track("nothing")
    assert plan.made_by["model"] == Tank().content_hash
    assert tank().content_hash != tank(tolerance=1e-2).content_hash


def test_plot(monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    axes = tank(within={"T": (None, 40.0)}).plan(Guess(20.0, 1.0)).plot()
    assert len(axes) == 2
    with pytest.raises(UnknownNameError):
        tank().plan({"T": 20.0}, t=0.0).plot("x")


def test_near_the_optimum_plans_take_few_iterations():
    """Where nothing is left to gain, an inaccurate quadratic programme once stopped the line search."""
    mpc = MPC(
        Reactor(), horizon="0.1 h", step="0.005 h", track={"C_b": Track(0.6)}, native=False,
        moves={"F": Move(penalty=0.1), "Q": Move(penalty=1e-3)}, within={"T_R": Within(None, 140.0, penalty=1e4)},
    )  # fmt: skip
    states, plan, taken = {"C_a": 0.8, "C_b": 0.4, "T_R": 134.14, "T_K": 130.0}, None, []
    for k in range(60):
        plan = mpc.plan(states, t=0.005 * k, previous=plan)
        assert isinstance(plan.status, Optimal)
        taken.append(plan.status.iterations)
        states = {name: float(plan.predicted[name].mean[1]) for name in states}
    assert max(taken) <= 8
    assert max(taken[50:]) <= 2


def test_a_steadily_receding_horizon_starts_from_how_the_plans_changed():
    mpc = MPC(
        Reactor(), horizon="0.1 h", step="0.005 h", track={"C_b": Track(0.6)}, native=False,
        moves={"F": Move(penalty=0.1), "Q": Move(penalty=1e-3)},
    )  # fmt: skip
    states, plan, drifts = {"C_a": 0.8, "C_b": 0.4, "T_R": 134.14, "T_K": 130.0}, None, []
    for k in range(30):
        plan = mpc.plan(states, t=0.005 * k, previous=plan)
        drifts.append(plan.warm.drifts)
        assert plan.warm.earlier is None or plan.warm.earlier.earlier is None  # nothing piles up
        states = {name: float(plan.predicted[name].mean[1]) for name in states}
    assert any(drifts)
    fresh = mpc.plan(states, t=0.15)
    followed = mpc.plan(states, t=0.15, previous=plan, applied=mpc_moves(mpc))
    assert isinstance(followed.status, Optimal)
    np.testing.assert_allclose(followed.moves["F"].values, fresh.moves["F"].values, atol=0.05)


def mpc_moves(mpc):
    """Return the moves in force where there is no previous plan."""
    labels = [m.place.label for m in mpc.settings.movers]
    return dict(zip(labels, mpc.moves_in_force(0.15).tolist(), strict=True))


def test_what_is_worked_out_later_is_the_same_after_a_copy():
    plan = tank().plan({"T": 20.0}, t=0.0)
    copy = pickle.loads(pickle.dumps((plan.predicted, plan.binding, plan.sensitivity)))
    assert list(copy[0]) == list(plan.predicted)
    np.testing.assert_array_equal(copy[0]["T"].mean, plan.predicted["T"].mean)
    assert plan.binding == copy[1]
    np.testing.assert_array_equal(copy[2]["Q"], plan.sensitivity["Q"])


def test_limits_that_never_change_are_those_of_every_plan():
    """What is asked at the nodes is remembered for a number of nodes: a last, shorter step is not one of them."""
    mpc = tank(horizon="20 min", until="50 min", within={"T": (None, "40 degC")}, track={"T": 45.0})
    plans = [mpc.plan({"T": 30.0}, t=t) for t in (0.0, 20.0, 31.0, 45.0)]
    for plan in plans:
        assert plan.predicted["T"].mean[1:].max() <= 40.0 + 1e-3
    assert [len(plan.moves["Q"].values) for plan in plans] == [10, 10, 10, 3]


def test_feeding_cells_that_use_up_everything():
    """Glucose runs out within a step; kinetics have a pole just below zero, and oxygen is a thousand times faster."""
    model = tk.unitops.CHOFedBatch()
    mpc = MPC(
        model, until="8 d", step="24 h", maximize=final("mAb"), moves={"F": Move(bounds=(0, "3 mL/h"))},
        within={"Glc": (None, "60 mmol/L"), "V": (None, "2 L")}, escalate=False, native=False,
    )  # fmt: skip
    values = model.values()
    plan = mpc.plan({name: values[name] for name in model.layout.states.labels}, t=0.0)
    assert isinstance(plan.status, Optimal), plan.status.text
    assert min(plan.predicted["Glc"].mean) > -1e-3
    assert plan.objective > 1.0


def test_far_from_a_reference_curvature_takes_over():
    """Cells that take days to grow to the reference: Gauss-Newton alone needs more than 50 iterations."""
    model = tk.unitops.CHOPerfusion()
    settings = {
        "horizon": "10 d", "step": "12 h", "track": {"Xv": 20.0}, "within": {"Glc": (5, None)}, "escalate": False,
        "moves": {"bleed": Move(bounds=(0.02, 0.5), penalty=0.01), "exchange": Move(bounds=(0.5, 4), penalty=0.01)},
        "native": False,
    }  # fmt: skip
    start = {name: model.values()[name] for name in model.layout.states.labels}
    plan, squares = (MPC(model, **settings, second_derivatives=s).plan(start, t=0.0) for s in (None, False))
    assert isinstance(plan.status, Optimal), plan.status.text
    assert plan.status.iterations < 30
    assert isinstance(squares.status, Suboptimal)
    assert plan.objective <= squares.objective


@pytest.mark.parametrize("solver", ["fatrop", "ipopt"])
def test_nonlinear_solvers_take_implicit_stages_as_unknowns(solver, monkeypatch):
    """A stiff model that uses up what it lives on: the same plan as that of SQP."""
    model = tk.unitops.CHOFedBatch()
    mpc = MPC(
        model, until="3 d", step="24 h", maximize=final("mAb"), moves={"F": Move(bounds=(0, "3 mL/h"))},
        within={"Glc": (None, "60 mmol/L")}, native=False,
    )  # fmt: skip
    start = {name: model.values()[name] for name in model.layout.states.labels}
    expected = mpc.plan(start, t=0.0)
    monkeypatch.setattr(solving, "_sequential", _unable)
    monkeypatch.setattr(solving, "SOLVERS", (solver,))
    plan = mpc.plan(start, t=0.0)
    assert isinstance(plan.status, Optimal), plan.status.text
    assert plan.status.solver == solver.upper()
    assert plan.objective == pytest.approx(expected.objective, rel=1e-5)


def _unable(tasks, guess, shared, iterations, until):
    return solving.Attempt(guess, (None,) * len(tasks), OptimiserFailed("SQP", 0, "switched off"))


class Runaway(tk.Model):
    """With the greatest moves it is infinite before the end of a plan."""

    time_unit = "h"
    x = tk.State("", initial=0.5, nominal=1.0)
    u = tk.Input("1/h", default=0.0, bounds=(0, 6))

    def equations(self, v, m):
        return {"x": v.u * v.x**2 - m.quantity(1.0, "1/h") * v.x}


def test_a_start_that_leads_nowhere_leaves_the_others():
    settings = {"horizon": 4, "step": 0.5, "maximize": final("x"), "within": {"x": (None, 0.8)}, "native": False}
    plan = MPC(Runaway(), moves={"u": Move()}, starts=4, **settings).plan({"x": 0.5}, t=0)
    assert isinstance(plan.status, Optimal), plan.status.text


def test_a_plan_of_another_controller_is_no_warm_start():
    other = tank().plan({"T": 20.0}, t=0.0)
    mpc = tank(within={"T": (None, 60.0), "power": (None, 9.0)}, maximize=integral("T"))
    plan = mpc.plan({"T": 22.0}, t=2.0, previous=other)
    assert isinstance(plan.status, Optimal), plan.status.text


def test_what_determines_plans_determines_the_hash():
    known = {tank(**change).content_hash for change in ({}, {"inputs": {"room": 18.0}}, {"inputs": {"room": 19.0}},
             {"seconds": 2.0}, {"escalate": False}, {"moves": {"Q": Move(penalty=0.01, scale=3.0)}})}  # fmt: skip
    assert len(known) == 6


def test_a_limit_at_the_end_does_not_bind_where_the_last_step_starts():
    """Also for an output that changes at once with a move."""

    class Draining(tk.Model):
        """A level that is drained; its probe sees a little of the flow."""

        time_unit = "h"
        x = tk.State("", initial=10.0, nominal=10.0)
        u = tk.Input("1/h", default=0.0, bounds=(0, 5))
        y = tk.Output("")

        def equations(self, v, m):
            return {"x": -v.u, "y": v.x + 1e-4 * v.u / m.quantity(1.0, "1/h")}

    settings = {"horizon": 4, "step": 1, "minimize": -1.0 * integral("x"), "moves": {"u": Move()}, "native": False}
    plan = MPC(Draining(), within={"y": Within(None, 8.0, at_end=True)}, **settings).plan({"x": 10.0}, t=0)
    assert isinstance(plan.status, Optimal)
    assert plan.moves["u"].values == pytest.approx([0.0, 0.0, 0.0, 2.0002], abs=1e-3)
