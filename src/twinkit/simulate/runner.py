"""Repeated runs of one recipe: everything that does not change is prepared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from twinkit.core.errors import unknown_name
from twinkit.core.model import Model
from twinkit.core.solution import Solution
from twinkit.simulate.problem import Problem, Solver, check_solver, make_problem
from twinkit.simulate.run import solve


@dataclass(frozen=True)
class Runner:
    """A recipe ready to run again and again with other parameter values; made by `prepare`.

    Attributes
    ----------
    problem
        The recipe.
    solver
        What runs it.
    """

    problem: Problem
    solver: Solver

    def __call__(self, changes: Mapping[str, Any] | None = None, /, **values: Any) -> Solution:
        """Run with some parameters or initial values changed.

        Parameters
        ----------
        changes, **values
            As for ``model.with_``; options cannot change here.

        Returns
        -------
        Solution
            As of `simulate`; check ``solution.success``.

        Raises
        ------
        UnknownNameError, UnitError, BoundsError, ShapeError, InvalidValueError
            For a value that does not fit.
        """
        return solve(changed(self.problem, {**(changes or {}), **values}), self.solver)


def changed(problem: Problem, values: Mapping[str, Any]) -> Problem:
    """Return the problem with other parameters, initial states or modes; only what is given is checked."""
    if not values:
        return problem
    layout = problem.layout
    vectors = {"p": problem.p.copy(), "x": problem.x.copy(), "modes": problem.modes.copy()}
    checked: dict[str, Any] = {}
    for name, raw in values.items():
        for key, block in (("p", layout.parameters), ("x", layout.states), ("modes", layout.modes)):
            if name in block:
                entry = block[name]
                value = entry.variable.check(raw, entry.size, f"{block.kind} {name!r}")
                vectors[key][entry.start : entry.start + entry.width] = value
                checked[name] = value
                break
        else:
            blocks = (layout.parameters, layout.states, layout.modes)
            names = [entry.name for block in blocks for entry in block]
            raise unknown_name("parameter or state", name, names, type(problem.model).__name__)
    return replace(problem, changes={**problem.changes, **checked}, **vectors)


def prepare(model: Model, until: Any, *, solver: Solver | None = None, **recipe: Any) -> Runner:
    """Prepare repeated runs.

    Parameters
    ----------
    model, until, **recipe
        As for `simulate` (inputs, initial, start, outputs, rtol, atol).
    solver
        Default `Compiled()`.

    Returns
    -------
    Runner
        Call it with the values that change.

    Examples
    --------
    >>> import twinkit as tk
    >>> from twinkit.unitops import JacketedTank
    >>> run = tk.prepare(JacketedTank(), "2 h", inputs={"Q": 5.0}, solver=tk.Cvodes())
    >>> [round(float(run(V=volume)["T"][-1]), 2) for volume in (400.0, 500.0)]
    [39.0, 35.58]
    """
    if solver is None:
        from twinkit.simulate.compiled.solver import Compiled

        solver = Compiled()
    check_solver(solver)
    return Runner(make_problem(model, until, **recipe), solver)
