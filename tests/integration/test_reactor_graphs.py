"""Reactors and equipment joined by material streams: the graph is the flattened model."""

from itertools import pairwise

import numpy as np
import pytest

import twinkit as tk
from twinkit.unitops import (
    ContinuousStirredTankReactor,
    CoolingJacket,
    HeatExchanger,
    HoldVessel,
    MixingTank,
    PlugFlowReactor,
    WalledJacket,
)
from twinkit.unitops.reactions import SERIES_PARALLEL
from twinkit.unitops.reactor import Thermal

FEED = {"c_in": SERIES_PARALLEL.vector(A=0.33, B=0.33), "T_in": "40 degC"}


def component(model):
    """Return a component that needs no compilation."""
    return tk.simulate.ModelComponent(model, solver=tk.simulate.Cvodes())


def cascade(tanks):
    graph = tk.Graph()
    nodes = [
        graph.add(f"r{i}", component(ContinuousStirredTankReactor(V=30.0 / tanks, T=40.0, **FEED)))
        for i in range(tanks)
    ]
    for before, after in pairwise(nodes):
        assert len(graph.connect(before.out["outlet"], after.inp["inlet"])) == 3
    return graph


def test_a_cascade_is_its_flattened_model():
    graph = cascade(3)
    flat = tk.simulate(graph.flatten("Cascade"), until="2 h", outputs=[60.0, 120.0])
    joint = tk.simulate(graph, until="2 h", outputs=[60.0, 120.0], master=tk.graph.Midpoint("0.5 min"))
    for i in range(3):
        assert joint[f"r{i}.outlet.composition"].values[-1] == pytest.approx(flat[f"r{i}.c"].values[-1], abs=2e-6)


def test_a_flattened_cascade_is_saved_with_its_reactions():
    model = cascade(2).flatten("Cascade")
    assert type(model).from_json(model.to_json()) == model


def test_a_cascade_tends_to_plug_flow():
    exact = np.array([0.02233017, 0.11327927, 0.12577164, 0.0909491])  # /shared/reference/models.md, section 5
    ends = [
        tk.simulate(cascade(n).flatten("Cascade"), until="10 h", outputs=2)[f"r{n - 1}.c"].values[-1]
        for n in (1, 4, 16)
    ]
    errors = [float(np.max(np.abs(end - exact))) for end in ends]
    assert errors[0] > 3.0 * errors[1] > 9.0 * errors[2]


def test_a_line_of_mixing_reaction_cooling_and_holding_runs_and_keeps_mass():
    graph = tk.Graph()
    mixer = graph.add(
        "mixer", component(MixingTank(n_components=4, c_a=[0.66, 0, 0, 0], c_b=[0, 0.66, 0, 0], F_a=0.5, F_b=0.5))
    )
    reactor = graph.add("reactor", component(PlugFlowReactor(n_cells=5, thermal=Thermal.ADIABATIC)))
    hold = graph.add("hold", component(HoldVessel(n_components=4, V=1.0)))
    graph.connect(mixer.out["outlet"], reactor.inp["inlet"])
    graph.connect(reactor.out["outlet"], hold.inp["inlet"])
    run = tk.simulate(graph.flatten("Line"), until="2 h", outputs=2)
    assert run["hold.V"].values[-1] == pytest.approx(121.0, rel=1e-6)
    for weights in SERIES_PARALLEL.invariants.values():
        w = np.array(weights)
        held = 10.0 * (0.7 * run["mixer.c_first"].values[-1] + 0.3 * run["mixer.c_second"].values[-1]) @ w
        held += 30.0 / 5 * run["reactor.c"].values[-1].reshape(4, 5).sum(axis=1) @ w
        held += (run["hold.V"].values[-1] * run["hold.c"].values[-1]) @ w
        fed = 120.0 * 0.5 * (0.66 * w[0] + 0.66 * w[1])
        assert held == pytest.approx(fed, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("jacket", [CoolingJacket(UA=21.6), WalledJacket()], ids=["plain", "walled"])
def test_a_dynamic_jacket_is_joined_to_a_reactor(jacket):
    """The heat that one gives is the heat that the other takes, and the reactor cools."""
    graph = tk.Graph()
    walled = isinstance(jacket, WalledJacket)
    vessel = graph.add("vessel", component(ContinuousStirredTankReactor(
        thermal=Thermal.JACKET, UA=43.2 if walled else 21.6, T=60.0, F=0.0)))  # fmt: skip
    cooler = graph.add("cooler", component(jacket.with_(F=5.0)))
    graph.connect(vessel.out["T_vessel"], cooler.inp["T_vessel"])
    graph.connect(cooler.out["T_wall" if walled else "T"], vessel.inp["T_jacket"])
    flat = tk.simulate(graph.flatten("Cooled"), until="1 h", rtol=1e-9)
    assert flat["vessel.duty"].values == pytest.approx(-flat["cooler.heat"].values, abs=1e-6)
    assert flat["vessel.T"].values[-1] < 20.0
    # The wall follows within a minute: the graph's steps are a tenth of that.
    joint = tk.simulate(graph, until="1 h", master=tk.graph.Midpoint("0.1 min"))
    assert joint["vessel.T_vessel"].values[-1] == pytest.approx(flat["vessel.T"].values[-1], abs=0.02)


def test_a_field_of_a_stream_is_not_connected_by_itself():
    graph = tk.Graph()
    reactor, jacket = graph.add("reactor", ContinuousStirredTankReactor()), graph.add("jacket", CoolingJacket())
    with pytest.raises(tk.TwinkitError, match="stream"):
        graph.connect(reactor.out["outlet.temperature"], jacket.inp["T_vessel"])


def test_streams_of_other_lengths_are_refused():
    graph = tk.Graph()
    reactor = graph.add("reactor", ContinuousStirredTankReactor())
    with pytest.raises(tk.ShapeError, match="length 4"):
        graph.connect(reactor.out["outlet"], graph.add("hold", HoldVessel(n_components=3)).inp["inlet"])
    with pytest.raises(tk.TwinkitError, match="same fields"):
        graph.connect(reactor.out["outlet"], graph.add("cooler", HeatExchanger()).inp["hot_inlet"])
