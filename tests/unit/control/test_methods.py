"""How plans integrate their models: explicitly, or implicitly where they are stiff."""

import numpy as np
import pytest
from benchmarks.mpc import CASES, controller, run

import twinkit as tk
from twinkit.control import MPC, Move, Optimal, Radau, RungeKutta4, Track, Within, final, integral
from twinkit.core import InvalidValueError


class Coated(tk.Model):
    """A heated wall with a thin coat that follows it three hundred times faster."""

    time_unit = "min"
    wall = tk.State("degC", initial=20.0, nominal=50.0)
    coat = tk.State("degC", initial=20.0, nominal=50.0)
    Q = tk.Input("kW", default=0.0, bounds=(0, 10))
    fast = tk.Parameter("1/min", 30.0)

    def equations(self, v, m):
        room = m.quantity(20.0, "degC")
        loss = (
            m.quantity(0.05, "1/min")
            * (v.coat - room)
            * (1.0 + 0.2 * m.tanh((v.coat - room) / m.quantity(10.0, "delta_degC")))
        )
        return {"wall": m.quantity(0.5, "delta_degC/min/kW") * v.Q - loss, "coat": v.fast * (v.wall - v.coat)}


class Buffered(tk.Model):
    """An acid that is fed and used up, in equilibrium with its ions: a differential-algebraic system."""

    time_unit = "h"
    acid = tk.State("mmol/L", initial=1.0, bounds=(0, None), nominal=5.0)
    ions = tk.Algebraic("mmol/L", initial=0.5, nominal=1.0)
    feed = tk.Input("mmol/L/h", default=0.0, bounds=(0, 4))
    strength = tk.Parameter("mmol/L", 0.4)

    def equations(self, v, m):
        used = m.quantity(0.6, "1/h") * v.ions
        return {"acid": v.feed - used, "ions": v.ions**2 - v.strength * (v.acid - v.ions)}


def coated(**changes):
    settings = {
        "horizon": "40 min", "step": "2 min", "track": {"coat": Track(45.0)}, "moves": {"Q": Move(penalty=0.01)},
        "native": False, "rtol": 1e-6, "tolerance": 1e-5,
    }  # fmt: skip
    return MPC(Coated(), **{**settings, **changes})


def buffered(**changes):
    settings = {
        "horizon": "5 h", "step": "0.5 h", "maximize": final("acid") - 0.2 * integral("feed"),
        "moves": {"feed": Move(penalty=0.01)}, "within": {"ions": (None, 1.2)}, "native": False, "rtol": 1e-6,
        "tolerance": 1e-5,
    }  # fmt: skip
    return MPC(Buffered(), **{**settings, **changes})


@pytest.mark.parametrize(
    ("made", "start"),
    [
        (coated, {"wall": 20.0, "coat": 20.0}),
        (lambda **more: coated(second_derivatives=True, **more), {"wall": 20.0, "coat": 20.0}),
        (buffered, {"acid": 1.0}),
    ],
)
def test_both_methods_lead_to_the_same_optimum(made, start):
    explicit, implicit = (made(method=one).plan(start, t=0.0) for one in (RungeKutta4(), Radau()))
    for plan in (explicit, implicit):
        assert isinstance(plan.status, Optimal), plan.status.text
    assert (explicit.warm.method, implicit.warm.method) == (0, 1)
    assert implicit.objective == pytest.approx(explicit.objective, rel=1e-5)
    for name, move in explicit.moves.items():
        np.testing.assert_allclose(implicit.moves[name].values, move.values, atol=2e-3)


def test_a_stiff_model_is_integrated_implicitly_and_a_mild_one_explicitly():
    start = {"wall": 20.0, "coat": 20.0}
    stiff = coated(rtol=1e-4).plan(start, t=0.0)
    assert (stiff.warm.method, stiff.warm.substeps) == (1, 1)
    mild = MPC(
        Coated(fast=0.5), horizon="40 min", step="2 min", track={"coat": 45.0}, moves={"Q": Move(penalty=0.01)},
        native=False, rtol=1e-4,
    ).plan(start, t=0.0)  # fmt: skip
    assert mild.warm.method == 0


def test_a_plan_that_was_integrated_otherwise_is_followed_all_the_same():
    start = {"wall": 20.0, "coat": 20.0}
    first = coated(method=RungeKutta4()).plan(start, t=0.0)
    later = coated(method=Radau()).plan(
        {"wall": first.predicted["wall"].mean[1], "coat": first.predicted["coat"].mean[1]}, t=2.0, previous=first
    )
    assert isinstance(later.status, Optimal), later.status.text
    assert later.warm.method == 1


@pytest.mark.parametrize("method", ["radau", 1, Radau])
def test_what_is_no_method_is_refused(method):
    with pytest.raises(InvalidValueError, match=r"RungeKutta4\(\) or Radau\(\)"):
        coated(method=method)


def test_the_method_is_part_of_the_identity():
    assert len({coated(method=one).content_hash for one in (None, RungeKutta4(), Radau())}) == 3


def test_a_soft_limit_that_cannot_be_kept_is_exceeded_as_little_as_possible():
    """The wall cannot cool faster than it does with no heat: so the plan is no heat until the limit holds again."""
    mpc = coated(track={"wall": 40.0}, within={"wall": Within(None, 35.0, penalty=1e3)})
    plan = mpc.plan({"wall": 40.0, "coat": 40.0}, t=0.0)
    later = mpc.plan(
        {name: plan.predicted[name].mean[1] for name in ("wall", "coat")}, t=2.0, previous=plan
    )  # fmt: skip
    for one in (plan, later):
        assert isinstance(one.status, Optimal), one.status.text
        assert one.moves["Q"].first == pytest.approx(0.0, abs=1e-6)
        assert one.predicted["wall"].mean[1] > 35.0
        assert one.predicted["wall"].mean[-1] == pytest.approx(35.0, abs=2e-3)


def test_polymerisation_is_optimal_and_checked_from_the_start():
    """The reactor of do-mpc, whose own example applies iterates that keep no limits; see benchmarks/mpc.py."""
    case = CASES["polymerisation"]
    mpc, labels, plan = controller(case, False, 1e-4), case.model.layout.states.labels, None
    x = np.array([case.model.values()[label] for label in labels], dtype=float)
    for k in range(6):
        given = dict(zip(labels, x.tolist(), strict=True))
        plan = mpc.plan(given, t=k * case.step, previous=plan, applied=None if plan else case.before)
        assert isinstance(plan.status, Optimal), plan.status.text
        moves = np.array([[move.values[0] for move in plan.moves.values()]])
        x = run(case, {}, x, moves)[0]
        assert x[labels.index("T_adiab")] < 382.16
        assert 361.14 < x[labels.index("T_R")] < 365.16
    assert plan.warm.method == 1
