"""Emitted source against CasADi's own evaluation, operation by operation."""

import ctypes
import math

import casadi as ca
import numpy as np
import pytest

from twinkit.simulate.compiled.cache import compile_source
from twinkit.simulate.compiled.emit import EmitError, emit, helpers

_DOUBLES = ctypes.POINTER(ctypes.c_double)

UNARY = {
    "neg": lambda x: -x, "sq": lambda x: x * x, "twice": lambda x: 2 * x, "inv": lambda x: 1 / x,
    "exp": ca.exp, "log": ca.log, "sqrt": ca.sqrt, "log1p": ca.log1p, "expm1": ca.expm1,
    "sin": ca.sin, "cos": ca.cos, "tan": ca.tan, "asin": ca.asin, "acos": ca.acos,
    "atan": ca.atan, "sinh": ca.sinh, "cosh": ca.cosh, "tanh": ca.tanh, "asinh": ca.asinh,
    "acosh": ca.acosh, "atanh": ca.atanh, "erf": ca.erf, "erfinv": ca.erfinv, "fabs": ca.fabs,
    "floor": ca.floor, "ceil": ca.ceil, "sign": ca.sign, "not": ca.logic_not,
    "constpow": lambda x: x**2.5, "powint": lambda x: x**7, "powneg": lambda x: x ** (-3),
}  # fmt: skip
BINARY = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y, "pow": lambda x, y: x**y, "atan2": ca.atan2, "hypot": ca.hypot,
    "fmin": ca.fmin, "fmax": ca.fmax, "fmod": ca.fmod, "remainder": ca.remainder,
    "copysign": ca.copysign, "lt": lambda x, y: x < y, "le": lambda x, y: x <= y,
    "eq": lambda x, y: x == y, "ne": lambda x, y: x != y, "and": ca.logic_and,
    "or": ca.logic_or, "if_else_zero": lambda x, y: ca.if_else(x > 0.3, y, 0),
    "if_else": lambda x, y: ca.if_else(x > y, x * y, x - y),
}  # fmt: skip


def compiled(function, **options):
    """Compile a function of (t, y, u, p) and return it as a Python callable."""
    text = emit(function, "probe", decorator="@cfunc(_SIGNATURE, **_OPTIONS)",
                helper_decorator="@njit(**_OPTIONS)", **options)  # fmt: skip
    module = compile_source(helpers(text, "@njit(**_OPTIONS)") + "\n\n" + text)
    raw = ctypes.CFUNCTYPE(None, ctypes.c_double, *[_DOUBLES] * 4)(module.probe.address)

    def run(t, y, u, p, size):
        out = np.full(size, -7.0)
        arrays = [np.ascontiguousarray(a, dtype=float) for a in (y, u, p)]
        raw(t, *[a.ctypes.data_as(_DOUBLES) for a in (*arrays, out)])
        return out

    return run


def function_of(expressions, symbols, names=("t", "y", "u", "p")):
    return ca.Function("probe", symbols, expressions, list(names), [f"o{i}" for i in range(len(expressions))])


@pytest.fixture(scope="module")
def all_operations():
    t, y, u, p = ca.SX.sym("t"), ca.SX.sym("y", 2), ca.SX.sym("u"), ca.SX.sym("p")
    values = [f(y[0]) for f in UNARY.values()] + [f(y[0], y[1]) for f in BINARY.values()]
    function = function_of([ca.vertcat(*values)], [t, y, u, p])
    return function, compiled(function)


POINTS = [-2.5, -1.5, -1.0, -0.5, -0.3, -0.0, 0.0, 1e-9, 0.2, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0,
          1e3, 0.9999999, math.inf, -math.inf, math.nan]  # fmt: skip


@pytest.mark.parametrize("a", POINTS)
def test_every_operation_agrees_with_casadi(all_operations, a):
    function, run = all_operations
    labels = [*UNARY, *BINARY]
    rng = np.random.default_rng(5)
    for b in [*POINTS, *rng.normal(0, 2, 20)]:
        ours = run(0.0, [a, b], [0.0], [0.0], len(labels))
        theirs = function(0, [a, b], 0, 0).full().ravel()
        for label, x, y in zip(labels, ours, theirs, strict=True):
            if label in ("remainder", "fmod") and not (math.isfinite(a) and math.isfinite(b)):
                continue
            tolerance = 1e-10 if label == "erfinv" else 4e-15
            assert x == y or (math.isnan(x) and math.isnan(y)) or abs(x - y) <= tolerance * abs(y), (
                f"{label}({a}, {b}): {x} != {y}"
            )


def test_every_scalar_operation_of_casadi_is_covered():
    from twinkit.simulate.compiled.emit import _TEMPLATES

    structural = {"ASSIGN", "LIFT"}
    probes = {"neg", "sq", "twice", "inv", *UNARY, *BINARY}
    names = {n[3:].lower() for n in dir(ca) if n.startswith("OP_") and getattr(ca, n) in _TEMPLATES}
    assert names - probes - {s.lower() for s in structural} == set()


def test_erfinv_against_scipy():
    # CasADi's own erfinv is good to 1e-10 only.
    from scipy.special import erfinv

    y = ca.SX.sym("y")
    run = compiled(function_of([ca.erfinv(y)], [ca.SX.sym("t"), y, ca.SX.sym("u"), ca.SX.sym("p")]))
    for x in (-1 + 1e-15, -0.7, -1e-12, 0.0, 1e-300, 0.3, 0.5, 0.999, 1 - 1e-9):
        assert run(0, [x], [0], [0], 1)[0] == pytest.approx(erfinv(x), rel=4e-14, abs=0)


def test_sparse_outputs_layouts_and_chunks():
    t, y, u, p = (ca.SX.sym(s, k) for s, k in (("t", 1), ("y", 6), ("u", 1), ("p", 1)))
    x = y
    for _ in range(5):
        x = ca.sin(x) * y[0] + ca.vertcat(x[1:], x[0]) / 3 + p * t
    jacobian = ca.jacobian(x[0] * x[1], y) + 0
    matrix = ca.SX(3, 2)
    matrix[0, 1], matrix[2, 0] = x[0], u
    function = function_of([x, matrix, jacobian], [t, y, u, p])
    point = (0.3, np.linspace(0.1, 0.9, 6), [2.0], [0.7])
    expected = [o.full() for o in function(*[ca.DM(a) for a in point])]
    dense = np.concatenate([e.ravel() for e in expected])
    for chunk in (7, 50, 10_000):
        assert np.allclose(compiled(function, chunk=chunk)(*point, dense.size), dense, rtol=1e-13)
    nonzero = np.concatenate([np.array(o.nonzeros()) for o in function(*[ca.DM(a) for a in point])])
    assert np.allclose(compiled(function, nonzeros=True)(*point, nonzero.size), nonzero, rtol=1e-13)


def test_refusals():
    x, free = ca.MX.sym("x"), ca.SX.sym("free")
    with pytest.raises(EmitError, match="expand"):
        emit(ca.Function("f", [x], [x]), "f")
    s = ca.SX.sym("s")
    with pytest.raises(EmitError, match="free"):
        emit(ca.Function("f", [s], [s + free], {"allow_free": True}), "f")
    with pytest.raises(EmitError, match="OP_PRINTME"):
        emit(ca.Function("f", [s], [s.printme(s)]), "f")
