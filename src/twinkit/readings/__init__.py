"""Readings of a model: numeric, CasADi, JAX, SymPy, dimensions, C. Each is imported from its own module when used."""

from importlib import import_module as _import_module
from typing import Any

_HOMES = {
    "numeric_functions": "numeric",
    "evaluate_at": "numeric",
    "casadi_model": "casadi",
    "CasadiModel": "casadi",
    "c_model": "c",
    "CModel": "c",
    "jax_functions": "jax",
    "sympy_model": "sympy",
    "show": "sympy",
    "check_dimensions": "dimensions",
    "dimension_problems": "dimensions",
    "rate_units": "dimensions",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [*_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]
