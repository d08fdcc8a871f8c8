"""The demo's fermentation (one real batch): laboratory samples that were left out, by mechanism, hybrid and pure GP.

    python -m benchmarks.hybrid_fermentation

There is one batch, so no batch can be left out. Two questions are asked of its 34 samples. *Between*: fit to every
other sample, predict those in between, and the other way round. *Ahead*: fit to the first half (glucose), predict the
second (xylose). The first sample is the start for all. Priors are those of the demo's settings where it has them.
The whole set-up, questions, rates, inputs of the terms and priors, was written down before any score was seen, and
not changed.
Needs GPyTorch for the pure Gaussian process.
"""

import importlib.util
from collections.abc import Callable, Sequence

import numpy as np

import twinkit as tk
from benchmarks.report import table
from twinkit.app.fermentation import data
from twinkit.hybrid import Combine, HybridModel, InducingGP, Propagation, Residual, fit_gaussian_process
from twinkit.hybrid.comparing import measured
from twinkit.unitops import LignocellulosicEthanol

PARAMETERS = {
    "uptake_glucose": 0.6, "uptake_xylose": 0.6, "uptake_furfural": 0.6, "adaptation": 0.7, "yield_glucose": 0.07,
    "yield_xylose": 0.19,
}  # fmt: skip
JUDGED = ("glucose", "xylose", "ethanol")
TAGS = (*JUDGED, "furfural")
Score = tuple[float, float]


def splits() -> dict[str, list[tuple[list[int], list[int]]]]:
    """Return question -> folds of (samples to fit, samples to predict); sample 0 is the start."""
    odd, even = list(range(1, 34, 2)), list(range(2, 34, 2))
    return {"between": [(odd, even), (even, odd)], "ahead": [(list(range(1, 17)), list(range(17, 34)))]}


def values() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return times [h] and laboratory values [g/L]; glucose on the scale of the first publication."""
    samples = data.load().samples
    found = {"glucose": samples.glucose_original, "xylose": samples.xylose, "ethanol": samples.ethanol}
    return samples.time, {**found, "furfural": samples.furfural}


def batch(chosen: Sequence[int]) -> tk.Batch:
    """Return the batch with some of its samples."""
    times, found = values()
    rows = [tk.Measurement(tag, float(found[tag][k]), "g/L", float(times[k])) for tag in TAGS for k in chosen]
    initial = {tag: float(found[tag][0]) for tag in TAGS}
    return tk.Batch("fermentation", rows, initial=initial, until=float(times[-1]))


def hybrid() -> tk.Model:
    """Return the mechanism with a learned factor on each uptake, of the sugar and of ethanol."""
    return Residual(
        LignocellulosicEthanol(), on={"on_glucose": ["glucose", "ethanol"], "on_xylose": ["xylose", "ethanol"]},
        combine=Combine.MULTIPLY, terms=InducingGP(points=12),
    )  # fmt: skip


def trajectories(model: tk.Model) -> Callable[[list[int], list[int]], list[np.ndarray]]:
    """Return what fits a model and predicts with it."""

    def predicted(training: list[int], test: list[int]) -> list[np.ndarray]:
        fitted = HybridModel(model, parameters=PARAMETERS, progress=False).fit(batch(training))
        (found,) = fitted.forecast(batch(test), tags=JUDGED, propagation=Propagation.LINEARISED)
        seen = measured(fitted.model_, batch(test), found.tags, found.time)
        std = np.hypot(found.std[seen.row, seen.column], seen.noise(found.noise))
        off = seen.value - found.median[seen.row, seen.column]
        return [np.column_stack([off, std])[seen.column == k] for k in range(len(JUDGED))]

    return predicted


def pure_gp(training: list[int], test: list[int]) -> list[np.ndarray]:
    """Return errors and standard deviations of a Gaussian process of time for each tag."""
    times, found = values()
    made = []
    for tag in JUDGED:
        (process,) = fit_gaussian_process(times[training, None], found[tag][training], progress=False)
        mean, variance = process.predict(times[test, None])
        made.append(np.column_stack([found[tag][test] - mean, np.sqrt(variance + process.noise)]))
    return made


def score(predicted: Callable[[list[int], list[int]], list[np.ndarray]], question: str) -> Score:
    """Return the error [% of the range, mean over tags] and the coverage of 95 % intervals for measurements [%]."""
    _, found = values()
    folds = [predicted(*fold) for fold in splits()[question]]
    made = [np.concatenate([fold[k] for fold in folds]) for k in range(len(JUDGED))]
    errors = [np.sqrt(np.mean(each[:, 0] ** 2)) / np.ptp(found[tag]) for tag, each in zip(JUDGED, made, strict=True)]
    every = np.concatenate(made)
    return 100.0 * float(np.mean(errors)), 100.0 * float(np.mean(np.abs(every[:, 0]) <= 1.96 * every[:, 1]))


def main() -> int:
    """Measure and print."""
    methods = {"mechanism": trajectories(LignocellulosicEthanol()), "hybrid": trajectories(hybrid())}
    if importlib.util.find_spec("gpytorch"):
        methods["pure GP"] = pure_gp
    rows = []
    for name, predicted in methods.items():
        scores = [score(predicted, question) for question in splits()]
        rows.append([name, *(f"{number:.1f}" for pair in scores for number in pair)])
    heads = ["", *(f"{question} {what}" for question in splits() for what in ("nrmse %", "coverage %"))]
    print(table("One real fermentation, samples left out", heads, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
