"""A heated tank: a model of one's own, from its definition to a plot.

python examples/heated_tank.py [picture.png]
"""

import sys

import matplotlib.pyplot as plt

import twinkit as tk


class Tank(tk.Model):
    """Heated mixing tank (energy balance, perfectly mixed)."""

    time_unit = "min"
    T = tk.State("degC", initial=20.0, doc="liquid temperature")
    Q = tk.Input("kW", default=0.0, doc="heater duty")
    tau = tk.Parameter("min", 12.0, bounds=(1, 60), doc="residence time", source="vendor datasheet")
    gain = tk.Parameter("delta_degC/kW", 8.0, doc="rise per duty", source="vendor datasheet")
    T_in = tk.Input("degC", default=20.0, doc="feed temperature")
    rise = tk.Output("delta_degC", doc="rise above the feed")

    def equations(self, v, m):
        rise = v.T - v.T_in
        return {"T": (v.gain * v.Q - rise) / v.tau, "rise": rise}


def main() -> None:
    heater = tk.steps({"0 min": 0, "10 min": "5 kW", "60 min": "2 kW"})
    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(6, 4.5), layout="constrained", height_ratios=(2, 1))
    for tau in ("4 min", "12 min", "30 min"):
        run = tk.simulate(Tank(tau=tau), until="2 h", inputs={"Q": heater})
        axes[0].plot(run.time, run["T"], label=f"tau {tau}")
    run.plot("Q", ax=axes[1])
    axes[0].set_ylabel("T [°C]")
    axes[0].legend(frameon=False)
    axes[1].set_ylabel("Q [kW]")
    axes[1].get_legend().remove()
    print(run)
    finish(figure)


def finish(figure) -> None:
    """Write the picture named on the command line, or show it."""
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1], dpi=120)
    else:
        plt.show()


if __name__ == "__main__":
    main()
