"""FMUs of another tool in a graph: the coupled pair against its monolithic twin (gemseo-fmu 3.1.1, OpenModelica)."""

import numpy as np
import pytest

import twinkit as tk


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
