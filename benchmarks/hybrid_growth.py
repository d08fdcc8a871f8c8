"""Real CHO cultures (NISTCHO): growth under a feeding strategy that was left out, by mechanism, hybrid and pure GP.

    python -m benchmarks.hybrid_growth

The first count of a culture is its start; the others are predicted. Needs GPyTorch for the pure Gaussian process.
"""

import importlib.util

import numpy as np

import twinkit as tk
from benchmarks.calibration import growth_example
from benchmarks.report import table
from twinkit.hybrid import HybridModel, InducingGP, Propagation, Residual, fit_gaussian_process
from twinkit.hybrid.comparing import measured

PARAMETERS = {"mu": 0.3, "X_max": 0.5}


class Growth(tk.Model):
    """Logistic growth (Verhulst)."""

    time_unit = "h"
    Xv = tk.State("Gcell/L", 0.35, bounds=(0, None), nominal=10.0, doc="viable cells")
    mu = tk.Parameter("1/h", 0.035, bounds=(0, None), doc="specific growth rate", source="calibrated")
    X_max = tk.Parameter("Gcell/L", 25.0, bounds=(0, None), doc="carrying capacity", source="calibrated")

    def equations(self, v, m):
        return {"Xv": m.rate("mu", v.mu * (1 - v.Xv / v.X_max)) * v.Xv}


def folds() -> list[tuple[list[tk.Batch], list[tk.Batch]]]:
    """Return training and test cultures, each strategy left out once."""
    example = growth_example()
    cultures = []
    for batch in example.cultures():
        times, values = batch.values("Xv")
        later = tuple(item for item in batch.measurements if item.source_time > times[0])
        cultures.append(batch.with_(initial={"Xv": float(values[0])}, measurements=later))
    labels = [example.strategy(batch.name) for batch in cultures]
    return [
        ([b for b, label in zip(cultures, labels, strict=True) if label != one],
         [b for b, label in zip(cultures, labels, strict=True) if label == one])
        for one in sorted(set(labels))
    ]  # fmt: skip


def hybrid() -> tk.Model:
    """Return growth with a learned term of the cells."""
    return Residual(Growth(), on={"mu": ["Xv"]}, terms=InducingGP(points=8))


def trajectory_errors(model: tk.Model) -> tuple[float, float]:
    """Return the root mean square error [Gcell/L] and the coverage of 95 % intervals [%]."""
    errors, inside = [], []
    for training, test in folds():
        fitted = HybridModel(model, parameters=PARAMETERS, progress=False).fit(training)
        for batch, found in zip(test, fitted.forecast(test, propagation=Propagation.LINEARISED), strict=True):
            seen = measured(fitted.model_, batch, found.tags, found.time)
            off = seen.value - found.median[seen.row, seen.column]
            std = np.hypot(found.std[seen.row, seen.column], seen.noise(found.noise))
            errors += list(off)
            inside += list(np.abs(off) <= 1.96 * std)
    return float(np.sqrt(np.mean(np.square(errors)))), 100.0 * float(np.mean(inside))


def pure_gp_errors() -> tuple[float, float]:
    """Return the same of a Gaussian process of time and the first count."""

    def rows(batch: tk.Batch) -> np.ndarray:
        times, _ = batch.values("Xv")
        return np.column_stack([times, np.full(len(times), batch.initial["Xv"])])

    errors, inside = [], []
    for training, test in folds():
        x = np.concatenate([rows(batch) for batch in training])
        y = np.concatenate([batch.values("Xv")[1] for batch in training])
        (process,) = fit_gaussian_process(x, y, progress=False)
        for batch in test:
            mean, variance = process.predict(rows(batch))
            off = batch.values("Xv")[1] - mean
            errors += list(off)
            inside += list(np.abs(off) <= 1.96 * np.sqrt(variance + process.noise))
    return float(np.sqrt(np.mean(np.square(errors)))), 100.0 * float(np.mean(inside))


def main() -> int:
    """Measure and print."""
    made = {"mechanism": trajectory_errors(Growth()), "hybrid": trajectory_errors(hybrid())}
    if importlib.util.find_spec("gpytorch"):
        made["pure GP"] = pure_gp_errors()
    rows = [[name, f"{error:.3f}", f"{covered:.1f}"] for name, (error, covered) in made.items()]
    print(table("NISTCHO growth, strategies left out", ["", "rmse [Gcell/L]", "coverage %"], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
