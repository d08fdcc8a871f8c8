"""Multiple shooting: every step of the horizon as a chain of sub-steps, with first and second derivatives."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.control.functions import Functions, held
from twinkit.core.component import Array

_SOLVED = 1e-6  # largest last correction of Newton's method


@dataclass(frozen=True, eq=False)
class Moved:
    """The model over all steps.

    Attributes
    ----------
    ends, algebraics
        Where each step leads, ``(N, n)`` and ``(N, m)``.
    slopes
        Derivatives of `ends` with respect to states and controls at the start, ``(N, n, n + c)``.
    at
        Per sub-step: what it started from.
    maps
        Per sub-step: its own derivative, and that of its start with respect to the start of the step.
    rest
        Per sub-step: what its second derivative need not compute again.
    """

    ends: Array
    algebraics: Array
    slopes: Array
    at: list[Array]
    maps: list[tuple[Array, Array]]
    rest: list[Array]


@dataclass(frozen=True, eq=False)
class Shooting:
    """How the horizon is cut into steps and sub-steps.

    Attributes
    ----------
    functions
        The model.
    method
        Position of the integration method.
    items
        Time, length and inputs of every sub-step, ``(M, N, 2 + 4 inputs)``.
    shared
        What all sub-steps share.
    """

    functions: Functions
    method: int
    items: Array
    shared: Array

    def moved(self, x: Array, u: Array, z: Array) -> Moved:
        """Return where every step leads from its own start.

        Parameters
        ----------
        x, u, z
            States ``(N, n)``, controls ``(N, c)`` and first guesses of algebraic variables ``(N, m)``.
        """
        f, link = self.functions, self.functions.link[self.method]
        n, m, size = f.states, f.algebraics, f.states + f.controls
        count, end = len(x), n + m + 1 + size * n
        item = np.empty((count, size + m + 1 + self.items.shape[2]))
        item[:, n:size] = u
        item[:, size + m] = 0.0
        slopes = np.zeros((count, n, size))
        slopes[:, range(n), range(n)] = 1.0
        at, maps, rest = [], [], []
        for piece in self.items:
            item[:, :n], item[:, size : size + m], item[:, size + m + 1 :] = x, z, piece
            found = link(item, self.shared)
            x, z = found[:, :n], found[:, n : n + m]
            if not (found[:, n + m] <= _SOLVED).all():  # also NaN
                x = np.full_like(x, np.nan)
            own = found[:, n + m + 1 : end].reshape(count, size, n).transpose(0, 2, 1)
            at.append(item.copy())
            maps.append((own, slopes))
            rest.append(found[:, end:])
            slopes = own[:, :, :n] @ slopes
            slopes[:, :, n:] += own[:, :, n:]
        return Moved(x, z, slopes, at, maps, rest)

    def ahead(self, first: int, x: Array, u: Array, z: Array) -> tuple[Array, Array]:
        """Return where steps `first`, ... lead one after the other, ``(K, n)`` and ``(K, m)``.

        Parameters
        ----------
        first
            The first step.
        x, z
            Where it starts, with a guess of the algebraic variables.
        u
            Controls of the steps, ``(K, c)``.
        """
        f, pieces = self.functions, self.items[:, first : first + len(u)]
        count, per, c = len(u), len(pieces), f.controls
        items = np.empty((count, per, c + pieces.shape[2]))
        items[:, :, :c] = u[:, None]
        items[:, :, c:] = pieces.transpose(1, 0, 2)
        start = np.concatenate([x, z, [0.0]])
        path = f.flow[self.method](start, items.reshape(count * per, -1), self.shared)[per - 1 :: per]
        return path[:, : f.states], path[:, f.states : f.states + f.algebraics]

    def bent(self, moved: Moved, adjoint: Array) -> Array:
        """Return second derivatives of ``adjoint' end`` of every step, ``(N, n + c, n + c)``.

        Parameters
        ----------
        moved
            The model over all steps.
        adjoint
            ``(N, n)``.
        """
        f = self.functions
        n, size, count = f.states, f.states + f.controls, len(adjoint)
        adjoints = [adjoint]
        for own, _ in reversed(moved.maps[1:]):
            adjoints.append((own[:, :, :n].transpose(0, 2, 1) @ adjoints[-1][:, :, None])[:, :, 0])
        items = np.concatenate(
            [np.hstack(parts) for parts in zip(moved.at, moved.rest, reversed(adjoints), strict=True)]
        )
        curved = f.bend[self.method](items, self.shared).reshape(len(moved.at), count, size, size)
        total = curved[0]
        for j in range(1, len(moved.at)):
            spread = np.zeros((count, size, size))
            spread[:, :n] = moved.maps[j][1]
            spread[:, range(n, size), range(n, size)] = 1.0
            total = total + spread.transpose(0, 2, 1) @ curved[j] @ spread
        return total


def pieces(times: Array, count: int, program: Any) -> Array:
    """Return time, length and inputs of `count` sub-steps of every step, or of more where inputs jump.

    Parameters
    ----------
    times
        Nodes, ``(N + 1,)``.
    count
        Number of sub-steps.
    program
        Inputs over time, as `twinkit.simulate.signals.program` makes them.
    """
    steps = len(times) - 1
    knots = program.knots
    inner = knots[(knots > times[0]) & (knots < times[-1])]
    if not inner.size and not program.coefficients[:, :, 1:].any():
        width = np.diff(times) / count
        starts = times[:-1] + np.arange(count)[:, None] * width
        found = np.empty((count, steps, 2 + 4 * program.coefficients.shape[1]))
        found[:, :, 0], found[:, :, 1] = starts, width
        found[:, :, 2:] = held(program.values(times[:1])[0])
        return found
    return _uneven(times, count, program, inner)


def _uneven(times: Array, count: int, program: Any, inner: Array) -> Array:
    from twinkit.simulate.signals import shifted

    chains = []
    for left, right in itertools.pairwise(times):
        close = 1e-9 * (right - left)
        cuts = [left, *inner[(inner > left + close) & (inner < right - close)], right]
        rows = []
        for a, b in itertools.pairwise(cuts):
            number = max(1, int(np.ceil(count * (b - a) / (right - left) - 1e-9)))
            width = (b - a) / number
            for t in a + width * np.arange(number):
                index = program.piece(t + close)
                coefficients = shifted(program.coefficients[index], t - program.knots[index])
                rows.append(np.concatenate([[t, width], coefficients.ravel()]))
        chains.append(np.array(rows))
    most = max(len(chain) for chain in chains)
    for k, chain in enumerate(chains):  # a step of length zero changes nothing
        last = chain[-1].copy()
        last[0], last[1] = last[0] + last[1], 0.0
        chains[k] = np.vstack([chain, *[last] * (most - len(chain))])
    return np.array(chains).transpose(1, 0, 2)
