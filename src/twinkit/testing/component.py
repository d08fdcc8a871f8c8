"""`check_component`: every promise a component makes, checked in one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from twinkit.core.component import (
    Binds,
    Causality,
    Component,
    Differentiates,
    Evaluates,
    FeedsThrough,
    HasEvents,
    HasOccurrences,
    Port,
    RollsBack,
    Values,
)
from twinkit.core.errors import TwinkitError
from twinkit.core.units import affine
from twinkit.testing.model import CheckReport


class ComponentCheckError(TwinkitError, AssertionError):
    """A component that breaks its contract; the message lists every problem found."""


def check_component(
    component: Component, *, t0: float = 0.0, dt: float = 1.0, steps: int = 5, inputs: Mapping[str, Any] | None = None,
    nudge: float = 1e-4,
) -> CheckReport:  # fmt: skip
    """Check a component against the contract of `twinkit.core.component`.

    Checked are: ports; that it starts, starts again and steps with outputs that are complete, finite and of the right
    shape, and the same each time; and, where it has them: rollback (bitwise), feedthrough (an output moves at once only
    with the inputs it names), directional derivatives against differences, the bound path against `step` (bitwise),
    events (later than asked), and occurrences (in order, taken back with the state). It ends with `close`, twice.

    Parameters
    ----------
    component
        The component.
    t0, dt, steps
        Where to start, the step, and how many.
    inputs
        Input -> value; those not named have their default.
    nudge
        By how much inputs are moved, relative to ``1 + |value|``.

    Returns
    -------
    CheckReport
        What was checked and how.

    Raises
    ------
    ComponentCheckError
        With every problem found.

    Examples
    --------
    >>> import twinkit as tk
    >>> check_component(tk.Block(lambda x: 2 * x, inputs={"x": ("kW", 1.0)}, outputs={"y": "kW"})).passed
    True
    """
    report = CheckReport(type(component).__name__)
    run = _Run(component, t0, dt, steps, dict(inputs or {}), nudge)
    checks: dict[str, tuple[str, Callable[[], list[str]], bool]] = {
        "ports": ("names, causality, units, input values", run.ports, True),
        "steps": ("complete, finite, repeatable", run.repeats, True),
        "rollback": ("bitwise, in the middle of a run", run.rollback, _rolls_back(component)),
        "feedthrough": ("moving each input at one instant", run.feedthrough, isinstance(component, Evaluates)),
        "derivatives": ("against central differences", run.derivatives,
                        isinstance(component, Differentiates) and isinstance(component, Evaluates)),
        "bound path": ("bitwise as step", run.bound, isinstance(component, Binds)),
        "events": ("later than asked for", run.events, isinstance(component, HasEvents)),
        "occurrences": ("in order, taken back with the state", run.occurrences,
                        isinstance(component, HasOccurrences)),
        "close": ("twice", run.close, True),
    }  # fmt: skip
    for name, (note, check, applies) in checks.items():
        if not applies or (report.problems.get("ports") and name != "close"):
            continue
        report.notes[name] = note
        try:
            report.problems[name] = check()
        except Exception as error:  # a check that breaks the component is a finding, whatever it raises
            report.problems[name] = [f"{type(error).__name__}: {error}"]
    if not report.passed:
        raise ComponentCheckError(str(report))
    return report


def _rolls_back(component: Component) -> bool:
    return isinstance(component, RollsBack) and bool(getattr(component, "rolls_back", True))


class _Run:
    def __init__(self, component: Any, t0: float, dt: float, steps: int, inputs: dict[str, Any], nudge: float) -> None:
        self.component, self.t0, self.dt, self.steps, self.nudge = component, t0, dt, steps, nudge
        self.inputs = inputs

    # -- helpers -----------------------------------------------------------------------------------------------
    def values(self) -> dict[str, Any]:
        return {name: self.inputs.get(name, port.default) for name, port in self.component.inputs.items()}

    def trajectory(self) -> list[Values]:
        component, given = self.component, self.values()
        rows: list[Values] = [dict(component.initialize(self.t0, given))]
        rows += [dict(component.step(self.t0 + k * self.dt, self.dt, given)) for k in range(self.steps)]
        return rows

    def flat(self, values: Values) -> Any:
        ports: Mapping[str, Port] = self.component.outputs
        parts = [np.atleast_1d(np.asarray(values[name], dtype=np.float64)) for name in ports]
        return np.concatenate(parts) if parts else np.empty(0)

    def differs(self, a: list[Values], b: list[Values], what: str) -> list[str]:
        for k, (one, two) in enumerate(zip(a, b, strict=True)):
            if self.flat(one).tobytes() != self.flat(two).tobytes():
                return [f"{what}: outputs differ after {k} steps ({dict(one)} and {dict(two)})"]
        return []

    # -- checks ------------------------------------------------------------------------------------------------
    def ports(self) -> list[str]:
        problems: list[str] = []
        affine(self.component.time_unit, "s")
        for side, wanted in (("inputs", Causality.INPUT), ("outputs", Causality.OUTPUT)):
            for name, port in getattr(self.component, side).items():
                if port.name != name:
                    problems.append(f"{side}: {name!r} holds the port {port.name!r}")
                if port.causality is not wanted:
                    problems.append(f"{side}: {name!r} is an {port.causality.value}")
        for name, value in self.values().items():
            if value is None:
                problems.append(f"input {name!r} has no default: pass inputs={{{name!r}: ...}}")
            else:
                self.component.inputs[name].flat(value, f"input {name!r}")
        problems += [f"inputs: there is no input {name!r}" for name in self.inputs if name not in self.component.inputs]
        return problems

    def repeats(self) -> list[str]:
        first = self.trajectory()
        problems: list[str] = []
        for k, row in enumerate(first):
            missing = [name for name in self.component.outputs if name not in row]
            if missing:
                return [f"after {k} steps outputs are missing: {', '.join(missing)}"]
            for name, port in self.component.outputs.items():
                shape = np.shape(row[name])
                if shape != (() if port.shape is None else (port.shape,)):
                    problems.append(f"after {k} steps output {name!r} has shape {shape}, not that of its port")
                elif not np.isfinite(row[name]).all():
                    problems.append(f"after {k} steps output {name!r} is {row[name]}")
        return problems or self.differs(first, self.trajectory(), "a second run")

    def rollback(self) -> list[str]:
        component, given, half = self.component, self.values(), max(1, self.steps // 2)
        component.initialize(self.t0, given)
        for k in range(half):
            component.step(self.t0 + k * self.dt, self.dt, given)
        saved = component.snapshot()
        runs: list[list[Values]] = []
        for _ in range(2):
            component.restore(saved)
            times = [self.t0 + k * self.dt for k in range(half, half + self.steps)]
            runs.append([dict(component.step(t, self.dt, given)) for t in times])
        return self.differs(runs[0], runs[1], "after restore")

    def feedthrough(self) -> list[str]:
        component, given = self.component, self.values()
        declares = isinstance(self.component, FeedsThrough)
        declared: Mapping[str, frozenset[str]] = component.feedthrough() if declares else {}
        problems = [f"feedthrough names {name!r}, which is no output" for name in declared
                    if name not in component.outputs]  # fmt: skip
        component.initialize(self.t0, given)
        base = dict(component.evaluate(self.t0, given))
        for name in component.inputs:
            moved = dict(component.evaluate(self.t0, {**given, name: self._moved(given[name], 1.0)}))
            for output in component.outputs:
                same = np.allclose(moved[output], base[output], rtol=1e-12, atol=1e-14)
                if not same and name not in declared.get(output, frozenset()):
                    problems.append(f"{output!r} follows {name!r} at once, which feedthrough() does not say")
        return problems

    def _moved(self, value: Any, sign: float) -> Any:
        array = np.asarray(value, dtype=np.float64)
        return array + sign * self.nudge * (1.0 + np.abs(array))

    def derivatives(self) -> list[str]:
        component, given = self.component, self.values()
        of, to = tuple(component.outputs), tuple(component.inputs)
        if not to:
            return []
        component.initialize(self.t0, given)
        component.evaluate(self.t0, given)
        exact = np.asarray(component.derivatives(of, to))
        columns: list[Any] = []
        for name in to:
            base = np.atleast_1d(np.asarray(given[name], dtype=np.float64))
            for i in range(len(base)):
                sides: list[Any] = []
                width = self.nudge * (1.0 + abs(base[i]))
                for sign in (1.0, -1.0):
                    moved = base.copy()
                    moved[i] += sign * width
                    one = moved if self.component.inputs[name].shape else float(moved[0])
                    sides.append(self.flat(component.evaluate(self.t0, {**given, name: one})))
                columns.append((sides[0] - sides[1]) / (2.0 * width))
        numeric = np.stack(columns, axis=1)
        if exact.shape != numeric.shape:
            return [f"derivatives have shape {exact.shape}, not {numeric.shape}"]
        error = float(np.max(np.abs(exact - numeric) / (1.0 + np.abs(numeric)), initial=0.0))
        return [] if error < 1e-4 else [f"derivatives differ from differences by {error:.2g}"]

    def bound(self) -> list[str]:
        component, given = self.component, self.values()
        plain = self.trajectory()
        parts = [np.atleast_1d(np.asarray(given[name], dtype=np.float64)) for name in component.inputs]
        u = np.concatenate(parts) if parts else np.empty(0)
        y = np.zeros(len(self.flat(plain[0])))
        step = component.bind(u, y)
        component.initialize(self.t0, given)
        for k in range(self.steps):
            step(self.t0 + k * self.dt, self.dt)
            if y.tobytes() != self.flat(plain[k + 1]).tobytes():
                return [f"after {k + 1} steps the bound path gives {y}, step gives {self.flat(plain[k + 1])}"]
        return []

    def events(self) -> list[str]:
        self.component.initialize(self.t0, self.values())
        t = self.t0
        for _ in range(self.steps):
            event = self.component.next_event(t)
            if event is None:
                return []
            if not (math.isfinite(event) and event > t):
                return [f"next_event({t!r}) is {event!r}, which is not later"]
            t = event
        return []

    def occurrences(self) -> list[str]:
        component, given = self.component, self.values()
        component.initialize(self.t0, given)
        saved = component.snapshot() if _rolls_back(self.component) else None
        first = list(component.occurrences())
        problems = [f"{one.name!r} happened at {one.time:g}, before the start" for one in first if one.time < self.t0]
        for k in range(self.steps):
            component.step(self.t0 + k * self.dt, self.dt, given)
        times = [one.time for one in component.occurrences()]
        if times != sorted(times) or any(time > self.t0 + self.steps * self.dt * (1 + 1e-9) for time in times):
            problems.append(f"occurrences are not in order, or later than the run: {times}")
        if saved is not None:
            component.restore(saved)
            if list(component.occurrences()) != first:
                problems.append("restore does not take back what happened later")
        return problems

    def close(self) -> list[str]:
        self.component.close()
        self.component.close()
        return []
