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
# # Compose FMUs from other tools
#
# Two FMUs, exported by OpenModelica, are looked at, connected, checked, run with several masters, held against the same
# system as one FMU, saved as one SSP file, read back and run again.
#
# They come from the package gemseo-fmu, of which only the files are used:
# `pip install --no-deps gemseo-fmu==3.1.1`, and FMPy with `pip install 'twinkit[fmi]'`.

# %%
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import twinkit as tk

spec = find_spec("gemseo_fmu")
assert spec is not None, "pip install --no-deps gemseo-fmu==3.1.1"
platform = "win32" if sys.platform == "win32" else "linux"
folder = Path(spec.origin).parent / "problems" / "fmu_files" / platform

# %% [markdown]
# ## Look before you run
#
# Nothing of an FMU's code runs here: only its description is read, and the archive is checked.

# %%
tk.fmi.info(folder / "MassSpringSubSystem1.fmu")

# %%
tk.fmi.check(folder / "MassSpringSubSystem1.fmu")

# %% [markdown]
# Each half of the system has one mass and takes the position of the other one.
#
# ## Connect
#
# Ports are checked when they are connected: a wrong name gets the nearest right one, units must fit.

# %%
graph = tk.Graph()
one = graph.add("one", tk.FMU(folder / "MassSpringSubSystem1.fmu"))
two = graph.add("two", tk.FMU(folder / "MassSpringSubSystem2.fmu"))
graph.connect(two.out["x2"], one.inp["x2"])
graph.connect(one.out["x1"], two.inp["x1"])
graph

# %%
try:
    graph.connect(one.out["v_1"], two.inp["k3"])
except tk.UnknownNameError as error:
    print(error)

# %% [markdown]
# `print` shows what is connected, what is not, and with which value: stiffnesses and masses keep the FMUs' own.

# %%
print(graph)

# %% [markdown]
# ## Check
#
# A check lists everything that stands against a run. These FMUs cannot save their state, so the masters that go back
# and try again are out; the ones that only go forward are fine.

# %%
graph.check(tk.graph.Jacobi(0.01))
try:
    graph.check(tk.graph.Midpoint(0.01))
except tk.graph.GraphCheckError as error:
    print(error)

# %% [markdown]
# ## Run, and compare with the whole
#
# The same package has the coupled system as one FMU. These FMUs take one explicit Euler step per communication step, so
# with `Jacobi` the two halves do exactly what the whole does with the same step.

# %%
step = 0.01
coupled = tk.simulate(graph, 10.0, master=tk.graph.Jacobi(step))
whole = tk.fmi.simulate(folder / "MassSpringSystem.fmu", 10.0, step=step)
difference = np.max(np.abs(coupled.trace("one.x1").data - whole.trace("x1").data))
print(f"largest difference of x1: {difference:.1e}")
assert difference < 1e-10

# %% [markdown]
# What the step costs in accuracy is another question: the whole as *model exchange*, integrated by us with tight
# tolerances, is the reference. The error halves with the step.

# %%
tight = tk.fmi.Integration("DOP853", rtol=1e-10)
exact = tk.fmi.simulate(folder / "MassSpringSystem.fmu", 10.0, step=0.01, kind="me", integration=tight)


def error(master, graph=graph):
    """Return the largest error of x1, at the times of the reference."""
    found = tk.simulate(graph, 10.0, master=master, outputs=exact.time)
    return np.max(np.abs(found.trace("one.x1").data - exact.trace("x1").data))


for step in (0.01, 0.005, 0.0025):
    errors = [error(master) for master in (tk.graph.Jacobi(step), tk.graph.GaussSeidel(step))]
    print(f"step {step:6}: Jacobi {errors[0]:.2e}, Gauss-Seidel {errors[1]:.2e}")

# %% [markdown]
# Most of that is the Euler step inside the FMUs. As model exchange, integrated by us, only the error of the exchange is
# left. Gauss-Seidel gives the second half the newest position of the first.

# %%
better = tk.Graph()
first = better.add("one", tk.FMU(folder / "MassSpringSubSystem1.fmu", kind="me"))
second = better.add("two", tk.FMU(folder / "MassSpringSubSystem2.fmu", kind="me"))
better.connect(second.out["x2"], first.inp["x2"])
better.connect(first.out["x1"], second.inp["x1"])
for name, master in {"Jacobi": tk.graph.Jacobi(0.01), "Gauss-Seidel": tk.graph.GaussSeidel(0.01)}.items():
    print(f"{name}: {error(master, better):.2e}")

# %%
coupled.plot("one.x1", "two.x2")

# %% [markdown]
# ## Units, and tools that leave them out
#
# The next FMU wants a force in newton; the ramp that drives it has no unit. That is refused, and has to be said:
# the number is taken as it is, times 100.

# %%
forced = tk.Graph()
ramp = forced.add("ramp", tk.FMU(folder / "ramp.fmu", {"ramp.duration": 0.5}))
mass = forced.add("mass", tk.FMU(folder / "Mass_Damper.fmu", {"mass.m": 2.0}))
try:
    forced.connect(ramp.out["out"], mass.inp["f"])
except tk.UnitError as refused:
    print(refused)
edge = forced.connect(ramp.out["out"], mass.inp["f"], factor=100.0, convert_units=False)
print(edge[0])

# %% [markdown]
# ## One file for it all
#
# An SSP file (System Structure and Parameterization) holds the FMUs, their start values and the connections, and other
# tools read it.

# %%
scratch = tempfile.TemporaryDirectory()
path = Path(scratch.name) / "springs.ssp"
tk.graph.ssp.save(graph, path, name="two masses", stop_time=10.0)
print(tk.graph.ssp.read(path))

# %%
with tk.graph.ssp.load(path) as again:
    replay = tk.simulate(again, again.stop_time, master=tk.graph.Jacobi(0.01))
assert np.array_equal(replay.trace("one.x1").data, coupled.trace("one.x1").data), "bit for bit"
replay

# %% [markdown]
# The same without Python: `twinkit graph run springs.ssp --step 0.01 --output run.csv --plot`.
