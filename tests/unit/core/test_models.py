"""Instances: construction, `with_`, freezing, equality, hash, pickle and JSON."""

import copy
import json
import pickle

import numpy as np
import pytest

import twinkit as tk
from twinkit.unitops import CHOFedBatch, JacketedTank


class Tank(tk.Model):
    """Heated tank."""

    time_unit = "min"
    T = tk.State("degC", 20.0, bounds=(-10, 120), doc="temperature")
    c = tk.State("g/L", 1.0, shape="n", doc="solutes")
    Q = tk.Input("kW", 0.0, doc="duty")
    tau = tk.Parameter("min", 12.0, bounds=(1, 60), doc="time constant")
    gain = tk.Parameter("delta_degC/kW", 8.0, doc="gain")
    phase = tk.Mode("", 0.0, doc="phase")
    rise = tk.Output("delta_degC", doc="rise")
    n = tk.Option(2, doc="number of solutes")
    fast = tk.Option(False, doc="variant")

    def equations(self, v, m):
        rise = v.T - m.quantity(20.0, "degC")
        return {"T": (v.gain * v.Q - rise) / v.tau, "c": -v.c / v.tau, "rise": rise}


class Needy(tk.Model):
    """Has a parameter without a value."""

    x = tk.State("", 1.0)
    k = tk.Parameter("1/s")
    kk = tk.Parameter("1/s")

    def equations(self, v, m):
        return {"x": -(v.k + v.kk) * v.x}


# -- construction ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [8, 8.0, "8 min", "480 s", np.float64(8), np.int32(8)])
def test_values_are_taken_in_the_declared_unit_or_their_own(value):
    assert Tank(tau=value).tau == pytest.approx(8.0)
    assert Tank().with_(tau=value).tau == pytest.approx(8.0)
    assert Tank({"tau": value}).tau == pytest.approx(8.0)


def test_offset_temperatures():
    assert Tank(T="300 K").values()["T"] == pytest.approx(26.85)
    assert Tank(gain="8 K/kW").gain == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"tua": 8}, tk.UnknownNameError, "Tank has no parameter 'tua': did you mean 'tau'"),
        ({"TAU": 8}, tk.UnknownNameError, "'tau'"),
        ({"jacket.V": 8}, tk.UnknownNameError, "Tank has no sub-model 'jacket'"),
        ({"tau": "8 kg"}, tk.UnitError, "parameter 'tau' of Tank is declared in 'min'.*\\[mass\\] is not \\[time\\]"),
        ({"tau": "8 mn"}, tk.UnitError, "'mn' is not a unit"),
        ({"tau": 61}, tk.BoundsError, r"parameter 'tau' of Tank must be within \[1, 60\] min, but is 61"),
        ({"tau": "2 h"}, tk.BoundsError, "but is 120"),
        ({"tau": float("nan")}, tk.InvalidValueError, "parameter 'tau' of Tank must be finite, but contains NaN"),
        ({"tau": None}, tk.InvalidValueError, "tau"),
        ({"tau": True}, tk.InvalidValueError, "not True"),
        ({"tau": "soon"}, tk.InvalidValueError, "cannot read 'soon'"),
        ({"tau": [1, 2]}, tk.ShapeError, "single value"),
        ({"rise": 1.0}, tk.InvalidValueError, "output 'rise' of Tank is computed"),
        ({"T": "degC"}, tk.InvalidValueError, "cannot read 'degC'"),
    ],
)
def test_a_wrong_value_is_refused_with_the_nearest_name(values, error, words):
    for make in (Tank, Tank().with_):
        with pytest.raises(error, match=words):
            make(values)


def test_every_error_is_also_a_builtin():
    with pytest.raises(KeyError):
        Tank(tua=1)
    with pytest.raises(ValueError, match="within"):
        Tank(tau=61)
    with pytest.raises(tk.TwinkitError):
        Tank(tau="1 kg")


def test_a_parameter_without_a_value_is_asked_for_by_name():
    with pytest.raises(tk.InvalidValueError, match="Needy needs a value for 'k', 'kk'"):
        Needy()
    with pytest.raises(tk.InvalidValueError, match="'kk'"):
        Needy(k=1)
    assert Needy(k=1, kk=2).with_(k=3).kk == 2


def test_with_leaves_the_original_alone_and_keeps_what_was_set():
    first = Tank(tau=8, c=[1, 2])
    second = first.with_(gain=9)
    assert (first.gain, second.gain, second.tau) == (8.0, 9.0, 8.0)
    np.testing.assert_array_equal(second.c, [1, 2])
    assert first.with_() == first


def test_a_dict_and_keywords_go_together_and_keywords_win():
    assert Tank({"tau": 5, "gain": 1}, tau=6).tau == 6


# -- frozen ------------------------------------------------------------------------------------------------------
def test_instances_are_frozen():
    tank = Tank()
    with pytest.raises(tk.FrozenModelError, match=r"Tank is frozen: use model.with_\(tau=...\)"):
        tank.tau = 3
    with pytest.raises(tk.FrozenModelError):
        tank.something = 3
    with pytest.raises(tk.FrozenModelError):
        del tank.tau
    tank.options["n"] = 5
    assert tank.n == 2


def test_the_sub_models_of_an_instance_cannot_be_exchanged():
    tank = JacketedTank()
    with pytest.raises(TypeError):
        tank.submodels["jacket"] = None


# -- equality, hash, pickle --------------------------------------------------------------------------------------
def test_equality_is_by_value():
    assert Tank() == Tank(tau="12 min")
    assert hash(Tank()) == hash(Tank(tau="12 min"))
    assert Tank() != Tank(tau=11)
    assert Tank() != Tank(fast=True)
    assert Tank() != Tank(c=[1.0, 1.5])
    assert Tank() != object()
    assert len({Tank(), Tank(tau=12), Tank(n=3)}) == 2
    assert JacketedTank() != JacketedTank({"jacket.V": 70})


def test_another_class_with_the_same_values_is_not_equal():
    class Other(Tank):
        """The same."""

    assert Other() != Tank()


@pytest.mark.parametrize(
    "model", [Tank(tau=9, n=3, fast=True, c=[1, 2, 3]), CHOFedBatch(mu_max=0.04)], ids=["Tank", "CHO"]
)
@pytest.mark.parametrize(
    "how", [lambda m: pickle.loads(pickle.dumps(m)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_copies_are_equal(model, how):
    again = how(model)
    assert again == model
    assert hash(again) == hash(model)
    assert again.content_hash == model.content_hash


# -- looks -------------------------------------------------------------------------------------------------------
def test_repr_shows_what_differs_from_the_declaration():
    assert repr(Tank()) == "Tank()"
    assert repr(Tank(tau=9, fast=True)) == "Tank(fast=True, tau='9.0 min')"
    assert "jacket=CoolingJacket(V='70.0 l')" in repr(JacketedTank({"jacket.V": 70})).replace(" L'", " l'")


def test_the_html_of_a_model_is_escaped():
    class Nasty(tk.Model):
        """<script>alert(1)</script>."""

        x = tk.State("", 1.0, doc="<b>x</b> & y")

        def equations(self, v, m):
            return {"x": -v.x / m.quantity(1.0, "s")}

    shown = Nasty()._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<b>x</b>" not in shown


# -- JSON --------------------------------------------------------------------------------------------------------
def test_json_round_trip():
    model = Tank(tau="9.1 min", n=3, c=[0.1, 1 / 3, 2e-300], fast=True)
    again = Tank.from_json(model.to_json())
    assert again == model
    assert again.content_hash == model.content_hash
    nested = JacketedTank({"jacket.V": 66.0}, V=400)
    assert JacketedTank.from_json(nested.to_json()) == nested
    document = json.loads(model.to_json())
    assert document["values"]["tau"] == {"value": 9.1, "unit": "min"}


def test_json_of_another_class_is_refused():
    with pytest.raises(tk.DataError, match=r"holds a 'Tank', not a 'CHOFedBatch': call Tank\.from_json"):
        CHOFedBatch.from_json(Tank().to_json())


def _class(rate, unit="min", default=12.0, high=None):
    class Vessel(tk.Model):
        """A vessel."""

        time_unit = "min"
        x = tk.State("g", 1.0)
        tau = tk.Parameter(unit, default, bounds=(0, high))

        def equations(self, v, m):
            return {"x": -rate * v.x / m.convert(v.tau, unit, "min")}

    return Vessel


def test_json_of_another_definition_is_refused_unless_asked_for():
    old, new = _class(1.0), _class(2.0)
    text = old(tau=7).to_json()
    with pytest.raises(
        tk.DataError, match=r"Vessel was saved with another definition \([0-9a-f]{12}, now [0-9a-f]{12}\)"
    ):
        new.from_json(text)
    assert new.from_json(text, allow_changed_definition=True).tau == 7.0


def test_a_unit_that_changed_since_is_converted_not_reinterpreted():
    text = _class(1.0)(tau=90).to_json()
    assert _class(1.0, "h", 1.0, high=10).from_json(text, allow_changed_definition=True).tau == pytest.approx(1.5)
    with pytest.raises(tk.UnitError, match="parameter 'tau' of Tank is declared in 'min'"):
        Tank.from_json(text.replace("Vessel", "Tank").replace('"unit": "min"', '"unit": "kg"'))


def _altered(change):
    document = json.loads(Tank().to_json())
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    "text",
    [
        "", "garbage", "null", "[]", "3", "{}", '"text"', "{" * 100_000, '{"model": "Tank"}',
        _altered(lambda d: d.pop("definition_hash")),
        _altered(lambda d: d.update(values=[])),
        _altered(lambda d: d.update(values={"tau": 3})),
        _altered(lambda d: d.update(values={"tau": {"value": 3}})),
        _altered(lambda d: d.update(options=None)),
        _altered(lambda d: d.update(options=[["n", 2, 3]])),
        _altered(lambda d: d.update(model=["Tank"])),
        _altered(lambda d: d.update(format="twinkit-model/999")),
        _altered(lambda d: d["values"]["tau"].update(value="12; import os")),
        _altered(lambda d: d["values"]["tau"].update(value={"a": 1})),
        _altered(lambda d: d["values"]["tau"].update(unit=7)),
        _altered(lambda d: d["values"]["tau"].update(unit="no_such_unit")),
        _altered(lambda d: d["values"]["tau"].update(value=float("nan"))),
        _altered(lambda d: d["values"]["tau"].update(value=None)),
        _altered(lambda d: d["values"]["tau"].update(value=1e9)),
        _altered(lambda d: d["values"]["c"].update(value=[1, 2, 3])),
        _altered(lambda d: d["values"].update(extra={"value": 1, "unit": ""})),
        _altered(lambda d: d["values"].update({"a.b": {"value": 1, "unit": ""}})),
        _altered(lambda d: d["options"].update(n=-5)),
        _altered(lambda d: d["options"].update(n="many")),
        _altered(lambda d: d["options"].update(n=10**9)),
        Tank().to_json()[:-40],
    ],
)  # fmt: skip
def test_hostile_or_damaged_json_is_refused_with_a_twinkit_error(text):
    with pytest.raises(tk.TwinkitError):
        Tank.from_json(text)


def test_json_of_a_later_format_names_the_format():
    with pytest.raises(tk.DataError, match=r"reads .twinkit-model/1., not .twinkit-model/999."):
        Tank.from_json(_altered(lambda d: d.update(format="twinkit-model/999")))


def test_json_that_is_not_a_text_is_refused():
    with pytest.raises(tk.DataError):
        Tank.from_json(None)
