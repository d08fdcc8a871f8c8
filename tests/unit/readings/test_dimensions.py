"""The dimensions reading: which equations are consistent, which are not, and what is said about it."""

import pytest

import twinkit as tk
from twinkit.readings.dimensions import check_dimensions, dimension_problems

TABLE = tk.Table([0, 100], [1, 2], "degC", "kW")


def model(rate, *, x="g/L", time="h", output=None, out_unit="", algebraic=None, events=None, sub=None):
    """Return a model whose state x (in unit `x`) has the derivative `rate(v, m)`."""

    class Probe(tk.Model):
        """Under test."""

        time_unit = time
        y = tk.State(x, 1.0)
        w = tk.State("g/L", 1.0, shape=3)
        k = tk.Parameter("1/h", 1.0)
        k_min = tk.Parameter("1/min", 1.0)
        k_s = tk.Parameter("1/s", 1.0)
        F = tk.Input("L/h", 1.0)
        V = tk.Parameter("L", 1.0)
        V_mL = tk.Parameter("mL", 1.0)
        S = tk.Parameter("g/L", 1.0)
        S_mg = tk.Parameter("mg/L", 1.0)
        T = tk.Parameter("degC", 20.0)
        T2 = tk.Parameter("degC", 20.0)
        dT = tk.Parameter("delta_degC", 2.0)
        K = tk.Parameter("K", 300.0)
        n = tk.Parameter("", 2.0)
        pct = tk.Parameter("percent", 50.0)
        Q = tk.Parameter("kW", 1.0)
        E = tk.Parameter("kJ/mol", 1.0)
        R = tk.Parameter("J/mol/K", 8.314)

        def equations(self, v, m):
            result = {"y": rate(v, m), "w": -v.k * v.w if time == "h" else m.full(3, 0.0)}
            if output is not None:
                result["o"] = output(v, m)
            if algebraic is not None:
                result["z"] = algebraic(v, m)
            return result

    extra = {"__doc__": "x", "__module__": "nowhere", "equations": Probe.equations}
    if output is not None:
        extra["o"] = tk.Output(out_unit)
    if algebraic is not None:
        extra["z"] = tk.Algebraic("g/L", 1.0)
    if events is not None:
        extra["events"] = lambda self, v, m: events(v, m)
    if output is None and algebraic is None and events is None:
        return Probe()
    declared = {key: value for key, value in extra.items() if key not in {"equations"}}
    source = {name: getattr(Probe, name) for name in Probe.declared}
    return type("Probe", (tk.Model,), {**source, "time_unit": time, **declared, "equations": Probe.equations})()


ZERO = lambda v, m: 0.0  # noqa: E731

CONSISTENT = {
    "rate": lambda v, m: v.k * v.y,
    "literal zero": ZERO,
    "converted": lambda v, m: m.convert(v.k_min, "1/min", "1/h") * v.y,
    "dilution": lambda v, m: v.F / v.V * (v.S - v.y),
    "monod": lambda v, m: v.k * v.y * v.S / (v.S + v.y),
    "power": lambda v, m: v.k * (v.y**2) ** 0.5,
    "thirds": lambda v, m: v.k * v.y ** (1 / 3) * v.y ** (2 / 3),
    "negative power": lambda v, m: v.k * v.y**2 * v.S**-1,
    "root of a square": lambda v, m: v.k * m.sqrt(v.y**2 + v.S * v.y),
    "power of a ratio": lambda v, m: v.k * v.y * (v.S / v.y) ** v.n,
    "exp of a ratio": lambda v, m: v.k * v.y * m.exp(-v.S / v.y),
    "arrhenius": lambda v, m: (
        v.k * v.y * m.exp(-m.convert(v.E, "kJ/mol", "J/mol") / (v.R * m.convert(v.T, "degC", "K")))
    ),
    "difference of temperatures": lambda v, m: v.k * v.y * (v.T - v.T2) / v.dT,
    "absolute plus difference": lambda v, m: v.k * v.y * ((v.T + v.dT) - v.T2) / v.dT,
    "kelvin and differences": lambda v, m: v.k * v.y * (v.dT / m.quantity(1.0, "K")),
    "percent converted": lambda v, m: v.k * v.y * m.convert(v.pct, "percent", ""),
    "quantity": lambda v, m: m.quantity(3.0, "g/L/h"),
    "table": lambda v, m: v.k * v.y * m.interpolate(v.T, TABLE) / v.Q,
    "where": lambda v, m: m.where(v.y > 0.0, v.k * v.y, 0.0),
    "where with equal units": lambda v, m: m.where(v.y > v.S, v.k * v.y, v.k * v.S),
    "maximum with zero": lambda v, m: v.k * m.maximum(v.y, 0.0),
    "vector": lambda v, m: v.k * (m.sum(v.w) + m.dot(v.w, v.w) / v.S + m.sum(m.diff(v.w)) + m.roll(v.w, 1)[0]),
    "stack": lambda v, m: v.k * m.sum(m.concatenate([v.w[:2], v.y, m.stack([v.S, 0.0])])),
    "time": lambda v, m: v.S / v.t,
    "smooth": lambda v, m: v.k * m.smooth_maximum(v.y, 0.0, v.S) * m.smooth_step(v.y, v.S) * m.gate(v.y, v.S),
    "sine of time": lambda v, m: v.k * v.y * m.sin(m.pi * v.t / m.quantity(1.0, "h")),
}


@pytest.mark.parametrize("case", CONSISTENT)
def test_consistent_equations_have_no_problem(case):
    assert dimension_problems(model(CONSISTENT[case])) == []


WRONG = {
    "minutes for hours": (lambda v, m: v.k_min * v.y, "the derivative of 'y'.*factor of 60"),
    "seconds for hours": (lambda v, m: v.k_s * v.y, "factor of 3600"),
    "mg for g": (lambda v, m: v.k * (v.y + v.S_mg), "adding g/L and mg/L.*factor of 1000.*m.convert"),
    "g for mg": (lambda v, m: v.k * v.S_mg, "factor of 0.001"),
    "mL for L": (lambda v, m: v.F / v.V_mL * v.y, "factor of 1000"),
    "another dimension": (lambda v, m: v.k * v.V, "measure different things"),
    "no time": (lambda v, m: v.y, "different things"),
    "adding": (lambda v, m: v.k * v.y + v.F, "adding .*different things"),
    "adding a number": (lambda v, m: v.k * (v.y + 1.0), "adding g/L and dimensionless"),
    "subtracting": (lambda v, m: v.k * (v.S_mg - v.y), "subtracting mg/L and g/L"),
    "comparing": (lambda v, m: m.where(v.y > v.S_mg, 0.0, 0.0), "comparing"),
    "comparing with a number": (lambda v, m: m.where(v.y > 1.0, 0.0, 0.0), "comparing"),
    "choosing": (lambda v, m: m.where(v.y > 0, v.k * v.y, v.k_min * v.y), "choosing between"),
    "maximum": (lambda v, m: v.k * m.maximum(v.y, v.S_mg), "comparing"),
    "exp": (lambda v, m: v.k * v.y * m.exp(v.S), "the argument of exp must be a plain number, but is in g/L"),
    "exp of a scaled ratio": (lambda v, m: v.k * v.y * m.exp(v.S_mg / v.y), "the argument of exp"),
    "exp of percent": (lambda v, m: v.k * v.y * m.exp(v.pct), "the argument of exp must be a plain number"),
    "log": (lambda v, m: v.k * v.y * m.log(v.V), "the argument of log"),
    "tanh": (lambda v, m: v.k * v.y * m.tanh(v.V), "the argument of tanh"),
    "sine of hours": (lambda v, m: v.k * v.y * m.sin(v.t), "the argument of sin"),
    "power of a unit by a variable": (lambda v, m: v.k * v.y**v.n, "m.quantity"),
    "an exponent with a unit": (lambda v, m: v.k * v.y * (v.S / v.y) ** v.V, "an exponent must be a plain number"),
    "a root too much": (lambda v, m: v.k * m.sqrt(v.y), "different things"),
    "square": (lambda v, m: v.k * v.y**2, "different things"),
    "percent": (lambda v, m: v.k * v.y * v.pct, "factor of 0.01"),
    "multiplying celsius": (lambda v, m: v.k * v.y * v.T, "multiplying an absolute temperature"),
    "dividing by celsius": (lambda v, m: v.k * v.y / v.T, "dividing an absolute temperature"),
    "adding celsius": (lambda v, m: v.k * v.y * (v.T + v.T2) / v.dT, "adding two absolute temperatures"),
    "celsius and kelvin": (lambda v, m: v.k * v.y * (v.K - v.T) / v.dT, "absolute temperature"),
    "celsius for kelvin in arrhenius": (lambda v, m: v.k * v.y * m.exp(-v.E / (v.R * v.T)), "multiplying an absolute"),
    "kJ for J in arrhenius": (lambda v, m: v.k * v.y * m.exp(-v.E / (v.R * v.K)), "the argument of exp"),
    "negative celsius": (lambda v, m: v.k * v.y * (-v.T - v.T2) / v.dT, "negating"),
    "square root of celsius": (lambda v, m: v.k * v.y * m.sqrt(v.T), "raising"),
    "looked up in another unit": (lambda v, m: v.k * v.y * m.interpolate(v.K, TABLE) / v.Q, "looking up"),
    "converted from another unit": (lambda v, m: m.convert(v.k_min, "1/s", "1/h") * v.y, "converting.*factor"),
    "joining": (lambda v, m: v.k * m.sum(m.stack([v.y, v.S_mg])), "joining"),
    "quantity": (lambda v, m: m.quantity(3.0, "g/L/min"), "factor of 60"),
    "dot": (lambda v, m: v.k * m.dot(v.w, v.w), "different things"),
}


@pytest.mark.parametrize("case", WRONG)
def test_inconsistent_equations_are_found(case):
    import re

    rate, words = WRONG[case]
    problems = dimension_problems(model(rate))
    assert len(problems) == 1
    assert re.search(words, problems[0]), problems[0]
    with pytest.raises(tk.UnitError, match=words):
        check_dimensions(model(rate))


def test_a_conversion_to_another_thing_is_refused_as_soon_as_the_equations_run():
    with pytest.raises(tk.UnitError, match="a value in '1/h' cannot be converted to 'g'"):
        _ = model(lambda v, m: m.convert(v.k, "1/h", "g") * v.y).layout


def test_the_message_names_file_and_line():
    problem = dimension_problems(model(lambda v, m: v.k * (v.y + v.F)))[0]
    assert "test_dimensions.py:" in problem


def test_offset_temperature_states():
    assert dimension_problems(model(lambda v, m: (v.T - v.y) * v.k, x="degC")) == []
    assert "degC" in dimension_problems(model(lambda v, m: v.T * 1.0, x="degC"))[0]
    assert "derivative of 'y'" in dimension_problems(model(lambda v, m: (v.T - v.y) * v.k_min, x="degC"))[0]


def test_outputs_are_compared_with_their_unit():
    assert dimension_problems(model(ZERO, output=lambda v, m: v.y * v.V, out_unit="g")) == []
    assert "output 'o'" in dimension_problems(model(ZERO, output=lambda v, m: v.y * v.V, out_unit="kg"))[0]
    assert "absolute" in dimension_problems(model(ZERO, output=lambda v, m: v.T - v.T2, out_unit="degC"))[0]


def test_residuals_must_be_consistent_inside():
    assert dimension_problems(model(ZERO, algebraic=lambda v, m: v.z - v.y)) == []
    assert "subtracting" in dimension_problems(model(ZERO, algebraic=lambda v, m: v.z - v.V))[0]


def test_events_are_checked():
    assert dimension_problems(model(ZERO, events=lambda v, m: {"e": tk.Event(v.y - v.S, set={"y": v.S})})) == []
    wrong_set = dimension_problems(model(ZERO, events=lambda v, m: {"e": tk.Schedule(at=[1], set={"y": v.S_mg})}))
    assert "'e' setting 'y'" in wrong_set[0]
    wrong_when = dimension_problems(model(ZERO, events=lambda v, m: {"e": tk.Event(v.y - v.S_mg)}))
    assert "subtracting" in wrong_when[0]


def test_all_problems_are_listed():
    problems = dimension_problems(
        model(lambda v, m: v.k_min * v.y, output=lambda v, m: v.y, out_unit="mg/L", events=lambda v, m: {
            "e": tk.Schedule(at=[1], set={"y": v.V})
        })
    )  # fmt: skip
    assert len(problems) == 3


class Inner(tk.Model):
    """Takes a temperature."""

    time_unit = "h"
    T = tk.Input("degC", 20.0)
    x = tk.State("degC", 20.0)

    def equations(self, v, m):
        return {"x": (v.T - v.x) / m.quantity(1.0, "h")}


@pytest.mark.parametrize(
    ("unit", "words"),
    [("K", "absolute"), ("degF", "input 'inner.T'"), ("delta_degC", "absolute"), ("bar", "input 'inner.T'")],
)
def test_what_is_bound_to_a_sub_model_is_checked(unit, words):
    class Outer(tk.Model):
        """Binds the wrong unit."""

        time_unit = "h"
        given = tk.Parameter(unit, 300.0)
        inner = Inner()

        def equations(self, v, m):
            v.inner(T=v.given)
            return {}

    assert words in dimension_problems(Outer())[0]


def test_balances_are_checked():
    class Held(tk.Model):
        """Conserves with the wrong inflow."""

        time_unit = "h"
        V = tk.State("L", 1.0)
        F = tk.Input("L/min", 1.0)
        conserved = {"volume": lambda v, m: tk.Balance(v.V, inflow=v.F)}  # noqa: RUF012

        def equations(self, v, m):
            return {"V": m.convert(v.F, "L/min", "L/h")}

    assert "the inflow of conserved 'volume'" in dimension_problems(Held())[0]


def test_units_that_are_the_same_size_under_other_names_are_accepted():
    class Same(tk.Model):
        """g/L and kg/m**3 are one number."""

        time_unit = "s"
        x = tk.State("kg/m**3", 1.0)
        y = tk.Parameter("g/L", 1.0)
        P = tk.Parameter("kJ/s", 1.0)
        Q = tk.Parameter("kW", 1.0)

        def equations(self, v, m):
            return {"x": (v.x + v.y) * (v.P / v.Q) / m.quantity(1.0, "s")}

    assert dimension_problems(Same()) == []
