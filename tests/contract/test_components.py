"""Every component of ours keeps the contract, and the check finds those that do not."""

import pytest
from tests.graph_examples import Chassis, Decay

import twinkit as tk
from twinkit.core.component import Causality, Port
from twinkit.estimate import Sensor
from twinkit.testing import check_component
from twinkit.testing.component import ComponentCheckError
from twinkit.unitops import CHOFedBatch, JacketedTank, LignocellulosicEthanol

MODELS = {"tank": JacketedTank, "cho": CHOFedBatch, "ethanol": LignocellulosicEthanol}


class Bouncer(tk.Model):
    """An event and a schedule."""

    h = tk.State("m", initial=1.0)
    v = tk.State("m/s", initial=0.0)
    kicks = tk.Mode("", default=0.0)
    g = tk.Input("m/s**2", default=9.81)

    def equations(self, v, m):
        return {"h": v.v, "v": -v.g}

    def events(self, v, m):
        return {
            "bounce": tk.Event(v.h, tk.Crossing.FALLING, set={"v": -0.8 * v.v}),
            "kick": tk.Schedule(every=0.35, start=0.35, set={"v": v.v + 1.0, "kicks": v.kicks + 1.0}),
        }


class Pair(tk.Model):
    """An index-1 DAE with feedthrough."""

    x = tk.State("", initial=1.0)
    z = tk.Algebraic("", initial=1.0)
    u = tk.Input("", default=2.0)
    y = tk.Output("")

    def equations(self, v, m):
        return {"x": -v.x + v.z, "z": v.z * v.z * v.z + v.z - v.u - v.x, "y": v.z + v.x}


@pytest.mark.parametrize("solver", [None, tk.Cvodes()], ids=["compiled", "cvodes"])
@pytest.mark.parametrize("model", [*MODELS.values(), Bouncer, Pair], ids=lambda model: model.__name__)
def test_models(model, solver):
    component = tk.simulate.ModelComponent(model(), solver=solver)
    missing = {name: 0.1 for name, port in component.inputs.items() if port.default is None}
    check_component(component, inputs=missing, dt=0.2)


def test_a_first_order_hold_too():
    check_component(tk.simulate.ModelComponent(Chassis(), hold="first"), inputs={"zw": 0.1, "vw": 0.0}, dt=0.01)


@pytest.mark.parametrize("solver", [tk.Compiled(), tk.Cvodes()], ids=["compiled", "cvodes"])
def test_steps_end_where_a_whole_run_does_events_and_schedules_included(solver):
    component = tk.simulate.ModelComponent(Bouncer(), solver=solver, rtol=1e-10)
    component.initialize(0.0, {})
    for k in range(20):
        last = component.step(0.1 * k, 0.1, {})
    whole = tk.simulate(Bouncer(), until=2.0, solver=solver, rtol=1e-10)
    assert last["h"] == pytest.approx(float(whole["h"][-1]), abs=1e-7)
    assert last["v"] == pytest.approx(float(whole["v"][-1]), abs=1e-6)
    assert component.next_event(0.3) == pytest.approx(0.35)
    assert component.next_event(0.35) == pytest.approx(0.70)


class Watched(tk.Model):
    """Something an estimator follows: a state, a vector of two, an input."""

    time_unit = "h"
    x = tk.State("degC", initial=20.0)
    c = tk.State("g/L", initial=[1.0, 2.0], shape=2)
    u = tk.Input("delta_degC/h", default=1.0)
    y = tk.Output("g/L")

    def equations(self, v, m):
        k = m.quantity(0.3, "1/h")
        return {"x": v.u, "c": -k * v.c, "y": v.c[0] + v.c[1]}


@pytest.mark.parametrize(
    "late", [{}, {"delay": 0.3}, {"every": 0.5, "delay": 0.45}], ids=["at once", "delayed", "now and then"]
)
def test_estimators(late):
    sensors = [Sensor("y", 0.1, **late), Sensor("x", 0.5, tag="TI-101")]
    twin = tk.EKF(Watched(), sensors, initial_std={"c": 0.5}, process_noise={"x": 0.1})
    check_component(twin.component(), inputs={"y": 2.5, "TI-101": 21.0}, dt=0.2, steps=12)
    check_component(twin.component(limit=2, outputs=["y"]), inputs={"y": 2.5, "TI-101": 21.0}, t0=-3.0, dt=0.2)


def test_blocks_and_records():
    check_component(
        tk.Block(lambda x, y: {"z": x * y}, inputs={"x": ("m", 2.0), "y": ("m", 3.0)}, outputs={"z": "m**2"})
    )
    table = {"a": [1.0, 2.0, 4.0], "b": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}
    for hold in ("previous", "linear"):
        record = tk.Replay(table, hold=hold, times=[0, 1, 2], units={"a": "m", "b": "kg"}, time_unit="min")
        check_component(record, steps=3, dt=0.3)
    check_component(Decay(), steps=3)


class Liar(Decay):
    """Says it rolls back, and does not; says it has no feedthrough, and has."""

    def snapshot(self):
        return None

    def restore(self, state):
        pass

    def evaluate(self, t, inputs):
        return {"y": inputs["u"]}


def test_what_breaks_the_contract_is_found_all_of_it():
    with pytest.raises(ComponentCheckError) as caught:
        check_component(Liar())
    assert "after restore: outputs differ" in str(caught.value)
    assert "'y' follows 'u' at once" in str(caught.value)

    class Wrong(Decay):
        def __init__(self):
            super().__init__(nan_at=0.0)
            self.inputs = {"u": Port("v", "m", Causality.OUTPUT)}

    with pytest.raises(ComponentCheckError, match="holds the port 'v'"):
        check_component(Wrong())
    with pytest.raises(ComponentCheckError, match="output 'y' is nan"):
        check_component(Decay(nan_at=2.0))
