"""Masters against analytic solutions: the quarter truck (matrix exponential), an algebraic loop, a stiff spring."""

import numpy as np
import pytest
from tests.graph_examples import exact_truck, quarter_truck, three_equations

import twinkit as tk
from twinkit.graph import Adaptive, GaussSeidel, Implicit, Jacobi, Midpoint, Newton


def truck_error(master):
    found = quarter_truck().simulate(2.0, master=master)
    exact = exact_truck(found.time)
    return float(np.max(np.abs(found["chassis.z"].data - exact[:, 0]))), len(found.time) - 1, found


@pytest.mark.parametrize(
    ("master", "limit"),
    [(Midpoint(1e-3), 1.5e-5), (Midpoint(2e-3), 6e-5), (Implicit(1e-3), 1.5e-5), (Adaptive(rtol=1e-5), 1.4e-4),
     (Jacobi(1e-3), 4e-4), (GaussSeidel(1e-3), 3e-4)],
    ids=repr,
)  # fmt: skip
def test_quarter_truck(master, limit):
    error, steps, _ = truck_error(master)
    assert error <= limit
    assert steps <= 2000


@pytest.mark.parametrize(
    ("kind", "order"), [(Midpoint, 1.9), (Implicit, 1.9), (Jacobi, 0.9), (GaussSeidel, 0.9)], ids=lambda x: str(x)
)
def test_order(kind, order):
    errors = [truck_error(kind(h))[0] for h in (4e-3, 2e-3, 1e-3)]
    assert np.log2(errors[0] / errors[1]) > order - 0.1
    assert np.log2(errors[1] / errors[2]) > order


def test_an_adaptive_run_does_not_freeze():
    # OMSimulator's adaptive master returned "ok" here with states that no longer moved.
    error, steps, found = truck_error(Adaptive(rtol=1e-4))
    moves = np.abs(np.diff(found["chassis.z"].data))
    assert np.count_nonzero(moves == 0.0) <= 1
    assert found.time[-1] == 2.0
    assert error < 1e-3
    assert steps > 50
    errors = [truck_error(Adaptive(rtol=rtol))[0] for rtol in (1e-3, 1e-5, 1e-7)]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


@pytest.mark.parametrize(
    "master",
    [Jacobi(0.5, loops=Newton(iterations=10)), GaussSeidel(0.5, loops=Newton(iterations=10)),
     Adaptive(loops=Newton(iterations=10)), Midpoint(0.5, loops=Newton(iterations=10))],
    ids=lambda master: type(master).__name__,
)  # fmt: skip
def test_the_loop_of_three_equations(master):
    found = three_equations().simulate(1.0, master=master)
    a, b, c = (found[name].data for name in ("first.a", "second.b", "third.c"))
    assert np.max(np.abs(a + b + c)) < 1e-10
    assert np.max(np.abs(2 * a - 3 * b + 2 * c - 9)) < 1e-10
    assert np.max(np.abs(a * a + b * b + c * c - 5)) < 1e-10
    assert found.statistics["newton_most"] <= 10


class Mass(tk.Model):
    """A mass with a force on it."""

    z = tk.State("m", initial=1.0)
    w = tk.State("m/s", initial=0.0)
    F = tk.Input("N")
    mass = tk.Parameter("kg", 1.0)

    def equations(self, v, m):
        return {"z": v.w, "w": v.F / v.mass}


class Spring(tk.Model):
    """A stiff spring and damper between a mass and a wall."""

    z = tk.Input("m")
    w = tk.Input("m/s")
    F = tk.Output("N")
    k = tk.Parameter("N/m", 1000.0)
    c = tk.Parameter("N*s/m", 10.0)

    def equations(self, v, m):
        return {"F": -v.k * v.z - v.c * v.w}


def stiff():
    graph = tk.Graph()
    mass, spring = graph.add("mass", Mass()), graph.add("spring", Spring())
    graph.connect(mass.out["z"], spring.inp["z"])
    graph.connect(mass.out["w"], spring.inp["w"])
    graph.connect(spring.out["F"], mass.inp["F"])
    return graph


def test_an_implicit_master_holds_what_makes_jacobi_unstable():
    jacobi = stiff().simulate(5.0, master=Jacobi(0.05))
    assert np.max(np.abs(jacobi["mass.z"].data)) > 1e6
    for theta in (0.5, 1.0):
        implicit = stiff().simulate(5.0, master=Implicit(0.05, theta=theta))
        assert np.max(np.abs(implicit["mass.z"].data)) <= 1.01
        assert abs(implicit["mass.z"].data[-1]) < 0.1
    fine = stiff().simulate(1.0, master=Implicit(0.002))
    t = fine.time
    damped = np.sqrt(1000.0 - 25.0)
    exact = np.exp(-5 * t) * (np.cos(damped * t) + 5 / damped * np.sin(damped * t))
    assert np.max(np.abs(fine["mass.z"].data - exact)) < 5e-3


def test_flattened_and_co_simulated_agree_as_the_step_shrinks():
    report = quarter_truck().compare(1.0, Midpoint(4e-3))
    assert report.order == pytest.approx(2.0, abs=0.1)
    assert report.shrinks
    assert report.worst[-1] < 1e-3
    assert "chassis.z [m]" in str(report)
    adaptive = quarter_truck().compare(1.0, Adaptive(rtol=1e-4))
    assert adaptive.shrinks


def test_the_flattened_truck_is_exact():
    flat = quarter_truck().flatten("Truck")
    found = tk.simulate(flat, until=2.0, outputs=101, rtol=1e-10)
    assert np.max(np.abs(found["chassis.z"].data - exact_truck(found.time)[:, 0])) < 1e-8
