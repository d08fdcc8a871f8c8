"""Silent failures: a hybrid model trained on a process, asked about it after a drift.

    python -m benchmarks.hybrid_drift [--seed 100]

A failure is silent where the truth lies outside the 95 % interval and the model does not defer to the laboratory.
Cells, glucose and lactate are measured daily; product is predicted only.
"""

import argparse

import numpy as np

import twinkit as tk
from benchmarks import hybrid_cho, hybrid_process
from benchmarks.report import table

DRIFTS = {
    "none": {}, "growth -20 %": {"mu_max": 0.8}, "lactate yield +30 %": {"Y_L": 1.3},
    "productivity -30 %": {"q_P": 0.7}, "feed glucose -20 %": {"G_in": 0.8},
}  # fmt: skip


def silent(model: tk.hybrid.HybridModel, seed: int, factors: dict[str, float], count: int = 4) -> dict[str, float]:
    """Return shares, in %, of values that are wrong, deferred, and wrong without being deferred."""
    truth = hybrid_process.process(seed)
    truth = truth.with_({name: getattr(truth, name) * factor for name, factor in factors.items()})
    wrong, deferred = [], []
    random = np.random.default_rng(seed)
    for batch in hybrid_process.batches(seed, "test_interpolation", count):
        run = tk.simulate(truth, 14.0, inputs=batch.inputs, initial=batch.initial, outputs=hybrid_cho.TIMES)
        exact = np.column_stack([run.trace(tag).data for tag in hybrid_cho.COLUMNS])
        noise = np.hypot(np.array(hybrid_process.RELATIVE) * exact, hybrid_process.ABSOLUTE)
        seen = np.maximum(exact + noise * random.standard_normal(exact.shape), 1e-3)
        rows = [
            tk.Measurement(tag, float(seen[i, j]), unit, float(t))
            for i, t in enumerate(hybrid_cho.TIMES)
            for j, (tag, (_, unit)) in enumerate(hybrid_cho.COLUMNS.items())
            if tag != "P" and i
        ]
        (found,) = model.forecast(
            batch.with_(measurements=rows), times=hybrid_cho.TIMES, tags=tuple(hybrid_cho.COLUMNS), n=40
        )
        off = (exact < found.low - 1e-9) | (exact > found.high + 1e-9)
        wrong.append(off[1:])
        deferred.append(found.defers[1:])
    bad, asked = np.array(wrong), np.array(deferred)
    return {
        "wrong": 100 * float(bad.mean()), "deferred": 100 * float(asked.mean()),
        "silent": 100 * float((bad & ~asked).mean()),
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hybrid_drift", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=hybrid_cho.HELD_OUT[0])
    seed = parser.parse_args(argv).seed
    free = dict.fromkeys(hybrid_cho.Candidate.free, 1.0)
    model = tk.hybrid.HybridModel(hybrid_cho.hybrid(), parameters=free, progress=False)
    model.fit(hybrid_process.batches(seed, "train", 10))
    rows = []
    for name, factors in DRIFTS.items():
        found = silent(model, seed, factors)
        rows.append([name, *(f"{found[key]:.1f}" for key in ("wrong", "deferred", "silent"))])
    print(table("Hybrid CHO after a drift, % of values", ["drift", "wrong", "deferred", "silent"], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
