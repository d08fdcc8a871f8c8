"""What a controller starts from: an estimate, split into states, parameters and disturbances of its model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Model, StateEstimate
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.identity import digest
from twinkit.core.units import as_number

_DISTURBANCE = re.compile(r"disturbance\((?P<name>.+)\)(?P<element>\[\d+\])?")


@dataclass(frozen=True, eq=False)
class Known:
    """An estimate in the order of the model.

    Attributes
    ----------
    time
        When.
    x
        States.
    chosen, adapted
        Positions and values of adapted parameters.
    disturbances, pushes
        Kind, position and rate of decay of disturbances, and their values.
    covariance, noise
        Of states, adapted parameters and disturbances, in this order.
    origin
        Content hash of what it came from, or the numbers it is the hash of.
    """

    time: float
    x: Array
    chosen: tuple[int, ...]
    adapted: Array
    disturbances: tuple[tuple[str, int, float], ...]
    pushes: Array
    covariance: Array
    noise: Array
    origin: str | tuple[float, Array]

    @property
    def made_by(self) -> str:
        """Content hash of what it came from."""
        return self.origin if isinstance(self.origin, str) else digest(list(self.origin))

    @property
    def vector(self) -> Array:
        """All of it."""
        return np.concatenate([self.x, self.adapted, self.pushes])

    @property
    def finite(self) -> bool:
        """Whether all numbers are finite and no variance is negative."""
        numbers = (
            np.isfinite(self.vector).all() and np.isfinite(self.covariance).all() and np.isfinite(self.noise).all()
        )
        return bool(numbers and (np.diag(self.covariance) >= 0.0).all())


def known(model: Model, given: StateEstimate | Mapping[str, Any], time: float | None) -> Known:
    """Return an estimate, or values of all states taken to be exact, in the order of the model.

    Raises
    ------
    InvalidValueError, UnknownNameError, UnitError
        If something is missing, or is not the model's. (Numbers that are not finite are for the caller to judge.)
    """
    if isinstance(given, Mapping):
        return _exact(model, given, 0.0 if time is None else time)
    if not isinstance(given, StateEstimate):
        raise InvalidValueError(f"a plan starts from an estimate, or from values of all states by name; not {given!r}")
    layout = model.layout
    states, parameters, inputs = (
        {label: k for k, label in enumerate(block.labels)}
        for block in (layout.states, layout.parameters, layout.inputs)
    )
    order: list[list[tuple[int, int]]] = [[], [], []]
    kinds: dict[int, tuple[str, int, float]] = {}
    for k, name in enumerate(given.names):
        match = _DISTURBANCE.fullmatch(name)
        if name in states:
            order[0].append((states[name], k))
        elif name in parameters:
            order[1].append((parameters[name], k))
        elif match and (inner := match["name"] + (match["element"] or "")) in (states | inputs):
            kind, index = ("input", inputs[inner]) if inner in inputs else ("state", states[inner])
            kinds[k] = (kind, index, float(given.decay[k]))
            order[2].append((k, k))
        else:
            raise unknown_name("state or parameter", name, [*states, *parameters], type(model).__name__)
    if len(order[0]) != len(states):
        missing = sorted(set(states) - set(given.names))
        raise InvalidValueError(f"the estimate says nothing about {', '.join(map(repr, missing))}")
    order[0].sort()
    places = [k for part in order for _, k in part]
    vector = np.asarray(given.vector, dtype=np.float64)
    at = [[k for _, k in part] for part in order]
    return Known(
        float(as_number(given.time, given.time_unit, "the time of an estimate")),
        vector[at[0]], tuple(index for index, _ in order[1]), vector[at[1]],
        tuple(kinds[k] for k in at[2]), vector[at[2]],
        np.asarray(given.covariance, dtype=np.float64)[np.ix_(places, places)],
        np.asarray(given.noise, dtype=np.float64)[places], given.content_hash,
    )  # fmt: skip


def _exact(model: Model, given: Mapping[str, Any], time: float) -> Known:
    layout = model.layout
    for name in given:
        if name not in layout.states:
            raise unknown_name("state", name, layout.states.by_name, type(model).__name__)
    missing = [entry.name for entry in layout.states if entry.name not in given]
    if missing:
        raise InvalidValueError(f"no value for {', '.join(map(repr, missing))}: a plan starts from all states")
    values = {}
    for entry in layout.states:
        raw = given[entry.name]
        number = isinstance(raw, (float, int, np.ndarray))
        values[entry.name] = raw if number else as_number(raw, entry.variable.unit, f"state {entry.name!r}")
    x = layout.states.pack(values)
    nothing = np.zeros((len(x), len(x)))
    return Known(time, x, (), np.empty(0), (), np.empty(0), nothing, np.zeros(len(x)), (time, x))
