"""How well does a growth model predict a feeding strategy it has not seen? Real CHO cultures, one strategy left out.

31 fed-batch cultures of the NISTCHO cell line under seven feeding strategies (MIT licence, see
tests/reference/data/README.md): viable cell density until 220 h, before some strategies run out of feed. What was fed
is not in the data, so the model knows the time alone: this is what a growth curve can do, and no more.

    python examples/nistcho_growth.py [picture.png]
"""

import csv
import sys
from pathlib import Path

import matplotlib.pyplot as plt

import twinkit as tk
from twinkit.estimate import EstimatedNoise, Free, Initial, Transform, cross_validate

DATA = Path(__file__).parents[1] / "tests" / "reference" / "data" / "nistcho_growth.csv"


class Growth(tk.Model):
    """Generalised logistic growth (Richards 1959, doi:10.1093/jxb/10.2.290)."""

    time_unit = "h"
    Xv = tk.State("Gcell/L", 0.35, bounds=(0, None), nominal=10.0, doc="viable cells")
    mu = tk.Parameter("1/h", 0.03, bounds=(0.005, 0.1), doc="initial specific growth rate")
    X_max = tk.Parameter("Gcell/L", 25.0, bounds=(5, 200), doc="carrying capacity")
    n = tk.Parameter("", 1.0, bounds=(0.1, 10), doc="how late growth is limited")

    def equations(self, v, m):
        return {"Xv": v.mu * v.Xv * (1 - m.exp(v.n * m.log(v.Xv / v.X_max)))}


# On the logarithmic scale the four trade off against each other along a nearly straight line, as intervals assume.
FREE = [Free(of, transform=Transform.LOG) for of in ("mu", "X_max", "n", Initial("Xv"))]
NOISE = {"Xv": EstimatedNoise(std=0.3, relative=0.1)}  # a constant and a proportional part, both found


def cultures() -> tuple[tk.Batch, ...]:
    """Return the cultures with at least four counts; the name's middle part is the strategy."""
    with DATA.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    table = {
        "batch_id": [row["batch_id"] for row in rows],
        "time": [row["time_h"] for row in rows],
        "Xv": [row["vcd_Gcell_per_L"] for row in rows],
    }
    batches = tk.Batch.from_table(table, units={"Xv": "Gcell/L"})
    return tuple(batch for batch in batches if len(batch.measurements) > 3)


def strategy(name: str) -> str:
    """Return the strategy of a culture."""
    return name.split("-")[1]


def main() -> None:
    batches = cultures()
    found = tk.calibrate(Growth(), batches, FREE, noise=NOISE, progress=False)
    print(found)
    print(found.profile("n"))
    scores = cross_validate(Growth(), batches, FREE, strategy, noise=NOISE, progress=False)
    print(scores)

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    band = tk.ensemble(found.model, found.draw(300, seed=1), until=220, outputs="4 h", progress=False)
    band.plot("Xv", ax=axes[0])
    for batch in batches:
        axes[0].plot(*batch.values("Xv"), ".", color="black", markersize=3)
    axes[0].set_title("all cultures, and the uncertainty of the mean")
    scores.plot(ax=axes[1])
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1], dpi=120)
    else:
        plt.show()


if __name__ == "__main__":
    main()
