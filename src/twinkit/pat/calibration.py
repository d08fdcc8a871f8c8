"""Calibration from few spectra: a consensus of all calibrations that the training data cannot tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from twinkit.core import InvalidValueError, MissingDependencyError, ShapeError
from twinkit.pat.pretreatment import Array, Pretreatment

_MAD = 1.4826  # median absolute deviation to standard deviation, for a normal distribution


@dataclass(frozen=True)
class Candidate:
    """One calibration of the grid.

    Attributes
    ----------
    pretreatment, components
        What it is: a pretreatment, and the number of latent variables of the PLS regression.
    rmsecv
        Root mean squared error of repeated cross-validation, in the unit of the reference.
    standard_error
        Standard error of the mean *squared* error over the training samples.
    kept
        Whether it takes part in the consensus.
    """

    pretreatment: Pretreatment
    components: int
    rmsecv: float
    standard_error: float
    kept: bool = False


class ConsensusCalibration:
    """Median of all PLS calibrations that cross-validation cannot tell from the best one.

    A couple of dozen training spectra do not decide on range, derivative and number of latent variables: calibrations
    that are equal in cross-validation differ by several g/L on a new process stream. Picking one hides that; this
    class keeps all of them. The value is their median, and their disagreement is part of its uncertainty.

    *The rule* (fixed before any test datum is looked at; it uses the training data alone): repeated K-fold
    cross-validation of the whole grid; every candidate whose mean squared error is within one standard error of the
    best one's is kept (the one-standard-error rule of Breiman et al. 1984); the median of the kept ones is reported.

    Parameters
    ----------
    start, stops
        The range kept begins at `start` and ends at each of `stops`.
    derivatives
        Orders of the Savitzky-Golay derivative.
    window, order
        Its window and polynomial order.
    components
        Numbers of latent variables.
    folds, repeats, seed
        Cross-validation.
    tolerance
        None: the one-standard-error rule. A number: keep what is within this factor of the best RMSECV (1.1: 10 %).

    Attributes
    ----------
    candidates_
        Every calibration of the grid, best first, with `kept`.
    rmsecv_
        Median RMSECV of the kept ones.
    wavenumbers_
        Of the training spectra.
    weights_, offsets_
        The kept calibrations as one matrix and offsets: all steps are linear, so ``spectra @ weights_ + offsets_``
        is the same as running each pipeline, a thousand times faster.

    References
    ----------
    Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees, section 3.4.3;
    Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, 2nd ed., section 7.10

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> axis = np.linspace(950, 1550, 120)
    >>> y = rng.uniform(0, 40, 24)
    >>> spectra = y[:, None] * np.exp(-(((axis - 1080) / 30) ** 2)) + rng.normal(0, 0.2, (24, 120))
    >>> calibration = ConsensusCalibration(stops=(1300, 1550), components=range(1, 4), repeats=2).fit(spectra, y, axis)
    >>> bool(np.abs(calibration.predict(spectra) - y).max() < 2)
    True
    """

    def __init__(
        self,
        start: float = 950.0,
        stops: Sequence[float] = (1200.0, 1300.0, 1400.0, 1500.0, 1550.0),
        derivatives: Sequence[int] = (1,),
        window: int = 15,
        order: int = 2,
        components: Sequence[int] = range(2, 9),
        folds: int = 7,
        repeats: int = 10,
        tolerance: float | None = None,
        seed: int = 0,
    ) -> None:
        self.start = start
        self.stops = stops
        self.derivatives = derivatives
        self.window = window
        self.order = order
        self.components = components
        self.folds = folds
        self.repeats = repeats
        self.tolerance = tolerance
        self.seed = seed

    def fit(self, spectra: npt.ArrayLike, y: npt.ArrayLike, wavenumbers: npt.ArrayLike) -> Self:
        """Cross-validate the grid and fit the calibrations that are kept.

        Parameters
        ----------
        spectra
            Training spectra, one per row.
        y
            Reference values, one per spectrum.
        wavenumbers
            The wavelength axis, one value per column.

        Raises
        ------
        ShapeError
            If the three do not match.
        InvalidValueError
            If they contain NaN or infinity, there are fewer spectra than cross-validation needs, or the reference
            does not vary.
        MissingDependencyError
            If scikit-learn or chemotools is not installed.
        """
        x, target, axis = _training(spectra, y, wavenumbers, self.folds)
        most = max(self.components)
        tried: list[tuple[Candidate, Array]] = []
        for stop in self.stops:
            for derivative in self.derivatives:
                made = Pretreatment(self.start, stop, derivative, self.window, self.order)
                operator = made.matrix(axis)
                treated = x @ operator
                errors = self._cross_validate(treated, target, most)
                for count in self.components:
                    squared = np.mean(errors[count - 1] ** 2, axis=0)
                    spread = float(np.std(squared, ddof=1) / np.sqrt(len(target)))
                    tried.append((Candidate(made, count, float(np.sqrt(np.mean(squared))), spread), operator))
        self._keep(tried, x, target)
        self.wavenumbers_ = axis
        return self

    def _cross_validate(self, treated: Array, y: Array, most: int) -> Array:
        """Return errors of shape (components, repeats, samples) of repeated K-fold cross-validation."""
        from sklearn.model_selection import RepeatedKFold

        errors = np.zeros((most, self.repeats, len(y)))
        splits = RepeatedKFold(n_splits=self.folds, n_repeats=self.repeats, random_state=self.seed).split(treated)
        for number, (train, test) in enumerate(splits):
            coefficients, center, offset = _nested_pls(treated[train], y[train], most)
            predicted = (treated[test] - center) @ coefficients + offset
            errors[:, number // self.folds, test] = (predicted - y[test][:, None]).T
        return errors

    def _keep(self, tried: list[tuple[Candidate, Array]], x: Array, y: Array) -> None:
        tried.sort(key=lambda item: item[0].rmsecv)
        best = tried[0][0]
        limit = best.rmsecv**2 + best.standard_error if self.tolerance is None else (self.tolerance * best.rmsecv) ** 2
        columns: list[Array] = []
        offsets: list[float] = []
        self.candidates_: list[Candidate] = []
        for candidate, operator in tried:
            kept = candidate.rmsecv**2 <= limit
            self.candidates_.append(
                Candidate(
                    candidate.pretreatment, candidate.components, candidate.rmsecv, candidate.standard_error, kept
                )
            )
            if kept:
                coefficients, center, offset = _nested_pls(x @ operator, y, candidate.components)
                columns.append(operator @ coefficients[:, -1])
                offsets.append(float(offset - center @ coefficients[:, -1]))
        self.weights_ = np.column_stack(columns)
        self.offsets_ = np.array(offsets)
        self.rmsecv_ = float(np.median([candidate.rmsecv for candidate in self.candidates_ if candidate.kept]))
        self.operator_ = tried[0][1]

    def members(self, spectra: npt.ArrayLike) -> Array:
        """Return what every kept calibration says, of shape (spectra, calibrations)."""
        return self._checked(spectra) @ self.weights_ + self.offsets_

    def predict(self, spectra: npt.ArrayLike, return_std: bool = False) -> Any:
        """Return the consensus, and its systematic standard deviation where asked for.

        Parameters
        ----------
        spectra
            One or more spectra.
        return_std
            Also return the standard deviation: RMSECV and robust disagreement of the calibrations, added in squares.
            Both change slowly along a run; the noise from one spectrum to the next is not in it (`SoftSensor` measures
            that on the stream).

        Raises
        ------
        ShapeError
            If the number of wavelengths is not that of the training spectra.
        InvalidValueError
            If the calibration has not been fitted.
        """
        value, disagreement = self.consensus(spectra)
        return (value, np.hypot(self.rmsecv_, disagreement)) if return_std else value

    def consensus(self, spectra: npt.ArrayLike) -> tuple[Array, Array]:
        """Return the median of the kept calibrations and their robust standard deviation (their disagreement)."""
        said = self.members(spectra)
        value = np.median(said, axis=1)
        return value, _MAD * np.median(np.abs(said - value[:, None]), axis=1)

    def features(self, spectra: npt.ArrayLike) -> Array:
        """Return spectra after the pretreatment of the best calibration, where they are judged."""
        return self._checked(spectra) @ self.operator_

    def _checked(self, spectra: npt.ArrayLike) -> Array:
        if not hasattr(self, "weights_"):
            raise InvalidValueError("this calibration has not been fitted: call fit(spectra, y, wavenumbers) first")
        x = np.atleast_2d(np.asarray(spectra, dtype=np.float64))
        if x.shape[-1] != len(self.wavenumbers_):
            raise ShapeError(
                f"a spectrum has {x.shape[-1]} points, but the calibration was made with {len(self.wavenumbers_)} "
                f"({self.wavenumbers_[0]:g} to {self.wavenumbers_[-1]:g}): use the same instrument settings"
            )
        return x


def _nested_pls(x: Array, y: Array, most: int) -> tuple[Array, Array, float]:
    """Return coefficients for 1 ... `most` latent variables from one fit, the center of x, and the mean of y.

    The first k components of a PLS regression are the PLS regression with k components.
    """
    try:
        from sklearn.cross_decomposition import PLSRegression
    except ImportError:
        raise MissingDependencyError.for_package("scikit-learn", "pat", "Calibrating a spectrometer") from None
    fitted = PLSRegression(n_components=most, scale=False).fit(x, y)
    coefficients = np.cumsum(fitted.x_rotations_ * fitted.y_loadings_[0], axis=1)
    return coefficients, x.mean(axis=0), float(y.mean())


def _training(spectra: npt.ArrayLike, y: npt.ArrayLike, axis: npt.ArrayLike, folds: int) -> tuple[Array, Array, Array]:
    x = np.asarray(spectra, dtype=np.float64)
    target = np.asarray(y, dtype=np.float64)
    wavenumbers = np.asarray(axis, dtype=np.float64)
    if x.ndim != 2 or target.shape != x.shape[:1] or wavenumbers.shape != x.shape[1:]:
        raise ShapeError(
            f"training needs spectra (n, k), y (n,) and wavenumbers (k,); got {x.shape}, {target.shape} and "
            f"{wavenumbers.shape}"
        )
    for name, array in (("spectra", x), ("y", target), ("wavenumbers", wavenumbers)):
        if not np.all(np.isfinite(array)):
            raise InvalidValueError(f"the training {name} contain NaN or infinity: drop those samples first")
    if len(x) < 2 * folds:
        raise InvalidValueError(f"{len(x)} training spectra are too few for {folds}-fold cross-validation")
    if np.ptp(target) == 0:
        raise InvalidValueError("the reference does not vary: there is nothing to calibrate against")
    return x, target, wavenumbers
