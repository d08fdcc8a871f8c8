"""Raman spectra of an IndPenSim batch: from concentrations to intensities (Goldrick et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, ShapeError

Array = npt.NDArray[np.float64]
CHANNELS = 2200
"""Number of channels of the instrument."""
WAVENUMBERS: Array = np.arange(2400.0, 200.0, -1.0)
"""Wavenumber of each channel [1/cm], falling."""
WAVENUMBERS.setflags(write=False)


@dataclass(frozen=True)
class _Peak:
    """A bell of channels: its middle, how far it reaches, its standard deviation and its area."""

    middle: int
    reach: int
    std: float
    area: float = 1.0

    def shape(self) -> Array:
        """Return the bell over all channels."""
        found = np.zeros(CHANNELS)
        steps = np.arange(-self.reach, self.reach + 1)
        bell = self.area * np.exp(-0.5 * (steps / self.std) ** 2) / (self.std * np.sqrt(2.0 * np.pi))
        found[self.middle - self.reach : self.middle + self.reach + 1] = bell
        return found


_GLUCOSE = (_Peak(218, 140, 35.0), _Peak(638, 40, 10.0, 1.0 / 4.3), _Peak(1052, 200, 50.0))
_PRECURSOR = (_Peak(418, 120, 30.0), _Peak(838, 30, 7.5, 1.0 / 4.3))
_PENICILLIN = (_Peak(799, 120, 15.0), _Peak(1199, 900, 15.0))
_HEIGHTS = {"S": 1714.2857142857142, "PAA": 1700.0, "P": 100_000.0}
_HALF_SUGAR = 0.005  # g/L
_FLUORESCENCE = 370_000.0
_SHARES = {"X": -0.000178143846614472, "P": 1.05644816081515, "viscosity": -0.00681439987249108, "time": -0.02}
_NOISE, _SMOOTHED = 500.0, 25
_BATCH = 230.0  # h


def raman_background() -> Array:
    """Return a smooth background of fluorescence, ``(2200,)``, in the instrument's counts.

    Illustrative: PenSimPy adds a recorded spectrum instead, which is not part of twinkit. Give your own to
    `raman_spectra` to have it.
    """
    x = (WAVENUMBERS - 200.0) / 2200.0
    return 22_000.0 + 30_000.0 * np.exp(-(((x - 0.35) / 0.4) ** 2))


def raman_spectra(
    time: npt.ArrayLike,
    concentrations: Any,
    *,
    seed: int | None = None,
    background: npt.ArrayLike | None = None,
) -> Array:
    """Return the spectra of a batch.

    The background rises with fluorescence of the product and falls with biomass, viscosity and time; sugar,
    phenylacetic acid and penicillin add peaks; noise is a smoothed random walk along the channels.

    Parameters
    ----------
    time
        ``(n,)`` [h].
    concentrations
        Name -> ``(n,)``: ``S``, ``P``, ``X`` [g/L], ``PAA`` [mg/L], ``viscosity`` [cP]. A solution of `IndPenSimBatch`
        is accepted as it is.
    seed
        Of the noise; None: no noise.
    background
        ``(2200,)`` counts; `raman_background` by default.

    Returns
    -------
    ndarray
        ``(n, 2200)`` counts, by falling wavenumber (`WAVENUMBERS`).

    Raises
    ------
    ShapeError
        If lengths do not match.
    InvalidValueError
        If a value is not finite.

    References
    ----------
    Goldrick S. et al. (2019), Computers & Chemical Engineering 130:106585, doi:10.1016/j.compchemeng.2019.05.037;
    numbers as in PenSimPy 1.2.5 (MIT)

    Examples
    --------
    >>> found = raman_spectra([1.0], {"S": [1.0], "P": [2.0], "X": [3.0], "PAA": [1200.0], "viscosity": [10.0]})
    >>> found.shape
    (1, 2200)
    """
    hours = np.atleast_1d(np.asarray(time, dtype=np.float64))
    columns = {name: _column(concentrations, name, hours.size) for name in ("S", "P", "X", "PAA", "viscosity")}
    base = raman_background() if background is None else np.asarray(background, dtype=np.float64)
    if hours.ndim != 1 or base.shape != (CHANNELS,):
        raise ShapeError(f"times are a list and a background has {CHANNELS} channels; got {hours.shape}, {base.shape}")
    if not (np.all(np.isfinite(hours)) and np.all(np.isfinite(base))):
        raise InvalidValueError("times and background of spectra must be finite")
    rise = (
        _SHARES["X"] * columns["X"] / 40.0
        + _SHARES["P"] * columns["P"] / 40.0
        + _SHARES["viscosity"] * columns["viscosity"] / 100.0
        + _SHARES["time"] * hours / _BATCH
    )
    tilt = np.floor(np.exp(np.arange(1, CHANNELS + 1) / 1100.0) - 0.5)  # whole numbers in the source
    spectra = base + _FLUORESCENCE * rise[:, None] * tilt
    sugar = columns["S"] / (_HALF_SUGAR + columns["S"])
    for peaks, height in (
        (_GLUCOSE, _HEIGHTS["S"] * sugar),
        (_PRECURSOR, _HEIGHTS["PAA"] * columns["PAA"]),
        (_PENICILLIN, _HEIGHTS["P"] * columns["P"]),
    ):
        spectra += height[:, None] * np.sum([peak.shape() for peak in peaks], axis=0)
    if seed is not None:
        spectra += _noise(np.random.default_rng(seed), hours.size)
    return spectra


def _column(concentrations: Any, name: str, count: int) -> Array:
    values = np.atleast_1d(np.asarray(concentrations[name], dtype=np.float64))
    if values.shape != (count,):
        raise ShapeError(f"{name!r} has shape {values.shape}; there are {count} times")
    if not np.all(np.isfinite(values)):
        raise InvalidValueError(f"{name!r} must be finite to make spectra from it")
    return np.maximum(values, 0.0)


def _noise(generator: np.random.Generator, count: int) -> Array:
    """Return a random walk along the channels, averaged over a window that shrinks towards the ends."""
    walk = np.cumsum(generator.integers(-1, 2, size=(count, CHANNELS)).astype(np.float64), axis=1)
    total = np.concatenate([np.zeros((count, 1)), np.cumsum(walk, axis=1)], axis=1)
    place = np.arange(CHANNELS)
    reach = np.minimum(np.minimum(place, CHANNELS - 1 - place), _SMOOTHED // 2)
    return _NOISE * (total[:, place + reach + 1] - total[:, place - reach]) / (2 * reach + 1)
