"""Parameter sets: values with joint uncertainty, applied, drawn, saved."""

import json

import numpy as np
import pytest

import twinkit as tk


class Cascade(tk.Model):
    """Two tanks in series."""

    time_unit = "h"
    c = tk.State("g/L", [1.0, 0.0], shape=2, bounds=(0, None))
    k = tk.Parameter("1/h", [0.5, 0.6], shape=2, bounds=(0, 2))
    gain = tk.Parameter("", 1.0, bounds=(0, 1.5))

    def equations(self, v, m):
        return {"c": -v.k * v.c * v.gain}


def found(**changes):
    covariance = np.array([[0.01, 0.0045], [0.0045, 0.0025]])
    given = {"names": ("gain", "k[1]"), "values": (1.0, 0.01), "units": ("", "1/min"), "covariance": covariance}
    return tk.ParameterSet(**{**given, "source": "calibrated", "provenance": {"data": "abc"}, **changes})


def test_values_are_applied_in_the_model_s_units():
    model = found().apply(Cascade())
    assert model.gain == 1.0
    np.testing.assert_allclose(model.k, [0.5, 0.6])
    assert found(values=(0.9, 0.02)).apply(Cascade()).k[1] == pytest.approx(1.2)


def test_draws_are_joint_within_bounds_and_repeatable():
    parameters = found(covariance=np.array([[0.04, 0.0009], [0.0009, 2.5e-5]]))
    samples = parameters.draw(Cascade(), count=4000, seed=3)
    assert samples["gain"].shape == (4000,)
    assert samples["k"].shape == (4000, 2)
    assert np.all(samples["k"][:, 0] == 0.5)
    assert samples["gain"].max() <= 1.5
    assert np.corrcoef(samples["gain"], samples["k"][:, 1])[0, 1] == pytest.approx(0.9, abs=0.03)
    again = parameters.draw(Cascade(), count=4000, seed=3)
    assert np.array_equal(again["k"], samples["k"])
    ensemble = tk.ensemble(Cascade(), parameters.draw(Cascade(), count=3, seed=1), until=2.0, progress=False)
    assert not ensemble.failures


def test_logarithmic_values_are_drawn_log_normally():
    wide = tk.ParameterSet(("gain",), (0.1,), ("",), np.array([[0.01]]), logarithmic=(True,))
    drawn = wide.draw(Cascade(), count=5000, seed=1)["gain"]
    assert drawn.min() > 0
    assert np.median(drawn) == pytest.approx(0.1, rel=0.1)


def test_what_is_not_determined_is_not_drawn():
    parameters = found(covariance=np.array([[np.inf, np.nan], [np.nan, 1e-6]]))
    with pytest.raises(tk.InvalidValueError, match="do not determine gain"):
        parameters.draw(Cascade(), count=2, seed=0)
    assert parameters.determined.names == ("k[1]",)
    assert set(parameters.determined.draw(Cascade(), count=2, seed=0)) == {"k"}
    assert "not determined" in repr(parameters)


def test_directions_are_in_the_model_s_units():
    model = found().apply(Cascade())
    positions, factor = found().directions(model)
    labels = model.layout.parameters.labels
    assert [labels[k] for k in positions] == ["gain", "k[1]"]
    scale = np.array([1.0, 60.0])  # 1/min in 1/h
    np.testing.assert_allclose(factor @ factor.T, found().covariance * np.outer(scale, scale), rtol=1e-12)
    initial = tk.ParameterSet(("c[0]", "gain"), (1.0, 1.0), ("g/L", ""), np.diag([0.1, 0.01]))
    positions, factor = initial.directions(model)
    assert [labels[k] for k in positions] == ["gain"]
    assert factor.tolist() == [[0.1]]


def test_directions_of_other_values_are_refused():
    with pytest.raises(tk.InvalidValueError, match=r"'k\[1\]' is 0\.9 in the model, but what is uncertain is 0\.6"):
        found().directions(found().apply(Cascade()).with_({"k": [0.5, 0.9]}))
    with pytest.raises(tk.InvalidValueError, match="do not determine gain"):
        found(covariance=np.diag([np.inf, 1e-6])).directions(Cascade())


def test_save_and_load(tmp_path):
    parameters = found(covariance=np.array([[np.inf, np.nan], [np.nan, 1e-6]]), logarithmic=(True, False))
    path = parameters.save(tmp_path / "set.json")
    again = tk.ParameterSet.load(path)
    assert again.content_hash == parameters.content_hash
    assert again.logarithmic == (True, False)
    np.testing.assert_array_equal(again.covariance, parameters.covariance)
    text = path.read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    for damaged in (text[:-20], text.replace("0.01", "0.02"), "[]", "{}", '{"format": "other/1"}'):
        path.write_text(damaged)
        with pytest.raises(tk.DataError):
            tk.ParameterSet.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(tk.DataError, match="not a text"):
        tk.ParameterSet.load(path)
    with pytest.raises(tk.StorageError, match="could not read"):
        tk.ParameterSet.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: found(values=(1.0,)), "as many values"),
        (lambda: found(values=(1.0, np.nan)), "must be finite"),
        (lambda: found(covariance=np.diag([-1.0, 1.0])), "variance"),
        (lambda: found(covariance=np.diag([np.nan, 1.0])), "variance"),
        (lambda: found(names=("gain", "gain")), "appears twice"),
        (lambda: found(units=("", "furlong/fortnite")), "not a unit"),
        (lambda: found(names=("gian", "k[1]")).apply(Cascade()), "did you mean 'gain'"),
        (lambda: found(names=("gain", "k")).apply(Cascade()), "has 2 elements"),
        (lambda: found(units=("", "g/L")).apply(Cascade()), "cannot be converted"),
        (lambda: found(values=(9.0, 0.01)).apply(Cascade()), "must be within"),
        (lambda: found(values=(9.0, 0.01)).draw(Cascade(), count=1, seed=0), "outside the bounds"),
        (lambda: found().draw(Cascade(), count=0, seed=0), "at least one sample"),
        (lambda: found().only(["k"]), "no value 'k'"),
    ],
)
def test_what_is_refused(make, words):
    with pytest.raises(tk.TwinkitError, match=words):
        make()


def test_looks():
    assert repr(found(covariance=np.diag([0.01, 1e-6]))) == (
        "ParameterSet: gain = 1 ± 0.1 , k[1] = 0.01 ± 0.001 1/min (calibrated)"
    )
    assert "&lt;" in found(source="<b>")._repr_html_()
    assert len(found()) == 2
    assert "gain" in found()
    assert found()["gain"] == 1.0
