"""A Gaussian process of tables behind scikit-learn's interface."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from twinkit.hybrid.gaussian_process import fit_gaussian_process
from twinkit.hybrid.terms import Kernel


class GaussianProcessRegressor(RegressorMixin, BaseEstimator):
    """Gaussian process trained by GPyTorch (extra ``hybrid``), for pipelines and cross-validation of scikit-learn.

    Parameters
    ----------
    kernel
        Correlation function; None: `Kernel.MATERN52`.
    inducing
        Number of inducing points; None: exact.
    iterations
        Steps of the optimiser.
    random_state
        Seed.

    Attributes
    ----------
    processes_
        One `GaussianProcess` in closed form per output.
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        inducing: int | None = None,
        iterations: int = 150,
        random_state: int = 0,
    ) -> None:
        self.kernel = kernel
        self.inducing = inducing
        self.iterations = iterations
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Train on inputs ``(rows, inputs)`` and outputs ``(rows,)`` or ``(rows, outputs)``."""
        x, columns = validate_data(self, X, y, multi_output=True, y_numeric=True, ensure_min_samples=2)
        self.processes_ = fit_gaussian_process(
            x, columns, kernel=self.kernel or Kernel.MATERN52, inducing=self.inducing, iterations=self.iterations,
            random_state=self.random_state, progress=False,
        )  # fmt: skip
        self._single = np.ndim(columns) == 1
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the mean, and with `return_std` the standard deviation of the function beside it."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False)
        parts = [process.predict(x) for process in self.processes_]
        mean = np.column_stack([part[0] for part in parts])
        std = np.sqrt(np.maximum(np.column_stack([part[1] for part in parts]), 0.0))
        if self._single:
            mean, std = mean[:, 0], std[:, 0]
        return (mean, std) if return_std else mean
