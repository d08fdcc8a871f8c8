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
# # Microbes: overflow, oxygen and a feed that respects both
#
# E. coli on too much glucose makes acetate, baker's yeast makes ethanol, and Penicillium makes penicillin only when
# it is hungry. Three organisms, one lesson: the feed decides. And a fourth, about a probe that lags.

# %%
import numpy as np

import twinkit as tk
from twinkit.unitops import EColiOverflow, PenicillinFedBatch, YeastBottleneck

# %% [markdown]
# ## A batch of E. coli
#
# The model and its values are those of Anane et al. (2017).

# %%
batch = tk.simulate(EColiOverflow(), until="10 h")
print(f"acetate at its highest: {float(batch['A'].max()):.3f} g/L")
batch.plot("X", "S", "A", "DOT")

# %% [markdown]
# Acetate rises while glucose is plenty, and is eaten when it is gone.
#
# ## Feeding it gently, and too fast
#
# We begin to feed where the batch is empty. An exponential feed keeps the growth rate; the rate we choose decides
# whether the cells overflow.

# %%
end = {name: max(float(batch[name][-1]), 0.0) for name in ("V", "X", "S", "A", "DOT", "DOT_probe")}


def fed(rate):
    """Return a run of 6 h with an exponential feed for one growth rate [1/h]."""
    start = rate * end["X"] * end["V"] / (0.5 * 300.0)
    return tk.simulate(EColiOverflow(), "6 h", initial=end, inputs={"F": lambda t: start * np.exp(rate * t)})


for rate in (0.15, 0.22, 0.30, 0.40):
    run = fed(rate)
    print(f"mu {rate:.2f} 1/h: {float(run['X'][-1]):6.2f} g/L cells, {float(run['A'].max()):.3f} g/L acetate, "
          f"oxygen down to {float(run['DOT'].min()):5.2f} %")  # fmt: skip

# %% [markdown]
# ## What the probe does not see
#
# A probe answers after half a minute. When the feed is pulsed the true oxygen falls deeper than the display says.

# %%
pulses = tk.steps({"0 h": 0.0, "0.1 h": 0.05, "0.12 h": 0.0, "0.3 h": 0.05, "0.32 h": 0.0})
pulsed = tk.simulate(EColiOverflow(), "0.5 h", initial=end, inputs={"F": pulses}, outputs="5 s")
shown, true = float(pulsed["DOT_probe"].min()), float(pulsed["DOT"].min())
print(f"lowest oxygen: shown {shown:.1f} %, true {true:.1f} %")
assert true < shown
pulsed.plot("DOT", "DOT_probe")

# %% [markdown]
# ## Yeast: the bottleneck
#
# Sonnleitner & Kaeppeli (1986): respiration has a capacity; what glucose exceeds it becomes ethanol.

# %%
yeast = tk.simulate(YeastBottleneck(), until="24 h")
yeast.plot()

# %% [markdown]
# ## Penicillin
#
# Growth first, product after. The same sugar fed at a different pace gives a different batch.

# %%
for flow in (0.03, 0.05, 0.08):
    run = tk.simulate(PenicillinFedBatch(), until="400 h", inputs={"F": flow})
    made = float(run["P"][-1] * run["V"][-1])
    print(f"{flow:.2f} L/h: {float(run['P'][-1]):.2f} g/L, {made:.0f} g, cells {float(run['X'][-1]):.1f} g/L")
run.plot("X", "S", "Cl", "P")

# %% [markdown]
# The fastest feed makes the most cells and nearly no penicillin: there are more cells than the oxygen supply can carry
# (the last picture). Sugar is left over, synthesis stops for want of oxygen, and what was made decays.
