"""The shared machinery of optimal control: methods, chains, quadratic programmes, SQP."""

import math
from dataclasses import dataclass, replace

import casadi as ca
import numpy as np
import pytest

from twinkit.optimise import (
    SOLVERS,
    Active,
    Chains,
    Contraction,
    Converged,
    Dynamics,
    Failed,
    Limits,
    MaxIterations,
    Radau,
    RungeKutta4,
    StageProblem,
    StageProgram,
    Step,
    bounded_stages,
    native,
    solve_nonlinear,
    solve_stages,
    sqp,
)


def pendulum():
    t, x, z, u, s = (ca.SX.sym(name, size) for name, size in zip("txzus", (1, 2, 0, 1, 1), strict=True))
    dx = ca.vertcat(x[1], -s * ca.sin(x[0]) + u)
    slope = ca.Function("slope", [t, x, z, u, s], [dx, ca.jacobian(dx, x)])
    solve = ca.Function("solve", [t, x, z, u, s], [z, ca.SX(0)])
    return Dynamics(2, 0, 1, 1, slope, solve)


def run(method, count, x=(1.0, 0.5), compiled=False):
    """End point and sensitivity after 2 s under an input of t."""
    chain = Chains(method.advance(pendulum(), sensitive=True), compiled)
    h = 2.0 / count
    items = np.array([[i * h, h, i * h, 1.0, 0.0, 0.0] for i in range(count)])
    start = np.concatenate([x, [0.0], np.eye(2).ravel()])
    end = chain(start[None], [items], np.array([3.0]))[0]
    return end[:2], end[3:].reshape(2, 2).T


@pytest.mark.parametrize(("method", "order"), [(RungeKutta4(), 4), (Radau(), 5)])
def test_methods_have_their_order_and_the_sensitivity_is_that_of_the_result(method, order):
    exact, _ = run(RungeKutta4(), 2000)
    coarse, fine = (np.abs(run(method, count)[0] - exact).max() for count in (10, 20))
    assert math.log2(coarse / fine) > order - 0.5
    _, a = run(method, 10)
    for j in range(2):
        shift, x = 1e-6 * np.eye(2)[j], np.array([1.0, 0.5])
        ahead, behind = run(method, 10, x + shift)[0], run(method, 10, x - shift)[0]
        np.testing.assert_allclose(a[:, j], (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-8)


@pytest.mark.skipif(native.compiler() is None, reason="no C compiler here")
@pytest.mark.parametrize("method", [RungeKutta4(), Radau()])
def test_machine_code_gives_the_same_chain(method, tmp_path, monkeypatch):
    monkeypatch.setenv("TWINKIT_CACHE", str(tmp_path))
    for plain, compiled in zip(run(method, 7), run(method, 7, compiled=True), strict=True):
        np.testing.assert_allclose(plain, compiled, rtol=1e-12)


def eaten(**more):
    """A nutrient that is eaten at a rate with a pole just below zero, and an inert trace."""
    t, x, z, u, s = (ca.SX.sym(name, size) for name, size in zip("txzus", (1, 2, 0, 1, 1), strict=True))
    dx = ca.vertcat(-s * x[0] / (x[0] + 0.01), -50.0 * x[1] ** 2)
    slope = ca.Function("slope", [t, x, z, u, s], [dx, ca.jacobian(dx, x)])
    solve = ca.Function("solve", [t, x, z, u, s], [z, ca.SX(0)])
    return Dynamics(2, 0, 1, 1, slope, solve, **more)


def one_step(dynamics, x, h):
    advance = Radau().advance(dynamics, sensitive=True)
    item = np.array([0.0, h, 0.0, 0.0, 0.0, 0.0])
    return np.array(advance(np.concatenate([x, [0.0], np.eye(2).ravel()]), item, [1.0])).ravel()


@pytest.mark.parametrize("length", [1.05, 1.1, 2.0, 3.0])
def test_an_implicit_step_does_not_jump_over_a_pole_below_the_bound(length):
    """From 1, all is eaten after about 1; without a bound the solution found is far below the pole at -0.01."""
    free, bounded = (one_step(eaten(**more), (1.0, 0.0), length) for more in ({}, {"low": (0.0, -math.inf)}))
    assert free[0] < -0.05
    assert -0.005 < bounded[0] < 0.02
    assert bounded[2] < 1e-6  # converged


def test_a_bound_that_the_model_does_not_keep_stops_no_step():
    end = one_step(replace(eaten(), low=(0.9, -math.inf)), (1.0, 0.0), 0.5)
    assert end[0] == pytest.approx(one_step(eaten(), (1.0, 0.0), 0.5)[0], rel=1e-9)
    assert end[2] < 1e-6


@pytest.mark.parametrize(("length", "solved"), [(0.5, True), (1.1, False)])
def test_an_explicit_step_that_leads_below_a_bound_is_not_solved(length, solved):
    """So that a plan is neither made nor confirmed by what lies beyond the pole."""
    advance = RungeKutta4().advance(eaten(low=(0.0, -math.inf)), sensitive=False)
    end = np.array(advance([1.0, 0.0, 0.0], [0.0, length, 0.0, 0.0, 0.0, 0.0], [1.0])).ravel()
    assert (end[2] <= 1e-6) == solved
    assert (end[0] >= 0.0) == solved
    below = np.array(advance([-1e-3, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [1.0])).ravel()
    assert below[2] == 0.0  # what starts there is not to blame


@pytest.mark.parametrize("trace", [0.0, 1e-160, 1e-300])
def test_an_implicit_step_with_next_to_nothing(trace):
    assert np.isfinite(one_step(eaten(low=(0.0, 0.0)), (1.0, trace), 0.1)).all()


def test_chains_of_different_lengths():
    chain = Chains(RungeKutta4().advance(pendulum(), sensitive=False))
    steps = np.array([[0.1 * i, 0.1, 0.0, 0.0, 0.0, 0.0] for i in range(4)])
    start = np.array([[1.0, 0.0, 0.0], [0.5, 0.2, 0.0], [1.0, 0.0, 0.0]])
    ends = chain(start, [steps[:2], steps, steps], np.array([3.0]))
    alone = chain(start[:1], [steps], np.array([3.0]))
    np.testing.assert_array_equal(ends[2], alone[0])
    assert not np.allclose(ends[0], ends[2])


def program(**changes):
    rng = np.random.default_rng(0)
    count, n, m, g = 5, 3, 2, 1
    p = StageProgram(
        A=0.5 * rng.standard_normal((count, n, n)), B=rng.standard_normal((count, n, m)),
        b=rng.standard_normal((count, n)), B_first=rng.standard_normal((n, 2)), b_first=rng.standard_normal(n),
        Q=np.stack([np.eye(n)] * (count + 1)), q=rng.standard_normal((count + 1, n)),
        S=0.1 * rng.standard_normal((count, m, n)), R=np.stack([np.eye(m)] * count), r=rng.standard_normal((count, m)),
        x_low=np.full((count + 1, n), -1.0), x_high=np.full((count + 1, n), np.inf),
        u_low=np.full((count, m), -np.inf), u_high=np.full((count, m), 2.0),
        C=rng.standard_normal((count + 1, g, n)), D=rng.standard_normal((count, g, m)),
        path_low=np.full((count + 1, g), -1.5), path_high=np.full((count + 1, g), 1.5),
    )  # fmt: skip
    return replace(p, **changes)


def test_hpipm_agrees_with_an_active_set_method(monkeypatch):
    from twinkit.optimise import quadratic

    p = program()
    found = solve_stages(p)
    monkeypatch.setattr(quadratic.ca, "has_conic", lambda name: False)
    quadratic._solver.cache_clear()
    expected = solve_stages(p)
    quadratic._solver.cache_clear()
    assert not isinstance(found, str)
    assert not isinstance(expected, str)
    np.testing.assert_allclose(found.x, expected.x, atol=1e-6)
    np.testing.assert_allclose(found.adjoint, expected.adjoint, atol=1e-5)
    assert np.abs(found.path_force).max() + np.abs(found.x_force).max() > 0.1  # some constraint is active
    np.testing.assert_allclose(found.x[1:], np.einsum("kij,kj->ki", p.A, found.x[:-1])
                               + np.einsum("kij,kj->ki", p.B, found.u) + p.b, atol=1e-7)  # fmt: skip


def test_a_programme_without_a_solution_says_so():
    assert "no solution" in solve_stages(program(x_low=np.full((6, 3), 5.0), x_high=np.full((6, 3), 6.0)))
    assert "not finite" in solve_stages(program(q=np.full((6, 3), np.nan)))


@dataclass
class At:
    """A point of the one-dimensional problem: minimise (x - 2)^2 subject to x^2 = 1."""

    point: float

    @property
    def cost(self):
        return (self.point - 2.0) ** 2 if self.point > -5 else math.nan

    @property
    def violation(self):
        return abs(self.point**2 - 1.0)


class Circle:
    def linearise(self, point):
        return At(point)

    def step(self, at):
        if at.point == 0.0:
            return "the constraint has no slope"
        x = at.point - (at.point**2 - 1.0) / (2 * at.point)
        return Step(x, (x - 2) ** 2, 3.0, abs(x - at.point) / 1e-9)

    def between(self, start, end, fraction):
        return start + fraction * (end - start)

    def restored(self, point):
        return math.copysign(1.0, point)


def test_sqp_says_how_it_ended():
    good = sqp(Circle(), 3.0)
    assert isinstance(good.status, Converged)
    assert good.point == pytest.approx(1.0, abs=1e-9)
    assert "converged in" in good.status.text
    bad = sqp(Circle(), 0.0)
    assert isinstance(bad.status, Failed)
    assert not bad.status.usable
    assert "no slope" in bad.status.text
    assert isinstance(sqp(Circle(), -9.0).status, Failed)
    stopped = sqp(Circle(), 3.0, Limits(iterations=1))
    assert isinstance(stopped.status, (MaxIterations, Failed))


class Hundredths:
    """Every step leaves a hundredth of the way to zero; the tolerance is 1e-3."""

    def __init__(self, smooth=True):
        self.smooth = smooth

    def linearise(self, point):
        return replace(Nothing(), point=point)

    def step(self, at):
        return Step(0.01 * at.point, 0.0, 0.0, 0.99 * abs(at.point) / 1e-3, self.smooth)

    def between(self, start, end, fraction):
        return start + fraction * (end - start)

    def restored(self, point):
        return point


@dataclass
class Nothing:
    """A point without violation."""

    point: float = 0.0
    violation: float = 0.0

    @property
    def cost(self):
        return self.point**2


def test_a_measured_contraction_saves_the_step_that_would_only_confirm():
    first = sqp(Hundredths(), 0.1)
    assert first.status.iterations == 2
    assert first.contraction.ratio == pytest.approx(0.01)
    again = sqp(Hundredths(), 0.02, None, first.contraction)
    assert again.status.iterations == 1
    assert abs(again.point) <= 1e-3  # as near to the optimum as the tolerance asks for
    assert again.contraction == replace(first.contraction, left=first.contraction.left - 1)


@pytest.mark.parametrize(
    ("problem", "contraction"),
    [
        (Hundredths(smooth=False), Contraction(1e-6, 90.0)),  # a bound became active: nothing measured applies
        (Hundredths(), Contraction(1e-6, 90.0, left=0)),  # relied on for too long
        (Hundredths(), Contraction(0.01, 0.01)),  # measured at a much smaller step
        (Hundredths(), Contraction(math.nan, 90.0)),
    ],
)
def test_a_contraction_that_does_not_apply_is_not_relied_on(problem, contraction):
    assert sqp(problem, 0.1, None, contraction).status.iterations == 2
    assert sqp(Hundredths(), 0.1, None, Contraction(1e-6, 90.0)).status.iterations == 1


def test_chains_of_a_function_that_gives_up_are_nan():
    """CasADi leaves its buffers as they were, which would be the result of an earlier call."""
    carried, item, shared = (ca.MX.sym(name, size) for name, size in (("c", 2), ("i", 4), ("s", 1)))
    solved = ca.solve(ca.reshape(item, 2, 2), carried, "qr")
    chain = Chains(ca.Function("f", [carried, item, shared], [solved]))
    good, bad = np.eye(2).reshape(1, 4), np.zeros((1, 4))
    assert chain(np.ones((1, 2)), [good], np.zeros(1)).tolist() == [[1.0, 1.0]]
    assert np.isnan(chain(np.ones((1, 2)), [bad], np.zeros(1))).all()


def test_many_chains_are_padded_and_give_the_same():
    chain = Chains(RungeKutta4().advance(pendulum(), sensitive=False))
    items = np.array([[0.0, 0.1, 0.0, 1.0, 0.0, 0.0]])
    starts = np.column_stack([np.linspace(0, 1, 37), np.zeros(37), np.zeros(37)])
    ends = chain(starts, [items] * 37, np.array([3.0]))
    assert len(ends) == 37
    np.testing.assert_array_equal(ends[5:6], chain(starts[5:6], [items], np.array([3.0])))


@pytest.mark.parametrize("solver", SOLVERS)
def test_nonlinear_solvers_find_the_constrained_optimum(solver):
    """x[k+1] = x[k]^2 / 2 + w, as near to 1 as possible, below 0.8."""
    count = 3
    p = StageProblem(
        first=lambda v: 0.5 + v,
        advance=[lambda x, w: 0.5 * x**2 + w] * count,
        cost=[lambda x, _: 50.0 * (x - 1.0) ** 2] * (count + 1),
        path=[lambda x, _: x**3] * (count + 1),
        low=np.array([0.0]), high=np.array([0.8]), path_low=np.array([-1.0]), path_high=np.array([1.0]),
    )  # fmt: skip
    v, x, w, status = solve_nonlinear(p, np.zeros(1), np.full((count + 1, 1), 0.5), np.zeros((count, 1)), solver)
    assert isinstance(status, Converged)
    assert x.max() == pytest.approx(0.8, abs=1e-6)
    np.testing.assert_allclose(x[1:], 0.5 * x[:-1] ** 2 + w, atol=1e-7)
    assert x[0, 0] == pytest.approx(0.5 + v[0], abs=1e-7)
    impossible = replace(p, path_low=np.array([2.0]), path_high=np.array([3.0]))
    assert isinstance(
        solve_nonlinear(impossible, np.zeros(1), np.full((count + 1, 1), 0.5), np.zeros((count, 1)), solver)[3], Failed
    )


def fixed_start(seed, rows=2, **changes):
    """Return a programme whose first state is fixed, with bounds of inputs and path constraints some of which bind."""
    rng = np.random.default_rng(seed)
    count, n, m = 8, 3, 2
    p = program(
        A=0.5 * rng.standard_normal((count, n, n)), B=rng.standard_normal((count, n, m)),
        b=0.1 * rng.standard_normal((count, n)), B_first=np.zeros((n, 1)), b_first=rng.standard_normal(n),
        Q=np.stack([np.eye(n)] * (count + 1)), q=rng.standard_normal((count + 1, n)),
        S=0.1 * rng.standard_normal((count, m, n)), R=np.stack([np.eye(m)] * count),
        r=2.0 * rng.standard_normal((count, m)), x_low=np.full((count + 1, n), -np.inf),
        x_high=np.full((count + 1, n), np.inf), u_low=np.full((count, m), -1.0), u_high=np.full((count, m), 1.0),
        C=rng.standard_normal((count + 1, rows, n)), D=rng.standard_normal((count, rows, m)),
        path_low=np.full((count + 1, rows), -np.inf), path_high=np.full((count + 1, rows), 2.0),
    )  # fmt: skip
    p.path_high[0] = np.inf
    return replace(p, **changes)


def nothing_binds(p):
    return Active(np.zeros(p.u_low.shape, dtype=np.int8), np.zeros(p.path_low.shape))


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5, 6, 8, 9, 10, 11])
def test_the_active_set_finds_what_hpipm_finds(seed):
    p = fixed_start(seed)
    expected, found = solve_stages(p), bounded_stages(p, nothing_binds(p), False)
    assert not isinstance(expected, str)
    assert found is not None
    one, active = found
    for name in ("x", "u", "adjoint", "u_force", "path_force"):
        np.testing.assert_allclose(getattr(one, name), getattr(expected, name), atol=2e-5, err_msg=name)
    again = bounded_stages(p, active, False)
    assert again is not None
    np.testing.assert_allclose(again[0].u, one.u, atol=1e-8)


def test_most_programmes_are_solved_by_the_active_set_and_something_binds():
    programmes = [fixed_start(seed) for seed in range(12)]
    found = [one for p in programmes if (one := bounded_stages(p, nothing_binds(p), False))]
    assert len(found) >= 10
    assert any(active.sides.any() for _, active in found)
    assert any(active.force.any() for _, active in found)


def test_an_indefinite_stage_is_solved_where_the_programme_is_convex_along_its_equations():
    p = fixed_start(3, rows=1, path_high=np.full((9, 1), np.inf), u_low=np.full((8, 2), -np.inf),
                    u_high=np.full((8, 2), np.inf))  # fmt: skip
    p.Q[4] -= 1.2 * np.eye(3)
    assert np.linalg.eigvalsh(p.Q[4]).min() < 0.0
    found = bounded_stages(p, nothing_binds(p), False)
    assert found is not None
    one = found[0]
    pull = p.r + np.einsum("kij,kj->ki", p.S, one.x[:-1]) + np.einsum("kij,kj->ki", p.R, one.u)
    pull += np.einsum("kij,ki->kj", p.B, one.adjoint[1:])
    np.testing.assert_allclose(pull, 0.0, atol=1e-10)
    push = np.einsum("kij,kj->ki", p.Q[:-1], one.x[:-1]) + p.q[:-1] + np.einsum("kij,ki->kj", p.S, one.u)
    push += np.einsum("kij,ki->kj", p.A, one.adjoint[1:])
    np.testing.assert_allclose(push, one.adjoint[:-1], atol=1e-10)


@pytest.mark.parametrize(
    "change",
    [
        {"R": np.stack([-np.eye(2)] * 8)},
        {"r": np.full((8, 2), np.nan)},
        {"b_first": np.array([np.inf, 0.0, 0.0])},
        {"path_low": np.full((9, 2), 3.0), "path_high": np.full((9, 2), -3.0)},
        {"x_low": np.full((9, 3), -0.1)},
    ],
)
def test_what_the_active_set_cannot_solve_is_left_to_others(change):
    p = fixed_start(0, **change)
    assert bounded_stages(p, nothing_binds(p), False) is None


def test_a_guess_of_bounds_that_do_not_exist_does_no_harm():
    p = fixed_start(1, u_high=np.full((8, 2), np.inf))
    wrong = Active(np.ones((8, 2), dtype=np.int8), np.full((9, 2), -1.0))
    one, two = bounded_stages(p, wrong, False), bounded_stages(p, nothing_binds(p), False)
    assert one is not None
    assert two is not None
    np.testing.assert_allclose(one[0].u, two[0].u, atol=1e-8)
