"""One node changes: the same graph against a model, another model, a record; and without a node."""

import numpy as np
import pytest
from tests.graph_examples import Chassis, quarter_truck

import twinkit as tk
from twinkit.core.component import Causality
from twinkit.core.errors import InvalidValueError, ShapeError, UnitError, UnknownNameError
from twinkit.graph import Graph, Jacobi, Midpoint, material


def test_one_node_is_another_model():
    truck = quarter_truck()
    heavy = truck.with_(chassis=Chassis(mass=800.0))
    assert [str(edge) for edge in heavy.edges] == [str(edge) for edge in truck.edges]
    assert list(heavy.nodes) == list(truck.nodes)
    assert truck.nodes["chassis"].component.model.mass == 400.0  # as it was
    assert heavy.content_hash != truck.content_hash
    assert truck.with_().content_hash == truck.content_hash
    slow, quick = (g.simulate(0.2, master=Midpoint(0.01))["chassis.z"].values[-1] for g in (heavy, truck))
    assert slow < 0.7 * quick


def test_one_node_is_a_record_of_it():
    truck = quarter_truck()
    first = truck.simulate(1.0, master=Midpoint(0.001))
    record = tk.Replay(first, hold="linear", node="wheel")
    assert list(record.outputs) == ["z", "w"]
    again = truck.with_(wheel=record)
    assert [edge.target for edge in again.edges] == [("chassis", "zw"), ("chassis", "vw")]  # a record takes nothing
    found = again.simulate(1.0, master=Midpoint(0.001))
    assert np.max(np.abs(found["chassis.z"].values - first["chassis.z"].values)) < 1e-5
    with pytest.raises(UnknownNameError, match="did you mean 'wheel'"):
        tk.Replay(first, hold="linear", node="whel")
    with pytest.raises(InvalidValueError, match="not of a table"):
        tk.Replay({"z": [1.0]}, hold="linear", times=[0.0], units={"z": "m"}, node="wheel")


def test_what_does_not_fit_is_refused_with_the_reason():
    truck = quarter_truck()
    with pytest.raises(UnknownNameError, match="did you mean 'wheel'"):
        truck.with_(wheels=Chassis())
    with pytest.raises(UnknownNameError, match="input 'F'"):
        truck.with_(wheel=Chassis())  # it has other inputs

    def record(**units):
        return tk.Replay({name: [0.0, 1.0] for name in units}, hold="linear", times=[0, 1], units=units)

    with pytest.raises(UnknownNameError, match="output 'w'"):
        truck.with_(wheel=record(z="m"))
    with pytest.raises(UnitError, match=r"wheel\.z -> chassis\.zw"):
        truck.with_(wheel=record(z="kg", w="m/s"))
    converted = truck.with_(wheel=record(z="mm", w="m/s"))
    assert converted.edges[0].scale == pytest.approx(1e-3)
    wide = tk.Replay({"z": [[0.0, 1.0]], "w": [0.0]}, hold="previous", times=[0], units={"z": "m", "w": "m/s"})
    with pytest.raises(ShapeError):
        truck.with_(wheel=wide)
    with pytest.raises(InvalidValueError, match="in the graph already"):
        truck.with_(wheel=truck.nodes["chassis"].component)


def test_a_node_goes_with_its_edges():
    body = quarter_truck().without("wheel")
    assert list(body.nodes) == ["chassis"]
    assert body.edges == ()
    assert set(body.free_inputs()) == {"chassis.zw", "chassis.vw"}
    assert body.time_unit == "s"
    with pytest.raises(UnknownNameError, match="did you mean 'wheel'"):
        quarter_truck().without("whel")


def test_streams_and_guesses_stay():
    fields = {"flow": "kg/h", "temperature": "degC", "composition": ("g/L", 2)}

    def give(**_):
        return {"feed.flow": 1.0, "feed.temperature": 20.0, "feed.composition": np.ones(2)}

    source = tk.Block(give, inputs={}, outputs=material("feed", Causality.OUTPUT, **fields))
    sink = tk.Block(lambda **given: given["inlet.flow"], inputs=material("inlet", Causality.INPUT, **fields),
                    outputs={"y": "kg/h"})  # fmt: skip
    loop = tk.Block(lambda x: 0.5 * x + 1.0, inputs={"x": ""}, outputs={"y": ""})
    graph = Graph()
    a, b, c = graph.add("a", source), graph.add("b", sink), graph.add("c", loop)
    graph.connect(a.out["feed"], b.inp["inlet"])
    graph.connect(c.out["y"], c.inp["x"], guess=5.0)
    other = graph.with_(a=tk.Block(give, inputs={}, outputs=material("feed", Causality.OUTPUT, **fields)))
    assert [edge.target for edge in other.edges] == [edge.target for edge in graph.edges]
    assert other.edges[-1].guess == 5.0
    assert other.simulate(1.0, master=Jacobi(1.0))["c.y"].values[-1] == pytest.approx(2.0)
