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
# # Swap a model for its FMU
#
# A mechanistic model is exported as an FMU, and the FMU takes its place in the same graph. The trajectory is the same.
# This needs `pip install 'twinkit[fmi]'` and a C compiler.

# %%
import tempfile
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

import twinkit as tk
from twinkit.unitops import JacketedTank

# %% [markdown]
# ## One graph, one place for the tank
#
# A controller heats a jacketed tank and opens its coolant valve when it gets too warm. Whatever is given as `tank` must
# have the ports `T`, `Q` and `jacket.F`.


# %%
def plant(tank):
    graph = tk.Graph()
    vessel = graph.add("vessel", tank)
    control = graph.add(
        "control",
        tk.Block(
            lambda T: {"Q": max(0.0, 4.0 * (60.0 - T)), "F": max(0.0, 2.0 * (T - 50.0))},
            inputs={"T": "degC"},
            outputs={"Q": "kW", "F": "L/min"},
            time_unit="min",
        ),
    )
    graph.connect(vessel.out["T"], control.inp["T"])
    graph.connect(control.out["Q"], vessel.inp["Q"])
    graph.connect(control.out["F"], vessel.inp["jacket.F"])
    return graph


model = JacketedTank(V="300 L")
plant(model)

# %% [markdown]
# ## Export
#
# The FMU holds C code made from the model's equations, its exact derivatives, units and start values, and, where a C
# compiler is at hand, a library for this machine.

# %%
folder = tempfile.TemporaryDirectory()
made = tk.fmi.export(model, Path(folder.name, "tank.fmu"), version="2.0", kind="both")
made

# %%
assert tk.fmi.check(made.path) == []
tk.fmi.info(made.path)

# %% [markdown]
# ## Swap
#
# The model counts time in minutes, FMUs count it in seconds: the graph converts. Nothing but the node changes.

# %%
mechanistic = tk.simulate(plant(model), until="90 min", master=tk.graph.Midpoint("30 s"))
runs = {"the model": mechanistic}
for kind in ("cs", "me") if made.platform else ():
    swapped = plant(tk.FMU(made.path, kind=kind))
    runs[f"its FMU ({kind})"] = tk.simulate(swapped, until="90 min", master=tk.graph.Midpoint("30 s"))

# %%
figure, axes = plt.subplots()
for (name, run), style in zip(runs.items(), ("-", "--", ":"), strict=False):
    minutes = tk.units.Quantity(np.asarray(run.time), run.time_unit).to("min").magnitude
    axes.plot(minutes, run.trace("vessel.T").data, style, label=name)
axes.set(xlabel="time [min]", ylabel="temperature [degC]")
axes.legend()

# %%
expected = mechanistic.trace("vessel.T").data
for name, run in runs.items():
    difference = np.max(np.abs(run.trace("vessel.T").data - expected))
    print(f"{name}: largest difference {difference:.1e} degC")
    assert difference < 1e-5

# %%
folder.cleanup()
