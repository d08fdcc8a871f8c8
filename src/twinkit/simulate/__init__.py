"""Simulation: inputs over time, integrators, events, ensembles, sensitivities.

The room and its main function share one name: ``tk.simulate(model, until="14 d")`` runs a model, and
``tk.simulate.Cvodes`` is a part of the room. The module is therefore callable (decision 0003).
"""

import sys
from types import ModuleType
from typing import Any

from twinkit.simulate.cvodes import Cvodes
from twinkit.simulate.problem import Solver
from twinkit.simulate.run import SimulationWarning, simulate
from twinkit.simulate.signals import Ramps, Steps, ramps, steps


class _CallableRoom(ModuleType):
    """A module that can be called as its main function."""

    __wrapped__ = staticmethod(simulate)  # inspect.signature and help show the function's

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return simulate(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableRoom

__all__ = ["Cvodes", "Ramps", "SimulationWarning", "Solver", "Steps", "ramps", "simulate", "steps"]
