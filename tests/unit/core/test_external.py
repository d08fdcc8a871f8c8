"""Equations that hold a function which can only be called: identity, readings, plans and estimates."""

import hashlib
from dataclasses import dataclass

import casadi as ca
import numpy as np
import pytest

import twinkit as tk
from twinkit.core import External, ExternalEquationsError
from twinkit.estimate import ExtendedKalmanFilter
from twinkit.optimise import augmented
from twinkit.readings.casadi import casadi_model
from twinkit.readings.dimensions import check_dimensions
from twinkit.readings.jax import jax_functions
from twinkit.readings.numeric import numeric_functions
from twinkit.readings.sympy import SYMPY


@dataclass(frozen=True)
class Monod:
    """``(c, k) -> (rate, half of it)`` as something that can only be called."""

    half: float = 0.5
    exact: bool = True
    label: str = "the box"
    sizes: tuple[int, ...] = (1, 1)

    @property
    def content_hash(self):
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @property
    def symbolic(self):
        c, k = ca.MX.sym("c"), ca.MX.sym("k")
        rate = k * c / (c + self.half)
        return ca.Function("monod", [c, k], [rate, 0.5 * rate], {"never_inline": True})

    def __call__(self, *arguments):
        c, k = arguments
        rate = k * c / (c + self.half)
        return rate, 0.5 * rate


class Called(tk.Model):
    """Decay whose rate can only be asked for."""

    time_unit = "h"
    box = tk.Option(1, choices=(1, 2))
    c = tk.State("g/L", 2.0, nominal=1.0)
    F = tk.Input("g/L/h", 0.0, bounds=(0, 3), nominal=1.0)
    k = tk.Parameter("", 0.7)
    seen = tk.Output("g/L/h")

    def equations(self, v, m):
        one = m.quantity(1.0, "g/L")
        per = m.quantity(1.0, "g/L/h")
        rate, half = m.external(BOXES[v.box], m.stack([v.c / one]), m.stack([v.k]))
        return {"c": v.F - per * rate[0], "seen": per * half[0]}


class Written(Called):
    """The same, written down."""

    def equations(self, v, m):
        rate = v.k * v.c / (v.c + m.quantity(0.5, "g/L")) * m.quantity(1.0, "g/L/h")
        return {"c": v.F - rate, "seen": 0.5 * rate}


class Two(tk.Model):
    """A model with algebraic variables around one whose equations can only be called."""

    time_unit = "h"
    inner = Called()
    a = tk.Algebraic("g/L/h", 0.5)
    u = tk.Input("g/L/h", 0.5, bounds=(0, 3), nominal=1.0)

    def equations(self, v, m):
        v.inner(F=v.a)
        return {"a": v.a + 0.2 * v.a**3 / m.quantity(1.0, "(g/L/h)**2") - v.u}


class TwoWritten(Two):
    """The same, written down."""

    inner = Written()


BOXES = {1: Monod(), 2: Monod(half=0.7)}


def test_it_is_an_external_function():
    assert isinstance(Monod(), External)
    assert not isinstance(np.sin, External)


def test_what_is_called_is_part_of_the_identity():
    one, two = Called(), Called(box=2)
    assert one.structure.externals == (BOXES[1],)
    assert two.structure.externals == (BOXES[2],)
    assert Written().structure.externals == ()
    assert len({one.definition_hash, two.definition_hash, Written().definition_hash}) == 3
    assert Called().definition_hash == one.definition_hash
    assert one.structure.incidence["c"] == {"c", "F", "k"}
    assert one.structure.incidence["seen"] == {"c", "k"}


def test_readings_that_can_call_it_agree_with_the_equations():
    check_dimensions(Called())
    point = 0.0, np.array([1.5]), np.zeros(0), np.array([0.3]), np.array([0.7])
    wanted = numeric_functions(Written())(*point)
    symbolic = casadi_model(Called(), external=True)
    assert symbolic.kind is ca.MX
    for found in (numeric_functions(Called())(*point), symbolic.equations(*point)):
        for own, other in zip(found, wanted, strict=True):
            assert np.asarray(own).ravel() == pytest.approx(other, rel=1e-15)


def test_wrong_units_around_it_are_found():
    class Wrong(Called):
        def equations(self, v, m):
            rate, half = m.external(Monod(), m.stack([v.c]), m.stack([v.k]))
            per = m.quantity(1.0, "g/L/h")
            return {"c": -per * rate[0], "seen": per * half[0]}

    with pytest.raises(tk.UnitError, match="an argument of the box"):
        check_dimensions(Wrong())


@pytest.mark.parametrize(
    "read",
    [
        lambda model: casadi_model(model),
        lambda model: jax_functions(model)(0.0, np.ones(1), np.ones(0), np.ones(1), np.ones(1)),
        lambda model: model.equations(type("V", (), {"box": 1, "c": 1.0, "k": 1.0})(), SYMPY),
        lambda model: tk.simulate(model, 1.0, solver=tk.Compiled()),
    ],
)
def test_readings_that_cannot_say_so(read):
    pytest.importorskip("jax")
    with pytest.raises(ExternalEquationsError, match="the box"):
        read(Called())


def test_a_run_and_an_estimate_are_those_of_the_equations():
    ends, estimates = [], []
    for model in (Called(), Written()):
        ends.append(tk.simulate(model, 3.0, solver=tk.Cvodes(), inputs={"F": 0.2}).at(3.0)["c"])
        ekf = ExtendedKalmanFilter(
            model, [tk.Sensor("seen", std=0.01)], initial_std={"c": 0.3}, adapt={"k": tk.Adaptation(std=0.1)},
            disturb={"c": tk.Disturbance(std=0.05, noise=0.01), "F": tk.Disturbance(std=0.05, noise=0.01)},
        )  # fmt: skip
        estimates.append(ekf.update(ekf.start(0.0), tk.Measurement("seen", 0.25, "g/L/h", 1.0)))
    assert ends[0] == pytest.approx(ends[1], rel=1e-7)
    assert estimates[0].vector == pytest.approx(estimates[1].vector, rel=1e-9)
    assert estimates[0].covariance == pytest.approx(estimates[1].covariance, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("pair", [(Called, Written), (Two, TwoWritten)])
@pytest.mark.parametrize("asked", ["track", "minimize"])
def test_a_plan_is_that_of_the_equations(pair, asked):
    plans = []
    for kind in pair:
        model = kind()
        place, move = ("inner.c", "u") if "inner.c" in model.layout.states else ("c", "F")
        goal = {"track": {place: 1.0}} if asked == "track" else {
            "minimize": -1.0 * tk.final(place) + 0.4 * tk.integral(move)
        }  # fmt: skip
        mpc = tk.MPC(
            model, horizon=5.0, step=0.5, moves={move: tk.Move(penalty=0.05)}, within={place: (None, 2.2)}, **goal
        )
        plans.append((mpc.plan({place: 2.0}, 0.0), move))
    (called, move), (written, _) = plans
    assert called.status.fresh
    assert type(called.status) is type(written.status)
    assert np.asarray(called.moves[move].values) == pytest.approx(np.asarray(written.moves[move].values), abs=1e-6)


def test_the_symbols_of_an_augmented_model_are_of_its_kind():
    assert augmented(Called()).kind is ca.MX
    assert augmented(Written(), (), [("state", 0, 0.0)]).kind is ca.SX
