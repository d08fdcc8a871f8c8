"""A graph as a component of another graph."""

import numpy as np
import pytest
from tests.graph_examples import Chassis, Decay, Wheel, exact_truck, quarter_truck, three_equations

import twinkit as tk
from twinkit.core.component import StepError
from twinkit.core.errors import InvalidValueError
from twinkit.graph import Adaptive, GaussSeidel, Graph, GraphCheckError, Implicit, Jacobi, Midpoint
from twinkit.testing import check_component

MASTERS = [Jacobi(0.002), GaussSeidel(0.002), Midpoint(0.002), Implicit(0.01), Adaptive()]


@pytest.mark.parametrize("master", MASTERS, ids=lambda m: type(m).__name__)
def test_it_keeps_the_contract(master):
    whole = quarter_truck().as_component(master)
    assert list(whole.inputs) == ["wheel.road"]
    assert check_component(whole, dt=0.01).passed
    body = quarter_truck().without("wheel").as_component(master)
    assert body.feedthrough()["chassis.F"] == {"chassis.zw", "chassis.vw"}
    assert body.feedthrough()["chassis.z"] == frozenset()
    assert check_component(body, dt=0.01, inputs={"chassis.zw": 0.1, "chassis.vw": 0.2}).passed


@pytest.mark.parametrize("inner", MASTERS, ids=lambda m: type(m).__name__)
def test_half_a_truck_in_a_graph_is_half_a_truck(inner):
    outer = Graph()
    body = outer.add("body", quarter_truck().without("wheel").as_component(inner))
    wheel = outer.add("wheel", Wheel())
    outer.connect(wheel.out["z"], body.inp["chassis.zw"])
    outer.connect(wheel.out["w"], body.inp["chassis.vw"])
    outer.connect(body.out["chassis.F"], wheel.inp["F"])
    found = outer.simulate(1.0, master=Midpoint(0.002))
    assert np.max(np.abs(found["body.chassis.z"].values - exact_truck(found.time)[:, 0])) < 1e-4


def test_feedthrough_goes_along_paths_and_loops_are_solved_inside():
    inner = Graph()
    gain = inner.add("gain", tk.Block(lambda x: 2 * x, inputs={"x": "m"}, outputs={"y": "m"}))
    more = inner.add("more", tk.Block(lambda x, k: k * x, inputs={"x": "mm", "k": ("", 1.0)}, outputs={"y": "mm"}))
    inner.connect(gain.out["y"], more.inp["x"])
    component = inner.as_component(Jacobi(1.0))
    assert component.feedthrough()["more.y"] == {"gain.x", "more.k"}
    component.initialize(0.0, {"gain.x": 1.0})
    assert component.evaluate(0.0, {"gain.x": 3.0, "more.k": 2.0})["more.y"] == pytest.approx(12_000.0)
    with pytest.raises(StepError, match=r"input 'gain\.x' has neither"):
        component.step(0.0, 1.0, {})
    loop = three_equations().as_component(Jacobi(1.0))
    start = loop.initialize(0.0, {})
    a, b, c = (start[f"{n}.{o}"] for n, o in (("first", "a"), ("second", "b"), ("third", "c")))
    assert (a + b + c, a * a + b * b + c * c) == pytest.approx((0.0, 5.0), abs=1e-10)


def test_a_loop_across_the_border_is_seen_and_solved_outside():
    inner = Graph()
    inner.add("half", tk.Block(lambda x: 0.5 * x, inputs={"x": ""}, outputs={"y": ""}))
    outer = Graph()
    a = outer.add("a", inner.as_component(Jacobi(1.0)))
    b = outer.add("b", tk.Block(lambda x: x + 1.0, inputs={"x": ""}, outputs={"y": ""}))
    outer.connect(a.out["half.y"], b.inp["x"])
    outer.connect(b.out["y"], a.inp["half.x"])
    with pytest.raises(GraphCheckError, match="algebraic loop"):
        outer.check()
    assert outer.simulate(1.0, master=Jacobi(1.0))["b.y"].values.tolist() == pytest.approx([2.0, 2.0])


class Timer(tk.Model):
    """Counts on a schedule, and ends the run."""

    time_unit = "min"
    x = tk.State("", initial=0.0)

    def equations(self, v, m):
        return {"x": m.quantity(1.0, "1/min")}

    def events(self, v, m):
        return {"jump": tk.Schedule(at=[0.25], set={"x": v.x + 1.0}), "end": tk.Event(v.x - 1.77, stop=True)}


def test_events_occurrences_and_the_end_of_a_run_come_out():
    inner = Graph("s")
    inner.add("timer", Timer())
    component = inner.as_component(Jacobi(3.0))
    assert (component.has_events, component.can_stop, component.rolls_back) == (True, True, True)
    component.initialize(0.0, {})
    assert component.next_event(0.0) == pytest.approx(15.0)
    outer = Graph("min")
    outer.add("unit", component)
    for master in (Jacobi(0.2), Midpoint(0.2), Adaptive()):
        found = tk.simulate(outer, until=2.0, master=master)
        assert 0.25 in found.time
        assert found.time[-1] == pytest.approx(0.77, abs=1e-7)
        assert [(round(e.time, 6), e.name) for e in found.occurrences] == [
            (0.25, "unit.timer.jump"), (0.77, "unit.timer.end")]  # fmt: skip


def test_problems_and_failures_inside_are_told():
    with pytest.raises(InvalidValueError, match="a master is an object"):
        quarter_truck().as_component(Jacobi)
    stuck = Graph()
    stuck.add("a", Decay())
    with pytest.raises(GraphCheckError, match="a cannot roll back"):
        stuck.as_component(Midpoint(0.1))
    component = stuck.as_component(Jacobi(0.1))
    assert component.rolls_back is False
    broken, outer = Graph(), Graph()
    broken.add("a", Decay(fail_at=0.35))
    outer.add("unit", broken.as_component(Jacobi(0.1)))
    with pytest.raises(StepError, match=r"unit at t = 0\.25 s: a at t = 0\.35 s: ZeroDivisionError") as caught:
        outer.simulate(1.0, master=Jacobi(0.25))
    assert caught.value.component == "unit"
    assert broken.nodes["a"].component.closed == 1


def test_two_levels_of_time():
    inner = Graph("min")
    inner.add("decay", Decay(time_unit="s", rate=1.0))
    outer = Graph("h")
    outer.add("unit", inner.as_component(Jacobi("1 s")))
    found = outer.simulate("4 s", master=Jacobi("2 s"))
    assert found["unit.decay.y"].values == pytest.approx(np.exp([0.0, -2.0, -4.0]))
    assert Chassis().time_unit == "s"
