"""How runs end: by an event of a component, or by a failure with what was reached."""

import numpy as np
import pytest
from tests.graph_examples import Decay

import twinkit as tk
from twinkit.core.component import StepError
from twinkit.core.errors import InvalidValueError
from twinkit.core.solution import Occurrence
from twinkit.graph import Adaptive, GaussSeidel, Graph, Implicit, Jacobi, Midpoint


class Fill(tk.Model):
    """A tank whose filling ends the run."""

    time_unit = "min"
    V = tk.State("m**3", initial=0.0)
    q = tk.Input("m**3/min", default=1.0)
    full = tk.Parameter("m**3", 0.77)

    def equations(self, v, m):
        return {"V": v.q}

    def events(self, v, m):
        return {"full": tk.Event(v.V - v.full, set={"V": v.V}, stop=True)}


class Lag(tk.Model):
    """Follows the level and slows the feed down."""

    time_unit = "min"
    x = tk.State("m**3", initial=0.0)
    u = tk.Input("m**3", default=0.0)
    q = tk.Output("m**3/min")

    def equations(self, v, m):
        rate = m.quantity(1.0, "1/min")
        return {"x": (v.u - v.x) * rate, "q": m.quantity(1.0, "m**3/min") - 0.5 * v.x * rate}


def filling(time_unit=None):
    graph = Graph(time_unit)
    tank, lag = graph.add("tank", Fill()), graph.add("lag", Lag())
    graph.connect(tank.out["V"], lag.inp["u"])
    graph.connect(lag.out["q"], tank.inp["q"])
    return graph


MASTERS = [
    (Jacobi("0.6 s"), 5e-3), (GaussSeidel("0.6 s"), 5e-3), (Midpoint("0.6 s"), 1e-5), (Midpoint("7 s"), 2e-3),
    (Implicit("0.6 s"), 1e-5), (Adaptive(), 1e-4),
]  # fmt: skip


@pytest.mark.parametrize(("master", "tolerance"), MASTERS, ids=lambda m: type(m).__name__)
def test_an_event_ends_the_run_where_it_happens(master, tolerance):
    exact = tk.simulate(filling().flatten(), until=3.0, rtol=1e-10)
    found = tk.simulate(filling(), until=3.0, master=master)
    assert found.success
    assert found.status.reason.startswith("stopped by event 'tank.full' at 0.80")
    assert found.time[-1] == found.status.time == pytest.approx(exact.time[-1], abs=tolerance)
    assert found["tank.V"].values[-1] == pytest.approx(0.77, abs=1e-8)
    assert found["lag.x"].values[-1] == pytest.approx(float(exact["lag.x"][-1]), abs=tolerance)  # not beyond the event
    assert [event.name for event in found.occurrences] == ["tank.full"]
    assert found.occurrences[0].time == pytest.approx(found.time[-1], abs=1e-8)
    assert np.all(np.diff(found.time) > 0.0)


def test_time_is_that_of_the_graph_and_outputs_end_with_the_run():
    found = tk.simulate(filling("s"), until="3 min", master=Midpoint(1.0), outputs="20 s")
    assert found.time.tolist() == pytest.approx([0.0, 20.0, 40.0, found.status.time])
    assert found.occurrences[0].time == pytest.approx(60.0 * 0.80548, abs=0.01)
    exact = tk.simulate(filling("s"), until="3 min", master=Midpoint(1.0), outputs=[0.0, 30.0, 100.0])
    assert exact.time.tolist() == [0.0, 30.0]


def test_a_run_that_has_ended_goes_no_further_until_it_is_rolled_back():
    with filling().open(Midpoint(0.01)) as run:
        run.advance(0.5)
        saved = run.snapshot()
        run.advance(2.0)
        assert run.ended.name == "tank.full"
        first = run.solution()
        over = run.snapshot()
        with pytest.raises(InvalidValueError, match=r"the run has ended: stopped by event 'tank\.full'"):
            run.advance(3.0)
        run.restore(saved)
        assert run.ended is None
        assert run.solution().occurrences == []
        run.advance(2.0)
        assert run.solution().content_hash == first.content_hash
        run.restore(saved)
        run.restore(over)
        assert run.ended.name == "tank.full"


@pytest.mark.parametrize("master", [Jacobi(0.1), GaussSeidel(0.1)], ids=lambda m: type(m).__name__)
def test_without_rollback_the_run_ends_at_the_exchange_before(master):
    graph = Graph()
    graph.add("tank", Fill())
    graph.add("other", Decay(time_unit="min"))
    found = tk.simulate(graph, until=3.0, master=master)
    assert found.success
    assert found.time[-1] == pytest.approx(0.7)
    assert "at 0.77 min; the last values are those of the exchange before, at 0.7, for other" in found.status.reason
    assert found["tank.V"].values[-1] == pytest.approx(0.7)
    assert found["other.y"].values[-1] == pytest.approx(np.exp(-0.7))
    assert [(event.name, round(event.time, 9)) for event in found.occurrences] == [("tank.full", 0.77)]


def test_a_slow_component_that_ends_takes_back_what_was_recorded_since():
    graph = Graph()
    graph.add("tank", Fill())
    graph.add("lag", Lag())
    found = tk.simulate(graph, until=3.0, master=Jacobi(0.1, rates={"tank": 0.5}))
    assert found.time[-1] == pytest.approx(0.7)
    assert "the exchange before" in found.status.reason


def test_an_event_that_an_input_brings_about_at_an_exchange_ends_the_run_there():
    class Trip(tk.Model):
        """Ends with the alarm."""

        time_unit = "min"
        x = tk.State("", initial=0.0)
        alarm = tk.Input("", default=0.0)

        def equations(self, v, m):
            return {"x": m.quantity(1.0, "1/min")}

        def events(self, v, m):
            return {"trip": tk.Event(v.alarm - 0.5, stop=True)}

    graph = Graph()
    graph.add("unit", Trip())
    for master in (Jacobi(0.1), Midpoint(0.1), Adaptive()):
        found = tk.simulate(graph, until=2.0, inputs={"unit.alarm": tk.steps({0: 0.0, 0.35: 1.0})}, master=master)
        assert found.time[-1] == pytest.approx(0.35, abs=1e-6)
        assert found["unit.x"].values[-1] == pytest.approx(0.35, abs=1e-6)
        assert [event.name for event in found.occurrences] == ["unit.trip"]


def test_an_event_at_the_start_ends_the_run_there():
    class Over(tk.Model):
        """Is over at once: a schedule at the start brings the end about."""

        time_unit = "min"
        x = tk.State("", initial=0.0)
        n = tk.Mode("", default=0.0)

        def equations(self, v, m):
            return {"x": v.n * m.quantity(1.0, "1/min")}

        def events(self, v, m):
            return {"go": tk.Schedule(at=[0.0], set={"n": 1.0}), "end": tk.Event(v.n - 0.5, stop=True)}

    graph = Graph()
    graph.add("unit", Over())
    found = tk.simulate(graph, until=2.0, master=Jacobi(0.1))
    assert found.time.tolist() == [0.0]
    assert found.status.reason == "stopped by event 'unit.end' at 0 min"
    assert found.occurrences == [Occurrence(0.0, "unit.go"), Occurrence(0.0, "unit.end")]


@pytest.mark.parametrize("kind", [Jacobi, GaussSeidel])
@pytest.mark.parametrize("bad", [{"fail_at": 0.45}, {"nan_at": 0.45}], ids=["raises", "nan"])
def test_a_failure_carries_what_was_reached(kind, bad):
    graph = Graph()
    a, b = graph.add("a", Decay()), graph.add("b", Decay(**bad))
    graph.connect(a.out["y"], b.inp["u"])
    with pytest.raises(StepError) as caught:
        tk.simulate(graph, until=1.0, master=kind(0.125))
    partial = caught.value.partial
    assert not partial.success
    assert partial.status.reason == str(caught.value)
    assert partial.time.tolist() == pytest.approx([0.0, 0.125, 0.25, 0.375, 0.5])
    assert partial.status.time == 0.5
    assert np.isfinite(partial["b.y"].values).all()
    assert partial["a.y"].values == pytest.approx(np.exp(-partial.time))
    with pytest.raises(tk.SimulationError):
        partial.raise_if_failed()


def test_a_failure_at_the_start_has_nothing_to_carry():
    graph = Graph()
    graph.add("bad", tk.Block(lambda x: 1 / x, inputs={"x": ("", 0.0)}, outputs={"y": ""}))
    with pytest.raises(StepError) as caught:
        tk.simulate(graph, until=1.0, master=Jacobi(0.5))
    assert caught.value.partial is None
