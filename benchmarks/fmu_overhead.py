"""CPU time per macro step of two coupled FMI 2 FMUs, all outputs recorded: ours against a hand-written FMPy loop.

    python -m benchmarks.fmu_overhead [--steps N] [--isolate]

The FMUs are the two mass-spring subsystems of gemseo-fmu 3.1.1 (pip install --no-deps gemseo-fmu==3.1.1), coupled by
Jacobi. Rounds are interleaved; the best of each is shown. `bare` steps the same FMUs with nothing around the FMI calls
but ctypes: what no Python code can undercut.
"""

import argparse
import atexit
import ctypes
import shutil
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import twinkit as tk

DT = 1e-3


def fmu_paths() -> list[Path]:
    spec = find_spec("gemseo_fmu")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install --no-deps gemseo-fmu==3.1.1")
    folder = Path(spec.origin).parent / "problems" / "fmu_files" / "linux"
    return [folder / f"MassSpringSubSystem{i}.fmu" for i in (1, 2)]


def ours(paths: list[Path], steps: int, isolate: bool = False) -> tuple[float, np.ndarray]:
    """Two bound components, coupled through the arrays they share."""
    one, two = (tk.FMU(path, isolate=isolate) for path in paths)
    first = [fmu.initialize(0.0, {}) for fmu in (one, two)]
    sizes = [(len(fmu.inputs), len(fmu.outputs)) for fmu in (one, two)]
    u1, y1, u2, y2 = (np.zeros(n) for pair in sizes for n in pair)
    for fmu, u, y, values in ((one, u1, y1, first[0]), (two, u2, y2, first[1])):
        u[:] = [port.default for port in fmu.inputs.values()]
        y[:] = list(values.values())
    step1, step2 = one.bind(u1, y1), two.bind(u2, y2)
    i1, i2 = list(one.inputs).index("x2"), list(two.inputs).index("x1")
    o1, o2 = list(one.outputs).index("x1"), list(two.outputs).index("x2")
    record = np.empty((steps, 4))
    clock = time.perf_counter if isolate else time.process_time
    begin = clock()
    for i in range(steps):
        t = i * DT
        u1[i1] = y2[o2]
        u2[i2] = y1[o1]
        step1(t, DT)
        step2(t, DT)
        record[i, :2] = y1
        record[i, 2:] = y2
    spent = clock() - begin
    one.close()
    two.close()
    return spent / steps, record


def in_graph(paths: list[Path], steps: int) -> tuple[float, np.ndarray]:
    """The same two in a graph, stepped by its Jacobi master: what a user writes."""
    graph = tk.Graph()
    one, two = graph.add("one", tk.FMU(paths[0])), graph.add("two", tk.FMU(paths[1]))
    graph.connect(two.out["x2"], one.inp["x2"])
    graph.connect(one.out["x1"], two.inp["x1"])
    with graph.open(tk.graph.Jacobi(DT)) as session:
        session.advance(DT)
        begin = time.process_time()
        session.advance(steps * DT)
        spent = time.process_time() - begin
        solution = session.solution()
    record = np.column_stack([solution.trace(name).data for name in ("one.v1", "one.x1", "two.v2", "two.x2")])
    return spent / (steps - 1), record[1:]


def slaves(paths: list[Path]) -> list[tuple]:
    import fmpy
    from fmpy.fmi2 import FMU2Slave

    made = []
    for path in paths:
        description = fmpy.read_model_description(str(path))
        folder = fmpy.extract(str(path))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        slave = FMU2Slave(
            guid=description.guid, unzipDirectory=folder,
            modelIdentifier=description.coSimulation.modelIdentifier, instanceName=path.stem,
        )  # fmt: skip
        slave.instantiate()
        slave.setupExperiment(startTime=0.0)
        slave.enterInitializationMode()
        slave.exitInitializationMode()
        references = {v.name: v.valueReference for v in description.modelVariables}
        outputs = [v.name for v in description.modelVariables if v.causality == "output"]
        made.append((slave, references, outputs))
    return made


def fmpy_loop(paths: list[Path], steps: int) -> tuple[float, np.ndarray]:
    """What a user of FMPy writes, with everything that can be hoisted hoisted."""
    (one, refs1, outs1), (two, refs2, outs2) = slaves(paths)
    in1, in2 = [refs1["x2"]], [refs2["x1"]]
    out1, out2 = [refs1[name] for name in outs1], [refs2[name] for name in outs2]
    at1, at2 = outs1.index("x1"), outs2.index("x2")
    y1, y2 = one.getReal(out1), two.getReal(out2)
    record = np.empty((steps, 4))
    begin = time.process_time()
    for i in range(steps):
        t = i * DT
        one.setReal(in1, [y2[at2]])
        two.setReal(in2, [y1[at1]])
        one.doStep(t, DT)
        two.doStep(t, DT)
        y1, y2 = one.getReal(out1), two.getReal(out2)
        record[i, :2] = y1
        record[i, 2:] = y2
    spent = time.process_time() - begin
    for slave in (one, two):
        slave.terminate()
        slave.freeInstance()
    return spent / steps, record


def bare(paths: list[Path], steps: int) -> float:
    """The FMI calls alone, nothing recorded."""
    (one, refs1, outs1), (two, refs2, outs2) = slaves(paths)
    calls = []
    for slave, refs, outs, name in ((one, refs1, outs1, "x2"), (two, refs2, outs2, "x1")):
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        access = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer, size, pointer)
        step = ctypes.CFUNCTYPE(ctypes.c_int, pointer, ctypes.c_double, ctypes.c_double, ctypes.c_int)
        into, out_of = (ctypes.c_uint * 1)(refs[name]), (ctypes.c_uint * 2)(*(refs[n] for n in outs))
        u, y = (ctypes.c_double * 1)(), (ctypes.c_double * 2)()
        keep = [into, out_of, u, y]
        calls.append((
            slave.component, access(("fmi2SetReal", slave.dll)), step(("fmi2DoStep", slave.dll)),
            access(("fmi2GetReal", slave.dll)), *map(ctypes.addressof, keep), keep,
        ))  # fmt: skip
    begin = time.process_time()
    for i in range(steps):
        t = i * DT
        for handle, put, go, take, into, out_of, u, y, _ in calls:
            put(handle, into, 1, u)
            go(handle, t, DT, 1)
            take(handle, out_of, 2, y)
    spent = time.process_time() - begin
    for slave in (one, two):
        slave.terminate()
        slave.freeInstance()
    return spent / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--isolate", action="store_true", help="also measure isolated FMUs (wall time)")
    chosen = parser.parse_args()
    paths = fmu_paths()
    best = dict.fromkeys(("in a graph", "bound", "FMPy loop", "bare"), float("inf"))
    for _ in range(5):
        mine, a = ours(paths, chosen.steps)
        theirs, b = fmpy_loop(paths, chosen.steps)
        graphed, c = in_graph(paths, chosen.steps)
        found = {"in a graph": graphed, "bound": mine, "FMPy loop": theirs, "bare": bare(paths, chosen.steps)}
        best = {name: min(best[name], found[name]) for name in best}
        np.testing.assert_array_equal(a, b)  # the same trajectory, bit for bit
        np.testing.assert_allclose(c, b, rtol=0, atol=1e-9)  # the same times to rounding
    for name, seconds in best.items():
        print(f"{name:11s} {seconds * 1e6:6.2f} µs CPU per macro step of two FMUs")
    for name in ("in a graph", "bound"):
        print(f"{name} / FMPy loop: {best[name] / best['FMPy loop']:.2f}")
    if chosen.isolate:
        print(
            f"isolated   {ours(paths, chosen.steps // 10, isolate=True)[0] * 1e6 / 2:6.2f} µs wall per step of one FMU"
        )


if __name__ == "__main__":
    main()
