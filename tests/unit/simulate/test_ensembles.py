"""Ensembles: the same bytes whoever computes them, failures reported, bad samples refused."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import twinkit as tk
from twinkit.unitops import CHOFedBatch, JacketedTank

pytestmark = pytest.mark.component
FEED = {"F": tk.steps({0: 0.0, 72: 0.8e-3, 120: 1.6e-3})}
RECIPE = {"inputs": FEED, "outputs": 25, "progress": False, "rtol": 1e-7}


class BlowsUp(tk.Model):
    """Infinite at t = 1 / rate."""

    x = tk.State("", 1.0)
    w = tk.State("", 1.0, shape=2)
    rate = tk.Parameter("1/s", 1.0, bounds=(0, 10))
    y = tk.Output("")

    def equations(self, v, m):
        return {"x": v.rate * v.x * v.x, "w": -v.rate * v.w, "y": 2 * v.x}


class Switched(tk.Model):
    """An event."""

    x = tk.State("", 1.0)
    k = tk.Parameter("1/s", 0.5)

    def equations(self, v, m):
        return {"x": -v.k * v.x}

    def events(self, v, m):
        return {"half": tk.Event(v.x - 0.5, tk.Crossing.FALLING)}


class Drained(tk.Model):
    """Level with a constraint and a switch."""

    V = tk.State("L", 1.0, bounds=(0, None))
    F = tk.Algebraic("L/s", 0.1)
    open = tk.Mode("", 1.0)
    k = tk.Parameter("1/s", 0.5, bounds=(0, 10))

    def equations(self, v, m):
        return {"V": -v.F * v.open, "F": v.F - v.k * v.V}

    def events(self, v, m):
        return {"low": tk.Event(v.V - m.quantity(0.5, "L"), tk.Crossing.FALLING, set={"open": 0.0})}


@pytest.fixture(scope="module")
def samples():
    return tk.draw(CHOFedBatch(), {"mu_max": stats.norm(0.039, 0.004), "Glc": stats.uniform(30, 10)}, count=20, seed=3)


@pytest.fixture(scope="module", params=["Cvodes", "Compiled"])
def serial(request, samples):
    solver = getattr(tk, request.param)()
    return solver, tk.ensemble(CHOFedBatch(), samples, 150.0, solver=solver, **RECIPE)


# -- the same bytes ----------------------------------------------------------------------------------------------
def test_every_member_is_the_run_it_would_be_alone(serial, samples):
    solver, whole = serial
    for i in (0, 7, 19):
        values = {name: column[i] for name, column in samples.items()}
        alone = tk.simulate(CHOFedBatch(values), 150.0, inputs=FEED, outputs=whole.time, rtol=1e-7, solver=solver)
        for name in ("Xv", "mAb", "titre"):
            np.testing.assert_allclose(whole.values(name)[i], alone[name], rtol=1e-5, atol=1e-9)
        if isinstance(solver, tk.Compiled):
            np.testing.assert_array_equal(whole.values("Xv")[i], alone["Xv"])


def test_threads_give_the_same_bytes(serial, samples):
    solver, whole = serial
    with ThreadPoolExecutor(2) as pool:
        found = tk.ensemble(CHOFedBatch(), samples, 150.0, solver=solver, executor=pool, **RECIPE)
    assert found.content_hash == whole.content_hash
    if isinstance(solver, tk.Compiled):
        one = tk.ensemble(CHOFedBatch(), samples, 150.0, solver=tk.Compiled(threads=1), **RECIPE)
        assert one.content_hash == whole.content_hash


def test_processes_give_the_same_bytes(serial, samples):
    solver, whole = serial
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = tk.ensemble(CHOFedBatch(), samples, 150.0, solver=solver, executor=pool, **RECIPE)
    assert found.content_hash == whole.content_hash


def test_jax_agrees_with_cvodes(samples):
    pytest.importorskip("diffrax")
    few = {name: column[:6] for name, column in samples.items()}
    options = {**RECIPE, "rtol": 1e-8}
    vectorised = tk.ensemble(CHOFedBatch(), few, 150.0, solver=tk.Jax(), **options)
    reference = tk.ensemble(CHOFedBatch(), few, 150.0, **options)
    assert not vectorised.failures
    for name in ("Xv", "Glc", "mAb", "V", "O2"):
        scale = np.max(np.abs(reference.values(name)))
        assert np.max(np.abs(vectorised.values(name) - reference.values(name))) < 1e-5 * scale


def test_jax_refuses_what_it_cannot_do():
    pytest.importorskip("diffrax")
    with pytest.raises(tk.SimulationError, match="Jax"):
        tk.simulate(CHOFedBatch(), 1.0, solver=tk.Jax())

    class Constrained(tk.Model):
        """A DAE."""

        x = tk.State("", 1.0)
        z = tk.Algebraic("1/s", 1.0)
        k = tk.Parameter("1/s", 1.0)

        def equations(self, v, m):
            return {"x": -v.z, "z": v.z - v.k * v.x}

    with pytest.raises(tk.SimulationError, match="algebraic variables"):
        tk.ensemble(Constrained(), {"k": [1.0]}, 1.0, solver=tk.Jax(), progress=False)
    events = tk.ensemble(Switched(), {"k": [1.0]}, 1.0, solver=tk.Jax(), progress=False)
    assert "without events" in events.failures[0]


# -- failures ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["Cvodes", "Compiled", "Jax"])
def test_a_failed_member_is_reported_not_dropped(name):
    if name == "Jax":
        pytest.importorskip("diffrax")
    found = tk.ensemble(
        BlowsUp(), {"rate": [0.1, 2.0, 0.2]}, 1.0, outputs=11, solver=getattr(tk, name)(), progress=False
    )
    assert len(found) == 3
    assert list(found.failures) == [1]
    assert isinstance(found.failures[1], str)
    x = found.values("x")
    assert np.isfinite(x[[0, 2]]).all()
    assert np.isnan(x[1, -1])
    assert x[0, -1] == pytest.approx(1 / 0.9, rel=1e-5)
    assert "1 FAILED; member 1" in repr(found)
    np.testing.assert_allclose(found.quantiles("x", [0.5])[0, -1], np.median(x[[0, 2], -1]))
    assert found.provenance["members"] == 3


def test_when_no_member_finished_there_are_no_quantiles():
    found = tk.ensemble(BlowsUp(), {"rate": [2.0, 3.0]}, 1.0, progress=False, solver=tk.Compiled())
    with pytest.raises(tk.InvalidValueError, match="no member of the ensemble finished"):
        found.quantiles("x")


@pytest.mark.parametrize("solver", [tk.Cvodes(), tk.Compiled()], ids=["Cvodes", "Compiled"])
def test_members_with_events_and_constraints(solver):
    found = tk.ensemble(Drained(), {"k": [0.0, 1.0, 2.0]}, 3.0, outputs=31, solver=solver, progress=False)
    assert not found.failures
    assert found.values("V")[:, -1] == pytest.approx([1.0, 0.5, 0.5], abs=1e-6)
    assert found.values("open")[:, -1].tolist() == [1.0, 0.0, 0.0]
    assert found.values("F")[:, 0] == pytest.approx([0.0, 1.0, 2.0])


# -- samples -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({}, tk.InvalidValueError, "the ensemble is empty"),
        ({"mu_max": []}, tk.InvalidValueError, "the ensemble is empty"),
        ({"mu_max": [0.03, 0.04], "Glc": [30.0]}, tk.ShapeError, "one value per member"),
        ({"mu_max": 0.03}, tk.ShapeError, "one value per member"),
        ({"mu_max": [0.03, np.nan]}, tk.InvalidValueError, "sample 1 of 'mu_max' is not finite"),
        ({"mu_max": [0.03, np.inf]}, tk.InvalidValueError, "sample 1 of 'mu_max' is not finite"),
        ({"mu_max": [0.03, 0.04, 0.5]}, tk.BoundsError, r"sample 2 of 'mu_max' is outside \[0, 0.2\] 1/h"),
        ({"V": [1.0, -1.0]}, tk.BoundsError, "sample 1 of 'V'"),
        ({"mu_mx": [0.03]}, tk.UnknownNameError, "did you mean 'mu_max'"),
        ({"F": [0.03]}, tk.UnknownNameError, "no parameter or state 'F'"),
        ({"mu_max": [[0.03, 0.04]]}, tk.ShapeError, "'mu_max' have shape"),
        ({"mu_max": ["a"]}, tk.InvalidValueError, "mu_max"),
    ],
)
def test_bad_samples_are_refused(given, error, words):
    with pytest.raises(error, match=words):
        tk.ensemble(CHOFedBatch(), given, 1.0, progress=False)


def test_samples_may_be_a_table_or_vectors():
    table = pd.DataFrame({"mu_max": [0.03, 0.04]})
    found = tk.ensemble(CHOFedBatch(), table, 5.0, outputs=3, progress=False)
    assert found["Xv"].dims == ("member", "time")
    vectors = tk.ensemble(BlowsUp(), {"w": [[1.0, 2.0], [3.0, 4.0]]}, 0.5, outputs=[0.0, 0.5], progress=False)
    np.testing.assert_array_equal(vectors.values("w")[:, 0], [[1.0, 2.0], [3.0, 4.0]])
    assert vectors["w"].dims == ("member", "time", "w_index")


def test_a_model_is_needed_and_the_recipe_is_checked():
    with pytest.raises(tk.InvalidValueError, match="make an instance"):
        tk.draw(CHOFedBatch, {"mu_max": stats.norm(0, 1)}, count=2, seed=1)
    with pytest.raises(tk.InvalidValueError, match="make an instance"):
        tk.ensemble(CHOFedBatch, {"mu_max": [0.03]}, 1.0, progress=False)
    with pytest.raises(tk.UnknownNameError):
        tk.ensemble(CHOFedBatch(), {"mu_max": [0.03]}, 1.0, inputs={"FF": 1}, progress=False)


# -- looks -------------------------------------------------------------------------------------------------------
def test_access_plot_and_repr(serial):
    import matplotlib.pyplot as plt

    _, whole = serial
    assert whole["mAb"].attrs["units"] == "g/L"
    assert whole.values("titre").shape == (20, 25)
    low, middle, high = whole.quantiles("mAb")
    assert (low <= middle).all()
    assert (middle <= high).all()
    np.testing.assert_allclose(middle, np.median(whole.values("mAb"), axis=0))
    assert repr(whole) == "Ensemble of 20 CHOFedBatch, 0 to 150 h: all finished"
    assert whole._repr_html_().startswith("<pre>")
    axis = whole.plot("mAb")
    assert axis.get_ylabel() == "mAb [g/L]"
    assert len(whole.plot("mAb", "Xv")) == 2
    _, mine = plt.subplots()
    assert whole.plot("mAb", ax=mine) is mine
    plt.close("all")
    with pytest.raises(tk.UnknownNameError, match="this ensemble has no variable 'mab': did you mean 'mAb'"):
        whole.values("mab")


def test_progress_is_shown_on_demand(capsys):
    tk.ensemble(JacketedTank(), {"V": [400.0, 500.0]}, 1.0, outputs=2)
    assert "JacketedTank" in capsys.readouterr().err
    tk.ensemble(JacketedTank(), {"V": [400.0, 500.0]}, 1.0, outputs=2, progress=False)
    assert capsys.readouterr().err == ""


# -- draw --------------------------------------------------------------------------------------------------------
def test_the_same_seed_draws_the_same_and_names_are_independent():
    model, wide = CHOFedBatch(), {"mu_max": stats.norm(0.039, 0.01), "k_d": stats.norm(0.004, 0.001)}
    first, second = (tk.draw(model, wide, count=50, seed=1) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in wide)
    assert not np.array_equal(first["mu_max"], tk.draw(model, wide, count=50, seed=2)["mu_max"])
    assert abs(np.corrcoef(first["mu_max"], first["k_d"])[0, 1]) < 0.5


def test_draws_stay_within_the_bounds():
    found = tk.draw(CHOFedBatch(), {"mu_max": stats.norm(0.0, 0.1)}, count=500, seed=1)["mu_max"]
    assert found.min() >= 0
    assert found.max() <= 0.2


@pytest.mark.parametrize(
    ("distributions", "count", "error", "words"),
    [
        ({"mu_max": stats.norm(50, 0.1)}, 5, tk.BoundsError, "'mu_max' lies outside its bounds"),
        ({"mu_mx": stats.norm(0, 1)}, 5, tk.UnknownNameError, "did you mean 'mu_max'"),
        ({"mu": stats.norm(0, 1)}, 5, tk.UnknownNameError, "'mu'"),
        ({"mu_max": stats.norm(0.03, 0.01)}, 0, tk.InvalidValueError, "at least one sample"),
        ({"mu_max": 0.03}, 5, tk.InvalidValueError, "mu_max"),
    ],
)
def test_wrong_draws(distributions, count, error, words):
    with pytest.raises(error, match=words):
        tk.draw(CHOFedBatch(), distributions, count=count, seed=1)
