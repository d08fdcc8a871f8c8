"""The CasADi reading: symbolic functions with exact derivatives, for solvers, estimators and controllers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import casadi as ca
import numpy as np

from twinkit.core.component import Array
from twinkit.core.errors import ExternalEquationsError
from twinkit.core.events import Event, Schedule
from twinkit.core.external import External
from twinkit.core.layout import Layout
from twinkit.core.maths import Maths, Table
from twinkit.core.model import Model
from twinkit.readings.flat import flat_equations, flat_events


class CasadiMaths(Maths):
    """`Maths` on CasADi's SX (or DM), or MX.

    Parameters
    ----------
    kind
        The class of symbols that empty and constant vectors are made of.
    """

    def __init__(self, kind: Any = ca.SX) -> None:
        self._kind = kind

    def exp(self, x: Any) -> Any:
        return ca.exp(x)

    def log(self, x: Any) -> Any:
        return ca.log(x)

    def sqrt(self, x: Any) -> Any:
        return ca.sqrt(x)

    def tanh(self, x: Any) -> Any:
        return ca.tanh(x)

    def sin(self, x: Any) -> Any:
        return ca.sin(x)

    def cos(self, x: Any) -> Any:
        return ca.cos(x)

    def abs(self, x: Any) -> Any:
        return ca.fabs(x)

    def minimum(self, a: Any, b: Any) -> Any:
        return ca.fmin(a, b)

    def maximum(self, a: Any, b: Any) -> Any:
        return ca.fmax(a, b)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return ca.if_else(condition, a, b)

    def logical_and(self, a: Any, b: Any) -> Any:
        return ca.logic_and(a, b)

    def logical_or(self, a: Any, b: Any) -> Any:
        return ca.logic_or(a, b)

    def logical_not(self, a: Any) -> Any:
        return ca.logic_not(a)

    def sum(self, x: Any) -> Any:
        return ca.sum1(x)

    def dot(self, a: Any, b: Any) -> Any:
        return ca.dot(a, b)

    def concatenate(self, parts: Sequence[Any]) -> Any:
        return ca.vertcat(*parts) if parts else self._kind(0, 1)

    def matvec(self, matrix: Any, x: Any) -> Any:
        return ca.mtimes(ca.DM(np.asarray(matrix, dtype=np.float64)), x)

    def roll(self, x: Any, shift: int) -> Any:
        size = x.numel()
        return ca.vertcat(*[x[(i - shift) % size] for i in range(size)])

    def diff(self, x: Any) -> Any:
        return x[1:] - x[:-1]

    def full(self, size: int, value: Any) -> Any:
        return ca.repmat(self._kind(value) if isinstance(value, (int, float)) else value, size, 1)

    def interpolate(self, x: Any, table: Table) -> Any:
        xs, ys = np.asarray(table.x), np.asarray(table.y)
        slopes = np.diff(ys) / np.diff(xs)
        # Sum of clipped segments: continuous, without a search, and constant beyond the ends.
        value = float(ys[0])
        for i, slope in enumerate(slopes):
            if slope != 0.0:
                step = ca.fmin(ca.fmax(x - float(xs[i]), 0.0), float(xs[i + 1] - xs[i]))
                value = value + float(slope) * step
        return value + 0 * x if isinstance(value, float) else value

    def external(self, function: External, *arguments: Any) -> tuple[Any, ...]:
        found = function.symbolic(*arguments)
        return tuple(found) if isinstance(found, (tuple, list)) else (found,)

    def size(self, x: Any) -> int | None:
        if isinstance(x, (ca.SX, ca.MX, ca.DM)):
            return None if x.numel() == 1 else int(x.numel())
        return super().size(x)


CASADI = CasadiMaths()


class Fast:
    """A CasADi function on fixed buffers: a call costs microseconds, not tens of them. Safe among threads.

    Parameters
    ----------
    function
        A function of dense arguments and results; a sparse argument is given by its entries, by columns.
    matrices
        Positions of the results that are matrices; the others come back as vectors.
    """

    def __init__(self, function: Any, *matrices: int) -> None:
        self.function = function
        self._buffer, self._run = function.buffer()
        self._lock = threading.Lock()
        self._args = [np.zeros(function.nnz_in(i)) for i in range(function.n_in())]
        self._results = [np.zeros(function.numel_out(i)) for i in range(function.n_out())]
        self._shapes = [function.size_out(i) if i in matrices else -1 for i in range(function.n_out())]
        self._loses = function.is_a("Conic", True)  # solvers of quadratic programmes move the pointers they are given
        self._bind()

    def _bind(self) -> None:
        for set_one, arrays in ((self._buffer.set_arg, self._args), (self._buffer.set_res, self._results)):
            for i, array in enumerate(arrays):
                if array.size:
                    set_one(i, memoryview(array))  # pyright: ignore[reportArgumentType]

    def __call__(self, *values: Any) -> list[Array]:
        """Return the results as new arrays; NaN where CasADi gave up."""
        with self._lock:
            for array, value in zip(self._args, values, strict=True):
                array[...] = value.ravel("F") if isinstance(value, np.ndarray) else value
            if self._loses:
                self._bind()
            self._run()
            if self._buffer.ret():  # it gave up, and what is in the buffers is from some earlier call
                for array in self._results:
                    array.fill(np.nan)
            results = [array.copy() for array in self._results]
        return [array.reshape(shape, order="F") for array, shape in zip(results, self._shapes, strict=True)]


@dataclass(frozen=True)
class CasadiModel:
    """A model as CasADi functions; parameter values are arguments, so one serves all instances of a structure.

    Attributes
    ----------
    layout
        Positions in the flat vectors.
    symbols
        The symbols ``t, x, z, u, p`` (`u` holds inputs, then modes): SX, or MX where equations can only be called.
    derivative, residual, output
        Expressions of them.
    roots
        Vector of event expressions.
    jumps
        Happening name -> ``(x, modes)`` just after it.
    events, schedules
        Declarations by name.
    """

    layout: Layout
    symbols: tuple[Any, Any, Any, Any, Any]
    derivative: Any
    residual: Any
    output: Any
    roots: Any
    jumps: Mapping[str, tuple[Any, Any]]
    events: Mapping[str, Event]
    schedules: Mapping[str, Schedule]

    @property
    def kind(self) -> Any:
        """The class of its symbols, SX or MX."""
        return type(self.symbols[0])

    def function(self, name: str, *expressions: Any) -> Any:
        """Return a CasADi function ``(t, x, z, u, p) -> expressions``; it accepts numbers, SX and MX."""
        dense = [ca.densify(expression) for expression in expressions]
        return ca.Function(
            name, list(self.symbols), dense, ["t", "x", "z", "u", "p"], [f"o{i}" for i in range(len(dense))]
        )

    @cached_property
    def equations(self) -> Any:
        """Function ``(t, x, z, u, p) -> (dx, residual, y)``."""
        return self.function("equations", self.derivative, self.residual, self.output)

    def mapped(self, count: int) -> Any:
        """Return `equations` over `count` points side by side, one per column."""
        if count not in self._maps:
            if len(self._maps) >= _MAPS:
                self._maps.clear()
            self._maps[count] = self.equations.map(count)
        return self._maps[count]

    @cached_property
    def _maps(self) -> dict[int, Any]:
        return {}

    @cached_property
    def event_roots(self) -> Any:
        """Function ``(t, x, z, u, p) -> event expressions``."""
        return self.function("event_roots", self.roots)

    @cached_property
    def after(self) -> Mapping[str, Any]:
        """Happening name -> function ``(t, x, z, u, p) -> (x, modes)`` just after it."""
        return {name: self.function("after", *jump) for name, jump in self.jumps.items()}

    @cached_property
    def jacobians(self) -> Any:
        """Function ``(t, x, z, u, p) -> (df/dx, df/dz, dg/dx, dg/dz, dy/dx, dy/dz)``."""
        _, x, z, _, _ = self.symbols
        blocks = [ca.jacobian(e, s) for e in (self.derivative, self.residual, self.output) for s in (x, z)]
        return self.function("jacobians", *blocks)


class OnNumbers:
    """A dense CasADi function called on NumPy vectors through buffers of its own, without CasADi's matrices.

    Parameters
    ----------
    function
        What is called; hold `SYMBOLIC` meanwhile.

    Examples
    --------
    >>> import casadi as ca
    >>> x = ca.SX.sym("x", 2)
    >>> OnNumbers(ca.Function("double", [x], [2.0 * x]))([1.0, 2.0])
    (array([2., 4.]),)
    """

    def __init__(self, function: Any) -> None:
        self._arguments = [np.zeros(function.numel_in(i)) for i in range(function.n_in())]
        self._results = [np.zeros(function.numel_out(i)) for i in range(function.n_out())]
        buffer, self._run = function.buffer()
        for arrays, put in ((self._arguments, buffer.set_arg), (self._results, buffer.set_res)):
            for i, array in enumerate(arrays):
                if array.size:
                    put(i, memoryview(array))  # pyright: ignore[reportArgumentType]
        self._kept = (function, buffer)  # CasADi keeps neither alive

    def __call__(self, *arguments: Any) -> tuple[Any, ...]:
        """Return the function's results as new vectors."""
        for own, given in zip(self._arguments, arguments, strict=True):
            own[:] = given
        self._run()
        return tuple(result.copy() for result in self._results)


SYMBOLIC = threading.RLock()
"""Held while CasADi objects are made or called: CasADi gives up the GIL and counts its references without locks, so
two threads in it at once end in a segmentation fault (seen with 3.8.2)."""
_MAPS = 32
_known: dict[Any, CasadiModel] = {}


def symbol_kind(function: Any) -> Any:
    """Return the class of symbols a CasADi function is made of."""
    return ca.SX if function.is_a("SXFunction") else ca.MX


def casadi_model(model: Model, *, external: bool = False) -> CasadiModel:
    """Return the CasADi reading of a model (made once per class and options).

    Parameters
    ----------
    model
        The model.
    external
        Whether who asks can work with equations that can only be called (those inside an FMU): symbols are MX then.

    Raises
    ------
    ExternalEquationsError
        If the model has such equations, and who asks cannot work with them.
    """
    key, called = model.structure_key, model.structure.externals
    if called and not external:
        raise ExternalEquationsError(
            f"equations of {type(model).__name__} are in {called[0].label} and can only be called, which is not enough "
            "here. tk.MPC, Kalman filters, moving-horizon estimation and tk.simulate with tk.Cvodes() work with them"
        )
    with SYMBOLIC:
        found = _known.get(key)
        if found is None:
            found = _known[key] = _trace(model, ca.MX if called else ca.SX)
        return found


def _trace(model: Model, kind: Any) -> CasadiModel:
    layout, maths = model.layout, CASADI if kind is ca.SX else CasadiMaths(kind)
    symbols = (
        kind.sym("t"),
        kind.sym("x", layout.states.size),
        kind.sym("z", layout.algebraics.size),
        kind.sym("u", layout.inputs.size + layout.modes.size),
        kind.sym("p", layout.parameters.size),
    )
    derivative, residual, output = flat_equations(model, maths)(*symbols)
    happenings = flat_events(model, maths, *symbols)
    return CasadiModel(
        layout, symbols, derivative, residual, output,
        happenings.roots, happenings.jumps, happenings.events, happenings.schedules,
    )  # fmt: skip
