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
# # Mammalian culture: from a vial to harvest
#
# A team has a CHO clone and asks three questions. How many days of seed train does the production vessel need? How
# should it be fed? And would perfusion be worth the trouble? We answer on a weekend, in silico.

# %%
import numpy as np

import twinkit as tk
from twinkit.unitops import CHOFedBatch, CHOPerfusion, SeedTrain, parameters

# %% [markdown]
# ## The seed train
#
# From 0.2 L in a flask, every vessel six times the one before. The run stops by itself when the last one is ready.

# %%
train = tk.simulate(SeedTrain(n_stages=4), until="30 d")
for occurrence in train.occurrences:
    print(f"day {occurrence.time / 24:4.1f}  {occurrence.name}")
print(f"{float(train['doublings'][-1]):.1f} generations, {float(train['cells'][-1]):.0f} billion cells")
train.plot("X", "V")

# %% [markdown]
# ## The production vessel
#
# The values are those of Kornecki & Strube (2018), and say for themselves where they come from.

# %%
found = parameters.load("kornecki2018")
found

# %%
model = CHOFedBatch()
feed = tk.steps({"0 d": 0, "3 d": "0.8 mL/h", "5 d": "1.6 mL/h", "7 d": "2.4 mL/h", "11 d": "1.6 mL/h"})
batch = tk.simulate(model, until="14 d")
fed = tk.simulate(model, until="14 d", inputs={"F": feed})
print(f"antibody: batch {float(batch['mAb'][-1]):.2f} g/L, fed {float(fed['mAb'][-1]):.2f} g/L")
assert float(fed["mAb"][-1]) > 2 * float(batch["mAb"][-1])
fed.plot("Xv", "Glc", "Lac", "mAb")

# %% [markdown]
# The fed culture makes more, and lactate is what it pays. Is twice the feed better still?

# %%
more = tk.simulate(model, until="14 d", inputs={"F": lambda t: 2.0 * np.interp(t, [0, 72, 336], [0, 0, 2.4e-3])})
print(f"much more feed: {float(more['mAb'][-1]):.2f} g/L at {float(more['Lac'][-1]):.0f} mmol/L lactate")
assert float(more["mAb"][-1]) < float(fed["mAb"][-1])

# %% [markdown]
# No. Twice the feed is half a gram less: lactate and ammonium stop growth before the feed is used.
#
# ## How sure are we?
#
# The publication gives no uncertainty, so we assume 5 % on the growth rate and 10 % on productivity, and look at a
# hundred clones.

# %%
draws = np.random.default_rng(7)
spread = {"mu_max": 0.039 * draws.normal(1, 0.05, 100), "q_mAb": model.q_mAb * draws.normal(1, 0.10, 100)}
many = tk.ensemble(model, spread, until="14 d", inputs={"F": feed}, outputs="1 d", progress=False)
titre = many.values("mAb")[:, -1]
print(f"titre {np.mean(titre):.2f} g/L, 90 % between {np.quantile(titre, 0.05):.2f} and {np.quantile(titre, 0.95):.2f}")

# %% [markdown]
# ## Perfusion
#
# Two vessel volumes a day, 98 % of the cells held back, a tenth bled. It takes weeks to settle, and then goes on.

# %%
perfused = tk.simulate(CHOPerfusion(), until="60 d")
settled = {name: float(perfused[name][-1]) for name in ("Xv", "mAb")}
per_day = 2.0 * settled["mAb"]  # g per litre of vessel and day
print(f"{settled['Xv']:.1f} billion cells/L, {per_day:.2f} g/L/d; fed-batch {float(fed['mAb'][-1]) / 14:.2f} g/L/d")
assert per_day > float(fed["mAb"][-1]) / 14
perfused.plot("Xv", "mAb")
