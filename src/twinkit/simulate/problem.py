"""A run, made ready for any solver: numbers in flat vectors, inputs as polynomials, tolerances, output times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, SimulationError
from twinkit.core.layout import Layout
from twinkit.core.model import Model
from twinkit.core.units import as_array, as_number
from twinkit.readings.casadi import CasadiModel, casadi_model
from twinkit.simulate.signals import Program, program

Array = npt.NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """One run.

    Attributes
    ----------
    model
        The model with its parameter values.
    begin, end
        In the model's time unit.
    x, z, modes, p
        Initial states, first guess of the algebraic variables, initial modes, parameters.
    program
        Inputs.
    times
        Requested output times, increasing, within the run; the first is `begin`.
    exact
        The user gave these very times: no rows are added at events and jumps.
    rtol, atol
        Tolerances; `atol` is in units of each variable's nominal value.
    changes
        Values already in `x`, `modes` and `p` that differ from the model's (repeated runs).
    scratch
        What solvers work out once for the recipe (inputs, times, tolerances); repeated runs share it.
    """

    model: Model
    begin: float
    end: float
    x: Array
    z: Array
    modes: Array
    p: Array
    program: Program
    times: Array
    exact: bool
    rtol: float
    atol: float
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    scratch: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def once(self, what: str, make: Callable[[], T]) -> T:
        """Return something that depends on the recipe alone, worked out when first asked for."""
        if what not in self.scratch:
            self.scratch[what] = make()
        return self.scratch[what]

    def __getstate__(self) -> dict[str, Any]:
        # Symbolic functions made on the way are made anew where the problem is sent.
        return {entry.name: getattr(self, entry.name) for entry in fields(self)} | {"scratch": {}}

    @property
    def layout(self) -> Layout:
        """Positions in the flat vectors."""
        return self.once("layout", lambda: self.model.layout)

    @property
    def reading(self) -> CasadiModel:
        """The CasADi reading of the model."""
        return self.once("reading", lambda: casadi_model(self.model, external=True))

    @property
    def breaks(self) -> Array:
        """Times strictly inside the run at which an input jumps or kinks."""
        return self.once("breaks", self._breaks)

    def _breaks(self) -> Array:
        knots = self.program.knots[self.program.jumps]
        return knots[(knots > self.begin) & (knots < self.end)]

    @property
    def stops(self) -> Array:
        """Times a leg must reach, in order: those requested and the jumps of inputs."""
        made = self.scratch.get("stops")
        if made is None or made[0] is not self.times:  # a copy with other times shares the scratch
            made = (self.times, np.unique(np.concatenate([self.times, self.breaks])))
            self.scratch["stops"] = made
        return made[1]

    def held_values(self, t: float, modes: Array, *, before: bool = False) -> Array:
        """Return the `u` vector at one time: inputs, then modes."""
        return np.concatenate([self.program.values(np.array([t]), before=before)[0], modes])


@dataclass(frozen=True)
class Leg:
    """What a solver gives back for one stretch without jumps of the state.

    Attributes
    ----------
    times, x, z
        Rows reached: ``(n,)``, ``(n, states)``, ``(n, algebraics)``; the start is not among them.
    reason
        Why it stopped early, in words ('' when it did not).
    event
        Position of the event that ended the leg (the last row is the instant before it), or None.
    """

    times: Array
    x: Array
    z: Array
    reason: str = ""
    event: int | None = None


@runtime_checkable
class Solver(Protocol):
    """What advances a problem. `Cvodes` and `Compiled` are solvers."""

    def advance(
        self, problem: Problem, t: float, x: Array, z: Array, modes: Array, grid: Array, statistics: dict[str, Any],
        fired: int | None = None,
    ) -> Leg:  # fmt: skip
        """Integrate from `t` over the times in `grid` (all later than `t`), stopping at the first event.

        `fired` is the event that has just happened at `t`: it must leave zero before it can happen again.
        """
        ...


def make_problem(
    model: Model,
    until: Any,
    *,
    start: Any = 0.0,
    inputs: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    outputs: Any = None,
    rtol: float = 1e-8,
    atol: float | None = None,
) -> Problem:
    """Check everything a user gives for a run and put it into flat vectors; see `simulate` for the arguments."""
    if not isinstance(model, Model):
        what = (
            f"the class {model.__name__}; make an instance: {model.__name__}()"
            if isinstance(model, type)
            else repr(model)
        )
        raise InvalidValueError(f"simulate needs a model, not {what}")
    unit = model.time_unit
    begin, end = as_number(start, unit, "the start"), as_number(until, unit, "until")
    if not end > begin:
        raise InvalidValueError(f"the run must end after it starts; it goes from {begin:g} to {end:g} {unit}")
    rtol = as_number(rtol, "", "rtol")
    if not 1e-14 <= rtol < 1.0:
        raise InvalidValueError(f"rtol must be within [1e-14, 1), not {rtol!r}")
    scaled_atol = rtol / 100 if atol is None else as_number(atol, "", "atol")
    if not scaled_atol > 0:
        raise InvalidValueError(f"atol must be positive, not {atol!r}")
    changed = model.with_(initial) if initial else model
    for name in initial or {}:
        if changed.layout.find(name, type(model).__name__).variable.kind not in {"state", "algebraic", "mode"}:
            raise InvalidValueError(f"initial sets states, algebraic variables and modes; {name!r} is none of them")
    layout, values = changed.layout, changed.values()
    missing = [entry.name for entry in layout.states if entry.name not in values]
    if missing:
        raise SimulationError(
            f"no initial value for {', '.join(map(repr, missing))}: pass initial={{{missing[0]!r}: ...}} or set it "
            "in the model"
        )
    guess = {entry.name: values.get(entry.name, entry.variable.scale) for entry in layout.algebraics}
    modes = {entry.name: values.get(entry.name, 0.0) for entry in layout.modes}
    times, exact = output_times(outputs, begin, end, unit)
    return Problem(
        model=changed, begin=begin, end=end,
        x=layout.states.pack(values), z=layout.algebraics.pack(guess), modes=layout.modes.pack(modes),
        p=layout.parameters.pack(values),
        program=program(layout, values, inputs, begin, end, rtol),
        times=times, exact=exact, rtol=rtol, atol=scaled_atol,
    )  # fmt: skip


def output_times(outputs: Any, begin: float, end: float, unit: str) -> tuple[Array, bool]:
    """Return output times and whether the user gave these very times.

    Parameters
    ----------
    outputs
        None (201 times), a number of times, a spacing such as ``"1 h"``, or an array of times.
    begin, end, unit
        The run.
    """
    if outputs is None:
        return np.linspace(begin, end, 201), False
    if isinstance(outputs, (int, np.integer)) and not isinstance(outputs, bool):
        if outputs < 2:
            raise InvalidValueError(f"a run has at least 2 output times, not {outputs}")
        return np.linspace(begin, end, int(outputs)), False
    listed = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    if any(isinstance(item, str) and item.strip()[:1].isalpha() for item in listed):
        raise InvalidValueError(f"outputs says at which times, not which variables; got {outputs!r}")
    given = as_array(outputs, unit, "outputs")
    if given.ndim == 0:
        spacing = float(given)
        if not 0 < spacing <= end - begin:
            raise InvalidValueError(
                f"the spacing of outputs must be positive and within the run, not {spacing:g} {unit}"
            )
        count = int(np.floor((end - begin) / spacing * (1 + 1e-12)))
        times: Array = begin + spacing * np.arange(count + 1, dtype=np.float64)
        if not np.isclose(times[-1], end, rtol=1e-12):
            times = np.append(times, end)
        return times, False
    if given.ndim != 1 or given.size == 0 or np.any(np.diff(given) <= 0):
        raise InvalidValueError("output times must be a list that increases strictly")
    if given[0] < begin or given[-1] > end:
        raise InvalidValueError(f"output times must be within the run, [{begin:g}, {end:g}] {unit}")
    return np.array(given), True


def check_solver(solver: Any, *kinds: Any) -> None:
    """Raise `InvalidValueError` unless `solver` is a solver object of one of these kinds."""
    if isinstance(solver, type) or not isinstance(solver, kinds or (Solver,)):
        raise InvalidValueError(f"a solver is an object such as Cvodes() or Compiled(), not {solver!r}")
