"""`check_model`: every promise a model makes, checked in one call."""

from __future__ import annotations

import html
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from twinkit.core.errors import TwinkitError
from twinkit.core.model import Model
from twinkit.readings.dimensions import dimension_problems
from twinkit.testing.agreement import jacobian_problems, reading_problems
from twinkit.testing.balances import balance_problems
from twinkit.testing.points import random_points


class ModelCheckError(TwinkitError, AssertionError):
    """A model that breaks its contract; the message lists every problem found."""


@dataclass(frozen=True)
class CheckReport:
    """What `check_model` found.

    Attributes
    ----------
    model
        Name of the model.
    problems
        Check -> problems in words; a check without problems is an empty list.
    notes
        Check -> what was done (which readings, how conservation was shown).
    """

    model: str
    problems: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    notes: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def passed(self) -> bool:
        """Whether no problem was found."""
        return not any(self.problems.values())

    def __str__(self) -> str:
        lines = [f"{self.model}: {'all checks passed' if self.passed else 'checks FAILED'}"]
        for check, found in self.problems.items():
            lines.append(f"  {'ok  ' if not found else 'FAIL'} {check}: {self.notes.get(check, '')}".rstrip(": "))
            lines.extend(f"       - {problem}" for problem in found)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def check_model(model: Model | type[Model], *, points: int = 20, seed: int = 0, until: Any = 100.0) -> CheckReport:
    """Check a model against the contract of DESIGN.md.

    Checked are: documentation and sources; dimensions (units and magnitudes); agreement of the numeric, CasADi, SymPy
    and (where installed) JAX readings to 1e-10 at random points; exact Jacobians against finite differences; declared
    balances, proved by SymPy or tested numerically; round trips (JSON, pickle, equality, hash); and that bounds are
    kept in simulations from random initial states and parameters.

    Parameters
    ----------
    model
        A model, or a class whose parameters all have defaults.
    points
        Number of random points.
    seed
        Of the random points.
    until
        Length of the simulations, in the model's time unit or with a unit.

    Returns
    -------
    CheckReport
        What was checked and how.

    Raises
    ------
    ModelCheckError
        With every problem found.

    Examples
    --------
    >>> from twinkit.unitops import JacketedTank
    >>> check_model(JacketedTank, points=5).passed
    True
    """
    instance = model() if isinstance(model, type) else model
    report = CheckReport(type(instance).__name__)

    @cache
    def sample() -> list[dict[str, Any]]:
        return random_points(instance, points, seed)

    checks: dict[str, Callable[[], tuple[list[str], str]]] = {
        "documentation": lambda: (_documentation(instance), "docstrings, one line per variable, source per parameter"),
        "dimensions": lambda: (dimension_problems(instance), "every operation, unit and magnitude"),
        "readings agree": lambda: reading_problems(instance, sample()),
        "jacobians": lambda: (jacobian_problems(instance, sample()), "against central differences"),
        "conservation": lambda: balance_problems(instance, sample()),
        "round trips": lambda: (_round_trips(instance), "JSON, pickle, equality, hash"),
        "bounds": lambda: _bounds(instance, seed, until),
    }
    for name, check in checks.items():
        try:
            report.problems[name], report.notes[name] = check()
        except TwinkitError as error:
            report.problems[name] = [str(error)]
        except Exception as error:  # whatever a model makes Python raise is a finding, not the end of the report
            report.problems[name] = [f"{type(error).__name__}: {error}"]
    if not report.passed:
        raise ModelCheckError(str(report))
    return report


def _documentation(model: Model) -> list[str]:
    problems: list[str] = []
    for prefix, part in model.walk():
        name = f"{type(part).__name__}"
        if not (type(part).__doc__ or "").strip() or type(part).__doc__ == Model.__doc__:
            problems.append(f"{name} has no docstring")
        for label, variable in part.declared.items():
            if not variable.doc.strip():
                problems.append(f"{prefix}{label} has no doc")
            if variable.kind == "parameter" and not variable.source.strip():
                problems.append(f"parameter {prefix}{label} has no source")
    return problems


def _round_trips(model: Model) -> list[str]:
    problems: list[str] = []
    terms = [type(part.submodels[c.name]) for _, part in model.walk() for c in part.corrections.values()]
    again = {
        "JSON": type(model).from_json(model.to_json(), terms=terms),
        "pickle": pickle.loads(pickle.dumps(model)),
        "with_()": model.with_(),
    }
    for how, copy in again.items():
        if copy != model or hash(copy) != hash(model):
            problems.append(f"the copy through {how} is not equal to the model")
        if copy.content_hash != model.content_hash:
            problems.append(f"the copy through {how} has another content hash")
    return problems


def _bounds(model: Model, seed: int, until: Any) -> tuple[list[str], str]:
    """Simulate from random initial states, inputs and parameters, and look for states outside their bounds."""
    import warnings

    from twinkit.simulate import SimulationWarning, simulate

    if model.layout.states.size == 0:
        return [], "no states"
    problems: list[str] = []
    runs = random_points(model, 5, seed + 1)
    for run in runs:
        initial = {entry.name: run[entry.name] for entry in model.layout.states}
        inputs = {entry.name: run[entry.name] for entry in model.layout.inputs}
        changed = model.with_({entry.name: run[entry.name] for entry in model.layout.parameters})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SimulationWarning)
            solution = simulate(changed, until, initial=initial, inputs=inputs, outputs=101, rtol=1e-8)
        if not solution.success:
            problems.append(solution.status.reason)
        for entry in model.layout.states:
            low, high = entry.variable.bounds
            slack = 1e-6 * entry.variable.scale
            data = solution.trace(entry.name).data
            if np.any(data < low - slack) or np.any(data > high + slack):
                problems.append(
                    f"{entry.name} leaves [{low:g}, {high:g}]: it reaches {np.min(data):.6g} .. {np.max(data):.6g}"
                )
    return sorted(
        set(problems)
    ), f"{len(runs)} runs of {until if isinstance(until, str) else f'{until} {model.time_unit}'}"
