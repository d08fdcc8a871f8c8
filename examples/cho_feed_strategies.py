"""Three ways to feed a CHO culture, compared over 14 days.

python examples/cho_feed_strategies.py [picture.png]
"""

import sys

import matplotlib.pyplot as plt

import twinkit as tk
from twinkit.unitops import CHOFedBatch

STRATEGIES = {
    "steps": tk.steps({"0 d": 0, "3 d": "0.8 mL/h", "5 d": "1.6 mL/h", "7 d": "2.4 mL/h", "11 d": "1.6 mL/h"}),
    "ramp": tk.ramps({"0 d": 0, "3 d": 0, "8 d": "3 mL/h", "14 d": "1.2 mL/h"}),
    "no feed": 0.0,
}
SHOWN = {"Xv": "viable cells", "Glc": "glucose", "Lac": "lactate", "mAb": "antibody", "F": "feed"}


def main() -> None:
    figure, grid = plt.subplots(3, 2, sharex=True, figsize=(8, 6.5), layout="constrained")
    axes = dict(zip(SHOWN, grid.flat, strict=False))
    for label, feed in STRATEGIES.items():
        run = tk.simulate(CHOFedBatch(), until="14 d", inputs={"F": feed})
        print(f"{label:8s} titre {float(run['mAb'][-1]):.2f} g/L, antibody {float(run['titre'][-1]):.2f} g")
        for name, axis in axes.items():
            scale, style = (
                (1e3, "steps-post") if name == "F" and label != "ramp" else (1e3 if name == "F" else 1.0, None)
            )
            axis.plot(run.time / 24, scale * run[name], drawstyle=style or "default", label=label)
    for name, axis in axes.items():
        unit = "mL/h" if name == "F" else run[name].attrs["units"]
        axis.set_title(SHOWN[name], loc="left", fontsize="medium")
        axis.set_ylabel(f"{name} [{unit}]")
        axis.margins(x=0)
    blank = grid.flat[-1]
    blank.axis("off")
    blank.legend(*axes["Xv"].get_legend_handles_labels(), loc="center", frameon=False)
    for axis in (axes["mAb"], axes["F"]):
        axis.set_xlabel("time [d]")
        axis.tick_params(labelbottom=True)
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1], dpi=120)
    else:
        plt.show()


if __name__ == "__main__":
    main()
