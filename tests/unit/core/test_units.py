"""Units: the registry and the few questions asked of it."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.units import affine, as_array, as_number, convert, derivative_unit, parse_unit, registry, unit_label


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (3.0, "vvd", "1/day", 3.0),
        (24.0, "vvd", "1/h", 1.0),
        (1.0, "vvm", "1/s", 1 / 60),
        (1.0, "Gcell/L", "cell/mL", 1e6),
        (2.0, "cells", "cell", 2.0),
        (25.0, "degC", "K", 298.15),
        (77.0, "degF", "degC", 25.0),
        (298.15, "K", "degC", 25.0),
        (1.8, "delta_degF", "delta_degC", 1.0),
        (1.0, "delta_degC", "K", 1.0),
        (1.0, "atm", "kPa", 101.325),
        (50.0, "percent", "", 0.5),
        (760.0, "Torr", "atm", 1.0),
    ],
)
def test_conversions(value, source, target, expected):
    assert convert(value, source, target) == pytest.approx(expected, rel=1e-12)
    assert convert(np.array([value, value]), source, target) == pytest.approx([expected, expected], rel=1e-12)
    assert convert(convert(value, source, target), target, source) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("source", "target"), [("g", "L"), ("cell", ""), ("cell/L", "1/L"), ("degC", "delta_degC*m"), ("h", "1/h")]
)
def test_different_things_cannot_be_converted(source, target):
    with pytest.raises(tk.UnitError, match="cannot be converted"):
        affine(source, target)


def test_an_affine_map_of_equal_units_is_exact():
    assert affine("g/L", "kg/m**3") == (pytest.approx(1.0), 0.0)
    assert affine("degC", "K") == (1.0, 273.15)


@pytest.mark.parametrize(
    ("unit", "time", "expected"),
    [
        ("degC", "min", "delta_degree_Celsius / minute"),
        ("degF", "s", "delta_degree_Fahrenheit / second"),
        ("K", "s", "kelvin / second"),
        ("g/L", "h", "gram / hour / liter"),
        ("", "h", "1 / hour"),
    ],
)
def test_derivative_unit(unit, time, expected):
    assert parse_unit(derivative_unit(unit, time)) == parse_unit(expected)


@pytest.mark.parametrize(
    ("unit", "label"),
    [
        ("", ""),
        ("dimensionless", ""),
        ("1/h", "1/h"),
        ("gram / liter / hour", "g/L/h"),
        ("m**2", "m^2"),
        ("degC", "°C"),
    ],
)
def test_unit_label(unit, label):
    found = unit_label(unit)
    assert sorted(found.split("/")) == sorted(label.split("/"))


def test_the_registry_is_one_object_and_is_offered_as_units():
    assert tk.units is registry()
    assert tk.units.Quantity(1, "Gcell/L").to("cell/mL").magnitude == pytest.approx(1e6)


def test_quantities_of_another_registry_are_accepted():
    import pint

    assert as_number(pint.UnitRegistry().Quantity(2.0, "h"), "min", "x") == 120.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1e3", 1000.0), ("-2.5e-1 min", -0.25 / 10 * 10), (".5min", 0.5), ("  7   min ", 7.0), ("60 s", 1.0), (5, 5.0)],
)
def test_texts_become_numbers(value, expected):
    assert as_number(value, "min", "x") == pytest.approx(expected)


@pytest.mark.parametrize("value", ["", "min", "1,5 min", "1 2 min", "--1 min", "0x10 min", "1..5", b"1 min"])
def test_texts_that_are_no_numbers(value):
    with pytest.raises(tk.TwinkitError):
        as_number(value, "min", "the thing")


def test_arrays_keep_their_shape_and_nan_only_where_allowed():
    assert as_array([[1, 2], [3, 4]], "g", "x").shape == (2, 2)
    assert np.isnan(as_array([1.0, np.nan], "g", "x", allow_nan=True)[1])
    with pytest.raises(tk.InvalidValueError, match="x must be finite, but contains NaN"):
        as_array([1.0, np.nan], "g", "x")
    with pytest.raises(tk.ShapeError, match="single value"):
        as_number([1.0], "g", "x")
    with pytest.raises(tk.InvalidValueError):
        as_array([[1, 2], [3]], "g", "x")
