"""The compiled integrator against analytic solutions and published references."""

import os
import subprocess
import sys
from pathlib import Path

import casadi as ca
import numpy as np
import pytest
from tests.reference import cho

import twinkit as tk
from twinkit.simulate.compiled._types import EVENT, INCONSISTENT, NON_FINITE, OK, STEP_TOO_SMALL, TOO_MANY_STEPS
from twinkit.simulate.compiled.run import drive, hold, simulate_many
from twinkit.simulate.compiled.system import compile_system

ROOT = Path(__file__).parents[2]
REFERENCE = Path(__file__).parent / "data" / "cho_kornecki_fedbatch.csv"
FREE = drive([0.0, 1.0], np.zeros((1, 0, 4)))


def system(rate, n_x, residual=None, n_z=0, n_u=0, n_p=0, roots=None):
    t, x, z, u, p = (ca.SX.sym(s, k) for s, k in zip("txzup", (1, n_x, n_z, n_u, n_p), strict=True))
    g = ca.SX(0, 1) if residual is None else residual(t, x, z, u, p)
    events = None if roots is None else roots(t, x, z, u, p)
    return compile_system(t, x, z, u, p, rate(t, x, z, u, p), g, events)


def solve(s, y0, t_out, inputs=FREE, p=(), **options):
    return simulate_many(s, inputs, y0, np.array(p, dtype=float), t_out, **options)


def robertson(t, x, z, u, p):
    a, b, c = 0.04 * x[0], 1e4 * x[1] * x[2], 3e7 * x[1] ** 2
    return ca.vertcat(-a + b, a - b - c, c)


# Test set for IVP solvers (Mazzia & Magherini 2008, ROBER), t = 1e11.
ROBER = [0.2083340149701255e-07, 0.8333360770334713e-13, 0.9999999791665050]


def test_robertson_ode():
    run = solve(system(robertson, 3), [1, 0, 0], [0, 40, 1e11], rtol=1e-8, atol=[1e-16, 1e-20, 1e-8])
    assert run.status[0] == OK
    assert run.y[0, -1] == pytest.approx(ROBER, rel=1e-5)


def test_robertson_dae():
    def rate(t, x, z, u, p):
        return robertson(t, ca.vertcat(x, z), None, u, p)[:2]

    s = system(rate, 2, lambda t, x, z, u, p: x[0] + x[1] + z - 1, 1)
    run = solve(s, [1, 0, 0.3], [0, 40, 1e11], rtol=1e-8, atol=[1e-16, 1e-20, 1e-8])
    assert run.status[0] == OK
    assert run.y[0, -1] == pytest.approx(ROBER, rel=1e-5)
    assert np.abs(run.y[0].sum(axis=1) - 1).max() < 1e-10


def test_van_der_pol():
    # Hairer & Wanner, VDPOL with eps = 1e-6 at t = 2.
    def rate(t, x, z, u, p):
        return ca.vertcat(x[1], ((1 - x[0] ** 2) * x[1] - x[0]) / 1e-6)

    run = solve(system(rate, 2), [2, -0.66], [0, 2], rtol=1e-8, atol=1e-10)
    assert run.y[0, -1] == pytest.approx([1.706167732170483, -0.8928097010247975], rel=1e-6)
    assert run.stats[0, 0] < 3000


def test_van_der_pol_mu_1000_against_radau():
    from scipy.integrate import solve_ivp

    def f(t, y):
        return [y[1], 1e3 * (1 - y[0] ** 2) * y[1] - y[0]]

    t_out = np.linspace(0, 700, 20)
    s = system(lambda t, x, z, u, p: ca.vertcat(*f(t, [x[0], x[1]])), 2)
    ours = solve(s, [2, 0], t_out, rtol=1e-8, atol=1e-10)
    theirs = solve_ivp(f, (0, 700), [2, 0], method="Radau", t_eval=t_out, rtol=1e-10, atol=1e-12)
    assert np.allclose(ours.y[0, :, 0], theirs.y[0], rtol=1e-5)


def test_convergence_with_tolerance_and_dense_output():
    # Prothero & Robinson: y' = -1e4 (y - sin t) + cos t, y = sin t; explicit in t.
    s = system(lambda t, x, z, u, p: -1e4 * (x - ca.sin(t)) + ca.cos(t), 1)
    t_out = np.linspace(0, 10, 777)
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
        run = solve(s, [0], t_out, rtol=rtol, atol=rtol)
        errors.append(np.abs(run.y[0, :, 0] - np.sin(t_out)).max())
        assert errors[-1] < 20 * rtol
    assert errors[-1] < 1e-4 * errors[0]


def test_order_of_the_step_and_of_the_dense_output():
    # Nonlinear, non-autonomous, not stiff: y' = -t y^2, y = 2 / (2 + t^2).
    s = system(lambda t, x, z, u, p: -t * x**2, 1)
    step, dense = [], []
    for n in (16, 32, 64):
        t_out = np.linspace(0, 2, 7 * n + 1)
        run = solve(s, [1], t_out, rtol=1e3, atol=1e3, h0=2 / n, h_max=2 / n)
        error = np.abs(run.y[0, :, 0] - 2 / (2 + t_out**2))
        step.append(error[-1])
        dense.append(error.max())
        assert run.stats[0, 0] == n
    assert np.log2(step[-2] / step[-1]) > 4.5
    assert np.log2(dense[-2] / dense[-1]) > 3.5


def test_index_one_dae():
    # x' = -z, 0 = z + log(z) - x^2 - 2 log(x): z = x^2, x = 1 / (1 + t); poor guess of z.
    s = system(
        lambda t, x, z, u, p: -z,
        1,
        lambda t, x, z, u, p: z + ca.log(z) - x**2 - 2 * ca.log(x),
        1,
    )
    t_out = np.linspace(0, 5, 41)
    run = solve(s, [1, 0.2], t_out, rtol=1e-9, atol=1e-11)
    assert run.status[0] == OK
    assert run.y[0, :, 0] == pytest.approx(1 / (1 + t_out), rel=1e-7)
    assert run.y[0, :, 1] == pytest.approx(1 / (1 + t_out) ** 2, rel=1e-7)


def test_inconsistent_algebraic_equation_is_reported():
    s = system(lambda t, x, z, u, p: -z, 1, lambda t, x, z, u, p: z**2 + 1, 1)
    run = solve(s, [1, 0.5], [0, 1])
    assert run.status[0] == INCONSISTENT
    assert "algebraic" in run.message()


def test_input_jumps_are_hit_and_outputs_are_right_continuous():
    s = system(lambda t, x, z, u, p: -5.0 * (x - u), 1, lambda t, x, z, u, p: z - 2 * u, 1, n_u=1)
    knots, level = np.array([0.0, 1.0, 1.7, 3.0]), np.array([1.0, -2.0, 4.0])
    t_out = np.array([0.0, 0.5, 1.0, 1.2, 1.7, 2.9, 3.0])
    run = solve(s, [0, 0], t_out, hold(knots, level[:, None]), rtol=1e-10, atol=1e-12)
    piece = np.clip(np.searchsorted(knots, t_out, "right") - 1, 0, 2)
    start = [0.0]
    for k in range(3):
        start.append(level[k] + (start[k] - level[k]) * np.exp(-5 * (knots[k + 1] - knots[k])))
    exact = level[piece] + (np.array(start)[piece] - level[piece]) * np.exp(-5 * (t_out - knots[piece]))
    assert run.y[0, :, 0] == pytest.approx(exact, abs=1e-9)
    assert run.y[0, :, 1] == pytest.approx(2 * level[piece], abs=1e-9)


def test_cubic_inputs():
    s = system(lambda t, x, z, u, p: u, 1, n_u=1)
    coefs = np.array([[[1.0, 2.0, -3.0, 0.5]], [[1.0, -1.0, 0.0, 0.0]]])
    inputs = drive([0.0, 2.0, 4.0], coefs)
    assert inputs.jumps.tolist() == [1, 1, 1]
    run = solve(s, [0], [0, 1, 2, 4], inputs, rtol=1e-10, atol=1e-12)
    first = 2 + 4 - 8 + 2
    assert run.y[0, :, 0] == pytest.approx([0, 1 + 1 - 1 + 0.125, first, first + 2 - 2], abs=1e-9)


def ball():
    return system(lambda t, x, z, u, p: ca.vertcat(x[1], -9.81), 2, roots=lambda t, x, z, u, p: x[0])


def test_event_location():
    run = solve(ball(), [10, 0], [0, 1, 5], directions=[-1])
    assert run.status[0] == EVENT
    assert run.t_end[0] == pytest.approx(np.sqrt(20 / 9.81), abs=1e-9)
    assert abs(run.y_end[0, 0]) < 1e-9
    assert np.isnan(run.y[0, 2]).all()
    assert not np.isnan(run.y[0, :2]).any()


def test_bouncing_ball_resets():
    run = solve(
        ball(), [10, 0], np.linspace(0, 8, 17), directions=[-1],
        reset=lambda i, roots, t, y: [0.0, -0.8 * y[1]],
    )  # fmt: skip
    drop = np.sqrt(20 / 9.81)
    expected = drop * (1 + 2 * np.cumsum([0, 0.8, 0.64, 0.512]))
    assert [e[2] for e in run.events][:4] == pytest.approx(expected, abs=1e-8)
    assert run.status[0] == OK
    assert not np.isnan(run.y).any()
    assert run.y[0, :, 0].min() > -1e-9


def test_simultaneous_and_input_triggered_events():
    s = system(
        lambda t, x, z, u, p: ca.SX(1.0), 1, n_u=1,
        roots=lambda t, x, z, u, p: ca.vertcat(x - 0.5, 2 * x - 1, u - 1),
    )  # fmt: skip
    seen = []

    def note(i, roots, t, y):
        seen.append((roots.tolist(), t))
        return y

    run = solve(s, [0], [0, 2], hold([0, 1.5, 2], [[0.0], [3.0]]), reset=note, directions=[1, 1, 1])
    assert run.status[0] == OK
    assert [r for r, _ in seen] == [[0, 1], [2]]
    assert [t for _, t in seen] == pytest.approx([0.5, 1.5], abs=1e-10)


def test_failures_have_a_status_and_keep_what_was_reached():
    root = system(lambda t, x, z, u, p: ca.sqrt(1 - t) + 0 * x, 1)
    run = solve(root, [0], np.linspace(0, 2, 21))
    assert run.status[0] == NON_FINITE
    assert 0.9 < run.t_end[0] < 1.01
    assert np.isfinite(run.y[0, :9]).all()
    assert np.isnan(run.y[0, 11:]).all()
    at_once = system(lambda t, x, z, u, p: ca.log(x), 1)
    assert solve(at_once, [-1], [0, 1]).status[0] == NON_FINITE
    blow_up = system(lambda t, x, z, u, p: x**2, 1)
    run = solve(blow_up, [1], [0, 2])
    assert run.status[0] in (STEP_TOO_SMALL, NON_FINITE, TOO_MANY_STEPS)
    assert run.t_end[0] == pytest.approx(1, abs=1e-3)
    assert solve(root, [0], [0, 0.9], max_steps=3).status[0] == TOO_MANY_STEPS


def test_bad_arguments_are_refused():
    s = system(lambda t, x, z, u, p: -x, 1)
    for wrong in ({"t_out": [0, 2, 1]}, {"t_out": [0, np.nan]}, {"y0": [1, 2]}, {"rtol": 0.0}):
        options = {"y0": [1.0], "t_out": [0, 1], "rtol": 1e-6} | wrong
        with pytest.raises(ValueError, match=r"shape|times|positive"):
            solve(s, **options)
    with pytest.raises(ValueError, match="knots must increase"):
        hold([0, 1, 1], [[1.0], [2.0]])


@pytest.fixture(scope="module")
def fed_batch():
    return compile_system(*cho.symbols()), hold(cho.KNOTS, cho.FEED[:, None])


def test_cho_fed_batch_against_reference(fed_batch):
    table = np.loadtxt(REFERENCE, delimiter=",", skiprows=1)
    run = simulate_many(*fed_batch, cho.Y0, cho.P, table[:, 0].copy(), rtol=1e-6, atol=1e-8)
    error = np.abs(run.y[0] - table[:, 1:]) / np.abs(table[:, 1:]).max(axis=0)
    assert error.max() < 1e-5


def test_same_bytes_for_any_thread_count_and_alone(fed_batch):
    p = cho.P * np.random.default_rng(1).uniform(0.9, 1.1, (60, 22))
    p[7, 8] = np.nan
    t_out = np.linspace(0, 336, 30)
    runs = [simulate_many(*fed_batch, cho.Y0, p, t_out, threads=k) for k in (1, 2, 5)]
    alone = [simulate_many(*fed_batch, cho.Y0, row, t_out) for row in p]
    assert len({r.y.tobytes() + r.stats.tobytes() for r in runs}) == 1
    assert np.concatenate([r.y for r in alone]).tobytes() == runs[0].y.tobytes()
    assert runs[0].status.tolist() == [NON_FINITE if i == 7 else OK for i in range(60)]
    assert np.isfinite(np.delete(runs[0].y, 7, axis=0)).all()


def test_members_with_their_own_inputs(fed_batch):
    model, _ = fed_batch
    coefs = np.zeros((3, 6, 1, 4))
    coefs[:, :, 0, 0] = cho.FEED * np.array([[0.5], [1.0], [1.5]])
    run = simulate_many(model, drive(cho.KNOTS, coefs), cho.Y0, cho.P, [0, 336])
    one = simulate_many(model, drive(cho.KNOTS, coefs[2]), cho.Y0, cho.P, [0, 336])
    assert run.y[2].tobytes() == one.y[0].tobytes()
    assert run.y[0, -1, 7] == pytest.approx(1 + 0.5 * (cho.FEED * np.diff(cho.KNOTS)).sum())


def test_large_shuffled_diffusion_is_solved_in_a_band():
    n = 150
    shuffle = np.random.default_rng(2).permutation(n)

    def rate(t, x, z, u, p):
        c = x[np.argsort(shuffle).tolist()]
        flux = ca.vertcat(0, ca.diff(c), -c[-1]) * n**2
        return (flux[1:] - flux[:-1])[shuffle.tolist()]

    s = system(rate, n)
    assert s.model.band.max() <= 2
    run = solve(s, np.ones(n), [0, 0.5], rtol=1e-8, atol=1e-10)
    matrix = np.diag(-2.0 * np.ones(n)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    matrix[0, 0] = -1
    w, v = np.linalg.eigh(matrix * n**2)
    exact = v @ (np.exp(0.5 * w) * (v.T @ np.ones(n)))
    assert run.y[0, -1][np.argsort(shuffle)] == pytest.approx(exact, rel=1e-6)


SCRIPT = """
import numpy as np
from tests.reference import cho
from twinkit.simulate.compiled.system import compile_system
from twinkit.simulate.compiled.run import hold, simulate_many
r = simulate_many(compile_system(*cho.symbols()), hold(cho.KNOTS, cho.FEED[:, None]), cho.Y0, cho.P, [0, 336.])
print(r.y.tobytes().hex())
"""


def _spawn(directory):
    path = os.pathsep.join([str(ROOT), str(Path(tk.__file__).parents[1])])
    environment = {**os.environ, "TWINKIT_CACHE": str(directory), "PYTHONPATH": path}
    return subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("place", ["fresh", "/proc/nowhere", ""])
def test_cache_is_shared_by_processes_and_optional(tmp_path, place):
    directory = tmp_path / "cache" if place == "fresh" else place
    processes = [_spawn(directory) for _ in range(2)]
    outputs = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(outputs) == 1
    if place == "fresh":
        assert len(list((directory / "numba").glob("m*.py"))) == 1
        assert not list((directory / "numba").glob(".*.tmp"))
