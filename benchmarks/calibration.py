"""Calibration: coverage, real data, and the time of a gradient against finite differences.

    python -m benchmarks.calibration [--sets 50]

Prints the coverage of the intervals over many simulated data sets of the CHO fed-batch, and the time of one evaluation
of objective and gradient (10 batches of 336 h, 6 parameters, daily samples) against `scipy.optimize.least_squares` with
finite differences over `solve_ivp` (LSODA), as a user of SciPy writes it.
"""

import argparse
import importlib.util
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

import twinkit as tk
from benchmarks import cho
from benchmarks.report import duration, table
from twinkit.estimate import Calibration, calibrate, cross_validate

FREE = ("mu_max", "k_d", "KI_Amm", "Y_X_Glc", "m_Glc", "q_mAb")
STDS = {"Xv": 0.3, "Glc": 0.5, "Gln": 0.1, "Lac": 1.0, "Amm": 0.15, "mAb": 0.05}
BEGIN = cho.MODEL.with_(mu_max=0.05, k_d=0.006, KI_Amm=5.0, q_mAb=1e-3)
DAYS = np.arange(24.0, 337.0, 24.0)
RTOL = 1e-6


def batches(count: int, seed: int) -> list[tk.Batch]:
    """Return noisy daily samples of simulated batches whose inocula and feeds differ."""
    generator = np.random.default_rng(seed)
    made: list[tk.Batch] = []
    for k in range(count):
        start, factor = {"Xv": 0.24 + 0.12 * k / max(1, count - 1)}, 0.9 + 0.1 * (k % 3)
        inputs = {"F": tk.steps((cho.KNOTS, [factor * f for f in cho.FEED]))}
        run = tk.simulate(cho.MODEL, cho.END, inputs=inputs, initial=start, outputs=DAYS)
        readings = [
            tk.Measurement(name, float(v + std * generator.standard_normal()), run[name].attrs["units"], t, std=std)
            for name, std in STDS.items()
            for t, v in zip(run.time.tolist(), run.trace(name).data, strict=True)
        ]
        made.append(tk.Batch(f"B{k}", readings, inputs=inputs, initial=start))
    return made


def coverage(sets: int) -> dict[str, float]:
    """Return the share of 95 % intervals that hold the true value, per parameter, over simulated data sets."""
    hits = dict.fromkeys(FREE, 0)
    for seed in range(sets):
        found = calibrate(BEGIN, batches(3, seed), FREE, rtol=RTOL, progress=False)
        for name in FREE:
            low, high = found[name].interval
            hits[name] += low <= getattr(cho.MODEL, name) <= high
    return {name: hit / sets for name, hit in hits.items()}


def growth_example() -> Any:
    """Return the module `examples/nistcho_growth.py`."""
    path = Path(__file__).parents[1] / "examples" / "nistcho_growth.py"
    spec = importlib.util.spec_from_file_location("nistcho_growth", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def growth_errors() -> tuple[float, float]:
    """Return the error on strategies left out of real CHO cultures: of the model, and of the mean curve."""
    example = growth_example()
    scores = cross_validate(
        example.Growth(), example.cultures(), example.FREE, example.strategy, noise=example.NOISE, progress=False
    )
    return scores.rmse("Xv"), scores.rmse("Xv", baseline=True)


# ------------------------------------------------------------------------------------------------- time


def scipy_residuals(given: list[tk.Batch]) -> Any:
    """Return the residuals of all batches as a function of the parameters' factors, by `solve_ivp`."""
    places = [cho.MODEL.layout.parameters[name].start for name in FREE]
    states = [cho.STATES[name].start for name in STDS]
    widths = np.array(list(STDS.values()))
    data = [np.array([batch.values(name)[1] for name in STDS]) for batch in given]
    start = np.array([getattr(BEGIN, name) for name in FREE])

    def one(batch: tk.Batch, p: NDArray) -> NDArray:
        y, rows = cho.Y0.copy(), []
        y[cho.STATES["Xv"].start] = batch.initial["Xv"]
        factor, values = batch.inputs["F"].points[1][1] / cho.FEED[1], p.tolist()
        for begin, end, feed in cho.STRETCHES:
            wanted = DAYS[(begin < DAYS) & (end >= DAYS)]
            run = solve_ivp(
                lambda t, y, F: cho.rates(y.tolist(), F, values), (begin, end), y, "LSODA", np.union1d(wanted, end),
                args=(factor * feed,), rtol=RTOL, atol=1e-2 * RTOL * cho.SCALES,
            )  # fmt: skip
            rows.append(run.y[:, : len(wanted)])
            y = run.y[:, -1]
        return np.hstack(rows)[states]

    def residuals(factors: NDArray) -> NDArray:
        p = cho.P.copy()
        p[places] = start * factors
        parts = [(one(batch, p) - d) / widths[:, None] for batch, d in zip(given, data, strict=True)]
        return np.concatenate([part.ravel() for part in parts])

    return residuals


def timed(call: Any, repeats: int) -> float:
    """Return the median time of a call, after one that does not count."""
    call()
    times = []
    for _ in range(repeats):
        began = perf_counter()
        call()
        times.append(perf_counter() - began)
    return float(np.median(times))


def speed(count: int = 10) -> list[list[str]]:
    """Return rows of a table: time of objective and gradient, and of a whole calibration, ours and SciPy's."""
    given = batches(count, 0)
    rows: list[list[str]] = []
    for solver in (tk.Cvodes(), tk.Compiled()):
        first = calibrate(BEGIN, given, FREE, solver=solver, rtol=RTOL, max_evaluations=1, progress=False)
        objective, q = first.objective, first.objective.start
        residual = timed(lambda o=objective, q=q: o.residuals(q), 5)
        gradient = timed(lambda o=objective, q=q: o.jacobian(q), 5)
        began = perf_counter()
        found: Calibration = calibrate(BEGIN, given, FREE, solver=solver, rtol=RTOL, progress=False)
        whole = perf_counter() - began
        rows.append([f"twinkit, {type(solver).__name__}", duration(residual), duration(gradient), duration(whole),
                     f"{found.cost:.4f}"])  # fmt: skip
    residuals = scipy_residuals(given)
    ones = np.ones(len(FREE))
    residual = timed(lambda: residuals(ones), 2)
    began = perf_counter()
    peer = least_squares(residuals, ones, x_scale="jac", diff_step=1e-4)
    whole = perf_counter() - began
    rows.append(["SciPy least_squares, differences over solve_ivp", duration(residual),
                 duration(residual * len(FREE)), duration(whole), f"{peer.cost:.4f}"])  # fmt: skip
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=50, help="simulated data sets for the coverage")
    chosen = parser.parse_args()
    print(
        table("Time, 10 batches of 336 h, 6 parameters", ["", "objective", "gradient", "calibration", "cost"], speed())
    )
    found = coverage(chosen.sets)
    rows = [[name, f"{100 * share:.0f} %"] for name, share in found.items()]
    rows.append(["all", f"{100 * np.mean(list(found.values())):.1f} %"])
    print(table(f"Coverage of 95 % intervals over {chosen.sets} data sets", ["", "covered"], rows))
    model, mean = growth_errors()
    print(f"NISTCHO growth, strategies left out: rms error {model:.3f} Gcell/L; mean curve of the others {mean:.3f}")


if __name__ == "__main__":
    main()
