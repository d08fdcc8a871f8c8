"""Forward sensitivities: derivatives of the states in parameters, integrated together with the states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import casadi as ca
import numpy as np

from twinkit.core.errors import InvalidValueError, SimulationError, unknown_name
from twinkit.core.solution import Solution
from twinkit.readings.casadi import SYMBOLIC, casadi_model
from twinkit.simulate.consistent import consistent_algebraics
from twinkit.simulate.cvodes import RunFailedError, System, in_words, integrate, system_of
from twinkit.simulate.problem import Array, Problem

_MAX_STEPS = 100_000


def with_sensitivities(problem: Problem, solution: Solution, names: Sequence[str]) -> Solution:
    """Return the solution with ``d(state)/d(parameter)`` over its times.

    The variational equations ``dS/dt = f_x S + f_z S_z + f_p``, ``0 = g_x S + g_z S_z + g_p`` are built symbolically
    and integrated with the model (staggered methods need scaling that SUNDIALS is not told by CasADi).

    Raises
    ------
    UnknownNameError
        If a name is no parameter.
    InvalidValueError
        For a vector parameter.
    SimulationError
        If the model has events or schedules (the jump of a sensitivity is not derived yet), or integration fails.
    """
    block = problem.layout.parameters
    for name in names:
        if name not in block:
            raise unknown_name("parameter", name, [entry.name for entry in block], type(problem.model).__name__)
        if block[name].size is not None:
            raise InvalidValueError(f"{name!r} is a vector; sensitivities are for single parameters")
    if problem.reading.events or problem.reading.schedules:
        raise SimulationError("sensitivities across events and schedules are not supported: run the legs separately")
    if not solution.success:
        return solution
    positions = [block[name].start for name in names]
    with SYMBOLIC:
        rows = _integrate(problem, solution.time, positions)
    count = problem.layout.states.size
    found: dict[str, dict[str, Array]] = {}
    for k, name in enumerate(names):
        part = rows[:, count * (k + 1) : count * (k + 2)]
        found[name] = {
            entry.name: part[:, entry.start] if entry.size is None else part[:, entry.start : entry.start + entry.width]
            for entry in problem.layout.states
        }
    return replace(solution, sensitivities=found)


def _integrate(problem: Problem, times: Array, positions: Sequence[int]) -> Array:
    system = augmented(
        system_of(casadi_model(problem.model)), positions, problem.layout.parameters.scales[list(positions)]
    )
    x = np.concatenate([problem.x, np.zeros(len(problem.x) * len(positions))])
    z = consistent_algebraics(problem, problem.begin, problem.x, problem.z, problem.modes)
    z = consistent_sensitivities(problem, system, x, z)
    later = np.unique(times[times > problem.begin])
    key = (problem.model.structure_key, "sensitivities", tuple(positions))
    try:
        rows, _ = integrate(problem, key, lambda: system, problem.begin, x, z, problem.modes, later, _MAX_STEPS, {})
    except RunFailedError as error:
        raise SimulationError(f"the sensitivities could not be integrated: {in_words(str(error))}") from None
    return np.vstack([x, rows])[np.searchsorted(np.concatenate([[problem.begin], later]), times)]


def augmented(system: System, positions: Sequence[int | None], scales: Array) -> System:
    """Return the system extended by the variational equations of chosen parameters.

    Parameters
    ----------
    system
        The equations.
    positions
        Position of each parameter; None for a quantity on which only the start depends (an initial value).
    scales
        Magnitude of each of these quantities, ``(len(positions),)``.
    """
    time, x, z, u, p = system.symbols
    states, residuals = [system.derivative], [system.residual]
    xs, zs, x_scales, z_scales = [x], [z], [system.x_scale], [system.z_scale]
    f_p, g_p = ca.jacobian(system.derivative, p), ca.jacobian(system.residual, p)
    for k, (position, scale) in enumerate(zip(positions, scales, strict=True)):
        sx, sz = ca.SX.sym(f"sx{k}", x.numel()), ca.SX.sym(f"sz{k}", z.numel())
        direct_f, direct_g = (0, 0) if position is None else (f_p[:, position], g_p[:, position])
        states.append(ca.jtimes(system.derivative, x, sx) + ca.jtimes(system.derivative, z, sz) + direct_f)
        residuals.append(ca.jtimes(system.residual, x, sx) + ca.jtimes(system.residual, z, sz) + direct_g)
        xs.append(sx)
        zs.append(sz)
        x_scales.append(system.x_scale / scale)
        z_scales.append(system.z_scale / scale)
    return System(
        (time, ca.vertcat(*xs), ca.vertcat(*zs), u, p),
        ca.densify(ca.vertcat(*states)), ca.densify(ca.vertcat(*residuals)),
        np.concatenate(x_scales), np.concatenate(z_scales), system.inputs,
    )  # fmt: skip


def consistent_sensitivities(problem: Problem, system: System, x: Array, z: Array) -> Array:
    """Return algebraic variables and their sensitivities at the start (linear in the latter)."""
    count = len(z)
    full = np.concatenate([z, np.zeros(len(system.z_scale) - count)])
    if count == 0:
        return full
    residual = ca.Function(
        "residual", list(system.symbols), [system.residual, ca.jacobian(system.residual, system.symbols[2])]
    )
    held = problem.held_values(problem.begin, problem.modes)
    value, jacobian = residual(problem.begin, x, full, held, problem.p)
    tail = slice(count, None)
    full[tail] -= np.linalg.solve(np.asarray(jacobian)[tail, tail], np.asarray(value).ravel()[tail])
    return full
