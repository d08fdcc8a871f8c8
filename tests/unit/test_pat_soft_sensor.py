"""The soft sensor on a stream: values, uncertainty, and every kind of bad spectrum."""

import numpy as np
import pytest

from twinkit.core import InvalidValueError, Quality, ShapeError
from twinkit.pat import ConsensusCalibration, SoftSensor, SpectrumHealth

AXIS = np.linspace(950, 1560, 140)
BAND = np.exp(-(((AXIS - 1080) / 30) ** 2))


def spectra_of(values, seed=3, noise=0.5):
    rng = np.random.default_rng(seed)
    return np.asarray(values)[:, None] * BAND + rng.normal(0, noise, (len(values), len(AXIS)))


@pytest.fixture(scope="module")
def calibration():
    y = np.linspace(0, 40, 21)
    return ConsensusCalibration(stops=(1300, 1560), components=range(1, 4), repeats=2).fit(spectra_of(y, 0), y, AXIS)


def read_all(calibration, spectra, **settings):
    sensor = SoftSensor(calibration, **settings)
    return [sensor.read(spectrum, 0.1 * k) for k, spectrum in enumerate(spectra)], sensor


def test_a_steady_stream_is_read_after_a_short_start(calibration):
    readings, sensor = read_all(calibration, spectra_of(np.full(80, 20.0)))
    good = [reading for reading in readings if reading.quality is Quality.GOOD]
    assert 0 < len(readings) - len(good) < 24
    assert np.mean([reading.value for reading in good]) == pytest.approx(20.0, abs=1.0)
    assert all(reading.tag == "glucose" and reading.unit == "g/L" for reading in readings)
    assert readings[0].quality is Quality.BAD
    assert np.isnan(readings[0].value)
    assert "start-up" in readings[0].note
    # The reported uncertainty holds the systematic part; the noise of the stream is measured.
    singles = np.array([calibration.predict(x)[0] for x in spectra_of(np.full(80, 20.0))])
    assert sensor.noise == pytest.approx(np.std(singles), rel=0.4)
    assert good[-1].std > calibration.rmsecv_


def test_start_up_drift_is_refused_and_real_change_does_not_hold_the_sensor_for_ever(calibration):
    drift = 20 + 30 * np.exp(-np.arange(80) / 8)
    readings, _ = read_all(calibration, spectra_of(drift, noise=0.1))
    first = next(k for k, reading in enumerate(readings) if reading.quality is not Quality.BAD)
    assert drift[first] < 24
    falling, _ = read_all(calibration, spectra_of(np.linspace(40, 0, 120), noise=0.05))
    first = next(k for k, reading in enumerate(falling) if reading.quality is not Quality.BAD)
    assert first == SpectrumHealth().settle_limit


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda x: np.where(AXIS > 1500, np.nan, x), "not finite"),
        (lambda x: np.where(AXIS > 1500, np.inf, x), "not finite"),
        (lambda x: np.ones_like(x), "constant"),
        (lambda x: None, "identical"),
    ],
)
def test_a_spoilt_spectrum_is_marked_and_the_last_value_kept(calibration, spoil, words):
    spectra = spectra_of(np.full(60, 20.0))
    spoilt = spoil(spectra[50])
    spectra[50] = spectra[49] if spoilt is None else spoilt
    readings, _ = read_all(calibration, spectra)
    assert readings[50].quality is Quality.BAD
    assert words in readings[50].note
    assert readings[50].value == readings[49].value
    assert readings[51].quality is Quality.GOOD


def test_an_unlike_spectrum_is_doubted_not_refused(calibration):
    spectra = spectra_of(np.full(120, 20.0))
    spectra[100] *= 1.5
    readings, _ = read_all(calibration, spectra)
    assert readings[100].quality is Quality.UNCERTAIN
    assert sum(reading.quality is Quality.UNCERTAIN for reading in readings) == 1


def test_single_readings_are_neither_smoothed_nor_cut(calibration):
    readings, sensor = read_all(calibration, spectra_of(np.full(60, 0.0), noise=2.0))
    assert readings[-1].value >= 0.0
    assert sensor.single.std == sensor.noise
    assert sensor.single.value == pytest.approx(calibration.predict(spectra_of(np.full(60, 0.0), noise=2.0)[-1])[0])


def test_the_sensor_is_causal(calibration):
    spectra = spectra_of(np.linspace(30, 20, 80))
    whole, _ = read_all(calibration, spectra)
    part, _ = read_all(calibration, spectra[:50])
    assert repr(whole[:50]) == repr(part)


def test_wrong_input_is_refused(calibration):
    sensor = SoftSensor(calibration)
    with pytest.raises(ShapeError, match="has 3 points"):
        sensor.read(np.ones(3), 0.0)
    with pytest.raises(ShapeError, match="one spectrum is a vector"):
        sensor.read(np.ones((2, 140)), 0.0)
    sensor.read(spectra_of([20.0])[0], 1.0)
    with pytest.raises(InvalidValueError, match="in order"):
        sensor.read(spectra_of([20.0])[0], 0.5)
    with pytest.raises(InvalidValueError, match="at least 1"):
        SoftSensor(calibration, window=0)
