"""FMUs of another tool in a graph: the coupled pair against its monolithic twin (gemseo-fmu 3.1.1, OpenModelica)."""

import shutil
import time

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.component import Component, StepError, Variability
from twinkit.core.errors import InvalidValueError


def pair(fmus):
    graph = tk.Graph()
    one = graph.add("one", tk.FMU(fmus["MassSpringSubSystem1"]))
    two = graph.add("two", tk.FMU(fmus["MassSpringSubSystem2"]))
    graph.connect(two.out["x2"], one.inp["x2"])
    graph.connect(one.out["x1"], two.inp["x1"])
    return graph


@pytest.mark.parametrize("step", [0.02, 0.005])
def test_the_coupled_pair_equals_its_monolithic_twin(real_fmus, step):
    """These FMUs take one explicit Euler step per communication step, so Jacobi makes no error of its own."""
    coupled = tk.simulate(pair(real_fmus), 5.0, master=tk.graph.Jacobi(step))
    with tk.fmi.open(real_fmus["MassSpringSystem"]) as fmu:
        fmu.reset()
        rows = [fmu.step(step, {}) for _ in range(round(5.0 / step))]
    for name, whole in (("one.x1", "x1"), ("two.x2", "x2")):
        expected = np.array([row[whole] for row in rows])
        np.testing.assert_allclose(coupled.trace(name).data[1:], expected, rtol=0, atol=1e-11)


def test_a_check_names_what_a_rollback_master_cannot_do(real_fmus):
    graph = pair(real_fmus)
    graph.check(tk.graph.Jacobi(0.01))
    with pytest.raises(tk.graph.GraphCheckError, match="one cannot roll back") as caught:
        graph.check(tk.graph.Midpoint(0.01))
    assert "two cannot roll back" in str(caught.value), "all problems at once"


def test_a_graph_runs_its_fmus_again(real_fmus):
    graph = pair(real_fmus)
    first = tk.simulate(graph, 0.1, master=tk.graph.Jacobi(0.01))
    again = tk.simulate(graph, 0.1, master=tk.graph.Jacobi(0.01))
    assert first.content_hash == again.content_hash


def test_the_start_value_of_an_input_holds_in_a_graph_too(spring, arrays):
    assert isinstance(tk.FMU(spring), Component)
    fmu = tk.FMU(spring, start={"force": 2.0, "on": False})
    assert (fmu.inputs["force"].default, fmu.inputs["on"].default) == (2.0, 0.0)
    text = tk.FMU(spring, start={"force": "0.004 kN"})
    text.initialize(0.0, {})
    assert [text.inputs["force"].default, text.start["force"]] == pytest.approx([4.0, 4.0])
    text.close()
    graph = tk.Graph()
    graph.add("pushed", tk.FMU(spring, start={"force": 4.0}))
    graph.add("idle", tk.FMU(spring, start={"force": 4.0, "on": False}))
    found = tk.simulate(graph, 20.0, master=tk.graph.Jacobi(0.5))
    assert found["pushed.x"].values[-1] == pytest.approx(1.0, abs=0.02)  # force / k
    assert found["idle.x"].values[-1] == pytest.approx(0.0, abs=0.02)
    given = tk.simulate(graph, 20.0, master=tk.graph.Jacobi(0.5), inputs={"pushed.force": 8.0})
    assert given["pushed.x"].values[-1] == pytest.approx(2.0, abs=0.02)
    name = next(name for name, port in tk.FMU(arrays).inputs.items() if port.shape)
    width = tk.FMU(arrays).inputs[name].shape
    assert tk.FMU(arrays, start={name: np.arange(width)}).inputs[name].default == tuple(map(float, range(width)))
    with pytest.raises(InvalidValueError, match="has 3 value"):
        tk.FMU(arrays, start={name: [1.0] * (width + 1)})


def test_the_identity_of_an_fmu_is_its_file_and_how_it_is_run(spring, lag, tmp_path):
    copy = shutil.copy(spring, tmp_path / "another_name.fmu")
    one = tk.FMU(spring).content_hash
    assert one == tk.FMU(spring).content_hash == tk.FMU(copy, isolate=True).content_hash
    others = [
        tk.FMU(lag), tk.FMU(spring, start={"k": 5.0}), tk.FMU(spring, start={"force": 1.0}), tk.FMU(spring, kind="me"),
        tk.FMU(spring, kind="me", integration=tk.fmi.Integration(rtol=1e-4)),
    ]  # fmt: skip
    assert len({one, *(other.content_hash for other in others)}) == 6
    graphs = [tk.Graph(), tk.Graph()]
    graphs[0].add("a", tk.FMU(spring))
    graphs[1].add("a", tk.FMU(spring, start={"k": 5.0}))
    assert graphs[0].content_hash != graphs[1].content_hash
    with open(copy, "ab") as file:
        file.write(b" ")
    assert tk.FMU(copy).content_hash != one


@pytest.mark.parametrize("isolate", [False, True])
def test_a_failure_names_the_node_not_the_file_alone(spring, isolate):
    graph = tk.Graph()
    graph.add("good", tk.FMU(spring, isolate=isolate))
    graph.add("broken", tk.FMU(spring, start={"trick": 4}, isolate=isolate))
    with pytest.raises(StepError, match=r"broken at t = 0 s: spring2\.fmu .*the spring broke") as caught:
        tk.simulate(graph, 1.0, master=tk.graph.Jacobi(0.1), inputs={"broken.force": 3.0})
    assert caught.value.component == "broken"
    assert caught.value.values == {"force": 3.0, "on": 1.0}


def test_an_adaptive_run_with_counts_and_switches(spring):
    """`count` grows with every step of the FMU, `on` takes no mean of true and false."""
    fmu = tk.FMU(spring)
    assert fmu.outputs["count"].variability is fmu.inputs["on"].variability is Variability.DISCRETE
    graph = tk.Graph()
    node = graph.add("spring", fmu)
    switch = graph.add("switch", tk.Block(lambda x: float(x > 0.9), inputs={"x": "m"}, outputs={"on": ""}))
    graph.connect(node.out["x"], switch.inp["x"])
    graph.connect(switch.out["on"], node.inp["on"])
    found = tk.simulate(graph, 1.0, master=tk.graph.Midpoint(0.01), inputs={"spring.force": 1.0})
    assert set(found["switch.on"].values) == {0.0, 1.0}
    alone = tk.Graph()
    alone.add("spring", tk.FMU(spring))
    found = tk.simulate(alone, 1.0, master=tk.graph.Adaptive(), inputs={"spring.force": 1.0})
    assert found["spring.count"].values[-1] > 10
    with tk.fmi.open(spring) as session:
        session.reset()
        rows = [session.step(1e-3, {"force": 1.0}) for _ in range(1000)]
    assert found["spring.x"].values[-1] == pytest.approx(rows[-1]["x"], abs=2e-3)


def test_isolated_fmus_step_side_by_side(spring):
    def seconds(threads, isolate):
        graph = tk.Graph()
        for name in "ab":
            graph.add(name, tk.FMU(spring, start={"trick": 10}, isolate=isolate))  # every step sleeps for 30 ms
        with graph.open(tk.graph.Jacobi(0.1, threads=threads)) as run:
            begin = time.perf_counter()
            run.advance(1.0)
            return time.perf_counter() - begin, run.solution().content_hash

    one_by_one, first = seconds(None, True)
    assert one_by_one > 20 * 0.03
    for isolate in (True, False):
        together, second = seconds(2, isolate)
        assert second == first
        assert together < 0.75 * one_by_one  # half, and what a busy machine adds
