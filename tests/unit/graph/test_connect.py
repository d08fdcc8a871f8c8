"""Edges are checked when they are made: the wrong ones are refused, units are converted and recorded."""

import pytest
from tests.graph_examples import Chassis, quarter_truck

import twinkit as tk
from twinkit.core.component import Causality, Port, PortKind
from twinkit.core.errors import InvalidValueError, ShapeError, UnitError, UnknownNameError
from twinkit.graph import ConnectError, GaussSeidel, GraphCheckError, Jacobi, Midpoint, material
from twinkit.readings.dimensions import dimension_problems


def block(inputs=None, outputs=None):
    return tk.Block(lambda **values: 1.0, inputs=inputs or {}, outputs=outputs or {"out": ""})


@pytest.fixture
def graph():
    return tk.Graph()


def test_a_wrong_name_suggests_the_nearest(graph):
    node = graph.add("truck", Chassis())
    with pytest.raises(UnknownNameError, match=r"node 'truck' has no input 'zww': did you mean 'zw'"):
        node.inp["zww"]


@pytest.mark.parametrize(
    ("source", "target", "error", "words"),
    [
        ("m", "kg", UnitError, r"a.out -> b.in: .*\[length\] is not \[mass\]"),
        (("m", None, 2), "m", ShapeError, "a vector of length 2 cannot be joined to a single value"),
        (("m", None, 2), ("m", None, 3), ShapeError, "length 2 .* length 3"),
        ("degC", "delta_degC", UnitError, "an absolute temperature"),
        (Port("out", "W", Causality.OUTPUT, kind=PortKind.HEAT), "W", ConnectError, "heat port .* signal port"),
    ],
)
def test_ports_that_do_not_fit_are_refused_at_once(graph, source, target, error, words):
    a, b = graph.add("a", block(outputs={"out": source})), graph.add("b", block({"in": target}))
    with pytest.raises(error, match=words):
        graph.connect(a.out["out"], b.inp["in"])
    assert graph.edges == ()


def test_direction_second_driver_and_foreign_nodes_are_refused(graph):
    a, b = graph.add("a", block()), graph.add("b", block({"in": ""}))
    with pytest.raises(ConnectError, match=r"write connect\(a.out, b.in\)"):
        graph.connect(b.inp["in"], a.out["out"])
    with pytest.raises(ConnectError, match="both are outputs"):
        graph.connect(a.out["out"], b.out["out"])
    graph.connect(a.out["out"], b.inp["in"])
    with pytest.raises(ConnectError, match=r"b\.in is driven by a.out already"):
        graph.connect(b.out["out"], b.inp["in"])
    other = tk.Graph().add("a", block())
    with pytest.raises(ConnectError, match="belongs to no node of this graph"):
        graph.connect(other.out["out"], b.inp["in"])
    with pytest.raises(ConnectError, match="not 3"):
        graph.connect(3, b.inp["in"])


@pytest.mark.parametrize("name", ["a b", "", "class", "a", 3])
def test_a_node_needs_a_free_identifier(graph, name):
    graph.add("a", block())
    with pytest.raises(InvalidValueError):
        graph.add(name, block())


def test_only_components_and_models_are_added_and_each_once(graph):
    with pytest.raises(InvalidValueError, match=r"tk\.Block"):
        graph.add("f", lambda x: x)
    with pytest.raises(InvalidValueError, match="not a component"):
        graph.add("f", Chassis)
    one = block()
    graph.add("one", one)
    with pytest.raises(InvalidValueError, match="in the graph already, as 'one'"):
        graph.add("two", one)


@pytest.mark.parametrize(
    ("source", "target", "scale", "offset"),
    [
        ("degC", "K", 1.0, 273.15),
        ("kW", "W", 1000.0, 0.0),
        ("1/h", "1/min", 1 / 60, 0.0),
        ("degF", "degC", 5 / 9, None),
    ],
)  # fmt: skip
def test_units_are_converted_and_the_edge_says_how(graph, source, target, scale, offset):
    a = graph.add("a", block(outputs={"out": source}))
    b = graph.add("b", tk.Block(lambda x: x, inputs={"x": target}, outputs={"y": target}))
    (edge,) = graph.connect(a.out["out"], b.inp["x"])
    assert edge.scale == pytest.approx(scale)
    if offset is not None:
        assert edge.offset == offset
    assert edge.converts
    found = graph.simulate(1.0, master=Jacobi(1.0))
    assert found["b.y"].data[-1] == pytest.approx(float(tk.core.units.convert(1.0, source, target)))


def test_a_stream_is_connected_whole(graph):
    def side(name, causality, flow="kg/h"):
        return material(name, causality, flow=flow, temperature="degC", composition=("g/L", 2))

    def give():
        return {"feed.flow": 60.0, "feed.temperature": 30.0, "feed.composition": [1.0, 2.0]}

    a = graph.add("a", tk.Block(give, inputs={}, outputs=side("feed", Causality.OUTPUT)))
    ports = side("inlet", Causality.INPUT, "kg/min")
    b = graph.add("b", tk.Block(lambda **v: v["inlet.flow"], inputs=ports, outputs={"y": "kg/min"}))
    with pytest.raises(ConnectError, match="part of the stream 'feed'"):
        graph.connect(a.out["feed.flow"], b.inp["inlet.flow"])
    with pytest.raises(ConnectError, match="a stream joins a stream"):
        graph.connect(a.out["feed"], b.inp["inlet.flow"])
    edges = graph.connect(a.out["feed"], b.inp["inlet"])
    assert len(edges) == 3
    assert graph.simulate(1.0, master=Jacobi(1.0))["b.y"].data[-1] == pytest.approx(1.0)


def test_check_lists_every_problem(graph):
    a, b = graph.add("a", block({"in": ""})), graph.add("b", block({"in": "", "also": "m"}))
    graph.connect(a.out["out"], b.inp["in"])
    graph.connect(b.out["out"], a.inp["in"])
    with pytest.raises(GraphCheckError) as caught:
        graph.check()
    words = str(caught.value)
    assert "input b.also [m] is not connected" in words
    assert "algebraic loop a.out -> b.out -> a.out" in words or "algebraic loop b.out -> a.out -> b.out" in words
    with pytest.raises(GraphCheckError) as caught:
        graph.check(GaussSeidel(1.0))
    assert len(caught.value.problems) == 1  # the loop will be solved
    with pytest.raises(GraphCheckError):
        graph.simulate(1.0, master=GaussSeidel(1.0))
    graph.check(GaussSeidel(1.0), inputs={"b.also": 1.0})


def test_check_names_components_that_cannot_roll_back(graph):
    from tests.graph_examples import Decay

    graph.add("plain", Decay())
    graph.check(Jacobi(1.0))
    with pytest.raises(GraphCheckError, match="plain cannot roll back, which Midpoint needs"):
        graph.check(Midpoint(1.0))


def test_two_ways_through_one_node_are_no_loop(graph):
    two = tk.simulate.ModelComponent(_TwoWays())
    a = graph.add("a", two)
    b = graph.add("b", tk.Block(lambda x: 2 * x, inputs={"x": ""}, outputs={"y": ""}))
    graph.connect(a.out["y1"], b.inp["x"])
    graph.connect(b.out["y"], a.inp["u2"])
    graph.check(inputs={"a.u1": 3.0})
    found = graph.simulate(1.0, master=Jacobi(0.5), inputs={"a.u1": 3.0})
    assert found["a.y2"].data.tolist() == [7.0] * 3


class _TwoWays(tk.Model):
    """Two independent paths."""

    u1 = tk.Input("")
    u2 = tk.Input("")
    y1 = tk.Output("")
    y2 = tk.Output("")

    def equations(self, v, m):
        return {"y1": v.u1, "y2": v.u2 + 1.0}


def test_it_prints_draws_and_hashes_itself():
    graph = quarter_truck()
    assert "chassis.F -> wheel.F" in repr(graph)
    assert "wheel.road: not connected, 0.1 m" in repr(graph)
    svg = graph._repr_svg_()
    assert svg.startswith("<svg")
    assert svg.count("<path") == 3
    assert graph.content_hash == quarter_truck().content_hash
    other = quarter_truck(rtol=1e-6)
    assert other.content_hash != graph.content_hash


def test_labels_of_the_picture_are_escaped():
    import xml.etree.ElementTree as ET

    graph = tk.Graph()
    port = Port("<script>&", "m", Causality.OUTPUT)
    graph.add("a", tk.Block(lambda: {"<script>&": 1.0}, inputs={}, outputs={"<script>&": port}))
    svg = graph._repr_svg_()
    assert "<script>" not in svg
    ET.fromstring(svg)
    ET.fromstring(tk.Graph()._repr_svg_())


def test_an_edge_transforms_after_the_units_are_converted(graph):
    a = graph.add("a", block(outputs={"out": "degC"}))
    b = graph.add("b", block({"in": "K"}, {"out": "K"}))
    edge = graph.connect(a.out["out"], b.inp["in"], factor=2.0, offset=-1.0)[0]
    assert (edge.scale, edge.offset, edge.transformation) == (2.0, 2 * 273.15 - 1, (2.0, -1.0))
    assert "with the transformation x 2 - 1" in str(edge)
    assert tk.simulate(graph, 1.0, master=Jacobi(0.5)).success


def test_numbers_can_be_taken_as_they_are(graph):
    a, b = graph.add("a", block(outputs={"out": "m"})), graph.add("b", block({"in": "kg"}))
    edge = graph.connect(a.out["out"], b.inp["in"], convert_units=False)[0]
    assert (edge.scale, edge.offset) == (1.0, 0.0)
    assert "units not converted" in str(edge)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_transformation_is_finite(graph, bad):
    a, b = graph.add("a", block()), graph.add("b", block({"in": ""}))
    with pytest.raises(ConnectError, match="finite"):
        graph.connect(a.out["out"], b.inp["in"], factor=bad)


def test_an_edge_with_a_transformation_is_flattened_and_stays_when_a_node_changes():
    graph = quarter_truck()
    other = tk.Graph()
    names = list(graph.nodes)
    nodes = {name: other.add(name, graph[name].component.model) for name in names}
    for edge in graph.edges:
        (a, out), (b, inp) = edge.source, edge.target
        other.connect(nodes[a].out[out], nodes[b].inp[inp], factor=0.9, offset=0.01, convert_units=inp != "F")
    changed = other.with_(wheel=graph["wheel"].component.model)
    assert [(e.transformation, e.convert_units) for e in changed.edges] == [
        ((0.9, 0.01), e.target[1] != "F") for e in graph.edges]  # fmt: skip
    report = changed.compare(0.5, tk.graph.Midpoint(0.004))
    assert report.shrinks
    assert report.order == pytest.approx(2.0, abs=0.2)
    assert dimension_problems(other.flatten()) == []
