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
# # A new unit operation in 20 lines, and two mistakes that are found
#
# We grow yeast in a chemostat, on a substrate that is toxic in excess. twinkit has no such model, so we write one. Its
# rate law exists: the functions in `twinkit.unitops.phenomena` need only be called.

# %%
import twinkit as tk
from twinkit.testing import ModelCheckError, check_model
from twinkit.unitops.phenomena import haldane


class Chemostat(tk.Model):
    """Chemostat on an inhibiting substrate (Andrews' law)."""

    time_unit = "h"
    X = tk.State("g/L", 0.5, bounds=(0, None), doc="biomass")
    S = tk.State("g/L", 1.0, bounds=(0, None), doc="substrate")
    D = tk.Input("1/h", 0.1, bounds=(0, 2), doc="dilution rate")
    S_in = tk.Input("g/L", 5.0, bounds=(0, None), doc="substrate in the feed")
    mu = tk.Parameter("1/h", 0.5, bounds=(0, 5), doc="growth rate", source="illustrative")
    K = tk.Parameter("g/L", 0.2, bounds=(1e-3, 10), doc="half saturation", source="illustrative")
    KI = tk.Parameter("g/L", 2.0, bounds=(1e-3, 100), doc="inhibition", source="illustrative")
    Y = tk.Parameter("g/g", 0.5, bounds=(0.01, 1), doc="yield", source="illustrative")

    conserved = {"substrate": lambda v, m: tk.Balance(v.X + v.Y * v.S, v.D * (v.Y * (v.S_in - v.S) - v.X))}

    def equations(self, v, m):
        growth = v.mu * haldane(v.S, v.K, v.KI) * v.X
        return {"X": growth - v.D * v.X, "S": v.D * (v.S_in - v.S) - growth / v.Y}


# %% [markdown]
# One call checks every promise: units, all readings, exact Jacobians, the balance, bounds.

# %%
print(check_model(Chemostat))

# %%
Chemostat().show()

# %% [markdown]
# It behaves as a chemostat on a toxic substrate should. Run gently it settles; after eight hours of too fast a feed it
# does not come back, although the feed is gentle again: what has accumulated inhibits the cells.

# %%
gentle = tk.simulate(Chemostat(), until="120 h")
pushed = tk.simulate(Chemostat(), until="120 h", inputs={"D": tk.steps({"0 h": 0.1, "40 h": 0.9, "48 h": 0.1})})
axes = gentle.plot("X", "S")
pushed.plot("X", "S")
assert float(pushed["X"][-1]) < 0.5 * float(gentle["X"][-1])

# %% [markdown]
# ## A wrong unit
#
# A colleague gives the growth rate per day and forgets to convert. Every number is plausible, the run would finish, and
# the reactor of the simulation would grow 24 times too fast. The dimensions reading evaluates the equations on units
# instead of numbers, and finds the line.


# %%
class WrongUnit(Chemostat):
    """Chemostat whose growth rate is declared per day."""

    mu = Chemostat.mu.altered(unit="1/day", default=12.0, bounds=(0, 120))


report = ""
try:
    check_model(WrongUnit)
except ModelCheckError as error:
    report = str(error)
print(report)
assert "factor of" in report

# %% [markdown]
# ## A wrong balance
#
# The yield is dropped from the substrate equation. Its units still agree, because a yield in g/g has none. The declared
# balance does not hold any more.


# %%
class WrongBalance(Chemostat):
    """Chemostat whose cells take up too little."""

    def equations(self, v, m):
        growth = v.mu * haldane(v.S, v.K, v.KI) * v.X
        return {"X": growth - v.D * v.X, "S": v.D * (v.S_in - v.S) - growth}


report = ""
try:
    check_model(WrongBalance)
except ModelCheckError as error:
    report = str(error)
print(report)
assert "'substrate' is not conserved" in report
