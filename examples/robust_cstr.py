"""A stirred tank at its temperature limit: one plan for the model, or one that keeps the limit in every scenario.

    python examples/robust_cstr.py [picture.png]

The most product is made right at the limit of the temperature. If the side reaction is faster than the model says, the
nominal controller exceeds the limit at every step, though it sees all states. The multi-stage controller (Lucia and
others 2013, doi:10.1016/j.jprocont.2013.08.008) keeps it in all scenarios, and pays with a little product.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from cstr_tracking import Reactor
from tqdm import tqdm

import twinkit as tk
from twinkit.control import Plan, Within

STEP, STEPS, LIMIT = 0.01, 20, 115.0  # h, -, degC
START = {"C_a": 1.5, "C_b": 0.7, "T_R": 112.0, "T_K": 108.0}
SCENARIOS = {
    "as known": {},
    "hot": {"alpha": 0.95, "beta": 0.9},
    "hotter": {"alpha": 0.95, "beta": 1.1},
    "cold": {"alpha": 1.05, "beta": 1.1},
}


class Producer(Reactor):
    """The stirred tank, with what leaves it."""

    made = tk.Output("mol/L/h", nominal=30.0, doc="product that leaves, per volume of the tank")

    def equations(self, v, m):
        return {**super().equations(v, m), "made": v.F * v.C_b}


def controller(robust: bool) -> tk.MPC:
    """Return a controller for the most product below the limit."""
    return tk.MPC(
        Producer(), horizon=12 * STEP, step=STEP, maximize=tk.integral("made"), native=False,
        moves={"F": tk.Move(penalty=0.05, scale=50.0), "Q": tk.Move(penalty=0.02, scale=2000.0)},
        within={"T_R": Within(50.0, LIMIT, penalty=300.0)}, scenarios=SCENARIOS if robust else {},
    )  # fmt: skip


def closed_loop(robust: bool, plant: str) -> tuple[list[tk.Solution], list[Plan], float]:
    """Control a plant that is one of the scenarios; return what happened, all plans, and what was made [mol/L]."""
    mpc, truth, at, plan = controller(robust), Producer(**SCENARIOS[plant]), START, None
    moves, runs, plans, made = {"F": 30.0, "Q": -3000.0}, [], [], 0.0
    for k in tqdm(range(STEPS), desc=f"{'multi-stage' if robust else 'nominal'}, plant {plant}", unit="step"):
        plan = mpc.plan(at, t=k * STEP, previous=plan, applied=moves)
        moves = plan.next_moves
        run = tk.simulate(truth, (k + 1) * STEP, start=k * STEP, initial=at, inputs=moves, outputs=STEP / 5)
        at = {name: float(run[name][-1]) for name in START}
        made += float(np.trapezoid(run["made"].values, run.time))
        runs.append(run)
        plans.append(plan)
    return runs, plans, made


def main() -> None:
    figure, axes = plt.subplots(2, 2, sharex=True, sharey="row", figsize=(9, 6), layout="constrained")
    for column, robust in zip(axes.T, (False, True), strict=True):
        title = "multi-stage" if robust else "nominal"
        for k, plant in enumerate(("as known", "hotter", "cold")):
            runs, plans, made = closed_loop(robust, plant)
            hottest = max(float(np.max(run["T_R"])) for run in runs)
            fresh = sum(plan.status.fresh for plan in plans)
            print(
                f"{title:11s}, plant {plant:8s}: hottest {hottest:.2f} degC (limit {LIMIT:g}), "
                f"{made:.3f} mol/L made, {fresh} of {STEPS} plans new"
            )
            for run in runs:
                column[0].plot(run.time, run["T_R"], color=f"C{k}", label=plant if run is runs[0] else None)
            times = [plan.time for plan in plans]
            column[1].step(times, [plan.next_moves["F"] for plan in plans], where="post", color=f"C{k}")
            if robust and plant == "hotter":
                for tracks in plans[4].scenarios.values():
                    column[0].plot(tracks["T_R"].times, tracks["T_R"].mean, color="0.6", linewidth=0.8, zorder=0)
        column[0].axhline(LIMIT, color="black", linestyle="--", linewidth=1)
        column[0].set_title(title)
        column[0].legend(title="plant", fontsize="small", frameon=False)
        column[1].set_xlabel("time [h]")
    axes[0, 0].set_ylabel("T_R [degC]")
    axes[1, 0].set_ylabel("F [1/h]")
    figure.savefig(sys.argv[1]) if len(sys.argv) > 1 else plt.show()


if __name__ == "__main__":
    main()
