"""FMI 1.0: two FMUs of our own, against what can be written down and against FMPy."""

import math

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.component import Binds, Differentiates, FeedsThrough, RollsBack


def falls(t, g=9.81):
    return 1 - g * t**2 / 2


def test_what_they_say_about_themselves(ball, lag):
    info = tk.fmi.info(ball)
    assert (info.fmi_version, info.kinds) == ("1.0", (tk.fmi.Kind.MODEL_EXCHANGE,))
    assert (info.state_count, info.indicator_count) == (2, 1)
    assert info.variables["h"].unit == "m"  # by its declared type
    assert info.variables["g"].causality == "parameter"
    assert info.dependencies == {"h": frozenset()}
    assert tk.fmi.info(lag).dependencies == {"y": {"u"}}
    assert tk.fmi.check(ball) == tk.fmi.check(lag) == []
    assert "FMI 1.0, model exchange" in str(info)


@pytest.mark.parametrize("isolate", [False, True])
def test_the_lag_is_exact(lag, isolate):
    with tk.fmi.open(lag, isolate=isolate) as fmu:
        assert fmu.reset({"tau": 0.5, "gain": 2.0, "name": "grün"}) == {"y": 0.0, "count": 0}
        assert fmu.step(1.0, {"u": 3.0, "on": True})["y"] == pytest.approx(6 * (1 - math.exp(-2)), rel=1e-15)
        assert fmu.step(1.0, {"on": False})["y"] == pytest.approx(6 * (1 - math.exp(-2)) * math.exp(-2), rel=1e-14)
        assert fmu.get("name", "on", "count") == {"name": "grün", "on": False, "count": 2}
        assert fmu.reset() == {"y": 0.0, "count": 0}  # nothing of the last run is left
        assert fmu.get("tau") == {"tau": 2.0}


@pytest.mark.parametrize("step", [0.05, 1.0])
def test_the_ball_bounces_when_it_hits_the_floor(ball, step):
    """It falls from 1 m, hits the floor at sqrt(2 / g) and leaves it with 0.7 of its speed."""
    run = tk.fmi.simulate(ball, 0.8, step=0.8 if step == 1.0 else step)
    assert run.success
    hit = math.sqrt(2 / 9.81)
    after = 0.8 - hit
    assert run.traces["bounces"].data[-1] == 1
    assert run.traces["h"].data[-1] == pytest.approx(0.7 * 9.81 * hit * after - 9.81 * after**2 / 2, abs=1e-8)


def test_time_events_and_inputs_of_the_ball(ball):
    with tk.fmi.open(ball) as fmu:
        fmu.reset({"kick": 0.1})
        after = fmu.step(0.2)
        assert after["h"] == pytest.approx(falls(0.2) + 0.1, abs=1e-9)
        assert fmu.get("depth")["depth"] == -after["h"]  # a negated alias
        fmu.reset({"depth": -2.0, "push": 9.81})
        assert fmu.step(0.3)["h"] == pytest.approx(2.0, abs=1e-12)
        assert fmu.step(0.1, {"on": False})["h"] == pytest.approx(2.0 - 9.81 * 0.01 / 2, abs=1e-9)


def test_fmpy_gives_the_same(ball, lag):
    fmpy = pytest.importorskip("fmpy")
    options = {"start_time": 0.0, "output_interval": 0.01, "record_events": False}
    theirs = fmpy.simulate_fmu(str(ball), stop_time=1.0, relative_tolerance=1e-12, start_values={"e": 0.5}, **options)
    ours = tk.fmi.simulate(ball, 1.0, step=0.01, start={"e": 0.5})
    assert np.abs(theirs["h"] - ours.traces["h"].data).max() < 1e-9
    np.testing.assert_array_equal(theirs["bounces"], ours.traces["bounces"].data)
    signals = np.array([(0.0, 2.0)], dtype=[("time", float), ("u", float)])
    theirs = fmpy.simulate_fmu(str(lag), stop_time=1.0, input=signals, start_values={"tau": 0.3}, **options)
    ours = tk.fmi.simulate(lag, 1.0, step=0.01, start={"tau": 0.3}, inputs={"u": 2.0})
    np.testing.assert_allclose(theirs["y"], ours.traces["y"].data, rtol=1e-13)


@pytest.mark.parametrize(
    ("trick", "words"), [(4, "lag1_fmiDoStep returned error"), (5, r"part of the step, up to 0\.25")]
)
def test_a_bad_status_is_an_error(lag, trick, words):
    with tk.fmi.open(lag) as fmu:
        fmu.reset({"trick": trick})
        with pytest.raises(tk.core.StepError, match=words):
            fmu.step(0.5)


def test_a_warning_is_none(lag):
    """FMPy declares the status as a text: unless that is put right, reading it is a crash."""
    with tk.fmi.open(lag) as fmu:
        fmu.reset({"trick": 3})
        assert fmu.step(0.5)["count"] == 1


def test_what_it_says_is_in_the_error(ball, lag):
    with tk.fmi.open(ball) as fmu, pytest.raises(tk.core.StepError, match="the ball is broken"):
        fmu.reset({"name": "broken"})
    with tk.fmi.open(lag) as fmu, pytest.raises(tk.core.StepError, match="InitializeSlave returned error"):
        fmu.reset({"trick": 9})


def test_what_fmi_1_does_not_have_is_said(ball, lag):
    with tk.fmi.open(lag) as fmu:
        fmu.reset()
        for ask in (fmu.state, fmu.serialize, lambda: fmu.derivatives(("y",), ("u",))):
            with pytest.raises(tk.fmi.UnsupportedFMUError, match="cannot"):
                ask()
        with pytest.raises(tk.InvalidValueError, match="calculated"):
            fmu.set({"y": 1.0})  # it has no start value
    with pytest.raises(tk.fmi.UnsupportedFMUError, match="event mode"):
        tk.fmi.open(lag, event_mode=True)


def test_they_are_components(ball, lag):
    fmu = tk.FMU(lag)
    assert isinstance(fmu, Binds)
    assert isinstance(fmu, FeedsThrough)
    assert not isinstance(fmu, RollsBack | Differentiates)
    assert fmu.feedthrough() == {"y": {"u"}, "count": frozenset()}
    fmu.initialize(0.0, {})
    slow = fmu.step(0.0, 0.5, {"u": 2.0})
    inputs, outputs = np.array([2.0, 1.0]), np.zeros(2)
    fmu.initialize(0.0, {})
    fmu.bind(inputs, outputs)(0.0, 0.5)
    assert outputs.tolist() == list(slow.values())
    inputs[1] = 2.0  # a boolean
    with pytest.raises(tk.InvalidValueError, match="whole numbers within"):
        fmu.bind(inputs, outputs)(0.5, 0.5)
    fmu.close()
    graph = tk.Graph()
    one, two = graph.add("ball", tk.FMU(ball)), graph.add("lag", tk.FMU(lag, {"tau": 0.1}))
    graph.connect(one.out["bounces"], two.inp["u"])
    end = tk.simulate(graph, until=1.0, master=tk.graph.GaussSeidel(0.01))
    bounces = np.flatnonzero(np.diff(end.trace("ball.bounces").data)) * 0.01
    assert bounces[0] == pytest.approx(math.sqrt(2 / 9.81), abs=0.02)
    first = 1 - math.exp(-(0.9 - bounces[0]) / 0.1)
    assert np.interp(0.9, end.time, end.trace("lag.y").data) == pytest.approx(first, abs=0.01)
