"""What the demo takes for granted before the first spectrum, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Prior:
    """What is believed about one quantity before the batch: mean ± std, how fast it may wander, and why."""

    mean: float
    std: float
    noise: float = 0.0
    reason: str = ""


def _initial() -> dict[str, Prior]:
    return {
        "process.glucose": Prior(
            40.0, 15.0, 0.02, "upper end of the calibration range (0-38 g/L); wide, the sensor decides"
        ),
        "process.xylose": Prior(
            20.0, 7.0, 0.02, "half the glucose, as in cereal straw (about 20 % xylan to 40 % glucan)"
        ),
        "process.biomass": Prior(0.5, 0.1, 0.02, "a usual inoculum; its error is indistinguishable from log_activity"),
        "process.ethanol": Prior(0.0, 0.5, 0.02, "nothing formed yet; a little may come with the inoculum"),
        "process.furfural": Prior(1.0, 0.7, 0.02, "usual for steam-exploded straw: 0.5-2 g/L"),
        "process.residual": Prior(
            2.0, 2.0, 0.0, "cellobiose and oligomers that an analyser reports as glucose: a few g/L"
        ),
        "process.log_readiness": Prior(
            -2.0, 1.0, 0.1, "lag of log(1 + e^2) / 0.4 = 5 h in clean medium, times or by 2"
        ),
        "log_activity": Prior(
            0.0, 0.6, 0.15, "another strain and medium than in the literature: a factor of 2 either way"
        ),
    }


def _parameters() -> dict[str, Prior]:
    return {
        "process.yield_glucose": Prior(0.478, 0.033, 0.0, "0.511 g/g less 6.5 % for glycerol and others, ± 7 %"),
        "process.yield_xylose": Prior(0.345, 0.067, 0.0, "0.31 g/g of all xylose; 0.2-0.4 for recombinant strains"),
    }


@dataclass(frozen=True)
class Settings:
    """Settings of the demo. None of them was fitted to the laboratory samples of the batch.

    Parameters
    ----------
    initial
        State -> `Prior`.
    parameters
        Parameter that is uncertain and constant -> `Prior`.
    offset_time, drift_time
        Correlation times of the sensor's systematic errors [h]: the batch; an hour.
    sensor_scale
        Factor on their standard deviations, which the sensor itself states with its first usable reading.
    forecast_at
        Times at which the end of the fermentation is forecast [h].
    horizon
        Until when [h].
    samples
        Runs of a forecast.
    seed
        Of the forecasts.
    exhausted
        Fermentable glucose that counts as used up [g/L].
    deviation_window
        Readings whose innovations are judged together.
    deviation_probability
        How often chance alone would raise the flag at one reading.
    blind
        Bad readings in a row that raise it as well.
    hplc_at
        The second run is told the first laboratory sample at or after each of these times [h]; empty: no second run.
    hplc_delay
        How much later the laboratory reports [h]: assumed, half a shift.
    hplc_std, hplc_relative_std
        Standard deviation of a laboratory value [g/L], and its part in proportion to the value: assumed, a few percent
        for sampling, dilution and analysis.
    """

    initial: dict[str, Prior] = field(default_factory=_initial)
    parameters: dict[str, Prior] = field(default_factory=_parameters)
    offset_time: float = 30.0
    drift_time: float = 1.0
    sensor_scale: float = 1.0
    forecast_at: tuple[float, ...] = (4.0, 8.0, 12.0, 14.0, 16.0)
    horizon: float = 48.0
    samples: int = 200
    seed: int = 0
    exhausted: float = 1.0
    deviation_window: int = 24
    deviation_probability: float = 1e-4
    blind: int = 24
    hplc_at: tuple[float, ...] = (4.0, 8.0)
    hplc_delay: float = 4.0
    hplc_std: float = 0.3
    hplc_relative_std: float = 0.03

    def as_dict(self) -> dict[str, Any]:
        """Return plain values with their reasons, for reports."""
        plain: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        for group in ("initial", "parameters"):
            plain[group] = {name: vars(prior) for name, prior in plain[group].items()}
        return plain
