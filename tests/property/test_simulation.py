"""Any inputs and parameters: programs equal direct evaluation, linear systems equal expm, states stay physical."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

import twinkit as tk
from twinkit.core.solution import RunStatus, Solution, Trace
from twinkit.simulate.problem import make_problem
from twinkit.unitops import CHOFedBatch

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Plain(tk.Model):
    """Two inputs, one of them a vector."""

    x = tk.State("", 0.0)
    u = tk.Input("", 0.0)
    w = tk.Input("", 0.0, shape=2)

    def equations(self, v, m):
        return {"x": (v.u + m.sum(v.w)) / m.quantity(1.0, "s")}


class Linear(tk.Model):
    """x' = A x + b."""

    x = tk.State("", 1.0, shape=3, nominal=1.0)
    A = tk.Parameter("1/s", 0.0, shape=9)
    b = tk.Parameter("1/s", 0.0, shape=3)

    def equations(self, v, m):
        return {"x": m.stack([m.dot(v.A[3 * i : 3 * i + 3], v.x) + v.b[i] for i in range(3)])}


@st.composite
def points(draw, width=None):
    """Return increasing times from 0 and values."""
    gaps = draw(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=6))
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    number = st.floats(-100, 100)
    values = [draw(number if width is None else st.lists(number, min_size=width, max_size=width)) for _ in times]
    return times, np.array(values)


@settings(deadline=None)
@given(points(), points(width=2), st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_programs_equal_direct_evaluation(stepped, ramped, fractions):
    (ts, vs), (tr, vr) = stepped, ramped
    end = float(tr[-1])
    problem = make_problem(
        Plain(), end, inputs={"u": tk.steps((ts, vs)), "w": tk.ramps(list(zip(tr, vr, strict=True)))}
    )
    times = np.array([*(end * f for f in fractions), *ts[ts <= end], *tr])
    found = problem.program.values(times)
    np.testing.assert_array_equal(found[:, 0], vs[np.searchsorted(ts, times, side="right") - 1])
    for k in range(2):
        np.testing.assert_allclose(found[:, 1 + k], np.interp(times, tr, vr[:, k]), atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(points())
def test_the_integral_of_a_stepped_input_is_exact(stepped):
    times, values = stepped
    end = float(times[-1]) + 1.0
    solution = tk.simulate(Plain(), end, inputs={"u": tk.steps((times, values))}, outputs=2, solver=tk.Compiled())
    expected = np.sum(values * np.diff(np.append(times, end)))
    assert float(solution["x"][-1]) == pytest.approx(expected, abs=1e-8 * (1 + np.sum(np.abs(values)) * end))


@FEW
@given(st.lists(st.floats(-2, 2), min_size=9, max_size=9), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
@pytest.mark.parametrize("solver", [tk.Cvodes(), tk.Compiled()], ids=["Cvodes", "Compiled"])
def test_linear_systems_agree_with_the_matrix_exponential(solver, entries, offset):
    full = np.zeros((4, 4))
    full[:3, :3], full[:3, 3] = np.reshape(entries, (3, 3)), offset
    solution = tk.simulate(Linear(A=entries, b=offset), 2.0, outputs=3, rtol=1e-10, solver=solver)
    for row, t in zip(solution["x"].values, solution.time, strict=True):
        exact = (expm(full * t) @ [1, 1, 1, 1])[:3]
        assert row == pytest.approx(exact, abs=1e-6 * (1 + np.max(np.abs(exact))), rel=1e-6)


@FEW
@given(
    feed=st.lists(st.floats(0, 4e-3), min_size=3, max_size=3),
    mu=st.floats(0.0, 0.06),
    k_d=st.floats(0.0, 0.02),
    maintenance=st.floats(0.0, 0.2),
    ammonium=st.floats(0.0, 0.02),
    glucose=st.floats(0.0, 60.0),
    cells=st.floats(0.0, 5.0),
)
def test_cho_states_stay_within_their_bounds(feed, mu, k_d, maintenance, ammonium, glucose, cells):
    model = CHOFedBatch(mu_max=max(mu, 1e-4), k_d=k_d, m_Glc=maintenance, r_Amm=ammonium, Glc=glucose, Xv=cells)
    solution = tk.simulate(
        model, 200.0, inputs={"F": tk.steps({0: feed[0], 60: feed[1], 130: feed[2]})}, outputs=101,
        solver=tk.Compiled(), rtol=1e-8,
    )  # fmt: skip
    assert solution.success
    for entry in model.layout.states:
        low = float(solution[entry.name].min())
        assert low >= entry.variable.bounds[0] - 1e-6 * entry.variable.scale, f"{entry.name} reaches {low}"


finite = st.floats(allow_nan=True, allow_infinity=True, width=64)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), rows=st.integers(1, 6), width=st.integers(1, 3))
@pytest.mark.parametrize("ending", [".nc", ".parquet"])
def test_saved_solutions_come_back_bit_by_bit(tmp_path, ending, data, rows, width):
    numbers = st.lists(finite, min_size=rows, max_size=rows)
    time = np.sort(np.array(data.draw(st.lists(st.floats(-1e9, 1e9), min_size=rows, max_size=rows))))
    matrix = np.array([data.draw(numbers) for _ in range(width)]).T.copy()
    name = data.draw(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8))
    original = Solution(
        time, "h",
        {name: Trace("state", "g/L", name, np.array(data.draw(numbers)), np.array(data.draw(numbers))),
         name + "v": Trace("output", "", "", matrix, None, held=True)},
        RunStatus(True, name, 1.0),
    )  # fmt: skip
    again = Solution.load(original.save(tmp_path / f"any{ending}"))
    assert again.content_hash == original.content_hash
    for key in original:
        np.testing.assert_array_equal(again.trace(key).data, original.trace(key).data)
        assert again.trace(key).doc == original.trace(key).doc
