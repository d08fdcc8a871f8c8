"""The design space: verdicts with margins, phases, uncertainty, intersection, storage."""

import json
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest

import twinkit as tk
from twinkit.core import Formula
from twinkit.readings.numeric import NUMERIC

UNITS = {"T": "degC", "pH": "", "Glc": "g/L", "V": "L"}
FIT = {(): 0.95, ("T",): 0.0, ("T", "T"): -0.002, ("pH",): 0.5}


def space(**more):
    limits = [
        tk.Range(variable="Glc", low="1 g/L", high="6000 mg/L"),
        tk.Range(variable="T", low=36.0, high="310.65 K", start="24 h", end="3 d"),
        tk.Combination(title="load", weights={"Glc": 1.0, "V": 2.0}, high=10.0),
        tk.Response(title="purity", over=("T", "pH"), low=0.9,
                    function=lambda v, m: 1 - 0.01 * (v.T - 37) ** 2 - m.abs(v.pH - 7)),
    ]  # fmt: skip
    return tk.DesignSpace(UNITS, limits, **{"name": "stage 2", "source": "report 7", **more})


INSIDE = {"T": 37.0, "pH": 7.0, "Glc": 3.0, "V": 2.0}


def test_margins_by_name_are_distances_in_the_limit_s_unit():
    verdict = space().contains(INSIDE, at="30 h")
    assert verdict
    assert verdict.margins == pytest.approx({"Glc": 2.0, "T": 0.5, "load": 3.0, "purity": 0.1})
    verdict = space().contains({**INSIDE, "Glc": "7000 mg/L", "T": "311.15 K"}, at=30.0)
    assert not verdict
    assert verdict.margins == pytest.approx({"Glc": -1.0, "T": -0.5, "load": -1.0, "purity": 0.09})
    assert verdict.problems[0] == "Glc = 7 g/L, but Glc ≥ 1 g/L and ≤ 6 g/L"
    assert len(verdict.problems) == 3
    assert "OUTSIDE stage 2" in repr(verdict)
    assert "margin" in verdict._repr_html_()


def test_the_edge_belongs_to_the_space():
    box = tk.DesignSpace({"x": ""}, {"x": (0.0, 1.0)})
    assert box.contains({"x": 1.0})
    assert not box.contains({"x": math.nextafter(1.0, 2.0)})


@pytest.mark.parametrize(("at", "limited"), [(23.9, False), (24.0, True), (71.9, True), (72.0, False)])
def test_a_phase_is_half_open(at, limited):
    assert ("T" in space().contains({**INSIDE, "T": 36.5}, at=at).margins) is limited


def test_a_phase_needs_a_time():
    with pytest.raises(tk.InvalidValueError, match="at="):
        space().contains(INSIDE)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_outside_and_says_so(bad):
    verdict = space().contains({**INSIDE, "Glc": bad}, at=0.0)
    assert not verdict.inside
    assert any("nothing is known" in problem for problem in verdict.problems)
    assert math.isnan(verdict.margins["Glc"])


def test_a_response_that_cannot_be_computed_is_outside():
    root = tk.DesignSpace({"x": ""}, [tk.Response(title="r", over=("x",), low=0.0, function=lambda v, m: v.x**0.5)])
    assert root.contains({"x": 4.0})
    assert not root.contains({"x": -4.0})
    inverse = tk.DesignSpace({"x": ""}, [tk.Response(title="r", over=("x",), low=0.0, function=lambda v, m: 1 / v.x)])
    assert not inverse.contains({"x": 0.0})


def test_uncertainty_takes_away_from_the_margin():
    verdict = space().contains(INSIDE, at=0.0, std={"Glc": 0.5, "V": 0.25}, coverage=0.95)
    assert verdict.margins["Glc"] == pytest.approx(2.0 - 1.959964 * 0.5)
    assert verdict.margins["load"] == pytest.approx(3.0 - 1.959964 * (0.5 + 0.5))
    # A quadratic at its top has no slope: the spread must count all the same.
    assert space().contains(INSIDE, at=0.0, std={"T": 1.0}).margins["purity"] < 0.085
    assert not space().contains(INSIDE, at=0.0, std={"Glc": 5.0})


def test_a_missing_value_is_named():
    with pytest.raises(tk.UnknownNameError, match="'Glc'"):
        space().contains({"T": 37.0, "pH": 7.0, "glc": 3.0, "V": 2.0}, at=0.0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: space().contains({**INSIDE, "Glc": "3 h"}, at=0.0), tk.UnitError, "Glc"),
        (lambda: space().contains({**INSIDE, "Glc": [1.0, 2.0]}, at=0.0), tk.InvalidValueError, "single"),
        (lambda: space().contains(INSIDE, at=0.0, std={"Glc": -1.0}), tk.InvalidValueError, "standard deviation"),
        (lambda: space().contains(INSIDE, at=0.0, std={"Glc": math.nan}), tk.InvalidValueError, "standard deviation"),
        (lambda: space().contains(INSIDE, at=0.0, coverage=1.0), tk.InvalidValueError, "coverage"),
        (lambda: space().contains(INSIDE, at=math.nan), tk.InvalidValueError, "time"),
        (lambda: space().contains(None, at=0.0), tk.InvalidValueError, "name -> number"),
        (lambda: space().contains(INSIDE, at=0.0, std=[1.0]), tk.InvalidValueError, "name -> number"),
        (lambda: space().contains(INSIDE, at=0.0, std={"Glc": "1 h"}), tk.UnitError, "standard deviation"),
        (lambda: space().contains({**INSIDE, "Glc": 10**400}, at=0.0), tk.InvalidValueError, "Glc"),
        (lambda: space().contains(INSIDE, at=0.0, coverage="high"), tk.InvalidValueError, "coverage"),
        (lambda: space().intersect(None), tk.InvalidValueError, "another"),
        (lambda: tk.DesignSpace({1: ""}, {1: (0, 1)}), tk.InvalidValueError, "texts"),
        (lambda: tk.Response.polynomial("r", {"T": 1.0}, low=0), tk.InvalidValueError, "coefficient"),
        (lambda: tk.DesignSpace({}, {}), tk.InvalidValueError, "variables"),
        (lambda: tk.DesignSpace({"x": ""}, {}), tk.InvalidValueError, "without limits"),
        (lambda: tk.DesignSpace({"x": "g/L"}, {"y": (0, 1)}), tk.UnknownNameError, "'y'"),
        (lambda: tk.DesignSpace({"x": "g/L"}, {"x": ("1 h", None)}), tk.UnitError, "limit of x"),
        (lambda: tk.DesignSpace({"x": "g/L"}, {"x": (2, 1)}), tk.InvalidValueError, "at least 2 and at most 1"),
        (lambda: tk.DesignSpace({"x": "g/L"}, {"x": (None, None)}), tk.InvalidValueError, "neither"),
        (lambda: tk.DesignSpace({"x": "g/L"}, {"x": (math.nan, None)}), tk.InvalidValueError, "NaN"),
        (lambda: tk.DesignSpace({"x": "g/L"}, {"x": 3}), tk.InvalidValueError, r"\(low, high\)"),
        (lambda: tk.DesignSpace({"x": "wrongunit"}, {"x": (0, 1)}), tk.UnitError, "wrongunit"),
        (lambda: tk.DesignSpace({"x": ""}, {"x": (0, 1)}, time_unit="kg"), tk.UnitError, "kg"),
        (lambda: tk.DesignSpace({"x": ""}, {"x": (0, 1)}, name=" "), tk.InvalidValueError, "name"),
        (lambda: tk.DesignSpace({"x": ""}, ["x < 1"]), tk.InvalidValueError, "Range"),
        (lambda: tk.Range(variable="x", low=0, start=5, end=5).resolved({"x": ""}, "h"), tk.InvalidValueError, "phase"),
        (lambda: tk.Combination(title="", weights={"x": 1}), tk.InvalidValueError, "title"),
        (lambda: tk.Combination(title="s", weights={}), tk.InvalidValueError, "weights"),
        (lambda: tk.Combination(title="s", weights={"x": math.inf}), tk.InvalidValueError, "weight"),
        (lambda: tk.Response(title="r", function=lambda v, m: v.x), tk.InvalidValueError, "over="),
        (lambda: tk.Response.polynomial("r", {(): 1.0}), tk.InvalidValueError, "no variable"),
    ],
)
def test_what_is_not_usable_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_json_round_trip_keeps_everything():
    there = space()
    text = there.to_json()
    back = tk.DesignSpace.from_json(text)
    assert back.content_hash == there.content_hash
    assert back.to_json() == text
    point = {**INSIDE, "pH": 6.95}
    assert back.contains(point, at=30.0).margins == there.contains(point, at=30.0).margins
    assert space(source="report 8").content_hash != there.content_hash
    assert json.loads(text)["limits"][0] == {
        "kind": "range", "variable": "Glc", "low": 1.0, "high": 6.0, "start": None, "end": None
    }  # fmt: skip


@pytest.mark.parametrize(
    "harm",
    [
        lambda d: d.pop("limits"),
        lambda d: d.update(format="other"),
        lambda d: d.update(extra=1),
        lambda d: d.update(variables=[1]),
        lambda d: d["limits"].append("x"),
        lambda d: d["limits"][0].update(kind="code"),
        lambda d: d["limits"][0].update(low="nan"),
        lambda d: d["limits"][0].update(function="exec"),
        lambda d: d["limits"][3]["formula"]["nodes"].append(["__import__", "os"]),
        lambda d: d["limits"][3]["formula"]["nodes"].append(["add", "#99", 1.0]),
        lambda d: d["limits"][3]["formula"]["nodes"].append(["add", 1.0]),
        lambda d: d["limits"][3]["formula"]["nodes"].append([]),
        lambda d: d["limits"][3]["formula"]["nodes"].append(["symbol", "other"]),
        lambda d: d["limits"][3]["formula"]["nodes"].append(["interpolate", "#0", "x"]),
        lambda d: d["limits"][3]["formula"].update(nodes=[]),
        lambda d: d["limits"][3]["formula"].update(names=[1]),
    ],
)
def test_a_harmed_file_is_refused(harm):
    data = json.loads(space().to_json())
    harm(data)
    with pytest.raises(tk.DataError):
        tk.DesignSpace.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"format": 1}', "[" * 100_000])
def test_a_text_that_is_no_design_space_is_refused(text):
    with pytest.raises(tk.DataError):
        tk.DesignSpace.from_json(text)


def test_intersection():
    other = tk.DesignSpace({"Glc": "mg/L", "Lac": "g/L"}, {"Glc": (2000, 8000), "Lac": (None, 2)}, name="old",
                           time_unit="min")  # fmt: skip
    both = space().intersect(other)
    assert both.bounds(at=0.0) == {"Glc": (2.0, 6.0), "Lac": (-math.inf, 2.0)}
    assert both.variables["Glc"] == "g/L"
    assert both.name == "stage 2 ∩ old"
    assert list(both.labelled) == ["Glc", "T", "load", "purity", "Glc (2)", "Lac"]
    assert space().intersect(space()).labelled.keys() == space().labelled.keys()
    rng = np.random.default_rng(0)
    for _ in range(50):
        point = {"T": rng.uniform(35, 39), "pH": rng.uniform(6.9, 7.1), "Glc": rng.uniform(0, 8), "V": 1.0, "Lac": 1.0}
        in_other = other.contains({"Glc": 1000 * point["Glc"], "Lac": point["Lac"]})
        assert bool(both.contains(point, at=30.0)) == (bool(space().contains(point, at=30.0)) and bool(in_other))


def test_intersections_that_make_no_sense():
    with pytest.raises(tk.InvalidValueError, match="empty"):
        space().intersect(tk.DesignSpace({"Glc": "g/L"}, {"Glc": (7, 8)}))
    with pytest.raises(tk.UnitError, match="load"):
        tk.DesignSpace({"Glc": "mg/L"}, {"Glc": (1, None)}).intersect(space())
    load = tk.DesignSpace({"V": "L"}, [tk.Combination(title="load", weights={"V": 1.0}, high=1.0)])
    with pytest.raises(tk.InvalidValueError, match="rename"):
        space().intersect(load)
    with pytest.raises(tk.UnitError):
        space().intersect(tk.DesignSpace({"V": "kg"}, {"V": (0, 1)}))


def test_a_polynomial_is_data():
    fit = tk.Response.polynomial("yield", FIT, low=0.9)
    values = {"T": 3.0, "pH": 0.2}
    assert fit.evaluate(values, NUMERIC) == pytest.approx(0.95 - 0.002 * 9 + 0.5 * 0.2)
    assert fit.names == ("T", "pH")


def test_a_controller_reads_bounds_and_general_limits_symbolically():
    import casadi as ca

    from twinkit.readings.casadi import CASADI

    there = space()
    symbols = {name: ca.SX.sym(name) for name in UNITS}
    limits = there.general
    assert list(limits) == ["load", "purity"]
    function = ca.Function("g", list(symbols.values()), [limit.evaluate(symbols, CASADI) for limit in limits.values()])
    numbers = [float(value) for value in function(*INSIDE.values())]
    assert numbers == pytest.approx([limit.evaluate(INSIDE, NUMERIC) for limit in limits.values()])


def test_formulas():
    assert Formula.of(lambda v, m: v.a + v.a * 2, ["a", "b"]).names == ("a",)
    table = tk.core.Table([0.0, 1.0, 2.0], [0.0, 10.0, 0.0])
    made = Formula.of(lambda v, m: m.interpolate(v.a, table) + m.where(v["c[0]"] > 1, 1.0, -1.0), ["a", "c[0]"])
    assert Formula.from_plain(json.loads(json.dumps(made.to_plain()))) == made
    assert made({"a": 0.5, "c[0]": 2.0}, NUMERIC) == pytest.approx(6.0)
    with pytest.raises(tk.UnknownNameError, match="no variable 'b'"):
        Formula.of(lambda v, m: v.b, ["a"])
    with pytest.raises(tk.ModelDefinitionError, match="recorded"):
        Formula.of(lambda v, m: np.exp([v.a]), ["a"])
    with pytest.raises(tk.ModelDefinitionError, match=r"m\.where"):
        Formula.of(lambda v, m: 1.0 if v.a > 0 else v.a, ["a"])
    with pytest.raises(tk.InvalidValueError, match="single value"):
        Formula.of(lambda v, m: 3.0, ["a"])
    with pytest.raises(tk.InvalidValueError, match="finite"):
        Formula.of(lambda v, m: v.a * math.inf, ["a"])
    with pytest.raises(tk.UnknownNameError):
        made({"a": 1.0}, NUMERIC)


def test_a_box_for_a_controller():
    limits = [tk.Range(variable="Glc", low=1.0), tk.Range(variable="V", high=2.0, start=0.0, end=5.0)]
    assert tk.DesignSpace(UNITS, limits).box(at=1.0) == {"Glc": (1.0, None), "V": (None, 2.0)}
    assert tk.DesignSpace(UNITS, limits).box(at=6.0) == {"Glc": (1.0, None)}
    with pytest.raises(tk.InvalidValueError, match="load, purity"):
        space().box(at=1.0)


def test_it_draws_itself():
    axes = space().plot("T", "Glc", held={"pH": 7.0, "V": 2.0}, at=30.0)
    assert axes.get_xlabel() == "T [°C]"
    assert axes.collections
    plt.close("all")
    with pytest.raises(tk.UnknownNameError, match="V"):
        space().plot("T", "Glc", held={"pH": 7.0}, at=30.0)
    with pytest.raises(tk.InvalidValueError, match="span="):
        space().plot("V", "Glc", held=INSIDE, at=30.0)
    with pytest.raises(tk.UnknownNameError):
        space().plot("Tt", "Glc", held=INSIDE, at=30.0)
    assert "purity ≥ 0.9" in repr(space())
    assert "<li>" in space()._repr_html_()
