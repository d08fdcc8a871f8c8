"""How fast the filters are over whole records, against filterpy in the same run. Reported; no test depends on it.

    python -m benchmarks.estimation [--json] [--quick] [--peer PYTHON]

Two cases: a fermentation with an adapted growth rate (4 estimated quantities, 1 sensor), and a column of twenty cells
(20 quantities, 4 sensors). One sub-step per reading. Times are CPU times of the process, the least of several repeats.

filterpy (MIT) is the peer, in an environment of its own if `--peer` names its interpreter. Its extended filter runs
twice: with the arithmetic of twinkit, so that the results agree (the ratio is judged on that), and as users write it,
which does less: one Euler step for the covariance, ``F = I + h J`` and ``h Q``, beside the same Runge-Kutta step for
the mean in plain Python floats.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.estimation_examples import Column

from benchmarks.report import table
from twinkit import Input, Model, Parameter, State
from twinkit.estimate import (
    Adaptation,
    Engine,
    ExtendedKalmanFilter,
    Filter,
    Sensor,
    UnscentedKalmanFilter,
    prepare_filter,
)

RESULTS = Path(__file__).parent / "results" / "estimation.json"


class Yeast(Model):
    """Continuous fermentation."""

    time_unit = "h"
    X = State("g/L", initial=1.0, bounds=(0, None), doc="cells")
    G = State("g/L", initial=40.0, bounds=(0, None), doc="glucose")
    E = State("g/L", initial=0.0, bounds=(0, None), doc="ethanol")
    mu = Parameter("1/h", 0.30, bounds=(0, 1), doc="largest growth rate")
    K = Parameter("g/L", 1.0, doc="half-saturation")
    Y = Parameter("g/g", 0.10, doc="cells from glucose")
    Q = Parameter("g/g", 0.45, doc="ethanol from glucose")
    D = Input("1/h", default=0.1, doc="dilution rate")
    feed = Parameter("g/L", 40.0, doc="glucose in the feed")

    def equations(self, v: Any, m: Any) -> dict[str, Any]:
        growth = v.mu * v.G / (v.K + v.G) * v.X
        return {
            "X": growth - v.D * v.X,
            "G": -growth / v.Y + v.D * (v.feed - v.G),
            "E": v.Q * growth / v.Y - v.D * v.E,
        }


PEER = '''
import sys, time
import numpy as np
from filterpy.kalman import ExtendedKalmanFilter, MerweScaledSigmaPoints, UnscentedKalmanFilter

H, COUNT = 0.05, int(sys.argv[1])

def rate(x):
    X, G, E, mu = x
    g = mu * G / (1.0 + G) * X
    return g - 0.1 * X, -g / 0.1 + 0.1 * (40.0 - G), 0.45 * g / 0.1 - 0.1 * E, 0.0

def ahead(x, k, s):
    return x[0] + s * k[0], x[1] + s * k[1], x[2] + s * k[2], x[3] + s * k[3]

def step(x, h=H):
    x = tuple(float(one) for one in x)
    a = rate(x); b = rate(ahead(x, a, h / 2)); c = rate(ahead(x, b, h / 2)); d = rate(ahead(x, c, h))
    return np.array([x[i] + h / 6 * (a[i] + 2 * b[i] + 2 * c[i] + d[i]) for i in range(4)])

def jacobian(x):
    X, G, E, mu = (float(one) for one in x)
    s = G / (1.0 + G); ds = 1.0 / (1.0 + G) ** 2
    dX, dG, dmu = mu * s, mu * ds * X, s * X
    return np.array([[dX - 0.1, dG, 0, dmu], [-dX / 0.1, -dG / 0.1 - 0.1, 0, -dmu / 0.1],
                     [4.5 * dX, 4.5 * dG, -0.1, 4.5 * dmu], [0, 0, 0, 0]])

Q = np.diag(np.square([0.05, 0.15, 0.05, 0.01])) * H
P = np.diag(np.square([0.3, 3.0, 0.0, 0.1])) + 1e-9 * np.eye(4)
SEEN = np.array([[0.0, 1.0, 0.0, 0.0]])
readings = 5 + np.random.default_rng(0).standard_normal(COUNT)

class EKF(ExtendedKalmanFilter):
    def predict_x(self, u=0):
        self.x = step(self.x)

STATES = np.diag(Q) / H

def tangent(x):
    """What twinkit computes: the derivative of the Runge-Kutta step, and Simpson's rule for the noise."""
    x = np.asarray(x, float)
    eye, slopes, maps, jacobians = np.eye(4), [], [], []
    for part in (0.0, H / 2, H / 2, H):
        at = x + part * slopes[-1] if slopes else x
        J = jacobian(at)
        maps.append(J @ (eye + part * maps[-1]) if maps else J)
        slopes.append(np.array(rate(tuple(at.tolist()))))
        jacobians.append(J)
    whole = eye + H / 6 * (maps[0] + 2 * maps[1] + 2 * maps[2] + maps[3])
    second = eye + H / 4 * (jacobians[2] + jacobians[3] @ (eye + H / 2 * jacobians[2]))
    noise = H / 6 * ((whole * STATES) @ whole.T + 4 * (second * STATES) @ second.T + np.diag(STATES))
    return x + H / 6 * (slopes[0] + 2 * slopes[1] + 2 * slopes[2] + slopes[3]), whole, noise

class Same(ExtendedKalmanFilter):
    def predict_x(self, u=0):
        self.x = self.ahead

def same():
    f = Same(4, 1)
    f.x, f.P, f.Q, f.R = np.array([1.0, 40.0, 0.0, 0.3]), np.diag([0.09, 9.0, 0.0, 0.01]), Q, np.eye(1)
    for y in readings:
        f.ahead, f.F, f.Q = tangent(f.x)
        f.predict()
        f.update(np.array([y]), lambda x: SEEN, lambda x: x[1:2])
    return f.x

def extended():
    f = EKF(4, 1)
    f.x, f.P, f.Q, f.R = np.array([1.0, 40.0, 0.0, 0.3]), P.copy(), Q, np.eye(1)
    for y in readings:
        f.F = np.eye(4) + H * jacobian(f.x)
        f.predict()
        f.update(np.array([y]), lambda x: SEEN, lambda x: x[1:2])

def unscented():
    points = MerweScaledSigmaPoints(4, 1.0, 2.0, 0.0)
    f = UnscentedKalmanFilter(4, 1, H, lambda x: x[1:2], lambda x, dt: step(x), points)
    f.x, f.P, f.Q, f.R = np.array([1.0, 40.0, 0.0, 0.3]), P.copy(), Q, np.eye(1)
    for y in readings:
        f.predict()
        f.update(np.array([y]))

for run in (same, extended, unscented):
    best = 1e9
    for _ in range(3):
        start = time.process_time(); run(); best = min(best, time.process_time() - start)
    print(best / COUNT)
print(*same())
'''


def least(call: Callable[[], Any], repeats: int) -> float:
    """Return the least CPU time of a call in seconds, after one that does not count."""
    call()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def yeast(kind: type[Filter]) -> Filter:
    """Return a filter of the fermentation."""
    noise = {"X": 0.05, "G": 0.15, "E": 0.05}
    start = {"X": 0.3, "G": 3.0}
    return kind(Yeast(), [Sensor("G", 1.0)], start, noise, {"mu": Adaptation(0.1, 0.01)}, gate=None)


def per_step(kind: Filter, times: Any, values: Any, repeats: int, engine: Engine) -> float:
    """Return the seconds of one step of a prepared filter."""
    run = prepare_filter(kind, times, engine=engine)
    return least(lambda: run(values, covariances=False), repeats) / len(times)


def peers(python: str, count: int) -> tuple[dict[str, float], Any] | None:
    """Return the seconds of one step of filterpy's filters, and the last mean; None where it is not installed."""
    done = subprocess.run([python, "-c", PEER, str(count)], capture_output=True, text=True)
    if done.returncode:
        return None
    *lines, last = done.stdout.splitlines()
    names = ("extended, the same arithmetic", "extended, as users write it", "unscented")
    seconds = {name: float(line) for name, line in zip(names, lines, strict=True)}
    return seconds, np.array([float(number) for number in last.split()])


def looped(kind: ExtendedKalmanFilter, times: Any, values: Any, loops: int) -> tuple[float, float]:
    """Return the smallest eigenvalue of the covariance over its trace after looped data, the worst of all loops."""
    run, estimate, worst = prepare_filter(kind, times, engine=Engine.NUMBA), None, np.inf
    for _ in range(loops):
        estimate = replace(run(values, start=estimate, covariances=False).last, time=0.0)
        p = estimate.covariance
        worst = min(worst, float(np.linalg.eigvalsh(p).min() / np.trace(p))) if np.isfinite(p).all() else -np.inf
    return worst, float(loops * len(times))


def main(arguments: list[str] | None = None) -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="write results/estimation.json")
    parser.add_argument("--quick", action="store_true", help="take seconds")
    parser.add_argument("--peer", default=sys.executable, help="interpreter of an environment with filterpy")
    options = parser.parse_args(arguments)
    count, repeats, loops = (4000, 3, 20) if options.quick else (20_000, 15, 1000)
    rng = np.random.default_rng(0)
    times, readings = 0.05 * np.arange(1, count + 1), 5 + rng.standard_normal((count, 1))  # as the peer draws them
    sensors = [Sensor(f"c[{i}]", 0.05) for i in (4, 9, 14, 19)]
    column = ExtendedKalmanFilter(Column(), sensors, {"c": 0.5}, {"c": 0.05}, gate=None)
    many, seen = 0.02 * np.arange(1, count + 1), 0.9 + 0.05 * rng.standard_normal((count, 4))
    found = {
        "extended, 4": per_step(yeast(ExtendedKalmanFilter), times, readings, repeats, Engine.NUMBA),
        "extended, 4, without numba": per_step(
            yeast(ExtendedKalmanFilter), times[:2000], readings[:2000], repeats, Engine.CASADI
        ),
        "unscented, 4": per_step(yeast(UnscentedKalmanFilter), times, readings, repeats, Engine.NUMBA),
        "extended, 20": per_step(column, many, seen, repeats, Engine.NUMBA),
    }
    peer_count = 1000 if options.quick else 4000
    peer = peers(options.peer, peer_count)
    targets = {
        "extended, 4": (1e-6, 50.0), "extended, 4, without numba": (None, 10.0),
        "unscented, 4": (None, 10.0), "extended, 20": (5e-6, None),
    }  # fmt: skip
    rows = []
    for name, seconds in found.items():
        limit, ratio = targets[name]
        against = ["", ""]
        if peer is not None and "20" not in name:
            slow = [peer[0][other] / seconds for other in peer[0] if other.startswith(name.partition(",")[0])]
            against = [f"{one:.0f} x" for one in slow] + [""] * (2 - len(slow))
            against[0] += "" if ratio is None else f" ({ratio:g}: {'pass' if slow[0] >= ratio else 'FAIL'})"
        judged = "" if limit is None else f"{1e6 * limit:g} µs: {'pass' if seconds <= limit else 'FAIL'}"
        rows.append([name, f"{1e6 * seconds:.2f} µs", judged, *against])
    head = ["", "time", "target", "filterpy, the same arithmetic", "as users write it"]
    print(table("One step of a filter over a record", head, rows))
    if peer is None:
        print("filterpy is not installed here: name an interpreter that has it with --peer")
    else:
        print("filterpy: " + ", ".join(f"{name} {1e6 * one:.0f} µs" for name, one in peer[0].items()))
        mine = prepare_filter(yeast(ExtendedKalmanFilter), times[:peer_count])(readings[:peer_count]).mean[-1]
        print(f"largest relative difference of the last means: {np.max(np.abs(mine / peer[1] - 1)):.1g}")
    sharp = replace(column, sensors=[Sensor(s.output, 1e-4) for s in sensors], process_noise={"c": [0.05] + [0.0] * 19})
    worst, steps = looped(sharp, many[:1000], seen[:1000], loops)
    print(f"20 quantities over {steps:g} steps of looped data: least eigenvalue / trace {worst:.2g}")
    if options.json:
        RESULTS.parent.mkdir(exist_ok=True)
        record = {
            "seconds": found,
            "filterpy": None if peer is None else peer[0],
            "looped": {"steps": steps, "least eigenvalue over trace": worst},
        }
        RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
