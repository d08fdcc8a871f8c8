"""Wrong numbers without an error that an independent review found; each stays found."""

from enum import Enum

import numpy as np
import pytest

import twinkit as tk
from twinkit.readings import dimension_problems


class Kind(Enum):
    A = "a"
    B = "b"


class Decay(tk.Model):
    """First-order decay."""

    time_unit = "s"
    kind = tk.Option(Kind.A)
    x = tk.State("", 1.0)
    k = tk.Parameter("1/s", 0.5)

    def equations(self, v, m):
        return {"x": -v.k * v.x}


@pytest.fixture(params=["Cvodes", "Compiled"])
def solver(request):
    return getattr(tk, request.param)()


def test_values_of_an_instance_cannot_be_frozen_into_the_equations():
    class Frozen(Decay):
        def rate(self, v):
            return self.k * v.x

        def equations(self, v, m):
            return {"x": -self.rate(v)}

    with pytest.raises(tk.ModelDefinitionError, match=r"use v\.k"):
        tk.simulate(Frozen(), 1.0)


def test_a_declaration_cannot_be_hidden_by_a_value():
    with pytest.raises(tk.ModelDefinitionError, match="would hide"):
        type("Fast", (Decay,), {"k": 2.0})


def test_algebraic_variables_jump_with_inputs(solver):
    class Gain(tk.Model):
        time_unit = "s"
        x = tk.State("", 0.0)
        z = tk.Algebraic("", initial=0.0)
        u = tk.Input("", 0.0)

        def equations(self, v, m):
            return {"x": v.z / m.quantity(1.0, "s"), "z": v.z - 3.0 * v.u}

    solution = tk.simulate(Gain(), 2.0, inputs={"u": tk.steps({0: 0, 1: 1})}, solver=solver)
    np.testing.assert_allclose(solution["z"], 3.0 * solution["u"], atol=1e-9)


class Pair(tk.Model):
    """Two events at one instant, a third that one of them brings about."""

    time_unit = "s"
    x = tk.State("", 0.0)
    a = tk.Mode("", 0.0)
    b = tk.Mode("", 0.0)
    c = tk.Mode("", 0.0)

    def equations(self, v, m):
        return {"x": m.quantity(1.0, "1/s")}

    def events(self, v, m):
        return {
            "first": tk.Event(v.x - 1.0, set={"a": 1.0}),
            "same": tk.Event(2.0 * v.x - 2.0, set={"b": 1.0}),
            "chained": tk.Event(v.a - 0.5, set={"c": 1.0}),
        }


def test_events_of_one_instant_and_their_consequences_all_happen(solver):
    solution = tk.simulate(Pair(), 3.0, solver=solver)
    assert [float(solution[name][-1]) for name in "abc"] == [1.0, 1.0, 1.0]


def test_a_jump_across_a_threshold_is_an_event(solver):
    class Filled(tk.Model):
        time_unit = "s"
        V = tk.State("L", 1.0)

        def equations(self, v, m):
            return {"V": 0.0}

        def events(self, v, m):
            return {
                "bolus": tk.Schedule(at=[1.0], set={"V": v.V + m.quantity(5.0, "L")}),
                "full": tk.Event(v.V - m.quantity(3.0, "L"), stop=True),
            }

    solution = tk.simulate(Filled(), 10.0, solver=solver)
    assert solution.status.time == 1.0
    assert "full" in solution.status.reason
    assert float(solution.at(1.0)["V"][0]) == 6.0


def test_samples_with_units_are_converted():
    model = Decay()
    plain = tk.ensemble(model, {"k": [0.5, 1.0]}, 1.0, progress=False)
    quantities = tk.ensemble(model, {"k": tk.units.Quantity([30.0, 60.0], "1/min")}, 1.0, progress=False)
    np.testing.assert_array_equal(plain.x, quantities.x)


def test_a_cycle_is_not_mistaken_for_a_constant():
    class Sum(tk.Model):
        time_unit = "d"
        x = tk.State("", 0.0)
        u = tk.Input("1/d", 0.0)

        def equations(self, v, m):
            return {"x": v.u}

    solution = tk.simulate(Sum(), 24.0, inputs={"u": lambda t: np.sin(2 * np.pi * t)}, outputs=241)
    assert float(solution["x"].max()) == pytest.approx(1 / np.pi, rel=0.05)


def test_options_of_an_enum_survive_json():
    for kind in Kind:
        model = Decay(kind=kind)
        assert Decay.from_json(model.to_json()) == model


def test_a_comparison_is_a_plain_number():
    class Gated(tk.Model):
        time_unit = "h"
        c = tk.State("g/L", 1.0)
        limit = tk.Parameter("g/L", 1.0)
        k = tk.Parameter("1/h", 1.0)

        def equations(self, v, m):
            return {"c": (v.c > v.limit) * v.k}

    assert dimension_problems(Gated())


def test_logarithmic_units_are_refused():
    from twinkit.core.units import convert

    with pytest.raises(tk.UnitError, match="not linear"):
        convert(10.0, "dBm", "mW")


def test_a_model_without_states_says_so(solver):
    class Static(tk.Model):
        y = tk.Output("")

        def equations(self, v, m):
            return {"y": 1.0}

    with pytest.raises(tk.SimulationError, match="no states"):
        tk.simulate(Static(), 1.0, solver=solver)


@pytest.mark.parametrize("F", [1e-150, 1e-160, 1e-165, 6.4e-171, 1e-300])
def test_entries_of_the_jacobian_may_be_tiny(F, solver):
    """Their squares underflow, which a factorisation must survive."""
    feed = {"F": F, "S_feed": 2.0, "kLa": 17.0}
    assert tk.simulate(tk.unitops.YeastBottleneck(), "48 h", inputs=feed, outputs=101, solver=solver).success
