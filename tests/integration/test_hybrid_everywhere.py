"""A fitted hybrid model is an ordinary model: it is exported, it is in an estimator, and it runs without torch."""

import subprocess
import sys

import numpy as np
import pytest
from tests.hybrid_examples import Growth, Truth, batches

import twinkit as tk
from twinkit.hybrid import GaussianProcess, HybridModel, InducingGP, Kernel, Residual


@pytest.fixture(scope="module")
def fitted():
    model = Residual(Growth(), on={"mu": ["X", "S"]}, gates={"mu": {"S": 0.1}}, terms=InducingGP(points=10))
    return HybridModel(model, parameters={"mu_max": 0.5}, rounds=2, progress=False).fit(batches(3))


def test_it_is_exported_as_an_fmu(fitted, tmp_path):
    from twinkit import fmi

    made = fmi.export(fitted.model_, tmp_path / "hybrid.fmu")
    assert fmi.check(made.path) == []
    exact = tk.simulate(fitted.model_, 10.0, outputs=6)
    found = fmi.simulate(made.path, 36_000.0, step=7_200.0, isolate=False)
    assert float(found["X"][-1]) == pytest.approx(float(exact["X"][-1]), rel=1e-3)


def test_it_is_in_an_extended_kalman_filter(fitted):
    """Only cells are measured: substrate is found better with the hybrid model than with its mechanism."""
    start = {"X": 0.4, "S": 12.0}
    plant = tk.simulate(Truth(), 12.0, initial=start, outputs=13)
    noise = 0.05 * np.random.default_rng(0).standard_normal(13)
    off = {}
    for name, model in {"hybrid": fitted.model_, "mechanism": Growth()}.items():
        twin = tk.EKF(
            model.with_(start), [tk.Sensor("X", std=0.05)], initial_std={"X": 0.02, "S": 0.1},
            process_noise={"X": 0.05, "S": 0.05},
        )  # fmt: skip
        for time, value in zip(plant.time[1:], plant["X"].data[1:] + noise[1:], strict=True):
            estimate = twin.update(tk.Measurement("X", float(value), "g/L", float(time)))
        off[name] = abs(estimate.mean["S"] - float(plant["S"][-1]))
    assert off["hybrid"] < 0.5 * off["mechanism"]


def test_running_needs_no_torch(fitted, tmp_path):
    fitted.save(tmp_path)
    code = (
        "import sys\n"
        "from tests.hybrid_examples import Growth, batches\n"
        "from twinkit.hybrid import HybridModel\n"
        f"model = HybridModel.load({str(tmp_path)!r}, Growth)\n"
        "print(model.forecast(batches(1), n=4)[0].median[-1, 0])\n"
        "assert not {'torch', 'gpytorch'} & set(sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert float(found.stdout) > 0


def test_three_hundred_points_are_fast_in_casadi():
    """Mean, variance and slopes; the target of 100 us is reported by benchmarks.hybrid_gp, here a loose bound."""
    from time import perf_counter

    random = np.random.default_rng(0)
    square = random.standard_normal((300, 300)) / 300
    process = GaussianProcess(
        Kernel.MATERN52, random.uniform(0, 1, (300, 3)), np.ones(3), 1.0, 0.0, random.standard_normal(300),
        square @ square.T, 0.01,
    )  # fmt: skip
    function = process.casadi_function()
    x = np.array([0.3, 0.5, 0.7])
    function(x)
    began = perf_counter()
    for _ in range(50):
        function(x)
    assert (perf_counter() - began) / 50 < 5e-3
