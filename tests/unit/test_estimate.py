"""The filter's behaviour at its edges: bounds, gates, qualities, bad input, looks."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

import twinkit as tk
from twinkit.estimate import Adaptation, Disturbance, ExtendedKalmanFilter, Sensor
from twinkit.estimate.constraints import within_bounds


class Tank(tk.Model):
    """A tank that drains and is heated."""

    time_unit = "min"
    V = tk.State("L", initial=10.0, bounds=(0, 20), doc="volume")
    T = tk.State("degC", initial=20.0, doc="temperature")
    c = tk.State("g/L", initial=[1.0, 2.0], shape=2, bounds=(0, None), doc="two solutes")
    k = tk.Parameter("1/min", 0.1, bounds=(0.01, 1), doc="drain constant")
    Q = tk.Input("delta_degC/min", default=0.0, doc="heating")
    level = tk.Output("", bounds=(0, 1), doc="filled fraction")

    def equations(self, v, m):
        return {"V": -v.k * v.V, "T": v.Q, "c": -v.k * v.c, "level": v.V / m.quantity(20.0, "L")}


SENSORS = [Sensor("level", std=0.02), Sensor("T", std="1 delta_degC", tag="TI-101"), Sensor("c[1]")]


def make(**changes):
    return ExtendedKalmanFilter(Tank(), **{"sensors": SENSORS, "initial_std": {"V": 1.0}, **changes})


def reading(value=0.5, time=0.0, tag="level", unit="", **more):
    return tk.Measurement(tag, value, unit, time, **more)


def test_names_units_and_vector_states():
    ekf = make(initial_std={"V": "500 mL", "T": "1 delta_degC", "c": [0.1, 0.2]}, adapt={"k": Adaptation("3 1/h")})
    start = ekf.start("1 h")
    assert start.time == 60.0
    assert start.names == ("V", "T", "c[0]", "c[1]", "k")
    assert start.std["V"] == pytest.approx(0.5)
    assert start.std["k"] == pytest.approx(0.05)
    assert list(start.mean["c"]) == [1.0, 2.0]
    assert list(start.std["c"]) == pytest.approx([0.1, 0.2])
    assert start.output("level").std == pytest.approx(0.025)
    assert start.output("c[1]").std == pytest.approx(0.2)
    assert start.output("T").unit == "degC"
    assert start.output("level").made_by == ekf.content_hash


def test_units_of_measurements_are_converted():
    ekf = make(initial_std={"T": 2.0})
    kelvin = ekf.update(ekf.start(), reading(295.15, 0.0, "TI-101", "K", std=0.5))
    celsius = ekf.update(ekf.start(), reading(22.0, 0.0, "TI-101", "degC", std=0.5))
    assert kelvin.mean["T"] == pytest.approx(celsius.mean["T"])
    assert kelvin.std["T"] == pytest.approx(celsius.std["T"])
    assert celsius.mean["T"] == pytest.approx(20 + 2 * 4 / 4.25)
    milli = make(initial_std={"c": 1.0})
    assert milli.update(milli.start(), reading(2000, 0.0, "c[1]", "mg/L", std=100)).readings[0].std == pytest.approx(
        0.1
    )


def test_the_standard_deviation_of_a_measurement_overrides_the_sensor_s():
    ekf = make()
    assert ekf.update(ekf.start(), reading(std=0.1)).readings[0].std == 0.1
    assert ekf.update(ekf.start(), reading()).readings[0].std == 0.02


def test_quality_bad_only_propagates_and_uncertain_counts_less():
    ekf = make()
    bad = ekf.update(ekf.start(), reading(math.nan, 1.0, quality=tk.Quality.BAD, note="constant spectrum"))
    np.testing.assert_array_equal(bad.vector, ekf.predict(ekf.start(), 1.0).vector)
    assert (bad.accepted, math.isnan(bad.nis), math.isnan(bad.innovation)) == (False, True, True)
    assert "constant spectrum" in bad.reason
    uncertain = ekf.update(ekf.start(), reading(0.52, quality=tk.Quality.UNCERTAIN))
    assert uncertain.vector == pytest.approx(ekf.update(ekf.start(), reading(0.52, std=0.04)).vector)
    assert uncertain.accepted
    assert "uncertain" in uncertain.reason


def test_a_reading_outside_the_gate_is_reported_and_not_used():
    ekf = make(gate=0.99)
    far = ekf.update(ekf.start(), reading(0.9))
    assert not far.accepted
    np.testing.assert_array_equal(far.covariance, ekf.start().covariance)
    assert far.innovation == pytest.approx(0.4)
    assert far.nis == pytest.approx((far.innovation / far.innovation_std) ** 2)
    assert far.nis > 6.6
    assert "standard deviations" in far.reason
    assert make(gate=None).update(ekf.start(), reading(0.9)).accepted
    both = ekf.update(ekf.start(), [reading(0.9), reading(20.5, 0.0, "TI-101", "degC")])
    assert [r.accepted for r in both.readings] == [False, True]


def test_two_readings_of_one_sensor_at_one_time_both_count():
    ekf = make()
    both = ekf.update(ekf.start(), [reading(0.52), reading(0.54)])
    assert len(both.readings) == 2
    mean = ekf.update(ekf.start(), reading(0.53, std=0.02 / math.sqrt(2)))
    np.testing.assert_allclose(both.vector, mean.vector, rtol=1e-12)
    np.testing.assert_allclose(both.covariance, mean.covariance, rtol=1e-12)


def test_a_mean_beyond_a_bound_is_projected_and_takes_its_relatives_along():
    x, p = np.array([-1.0, 5.0]), np.array([[1.0, 0.8], [0.8, 2.0]])
    low, high = np.array([0.0, -np.inf]), np.array([np.inf, np.inf])
    assert within_bounds(x, p, low, high) == pytest.approx([0.0, 5.8])
    both = within_bounds(np.array([-1.0, 0.1]), np.array([[1.0, -0.9], [-0.9, 1.0]]), np.zeros(2), high)
    assert both == pytest.approx([0.0, 0.0])  # the first moves the second below zero: both end on their bounds
    exact = within_bounds(np.array([-1e-9, 1.0]), np.zeros((2, 2)), np.zeros(2), high)
    assert list(exact) == [0.0, 1.0]


def test_bounds_of_states_and_parameters_are_kept():
    ekf = make(adapt={"k": Adaptation(0.3, 0.1)}, gate=None)
    estimate = ekf.start()
    for time in range(1, 30):
        estimate = ekf.update(estimate, reading(-0.4 if time % 2 else 1.4, float(time)))
        assert 0 <= estimate.mean["V"] <= 20
        assert 0.01 <= estimate.mean["k"] <= 1
        low, high = estimate.output("level").interval
        assert 0 <= low <= high <= 1


def test_the_same_stream_gives_the_same_bytes_and_an_estimate_does_not_change():
    ekf = make(adapt={"k": Adaptation(0.05, 0.01)})
    start = ekf.start()
    before = start.covariance.copy()
    stream = [reading(0.5 - 0.01 * t, float(t)) for t in range(1, 9)]
    first, second = list(ekf.run(stream))[-1], list(make(adapt={"k": Adaptation(0.05, 0.01)}).run(stream))[-1]
    assert first.vector.tobytes() == second.vector.tobytes()
    assert first.covariance.tobytes() == second.covariance.tobytes()
    np.testing.assert_array_equal(start.covariance, before)
    with pytest.raises(ValueError, match="read-only"):
        first.vector[0] = 1.0
    a, b = (ekf.forecast(first, 20.0, seed=4, samples=40) for _ in range(2))
    assert all(a.samples[name].tobytes() == b.samples[name].tobytes() for name in a.samples)
    assert ekf.forecast(first, 20.0, seed=5, samples=40).samples["V"].tobytes() != a.samples["V"].tobytes()


def test_a_forecast_tells_when():
    ekf = make()
    forecast = ekf.forecast(ekf.start(), "40 min", outputs=["V", "level"], samples=400)
    when = forecast.time_when("V", below="5 L")
    assert when.median == pytest.approx(math.log(2) / 0.1, abs=0.3)
    assert when.interval[0] < when.median < when.interval[1]
    assert when.probability == 1.0
    assert forecast.time_when("V", above=1.0).median == 0.0
    never = forecast.time_when("V", below="0.001 L")
    assert (never.probability, math.isinf(never.median)) == (0.0, True)
    assert "not within" in repr(never)
    assert forecast.to_xarray()["V"].attrs["units"] == "L"
    assert "400 runs" in repr(forecast)
    with pytest.raises(tk.UnknownNameError, match="'level'"):
        forecast.median("levl")
    with pytest.raises(tk.InvalidValueError, match="below= or above="):
        forecast.time_when("V")


def test_a_forecast_with_known_parameters_is_narrower():
    ekf = make(adapt={"k": Adaptation(0.03)})
    wide = ekf.forecast(ekf.start(), 10.0, outputs=["V"])
    narrow = ekf.forecast(ekf.start(), 10.0, outputs=["V"], parameter_uncertainty=False)
    assert narrow.std("V")[-1] < 0.8 * wide.std("V")[-1]


BAD_SETTINGS = {
    "unknown sensor": ({"sensors": [Sensor("levle", 1)]}, tk.UnknownNameError, "did you mean 'level'"),
    "vector sensor": ({"sensors": [Sensor("c", 1)]}, tk.ShapeError, r"c\[0\]"),
    "no sensors": ({"sensors": []}, tk.InvalidValueError, "at least one sensor"),
    "zero std": ({"sensors": [Sensor("T", 0)]}, tk.InvalidValueError, "must be positive"),
    "sensor unit": ({"sensors": [Sensor("T", "1 g")]}, tk.UnitError, "sensor 'T'"),
    "twice": ({"sensors": [Sensor("T", 1), Sensor("T", 2)]}, tk.InvalidValueError, "two sensors"),
    "unknown state": ({"initial_std": {"W": 1}}, tk.UnknownNameError, "valid names: V"),
    "parameter as state": ({"process_noise": {"k": 1}}, tk.UnknownNameError, "adapt="),
    "negative": ({"initial_std": {"V": -1}}, tk.InvalidValueError, "negative"),
    "NaN": ({"process_noise": {"V": math.nan}}, tk.InvalidValueError, "NaN"),
    "noise unit": ({"process_noise": {"V": "1 L/min"}}, tk.UnitError, "noise of 'V'"),
    "unknown parameter": ({"adapt": {"kk": Adaptation(1)}}, tk.UnknownNameError, "'k'"),
    "adapt what": ({"adapt": {"k": 0.1}}, tk.InvalidValueError, "Adaptation"),
    "all certain": ({"initial_std": {}}, tk.InvalidValueError, "nothing about Tank is uncertain"),
    "gate": ({"gate": 1.5}, tk.InvalidValueError, "probability"),
    "max_step": ({"max_step": "-1 s"}, tk.InvalidValueError, "positive"),
    "input": ({"inputs": {"q": 1}}, tk.UnknownNameError, "'Q'"),
    "class": ({"model": Tank}, tk.InvalidValueError, "instance"),
}


@pytest.mark.parametrize(("changes", "error", "words"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings_are_refused_when_the_filter_is_made(changes, error, words):
    settings = {"model": Tank(), "sensors": SENSORS, "initial_std": {"V": 1.0}, **changes}
    with pytest.raises(error, match=words):
        ExtendedKalmanFilter(**settings)


def test_bad_measurements_are_refused_whole():
    ekf = make()
    later = ekf.predict(ekf.start(), 5.0)
    with pytest.raises(tk.InvalidValueError, match="before the estimate's time"):
        ekf.update(later, reading(0.5, 4.0))
    with pytest.raises(tk.UnknownNameError, match="did you mean 'level'"):
        ekf.update(later, reading(0.5, 6.0, "levell"))
    with pytest.raises(tk.UnitError, match="'level'"):
        ekf.update(later, reading(0.5, 6.0, unit="g"))
    with pytest.raises(tk.InvalidValueError, match="no standard deviation"):
        ekf.update(later, reading(0.5, 6.0, "c[1]", "g/L"))
    with pytest.raises(tk.ShapeError, match="one number"):
        ekf.update(later, reading([1.0, 2.0], 6.0))
    with pytest.raises(tk.InvalidValueError, match="Measurement"):
        ekf.update(later, [3.0])
    with pytest.raises(tk.InvalidValueError, match="forward"):
        ekf.predict(later, 1.0)
    with pytest.raises(tk.UnknownNameError, match="'level'"):
        later.output("levl")
    with pytest.raises(tk.InvalidValueError, match="after 5 min"):
        ekf.forecast(later, 5.0)


def test_inputs_that_do_not_cover_the_run_are_refused():
    ekf = make(inputs={"Q": tk.ramps({"1 min": 0, "3 min": 1})})
    with pytest.raises(tk.SimulationError, match="starts at 1"):
        ekf.start()
    estimate = ekf.start(1.0)
    assert ekf.predict(estimate, 3.0).mean["T"] == pytest.approx(21.0)
    with pytest.raises(tk.SimulationError, match="ends at 3"):
        ekf.predict(estimate, 3.5)


def test_a_model_that_explodes_is_an_error_with_a_time():
    class Runaway(tk.Model):
        """Infinite at t = 1."""

        time_unit = "h"
        x = tk.State("", initial=1.0, doc="grows")

        def equations(self, v, m):
            return {"x": v.x**2 * m.quantity(1.0, "1/h")}

    ekf = ExtendedKalmanFilter(Runaway(), [Sensor("x", 1.0)], {"x": 0.1})
    with pytest.raises(tk.SimulationError, match=r"could not be integrated past t = (0\.9|1)"):
        ekf.predict(ekf.start(), 2.0)


def test_a_model_with_events_is_refused():
    class Bolus(tk.Model):
        """Gets a dose."""

        time_unit = "h"
        x = tk.State("g", initial=1.0, doc="amount")

        def equations(self, v, m):
            return {"x": -v.x * m.quantity(1.0, "1/h")}

        def events(self, v, m):
            return {"dose": tk.Schedule(at=[1.0], set={"x": v.x + 1.0})}

    with pytest.raises(tk.InvalidValueError, match="dose"):
        ExtendedKalmanFilter(Bolus(), [Sensor("x", 1.0)], {"x": 0.1})


def test_an_estimate_shows_itself():
    ekf = make()
    estimate = ekf.update(ekf.start(), reading(0.9))
    assert repr(estimate).startswith("Estimate of Tank at 0 min")
    assert re.search(r"V \[[lL]\] 10 ± 1\n", repr(estimate))
    assert "not used" in repr(estimate)
    page = estimate._repr_html_()
    assert page.startswith("<div>")
    assert page.count("<tr>") == 5


def test_the_content_hash_knows_the_settings():
    assert make().content_hash == make().content_hash
    others = [make(gate=0.9), make(initial_std={"V": 2.0}), make(inputs={"Q": 1.0}), make(initial={"V": 9.0})]
    assert len({make().content_hash, *[other.content_hash for other in others]}) == 5


def test_a_disturbance_of_an_input_is_found():
    """A heater that gives 0.3 K/min more than it says; the filter learns it, and its decay where it has one."""
    disturb = {"Q": Disturbance(std="0.5 delta_degC/min")}
    ekf = make(initial_std={"T": 0.1}, disturb=disturb)
    estimate = ekf.update(ekf.start(), [reading(20 + 0.3 * t, t, "TI-101", "degC", std=0.05) for t in range(1, 20)])
    assert estimate.mean["disturbance(Q)"] == pytest.approx(0.3, abs=0.02)
    assert ekf.predict(estimate, 30.0).mean["T"] == pytest.approx(20 + 0.3 * 30, abs=0.2)
    fading = make(initial_std={"T": 0.1}, disturb={"Q": Disturbance(std=0.5, time_constant="10 min")}, rtol=1e-9)
    begun = replace(fading.start(), vector=np.array([10.0, 20.0, 1.0, 2.0, 1.0]))
    later = fading.predict(begun, 10.0)
    assert later.mean["disturbance(Q)"] == pytest.approx(math.exp(-1))
    assert later.mean["T"] == pytest.approx(20 + 10 * (1 - math.exp(-1)))
    assert later.std["disturbance(Q)"] == pytest.approx(0.5 * math.exp(-1))


def test_a_disturbance_of_a_vector_state_acts_on_its_derivative():
    ekf = make(disturb={"c": Disturbance(std=[0.0, 0.1], noise="0.01 g/L/min/min**0.5")})
    assert ekf.plan.labels[-2:] == ("disturbance(c)[0]", "disturbance(c)[1]")
    assert ekf.plan.units[-1] == "gram / liter / minute"
    begun = replace(ekf.start(), vector=np.array([10.0, 20.0, 1.0, 2.0, 0.0, 0.5]))
    expected = 2 * math.exp(-0.1) + 0.5 * (1 - math.exp(-0.1)) / 0.1
    assert ekf.predict(begun, 1.0).mean["c"][1] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("disturb", "message"),
    [
        ({"q": Disturbance(std=1)}, "did you mean 'Q'"),
        ({"Q": 1.0}, "takes Disturbance"),
        ({"Q": Disturbance()}, "above zero"),
        ({"Q": Disturbance(std=1, time_constant=0)}, "must be positive"),
        ({"Q": Disturbance(std=-1)}, "must not be negative"),
        ({"Q": Disturbance(std="1 kg")}, "kilogram"),
    ],
)
def test_disturbances_are_checked(disturb, message):
    with pytest.raises(tk.TwinkitError, match=re.escape(message)):
        make(disturb=disturb)
