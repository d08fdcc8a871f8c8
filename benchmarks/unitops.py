"""How fast process models run, against SciPy's LSODA on the same equations. Reported; no test depends on it.

    python -m benchmarks.unitops [--json] [--quick]

The peer gets each model's equations as straight-line Python on Python floats, made from the model itself: no function
call, every common subexpression taken out. Nobody writes them so by hand; it is the fastest SciPy can have without a
compiler. Both sides get the same tolerances and outputs and restart at the same times, and processor time is
compared, measured in turns in the same run.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import casadi as ca
import numpy as np
from numpy.typing import NDArray
from scipy.integrate import odeint, solve_ivp

import twinkit as tk
from benchmarks import cho
from benchmarks.report import duration, interleaved, table
from benchmarks.speed import judged, machine
from twinkit.readings.casadi import casadi_model
from twinkit.simulate.compiled.emit import emit, helpers
from twinkit.unitops import CHOFedBatch, EColiOverflow, IndPenSimBatch, PenicillinFedBatch
from twinkit.unitops.indpensim_recipe import BATCH, SAMPLE, batch_variation, recipe_points

RESULTS = Path(__file__).parent / "results" / "unitops.json"
TARGET = 20.0
RTOL = 1e-6
Stretches = list[tuple[float, float, NDArray]]


def plain_python(name: str, arguments: list[ca.SX], result: ca.SX) -> Callable[..., None]:
    """Return ``f(t, y, u, p, out)`` on lists of floats, from CasADi expressions."""
    function = ca.Function(name, arguments, [ca.cse(ca.densify(result))], ["t", "y", "u", "p"], ["f"])
    body = emit(function, name, nonzeros=True)
    scope: dict[str, Any] = {"math": math, "np": np}
    exec(compile(helpers(body) + "\n\n" + body, f"<{name}>", "exec"), scope)
    return scope[name]


class How(Enum):
    """How SciPy's LSODA is used."""

    USUAL = "SciPy LSODA, as users call it"
    FLOATS = "SciPy LSODA, hand-optimised (Python floats)"
    ODEINT = "SciPy odeint, hand-optimised"


class Peer:
    """A model's equations as SciPy gets them."""

    def __init__(self, model: tk.Model) -> None:
        reading = casadi_model(model)
        t, x, _, u, p = reading.symbols
        self.rate = plain_python("rate", [t, x, u, p], reading.derivative)
        self.jumps = {
            name: plain_python(name, [t, x, u, p], ca.vertcat(*map(ca.densify, jump)))
            for name, jump in reading.jumps.items()
        }
        self.states, self.modes = model.layout.states, model.layout.modes
        self.scales = self.states.scales

    def leg(self, begin: float, grid: NDArray, y: NDArray, u: list, p: list, rtol: float, how: How) -> NDArray:
        """Integrate over `grid` with LSODA."""
        rate, atol, out = self.rate, 1e-2 * rtol * self.scales, [0.0] * len(y)
        plain = how is not How.USUAL

        def slope(t: float, y: NDArray) -> list:
            rate(t, y.tolist() if plain else y, u, p, out)
            return out

        if how is How.ODEINT:
            times = np.append(begin, grid)
            return odeint(slope, y, times, tfirst=True, rtol=rtol, atol=atol, tcrit=[times[-1]], mxstep=10_000)[1:]
        return solve_ivp(slope, (begin, float(grid[-1])), y, "LSODA", grid, rtol=rtol, atol=atol).y.T


def fed_peer(model: tk.Model, stretches: Stretches, times: NDArray, place: int) -> Callable[[int, How], NDArray]:
    """Return a run of a fed-batch by SciPy: its number, which moves the parameter at `place`, and how."""
    peer, start = Peer(model), model.layout.states.pack(model.values())
    nominal = model.layout.parameters.pack(model.values())

    def run(k: int, how: How) -> NDArray:
        p, y, rows = nominal.copy(), start, [start[None]]
        p[place] *= 1 + 1e-6 * k
        for begin, stop, u in stretches:
            grid = np.append(times[(times > begin) & (times < stop)], stop)
            got = peer.leg(begin, grid, y, u.tolist(), p.tolist(), RTOL, how)
            y = got[-1]
            rows.append(got if stop in times else got[:-1])
        return np.vstack(rows)

    return run


def fed_batches(rounds: int) -> list[dict[str, Any]]:
    """(a) Fed-batches again and again with another growth rate: CHO, E. coli, penicillin."""
    cases: list[tuple[str, tk.Model, float, list[float], list[float], str]] = [
        ("CHOFedBatch, 14 d, 9 states", CHOFedBatch(), 336.0, cho.KNOTS, cho.FEED, "mu_max"),
        ("EColiOverflow, 14 h, 6 states", EColiOverflow(), 14.0, [0.0, 8.0, 10.0, 12.0], [0.0, 6e-3, 9e-3, 0.014],
         "q_S_max"),
        ("PenicillinFedBatch, 400 h, 5 states", PenicillinFedBatch(), 400.0, [0.0, 45.0], [0.0, 0.05], "mu_x"),
    ]  # fmt: skip
    found: list[dict[str, Any]] = []
    for title, model, end, knots, feed, varied in cases:
        times = np.linspace(0.0, end, 337)
        run = tk.prepare(model, end, inputs={"F": tk.steps((knots, feed))}, outputs=times, rtol=RTOL)
        values = model.values()
        layout, nominal = model.layout, values[varied]
        place = layout.parameters[varied].start
        bounds = [*knots, end]
        stretches = [
            (a, b, layout.inputs.pack({**values, "F": flow}))
            for a, b, flow in zip(knots, bounds[1:], feed, strict=True)
        ]

        other = fed_peer(model, stretches, times, place)
        calls: dict[str, Callable[[int], Any]] = {
            "twinkit": lambda k, run=run, varied=varied, nominal=nominal: run({varied: nominal * (1 + 1e-6 * k)}),
            **{how.value: lambda k, other=other, how=how: other(k, how) for how in How},
        }
        found.append(compared(title, model, calls, rounds, 3))
    return found


def compared(
    title: str, model: tk.Model, calls: dict[str, Callable[[int], Any]], rounds: int, in_a_row: int
) -> dict[str, Any]:
    """Time the calls, print what was found, return it; the trajectories must agree."""
    medians, results = interleaved(calls, rounds, in_a_row, time.process_time)
    rows = {name: _rows(model, result) for name, result in results.items()}
    expected = rows["twinkit"]
    held = np.abs(expected).max(axis=0) > 0.0  # sums that start anew at every sample are zero in all rows
    gaps = {name: cho.scaled_error(row[:, held], expected[:, held]) for name, row in rows.items()}
    ours = medians["twinkit"]
    lines = [
        [name, duration(seconds), f"{gaps[name]:.1e}", *(("", "") if name == "twinkit" else (
            f"{seconds / ours:.1f} x", judged(seconds / ours, TARGET) if "LSODA" in name else ""))]
        for name, seconds in medians.items()
    ]  # fmt: skip
    print(
        table(
            f"{title}: processor time, rtol {RTOL:g}, median of {rounds} interleaved rounds",
            ["", "time", "from twinkit's", "slower", "target"],
            lines,
        )
    )
    return {"case": title, "rtol": RTOL, "rounds": rounds, "processor_seconds": medians, "gap": gaps}


def _rows(model: tk.Model, found: Any) -> NDArray:
    if not isinstance(found, tk.Solution):
        return found
    parts = [found.trace(entry.name).data for entry in model.layout.states]
    return np.column_stack(parts)


def industrial(rounds: int) -> dict[str, Any]:
    """(b) A whole batch of IndPenSim with recipe, controllers and disturbances, without spectra."""
    drawn = batch_variation(1)
    model = IndPenSimBatch().with_(drawn.values)
    points = {**recipe_points(), "disturbance": dict(drawn.disturbance)}
    inputs = {name: tk.steps(profile) for name, profile in points.items()}
    count = round(BATCH / SAMPLE)
    times = np.arange(count + 1) * SAMPLE
    run = tk.prepare(model, BATCH, inputs=inputs, outputs=times, rtol=RTOL)
    held = np.array([run.problem.program.values(np.array([t]))[0] for t in times])
    peer, layout = Peer(model), model.layout
    control, states = peer.jumps["control"], layout.states.size
    nominal, place = model.mu_x, layout.parameters["mu_x"].start

    def other(k: int, how: How) -> NDArray:
        values = model.values()
        y, modes = layout.states.pack(values), layout.modes.pack(values).tolist()
        p = layout.parameters.pack(values)
        p[place] = nominal * (1 + 1e-6 * k)
        p = p.tolist()
        rows, out = [y], [0.0] * (states + layout.modes.size)
        for step in range(count):
            u = held[step].tolist()
            control(times[step], y.tolist(), u + modes, p, out)
            y, modes = np.array(out[:states]), out[states:]
            rows[-1] = y  # a row of a time at which something happens is the one just after it
            y = peer.leg(times[step], times[step + 1 : step + 2], y, u + modes, p, RTOL, how)[-1]
            rows.append(y)
        return np.vstack(rows)

    calls: dict[str, Callable[[int], Any]] = {
        "twinkit": lambda k: run(mu_x=nominal * (1 + 1e-6 * k)),
        **{how.value: lambda k, how=how: other(k, how) for how in How},
    }
    return compared("IndPenSimBatch, 230 h, 33 states, 1150 decisions", model, calls, rounds, 1)


def ensembles(members: int, batches: int) -> dict[str, float]:
    """(c) Many members with progress: open fed-batches on all processors, and whole batches of IndPenSim."""
    model = EColiOverflow()
    factors = np.random.default_rng(0).uniform(0.9, 1.1, members)
    found: dict[str, float] = {}
    for name, size, go in (
        ("EColiOverflow, 14 h", members, lambda: tk.ensemble(
            model, {"q_S_max": model.q_S_max * factors}, 14.0, inputs={"F": 6e-3}, rtol=RTOL, solver=tk.Compiled())),
        ("IndPenSimBatch, 230 h", batches, lambda: _many(batches)),
    ):  # fmt: skip
        start, spent = time.perf_counter(), time.process_time()
        result = go()
        found[f"{name}, {size} members"] = time.perf_counter() - start
        print(f"{name}: {size} members in {duration(time.perf_counter() - start)}, processor time "
              f"{duration(time.process_time() - spent)}, {len(result.failures)} failed")  # fmt: skip
    return found


def _many(count: int) -> Any:
    drawn = [batch_variation(seed) for seed in range(count)]
    samples = {name: np.array([one.values[name] for one in drawn]) for name in drawn[0].values}
    inputs = {name: tk.steps(profile) for name, profile in recipe_points().items()}
    return tk.ensemble(IndPenSimBatch(), samples, BATCH, inputs=inputs, outputs=231, rtol=RTOL, solver=tk.Compiled())


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write the numbers where asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unitops", description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help=f"write {RESULTS.relative_to(RESULTS.parents[2])}")
    parser.add_argument("--quick", action="store_true", help="few rounds, few members: to see that it works")
    chosen = parser.parse_args(argv)
    rounds, heavy, members, batches = (3, 1, 100, 5) if chosen.quick else (31, 5, 1000, 1000)
    where = machine()
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    found = {
        "machine": where, "fed_batches": fed_batches(rounds), "indpensim": industrial(heavy),
        "ensembles": ensembles(members, batches),
    }  # fmt: skip
    if chosen.json:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten: {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
