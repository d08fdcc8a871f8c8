"""Runs: output times, tolerances, what a failed run gives back, what is recorded, the same bytes twice."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.unitops import CHOFedBatch, JacketedTank

pytestmark = pytest.mark.component


class Decay(tk.Model):
    """First-order decay."""

    time_unit = "h"
    c = tk.State("g/L", 1.0, bounds=(0, None), doc="concentration")
    V = tk.State("L", 1.0, bounds=(1e-6, None), doc="volume")
    k = tk.Parameter("1/h", 0.5, bounds=(0, 10), doc="rate")

    def equations(self, v, m):
        return {"c": -v.k * v.c, "V": 0.0}


class BlowsUp(tk.Model):
    """x' = x^2: infinite at t = 1."""

    x = tk.State("", 1.0, doc="grows")
    rate = tk.Parameter("1/s", 1.0)

    def equations(self, v, m):
        return {"x": v.rate * v.x * v.x}


class TurnsToNaN(tk.Model):
    """The root of a negative number after t = 1."""

    x = tk.State("", 0.0)

    def equations(self, v, m):
        return {"x": m.sqrt(1.0 - v.t / m.quantity(1.0, "s")) / m.quantity(1.0, "s")}


@pytest.fixture(params=["Cvodes", "Compiled"])
def solver(request):
    return getattr(tk, request.param)()


# -- output times ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (None, np.linspace(0, 4, 201)),
        (2, [0, 4]),
        (5, [0, 1, 2, 3, 4]),
        (np.int64(3), [0, 2, 4]),
        ("1 h", [0, 1, 2, 3, 4]),
        ("90 min", [0, 1.5, 3, 4]),
        (1.5, [0, 1.5, 3, 4]),
        ("4 h", [0, 4]),
        ([0.5, 1, 4], [0.5, 1, 4]),
        (np.array([1.0]), [1.0]),
        ([4.0], [4.0]),
        (tk.units.Quantity([30, 60], "min"), [0.5, 1.0]),
    ],
)
def test_output_times(outputs, expected, solver):
    solution = tk.simulate(Decay(), 4, outputs=outputs, solver=solver)
    np.testing.assert_allclose(solution.time, expected, rtol=1e-14)
    np.testing.assert_allclose(solution["c"], np.exp(-0.5 * np.asarray(expected)), rtol=1e-6)


def test_given_times_are_kept_exactly_even_with_jumps():
    times = np.array([0.1, 1.0, 1.7])
    solution = tk.simulate(JacketedTank(), 2.0, outputs=times, inputs={"Q": tk.steps({0: 0, 1.0: 5})})
    assert solution.time.tobytes() == times.tobytes()
    assert solution["Q"].values.tolist() == [0.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("outputs", "error"),
    [
        *((bad, tk.InvalidValueError) for bad in (1, 0, -3, "0 h", "-1 h", "5 h", [], [1, 1], [2, 1], [-1, 1], [1, 5])),
        *((bad, tk.InvalidValueError) for bad in ([[0, 1]], np.nan, [0, np.nan], True, "c", ["c"], object())),
        ("1 kg", tk.UnitError),
    ],
)  # fmt: skip
def test_bad_output_times(outputs, error):
    with pytest.raises(error):
        tk.simulate(Decay(), 4, outputs=outputs)


# -- the rest of the call ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"until": 0}, tk.InvalidValueError, "must end after it starts"),
        ({"until": -1}, tk.InvalidValueError, "from 0 to -1 h"),
        ({"until": 3, "start": 3}, tk.InvalidValueError, "must end after"),
        ({"until": "2 kg"}, tk.UnitError, "until"),
        ({"until": np.nan}, tk.InvalidValueError, "until must be finite"),
        ({"until": np.inf}, tk.InvalidValueError, "until must be finite"),
        ({"until": None}, tk.InvalidValueError, "until"),
        ({"until": [1, 2]}, tk.ShapeError, "until"),
        ({"start": "x"}, tk.InvalidValueError, "the start"),
        ({"rtol": 0.0}, tk.InvalidValueError, "rtol"),
        ({"rtol": 1.0}, tk.InvalidValueError, "rtol"),
        ({"rtol": -1e-6}, tk.InvalidValueError, "rtol"),
        ({"rtol": np.nan}, tk.InvalidValueError, "rtol"),
        ({"rtol": "tight"}, tk.InvalidValueError, "rtol"),
        ({"atol": 0.0}, tk.InvalidValueError, "atol"),
        ({"atol": -1.0}, tk.InvalidValueError, "atol"),
        ({"atol": np.inf}, tk.InvalidValueError, "atol"),
        ({"initial": {"cc": 1}}, tk.UnknownNameError, "'c'"),
        ({"initial": {"k": 1}}, tk.InvalidValueError, "'k' is none of them"),
        ({"initial": {"V": -1}}, tk.BoundsError, "state 'V'"),
        ({"initial": {"V": 0}}, tk.BoundsError, "state 'V'"),
        ({"initial": {"c": "1 kg"}}, tk.UnitError, "state 'c'"),
        ({"initial": {"c": np.nan}}, tk.InvalidValueError, "NaN"),
        ({"sensitivities": ["kk"]}, tk.UnknownNameError, "'k'"),
        ({"solver": "Cvodes"}, tk.InvalidValueError, "solver"),
        ({"solver": tk.Cvodes}, tk.InvalidValueError, "Cvodes"),
    ],
)
def test_a_wrong_call_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        tk.simulate(Decay(), **{"until": 4, **options})


@pytest.mark.parametrize(
    ("model", "words"), [(Decay, r"make an instance: Decay\(\)"), (None, "not None"), ("x", "not 'x'")]
)
def test_what_is_simulated_is_a_model(model, words):
    with pytest.raises(tk.InvalidValueError, match=words):
        tk.simulate(model, 4)


def test_initial_values_and_units():
    solution = tk.simulate(Decay(), "120 min", initial={"c": "3000 mg/L"})
    assert float(solution["c"][0]) == pytest.approx(3.0)
    assert solution.time[-1] == pytest.approx(2.0)


def test_a_state_without_an_initial_value():
    class Open(tk.Model):
        """No start."""

        x = tk.State("")

        def equations(self, v, m):
            return {"x": -v.x / m.quantity(1.0, "s")}

    with pytest.raises(tk.SimulationError, match="no initial value for 'x'"):
        tk.simulate(Open(), 1)
    assert tk.simulate(Open(), 1, initial={"x": 2.0}).success


# -- tolerances --------------------------------------------------------------------------------------------------
def test_the_error_follows_the_tolerance(solver):
    errors = []
    for rtol in (1e-4, 1e-7, 1e-10):
        solution = tk.simulate(Decay(), 10, rtol=rtol, solver=solver, outputs=11)
        errors.append(abs(float(solution["c"][-1]) / np.exp(-5) - 1))
        assert errors[-1] < 300 * rtol
    assert errors[2] < errors[0]


# -- a run that fails --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", [BlowsUp(), TurnsToNaN()], ids=lambda m: type(m).__name__)
def test_a_failed_run_gives_what_it_has(model, solver):
    with pytest.warns(tk.SimulationWarning, match="stopped at"):
        solution = tk.simulate(model, 3.0, outputs=301, solver=solver)
    assert not solution.success
    assert 0.9 < solution.status.time <= 1.001
    assert solution.time[-1] == solution.status.time
    assert np.all(np.isfinite(solution["x"].values))
    assert solution.status.state["x"] == float(solution["x"][-1])
    name = type(model).__name__
    assert solution.status.reason.startswith(f"{name} stopped at")
    assert "before 3 s:" in solution.status.reason
    with pytest.raises(tk.SimulationError, match=f"{name} stopped at"):
        solution.raise_if_failed()
    if isinstance(model, BlowsUp):
        at = solution.time < 0.95
        assert solution["x"].values[at] == pytest.approx(1 / (1 - solution.time[at]), rel=1e-5)


def test_a_run_that_cannot_take_a_step(solver):
    class Broken(tk.Model):
        """log(-1)."""

        x = tk.State("", -1.0)

        def equations(self, v, m):
            return {"x": m.log(v.x) / m.quantity(1.0, "s")}

    with pytest.warns(tk.SimulationWarning):
        solution = tk.simulate(Broken(), 1.0, solver=solver)
    assert not solution.success
    assert solution.time.tolist() == [0.0]
    assert solution["x"].values.tolist() == [-1.0]
    assert repr(solution)


def test_too_many_steps_are_reported():
    with pytest.warns(tk.SimulationWarning, match="max_steps"):
        solution = tk.simulate(Decay(), 4.0, solver=tk.Compiled(max_steps=3))
    assert not solution.success
    with pytest.warns(tk.SimulationWarning, match="max_steps"):
        assert not tk.simulate(Decay(), 4.0, outputs=2, solver=tk.Cvodes(max_steps=3)).success


class Bouncing(tk.Model):
    """A ball that bounces ever faster and comes to rest after a finite time."""

    h = tk.State("m", 1.0)
    v = tk.State("m/s", 0.0)
    e = tk.Parameter("", 0.8)

    def equations(self, v, m):
        return {"h": v.v, "v": m.quantity(-9.81, "m/s**2")}

    def events(self, v, m):
        return {"bounce": tk.Event(v.h, tk.Crossing.FALLING, set={"h": 0.0, "v": -v.e * v.v})}


@pytest.mark.parametrize("restitution", [0.8, 0.5])
@pytest.mark.parametrize("outputs", [11, 201])
def test_events_without_end_are_stopped_and_never_passed_through(solver, restitution, outputs):
    with pytest.warns(tk.SimulationWarning, match="follow each other without end"):
        solution = tk.simulate(Bouncing(e=restitution), 8.0, outputs=outputs, solver=solver)
    assert not solution.success
    assert float(solution["h"].min()) > -1e-9
    # The bounces end, after infinitely many, at sqrt(2 h / g) (1 + e) / (1 - e).
    rest = np.sqrt(2 / 9.81) * (1 + restitution) / (1 - restitution)
    assert solution.status.time == pytest.approx(rest, abs=2e-3)


# -- what is recorded --------------------------------------------------------------------------------------------
def test_provenance_and_statistics(solver):
    model = CHOFedBatch(mu_max=0.04)
    solution = tk.simulate(model, 24.0, initial={"Glc": 30.0}, rtol=1e-6, solver=solver)
    made = solution.provenance
    assert made["model"] == "CHOFedBatch"
    assert made["content_hash"] == model.with_(Glc=30.0).content_hash
    assert made["parameters"]["mu_max"] == 0.04
    assert (made["rtol"], made["twinkit"]) == (1e-6, tk.__version__)
    assert made["solver"] == type(solver).__name__
    assert solution.statistics["solver"] == type(solver).__name__
    assert solution.statistics["steps"] > 5


def test_the_same_run_gives_the_same_bytes(solver):
    def once():
        return tk.simulate(
            CHOFedBatch(), 100.0, inputs={"F": tk.steps({0: 0.0, 50: 1e-3})}, outputs=50, solver=solver
        ).content_hash

    assert once() == once()


def test_inputs_outputs_and_modes_are_in_the_solution():
    solution = tk.simulate(CHOFedBatch(), 24.0)
    assert {solution.trace(n).kind for n in solution} == {"state", "input", "output"}
    np.testing.assert_allclose(solution["titre"], solution["mAb"] * solution["V"], rtol=1e-12)


# -- repeated runs -----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module", params=["Cvodes", "Compiled"])
def recipe(request):
    chosen = getattr(tk, request.param)()
    options = {"inputs": {"F": tk.steps({0: 0.0, 50: 1e-3})}, "outputs": 30, "rtol": 1e-8}
    return chosen, options, tk.prepare(CHOFedBatch(), 100.0, solver=chosen, **options)


def test_a_prepared_run_equals_simulate(recipe):
    solver, options, runner = recipe
    for values in ({}, {"mu_max": 0.04}, {"mu_max": "0.96 1/day", "Glc": 40.0}):
        expected = tk.simulate(CHOFedBatch().with_(values), 100.0, solver=solver, **options)
        found = runner(values)
        assert found.content_hash == expected.content_hash
        assert found.provenance["content_hash"] == expected.provenance["content_hash"]
    assert runner().content_hash == tk.simulate(CHOFedBatch(), 100.0, solver=solver, **options).content_hash
    assert runner(mu_max=0.04).content_hash == runner({"mu_max": 0.04}).content_hash


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"mu_mx": 1}, tk.UnknownNameError, "CHOFedBatch has no .*'mu_mx': did you mean 'mu_max'"),
        ({"mu_max": 5}, tk.BoundsError, "parameter 'mu_max'"),
        ({"mu_max": "1 kg"}, tk.UnitError, "'mu_max'"),
        ({"mu_max": np.nan}, tk.InvalidValueError, "NaN"),
        ({"mu_max": [1, 2]}, tk.ShapeError, "single value"),
        ({"V": -1}, tk.BoundsError, "state 'V'"),
        ({"mu": 1}, tk.UnknownNameError, "no .*'mu'"),
        ({"F": 1e-3}, tk.UnknownNameError, "no .*'F'"),
    ],
)
def test_a_prepared_run_checks_what_it_is_given(recipe, values, error, words):
    with pytest.raises(error, match=words):
        recipe[2](values)


def test_prepare_uses_the_compiled_solver_by_default():
    assert isinstance(tk.prepare(Decay(), 4.0).solver, tk.Compiled)
    with pytest.raises(tk.InvalidValueError, match="make an instance"):
        tk.prepare(Decay, 4.0)
    with pytest.raises(TypeError):
        tk.prepare(Decay(), 4.0, sensitivity=["k"])
