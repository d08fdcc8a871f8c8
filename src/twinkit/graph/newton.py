"""Newton's method for algebraic loops: outputs that depend on each other at one instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twinkit.core.component import Array, StepError
from twinkit.core.errors import InvalidValueError
from twinkit.graph.order import Loop

if TYPE_CHECKING:
    from twinkit.graph.engine import Engine

_HALVINGS = 12
_NUDGE = 6e-6  # about the cube root of rounding, for central differences


@dataclass(frozen=True)
class Newton:
    """Solve algebraic loops by damped Newton iteration on the inputs that close them.

    Parameters
    ----------
    tolerance
        Largest mismatch of an input, relative to ``1 + |value|``.
    iterations
        Most iterations; beyond them the run fails.
    """

    tolerance: float = 1e-12
    iterations: int = 20

    def __post_init__(self) -> None:
        if not self.tolerance > 0 or self.iterations < 1:
            raise InvalidValueError(f"Newton needs a positive tolerance and at least one iteration, not {self!r}")

    def solver(self, engine: Engine, loop: Loop) -> Callable[[float], None]:
        """Return ``(t) -> None``, which leaves inputs and outputs of a loop in agreement."""
        spans = [engine.at_input[target] for target in loop.targets]
        index = np.concatenate([np.arange(place.start, place.stop) for place in spans])
        members = [engine.slots[name] for name in loop.nodes]
        edges = [edge for edge in engine.edges if edge.target in loop.targets]
        scratch = np.empty_like(engine.U)
        pieces = engine.pieces(edges)

        def mismatch(u: Array, t: float) -> Array:
            engine.U[index] = u
            for slot in members:
                assert slot.evaluate is not None
                try:
                    slot.evaluate(t)
                except StepError as error:
                    raise engine.failure(slot.name, t, error) from error
            for i, j, width, scale, offset in pieces:
                scratch[i : i + width] = scale * engine.Y[j : j + width] + offset
            return scratch[index] - u

        def solve(t: float) -> None:
            first = engine.start_inputs[index] if engine.fresh else engine.U[index].copy()
            count = self.iterate(lambda u: mismatch(u, t), first, loop.path, t)
            stats = engine.statistics
            stats["newton_iterations"] = stats.get("newton_iterations", 0) + count
            stats["newton_most"] = max(stats.get("newton_most", 0), count)

        return solve

    def iterate(self, mismatch: Callable[[Array], Array], u: Array, what: str, t: float) -> int:
        """Drive a mismatch to zero; return the number of iterations."""
        value = mismatch(u)
        for count in range(self.iterations + 1):
            if np.all(np.abs(value) <= self.tolerance * (1.0 + np.abs(u))):
                return count
            if count == self.iterations or not np.isfinite(value).all():
                break
            try:
                step = np.asarray(np.linalg.solve(_jacobian(mismatch, u, value), -value), dtype=np.float64)
            except np.linalg.LinAlgError:
                raise StepError(f"the algebraic loop {what} is singular at t = {t:g}: it does not determine its "
                                "values", time=t) from None  # fmt: skip
            u, value = self._damped(mismatch, u, value, step)
        raise StepError(
            f"the algebraic loop {what} is not solved in {self.iterations} Newton iterations at t = {t:g} (mismatch "
            f"{np.max(np.abs(value)):.3g}): give a guess with connect(..., guess=...)",
            time=t, values={"u": u.tolist()},
        )  # fmt: skip

    def _damped(
        self, mismatch: Callable[[Array], Array], u: Array, value: Array, step: Array
    ) -> tuple[Array, Array]:  # fmt: skip
        """Return the point along a step where the mismatch is smaller (or the full step, where none is)."""
        size, failed = float(np.linalg.norm(value)), None
        for k in range(_HALVINGS):
            trial = u + step * 0.5**k
            try:
                tried = mismatch(trial)
            except StepError as error:
                failed = error
                continue
            if np.isfinite(tried).all() and (np.linalg.norm(tried) < size or size < 1e-9):
                return trial, tried
        if failed is not None:
            raise failed
        return u + step, mismatch(u + step)


def _jacobian(mismatch: Callable[[Array], Array], u: Array, value: Array) -> Array:
    """Return the derivative by central differences (one-sided where one side cannot be evaluated)."""
    matrix = np.empty((len(u), len(u)))
    for i in range(len(u)):
        width = _NUDGE * (1.0 + abs(u[i]))
        sides: list[tuple[float, Array]] = []
        for sign in (1.0, -1.0):
            moved = u.copy()
            moved[i] += sign * width
            try:
                tried = mismatch(moved).copy()
            except StepError:
                continue
            if np.isfinite(tried).all():
                sides.append((moved[i], tried))
        if not sides:
            raise StepError("an algebraic loop cannot be evaluated around its present values")
        if len(sides) == 1:
            sides.append((u[i], value))
        matrix[:, i] = (sides[0][1] - sides[1][1]) / (sides[0][0] - sides[1][0])
    return matrix
