"""A model in a graph of one node does what `simulate` does with it: events, chains, schedules, jumps, resting balls."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.component import StepError
from twinkit.graph import Adaptive, GaussSeidel, Graph, Jacobi, Midpoint
from twinkit.simulate import ModelComponent
from twinkit.testing import check_component

SOLVERS = [tk.Cvodes(), tk.simulate.Compiled()]


class Together(tk.Model):
    """Two events at the same instant, one that the first brings about, and a chain behind it."""

    time_unit = "s"
    x = tk.State("", initial=0.0)
    a = tk.Mode("", default=0.0)
    b = tk.Mode("", default=0.0)
    c = tk.Mode("", default=0.0)
    d = tk.Mode("", default=0.0)
    speed = tk.Parameter("1/s", 1.0)
    seen = tk.Output("")

    def equations(self, v, m):
        return {"x": v.speed * (1.0 + v.a), "seen": v.a + 10.0 * v.b + 100.0 * v.c + 1000.0 * v.d}

    def events(self, v, m):
        return {
            "first": tk.Event(v.x - 0.55, set={"a": 1.0}),
            "second": tk.Event(2.0 * v.x - 1.1, set={"b": 1.0}),
            "chained": tk.Event(v.a - 0.5, set={"c": v.c + 1.0}),
            "link": tk.Event(v.c - 0.5, set={"d": v.d + 1.0}),
        }


class Planned(tk.Model):
    """Schedules, one of which brings an event about; an algebraic variable that jumps with the mode."""

    time_unit = "s"
    x = tk.State("", initial=1.0)
    z = tk.Algebraic("", initial=1.0)
    n = tk.Mode("", default=1.0)
    e = tk.Mode("", default=0.0)

    def equations(self, v, m):
        return {"x": -v.z * m.quantity(1.0, "1/s"), "z": v.z * v.z * v.z + v.z - v.n * v.x}

    def events(self, v, m):
        return {
            "at_once": tk.Schedule(at=[0.0], set={"n": 2.0}),
            "dose": tk.Schedule(at=[0.25, 0.613], set={"x": v.x + 1.0, "n": v.n + 1.0}),
            "often": tk.Schedule(every=0.2, start=0.1, set={"e": v.e + 0.001}),
            "much": tk.Event(v.n - 3.5, set={"e": v.e + v.z}),
            "low": tk.Event(v.z - 0.8, crossing=tk.Crossing.FALLING, set={"e": v.e + 10.0}),
        }


class Ball(tk.Model):
    """A ball that loses a tenth of its speed at each bounce."""

    time_unit = "s"
    h = tk.State("m", initial=1.0)
    w = tk.State("m/s", initial=0.0)
    keep = tk.Parameter("", 0.9)
    floor = tk.Input("m", default=0.0)

    def equations(self, v, m):
        return {"h": v.w, "w": m.quantity(-9.81, "m/s**2")}

    def events(self, v, m):
        return {"bounce": tk.Event(v.h - v.floor, crossing=tk.Crossing.FALLING, set={"w": -v.keep * v.w})}


def alone(model, solver, **how):
    graph = Graph()
    graph.add("m", ModelComponent(model, solver=solver, **how))
    return graph


def agree(model, until, solver, master, tolerance):
    found = tk.simulate(alone(model, solver, rtol=1e-9), until=until, master=master)
    whole = tk.simulate(model, until=until, solver=solver, rtol=1e-9)
    assert [event.name for event in found.occurrences] == [f"m.{event.name}" for event in whole.occurrences]
    assert [e.time for e in found.occurrences] == pytest.approx([e.time for e in whole.occurrences], abs=tolerance)
    inside = found.time[(found.time > 0.0) & (found.time < until)]
    clear = inside[[min((abs(t - e.time) for e in whole.occurrences), default=1.0) > 1e-6 for t in inside]]
    ours, theirs = found.at(clear), whole.at(clear)
    for name in found:
        kind = whole.trace(name[2:]).kind
        if kind != "mode":
            assert ours[name].values == pytest.approx(theirs[name[2:]].values, abs=tolerance), name
    return found, whole


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("master", [Jacobi(0.1), Midpoint(0.07), Adaptive()], ids=lambda m: type(m).__name__)
def test_events_of_one_instant_and_chains_of_them(solver, master):
    found, _ = agree(Together(), 1.0, solver, master, 1e-7)
    assert sorted(e.name for e in found.occurrences) == ["m.chained", "m.first", "m.link", "m.second"]
    assert found["m.seen"].values[-1] == 1111.0


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("step", [0.05, 0.13])
def test_schedules_and_what_they_bring_about(solver, step):
    found, whole = agree(Planned(), 1.0, solver, GaussSeidel(step), 2e-6)
    names = [event.name for event in found.occurrences]
    assert names[0] == "m.at_once"
    assert (names.count("m.often"), names.count("m.much")) == (5, 1)
    at = {event.name: event.time for event in found.occurrences}
    assert at["m.much"] == at["m.dose"] == pytest.approx(0.613)  # brought about at the same instant
    assert found.occurrences[-1].time == pytest.approx(whole.occurrences[-1].time)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("step", [0.02, 0.9])
def test_a_bouncing_ball(solver, step):
    found, _ = agree(Ball(), 3.0, solver, Jacobi(step), 1e-5)
    assert len(found.occurrences) == 4


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_bounces_without_end_are_noticed(solver):
    ball = Ball(keep=0.5)
    with pytest.warns(tk.simulate.SimulationWarning, match="follow each other without end"):
        whole = tk.simulate(ball, until=3.0, solver=solver)
    with pytest.raises(StepError, match="follow each other without end") as caught:
        tk.simulate(alone(ball, solver), until=3.0, master=Jacobi(0.05))
    assert caught.value.time <= whole.status.time < caught.value.time + 0.05  # the start of the step that failed
    count = min(len(whole.occurrences), len(caught.value.partial.occurrences))
    assert count > 5
    for ours, theirs in zip(caught.value.partial.occurrences[:count], whole.occurrences[:count], strict=True):
        assert ours.time == pytest.approx(theirs.time, abs=1e-6)


class Switched(tk.Model):
    """An event on an input, which jumps; with an algebraic variable between."""

    time_unit = "s"
    x = tk.State("", initial=0.0)
    z = tk.Algebraic("", initial=0.0)
    u = tk.Input("", default=0.0)
    on = tk.Mode("", default=0.0)

    def equations(self, v, m):
        return {"x": v.on * m.quantity(1.0, "1/s"), "z": v.z - 2.0 * v.u}

    def events(self, v, m):
        return {
            "high": tk.Event(v.z - 1.0, set={"on": 1.0}),
            "low": tk.Event(v.z - 1.0, crossing=tk.Crossing.FALLING, set={"on": 0.0}),
        }


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("master", [Jacobi(0.1), Midpoint(0.07), Adaptive()], ids=lambda m: type(m).__name__)
def test_an_input_that_jumps_between_two_steps_brings_an_event_about(solver, master):
    signal = tk.steps({0.0: 0.0, 0.3: 1.0, 0.55: 0.9, 0.75: 0.0})
    found = tk.simulate(alone(Switched(), solver), until=1.0, inputs={"m.u": signal}, master=master)
    whole = tk.simulate(Switched(), until=1.0, inputs={"u": signal}, solver=solver)
    assert [e.name for e in found.occurrences] == ["m.high", "m.low"] == [f"m.{e.name}" for e in whole.occurrences]
    assert [e.time for e in found.occurrences] == pytest.approx([0.3, 0.75])
    assert found["m.x"].values[-1] == pytest.approx(float(whole["x"][-1]), abs=1e-6)
    assert found["m.x"].values[-1] == pytest.approx(0.45, abs=1e-6)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_inputs_count_in_every_step_of_a_model_with_events(solver):
    class Filled(tk.Model):
        """A level, and an event that is far away."""

        time_unit = "s"
        V = tk.State("m**3", initial=0.0)
        q = tk.Input("m**3/s", default=0.0)

        def equations(self, v, m):
            return {"V": v.q}

        def events(self, v, m):
            return {"full": tk.Event(v.V - m.quantity(100.0, "m**3"), set={"V": 0.0})}

    component = ModelComponent(Filled(), solver=solver)
    component.initialize(0.0, {"q": 0.0})
    levels = [component.step(float(k), 1.0, {"q": q})["V"] for k, q in enumerate([1.0, 0.0, 5.0])]
    assert levels == pytest.approx([1.0, 1.0, 6.0])


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("model", [Together(), Planned(), Ball(), Switched()], ids=lambda m: type(m).__name__)
def test_the_contract_holds_through_events(solver, model):
    check_component(ModelComponent(model, solver=solver), dt=0.2, steps=6)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_what_happened_is_taken_back_with_the_state(solver):
    with alone(Ball(), solver).open(Jacobi(0.1)) as run:
        run.advance(1.0)
        early = run.snapshot()
        before = run.solution().occurrences
        run.advance(3.0)
        late, after = run.snapshot(), run.solution()
        run.restore(early)
        assert run.solution().occurrences == before
        run.advance(2.0)
        run.restore(late)
        assert run.solution().occurrences == after.occurrences
        run.restore(early)
        run.advance(3.0)
        again = run.solution()
        assert again.content_hash == after.content_hash
        assert again.occurrences == after.occurrences


def test_a_model_without_states_has_events_too():
    class Latch(tk.Model):
        """Remembers that its input was high."""

        time_unit = "s"
        u = tk.Input("", default=0.0)
        on = tk.Mode("", default=0.0)
        y = tk.Output("")

        def equations(self, v, m):
            return {"y": v.on}

        def events(self, v, m):
            return {"set": tk.Event(v.u - 0.5, set={"on": 1.0})}

    found = tk.simulate(alone(Latch(), tk.Cvodes()), until=1.0, inputs={"m.u": tk.steps({0: 0, 0.35: 1, 0.55: 0})},
                        master=Jacobi(0.1))  # fmt: skip
    assert found["m.y"].values[-1] == 1.0
    assert [(round(e.time, 9), e.name) for e in found.occurrences] == [(0.35, "m.set")]
    assert np.all(found["m.y"].values[found.time < 0.35] == 0.0)


def test_a_schedule_goes_on_however_long_a_graph_runs():
    component = ModelComponent(Planned())
    component.initialize(0.0, {})
    found = [component.next_event(t) for t in (-3.0, 0.0, 0.05, 0.1, 0.6, 0.613, 1e6)]
    assert found == pytest.approx([0.0, 0.1, 0.1, 0.25, 0.613, 0.7, 1_000_000.1])
    component.initialize(1e6, {})
    component.step(1e6, 1.0, {})
    assert [event.name for event in component.occurrences()].count("often") == 5
