"""Estimates over time: by name, as a dataset, as a picture."""

import math

import numpy as np
import pytest

import twinkit as tk
from twinkit.core import InvalidValueError, UnknownNameError
from twinkit.estimate import Adaptation, Disturbance, ExtendedKalmanFilter, History, Sensor


class Tank(tk.Model):
    """A tank that drains; two solutes."""

    time_unit = "min"
    V = tk.State("L", initial=10.0, bounds=(0, 20), doc="volume")
    c = tk.State("g/L", initial=[1.0, 2.0], shape=2, bounds=(0, None), doc="two solutes")
    k = tk.Parameter("1/min", 0.1, bounds=(0.01, 1), doc="drain constant")
    level = tk.Output("", bounds=(0, 1), doc="filled fraction")

    def equations(self, v, m):
        return {"V": -v.k * v.V, "c": -v.k * v.c, "level": v.V / m.quantity(20.0, "L")}


@pytest.fixture(scope="module")
def history():
    ekf = ExtendedKalmanFilter(
        Tank(),
        [Sensor("level", 0.02), Sensor("c[1]", 0.1, tag="lab")],
        {"V": 1.0, "c": 0.2},
        adapt={"k": Adaptation(0.02)},
        disturb={"V": Disturbance(noise=0.01)},
    )
    return ekf.history(
        [
            tk.Measurement("level", 0.45, "", 1.0),
            tk.Measurement("level", 0.99, "", 2.0),  # outside the gate
            tk.Measurement("lab", 1.5, "g/L", 2.0),
            tk.Measurement("level", math.nan, "", 3.0, quality=tk.Quality.BAD),
            tk.Measurement("level", 0.36, "", 3.5),
        ]
    )


def test_everything_has_a_name_a_unit_and_an_interval(history):
    assert history.time.tolist() == [0.0, 1.0, 2.0, 3.0, 3.5]
    assert history.names == ("V", "c[0]", "c[1]", "k", "disturbance(V)")
    assert history.quantities == (*history.names, "level")
    assert (history.unit("level"), history.unit("V"), history.time_unit) == ("", "L", "min")
    np.testing.assert_allclose(history.mean("level"), history.mean("V") / 20)
    low, high = history.interval("c[0]", 0.5)
    assert np.all(low < history.mean("c[0]"))
    assert np.all(high - low < 2 * history.std("c[0]"))
    assert history[1].time == 1.0
    assert [one.time for one in history] == history.time.tolist()
    with pytest.raises(UnknownNameError, match="did you mean 'level'"):
        history.mean("levl")
    with pytest.raises(InvalidValueError, match="at least one"):
        History(())


def test_readings_and_what_became_of_them(history):
    assert [reading.accepted for reading in history.readings] == [True, False, True, False, True]
    assert [reading.tag for reading in history.measured("c[1]")] == ["lab"]
    assert history.measured("V") == ()
    assert math.isnan(history.nis[0])
    assert history.nis[2] > history[2].filter.threshold
    with pytest.raises(UnknownNameError):
        history.measured("W")


def test_as_a_dataset(history):
    data = history.to_xarray()
    assert data["V"].attrs["units"] == "L"
    assert data["time"].attrs["units"] == "min"
    np.testing.assert_array_equal(data["V_std"], history.std("V"))
    np.testing.assert_array_equal(data["V_low"], history.interval("V")[0])
    assert data.attrs["made_by"] == history.filter.content_hash
    assert set(history.to_xarray(["level"], coverage=0.5)) == {"level", "level_std", "level_low", "level_high"}


def test_the_words(history):
    assert "5 readings: 3 used, 1 outside the gate, 1 bad" in repr(history)
    assert "Smoothed estimates of Tank at 5 times" in repr(history.smooth())
    assert "<td>disturbance(V)</td>" in history._repr_html_()


def test_the_picture_shows_bands_and_measurements(history):
    plt = pytest.importorskip("matplotlib.pyplot")
    axes = history.plot()
    assert axes[0].get_ylabel() == "V [L]"
    assert len(axes) == 6  # what was estimated, and the level, which was measured
    ax = history.plot("level")
    mean, used, refused = ax.get_lines()
    assert len(ax.collections) == 1
    assert (list(used.get_xdata()), list(refused.get_xdata())) == ([1.0, 3.5], [2.0])
    assert len(mean.get_xdata()) == 5
    _, own = plt.subplots()
    assert history.smooth().plot("V", "c[1]", ax=own) is own
    assert len(own.get_legend().get_texts()) == 2
    with pytest.raises(UnknownNameError):
        history.plot("nothing")
    plt.close("all")
