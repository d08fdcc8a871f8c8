"""Any valid values: round trips keep the content hash, units convert consistently."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twinkit as tk
from twinkit.core.units import affine, convert
from twinkit.unitops import CHOFedBatch, JacketedTank

MODELS = [CHOFedBatch(), JacketedTank()]


@st.composite
def changed(draw):
    """Return a model with some parameters anywhere within their bounds."""
    model = draw(st.sampled_from(MODELS))
    fields = draw(st.lists(st.sampled_from(list(model.layout.parameters)), unique_by=lambda f: f.name, max_size=6))
    values = {}
    for field in fields:
        low, high = (float(b) if np.isfinite(b) else None for b in field.variable.bounds)
        values[field.name] = draw(st.floats(low, high, allow_nan=False, allow_infinity=False))
    return model.with_(values), values


@given(changed())
def test_round_trips_keep_every_bit(case):
    model, values = case
    for again in (type(model).from_json(model.to_json()), pickle.loads(pickle.dumps(model)), model.with_()):
        assert again == model
        assert hash(again) == hash(model)
        assert again.content_hash == model.content_hash
        assert again.parameters == model.parameters
    assert all(model.parameters[name] == value for name, value in values.items())
    assert model.definition_hash == type(model)().definition_hash


@given(changed(), changed())
def test_hash_and_equality_agree(first, second):
    a, b = first[0], second[0]
    assert (a == b) == (a.content_hash == b.content_hash)


@given(st.text(max_size=60))
def test_no_text_is_a_model_by_accident(text):
    with pytest.raises(tk.DataError):
        CHOFedBatch.from_json(text)


GROUPS = [
    ["s", "min", "h", "day"], ["g/L", "mg/mL", "kg/m**3", "ug/L"], ["degC", "K", "degF"], ["L/min", "mL/h", "m**3/s"],
    ["Gcell/L", "cell/mL"], ["kPa", "bar", "psi", "Torr"], ["kW", "J/s", "kJ/h"], ["", "percent"],
]  # fmt: skip


@given(st.data(), st.floats(-1e6, 1e6))
def test_conversions_go_there_and_back_and_by_way_of_a_third(data, value):
    group = data.draw(st.sampled_from(GROUPS))
    a, b, c = (data.draw(st.sampled_from(group)) for _ in range(3))
    scale = abs(value) + 1000.0  # offsets of temperatures
    assert convert(convert(value, a, b), b, a) == pytest.approx(value, abs=1e-12 * scale, rel=1e-12)
    by_way, direct = convert(convert(value, a, b), b, c), convert(value, a, c)
    assert by_way == pytest.approx(direct, rel=1e-12, abs=1e-12 * scale * max(1.0, affine(a, c)[0]))


@given(st.floats(-1e9, 1e9), st.sampled_from(["g/L", "mg/L", "kg/m**3"]))
def test_a_text_a_quantity_and_a_number_agree(value, unit):
    declared = tk.State("g/L")
    expected = convert(value, unit, "g/L")
    assert declared.check(f"{value!r} {unit}", None, "x") == pytest.approx(expected, rel=1e-12)
    assert declared.check(tk.units.Quantity(value, unit), None, "x") == pytest.approx(expected, rel=1e-12)
