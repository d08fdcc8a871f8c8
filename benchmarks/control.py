"""Controllers against known optima, and how often chance constraints are violated in closed loop.

    python -m benchmarks.control [--loops 1000]

Optima: the value of the plan of a whole batch against the best value in the literature (models and sources in
`tests.control_models`). Violations: closed loops of a heated tank with noise, an unknown heater and an extended Kalman
filter; the share of nodes at which the true temperature is above its limit.
"""

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from tests.control_models import GROW_THEN_FEED, FedBatch, LeeRamirez, ParkRamirez, Penicillin

import twinkit as tk
from benchmarks.report import table
from twinkit.estimate import Adaptation, ExtendedKalmanFilter, Sensor


@dataclass(frozen=True)
class Optimum:
    """A known optimum.

    Attributes
    ----------
    model, until, steps, goal, within, starts
        What is planned: the model, the end, the number of steps, the goal, limits, number of first guesses.
    best
        The best value known, for as many steps.
    first
        Input -> first profile.
    divided
        The time that `steps` divide; None: the end.
    """

    model: tk.Model
    until: Any
    steps: int
    goal: Any
    within: dict[str, Any]
    starts: int
    best: float
    first: dict[str, Any] = field(default_factory=dict)
    divided: float | None = None

    def plan(self) -> Any:
        """Return the plan of the whole batch."""
        end = self.until if self.divided is None else self.divided
        moves = {name: tk.Move(first=self.first.get(name)) for name in self.model.layout.inputs.labels}
        mpc = tk.MPC(
            self.model, until=self.until, step=end / self.steps, maximize=self.goal, within=self.within, moves=moves,
            starts=self.starts, iterations=150, escalate=False, native=False, tolerance=1e-4,
        )  # fmt: skip
        values = self.model.values()
        return mpc.plan({name: values[name] for name in self.model.layout.states.labels}, t=0.0)


VOLUME = {"S": (0.0, 25.0), "X": (None, 40.0), "V": (None, 10.0)}
OPTIMA = {
    "Lee-Ramirez, Q = 0": Optimum(LeeRamirez(), 10.0, 50, tk.final("product"), {}, 4, 6.1516),
    "Lee-Ramirez, Q = 2.5": Optimum(
        LeeRamirez(), 10.0, 50, tk.final("product") - 2.5 * tk.integral("induce"), {}, 1, 5.7571
    ),
    "Lee-Ramirez, Q = 5": Optimum(
        LeeRamirez(), 10.0, 50, tk.final("product") - 5.0 * tk.integral("induce"), {}, 1, 5.5679
    ),
    "Park-Ramirez": Optimum(ParkRamirez(), 15.0, 120, tk.final("product"), {}, 3, 32.691),
    "Srinivasan": Optimum(FedBatch(), 150.0, 50, tk.final("P"), {"X": (None, 3.7)}, 9, 1.68270),
    "penicillin, 132 h": Optimum(  # the best value is that of benchmarks.penicillin_peer, for as many steps
        Penicillin(), 132.0, 33, tk.final("product"), VOLUME, 1, 88.02879, {"feed": GROW_THEN_FEED}
    ),
    "penicillin, free end": Optimum(
        Penicillin(), (100.0, 170.0), 33, tk.final("product"), VOLUME, 1, 88.0995, {"feed": GROW_THEN_FEED}, 132.0
    ),
}


def optimum_errors() -> Iterator[tuple[str, float]]:
    """Relative difference of the optimum found to the best one known."""
    for name, optimum in OPTIMA.items():
        yield f"control/{name}/relative error", abs(optimum.plan().objective / optimum.best - 1.0)


class Tank(tk.Model):
    """A heated tank; its heater is not known well."""

    time_unit = "min"
    T = tk.State("degC", initial=30.0, nominal=10.0)
    Q = tk.Input("kW", default=2.0, bounds=(0, 10))
    gain = tk.Parameter("delta_degC/min/kW", 0.5, bounds=(0.1, 1.0))

    def equations(self, v, m):
        return {"T": v.gain * v.Q - m.quantity(0.05, "1/min") * (v.T - m.quantity(20.0, "degC"))}


LIMIT, STEP, NOISE, READING, GAIN = 40.0, 2.0, 0.25, 0.4, 0.03


def violations(confidence: float | None, loops: int, steps: int = 12, seed: int = 1) -> tuple[int, int, int]:
    """Return nodes above the limit, all nodes, and plans that were not fresh."""
    rng = np.random.default_rng(seed)
    mpc = tk.MPC(
        Tank(), horizon=6 * STEP, step=STEP, track={"T": 42.0}, moves={"Q": tk.Move(penalty=1e-3)}, native=False,
        within={"T": tk.Within(None, LIMIT, penalty=100.0)}, confidence=confidence, margin_growth=STEP,
    )  # fmt: skip
    base = ExtendedKalmanFilter(
        Tank(), [Sensor("T", std=READING)], {"T": 1.0}, process_noise={"T": NOISE},
        adapt={"gain": Adaptation(std=GAIN)}, initial={"T": 36.0}, inputs={"Q": 2.0},
    )  # fmt: skip
    decay = math.exp(-0.05 * STEP)
    spread = NOISE * math.sqrt((1.0 - decay**2) / 0.1)
    over = count = stale = 0
    for _ in range(loops):
        ekf, estimate, plan = base, base.start(), None
        value, gain, held = rng.normal(36.0, 1.0), rng.normal(0.5, GAIN), {0.0: 2.0}
        for k in range(steps):
            plan = mpc.plan(estimate, k * STEP, previous=plan)
            stale += not plan.status.fresh
            q = plan.moves["Q"].first
            held[k * STEP] = q
            value = 20.0 + (value - 20.0) * decay + gain * q * (1.0 - decay) / 0.05 + spread * rng.standard_normal()
            if k >= 3:  # from then on the plan is at the limit
                over, count = over + (value > LIMIT), count + 1
            ekf = replace(ekf, inputs={"Q": tk.steps(held)})
            reading = tk.Measurement("T", value + READING * rng.standard_normal(), "degC", source_time=(k + 1) * STEP)
            estimate = ekf.update(estimate, reading)
    return over, count, stale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=1000)
    options = parser.parse_args()
    rows = []
    for name, optimum in OPTIMA.items():
        began = time.process_time()
        plan = optimum.plan()
        change = f"{plan.objective / optimum.best - 1:.1e}"
        rows.append([name, f"{plan.objective:.5f}", f"{optimum.best:.5f}", change,
                     type(plan.status).__name__, f"{time.process_time() - began:.1f} s"])  # fmt: skip
    print(table("Known optima", ["", "found", "best known", "difference", "status", "time"], rows))
    rows = []
    for confidence in (None, 0.9, 0.95, 0.99):
        over, count, stale = violations(confidence, options.loops)
        allowed = 0.5 if confidence is None else 1.0 - confidence
        error = math.sqrt(allowed * (1.0 - allowed) / count)
        rows.append([str(confidence), f"{over / count:.4f}", f"{allowed:.2f}", f"{error:.4f}", str(count), str(stale)])
    head = ["confidence", "violated", "allowed", "standard error", "nodes", "plans not fresh"]
    print(table(f"Chance constraints in {options.loops} closed loops each", head, rows))


if __name__ == "__main__":
    main()
