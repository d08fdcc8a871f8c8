"""Named rates, and learned terms that enter them."""

import pickle

import pytest
from tests.hybrid_examples import Growth

import twinkit as tk
from twinkit.core import Combine, Correction
from twinkit.readings import casadi_model, check_dimensions, evaluate_at
from twinkit.testing import check_model


class Slope(tk.Model):
    """A term: the sum of its inputs, scaled."""

    n_inputs = tk.Option(1, doc="inputs")
    x = tk.Input("", shape="n_inputs", doc="inputs")
    w = tk.Parameter("", 0.1, doc="slope", source="illustrative")
    value = tk.Output("", doc="value")

    def equations(self, v, m):
        return {"value": v.w * m.sum(v.x)}


class Moving(Slope):
    """No term: it has a state."""

    y = tk.State("", 0.0)

    def equations(self, v, m):
        return {"value": v.w * m.sum(v.x), "y": 0.0 * v.y / m.quantity(1.0, "s")}


ADDED = Correction("mu", "1/h", ("S",), ("g/L",))


def corrected(**how):
    return Growth().with_terms({Correction("mu", "1/h", ("S", "X"), ("g/L", "g/L"), **how): Slope(n_inputs=2)})


class TestRates:
    def test_rates_are_listed_with_their_units(self):
        assert Growth().named_rates == {"mu": "1/h"}

    def test_naming_a_rate_changes_neither_value_nor_identity(self):
        class Named(tk.Model):
            """Decay."""

            time_unit = "h"
            c = tk.State("g/L", 2.0)
            k = tk.Parameter("1/h", 0.5)

            def equations(self, v, m):
                return {"c": -m.rate("k", v.k) * v.c}

        named = Named

        class Named(tk.Model):
            """Decay."""

            time_unit = "h"
            c = tk.State("g/L", 2.0)
            k = tk.Parameter("1/h", 0.5)

            def equations(self, v, m):
                return {"c": -v.k * v.c}

        assert named().content_hash == Named().content_hash

    def test_a_rate_named_twice_is_refused(self):
        class Twice(tk.Model):
            """Names one rate twice."""

            c = tk.State("g/L", 2.0)

            def equations(self, v, m):
                return {"c": m.rate("r", v.c) - m.rate("r", v.c)}

        with pytest.raises(tk.ModelDefinitionError, match="'r' twice"):
            _ = Twice().layout

    @pytest.mark.parametrize("name", [1, None, "", "a.b", ["x"]])
    def test_a_name_that_is_none_is_refused(self, name):
        class Misnamed(tk.Model):
            """Names a rate oddly."""

            c = tk.State("g/L", 2.0)
            k = tk.Parameter("1/s", 2.0)

            def equations(self, v, m):
                return {"c": v.c * m.rate(name, v.k)}

        with pytest.raises(tk.ModelDefinitionError, match="a name is made of"):
            _ = Misnamed().layout

    def test_a_name_of_two_things_is_not_looked_at(self):
        class Both(tk.Model):
            """A rate with the name of a state."""

            c = tk.State("g/L", 2.0)
            k = tk.Parameter("1/s", 2.0)

            def equations(self, v, m):
                return {"c": v.c * m.rate("c", v.k) + v.c * m.rate("b", v.k)}

        with pytest.raises(tk.ModelDefinitionError, match="both a rate and a variable"):
            tk.hybrid.Residual(Both(), on={"b": ["c"]})

    def test_a_vector_cannot_be_corrected(self):
        class Several(tk.Model):
            """A vector of rates."""

            c = tk.State("g/L", 2.0, shape=2)
            k = tk.Parameter("1/s", 2.0)

            def equations(self, v, m):
                return {"c": m.rate("r", v.k * v.c)}

        with pytest.raises(tk.ModelDefinitionError, match="is a vector"):
            tk.hybrid.Residual(Several(), on={"r": ["k"]})


class TestTerms:
    def test_an_added_term_shifts_the_rate(self):
        result = evaluate_at(corrected(), {"X": 1.0, "S": 2.0})
        assert result.rates["mu"] == pytest.approx(0.3 * 2.0 / 2.5 + 0.1 * 3.0)
        assert result.derivatives["X"] == pytest.approx(result.rates["mu"])

    def test_a_multiplying_term_keeps_zeros(self):
        result = evaluate_at(corrected(combine=Combine.MULTIPLY), {"X": 1.0, "S": 0.0})
        assert result.rates["mu"] == 0.0

    def test_a_gate_closes_where_the_variable_vanishes(self):
        model = corrected(gates=(("S", 0.1, "g/L"),))
        assert evaluate_at(model, {"X": 1.0, "S": 0.0}).rates["mu"] == 0.0
        assert evaluate_at(model, {"X": 1.0, "S": -1e-3}).rates["mu"] == pytest.approx(-0.3 * 1e-3 / 0.499)

    def test_every_check_of_a_model_passes(self):
        check_model(corrected(gates=(("S", 0.1, "g/L"),)))
        check_model(corrected(combine=Combine.MULTIPLY))

    def test_balances_hold_whatever_the_term_says(self):
        model = corrected().with_({"mu_term.w": -0.02})
        run = tk.simulate(model, "5 h", inputs={"F": 0.01}, rtol=1e-10)
        carbon = (run["X"] / model.Y + run["S"]) * run["V"] - 0.01 * model.S_in * run.time
        assert float(abs(carbon - carbon[0]).max()) < 1e-7

    def test_the_term_is_part_of_identity_and_files(self):
        model = corrected()
        other = model.with_({"mu_term.w": 0.2})
        assert len({Growth().content_hash, model.content_hash, other.content_hash}) == 3
        assert Growth.from_json(other.to_json(), terms=[Slope]) == other
        assert pickle.loads(pickle.dumps(other)).content_hash == other.content_hash
        assert casadi_model(model) is casadi_model(other)
        assert "mu_term" in repr(other)

    def test_a_text_with_a_term_needs_its_class(self):
        with pytest.raises(tk.DataError, match=r"terms=\[Slope\]"):
            Growth.from_json(corrected().to_json())

    def test_terms_survive_changes_and_can_be_replaced(self):
        model = corrected().with_(mu_max=0.4)
        assert model.corrections.keys() == {"mu"}
        assert model.with_terms({ADDED: Slope()}).layout.parameters["mu_term.w"].size is None
        assert Growth() == Growth()
        assert model != Growth(mu_max=0.4)

    def test_terms_in_a_sub_model(self):
        class Plant(tk.Model):
            """A reactor in a plant."""

            time_unit = "h"
            reactor = Growth()
            biomass = tk.Output("g/L")

            def equations(self, v, m):
                v.reactor()
                return {"biomass": v.reactor.X}

        plant = tk.hybrid.Residual(Plant(), on={"reactor.mu": ["reactor.S"]})
        assert "reactor.mu_term.weights" in plant.parameters
        check_dimensions(plant)
        assert Plant.from_json(plant.to_json(), terms=tk.hybrid.TERMS) == plant
        with pytest.raises(tk.InvalidValueError, match=r"reactor\.S"):
            tk.hybrid.Residual(Plant(), on={"reactor.mu": ["S"]})


class TestRefusals:
    def test_an_unknown_rate(self):
        with pytest.raises(tk.ModelDefinitionError, match="nu"):
            Growth().with_terms({Correction("nu", "1/h", ("S",), ("g/L",)): Slope()})

    def test_a_term_with_states(self):
        with pytest.raises(tk.InvalidValueError, match="states of its own"):
            Growth().with_terms({ADDED: Moving()})

    def test_a_model_that_is_no_term(self):
        with pytest.raises(tk.InvalidValueError, match="input 'x'"):
            Growth().with_terms({ADDED: Growth()})

    def test_a_term_of_another_size(self):
        with pytest.raises(tk.InvalidValueError, match="takes 3 numbers"):
            Growth().with_terms({ADDED: Slope(n_inputs=3)})

    def test_two_terms_on_one_rate(self):
        other = Correction("mu", "1/h", ("X",), ("g/L",))
        with pytest.raises(tk.InvalidValueError, match="two terms"):
            Growth().with_terms({ADDED: Slope(), other: Slope()})

    def test_wrong_units_are_found(self):
        model = Growth().with_terms({Correction("mu", "1/d", ("S",), ("g/L",)): Slope()})
        with pytest.raises(tk.UnitError, match="factor"):
            check_dimensions(model)

    @pytest.mark.parametrize(
        "how",
        [{"variables": (), "units": ()}, {"variables": ("S", "S"), "units": ("g/L", "g/L")},
         {"variables": ("S",), "units": ()},
         {"variables": ("S",), "units": ("g/L",), "combine": Combine.MULTIPLY, "gates": (("S", 1.0, "g/L"),)}],
    )  # fmt: skip
    def test_corrections_that_make_no_sense(self, how):
        with pytest.raises(tk.InvalidValueError, match="'mu'"):
            Correction("mu", "1/h", **how)
