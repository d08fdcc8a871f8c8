"""Ensembles over JAX: all members at once, vectorised, on whatever device JAX has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from twinkit.core.errors import MissingDependencyError, SimulationError
from twinkit.readings.jax import double_precision, jax_functions
from twinkit.simulate.ensembles import Rows
from twinkit.simulate.problem import Array, Problem

_TOO_MANY = "the solver took too many steps: raise max_steps, loosen rtol, or check the model"


@dataclass(frozen=True)
class Jax:
    """Integrate all members of an ensemble together with diffrax's Kvaerno5 (an L-stable ESDIRK method).

    For ordinary differential equations without events. Double precision is used inside and not left switched on.

    Parameters
    ----------
    max_steps
        Limit of steps per member.

    References
    ----------
    Kvaerno (2004), BIT Numerical Mathematics 44:489, doi:10.1023/B:BITN.0000046811.70614.38
    """

    max_steps: int = 16_384
    chunks: ClassVar[int] = 1  # vectorised: all members in one call

    def advance(self, *_: Any) -> Any:
        """Refuse: a single run has nothing to vectorise, and events need another solver."""
        raise SimulationError("Jax() runs ensembles of models without events; use Cvodes() or Compiled()")

    def advance_many(self, problem: Problem, x: Array, z: Array, p: Array, *, alone: bool) -> Rows:
        """Integrate members together (see `ManySolver`).

        Raises
        ------
        SimulationError
            For a model with algebraic variables.
        MissingDependencyError
            Without JAX and diffrax (extra ``jax``).
        """
        del alone
        if problem.layout.algebraics.size:
            raise SimulationError(
                "Jax() integrates ordinary differential equations; this model has algebraic variables"
            )
        with double_precision():
            run = _runner(problem.model, problem.rtol, problem.atol, self.max_steps, problem.begin, problem.end)
            program = problem.program
            xs, ok = run(x, p, problem.times, program.knots, program.coefficients, _breaks(problem))
            rows, finished = np.array(xs), np.asarray(ok)
        rows[~np.isfinite(rows)] = np.nan
        failed = np.flatnonzero(~finished | np.isnan(rows).any(axis=(1, 2)))
        shape = rows.shape[:2]
        empty = (np.empty((*shape, 0)), np.empty((*shape, 0)))
        return Rows(rows, *empty, {int(i): _TOO_MANY for i in failed})


def _breaks(problem: Problem) -> Array:
    """Return jump times; at least one, because diffrax wants a non-empty array (the end does no harm)."""
    return problem.breaks if problem.breaks.size else np.array([problem.end])


@lru_cache(maxsize=32)
def _runner(model: Any, rtol: float, atol: float, max_steps: int, begin: float, end: float) -> Any:
    """Return the compiled ``(x, p, times, knots, coefficients, breaks) -> (rows, finished)`` for many members."""
    try:
        import diffrax
        import jax
        import jax.numpy as jnp
    except ImportError:
        raise MissingDependencyError.for_package("diffrax", "jax", "An ensemble over JAX") from None
    equations = jax_functions(model)
    scale = model.layout.states.scales

    def rate(t: Any, state: Any, args: Any) -> Any:
        p, knots, coefficients = args
        piece = jnp.clip(jnp.searchsorted(knots, t, side="right") - 1, 0, knots.shape[0] - 1)
        s, c = t - knots[piece], coefficients[piece]
        u = c[:, 0] + s * (c[:, 1] + s * (c[:, 2] + s * c[:, 3]))
        return equations(t, state * scale, jnp.zeros(0), u, p)[0] / scale

    def one(x: Any, p: Any, times: Any, knots: Any, coefficients: Any, breaks: Any) -> Any:
        controller = diffrax.ClipStepSizeController(diffrax.PIDController(rtol=rtol, atol=atol), jump_ts=breaks)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(rate), diffrax.Kvaerno5(), begin, end, None, x / scale, args=(p, knots, coefficients),
            saveat=diffrax.SaveAt(ts=times), stepsize_controller=controller, max_steps=max_steps, throw=False,
        )  # fmt: skip
        return solution.ys * scale, solution.result == diffrax.RESULTS.successful

    return jax.jit(jax.vmap(one, in_axes=(0, 0, None, None, None, None)))
