"""An ensemble on a real Dask cluster gives the same bytes as in this process."""

import pytest
from scipy import stats

import twinkit as tk
from twinkit.unitops import CHOFedBatch

distributed = pytest.importorskip("distributed")

RECIPE = {"inputs": {"F": tk.steps({0: 0.0, 72: 0.8e-3})}, "outputs": 15, "progress": False}


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.parametrize("name", ["Cvodes", "Compiled"])
def test_a_cluster_gives_the_same_bytes(client, name):
    solver = getattr(tk, name)()
    samples = tk.draw(CHOFedBatch(), {"mu_max": stats.norm(0.039, 0.004)}, count=12, seed=5)
    here = tk.ensemble(CHOFedBatch(), samples, 150.0, solver=solver, **RECIPE)
    there = tk.ensemble(CHOFedBatch(), samples, 150.0, solver=solver, executor=client.get_executor(), **RECIPE)
    assert there.content_hash == here.content_hash
    assert not there.failures


def test_a_failed_member_comes_back_from_the_cluster(client):
    found = tk.ensemble(
        CHOFedBatch(), {"mu_max": [0.03, 0.04]}, 150.0, solver=tk.Compiled(max_steps=5),
        executor=client.get_executor(), **RECIPE,
    )  # fmt: skip
    assert sorted(found.failures) == [0, 1]
    assert "max_steps" in found.failures[0]
