"""The estimator with a memory: late, repeated, corrected, impossible; time; snapshots; files."""

import json
import math
import threading
from dataclasses import replace

import numpy as np
import pytest

import twinkit as tk
from twinkit.core import (
    BoundsError,
    DataError,
    InvalidValueError,
    ShapeError,
    StorageError,
    UnitError,
    UnknownNameError,
)
from twinkit.estimate import Adaptation, Estimator, ExtendedKalmanFilter, Sensor


class Decay(tk.Model):
    """First-order decay."""

    time_unit = "h"
    c = tk.State("g/L", initial=8.0, bounds=(0, None), doc="concentration")
    k = tk.Parameter("1/h", 0.3, bounds=(0, 2), doc="rate constant")

    def equations(self, v, m):
        return {"c": -v.k * v.c}


SENSORS = [Sensor("c", std="0.5 g/L"), Sensor("c", std="0.1 g/L", tag="lab", delay="4 h")]
FILTER = ExtendedKalmanFilter(Decay(), SENSORS, {"c": 2.0}, {"c": 0.1}, {"k": Adaptation(0.1)})


def reading(value, time, tag="c", received=None, **more):
    return tk.Measurement(tag, value, "g/L", time, received, **more)


def make(**settings):
    return Estimator(FILTER, **settings)


STREAM = [reading(8.0 * math.exp(-0.3 * t), t) for t in (1.0, 2.0, 3.0, 4.0)]


def test_a_late_measurement_gives_what_it_would_have_given_in_time():
    late, in_time = make(), make()
    for m in STREAM:
        late.update(m)
    lab = reading(4.5, 2.0, "lab", received=6.0)
    for m in sorted([*STREAM, lab], key=lambda m: m.source_time):
        in_time.update(m)
    estimate = late.update(lab)
    assert (estimate.time, late.now) == (6.0, 6.0)
    assert estimate.vector.tobytes() == in_time.estimate.vector.tobytes()
    assert estimate.covariance.tobytes() == in_time.estimate.covariance.tobytes()
    (told,) = estimate.readings
    assert (told.tag, told.time, told.accepted) == ("lab", 2.0, True)
    assert estimate.nis == late.at(2.0).nis
    assert late.counts.used == 5


def test_the_default_lag_is_twice_the_longest_delay_else_the_whole_memory():
    assert make().lag == 8.0
    assert Estimator(ExtendedKalmanFilter(Decay(), SENSORS[:1], {"c": 1.0})).lag == math.inf
    assert make(lag="90 min").lag == 1.5
    assert make(lag=math.inf).lag == math.inf


def test_what_is_older_than_the_lag_is_reported_and_counted_and_not_used():
    twin = make(lag="1 h")
    for m in STREAM:
        before = twin.update(m)
    estimate = twin.update([reading(0.0, 2.9), reading(0.0, 3.0, "lab")])
    assert [r.accepted for r in estimate.readings] == [False, False]
    assert "too late: 1.1 h old when it came, but the lag is 1 h; not used" in estimate.readings[0].reason
    assert "standard deviations from" in estimate.readings[1].reason  # just in time: the gate judged it
    assert estimate.vector.tobytes() == before.vector.tobytes()
    assert (twin.counts.too_late, twin.counts.rejected, twin.counts.used, twin.counts.received) == (1, 1, 4, 6)
    early = make(start="1 h").update(reading(6.0, 0.5))
    assert "the memory begins at 1 h" in early.reason


def test_a_batch_older_than_the_lag_in_itself_is_taken_whole():
    twin = make(lag="1 h")
    assert len(twin.update(STREAM).readings) == 4
    assert twin.counts.used == 4


def test_the_memory_is_bounded_and_what_left_it_still_counts():
    twin, whole = make(limit=2), make()
    for m in STREAM:
        twin.update(m)
        whole.update(m)
    assert twin.estimate.vector.tobytes() == whole.estimate.vector.tobytes()
    assert [one.time for one in twin.history] == [2.0, 3.0, 4.0]
    assert twin.earliest == 2.0
    assert twin.counts == whole.counts
    assert "the memory begins at 2 h" in twin.update(reading(1.0, 2.0, "lab")).reason


def test_repeats_count_once_and_a_correction_replaces():
    twin, plain = make(), make()
    first = reading(4.0, 2.0, "lab", received=5.0)
    twin.update([*STREAM, first])
    repeated = twin.update(replace(first, note=""))
    assert repeated.reason == "lab: reported before; ignored"
    corrected = reading(4.4, 2.0, "lab", received=6.0)
    twin.update(corrected)
    plain.update([*STREAM, corrected])
    assert twin.estimate.vector.tobytes() == plain.estimate.vector.tobytes()
    again = twin.update(first)
    assert "an older report" in again.reason
    assert (twin.counts.used, twin.counts.duplicates) == (5, 3)
    retracted = twin.update(reading(4.4, 2.0, "lab", received=7.0, quality=tk.Quality.BAD, note="mixed up"))
    assert "mixed up" in retracted.reason
    bare = make()
    bare.update(STREAM)
    assert retracted.vector.tobytes() == bare.update((), until=7.0).vector.tobytes()


@pytest.mark.parametrize("turn", [1, -1])
def test_reports_that_contradict_each_other_are_bad_whichever_came_first(turn):
    twin = make()
    for m in [reading(5.9, 1.0), reading(6.1, 1.0)][::turn]:
        estimate = twin.update(m)
    assert not estimate.accepted
    assert "2 reports of this instant contradict each other" in estimate.reason
    assert (twin.counts.bad, twin.counts.duplicates, twin.counts.used) == (1, 1, 0)


def test_bad_and_uncertain_ones_are_counted():
    twin = make()
    twin.update(
        [
            reading(math.nan, 1.0, quality=tk.Quality.BAD, note="frozen"),
            reading(6.0, 1.5, quality=tk.Quality.UNCERTAIN),
            reading(60.0, 2.0),
        ]
    )
    assert vars(twin.counts) == {"used": 1, "rejected": 1, "bad": 1, "duplicates": 0, "too_late": 0}
    assert "frozen" in twin.estimate.readings[0].reason
    assert twin.estimate.readings[1].std == 1.0


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (reading(1.0, 5.0, "lap"), UnknownNameError),
        (tk.Measurement("c", 1.0, "kg", 5.0), UnitError),
        (tk.Measurement("c", [1.0, 2.0], "g/L", 5.0), ShapeError),
        (7.0, InvalidValueError),
    ],
)
def test_a_batch_with_one_impossible_measurement_is_refused_whole(wrong, error):
    twin = make()
    twin.update(STREAM[:2])
    before, counts = twin.estimate, twin.counts
    with pytest.raises(error):
        twin.update([STREAM[2], wrong, reading(4.0, 1.5, "lab")])
    assert twin.estimate is before
    assert twin.counts == counts
    assert len(twin.history) == 3


def test_absurd_input_is_refused_or_reported():
    twin = make()
    for wrong in (None, 3.0, "c"):
        with pytest.raises(InvalidValueError, match=r"Measurement\(\.\.\.\) objects"):
            twin.update(wrong)
    wild = twin.update(reading(1e300, 1.0))
    assert not wild.accepted
    assert "standard deviations from" in wild.reason
    with pytest.raises(tk.SimulationError):
        twin.update(reading(1.0, 2.0, std=1e300))
    with pytest.raises(tk.SimulationError):
        twin.update(reading(1.0, 1e15))
    assert twin.now == 1.0


def test_a_model_that_fails_leaves_everything_as_it_was():
    ekf = ExtendedKalmanFilter(
        Decay(), SENSORS, {"c": 2.0}, inputs=None, adapt={"k": Adaptation(0.1)}, initial={"c": 8.0}
    )
    twin = Estimator(ekf)
    before = twin.update(STREAM[:2])

    def broken(estimate, end):
        raise tk.SimulationError("out of reach")

    object.__setattr__(ekf, "moved", broken)
    with pytest.raises(tk.SimulationError):
        twin.update(STREAM[2:])
    object.__delattr__(ekf, "moved")
    assert twin.estimate is before
    assert twin.update(STREAM[2:]).time == 4.0


def test_time_goes_forward_only_and_until_says_what_it_is():
    twin = make()
    assert twin.update((), until="90 min").time == 1.5
    assert twin.update(reading(6.0, 1.0)).time == 1.5
    with pytest.raises(InvalidValueError, match="time goes forward"):
        twin.update((), until=1.0)
    with pytest.raises(InvalidValueError, match="compare the clocks"):
        twin.update(reading(6.0, 1e9), until=2.0)
    with pytest.raises(InvalidValueError, match="compare the clocks"):
        twin.update(reading(6.0, 1.0, received=3.0), until=2.0)
    assert twin.update(reading(6.0, 1.2, received=1.9), until=2.0).time == 2.0


def test_other_times():
    twin = make()
    twin.update(STREAM)
    assert twin.at("2 h").vector.tobytes() == twin.history[2].vector.tobytes()
    assert twin.at(2.5).vector.tobytes() == FILTER.predict(twin.history[2], 2.5).vector.tobytes()
    assert twin.at(0.0).time == 0.0
    for time in (-1.0, 4.5):
        with pytest.raises(BoundsError, match=r"knows 0 to 4 h"):
            twin.at(time)
    assert twin.predict("6 h").time == 6.0
    assert twin.forecast("6 h", samples=20, times=3).time[-1] == 6.0


def test_it_starts_from_a_time_or_an_estimate_of_this_filter():
    begun = FILTER.update(FILTER.start(), STREAM[:2])
    twin = make(start=begun)
    assert twin.update(STREAM[2:]).vector.tobytes() == make().update(STREAM).vector.tobytes()
    other = ExtendedKalmanFilter(Decay(), SENSORS, {"c": 1.0})
    with pytest.raises(InvalidValueError, match="another filter"):
        make(start=other.start())
    for wrong in ({"lag": -1.0}, {"limit": 0}, {"limit": 2.5}, {"lag": math.nan}):
        with pytest.raises(InvalidValueError):
            make(**wrong)
    with pytest.raises(InvalidValueError, match="needs a filter"):
        Estimator(Decay())


def test_the_shorthand():
    twin = tk.EKF(Decay(), SENSORS, lag="2 h", start="1 h", limit=50, initial_std={"c": 2.0})
    assert (twin.lag, twin.now, twin.limit) == (2.0, 1.0, 50)
    for m in STREAM:
        estimate = twin.update(m)
    assert estimate.time == 4.0
    assert "4 measurements (4 used)" in repr(twin)
    assert "<table>" in twin._repr_html_()


def test_threads_take_turns():
    twin, ms = make(), [reading(4.0, 0.01 * k) for k in range(1, 81)]
    threads = [threading.Thread(target=lambda part: [twin.update(m) for m in part], args=(ms[k::4],)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert twin.estimate.vector.tobytes() == make().update(ms).vector.tobytes()


# -- files -----------------------------------------------------------------------------------------------------------
def test_a_saved_estimator_goes_on_bitwise(tmp_path):
    twin = make(limit=3)
    twin.update([*STREAM, reading(math.nan, 2.5, quality=tk.Quality.BAD)])
    twin.update([reading(4.0, 1.0, "lab", received=5.0)])
    file = twin.save(tmp_path / "twin.json")
    other = make(limit=3)
    other.load(file)
    assert other.counts == twin.counts
    assert repr(other.estimate.readings) == repr(twin.estimate.readings)
    more = [reading(2.0, 4.5), reading(3.1, 3.5, "lab", received=7.0)]
    for name in ("vector", "covariance"):
        assert getattr(other.update(more), name).tobytes() == getattr(twin.update(more), name).tobytes()
    assert [one.covariance.tobytes() for one in other.history] == [one.covariance.tobytes() for one in twin.history]
    assert not other.estimate.vector.flags.writeable
    json.loads(file.read_text(), parse_constant=pytest.fail)  # no NaN in the file


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-40], "truncated or damaged"),
        (lambda text: text.replace('"now":4.0', '"now":9.0'), "does not match its own digest"),
        (lambda text: "{}", "not a saved estimator"),
        (lambda text: "[1, 2]", "not a saved estimator"),
        (lambda text: "\x00\xff", "truncated or damaged"),
        (lambda text: "[" * 100_000, "truncated or damaged"),
    ],
)
def test_a_damaged_file_is_refused_and_nothing_changes(tmp_path, damage, message):
    twin = make()
    before = twin.update(STREAM)
    file = twin.save(tmp_path / "twin.json")
    file.write_text(damage(file.read_text()))
    with pytest.raises(DataError, match=message):
        twin.load(file)
    assert twin.estimate is before


def test_a_file_cannot_name_other_things(tmp_path):
    """A hostile file with a right digest: nothing but records of this room can be made."""
    from twinkit.core.identity import digest

    twin = make()
    document = json.loads(twin.save(tmp_path / "twin.json").read_text())
    for name in ("os:system", "twinkit.estimate.saved:importlib", "twinkit.estimate.estimator:Estimator", "x"):
        state = {"object": [name, {"command": "true"}]}
        hostile = {**document, "state": state, "sha256": digest(state)}
        (tmp_path / "hostile.json").write_text(json.dumps(hostile))
        with pytest.raises(DataError, match="cannot be understood"):
            twin.load(tmp_path / "hostile.json")


def test_a_file_of_another_filter_is_refused(tmp_path):
    file = make().save(tmp_path / "twin.json")
    other = tk.EKF(Decay(), SENSORS, initial_std={"c": 1.0})
    with pytest.raises(InvalidValueError, match="another filter"):
        other.load(file)
    with pytest.raises(InvalidValueError, match="another filter"):
        other.restore(make().snapshot())
    with pytest.raises(InvalidValueError, match="restore takes"):
        other.restore(None)
    with pytest.raises(StorageError):
        other.load(tmp_path / "missing.json")
    with pytest.raises(StorageError):
        other.save(tmp_path / "nowhere" / "twin.json")


def test_the_numbers_of_a_history():
    history = FILTER.history(np.random.default_rng(0).permutation(np.array(STREAM, dtype=object)).tolist())
    assert history.time.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    with pytest.raises(InvalidValueError, match="before the start"):
        FILTER.history(STREAM, start=2.5)
