"""All readings give the same numbers, and the Jacobians are the derivatives of what they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.model import Model
from twinkit.readings.casadi import casadi_model
from twinkit.readings.numeric import numeric_functions

_TOLERANCE = 1e-10
_JACOBIAN_TOLERANCE = 1e-5
_STEPS = (1e-4, 3e-6)  # relative
_SYMPY_LIMIT = 400
Vectors = tuple[Any, Any, Any, Any, Any]
Rows = list[tuple[npt.NDArray[np.float64], ...]]


def flat(model: Model, point: Mapping[str, Any]) -> Vectors:
    """Return a named point as ``(t, x, z, u, p)``."""
    layout = model.layout
    held = np.concatenate([layout.inputs.pack(point), layout.modes.pack(point)])
    return point["t"], layout.states.pack(point), layout.algebraics.pack(point), held, layout.parameters.pack(point)


def reading_problems(model: Model, points: Sequence[Mapping[str, Any]]) -> tuple[list[str], str]:
    """Compare every reading with the numeric one; return problems and which readings were compared."""
    vectors = [flat(model, point) for point in points]
    reference: Rows = [tuple(np.asarray(part) for part in numeric_functions(model)(*row)) for row in vectors]
    casadi = casadi_model(model).equations
    results: dict[str, Rows] = {"casadi": [tuple(np.asarray(part).ravel() for part in casadi(*row)) for row in vectors]}
    if sum(block.size for block in (model.layout.states, model.layout.outputs)) <= _SYMPY_LIMIT:
        results["sympy"] = _sympy(model, points)
    if find_spec("jax") is not None:
        results["jax"] = _jax(model, vectors)
    problems = [problem for name, rows in results.items() for problem in _differences(model, name, reference, rows)]
    return problems, "numeric, " + ", ".join(results)


def _differences(model: Model, name: str, reference: Rows, rows: Rows) -> list[str]:
    layout = model.layout
    labels = [
        *(f"d({label})" for label in layout.states.labels),
        *(f"residual({label})" for label in layout.algebraics.labels),
        *layout.outputs.labels,
    ]
    worst = np.zeros(len(labels))
    for expected, got in zip(reference, rows, strict=True):
        a, b = np.concatenate(expected), np.concatenate(got)
        with np.errstate(invalid="ignore"):
            error = np.abs(a - b) / np.maximum(np.abs(a), 1e-3)
        worst = np.maximum(worst, np.where(np.isfinite(error), error, np.where(_both_bad(a, b), 0.0, np.inf)))
    return [
        f"{name} differs from numeric by {worst[i]:.2e} (relative) in {labels[i]}"
        for i in np.flatnonzero(worst > _TOLERANCE)
    ]


def _both_bad(a: Any, b: Any) -> Any:
    return ~np.isfinite(a) & ~np.isfinite(b)


def _jax(model: Model, vectors: Sequence[Vectors]) -> Rows:
    import jax

    from twinkit.readings.jax import double_precision, jax_functions

    with double_precision():
        function = jax.jit(jax_functions(model))
        return [tuple(np.asarray(part) for part in function(*row)) for row in vectors]


def _sympy(model: Model, points: Sequence[Mapping[str, Any]]) -> Rows:
    import sympy as sp

    from twinkit.readings.sympy import sympy_model

    reading = sympy_model(model)
    layout, result = model.layout, reading.evaluation
    blocks = (
        (layout.states, result.derivatives),
        (layout.algebraics, result.residuals),
        (layout.outputs, result.outputs),
    )
    expressions = [
        [item for entry in block for item in np.atleast_1d(np.asarray(values[entry.name], dtype=object))]
        for block, values in blocks
    ]
    names = list(reading.symbols)
    symbols = [s for name in names for s in np.atleast_1d(np.asarray(reading.symbols[name], dtype=object))]
    function = sp.lambdify(symbols, expressions, modules="numpy", cse=True)
    rows: Rows = []
    for point in points:
        numbers = [float(number) for name in names for number in np.atleast_1d(point[name])]
        rows.append(tuple(np.array([float(item) for item in part]) for part in function(*numbers)))
    return rows


def jacobian_problems(model: Model, points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Compare the CasADi Jacobians in states and algebraic variables with central differences.

    Two steps are tried: a long one may reach across a bend of the equations, a short one drown in rounding. What is
    wrong differs from both.
    """
    reading, layout = casadi_model(model), model.layout
    scales = (layout.states.scales, layout.algebraics.scales)
    titles = ("d(states)/d(states)", "d(states)/d(algebraics)", "residual/d(states)", "residual/d(algebraics)",
              "outputs/d(states)", "outputs/d(algebraics)")  # fmt: skip
    worst = dict.fromkeys(titles, 0.0)
    for point in points:
        row = flat(model, point)
        exact = [np.asarray(part) for part in reading.jacobians(*row)]
        values = [np.asarray(part).reshape(-1, 1) for part in reading.equations(*row)]
        found = _jacobian_errors(reading.equations, row, scales, exact, values, _STEPS[0])
        if any(np.any(error > _JACOBIAN_TOLERANCE) for error in found):
            again = _jacobian_errors(reading.equations, row, scales, exact, values, _STEPS[1])
            found = [np.minimum(one, two) for one, two in zip(found, again, strict=True)]
        for title, error in zip(titles, found, strict=True):
            worst[title] = max(worst[title], float(np.max(error, initial=0.0)))
    return [
        f"{title} differs from finite differences by {e:.2e}" for title, e in worst.items() if e > _JACOBIAN_TOLERANCE
    ]


def _jacobian_errors(
    function: Any, row: Vectors, scales: Sequence[Any], exact: Sequence[Any], values: Sequence[Any], relative: float
) -> list[Any]:
    """Return the scaled error of each entry of the six Jacobians against differences with one relative step."""
    differences = [_central(function, row, slot, scales[slot - 1], relative) for slot in (1, 2)]
    errors: list[Any] = []
    for part, (rows, column) in zip(exact, [(r, c) for r in range(3) for c in range(2)], strict=True):
        if not part.size:
            errors.append(np.zeros((0, 0)))
            continue
        # What an equation is made of, in all its variables: differences are no better than its rounding.
        terms = np.hstack([differences[c][rows] * scales[c] for c in range(2)])
        size = np.max(np.abs(terms), axis=1, keepdims=True) + 1e-4 * np.abs(values[rows]) + 1e-8
        errors.append(np.abs((part - differences[column][rows]) * scales[column]) / size)
    return errors


def _central(function: Any, row: Vectors, slot: int, scales: Any, relative: float) -> list[Any]:
    """Return central differences of (dx, residual, y) in the vector at `slot` (1: x, 2: z), fourth order."""
    heights = [np.asarray(part).size for part in function(*row)]
    columns: list[list[Any]] = [[], [], []]
    for i, scale in enumerate(scales):
        step = relative * max(scale, abs(row[slot][i]))
        moved: list[list[Any]] = []
        for shift in (-2, -1, 1, 2):
            arguments = [np.array(part, dtype=np.float64) for part in row]
            arguments[slot][i] += shift * step
            moved.append([np.asarray(part).ravel() for part in function(*arguments)])
        for part in range(3):
            a, b, c, d = (moved[k][part] for k in range(4))
            columns[part].append((a - 8 * b + 8 * c - d) / (12 * step))
    return [np.array(part).reshape(len(scales), height).T for part, height in zip(columns, heights, strict=True)]
