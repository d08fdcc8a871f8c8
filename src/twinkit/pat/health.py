"""Whether a spectrum can be believed: judged one by one, from the spectrum itself and from those before it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.core import Quality
from twinkit.pat.pretreatment import Array

_MAD = 1.4826


@dataclass(frozen=True)
class Verdict:
    """What is thought of one spectrum, and why."""

    quality: Quality
    note: str = ""


class SpectrumHealth:
    """Judges spectra as they arrive; nothing is known of the future, and no spectrum is picked by hand.

    Bad: not finite; constant (a dead detector); identical to the one before (a frozen one); start-up. Start-up lasts
    until the readings have settled: over the last `settle` readings, the medians of the two halves differ by less
    than `settle_z` standard errors, with the noise taken from successive differences within the same readings. It ends
    after `settle_limit` spectra in any case, because a process may really change.

    Uncertain: the spectrum is far from the recent ones (distance to their median, in the pretreated spectra, more than
    `novelty` robust standard deviations above what is usual). This is a warning: a process may change quickly.

    Parameters
    ----------
    settle, settle_z, settle_limit
        Start-up: readings compared, standard errors, longest start-up in spectra.
    novelty
        Robust standard deviations above the usual distance.
    recent
        Spectra whose median a new one is compared with.
    history
        Distances that say what is usual.
    """

    def __init__(
        self,
        settle: int = 12,
        settle_z: float = 2.0,
        settle_limit: int = 48,
        novelty: float = 6.0,
        recent: int = 9,
        history: int = 120,
    ) -> None:
        self.settle = settle
        self.settle_z = settle_z
        self.settle_limit = settle_limit
        self.novelty = novelty
        self.recent = recent
        self.history = history
        self._previous: Array | None = None
        self._settled = False
        self._seen = 0
        self._readings: deque[float] = deque(maxlen=settle)
        self._recent: deque[Array] = deque(maxlen=recent)
        self._distances: deque[float] = deque(maxlen=history)

    def gross(self, spectrum: Array) -> Verdict:
        """Judge what needs no calibration: not finite, constant, frozen."""
        previous, self._previous = self._previous, spectrum
        if not np.all(np.isfinite(spectrum)):
            return Verdict(Quality.BAD, "the spectrum is not finite")
        if np.ptp(spectrum) <= 1e-9 * max(1.0, float(np.max(np.abs(spectrum)))):
            return Verdict(Quality.BAD, "the spectrum is constant")
        if previous is not None and np.array_equal(previous, spectrum):
            return Verdict(Quality.BAD, "the spectrum is identical to the one before")
        return Verdict(Quality.GOOD)

    def judge(self, reading: float, features: Array) -> Verdict:
        """Judge a spectrum that passed `gross`, by its reading and its pretreated form."""
        if not self._settled and not self._has_settled(reading):
            return Verdict(Quality.BAD, "start-up: the readings have not settled")
        far = self._is_far(features)
        return Verdict(Quality.UNCERTAIN, "unlike the recent spectra") if far else Verdict(Quality.GOOD)

    def _has_settled(self, reading: float) -> bool:
        self._seen += 1
        self._readings.append(reading)
        if len(self._readings) == self.settle:
            window: Any = np.array(self._readings)
            half = self.settle // 2
            noise = _MAD * np.median(np.abs(np.diff(window))) / np.sqrt(2.0)
            # The median of k normal numbers has about 1.25 / sqrt(k) of their standard deviation.
            error = 1.25 * noise * np.sqrt(2.0 / half)
            self._settled = bool(abs(np.median(window[half:]) - np.median(window[:half])) <= self.settle_z * error)
        self._settled = self._settled or self._seen > self.settle_limit
        return self._settled

    def _is_far(self, features: Array) -> bool:
        far = False
        if len(self._recent) == self.recent:
            distance = float(np.linalg.norm(features - np.median(np.array(self._recent), axis=0)))
            if len(self._distances) >= min(30, self.history):
                usual = np.array(self._distances)
                center = float(np.median(usual))
                spread = _MAD * float(np.median(np.abs(usual - center)))
                far = distance > center + self.novelty * max(spread, 0.1 * center)
            self._distances.append(distance)
        # A spectrum that is far is remembered all the same: after a real change of the process it becomes usual.
        self._recent.append(features)
        return far
