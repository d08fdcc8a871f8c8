# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a first model to an ensemble
#
# A model is written once, with units. This notebook writes one, looks at it, checks it, runs it, and asks how uncertain
# its prediction is.

# %%
import numpy as np
from scipy import stats

import twinkit as tk


# %%
class Fermentation(tk.Model):
    """Yeast on glucose in a fed vessel (Monod growth, product with growth)."""

    time_unit = "h"
    X = tk.State("g/L", 0.5, bounds=(0, None), nominal=10.0, doc="cells, dry weight")
    S = tk.State("g/L", 20.0, bounds=(0, None), nominal=10.0, doc="glucose")
    P = tk.State("g/L", 0.0, bounds=(0, None), nominal=10.0, doc="ethanol")
    V = tk.State("L", 1.0, bounds=(1e-3, None), nominal=1.0, doc="volume")
    F = tk.Input("mL/h", 0.0, bounds=(0, None), nominal=10.0, doc="feed")
    S_F = tk.Input("g/L", 300.0, bounds=(0, None), doc="glucose in the feed")
    mu_max = tk.Parameter("1/h", 0.35, bounds=(0, 1), doc="largest growth rate", source="illustrative")
    K_S = tk.Parameter("g/L", 0.5, bounds=(1e-6, 10), doc="half saturation", source="illustrative")
    Y_X = tk.Parameter("g/g", 0.12, bounds=(0.01, 1), doc="cells from glucose", source="illustrative")
    Y_P = tk.Parameter("g/g", 0.42, bounds=(0, 0.511), doc="ethanol from glucose", source="illustrative")
    ethanol = tk.Output("g", doc="ethanol in the vessel")

    conserved = {"glucose and what it became": lambda v, m: tk.Balance(
        (v.S + v.X / v.Y_X) * v.V, inflow=m.convert(v.F, "mL/h", "L/h") * v.S_F)}  # fmt: skip

    def equations(self, v, m):
        growth = v.mu_max * v.S / (v.K_S + v.S) * v.X
        flow = m.convert(v.F, "mL/h", "L/h")
        dilution = flow / v.V
        return {
            "X": growth - dilution * v.X,
            "S": -growth / v.Y_X + dilution * (v.S_F - v.S),
            "P": v.Y_P / v.Y_X * growth - dilution * v.P,
            "V": flow,
            "ethanol": v.P * v.V,
        }


# %% [markdown]
# The equations as mathematics, with every value and its source:

# %%
Fermentation().show()

# %% [markdown]
# One call checks units, the agreement of all readings, Jacobians, the declared balance, and that bounds are kept. Leave
# out one `m.convert` above and see what it says.

# %%
from twinkit.testing import check_model

check_model(Fermentation, until="24 h")

# %% [markdown]
# ## A run
#
# Inputs say what happens between their points: `tk.steps` holds each value.

# %%
feed = tk.steps({"0 h": 0, "8 h": "20 mL/h", "20 h": 0})
run = tk.simulate(Fermentation(), until="30 h", inputs={"F": feed}, sensitivities=["mu_max"])
run.plot("X", "S", "P", "F")

# %%
run

# %% [markdown]
# `run["P"]` is an `xarray.DataArray`. Sensitivities come with the run: what one per cent more growth rate changes in
# ethanol, hour by hour.

# %%
change = 0.01 * Fermentation().mu_max * run.sensitivities["mu_max"]["P"]
print(f"largest change: {np.max(np.abs(change)):.3f} g/L, at {run.time[np.argmax(np.abs(change))]:.1f} h")

# %% [markdown]
# ## An ensemble
#
# Parameters are never known exactly. Draw them, with a seed, and run all members; the compiled solver uses all
# processors.

# %%
samples = tk.draw(
    Fermentation(),
    {"mu_max": stats.norm(0.35, 0.02), "Y_P": stats.norm(0.42, 0.015), "X": stats.norm(0.5, 0.05)},
    count=500,
    seed=1,
)
band = tk.ensemble(
    Fermentation(), samples, until="30 h", inputs={"F": feed}, rtol=1e-6, solver=tk.Compiled(), progress=False
)
band.plot("P", "S")

# %%
low, median, high = band.quantiles("ethanol")[:, -1]
print(
    f"ethanol after 30 h: {median:.1f} g, 95 % within {low:.1f} .. {high:.1f} g; failed members: {len(band.failures)}"
)
