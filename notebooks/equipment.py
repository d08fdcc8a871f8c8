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
# # The room around the reactor
#
# A buffer must be at pH 7.4 by the morning, a single-use bag must be mixed before the base burns the cells, and a
# warm stream must come down to room temperature on its way to the hold vessel. Nothing here is glamorous, and a batch
# can be lost to each of it.

# %%
import twinkit as tk
from twinkit.unitops import BufferTank, HeatExchanger, HoldVessel, MixingTank, PreparationTank, SingleUseBag

# %% [markdown]
# ## The buffer
#
# 100 L of sodium dihydrogen phosphate, titrated with 2 mol/L sodium hydroxide. The pump stops at the target. The pH
# is what balances the charges at every instant.

# %%
buffer = tk.simulate(BufferTank(acid=50, strong=50, target=7.4), until="1 h", inputs={"F_base": "0.05 L/min"})
stopped = buffer.occurrences[0]
print(f"target reached after {stopped.time:.1f} min and {float(buffer['V'][-1]) - 100:.2f} L of base")
assert abs(float(buffer["pH"][-1]) - 7.4) < 1e-6
buffer.plot("pH")

# %% [markdown]
# And if the valve had not closed? The buffer gives no warning: past its pK the pH jumps.

# %%
onward = tk.simulate(BufferTank(stop_at_target=False), until="2 h", inputs={"F_base": "0.05 L/min"})
print(f"pH after two hours: {float(onward['pH'][-1]):.1f}")
onward.plot("pH")

# %% [markdown]
# ## The medium
#
# Salt is dosed for 20 minutes. Conductivity says when it has dissolved.

# %%
medium = tk.simulate(PreparationTank(), until="1 h", inputs={"dosing": tk.steps({"0 min": 50, "20 min": 0})})
left = medium["solid"].values
print(f"{left.max():.0f} g undissolved at worst, {left[-1]:.2g} g at the end")
medium.plot("solid", "conductivity")

# %% [markdown]
# ## The bag
#
# Base is added to a part of the bag that is mixed slowly. How bad does it get there, at two stirrer speeds?

# %%
shot = {"acid": tk.steps({"0 min": 500, "0.2 min": 0})}
for speed in (20.0, 60.0):
    bag = tk.simulate(SingleUseBag(N=speed), until="10 min", inputs=shot, outputs=601)
    peak = float(bag["tracer_slow"].max() / bag["tracer_slow"][-1])
    print(f"{speed:.0f} 1/min: mixed in {float(bag['theta95'][0]):.1f} min, {peak:.1f} times the mean at worst")
bag.plot("tracer_stirred", "tracer_slow")

# %% [markdown]
# ## The line
#
# Two stocks are mixed, cooled and held. The streams join what leaves one with what enters the next: flow, temperature
# and composition together.

# %%
graph = tk.Graph()
mixer = graph.add("mixer", MixingTank(n_components=2, c_a=[1.0, 0.0], c_b=[0.0, 1.0], F_a=0.5, F_b=1.5, T_a=60, T_b=60))
hold = graph.add("hold", HoldVessel(n_components=2, V=1.0, F_draw=0.0))
graph.connect(mixer.out["outlet"], hold.inp["inlet"])
line = tk.simulate(graph.flatten("Line"), until="2 h")
print("held:", line["hold.c"].values[-1].round(3), f"{float(line['hold.V'][-1]):.0f} L",
      f"mean age {float(line['hold.age'][-1]):.0f} min, {float(line['hold.T'][-1]):.1f} degC")  # fmt: skip

# %% [markdown]
# Too warm to keep. A small exchanger brings the stream down first:

# %%
cooler = tk.simulate(HeatExchanger(T_hot_in=60, F_hot=2.0, T_cold_in=10, F_cold=8.0, UA=20.0), until="1 h")
print(f"{float(cooler['T_hot'][-1]):.1f} degC after the exchanger, duty {float(cooler['duty'][-1]):.0f} kJ/min")
assert float(cooler["T_hot"][-1]) < 25
