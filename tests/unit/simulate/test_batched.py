"""Runs side by side: against CVODES, with derivatives, algebraic variables, failures and jumps of inputs."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.cases import Ball, Equilibrium
from tests.hybrid_examples import Growth

import twinkit as tk
from twinkit.simulate.batched import Batched
from twinkit.simulate.problem import make_problem

TIMES = np.array([0.0, 2.5, 7.0, 11.0, 24.0])
FEEDS = (tk.steps([(0.0, 0.0), (6.3, 0.01), (15.0, 0.002)]), 0.004, tk.ramps([(0, 0), (24, 0.01)]))


def problems(rtol=1e-7):
    feeds = (
        {"F": tk.steps([(0.0, 0.0), (6.3, 0.01), (15.0, 0.002)])},
        {"F": 0.004},
        {"F": tk.ramps([(0, 0), (24, 0.01)])},
    )
    return tuple(make_problem(Growth(), 24.0, inputs=f, outputs=TIMES, rtol=rtol, atol=rtol / 10) for f in feeds)


def test_states_and_derivatives_are_those_of_cvodes():
    runs = problems()
    columns = tuple(Growth().layout.parameters[name].start for name in ("mu_max", "Y"))
    found = Batched(runs, columns).run()
    assert found.finished.all()
    for i, feed in enumerate(FEEDS):
        how = {"outputs": TIMES, "rtol": 1e-11, "sensitivities": ["mu_max", "Y"]}
        exact = tk.simulate(Growth(), 24.0, inputs={"F": feed}, **how)
        for k, name in enumerate(("X", "S", "V")):
            assert found.x[i][:, k] == pytest.approx(exact.trace(name).data, rel=1e-5, abs=1e-6)
        for k, parameter in enumerate(("mu_max", "Y")):
            slopes = exact.sensitivities[parameter]["X"]
            assert found.sensitivities[i][:, 0, k] == pytest.approx(slopes, rel=1e-4, abs=1e-4)


def test_a_run_does_not_depend_on_its_neighbours():
    runs = problems()
    together, alone = Batched(runs).run(), Batched(runs[1:2]).run()
    assert together.x[1] == pytest.approx(alone.x[0], rel=1e-12)


def test_each_run_has_its_own_parameters():
    runs = problems()[1:2] * 2
    p = np.array([run.p for run in runs])
    p[1, Growth().layout.parameters["mu_max"].start] *= 0.5
    found = Batched(runs).run(p)
    assert found.x[1][2, 0] < 0.7 * found.x[0][2, 0]


def test_algebraic_variables():
    model, times = Equilibrium(), np.linspace(0.0, 30.0, 7)
    found = Batched((make_problem(model, 30.0, outputs=times, rtol=1e-8),)).run()
    exact = model.exact(times)
    assert found.x[0][:, 0] == pytest.approx(exact[:, 0], rel=1e-6)
    assert found.z[0][1:, 0] == pytest.approx(exact[1:, 1], rel=1e-6)


def test_a_run_that_fails_does_not_stop_the_others():
    class Blowing(tk.Model):
        """Reaches infinity at t = 1 / x0."""

        x = tk.State("", 1.0)

        def equations(self, v, m):
            return {"x": v.x * v.x / m.quantity(1.0, "s")}

    model = Blowing()
    good, bad = (make_problem(model, 2.0, initial={"x": x}, outputs=[1.0, 2.0], rtol=1e-6) for x in (0.2, 0.7))
    found = Batched((good, bad)).run()
    assert list(found.finished) == [True, False]
    assert found.x[0][-1, 0] == pytest.approx(0.2 / 0.6, rel=1e-4)
    assert np.isnan(found.x[1][-1, 0])


def test_many_output_times_are_no_failure():
    """A run stops at each; only steps beside those count towards giving up."""
    found = Batched((make_problem(Growth(), 1.0, outputs=np.linspace(0.0, 1.0, 6001), rtol=1e-3),)).run()
    assert found.finished.all()
    assert np.isfinite(found.x[0]).all()


def test_refusals():
    with pytest.raises(tk.InvalidValueError, match="no run"):
        Batched(())
    with pytest.raises(tk.SimulationError, match="events"):
        Batched((make_problem(Ball(), 1.0),))
    assert replace(Batched(problems()), columns=(0,)).columns == (0,)
