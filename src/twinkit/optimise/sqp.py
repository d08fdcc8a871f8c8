"""Sequential quadratic programming with a line search on an exact penalty function.

The method knows neither the model nor the arrays: a problem says how to linearise itself at a point and how to solve
the quadratic programme there. The merit function is the cost plus a weighted sum of the constraint violations; the
weight is kept above the largest multiplier, which makes it exact [1]_.

References
----------
.. [1] J. Nocedal, S. J. Wright, Numerical Optimization, 2nd ed., Springer 2006, section 18.3 and theorem 17.3.
   doi:10.1007/978-0-387-40065-5
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from twinkit.optimise.status import Converged, Failed, MaxIterations, Status

_SUFFICIENT = 1e-4  # of the decrease the model promises (Armijo)
_SHORTEST = 2.0**-10
_ROUNDING = 1e-11
_SAFETY = 3.0
_TRUSTED = 10  # solutions in a row that may rest on one measured contraction
_FORGOTTEN = 0.5  # of the largest contraction, with every new one measured

PointT = TypeVar("PointT")
PointOutT = TypeVar("PointOutT", covariant=True)
AtT = TypeVar("AtT", bound="Linearised[Any]")


class Linearised(Protocol[PointOutT]):
    """A problem linearised at a point."""

    @property
    def point(self) -> PointOutT:
        """Where."""
        ...

    @property
    def cost(self) -> float:
        """Cost there; NaN or infinite where the model cannot be evaluated."""
        ...

    @property
    def violation(self) -> float:
        """Sum of all scaled constraint violations."""
        ...


@dataclass(frozen=True)
class Step(Generic[PointT]):
    """The solution of a quadratic programme.

    Attributes
    ----------
    point
        The new point, after a full step.
    cost
        What the quadratic model promises there.
    multiplier
        Largest multiplier in size, in units of the scaled violations.
    size
        Size of the step in units of the tolerance asked for: 1 or less means converged.
    smooth
        Whether the problem is smooth on the way: no constraint becomes active or inactive, no loss has a kink there.
    """

    point: PointT
    cost: float
    multiplier: float
    size: float
    smooth: bool = False


@dataclass(frozen=True)
class Contraction:
    """How much smaller a step was than the one before it, measured on problems like the one at hand.

    It bounds the next step before that is computed, as in [1]_, section IV.8: where the bound is below the tolerance,
    the quadratic programme that would only confirm convergence need not be solved. A full step of `size` left one of
    ``ratio * size``; for a longer step the ratio is taken to grow in proportion, as it does for Newton's method.

    Attributes
    ----------
    ratio
        Largest ratio of two steps that followed each other, older ones counting half each time.
    size
        The step it was measured at, in units of the tolerance.
    left
        How many more solutions may rest on it before it is measured again.

    References
    ----------
    .. [1] E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 2nd ed., Springer 1996.
       doi:10.1007/978-3-642-05221-7
    """

    ratio: float
    size: float
    left: int = _TRUSTED

    def leaves(self, size: float) -> float:
        """Return a bound on the step after one of this size."""
        return _SAFETY * self.ratio * size * max(1.0, size / self.size)

    def used(self) -> Contraction:
        """Return it after a solution that rests on it."""
        return replace(self, left=self.left - 1)


class Problem(Protocol[PointT, AtT]):
    """What `sqp` can solve."""

    def linearise(self, point: PointT) -> AtT:
        """Evaluate the problem and its derivatives."""
        ...

    def step(self, at: AtT) -> Step[PointT] | str:
        """Solve the quadratic programme; a text says why it cannot be solved."""
        ...

    def between(self, start: PointT, end: PointT, fraction: float) -> PointT:
        """Return a point on the line from `start` to `end`."""
        ...

    def restored(self, point: PointT) -> PointT:
        """Return a point nearby that satisfies the equations (a simulation with the same inputs), where that exists."""
        ...


@dataclass(frozen=True)
class Limits:
    """When to stop.

    Attributes
    ----------
    iterations
        Largest number of quadratic programmes.
    seconds
        Time budget.
    violation
        Largest scaled violation of a point that counts as feasible.
    """

    iterations: int = 30
    seconds: float = math.inf
    violation: float = 1e-6


@dataclass(frozen=True)
class Solved(Generic[PointT, AtT]):
    """Where `sqp` ended.

    Attributes
    ----------
    point
        The last point.
    at
        The last linearisation.
    status
        How it ended; the point of a `Failed` must not be used.
    contraction
        What is known for the next problem like this one.
    """

    point: PointT
    at: AtT
    status: Status
    contraction: Contraction | None = None


def sqp(
    problem: Problem[PointT, AtT],
    guess: PointT,
    limits: Limits | None = None,
    contraction: Contraction | None = None,
) -> Solved[PointT, AtT]:
    """Solve a problem from a guess.

    Parameters
    ----------
    problem
        The problem.
    guess
        Where to start.
    limits
        When to stop.
    contraction
        As measured on problems like this one; None: nothing is known, and convergence is always confirmed.
    """
    limits = limits or Limits()
    here = problem.linearise(guess)
    if not math.isfinite(here.cost + here.violation):
        return Solved(guess, here, Failed("SQP", 0, "the model cannot be evaluated at the first guess"))
    weight, end = 0.0, time.perf_counter() + limits.seconds
    stopped, stuck = MaxIterations("SQP", limits.iterations), False
    before = 0.0  # size of the last step, where it was a full one
    for iteration in range(1, limits.iterations + 1):
        step = problem.step(here)
        if isinstance(step, str):
            return Solved(here.point, here, Failed("SQP", iteration, step))
        if before:
            ratio = max(step.size / before, _FORGOTTEN * contraction.ratio if contraction else 0.0)
            contraction = Contraction(ratio, before)
        if step.size <= 1.0:
            return Solved(step.point, here, Converged("SQP", iteration), contraction)
        if step.smooth and contraction and contraction.left and contraction.leaves(step.size) <= 1.0:
            return Solved(step.point, here, Converged("SQP", iteration), contraction.used())
        weight = max(weight, 2.0 * step.multiplier)
        found = _search(problem, here, step, weight)
        if found is None:
            stopped, stuck = MaxIterations("SQP", iteration, "a line search without progress"), True
            break
        here, whole = found
        before = step.size if whole else 0.0
        if time.perf_counter() > end:
            stopped = MaxIterations("SQP", iteration, "the time budget")
            break
    if here.violation > limits.violation:
        reason = f"{stopped.reason}, with the model violated by {here.violation:.1e}"
        return Solved(here.point, here, Failed("SQP", stopped.iterations, reason, stuck))
    return Solved(here.point, here, stopped)


def _search(problem: Problem[PointT, AtT], here: AtT, step: Step[PointT], weight: float) -> tuple[AtT, bool] | None:
    """Return the first point on the way that lowers the merit function enough, and whether it is the whole step.

    Where the equations are strongly curved their violation alone would cut steps short (the Maratos effect), so each
    point that is refused is tried once more after it was made to satisfy them.
    """
    merit = here.cost + weight * here.violation
    promised = merit - step.cost
    slack = _ROUNDING * max(1.0, abs(merit))
    fraction = 1.0
    while fraction >= _SHORTEST:
        enough = merit - _SUFFICIENT * fraction * promised + slack
        point = problem.between(here.point, step.point, fraction)
        trial = problem.linearise(point)
        if trial.cost + weight * trial.violation <= enough:  # False for NaN
            return trial, fraction == 1.0
        trial = problem.linearise(problem.restored(point))
        if trial.cost + weight * trial.violation <= enough:
            return trial, False
        fraction *= 0.5
    return None
