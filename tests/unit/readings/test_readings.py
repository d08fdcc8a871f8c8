"""The readings as a user meets them: names, LaTeX, JAX transformations, flat functions, incidence."""

import numpy as np
import pytest

import twinkit as tk
from twinkit import readings
from twinkit.readings import casadi_model, evaluate_at, numeric_functions, show, sympy_model
from twinkit.unitops import CHOFedBatch, JacketedTank


class Mixed(tk.Model):
    """Everything at once."""

    time_unit = "h"
    x = tk.State("g/L", 2.0, doc="scalar")
    c_in = tk.State("g/L", 1.0, shape=5, doc="vector")
    z = tk.Algebraic("g/L", 1.0, doc="sum")
    u = tk.Input("1/h", 0.5, doc="input")
    mode = tk.Mode("", 2.0, doc="mode")
    mu_max = tk.Parameter("1/h", 3.0, doc="rate")
    y = tk.Output("g/L", doc="output")

    def equations(self, v, m):
        return {"x": -v.mu_max * v.x * v.mode, "c_in": v.u * m.roll(v.c_in, 1), "z": v.z - m.sum(v.c_in), "y": v.z * 2}


POINT = (0.0, [2.0, 1, 2, 3, 4, 5], [15.0], [0.5, 2.0], [3.0])
EXPECTED = ([-12.0, 2.5, 0.5, 1.0, 1.5, 2.0], [0.0], [30.0])


def test_flat_functions_agree_with_hand():
    point = tuple(np.asarray(part, dtype=float) for part in POINT)
    for found in (numeric_functions(Mixed())(*point), casadi_model(Mixed()).equations(*point)):
        for part, expected in zip(found, EXPECTED, strict=True):
            np.testing.assert_allclose(np.asarray(part).ravel(), expected)


def test_evaluate_at_by_name():
    found = evaluate_at(Mixed(), {"z": 15.0, "x": 4.0})
    assert found.derivatives["x"] == -24.0
    assert found.outputs["y"] == 30.0
    with pytest.raises(tk.UnknownNameError, match="'mu_max'"):
        evaluate_at(Mixed(), {"mu_mx": 1.0})


def test_evaluate_at_needs_every_value():
    class Open(tk.Model):
        """An input without a default."""

        x = tk.State("", 1.0)
        u = tk.Input("1/s")

        def equations(self, v, m):
            return {"x": v.u}

    with pytest.raises(tk.InvalidValueError, match="no value for 'u'"):
        evaluate_at(Open())
    assert evaluate_at(Open(), {"u": 3.0}).derivatives["x"] == 3.0


def test_incidence_names_what_enters_each_equation():
    incidence = Mixed().structure.incidence
    assert incidence["x"] == {"mu_max", "x", "mode"}
    assert incidence["z"] == {"z", "c_in"}
    assert incidence["y"] == {"z"}


def test_the_layout_finds_and_suggests():
    layout = Mixed().layout
    assert layout.find("c_in").labels == [f"c_in[{i}]" for i in range(5)]
    assert layout.states.labels[1] == "c_in[0]"
    with pytest.raises(tk.UnknownNameError, match="did you mean 'mu_max'"):
        layout.find("mumax")
    with pytest.raises(tk.UnknownNameError, match="did you mean 'x'"):
        _ = layout.states["X"]


# -- LaTeX -------------------------------------------------------------------------------------------------------
def test_show_gives_an_equation_for_everything():
    shown = Mixed().show()
    assert len(shown.lines) == 4
    assert shown.lines[0].startswith(r"\frac{d x}{d t} = ")
    assert r"\mu_{\mathrm{max}}" in shown.lines[0]
    assert r"\ldots" in shown.lines[1]
    assert shown.lines[2].startswith("0 = ")
    assert shown.latex.count("&=") == 4
    assert str(shown) == shown.latex
    assert shown._repr_latex_().startswith("$")
    assert "| `mu_max` | 3 | 1/h | rate |" in shown._repr_markdown_()


def test_names_of_sub_models_are_superscripts():
    text = show(JacketedTank()).latex
    assert r"T^{\mathrm{jacket}}" in text
    assert r"\frac{d T}{d t}" in text


def test_a_name_like_an_operator_is_typeset_as_a_word():
    assert r"\mathit{Glc}" in show(CHOFedBatch()).latex


def test_sympy_symbols_are_real_and_named():
    reading = sympy_model(Mixed())
    assert str(reading.symbols["c_in"][3]) == "c_in[3]"
    assert all(symbol.is_real for symbol in reading.symbols["c_in"])


# -- JAX ---------------------------------------------------------------------------------------------------------
def test_jit_vmap_and_grad():
    jax = pytest.importorskip("jax")
    from twinkit.readings import jax_functions
    from twinkit.readings.jax import double_precision

    function = jax_functions(Mixed())
    t, x, z, u, p = (np.asarray(part, dtype=float) for part in POINT)
    with double_precision():
        jitted = jax.jit(function)(t, x, z, u, p)
        many = jax.vmap(function, in_axes=(None, 0, None, None, None))(t, np.stack([x, 2 * x]), z, u, p)
        slope = jax.grad(lambda p: function(t, x, z, u, p)[0][0])(p)
        jacobian = jax.jacobian(lambda x: function(t, x, z, u, p)[0])(x)
    np.testing.assert_allclose(jitted[0], EXPECTED[0])
    np.testing.assert_allclose(many[0][1], 2 * np.array(EXPECTED[0]))
    np.testing.assert_allclose(slope, [-4.0])
    exact = casadi_model(Mixed()).jacobians(t, x, z, u, p)[0]
    np.testing.assert_allclose(jacobian, np.asarray(exact), atol=1e-14)


def test_double_precision_is_not_left_on():
    jax = pytest.importorskip("jax")
    from twinkit.readings.jax import double_precision

    before = jax.numpy.zeros(1).dtype
    with double_precision():
        assert jax.numpy.zeros(1).dtype == np.float64
    assert jax.numpy.zeros(1).dtype == before


def test_without_jax_the_error_names_the_extra(monkeypatch):
    import sys

    from twinkit.readings import jax as reading

    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(tk.MissingDependencyError, match=r"'jax'.*twinkit\[jax\]"):
        reading._import_jax()


def test_the_room_offers_its_names_and_no_others():
    for name in readings.__all__:
        assert getattr(readings, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = readings.nothing_like_it
