"""Moving-horizon estimation of do-mpc's rotating masses, against do-mpc on the same recorded data.

    DO_MPC_PYTHON=/path/to/env/bin/python python -m benchmarks.mhe [--quick]

do-mpc (LGPL) runs in an environment of its own, named by ``DO_MPC_PYTHON``; without it only twinkit is measured. Three
discs on springs between two motors; the angles and the set motor angles are measured every 0.1 s with noise of
0.01 rad, and the inertia of the first disc is estimated along with the 8 states. Model, window (10 intervals) and
weights are those of do-mpc's example "rotating oscillating masses". Times are processor times, the least of several
runs per step, medians over the steps after the window has filled.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import twinkit as tk
from benchmarks.report import duration, table
from twinkit.estimate import Adaptation, MovingHorizonEstimator, Sensor

STEP, NOISE = 0.1, 0.01
TARGETS = {"as shipped": 15.0, "equal error": 40.0, "without a compiler": 5.0}
START = np.pi * np.array([1.0, 1.0, -1.5, 1.0, -5.0, 5.0, 0.0, 0.0])


class Discs(tk.Model):
    """Three discs on springs between two motors (parameters of do-mpc's example)."""

    time_unit = "s"
    phi = tk.State("rad", shape=3, initial=0.0, nominal=3.0)
    speed = tk.State("rad/s", shape=3, initial=0.0, nominal=10.0)
    motor = tk.State("rad", shape=2, initial=0.0, nominal=3.0)
    wanted = tk.Input("rad", shape=2, default=0.0)
    theta_1 = tk.Parameter("kg*m**2", 2.25e-4, bounds=(1e-5, 1e-3))
    theta_2 = tk.Parameter("kg*m**2", 2.25e-4)
    theta_3 = tk.Parameter("kg*m**2", 2.25e-4)

    def equations(self, v, m):
        spring, drag, lag = m.quantity(1e-3, "N*m/rad"), m.quantity(1e-5, "N*m*s/rad"), m.quantity(1e-2, "s")
        c, d = [2.697, 2.66, 3.05, 2.86], [6.78, 8.01, 8.82]
        theta = [v.theta_1, v.theta_2, v.theta_3]
        left, right = [v.motor[0], v.phi[0], v.phi[1]], [v.phi[1], v.phi[2], v.motor[1]]
        rates = [
            -(spring * (c[i] * (v.phi[i] - left[i]) + c[i + 1] * (v.phi[i] - right[i])) + drag * d[i] * v.speed[i])
            / theta[i]
            for i in range(3)
        ]
        return {"phi": v.speed, "speed": m.stack(rates), "motor": (v.wanted - v.motor) / lag}


def recorded(steps: int, seed: int = 99) -> dict[str, np.ndarray]:
    """Return true states, readings (angles, set motor angles) and a perturbed first guess."""
    rng = np.random.default_rng(seed)
    held = np.zeros((steps, 2))
    for k in range(1, steps):  # a new random angle every fifth step or so
        held[k] = (0.5 - rng.random(2)) * np.pi if rng.random() >= 0.8 else held[k - 1]
    times = STEP * np.arange(steps + 1)
    initial = {"phi": START[:3], "speed": START[3:6], "motor": START[6:]}
    inputs = {"wanted": tk.steps((times[:-1], held))}
    run = tk.simulate(Discs(), until=times[-1], outputs=times, inputs=inputs, initial=initial, rtol=1e-9)
    states = np.column_stack([run[name].values for name in ("phi", "speed", "motor")])[1:]
    readings = np.column_stack([states[:, :3], held]) + NOISE * rng.standard_normal((steps, 5))
    return {"states": states, "readings": readings, "guess": START * (1 + 0.5 * rng.standard_normal(8))}


def twinkit_run(data: dict[str, np.ndarray], native: bool, rtol: float) -> dict[str, np.ndarray]:
    """Return estimates and times per step of twinkit. The noise of the set angles acts as noise on the speeds."""
    readings = data["readings"]
    times = STEP * np.arange(len(readings) + 1)
    guess = data["guess"]
    mhe = MovingHorizonEstimator(
        Discs(theta_1=1e-4),
        [Sensor(f"phi[{i}]", std=NOISE) for i in range(3)],
        initial={"phi": guess[:3], "speed": guess[3:6], "motor": guess[6:]},
        initial_std={"phi": 3.0, "speed": 10.0, "motor": 3.0},
        process_noise={"speed": 0.03, "motor": 0.03},
        adapt={"theta_1": Adaptation(std=3e-4)},
        inputs={"wanted": tk.steps((times[:-1], readings[:, 3:]))},
        nodes=10,
        rtol=rtol,
        native=native,
    )
    estimate = mhe.start()
    states, parameters, seconds, failed = [], [], [], 0
    for t, y in zip(times[1:].tolist(), readings, strict=True):
        batch = [tk.Measurement(f"phi[{i}]", float(y[i]), "rad", t) for i in range(3)]
        began = time.process_time()
        estimate = mhe.update(estimate, batch)
        seconds.append(time.process_time() - began)
        states.append(estimate.vector[:8])
        parameters.append(estimate.vector[8])
        failed += not estimate.status.usable
    return {"states": states, "parameters": parameters, "seconds": seconds, "failed": failed}


def peer_run(data: dict[str, np.ndarray], elements: int, quiet: bool, python: str) -> dict[str, np.ndarray]:
    """Return estimates and times per step of do-mpc, run in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "recorded.npz", Path(folder) / "result.npz"
        np.savez(source, **data)
        script = Path(__file__).with_name("mhe_peer.py")
        subprocess.run(
            [python, str(script), str(source), str(elements), "quiet" if quiet else "loud", str(target)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return dict(np.load(target))


def summary(data: dict[str, np.ndarray], runs: list[dict[str, np.ndarray]]) -> tuple[float, float, float, float]:
    """Return the median time of a step, and rms errors of angles and speeds and of theta_1 (relative)."""
    first = 20
    seconds = np.min([run["seconds"] for run in runs], axis=0)[first:]
    error = np.asarray(runs[0]["states"])[first:] - data["states"][first:]
    theta = np.asarray(runs[0]["parameters"])[first:] / 2.25e-4 - 1.0
    rms = [float(np.sqrt(np.mean(part**2))) for part in (error[:, :3], error[:, 3:6], theta)]
    return float(np.median(seconds)), rms[0], rms[1], rms[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer steps and repeats")
    parser.add_argument("--rtol", type=float, default=1e-4, help="accuracy of twinkit's discretisation")
    options = parser.parse_args()
    steps, repeats = (60, 1) if options.quick else (200, 3)
    data = recorded(steps)
    found = {
        "twinkit, C compiler and numba": [twinkit_run(data, True, options.rtol) for _ in range(repeats + 1)],
        "twinkit, no compiler": [twinkit_run(data, False, options.rtol) for _ in range(repeats)],
    }
    python = os.environ.get("DO_MPC_PYTHON")
    if python:
        for elements, quiet in ((1, False), (1, True), (2, True), (4, True), (6, True)):
            name = f"do-mpc, elements: {elements}" + ("" if quiet else ", as shipped (IPOPT prints)")
            found[name] = [peer_run(data, elements, quiet, python) for _ in range(repeats)]
    else:
        print("DO_MPC_PYTHON is not set: do-mpc is left out", file=sys.stderr)
    results = {name: summary(data, runs) for name, runs in found.items()}
    (ours, slow) = (results[name][0] for name in list(results)[:2])
    rows = [
        [name, duration(seconds), f"{angle:.2g}", f"{speed:.2g}", f"{theta:.2g}", f"{seconds / ours:.1f} x",
         f"{seconds / slow:.1f} x"]
        for name, (seconds, angle, speed, theta) in results.items()
    ]  # fmt: skip
    head = ["", "step", "rms angle", "rms speed", "rms theta_1", "slower than native", "than no compiler"]
    print(table(f"Rotating masses, {steps} steps, rtol {options.rtol:g}", head, rows))
    print("twinkit steps without a usable optimum:", [run["failed"] for run in next(iter(found.values()))[:1]])


if __name__ == "__main__":
    main()
