"""Many runs side by side, with derivatives of the states in many parameters.

Learning a function inside a model needs the derivatives of whole trajectories in hundreds of weights. A solver that
carries them as further states factorises a matrix of thousands; here each step of an implicit Runge-Kutta method is
solved for the states alone, and the derivatives follow from the same small matrix (they are those of the discrete
solution, to rounding). The runs advance together, each with steps of its own length.

Radau IIA with three stages (order 5, stiffly accurate, L-stable), with its error estimate: Hairer & Wanner (1996),
Solving Ordinary Differential Equations II, 2nd ed., sections IV.5 and IV.8, doi:10.1007/978-3-642-05221-7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core.errors import InvalidValueError, SimulationError
from twinkit.readings.casadi import SYMBOLIC, CasadiModel, casadi_model
from twinkit.simulate.problem import Array, Problem

_ROOT6 = np.sqrt(6.0)
_C = np.array([(4 - _ROOT6) / 10, (4 + _ROOT6) / 10, 1.0])
_A = np.array(
    [
        [(88 - 7 * _ROOT6) / 360, (296 - 169 * _ROOT6) / 1800, (-2 + 3 * _ROOT6) / 225],
        [(296 + 169 * _ROOT6) / 1800, (88 + 7 * _ROOT6) / 360, (-2 - 3 * _ROOT6) / 225],
        [(16 - _ROOT6) / 36, (16 + _ROOT6) / 36, 1 / 9],
    ]
)
_REAL = 1.0 / (3.0 + 3.0 ** (2 / 3) - 3.0 ** (1 / 3))
"""The inverse of the real eigenvalue of the inverse of `_A` (gamma_0 of the reference)."""
_E = _REAL / 3.0 * np.array([-13 - 7 * _ROOT6, -13 + 7 * _ROOT6, -1.0])
_ITERATIONS = 8
_CONVERGED = 1e-2  # of the tolerance
_ATTEMPTS = 5_000  # beside those that end where a run must stop
_SMALLEST = 1e-10  # of the run: shorter steps are given up


@dataclass(frozen=True)
class Paths:
    """What `Batched.run` gives back.

    Attributes
    ----------
    x
        States at the output times of each run, ``(times, states)``; NaN from where a run failed.
    z
        Algebraic variables likewise (NaN at the start, where they are not solved for).
    sensitivities
        Derivatives of the states in the chosen parameters, ``(times, states, parameters)``, or empty.
    finished
        Whether each run reached its end.
    """

    x: list[Array]
    z: list[Array]
    sensitivities: list[Array]
    finished: np.ndarray


@dataclass(frozen=True, eq=False)
class Batched:
    """Runs of one model, each with its own inputs, times and parameters, integrated together.

    Parameters
    ----------
    problems
        The runs (see `make_problem`); all of one structure. Their tolerances are those of the first.
    columns
        Positions, in the flat parameter vector, of those to differentiate in.

    Raises
    ------
    InvalidValueError
        If there is no run.
    SimulationError
        If the model has events or schedules.
    """

    problems: tuple[Problem, ...]
    columns: tuple[int, ...] = ()
    _maps: dict[tuple[bool, int], Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.problems:
            raise InvalidValueError("there is no run to integrate")
        if self.reading.events or self.reading.schedules:
            raise SimulationError("runs side by side cannot have events or schedules; use simulate")

    @property
    def reading(self) -> CasadiModel:
        """The CasADi reading of the model."""
        return casadi_model(self.problems[0].model)

    def run(self, p: Array | None = None, *, sensitivities: bool = True) -> Paths:
        """Integrate all runs.

        Parameters
        ----------
        p
            Parameters, ``(runs, parameters)``; None: those of the problems.
        sensitivities
            Whether to differentiate.
        """
        rows = np.array([problem.p for problem in self.problems]) if p is None else np.asarray(p, dtype=np.float64)
        march = _March(self, rows, sensitivities and bool(self.columns))
        with SYMBOLIC, np.errstate(all="ignore"):
            return march.to_the_end()

    def mapped(self, count: int, with_parameters: bool) -> Any:
        """Return the function of `count` points side by side that gives slopes and their derivatives."""
        key = (with_parameters, count)
        if key not in self._maps:
            _, x, z, _, p = self.reading.symbols
            right = ca.vertcat(self.reading.derivative, self.reading.residual)
            parts = [right, ca.vec(ca.densify(ca.jacobian(right, ca.vertcat(x, z))))]
            if with_parameters:
                parts.append(ca.vec(ca.densify(ca.jacobian(right, p)[:, list(self.columns)])))
            self._maps[key] = self.reading.function("stages", ca.cse(ca.vertcat(*parts))).map(count)
        return self._maps[key]


class _March:
    """One integration of all runs: where each is, and what it has left behind."""

    def __init__(self, batched: Batched, p: Array, sensitivities: bool) -> None:
        self.batched, self.p, self.with_s = batched, p, sensitivities
        problems = batched.problems
        layout = batched.reading.layout
        self.states, self.size = layout.states.size, layout.states.size + layout.algebraics.size
        self.scale = np.concatenate([layout.states.scales, layout.algebraics.scales])
        self.rtol, self.atol = problems[0].rtol, problems[0].atol
        self.modes = np.array([problem.modes for problem in problems])
        k = len(batched.columns) if sensitivities else 0
        count = len(problems)
        self.y = np.array([np.concatenate([problem.x, problem.z]) for problem in problems])
        self.s = np.zeros((count, self.states, k))
        self.t = np.array([problem.begin for problem in problems])
        self.span = np.array([problem.end - problem.begin for problem in problems])
        self.h = self.span / 100
        self.marks = [_marks(problem) for problem in problems]
        self.next = np.zeros(count, dtype=int)
        self.failed = np.zeros(count, dtype=bool)
        self.xs = [np.full((len(problem.times), self.size), np.nan) for problem in problems]
        self.ss = [np.full((len(problem.times), self.states, k), np.nan) for problem in problems]
        for i, problem in enumerate(problems):
            if problem.times[0] == problem.begin:
                self.xs[i][0, : self.states], self.ss[i][0] = problem.x, 0.0

    def to_the_end(self) -> Paths:
        for _ in range(_ATTEMPTS + max(map(len, self.marks))):
            active = np.flatnonzero((self.next < [len(marks) for marks in self.marks]) & ~self.failed)
            if not len(active):
                break
            self._attempt(active)
        else:
            self.failed[active] = True
        states = self.states
        return Paths(
            [rows[:, :states] for rows in self.xs], [rows[:, states:] for rows in self.xs],
            self.ss if self.with_s or not self.batched.columns else [], ~self.failed,
        )  # fmt: skip

    def _attempt(self, active: np.ndarray) -> None:
        """Try one step of every run that is not done."""
        limit = np.array([self.marks[i][self.next[i]] for i in active]) - self.t[active]
        # A step that would leave a sliver before the mark is stretched or shortened to avoid it.
        pieces = np.ceil(limit / self.h[active] - 1e-6)
        h = np.where(pieces <= 1, limit, limit / np.maximum(pieces, 1))
        step = _Step(self, active, h)
        error = step.solve()
        accepted = error <= 1.0
        if self.with_s and accepted.any():
            derived = step.differentiated()
            self.s[active[accepted]] = derived[accepted]
        factor = np.clip(0.9 * np.maximum(error, 1e-10) ** -0.25, 0.2, 4.0)
        self.h[active] = np.where(np.isfinite(error), h * factor, h * 0.2)
        for row, i in enumerate(active):
            if accepted[row]:
                self.y[i] = step.y[row, 2]
                self._arrived(int(i), h[row] == limit[row], h[row])
            elif self.h[i] < _SMALLEST * self.span[i]:
                self.failed[i] = True

    def _arrived(self, i: int, at_mark: bool, h: float) -> None:
        if not at_mark:
            self.t[i] += h
            return
        self.t[i] = self.marks[i][self.next[i]]
        self.next[i] += 1
        times = self.batched.problems[i].times
        row = int(np.searchsorted(times, self.t[i]))
        if row < len(times) and times[row] == self.t[i]:
            self.xs[i][row], self.ss[i][row] = self.y[i], self.s[i]

    def values(self, index: np.ndarray, times: Array, y: Array, u: Array, with_parameters: bool) -> tuple[Array, ...]:
        """Return slopes ``(runs, m, n)``, their Jacobian ``(runs, m, n, n)``, and derivatives in the parameters."""
        count, m, size = y.shape
        k = len(self.batched.columns) if with_parameters else 0
        room = 1 << int(np.ceil(np.log2(count * m)))  # few lengths, so that few functions are made
        chosen = np.concatenate([np.repeat(np.arange(count), m), np.zeros(room - count * m, dtype=int)])
        point = np.concatenate([np.arange(count * m), np.zeros(room - count * m, dtype=int)])
        flat = y.reshape(count * m, size)[point].T
        inputs = np.concatenate([u.reshape(count * m, -1)[point], self.modes[index[chosen]]], axis=1).T
        function = self.batched.mapped(room, with_parameters)
        table = function(times.reshape(1, -1)[:, point], flat[: self.states], flat[self.states :], inputs,
                         self.p[index[chosen]].T).full().T[: count * m].reshape(count, m, -1)  # fmt: skip
        square = size + size * size
        jacobian = table[:, :, size:square].reshape(count, m, size, size).swapaxes(2, 3)
        partial = table[:, :, square:].reshape(count, m, k, size).swapaxes(2, 3)
        return table[:, :, :size], jacobian, partial


class _Step:
    """One attempted step of some runs."""

    def __init__(self, march: _March, index: np.ndarray, h: Array) -> None:
        self.march, self.index, self.h = march, index, h
        self.start = march.y[index]
        begin = march.t[index]
        self.times = begin[:, None] + h[:, None] * np.concatenate([[0.0], _C])
        self.u = _inputs(march, index, begin, h, self.times)
        self.y = np.repeat(self.start[:, None], 3, axis=1)

    def solve(self) -> Array:
        """Solve for the stages; return the estimated error over the tolerance of each run (inf: not solved)."""
        march, h, n = self.march, self.h, self.march.states
        values, jacobian, _ = march.values(self.index, self.times[:, :1], self.start[:, None], self.u[:, :1], False)
        first, slope = jacobian[:, 0], values[:, 0, :n]
        self.y[:, :, :n] += (h[:, None] * _C)[:, :, None] * slope[:, None]
        tolerance = march.rtol * np.abs(self.start) + march.atol * march.scale + 1e-300
        good = np.zeros(len(h), dtype=bool)
        for _ in range(_ITERATIONS):
            values, jacobian, _ = march.values(self.index, self.times[:, 1:], self.y, self.u[:, 1:], False)
            residual = values.copy()
            increments = np.einsum("ij,bjs->bis", _A, values[:, :, :n])
            residual[:, :, :n] = self.y[:, :, :n] - self.start[:, None, :n] - h[:, None, None] * increments
            change, sound = _solved(_newton_matrix(jacobian, h, n), residual.reshape(len(h), -1, 1))
            change = change.reshape(self.y.shape)
            self.y = self.y - change
            good = sound & (np.max(np.abs(change) / tolerance[:, None], axis=(1, 2)) < _CONVERGED)
            if np.all(good | ~sound):
                break
        z = self.y[:, :, :n] - self.start[:, None, :n]
        right = _REAL * h[:, None] * slope + np.einsum("i,bis->bs", _E, z)
        matrix = np.eye(n) - _REAL * h[:, None, None] * first[:, :n, :n]
        error, sound = _solved(matrix, right[:, :, None])
        size = np.sqrt(np.mean((error[:, :, 0] / tolerance[:, :n]) ** 2, axis=1))
        return np.where(good & sound & np.isfinite(size), size, np.inf)

    def differentiated(self) -> Array:
        """Return the derivatives in the parameters at the end of the step."""
        march, n = self.march, self.march.states
        s = march.s[self.index]
        _, jacobian, partial = march.values(self.index, self.times[:, 1:], self.y, self.u[:, 1:], True)
        right = -partial
        increments = np.einsum("ij,bjsk->bisk", _A, partial[:, :, :n])
        right[:, :, :n] = s[:, None] + self.h[:, None, None, None] * increments
        solved, _ = _solved(_newton_matrix(jacobian, self.h, n), right.reshape(len(s), -1, s.shape[2]))
        return solved.reshape(right.shape)[:, 2, :n]


def _inputs(march: _March, index: np.ndarray, begin: Array, h: Array, times: Array) -> Array:
    """Return the inputs at the stages, from the piece each step lies in."""
    problems = march.batched.problems
    inputs = np.empty((len(index), times.shape[1], problems[0].layout.inputs.size))
    groups: dict[int, list[int]] = {}
    for row, i in enumerate(index):
        groups.setdefault(id(problems[i].program), []).append(row)
    for rows in groups.values():
        program = problems[index[rows[0]]].program
        piece = program.piece(begin[rows] + 0.5 * h[rows], before=True)
        local = (times[rows] - program.knots[piece][:, None])[:, :, None]
        c = program.coefficients[piece][:, None]
        inputs[rows] = c[..., 0] + local * (c[..., 1] + local * (c[..., 2] + local * c[..., 3]))
    return inputs


def _newton_matrix(jacobian: Array, h: Array, states: int) -> Array:
    """Return the matrix of the stage equations, ``(runs, 3 n, 3 n)``."""
    count, _, size, _ = jacobian.shape
    matrix = np.zeros((count, 3, size, 3, size))
    own = np.arange(states)
    for i in range(3):
        for j in range(3):
            matrix[:, i, :states, j] = -h[:, None, None] * _A[i, j] * jacobian[:, j, :states]
        matrix[:, i, states:, i] = jacobian[:, i, states:]
        matrix[:, i, own, i, own] += 1.0
    return matrix.reshape(count, 3 * size, 3 * size)


def _solved(matrix: Any, right: Any) -> tuple[Any, np.ndarray]:
    """Solve many small systems; say which of them could be."""
    sound = np.all(np.isfinite(matrix), axis=(1, 2)) & np.all(np.isfinite(right), axis=(1, 2))
    matrix, right = (
        np.where(sound[:, None, None], matrix, np.eye(matrix.shape[1])),
        np.where(sound[:, None, None], right, 0.0),
    )
    try:
        return np.linalg.solve(matrix, right), sound
    except np.linalg.LinAlgError:  # one singular matrix must not spoil the other runs
        singular = np.array([np.linalg.matrix_rank(each) < len(each) for each in matrix])
        matrix[singular] = np.eye(matrix.shape[1])
        return np.linalg.solve(matrix, right), sound & ~singular


def _marks(problem: Problem) -> Array:
    """Return the times a run must stop at: outputs, jumps of inputs, the end."""
    marks = np.unique(np.concatenate([[problem.end], problem.times, problem.breaks]))
    return marks[marks > problem.begin]
