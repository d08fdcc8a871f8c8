"""The solution of one quadratic programme of stages, by the method that suits it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from twinkit.control.convex import convexified
from twinkit.optimise import Active, StageProgram, StageSolution, active_at, bounded_stages, solve_stages

_NEAR = 0.4  # scaled: of a longer step the programme foretells too little for its exact solution to be worth it


@dataclass(frozen=True, eq=False)
class Answer:
    """The solution of a programme.

    Attributes
    ----------
    solution
        Where it is, with multipliers.
    active
        Which constraints bind, as far as known: a guess for the next programme.
    exact
        Whether they are confirmed, and the solution is exact almost to rounding.
    """

    solution: StageSolution
    active: Active | None
    exact: bool


def answered(
    program: StageProgram, guess: Active | None, fixed: npt.NDArray[np.bool_] | None, native: bool
) -> Answer | str:
    """Solve a programme; a text says why it has no solution.

    An active set is quick, exact, and sees that a programme is convex where its constraints bind. Where no guess is
    confirmed, an interior-point method finds what binds; its own solution is approximate, and that of a programme that
    was made convex everywhere.

    Parameters
    ----------
    program
        The programme, in scaled variables.
    guess
        Which constraints bind; None: the interior-point method is to be as accurate as it can be, alone.
    fixed
        Inputs that are expected to stay at a bound, where stages may be indefinite; None: they are convex.
    native
        Whether to use a C compiler.
    """
    if guess is not None and (found := bounded_stages(program, guess, native)):
        return Answer(*found, True)
    convex, kept = (program, None) if fixed is None else convexified(program, fixed)
    near = solve_stages(convex, guess is not None)
    if isinstance(near, str):
        return near
    active = None
    if guess is not None:
        active = active_at(program, near)
        close = max(np.abs(near.x).max(), np.abs(near.u).max()) <= _NEAR
        if close and (found := bounded_stages(program, active, native)):
            return Answer(*found, True)
    if kept is not None:
        near = replace(near, adjoint=near.adjoint + np.einsum("kij,kj->ki", kept, near.x))
    return Answer(near, active, False)
