"""How exact, against references; exits non-zero when an error has grown beyond its limit.

    python -m benchmarks.accuracy [--json FILE] [--update] [--quick]

Each metric has a value that was accepted and a limit in `accuracy_baseline.json`. `--update` writes new values there;
the limits of metrics that have one stay, because they are decided, not measured.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import twinkit as tk
from benchmarks import calibration, cho, control, hybrid_cho, hybrid_growth, hybrid_surrogate
from benchmarks.cases import Ball, Equilibrium, Logistic
from benchmarks.report import table

BASELINE = Path(__file__).parent / "accuracy_baseline.json"
SOLVERS = {"Cvodes": tk.Cvodes, "Compiled": tk.Compiled}
SLOW = ("demo/", "calibration/", "control/", "hybrid/")
ROOM = 3.0  # a new metric's limit, as a multiple of the value first found


def cho_errors() -> Iterator[tuple[str, float]]:
    """CHO fed-batch: largest scaled error of any state at any hour against the reference."""
    expected = cho.reference()
    for name, solver in SOLVERS.items():
        for rtol in (1e-6, 1e-8):
            run = tk.simulate(cho.MODEL, "14 d", inputs=cho.STEPS, outputs=cho.TIMES, rtol=rtol, solver=solver())
            yield f"cho/{name}/rtol {rtol:g}/scaled error", cho.scaled_error(cho.states_of(run), expected)


def ensemble_errors() -> Iterator[tuple[str, float]]:
    """CHO fed-batch as an ensemble: a member is the run with its parameters."""
    factors = np.linspace(0.9, 1.1, 5)
    samples = {"mu_max": cho.MODEL.mu_max * factors, "k_d": cho.MODEL.k_d * factors[::-1]}
    recipe = {"inputs": cho.STEPS, "outputs": cho.TIMES}
    exact = tk.ensemble(cho.MODEL, samples, "14 d", rtol=1e-11, solver=tk.Cvodes(), progress=False, **recipe)
    found = tk.ensemble(cho.MODEL, samples, "14 d", rtol=1e-6, solver=tk.Compiled(), progress=False, **recipe)
    yield "cho/ensemble/Compiled/rtol 1e-06/scaled error", cho.scaled_error(found.x, exact.x)


def event_errors() -> Iterator[tuple[str, float]]:
    """Bouncing ball: largest error of the times of ten bounces, in seconds."""
    ball = Ball()
    expected = ball.bounces(10)
    for name, solver in SOLVERS.items():
        run = tk.simulate(ball, float(expected[-1]) + 0.1, outputs=21, rtol=1e-8, solver=solver())
        found = np.array([occurrence.time for occurrence in run.occurrences])
        error = np.inf if len(found) != len(expected) else float(np.max(np.abs(found - expected)))
        yield f"ball/{name}/rtol 1e-08/event time [s]", error


def dae_errors() -> Iterator[tuple[str, float]]:
    """Acid equilibrium: largest scaled error of state and algebraic variable."""
    model, times = Equilibrium(), np.linspace(0.0, 30.0, 61)
    for name, solver in SOLVERS.items():
        run = tk.simulate(model, 30.0, outputs=times, rtol=1e-8, solver=solver())
        found = np.column_stack([run.trace(label).data for label in ("total", "ion")])
        yield f"dae/{name}/rtol 1e-08/scaled error", cho.scaled_error(found, model.exact(times))


def sensitivity_errors() -> Iterator[tuple[str, float]]:
    """Logistic growth: largest scaled error of the sensitivities."""
    model, times = Logistic(), np.linspace(0.0, 30.0, 61)
    run = tk.simulate(model, 30.0, outputs=times, rtol=1e-8, sensitivities=["r", "K"])
    for name, expected in model.exact_sensitivities(times).items():
        error = cho.scaled_error(run.sensitivities[name]["X"][:, None], expected[:, None])
        yield f"logistic/dX_d{name}/rtol 1e-08/scaled error", error


def demo_errors() -> Iterator[tuple[str, float]]:
    """The demo's fermentation: errors against 34 HPLC samples, and what its intervals miss of the nominal 95 %."""
    from twinkit.app.fermentation import run

    metrics = run(progress=False).metrics
    for name in ("glucose_rmse_sensor", "glucose_rmse_twin", "ethanol_rmse_twin"):
        yield f"demo/{name} [g/L]", float(metrics[name])
    yield "demo/glucose, twin over sensor", float(metrics["glucose_rmse_twin"] / metrics["glucose_rmse_sensor"])
    yield "demo/coverage_95, distance from 0.95", abs(float(metrics["coverage_95"]) - 0.95)


def calibration_errors() -> Iterator[tuple[str, float]]:
    """Calibration: what intervals miss of the nominal 95 %, and errors on real strategies that were left out."""
    covered = np.mean(list(calibration.coverage(20).values()))
    yield "calibration/cho, 20 sets, coverage_95, distance from 0.95", abs(float(covered) - 0.95)
    model, mean = calibration.growth_errors()
    yield "calibration/nistcho growth, strategies left out, rmse [Gcell/L]", model
    yield "calibration/nistcho growth, model over mean curve", model / mean


def hybrid_errors() -> Iterator[tuple[str, float]]:
    """Hybrid models: one held-out process in full, real strategies that were left out, a surrogate of 9 states."""
    found = hybrid_cho.trajectory_fit(hybrid_cho.hybrid(), hybrid_cho.HELD_OUT[0], 10, 40, 1.0, tested=4)
    for name in ("interpolation nrmse", "extrapolation nrmse", "extrapolation width"):
        yield f"hybrid/cho, 10 batches/{name} [%]", found[name]
    for name in ("interpolation coverage", "extrapolation coverage"):
        yield f"hybrid/cho, 10 batches/{name}, missing to 100 [%]", 100.0 - found[name]
    error, covered = hybrid_growth.trajectory_errors(hybrid_growth.hybrid())
    yield "hybrid/nistcho growth, strategies left out, rmse [Gcell/L]", error
    yield (
        "hybrid/nistcho growth, hybrid over mechanism",
        error / hybrid_growth.trajectory_errors(hybrid_growth.Growth())[0],
    )
    yield "hybrid/nistcho growth, coverage_95, distance from 94 [%]", abs(covered - 94.0)
    accuracy = hybrid_surrogate.made().accuracy
    yield "hybrid/surrogate of cho, worst nrmse [%]", max(accuracy.nrmse.values())
    yield "hybrid/surrogate of cho, p99.9 [%]", accuracy.p999


def measured(*, quick: bool) -> dict[str, float]:
    """Return every metric; all are errors, smaller is better."""
    parts = [cho_errors, ensemble_errors, event_errors, dae_errors, sensitivity_errors]
    if not quick and importlib.util.find_spec("twinkit.app") and importlib.util.find_spec("twinkit.app.fermentation"):
        parts.append(demo_errors)
    if not quick:
        parts += [calibration_errors, control.optimum_errors, hybrid_errors]
    return {name: value for part in parts for name, value in part()}


def judge(found: dict[str, float], baseline: dict[str, dict[str, float]], *, quick: bool) -> tuple[list[str], str]:
    """Compare with the baseline; return what is wrong, and the table."""
    problems: list[str] = []
    rows: list[list[str]] = []
    for name in [*baseline, *(name for name in found if name not in baseline)]:
        accepted = baseline.get(name)
        value = found.get(name)
        if value is None:
            if quick and name.startswith(SLOW):
                continue
            word = "MISSING"
            problems.append(f"{name} was not measured")
        elif accepted is None:
            word = "NEW"
            problems.append(f"{name} is not in the baseline: run python -m benchmarks.accuracy --update")
        elif not value <= accepted["limit"]:
            word = "WORSE"
            problems.append(f"{name} is {value:.3g}; the limit is {accepted['limit']:.3g}")
        else:
            word = "ok"
        cells = [_number(value), *(_number(accepted and accepted[key]) for key in ("value", "limit"))]
        rows.append([name, *cells, word])
    return problems, table("Accuracy", ["", "found", "accepted", "limit", ""], rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def updated(found: dict[str, float], baseline: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return the baseline with new values; existing limits are kept."""

    def rounded(value: float) -> float:
        return float(f"{value:.3g}")

    return {
        name: {
            "value": rounded(value),
            "limit": baseline[name]["limit"] if name in baseline else rounded(ROOM * max(value, 1e-13)),
        }
        for name, value in found.items()
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Measure, compare, print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.split("\n")[0])
    parser.add_argument("--json", metavar="FILE", type=Path, help="write what was found")
    parser.add_argument("--update", action="store_true", help="write what was found into the baseline")
    parser.add_argument("--quick", action="store_true", help="leave out what takes more than seconds")
    chosen = parser.parse_args(argv)
    baseline = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    found = measured(quick=chosen.quick)
    if chosen.update:
        kept = {name: entry for name, entry in baseline.items() if chosen.quick and name.startswith(SLOW)}
        baseline = {**updated(found, baseline), **kept}
        BASELINE.write_text(json.dumps(baseline, indent=1) + "\n", encoding="utf-8")
    problems, text = judge(found, baseline, quick=chosen.quick)
    print(text)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for problem in problems:
        print(f"accuracy: {problem}", file=sys.stderr)
    print(f"accuracy: {len(found)} metrics, {len(problems)} problem(s)")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
