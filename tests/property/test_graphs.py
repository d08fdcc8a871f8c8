"""Properties of graphs: replay, units on edges, and connecting anything to anything."""

import math
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.graph_examples import quarter_truck

import twinkit as tk
from twinkit.core.component import Causality, Port, PortKind
from twinkit.core.errors import TwinkitError
from twinkit.graph import Adaptive, GaussSeidel, Implicit, Jacobi, Midpoint

UNITS = ["m", "mm", "km", "inch", "kg", "g", "degC", "K", "degF", "delta_degC", "1/h", "1/s", "", "%", "g/L", "kg/m**3"]


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([Jacobi, GaussSeidel, Midpoint, Implicit]),
    st.floats(1e-3, 0.05),
    st.lists(st.floats(0.01, 0.2), min_size=1, max_size=3),
)
def test_replay_is_bitwise_the_same_wherever_it_starts(kind, step, legs):
    with quarter_truck().open(kind(step)) as run:
        run.advance(0.05)
        saved = run.snapshot()
        hashes = []
        for _ in range(2):
            for leg in legs:
                run.advance(run.time + leg)
            hashes.append(run.solution().content_hash)
            run.restore(saved)
        assert hashes[0] == hashes[1]


@settings(max_examples=10, deadline=None)
@given(st.floats(1e-6, 1e-3))
def test_adaptive_keeps_to_its_tolerance_as_it_is_tightened(rtol):
    coarse = quarter_truck().simulate(0.5, master=Adaptive(rtol=rtol))
    fine = quarter_truck().simulate(0.5, master=Adaptive(rtol=rtol / 30))
    assert len(fine.time) > len(coarse.time)
    assert abs(coarse["chassis.z"].data[-1] - fine["chassis.z"].data[-1]) < 30 * rtol * 0.2


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(UNITS), st.sampled_from(UNITS), st.floats(-1e3, 1e3))
def test_an_edge_converts_as_pint_does_or_is_refused(source, target, value):
    graph = tk.Graph()
    a = graph.add("a", tk.Block(lambda: value, inputs={}, outputs={"y": source}))
    b = graph.add("b", tk.Block(lambda x: x, inputs={"x": target}, outputs={"y": target}))
    try:
        graph.connect(a.out["y"], b.inp["x"])
    except TwinkitError:
        assert graph.edges == ()
        return
    found = float(graph.simulate(1.0, master=Jacobi(1.0))["b.y"].data[-1])
    wanted = float(tk.units.Quantity(value, source).to(target).magnitude)
    assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


PORTS = st.builds(
    lambda unit, shape, kind: (unit, shape, kind),
    st.sampled_from(UNITS), st.sampled_from([None, 1, 2, 5]), st.sampled_from(PortKind),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(PORTS, min_size=2, max_size=4), st.lists(st.tuples(*[st.integers(0, 7)] * 4), max_size=12))
def test_connecting_anything_gives_an_edge_or_a_twinkit_error(ports, wishes):
    graph, plugs = tk.Graph(), []
    for k, (unit, shape, kind) in enumerate(ports):
        sides = {c: Port(c.value, unit, c, shape, kind) for c in Causality}
        block = tk.Block(
            lambda **v: 0.0, inputs={"input": sides[Causality.INPUT]}, outputs={"output": sides[Causality.OUTPUT]}
        )
        node = graph.add(f"n{k}", block)
        plugs += [node.out["output"], node.inp["input"]]
    made = 0
    for i, j, _, _ in wishes:
        with suppress(TwinkitError):
            made += len(graph.connect(plugs[i % len(plugs)], plugs[j % len(plugs)]))
        assert len(graph.edges) == made
    assert len({edge.target for edge in graph.edges}) == made
    repr(graph), graph._repr_svg_(), graph.content_hash
