"""One call from a model to an estimator, for every kind."""

import pytest

import twinkit as tk


class Decay(tk.Model):
    """First-order decay."""

    time_unit = "h"
    c = tk.State("g/L", initial=8.0, bounds=(0, None), doc="concentration")
    k = tk.Parameter("1/h", 0.5, bounds=(0, None), doc="rate")

    def equations(self, v, m):
        return {"c": -v.k * v.c}


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (tk.EKF, {}),
        (tk.UKF, {}),
        (tk.EnKF, {"samples": 200}),
        (tk.PF, {"samples": 2000}),
        (tk.MHE, {"horizon": "3 h"}),
    ],
)
def test_every_kind_takes_a_stream_with_a_late_reading(make, settings):
    twin = make(Decay(), [tk.Sensor("c", std="0.1 g/L")], initial_std={"c": 2.0}, lag="5 h", **settings)
    for time, value in ((1.0, 5.1), (3.0, 1.9), (2.0, 3.0)):
        estimate = twin.update(tk.Measurement("c", value, "g/L", source_time=time))
    assert estimate.time == 3.0
    assert twin.counts.used == 3
    assert estimate.mean["c"] == pytest.approx(1.87, abs=0.1)
    assert 0.01 < estimate.std["c"] < 0.1
    with pytest.raises(tk.TwinkitError, match="did you mean 'c'"):
        make(Decay(), [tk.Sensor("cc", std=0.1)], initial_std={"c": 2.0}, **settings)
