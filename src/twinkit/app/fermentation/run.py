"""The replay: spectrum by spectrum through sensor and estimator, as it would run beside the plant."""

from __future__ import annotations

import time as clock
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from twinkit.app.fermentation.data import FermentationData, load
from twinkit.app.fermentation.late import late_run
from twinkit.app.fermentation.metrics import score
from twinkit.app.fermentation.monitored import MonitoredFermentation
from twinkit.app.fermentation.result import FermentationResult, ForecastAt, LateSamples, Track
from twinkit.app.fermentation.settings import Settings
from twinkit.app.fermentation.tracks import QUANTITIES, from_first, track
from twinkit.core import Measurement, Quality
from twinkit.estimate import Adaptation, Estimate, Estimator, ExtendedKalmanFilter, Filter, Sensor
from twinkit.pat import ConsensusCalibration, SoftSensor


def estimator(settings: Settings, offset_std: float, drift_std: float) -> ExtendedKalmanFilter:
    """Return the estimator of the demo.

    Parameters
    ----------
    settings
        Priors.
    offset_std, drift_std
        Standard deviations of the sensor's systematic errors, as the sensor states them [g/L].
    """
    errors = {
        "offset": (settings.sensor_scale * offset_std, settings.offset_time),
        "drift": (settings.sensor_scale * drift_std, settings.drift_time),
    }
    model = MonitoredFermentation(
        {name: prior.mean for name, prior in {**settings.initial, **settings.parameters}.items()},
        offset_time=settings.offset_time,
        drift_time=settings.drift_time,
    )
    noise = {name: prior.noise for name, prior in settings.initial.items() if prior.noise > 0}
    # What keeps an error that forgets itself within `time` at its standard deviation (Ornstein-Uhlenbeck process).
    noise |= {name: std * float(np.sqrt(2.0 / time)) for name, (std, time) in errors.items()}
    return ExtendedKalmanFilter(
        model,
        [Sensor("reading", tag="glucose")],
        initial_std={name: prior.std for name, prior in settings.initial.items()}
        | {k: v[0] for k, v in errors.items()},
        process_noise=noise,
        adapt={name: Adaptation(prior.std, prior.noise) for name, prior in settings.parameters.items()},
    )


class DeviationFlag:
    """Raised when the innovations of the last readings, together, are larger than chance allows, or none arrive."""

    def __init__(self, window: int, probability: float, blind: int) -> None:
        from scipy.stats import chi2

        self._nis: deque[float] = deque(maxlen=window)
        self._limits = [float(chi2.ppf(1.0 - probability, k)) for k in range(1, window + 1)]
        self._blind, self._silent = blind, 0

    def __call__(self, nis: float) -> bool:
        """Take in one reading's normalised innovation squared (NaN: no reading) and return the flag."""
        self._silent = self._silent + 1 if np.isnan(nis) else 0
        if not np.isnan(nis):
            self._nis.append(nis)
        surprised = bool(self._nis) and sum(self._nis) > self._limits[len(self._nis) - 1]
        return surprised or self._silent >= self._blind


@dataclass
class _Log:
    """What is kept of every spectrum."""

    reported: list[Measurement] = field(default_factory=list[Measurement])
    single: list[float] = field(default_factory=list[float])
    given: list[Measurement | None] = field(default_factory=list[Measurement | None])
    estimates: list[Estimate | None] = field(default_factory=list[Estimate | None])
    forecasts: list[ForecastAt] = field(default_factory=list[ForecastAt])
    seconds: float = 0.0


def run(
    progress: bool = False, data: FermentationData | None = None, settings: Settings | None = None
) -> FermentationResult:
    """Replay the fermentation.

    Parameters
    ----------
    progress
        Show a progress bar.
    data
        The data set; None: the package's own.
    settings
        What is taken for granted; None: the documented defaults.

    Raises
    ------
    DataError
        If the data cannot be read.
    MissingDependencyError
        If scikit-learn or chemotools is not installed.
    """
    data = load() if data is None else data
    calibration = ConsensusCalibration().fit(data.train_spectra, data.train_glucose, data.wavenumbers)
    return replay(data, Settings() if settings is None else settings, calibration, progress)


def replay(
    data: FermentationData, settings: Settings, calibration: ConsensusCalibration, progress: bool = False
) -> FermentationResult:
    """Replay the fermentation with a calibration that is already made; see `run`."""
    return _result(data, settings, _stream(data, settings, SoftSensor(calibration), progress))


def _stream(data: FermentationData, settings: Settings, sensor: SoftSensor, progress: bool) -> _Log:
    from tqdm import tqdm

    log = _Log()
    twin: Estimator | None = None
    due = deque(sorted(settings.forecast_at))
    end = float(data.time[-1])
    began = clock.perf_counter()
    spectra = zip(data.time.tolist(), data.spectra, strict=True)
    for time, spectrum in tqdm(
        spectra, total=len(data.time), disable=not progress, unit="spectrum", desc="fermentation"
    ):
        reported = sensor.read(spectrum, time)
        single = sensor.single or reported
        if twin is None and reported.quality is not Quality.BAD:
            # The priors hold for the start of the batch; the sensor states its errors with its first usable reading.
            ekf = estimator(settings, sensor.disagreement, sensor.calibration.rmsecv_)
            twin = Estimator(ekf, start=float(data.time[0]))
        if twin is not None:
            twin.update(single)
            while due and time >= due[0]:
                began += _forecast(twin, settings, end, log)
                due.popleft()
        log.reported.append(reported)
        log.single.append(single.value)
        log.given.append(None if twin is None else single)
        log.estimates.append(None if twin is None else twin.estimate)
    log.seconds = clock.perf_counter() - began
    return log


def _forecast(twin: Estimator, settings: Settings, end: float, log: _Log) -> float:
    """File a forecast; return the seconds it took."""
    began = clock.perf_counter()
    horizon = max(settings.horizon, end)
    ahead = twin.forecast(
        horizon, outputs=["process.glucose", "process.ethanol"], samples=settings.samples, seed=settings.seed
    )
    when = ahead.time_when("process.glucose", below=settings.exhausted)
    last = int(np.argmin(np.abs(ahead.time - end)))
    low, high = ahead.interval("process.ethanol")
    log.forecasts.append(
        ForecastAt(
            twin.now,
            when.median,
            when.interval,
            when.probability,
            float(ahead.median("process.ethanol")[last]),
            (float(low[last]), float(high[last])),
        )
    )
    return clock.perf_counter() - began


def _result(data: FermentationData, settings: Settings, log: _Log) -> FermentationResult:
    qualities = tuple(measurement.quality.value for measurement in log.reported)
    first = next((k for k, estimate in enumerate(log.estimates) if estimate is not None), len(log.estimates))
    estimates = from_first(log.estimates, first)
    sensor = _sensor_track(log.reported, first)
    tracks = {name: track(estimates, name) for name in QUANTITIES}
    nis = np.array([np.nan if k < first else one.nis for k, one in enumerate(estimates)])
    flag = DeviationFlag(settings.deviation_window, settings.deviation_probability, settings.blind)
    deviation = np.array([k >= first and flag(float(value)) for k, value in enumerate(nis)])
    metrics = {
        **score(data.time, sensor, tracks["glucose"], tracks["ethanol"], data.samples),
        "spectra_total": len(qualities),
        "spectra_flagged": qualities.count("bad"),
        "spectra_uncertain": qualities.count("uncertain"),
        "deviation_flags": int(np.sum(deviation)),
        "first_good_h": float(data.time[first]),
        "samples_per_second": len(qualities) / log.seconds,
    }
    names = estimates[0].names
    means = np.array([one.vector for one in estimates])
    late: LateSamples | None = None
    if settings.hplc_at:
        late = late_run(data, settings, estimates[0].filter, log.given, {"sensor": sensor, **tracks})
    return FermentationResult(
        data.time, sensor, np.array(log.single), qualities, tuple(one.note for one in log.reported), **tracks,
        states={name: means[:, k] for k, name in enumerate(names)}, nis=nis, deviation=deviation, first_good=first,
        forecasts=tuple(log.forecasts), samples=data.samples, metrics=metrics,
        settings=settings.as_dict(), made_by=_made_by(estimates[0].filter), late=late,
    )  # fmt: skip


def _made_by(ekf: Filter) -> dict[str, str]:
    model = ekf.model
    return {
        "model": type(model).__name__,
        "model_sha256": model.content_hash,
        "estimator_sha256": ekf.content_hash,
    }


def _sensor_track(reported: list[Measurement], first: int) -> Track:
    value = np.array([measurement.value for measurement in reported], dtype=np.float64)
    std = np.array([measurement.std for measurement in reported], dtype=np.float64)
    value[:first], std[:first] = value[first], std[first]
    return Track("glucose", "g/L", value, std, np.maximum(value - 1.96 * std, 0.0), value + 1.96 * std)
