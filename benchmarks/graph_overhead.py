"""What a master costs per exchange beyond the components' own time: two trivial components that bind.

Run it with ``python -m benchmarks.graph_overhead``; times are the best of several runs, per exchange.
"""

import time

import numpy as np

from benchmarks.report import table
from twinkit.core.component import Causality, Port
from twinkit.graph import GaussSeidel, Graph, Jacobi

STEPS, ROUNDS = 20_000, 7


class Trivial:
    """One input, one output: ``y += dt * (u - y)`` in plain Python."""

    time_unit = "s"
    inputs = {"u": Port("u", "m", Causality.INPUT)}  # noqa: RUF012
    outputs = {"y": Port("y", "m", Causality.OUTPUT)}  # noqa: RUF012

    def __init__(self, start: float) -> None:
        self.start = start
        self.y = start

    def initialize(self, t0, inputs):
        del t0, inputs
        self.y = self.start
        return {"y": self.y}

    def step(self, t, dt, inputs):
        self.y += dt * (inputs["u"] - self.y)
        return {"y": self.y}

    def bind(self, inputs, outputs):
        u, y = memoryview(inputs), memoryview(outputs)

        def step(t, dt):
            y[0] += dt * (u[0] - y[0])

        return step

    def close(self):
        pass


def pair() -> Graph:
    """Return two of them, each driving the other."""
    graph = Graph()
    a, b = graph.add("a", Trivial(1.0)), graph.add("b", Trivial(0.0))
    graph.connect(a.out["y"], b.inp["u"])
    graph.connect(b.out["y"], a.inp["u"])
    return graph


def components_alone() -> float:
    """Return seconds per exchange of the two steppers alone, in the same kind of loop."""
    arrays = [np.zeros(1) for _ in range(4)]
    first, second = Trivial(1.0).bind(arrays[0], arrays[1]), Trivial(0.0).bind(arrays[2], arrays[3])
    times = np.linspace(0.0, 1.0, STEPS + 1).tolist()
    best = np.inf
    for _ in range(ROUNDS):
        began = time.perf_counter()
        t = times[0]
        for following in times[1:]:
            first(t, following - t)
            second(t, following - t)
            t = following
        best = min(best, time.perf_counter() - began)
    return best / STEPS


def exchange(master) -> float:
    """Return seconds per exchange of a whole run, all outputs recorded."""
    best = np.inf
    for _ in range(ROUNDS):
        with pair().open(master) as run:
            began = time.perf_counter()
            run.advance(1.0)
            best = min(best, time.perf_counter() - began)
    return best / STEPS


def main() -> None:
    alone = components_alone()
    rows = [["components alone", f"{1e6 * alone:.2f}", ""]]
    for master in (Jacobi(1.0 / STEPS), GaussSeidel(1.0 / STEPS)):
        whole = exchange(master)
        rows.append([type(master).__name__, f"{1e6 * whole:.2f}", f"{1e6 * (whole - alone):.2f}"])
    print(table("two bound components", ["", "us per exchange", "us of the master"], rows))


if __name__ == "__main__":
    main()
