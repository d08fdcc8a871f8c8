"""Gaussian processes trained on tables of inputs and outputs, and what is left of them to run: closed form.

Training uses GPyTorch (extra ``hybrid``). A trained process is its kernel, its points and two arrays; it runs without.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import DataError, InvalidValueError, MissingDependencyError, ShapeError
from twinkit.core.files import write_atomically
from twinkit.core.identity import digest
from twinkit.core.maths import Maths
from twinkit.hybrid.terms import Kernel, squared_distances
from twinkit.readings.numeric import NUMERIC

Array = npt.NDArray[np.float64]
_FORMAT = "twinkit-gaussian-process/1"
MOST_EXACT = 2000
"""Rows beyond which a process must be sparse: exact training takes memory as their square, time as their cube."""


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """A trained Gaussian process in closed form, evaluated in any mathematics.

    ``mean = level + weights . k(x)``; ``variance = amplitude - k(x)^T loss k(x)``, where ``k(x)`` is the kernel of `x`
    and the points (Rasmussen & Williams 2006, equations 2.25 and 2.26). The variance is of the function, without noise.

    Attributes
    ----------
    kernel
        Correlation function.
    points
        Training or inducing points, ``(n, inputs)``.
    lengths
        Kernel lengths, ``(inputs,)``.
    amplitude
        Prior variance.
    level
        Prior mean.
    weights
        ``(n,)``.
    loss
        Symmetric matrix ``(n, n)``: how much of the variance the data took away.
    noise
        Variance of the observations.
    made_from
        What it was trained on.
    """

    kernel: Kernel
    points: Array
    lengths: Array
    amplitude: float
    level: float
    weights: Array
    loss: Array
    noise: float
    made_from: str = ""

    def __post_init__(self) -> None:
        n, inputs = np.shape(self.points)
        shapes = {"lengths": (inputs,), "weights": (n,), "loss": (n, n)}
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise ShapeError(f"{name} must have shape {shape}, not {np.shape(getattr(self, name))}")
        for name in ("points", *shapes):
            array = np.array(getattr(self, name), dtype=np.float64)
            if not np.all(np.isfinite(array)):
                raise InvalidValueError(f"{name} of a Gaussian process must be finite")
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def correlations(self, x: Any, m: Maths = NUMERIC) -> Any:
        """Return the kernel between one input and the points, times the amplitude."""
        columns = [m.concatenate([float(value) for value in column]) for column in self.points.T]
        r2 = squared_distances([x[i] for i in range(len(columns))], columns, self.lengths.tolist())
        return self.amplitude * self.kernel.of_squared_distance(r2, m)

    def mean(self, x: Any, m: Maths = NUMERIC) -> Any:
        """Return the mean at one input ``(inputs,)``, in the mathematics `m`."""
        return self.level + m.sum(m.matvec(self.weights[None, :], self.correlations(x, m)))

    def mean_and_variance(self, x: Any, m: Maths = NUMERIC) -> tuple[Any, Any]:
        """Return mean and variance of the function at one input, in the mathematics `m`."""
        k = self.correlations(x, m)
        mean = self.level + m.sum(m.matvec(self.weights[None, :], k))
        return mean, self.amplitude - m.dot(k, m.matvec(self.loss, k))

    def predict(self, x: Any) -> tuple[Array, Array]:
        """Return mean and variance at many inputs ``(n, inputs)``, with NumPy."""
        rows = np.atleast_2d(np.asarray(x, dtype=np.float64))
        if rows.shape[1] != len(self.lengths):
            raise ShapeError(f"this process has {len(self.lengths)} inputs; the rows given have {rows.shape[1]}")
        r2 = squared_distances(rows.T[:, :, None], self.points.T[:, None, :], self.lengths)
        k = self.amplitude * self.kernel.of_squared_distance(r2, NUMERIC)
        return self.level + k @ self.weights, self.amplitude - np.einsum("ni,ij,nj->n", k, self.loss, k)

    def casadi_function(self) -> Any:
        """Return a CasADi function ``x -> (mean, variance, d mean/dx, d variance/dx)``.

        The matrix is multiplied once for value and slope; CasADi's own derivative would do it again.
        """
        import casadi as ca

        from twinkit.readings.casadi import CASADI, SYMBOLIC

        with SYMBOLIC:
            sx = ca.SX.sym("x", len(self.lengths))
            k = self.correlations(sx, CASADI)
            kernel = ca.Function("kernel", [sx], [ca.densify(k), ca.densify(ca.jacobian(k, sx))])
            x = ca.MX.sym("x", len(self.lengths))
            values, slopes = kernel(x)
            product = ca.mtimes(ca.MX(ca.DM(self.loss)), values)
            weights = ca.MX(ca.DM(self.weights))
            return ca.Function(
                "gaussian_process", [x],
                [self.level + ca.dot(weights, values), self.amplitude - ca.dot(values, product),
                 ca.mtimes(weights.T, slopes), -2.0 * ca.mtimes(product.T, slopes)],
                ["x"], ["mean", "variance", "mean_slope", "variance_slope"],
            )  # fmt: skip

    # -- identity and files ------------------------------------------------------------------------------------
    def _plain(self) -> dict[str, Any]:
        return {"format": _FORMAT, "kernel": self.kernel.value, "amplitude": self.amplitude, "level": self.level,
                "noise": self.noise, "made_from": self.made_from}  # fmt: skip

    def _arrays(self) -> dict[str, Array]:
        return {"points": self.points, "lengths": self.lengths, "weights": self.weights, "loss": self.loss}

    @property
    def content_hash(self) -> str:
        """SHA-256 of everything in it."""
        return digest({**self._plain(), **self._arrays()})

    def save(self, path: Any) -> Any:
        """Write it to a ``.npz`` file: arrays, and a JSON text with the rest."""
        document = json.dumps({**self._plain(), "content_hash": self.content_hash})
        buffer = io.BytesIO()
        np.savez(buffer, document=np.frombuffer(document.encode(), dtype=np.uint8), **self._arrays())  # pyright: ignore[reportArgumentType]
        return write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Any) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is damaged, or is something else.
        """
        try:
            with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as file:
                document: Mapping[str, Any] = json.loads(bytes(file["document"]).decode())
                arrays = {name: file[name] for name in ("points", "lengths", "weights", "loss")}
            if document["format"] != _FORMAT:
                raise DataError(f"{path} holds {document['format']!r}; this twinkit reads {_FORMAT!r}")
            numbers = {name: float(document[name]) for name in ("amplitude", "level", "noise")}
            made = cls(Kernel(document["kernel"]), **numbers, **arrays, made_from=str(document["made_from"]))
        except FileNotFoundError:
            raise DataError(f"there is no file {path}") from None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path} is not a Gaussian process saved by twinkit, or is damaged ({error})") from None
        if made.content_hash != document["content_hash"]:
            raise DataError(f"{path} is damaged: its content does not match its hash")
        return made


def fit_gaussian_process(
    x: Any,
    y: Any,
    *,
    kernel: Kernel = Kernel.MATERN52,
    inducing: int | None = None,
    iterations: int = 150,
    random_state: int = 0,
    progress: bool = True,
) -> tuple[GaussianProcess, ...]:
    """Train Gaussian processes by GPyTorch in double precision, one per output, batched.

    Parameters
    ----------
    x
        Inputs ``(rows, inputs)``.
    y
        Outputs ``(rows,)`` or ``(rows, outputs)``.
    kernel
        Correlation function, with one length per input.
    inducing
        Number of inducing points (Titsias' variational bound); None: exact. More than 2000 rows need them.
    iterations
        Steps of the optimiser (Adam).
    random_state
        Seed (choice of inducing points).
    progress
        Whether progress is shown.

    Returns
    -------
    One closed-form process per output.

    Raises
    ------
    MissingDependencyError
        If torch or gpytorch is not installed (extra ``hybrid``).
    InvalidValueError, ShapeError
        For NaN, constant columns of zero rows, shapes that do not fit, or too many rows for an exact process.
    """
    rows, columns = _table(x, y)
    if inducing is None and len(rows) > MOST_EXACT:
        raise InvalidValueError(
            f"{len(rows)} rows are too many for an exact Gaussian process (limit {MOST_EXACT}): pass inducing=200 for "
            "a sparse one, or thin the data"
        )
    if inducing is not None and not 1 <= inducing <= len(rows):
        raise InvalidValueError(f"inducing must be between 1 and the number of rows ({len(rows)}), not {inducing!r}")
    from twinkit.hybrid.torch_training import trained_by_gpytorch

    return trained_by_gpytorch(rows, columns, kernel, inducing, iterations, random_state, progress)


def _table(x: Any, y: Any) -> tuple[Array, Array]:
    rows = np.asarray(x, dtype=np.float64)
    columns = np.asarray(y, dtype=np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    columns = columns[:, None] if columns.ndim == 1 else columns
    if rows.ndim != 2 or columns.ndim != 2 or len(rows) != len(columns) or not len(rows) or not rows.shape[1]:
        raise ShapeError(f"x is (rows, inputs) and y is (rows, outputs); got {rows.shape} and {columns.shape}")
    for name, table in (("x", rows), ("y", columns)):
        bad = np.flatnonzero(~np.all(np.isfinite(table), axis=1))
        if len(bad):
            raise InvalidValueError(f"{name} has NaN or infinite values in {len(bad)} rows (the first is row {bad[0]})")
    if len(rows) < 2:
        raise InvalidValueError("a Gaussian process needs at least 2 rows")
    return rows, columns


def missing_torch(error: ImportError) -> MissingDependencyError:
    """Return the error that names the extra."""
    package = "gpytorch" if "gpytorch" in str(error) else "torch"
    return MissingDependencyError.for_package(package, "hybrid", "Training a Gaussian process")
