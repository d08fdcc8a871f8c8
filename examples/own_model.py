"""A chromatography-like column of one's own, checked before it is used.

`check_model` finds what a review would look for: units, agreement of all readings, Jacobians, balances, bounds.

    python examples/own_model.py [picture.png]
"""

import sys

import matplotlib.pyplot as plt

import twinkit as tk
from twinkit.testing import ModelCheckError, check_model


class Column(tk.Model):
    """Packed bed with linear adsorption in equilibrium (finite volumes, upwind)."""

    time_unit = "s"
    n_cells = tk.Option(60, bounds=(2, 2000), doc="number of cells")
    c = tk.State("mol/m**3", 0.0, bounds=(0, None), nominal=1.0, shape="n_cells", doc="concentration in the liquid")
    eluted = tk.State("mol/m**2", 0.0, bounds=(0, None), nominal=10.0, doc="what has left, per cross-section")
    c_in = tk.Input("mol/m**3", default=0.0, bounds=(0, None), doc="concentration fed")
    u = tk.Parameter("m/s", 4e-4, bounds=(0, 0.1), doc="superficial velocity", source="illustrative")
    L = tk.Parameter("m", 0.1, bounds=(0.001, 10), doc="length", source="illustrative")
    eps = tk.Parameter("", 0.4, bounds=(0.01, 1), doc="porosity", source="illustrative")
    K = tk.Parameter("", 2.5, bounds=(0, 100), doc="partition coefficient", source="illustrative")
    c_out = tk.Output("mol/m**3", doc="concentration leaving")

    conserved = {
        "solute": lambda v, m: tk.Balance(
            m.sum(v.c) * (v.eps + (1 - v.eps) * v.K) * v.L / m.size(v.c) + v.eluted, inflow=v.u * v.c_in
        )
    }

    def equations(self, v, m):
        upstream = m.concatenate([m.stack([v.c_in]), v.c[:-1]])
        capacity = v.eps + (1 - v.eps) * v.K
        dx = v.L / self.n_cells
        return {"c": -v.u * (v.c - upstream) / (capacity * dx), "eluted": v.u * v.c[-1], "c_out": v.c[-1]}


class Careless(Column):
    """The same, with the eluted amount counted per minute."""

    def equations(self, v, m):
        found = Column.equations(self, v, m)
        return {**found, "eluted": m.convert(v.u, "m/s", "m/min") * v.c[-1]}


def main() -> None:
    print(check_model(Column, until="600 s"))
    try:
        check_model(Careless, until="600 s")
    except ModelCheckError as error:
        print(f"\n{error}\n")

    pulse = tk.steps({"0 s": 1.0, "60 s": 0.0})
    _, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for n_cells in (20, 60, 400):
        run = tk.simulate(Column(n_cells=n_cells), until="20 min", inputs={"c_in": pulse}, outputs="4 s")
        axis.plot(run.time / 60, run["c_out"], label=f"{n_cells} cells")
    axis.set_xlabel("time [min]")
    axis.set_ylabel("c_out [mol/m³]")
    axis.margins(x=0)
    axis.legend(frameon=False)
    if len(sys.argv) > 1:
        axis.figure.savefig(sys.argv[1], dpi=120)
    else:
        plt.show()


if __name__ == "__main__":
    main()
