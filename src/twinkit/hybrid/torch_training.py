"""Training Gaussian processes with GPyTorch; the only file that imports torch."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.identity import digest
from twinkit.hybrid.gaussian_process import GaussianProcess, missing_torch
from twinkit.hybrid.learners import spread_of
from twinkit.hybrid.terms import Kernel

Array = npt.NDArray[np.float64]
_RATE = 0.1


def _torch() -> tuple[Any, Any]:
    try:
        gpytorch, torch = import_module("gpytorch"), import_module("torch")
    except ImportError as error:
        raise missing_torch(error) from None
    return torch, gpytorch


def trained_by_gpytorch(
    x: Array, y: Array, kernel: Kernel, inducing: int | None, iterations: int, seed: int, progress: bool
) -> tuple[GaussianProcess, ...]:
    """Train on standardised tables; see `fit_gaussian_process`."""
    process, likelihood, tables = standardised_process(x, y, kernel, inducing, seed)
    _optimise(process, likelihood, iterations, progress)
    return closed_form(process, likelihood, tables, kernel)


def standardised_process(x: Array, y: Array, kernel: Kernel, inducing: int | None, seed: int) -> tuple[Any, Any, Any]:
    """Return an untrained GPyTorch model batched over outputs, its likelihood, and how tables were standardised."""
    torch, gpytorch = _torch()
    x_center, x_spread = spread_of(x)
    y_center, y_spread = spread_of(y)
    outputs, inputs = y.shape[1], x.shape[1]
    batch = torch.Size([outputs])
    rows = torch.as_tensor((x - x_center) / x_spread, dtype=torch.float64).expand(outputs, -1, -1)
    targets = torch.as_tensor(((y - y_center) / y_spread).T.copy(), dtype=torch.float64)
    likelihood = gpytorch.likelihoods.GaussianLikelihood(
        batch_shape=batch, noise_constraint=gpytorch.constraints.GreaterThan(1e-6)
    ).double()

    class Process(gpytorch.models.ExactGP):
        def __init__(self) -> None:
            super().__init__(rows, targets, likelihood)
            self.mean_module = gpytorch.means.ConstantMean(batch_shape=batch)
            options = {"ard_num_dims": inputs, "batch_shape": batch}
            base = (
                gpytorch.kernels.RBFKernel(**options)
                if kernel is Kernel.RBF
                else gpytorch.kernels.MaternKernel(nu=2.5, **options)
            )
            self.covar_module: Any = gpytorch.kernels.ScaleKernel(base, batch_shape=batch)
            if inducing is not None:
                chosen = np.random.default_rng(seed).choice(len(x), inducing, replace=False)
                self.covar_module = gpytorch.kernels.InducingPointKernel(
                    self.covar_module, inducing_points=rows[:, chosen].clone(), likelihood=likelihood
                )

        def forward(self, z: Any) -> Any:
            return gpytorch.distributions.MultivariateNormal(self.mean_module(z), self.covar_module(z))

    return Process().double(), likelihood, (x_center, x_spread, y_center, y_spread, digest({"x": x, "y": y}))


def _optimise(process: Any, likelihood: Any, iterations: int, progress: bool) -> None:
    from tqdm.auto import tqdm

    torch, gpytorch = _torch()
    process.train()
    likelihood.train()
    marginal = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, process)
    # Adam, because a line search that fails on one output of the batch would stop all of them.
    optimiser = torch.optim.Adam(process.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations, eta_min=_RATE / 10)
    best, kept = np.inf, None
    for _ in tqdm(range(iterations), desc="training Gaussian process", unit="step", disable=not progress):
        optimiser.zero_grad()
        loss = -marginal(process(*process.train_inputs), process.train_targets).sum()
        if not bool(torch.isfinite(loss)):
            break
        if float(loss.detach()) < best:
            best = float(loss.detach())
            kept = {name: value.detach().clone() for name, value in process.state_dict().items()}
        loss.backward()
        optimiser.step()
        schedule.step()
    if kept is not None:
        process.load_state_dict(kept)


def closed_form(process: Any, likelihood: Any, tables: Any, kernel: Kernel) -> tuple[GaussianProcess, ...]:
    """Return the trained processes in closed form, in the units of the tables."""
    x_center, x_spread, y_center, y_spread, made_from = tables
    rows = process.train_inputs[0].detach().numpy()
    targets = process.train_targets.detach().numpy()
    sparse = hasattr(process.covar_module, "inducing_points")
    scaled = process.covar_module.base_kernel if sparse else process.covar_module
    found: list[GaussianProcess] = []
    for k in range(len(targets)):
        lengths = scaled.base_kernel.lengthscale.detach().numpy()[k, 0]
        amplitude = float(scaled.outputscale.detach()[k])
        noise = float(likelihood.noise.detach()[k, 0])
        level = float(process.mean_module.constant.detach()[k])
        points = process.covar_module.inducing_points.detach().numpy()[k] if sparse else rows[k]
        solve = _sparse if sparse else _exact
        weights, loss = solve(kernel, rows[k], targets[k] - level, points, lengths, amplitude, noise)
        scale = float(y_spread[k])
        found.append(
            GaussianProcess(
                kernel, x_center + x_spread * points, lengths * x_spread, amplitude * scale**2,
                level * scale + float(y_center[k]), weights / scale, loss / scale**2, noise * scale**2, made_from,
            )
        )  # fmt: skip
    return tuple(found)


def _gram(kernel: Kernel, a: Array, b: Array, lengths: Array, amplitude: float) -> Array:
    from twinkit.hybrid.terms import squared_distances
    from twinkit.readings.numeric import NUMERIC

    return amplitude * kernel.of_squared_distance(squared_distances(a.T[:, :, None], b.T[:, None, :], lengths), NUMERIC)


def _exact(
    kernel: Kernel, x: Array, y: Array, points: Array, lengths: Array, amplitude: float, noise: float
) -> tuple[Array, Array]:
    del points
    inverse = np.linalg.inv(np.linalg.cholesky(_gram(kernel, x, x, lengths, amplitude) + noise * np.eye(len(x))))
    loss = inverse.T @ inverse
    return loss @ y, loss


def _sparse(
    kernel: Kernel, x: Array, y: Array, points: Array, lengths: Array, amplitude: float, noise: float
) -> tuple[Array, Array]:
    """Return weights and loss of the posterior on inducing points, as GPyTorch predicts with it.

    Fully independent training conditional: Quinonero-Candela & Rasmussen (2005), JMLR 6:1939, equation 24.
    """
    gram = _gram(kernel, points, points, lengths, amplitude)
    try:
        root = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        root = np.linalg.cholesky(gram + 1e-8 * np.eye(len(points)))
    inverse = np.linalg.inv(root)
    features = inverse @ _gram(kernel, points, x, lengths, amplitude)
    own = noise + np.maximum(amplitude - np.sum(features**2, axis=0), 0.0)
    inner = np.linalg.inv(np.eye(len(points)) + (features / own) @ features.T)
    weights = inverse.T @ (inner @ (features @ (y / own)))
    return weights, inverse.T @ (np.eye(len(points)) - inner) @ inverse
