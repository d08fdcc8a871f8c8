"""Plans with an FMU as the model, beside plans with its equations: processor time of one step in closed loop.

    python -m benchmarks.fmu_models [CASE ...] [--steps N]

The models of `benchmarks.mpc` are exported as FMUs for model exchange, which needs a C compiler. Median and longest
step leave out the first three, which make functions.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import twinkit as tk
from benchmarks.mpc import CASES, Case, twinkit_run
from benchmarks.report import duration, table

SEEN = 3


def with_fmu(case: Case, folder: str) -> Case:
    """Return the case with an FMU in place of its equations."""
    changed = sorted({name for changes in case.scenarios for name in changes})
    name = type(case.model).__name__
    made = tk.fmi.export(case.model, Path(folder, f"{name}.fmu"), kind="me", binary="required")
    return replace(case, model=tk.fmi.model(made.path, changed, time_unit=case.model.time_unit))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), help="which (default: all)")
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    for name in options.cases:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            found: dict[str, dict[str, Any]] = {
                "its equations, C compiler": twinkit_run(case, options.steps, True, 1e-4),
                "its equations, no compiler": twinkit_run(case, options.steps, False, 1e-4),
                "the FMU": twinkit_run(with_fmu(case, folder), options.steps, True, 1e-4),
            }
        wanted = np.array(next(iter(found.values()))["inputs"])
        away = {
            key: np.max(np.abs(np.array(one["inputs"]) - wanted) / np.abs(wanted).max(0)) for key, one in found.items()
        }
        rows = [
            [key, duration(float(np.median(one["seconds"][SEEN:]))), duration(float(np.max(one["seconds"][SEEN:]))),
             str(one["optimal"]), f"{away[key]:.0e}"]
            for key, one in found.items()
        ]  # fmt: skip
        head = ["", "median step", "longest", "optimal", "moves differ by"]
        print(table(f"{name}: {options.steps} steps", head, rows))


if __name__ == "__main__":
    main()
