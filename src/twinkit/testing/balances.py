"""Declared balances: proved symbolically where SymPy can, tested at random points otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core.evaluate import evaluate_balances
from twinkit.core.model import Model
from twinkit.readings.casadi import CASADI, casadi_model
from twinkit.testing.agreement import flat

_TOLERANCE = 1e-9


def balance_problems(model: Model, points: Sequence[Mapping[str, Any]]) -> tuple[list[str], str]:
    """Check ``d(amount)/dt = inflow`` for every declared balance; return problems and how each was shown."""
    if not model.conserved:
        return [], "nothing declared"
    problems: list[str] = []
    notes: list[str] = []
    reading = casadi_model(model)
    t, x, z, u, p = reading.symbols
    balances = evaluate_balances(model, model.layout.named(t, x, z, u, p), CASADI)
    for name, balance in balances.items():
        rate = ca.jtimes(balance.amount, x, reading.derivative) + ca.jacobian(balance.amount, t)
        size = ca.fabs(ca.jacobian(balance.amount, x)) @ ca.fabs(reading.derivative) + ca.fabs(balance.inflow) + 1e-12
        function = reading.function("balance", rate - balance.inflow, size)
        worst = 0.0
        for point in points:
            row = _consistent(model, point)
            error, scale = (float(part) for part in function(*row))
            worst = max(worst, abs(error) / scale)
        if not worst < _TOLERANCE:
            problems.append(f"{name!r} is not conserved: the imbalance is {worst:.2e} of the turnover")
            continue
        notes.append(f"{name} {'proved by SymPy' if _proved(model, name) else f'tested at {len(points)} points'}")
    return problems, "; ".join(notes)


def _consistent(model: Model, point: Mapping[str, Any]) -> Any:
    """Return a point whose algebraic variables satisfy their residuals: a balance need not hold elsewhere."""
    t, x, z, u, p = flat(model, point)
    if z.size == 0:
        return t, x, z, u, p
    from twinkit.simulate.consistent import consistent_algebraics
    from twinkit.simulate.problem import make_problem

    changed = model.with_({name: value for name, value in point.items() if name != "t"})
    problem = make_problem(changed, t + 1.0, start=t)
    return t, x, consistent_algebraics(problem, t, x, z, problem.modes), u, p


def _proved(model: Model, name: str) -> bool:
    """Return whether SymPy reduces the imbalance to zero (algebraic variables are beyond it)."""
    import sympy as sp

    from twinkit.readings.sympy import SYMPY, sympy_model

    if model.layout.algebraics.size or model.layout.states.size > 30:
        return False
    reading = sympy_model(model)
    balance = evaluate_balances(model, reading.symbols, SYMPY)[name]
    imbalance = sp.diff(balance.amount, reading.symbols["t"]) - balance.inflow
    for state, derivative in reading.evaluation.derivatives.items():
        symbols = np.atleast_1d(np.asarray(reading.symbols[state], dtype=object))
        rates = np.atleast_1d(np.asarray(derivative, dtype=object))
        imbalance += sum(sp.diff(balance.amount, s) * rate for s, rate in zip(symbols, rates, strict=True))
    return bool(sp.expand(imbalance) == 0 or sp.cancel(sp.together(imbalance)) == 0)
