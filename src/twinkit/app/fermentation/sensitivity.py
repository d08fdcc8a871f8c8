"""How much the scores of the demo depend on what was taken for granted.

``python -m twinkit.app.fermentation.sensitivity`` prints the table of ``docs/demo.md`` (two to three minutes).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from twinkit.app.fermentation.data import load
from twinkit.app.fermentation.result import FermentationResult
from twinkit.app.fermentation.run import replay
from twinkit.app.fermentation.settings import Prior, Settings
from twinkit.pat import ConsensusCalibration

RULES: dict[str, dict[str, object]] = {
    "one standard error (the rule)": {},
    "within 5 % of the best RMSECV": {"tolerance": 1.05},
    "within 10 %": {"tolerance": 1.10},
    "within 20 %": {"tolerance": 1.20},
    "one standard error, derivatives 1 and 2": {"derivatives": (1, 2)},
    "within 10 %, derivatives 1 and 2": {"tolerance": 1.10, "derivatives": (1, 2)},
    "one standard error, 5 folds": {"folds": 5},
    "one standard error, other folds": {"seed": 1},
}
"""Other rules of choosing calibrations."""

RESIDUALS = ((0.0, 0.0), (0.0, 2.0), (1.0, 2.0), (2.0, 4.0), (3.0, 2.0), (4.0, 2.0))
"""Other beliefs about the sugar the yeast leaves: mean and standard deviation [g/L]."""

_SCORES = ("glucose_rmse_sensor", "glucose_rmse_twin", "ethanol_rmse_twin", "coverage_95")
_ORIGINAL = ("glucose_rmse_sensor_original", "glucose_rmse_twin_original", "coverage_95_original")


def neighbours(settings: Settings, change: float = 0.3) -> Iterator[tuple[str, Settings]]:
    """Yield settings with one number raised or lowered by a fraction (a logarithm, or zero: by its std times it)."""
    for group in ("initial", "parameters"):
        for name, prior in getattr(settings, group).items():
            for part in ("mean", "std", "noise"):
                value = getattr(prior, part)
                step = prior.std if part == "mean" and (value <= 0 or "log" in name) else value
                for sign in (-change, change) if step else ():
                    changed = {
                        **getattr(settings, group),
                        name: replace(prior, **{part: _limited(name, value + sign * step)}),
                    }
                    yield f"{name} {part} {sign:+.0%}", replace(settings, **{group: changed})
    for part in ("offset_time", "drift_time", "sensor_scale"):
        for sign in (-change, change):
            yield f"{part} {sign:+.0%}", replace(settings, **{part: getattr(settings, part) * (1 + sign)})


def _limited(name: str, value: float) -> float:
    """Keep a yield below stoichiometry and a concentration at or above zero."""
    if "yield" in name:
        return min(value, 0.511)
    return value if "log" in name else max(value, 0.0)


def main() -> None:
    """Print the tables."""
    data, settings = load(), Settings(forecast_at=(), hplc_at=())
    scores: list[FermentationResult] = []
    for name, choice in RULES.items():
        calibration = ConsensusCalibration(**choice).fit(data.train_spectra, data.train_glucose, data.wavenumbers)  # type: ignore[arg-type]
        _print(name, replay(data, settings, calibration))
    calibration = ConsensusCalibration().fit(data.train_spectra, data.train_glucose, data.wavenumbers)
    for mean, std in RESIDUALS:
        initial = {**settings.initial, "process.residual": Prior(mean, std)}
        _print(f"residual {mean:g} ± {std:g} g/L", replay(data, replace(settings, initial=initial), calibration))
    for name, changed in neighbours(settings):
        scores.append(replay(data, changed, calibration))
        _print(name, scores[-1])
    for key in (*_SCORES, *_ORIGINAL):
        values = [one.metrics[key] for one in scores]
        print(f"{key}: {min(values):.2f} to {max(values):.2f}")


def _print(name: str, result: FermentationResult) -> None:
    print(f"{name:45s}", *(f"{result.metrics[key]:6.2f}" for key in (*_SCORES, *_ORIGINAL)), flush=True)


if __name__ == "__main__":
    main()
