"""Consistent initialisation: algebraic variables that satisfy their residuals before the first step."""

from __future__ import annotations

import numpy as np

from twinkit.core.errors import SimulationError
from twinkit.simulate.problem import Array, Problem

_ITERATIONS = 60


@np.errstate(over="ignore", invalid="ignore")  # a step too far is answered by a shorter one
def consistent_algebraics(
    problem: Problem, t: float, x: Array, z: Array, modes: Array, *, before: bool = False
) -> Array:
    """Return `z` with ``residual(t, x, z, u, p) = 0``, by damped Newton iteration from a guess.

    Raises
    ------
    SimulationError
        If the iteration does not converge or the residuals do not determine the algebraic variables (a singular
        Jacobian: the model is of higher index, or an equation is missing). Names the worst residual.
    """
    block = problem.layout.algebraics
    if block.size == 0:
        return z
    reading, scale = problem.reading, block.scales
    u = problem.held_values(t, modes, before=before)
    low, high = block.limits
    current = z.copy()

    def residual(at: Array) -> Array:
        return np.asarray(reading.equations(t, x, at, u, problem.p)[1]).ravel()

    value = residual(current)
    for _ in range(_ITERATIONS):
        if not np.all(np.isfinite(value)):
            raise SimulationError(_message(problem, t, current, value, "is not finite"))
        jacobian = np.asarray(reading.jacobians(t, x, current, u, problem.p)[3]) * scale
        rows = np.max(np.abs(jacobian), axis=1)
        if np.any(rows == 0.0) or np.linalg.cond(jacobian / rows[:, None]) > 1e14:
            raise SimulationError(_singular(problem, t, jacobian))
        step = -scale * np.linalg.solve(jacobian, value)
        size = np.linalg.norm(value / rows)
        if np.max(np.abs(step) / scale) < 1e-13 or size == 0.0:
            return current
        damping = 1.0
        while damping > 1e-6:
            trial = np.clip(current + damping * step, low, high)
            tried = residual(trial)
            if np.all(np.isfinite(tried)) and np.linalg.norm(tried / rows) < (1 - 1e-4 * damping) * size:
                break
            damping /= 2
        else:
            if size < 1e-10:  # as exact as rounding allows
                return current
            raise SimulationError(_message(problem, t, current, value, "cannot be reduced further"))
        current, value = trial, tried
    raise SimulationError(_message(problem, t, current, value, f"did not vanish in {_ITERATIONS} Newton iterations"))


def _message(problem: Problem, t: float, z: Array, value: Array, what: str) -> str:
    block = problem.layout.algebraics
    finite = np.where(np.isfinite(value), np.abs(value), np.inf)
    worst = int(np.argmax(finite))
    guess = ", ".join(f"{label} = {number:.6g}" for label, number in zip(block.labels, z, strict=True))
    return (
        f"no consistent start of {type(problem.model).__name__} at t = {t:g} {problem.layout.time_unit}: the "
        "residual of "
        f"{block.labels[worst]!r} is {value[worst]:.3g} and {what} (at {guess}). Give a better first guess with "
        "initial={...}, or check that the equations have a solution within the bounds."
    )


def _singular(problem: Problem, t: float, jacobian: Array) -> str:
    labels = problem.layout.algebraics.labels
    empty = [labels[i] for i in range(len(labels)) if not np.any(jacobian[i])]
    unused = [labels[i] for i in range(len(labels)) if not np.any(jacobian[:, i])]
    detail = "its equations depend on each other"
    if empty:
        detail = f"the residual of {empty[0]!r} depends on no algebraic variable"
    elif unused:
        detail = f"{unused[0]!r} appears in no residual"
    return (
        f"{type(problem.model).__name__} at t = {t:g} {problem.layout.time_unit}: the algebraic equations do not "
        "determine "
        f"the algebraic variables ({detail}). The model is of index 2 or more, or an equation is wrong: state "
        "residuals "
        "that can be solved for the algebraic variables."
    )
