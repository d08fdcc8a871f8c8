"""How uncertain is the titre when the parameters are? An ensemble, with a seed.

Needs the extra `compiled` (numba).

    python examples/uncertain_titre.py [picture.png]
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

import twinkit as tk
from twinkit.unitops import CHOFedBatch

FEED = tk.steps({"0 d": 0, "3 d": "0.8 mL/h", "5 d": "1.6 mL/h", "7 d": "2.4 mL/h", "11 d": "1.6 mL/h"})
UNCERTAIN = {"mu_max": 0.05, "k_d": 0.2, "q_mAb": 0.08, "KI_Lac": 0.15, "Xv": 0.1}  # relative standard deviations


def main() -> None:
    model = CHOFedBatch()
    distributions = {
        name: stats.norm(getattr(model, name), share * getattr(model, name)) for name, share in UNCERTAIN.items()
    }
    samples = tk.draw(model, distributions, count=1000, seed=1)
    band = tk.ensemble(model, samples, until="14 d", inputs={"F": FEED}, outputs="6 h", rtol=1e-6, solver=tk.Compiled())
    print(band)
    titre = band.values("mAb")[:, -1]
    low, middle, high = np.quantile(titre, (0.025, 0.5, 0.975))
    print(f"titre {middle:.2f} g/L, 95 % within {low:.2f} .. {high:.2f} g/L")
    for name, drawn in samples.items():
        print(f"  correlation with {name:7s} {np.corrcoef(drawn, titre)[0, 1]:+.2f}")

    figure, axes = plt.subplots(2, 2, figsize=(8, 5.2), layout="constrained")
    for name, axis in zip(("Xv", "Glc", "mAb"), axes.flat, strict=False):
        band.plot(name, ax=axis)
        axis.margins(x=0)
    axes[1, 1].hist(titre, bins=40, color="tab:blue", alpha=0.6)
    axes[1, 1].set_xlabel("titre after 14 d [g/L]")
    axes[1, 1].set_ylabel("members")
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1], dpi=120)
    else:
        plt.show()


if __name__ == "__main__":
    main()
