"""`check_model` finds what is wrong: one broken model per check, and the right check named."""

import re

import pytest

import twinkit as tk
from twinkit.testing import CheckReport, ModelCheckError, check_model


class Sound(tk.Model):
    """Two states that exchange mass, with a vector and an algebraic variable."""

    time_unit = "h"
    a = tk.State("g", 1.0, bounds=(0, None), doc="first")
    b = tk.State("g", 2.0, bounds=(0, None), doc="second")
    w = tk.State("g", 1.0, shape=3, bounds=(0, None), doc="a ring of tanks")
    z = tk.Algebraic("g", 3.0, doc="sum of both")
    F = tk.Input("g/h", 0.1, bounds=(0, None), doc="feed")
    k = tk.Parameter("1/h", 0.5, bounds=(0, None), doc="rate", source="illustrative")
    y = tk.Output("g", doc="sum again")
    conserved = {"mass": lambda v, m: tk.Balance(v.a + v.b, inflow=v.F)}  # noqa: RUF012

    def equations(self, v, m):
        flow = v.k * (v.a - v.b)
        ring = v.k * (m.roll(v.w, 1) - v.w) * m.where(v.w > 0.0, 1.0, 0.5)
        return {"a": v.F - flow, "b": flow, "w": ring, "z": v.z - v.a - v.b, "y": v.z}


class Closed(tk.Model):
    """Two tanks."""

    time_unit = "h"
    a = tk.State("g", 1.0, doc="first")
    b = tk.State("g", 1.0, doc="second")
    k = tk.Parameter("1/h", 0.5, doc="rate", source="illustrative")
    conserved = {"mass": lambda v, m: v.a + v.b}  # noqa: RUF012

    def equations(self, v, m):
        return {"a": -v.k * v.a, "b": v.k * v.a}


def broken(**changes):
    """Return a subclass of Sound with other declarations or equations."""
    made = type("Broken", (Sound,), {"__doc__": "A broken model.", "__module__": __name__, **changes})
    globals()["Broken"] = made  # where pickle looks for it
    return made


def failing(model, **options):
    """Return the checks that fail, each with its problems."""
    with pytest.raises(ModelCheckError) as caught:
        check_model(model, points=5, **options)
    checks = re.findall(r"^  FAIL ([a-z ]+)", str(caught.value), re.MULTILINE)
    return [check.strip() for check in checks], str(caught.value)


def test_a_sound_model_passes_and_the_report_says_how():
    report = check_model(Sound, points=5)
    assert isinstance(report, CheckReport)
    assert report.passed
    assert "jax" in report.notes["readings agree"]
    assert str(report).startswith("Sound: all checks passed")
    assert "&lt;" not in report._repr_html_()


def test_an_instance_and_a_class_may_be_given():
    assert check_model(Sound(k=0.7), points=3).model == "Sound"


def test_a_balance_is_proved_where_sympy_can():
    assert check_model(Closed, points=3).notes["conservation"] == "mass proved by SymPy"


def test_missing_documentation():
    for changes, words in (
        ({"k": Sound.k.altered(doc="")}, "k has no doc"),
        ({"k": Sound.k.altered(source=" ")}, "parameter k has no source"),
        ({"__doc__": ""}, "Broken has no docstring"),
        ({"__doc__": None}, "Broken has no docstring"),
        ({"y": tk.Output("g")}, "y has no doc"),
    ):
        checks, text = failing(broken(**changes))
        assert checks == ["documentation"]
        assert words in text


def test_a_wrong_factor():
    checks, text = failing(broken(k=tk.Parameter("1/min", 0.5, bounds=(0, None), doc="rate", source="illustrative")))
    assert checks == ["dimensions"]
    assert "factor of" in text


def test_a_balance_that_does_not_hold():
    checks, text = failing(broken(conserved={"mass": lambda v, m: tk.Balance(v.a + 2 * v.b, inflow=v.F)}))
    assert checks == ["conservation"]
    assert "'mass' is not conserved: the imbalance is" in text


def test_a_forgotten_inflow():
    checks, _ = failing(broken(conserved={"mass": lambda v, m: v.a + v.b}))
    assert checks == ["conservation"]


def test_a_balance_in_wrong_units():
    checks, _ = failing(broken(conserved={"mass": lambda v, m: tk.Balance(v.a + v.b, inflow=v.a)}))
    assert set(checks) == {"dimensions", "conservation"}


def test_bounds_that_are_left():
    def equations(self, v, m):
        return {**Sound.equations(self, v, m), "a": -m.quantity(1.0, "g/h"), "b": m.quantity(1.0, "g/h") + v.F}

    checks, text = failing(broken(equations=equations))
    assert checks == ["bounds"]
    assert re.search(r"a leaves \[0, inf\]", text)


def test_a_simulation_that_fails():
    def equations(self, v, m):
        found = dict(Sound.equations(self, v, m))
        found["a"] = v.k * v.a * v.a / m.quantity(0.1, "g")
        return found

    checks, text = failing(broken(equations=equations, conserved={}))
    assert checks == ["bounds"]
    assert "stopped at" in text


def test_a_singular_residual():
    def equations(self, v, m):
        return {**Sound.equations(self, v, m), "z": v.a - v.b}

    checks, text = failing(broken(equations=equations))
    assert "bounds" in checks
    assert "'z'" in text


def test_readings_that_disagree(monkeypatch):
    from twinkit.readings.casadi import CasadiMaths

    def other(self, x, shift):
        return x

    monkeypatch.setattr(CasadiMaths, "roll", other)
    checks, text = failing(broken())
    assert "readings agree" in checks
    assert "casadi differs from numeric" in text
    assert "in d(w[0])" in text


def test_a_wrong_jacobian(monkeypatch):
    from twinkit.readings.casadi import CasadiModel

    honest = CasadiModel.jacobians.func
    monkeypatch.setattr(
        CasadiModel, "jacobians",
        property(lambda self: lambda *row: [2 * part for part in honest(self)(*row)]),
    )  # fmt: skip
    checks, text = failing(broken())
    assert "jacobians" in checks
    assert "differs from finite differences" in text


def test_a_lost_round_trip():
    checks, text = failing(broken(to_json=lambda self: Sound.to_json(self.with_(k=0.9))))
    assert checks == ["round trips"]
    assert "through JSON is not equal" in text


def test_a_class_that_cannot_be_pickled():
    class Local(Sound):
        """Defined inside a function."""

    checks, text = failing(Local)
    assert checks == ["round trips"]
    assert "local object" in text  # the words before differ between Python versions


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    from twinkit.readings.sympy import SympyMaths

    monkeypatch.delattr(SympyMaths, "roll")
    monkeypatch.setattr(SympyMaths, "__abstractmethods__", frozenset())
    checks, _ = failing(broken())
    assert "readings agree" in checks


def test_every_problem_is_listed_at_once():
    checks, _ = failing(
        broken(k=tk.Parameter("1/min", 0.5, doc="rate"), conserved={"mass": lambda v, m: tk.Balance(v.a, inflow=v.F)})
    )
    assert set(checks) == {"documentation", "dimensions", "conservation"}


def test_it_is_an_assertion_too():
    with pytest.raises(AssertionError):
        check_model(broken(__doc__=""), points=2)


def test_the_same_seed_gives_the_same_points():
    from twinkit.testing.points import random_points

    first, second, other = random_points(Sound(), 3, 1), random_points(Sound(), 3, 1), random_points(Sound(), 3, 2)
    assert repr(first) == repr(second)
    assert repr(first) != repr(other)
    assert all(point["a"] >= 0 for point in first)
