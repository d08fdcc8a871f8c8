"""A design space as the limits of a controller."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.core import InvalidValueError, UnitError, UnknownNameError


class Heater(tk.Model):
    """A heated tank with a wall."""

    time_unit = "min"
    T = tk.State("degC", initial=20.0, nominal=50.0)
    wall = tk.State("degC", initial=20.0, nominal=50.0)
    Q = tk.Input("kW", default=0.0, bounds=(0, 20))

    def equations(self, v, m):
        exchange = m.quantity(0.2, "1/min") * (v.wall - v.T)
        loss = m.quantity(0.05, "1/min") * (v.wall - m.quantity(20.0, "degC"))
        return {"wall": m.quantity(0.5, "delta_degC/min/kW") * v.Q - exchange - loss, "T": exchange}


NAMES = {"T": "degC", "wall": "degC", "Q": "kW"}


def controller(space, **more):
    settings = {"horizon": "60 min", "step": "3 min", "track": {"T": 60.0}, "moves": {"Q": tk.Move()}, "native": False}
    return tk.MPC(Heater(), within=space, **{**settings, **more})


def test_ranges_are_hard_limits_in_the_units_of_the_space():
    space = tk.DesignSpace({"T": "K", "Q": "W"}, {"T": (None, 313.15), "Q": (0.0, 8000.0)})
    plan = controller(space).plan({"T": 20.0, "wall": 20.0}, t=0.0)
    assert plan.status.fresh
    assert plan.predicted["T"].mean.max() == pytest.approx(40.0, abs=0.06)
    assert plan.moves["Q"].values.max() == pytest.approx(8.0, abs=1e-2)
    for t, q in zip(plan.predicted["T"].mean[1:], plan.moves["Q"].values, strict=True):
        assert space.contains({"T": f"{t} degC", "Q": f"{round(q, 9)} kW"})


def test_limits_of_several_quantities():
    stress = tk.Combination(title="stress", weights={"wall": 1.0, "T": -1.0}, unit="delta_degC", high=6.0)
    curve = tk.Response(title="dose", over=("T", "Q"), function=lambda v, m: v.T * m.sqrt(v.Q + 1.0), high=120.0)
    space = tk.DesignSpace(NAMES, [stress, curve])
    plan = controller(space).plan({"T": 20.0, "wall": 20.0}, t=0.0)
    assert plan.status.fresh, plan.status.text
    tracks = {name: plan.predicted[name].mean[1:] for name in ("T", "wall", "stress", "dose")}
    np.testing.assert_allclose(tracks["stress"], tracks["wall"] - tracks["T"], atol=1e-9)
    np.testing.assert_allclose(tracks["dose"], tracks["T"] * np.sqrt(plan.moves["Q"].values + 1.0), atol=1e-8)
    assert tracks["stress"].max() <= 6.0 * (1 + 2e-3)
    assert tracks["dose"].max() <= 120.0 * (1 + 2e-3)
    assert {b.name for b in plan.binding} & {"stress", "dose"}


def test_uncertainty_reaches_limits_of_several_quantities():
    class Guess:
        time, time_unit, names, content_hash = 0.0, "min", ("T", "wall"), "guess"
        vector, covariance = np.array([20.0, 20.0]), np.diag([1.0, 4.0])
        noise = decay = np.zeros(2)

    stress = tk.Combination(title="stress", weights={"wall": 1.0, "T": -1.0}, unit="delta_degC", high=6.0)
    plan = controller(tk.DesignSpace(NAMES, [stress]), confidence=0.95).plan(Guess())
    track = plan.predicted["stress"]
    assert track.std[0] == pytest.approx(np.sqrt(5.0))
    assert (track.mean[1:] + 1.6449 * track.std[1:] <= 6.0 + 0.15).all()


def test_phases():
    late = tk.Range(variable="T", high=30.0, start="0.5 h")
    plan = controller(tk.DesignSpace({"T": "degC"}, [late])).plan({"T": 20.0, "wall": 20.0}, t=0.0)
    track = plan.predicted["T"]
    assert plan.status.fresh
    assert track.mean[track.times >= 30.0].max() <= 30.0 + 0.06
    assert track.mean[track.times < 30.0].max() > 31.0


def test_content_hash_tells_spaces_apart():
    spaces = [
        tk.DesignSpace({"T": "degC"}, [tk.Range(variable="T", high=30.0, start=start)]) for start in ("0.5 h", "1 h")
    ]
    assert controller(spaces[0]).content_hash != controller(spaces[1]).content_hash
    assert controller(spaces[0]).content_hash == controller(tk.DesignSpace.from_json(spaces[0].to_json())).content_hash


def test_what_does_not_fit():
    with pytest.raises(UnknownNameError, match="purity"):
        controller(tk.DesignSpace({"purity": ""}, {"purity": (0.9, None)}))
    with pytest.raises(UnitError):
        controller(tk.DesignSpace({"T": "kg"}, {"T": (0.9, None)}))
    with pytest.raises(InvalidValueError, match="DesignSpace"):
        controller("T < 30")
