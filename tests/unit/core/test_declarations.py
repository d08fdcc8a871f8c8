"""Declarations: units, bounds, defaults, shapes, options, and the errors that name what is wrong."""

import math

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.variables import Variable


class Column(tk.Model):
    """A column of cells."""

    time_unit = "min"
    c = tk.State("g/L", 1.0, bounds=(0, 10), shape="cells", doc="concentration")
    k = tk.Parameter("1/min", 0.5, bounds=(0, None), doc="rate")
    profile = tk.Parameter("", [1.0, 2.0, 3.0], shape=3, doc="a fixed vector")
    cells = tk.Option(4, bounds=(2, 100), doc="number of cells")
    kind = tk.Option("slow", choices=("slow", "fast"), doc="variant")

    def equations(self, v, m):
        factor = 2.0 if self.kind == "fast" else 1.0
        return {"c": -factor * v.k * v.c * m.sum(v.profile)}


# -- what a declaration holds ------------------------------------------------------------------------------------
def test_a_declaration_is_itself_on_the_class_and_a_value_on_the_instance():
    assert (Column.k.unit, Column.k.label, Column.k.kind) == ("1/min", "k", "parameter")
    assert Column().k == 0.5
    assert Column.cells.default == 4
    assert Column().cells == 4


@pytest.mark.parametrize("kind", [tk.State, tk.Algebraic])
def test_initial_is_another_name_for_default(kind):
    assert kind("g/L", initial=2.0).default == 2.0
    with pytest.raises(tk.InvalidValueError, match="either initial= or default="):
        kind("g/L", 1.0, initial=2.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120 s", 2.0),
        ("2 min", 2.0),
        ("0.5 hour", 30.0),
        (3, 3.0),
        ("+.5e1 min", 5.0),
        (np.float32(2), 2.0),
        ("7", 7.0),
    ],
)
def test_defaults_may_carry_their_own_unit(text, expected):
    assert tk.Parameter("min", text).default == pytest.approx(expected)


def test_a_quantity_is_converted():
    assert tk.Parameter("min", tk.units.Quantity(1.5, "h")).default == pytest.approx(90.0)


def test_bounds_may_carry_units_and_are_inclusive():
    declared = tk.Parameter("min", 60.0, bounds=("1 s", "1 h"))
    assert declared.bounds == (pytest.approx(1 / 60), pytest.approx(60.0))
    assert tk.State("g", 1.0).bounds == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: tk.State("grammes_of_it"), tk.UnitError, "'grammes_of_it' is not a unit"),
        (lambda: tk.State("g/"), tk.UnitError, "'g/' is not a unit"),
        (lambda: tk.State("2 g"), tk.UnitError, "is not a unit"),
        (lambda: tk.State("(g"), tk.UnitError, "is not a unit"),
        (lambda: tk.State("__import__('os')"), tk.UnitError, "is not a unit"),
        (lambda: tk.State("g/L", "3 min"), tk.UnitError, "the default of a state is declared in 'g/L'"),
        (lambda: tk.State("g/L", "lots"), tk.InvalidValueError, "cannot read 'lots'"),
        (lambda: tk.State("g/L", math.nan), tk.InvalidValueError, "NaN"),
        (lambda: tk.State("g/L", math.inf), tk.InvalidValueError, "inf"),
        (lambda: tk.State("g/L", -math.inf), tk.InvalidValueError, "-inf"),
        (lambda: tk.State("g/L", "nan g/L"), tk.InvalidValueError, "NaN"),
        (lambda: tk.State("g/L", True), tk.InvalidValueError, "must be a number, not True"),
        (lambda: tk.State("g/L", np.True_), tk.InvalidValueError, "must be a number"),
        (lambda: tk.State("g/L", object()), tk.InvalidValueError, "must be a number"),
        (lambda: tk.State("g/L", 1 + 2j), tk.InvalidValueError, "must be a number"),
        (lambda: tk.State("g/L", [1.0, 2.0]), tk.ShapeError, "single value"),
        (lambda: tk.State("g/L", [1.0, 2.0], shape=3), tk.ShapeError, r"shape \(3,\)"),
        (lambda: tk.State("g/L", [[1.0, 2.0, 3.0]], shape=3), tk.ShapeError, r"\(1, 3\)"),
        (lambda: tk.State("g/L", ["1 g/L", "2 g/L"], shape=2), tk.InvalidValueError, "one quantity"),
        (lambda: tk.State("g/L", 11, bounds=(0, 10)), tk.BoundsError, r"within \[0, 10\] g/L, but is 11"),
        (lambda: tk.State("g/L", [1, -2, 12], shape=3, bounds=(0, 10)), tk.BoundsError, "but is (-2|12)"),
        (lambda: tk.State("g/L", bounds=(2, 1)), tk.BoundsError, "lower bound 2 is above the upper bound 1"),
        (lambda: tk.State("g/L", bounds=(math.nan, 1)), tk.InvalidValueError, "the lower bound"),
        (lambda: tk.State("g/L", bounds=("1 min", None)), tk.UnitError, "the lower bound"),
        (lambda: tk.State("g/L", nominal=0.0), tk.BoundsError, "nominal"),
        (lambda: tk.State("g/L", nominal=-1.0), tk.BoundsError, "nominal"),
        (lambda: tk.State("g/L", nominal=math.nan), tk.BoundsError, "nominal"),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("declared", "scale"),
    [
        (tk.State("g", 5.0, nominal=2.0), 2.0),
        (tk.State("g", -5.0), 5.0),
        (tk.State("g", 0.0, bounds=(0, 30)), 30.0),
        (tk.State("g", 0.0, bounds=(-4, None)), 4.0),
        (tk.State("g", 0.0), 1.0),
        (tk.State("g"), 1.0),
        (tk.State("g", [0.0, 7.0], shape=2), 7.0),
    ],
)
def test_the_scale_follows_nominal_then_default_then_bounds(declared, scale):
    assert declared.scale == scale


# -- vectors -----------------------------------------------------------------------------------------------------
def test_a_shape_follows_its_option_and_a_scalar_fills_it():
    np.testing.assert_array_equal(Column().c, np.ones(4))
    np.testing.assert_array_equal(Column(cells=6, c=2.0).c, np.full(6, 2.0))
    np.testing.assert_array_equal(Column(cells=2, c=[1, 2]).c, [1.0, 2.0])
    np.testing.assert_array_equal(Column(c=tk.units.Quantity([1000, 2000, 3000, 4000], "mg/L")).c, [1, 2, 3, 4])
    assert Column(cells=6).layout.states.size == 6
    with pytest.raises(tk.ShapeError, match=r"state 'c' of Column has shape \(4,\), but an array of shape \(3,\)"):
        Column(c=[1, 2, 3])


def test_changing_a_length_remakes_the_vectors_that_depend_on_it():
    longer = Column(c=[1, 2, 3, 4], k=0.7).with_(cells=5)
    np.testing.assert_array_equal(longer.c, np.ones(5))
    assert longer.k == 0.7
    np.testing.assert_array_equal(Column().with_(cells=2, c=[5, 6]).c, [5.0, 6.0])


def test_vectors_of_an_instance_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        Column().c[0] = 5.0


def test_the_given_array_is_not_shared():
    given = np.array([1.0, 2.0, 3.0, 4.0])
    model = Column(c=given)
    given[0] = 9.0
    assert model.c[0] == 1.0


@pytest.mark.parametrize(("shape", "near"), [("cels", "cells"), ("kind", "cells")])
def test_a_shape_names_an_integer_option(shape, near):
    with pytest.raises(tk.UnknownNameError, match=near):
        type("Wrong", (Column,), {"c": tk.State("g/L", 1.0, shape=shape)})


@pytest.mark.parametrize("shape", [0, -1, 2.0, True, (2,)])
def test_a_shape_is_a_positive_length(shape):
    with pytest.raises(tk.ModelDefinitionError, match="positive length"):
        tk.State("g/L", 1.0, shape=shape)


# -- options -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ({"cells": 1}, tk.BoundsError, r"option 'cells' of Column must be within \[2, 100\], but is 1"),
        ({"cells": 4.0}, tk.InvalidValueError, "of type int"),
        ({"cells": True}, tk.InvalidValueError, "of type int"),
        ({"cells": "4"}, tk.InvalidValueError, "of type int"),
        ({"kind": "medium"}, tk.InvalidValueError, "one of 'slow', 'fast'; got 'medium'"),
    ],
)
def test_a_wrong_option_is_refused(value, error, words):
    with pytest.raises(error, match=words):
        Column(**value)


def test_numpy_integers_are_integers():
    assert Column(cells=np.int64(3)).cells == 3
    assert type(Column(cells=np.int64(3)).cells) is int


def test_the_default_of_an_option_is_checked():
    with pytest.raises(tk.InvalidValueError, match="the default of an option"):
        tk.Option("x", choices=("a", "b"))
    with pytest.raises(tk.BoundsError, match="the default of an option"):
        tk.Option(1, bounds=(2, 3))


# -- classes -----------------------------------------------------------------------------------------------------
def test_a_subclass_may_redeclare_a_variable():
    class Narrow(Column):
        k = Column.k.altered(default=0.1, bounds=(0, 0.2))

    assert Narrow().k == 0.1
    assert Column().k == 0.5
    assert list(Narrow.declared) == [*[n for n in Column.declared if n != "k"], "k"]
    with pytest.raises(tk.BoundsError, match="parameter 'k' of Narrow"):
        Narrow(k=0.5)


def test_an_altered_copy_keeps_everything_else():
    first = tk.State("g/L", 1.0, bounds=(0, None), nominal=3.0, doc="sugar", source="assumed")
    second = first.altered(initial=2.0, doc="glucose")
    assert (second.default, second.bounds, second.nominal, second.doc) == (2.0, (0.0, math.inf), 3.0, "glucose")
    assert (second.unit, second.source, second.label) == ("g/L", "assumed", "")
    assert first.altered(bounds=(None, 5)).bounds == (-math.inf, 5.0)
    with pytest.raises(tk.BoundsError):
        first.altered(default=-1.0)


def test_a_subclass_may_turn_a_parameter_into_an_input():
    class Driven(Column):
        k = tk.Input("1/min", 0.5)

    assert Driven().layout.inputs.labels == ["k"]
    assert "k" not in Driven().layout.parameters


def test_one_declaration_has_one_name():
    shared = tk.Parameter("", 1.0)
    with pytest.raises((tk.ModelDefinitionError, RuntimeError)) as caught:
        type("Wrong", (tk.Model,), {"a": shared, "b": shared})
    error = caught.value if isinstance(caught.value, tk.TwinkitError) else caught.value.__cause__
    assert "two names" in str(error)


@pytest.mark.parametrize(
    "name", ["t", "_hidden", "equations", "with_", "layout", "content_hash", "time_unit", "values"]
)
def test_a_name_of_the_base_class_cannot_be_declared(name):
    with pytest.raises(tk.ModelDefinitionError, match=name):
        type("Wrong", (tk.Model,), {name: tk.Parameter("", 1.0)})


def test_a_time_unit_is_a_unit():
    with pytest.raises(tk.UnitError, match="fortnightly"):
        type("Wrong", (tk.Model,), {"time_unit": "fortnightly"})


def test_a_time_unit_measures_time():
    with pytest.raises(tk.UnitError, match="not \\[time\\]"):
        type("Wrong", (tk.Model,), {"time_unit": "m"})


def test_a_model_without_equations_says_so():
    class Empty(tk.Model):
        """Nothing."""

        x = tk.State("g", 1.0)

    with pytest.raises(tk.ModelDefinitionError, match="Empty does not define equations"):
        _ = Empty().layout


def test_documentation_does_not_enter_the_definition_of_a_variable():
    plain, documented = tk.Parameter("1/h", 2.0), tk.Parameter("1/hour", 2.0, doc="rate", source="somewhere")
    assert plain.as_dict() == documented.as_dict()
    assert plain.as_dict() != tk.Parameter("1/min", 2.0).as_dict()


def test_variables_are_frozen():
    with pytest.raises(AttributeError):
        Column.k.unit = "1/h"
    assert isinstance(Column.k, Variable)
