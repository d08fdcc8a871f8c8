"""A surrogate of the CHO fed-batch (9 states): errors, time of training, time of a run.

python -m benchmarks.hybrid_surrogate [--runs 1024]
"""

import argparse
from time import perf_counter

import numpy as np

import twinkit as tk
from benchmarks import cho
from twinkit.hybrid import Surrogate, surrogate

BOX = {
    "Xv": (0.2, 0.5), "Glc": (25.0, 45.0), "Gln": (3.0, 6.0),
    "mu_max": (0.9 * cho.MODEL.mu_max, 1.1 * cho.MODEL.mu_max), "k_d": (0.8 * cho.MODEL.k_d, 1.2 * cho.MODEL.k_d),
    "Y_X_Glc": (0.9 * cho.MODEL.Y_X_Glc, 1.1 * cho.MODEL.Y_X_Glc),
}  # fmt: skip


def made(runs: int = 1024) -> Surrogate:
    """Train over starts and kinetic parameters, with the feed of the benchmarks; every 12 h of 14 d."""
    return surrogate(
        cho.MODEL, BOX, cho.END, recipe=cho.STEPS, runs=runs, rtol=1e-6, solver=tk.Compiled(), progress=False
    )


def microseconds(found: Surrogate, count: int = 1024, repeats: int = 20) -> float:
    """Return the median time of a run in a vectorised call."""
    random = np.random.default_rng(0)
    samples = {name: random.uniform(low, high, count) for name, (low, high) in found.box.items()}
    times = []
    for _ in range(repeats):
        began = perf_counter()
        found.predict(samples)
        times.append(perf_counter() - began)
    return 1e6 * float(np.median(times)) / count


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hybrid_surrogate", description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1024)
    found = made(parser.parse_args(argv).runs)
    print(found.accuracy)
    print(f"{microseconds(found):.1f} us per run of 1024, checks of the box included")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
