"""Process models: one file each; rate laws in `phenomena`, cited parameter sets in `parameters`."""

from importlib import import_module as _import_module
from typing import Any

_HOMES = {
    "CHOFedBatch": "cho_fed_batch",
    "CHOFedBatchQuasiSteadyOxygen": "cho_fed_batch",
    "CHOPerfusion": "cho_perfusion",
    "CHOBolusFed": "cho_bolus_fed",
    "EColiOverflow": "ecoli_overflow",
    "PenicillinFedBatch": "penicillin",
    "SeedTrain": "seed_train",
    "YeastBottleneck": "yeast",
    "CoolingJacket": "stirred_tank",
    "JacketedTank": "stirred_tank",
    "LignocellulosicEthanol": "lignocellulosic_ethanol",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)


__all__ = [*_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]
