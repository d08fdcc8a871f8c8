"""The C reading: a model's equations and their exact derivatives as portable C, from the CasADi reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core.layout import Layout
from twinkit.core.model import Model
from twinkit.readings.casadi import SYMBOLIC, CasadiModel, casadi_model

# Everything is `static`, so that one translation unit holds it and nothing collides where FMUs are linked together.
_PRELUDE = "#define CASADI_SYMBOL_EXPORT static\n#define casadi_int int\n"


@dataclass(frozen=True)
class Sparsity:
    """Positions of the entries of a matrix that may be non-zero, column by column.

    Attributes
    ----------
    shape
        Rows and columns.
    rows, columns
        One pair per entry, in the order of the values.
    """

    shape: tuple[int, int]
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def dense(self) -> Any:
        """Boolean array, True where an entry is."""
        full = np.zeros(self.shape, dtype=bool)
        full[list(self.rows), list(self.columns)] = True
        return full


@dataclass(frozen=True)
class CModel:
    """A model as C.

    All functions have the signature ``int f(const double **arg, double **res, int *iw, double *w, int mem)``
    of CasADi's generated code, begin with ``model_`` and are static; an unwanted result is a null pointer. With
    `t` in the model's time unit and ``u`` = inputs, then modes:

    ============ ============================================== ==============================================
    function     arguments                                      results
    ============ ============================================== ==============================================
    ``rates``    ``t, x, z, u, p``                              ``dx, residual``
    ``outputs``  the same                                       ``y``
    ``roots``    the same                                       event expressions
    ``jacobian`` the same                                       entries of d(dx, residual)/d(x, z)
    ``drift``    the same                                       d(dx, residual)/dt
    ``forward``  the same, then directions of all five          directional derivatives of dx, residual, y, roots
    ``reverse``  the same, then seeds of dx, residual, y, roots adjoints of all five
    ``jump<i>``  the same                                       ``x, modes`` just after happening i
    ============ ============================================== ==============================================

    Attributes
    ----------
    layout
        Positions in the flat vectors.
    source
        The C text (C99, needs only ``math.h``).
    jacobian
        Where the entries of ``jacobian`` are.
    depends
        Structure of ``(dx, residual, y, roots)`` by ``(t, x, z, u, p)``.
    happenings
        Names in the order of the jump functions: events, then schedules.
    work
        Longest ``arg``, ``res``, ``iw``, ``w`` that any function needs.
    """

    layout: Layout
    source: str
    jacobian: Sparsity
    depends: Sparsity
    happenings: tuple[str, ...]
    work: tuple[int, int, int, int]


def c_model(model: Model) -> CModel:
    """Return the C reading of a model; the same structure gives the same text.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     c = tk.State("g/L", initial=1.0)
    ...     k = tk.Parameter("1/s", 0.5)
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> reading = c_model(Decay())
    >>> "int model_rates(" in reading.source
    True
    >>> reading.jacobian.rows, reading.jacobian.columns
    ((0,), (0,))
    """
    with SYMBOLIC:
        reading = casadi_model(model)
        functions = _functions(reading)
        generator = ca.CodeGenerator("model.c", {"with_header": False, "casadi_int": "int"})
        for function in functions.values():
            generator.add(function)
        _, x, z, _, _ = reading.symbols
        flow = ca.vertcat(reading.derivative, reading.residual)
        everything = ca.vertcat(flow, reading.output, _vector(reading.roots))
        work = tuple(
            max(1, *(getattr(f, f"sz_{kind}")() for f in functions.values())) for kind in ("arg", "res", "iw", "w")
        )
        return CModel(
            reading.layout,
            _PRELUDE + generator.dump(),
            _sparsity(ca.jacobian_sparsity(flow, ca.vertcat(x, z))),
            _sparsity(ca.jacobian_sparsity(everything, ca.vertcat(*reading.symbols))),
            tuple(reading.jumps),
            (work[0], work[1], work[2], work[3]),
        )


def _functions(reading: CasadiModel) -> Mapping[str, Any]:
    symbols = list(reading.symbols)
    t, x, z, _, _ = symbols
    flow = ca.vertcat(reading.derivative, reading.residual)
    parts = [_vector(e) for e in (reading.derivative, reading.residual, reading.output, reading.roots)]
    directions = [ca.SX.sym(f"d{i}", *symbol.shape) for i, symbol in enumerate(symbols)]
    seeds = [ca.SX.sym(f"s{i}", *part.shape) for i, part in enumerate(parts)]
    joined, direction, seed = ca.vertcat(*symbols), ca.vertcat(*directions), ca.vertcat(*seeds)
    everything = ca.vertcat(*parts)
    forward = ca.vertsplit(ca.jtimes(everything, joined, direction), _ends(parts))
    reverse = ca.vertsplit(ca.jtimes(everything, joined, seed, True), _ends(symbols))
    made: dict[str, tuple[list[Any], list[Any]]] = {
        "rates": (symbols, parts[:2]),
        "outputs": (symbols, parts[2:3]),
        "roots": (symbols, parts[3:]),
        "drift": (symbols, [ca.jacobian(flow, t)]),
        "forward": ([*symbols, *directions], forward),
        "reverse": ([*symbols, *seeds], reverse),
    }
    for i, jump in enumerate(reading.jumps.values()):
        made[f"jump{i}"] = (symbols, [_vector(part) for part in jump])
    functions = {
        name: ca.Function(f"model_{name}", inputs, [ca.densify(part) for part in results])
        for name, (inputs, results) in made.items()
    }
    functions["jacobian"] = ca.Function("model_jacobian", symbols, [ca.jacobian(flow, ca.vertcat(x, z))])
    return functions


def _vector(expression: Any) -> Any:
    """Return a column, also of nothing."""
    return ca.SX(expression).reshape((-1, 1)) if ca.SX(expression).numel() else ca.SX(0, 1)


def _ends(parts: list[Any]) -> list[int]:
    return [0, *np.cumsum([part.numel() for part in parts]).tolist()]


def _sparsity(pattern: Any) -> Sparsity:
    rows, columns = pattern.get_triplet()
    return Sparsity(tuple(pattern.shape), tuple(rows), tuple(columns))
