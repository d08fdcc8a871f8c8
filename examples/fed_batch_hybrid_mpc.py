"""Feeding with a hybrid model: growth learned from past batches, an estimator, and a controller that knows its limits.

    python examples/fed_batch_hybrid_mpc.py [picture.png]

Cells are slowed down by the substrate they are fed. The mechanism does not know that; a Gaussian process learns it from
eight past batches. Then two controllers feed the same plant for the most product: one with the mechanism, fitted to the
same batches, and one with the hybrid model. Last, the hybrid controller is asked to start from far more substrate than
any batch had: it says so, and widens its margins.
"""

import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

import twinkit as tk
from twinkit.estimate import ExtendedKalmanFilter

END, STEP = 24.0, 1.0  # h
START = {"X": 1.0, "S": 3.0, "P": 0.0, "V": 1.0}
NOISE = {"X": 0.2, "S": 0.1, "P": 0.05}  # g/L


class FedBatch(tk.Model):
    """Growth on a substrate that is fed, and a product made in growth and at rest (illustrative numbers)."""

    time_unit = "h"
    X = tk.State("g/L", 1.0, bounds=(0, None), nominal=10.0, doc="cells")
    S = tk.State("g/L", 3.0, bounds=(0, None), nominal=3.0, doc="substrate")
    P = tk.State("g/L", 0.0, bounds=(0, None), nominal=2.0, doc="product")
    V = tk.State("L", 1.0, bounds=(0.1, None), nominal=1.0, doc="volume")
    F = tk.Input("L/h", 0.0, bounds=(0, 0.04), nominal=0.01, doc="feed")
    mu_max = tk.Parameter("1/h", 0.3, bounds=(0.01, 1), doc="largest growth rate", source="illustrative")
    product = tk.Output("g", nominal=2.0, doc="product in the vessel")

    def equations(self, v, m):
        mu = m.rate("mu", self.growth(v, m))
        thinner = v.F / v.V
        return {
            "X": (mu - thinner) * v.X,
            "S": thinner * (m.quantity(200.0, "g/L") - v.S) - mu * v.X / 0.5,
            "P": (0.1 * mu + m.quantity(0.005, "1/h")) * v.X - thinner * v.P,
            "V": v.F,
            "product": v.P * v.V,
        }

    def growth(self, v, m):
        return v.mu_max * v.S / (m.quantity(0.5, "g/L") + v.S)


class Plant(FedBatch):
    """The same balances; much substrate slows growth down, which the mechanism above does not know."""

    def growth(self, v, m):
        return v.mu_max * v.S / (m.quantity(0.5, "g/L") + v.S + v.S**2 / m.quantity(4.0, "g/L"))


def measured(run: tk.Solution, row: int, rng: np.random.Generator) -> list[tk.Measurement]:
    """Return what the probes say at one time of a run."""
    return [
        tk.Measurement(tag, float(run[tag][row]) + std * rng.standard_normal(), "g/L", float(run.time[row]), std=std)
        for tag, std in NOISE.items()
    ]


def past_batches(count: int, rng: np.random.Generator) -> list[tk.Batch]:
    """Return batches fed by hand: a feed that grows with the cells, more or less well."""
    found = []
    for k in range(count):
        start = START | {"S": float(rng.uniform(1.0, 8.0))}
        rates = np.exp(rng.uniform(-7.0, -5.5) + rng.uniform(0.05, 0.13) * np.arange(0.0, END, 4.0))
        feed = {"F": tk.steps(dict(zip(np.arange(0.0, END, 4.0), np.minimum(rates, 0.04), strict=True)))}
        run = tk.simulate(Plant(), END, initial=start, inputs=feed, outputs=np.linspace(0.0, END, 9))
        rows = [reading for row in range(9) for reading in measured(run, row, rng)]
        found.append(tk.Batch(f"batch {k + 1}", rows, inputs=feed, initial=start, until=END))
    return found


def controller(model: tk.Model | tk.hybrid.HybridModel) -> tk.MPC:
    """Return a controller for the most product within the limits of the vessel."""
    return tk.MPC(
        model, until=END, step=STEP, maximize=tk.final("product"), confidence=0.95, margin_growth="2 h",
        moves={"F": tk.Move(penalty=0.02, max_rate="0.01 L/h**2", safe=0.0)},
        within={"V": (None, 1.3), "S": tk.Within(0.05, 8.0, penalty=10.0)}, native=False,
    )  # fmt: skip


def closed_loop(mpc: tk.MPC, rng: np.random.Generator, name: str) -> tuple[list[tk.Solution], list[tk.control.Plan]]:
    """Feed the plant by plans from estimates; return what happened, and all plans."""
    ekf = ExtendedKalmanFilter(
        mpc.model, [tk.Sensor(tag, std=std) for tag, std in NOISE.items()],
        {"X": 0.1, "S": 0.2, "P": 0.02, "V": 0.001}, process_noise={"X": 0.1, "S": 0.1, "P": 0.02}, initial=START,
    )  # fmt: skip
    estimate, plan, at, runs, plans = ekf.start(), None, START, [], []
    for hour in tqdm(np.arange(0.0, END, STEP), desc=name, unit="step"):
        plan = mpc.plan(estimate, t=hour, previous=plan)
        plans.append(plan)
        rate = plan.next_moves["F"]
        runs.append(tk.simulate(Plant(), hour + STEP, start=hour, initial=at, inputs={"F": rate}, outputs="15 min"))
        at = {state: float(runs[-1][state][-1]) for state in START}
        estimate = replace(ekf, inputs={"F": rate}).update(estimate, measured(runs[-1], -1, rng))
    return runs, plans


def main() -> None:
    rng = np.random.default_rng(2)
    batches = past_batches(8, rng)
    residual = tk.hybrid.Residual(
        FedBatch(), on={"mu": ["S"]}, gates={"mu": {"S": 0.2}}, terms=tk.hybrid.InducingGP(points=10)
    )
    hybrid = tk.hybrid.HybridModel(residual, parameters={"mu_max": 0.3}, rounds=4).fit(batches)
    mechanism = tk.hybrid.HybridModel(FedBatch(), parameters={"mu_max": 0.3}, rounds=4).fit(batches)
    loops = {
        name: closed_loop(controller(model), np.random.default_rng(5), name)
        for name, model in (("mechanism", mechanism), ("hybrid", hybrid))
    }
    for name, (runs, plans) in loops.items():
        fresh = sum(plan.status.fresh for plan in plans)
        inside = sum(plan.in_domain for plan in plans)
        print(
            f"{name:9s}: {float(runs[-1]['product'][-1]):.3f} g of product; first forecast {plans[0].objective:.3f} g; "
            f"{fresh} of {len(plans)} plans new, {inside} within what the model was made from"
        )
    foreign = controller(hybrid).plan(START | {"S": 60.0}, t=0.0)
    print("\nStarted from 60 g/L of substrate:\n" + foreign.rationale)

    figure, axes = plt.subplots(3, 2, sharex=True, sharey="row", figsize=(9, 7), layout="constrained")
    for column, (name, (runs, plans)) in zip(axes.T, loops.items(), strict=True):
        for axis, tag in zip(column, ("S", "product"), strict=False):
            for k, plan in enumerate(plans[::4]):
                track = plan.predicted[tag]
                axis.plot(track.times, track.mean, color=f"C{k}", linewidth=1)
                axis.fill_between(track.times, *track.interval(0.95), color=f"C{k}", alpha=0.2, linewidth=0)
            for run in runs:
                axis.plot(run.time, run[tag], color="black", linewidth=1.5)
        column[0].set_title(f"planned with the {name} (lines), and what happened (black)", fontsize="small")
        column[2].step([plan.time for plan in plans], [plan.next_moves["F"] for plan in plans], where="post")
        column[2].set_xlabel("time [h]")
    for axis, label in zip(axes[:, 0], ("S [g/L]", "product [g]", "F [L/h]"), strict=True):
        axis.set_ylabel(label)
    figure.savefig(sys.argv[1]) if len(sys.argv) > 1 else plt.show()


if __name__ == "__main__":
    main()
