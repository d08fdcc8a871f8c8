"""Runs a model's equations with any mathematics: the one place where a reading meets a model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twinkit.core.errors import ModelDefinitionError, ShapeError, unknown_name
from twinkit.core.events import Balance, Event, Schedule
from twinkit.core.maths import Maths
from twinkit.core.units import affine, as_number, derivative_unit

if TYPE_CHECKING:
    from twinkit.core.model import Model


@dataclass
class Evaluation:
    """What the equations gave, by full (dotted) name.

    `bound` holds the inputs of sub-models that the parent supplies; they are not inputs of the whole. Derivatives are
    per `time_unit`, that of the whole.
    """

    time_unit: str
    derivatives: dict[str, Any] = field(default_factory=dict[str, Any])
    residuals: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    bound: dict[str, Any] = field(default_factory=dict[str, Any])
    called: set[str] = field(default_factory=set[str])


class Variables:
    """The `v` of `equations(self, v, m)`: attribute access to variables and options of one model, `v.t` for time."""

    __slots__ = ("_maths", "_model", "_prefix", "_run", "_values")

    def __init__(self, model: Model, values: Mapping[str, Any], maths: Maths, run: Evaluation, prefix: str) -> None:
        self._model = model
        self._values = values
        self._maths = maths
        self._run = run
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        if name == "t":
            time, whole, own = self._values["t"], self._run.time_unit, self._model.time_unit
            return time if own == whole else self._maths.convert(time, whole, own)
        full = self._prefix + name
        if full in self._run.bound:
            return self._run.bound[full]
        if full in self._values:
            return self._values[full]
        options = self._model.options
        if name in options:
            return options[name]
        children = self._model.submodels
        if name in children:
            return SubmodelVariables(children[name], self._values, self._maths, self._run, f"{full}.")
        if full in self._run.outputs:
            return self._run.outputs[full]
        if name in self._model.declared and self._model.declared[name].kind == "output":
            raise ModelDefinitionError(f"output {full!r} is read before it has a value")
        raise unknown_name(
            "variable", name, [*self._model.declared, *options, *children, "t"], type(self._model).__name__
        )


class SubmodelVariables(Variables):
    """A sub-model inside its parent's equations: ``v.jacket.T`` reads it, ``v.jacket(T_vessel=v.T)`` connects it.

    The call binds inputs of the sub-model to expressions of the parent, evaluates its equations, and returns the
    same view, on which outputs can then be read. Inputs that are not bound become inputs of the parent. An input of
    a sub-model within it is named with a dot: ``v.jacket(**{"wall.T": v.T})``.
    """

    __slots__ = ()

    def __call__(self, **inputs: Any) -> Variables:
        """Connect the sub-model and return its view, outputs included."""
        name = self._prefix[:-1]
        if name in self._run.called:
            raise ModelDefinitionError(f"sub-model {name!r} is called twice in one evaluation")
        self._run.called.add(name)
        available = {
            prefix + key: variable
            for prefix, part in self._model.walk()
            for key, variable in part.declared.items()
            if variable.kind == "input"
        }
        for key, value in inputs.items():
            full = self._prefix + key
            if key not in available:
                raise unknown_name("input", key, available, f"sub-model {name!r}")
            if full in self._run.bound:
                raise ModelDefinitionError(f"input {full!r} is given twice: by what contains {name!r}, and further out")
            self._run.bound[full] = self._maths.bind(value, available[key], full)
        run_equations(self._model, self, self._maths, self._run, self._prefix)
        return self


_busy = threading.local()


def evaluating() -> bool:
    """Whether equations are being evaluated in this thread: an instance's values must not enter them then."""
    return getattr(_busy, "depth", 0) > 0


def _guarded(function: Callable[[Any, Any], Mapping[str, Any]], v: Variables, m: Maths) -> Mapping[str, Any]:
    _busy.depth = getattr(_busy, "depth", 0) + 1
    try:
        return function(v, m)
    finally:
        _busy.depth -= 1


def run_equations(model: Model, v: Variables, m: Maths, run: Evaluation, prefix: str = "") -> None:
    """Call one model's equations and file the results under their full names."""
    results = _guarded(model.equations, v, m)
    if not isinstance(results, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ModelDefinitionError(f"{type(model).__name__}.equations must return a dict, not {type(results).__name__}")
    targets = {"state": run.derivatives, "algebraic": run.residuals, "output": run.outputs}
    wanted = [name for name, variable in model.declared.items() if variable.kind in targets]
    for name, value in results.items():
        variable = model.declared.get(name)
        if variable is None or variable.kind not in targets:
            raise ModelDefinitionError(str(unknown_name("equation target", name, wanted, type(model).__name__)))
        _check_size(m, value, model.size_of(variable), f"{type(model).__name__}.equations gives", name)
        if variable.kind == "state" and model.time_unit != run.time_unit:
            units = [derivative_unit(variable.unit, unit) for unit in (model.time_unit, run.time_unit)]
            value = m.convert(value, *units)
        targets[variable.kind][prefix + name] = value
    missing = [name for name in wanted if name not in results]
    if missing:
        raise ModelDefinitionError(
            f"{type(model).__name__}.equations gives no value for {', '.join(map(repr, missing))}: return the "
            "derivative "
            "of every state, the residual of every algebraic variable and the value of every output"
        )
    forgotten = [name for name in model.submodels if prefix + name not in run.called]
    if forgotten:
        raise ModelDefinitionError(
            f"{type(model).__name__}.equations never calls sub-model {forgotten[0]!r}: write v.{forgotten[0]}(...) "
            "with the inputs it takes from here"
        )


def _check_size(m: Maths, value: Any, expected: int | None, what: str, name: str) -> None:
    given = m.size(value)
    # A symbolic vector of length one cannot be told from a single value.
    if given != expected and not (expected == 1 and given is None):
        shape = "a single value" if given is None else f"a vector of length {given}"
        wanted = "a single value" if expected is None else f"a vector of length {expected}"
        raise ShapeError(
            f"{what} {shape} for {name!r}, which is declared as {wanted}"
            + (" (use m.full to repeat a value)" if given is None else "")
        )


def evaluate(model: Model, values: Mapping[str, Any], m: Maths) -> Evaluation:
    """Evaluate all equations of a model, sub-models included.

    Parameters
    ----------
    model
        The model.
    values
        Full name -> value for every state, algebraic variable, input, mode and parameter, and ``"t"``.
    m
        The mathematics of a reading.

    Returns
    -------
    Evaluation
        Derivatives, residuals and outputs by full name.
    """
    run = Evaluation(model.time_unit)
    run_equations(model, Variables(model, values, m, run, ""), m, run)
    return run


def evaluate_events(model: Model, values: Mapping[str, Any], m: Maths) -> tuple[dict[str, Event], dict[str, Schedule]]:
    """Evaluate the declared events and schedules of a model and its sub-models, by full name."""
    run = Evaluation(model.time_unit)
    run_equations(model, Variables(model, values, m, run, ""), m, run)
    events: dict[str, Event] = {}
    schedules: dict[str, Schedule] = {}
    for prefix, part in model.walk():
        happenings = _guarded(part.events, Variables(part, values, m, run, prefix), m)
        if not isinstance(happenings, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ModelDefinitionError(f"{type(part).__name__}.events must return a dict of Event and Schedule")
        for name, happening in happenings.items():
            if not isinstance(happening, (Event, Schedule)):
                raise ModelDefinitionError(f"{type(part).__name__}.events[{name!r}] must be an Event or a Schedule")
            settable = [key for key, variable in part.declared.items() if variable.kind in {"state", "mode"}]
            what = f"{type(part).__name__}.events[{name!r}] gives"
            if isinstance(happening, Event):
                _check_size(m, happening.when, None, what, "when")
            for key, value in happening.set.items():
                if key not in settable:
                    raise ModelDefinitionError(str(unknown_name("state or mode", key, settable, type(part).__name__)))
                _check_size(m, value, part.size_of(part.declared[key]), what, key)
            changed = {prefix + key: value for key, value in happening.set.items()}
            if isinstance(happening, Event):
                events[prefix + name] = Event(happening.when, happening.crossing, changed, happening.stop)
            else:
                schedules[prefix + name] = _in_time(happening, changed, part.time_unit, model.time_unit)
    return events, schedules


def _in_time(schedule: Schedule, changed: Mapping[str, Any], own: str, whole: str) -> Schedule:
    """Return a schedule with times in another unit, and other values to set."""

    def moved(time: Any) -> Any:
        return (
            time if own == whole or time is None else affine(own, whole)[0] * as_number(time, own, "a scheduled time")
        )

    at = [moved(time) for time in schedule.at]
    return Schedule(at, moved(schedule.every), moved(schedule.start), moved(schedule.until), changed)


def evaluate_balances(model: Model, values: Mapping[str, Any], m: Maths) -> dict[str, Balance]:
    """Evaluate the declared conserved quantities, by name."""
    run = Evaluation(model.time_unit)
    v = Variables(model, values, m, run, "")
    run_equations(model, v, m, run)
    balances: dict[str, Balance] = {}
    for name, rule in model.conserved.items():
        result = rule(v, m)
        balances[name] = result if isinstance(result, Balance) else Balance(result)
    return balances
