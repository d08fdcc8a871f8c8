"""Measurements in any order, in any batches, reported twice or corrected: the same estimate, bit for bit."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import twinkit as tk
from twinkit.estimate import Adaptation, Estimator, ExtendedKalmanFilter, Sensor


class Chain(tk.Model):
    """A -> B with a saturating first step."""

    time_unit = "h"
    a = tk.State("g/L", initial=10.0, bounds=(0, None), doc="A")
    b = tk.State("g/L", initial=0.0, bounds=(0, None), doc="B")
    k = tk.Parameter("g/L/h", 2.0, bounds=(0.1, 5), doc="largest rate")
    s = tk.Parameter("g/L", 1.0, bounds=(0.01, None), doc="half-saturation")
    F = tk.Input("g/L/h", default=0.0, doc="feed")
    both = tk.Output("g/L", doc="A and B")

    def equations(self, v, m):
        rate = v.k * v.a / (v.s + v.a)
        return {"a": v.F - rate, "b": rate - 0.1 * m.quantity(1, "1/h") * v.b, "both": v.a + v.b}


FILTER = ExtendedKalmanFilter(
    Chain(),
    [Sensor("both", 0.5, valid=(-5, 30)), Sensor("b", 0.1, tag="lab"), Sensor("a", "300 mg/L", relative_std=0.05)],
    {"a": 3.0},
    {"a": 0.5, "b": 0.05},
    {"k": Adaptation(1.0, 0.3)},
    inputs={"F": tk.steps({0: 0.0, 2.5: 1.0})},
    gate=0.99,
)

TIMES = [0.0, 0.1, 0.5, 0.5000001, 1.0, 1.7, 2.5, 4.0, 7.5]
measurements = st.builds(
    lambda tag, value, time, delay, quality, std: tk.Measurement(
        tag, value, "g/L", time, None if delay is None else time + delay, quality, std
    ),
    st.sampled_from(["both", "lab", "a"]),
    st.sampled_from([0.0, 0.5, 2.0, 6.0, 9.5, 10.5, 40.0]),
    st.sampled_from(TIMES),
    st.sampled_from([None, 0.0, 0.5, 3.0]),
    st.sampled_from(list(tk.Quality)),
    st.sampled_from([None, 0.05, 2.0]),
)


def outcome(estimator):
    estimate = estimator.estimate
    history = estimator.history
    readings = [(r.tag, r.time, repr(r.innovation), r.accepted, r.reason) for r in history.readings]
    arrays = b"".join(one.vector.tobytes() + one.covariance.tobytes() for one in (*history, estimate))
    return estimate.time, arrays, readings, estimator.counts


@settings(max_examples=60, deadline=None)
@given(st.lists(measurements, min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_order_and_batches_do_not_matter(stream, random):
    """Duplicates, corrections and contradictions are common here: few times, few values."""
    in_order = Estimator(FILTER)
    in_order.update(sorted(stream, key=lambda m: m.source_time))
    expected = outcome(in_order)
    shuffled = random.sample(stream, len(stream))
    other = Estimator(FILTER)
    while shuffled:
        count = random.randint(1, len(shuffled))
        other.update(shuffled[:count])
        shuffled = shuffled[count:]
    assert outcome(other) == expected
    assert other.counts.received == len(stream)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 0.6), st.sampled_from(["both", "lab", "a"]), st.floats(0, 12)), min_size=2,
             max_size=9),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_any_order_gives_what_the_filter_gives_in_order(stream, random):
    """The plain functional filter, which knows nothing of lateness, is the reference."""
    times = np.cumsum([wait for wait, *_ in stream])
    ms = [tk.Measurement(tag, value, "g/L", float(t)) for t, (_, tag, value) in zip(times, stream, strict=True)]
    *_, expected = FILTER.run(ms)
    estimator = Estimator(FILTER)
    for m in random.sample(ms, len(ms)):
        estimate = estimator.update(m)
    assert estimate.vector.tobytes() == expected.vector.tobytes()
    assert estimate.covariance.tobytes() == expected.covariance.tobytes()


@settings(max_examples=30, deadline=None)
@given(st.lists(measurements, min_size=2, max_size=10), st.integers(0, 9))
def test_a_snapshot_continues_bitwise(stream, cut):
    whole, part = Estimator(FILTER, limit=4), Estimator(FILTER, limit=4)
    for m in stream:
        whole.update(m)
    for m in stream[:cut]:
        part.update(m)
    saved = part.snapshot()
    part.update(tk.Measurement("a", 1.0, "g/L", 99.0))  # something else happens
    part.restore(saved)
    for m in stream[cut:]:
        part.update(m)
    assert outcome(part) == outcome(whole)
    assert math.isfinite(part.now)
