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
# # A hybrid model, and whether to believe it
#
# Growth is inhibited by cells, which the mechanism does not know. A learned term in the growth rate finds it from whole
# batches; mass balances stay what they are.

# %%
import numpy as np
from matplotlib import pyplot as plt

import twinkit as tk


class Growth(tk.Model):
    """Growth on one substrate."""

    time_unit = "h"
    X = tk.State("g/L", 0.5, bounds=(0, None), nominal=5.0)
    S = tk.State("g/L", 10.0, bounds=(0, None), nominal=5.0)
    mu_max = tk.Parameter("1/h", 0.3, bounds=(0, None))
    K = tk.Parameter("g/L", 0.5, bounds=(1e-6, None))
    Y = tk.Parameter("g/g", 0.5, bounds=(1e-6, None))

    def equations(self, v, m):
        mu = m.rate("mu", self.growth(v, m))
        return {"X": mu * v.X, "S": -mu * v.X / v.Y}

    def growth(self, v, m):
        return v.mu_max * v.S / (v.K + v.S)


class Truth(Growth):
    """What really happens."""

    def growth(self, v, m):
        inhibited = m.quantity(2.5, "g/L") / (m.quantity(2.5, "g/L") + v.X)
        return v.mu_max * v.S / (v.K + v.S) * inhibited


def batch(name, seed):
    random = np.random.default_rng(seed)
    start = {"X": float(random.uniform(0.2, 1.0)), "S": float(random.uniform(6.0, 14.0))}
    times = np.linspace(0.0, 24.0, 9)
    run = tk.simulate(Truth(), 24.0, initial=start, outputs=times)
    rows = [
        tk.Measurement(tag, float(value + 0.1 * random.standard_normal()), "g/L", float(time))
        for tag in ("X", "S")
        for time, value in zip(times, run.trace(tag).data, strict=True)
    ]
    return tk.Batch(name, rows, initial=start, until=24.0)


train, test = [batch(f"B{k}", k) for k in range(4)], [batch(f"T{k}", 50 + k) for k in range(5)]

# %% [markdown]
# ## Fit

# %%
hybrid = tk.hybrid.Residual(Growth(), on={"mu": ["X", "S"]}, gates={"mu": {"S": 0.1}})
model = tk.hybrid.HybridModel(hybrid, parameters={"mu_max": 0.5}, rounds=3, progress=False).fit(train)
model

# %%
(forecast,) = model.forecast(test[:1], n=60)
axes = forecast.plot("X", "S")
for axis, tag in zip(axes, ("X", "S"), strict=True):
    axis.plot(*test[0].values(tag), "k.")
plt.show()

# %% [markdown]
# ## Are the intervals right?

# %%
report = model.calibration_report(test, n=60)
report.plot()
plt.show()
report.of(0.95)

# %% [markdown]
# ## How many batches does it take?

# %%
curve = tk.hybrid.learning_curve(
    tk.hybrid.HybridModel(hybrid, parameters={"mu_max": 0.5}, rounds=2, progress=False),
    train, test, counts=(0, 1, 2, 4), noise=True, n=40, progress=False,
)  # fmt: skip
curve.plot()
plt.show()
assert curve.error[-1] < curve.error[0]

# %% [markdown]
# ## A fast stand-in
#
# The fitted model over a box of starts, as a polynomial of a few modes.

# %%
fast = tk.hybrid.surrogate(
    model.model_, {"X": (0.2, 1.0), "S": (6.0, 14.0)}, "24 h", runs=128, kind=tk.hybrid.Chebyshev(6), progress=False
)
fast
