"""One step at a time with the compiled integrator: everything that can be made once is made once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinkit.core.component import StepError
from twinkit.simulate.compiled._types import EVENT, OK, PENDING, STAT_NAMES, STATUS_TEXT, Control, Drive
from twinkit.simulate.compiled.kernel import integrate
from twinkit.simulate.compiled.solver import Compiled, compiled_system
from twinkit.simulate.problem import Problem


class HeldStep:
    """Advance a state array in place by ``(t, dt)``; inputs are polynomials in the time since `t`.

    Parameters
    ----------
    problem
        A run of the model.
    solver
        Its limits.
    state
        Differential, then algebraic variables; changed in place.
    modes
        Read at every step.
    coefficients
        Of the inputs, ``(1, inputs, 4)``; read at every step.
    """

    def __init__(
        self, problem: Problem, solver: Any, state: NDArray, modes: NDArray, coefficients: NDArray
    ) -> None:  # fmt: skip
        assert isinstance(solver, Compiled)
        self._system = compiled_system(problem)
        layout, system = problem.layout, self._system
        scales = np.concatenate([layout.states.scales, layout.algebraics.scales])
        self._control = Control(problem.rtol, np.ascontiguousarray(problem.atol * scales[system.order]), np.inf,
                                solver.max_steps)  # fmt: skip
        self._knots = np.array([0.0, 1.0])
        self._drive = Drive(self._knots, coefficients[None], np.ones(2, dtype=np.int64))
        self._state, self._modes = state, modes
        self._y = state[None] if system.natural else state[system.order][None].copy()
        self._p = np.concatenate([problem.p, modes])[None]
        crossings = [event.crossing.value for event in problem.reading.events.values()]
        self._none, self._signs = np.empty(0), np.array(crossings, dtype=np.int64)
        self._rows, self._hit = np.empty((1, 0, system.n)), np.zeros((1, len(crossings)), dtype=np.int64)
        self._stats = np.zeros((1, len(STAT_NAMES)), dtype=np.int64)
        self._status, self._reached = np.zeros(1, dtype=np.int64), np.zeros((1, 2))
        self._done = np.zeros(1, dtype=np.int64)
        self.width = self._reached[0, 1:]  # the step to go on with; 0: estimate one

    def __call__(self, t: float, dt: float, fired: int | None = None) -> bool:
        """Take the step; return False if an event happens on the way (the state is then where it happened).

        `fired` is the event that has just happened at `t`.

        Raises
        ------
        StepError
            If the step fails.
        """
        if self._modes.size:
            self._p[0, -self._modes.size :] = self._modes
        if not self._system.natural:
            self._y[0] = self._state[self._system.order]
        if self._signs.size:
            self._hit[0] = 0
            if fired is not None:
                self._hit[0, fired] = 1
        self._knots[0], self._knots[1] = t, t + 2.0 * dt
        self._status[0], self._reached[0, 0], self._stats[0, 0], self._stats[0, 1] = PENDING, t, 0, 0
        integrate(
            self._system.model, self._drive, self._control, t + dt, self._none, self._signs, 0, 1, self._y, self._p,
            self._rows, self._hit, self._stats, self._status, self._reached, self._done,
        )  # fmt: skip
        if not self._system.natural:
            self._state[self._system.order] = self._y[0]
        status = int(self._status[0])
        if status not in (OK, EVENT):
            raise StepError(STATUS_TEXT[status])
        return status == OK
