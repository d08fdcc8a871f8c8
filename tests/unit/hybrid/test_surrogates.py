"""Surrogates of detailed models: errors, domain, model, component, levels of fidelity."""

import importlib.util

import numpy as np
import pytest
from tests.hybrid_examples import Growth

import twinkit as tk
from twinkit.hybrid import (
    Chebyshev,
    ChebyshevNetwork,
    Fidelity,
    GaussianProcesses,
    fidelities,
    surrogate,
)
from twinkit.testing import check_component, check_model

BOX = {"mu_max": (0.25, 0.35), "S": (8.0, 12.0), "X": ("0.3 g/L", "0.8 g/L")}
HOW = {"until": "24 h", "times": 13, "progress": False, "rtol": 1e-5, "recipe": {"F": tk.steps([(0, 0.0), (8, 0.004)])}}


class Tank(tk.Model):
    """Cooling tank with two held inputs."""

    time_unit = "h"
    T = tk.State("degC", 40.0, doc="temperature")
    Q = tk.Input("delta_degC/h", 5.0, doc="heating")
    T_in = tk.Input("degC", 20.0, doc="surroundings")
    k = tk.Parameter("1/h", 0.5, bounds=(0, None), doc="exchange")

    def equations(self, v, m):
        return {"T": v.Q - v.k * (v.T - v.T_in)}


@pytest.fixture(scope="module")
def growth():
    return surrogate(Growth(), BOX, runs=256, kind=Chebyshev(5), **HOW)


@pytest.fixture(scope="module")
def tank():
    box = {"Q": (0.0, 10.0), "k": (0.3, 0.6), "T": (30.0, 50.0)}
    return surrogate(Tank(), box, "8 h", times=41, runs=64, kind=Chebyshev(4), progress=False)


def test_it_is_accurate_on_runs_of_its_own(growth):
    assert max(growth.accuracy.nrmse.values()) < 1.0
    assert growth.accuracy.p50 < growth.accuracy.p99 < growth.accuracy.p999 <= growth.accuracy.worst
    run = tk.simulate(
        Growth(mu_max=0.31), 24.0, inputs=HOW["recipe"], initial={"S": 9.0, "X": 0.5}, outputs=growth.time
    )
    found = growth.predict({"mu_max": 0.31, "S": 9.0, "X": 0.5})
    for tag in ("X", "S", "V"):
        assert found[tag][0] == pytest.approx(run.trace(tag).data, abs=0.02 * np.ptp(run.trace(tag).data))
    assert "p99.9" in growth._repr_html_()
    assert growth.plot() is not None


def test_the_same_seed_gives_the_same_surrogate(growth):
    again = surrogate(Growth(), BOX, runs=256, kind=Chebyshev(5), **HOW)
    other = surrogate(Growth(), BOX, runs=256, kind=Chebyshev(5), random_state=1, **HOW)
    assert again.content_hash == growth.content_hash != other.content_hash


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX (extra jax) is not installed")
def test_a_network_beats_its_polynomial():
    how = {**HOW, "runs": 256}
    plain = surrogate(Growth(), BOX, kind=Chebyshev(2), **how)
    made = surrogate(Growth(), BOX, kind=ChebyshevNetwork(hidden=24, steps=600), **how)
    assert made.accuracy.p99 < 0.5 * plain.accuracy.p99
    check_readings_agree(made)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("gpytorch") is None, reason="GPyTorch (extra hybrid) is not installed")
def test_gaussian_processes_need_few_runs():
    box = {"k": (0.3, 0.6), "T": (30.0, 50.0)}
    made = surrogate(Tank(), box, "8 h", runs=48, kind=GaussianProcesses(iterations=120), progress=False)
    assert made.accuracy.nrmse["T"] < 0.5
    run = tk.simulate(made.model(), 8.0, outputs=made.time)
    assert run["T"].data == pytest.approx(made.predict({})["T"][0], abs=1e-8)


def check_readings_agree(made):
    """What the model says is what the vectorised call says."""
    model = made.model()
    where = {"mu_max": 0.28, "S_0": 11.0, "X_0": 0.4}
    run = tk.simulate(model.with_(where), 24.0, outputs=made.time)
    found = made.predict({"mu_max": 0.28, "S": 11.0, "X": 0.4})
    assert run["X"].data == pytest.approx(found["X"][0], abs=1e-9 * 30)


def test_outside_the_box_it_says_nothing(growth):
    samples = {"mu_max": np.array([0.3, 0.5])}
    assert growth.in_domain(samples).tolist() == [True, False]
    found = growth.predict(samples)["X"]
    assert np.all(np.isfinite(found[0]))
    assert np.all(np.isnan(found[1]))
    with pytest.raises(tk.BoundsError, match="larger box"):
        growth.component({"mu_max": 0.5})
    with pytest.raises(tk.BoundsError):
        growth.model().with_(mu_max=0.5)


def test_as_a_model_it_has_every_reading(tank):
    model = tank.model()
    assert set(model.parameters) == {"Q", "k", "T_0"}
    assert set(model.named_rates) == set()
    check_model(model)
    run = tk.simulate(model.with_(T_0="45 degC", k=0.4), 8.0, outputs=9)
    assert run["T"].attrs["units"] == "degC"
    exact = tk.simulate(Tank(k=0.4), 8.0, initial={"T": 45.0}, outputs=9)
    assert run["T"].data == pytest.approx(exact["T"].data, abs=0.1)


def test_as_a_component_it_stands_for_the_model(tank):
    part = tank.component({"k": 0.5, "T": 40.0})
    check_component(part, inputs={"Q": 5.0}, dt=0.5, steps=4)
    levels = fidelities(
        {Fidelity.DETAILED: tk.ModelComponent(Tank()), Fidelity.SURROGATE: part},
        until="8 h", outputs=["T"], scenarios=[{"Q": 1.0}, {"Q": 9.0}],
    )  # fmt: skip
    assert levels.errors[Fidelity.DETAILED]["T"] == 0.0
    assert 0 < levels.errors[Fidelity.SURROGATE]["T"] < 1.0
    assert levels.within(1.0) == (Fidelity.SURROGATE, Fidelity.DETAILED)
    assert levels.within(0.0) == (Fidelity.DETAILED,)
    assert "surrogate" in levels._repr_html_()
    graph = tk.Graph()
    tank_node = graph.add("tank", levels[Fidelity.DETAILED])
    assert tank_node is not None
    swapped = graph.with_(tank=levels[Fidelity.SURROGATE])
    ends = [
        float(each.simulate("4 h", master=tk.graph.GaussSeidel("30 min"), inputs={"tank.Q": 5.0})["tank.T"][-1])
        for each in (graph, swapped)
    ]
    assert ends[1] == pytest.approx(ends[0], abs=0.2)
    with pytest.raises(tk.UnknownNameError, match="REDUCED"):
        levels[Fidelity.REDUCED]


def test_a_component_does_not_follow_what_it_was_not_trained_for(tank):
    part = tank.component()
    part.initialize(0.0, {"Q": 5.0})
    with pytest.raises(tk.SimulationError, match="held for"):
        part.step(0.0, 1.0, {"Q": 6.0})
    with pytest.raises(tk.SimulationError, match="trained until 8"):
        part.step(0.0, 9.0, {"Q": 5.0})
    with pytest.raises(tk.BoundsError):
        part.initialize(0.0, {"Q": 50.0})


@pytest.mark.parametrize(
    ("box", "how", "error"),
    [
        ({}, {}, tk.InvalidValueError),
        ({"k": (0.5, 0.3)}, {}, tk.InvalidValueError),
        ({"k": 0.5}, {}, tk.InvalidValueError),
        ({"kk": (0.3, 0.5)}, {}, tk.UnknownNameError),
        ({"k": ("0.3 g/L", "0.5 g/L")}, {}, tk.UnitError),
        ({"k": (-0.3, 0.5)}, {}, tk.BoundsError),
        ({"k": (0.3, 0.5)}, {"runs": 4}, tk.InvalidValueError),
        ({"k": (0.3, 0.5)}, {"outputs": ["TT"]}, tk.UnknownNameError),
        ({"k": (0.3, 0.5)}, {"outputs": []}, tk.InvalidValueError),
        ({"k": (0.3, 0.5)}, {"kind": "mlp"}, tk.InvalidValueError),
        ({"k": (0.3, 0.5)}, {"times": [3.0, 1.0]}, tk.InvalidValueError),
        ({"Q": (0.3, 0.5)}, {"recipe": {"Q": 1.0}}, tk.InvalidValueError),
    ],
)
def test_boxes_that_make_no_sense(box, how, error):
    with pytest.raises(error):
        surrogate(Tank(), box, "8 h", progress=False, **how)


def test_samples_that_make_no_sense(tank):
    with pytest.raises(tk.UnknownNameError):
        tank.predict({"kk": 1.0})
    with pytest.raises(tk.InvalidValueError, match="one value per run"):
        tank.predict({"k": [0.3, 0.4], "T": [40.0, 41.0, 42.0]})
    assert np.all(np.isnan(tank.predict({"k": np.nan})["T"]))


def test_levels_must_have_the_same_ports(tank):
    detailed = tk.ModelComponent(Tank())
    with pytest.raises(tk.InvalidValueError, match="DETAILED"):
        fidelities({Fidelity.SURROGATE: detailed}, until=1.0, outputs=["T"])
    with pytest.raises(tk.UnknownNameError, match="surrogate level"):
        fidelities(
            {Fidelity.DETAILED: detailed, Fidelity.SURROGATE: tank.component()},
            until=1.0,
            outputs=["T"],
            scenarios=[{"T_in": 3.0}],
        )
    with pytest.raises(tk.InvalidValueError, match="scenario"):
        fidelities({Fidelity.DETAILED: detailed}, until=1.0, outputs=["T"], scenarios=[])


@pytest.mark.parametrize("wrong", [lambda: Chebyshev(0), lambda: ChebyshevNetwork(hidden=0)])
def test_emulators_that_make_no_sense(wrong):
    with pytest.raises(tk.InvalidValueError):
        wrong()
