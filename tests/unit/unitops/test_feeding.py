"""Feeding strategies, bolus feeds and samples: what flows, what is mixed in, what is taken away."""

import numpy as np
import pytest

import twinkit as tk
from twinkit import unitops
from twinkit.core.evaluate import evaluate_balances
from twinkit.readings.numeric import NUMERIC
from twinkit.unitops import DOStatFeed, EColiOverflow, feeding
from twinkit.unitops._dosed_vessel import DosedVessel

DOSED = [name for name in unitops.__all__ if issubclass(getattr(unitops, name), DosedVessel)]
# A density of 4 g/L in 2 L, 0.45 g/g of 300 g/L: 0.2 * 4 * 2 / (0.45 * 300) = 0.011852 L/h at first.
EXPONENTIAL = {"growth_rate": 0.2, "biomass": 4.0, "volume": 2.0, "biomass_yield": 0.45, "feed": 300.0}


def rows_around(run, name):
    """Return pairs of rows, just before and just after each happening of that name."""
    at = [int(np.searchsorted(run.time, one.time)) for one in run.occurrences if one.name == name]
    assert at
    assert all(run.time[i] == run.time[i + 1] for i in at)
    return [(i, i + 1) for i in at]


def balances(model, run, row, **inputs):
    """Return the declared balances at a row of a run."""
    names = {**model.values(), **{e.name: run.trace(e.name).data[row] for e in model.layout.states}, **inputs}
    outputs = {e.name: run.trace(e.name).data[row] for e in model.layout.outputs}
    return evaluate_balances(model, {"t": run.time[row], **names, **outputs}, NUMERIC)


@pytest.mark.parametrize("name", DOSED)
@pytest.mark.parametrize("solver", [tk.Cvodes(), tk.Compiled()], ids=["Cvodes", "Compiled"])
def test_a_bolus_brings_what_the_feed_holds_and_nothing_else(name, solver):
    model = getattr(unitops, name)(bolus_every=7, sample_every=5)
    run = tk.simulate(model, "15 h", solver=solver)
    assert run.success
    assert model.conserved
    for before, after in rows_around(run, "bolus"):
        assert run["V"].values[after] - run["V"].values[before] == pytest.approx(model.bolus, rel=1e-9)
        for key in model.conserved:
            # The declared inflow grows by what a litre per hour of feed brings: a litre of it brings as much at once.
            with_feed, without = (balances(model, run, before, F=flow)[key].inflow for flow in (1.0, 0.0))
            amounts = [balances(model, run, row)[key].amount for row in (before, after)]
            brought = float(np.asarray(with_feed) - np.asarray(without)) * model.bolus
            assert float(amounts[1] - amounts[0]) == pytest.approx(brought, rel=1e-9), key


@pytest.mark.parametrize("name", DOSED)
def test_a_sample_takes_liquid_and_leaves_its_composition(name):
    model = getattr(unitops, name)(sample_every=5)
    run = tk.simulate(model, "11 h")
    for before, after in rows_around(run, "sample"):
        assert run["V"].values[before] - run["V"].values[after] == pytest.approx(model.sample, rel=1e-9)
        for entry in model.layout.states:
            if entry.name != "V":
                assert run[entry.name].values[after] == run[entry.name].values[before]


@pytest.mark.parametrize("name", DOSED)
def test_every_vessel_is_thinned_by_a_bolus_without_feed_in_it(name):
    """What is dissolved stays: concentrations fall as the volume rises."""
    model = getattr(unitops, name)(bolus_every=2, bolus=0.5)
    run = tk.simulate(model, "3 h")
    ((before, after),) = rows_around(run, "bolus")
    cells = "Xv" if "Xv" in model.declared else "X"
    held = [run[cells].values[row] * run["V"].values[row] for row in (before, after)]
    assert held[1] == pytest.approx(held[0], rel=1e-12)


def test_nothing_happens_unless_it_is_asked_for():
    for name in DOSED:
        assert not getattr(unitops, name)().structure.schedules


def test_a_vessel_that_has_been_emptied_is_not_filled_by_a_sample():
    run = tk.simulate(EColiOverflow(V=1e-6, sample_every=1), "2.5 h", inputs={"kLa": 0.0})
    assert float(run["V"][-1]) == pytest.approx(1e-6, rel=1e-12)


# -- strategies ------------------------------------------------------------------------------------------------
def test_an_exponential_feed_brings_the_volume_of_the_curve():
    points = feeding.exponential_points(**EXPONENTIAL, start=6.0, stop=12.0, every=0.25)
    run = tk.simulate(EColiOverflow(), "14 h", inputs={"F": tk.steps(points)})
    curve = 0.2 * 4.0 * 2.0 / (0.45 * 300.0) * (np.exp(0.2 * 6.0) - 1.0) / 0.2
    assert float(run["V"][-1]) - 2.0 == pytest.approx(curve, rel=1e-9)
    assert points[0.0] == points[12.0] == 0.0
    assert len(points) == 26


def test_a_pump_gives_no_more_than_it_can():
    points = feeding.exponential_points(**EXPONENTIAL, start=0.0, stop=20.0, every=1.0, limit=0.03)
    assert max(points.values()) == 0.03
    assert min(flow for time, flow in points.items() if time < 20.0) > 0.0


def test_a_last_stretch_is_shorter_where_times_do_not_fit():
    points = feeding.exponential_points(**EXPONENTIAL, start=1.0, stop=2.7, every=0.5)
    assert list(points) == [0.0, 1.0, 1.5, 2.0, 2.5, 2.7]
    volume = sum(f * (b - a) for (a, f), b in zip(points.items(), list(points)[1:], strict=False))
    assert volume == pytest.approx(0.8 * 2.0 / 135.0 * (np.exp(0.2 * 1.7) - 1.0) / 0.2, rel=1e-12)


def test_pulses_bring_their_volume_in_a_run_and_in_a_graph():
    points = feeding.pulse_points(volume=0.01, duration=0.1, every=2.0, start=1.0, stop=5.0)
    run = tk.simulate(EColiOverflow(), "6 h", inputs={"F": tk.steps(points)})
    assert float(run["V"][-1]) == pytest.approx(2.02, rel=1e-9)
    graph = tk.Graph()
    graph.add("vessel", tk.simulate.ModelComponent(EColiOverflow(), solver=tk.Cvodes()))
    joint = tk.simulate(
        graph, "6 h", inputs={"vessel.F": tk.steps(points)}, master=tk.graph.Jacobi("0.1 h")
    )  # fmt: skip
    assert joint["vessel.V"].values[-1] == pytest.approx(2.02, rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"growth_rate": 0.0}, "growth_rate"), ({"biomass": float("nan")}, "biomass"), ({"feed": -1.0}, "feed"),
        ({"every": 0.0}, "every"), ({"stop": 5.0}, "stops"), ({"start": -1.0}, "starts"), ({"limit": 0.0}, "limit"),
        ({"growth_rate": "fast"}, "growth_rate"), ({"stop": 1e5, "every": 10.0}, "limit the time"),
        ({"every": 1e-9}, "points"), ({"stop": float("inf")}, "stop"), ({"limit": float("nan")}, "limit"),
    ],
)  # fmt: skip
def test_a_feed_that_makes_no_sense_is_refused(changes, words):
    with pytest.raises(tk.InvalidValueError, match=words):
        feeding.exponential_points(**{**EXPONENTIAL, "start": 6.0, "stop": 12.0, "every": 0.5, **changes})


def test_pulses_that_overlap_are_refused():
    with pytest.raises(tk.InvalidValueError, match="before the next one"):
        feeding.pulse_points(volume=0.01, duration=2.0, every=2.0, start=0.0, stop=5.0)


# -- on demand -------------------------------------------------------------------------------------------------
def do_stat():
    graph = tk.Graph()
    vessel = graph.add("vessel", tk.simulate.ModelComponent(EColiOverflow(), solver=tk.Cvodes()))
    pump = graph.add("pump", tk.simulate.ModelComponent(DOStatFeed(pulse="5 mL"), solver=tk.Cvodes()))
    graph.connect(pump.out["F"], vessel.inp["F"])
    graph.connect(vessel.out["DOT"], pump.inp["DOT"])
    return graph


def test_a_do_stat_waits_for_hunger_and_feeds_what_it_says():
    run = tk.simulate(do_stat().flatten("DOStat"), "14 h")
    begins = [one.time for one in run.occurrences if one.name == "pump.pulse begins"]
    ends = [one.time for one in run.occurrences if one.name == "pump.pulse ends"]
    assert len(begins) >= 10
    np.testing.assert_allclose(np.array(ends) - begins[: len(ends)], 0.05, rtol=1e-6)
    assert run["vessel.V"].values[-1] - 2.0 == pytest.approx(run["pump.fed"].values[-1], rel=1e-9)
    # Not before the glucose of the batch is all but gone.
    first = int(np.searchsorted(run.time, begins[0]))
    assert run["vessel.S"].values[first] < 0.05 * run["vessel.S"].values[0]
    assert np.all(np.diff(begins) > 0.15)


def test_a_do_stat_pauses_while_the_tension_stays_high():
    run = tk.simulate(DOStatFeed(pause=1.0, rested=0.0), "3.5 h", inputs={"DOT": 95.0})
    assert [one.time for one in run.occurrences if one.name == "pulse begins"] == pytest.approx([1.0, 2.05, 3.1])
    full = tk.simulate(DOStatFeed(pause=1.0, rested=0.0), "3.5 h", inputs={"DOT": 40.0})
    assert not full.occurrences
