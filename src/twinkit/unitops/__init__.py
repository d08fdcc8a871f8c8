"""Process models: one file each; rate laws in `phenomena`, cited parameter sets in `parameters`.

``tk.unitops.list()`` is a table of them.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twinkit.unitops.catalogue import Catalogue as _Catalogue

_HOMES = {
    "AeratedVessel": "aerated_vessel",
    "BatchReactor": "batch_reactor",
    "BufferTank": "buffer_tank",
    "CHOBolusFed": "cho_bolus_fed",
    "CHOFedBatch": "cho_fed_batch",
    "CHOPerfusion": "cho_perfusion",
    "ContinuousStirredTankReactor": "stirred_tank_reactor",
    "CoolingJacket": "stirred_tank",
    "CounterCurrentHeatExchanger": "heat_exchanger",
    "EColiOverflow": "ecoli_overflow",
    "HeatExchanger": "heat_exchanger",
    "HoldVessel": "vessels",
    "IndPenSim": "indpensim",
    "IndPenSimBatch": "indpensim_batch",
    "JacketedTank": "stirred_tank",
    "LignocellulosicEthanol": "lignocellulosic_ethanol",
    "MixingTank": "vessels",
    "PenicillinFedBatch": "penicillin",
    "PlugFlowReactor": "plug_flow_reactor",
    "PreparationTank": "vessels",
    "SeedTrain": "seed_train",
    "SemiBatchReactor": "batch_reactor",
    "SingleUseBag": "vessels",
    "WalledJacket": "stirred_tank",
    "YeastBottleneck": "yeast",
}
_FOLDERS = ("parameters", "phenomena")
_CHOICES = {"OxygenBalance": "cho_fed_batch"}


def list() -> "_Catalogue":  # `tk.unitops.list()`; nothing in this file uses the builtin
    """Return a table of all process models: name, what it is, states, source.

    Examples
    --------
    >>> from twinkit import unitops
    >>> [entry.name for entry in unitops.list()][:2]
    ['AeratedVessel', 'BatchReactor']
    """
    from twinkit.unitops.catalogue import catalogue

    return catalogue(__getattr__(name) for name in _HOMES)


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return _import_module(f"{__name__}.{name}")
    if name in _CHOICES:
        return getattr(_import_module(f"{__name__}.{_CHOICES[name]}"), name)
    if name not in _HOMES:
        from twinkit.core.errors import unknown_name

        raise unknown_name("model", name, _HOMES, "twinkit.unitops")
    return getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> Any:
    return sorted([*_HOMES, *_CHOICES, *_FOLDERS, "list"])


__all__ = [*_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]
