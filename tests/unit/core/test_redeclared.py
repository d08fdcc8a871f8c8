"""An option whose choice declares variables in another way."""

import pickle
from enum import Enum

import pytest

import twinkit as tk
from twinkit.testing import check_model
from twinkit.unitops import CHOFedBatch, OxygenBalance

STEADY = CHOFedBatch(oxygen=OxygenBalance.QUASI_STEADY)


def test_a_state_becomes_an_output_and_back():
    assert "O2" not in STEADY.layout.states
    assert "O2" in STEADY.layout.outputs
    assert STEADY.layout.states.size == CHOFedBatch().layout.states.size - 1
    back = STEADY.with_(oxygen=OxygenBalance.DYNAMIC)
    assert back == CHOFedBatch()
    assert CHOFedBatch(O2=0.1, mu_max=0.03).with_(oxygen=OxygenBalance.QUASI_STEADY) == STEADY.with_(mu_max=0.03)
    assert CHOFedBatch.declared["O2"].kind == "state"


def test_it_keeps_the_contract():
    assert check_model(STEADY).passed
    assert CHOFedBatch.from_json(STEADY.to_json()) == STEADY
    assert pickle.loads(pickle.dumps(STEADY)) == STEADY
    assert STEADY.definition_hash != CHOFedBatch().definition_hash


def test_what_is_redeclared_has_its_own_rules():
    with pytest.raises(tk.InvalidValueError, match="computed by the equations"):
        STEADY.with_(O2=0.1)
    with pytest.raises(tk.BoundsError):
        STEADY.with_(kLa=0.0)
    assert CHOFedBatch(kLa=0.0).kLa == 0.0
    with pytest.raises(tk.InvalidValueError, match="must be of type OxygenBalance"):
        CHOFedBatch(oxygen="quasi-steady")


class Way(Enum):
    """How."""

    ONE = 1
    OTHER = 2


def test_only_what_is_declared_can_be_redeclared():
    with pytest.raises(tk.UnknownNameError, match=r"redeclares of Wrong\.way"):

        class Wrong(tk.Model):
            """A model."""

            c = tk.State("g/L", 1.0, doc="concentration")
            way = tk.Option(Way.ONE, redeclares={Way.OTHER: {"d": tk.Output("g/L", doc="other")}})

            def equations(self, v, m):
                """Return nothing new."""
                return {"c": 0.0 * v.c}

    with pytest.raises(tk.InvalidValueError, match="a choice that redeclares"):
        tk.Option(Way.ONE, redeclares={"other": {}})
