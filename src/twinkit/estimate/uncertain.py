"""What a user says about uncertainty, checked and turned into numbers: the augmented vector.

The vector that is estimated holds the states, then the adapted parameters, then the disturbances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Model, ShapeError, State
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.layout import Field
from twinkit.core.units import as_array, as_number, derivative_unit, parse_unit


@dataclass(frozen=True)
class Adaptation:
    """A parameter estimated along with the states, as a random walk within its bounds.

    Parameters
    ----------
    std
        Standard deviation of the parameter at the start: a number in its unit, or a text with a unit.
    noise
        Intensity of the random walk, in the parameter's unit per square root of the model's time unit: how fast the
        parameter may change. 0: a constant that is learned.
    """

    std: Any
    noise: Any = 0.0


@dataclass(frozen=True)
class Disturbance:
    """Something unmeasured that acts on an input (it is added to it) or on a state (it is added to its derivative).

    It is estimated along with the states, as a random walk or, with a `time_constant`, as coloured noise that dies
    away [1]_. Its name in an estimate is ``disturbance(NAME)``.

    Parameters
    ----------
    std
        Standard deviation at the start: a number in the unit of the input (of the state's derivative), or a text with
        a unit.
    noise
        White-noise intensity that drives it, in the same unit per square root of the model's time unit.
    time_constant
        Time in which it decays to 1/e, a number in the model's time unit or a text; None: it never does.

    References
    ----------
    .. [1] A. Gelb (ed.), Applied Optimal Estimation, MIT Press 1974, section 3.8 (shaping filters: random walk and
       exponentially correlated noise). ISBN 978-0-262-57048-0.
    """

    std: Any = 0.0
    noise: Any = 0.0
    time_constant: Any = None


def spread_unit(unit: str, time_unit: str) -> str:
    """Return the unit of a standard deviation (a difference, where `unit` is an absolute temperature).

    Examples
    --------
    >>> spread_unit("degC", "h")
    'delta_degree_Celsius'
    """
    return str(parse_unit(derivative_unit(unit, time_unit)) * parse_unit(time_unit))


def noise_unit(unit: str, time_unit: str) -> str:
    """Return the unit of a white-noise intensity: standard deviation per square root of time.

    Examples
    --------
    >>> noise_unit("g/L", "h")
    'gram / hour ** 0.5 / liter'
    """
    return str(parse_unit(derivative_unit(unit, time_unit)) * parse_unit(time_unit) ** 0.5)


@dataclass(frozen=True)
class Part:
    """One named part of the vector that is estimated.

    Attributes
    ----------
    name
        Its name.
    entry
        The state or the parameter; of a disturbance: the input or the state it acts on.
    unit
        Unit of its values.
    std, noise
        Standard deviation at the start and white-noise intensity, one number per element.
    low, high, scale
        Bounds and nominal magnitude.
    rate
        Rate at which a disturbance decays (0: never).
    """

    name: str
    entry: Field
    unit: str
    std: Array
    noise: Array
    low: float
    high: float
    scale: float
    rate: float = 0.0

    @property
    def labels(self) -> list[str]:
        """One text per element."""
        return [label.replace(self.entry.name, self.name, 1) for label in self.entry.labels]


@dataclass(frozen=True)
class Plan:
    """The vector that is estimated (states, adapted parameters, disturbances) in numbers.

    Attributes
    ----------
    states, adapted, disturbed
        Its parts, in order.
    """

    states: tuple[Part, ...]
    adapted: tuple[Part, ...]
    disturbed: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts in order."""
        return (*self.states, *self.adapted, *self.disturbed)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Name per position."""
        return tuple(label for part in self.parts for label in part.labels)

    @cached_property
    def units(self) -> tuple[str, ...]:
        """Unit per position."""
        return tuple(part.unit for part in self.parts for _ in range(part.entry.width))

    @cached_property
    def fields(self) -> Mapping[str, tuple[int, int | None]]:
        """Name -> ``(first position, length or None for a single number)``."""
        starts = np.cumsum([0, *[part.entry.width for part in self.parts]]).tolist()
        return {part.name: (start, part.entry.size) for part, start in zip(self.parts, starts, strict=False)}

    @cached_property
    def chosen(self) -> tuple[int, ...]:
        """Positions of the adapted parameters in the parameter vector."""
        return tuple(part.entry.start + k for part in self.adapted for k in range(part.entry.width))

    @cached_property
    def disturbances(self) -> tuple[tuple[str, int, float], ...]:
        """Per position of the disturbances: ``(kind, position, rate)``, where `kind` is ``input`` or ``state``."""
        return tuple(
            ("state" if isinstance(part.entry.variable, State) else "input", part.entry.start + k, part.rate)
            for part in self.disturbed
            for k in range(part.entry.width)
        )

    @cached_property
    def std(self) -> Array:
        """Standard deviations at the start."""
        return np.concatenate([np.zeros(0), *[part.std for part in self.parts]])

    @cached_property
    def noise(self) -> Array:
        """White-noise intensities."""
        return np.concatenate([np.zeros(0), *[part.noise for part in self.parts]])

    @cached_property
    def low(self) -> Array:
        """Lower bounds."""
        return np.array([part.low for part in self.parts for _ in range(part.entry.width)], dtype=np.float64)

    @cached_property
    def high(self) -> Array:
        """Upper bounds."""
        return np.array([part.high for part in self.parts for _ in range(part.entry.width)], dtype=np.float64)

    @cached_property
    def scale(self) -> Array:
        """Nominal magnitudes."""
        return np.array([part.scale for part in self.parts for _ in range(part.entry.width)], dtype=np.float64)


def spread(raw: Any, entry: Field, unit: str, what: str) -> Array:
    """Return a non-negative standard deviation or intensity for every element of a variable."""
    array = as_array(raw, unit, what)
    if array.ndim and array.shape != (entry.width,):
        raise ShapeError(f"{what} needs one number or {entry.width}, but an array of shape {array.shape} was given")
    if not np.all(array >= 0):
        raise InvalidValueError(f"{what} must not be negative or NaN, but is {float(np.min(array)):g}")
    return np.broadcast_to(array, (entry.width,))


def _part(entry: Field, time_unit: str, std: Any, noise: Any) -> Part:
    """Return a state or an adapted parameter as a part of the vector."""
    variable, unit = entry.variable, entry.variable.unit
    begin = spread(std, entry, spread_unit(unit, time_unit), f"the initial standard deviation of {entry.name!r}")
    walk = spread(noise, entry, noise_unit(unit, time_unit), f"the noise of {entry.name!r}")
    low, high = (float(bound) for bound in variable.bounds)
    return Part(entry.name, entry, unit, begin, walk, low, high, variable.scale)


def _disturbance(model: Model, name: str, how: Any) -> Part:
    """Return a disturbance as a part of the vector."""
    layout, time_unit = model.layout, model.time_unit
    if not isinstance(how, Disturbance):
        raise InvalidValueError(f"disturb={{{name!r}: ...}} takes Disturbance(std=..., noise=...), not {how!r}")
    if name in layout.inputs:
        entry = layout.inputs[name]
        unit = spread_unit(entry.variable.unit, time_unit)
    elif name in layout.states:
        entry = layout.states[name]
        unit = derivative_unit(entry.variable.unit, time_unit)
    else:
        known = {**layout.inputs.by_name, **layout.states.by_name}
        raise unknown_name("input or state to disturb", name, known, type(model).__name__)
    rate = 0.0
    if how.time_constant is not None:
        constant = as_number(how.time_constant, time_unit, f"the time constant of the disturbance of {name!r}")
        if not constant > 0:
            raise InvalidValueError(
                f"the time constant of the disturbance of {name!r} must be positive, not {constant:g}"
            )
        rate = 1.0 / constant
    std = spread(how.std, entry, unit, f"the initial standard deviation of the disturbance of {name!r}")
    noise = spread(how.noise, entry, noise_unit(unit, time_unit), f"the noise of the disturbance of {name!r}")
    if not (np.any(std > 0) or np.any(noise > 0)):
        raise InvalidValueError(f"the disturbance of {name!r} needs a std or a noise above zero")
    return Part(f"disturbance({name})", entry, unit, std, noise, -np.inf, np.inf, entry.variable.scale, rate)


def plan(
    model: Model,
    initial_std: Mapping[str, Any],
    process_noise: Mapping[str, Any],
    adapt: Mapping[str, Adaptation],
    disturb: Mapping[str, Disturbance],
) -> Plan:
    """Check what a user says about uncertainty; see `EstimationProblem` for the arguments."""
    layout, where, unit = model.layout, type(model).__name__, model.time_unit
    adapted: list[Part] = []
    for name, how in adapt.items():
        if name not in layout.parameters:
            raise unknown_name("parameter", name, layout.parameters.by_name, where)
        if not isinstance(how, Adaptation):
            raise InvalidValueError(f"adapt={{{name!r}: ...}} takes Adaptation(std=..., noise=...), not {how!r}")
        adapted.append(_part(layout.parameters[name], unit, how.std, how.noise))
    for what, given in (("initial_std", initial_std), ("process_noise", process_noise)):
        for name in given:
            if name not in layout.states:
                advice = " (for a parameter: adapt={...})" if name in layout.parameters else ""
                raise unknown_name(f"state for {what}{advice}", name, layout.states.by_name, where)
    states = [_part(e, unit, initial_std.get(e.name, 0.0), process_noise.get(e.name, 0.0)) for e in layout.states]
    disturbed = [_disturbance(model, name, how) for name, how in disturb.items()]
    found = Plan(tuple(states), tuple(adapted), tuple(disturbed))
    if not np.any(found.std > 0) and not np.any(found.noise > 0):
        raise InvalidValueError(
            f"nothing about {where} is uncertain, so measurements could not change anything: give initial_std, "
            f"process_noise, adapt or disturb (states: {', '.join(part.name for part in states)})"
        )
    return found
