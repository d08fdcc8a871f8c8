"""Simulation: inputs over time, integrators, events, ensembles, sensitivities."""

from twinkit.simulate.cvodes import Cvodes
from twinkit.simulate.problem import Solver
from twinkit.simulate.run import SimulationWarning, simulate
from twinkit.simulate.signals import Ramps, Steps, ramps, steps

__all__ = ["Cvodes", "Ramps", "SimulationWarning", "Solver", "Steps", "ramps", "simulate", "steps"]
