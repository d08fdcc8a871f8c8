"""A soft sensor: a spectrum comes in, a measurement with a standard deviation and a quality goes out."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from twinkit.core import InvalidValueError, Measurement, Quality, ShapeError
from twinkit.pat.calibration import ConsensusCalibration
from twinkit.pat.health import SpectrumHealth, Verdict

_MAD = 1.4826
_ENOUGH = 20  # differences before the noise is taken from the stream


class SoftSensor:
    """Turns spectra into measurements, one at a time, and says which of them can be used.

    The reported value is the median of the last `window` usable readings (causal), never below `low`. A bad spectrum
    gives a bad measurement that repeats the last usable value, or NaN where there is none yet; it never raises. Its
    standard deviation has three parts, added in squares: RMSECV, disagreement of the calibrations, and the noise of a
    reading. The first two are systematic: they hardly change from one spectrum to the next, so averaging does not
    help against them. `single` gives the reading of one spectrum with the noise alone as its standard deviation, for
    an estimator that models the systematic part itself.

    Parameters
    ----------
    calibration
        A fitted calibration.
    tag, unit
        Of the measurements.
    window
        Usable readings in the median.
    low
        Smallest value reported (physics: a concentration is not negative); None: no limit.
    health
        Judge of the spectra; None: one with the default settings.

    Attributes
    ----------
    noise
        Standard deviation from one spectrum to the next: RMSECV until the stream has shown enough differences, then
        their robust spread.
    disagreement
        Robust standard deviation among the calibrations, at the last usable spectrum.
    single
        The last spectrum's own reading as a measurement.
    """

    def __init__(
        self,
        calibration: ConsensusCalibration,
        tag: str = "glucose",
        unit: str = "g/L",
        window: int = 9,
        low: float | None = 0.0,
        health: SpectrumHealth | None = None,
    ) -> None:
        if window < 1:
            raise InvalidValueError(f"the window of the median is at least 1 reading, not {window}")
        self.calibration = calibration
        self.tag = tag
        self.unit = unit
        self.window = window
        self.low = low
        self.health = SpectrumHealth() if health is None else health
        self.noise = float(calibration.rmsecv_)
        self.single: Measurement | None = None
        self._usable: deque[float] = deque(maxlen=window)
        self._differences: deque[float] = deque(maxlen=200)
        self._last: float | None = None
        self.disagreement = 0.0
        self._value = float("nan")
        self._time = -np.inf

    def read(self, spectrum: npt.ArrayLike, time: float) -> Measurement:
        """Take in one spectrum and return the measurement.

        Parameters
        ----------
        spectrum
            One spectrum, on the wavelengths of the calibration.
        time
            When it was taken, in the consumer's time unit; later than the one before.

        Raises
        ------
        ShapeError
            If it is not one spectrum on the wavelengths of the calibration.
        InvalidValueError
            If the time is not finite or not later than the one before.
        """
        x = np.asarray(spectrum, dtype=np.float64)
        if x.ndim != 1:
            raise ShapeError(f"one spectrum is a vector, but an array of shape {x.shape} was given")
        if not (np.isfinite(time) and time > self._time):
            raise InvalidValueError(f"a spectrum at {time:g} came after the one at {self._time:g}: give them in order")
        features = self.calibration.features(np.nan_to_num(x, posinf=0.0, neginf=0.0))[0]  # checks the length
        self._time = time
        verdict = self.health.gross(x)
        if verdict.quality is Quality.BAD:
            return self._bad(time, verdict)
        values, disagreement = self.calibration.consensus(x)
        value = float(values[0])
        verdict = self.health.judge(value, features)
        if verdict.quality is not Quality.BAD:
            self._learn_noise(value)
        self.single = Measurement(self.tag, value, self.unit, time, None, verdict.quality, self.noise, verdict.note)
        if verdict.quality is Quality.BAD:
            return self._bad(time, verdict)
        self._usable.append(value)
        self.disagreement = float(disagreement[0])
        self._value = float(np.median(self._usable))
        if self.low is not None:
            self._value = max(self._value, self.low)
        return self._measurement(time, verdict)

    def _bad(self, time: float, verdict: Verdict) -> Measurement:
        held = self._measurement(time, verdict)
        if self.single is None or self.single.source_time != time:
            self.single = Measurement(self.tag, float("nan"), self.unit, time, None, Quality.BAD, None, verdict.note)
        return held

    def _measurement(self, time: float, verdict: Verdict) -> Measurement:
        averaged = self.noise / np.sqrt(max(1, len(self._usable)))
        std = float(np.sqrt(self.calibration.rmsecv_**2 + self.disagreement**2 + averaged**2))
        return Measurement(self.tag, self._value, self.unit, time, None, verdict.quality, std, verdict.note)

    def _learn_noise(self, value: float) -> None:
        if self._last is not None:
            self._differences.append(value - self._last)
        self._last = value
        if len(self._differences) >= _ENOUGH:
            differences = np.array(self._differences)
            spread = _MAD * float(np.median(np.abs(differences - np.median(differences))))
            self.noise = max(spread / float(np.sqrt(2.0)), 1e-6 * self.calibration.rmsecv_)
