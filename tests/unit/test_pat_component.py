"""The soft sensor in a graph."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.core import Causality, InvalidValueError, Port, PortKind, StepError, Variability
from twinkit.pat import ConsensusCalibration, SoftSensor, SoftSensorComponent
from twinkit.testing import check_component

pytestmark = pytest.mark.component

AXIS = np.linspace(950, 1560, 140)
BAND = np.exp(-(((AXIS - 1080) / 30) ** 2))


def spectra_of(values, seed=3, noise=0.5):
    rng = np.random.default_rng(seed)
    return np.asarray(values)[:, None] * BAND + rng.normal(0, noise, (len(values), len(AXIS)))


@pytest.fixture(scope="module")
def calibration():
    y = np.linspace(0, 40, 21)
    return ConsensusCalibration(stops=(1300, 1560), components=range(1, 4), repeats=2).fit(spectra_of(y, 0), y, AXIS)


def test_it_keeps_the_contract(calibration):
    one = {"spectrum": spectra_of([20.0])[0]}
    check_component(SoftSensorComponent(SoftSensor(calibration)), inputs=one)
    check_component(SoftSensorComponent(SoftSensor(calibration), every="2 s", single=True), inputs=one, dt=0.5, steps=9)


def test_it_says_what_the_sensor_says(calibration):
    stream = spectra_of(np.full(40, 20.0))
    component, sensor = SoftSensorComponent(SoftSensor(calibration), time_unit="h"), SoftSensor(calibration)
    begin = component.initialize(0.0, {"spectrum": stream[0]})
    assert (begin["glucose"], begin["quality(glucose)"]) == (0.0, 2.0)
    for k, spectrum in enumerate(stream):
        said, reading = component.step(0.1 * k, 0.1, {"spectrum": spectrum}), sensor.read(spectrum, 0.1 * k)
        assert said["quality(glucose)"] == reading.quality.code
        if np.isfinite(reading.value):
            assert (said["glucose"], said["std(glucose)"]) == (reading.value, reading.std)
    assert said["glucose"] == pytest.approx(20.0, abs=1.5)
    dead = component.step(4.0, 0.1, {"spectrum": np.ones(len(AXIS))})
    assert (dead["glucose"], dead["quality(glucose)"]) == (said["glucose"], 2.0)
    assert "constant" in component.reading.note


def test_between_spectra_it_holds(calibration):
    component = SoftSensorComponent(SoftSensor(calibration), every="10 s")
    stream = spectra_of(np.full(400, 20.0))
    component.initialize(0.0, {})
    values = [component.step(float(k), 1.0, {"spectrum": spectrum})["glucose"] for k, spectrum in enumerate(stream)]
    changes = np.flatnonzero(np.diff(values)) + 1
    assert len(changes) > 10
    assert set(changes % 10) == {0}
    assert component.next_event(12.0) == 20.0


def test_it_is_connected_by_a_spectrum_port(calibration):
    component = SoftSensorComponent(SoftSensor(calibration))
    assert component.inputs["spectrum"].kind is PortKind.SPECTRUM
    assert component.inputs["spectrum"].shape == len(AXIS)
    graph = tk.Graph()
    node = graph.add("probe", component)
    block = graph.add("signal", tk.Block(lambda: BAND, inputs={}, outputs={"y": ("", None, len(AXIS))}))
    with pytest.raises(tk.TwinkitError, match="spectrum"):
        graph.connect(block.out["y"], node.inp["spectrum"])


def test_what_makes_no_sense_is_refused(calibration):
    with pytest.raises(InvalidValueError, match="not fitted"):
        SoftSensorComponent(_unfitted())
    with pytest.raises(InvalidValueError, match="needs a SoftSensor"):
        SoftSensorComponent(calibration)
    with pytest.raises(InvalidValueError, match="must be positive"):
        SoftSensorComponent(SoftSensor(calibration), every=0)
    used = SoftSensor(calibration)
    used.read(spectra_of([20.0])[0], 0.0)
    with pytest.raises(InvalidValueError, match="read spectra already"):
        SoftSensorComponent(used)
    component = SoftSensorComponent(SoftSensor(calibration))
    component.initialize(0.0, {})
    for inputs in ({}, {"spectrum": np.ones(3)}):
        with pytest.raises(StepError):
            component.step(0.0, 1.0, inputs)


def _unfitted():
    calibration = ConsensusCalibration()
    calibration.rmsecv_ = 1.0
    return SoftSensor(calibration)


class Growing(tk.Model):
    """A concentration that rises."""

    time_unit = "h"
    c = tk.State("g/L", initial=15.0, doc="concentration")
    rate = tk.Parameter("g/L/h", 1.0, doc="how fast")

    def equations(self, v, m):
        return {"c": v.rate}


def test_from_spectrum_to_estimate_in_one_graph(calibration):
    """Probe, soft sensor and estimator, joined port by port: value, standard deviation and quality."""
    graph = tk.Graph()
    stream = spectra_of(18.0 + 2.0 * np.arange(0, 8.01, 0.1), noise=0.2)
    probe = graph.add("probe", _Probe(stream, 0.1))
    soft = graph.add("soft", SoftSensorComponent(SoftSensor(calibration, window=1), time_unit="h"))
    sensor = tk.Sensor("c", tag="glucose")  # the standard deviation comes with each reading
    est = tk.EKF(Growing(), [sensor], initial_std={"c": 5.0}, adapt={"rate": tk.Adaptation(2.0)})
    twin = graph.add("twin", est.component(outputs=["c", "rate"]))
    graph.connect(probe.out["spectrum"], soft.inp["spectrum"])
    for name in ("glucose", "std(glucose)", "quality(glucose)"):
        graph.connect(soft.out[name], twin.inp[name])
    solution = graph.simulate("8 h", master=tk.graph.Jacobi("0.1 h"))
    counts = twin.component.estimator.counts
    assert counts.bad > 5  # the start-up of the instrument
    assert counts.used > 20
    assert solution["twin.rate"].values[-1] == pytest.approx(2.0, abs=0.3)


class _Probe:
    """A spectrometer: a new spectrum every so often."""

    time_unit = "h"
    inputs = {}  # noqa: RUF012

    def __init__(self, stream, every):
        self.stream, self.every = stream, every
        port = Port("spectrum", "", Causality.OUTPUT, len(AXIS), PortKind.SPECTRUM, Variability.DISCRETE)
        self.outputs = {"spectrum": port}

    def initialize(self, t0, inputs):
        return {"spectrum": self.stream[0]}

    def step(self, t, dt, inputs):
        return {"spectrum": self.stream[round((t + dt) / self.every)]}

    def close(self):
        pass
