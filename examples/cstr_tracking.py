"""A stirred tank follows its set point: estimator, controller and plant as a graph, with a plant unlike the model.

    python examples/cstr_tracking.py [picture.png]

The plant's reactions are 5 % slower than the controller's model thinks. A disturbance of the product, estimated along
with the states, takes the offset away. The picture shows what plans predicted against what happened.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import twinkit as tk
from twinkit.control import Track, Within
from twinkit.estimate import EstimatorComponent, ExtendedKalmanFilter
from twinkit.graph import GaussSeidel

STEP = 0.005  # h
START = {"C_a": 0.8, "C_b": 0.4, "T_R": 134.14, "T_K": 130.0}
SET_POINT = tk.steps({0.0: 0.6, 0.25: 0.7})


class Reactor(tk.Model):
    """The stirred tank with A -> B -> C and 2 A -> D of H. Chen, A. Kremling, F. Allgöwer, Proc. ECC 1995, 3247-3252.

    Parameters as in the CSTR example of do-mpc.
    """

    time_unit = "h"
    C_a = tk.State("mol/L", initial=0.8, nominal=1.0, bounds=(0, None))
    C_b = tk.State("mol/L", initial=0.5, nominal=1.0, bounds=(0, None))
    T_R = tk.State("degC", initial=134.14, nominal=100.0)
    T_K = tk.State("degC", initial=130.0, nominal=100.0)
    F = tk.Input("1/h", default=30.0, bounds=(5.0, 100.0))
    Q = tk.Input("kJ/h", default=-6000.0, bounds=(-8500.0, 0.0), nominal=2000.0)
    beta = tk.Parameter("", 1.0)
    alpha = tk.Parameter("", 1.0)
    feed = tk.Parameter("mol/L", 5.1)

    def equations(self, v, m):
        zero = m.quantity(0.0, "degC")
        kelvin = (v.T_R - zero) / m.quantity(1.0, "delta_degC") + 273.15
        k1 = v.beta * m.quantity(1.287e12, "1/h") * m.exp(-9758.3 / kelvin)
        k2 = m.quantity(1.287e12, "1/h") * m.exp(-9758.3 / kelvin)
        k3 = m.quantity(9.043e9, "L/mol/h") * m.exp(-8560.0 * v.alpha / kelvin)
        heat = (
            k1 * v.C_a * m.quantity(4.2, "kJ/mol")
            + k2 * v.C_b * m.quantity(-11.0, "kJ/mol")
            + k3 * v.C_a**2 * m.quantity(-41.85, "kJ/mol")
        )
        capacity = m.quantity(0.9342 * 3.01, "kJ/L/delta_degC")
        wall = m.quantity(4032.0 * 0.215, "kJ/h/delta_degC")
        coolant = m.quantity(5.0 * 2.0, "kJ/delta_degC")
        return {
            "C_a": v.F * (v.feed - v.C_a) - k1 * v.C_a - k3 * v.C_a**2,
            "C_b": -v.F * v.C_b + k1 * v.C_a - k2 * v.C_b,
            "T_R": -heat / capacity
            + v.F * (m.quantity(130.0, "degC") - v.T_R)
            + wall * (v.T_K - v.T_R) / (capacity * m.quantity(10.01, "L")),
            "T_K": (v.Q + wall * (v.T_R - v.T_K)) / coolant,
        }


def closed_loop(hours: float) -> tuple[tk.Solution, tuple]:
    """Return what happened, and all plans."""
    measured = {"C_b": 0.005, "T_R": 0.1, "T_K": 0.1}
    ekf = ExtendedKalmanFilter(
        Reactor(),
        [tk.Sensor(name, std=std) for name, std in measured.items()],
        {"C_a": 0.05, "C_b": 0.02, "T_R": 0.2, "T_K": 0.2},
        process_noise={"C_a": 0.05, "T_R": 1.0, "T_K": 1.0},
        disturb={"C_b": tk.Disturbance(std=1.0, noise=10.0)},
        initial=START,
    )
    mpc = tk.MPC(
        Reactor(),
        horizon=20 * STEP,
        step=STEP,
        track={"C_b": Track(SET_POINT, scale=1.0), "T_R": Track("125 degC", weight=0.5)},
        moves={"F": tk.Move(penalty=1e-3, scale=100.0), "Q": tk.Move(penalty=1e-4, scale=2000.0)},
        within={"T_R": Within(50.0, 140.0, penalty=100.0), "T_K": Within(50.0, 140.0, penalty=100.0)},
        margin_growth=4 * STEP,
        confidence=0.95,
    )
    estimated = ("disturbance(C_b)",)
    graph = tk.Graph()
    plant = graph.add("plant", tk.ModelComponent(Reactor(beta=0.95).with_(START), solver=tk.Cvodes()))
    twin = graph.add("estimator", EstimatorComponent(ekf))
    control = mpc.component(estimated)
    brain = graph.add("controller", control)
    for name in measured:
        graph.connect(plant.out[name], twin.inp[name])
    for name in (*START, *estimated):
        graph.connect(twin.out[name], brain.inp[name])
        graph.connect(twin.out[f"std({name})"], brain.inp[f"std({name})"])
    for name in ("F", "Q"):
        graph.connect(brain.out[name], plant.inp[name])
        graph.connect(brain.out[name], twin.inp[name])
    order = ("plant", "estimator", "controller")
    run = graph.simulate(hours, master=GaussSeidel(STEP, order=order), outputs=STEP)
    return run, control.plans


def main() -> None:
    run, plans = closed_loop(0.5)
    fresh = sum(plan.status.fresh for plan in plans)
    milliseconds = 1e3 * np.median([plan.timings["total"] for plan in plans[1:]])
    product = run["plant.C_b"]
    print(f"{fresh} of {len(plans)} plans optimal or feasible, {milliseconds:.1f} ms each (median)")
    print(
        f"product at 0.25 h: {np.interp(0.25, run.time, product.values):.4f} mol/L, at the end: {product[-1]:.4f} mol/L"
    )
    print(plans[-1].rationale)

    figure, axes = plt.subplots(3, 1, sharex=True, figsize=(7, 6), layout="constrained")
    for name, axis in zip(("C_b", "T_R"), axes, strict=False):
        for plan in plans[::12]:
            track = plan.predicted[name]
            low, high = track.interval(0.95)
            (line,) = axis.plot(track.times, track.mean, linewidth=1, alpha=0.8)
            axis.fill_between(track.times, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        axis.plot(run.time, run[f"plant.{name}"].values, color="black", label="what happened")
    axes[0].step([0.0, 0.25, 0.5], [0.6, 0.7, 0.7], where="post", color="0.4", linestyle="--", label="set point")
    axes[1].axhline(140.0, color="0.4", linestyle="--", label="limit")
    axes[2].step(run.time, run["controller.F"].values, where="post", label="F")
    for axis, label in zip(axes, ("C_b [mol/L]", "T_R [degC]", "F [1/h]"), strict=True):
        axis.set_ylabel(label)
        axis.legend(frameon=False, loc="upper right")
    axes[2].set_xlabel("time [h]")
    figure.savefig(sys.argv[1]) if len(sys.argv) > 1 else plt.show()


if __name__ == "__main__":
    main()
