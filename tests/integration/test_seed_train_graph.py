"""A seed train as a graph of vessels is the seed train as one model, but for the time that transfers take."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import twinkit as tk
from twinkit.unitops import SeedTrain

EXAMPLE = Path(__file__).parents[2] / "examples" / "seed_train_graph.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("seed_train_graph", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def one():
    return tk.simulate(SeedTrain(n_stages=4), until="30 d")


@pytest.mark.parametrize(("transfer", "tolerance"), [("6 min", 5e-3), ("36 s", 5e-4), ("0.36 s", 2e-5)])
def test_a_graph_of_vessels_is_the_train_when_transfers_are_short(example, one, transfer, tolerance):
    run = tk.simulate(example.train(transfer).flatten("Train"), until="30 d", rtol=1e-9)
    assert [happened.name.partition(".")[2] for happened in run.occurrences] == ["transfer", "empty"] * 3 + ["ready"]
    times = [happened.time for happened in run.occurrences if not happened.name.endswith("empty")]
    np.testing.assert_allclose(times, [happened.time for happened in one.occurrences], rtol=tolerance)
    for name in ("X", "V", "cells"):
        assert run[f"vessel4.{name}"].values[-1] == pytest.approx(one[name].values[-1], rel=tolerance), name
    assert run["vessel4.S"].values[-1] == pytest.approx(one["S"].values[-1], abs=30.0 * tolerance)


def test_nothing_is_lost_between_vessels(example):
    run = tk.simulate(example.train().flatten("Train"), until="30 d", rtol=1e-9)

    def held(weights):
        return sum(weights(f"vessel{stage}.") for stage in range(1, 5))

    volumes = held(lambda at: run[f"{at}V"].values)
    np.testing.assert_allclose(volumes, 0.2 * 6.0**3, rtol=1e-9)
    matter = held(lambda at: (run[f"{at}X"].values + 0.25 * run[f"{at}S"].values) * run[f"{at}V"].values)
    np.testing.assert_allclose(matter, matter[0], rtol=1e-7)


def test_the_graph_runs_as_components_too(example, one):
    run = tk.simulate(example.train("1 h"), until="30 d", master=tk.graph.Midpoint("0.1 h"))
    flat = tk.simulate(example.train("1 h").flatten("Train"), until="30 d")
    assert run.time[-1] == pytest.approx(flat.time[-1], abs=0.5)
    assert run["vessel4.X"].values[-1] == pytest.approx(3.0, rel=1e-2)
    assert run.time[-1] == pytest.approx(one.time[-1], rel=2e-2)
