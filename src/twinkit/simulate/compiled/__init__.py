"""The compiled path: a model's CasADi graph as numba source, and a stiff integrator that advances it."""
