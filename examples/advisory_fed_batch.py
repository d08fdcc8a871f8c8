"""A feed controller that advises: a person decides, every decision is recorded, and the forecasts meet what happened.

A filter follows a fed batch whose cells grow more slowly than the model says. Every two hours a model predictive
controller plans the feed; what comes out is a recommendation with its reasons and the alternative of doing nothing. The
operator accepts most of them, rejects one, and misses one. Then the loop is closed; when a probe fails it opens again.

    python examples/advisory_fed_batch.py [picture.png]
"""

import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

import twinkit as tk
from twinkit.control import (
    MPC,
    ControlMode,
    ControlSession,
    EnsembleForecast,
    Gate,
    Move,
    PlantCondition,
    final,
    recommend,
)
from twinkit.estimate import Adaptation, ExtendedKalmanFilter, Sensor


class FedBatch(tk.Model):
    """Growth on a substrate that is fed, and a product made by cells (illustrative numbers)."""

    time_unit = "h"
    X = tk.State("g/L", 1.0, bounds=(0, None), nominal=10.0, doc="cells")
    S = tk.State("g/L", 3.0, bounds=(0, None), nominal=3.0, doc="substrate")
    P = tk.State("g/L", 0.0, bounds=(0, None), nominal=1.0, doc="product")
    V = tk.State("L", 1.0, bounds=(0.1, None), nominal=1.0, doc="volume")
    F = tk.Input("L/h", 0.002, bounds=(0, 0.05), nominal=0.01, doc="feed")
    mu = tk.Parameter("1/h", 0.20, bounds=(0.01, 1), doc="largest growth rate")

    def equations(self, v, m):
        growth = v.mu * v.S / (m.quantity(0.5, "g/L") + v.S) * v.X
        thinner = v.F / v.V
        return {
            "X": growth - thinner * v.X,
            "S": thinner * (m.quantity(200.0, "g/L") - v.S) - growth / 0.5,
            "P": m.quantity(0.02, "1/h") * v.X - thinner * v.P,
            "V": v.F,
        }


SPACE = tk.DesignSpace({"S": "g/L", "V": "L", "F": "L/h"}, {"S": (0.1, 6.0), "V": (None, 1.5), "F": (0.0, 0.05)},
                       name="feed phase", source="illustrative")  # fmt: skip
# The controller stays in a smaller region: what it plans at the edge of the design space, the gate would stop.
OPERATING = tk.DesignSpace({"S": "g/L", "V": "L"}, {"S": (0.3, 4.0), "V": (None, 1.5)}, name="operating range")
STEP, END = 2.0, 24.0


class Trail:
    """An audit trail in memory; `twinkit.govern` will bring one that is signed."""

    def __init__(self) -> None:
        self.entries = []

    def record(self, action, details) -> None:
        self.entries.append((action, details))


def measure(plant, rng, failed):
    """Return the readings of two probes at the present end of the plant."""
    found = []
    for tag, std in (("X", 0.2), ("S", 0.15)):
        value = float(plant[tag][-1]) + std * rng.standard_normal()
        bad = failed and tag == "S"
        found.append(tk.Measurement(tag, value, "g/L", float(plant.time[-1]),
                                    quality=tk.Quality.BAD if bad else tk.Quality.GOOD))  # fmt: skip
    return found


def operator(session, advice, hour):
    """Play the person: busy at 6 h, unconvinced at 8 h."""
    if session.pending is None or hour == 6.0:
        return
    decide = session.reject if hour == 8.0 else session.accept
    reason = "foam in the vessel" if hour == 8.0 else "agrees with the trend"
    tqdm.write(f"  {decide(advice, by='M. Rossi', reason=reason, at=hour + 0.1).text}")


def known(estimate, readings):
    """Return what is known of the plant: the estimate, and the probes."""
    said = {name: estimate.output(name) for name in ("S", "V")}
    values, std = ({n: getattr(p, which) for n, p in said.items()} for which in ("mean", "std"))
    return PlantCondition(estimate.time, values, std, {reading.tag: reading for reading in readings})


def show(runs, said):
    """Draw what every second recommendation expected against what happened."""
    figure, axes = plt.subplots(3, 1, sharex=True, figsize=(7, 6.5), layout="constrained")
    for run in runs:
        for name, axis in zip(("F", "S", "P"), axes, strict=True):
            axis.plot(run.time, run[name], color="black", linewidth=1.5)
    for k, advice in enumerate(said[1::3]):
        for name, axis in zip(("S", "P"), axes[1:], strict=True):
            track, colour = advice.predicted[name], f"C{k}"
            axis.plot(track.times, track.mean, color=colour, linewidth=1)
            axis.fill_between(track.times, *track.interval(0.95), color=colour, alpha=0.2, linewidth=0)
    for name, axis, unit in zip(("F", "S", "P"), axes, ("L/h", "g/L", "g/L"), strict=True):
        axis.set_ylabel(f"{name} [{unit}]")
    axes[0].set_title("what happened (black), and what recommendations expected", fontsize="medium")
    axes[1].set_ylim(-1.0, 9.0)
    axes[-1].set_xlabel("time [h]")
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1], dpi=120)
    else:
        plt.show()


def main() -> None:
    model, rng = FedBatch(), np.random.default_rng(4)
    ekf = ExtendedKalmanFilter(
        model, [Sensor("X", std="0.2 g/L"), Sensor("S", std="0.15 g/L")], {"X": 0.1, "S": 0.2},
        process_noise={"X": 0.05, "S": 0.05}, adapt={"mu": Adaptation(std=0.03, noise=0.002)},
    )  # fmt: skip
    mpc = MPC(model, until=END, step=STEP, maximize=final("P"), moves={"F": Move(penalty=0.01)}, confidence=0.95,
              margin_growth="2 h", within=OPERATING.box())  # fmt: skip
    trail = Trail()
    session = ControlSession("bioreactor 3", {"F": "0.002 L/h"}, audit=trail,
                             gate=Gate(SPACE, freshness="3 h", sensors={"X": "3 h", "S": "3 h"}))  # fmt: skip
    session.switch(ControlMode.ADVISORY, by="M. Rossi", reason="start of the feed phase", at=0.0)
    truth, at = FedBatch(mu=0.17), {"X": 1.0, "S": 3.0, "P": 0.0, "V": 1.0}
    estimate, plan, runs, said, readings = ekf.start(), None, [], [], []
    for hour in tqdm(np.arange(0.0, END, STEP), unit="step"):
        present = session.setpoints
        plan = mpc.plan(estimate, previous=plan, applied=present)
        if plan.status.usable:
            forecast = EnsembleForecast(model, estimate, ["S", "P", "V"], until=END, every="1 h", size=16)
            advice = recommend(plan, forecast, present=present, outcomes=["P"], expires=hour + STEP)
            said.append(advice)
            tqdm.write(f"{hour:4g} h: {session.propose(advice, at=hour, condition=known(estimate, readings)).text}")
            operator(session, advice, hour)
        if hour == 12.0:
            answer = session.switch(ControlMode.CLOSED_LOOP, by="M. Rossi", reason="stable", at=hour + 0.2)
            tqdm.write(f"{hour:4g} h: closed loop {answer.text}")
        rate = session.setpoints["F"]
        runs.append(tk.simulate(truth, until=hour + STEP, start=hour, initial=at, inputs={"F": rate}, outputs="15 min"))
        at = {name: float(runs[-1][name][-1]) for name in at}
        readings = measure(runs[-1], rng, failed=hour + STEP == 18.0)
        estimate = replace(ekf, inputs={"F": rate}).update(estimate, readings)
    print(said[5])
    print(f"product {at['P']:.3g} g/L at {estimate.time:g} h; audit trail:")
    for action, details in trail.entries:
        print(f"  {details['at']:5.1f} h  {action:24s} {details['by']:12s} {'; '.join(details['reasons'])[:80]}")
    show(runs, said)


if __name__ == "__main__":
    main()
