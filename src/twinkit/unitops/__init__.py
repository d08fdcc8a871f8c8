"""Process models: one file each; rate laws in `phenomena`, cited parameter sets in `parameters`."""

from importlib import import_module as _import_module
from typing import Any

_HOMES = {
    "BatchReactor": "batch_reactor",
    "CHOFedBatch": "cho_fed_batch",
    "ContinuousStirredTankReactor": "stirred_tank_reactor",
    "CoolingJacket": "stirred_tank",
    "CounterCurrentHeatExchanger": "heat_exchanger",
    "HeatExchanger": "heat_exchanger",
    "HoldVessel": "vessels",
    "JacketedTank": "stirred_tank",
    "LignocellulosicEthanol": "lignocellulosic_ethanol",
    "MixingTank": "vessels",
    "PlugFlowReactor": "plug_flow_reactor",
    "PreparationTank": "vessels",
    "SemiBatchReactor": "batch_reactor",
    "SingleUseBag": "vessels",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)


__all__ = [*_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]
