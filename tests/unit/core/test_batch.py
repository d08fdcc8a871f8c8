"""Batches: what they hold, how they are made from tables, and what they refuse."""

import pickle

import numpy as np
import pytest
import xarray as xr

import twinkit as tk


def reading(tag="X", value=1.0, time=1.0, unit="g/L", **more):
    return tk.Measurement(tag, value, unit, time, **more)


def test_a_batch_holds_its_measurements_and_recipe():
    batch = tk.Batch(
        "B1",
        [reading(time=4.0), reading(value=3000, unit="mg/L", time=2.0), reading("G", time=3.0)],
        inputs={"F": 1},
        until="1 d",
    )
    assert (batch.tags, batch.begin, batch.end) == (("X", "G"), 0.0, 24.0)
    times, values = batch.values("X")
    assert times.tolist() == [2.0, 4.0]
    assert values.tolist() == [3000.0, 1000.0]
    assert batch.values("X", "g/L")[1].tolist() == [3.0, 1.0]
    assert repr(batch) == "Batch 'B1': 3 measurements of X, G, 0 to 24 h"
    assert "given: F" in batch._repr_html_()
    assert batch.with_(name="B2").name == "B2"
    assert pickle.loads(pickle.dumps(batch)).content_hash == batch.content_hash


def test_html_is_escaped():
    assert "<script>" not in tk.Batch("<script>", [reading("<script>")])._repr_html_()


def test_bad_measurements_are_kept_but_not_usable():
    batch = tk.Batch("B1", [reading(), reading(value=np.nan, quality=tk.Quality.BAD, time=2.0)])
    assert len(batch.measurements) == 2
    assert len(batch.usable("X")) == 1


def test_the_hash_sees_everything():
    base = tk.Batch("B", [reading()], inputs={"F": tk.steps({0: 1, 2: 3})})
    others = [
        base.with_(name="C"),
        base.with_(measurements=[reading(value=1.0 + 1e-12)]),
        base.with_(inputs={"F": tk.steps({0: 1, 2: 4})}),
        base.with_(inputs={"F": tk.ramps({0: 1, 2: 3})}),
        base.with_(inputs={"F": lambda t: t}),
        base.with_(initial={"X": 1}),
        base.with_(settings={"k": 1}),
        base.with_(until=5),
        base.with_(time_unit="min"),
    ]
    assert len({base.content_hash, *(other.content_hash for other in others)}) == len(others) + 1
    again = tk.Batch("B", (reading(),), inputs={"F": tk.steps([(0, 1), (2, 3)])})
    assert again.content_hash == base.content_hash


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: tk.Batch("", [reading()]), "needs a name"),
        (lambda: tk.Batch("B", [1.0]), "1.0 is not a Measurement"),
        (lambda: tk.Batch("B", reading()), "list of Measurement"),
        (lambda: tk.Batch("B", [reading(time=9.0)], until=8.0), "outside the batch, which goes from 0 to 8 h"),
        (lambda: tk.Batch("B", [reading(time=-1.0)]), "outside the batch"),
        (lambda: tk.Batch("B", [reading()], inputs=[1]), "inputs is a mapping"),
        (lambda: tk.Batch("B", [reading()], time_unit="g"), "cannot be converted"),
        (lambda: tk.Batch("B", [reading()]).with_(untli=3), "did you mean 'until'"),
        (lambda: tk.Batch("B", [reading()]).usable("Y"), "has no tag 'Y'"),
    ],
)
def test_what_a_batch_refuses(make, words):
    with pytest.raises(tk.TwinkitError, match=words):
        make()


TABLE = {
    "batch_id": ["A", "A", "B", "B"],
    "time": [0, 24, "12", 24.0],
    "X": [0.3, None, 1.1, "2.5"],
    "G": [35, 31, float("nan"), ""],
    "X_sd": [0.1, 0.1, 0.2, None],
}


def test_batches_of_a_long_table():
    batches = tk.Batch.from_table(
        TABLE,
        units={"X": "Gcell/L", "G": "mmol/L"},
        stds={"X": "X_sd", "G": 0.5},
        until="2 d",
        inputs={"A": {"F": 1}},
        initial=lambda name: {"X": 0.3 if name == "A" else 0.4},
    )
    assert [batch.name for batch in batches] == ["A", "B"]
    assert [(m.tag, m.value, m.source_time, m.std) for m in batches[1].measurements] == [
        ("X", 1.1, 12.0, 0.2),
        ("X", 2.5, 24.0, None),
    ]
    assert [len(batch.measurements) for batch in batches] == [3, 2]
    assert (batches[0].inputs, batches[1].inputs) == ({"F": 1}, {})
    assert batches[1].initial == {"X": 0.4}
    assert batches[0].end == 48.0


def test_a_data_frame_is_a_table():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(TABLE)
    frame["X"] = [0.3, None, 1.1, 2.5]
    with_frame = tk.Batch.from_table(frame, units={"X": "Gcell/L"})
    plain = tk.Batch.from_table(TABLE, units={"X": "Gcell/L"})
    assert [b.content_hash for b in with_frame] == [b.content_hash for b in plain]


def test_a_structured_array_is_a_table():
    rows = np.array([("A", 1.0, 2.0), ("B", 1.0, np.nan)], dtype=[("batch_id", "U4"), ("time", float), ("X", float)])
    assert [len(b.measurements) for b in tk.Batch.from_table(rows, units={"X": "g/L"})] == [1, 0]


@pytest.mark.parametrize(
    ("changes", "how", "words"),
    [
        ({}, {"units": {"Y": "g/L"}}, "no column 'Y'"),
        ({}, {"units": {"X": "gramm/Litre"}}, "is not a unit"),
        ({}, {"units": {"X": "g/L"}, "batch": "batch"}, "did you mean 'batch_id'"),
        ({}, {"units": {"X": "g/L"}, "stds": {"Z": 1}}, "'Z'"),
        ({}, {"units": {"X": "g/L"}, "stds": {"X": -1}}, "must be a positive number"),
        ({}, {"units": {"X": "g/L"}, "inputs": {"C": {}}}, "'C'"),
        ({"X": [1, 2, 3]}, {"units": {"X": "g/L"}}, "same number of rows"),
        ({"X": [1, 2, 3, "n.d."]}, {"units": {"X": "g/L"}}, "row 3, column 'X': 'n.d.' is not a number"),
        ({"X": [1, 2, 3, float("inf")]}, {"units": {"X": "g/L"}}, "row 3, column 'X' is infinite"),
        ({"time": [0, 1, None, 3]}, {"units": {"X": "g/L"}}, "row 2 has no 'time'"),
        ({"batch_id": ["A", None, "B", "B"]}, {"units": {"X": "g/L"}}, "row 1 has no 'batch_id'"),
        ({"X_sd": [0.1, 0.0, 0.1, 0.1], "X": [1, 2, 3, 4]}, {"units": {"X": "g/L"}, "stds": {"X": "X_sd"}}, "positive"),
    ],
)
def test_what_a_table_refuses(changes, how, words):
    with pytest.raises(tk.TwinkitError, match=words):
        tk.Batch.from_table({**TABLE, **changes}, **how)


def test_an_empty_table_and_no_table():
    with pytest.raises(tk.InvalidValueError, match="no rows"):
        tk.Batch.from_table({"batch_id": [], "time": [], "X": []}, units={"X": "g/L"})
    with pytest.raises(tk.InvalidValueError, match="columns by name"):
        tk.Batch.from_table([1, 2], units={"X": "g/L"})


def data_set(**changes):
    values = xr.DataArray([[1.0, np.nan], [3.0, 4.0]], dims=("batch", "time"), attrs={"units": "g/L"})
    time = ("time", [0.0, 60.0], {"units": "min"})
    return xr.Dataset({"X": values}, coords={"batch": ["A", "B"], "time": time}, **changes)


def test_batches_of_an_xarray():
    batches = tk.Batch.from_xarray(data_set())
    assert [(b.name, len(b.measurements), b.time_unit) for b in batches] == [("A", 1, "min"), ("B", 2, "min")]
    single = tk.Batch.from_xarray(data_set().isel(batch=1, drop=True))
    assert len(single) == 1
    assert single[0].values("X")[1].tolist() == [3.0, 4.0]


def test_what_an_xarray_must_have():
    bare = data_set()
    del bare["X"].attrs["units"]
    with pytest.raises(tk.UnitError, match="has no unit"):
        tk.Batch.from_xarray(bare)
    assert len(tk.Batch.from_xarray(bare, units={"X": "g/L"})) == 2
    with pytest.raises(tk.UnknownNameError, match="did you mean 'time'"):
        tk.Batch.from_xarray(bare, time="tim")
    with pytest.raises(tk.ShapeError, match="dimensions"):
        tk.Batch.from_xarray(data_set().assign(Y=("time", [1.0, 2.0], {"units": "g/L"})))
    with pytest.raises(tk.DataError, match="must hold numbers"):
        tk.Batch.from_xarray(bare.assign_coords(time=["a", "b"]), units={"X": "g/L"})
