"""Solutions: access, interpolation, other shapes, files, looks."""

import os
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.solution import Occurrence, RunStatus, Trace


class Dosed(tk.Model):
    """A bolus at 2 h, a stepped input, a vector, an output."""

    time_unit = "h"
    c = tk.State("g/L", 4.0, bounds=(0, None), doc="concentration <of> it")
    w = tk.State("g", [1.0, 2.0], shape=2, doc="two tanks")
    k = tk.Parameter("1/h", 0.5, doc="rate")
    F = tk.Input("g/L/h", 0.0, doc="feed")
    phase = tk.Mode("", 1.0, doc="phase")
    half = tk.Output("g/L", doc="half of it")

    def equations(self, v, m):
        return {"c": v.F - v.k * v.c, "w": -v.k * v.w, "half": v.c / 2}

    def events(self, v, m):
        return {"bolus": tk.Schedule(at=["2 h"], set={"c": v.c + m.quantity(10.0, "g/L"), "phase": 2.0})}


@pytest.fixture(scope="module")
def solution():
    return tk.simulate(
        Dosed(), "5 h", outputs="0.5 h", inputs={"F": tk.steps({0: 0.0, 3: 2.0})}, sensitivities=(), rtol=1e-9
    )


def made(**changes):
    time = np.array([0.0, 1.0, 2.0])
    parts = {
        "time": time,
        "time_unit": "h",
        "traces": {
            "x": Trace("state", "g/L", "an <x>", time**2, 2 * time),
            "v": Trace("state", "", "", np.outer(time, [1.0, 2.0]), None),
            "u": Trace("input", "L/h", "", time, None, held=True),
        },
        "status": RunStatus(True, "reached 2 h", 2.0, {"x": 4.0}),
        "statistics": {"solver": "none", "steps": 3},
        "provenance": {"model": "Made", "content_hash": "abc", "parameters": {"k": 1.5}},
        "occurrences": [Occurrence(1.0, "full")],
        "sensitivities": {"k": {"x": time * 3, "v": np.outer(time, [1.0, 1.0])}},
    }
    return tk.Solution(**{**parts, **changes})


# -- access ------------------------------------------------------------------------------------------------------
def test_access_by_name_with_units(solution):
    c = solution["c"]
    assert c.attrs["units"] == "g/L"
    assert c.attrs["long_name"] == "concentration <of> it"
    assert c.coords["time"].attrs["units"] == "h"
    assert solution["w"].dims == ("time", "w_index")
    assert list(solution) == ["c", "w", "half", "F", "phase"]
    assert len(solution) == 5
    assert "c" in solution
    assert "d" not in solution
    np.testing.assert_allclose(solution["half"], c / 2, rtol=1e-14)


def test_unknown_names_are_refused_with_the_nearest(solution):
    with pytest.raises(tk.UnknownNameError, match="no variable 'hlf': did you mean 'half'"):
        _ = solution["hlf"]
    with pytest.raises(KeyError):
        solution.trace("nothing")
    with pytest.raises(tk.UnknownNameError):
        solution.plot("nothing")


def test_rows_at_an_event_and_at_a_jump_of_an_input(solution):
    at_bolus = np.flatnonzero(solution.time == 2.0)
    assert len(at_bolus) == 2
    before, after = solution["c"].values[at_bolus]
    assert (before, after) == (pytest.approx(4 * np.exp(-1)), pytest.approx(4 * np.exp(-1) + 10))
    assert list(solution["phase"].values[at_bolus]) == [1.0, 2.0]
    at_step = np.flatnonzero(solution.time == 3.0)
    assert list(solution["F"].values[at_step]) == [0.0, 2.0]
    assert [(o.name, o.time) for o in solution.occurrences] == [("bolus", 2.0)]


# -- interpolation -----------------------------------------------------------------------------------------------
def test_interpolation_is_cubic_for_states_held_for_held_and_linear_otherwise():
    found = made().at([0.5, 1.5])
    assert found["x"].values == pytest.approx([0.25, 2.25], abs=1e-14)
    assert found["v"].values[:, 1] == pytest.approx([1.0, 3.0])
    assert found["u"].values == pytest.approx([0.0, 1.0])


def test_interpolation_is_accurate_between_outputs(solution):
    times = np.linspace(0.1, 1.9, 19)
    assert solution.at(times)["c"].values == pytest.approx(4 * np.exp(-0.5 * times), rel=2e-5)


def test_at_an_event_the_value_just_after_it_is_returned(solution):
    found = solution.at([2.0, np.nextafter(2.0, 0), 3.0, np.nextafter(3.0, 0)])
    jump = 4 * np.exp(-1)
    assert found["c"].values[:2] == pytest.approx([jump + 10, jump])
    assert found["phase"].values.tolist() == [2.0, 1.0, 2.0, 2.0]
    assert found["F"].values.tolist() == [0.0, 0.0, 2.0, 0.0]


def test_the_ends_belong_to_the_solution(solution):
    found = solution.at([0.0, 5.0])
    assert found["c"].values == pytest.approx([4.0, solution["c"].values[-1]])
    assert found["F"].values.tolist() == [0.0, 2.0]


@pytest.mark.parametrize("times", ["90 min", 1.5, ["1.5 h"], tk.units.Quantity(5400, "s"), np.array([1.5])])
def test_times_carry_units(solution, times):
    assert solution.at(times)["c"].values == pytest.approx([4 * np.exp(-0.75)], rel=1e-4)


@pytest.mark.parametrize("times", [-0.1, 5.1, [1.0, 9.0], "6 h"])
def test_a_solution_does_not_extrapolate(solution, times):
    with pytest.raises(tk.BoundsError, match=r"within the run, \[0, 5\] h"):
        solution.at(times)


def test_wrong_times(solution):
    with pytest.raises(tk.UnitError):
        solution.at("1 kg")
    with pytest.raises(tk.InvalidValueError):
        solution.at(float("nan"))


def test_a_solution_of_one_row():
    one = made(
        time=np.array([3.0]), traces={"x": Trace("state", "g", "", np.array([7.0]), np.array([1.0]))}, sensitivities={}
    )
    assert one.at(3.0)["x"].values.tolist() == [7.0]
    assert "7" in repr(one)


# -- other shapes ------------------------------------------------------------------------------------------------
def test_to_xarray(solution):
    dataset = solution.to_xarray()
    assert set(dataset) == set(solution)
    assert dataset.attrs["content_hash"] == Dosed().content_hash
    assert dataset["c"].attrs["units"] == "g/L"


def test_to_pandas(solution):
    frame = solution.to_pandas()
    assert list(frame.columns) == ["c", "w[0]", "w[1]", "half", "F", "phase"]
    assert frame.index.name == "time [h]"
    assert frame.attrs["units"]["c"] == "g/L"
    np.testing.assert_array_equal(frame["w[1]"], solution["w"].values[:, 1])


def test_the_content_hash_follows_the_numbers():
    assert made().content_hash == made(statistics={}, provenance={}).content_hash
    moved = {**made().traces, "u": Trace("input", "L/h", "", np.array([0.0, 1.0, np.nextafter(2.0, 3)]), None, True)}
    assert made(traces=moved).content_hash != made().content_hash


def test_pickling(solution):
    again = pickle.loads(pickle.dumps(solution))
    assert again.content_hash == solution.content_hash
    assert dict(again.provenance) == dict(solution.provenance)
    assert dict(again.status.state) == dict(solution.status.state)


# -- files -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ending", [".nc", ".parquet"])
@pytest.mark.parametrize("which", ["run", "made", "failed"])
def test_save_and_load(tmp_path, solution, ending, which):
    failed = made(status=RunStatus(False, "stopped: NaN → too “fast”", 1.5, {"x": [1.0, float("nan")]}))
    original = {"run": solution, "made": made(), "failed": failed}[which]
    path = original.save(tmp_path / f"solution{ending}")
    again = tk.Solution.load(path)
    assert again.content_hash == original.content_hash
    assert list(again) == list(original)
    for name in original:
        a, b = original.trace(name), again.trace(name)
        np.testing.assert_array_equal(a.data, b.data)
        assert (a.kind, a.unit, a.doc, a.held) == (b.kind, b.unit, b.doc, b.held)
        assert (a.derivative is None) == (b.derivative is None)
        if a.derivative is not None:
            np.testing.assert_array_equal(a.derivative, b.derivative)
    assert (again.success, again.status.reason) == (original.success, original.status.reason)
    assert again.status.time == original.status.time
    assert again.provenance["content_hash"] == original.provenance["content_hash"]
    assert dict(again.statistics)["solver"] == original.statistics["solver"]
    assert list(again.occurrences) == list(original.occurrences)
    assert {k: set(v) for k, v in again.sensitivities.items()} == {k: set(v) for k, v in original.sensitivities.items()}
    middle, name = 0.5 * (original.time[0] + original.time[-1]), "c" if which == "run" else "x"
    np.testing.assert_array_equal(again.at(middle)[name], original.at(middle)[name])
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", [".nc", ".parquet"])
def test_odd_names_and_values_survive(tmp_path, ending):
    time = np.array([0.0, 1e-300, 5e307])
    odd = made(
        time=time, sensitivities={},
        traces={
            "jacket.T": Trace("state", "degC", "é — ü", np.array([np.nan, -np.inf, -0.0]), time),
            "a b/c": Trace("output", "", "", np.ones((3, 1)), None),
            "time": Trace("output", "h", "a variable with this name", time, None),
        },
    )  # fmt: skip
    again = tk.Solution.load(odd.save(tmp_path / f"odd{ending}"))
    for name in odd:
        np.testing.assert_array_equal(again.trace(name).data, odd.trace(name).data)
        assert again.trace(name).data.shape == odd.trace(name).data.shape
    assert np.signbit(again.trace("jacket.T").data[2])
    assert again.trace("jacket.T").doc == "é — ü"


@pytest.mark.parametrize("ending", [".nc", ".parquet"])
def test_saved_bytes_are_the_same_twice(tmp_path, ending):
    first, second = made().save(tmp_path / f"a{ending}"), made().save(tmp_path / f"b{ending}")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("ending", [".nc", ".parquet"])
def test_a_truncated_file_is_refused(tmp_path, ending):
    path = made().save(tmp_path / f"solution{ending}")
    content = path.read_bytes()
    for part in (0, 1, 4, 100, len(content) // 2, len(content) - 8, len(content) - 1):
        path.write_bytes(content[:part])
        with pytest.raises(tk.DataError, match=f"solution{ending}"):
            tk.Solution.load(path)


@pytest.mark.parametrize("ending", [".nc", ".parquet"])
def test_every_altered_byte_is_refused_or_harmless(tmp_path, ending):
    original = made()
    path = original.save(tmp_path / f"solution{ending}")
    content = bytearray(path.read_bytes())
    generator = np.random.default_rng(3)
    refused = 0
    for position in generator.choice(len(content), 150, replace=False):
        damaged = content.copy()
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                loaded = tk.Solution.load(path)
            except tk.DataError:
                refused += 1
                continue
        assert loaded.content_hash == original.content_hash
    assert refused > 50


@pytest.mark.parametrize("ending", [".nc", ".parquet"])
@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\x80\x04K\x01.", b"CDF\x01" + bytes(60), b"PAR1" + bytes(60) + b"PAR1"]
)
def test_garbage_is_refused(tmp_path, ending, content):
    path = tmp_path / f"solution{ending}"
    path.write_bytes(content)
    with pytest.raises(tk.DataError, match="solution"):
        tk.Solution.load(path)


def test_files_of_others_are_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq
    import xarray as xr

    xr.Dataset({"a": ("x", [1.0, 2.0])}).to_netcdf(tmp_path / "other.nc", engine="scipy")
    pq.write_table(pa.table({"a": [1.0]}), tmp_path / "other.parquet")
    for name in ("other.nc", "other.parquet"):
        with pytest.raises(tk.DataError, match="not a solution saved by twinkit"):
            tk.Solution.load(tmp_path / name)


def test_a_missing_file_is_a_storage_error(tmp_path):
    with pytest.raises(tk.StorageError, match=r"could not read .*nothing\.nc"):
        tk.Solution.load(tmp_path / "nothing.nc")
    with pytest.raises(tk.StorageError):
        tk.Solution.load(tmp_path)


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(tk.InvalidValueError, match=r"'a\.csv'.*\.nc \(netCDF\) or \.parquet"):
        made().save(tmp_path / "a.csv")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(1))
    with pytest.raises(tk.TwinkitError):
        tk.Solution.load(tmp_path / "a.pkl")


def test_a_folder_that_is_not_there(tmp_path):
    for ending in (".nc", ".parquet"):
        with pytest.raises(tk.StorageError, match="nowhere"):
            made().save(tmp_path / "nowhere" / f"a{ending}")


# -- looks -------------------------------------------------------------------------------------------------------
@pytest.fixture
def plt():
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_plot_draws_the_states_each_in_its_own_axes(solution, plt):
    axes = solution.plot()
    assert [axis.get_ylabel() for axis in axes] == ["c [g/L]", "w [g]"]
    assert len(axes[1].lines) == 2


def test_plot_one_variable_and_into_given_axes(solution, plt):
    axis = solution.plot("half")
    np.testing.assert_array_equal(axis.lines[0].get_ydata(), solution["half"])
    _, mine = plt.subplots()
    assert solution.plot("c", "F", ax=mine) is mine
    assert len(mine.get_legend().get_texts()) == 2
    assert mine.lines[1].get_drawstyle() == "steps-post"
    assert mine.get_xlabel() == "time [h]"


def test_a_failed_run_is_marked_in_the_plot(plt):
    failed = made(status=RunStatus(False, "stopped", 1.5))
    assert len(failed.plot("x").lines) == len(made().plot("x").lines) + 1


def test_nothing_to_plot():
    with pytest.raises(tk.InvalidValueError, match="no states; name the variables"):
        made(traces={"u": made().trace("u")}).plot()


def test_repr_says_what_happened(solution):
    text = repr(solution)
    assert text.startswith("Solution of Dosed: finished, 0 to 5 h")
    assert "concentration" in text
    failed = repr(made(status=RunStatus(False, "it broke", 1.5)))
    assert "FAILED" in failed
    assert "it broke" in failed


def test_html_is_escaped():
    nasty = made(
        status=RunStatus(False, "<script>alert(1)</script>", 1.0),
        traces={"<img>": Trace("state", "g", "<b>", np.zeros(3), None)},
        statistics={"<i>": "<u>"},
        sensitivities={},
    )
    shown = nasty._repr_html_()
    for tag in ("<script>", "<img>", "<u>", "<i>"):
        assert tag not in shown
    assert "&lt;script&gt;" in shown


def test_raise_if_failed(solution):
    assert solution.raise_if_failed() is solution
    with pytest.raises(tk.SimulationError, match="it broke"):
        made(status=RunStatus(False, "it broke", 1.5)).raise_if_failed()


def test_a_solution_is_frozen(solution):
    with pytest.raises(AttributeError):
        solution.time = None
    assert replace(solution, time_unit="min").time_unit == "min"
