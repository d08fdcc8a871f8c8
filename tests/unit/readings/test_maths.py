"""Every function of `m` in every reading against NumPy, its derivatives, and nothing leaking out of m.where."""

import casadi as ca
import numpy as np
import pytest
import sympy as sp

import twinkit as tk
from twinkit.core.maths import MATHS_NAMES, Maths
from twinkit.readings.casadi import CASADI
from twinkit.readings.numeric import NUMERIC
from twinkit.readings.sympy import SYMPY

TABLE = tk.Table([0.0, 1.0, 2.5, 4.0], [1.0, 3.0, 3.0, -2.0])
A = np.array([0.5, -1.5, 2.0, 0.25])
B = np.array([1.5, -0.5, 2.5, 3.0])
MATRIX = np.array([[1.0, -2.0, 0.5, 3.0], [0.0, 4.0, -1.5, 2.0]])

# name -> (with m, with numpy); a and b are the vectors above
CASES = {
    "exp": (lambda m, a, b: m.exp(a), np.exp(A)),
    "log": (lambda m, a, b: m.log(a * a), np.log(A * A)),
    "log10": (lambda m, a, b: m.log10(a * a), np.log10(A * A)),
    "sqrt": (lambda m, a, b: m.sqrt(a * a), np.abs(A)),
    "tanh": (lambda m, a, b: m.tanh(a), np.tanh(A)),
    "sin": (lambda m, a, b: m.sin(a), np.sin(A)),
    "cos": (lambda m, a, b: m.cos(a), np.cos(A)),
    "pi": (lambda m, a, b: m.sin(m.pi * a), np.sin(np.pi * A)),
    "abs": (lambda m, a, b: m.abs(a), np.abs(A)),
    "minimum": (lambda m, a, b: m.minimum(a, b), np.minimum(A, B)),
    "minimum with a number": (lambda m, a, b: m.minimum(a, 0.3), np.minimum(A, 0.3)),
    "maximum": (lambda m, a, b: m.maximum(a, b), np.maximum(A, B)),
    "maximum with a number": (lambda m, a, b: m.maximum(0.0, a), np.maximum(A, 0)),
    "where": (lambda m, a, b: m.where(a < b, a, b * 2), np.where(A < B, A, B * 2)),
    "where <=": (lambda m, a, b: m.where(a <= -1.5, 1.0, 0.0), np.where(A <= -1.5, 1.0, 0.0)),
    "where >": (lambda m, a, b: m.where(a > 0.5, 1.0, 0.0), np.where(A > 0.5, 1.0, 0.0)),
    "where >=": (lambda m, a, b: m.where(a >= 0.5, 1.0, 0.0), np.where(A >= 0.5, 1.0, 0.0)),
    "where on one element": (lambda m, a, b: m.where(a[1] < 0, a, b), A),
    "logical_and": (lambda m, a, b: m.where(m.logical_and(a > 0, b < 2), a, b), np.where((A > 0) & (B < 2), A, B)),
    "logical_or": (lambda m, a, b: m.where(m.logical_or(a > 1, b < 0), a, b), np.where((A > 1) | (B < 0), A, B)),
    "logical_not": (lambda m, a, b: m.where(m.logical_not(a > 0), a, b), np.where(A > 0, B, A)),
    "sum": (lambda m, a, b: m.sum(a), A.sum()),
    "dot": (lambda m, a, b: m.dot(a, b), A @ B),
    "concatenate": (lambda m, a, b: m.concatenate([a[:2], b[0], 7.0, b]), np.concatenate([A[:2], [B[0], 7.0], B])),
    "stack": (lambda m, a, b: m.stack([a[0], 2.0, b[3]]), np.array([A[0], 2.0, B[3]])),
    "matvec": (lambda m, a, b: m.matvec(MATRIX, a), MATRIX @ A),
    "rate": (lambda m, a, b: m.rate("r", a), A),
    "roll": (lambda m, a, b: m.roll(a, 1), np.roll(A, 1)),
    "roll backwards": (lambda m, a, b: m.roll(a, -3), np.roll(A, -3)),
    "roll far": (lambda m, a, b: m.roll(a, 6), np.roll(A, 6)),
    "diff": (lambda m, a, b: m.diff(a), np.diff(A)),
    "full": (lambda m, a, b: m.full(3, a[2]), np.full(3, A[2])),
    "full of a number": (lambda m, a, b: m.full(2, 5.0), np.full(2, 5.0)),
    "interpolate": (lambda m, a, b: m.interpolate(b, TABLE), np.interp(B, TABLE.x, TABLE.y)),
    "interpolate outside": (lambda m, a, b: m.interpolate(a * 10, TABLE), np.interp(A * 10, TABLE.x, TABLE.y)),
    "interpolate one": (lambda m, a, b: m.interpolate(b[0], TABLE), np.interp(B[0], TABLE.x, TABLE.y)),
    "interpolate at a point": (lambda m, a, b: m.interpolate(2 * a[0], TABLE), 3.0),
    "clip": (lambda m, a, b: m.clip(a, -1.0, 1.0), np.clip(A, -1, 1)),
    "gate": (lambda m, a, b: m.gate(b * b, 2.0), B**2 / (B**2 + 2)),
    "smooth_step": (lambda m, a, b: m.smooth_step(a, 0.3), 0.5 * (1 + np.tanh(A / 0.3))),
    "smooth_maximum": (
        lambda m, a, b: m.smooth_maximum(a, b, 0.1), B + 0.5 * (A - B + np.sqrt((A - B) ** 2 + 0.01))
    ),
    "smooth_minimum": (
        lambda m, a, b: m.smooth_minimum(a, b, 0.1), B + 0.5 * (A - B - np.sqrt((A - B) ** 2 + 0.01))
    ),
    "convert": (lambda m, a, b: m.convert(a, "h", "min"), A * 60),
    "convert with offset": (lambda m, a, b: m.convert(a, "degC", "K"), A + 273.15),
    "quantity": (lambda m, a, b: a * m.quantity(3.0, "g/L"), A * 3),
    "powers": (lambda m, a, b: (a * a) ** 0.5 + a**2 + 2.0**a + a**-1, np.abs(A) + A**2 + 2.0**A + 1 / A),
    "arithmetic": (lambda m, a, b: -(1 - a) / (2 + b) * 3 - +a, -(1 - A) / (2 + B) * 3 - A),
    "slices": (lambda m, a, b: a[1:] - a[:-1] + b[::2][0] + a[-1], A[1:] - A[:-1] + B[0] + A[-1]),
    "reversed": (lambda m, a, b: a[::-1], A[::-1]),
}  # fmt: skip


def numeric(function):
    return function(NUMERIC, A, B)


def casadi(function):
    a, b = ca.SX.sym("a", 4), ca.SX.sym("b", 4)
    return np.asarray(ca.Function("f", [a, b], [ca.densify(ca.SX(function(CASADI, a, b)))])(A, B)).ravel()


def jax(function):
    import jax

    from twinkit.readings.jax import double_precision, jax_maths

    with double_precision():
        return np.asarray(jax.jit(lambda a, b: function(jax_maths(), a, b))(A, B))


def sympy(function):
    a, b = (SYMPY.stack(sp.symbols(f"{name}:4", real=True)) for name in "ab")
    found = np.atleast_1d(np.asarray(function(SYMPY, a, b), dtype=object))
    number = sp.lambdify([*a, *b], list(found), modules="numpy")
    return np.array([float(x) for x in number(*A, *B)])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("reading", [numeric, casadi, jax, sympy], ids=lambda f: f.__name__)
def test_every_function_agrees_with_numpy(reading, case):
    if reading is jax:
        pytest.importorskip("jax")
    function, expected = CASES[case]
    found = np.atleast_1d(np.asarray(reading(function), dtype=float))
    assert found.shape == np.atleast_1d(expected).shape
    np.testing.assert_allclose(found, np.atleast_1d(expected), rtol=1e-14, atol=1e-14)


def test_the_table_above_covers_every_name_of_m():
    covered = {case.split()[0] for case in CASES}
    assert set(MATHS_NAMES) - covered == {"external"}  # whose results are not for the readings to agree on
    assert "bind" not in MATHS_NAMES
    assert all(hasattr(Maths, name) for name in MATHS_NAMES)


# -- nothing leaks out of where ----------------------------------------------------------------------------------
SAFE = [
    (lambda m, x: m.where(x > 0, m.log(x), 0.0), "log of a negative number"),
    (lambda m, x: m.where(x > 0, m.sqrt(x), 0.0), "root of a negative number"),
    (lambda m, x: m.where(x < 0, 0.0, 1.0 / (x + 1.0)), "division by zero"),
    (lambda m, x: m.where(x > 0, m.exp(-1000.0 * x), 0.0), "overflow"),
]


@pytest.mark.parametrize(("function", "what"), SAFE, ids=[what for _, what in SAFE])
def test_the_branch_not_taken_does_not_leak(function, what):
    x = ca.SX.sym("x")
    y = function(CASADI, x)
    both = ca.Function("f", [x], [y, ca.jacobian(y, x)])
    assert [float(part) for part in both(-1.0)] == [0.0, 0.0]
    with np.errstate(all="ignore"):
        assert float(function(NUMERIC, np.float64(-1.0))) == 0.0


def test_the_branch_not_taken_does_not_leak_into_a_simulation():
    class Guarded(tk.Model):
        """A square root that is not always taken."""

        x = tk.State("", -1.0)

        def equations(self, v, m):
            return {"x": m.quantity(1.0, "1/s") * m.where(v.x > 0, 1.0 + 0.0 * m.sqrt(v.x), 1.0)}

    solution = tk.simulate(Guarded(), 3.0)
    assert solution.success
    assert float(solution["x"][-1]) == pytest.approx(2.0)


def test_interpolation_has_the_slope_of_its_segment():
    x = ca.SX.sym("x")
    slope = ca.Function("f", [x], [ca.jacobian(CASADI.interpolate(x, TABLE), x)])
    assert [float(slope(at)) for at in (-1.0, 0.5, 2.0, 3.0, 9.0)] == pytest.approx([0, 2, 0, -10 / 3, 0])


def test_a_constant_table_has_the_shape_of_its_argument():
    flat = tk.Table([0, 1], [2, 2])
    x = ca.SX.sym("x", 3)
    assert CASADI.interpolate(x, flat).shape == (3, 1)
    np.testing.assert_array_equal(NUMERIC.interpolate(np.zeros(3), flat), np.full(3, 2.0))


def test_maths_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Maths()
