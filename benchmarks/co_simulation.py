"""The numbers of the pages on graphs and FMUs: errors of masters and of FMUs, and what processes cost.

    python -m benchmarks.co_simulation

Prints the errors of every master on the analytic quarter truck, the orders seen, the iterations of an algebraic loop,
the coupled mass-spring FMUs of gemseo-fmu 3.1.1 against their monolithic twin, exported FMUs against `tk.simulate`, and
the wall time of one exchange with a component in a process of its own. Run it from the root of the repository.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from tests.graph_examples import exact_truck, quarter_truck, three_equations

import twinkit as tk
from benchmarks.fmu_overhead import fmu_paths
from twinkit.graph import Adaptive, GaussSeidel, Graph, Implicit, Jacobi, Midpoint, Newton, Worker
from twinkit.unitops import CHOFedBatch, JacketedTank, LignocellulosicEthanol

RUNS = {
    CHOFedBatch: (14 * 24.0, {"F": 2e-3}),
    LignocellulosicEthanol: (40.0, {"activity": 1.1}),
    JacketedTank: (120.0, {"Q": 5.0, "F": 3.0, "jacket.F": 2.0}),
}
SECONDS = {"h": 3600.0, "min": 60.0, "s": 1.0}


def truck(master) -> tuple[float, int]:
    """Return the largest error of the chassis over 2 s, and the number of exchanges."""
    found = quarter_truck().simulate(2.0, master=master)
    return float(np.max(np.abs(found["chassis.z"].data - exact_truck(found.time)[:, 0]))), len(found.time) - 1


def masters() -> None:
    """Quarter truck: errors and orders."""
    print("quarter truck, chassis, 2 s: largest error [m] and exchanges")
    for kind in (Jacobi, GaussSeidel, Midpoint, Implicit):
        errors = {step: truck(kind(step)) for step in (4e-3, 2e-3, 1e-3)}
        order = np.log2(errors[2e-3][0] / errors[1e-3][0])
        print(f"  {kind.__name__ + '(1e-3)':18s} {errors[1e-3][0]:.1e}  {errors[1e-3][1]:5d}  order {order:.2f}")
    for rtol in (1e-4, 1e-5):
        error, steps = truck(Adaptive(rtol=rtol))
        print(f"  {f'Adaptive({rtol:g})':18s} {error:.1e}  {steps:5d}")


def loop() -> None:
    """The loop a + b + c = 0, 2a - 3b + 2c = 9, a² + b² + c² = 5."""
    for master in (Jacobi(0.5, loops=Newton(iterations=10)), Adaptive(loops=Newton(iterations=10))):
        found = three_equations().simulate(1.0, master=master)
        a, b, c = (found[name].data for name in ("first.a", "second.b", "third.c"))
        worst = np.max(np.abs([a + b + c, 2 * a - 3 * b + 2 * c - 9, a * a + b * b + c * c - 5]))
        print(f"three equations, {type(master).__name__}: {worst:.1e}, {found.statistics['newton_most']} iterations")


def springs() -> None:
    """The coupled mass-spring FMUs against their monolithic twin, largest error of x1 over 10 s."""
    one, two = fmu_paths()
    fine = tk.fmi.Integration(rtol=1e-10)
    print("mass-spring FMUs, 10 s: largest error of x1")
    for kind in ("cs", "me"):
        for master in (Jacobi, GaussSeidel):
            cells = []
            for step in (0.01, 0.005, 0.0025) if kind == "cs" else (0.01,):
                exact = tk.fmi.simulate(one.with_name("MassSpringSystem.fmu"), 10.0, step=step, kind="me",
                                        integration=fine)  # fmt: skip
                graph = Graph()
                a, b = graph.add("one", tk.FMU(one, kind=kind)), graph.add("two", tk.FMU(two, kind=kind))
                graph.connect(b.out["x2"], a.inp["x2"])
                graph.connect(a.out["x1"], b.inp["x1"])
                found = graph.simulate(10.0, master=master(step)).trace("one.x1").data
                cells.append(f"{np.max(np.abs(found - exact.trace('x1').data)):.1e}")
            print(f"  {kind} {master.__name__:12s} {' '.join(cells)}")


def exported() -> None:
    """Exported FMUs against `tk.simulate`, 101 points, in units of each variable's largest value."""
    print("exported FMUs: largest difference in co-simulation, in model exchange; CVODES itself at rtol 1e-8")
    for model, (end, inputs) in RUNS.items():
        exact = tk.simulate(model(), until=end, inputs=inputs, outputs=101, rtol=1e-11)

        def distance(found, exact=exact) -> float:
            names = [name for name in exact if exact.trace(name).kind != "input"]
            values = {name: exact.trace(name).data for name in names}
            return max(np.max(np.abs(found.trace(n).data - v)) / max(np.max(np.abs(v)), 1e-12)
                       for n, v in values.items())  # fmt: skip

        with tempfile.TemporaryDirectory() as folder:
            path = tk.fmi.export(model(), Path(folder, "a.fmu"), version="3.0").path
            stop = end * SECONDS[model.time_unit]
            cells = [distance(tk.fmi.simulate(path, stop, step=stop / 100, inputs=inputs, kind=kind))
                     for kind in ("cs", "me")]  # fmt: skip
        cells.append(distance(tk.simulate(model(), until=end, inputs=inputs, outputs=101, solver=tk.Cvodes())))
        print(f"  {model.__name__:24s} {' '.join(f'{cell:.0e}' for cell in cells)}")


def processes(steps: int = 3000) -> None:
    """What a step costs more in a process of its own (wall time)."""

    def seconds(component) -> float:
        component.initialize(0.0, {name: 0.0 for name, port in component.inputs.items() if port.default is None})
        inputs = np.array([0.0 if port.default is None else port.default for port in component.inputs.values()])
        step = component.bind(inputs, np.zeros(len(component.outputs)))
        begin = time.perf_counter()
        for k in range(steps):
            step(k * 1e-3, 1e-3)
        spent = time.perf_counter() - begin
        component.close()
        return spent / steps * 1e6

    model, path = JacketedTank(), fmu_paths()[0]
    kinds = {
        "model": tk.ModelComponent(model), "model in a Worker": Worker(partial(tk.ModelComponent, model)),
        "FMU": tk.FMU(path), "isolated FMU": tk.FMU(path, isolate=True),
    }  # fmt: skip
    for name, component in kinds.items():
        print(f"{name:18s} {seconds(component):6.1f} µs wall per step")


def main() -> None:
    """Print everything."""
    masters()
    loop()
    springs()
    exported()
    processes()


if __name__ == "__main__":
    main()
