"""Scenarios: values that parameters may have, each of which a plan must survive."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from twinkit.control.horizon import Horizon
from twinkit.control.task import Task
from twinkit.core import InvalidValueError, Model
from twinkit.core.component import Array


@dataclass(frozen=True)
class Scenario:
    """Values of parameters that may be true.

    Parameters
    ----------
    parameters
        Parameter -> value, as the model takes it; those not named stay.
    weight
        Its probability, relative to those of the other scenarios.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.parameters, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValueError(f"a scenario takes parameter -> value, not {self.parameters!r}")
        if not (math.isfinite(self.weight) and self.weight > 0.0):
            raise InvalidValueError(f"the weight of a scenario is a positive number, not {self.weight!r}")


@dataclass(frozen=True, eq=False)
class Branch:
    """A scenario in numbers: name, share of all weights, values of all parameters, and positions of those it sets."""

    name: str
    share: float
    values: Array
    chosen: tuple[int, ...]


def branches_of(model: Model, given: Mapping[str, Any]) -> tuple[Branch, ...]:
    """Return the scenarios in numbers; none: an empty tuple.

    Raises
    ------
    InvalidValueError, UnknownNameError, UnitError
        If a scenario does not fit the model.
    """
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(f"scenarios are given as name -> Scenario(...) or parameter values, not {given!r}")
    known = {n: raw if isinstance(raw, Scenario) else Scenario(raw) for n, raw in given.items()}
    total, block, found = sum(one.weight for one in known.values()), model.layout.parameters, []
    for name, one in known.items():
        for parameter in one.parameters:
            if parameter not in block:
                model.with_(**{parameter: one.parameters[parameter]})  # raises, naming what there is
                raise InvalidValueError(f"scenario {name!r} sets {parameter!r}, which is no parameter of the equations")
        values = block.pack(model.with_(**one.parameters).values())
        set_ = [k for n in one.parameters for k in range(block[n].start, block[n].start + block[n].width)]
        found.append(Branch(name, one.weight / total, values, tuple(set_)))
    return tuple(found)


def under(h: Horizon, branch: Branch) -> Horizon:
    """Return a horizon on which a scenario is true.

    Raises
    ------
    InvalidValueError
        If the estimate adapts a parameter that the scenario sets.
    """
    both = set(branch.chosen) & set(h.known.chosen)
    if both:
        labels = [h.model.layout.parameters.labels[k] for k in sorted(both)]
        raise InvalidValueError(
            f"the estimate and scenario {branch.name!r} both say what {', '.join(labels)} is: leave it out of one"
        )
    return replace(h, settings=replace(h.settings, constants=(h.settings.constants[0], branch.values)))


def weighted(task: Task, share: float) -> Task:
    """Return a task whose costs count so much."""
    if share == 1.0:
        return task
    end = task.terminal
    if end is not None:
        end = replace(end, weight=share * end.weight, level=share * end.level)
    soft = np.where(np.isfinite(task.soft), share * task.soft, np.inf)
    return replace(
        task, penalty=share * task.penalty, weight=share * task.weight, price=share * task.price,
        running=share * task.running, soft=soft, terminal=end,
    )  # fmt: skip
