"""An FMU as the plant, and as the model: estimator and controller work with one, and that of another tank answers.

    python examples/fmu_in_the_loop.py [picture.png]

A jacketed tank is exported as an FMU, with a tenth more volume than the controller's model has. In the graph estimator,
controller and plant, first only the plant is the FMU; it counts time in seconds, the others in minutes. Then estimator
and controller work with an FMU, too: that of their own model. The trajectory is the same. Without a C compiler no FMU
can be built here, and all are models.
"""

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import twinkit as tk
from twinkit.estimate import EstimatorComponent, ExtendedKalmanFilter
from twinkit.graph import GaussSeidel
from twinkit.unitops import JacketedTank

STEP, HOURS = 1.0, 2.0  # min, h
MODEL = JacketedTank(V="500 L", F="15 L/min")
PLANT = JacketedTank(V="550 L", F="15 L/min")
STATES = ("T", "jacket.T")
SET_POINT = tk.steps({0.0: 40.0, 60.0: 50.0})
DISTURBANCE = "disturbance(T)"


def closed_loop(plant: tk.core.Component, model: tk.Model = MODEL) -> tuple[tk.Solution, tuple[tk.control.Plan, ...]]:
    """Return what happened, and all plans."""
    ekf = ExtendedKalmanFilter(
        model,
        [tk.Sensor("T", std=0.05), tk.Sensor("jacket.T", std=0.05)],
        {"T": 0.2, "jacket.T": 0.2},
        process_noise={"T": 0.02, "jacket.T": 0.02},
        disturb={"T": tk.Disturbance(std=0.3, noise=0.3)},
    )
    mpc = tk.MPC(
        model,
        horizon=30 * STEP,
        step=STEP,
        track={"T": SET_POINT},
        moves={"Q": tk.Move(bounds=(0.0, 80.0), max_rate=6.0, penalty=1e-4, scale=30.0)},
        within={"T": tk.Within(None, 55.0, penalty=100.0)},
        confidence=0.95,
        margin_growth=2 * STEP,
        native=False,
    )
    control = mpc.component([DISTURBANCE])
    graph = tk.Graph()
    vessel = graph.add("plant", plant)
    twin = graph.add("estimator", EstimatorComponent(ekf))
    brain = graph.add("controller", control)
    for name in STATES:
        graph.connect(vessel.out[name], twin.inp[name])
    for name in (*STATES, DISTURBANCE):
        graph.connect(twin.out[name], brain.inp[name])
        graph.connect(twin.out[f"std({name})"], brain.inp[f"std({name})"])
    graph.connect(brain.out["Q"], vessel.inp["Q"])
    graph.connect(brain.out["Q"], twin.inp["Q"])
    master = GaussSeidel(f"{STEP} min", order=("plant", "estimator", "controller"))
    return graph.simulate(f"{HOURS} h", master=master, outputs=f"{STEP} min"), control.plans


def main() -> None:
    runs = {"the model, planned with a model": closed_loop(tk.ModelComponent(PLANT, solver=tk.Cvodes()))}
    with tempfile.TemporaryDirectory() as folder:
        made = tk.fmi.export(PLANT, Path(folder, "tank.fmu"), version="3.0", kind="cs")
        if made.platform:
            runs["its FMU, planned with a model"] = closed_loop(tk.FMU(made.path))
            inside = tk.fmi.export(MODEL, Path(folder, "model.fmu"), version="2.0", kind="me").path
            model = tk.fmi.model(inside, time_unit="min")
            runs["its FMU, planned with an FMU"] = closed_loop(tk.FMU(made.path), model)
        else:
            print("No C compiler, so no FMU: the plant is a model.")
    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(7, 5), layout="constrained")
    for (name, (run, plans)), style in zip(runs.items(), ("-", "--", ":"), strict=False):
        minutes = np.asarray(run.time) * tk.units.Quantity(1.0, run.time_unit).to("min").magnitude
        warm = np.asarray(run["plant.T"])
        fresh = sum(plan.status.fresh for plan in plans)
        print(
            f"plant is {name}: {fresh} of {len(plans)} plans optimal or feasible; {warm[40]:.3f} degC after 40 min, "
            f"{warm[-1]:.3f} degC at the end"
        )
        axes[0].plot(minutes, warm, style, color="black", label=f"what happened, the plant is {name}")
        axes[1].step(minutes, np.asarray(run["controller.Q"]), style, where="post", label=f"the plant is {name}")
    for plan in plans[::15]:
        track = plan.predicted["T"]
        (line,) = axes[0].plot(track.times, track.mean, linewidth=1)
        axes[0].fill_between(track.times, *track.interval(0.95), color=line.get_color(), alpha=0.2, linewidth=0)
    axes[0].step([0.0, 60.0, 120.0], [40.0, 50.0, 50.0], where="post", color="0.4", linestyle=":", label="set point")
    axes[0].set_ylabel("T [degC]")
    axes[1].set(ylabel="Q [kW]", xlabel="time [min]")
    axes[0].legend(frameon=False, fontsize="small")
    axes[1].legend(frameon=False, fontsize="small")
    figure.savefig(sys.argv[1]) if len(sys.argv) > 1 else plt.show()


if __name__ == "__main__":
    main()
