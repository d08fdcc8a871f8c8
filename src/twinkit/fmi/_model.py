"""An FMU as a model: for whatever plans or estimates with the equations of a `Model`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from twinkit.core.component import Array
from twinkit.core.errors import DataError, InvalidValueError, unknown_name
from twinkit.core.evaluate import Variables
from twinkit.core.identity import digest
from twinkit.core.model import Model
from twinkit.core.terms import as_number_of, as_quantity_of
from twinkit.core.units import affine, derivative_unit
from twinkit.core.variables import Input, Output, Parameter, State, Variable
from twinkit.fmi._archive import ArchiveLimits
from twinkit.fmi._errors import UnsupportedFMUError
from twinkit.fmi._look import Look, nominal_of, refuse
from twinkit.fmi._units import time_unit_of, unit_of
from twinkit.fmi._values import plain_value
from twinkit.fmi.casadi import FMUFunction, casadi_function
from twinkit.fmi.component import file_hash
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind
from twinkit.fmi.session import Session, read_description

_OPEN = 1e300  # bounds of this magnitude are what tools write where there is none
_RESERVED = {"t", *Variables.__slots__}


class DerivativeWarning(UserWarning):
    """An FMU without derivatives of its own: finite differences take their place."""


@dataclass(frozen=True)
class Recipe:
    """What a model is made from: all that a pickle holds of it, besides its values.

    Attributes
    ----------
    path
        The ``.fmu`` file.
    parameters, outputs
        Names that were asked for.
    start
        Start values of what is fixed.
    time_unit
        Unit of time of the model; None: that of the FMU.
    file
        SHA-256 of the file.
    """

    path: str
    parameters: tuple[str, ...]
    outputs: tuple[str, ...]
    start: tuple[tuple[str, Any], ...]
    time_unit: str | None
    file: str

    @property
    def content_hash(self) -> str:
        """SHA-256 of all of it but the place of the file."""
        return digest([self.file, self.parameters, self.outputs, self.start, self.time_unit])


@dataclass(frozen=True, eq=False)
class Inside:
    """The equations of one FMU: a `twinkit.core.External`.

    Attributes
    ----------
    recipe
        What it was made from.
    reading
        The FMU as CasADi imports it, which keeps its extracted files.
    units
        Name -> unit of states, inputs, parameters and outputs, in the order of the vectors.
    per
        Length of the model's time unit in the FMU's.
    timed
        Whether the equations depend on time by themselves.
    notes
        What could not be taken over as it is.
    """

    recipe: Recipe
    reading: FMUFunction
    units: tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str], Mapping[str, str]]
    per: float
    timed: bool
    notes: tuple[str, ...] = field(default=())

    @property
    def label(self) -> str:
        """What it is, for messages."""
        return f"the FMU {Path(self.recipe.path).name}"

    @property
    def content_hash(self) -> str:
        """SHA-256 of the file and of how it is used."""
        return self.recipe.content_hash

    @property
    def sizes(self) -> tuple[int, ...]:
        """Lengths of the results: rates, outputs."""
        return len(self.units[0]), len(self.units[3])

    @property
    def exact(self) -> bool:
        """Whether derivatives come from the FMU."""
        return self.reading.exact

    @cached_property
    def symbolic(self) -> Any:
        """The equations ``(t, x, u, p) -> (dx, y)`` in the model's time unit."""
        import casadi as ca

        own = self.reading.equations
        arguments = [ca.MX.sym(name, own.numel_in(i)) for i, name in enumerate(("t", "x", "u", "p"))]
        t, *others = arguments
        dx, y = own(self.per * t, *others)
        if self.timed:  # CasADi takes all FMUs to be independent of time, and who asks whether one is should be told
            dx = dx + 1e-300 * t
        return ca.Function("inside", arguments, [self.per * dx, y], {"always_inline": True})

    def __call__(self, *arguments: Array) -> tuple[Array, ...]:
        """Return rates and outputs at a point; NaN where the FMU fails."""
        from twinkit.readings.casadi import SYMBOLIC

        with SYMBOLIC:
            try:
                return tuple(np.array(part).ravel() for part in self.symbolic(*arguments))
            except RuntimeError:  # CasADi's only exception
                return tuple(np.full(size, np.nan) for size in self.sizes)


class FMUModel(Model):
    """A model whose equations are inside an FMU; `twinkit.fmi.model` makes one."""

    inside: ClassVar[Inside]

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Ask the FMU."""
        states, inputs, parameters, outputs = self.inside.units
        vectors = [
            m.concatenate([as_number_of(getattr(v, name), unit, m) for name, unit in units.items()])
            for units in (states, inputs, parameters)
        ]
        time = m.concatenate([v.t / m.quantity(1.0, self.time_unit)])
        rates, seen = m.external(self.inside, time, *vectors)
        found = {
            name: rates[k] * m.quantity(1.0, derivative_unit(unit, self.time_unit))
            for k, (name, unit) in enumerate(states.items())
        }
        found.update({name: as_quantity_of(seen[k], unit, m) for k, (name, unit) in enumerate(outputs.items())})
        return found

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the FMU could not be taken over as it is."""
        return self.inside.notes

    def __getattr__(self, name: str) -> Any:
        # Names that other tools give need not be names in Python, so they are no attributes of the class.
        if name in type(self).declared:
            return self.values_of(name)
        raise unknown_name("variable", name, type(self).declared, type(self).__name__)

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (self.inside.recipe, dict(self.values()))


_known: dict[Recipe, type[FMUModel]] = {}


def model(
    path: str | os.PathLike[str],
    parameters: Sequence[str] = (),
    *,
    outputs: Sequence[str] = (),
    start: Mapping[str, Any] | None = None,
    time_unit: str | None = None,
    limits: ArchiveLimits | None = None,
) -> FMUModel:
    """Return an FMU as a model, for model predictive control and estimation: its equations, called.

    States, inputs, outputs and parameters have the names, units, bounds and nominal values of the FMU, states and
    inputs its start values. Its library is loaded into this process, where it stays. What has to know equations (LaTeX,
    JAX, C code, `tk.Compiled`) refuses such a model with `ExternalEquationsError`.

    Parameters
    ----------
    path
        The ``.fmu`` file: model exchange in FMI 2.0 or 3.0, without events.
    parameters
        Parameters of the FMU that become parameters of the model, which can be changed, estimated and made scenarios.
        All others keep their values.
    outputs
        Local variables of the FMU that become outputs, besides its own.
    start
        Variable -> value, for those that the model does not have: other parameters, booleans, integers, texts. They
        are part of what the model is. A state's or an input's is its default.
    time_unit
        Unit in which the model counts time; None: that of the FMU, mostly seconds.
    limits
        For the archive.

    Raises
    ------
    UnsupportedFMUError
        If the FMU has no model exchange or no continuous states, or has events, clocks, arrays, other inputs than
        continuous ones or selectable states; or if a parameter cannot be changed once it has been initialized.
    UnknownNameError, InvalidValueError, UnitError
        For a name or value that does not fit.
    StepError, FMUFileError
        If the FMU does not start, or is broken.

    Warns
    -----
    DerivativeWarning
        If the FMU provides no directional derivatives: finite differences take their place.

    Examples
    --------
    ::

        plant = tk.fmi.model("tank.fmu", ["V"], time_unit="min")
        mpc = tk.MPC(plant, horizon="2 h", step="5 min", track={"T": "45 degC"}, moves={"Q": tk.Move()})
    """
    from twinkit.readings.casadi import SYMBOLIC

    given = tuple(sorted((name, plain_value(value)) for name, value in (start or {}).items()))
    for name, value in given:
        if not isinstance(value, (bool, int, float, str, bytes)):
            raise InvalidValueError(f"the start of {name!r} is a number, a boolean or a text, not {value!r}")
    place = Path(path).resolve()
    description = read_description(place)
    chosen, seen = (tuple(dict.fromkeys([n] if isinstance(n, str) else n)) for n in (parameters, outputs))
    recipe = Recipe(str(place), chosen, seen, given, time_unit, file_hash(place))
    with SYMBOLIC:  # CasADi builds one thing at a time
        if recipe not in _known:
            _known[recipe] = _made(recipe, description, limits)
        found = _known[recipe]
    if not found.inside.exact:
        warnings.warn(
            f"{place.name} provides no directional derivatives, so finite differences take their place: plans are less "
            "accurate, and second derivatives are rough",
            DerivativeWarning,
            stacklevel=2,
        )
    return found()


def restored(recipe: Recipe, values: Mapping[str, Any]) -> FMUModel:
    """Return the model again, from what a pickle holds: its file has to be where it was."""
    from twinkit.readings.casadi import SYMBOLIC

    place = Path(recipe.path)
    if not place.is_file():
        raise DataError(f"the FMU of the model is not at {recipe.path!r} any more")
    if file_hash(place) != recipe.file:
        raise DataError(f"{recipe.path!r} is not the FMU that the model was made from any more")
    with SYMBOLIC:
        if recipe not in _known:
            _known[recipe] = _made(recipe, read_description(place), None)
        return _known[recipe](values)


def _made(recipe: Recipe, description: FMUDescription, limits: ArchiveLimits | None) -> type[FMUModel]:
    """Return the class of a model."""
    path, start = Path(recipe.path), dict(recipe.start)
    states = [description.variables[name].derivative_of for name in description.derivatives]
    refuse(path.name, description, states, start)
    left_out = {
        v.name: why for v in description.of("output") if (why := _no_output(v)) and v.name not in recipe.outputs
    }
    own = [v.name for v in description.of("output") if v.name not in left_out]
    outputs = [name for name in dict.fromkeys((*own, *recipe.outputs)) if name not in states]
    with Session(path, kind=Kind.MODEL_EXCHANGE, limits=limits) as session:
        session.reset(start, description.start_time or 0.0)
        if session.next_time_event is not None:
            raise UnsupportedFMUError(
                f"{path.name} cannot be a model: it has events at times that it knows, the first at "
                f"{session.next_time_event:g}"
            )
        reading = casadi_function(path, recipe.parameters, start=start, outputs=outputs, limits=limits)
        look = Look(session, reading, start, description)
    if list(reading.states) != states or list(reading.outputs) != outputs:
        raise UnsupportedFMUError(
            f"CasADi takes other variables of {path.name} for its states or outputs than are declared"
        )
    for name in (*states, *reading.inputs, *recipe.parameters, *outputs):
        if name in _RESERVED:
            raise UnsupportedFMUError(f"{path.name} has a variable {name!r}, a name that models use for themselves")
    notes = [f"output {name!r} is left out: it is {why}" for name, why in left_out.items()]
    unit = time_unit_of(*_independent(description))
    declared: dict[str, Variable] = {}
    kinds: list[tuple[type[Variable], Sequence[str], Iterable[Any]]] = [
        (State, states, look.x0), (Input, reading.inputs, look.u0), (Parameter, reading.parameters, look.p0),
        (Output, outputs, [None] * len(outputs)),
    ]  # fmt: skip
    for kind, names, values in kinds:
        for name, value in zip(names, values, strict=True):
            declared[name] = _variable(kind, description.variables[name], description, value, notes)
    units = [{name: str(declared[name].unit) for name in names} for _, names, _ in kinds]
    per = affine(recipe.time_unit or unit, unit)[0]
    inside = Inside(recipe, reading, (units[0], units[1], units[2], units[3]), per, look.timed, tuple(notes))
    about = {
        "__doc__": description.description or f"The FMU {path.name}.", "__module__": __name__, "inside": inside,
        "time_unit": recipe.time_unit or unit,
    }  # fmt: skip
    made = type(description.model_name, (FMUModel,), about)
    for name, variable in declared.items():  # beside the class: the FMU's names need not be names in Python
        variable.__set_name__(made, name)
    made.declared = MappingProxyType(declared)
    return made


def _no_output(variable: FMUVariable) -> str:
    """Return why an output of an FMU is none of a model ('' where it is one)."""
    if not variable.type.is_float:
        return variable.type.value
    if variable.derivative_of:
        return f"the derivative of {variable.derivative_of!r}"
    if variable.name in _RESERVED:
        return "a name that models use for themselves"
    return "" if variable.variability == "continuous" else variable.variability


def _independent(description: FMUDescription) -> tuple[str, Any]:
    """Return the unit of the independent variable and its definition."""
    found = next(iter(description.of("independent")), None)
    return ("s", None) if found is None or not found.unit else (found.unit, description.units.get(found.unit))


def _variable(
    kind: type[Variable], v: FMUVariable, d: FMUDescription, value: float | None, notes: list[str]
) -> Variable:
    """Return the declaration of a variable, and note what of it could not be taken over."""
    unit, note = unit_of(v.unit, d.units.get(v.unit))
    if note:
        notes.append(f"{v.name!r}: {note}")
    bounds = [None if side is None or abs(side) > _OPEN else side for side in (v.minimum, v.maximum)]
    low, high = (default if side is None else side for side, default in zip(bounds, (-np.inf, np.inf), strict=True))
    if not low <= high or (value is not None and not low <= value <= high):
        notes.append(f"{v.name!r}: its bounds ({low:g}, {high:g}) are left out, because it starts at {value}")
        bounds = [None, None]
    return kind(unit, value, (bounds[0], bounds[1]), nominal_of(v), None, v.description, "the FMU")
