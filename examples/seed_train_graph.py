"""A seed train as a graph: four vessels joined by material streams, beside the same train as one model.

python examples/seed_train_graph.py [picture.png]
"""

import sys
from itertools import pairwise

import matplotlib.pyplot as plt

import twinkit as tk
from twinkit.unitops import SeedTrain, SeedVessel

STAGES = 4
EXPANSION = 6.0  # volume of a vessel by the one before


def train(transfer: str = "6 min") -> tk.Graph:
    """Return a graph of vessels; each pumps its culture to the next within the time of a transfer."""
    graph = tk.Graph()
    nodes = []
    for stage in range(STAGES):
        start = {} if stage == 0 else {"X": 0.0, "V": 0.2 * EXPANSION ** (stage - 1) * (EXPANSION - 1.0)}
        vessel = SeedVessel(last=stage == STAGES - 1, t_transfer=transfer, V_heel=1e-6, **start)
        nodes.append(graph.add(f"vessel{stage + 1}", vessel))
    for before, after in pairwise(nodes):
        graph.connect(before.out["outlet"], after.inp["inlet"])  # flow, cells and glucose together
    return graph


def main() -> None:
    one = tk.simulate(SeedTrain(n_stages=STAGES, expansion=EXPANSION), until="30 d")
    joined = tk.simulate(train().flatten("Train"), until="30 d")
    print(f"one model: ready after {one.time[-1] / 24:.3f} d with {float(one['cells'][-1]):.2f} Gcell")
    cells = float(joined[f"vessel{STAGES}.cells"][-1])
    print(f"a graph:   ready after {joined.time[-1] / 24:.3f} d with {cells:.2f} Gcell")
    figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
    for stage in range(1, STAGES + 1):
        ax.semilogy(joined.time / 24, joined[f"vessel{stage}.cells"].values.clip(1e-3), label=f"vessel {stage}")
    ax.semilogy(one.time / 24, one["cells"], "k:", label="one model")
    ax.set_xlabel("time [d]")
    ax.set_ylabel("viable cells [Gcell]")
    ax.set_ylim(0.03, None)
    ax.legend(frameon=False)
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1], dpi=120)
    else:
        plt.show()


if __name__ == "__main__":
    main()
