"""Advisory control as a component: a policy plays the person."""

import pytest
from tests.control_examples import Trail, gate, recommendation

import twinkit as tk
from twinkit.control import AdvisorComponent, Always, ControlMode
from twinkit.core.component import StepError

GIVEN = {"F": 0.02, "Glc": 3.0, "std(Glc)": 0.05}


def explained(offer):
    return recommendation(
        offer.time, offer.moves["F"].first, offer.expires, present=offer.present, in_domain=offer.in_domain
    )


def advisor(policy=None, **more):
    settings = {"watch": {"Glc": "g/L"}, "gate": gate(), "explain": explained, "every": "1 h", **more}
    return AdvisorComponent("R3", {"F": "0.01 L/h"}, policy or Always(), **settings)


def run(component, values, dt=0.5, **more):
    component.initialize(0.0, GIVEN)
    return [component.step(dt * k, dt, {**GIVEN, "F": value, **more}) for k, value in enumerate(values)]


def test_accept_all_and_reject_all():
    assert [row["F"] for row in run(advisor(), [0.02, 0.03, 0.04, 0.05])] == [0.02, 0.02, 0.04, 0.04]
    assert [row["F"] for row in run(advisor(Always(accepted=False)), [0.02, 0.03, 0.04])] == [0.01, 0.01, 0.01]


def test_a_slow_person():
    rows = run(advisor(Always(delay=0.5)), [0.02, 0.03, 0.04, 0.05])
    assert [row["F"] for row in rows] == [0.01, 0.02, 0.02, 0.04]
    assert [row["waiting"] for row in rows] == [1.0, 0.0, 1.0, 0.0]
    # Slower than a recommendation lives: nothing is ever applied.
    assert {row["F"] for row in run(advisor(Always(delay=1.0)), [0.02] * 6)} == {0.01}


def test_closed_loop_and_dropping_back():
    component = advisor(Always(delay=99.0, closed=True), mode=ControlMode.CLOSED_LOOP)
    rows = run(component, [0.02, 0.02, 0.03])
    assert [row["mode"] for row in rows] == [2.0, 2.0, 2.0]
    assert rows[-1]["F"] == 0.03
    late = component.step(1.5, 0.5, {**GIVEN, "F": 0.04, "quality(probe)": 2.0})
    assert late["mode"] == 1.0
    assert component.step(2.0, 0.5, {**GIVEN, "F": 0.04})["mode"] == 1.0  # nobody asks again
    again = advisor(Always(delay=99.0, closed=True, again=True), mode=ControlMode.CLOSED_LOOP)
    run(again, [0.02, 0.02, 0.03])
    again.step(1.5, 0.5, {**GIVEN, "quality(probe)": 2.0})
    assert again.step(2.0, 0.5, GIVEN)["mode"] == 2.0


def test_moves_without_a_prediction_never_close_the_loop():
    component = advisor(Always(delay=99.0, closed=True), mode=ControlMode.CLOSED_LOOP, explain=None)
    assert {row["mode"] for row in run(component, [0.02] * 4)} == {1.0}


def test_no_plan_and_open_loop():
    assert run(advisor(), [0.02], usable=0.0)[0]["F"] == 0.01
    assert {row["F"] for row in run(advisor(mode=ControlMode.OPEN_LOOP), [0.02] * 3)} == {0.01}
    outside = run(advisor(), [0.09] * 3)
    assert {row["F"] for row in outside} == {0.01}


def test_with_an_audit_trail_it_does_not_roll_back():
    trail = Trail()
    component = advisor(audit=trail)
    run(component, [0.02])
    assert trail.actions == ["mode changed", "recommendation made", "moves applied"]
    assert not component.rolls_back
    with pytest.raises(tk.SimulationError, match="taken back"):
        component.restore(component.snapshot())
    assert advisor().rolls_back


def test_in_a_graph():
    class Vessel(tk.Model):
        time_unit = "h"
        Glc = tk.State("g/L", initial=2.0)
        F = tk.Input("L/h", default=0.0)

        def equations(self, v, m):
            return {"Glc": m.quantity(100.0, "g/L**2") * v.F - m.quantity(0.5, "1/h") * v.Glc}

    graph = tk.Graph()
    plant = graph.add("plant", Vessel())
    feedback = tk.Block(
        lambda Glc: 0.01 * (3.0 - Glc) + 0.015, inputs={"Glc": "g/L"}, outputs={"F": "L/h"}, time_unit="h"
    )
    controller = graph.add("controller", feedback)
    middle = graph.add("advisor", advisor(explain=None, every="30 min"))
    graph.connect(plant.out["Glc"], controller.inp["Glc"])
    graph.connect(plant.out["Glc"], middle.inp["Glc"])
    graph.connect(controller.out["F"], middle.inp["F"])
    graph.connect(middle.out["F"], plant.inp["F"])
    run = tk.simulate(graph, until="20 h", master=tk.graph.GaussSeidel("0.5 h"))
    assert float(run["plant.Glc"][-1]) == pytest.approx(3.0, abs=0.02)
    assert float(run["advisor.mode"][-1]) == 1.0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: advisor("accept"), tk.InvalidValueError, "policy"),
        (lambda: advisor(mode="advisory"), tk.InvalidValueError, "mode"),
        (lambda: advisor(every=0.0), tk.InvalidValueError, "positive"),
        (lambda: advisor(watch={"F": "L/h"}), tk.InvalidValueError, "twice"),
        (lambda: advisor(watch={"Glc": "wrongunit"}), tk.UnitError, "wrongunit"),
        (lambda: Always(by=""), tk.InvalidValueError, "person"),
        (lambda: Always(reason=""), tk.InvalidValueError, "reason"),
        (lambda: Always(delay=-1.0), tk.InvalidValueError, "delay"),
        (lambda: advisor().restore(None), tk.InvalidValueError, "snapshot"),
        (lambda: run(advisor(), [float("nan")]), StepError, "finite"),
        (lambda: run(advisor(), [0.02], **{"quality(probe)": 7.0}), StepError, "quality"),
        (lambda: advisor().step(0.0, 0.0, GIVEN), StepError, "forward"),
        (lambda: advisor().step(0.0, 1.0, {}), StepError, "'Glc'"),
    ],
)  # fmt: skip
def test_what_is_not_usable_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
