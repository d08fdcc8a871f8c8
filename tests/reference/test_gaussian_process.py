"""Gaussian processes in closed form against GPyTorch (1e-8), in every reading, and what training refuses."""

import importlib.util
import sys

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.expression import Recorder, symbol
from twinkit.hybrid import GaussianProcess, Kernel, fit_gaussian_process
from twinkit.readings.casadi import CASADI

TORCH = importlib.util.find_spec("gpytorch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="torch and gpytorch (extra hybrid) are not installed")


def table(rows=60, seed=0):
    random = np.random.default_rng(seed)
    x = random.uniform(0, 1, (rows, 3)) * [1.0, 10.0, 100.0]
    y = np.column_stack([np.sin(3 * x[:, 0]) + x[:, 1] / 10, np.cos(x[:, 2] / 20)])
    return x, y + 0.05 * random.standard_normal(y.shape)


def process(kernel=Kernel.MATERN52, count=12):
    random = np.random.default_rng(1)
    square = random.standard_normal((count, count)) / 50
    return GaussianProcess(
        kernel, random.uniform(0, 2, (count, 2)), np.array([0.8, 1.3]), 1.7, 0.4, random.standard_normal(count),
        square @ square.T, 0.01,
    )  # fmt: skip


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kernel", list(Kernel))
@pytest.mark.parametrize("inducing", [None, 15])
def test_mean_variance_and_slope_are_those_of_gpytorch(kernel, inducing):
    import gpytorch
    import torch

    from twinkit.hybrid.torch_training import _optimise, closed_form, standardised_process

    x, y = table()
    model, likelihood, tables = standardised_process(x, y, kernel, inducing, 0)
    _optimise(model, likelihood, 20, False)
    found = closed_form(model, likelihood, tables, kernel)
    model.eval()
    at = table(8, seed=5)[0]
    x_center, x_spread, y_center, y_spread, _ = tables
    rows = torch.as_tensor((at - x_center) / x_spread).requires_grad_()
    with gpytorch.settings.fast_computations(False, False, False):
        expected = model(rows.expand(2, -1, -1))
        slopes = [torch.autograd.grad(expected.mean[k].sum(), rows, retain_graph=True)[0].numpy() for k in range(2)]
    for k, each in enumerate(found):
        mean, variance = each.predict(at)
        assert mean == pytest.approx(expected.mean.detach().numpy()[k] * y_spread[k] + y_center[k], abs=1e-8)
        assert variance == pytest.approx(expected.variance.detach().numpy()[k] * y_spread[k] ** 2, abs=1e-8)
        made = np.array([each.casadi_function()(row)[2].full()[0] for row in at])
        assert made == pytest.approx(slopes[k] * y_spread[k] / x_spread, abs=1e-8)


@pytest.mark.parametrize("kernel", list(Kernel))
def test_every_reading_agrees(kernel):
    import jax
    import sympy as sp

    from twinkit.readings.jax import double_precision, jax_maths
    from twinkit.readings.sympy import SYMPY

    made, x = process(kernel), np.array([0.7, 1.1])
    mean, variance = made.predict(x)
    assert made.mean_and_variance(x) == (pytest.approx(mean[0], abs=1e-13), pytest.approx(variance[0], abs=1e-13))
    outputs = [part.full().ravel() for part in made.casadi_function()(x)]
    assert outputs[0] == pytest.approx(mean, abs=1e-13)
    assert outputs[1] == pytest.approx(variance, abs=1e-13)
    with double_precision():
        gradients = [jax.grad(lambda z, k=k: made.mean_and_variance(z, jax_maths())[k])(x) for k in range(2)]
    assert outputs[2] == pytest.approx(np.asarray(gradients[0]), abs=1e-11)
    assert outputs[3] == pytest.approx(np.asarray(gradients[1]), abs=1e-11)
    symbols = np.array(sp.symbols("a b"), dtype=object)
    shown = made.mean_and_variance(symbols, SYMPY)[1].subs(dict(zip(symbols, x, strict=True)))
    assert float(shown) == pytest.approx(variance[0], abs=1e-12)


def test_the_recorder_tells_processes_apart():
    from twinkit.core.expression import fingerprint

    x = symbol("x", 2)
    hashes = {fingerprint({"v": made.mean_and_variance(x, Recorder())[1]}) for made in (process(), process(Kernel.RBF))}
    assert len(hashes) == 2


def test_casadi_gives_the_same_symbolically():
    import casadi as ca

    x = ca.SX.sym("x", 2)
    function = ca.Function("f", [x], list(process().mean_and_variance(x, CASADI)))
    assert float(function([0.3, 0.4])[1]) == pytest.approx(process().predict([0.3, 0.4])[1][0], abs=1e-13)


def test_files(tmp_path):
    made = process()
    made.save(tmp_path / "gp.npz")
    assert GaussianProcess.load(tmp_path / "gp.npz").content_hash == made.content_hash
    content = (tmp_path / "gp.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    for name in ("cut.npz", "none.npz"):
        with pytest.raises(tk.DataError):
            GaussianProcess.load(tmp_path / name)
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    with pytest.raises(tk.DataError, match="not a Gaussian process"):
        GaussianProcess.load(tmp_path / "other.npz")


def test_ten_thousand_rows_must_go_sparse():
    with pytest.raises(tk.InvalidValueError, match="inducing=200"):
        fit_gaussian_process(np.zeros((10_000, 2)), np.zeros(10_000))


@pytest.mark.parametrize(
    ("x", "y", "error"),
    [
        (np.zeros((3, 2)), np.zeros(4), tk.ShapeError),
        (np.zeros((1, 2)), np.zeros(1), tk.InvalidValueError),
        ([[0.0], [np.nan], [1.0]], np.zeros(3), tk.InvalidValueError),
    ],
)
def test_bad_tables(x, y, error):
    with pytest.raises(error):
        fit_gaussian_process(x, y, progress=False)


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_a_constant_input_or_output_does_no_harm():
    x, y = table(20)
    x[:, 1] = 4.0
    y[:, 1] = 2.5
    made = fit_gaussian_process(x, y, iterations=10, progress=False)
    assert made[1].predict(x)[0] == pytest.approx(np.full(20, 2.5), abs=0.05)
    assert np.all(np.isfinite(made[0].predict(x)[1]))


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "gpytorch", None)
    x, y = table(10)
    with pytest.raises(tk.MissingDependencyError, match="hybrid"):
        fit_gaussian_process(x, y, progress=False)


def test_arrays_must_fit_together():
    with pytest.raises(tk.ShapeError, match="weights"):
        GaussianProcess(Kernel.RBF, np.zeros((3, 1)), np.ones(1), 1.0, 0.0, np.zeros(2), np.zeros((3, 3)), 0.1)


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_the_regressor_keeps_the_contract_of_scikit_learn():
    from sklearn.utils.estimator_checks import check_estimator

    from twinkit.hybrid import GaussianProcessRegressor

    found = check_estimator(GaussianProcessRegressor(iterations=20), on_fail=None)
    assert [each["check_name"] for each in found if each["status"] == "failed"] == []


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_training_reaches_the_optimum():
    """Noise-free data of a smooth function: noise is found to be small, and errors too."""
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    (made,) = fit_gaussian_process(x[:48], np.sin(2 * x[:48, 0]) * x[:48, 1], progress=False)
    assert made.noise < 1e-3
    assert np.abs(made.predict(x[48:])[0] - np.sin(2 * x[48:, 0]) * x[48:, 1]).max() < 0.02
