"""Simulation: inputs over time, integrators, events, ensembles, sensitivities.

The room and its main function share one name: ``tk.simulate(model, until="14 d")`` runs a model, and
``tk.simulate.Cvodes`` is a part of the room. The module is therefore callable (decision 0003).
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from twinkit.simulate.cvodes import Cvodes
from twinkit.simulate.ensembles import EnsembleSolution, ensemble
from twinkit.simulate.problem import Solver
from twinkit.simulate.run import SimulationWarning, simulate
from twinkit.simulate.signals import Ramps, Steps, ramps, steps

if TYPE_CHECKING:
    from twinkit.simulate.compiled.solver import Compiled
    from twinkit.simulate.component import ModelComponent
    from twinkit.simulate.jax import Jax
    from twinkit.simulate.runner import Runner, prepare
    from twinkit.simulate.sampling import draw

_LATER = {
    "Compiled": "twinkit.simulate.compiled.solver",
    "Jax": "twinkit.simulate.jax",
    "ModelComponent": "twinkit.simulate.component",
    "Runner": "twinkit.simulate.runner",
    "draw": "twinkit.simulate.sampling",
    "prepare": "twinkit.simulate.runner",
}


class _CallableRoom(ModuleType):
    """A module that can be called as its main function."""

    __wrapped__ = staticmethod(simulate)  # inspect.signature and help show the function's

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return simulate(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableRoom


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


__all__ = [
    "Compiled", "Cvodes", "EnsembleSolution", "Jax", "ModelComponent", "Ramps", "Runner", "SimulationWarning", "Solver",
    "Steps", "draw", "ensemble", "prepare", "ramps", "simulate", "steps",
]  # fmt: skip
