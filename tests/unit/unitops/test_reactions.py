"""Reactions as data: reading, checking, identity, saving."""

import json
import pickle

import numpy as np
import pytest

import twinkit as tk
from twinkit.readings.numeric import NUMERIC
from twinkit.testing import check_model
from twinkit.unitops import BatchReactor, ContinuousStirredTankReactor
from twinkit.unitops.phenomena.formulas import elements
from twinkit.unitops.reactions import (
    SERIES_PARALLEL,
    Arrhenius,
    Custom,
    MassAction,
    PowerLaw,
    Reaction,
    Reactions,
    Reversible,
)

SECOND_IN_Q = PowerLaw(Arrhenius(1.0, "L/mol/s"), {"Q": 2})
FIRST = MassAction(Arrhenius(0.1, "1/min"))


def michaelis_menten(m, c, temperature):
    del temperature
    return m.quantity(0.02, "mol/L/min") * c["S"] / (m.quantity(0.1, "mol/L") + c["S"])


def hill(m, c, temperature):
    del temperature
    return m.quantity(0.02, "mol/L/min") * c["S"] / (m.quantity(0.3, "mol/L") + c["S"])


ENZYME = Reactions([Reaction("S -> P", Custom(michaelis_menten))])


class EnzymeReactor(BatchReactor):
    """A batch reactor whose default holds a rate law of one's own."""

    reactions = tk.Option(ENZYME, doc="enzyme kinetics")


def test_equations_are_read_and_written_the_same_way():
    reaction = Reaction("2A+ 1/2 O2->B", MassAction(Arrhenius(1.0, "(L/mol)**1.5/s")))
    assert reaction.net == {"A": -2.0, "O2": -0.5, "B": 1.0}
    assert Reaction(reaction.equation, reaction.law) == reaction
    assert Reaction({"A": -2, "O2": -0.5, "B": 1}, reaction.law) == reaction
    catalysed = Reaction("A + K -> B + K", MassAction(Arrhenius(1.0, "L/mol/s")))
    assert catalysed.net == {"A": -1.0, "K": 0.0, "B": 1.0}


@pytest.mark.parametrize(
    "equation", ["A", "A -> B -> C", "A + -> B", "2 -> B", "A ~> B", "->", 3, None, "0 A -> B", {}]
)
def test_what_is_no_equation_is_refused(equation):
    with pytest.raises(tk.InvalidValueError):
        Reaction(equation, FIRST)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Reaction("A + B -> C", FIRST), tk.UnitError, "order 2 cannot be in '1/min'"),
        (lambda: Reaction("A -> C", MassAction(Arrhenius(1.0, "g/min"))), tk.UnitError, "order 1 cannot be"),
        (lambda: Reaction("A -> C", 3.0), tk.InvalidValueError, "the law of a reaction"),
        (lambda: Arrhenius(-1.0, "1/s"), tk.InvalidValueError, "not negative"),
        (lambda: Arrhenius(float("nan"), "1/s"), tk.InvalidValueError, "NaN"),
        (lambda: Arrhenius(1.0, "per s"), tk.UnitError, "is not a unit"),
        (lambda: Arrhenius(1.0, "1/s", "3 kg"), tk.UnitError, "activation energy"),
        (lambda: Arrhenius(1.0, "1/s", 1e4, reference=0.0), tk.InvalidValueError, "above 0 K"),
        (lambda: PowerLaw(Arrhenius(1.0, "1/s"), {"A": 1}, cutoff=0.0), tk.InvalidValueError, "cutoff"),
        (lambda: Custom(3), tk.InvalidValueError, "is a function"),
        (lambda: Reactions([]), tk.InvalidValueError, "at least one Reaction"),
        (lambda: Reactions([Reaction("A -> B", FIRST)], species=["A", "C"]), tk.UnknownNameError, "'B'"),
        (lambda: Reactions([Reaction("A -> B", FIRST)], species="AB"), tk.InvalidValueError, "list of names"),
        (lambda: Reactions([Reaction("A -> B", SECOND_IN_Q)]), tk.UnknownNameError, "'Q'"),
        (lambda: SERIES_PARALLEL.vector(E=1.0), tk.UnknownNameError, "'E'"),
        (lambda: SERIES_PARALLEL.molar_mass("A"), tk.UnknownNameError, "formula"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_words(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_reaction_that_makes_an_element_is_refused():
    with pytest.raises(tk.InvalidValueError, match=r"A -> B makes \+2 H: it does not balance"):
        Reactions([Reaction("A -> B", FIRST)], formulas={"A": "C2H4", "B": "C2H6"})


def test_heats_that_break_hess_s_law_are_refused():
    there, back = Reaction("A -> B", FIRST, heat=-1e4), Reaction("B -> A", FIRST, heat=2e4)
    with pytest.raises(tk.InvalidValueError, match="Hess"):
        Reactions([there, back])
    assert Reactions([there, Reaction("B -> A", FIRST, heat=1e4)]).n_reactions == 2


@pytest.mark.parametrize("formula", ["", "c", "H2O)", "(H2O", "2H", "Xx", "H-2", "()", None])
def test_what_is_no_formula_is_refused(formula):
    with pytest.raises((tk.InvalidValueError, tk.UnknownNameError)):
        elements(formula)


def test_invariants_are_what_no_reaction_changes():
    for weights in SERIES_PARALLEL.invariants.values():
        assert np.array(weights) @ SERIES_PARALLEL.stoichiometry == pytest.approx(0.0, abs=1e-14)
    assert len(SERIES_PARALLEL.invariants) == 2
    inert = Reactions([Reaction("A -> B", FIRST)], species=["N", "A", "B"])
    assert list(inert.invariants) == ["N", "A + B"]


def test_an_equilibrium_is_where_both_directions_agree():
    law = Reversible.at_equilibrium(
        Arrhenius(0.3, "L/mol/h", "55 kJ/mol", reference="70 degC"), 4.0, heat="-8 kJ/mol", temperature="25 degC"
    )
    reaction = Reaction("A + B <-> C + D", law, heat="-8 kJ/mol")
    for kelvin in (280.0, 298.15, 350.0):
        constant = 4.0 * np.exp(8000.0 / 8.31446261815324 * (1 / kelvin - 1 / 298.15))
        c = {"A": 1.0, "B": 0.5, "C": 0.25, "D": 2.0 * constant}
        assert law.rate(NUMERIC, c, kelvin, reaction) == pytest.approx(0.0, abs=1e-13)


def test_powers_below_one_vanish_at_zero_and_agree_elsewhere():
    law = PowerLaw(Arrhenius(2.0, "(mol/L)**0.5/min"), {"A": 0.5})
    reaction = Reaction("A + E -> B", law)
    assert law.rate(NUMERIC, {"A": 0.25, "E": 1.0}, 300.0, reaction) == pytest.approx(1.0, rel=1e-5)
    assert law.rate(NUMERIC, {"A": 0.0, "E": 1.0}, 300.0, reaction) == 0.0
    assert law.rate(NUMERIC, {"A": 0.25, "E": 0.0}, 300.0, reaction) == 0.0


def test_reactions_are_part_of_a_model_s_identity_and_of_its_json():
    model = BatchReactor(c=SERIES_PARALLEL.vector(A=1.0))
    other = model.with_(reactions=Reactions(SERIES_PARALLEL.reactions[:1]), c=[1.0, 0.0, 0.0])
    assert other.content_hash != model.content_hash
    assert other.layout.states["c"].size == 3
    for made in (BatchReactor.from_json(other.to_json()), pickle.loads(pickle.dumps(other)), other.with_()):
        assert made == other
        assert hash(made) == hash(other)
        assert made.content_hash == other.content_hash
    faster = Reactions([Reaction("A + B -> C", MassAction(Arrhenius(3e4, "L/mol/s", 4e4)))])
    assert other.with_(reactions=faster).content_hash != other.content_hash


def test_json_that_describes_no_reactions_is_refused():
    document = json.loads(BatchReactor().to_json())
    for wrong in (None, {}, {"reactions": [{"equation": "A -> B"}]}, "A -> B"):
        document["options"]["reactions"] = wrong
        with pytest.raises(tk.DataError, match="not reactions saved by twinkit"):
            BatchReactor.from_json(json.dumps(document))


def test_a_rate_law_of_one_s_own_has_all_readings_and_is_saved_by_name():
    model = EnzymeReactor(c=ENZYME.vector(S=1.0))
    assert check_model(model, points=5).passed
    assert EnzymeReactor.from_json(model.to_json()) == model
    other = model.with_(reactions=Reactions([Reaction("S -> P", Custom(hill))]))
    assert other.definition_hash != model.definition_hash
    with pytest.raises(tk.DataError, match=r"has no function .*hill"):
        EnzymeReactor.from_json(other.to_json())


def test_factors_and_shifts_change_the_rates():
    start = SERIES_PARALLEL.vector(A=0.33, B=0.33)
    plain = tk.simulate(BatchReactor(c=start), until="1 h")["c"].values[-1]
    halved = tk.simulate(BatchReactor(c=start, rate_factor=0.5), until="2 h")["c"].values[-1]
    assert halved == pytest.approx(plain, rel=1e-6)
    slower = tk.simulate(BatchReactor(c=start, activation_shift=[1.0, 0.0]), until="1 h")["c"].values[-1]
    assert slower[0] > plain[0]


def test_species_are_named_in_results():
    reactor = ContinuousStirredTankReactor(c_in=SERIES_PARALLEL.vector(A=0.33, B=0.33))
    named = reactor.concentrations(tk.simulate(reactor, until="1 h", outputs=5))
    assert named.dims == ("time", "species")
    assert named.sel(species="A").shape == (5,)
