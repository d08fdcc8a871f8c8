"""The variational equations on the compiled Rodas5P.

The newest sensitivity comes first and the model last: the Jacobian is then a band with few rows below the diagonal, and
its factorisation is several times cheaper than in the natural order.
"""

from __future__ import annotations

from typing import Any

import casadi as ca
import numpy as np
import numpy.typing as npt

from twinkit.readings.casadi import SYMBOLIC
from twinkit.simulate.compiled._types import OK, STATUS_TEXT
from twinkit.simulate.compiled.run import simulate_many
from twinkit.simulate.compiled.solver import drive_of
from twinkit.simulate.compiled.system import System as CompiledSystem
from twinkit.simulate.compiled.system import compile_system
from twinkit.simulate.cvodes import System
from twinkit.simulate.problem import Problem

Array = npt.NDArray[np.float64]
_known: dict[Any, CompiledSystem] = {}
_MAX_STEPS = 100_000


def march(
    key: Any, problem: Problem, system: System, parts: int, x: Array, z: Array, later: Array
) -> tuple[Array, Array]:
    """Integrate a system of `parts` blocks (the model, then its sensitivities) over the times `later`."""
    from twinkit.estimate.calibration.gradients import RunStoppedError

    compiled = _known.get(key)
    if compiled is None:
        compiled = _known[key] = _compiled(system, parts)
    scale = np.concatenate([_turned(system.x_scale, parts), _turned(system.z_scale, parts)])
    start = np.concatenate([_turned(x, parts), _turned(z, parts)])
    runs = simulate_many(
        compiled, problem.once("drive", lambda: drive_of(problem)), start[None],
        np.concatenate([problem.p, problem.modes])[None], later,
        t0=problem.begin, t_end=float(later[-1]), rtol=problem.rtol, atol=problem.atol * scale, max_steps=_MAX_STEPS,
        threads=1,
    )  # fmt: skip
    if int(runs.status[0]) != OK:
        raise RunStoppedError(STATUS_TEXT[int(runs.status[0])])
    rows = runs.y[0]
    return _turned(rows[:, : len(x)], parts), _turned(rows[:, len(x) :], parts)


def _turned(values: Array, parts: int) -> Array:
    """Return the last axis with its blocks in reverse order."""
    shape = values.shape
    return np.ascontiguousarray(values.reshape(*shape[:-1], parts, -1)[..., ::-1, :].reshape(shape))


def _compiled(system: System, parts: int) -> CompiledSystem:
    with SYMBOLIC:
        time, x, z, u, p = system.symbols

        def blocks(vector: Any) -> list[Any]:
            count = vector.numel() // parts
            return [vector[count * k : count * (k + 1)] for k in reversed(range(parts))]

        # The kernel needs symbols of its own order; modes are constant here and join the parameters.
        xs, zs = ca.SX.sym("xs", x.numel()), ca.SX.sym("zs", z.numel())
        inputs, modes = ca.SX.sym("inputs", system.inputs), ca.SX.sym("modes", u.numel() - system.inputs)
        rate, residual = ca.substitute(
            [ca.vertcat(*blocks(system.derivative)), ca.vertcat(*blocks(system.residual))],
            [x, z, u],
            [ca.vertcat(*blocks(xs)), ca.vertcat(*blocks(zs)), ca.vertcat(inputs, modes)],
        )
        return compile_system(time, xs, zs, inputs, ca.vertcat(p, modes), rate, residual)
