"""What a sensor can say about itself, and what it refuses."""

import math

import pytest

import twinkit as tk
from twinkit.core import InvalidValueError, UnitError
from twinkit.estimate import ExtendedKalmanFilter, Sensor


class Bath(tk.Model):
    """A bath that cools."""

    time_unit = "min"
    T = tk.State("degC", initial=60.0, doc="temperature")

    def equations(self, v, m):
        return {"T": -0.01 * m.quantity(1, "1/min") * (v.T - m.quantity(20.0, "degC"))}


def make(*sensors):
    return ExtendedKalmanFilter(Bath(), sensors, initial_std={"T": 5.0})


def test_times_and_ranges_are_read_with_their_units():
    line = make(Sensor("T", 0.5, delay="2 h", every="30 s", valid=("0 degC", "373.15 K"))).lines["T"]
    assert (line.delay, line.every) == (120.0, 0.5)
    assert line.valid == pytest.approx((0.0, 100.0))
    assert make(Sensor("T", 0.5)).lines["T"].valid == (-math.inf, math.inf)
    assert make(Sensor("T", 0.5, valid=(None, 80))).lines["T"].valid == (-math.inf, 80.0)


def test_a_reading_outside_the_range_is_marked_bad_and_says_why():
    ekf = make(Sensor("T", 0.5, valid=(0, 100)))
    begin = ekf.start()
    wild = ekf.update(begin, tk.Measurement("T", 850.0, "degC", 0.0))
    (reading,) = wild.readings
    assert not reading.accepted
    assert reading.quality is tk.Quality.BAD
    assert "850 °C is outside the instrument's range, 0 to 100 °C" in reading.reason
    assert wild.vector.tobytes() == begin.vector.tobytes()
    edge = ekf.update(begin, tk.Measurement("T", 373.15, "K", 0.0, std=50.0))
    assert edge.accepted
    said = ekf.update(begin, tk.Measurement("T", 850.0, "degC", 0.0, quality=tk.Quality.BAD, note="unplugged"))
    assert "unplugged" in said.reason


def test_an_error_in_proportion_is_added_in_squares():
    ekf = make(Sensor("T", 0.3, relative_std=0.01), Sensor("T", tag="only", relative_std=0.01))
    assert ekf.checked(tk.Measurement("T", 40.0, "degC", 0.0)) == (40.0, pytest.approx(0.5))
    assert ekf.checked(tk.Measurement("T", 40.0, "degC", 0.0, std=2.0)) == (40.0, 2.0)
    assert ekf.checked(tk.Measurement("only", 40.0, "degC", 0.0)) == (40.0, pytest.approx(0.4))
    with pytest.raises(InvalidValueError, match="no standard deviation for 'only'"):
        ekf.checked(tk.Measurement("only", 0.0, "degC", 0.0))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"delay": -1}, InvalidValueError, "delay of sensor 'T' must not be negative"),
        ({"delay": "3 kg"}, UnitError, "the delay of sensor 'T'"),
        ({"every": 0}, InvalidValueError, "every= of sensor 'T' must be positive"),
        ({"every": math.nan}, InvalidValueError, "must be finite"),
        ({"valid": (10, 10)}, InvalidValueError, "low < high"),
        ({"valid": 10}, InvalidValueError, "is a pair"),
        ({"valid": ("0 g/L", 100)}, UnitError, "the valid range of sensor 'T'"),
        ({"relative_std": -0.1}, InvalidValueError, "relative_std of 'T' must not be negative"),
        ({"relative_std": "lots"}, InvalidValueError, "relative_std of 'T'"),
        ({"std": 0.0}, InvalidValueError, "must be positive"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, error, message):
    with pytest.raises(error, match=message):
        make(Sensor("T", **{"std": 0.5, **settings}))
