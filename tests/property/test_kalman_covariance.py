"""Whatever arrives, the covariance stays a covariance and the mean within its bounds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import twinkit as tk
from twinkit.estimate import Adaptation, ExtendedKalmanFilter, Sensor


class Chain(tk.Model):
    """A -> B -> C with a saturating first step."""

    time_unit = "h"
    a = tk.State("g/L", initial=10.0, bounds=(0, None), doc="A")
    b = tk.State("g/L", initial=0.0, bounds=(0, None), doc="B")
    k = tk.Parameter("g/L/h", 2.0, bounds=(0.1, 5), doc="largest rate")
    s = tk.Parameter("g/L", 1.0, bounds=(0.01, None), doc="half-saturation")
    loss = tk.Parameter("1/h", 0.1, bounds=(0, 1), doc="loss")
    both = tk.Output("g/L", doc="A and B")

    def equations(self, v, m):
        rate = v.k * v.a / (v.s + v.a)
        return {"a": -rate, "b": rate - v.loss * v.b, "both": v.a + v.b}


FILTER = ExtendedKalmanFilter(
    Chain(), [Sensor("both", 0.5), Sensor("b", 1e-4)], {"a": 3.0}, {"a": 0.5}, {"k": Adaptation(1.0, 0.3)}, gate=None
)
readings = st.tuples(
    st.floats(0.0, 3.0), st.sampled_from(["both", "b"]), st.floats(-20, 40), st.sampled_from(list(tk.Quality))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(readings, min_size=1, max_size=12))
def test_the_covariance_stays_symmetric_and_positive_semidefinite(stream):
    estimate, time = FILTER.start(), 0.0
    for wait, tag, value, quality in stream:
        time += wait
        estimate = FILTER.update(estimate, tk.Measurement(tag, value, "g/L", time, quality=quality))
        p = estimate.covariance
        assert np.array_equal(p, p.T)
        assert np.linalg.eigvalsh(p).min() >= -1e-12 * np.trace(p)
        assert np.all(estimate.vector >= FILTER.plan.low)
        assert np.all(estimate.vector <= FILTER.plan.high)


@settings(max_examples=20, deadline=None)
@given(st.lists(readings, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_a_batch_gives_what_its_readings_give_in_order(stream, random):
    times = np.cumsum([0.01 + wait for wait, *_ in stream])
    ms = [tk.Measurement(tag, value, "g/L", t, quality=q) for t, (_, tag, value, q) in zip(times, stream, strict=True)]
    *_, one_by_one = FILTER.run(ms)
    shuffled = random.sample(ms, len(ms))
    at_once = FILTER.update(FILTER.start(), shuffled)
    np.testing.assert_array_equal(at_once.vector, one_by_one.vector)
    np.testing.assert_array_equal(at_once.covariance, one_by_one.covariance)
    assert [reading.time for reading in at_once.readings] == list(times)
