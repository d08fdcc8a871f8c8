"""What a replay of the fermentation gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.app.fermentation.data import Samples

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Track:
    """A quantity over time with its uncertainty.

    Attributes
    ----------
    name, unit
        What it is.
    mean, std
        At every spectrum.
    low, high
        95 % interval.
    """

    name: str
    unit: str
    mean: Array
    std: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class ForecastAt:
    """What was expected at one time.

    Attributes
    ----------
    time
        When the forecast was made [h].
    exhausted, exhausted_interval
        When the fermentable glucose is used up [h]: median and 95 % interval (infinite: beyond the horizon).
    probability
        Share of runs in which it is used up within the horizon.
    ethanol, ethanol_interval
        Ethanol at the end of the batch [g/L].
    """

    time: float
    exhausted: float
    exhausted_interval: tuple[float, float]
    probability: float
    ethanol: float
    ethanol_interval: tuple[float, float]


@dataclass(frozen=True, eq=False)
class LateSamples:
    """The second run, in which the twin was told some laboratory samples, hours after they were taken.

    Attributes
    ----------
    taken, reported
        When each of them was taken, and when the twin was told [h].
    glucose, ethanol
        The twin, at every spectrum what it knew then.
    metrics
        Scores on the *other* samples, of this run (``_with``) and of the first (``_without``); ``_after`` marks those
        on the samples after the first report.
    """

    taken: Array
    reported: Array
    glucose: Track
    ethanol: Track
    metrics: Mapping[str, Any]

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """The scores without and with them, ready for a table."""
        m = self.metrics
        found: list[tuple[str, str, str]] = []
        for suffix, which in (
            ("", f"{m['hplc_points']} others"),
            ("_after", f"{m['hplc_points_after']} after a report"),
        ):
            for name in ("glucose", "ethanol"):
                without, told = (f"{m[f'{name}_rmse_twin_{run}{suffix}']:.2f}" for run in ("without", "with"))
                found.append((f"{name} RMSE [g/L], {which}", without, told))
            without, told = (f"{100 * m[f'coverage_95_{run}{suffix}']:.0f} %" for run in ("without", "with"))
            found.append((f"95 % intervals that cover, {which}", without, told))
        return found

    @property
    def summary(self) -> str:
        """What it changed, in plain words."""
        m = self.metrics
        when = " and ".join(f"{a:.1f} h (told at {b:.1f} h)" for a, b in zip(self.taken, self.reported, strict=True))
        changes = (
            f"{name} from {m[f'{name}_rmse_twin_without_after']:.2f} to {m[f'{name}_rmse_twin_with_after']:.2f} g/L"
            for name in ("glucose", "ethanol")
        )
        return (
            f"In a second run the twin was told the laboratory samples of {when}. On the {m['hplc_points_after']} "
            f"samples after the first report, which it was not told, its error goes for {' and for '.join(changes)}; "
            f"its 95 % intervals cover {100 * m['coverage_95_with_after']:.0f} % (without: "
            f"{100 * m['coverage_95_without_after']:.0f} %)."
        )


@dataclass(frozen=True, eq=False)
class FermentationResult:
    """A replayed fermentation.

    Attributes
    ----------
    time
        Of every spectrum [h].
    sensor
        The soft sensor alone: median of the last usable readings. Before the first usable reading it holds that
        reading, which was delivered late (`first_good`).
    single
        The reading of each spectrum by itself [g/L]; NaN where there is none.
    quality, note
        What the sensor thought of each spectrum: ``good``, ``uncertain`` or ``bad``, and why.
    glucose, ethanol, xylose
        The twin. Glucose is what an analyser would report (fermentable and residual).
    states
        Mean of every state and adapted parameter by name.
    nis
        Normalised innovation squared of every reading; NaN where there is none.
    deviation
        Where the twin says that model and sensor do not agree.
    first_good
        Position of the first usable spectrum.
    forecasts
        Forecasts made on the way.
    samples
        The laboratory samples, used for scores only.
    metrics
        Scores by name; ``_original`` marks those against the glucose as first published.
    settings
        What was taken for granted.
    made_by
        Name of the estimation model, and content hashes of it and of the estimator with all its settings.
    late
        The second run, with late laboratory samples as input; None where there was none. Everything else is of the
        first run, which is told no sample.
    """

    time: Array
    sensor: Track
    single: Array
    quality: tuple[str, ...]
    note: tuple[str, ...]
    glucose: Track
    ethanol: Track
    xylose: Track
    states: Mapping[str, Array]
    nis: Array
    deviation: npt.NDArray[np.bool_]
    first_good: int
    forecasts: tuple[ForecastAt, ...]
    samples: Samples
    metrics: Mapping[str, Any]
    settings: Mapping[str, Any]
    made_by: Mapping[str, str] = field(default_factory=dict[str, str])
    late: LateSamples | None = None

    @property
    def summary(self) -> tuple[str, ...]:
        """What was seen, in plain words."""
        m = self.metrics
        better = "better" if m["glucose_rmse_twin"] < m["glucose_rmse_sensor"] else "no better"
        lines = [
            f"{m['spectra_total']} spectra were read; {m['spectra_flagged']} were refused ({_reasons(self)}), and "
            f"{m['spectra_uncertain']} were used with doubt.",
            f"Glucose, against {m['hplc_points']} laboratory samples nobody showed the twin: soft sensor alone "
            f"{m['glucose_rmse_sensor']:.2f} g/L, twin {m['glucose_rmse_twin']:.2f} g/L ({better}).",
            f"Ethanol, which no sensor measured: {m['ethanol_rmse_twin']:.2f} g/L.",
            f"{100 * m['coverage_95']:.0f} % of the samples lie within the twin's 95 % intervals.",
            "The glucose reference used here is 4.00 g/L above the one first published, for reasons not documented. "
            f"Against the original: soft sensor {m['glucose_rmse_sensor_original']:.2f} g/L, twin "
            f"{m['glucose_rmse_twin_original']:.2f} g/L, coverage {100 * m['coverage_95_original']:.0f} %.",
        ]
        lines += [_forecast_words(forecast) for forecast in self.forecasts]
        lines += [] if self.late is None else [self.late.summary]
        raised = int(np.sum(self.deviation))
        lines.append(
            f"The deviation flag was raised at {raised} spectra." if raised else "The deviation flag was never raised."
        )
        lines.append(
            "This is one batch, and its scores were seen while the twin was built: development figures, not a "
            "validation (docs/demo.md says what was known beforehand)."
        )
        return tuple(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics with forecasts, settings and summary, ready for JSON."""
        return {
            **self.metrics,
            "forecasts": [{key: _plain(value) for key, value in vars(one).items()} for one in self.forecasts],
            "late_hplc": None if self.late is None else dict(self.late.metrics),
            "settings": self.settings,
            "summary": list(self.summary),
        }


def _plain(value: Any) -> Any:
    """Return a value JSON knows: no tuple, no infinity."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if np.isfinite(value) else None


def _reasons(result: FermentationResult) -> str:
    found: dict[str, int] = {}
    for quality, note in zip(result.quality, result.note, strict=True):
        if quality == "bad":
            found[note] = found.get(note, 0) + 1
    return ", ".join(
        f"{count} × {note.split(':')[0].removeprefix('the spectrum is ')}" for note, count in found.items()
    )


def _forecast_words(forecast: ForecastAt) -> str:
    low, high = forecast.exhausted_interval
    late = "later" if not np.isfinite(high) else f"{high:.1f} h"
    return (
        f"At {forecast.time:.1f} h the glucose was expected to be used up at {forecast.exhausted:.1f} h "
        f"({low:.1f} h to {late}) and ethanol to reach {forecast.ethanol:.1f} g/L "
        f"({forecast.ethanol_interval[0]:.1f} to {forecast.ethanol_interval[1]:.1f})."
    )
