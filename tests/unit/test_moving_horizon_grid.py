"""Moving-horizon estimation on a regular grid of nodes, against nodes at every reading."""

import matplotlib as mpl
import numpy as np
import pytest

import twinkit as tk
from twinkit.core import InvalidValueError
from twinkit.estimate import Adaptation, Estimator, Huber, MovingHorizonEstimator, Sensor
from twinkit.estimate.horizon import estimator as module
from twinkit.optimise import Failed, Solved

mpl.use("Agg")


class Culture(tk.Model):
    """Growth with a product; the temperature goes its own way."""

    time_unit = "min"
    X = tk.State("g/L", initial=1.0, bounds=(0, None))
    S = tk.State("g/L", initial=20.0, bounds=(0, None))
    T = tk.State("degC", initial=37.0, nominal=40.0)
    mu = tk.Parameter("1/min", 0.05, bounds=(0, 1))

    def equations(self, v, m):
        growth = v.mu * v.S / (m.quantity(2.0, "g/L") + v.S) * v.X
        return {"X": growth, "S": -growth / 0.4, "T": -m.quantity(0.1, "1/min") * (v.T - m.quantity(36.0, "degC"))}


SENSORS = [Sensor("T", std=0.5), Sensor("X", std="0.1 g/L"), Sensor("S", std="0.3 g/L")]
SECOND = 1 / 60


def make(**changes):
    settings = {
        "initial_std": {"X": 0.2, "S": 1.0, "T": 1.0},
        "adapt": {"mu": Adaptation(std=0.02)},
        "nodes": 8,
        "tolerance": 1e-6,
    }
    return MovingHorizonEstimator(Culture(), SENSORS, **{**settings, **changes})


def readings(minutes, period=5 * SECOND, seed=0):
    """A temperature every few seconds, a spectrum every minute; the laboratory's sample is added where it is needed."""
    rng = np.random.default_rng(seed)
    truth = tk.simulate(Culture(mu=0.06), until=minutes, outputs=np.arange(0.0, minutes + 1e-9, period))
    found = []
    for k, t in enumerate(truth.time.tolist()):
        if k:
            found.append(tk.Measurement("T", truth["T"].values[k] + 0.5 * rng.standard_normal(), "degC", t))
        if k and k % 12 == 0:
            found.append(tk.Measurement("X", truth["X"].values[k] + 0.1 * rng.standard_normal(), "g/L", t))
    return found, truth


def same(found, expected, share):
    spread = np.sqrt(np.diag(expected.covariance))
    assert np.abs((found.vector - expected.vector) / spread).max() < share
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), spread, rtol=share)


@pytest.mark.parametrize(("nodes", "share"), [(None, 1e-5), (3, 5e-3)])
def test_without_process_noise_it_is_the_estimate_with_a_node_at_every_reading(nodes, share):
    """With few nodes but for the arrival cost, which is linearised."""
    batch, _ = readings(6.0)
    late = tk.Measurement("S", 18.9, "g/L", source_time=4.53, received_time=6.0)
    full, grid = make(nodes=None), make(every="1 min", nodes=nodes)
    expected, found = full.update(full.start(), batch), grid.start()
    for first in range(0, len(batch), 5):
        found = grid.update(found, batch[first : first + 5])
    same(found, expected, share)
    assert len(full.update(expected, late).window) > 70
    expected, found = full.update(expected, late), grid.update(found, late)
    assert found.readings[0].accepted
    same(found, expected, share)
    assert len(found.window) <= 8


@pytest.mark.parametrize(("every", "share"), [("15 s", 0.006), ("30 s", 0.015), ("1 min", 0.035)])
def test_with_process_noise_it_comes_close_the_finer_the_closer(every, share):
    """The noise of an interval acts at its end: measured 0.004, 0.011 and 0.025 of a standard deviation."""
    batch, _ = readings(5.0)
    noisy = {"process_noise": {"X": 0.01, "S": 0.02, "T": 0.02}, "nodes": None}
    full, grid = make(**noisy), make(every=every, **noisy)
    expected, found = full.update(full.start(), batch), grid.update(grid.start(), batch)
    same(found, expected, share)


def test_a_reading_every_second_keeps_the_window_small():
    batch, truth = readings(12.0, period=SECOND)
    mhe = make(every="1 min", nodes=5, tolerance=1e-3)
    found = mhe.start()
    for first in range(0, len(batch), 240):
        found = mhe.update(found, batch[first : first + 240])
        assert len(found.window) <= 6
        assert found.status.usable
    assert found.time == pytest.approx(12.0)
    assert len(found.window.between) > 250
    expected = [truth[name].values[-1] for name in ("X", "S", "T")] + [0.06]
    assert (np.abs(found.vector - expected) < 4 * np.sqrt(np.diag(found.covariance))).all()
    assert "readings" in found._repr_html_()
    assert found.smoothed()["reading(T)"].sizes == {"time(T)": (found.window.between.sensor == 0).sum()}
    assert len(found.plot("T", "X")) == 2


def test_the_time_between_nodes_is_predicted():
    mhe = make(every="1 min", nodes=None)
    found = mhe.update(mhe.start(), tk.Measurement("T", 36.8, "degC", 0.5))
    assert found.time == 0.5
    assert list(found.window.times) == [0.0]
    later = mhe.update(found, tk.Measurement("T", 36.8, "degC", 3.0))
    assert list(later.window.times) == [0.0, 3.0]  # no empty nodes
    third = mhe.update(later, [tk.Measurement("T", 36.9, "degC", t) for t in (1.25, 1.5, 1.5)])
    assert list(third.window.times) == [0.0, 1.0, 3.0]
    assert third.window.between.node.tolist() == [0, 1, 1, 1, 2]


@pytest.mark.parametrize("every", [0.0, -1.0, float("nan"), float("inf")])
def test_a_grid_that_makes_no_sense_is_refused(every):
    with pytest.raises(InvalidValueError, match="every"):
        make(every=every)


def test_the_grid_belongs_to_the_identity():
    assert make().content_hash != make(every="1 min").content_hash != make(every="2 min").content_hash


def test_gates_losses_and_bad_readings_hold_between_nodes():
    batch, _ = readings(2.0)
    batch[7] = tk.Measurement("T", 90.0, "degC", batch[7].source_time)
    bad = tk.Measurement("T", float("nan"), "degC", 2.01, quality=tk.Quality.BAD)
    plain = make(every="1 min")
    clean = plain.update(plain.start(), [m for m in batch if m.value != 90.0])
    gated = make(every="1 min", gate=0.9999)
    found = gated.update(gated.start(), [*batch, bad])
    refused = [r for r in found.readings if not r.accepted]
    assert [r.time for r in refused] == [batch[7].source_time, 2.01]
    assert "standard deviations from" in refused[0].reason
    assert "marked bad" in refused[1].reason
    assert found.vector[0] == pytest.approx(clean.vector[0], rel=1e-3)
    robust = make(every="1 min", loss={"T": Huber(2.0)})
    weighed = robust.update(robust.start(), batch)
    assert any("counted with a weight of" in r.reason for r in weighed.readings)
    assert (
        abs(weighed.vector[2] - clean.vector[2])
        < 0.3
        < abs(plain.update(plain.start(), batch).vector[2] - clean.vector[2])
    )


def test_fatrop_sees_the_readings_between_nodes(monkeypatch):
    mhe = make(every="1 min", loss={"T": Huber(2.0)})
    batch, _ = readings(1.5, period=20 * SECOND)
    expected = mhe.update(mhe.start(), batch)
    fail = lambda problem, guess, *_: Solved(guess, problem.linearise(guess), Failed("SQP", 1, "forced"))  # noqa: E731
    monkeypatch.setattr(module, "sqp", fail)
    found = mhe.update(mhe.start(), batch)
    assert found.status.solver == "FATROP"
    np.testing.assert_allclose(found.vector, expected.vector, rtol=1e-5)


@pytest.mark.parametrize("every", [None, "1 min"])
def test_a_saved_estimator_goes_on_bit_by_bit(tmp_path, every):
    batch, _ = readings(4.0, period=15 * SECOND)
    mhe = make(every=every, nodes=3)
    twin = Estimator(mhe)
    for m in batch[:10]:
        twin.update(m)
    twin.save(tmp_path / "twin.json")
    other = Estimator(make(every=every, nodes=3))
    other.load(tmp_path / "twin.json")
    for m in batch[10:]:
        a, b = twin.update(m), other.update(m)
        assert a.vector.tobytes() == b.vector.tobytes()
        assert a.covariance.tobytes() == b.covariance.tobytes()
        assert a.status == b.status
        assert len(a.window) == len(b.window)
        assert a.window.x.tobytes() == b.window.x.tobytes()


def test_a_reading_with_a_huge_standard_deviation_tells_nothing():
    for every in (None, "1 min"):
        mhe = make(every=every)
        found = mhe.update(mhe.start(), tk.Measurement("T", 30.0, "degC", 1.0, std=1e200))
        assert not found.readings[0].accepted
        assert "too uncertain" in found.readings[0].reason
        np.testing.assert_allclose(found.vector, mhe.predict(mhe.start(), 1.0).vector)


def test_an_interval_of_hours_is_integrated():
    """CasADi's linear solver gives up in the first attempt: its buffer must not be taken for a result."""
    mhe = make()
    found = mhe.predict(mhe.start(), 500.0)
    expected = tk.simulate(Culture(), until=500.0, outputs=[0.0, 500.0], rtol=1e-9)
    np.testing.assert_allclose(found.vector[:3], [expected[n].values[-1] for n in "XST"], atol=1e-4)
