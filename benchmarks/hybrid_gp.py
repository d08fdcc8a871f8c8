"""Time of a trained Gaussian process in CasADi: mean, variance and both slopes at one input.

python -m benchmarks.hybrid_gp [--points 300]
"""

import argparse
from time import perf_counter

import numpy as np

from twinkit.hybrid import GaussianProcess, Kernel


def process(points: int, kernel: Kernel = Kernel.MATERN52) -> GaussianProcess:
    """Return a process of three inputs with made-up weights."""
    random = np.random.default_rng(0)
    square = random.standard_normal((points, points)) / points
    return GaussianProcess(
        kernel, random.uniform(0, 1, (points, 3)), np.ones(3), 1.0, 0.0, random.standard_normal(points),
        square @ square.T, 0.01,
    )  # fmt: skip


def microseconds(points: int, kernel: Kernel, repeats: int = 2000) -> float:
    """Return the median time of a call, buffers set up beforehand as a solver does."""
    function = process(points, kernel).casadi_function()
    buffer, call = function.buffer()
    x, outputs = np.array([0.3, 0.5, 0.7]), [np.zeros(size) for size in (1, 1, 3, 3)]
    buffer.set_arg(0, memoryview(x))
    for k, each in enumerate(outputs):
        buffer.set_res(k, memoryview(each))
    call()
    times = []
    for _ in range(repeats):
        began = perf_counter()
        call()
        times.append(perf_counter() - began)
    return 1e6 * float(np.median(times))


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hybrid_gp", description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=300)
    points = parser.parse_args(argv).points
    for kernel in Kernel:
        print(f"{kernel.value}, {points} points: {microseconds(points, kernel):.0f} us")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
