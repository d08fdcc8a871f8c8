"""Stirred tanks in series, joined by material streams, come nearer to plug flow with every tank.

python examples/reactor_cascade.py [picture.png]
"""

import sys

import matplotlib.pyplot as plt

import twinkit as tk
from twinkit.unitops import ContinuousStirredTankReactor, PlugFlowReactor
from twinkit.unitops.reactions import SERIES_PARALLEL

VOLUME = 30.0  # L, shared by all tanks of a cascade
FEED = {"c_in": SERIES_PARALLEL.vector(A=0.33, B=0.33), "T_in": "40 degC", "F": "1 L/min"}


def cascade(tanks: int) -> tk.Graph:
    """Return a graph of equal tanks, each fed with the outlet of the one before."""
    graph = tk.Graph()
    before = None
    for number in range(1, tanks + 1):
        tank = graph.add(f"tank{number}", ContinuousStirredTankReactor(V=VOLUME / tanks, T="40 degC", **FEED))
        if before is not None:
            graph.connect(before.out["outlet"], tank.inp["inlet"])  # flow, temperature and composition together
        before = tank
    return graph


def main() -> None:
    counts = (1, 2, 4, 8, 16)
    plug = tk.simulate(PlugFlowReactor(V=VOLUME, T="40 degC", **FEED), until="4 h", rtol=1e-6, outputs=2)
    limit = plug["c_out"].values[-1]
    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    ends = []
    for count in counts:
        run = tk.simulate(cascade(count).flatten("Cascade"), until="8 h", outputs=2)
        ends.append(run[f"tank{count}.c"].values[-1])
    for i, name in enumerate(SERIES_PARALLEL.species):
        line = ax.semilogx(counts, [end[i] for end in ends], "o-", base=2, label=name)[0]
        ax.axhline(limit[i], color=line.get_color(), linestyle=":")
    for count, end in zip(counts, ends, strict=True):
        print(f"{count:2d} tanks: A leaves at {end[0]:.5f} mol/L; plug flow {limit[0]:.5f}")
    ax.set_xlabel("tanks in series (dotted: plug flow)")
    ax.set_ylabel("concentration leaving [mol/L]")
    ax.legend(frameon=False)
    finish(figure)


def finish(figure) -> None:
    """Write the picture named on the command line, or show it."""
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1], dpi=120)
    else:
        plt.show()


if __name__ == "__main__":
    main()
