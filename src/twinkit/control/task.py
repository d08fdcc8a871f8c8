"""One plan in numbers, as the optimisation sees it, and where the optimisation is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twinkit.control.form import Form
from twinkit.control.functions import Functions
from twinkit.control.shooting import Shooting
from twinkit.core.component import Array


@dataclass(frozen=True, eq=False)
class Point:
    """Where the optimisation is.

    Attributes
    ----------
    x, u, z
        States at the nodes ``(N + 1, n)``, controls ``(N, c)``, guesses of algebraic variables ``(N + 1, m)``.
    adjoint
        Multipliers of the model, ``(N, n)``.
    force
        Multipliers of the limits of the quantities where the steps end, ``(N, r)``; positive at an upper limit.
    bound_force, rate_force
        Multipliers of the bounds of the controls and of their rates, ``(N, c)``.
    """

    x: Array
    u: Array
    z: Array
    adjoint: Array
    force: Array
    bound_force: Array
    rate_force: Array


@dataclass(frozen=True, eq=False)
class Terminal:
    """A quadratic cost, and optionally an ellipsoid, at the end: ``(x - centre)' weight (x - centre) <= level``."""

    weight: Array
    centre: Array
    level: float


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a plan, in numbers: it depends on the nodes only, not on where the process is.

    Attributes
    ----------
    form
        The form of the quadratic programmes.
    x_scale, u_scale, y_scale
        Magnitudes of states, controls, quantities.
    u_low, u_high, free
        Bounds of the controls and whether they may change, ``(N, c)``.
    rate, penalty
        Largest change at each node (infinite: any) ``(N, c)``; price of changes in scaled squares ``(c,)``.
    weight, reference, price
        Of the quantities where the steps end: weights of the squares of ``(y - reference) / scale``, and linear prices;
        ``(N, r)``.
    running
        Price of the integral at the end.
    low, high, soft
        Limits of the quantities ``(N, r)``; price of exceeding them by one scale (infinite: hard),
        ``(r,)``.
    """

    form: Form
    x_scale: Array
    u_scale: Array
    y_scale: Array
    u_low: Array
    u_high: Array
    free: npt.NDArray[np.bool_]
    rate: Array
    penalty: Array
    weight: Array
    reference: Array
    price: Array
    running: float
    low: Array
    high: Array
    soft: Array


@dataclass(frozen=True, eq=False)
class Task(Asked):
    """Everything about one plan, in numbers; its limits have any margin taken off.

    Attributes
    ----------
    functions, shooting
        The model.
    times, inputs
        Nodes ``(N + 1,)``; inputs just before the node that ends each step ``(N, inputs)``, and just after its start.
    start, guess
        States and algebraic variables at the first node.
    before
        Controls that held before the first node.
    terminal
        What is asked of the last node.
    exact
        Whether second derivatives of the model are used (else those of squares only).
    exact_later
        Whether they are used where it converges slowly without them, as it does far from a reference.
    tolerance
        A scaled step of this size is converged.
    """

    functions: Functions
    shooting: Shooting
    times: Array
    inputs: tuple[Array, Array]
    start: Array
    guess: Array
    before: Array
    terminal: Terminal | None
    exact: bool
    exact_later: bool
    tolerance: float

    @property
    def count(self) -> int:
        """Number of steps."""
        return len(self.times) - 1
