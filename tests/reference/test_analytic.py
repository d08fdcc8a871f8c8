"""Both solvers against analytic solutions: stiff systems, DAEs, events, schedules, sensitivities, consistent starts."""

import numpy as np
import pytest

import twinkit as tk


@pytest.fixture(params=["Cvodes", "Compiled"])
def solver(request):
    return getattr(tk, request.param)()


# -- stiff and differential-algebraic ----------------------------------------------------------------------------
class Robertson(tk.Model):
    """Three species, rates nine orders of magnitude apart (Robertson 1966)."""

    a = tk.State("", 1.0, nominal=1.0)
    b = tk.State("", 0.0, nominal=1e-5)
    c = tk.State("", 0.0, nominal=1.0)
    k1 = tk.Parameter("1/s", 0.04)
    k2 = tk.Parameter("1/s", 1e4)
    k3 = tk.Parameter("1/s", 3e7)

    def equations(self, v, m):
        one, two, three = v.k1 * v.a, v.k2 * v.b * v.c, v.k3 * v.b**2
        return {"a": two - one, "b": one - two - three, "c": three}


class RobertsonDAE(Robertson):
    """The same with the last balance as a constraint."""

    c = tk.Algebraic("", 0.3, nominal=1.0)

    def equations(self, v, m):
        found = dict(super().equations(v, m))
        return {**found, "c": v.a + v.b + v.c - 1.0}


AT_40 = [0.7158270688, 0.9185534764e-5, 0.2841637457]  # Hairer & Wanner, Solving ODEs II
AT_1E11 = [0.2083340149701255e-07, 0.8333360770334713e-13, 0.9999999791665050]  # Mazzia & Magherini 2008, ROBER


def test_robertson(solver):
    solution = tk.simulate(Robertson(), 1e11, outputs=[0.0, 40.0, 1e11], rtol=1e-9, atol=1e-13, solver=solver)
    found = [solution[name].values for name in "abc"]
    assert [f[1] for f in found] == pytest.approx(AT_40, rel=1e-6)
    assert [f[2] for f in found] == pytest.approx(AT_1E11, rel=1e-3)


def test_robertson_with_a_constraint(solver):
    solution = tk.simulate(RobertsonDAE(), 1e6, outputs=[0.0, 40.0, 1e6], rtol=1e-9, atol=1e-13, solver=solver)
    found = [solution[name].values for name in "abc"]
    assert [f[1] for f in found] == pytest.approx(AT_40, rel=1e-6)
    assert sum(found) == pytest.approx(np.ones(3), abs=1e-12)


class Constrained(tk.Model):
    """x' = -z, z = x^2: x = 1 / (1 + t); written so that Newton has work to do."""

    x = tk.State("", 1.0, bounds=(1e-9, None))
    z = tk.Algebraic("", 0.2, bounds=(1e-9, None))
    one = tk.Parameter("1/s", 1.0)
    y = tk.Output("")

    def equations(self, v, m):
        return {"x": -v.z * v.one, "z": v.z + m.log(v.z) - v.x**2 - 2 * m.log(v.x), "y": v.z * 2}


def test_index_one_dae(solver):
    solution = tk.simulate(Constrained(), 5.0, outputs=41, rtol=1e-9, solver=solver)
    t = solution.time
    assert solution["x"].values == pytest.approx(1 / (1 + t), rel=1e-6)
    assert solution["z"].values == pytest.approx(1 / (1 + t) ** 2, rel=1e-6)
    assert solution["y"].values == pytest.approx(2 / (1 + t) ** 2, rel=1e-6)
    assert float(solution["z"][0]) == pytest.approx(1.0, rel=1e-12)


# -- consistent starts -------------------------------------------------------------------------------------------
def constrained(residual, second=None, guess=0.5):
    def equations(self, v, m):
        found = {"x": -v.z, "z": residual(v, m)}
        return {**found, "w": second(v, m)} if second else found

    declared = {"x": tk.State("", 1.0), "z": tk.Algebraic("", guess), "equations": equations, "time_unit": "s"}
    if second:
        declared["w"] = tk.Algebraic("", 0.5)
    return type("Case", (tk.Model,), {"__module__": "nowhere", **declared})()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (constrained(lambda v, m: v.z**2 + 1.0), r"no consistent start of Case at t = 0 s: the residual of 'z' is"),
        (constrained(lambda v, m: m.log(v.z), guess=-1.0), "the residual of 'z' is nan and is not finite"),
        (constrained(lambda v, m: v.x - 1.0), "the residual of 'z' depends on no algebraic variable"),
        (constrained(lambda v, m: v.z - v.x, lambda v, m: v.z - 1.0), "'w' appears in no residual"),
        (constrained(lambda v, m: v.z - v.w, lambda v, m: 2 * v.z - 2 * v.w), "depend on each other.*index 2 or more"),
    ],
    ids=["no solution", "not finite", "independent", "unused", "singular"],
)
def test_a_start_that_cannot_be_consistent_says_why(model, words, solver):
    with pytest.raises(tk.SimulationError, match=words):
        tk.simulate(model, 1.0, solver=solver)


def test_a_better_guess_helps(solver):
    model = constrained(lambda v, m: v.z**3 - 2 * v.z + 2.0)  # Newton cycles from 0 (Press et al.)
    with pytest.raises(tk.SimulationError, match=r"cannot be reduced further.*Give a better first guess"):
        tk.simulate(model, 0.1, initial={"z": 0.0}, solver=solver)
    for guess in (-1.5, -20.0):
        assert float(tk.simulate(model, 0.1, initial={"z": guess}, solver=solver)["z"][0]) == pytest.approx(
            -1.7692923542
        )


def test_the_guess_may_be_far_away_and_of_odd_scale(solver):
    model = constrained(lambda v, m: 1e9 * (m.exp(v.z) - 20.0 * v.x), guess=-5.0)
    assert float(tk.simulate(model, 1e-3, solver=solver)["z"][0]) == pytest.approx(np.log(20.0), rel=1e-10)


# -- events ------------------------------------------------------------------------------------------------------
class Ball(tk.Model):
    """A ball dropped from 10 m."""

    h = tk.State("m", 10.0)
    v = tk.State("m/s", 0.0)
    g = tk.Parameter("m/s**2", 9.81)
    bounces = tk.Mode("", 0.0)
    restitution = tk.Parameter("", 0.8)

    def equations(self, v, m):
        return {"h": v.v, "v": -v.g}

    def events(self, v, m):
        return {
            "bounce": tk.Event(
                v.h, tk.Crossing.FALLING, set={"h": 0.0, "v": -v.restitution * v.v, "bounces": v.bounces + 1}
            )
        }


def test_bouncing_ball(solver):
    solution = tk.simulate(Ball(), 8.0, outputs=801, rtol=1e-10, solver=solver)
    drop = np.sqrt(20 / 9.81)
    expected = drop * (1 + 2 * np.cumsum([0, 0.8, 0.64, 0.512]))
    times = [o.time for o in solution.occurrences]
    assert times[:4] == pytest.approx(expected, abs=1e-7)
    assert solution["bounces"].values[-1] == len(times)
    assert float(solution["h"].min()) > -1e-7
    at = np.flatnonzero(solution.time == times[0])
    assert len(at) == 2
    assert solution["v"].values[at] == pytest.approx([-np.sqrt(2 * 9.81 * 10), 0.8 * np.sqrt(2 * 9.81 * 10)], rel=1e-8)


class Wave(tk.Model):
    """A cosine that counts its crossings of a threshold."""

    x = tk.State("", 1.0)
    y = tk.State("", 0.0)
    one = tk.Parameter("1/s", 1.0)
    ups = tk.Mode("", 0.0)
    downs = tk.Mode("", 0.0)
    both = tk.Mode("", 0.0)

    def equations(self, v, m):
        return {"x": v.one * v.y, "y": -v.one * v.x}

    def events(self, v, m):
        level = v.x - 0.5
        return {
            "up": tk.Event(level, tk.Crossing.RISING, set={"ups": v.ups + 1}),
            "down": tk.Event(level, tk.Crossing.FALLING, set={"downs": v.downs + 1}),
            "cross": tk.Event(v.x + 0.5, tk.Crossing.EITHER, set={"both": v.both + 1}),
        }


def test_thresholds_are_counted_in_their_direction(solver):
    periods = 7
    solution = tk.simulate(Wave(), periods * 2 * np.pi, outputs=60, rtol=1e-9, solver=solver)
    assert [float(solution[n][-1]) for n in ("ups", "downs", "both")] == [periods, periods, 2 * periods]
    downs = [o.time for o in solution.occurrences if o.name == "down"]
    assert downs == pytest.approx(np.pi / 3 + 2 * np.pi * np.arange(periods), abs=1e-6)


class Vessel(tk.Model):
    """Fills until it is full, doses at given times, drains in another phase."""

    time_unit = "h"
    V = tk.State("L", 0.0, bounds=(0, None))
    mass = tk.State("g", 0.0)
    F = tk.Input("L/h", 2.0)
    phase = tk.Mode("", 1.0)
    stop_at = tk.Parameter("L", 100.0)

    def equations(self, v, m):
        return {"V": m.where(v.phase > 0.5, v.F, -v.F), "mass": 0.0}

    def events(self, v, m):
        return {
            "full": tk.Event(v.V - m.quantity(10.0, "L"), set={"phase": 0.0}),
            "empty": tk.Event(v.V - m.quantity(4.0, "L"), tk.Crossing.FALLING, set={"phase": 1.0}),
            "limit": tk.Event(v.V - v.stop_at, stop=True),
            "dose": tk.Schedule(every="4 h", start="2 h", set={"mass": v.mass + m.quantity(1.5, "g")}),
            "last": tk.Schedule(at=[11.5, "570 min"], set={"mass": v.mass * 2}),
        }


def test_modes_change_and_doses_add_mass(solver):
    solution = tk.simulate(Vessel(), 12.0, outputs=13, solver=solver)
    assert [(o.name, round(o.time, 6)) for o in solution.occurrences] == [
        ("dose", 2), ("full", 5), ("dose", 6), ("empty", 8), ("last", 9.5), ("dose", 10), ("full", 11), ("last", 11.5),
    ]  # fmt: skip
    assert float(solution["mass"][-1]) == ((1.5 + 1.5) * 2 + 1.5) * 2
    assert float(solution.at(7.0)["V"][0]) == pytest.approx(6.0, rel=1e-7)
    assert float(solution.at(1.9)["mass"][0]) == 0.0
    assert float(solution.at(2.0)["mass"][0]) == 1.5
    assert float(solution.at(6.0)["mass"][0]) == 3.0
    assert float(solution["V"].max()) < 10 + 1e-6


def test_a_stop_event_ends_the_run_with_success(solver):
    solution = tk.simulate(Vessel(stop_at=7.0), 12.0, outputs=13, solver=solver)
    assert solution.success
    assert solution.status.reason == "stopped by event 'limit' at 3.5 h"
    assert solution.time[-1] == pytest.approx(3.5, abs=1e-9)
    assert float(solution["V"][-1]) == pytest.approx(7.0, abs=1e-8)


def test_a_dose_at_the_start_and_none_at_the_end(solver):
    class Dosed(tk.Model):
        """Doses every 2 h from the start."""

        time_unit = "h"
        x = tk.State("g", 0.0)

        def equations(self, v, m):
            return {"x": 0.0}

        def events(self, v, m):
            return {"dose": tk.Schedule(every=2, set={"x": v.x + m.quantity(1.0, "g")})}

    solution = tk.simulate(Dosed(), 6.0, outputs=4, solver=solver)
    assert [o.time for o in solution.occurrences] == [0.0, 2.0, 4.0]
    assert float(solution["x"][-1]) == 3.0


def test_solvers_agree_on_events():
    found = [tk.simulate(Ball(), 5.0, outputs=101, rtol=1e-9, solver=s) for s in (tk.Cvodes(), tk.Compiled())]
    assert len(found[0].occurrences) == len(found[1].occurrences)
    np.testing.assert_allclose(found[0].time, found[1].time, atol=1e-7)
    np.testing.assert_allclose(found[0]["h"], found[1]["h"], atol=1e-5)


def test_an_event_that_a_jump_of_an_input_sets_off(solver):
    class Watched(tk.Model):
        """An alarm on an input."""

        x = tk.State("", 0.0)
        u = tk.Input("1/s", 0.0)
        alarm = tk.Mode("", 0.0)

        def equations(self, v, m):
            return {"x": v.u}

        def events(self, v, m):
            return {"high": tk.Event(v.u - m.quantity(1.0, "1/s"), set={"alarm": 1.0})}

    solution = tk.simulate(Watched(), 4.0, outputs=5, inputs={"u": tk.steps({0: 0.0, 1.5: 3.0})}, solver=solver)
    assert [o.time for o in solution.occurrences] == pytest.approx([1.5], abs=1e-6)
    assert float(solution["alarm"][-1]) == 1.0
    assert float(solution["x"][-1]) == pytest.approx(7.5)


def test_events_between_two_outputs_are_found(solver):
    class Peak(tk.Model):
        """Rises above a threshold and falls again between two outputs."""

        x = tk.State("", 0.0)

        def equations(self, v, m):
            return {"x": m.cos(v.t / m.quantity(1.0, "s")) / m.quantity(1.0, "s")}

        def events(self, v, m):
            return {"up": tk.Event(v.x - 0.9), "down": tk.Event(v.x - 0.9, tk.Crossing.FALLING)}

    solution = tk.simulate(Peak(), np.pi, outputs=2, solver=solver)
    assert [o.name for o in solution.occurrences] == ["up", "down"]


# -- sensitivities -----------------------------------------------------------------------------------------------
class Chain(tk.Model):
    """Two first-order reactions."""

    time_unit = "h"
    a = tk.State("g", 1.0)
    b = tk.State("g", 0.0, nominal=1.0)
    k = tk.Parameter("1/h", 0.7)
    q = tk.Parameter("1/h", 0.2)

    def equations(self, v, m):
        return {"a": -v.k * v.a, "b": v.k * v.a - v.q * v.b}


def test_sensitivities_of_an_ode_are_analytic():
    solution = tk.simulate(Chain(), 6.0, outputs=25, rtol=1e-9, sensitivities=["k", "q"])
    t, k, q = solution.time, 0.7, 0.2
    ek, eq = np.exp(-k * t), np.exp(-q * t)
    assert solution.sensitivities["k"]["a"] == pytest.approx(-t * ek, abs=1e-6)
    assert solution.sensitivities["q"]["a"] == pytest.approx(np.zeros_like(t), abs=1e-9)
    f = k / (q - k)
    exact_q = -k / (q - k) ** 2 * (ek - eq) + f * t * eq
    assert solution.sensitivities["q"]["b"] == pytest.approx(exact_q, abs=1e-6)


def test_sensitivities_with_inputs_agree_with_differences():
    from twinkit.unitops import CHOFedBatch

    def run(mu):
        return tk.simulate(
            CHOFedBatch(mu_max=mu), 120.0, outputs=13, rtol=1e-10, inputs={"F": tk.steps({0: 0.0, 72: 1e-3})},
            sensitivities=["mu_max"] if mu == 0.039 else (),
        )  # fmt: skip

    step = 1e-6
    middle, low, high = run(0.039), run(0.039 - step), run(0.039 + step)
    at = np.searchsorted(middle.time, low.time)
    for name in ("Xv", "Glc", "mAb"):
        difference = (high[name].values - low[name].values) / (2 * step)
        found = middle.sensitivities["mu_max"][name][at]
        np.testing.assert_allclose(found, difference, atol=2e-4 * np.max(np.abs(difference)))


def test_sensitivities_of_a_dae():
    solution = tk.simulate(Constrained(), 3.0, outputs=13, rtol=1e-9, sensitivities=["one"])
    # x = 1 / (1 + one * t)
    t = solution.time
    assert solution.sensitivities["one"]["x"] == pytest.approx(-t / (1 + t) ** 2, abs=1e-6)


@pytest.mark.parametrize("model", [Ball(), Vessel()], ids=["events", "schedules"])
def test_sensitivities_across_events_are_refused(model):
    name = next(iter(model.parameters))
    with pytest.raises(tk.SimulationError, match="sensitivities across events"):
        tk.simulate(model, 1.0, sensitivities=[name])


@pytest.mark.parametrize(("name", "words"), [("kk", "did you mean 'k'"), ("a", "no parameter 'a'")])
def test_sensitivities_are_in_parameters(name, words):
    with pytest.raises(tk.UnknownNameError, match=words):
        tk.simulate(Chain(), 1.0, sensitivities=[name])
