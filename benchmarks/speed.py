"""How fast, against named peers in the same run. Reported; no test depends on it.

    python -m benchmarks.speed [--json] [--quick]

The case is the CHO fed-batch with dissolved oxygen: 14 days, 9 states, 337 hourly outputs, a feed in steps. All
solvers get the same relative tolerance, the same absolute tolerance (a hundredth of it, on the scale of each state),
the same outputs, and restart where the feed jumps. Calls are interleaved and medians are compared; parameters change
from call to call.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import twinkit as tk
from benchmarks import cho
from benchmarks.report import duration, interleaved, table

RESULTS = Path(__file__).parent / "results" / "speed.json"
TARGETS = {"repeated run": 20.0, "ensemble, SciPy": 30.0, "ensemble, CasADi map": 4.0, "import": 0.4}


def judged(found: float, target: float) -> str:
    """Say whether a ratio meets its target."""
    return f"{target:g} x: {'pass' if found >= target else 'FAIL'}"


IN_A_ROW = 5  # a repeated run is repeated: each solver is called so often before the next has its turn


def repeated(rtol: float, rounds: int) -> dict[str, Any]:
    """(a) One run again and again with another growth rate."""
    run = tk.prepare(cho.MODEL, "14 d", inputs=cho.STEPS, outputs=cho.TIMES, rtol=rtol)
    cvodes = cho.casadi_cvodes(rtol)
    rate, position = cho.MODEL.mu_max, cho.MODEL.layout.parameters["mu_max"].start

    def p(number: int) -> np.ndarray:
        values = cho.P.copy()
        values[position] = rate * (1 + 1e-6 * number)
        return values

    calls = {
        "twinkit, prepared run": lambda k: run(mu_max=rate * (1 + 1e-6 * k)),
        "twinkit, the same and its states read": lambda k: cho.states_of(run(mu_max=rate * (1 + 1e-6 * k))),
        "SciPy LSODA, as users write it": lambda k: cho.lsoda(p(k), rtol, floats=False),
        "SciPy LSODA, hand-optimised (Python floats)": lambda k: cho.lsoda(p(k), rtol, floats=True),
        "SciPy odeint, hand-optimised": lambda k: cho.scipy_odeint(p(k), rtol),
        "CasADi CVODES, exact Jacobian": lambda k: cvodes(p(k)[None])[0],
    }
    medians, _ = interleaved(calls, rounds, IN_A_ROW)
    expected = cho.reference()
    errors = {name: cho.scaled_error(_rows(call(0)), expected) for name, call in calls.items()}
    ours, read = (medians[name] for name in list(calls)[:2])
    rows = []
    for name, seconds in medians.items():
        peer = name.startswith("SciPy LSODA")
        ratios = ("", "", "") if name.startswith("twinkit") else (
            f"{seconds / ours:.1f} x", f"{seconds / read:.1f} x",
            judged(seconds / ours, TARGETS["repeated run"]) if peer else "",
        )  # fmt: skip
        rows.append([name, duration(seconds), f"{errors[name]:.1e}", *ratios])
    print(
        table(
            f"(a) Repeated run, rtol {rtol:g}, median of {rounds} interleaved rounds of {IN_A_ROW} calls",
            ["", "time", "scaled error", "slower than the run", "and its states read", "target (run)"],
            rows,
        )
    )
    return {"rtol": rtol, "rounds": rounds, "seconds": medians, "scaled_error": errors}


def _rows(found: Any) -> np.ndarray:
    return cho.states_of(found) if isinstance(found, tk.Solution) else found


def ensembles(rtol: float, members: int, some: int, rounds: int) -> dict[str, Any]:
    """(b) Many parameter sets, every parameter uniform within 10 % of its value."""
    names = [entry.name for entry in cho.MODEL.layout.parameters]
    factors = np.random.default_rng(0).uniform(0.9, 1.1, (members, len(names)))
    p = np.clip(cho.P * factors, *zip(*[entry.variable.bounds for entry in cho.MODEL.layout.parameters], strict=True))
    samples = dict(zip(names, p.T, strict=True))
    recipe: dict[str, Any] = {"inputs": cho.STEPS, "outputs": cho.TIMES, "rtol": rtol, "progress": False}
    maps = {threads: cho.casadi_cvodes(rtol, members, threads) for threads in (1, 2)}
    calls = {
        "twinkit, Compiled(), all processors": lambda k: (
            tk.ensemble(cho.MODEL, samples, "14 d", solver=tk.Compiled(), **recipe).x
        ),
        "twinkit, Compiled(threads=1)": lambda k: (
            tk.ensemble(cho.MODEL, samples, "14 d", solver=tk.Compiled(threads=1), **recipe).x
        ),
        f"SciPy LSODA, as users write it, serial ({some} members, scaled)": lambda k: np.array(
            [cho.lsoda(row, rtol, floats=False) for row in p[:some]]
        ),
        f"SciPy LSODA, hand-optimised, serial ({some} members, scaled)": lambda k: np.array(
            [cho.lsoda(row, rtol, floats=True) for row in p[:some]]
        ),
        "CasADi integrator.map, serial": lambda k: maps[1](p),
        "CasADi integrator.map, thread 2": lambda k: maps[2](p),
    }
    medians, results = interleaved(calls, rounds)
    seconds = {name: medians[name] * members / len(results[name]) for name in calls}
    few = {name: column[:some] for name, column in samples.items()}
    exact = tk.ensemble(cho.MODEL, few, "14 d", solver=tk.Cvodes(), **{**recipe, "rtol": 1e-11}).x
    errors = {name: cho.scaled_error(rows[:some], exact) for name, rows in results.items()}
    ours, single = (seconds[name] for name in list(calls)[:2])
    rows = []
    for name, found in seconds.items():
        target = TARGETS["ensemble, SciPy" if "SciPy" in name else "ensemble, CasADi map"]
        peer = not name.startswith("twinkit")
        ratios = (
            (f"{found / ours:.1f} x", f"{found / single:.1f} x", judged(found / ours, target)) if peer else ("",) * 3
        )
        rows.append([name, duration(found), f"{errors[name]:.1e}", *ratios])
    print(
        table(
            f"(b) Ensemble of {members}, all parameters +-10 %, rtol {rtol:g}, median of {rounds} interleaved rounds",
            ["", "time", "scaled error", "slower than twinkit", "on one thread", "target"],
            rows,
        )
    )
    print(f"Errors of the first {some} members against Cvodes() at rtol 1e-11.")
    return {"rtol": rtol, "members": members, "rounds": rounds, "seconds": seconds, "scaled_error": errors}


# --------------------------------------------------------------------------------------------------- start-up

_FIRST_RUN = """
import time
import twinkit as tk
from benchmarks import cho
start = time.perf_counter()
tk.prepare(cho.MODEL, "14 d", inputs=cho.STEPS, outputs=cho.TIMES, rtol=1e-6)()
print(time.perf_counter() - start)
"""
_HEAVY = ["casadi", "jax", "torch", "sympy", "matplotlib", "pandas", "xarray", "pint", "numba", "scipy"]
_LOADED = f"import sys, twinkit; print(*[name for name in {_HEAVY!r} if name in sys.modules])"


def _python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, cwd=Path(__file__).parents[1],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def start_up(rounds: int) -> dict[str, Any]:
    """(c) Importing the package, and the first run of a model."""
    medians, _ = interleaved(
        {"bare": lambda k: _python("pass"), "twinkit": lambda k: _python("import twinkit")}, rounds
    )
    imported = medians["twinkit"] - medians["bare"]
    loaded = _python(_LOADED)
    with tempfile.TemporaryDirectory() as folder:
        empty = {"TWINKIT_CACHE": f"{folder}/a", "NUMBA_CACHE_DIR": f"{folder}/b"}
        cold = float(_python(_FIRST_RUN, **empty))
        cached = float(np.median([float(_python(_FIRST_RUN, **empty)) for _ in range(3)]))
        new_model = float(_python(_FIRST_RUN, **{**empty, "TWINKIT_CACHE": f"{folder}/c"}))
    limit = TARGETS["import"]
    verdict = f"at most {limit:g} s: {'pass' if imported <= limit else 'FAIL'}"
    rows = [
        [f"import twinkit, median of {rounds} new processes, bare Python taken off", duration(imported), verdict],
        ["heavy packages it loads", loaded or "none", f"none: {'FAIL' if loaded else 'pass'}"],
        ["first prepared run on a machine: the integrator and the model are compiled", duration(cold), ""],
        ["first prepared run of a new model: only the model is compiled", duration(new_model), ""],
        ["first prepared run in a new process: both come from the disk", duration(cached), ""],
    ]
    print(table("(c) Start-up", ["", "found", "target"], rows))
    return {
        "import_seconds": imported, "heavy_packages": loaded.split(), "first_run_cold_seconds": cold,
        "first_run_new_model_seconds": new_model,
        "first_run_cached_seconds": cached,
    }  # fmt: skip


def machine() -> dict[str, str]:
    """Return what the numbers were measured on."""
    packages = ("twinkit", "numpy", "scipy", "casadi", "numba")
    return {
        "processors": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: tk.__version__ if name == "twinkit" else version(name) for name in packages},
    }


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write the numbers where asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help=f"write {RESULTS.relative_to(RESULTS.parents[2])}")
    parser.add_argument("--quick", action="store_true", help="few rounds, 100 members: to see that it works")
    chosen = parser.parse_args(argv)
    rounds, members, some, heavy = (3, 100, 10, 1) if chosen.quick else (31, 1000, 50, 3)
    where = machine()
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    found = {
        "machine": where,
        "repeated": [repeated(rtol, rounds) for rtol in (1e-6, 1e-8)],
        "ensemble": ensembles(1e-6, members, some, heavy),
        "start_up": start_up(min(rounds, 11)),
    }
    if chosen.json:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten: {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
