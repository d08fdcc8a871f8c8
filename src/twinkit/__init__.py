"""twinkit: digital twins of pharmaceutical manufacturing.

The public face. Names are imported when first used, so that ``import twinkit`` stays quick and needs no heavy
package.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from twinkit._version import __version__
from twinkit.core.providers import provide as _provide

if TYPE_CHECKING:
    from twinkit.control import MPC as MPC
    from twinkit.control import Move as Move
    from twinkit.control import Track as Track
    from twinkit.control import Within as Within
    from twinkit.control import duration as duration
    from twinkit.control import final as final
    from twinkit.control import integral as integral
    from twinkit.control import summed as summed
    from twinkit.core import *  # noqa: F403
    from twinkit.estimate import EKF as EKF
    from twinkit.estimate import MHE as MHE
    from twinkit.estimate import PF as PF
    from twinkit.estimate import UKF as UKF
    from twinkit.estimate import Adaptation as Adaptation
    from twinkit.estimate import Disturbance as Disturbance
    from twinkit.estimate import EnKF as EnKF
    from twinkit.estimate import Estimator as Estimator
    from twinkit.estimate import Sensor as Sensor
    from twinkit.estimate import calibrate as calibrate
    from twinkit.fmi import FMU as FMU
    from twinkit.graph import *  # noqa: F403
    from twinkit.simulate import *  # noqa: F403

_HOMES = {
    "twinkit.core": (
        "Algebraic",
        "AuditSink",
        "Balance",
        "Batch",
        "BoundsError",
        "Combination",
        "Crossing",
        "DataError",
        "Established",
        "DesignSpace",
        "Event",
        "FrozenModelError",
        "Input",
        "InvalidValueError",
        "Measurement",
        "MissingDependencyError",
        "Mode",
        "Model",
        "ModelDefinitionError",
        "Option",
        "Origin",
        "Output",
        "Parameter",
        "ParameterSet",
        "Prediction",
        "Quality",
        "Range",
        "Response",
        "Schedule",
        "ShapeError",
        "SimulationError",
        "Solution",
        "State",
        "StateEstimate",
        "StorageError",
        "Table",
        "TwinkitError",
        "UnitError",
        "UnknownNameError",
        "no_audit",
    ),
    "twinkit.control": (
        "MPC",
        "Move",
        "Track",
        "Within",
        "duration",
        "final",
        "integral",
        "summed",
    ),
    "twinkit.estimate": (
        "Adaptation",
        "Disturbance",
        "EKF",
        "EnKF",
        "Estimator",
        "MHE",
        "PF",
        "Sensor",
        "UKF",
        "calibrate",
    ),
    "twinkit.fmi": ("FMU",),
    "twinkit.graph": (
        "Block",
        "Graph",
        "Replay",
    ),
    "twinkit.simulate": (
        "Compiled",
        "Cvodes",
        "Jax",
        "ModelComponent",
        "SimulationWarning",
        "draw",
        "ensemble",
        "prepare",
        "ramps",
        "steps",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = (
    "core", "readings", "simulate", "unitops", "testing", "fmi", "graph", "estimate", "hybrid", "control", "pat", "app",
)  # fmt: skip

# What the rooms above `core` provide for objects defined in it (see twinkit.core.providers).
_provide("show", "twinkit.readings.sympy:show")
_provide("rate_units", "twinkit.readings.dimensions:rate_units")
_provide("numeric_maths", "twinkit.readings.numeric:NUMERIC")


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        value = getattr(_import_module(_HOME_OF[name]), name)
    elif name == "units":
        from twinkit.core.units import registry

        value = registry()
    elif name in _ROOMS:
        value = _import_module(f"twinkit.{name}")
    else:
        from twinkit.core.errors import unknown_name

        raise unknown_name("attribute", name, __all__, "twinkit")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = ["__version__", "units", *_HOME_OF, *_ROOMS]  # noqa: F405 # pyright: ignore[reportUnsupportedDunderAll]
