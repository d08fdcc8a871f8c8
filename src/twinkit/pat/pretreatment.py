"""Pretreatments of spectra, as published, and as the matrices they amount to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core import InvalidValueError, MissingDependencyError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pretreatment:
    """Cut of the range, linear baseline, Savitzky-Golay derivative.

    Parameters
    ----------
    start, stop
        Ends of the range kept [1/cm, or the unit of the wavenumbers].
    derivative
        Order of the derivative.
    window
        Points of the Savitzky-Golay window (odd).
    order
        Order of its polynomial.
    """

    start: float
    stop: float
    derivative: int = 1
    window: int = 15
    order: int = 2

    def pipeline(self, wavenumbers: Array) -> Any:
        """Return the scikit-learn pipeline of chemotools transformers.

        Raises
        ------
        MissingDependencyError
            If chemotools or scikit-learn is not installed.
        InvalidValueError
            If the range holds fewer points than the window.
        """
        try:
            with warnings.catch_warnings():
                # Docstrings of chemotools 0.5 hold invalid escapes, of which Python warns when it first compiles them.
                warnings.simplefilter("ignore", SyntaxWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
                from chemotools.baseline import LinearCorrection
                from chemotools.derivative import SavitzkyGolay
                from chemotools.feature_selection import RangeCut
            from sklearn.pipeline import make_pipeline
        except ImportError:
            raise MissingDependencyError.for_package("chemotools", "pat", "Calibrating a spectrometer") from None
        kept = int(np.sum((wavenumbers >= self.start) & (wavenumbers <= self.stop)))
        if kept <= self.window:
            raise InvalidValueError(
                f"{self.start:g} to {self.stop:g} holds {kept} of the wavenumbers, too few for a window of "
                f"{self.window} points: widen the range or shorten the window"
            )
        return make_pipeline(
            RangeCut(start=self.start, end=self.stop, x_axis=wavenumbers),  # pyright: ignore[reportArgumentType]
            LinearCorrection(),
            SavitzkyGolay(window_length=self.window, polyorder=self.order, deriv=self.derivative),
        )

    def matrix(self, wavenumbers: Array) -> Array:
        """Return the pretreatment as a matrix to multiply spectra with (every step of it is linear)."""
        return np.asarray(self.pipeline(wavenumbers).fit_transform(np.eye(len(wavenumbers))), dtype=np.float64)
