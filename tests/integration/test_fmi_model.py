"""FMUs as models: planned with, estimated with, run and flattened, and held against the same equations written down."""

import copy
import os
import pickle
import subprocess
import sys
import threading
import warnings
import zipfile

import casadi as ca
import numpy as np
import pytest

import twinkit as tk
from twinkit.control import Failed, Optimal, PreviousPlan, SafeSetpoint, Suboptimal
from twinkit.core import ExternalEquationsError
from twinkit.estimate import (
    EstimatorComponent,
    ExtendedKalmanFilter,
    MovingHorizonEstimator,
    UnscentedKalmanFilter,
)
from twinkit.fmi import DerivativeWarning, UnsupportedFMUError
from twinkit.graph import GaussSeidel
from twinkit.optimise import Failed as SolverFailed
from twinkit.readings.dimensions import check_dimensions
from twinkit.readings.jax import jax_functions
from twinkit.readings.numeric import evaluate_at
from twinkit.unitops import JacketedTank

pytest.importorskip("fmpy", reason="FMPy is not installed (the extra 'fmi')")


TUNABLE = 'valueReference="4" causality="parameter" variability="tunable"'


class Oven(tk.Model):
    """What fmus/oven2.c computes."""

    time_unit = "s"
    T = tk.State("degC", 20.0, nominal=50.0)
    wall = tk.State("degC", 20.0, nominal=50.0)
    Q = tk.Input("kW", 0.0, bounds=(0, 20))
    gain = tk.Parameter("", 2.0, bounds=(0, None))
    warm = tk.Output("", nominal=50.0)

    def equations(self, v, m):
        one = m.quantity(1.0, "delta_degC")
        hot, wall = ((x - m.quantity(0.0, "degC")) / one for x in (v.T, v.wall))
        heating = v.Q / m.quantity(1.0, "kW")
        rate = m.quantity(1.0, "delta_degC/s")
        return {
            "T": rate * (v.gain * heating * 100 / (100 + hot) - 0.3 * (hot - wall)),
            "wall": rate * (0.1 * (hot - wall) - 0.02 * (wall - 20)),
            "warm": 0.5 * (hot + wall) + heating,
        }


MOVES = {"Q": tk.Move(penalty=0.01, scale=20.0, safe=0.0)}


def both(path, **options):
    """Return the written model and the FMU as one, each with the name of its wall's temperature."""
    return (Oven(), "wall"), (tk.fmi.model(path, ["gain"], **options), "wall.T")


def controller(model, **changes):
    asked = {"horizon": 40, "step": 2, "track": {"T": 60.0}, "moves": MOVES, "native": False}
    return tk.MPC(model, **{**asked, **changes})


def assert_same(plan, other, wall="wall.T", within=1e-6):
    """Check that two plans are the same, moves and predictions with their uncertainty."""
    assert type(plan.status) is type(other.status) is Optimal
    for name, move in plan.moves.items():
        assert np.asarray(other.moves[name].values) == pytest.approx(np.asarray(move.values), rel=within, abs=within)
    for name, track in plan.predicted.items():
        same = other.predicted[wall if name == "wall" else name]
        assert same.mean == pytest.approx(track.mean, rel=within, abs=within)
        assert same.std == pytest.approx(track.std, rel=1e-5, abs=within)


@pytest.mark.parametrize(
    ("old", "new", "within"),
    [
        ("oven2", "oven2", 1e-8),
        ('providesDirectionalDerivative="true"', "", 1e-5),
        (TUNABLE, TUNABLE.replace("tunable", "fixed"), 1e-8),
    ],
)
def test_derivatives_are_those_of_the_equations(oven, tmp_path, old, new, within):
    """By states, inputs and parameters, of all or of one, and along a direction that turns out to be none."""
    path = altered(oven, tmp_path / "other.fmu", old, new)
    equations = tk.fmi.casadi_function(path, ["gain"], outputs=["warm"]).equations
    x, u, p, duty = ca.MX.sym("x", 2), ca.MX.sym("u"), ca.MX.sym("p"), ca.MX.sym("duty")
    rates, warm = equations(0, x, u, p)
    lagging = ca.substitute([ca.vertcat(rates, warm)], [u], [p * duty])[0]
    wanted = [ca.jacobian(rates, ca.vertcat(x, u, p)), ca.jacobian(warm, x), ca.jacobian(warm, u)]
    found = [np.array(one) for one in ca.Function("d", [x, u, p], wanted)([30.0, 25.0], 1.5, 2.0)]
    slope = 1.5 * 100 / 130
    expected = [[-2 * slope / 130 - 0.3, 0.3, 200 / 130, slope], [0.1, -0.12, 0.0, 0.0]]
    np.testing.assert_allclose(found[0], expected, rtol=within, atol=within)
    np.testing.assert_allclose(found[1], [[0.5, 0.5]], rtol=within)
    np.testing.assert_allclose(found[2], [[1.0]], rtol=within)
    by_x, by_p = (ca.Function("d", [x, p, duty], [ca.jacobian(lagging, one)])([30, 25], 2.0, 0.0) for one in (x, p))
    assert float(by_x[0, 1]) == pytest.approx(0.3, rel=within)
    np.testing.assert_allclose(np.array(by_p), 0.0, atol=1e-9)


# -- what it is ----------------------------------------------------------------------------------------------------
def test_a_model_has_what_the_fmu_says(oven):
    model = tk.fmi.model(oven, ["gain"], outputs=["loss"], start={"limit": 90.0, "T": 25.0})
    layout = model.layout
    assert layout.states.labels == ["T", "wall.T"]
    assert layout.inputs.labels == ["Q"]
    assert layout.parameters.labels == ["gain"]
    assert layout.outputs.labels == ["warm", "loss"]
    heating = layout.inputs["Q"].variable
    assert (heating.unit, heating.bounds, heating.doc) == ("kW", (0.0, 20.0), "heating")
    assert layout.states["wall.T"].variable.scale == 50.0
    assert model.values() == {"T": 25.0, "wall.T": 20.0, "Q": 0.0, "gain": 2.0}
    assert (model.T, model.gain, model.time_unit) == (25.0, 2.0, "s")
    assert evaluate_at(model, {"wall.T": 70.0}).outputs["loss"] == 1.0
    assert model.notes == ("output 'count' is left out: it is Int32",)
    check_dimensions(model)
    assert "wall.T" in str(model.describe())
    with pytest.raises(tk.UnknownNameError, match="gain"):
        _ = model.gian


def test_values_change_as_those_of_any_model(oven):
    model = tk.fmi.model(oven, ["gain"])
    assert model == tk.fmi.model(oven, "gain") == tk.fmi.model(oven, ["gain", "gain"])
    warmer = model.with_({"wall.T": "303.15 K"}, T=25.0)
    assert warmer.values_of("wall.T") == pytest.approx(30.0)
    assert evaluate_at(warmer.with_(gain=1.0, Q=10.0)).derivatives["T"] == pytest.approx(1000 / 125 + 0.3 * 5.0)
    assert warmer != model == tk.fmi.model(oven, ["gain"])
    assert type(model).from_json(warmer.to_json()) == warmer
    with pytest.raises(tk.UnknownNameError, match=r"wall\.T"):
        model.with_({"wall.X": 3.0})
    with pytest.raises(tk.BoundsError):
        model.with_(gain=-1.0)


def test_identity_is_that_of_file_and_use(oven, tmp_path):
    model = tk.fmi.model(oven, ["gain"])
    moved = tmp_path / "other.fmu"
    moved.write_bytes(oven.read_bytes())
    assert tk.fmi.model(moved, ["gain"]).content_hash == model.content_hash
    others = [tk.fmi.model(oven), tk.fmi.model(oven, ["gain"], start={"limit": 90.0}), model.with_(gain=3.0)]
    assert len({model.content_hash, *(other.content_hash for other in others)}) == 4


def test_it_is_pickled_by_its_file(oven, tmp_path):
    place = tmp_path / "plant.fmu"
    place.write_bytes(oven.read_bytes())
    model = tk.fmi.model(place, ["gain"]).with_({"wall.T": 31.0})
    data = pickle.dumps(model)
    assert pickle.loads(data) == copy.deepcopy(model) == model
    place.write_bytes(oven.read_bytes() + b"\n")
    with pytest.raises(tk.DataError, match=r"plant\.fmu"):
        pickle.loads(data)


def test_time_can_be_counted_otherwise(oven):
    model = tk.fmi.model(oven, time_unit="min")
    assert evaluate_at(model, {"Q": 10.0}).derivatives["T"] == pytest.approx(60.0 * 2.0 * 1000 / 120)
    assert tk.fmi.model(oven).content_hash != model.content_hash


# -- plans ---------------------------------------------------------------------------------------------------------
PLANS = {
    "tracking": {"within": {"WALL": (None, 40.0)}},
    "output": {"track": {"warm": 45.0}, "within": {"warm": tk.Within(None, 50.0, penalty=10.0)}},
    "chance": {"within": {"WALL": (None, 40.0)}, "confidence": 0.95},
    "scenarios": {"within": {"WALL": (None, 40.0)}, "scenarios": {"a": {}, "b": {"gain": 1.7}}},
    "economic": {"track": {}, "within": {"T": (None, 50.0)},
                 "minimize": ((-1.0, tk.final, "WALL"), (0.1, tk.integral, "Q"))},
    "curved output": {
        "track": {}, "within": {"warm": (None, 60.0)}, "minimize": ((-1.0, tk.final, "WALL"), (0.02, tk.integral, "Q")),
    },
    "free end": {
        "track": {}, "horizon": None, "until": (10.0, 60.0),
        "minimize": ((1.0, tk.integral, "warm"), (-3.0, tk.final, "WALL")), "within": {"T": (None, 50.0)},
    },
    "native": {"native": True},
    "uncertain parameter": {
        "within": {"WALL": (None, 40.0)}, "native": True, "confidence": 0.95,
        "uncertainty": tk.ParameterSet(("gain",), (2.0,), ("",), np.array([[0.01]])),
    },
}  # fmt: skip


def settings(asked, wall):
    """Return the settings of a controller with the name of the wall's temperature in place."""

    def named(name):
        return wall if name == "WALL" else name

    found = {**asked, "within": {named(k): v for k, v in asked.get("within", {}).items()}}
    if "minimize" in asked:
        first, *others = (factor * kind(named(name)) for factor, kind, name in asked["minimize"])
        for other in others:
            first = first + other
        found["minimize"] = first
    return found


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_with_the_fmu_is_that_with_its_equations(oven, name):
    plans = []
    for model, wall in both(oven):
        adapt = {} if name in ("scenarios", "uncertain parameter") else {"gain": tk.Adaptation(std=0.1)}
        disturb = {} if name == "free end" else {"T": tk.Disturbance(std=0.05, noise=0.01)}
        ekf = ExtendedKalmanFilter(
            model, [tk.Sensor("T", std=0.5)], initial_std={"T": 1.0, wall: 2.0}, adapt=adapt, disturb=disturb,
            process_noise={"T": 0.1, wall: 0.1},
        )  # fmt: skip
        estimate = ekf.predict(ekf.start(0.0), 1.0)
        mpc = controller(model, **settings(PLANS[name], wall))
        plans.append(mpc.plan(estimate, 1.0))
        plans.append(mpc.plan({"T": 24.0, wall: 20.5}, 3.0, previous=plans[-1]))
    assert_same(plans[0], plans[2])
    assert_same(plans[1], plans[3])
    assert plans[2].made_by["model"] != plans[0].made_by["model"]


@pytest.fixture(scope="module")
def tanks(tmp_path_factory):
    """Exported tanks by version of FMI."""
    folder = tmp_path_factory.mktemp("tanks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tk.fmi.ExportWarning)
        made = {
            v: tk.fmi.export(JacketedTank(), folder / f"tank{v[0]}.fmu", version=v, kind="me") for v in ("2.0", "3.0")
        }
    if not all(one.platform for one in made.values()):
        pytest.skip("no C compiler to build the exported FMUs with")
    return {version: one.path for version, one in made.items()}


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_an_exported_model_plans_as_the_model(tanks, version):
    fmu = tk.fmi.model(tanks[version], ["V", "jacket.UA"], time_unit="min")
    moves = {"Q": tk.Move(bounds=("0 kW", "30 kW"), max_rate="2 kW/min", penalty=0.01)}
    plans = []
    for model in (JacketedTank(V="400 L"), fmu.with_(V="400 L")):
        mpc = tk.MPC(
            model, horizon="1 h", step="5 min", track={"T": "45 degC"}, moves=moves,
            within={"jacket.T": tk.Within(None, "40 degC", penalty=10), "jacket.heat": (None, "900 kJ/min")},
            native=False, inputs={"jacket.F": tk.steps({0.0: 0.0, 20.0: 5.0})},
        )  # fmt: skip
        plans.append(mpc.plan({"T": 20.0, "jacket.T": 20.0}, t=0.0))
    assert_same(*plans)


class Spring(tk.Model):
    """MassSpringSystem.fmu of gemseo-fmu (OpenModelica): two masses between walls and springs."""

    time_unit = "s"
    v1 = tk.State("", 1.0)
    v2 = tk.State("", 0.0)
    x1 = tk.State("", 0.0)
    x2 = tk.State("", 1.0)
    k1 = tk.Input("", 1.0)
    k2 = tk.Input("", 1.0)
    k3 = tk.Input("", 1.0)
    m1 = tk.Input("", 1.0)
    m2 = tk.Input("", 1.0)

    def equations(self, v, m):
        rate = m.quantity(1.0, "1/s")
        return {
            "v1": rate * (v.k2 * (v.x2 - v.x1) - v.k1 * v.x1) / v.m1,
            "v2": rate * (-v.k3 * v.x2 - v.k2 * (v.x2 - v.x1)) / v.m2,
            "x1": rate * v.v1,
            "x2": rate * v.v2,
        }


def test_a_foreign_fmu_without_derivatives_plans_as_its_equations(real_fmus):
    with pytest.warns(DerivativeWarning, match="finite differences"):
        fmu = tk.fmi.model(real_fmus["MassSpringSystem"])
    assert not fmu.inside.exact
    prefix, start = "_D_outputAlias_", {"v1": 1.0, "v2": 0.0, "x1": 0.0, "x2": 1.0}
    moves = {"k2": tk.Move(bounds=(0.0, 3.0), penalty=0.1, scale=1.0)}
    plans = [
        tk.MPC(model, horizon=4.0, step=0.2, track={f"{before}x2": 0.0}, moves=moves, native=False).plan(
            {before + name: value for name, value in start.items()}, 0.0
        )
        for model, before in ((Spring(), ""), (fmu, prefix))
    ]
    assert type(plans[0].status) is type(plans[1].status) is Optimal
    wanted, found = (np.asarray(plan.moves["k2"].values) for plan in plans)
    assert found == pytest.approx(wanted, abs=1e-6)
    mean = plans[1].predicted["x2"].mean  # the FMU's own output of that state
    assert mean == pytest.approx(plans[0].predicted["x2"].mean, abs=1e-6)


def test_second_derivatives_of_such_an_fmu_are_rough_but_plans_converge(real_fmus):
    with pytest.warns(DerivativeWarning):
        fmu = tk.fmi.model(real_fmus["MassSpringSystem"])
    start = {"v1": 1.0, "v2": 0.0, "x1": 0.0, "x2": 1.0}
    moves = {"k2": tk.Move(bounds=(0.0, 3.0), penalty=0.1, scale=1.0)}
    plans = [
        tk.MPC(
            model, horizon=4.0, step=0.2, minimize=tk.final(f"{before}x2") + 0.1 * tk.integral("k2"), moves=moves,
            native=False,
        ).plan({before + name: value for name, value in start.items()}, 0.0)
        for model, before in ((Spring(), ""), (fmu, "_D_outputAlias_"))
    ]  # fmt: skip
    assert all(plan.status.fresh for plan in plans)
    wanted, found = (np.asarray(plan.moves["k2"].values) for plan in plans)
    assert found == pytest.approx(wanted, abs=2e-3)


def test_where_sqp_fails_ipopt_takes_over_without_second_derivatives(oven, monkeypatch):
    from twinkit.control import solving

    def failed(tasks, guess, *_):
        return solving.Attempt(guess, (None,) * len(tasks), SolverFailed("SQP", 0, "forced"))

    monkeypatch.setattr(solving, "_sequential", failed)
    mpc = controller(tk.fmi.model(oven), horizon=12, step=3)
    plan = mpc.plan({"T": 20.0, "wall.T": 20.0}, 0.0)
    assert isinstance(plan.status, Optimal)
    assert plan.status.solver == "IPOPT"
    monkeypatch.undo()
    wanted = mpc.plan({"T": 20.0, "wall.T": 20.0}, 0.0)
    assert np.asarray(plan.moves["Q"].values) == pytest.approx(np.asarray(wanted.moves["Q"].values), abs=1e-3)
    monkeypatch.setattr(solving, "_sequential", failed)
    monkeypatch.setattr(solving, "SOLVERS", ("fatrop",))
    refused = mpc.plan({"T": 20.0, "wall.T": 20.0}, 0.0)
    assert "FATROP: it needs second derivatives" in refused.status.text


# -- failures in the middle of a plan --------------------------------------------------------------------------------
@pytest.mark.parametrize("trouble", [1, 2, 3, 4, 5], ids=["error", "discard", "NaN", "fatal", "no derivatives"])
def test_an_fmu_that_fails_ends_in_the_failure_policy(oven, trouble):
    model = tk.fmi.model(oven, start={"trouble": trouble, "limit": 40.0})
    cool = controller(model, track={"T": 30.0})
    first = cool.plan({"T": 20.0, "wall.T": 20.0}, 0.0)
    assert isinstance(first.status, Optimal)
    # Beyond its limit from the start on: no new plan, whatever is asked.
    kept = cool.plan({"T": 45.0, "wall.T": 20.0}, 2.0, previous=first)
    assert isinstance(kept.status, (PreviousPlan, SafeSetpoint)), kept.status
    assert all(np.isfinite(move.values).all() for move in kept.moves.values())
    assert isinstance(cool.plan({"T": 45.0, "wall.T": 20.0}, 2.0).status, (SafeSetpoint, Failed))
    # It recovers: the FMU is as good as new.
    again = cool.plan({"T": 21.0, "wall.T": 20.0}, 2.0, previous=first)
    assert isinstance(again.status, Optimal)
    # Asked to go beyond its limit on the way: whatever leaves was simulated, and stays within.
    hot = controller(model, track={"T": 60.0}, escalate=False).plan({"T": 20.0, "wall.T": 20.0}, 0.0)
    assert isinstance(hot.status, (Suboptimal, Optimal, SafeSetpoint)), hot.status
    if hot.status.fresh:
        assert np.isfinite(hot.predicted["T"].mean).all()
        assert trouble == 5 or hot.predicted["T"].mean.max() <= 40.0


# -- whatever else takes models ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [ExtendedKalmanFilter, UnscentedKalmanFilter, MovingHorizonEstimator])
def test_estimators_follow_an_fmu_as_they_follow_its_equations(oven, kind):
    noise = np.random.default_rng(0).normal(0.0, 0.2, 12)
    found = []
    for model, wall in both(oven):
        estimator = kind(
            model, [tk.Sensor("T", std=0.2), tk.Sensor("warm", std=1.0)], initial_std={"T": 1.0, wall: 1.0},
            process_noise={"T": 0.05, wall: 0.05}, adapt={"gain": tk.Adaptation(std=0.2)}, inputs={"Q": 1.0},
        )  # fmt: skip
        estimate = estimator.start(0.0)
        for k, error in enumerate(noise):
            estimate = estimator.update(estimate, tk.Measurement("T", 20.0 + k + error, "degC", 2.0 * k + 1.0))
        found.append(estimate)
    assert found[1].vector == pytest.approx(found[0].vector, rel=1e-7)
    assert found[1].covariance == pytest.approx(found[0].covariance, rel=1e-6, abs=1e-9)


def test_it_is_simulated_as_its_equations_and_as_the_fmu(oven):
    heat = tk.steps({0.0: 5.0, 6.0: 0.0})
    runs = [tk.simulate(model, 10.0, inputs={"Q": heat}, solver=tk.Cvodes()) for model, _ in both(oven)]
    held = tk.simulate(tk.fmi.model(oven), 10.0, inputs={"Q": 5.0}, solver=tk.Cvodes())
    own = tk.fmi.simulate(oven, 10.0, step=0.5, kind="me", inputs={"Q": 5.0})
    for name, other in (("T", "T"), ("wall", "wall.T"), ("warm", "warm")):
        assert runs[1].at(10.0)[other] == pytest.approx(runs[0].at(10.0)[name], rel=1e-7)
    assert held.at(10.0)["T"] == pytest.approx(own.at(10.0)["T"], rel=1e-6)


class Valve(tk.Model):
    """A valve that lags behind what it is told."""

    time_unit = "s"
    duty = tk.State("kW", 0.0, bounds=(0, 20))
    told = tk.Input("kW", 0.0, bounds=(0, 20))

    def equations(self, v, m):
        return {"duty": (v.told - v.duty) / m.quantity(3.0, "s")}


def test_a_flattened_graph_may_hold_an_fmu(oven):
    plans = []
    for model, wall in both(oven):
        graph = tk.Graph()
        valve, hot = graph.add("valve", tk.ModelComponent(Valve())), graph.add("oven", tk.ModelComponent(model))
        graph.connect(valve.out["duty"], hot.inp["Q"])
        whole = graph.flatten("Plant")
        mpc = tk.MPC(
            whole, horizon=40, step=2, track={"oven.T": 50.0}, moves={"valve.told": tk.Move(penalty=0.01)},
            within={f"oven.{wall}": (None, 40.0)}, native=False,
        )  # fmt: skip
        plans.append(mpc.plan({name: whole.values()[name] for name in whole.layout.states.by_name}, 0.0))
    moves = [np.asarray(plan.moves["valve.told"].values) for plan in plans]
    assert type(plans[0].status) is type(plans[1].status) is Optimal
    assert moves[1] == pytest.approx(moves[0], abs=1e-6)


def test_the_loop_closes_with_the_fmu_as_plant_and_as_model(tanks):
    model = tk.fmi.model(tanks["2.0"], time_unit="min")
    ekf = ExtendedKalmanFilter(
        model, [tk.Sensor("T", std=0.05), tk.Sensor("jacket.T", std=0.05)], {"T": 0.2, "jacket.T": 0.2},
        process_noise={"T": 0.02, "jacket.T": 0.02},
    )  # fmt: skip
    moves = {"Q": tk.Move(bounds=(0.0, 80.0), penalty=1e-4, scale=30.0)}
    mpc = tk.MPC(model, horizon=30.0, step=1.0, track={"T": 40.0}, moves=moves, confidence=0.95, margin_growth=2.0)
    control, graph = mpc.component(), tk.Graph()
    plant = graph.add("plant", tk.FMU(tanks["2.0"]))
    twin, brain = graph.add("estimator", EstimatorComponent(ekf)), graph.add("controller", control)
    for name in ("T", "jacket.T"):
        graph.connect(plant.out[name], twin.inp[name])
        graph.connect(twin.out[name], brain.inp[name])
        graph.connect(twin.out[f"std({name})"], brain.inp[f"std({name})"])
    graph.connect(brain.out["Q"], plant.inp["Q"])
    graph.connect(brain.out["Q"], twin.inp["Q"])
    run = graph.simulate(
        "25 min", master=GaussSeidel("1 min", order=("plant", "estimator", "controller")), outputs="1 min"
    )
    assert all(plan.status.fresh for plan in control.plans)
    assert float(np.asarray(run["plant.T"])[-1]) == pytest.approx(40.0, abs=0.05)


CANNOT = {
    "compiled": lambda model: tk.simulate(model, 1.0, solver=tk.Compiled()),
    "LaTeX": lambda model: model.show(),
    "JAX": lambda model: jax_functions(model)(0.0, np.ones(2), np.ones(0), np.ones(1), np.ones(1)),
    "export": lambda model: tk.fmi.export(model, "never.fmu"),
    "sensitivities": lambda model: tk.simulate(model, 1.0, sensitivities=["gain"], solver=tk.Cvodes()),
    "calibration": lambda model: tk.calibrate(
        model, tk.Batch("a", [tk.Measurement("T", 25.0, "degC", 4.0, std=0.1)], until=5.0), ["gain"], progress=False
    ),
}


@pytest.mark.parametrize("what", CANNOT)
def test_what_has_to_know_equations_says_that_it_cannot(oven, what):
    with pytest.raises(ExternalEquationsError, match=r"oven2\.fmu.* can only be called"):
        CANNOT[what](tk.fmi.model(oven, ["gain"]))


# -- refusals ------------------------------------------------------------------------------------------------------
def test_what_cannot_be_a_model_is_refused_with_a_reason(oven, spring, clocks, ball, real_fmus, tmp_path):
    refused = [
        (spring, {}, "events"),
        (clocks, {}, "clocks"),
        (ball, {}, "FMI 2.0 and 3.0"),
        (real_fmus["FMU3Model"], {}, "no model exchange"),
        (real_fmus["add"], {}, "no continuous states"),
        (oven, {"start": {"trouble": 6}}, "events at times"),
    ]
    for path, options, reason in refused:
        with pytest.raises(UnsupportedFMUError, match=reason):
            tk.fmi.model(path, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('name="wall.T"', 'name="$STATESET1.x[1]"', "selects its states"),
        ('providesDirectionalDerivative="true"', 'canBeInstantiatedOnlyOncePerProcess="true"', "only once"),
        ('valueReference="0" causality', 'valueReference="0" variability="discrete" causality', "'Q' is not"),
        ('name="T" v', 'name="t" v', "'t', a name that models use"),
    ],
)  # fmt: skip
def test_what_a_description_says_against_it_is_a_reason(oven, tmp_path, old, new, reason):
    path = altered(oven, tmp_path / "other.fmu", old, new)
    with pytest.raises(UnsupportedFMUError, match=reason):
        tk.fmi.model(path)


def altered(path, target, old, new):
    """Return a copy of an FMU with another description."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copied:
        for name in source.namelist():
            data = source.read(name)
            if name == "modelDescription.xml":
                assert data.count(old.encode()) >= 1
                data = data.replace(old.encode(), new.encode())
            copied.writestr(name, data)
    return target


def test_a_discrete_input_may_be_held(oven, tmp_path):
    old = '<ScalarVariable name="trouble" valueReference="5" causality="parameter" variability="fixed" initial="exact">'
    new = '<ScalarVariable name="trouble" valueReference="5" causality="input" variability="discrete">'
    path = altered(oven, tmp_path / "other.fmu", old, new)
    with pytest.raises(UnsupportedFMUError, match="'trouble' is not continuous"):
        tk.fmi.model(path)
    assert tk.fmi.model(path, start={"trouble": 0}).layout.inputs.labels == ["Q"]


def test_arrays_are_refused(arrays):
    with pytest.raises(UnsupportedFMUError, match="is an array"):
        tk.fmi.model(arrays)


@pytest.mark.parametrize(
    ("trouble", "reason"), [(7, "parameter 'gain' when it is changed"), (8, "perhaps 'gain' must not be set once")]
)
def test_a_parameter_that_cannot_be_changed_once_initialized_is_refused(oven, trouble, reason):
    tk.fmi.model(oven, start={"trouble": trouble})
    with pytest.raises(UnsupportedFMUError, match=reason):
        tk.fmi.model(oven, ["gain"], start={"trouble": trouble})


def test_bounds_that_its_own_start_value_breaks_are_left_out(oven, tmp_path):
    path = altered(oven, tmp_path / "other.fmu", 'start="20" nominal="50"', 'start="20" min="30" nominal="50"')
    model = tk.fmi.model(path)
    assert model.layout.states["T"].variable.bounds == (-np.inf, np.inf)
    assert any("its bounds (30, inf) are left out" in note for note in model.notes)


def test_an_end_cannot_be_free_where_time_enters_by_itself(tmp_path):
    made = tk.fmi.export(Timed(), tmp_path / "timed.fmu", kind="me")
    model = tk.fmi.model(made.path, time_unit="h")
    free = tk.MPC(model, step=1.0, until=(2.0, 9.0), maximize=tk.final("x"), moves={"u": tk.Move()})
    with pytest.raises(tk.InvalidValueError, match="its end cannot be free"):
        free.plan({"x": 0.0}, 0.0)
    plans = [
        tk.MPC(one, step=1.0, horizon=8.0, track={"x": 1.0}, moves={"u": tk.Move(penalty=0.1)}).plan({"x": 0.0}, 2.0)
        for one in (Timed(), model)
    ]
    wanted, found = (np.asarray(plan.moves["u"].values) for plan in plans)
    assert found == pytest.approx(wanted, abs=1e-6)


class Timed(tk.Model):
    """A quantity that a tide disturbs."""

    time_unit = "h"
    x = tk.State("g", 0.0, nominal=1.0)
    u = tk.Input("g/h", 0.0, bounds=(-1, 1), nominal=1.0)

    def equations(self, v, m):
        return {"x": v.u + m.quantity(0.5, "g/h") * m.sin(v.t / m.quantity(1.0, "h")) - v.x / m.quantity(4.0, "h")}


def test_wrong_names_and_values_are_refused(oven, tmp_path):
    for options, error, reason in [
        ({"parameters": ["gian"]}, tk.UnknownNameError, "gain"),
        ({"parameters": ["trouble"]}, tk.InvalidValueError, "Int32"),
        ({"parameters": ["Q"]}, tk.InvalidValueError, "no parameter"),
        ({"outputs": ["los"]}, tk.UnknownNameError, "loss"),
        ({"outputs": ["limit"]}, tk.InvalidValueError, "cannot be an output"),
        ({"outputs": ["der(T)"]}, tk.InvalidValueError, "derivative of 'T'"),
        ({"start": {"limt": 1.0}}, tk.UnknownNameError, "limit"),
        ({"start": {"trouble": 0.5}}, tk.InvalidValueError, "whole number"),
        ({"start": {"limit": np.nan}}, tk.InvalidValueError, "NaN"),
        ({"start": {"limit": {}}}, tk.InvalidValueError, "a number, a boolean or a text"),
        ({"start": {"limit": [1.0, 2.0]}}, tk.InvalidValueError, "a number, a boolean or a text"),
        ({"start": {"limit": "3 degC"}}, tk.InvalidValueError, "is a number"),
        ({"time_unit": "kg"}, tk.UnitError, "time"),
    ]:
        with pytest.raises(error, match=reason):
            tk.fmi.model(oven, **options)
    with pytest.raises(tk.fmi.FMUFileError, match="no file"):
        tk.fmi.model(tmp_path / "nothing.fmu")
    (tmp_path / "broken.fmu").write_bytes(oven.read_bytes()[:1000])
    with pytest.raises(tk.fmi.FMUFileError):
        tk.fmi.model(tmp_path / "broken.fmu")


def test_a_controller_that_is_given_the_fmu_itself_says_what_to_do(oven):
    for given in (tk.FMU(oven), oven):
        with pytest.raises(tk.InvalidValueError, match=r"tk\.fmi\.model\(path\)"):
            tk.MPC(given, horizon=1.0, step=1.0, moves={"Q": tk.Move()})


# -- lifetime ------------------------------------------------------------------------------------------------------
def test_two_controllers_plan_with_one_fmu_at_once(oven):
    model = tk.fmi.model(oven)
    hot, cool = (controller(model, track={"T": goal}) for goal in (60.0, 40.0))
    start = {"T": 20.0, "wall.T": 20.0}
    wanted = [np.asarray(mpc.plan(start, 0.0).moves["Q"].values) for mpc in (hot, cool)]
    found = [[], []]

    def work(k, mpc):
        found[k] = [np.asarray(mpc.plan(start, 0.0).moves["Q"].values) for _ in range(5)]

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate((hot, cool))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(2):
        assert len(found[k]) == 5
        assert all(np.array_equal(one, wanted[k]) for one in found[k])


def test_nothing_is_left_behind(oven, tmp_path):
    code = (
        "import sys, os, tempfile, twinkit as tk\n"
        "model = tk.fmi.model(sys.argv[1])\n"
        "mpc = tk.MPC(model, horizon=8, step=2, track={'T': 30.0}, moves={'Q': tk.Move()}, native=False)\n"
        "assert mpc.plan({'T': 20.0, 'wall.T': 20.0}, 0.0).status.fresh\n"
        "assert len(os.listdir(tempfile.gettempdir())) == 1\n"
        "assert tk.fmi.model(sys.argv[1]) == model and len(os.listdir(tempfile.gettempdir())) == 1\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(oven)], check=True, env=environment)
    assert not list(tmp_path.iterdir())
