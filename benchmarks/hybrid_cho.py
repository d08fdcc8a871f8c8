"""Hybrid models of simulated CHO fed-batches: errors and coverage inside and outside the training box.

    python -m benchmarks.hybrid_cho [--batches 10] [--seeds 100 101 102 103 104] [--samples 100] [--prior 1.0]

Data and scores: `benchmarks/data/hybrid_cho/README.md`. Every figure is the median over the seeds. Seeds 0 to 2 are the
development data; from 100 on each seed is another process (`benchmarks.hybrid_process`), which nothing was tuned on.
"""

import argparse
import csv
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

import twinkit as tk
from benchmarks import hybrid_process
from benchmarks.report import table

DATA = Path(__file__).parent / "data" / "hybrid_cho"
COLUMNS = {
    "X": ("cells_1e6_per_mL", "Gcell/L"),
    "G": ("glucose_mM", "mmol/L"),
    "L": ("lactate_mM", "mmol/L"),
    "P": ("product_mg_per_L", "mg/L"),
}
RECIPE = ("feed_rate_L_per_d", "glucose_0_mM", "cells_0_1e6_per_mL")
TESTS = ("interpolation", "extrapolation")
TIMES = np.arange(15.0)
HELD_OUT = tuple(range(100, 105))
TARGETS = {
    "interpolation nrmse": (None, 2.5), "extrapolation nrmse": (None, 7.5), "interpolation coverage": (92.0, 98.0),
    "extrapolation coverage": (90.0, None), "extrapolation width": (None, 50.0), "cpu": (None, 15.0),
}  # fmt: skip
_README = "benchmarks/data/hybrid_cho/README.md"


class Candidate(hybrid_process.FedBatch):
    """CHO fed-batch: exact balances, and the mechanistic candidate for the four specific rates."""

    mu_max = tk.Parameter("1/d", 0.8, bounds=(0, None), doc="growth", source=_README)
    kd = tk.Parameter("1/d", 0.05, bounds=(0, None), doc="death", source=_README)
    Y = tk.Parameter("Gcell/mmol", 0.5, bounds=(0, None), doc="yield", source=_README)
    m_G = tk.Parameter("mmol/Gcell/d", 0.2, bounds=(0, None), doc="maintenance", source=_README)
    Y_L = tk.Parameter("", 1.0, bounds=(0, None), doc="lactate per glucose", source=_README)
    q_p = tk.Parameter("mg/Gcell/d", 10.0, bounds=(0, None), doc="productivity", source=_README)
    K = tk.Parameter("mmol/L", 0.8, bounds=(0, None), doc="half saturation", source=_README)
    G_in = tk.Parameter("mmol/L", 200.0, bounds=(0, None), doc="glucose in the feed", source=_README)
    free: ClassVar[tuple[str, ...]] = ("mu_max", "kd", "Y", "m_G", "Y_L", "q_p")

    def equations(self, v, m):
        mo = v.G / (v.K + v.G)
        mu = m.rate("mu", v.mu_max * mo - v.kd)
        q_g = m.rate("qG", v.mu_max * mo / v.Y + v.m_G * mo)
        q_l = m.rate("qL", v.Y_L * q_g)
        q_p = m.rate("qP", v.q_p * mo)
        return self.balances(v, mu, q_g, q_l, q_p)


def hybrid() -> tk.Model:
    """Return the candidate with a learned term in each rate; productivity and uptake may depend on growth."""
    return tk.hybrid.Residual(
        Candidate(), on={"mu": ["G", "L"], "qG": ["mu", "G"], "qL": ["G", "L"], "qP": ["mu", "G"]}
    )


def batches(seed: int, kind: str, count: int | None = None) -> list[tk.Batch]:
    """Return batches of one file, or of a held-out process."""
    if seed >= HELD_OUT[0]:
        return hybrid_process.batches(seed, kind, count)
    with open(DATA / f"seed{seed}" / f"{kind}.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    made = []
    for name in list(dict.fromkeys(row["batch_id"] for row in rows))[:count]:
        mine = [row for row in rows if row["batch_id"] == name]
        feed, glucose, cells = (float(mine[0][column]) for column in RECIPE)
        measured = [
            tk.Measurement(tag, float(row[column]), unit, float(row["time_d"]))
            for row in mine
            for tag, (column, unit) in COLUMNS.items()
        ]
        made.append(hybrid_process.recipe(name, feed, glucose, cells).with_(measurements=measured))
    return made


def truth(test: list[tk.Batch]) -> np.ndarray:
    """Return the noise-free values ``(batches, times, tags)``."""
    return np.array([np.column_stack([batch.values(tag)[1] for tag in COLUMNS]) for batch in test])


def scores(
    low: np.ndarray, middle: np.ndarray, high: np.ndarray, exact: np.ndarray, ranges: np.ndarray
) -> dict[str, float]:
    """Return NRMSE %, coverage of the truth % (after the start, which is known) and mean width %."""
    inside = (low - 1e-9 <= exact) & (exact <= high + 1e-9)
    return {
        "nrmse": 100 * float(np.mean(np.sqrt(np.mean((middle - exact) ** 2, axis=(0, 1))) / ranges)),
        "coverage": 100 * float(inside[:, 1:].mean()),
        "width": 100 * float(np.mean((high - low) / ranges)),
    }


def trajectory_fit(
    model: tk.Model, seed: int, count: int, samples: int, prior: float, *, tested: int | None = None
) -> dict[str, float]:
    """Fit a model to the first batches of a seed and judge it on all test batches, or the first `tested` of each kind.

    `prior` is the relative spread of the mechanism's parameters.
    """
    free = dict.fromkeys(Candidate.free, prior)
    began = time.process_time()
    fitted = tk.hybrid.HybridModel(model, parameters=free, progress=False).fit(batches(seed, "train", count))
    found = {"cpu": time.process_time() - began}
    ranges = np.array([fitted.trained_.ranges[tag] for tag in COLUMNS])
    for kind in TESTS:
        test = batches(seed, f"test_{kind}", tested)
        made = fitted.forecast(test, times=TIMES, tags=tuple(COLUMNS), n=samples)
        parts = (np.array([getattr(each, name) for each in made]) for name in ("low", "median", "high"))
        exact = truth(test)
        found |= {f"{kind} {name}": value for name, value in scores(*parts, exact, ranges).items()}
        domain = np.array([each.in_domain for each in made])
        off = np.array([(exact[i] < each.low) | (exact[i] > each.high) for i, each in enumerate(made)])
        found[f"{kind} silent"] = 100 * float((domain & off)[:, 1:].mean())
        found[f"{kind} in domain"] = 100 * float(domain.mean())
    return found


def pure_gp(seed: int, count: int) -> dict[str, float]:
    """Fit Gaussian processes of time and recipe, without any mechanism (needs GPyTorch)."""

    def rows(given: list[tk.Batch]) -> np.ndarray:
        recipe = [[b.initial["X"], b.initial["G"], b.inputs["F"].points[2][1]] for b in given]
        return np.array([[t, *each] for each in recipe for t in TIMES])

    began = time.process_time()
    training = batches(seed, "train", count)
    values = truth(training)
    processes = tk.hybrid.fit_gaussian_process(rows(training), values.reshape(-1, 4), progress=False)
    found = {"cpu": time.process_time() - began}
    ranges = np.ptp(values, axis=(0, 1))
    for kind in TESTS:
        test = batches(seed, f"test_{kind}")
        mean, variance = (np.column_stack(part).reshape(len(test), 15, 4) for part in
                          zip(*(process.predict(rows(test)) for process in processes), strict=True))  # fmt: skip
        half = 1.96 * np.sqrt(variance)
        found |= {
            f"{kind} {name}": v for name, v in scores(mean - half, mean, mean + half, truth(test), ranges).items()
        }
    return found


def median_over(seeds: list[int], run: Callable[[int], dict[str, float]]) -> dict[str, float]:
    """Return the median of every figure over the seeds."""
    found = [run(seed) for seed in seeds]
    return {name: float(np.median([each[name] for each in found])) for name in found[0]}


def cold_start(seed: int, samples: int) -> tk.hybrid.LearningCurve:
    """Return how error and width inside the box fall with 0, 1, 3, 5, 10 and 20 batches."""
    model = tk.hybrid.HybridModel(hybrid(), parameters=dict.fromkeys(Candidate.free, 1.0), progress=False)
    test = batches(seed, "test_interpolation", 4)
    return tk.hybrid.learning_curve(model, batches(seed, "train"), test, n=samples, progress=False)


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hybrid_cho", description=__doc__.split("\n")[0])
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--prior", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(HELD_OUT))
    parser.add_argument("--cold-start", action="store_true", help="the learning curve of the first seed instead")
    chosen = parser.parse_args(argv)
    if chosen.cold_start:
        print(cold_start(chosen.seeds[0], chosen.samples))
        return 0
    how = (chosen.batches, chosen.samples, chosen.prior)
    made = {
        name: median_over(chosen.seeds, lambda seed, model=model: trajectory_fit(model, seed, *how))
        for name, model in {"mechanism": Candidate(), "hybrid": hybrid()}.items()
    }
    if importlib.util.find_spec("gpytorch"):
        made["pure GP"] = median_over(chosen.seeds, lambda s: pure_gp(s, chosen.batches))
    names = [f"{kind} {what}" for kind in TESTS for what in ("nrmse", "coverage", "width", "silent", "in domain")]
    rows = [[name, *(f"{made[each].get(name, np.nan):.3g}" for each in made)] for name in [*names, "cpu"]]
    for row in rows:
        low, high = TARGETS.get(row[0], (None, None))
        row.append(" to ".join("" if end is None else f"{end:g}" for end in (low, high)).strip())
    print(table(f"Hybrid CHO, {chosen.batches} batches, seeds {chosen.seeds}", ["", *made, "target"], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
