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
# # A reaction, from flask to flow
#
# An intermediate C is made from A and B, and A spoils it on: A + B -> C, C + A -> D. In the flask the yield
# disappoints. We look for a better reactor, and check that it does not run away.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

import twinkit as tk
from twinkit.unitops import BatchReactor, ContinuousStirredTankReactor, PlugFlowReactor, SemiBatchReactor
from twinkit.unitops.reactions import SERIES_PARALLEL as chemistry
from twinkit.unitops.reactor import Thermal

chemistry

# %% [markdown]
# ## The flask
#
# Everything charged at once, the temperature held.

# %%
flask = BatchReactor(c=chemistry.vector(A=0.33, B=0.33), T="40 degC")
run = tk.simulate(flask, until="1 h")
c = flask.concentrations(run)
print(c.isel(time=-1).to_series().round(4).to_dict())
c.plot.line(x="time")
# %% [markdown]
# ## Does dosing help?
#
# C is spoilt by A, so somebody proposes to keep A scarce: put B in the vessel and dose A. The same amounts, more
# work.

# %%
dosed = SemiBatchReactor(V="10 L", c=chemistry.vector(B=0.66), c_in=chemistry.vector(A=0.66), T="40 degC", V_max="20 L")
slow = tk.simulate(dosed, until="12 h", inputs={"F": "0.05 L/min"})
once = tk.simulate(BatchReactor(V="20 L", c=chemistry.vector(A=0.33, B=0.33), T="40 degC"), until="12 h")
yields = {name: float(r["c"][-1, 2] / 0.33) for name, r in (("all at once", once), ("dosed", slow))}
print({name: round(value, 4) for name, value in yields.items()}, [o.name for o in slow.occurrences])
assert abs(yields["dosed"] - yields["all at once"]) < 1e-3

# %% [markdown]
# Not at all, and a pencil says why: both reactions are of first order in A, so that A divides out of the selectivity.
# What does help is an excess of B, and warmth, because the wanted reaction has the higher activation energy.

# %%
for excess, degrees in ((1, 40), (1, 80), (2, 40), (2, 80)):
    trial = BatchReactor(c=chemistry.vector(A=0.33, B=0.33 * excess), T=degrees)
    made = float(tk.simulate(trial, until="24 h")["c"][-1, 2])
    print(f"{excess} mol B per mol A at {degrees} degC: {made / 0.33:.3f} mol C per mol A")

# %% [markdown]
# ## Does it run away?
#
# The reaction gives heat. Nine times as concentrated and without cooling, the batch warms; a jacket limits it, and
# dosing does what a jacket cannot: heat is released at the pace of the pump.

# %%
strong = {"c": chemistry.vector(A=3.0, B=3.0), "T": "25 degC", "V": "60 L"}
alone = tk.simulate(BatchReactor(thermal=Thermal.ADIABATIC, **strong), until="1 h")
cooled = tk.simulate(BatchReactor(thermal=Thermal.JACKET, T_jacket="10 degC", UA=60.0, **strong), until="1 h")
gentle = tk.simulate(
    SemiBatchReactor(thermal=Thermal.JACKET, T_jacket="10 degC", UA=60.0, V="30 L", T="25 degC",
                     c=chemistry.vector(B=6.0), c_in=chemistry.vector(A=6.0), V_max="60 L"),
    until="2 h", inputs={"F": "0.3 L/min"})  # fmt: skip
for name, r in (("adiabatic", alone), ("jacket", cooled), ("dosed", gentle)):
    print(f"{name:10s} at most {float(r['T'].max()):5.1f} degC")
assert float(alone["T"].max()) > float(cooled["T"].max()) > float(gentle["T"].max())
ax = alone.plot("T")
cooled.plot("T", ax=ax)
gentle.plot("T", ax=ax)
# %% [markdown]
# ## In flow
#
# One stirred tank, four in a row, and a tube, all of 30 L at 1 L/min. Reactors have material streams: a cascade is a
# graph.

# %%
feed = {"c_in": chemistry.vector(A=0.33, B=0.33), "T": "40 degC", "T_in": "40 degC"}


def cascade(count):
    """Return a graph of equal tanks in a row."""
    graph = tk.Graph()
    tanks = [graph.add(f"tank{i}", ContinuousStirredTankReactor(V=30.0 / count, **feed)) for i in range(count)]
    for before, after in pairwise(tanks):
        graph.connect(before.out["outlet"], after.inp["inlet"])
    return graph


tube = PlugFlowReactor(V="30 L", **feed)
ends = {
    "1 tank": tk.simulate(cascade(1).flatten("One"), until="8 h", outputs=2)["tank0.c"].values[-1],
    "4 tanks": tk.simulate(cascade(4).flatten("Four"), until="8 h", outputs=2)["tank3.c"].values[-1],
    "tube": tk.simulate(tube, until="2 h", outputs=2)["c_out"].values[-1],
}
for name, end in ends.items():
    print(f"{name:8s}", dict(zip(chemistry.species, end.round(4).tolist(), strict=True)))
assert ends["1 tank"][0] > ends["4 tanks"][0] > ends["tube"][0]

# %% [markdown]
# The tube is within 0.02 % of the exact plug-flow values with 50 cells. Here is its front, ten minutes after the
# start:

# %%
start = tube.concentrations(tk.simulate(tube, until="10 min", outputs=3)).isel(time=-1)
figure, ax = plt.subplots()
start.plot.line(x="position", ax=ax)
assert float(start.min()) > -1e-9
np.testing.assert_allclose(ends["tube"], [0.02233017, 0.11327927, 0.12577164, 0.0909491], rtol=1e-3)
