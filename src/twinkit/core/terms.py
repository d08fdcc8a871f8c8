"""Learned terms: how a function found from data enters a named rate of a model's equations.

Equations name a rate where they use it, ``mu = m.rate("mu", ...)``. A `Correction` says which term changes that rate,
what the term looks at, and how the two are combined. The term itself is a model: a pure function of one vector input
``x`` (numbers in the declared units) with one dimensionless output ``value``; whatever it has learned are its
parameters. So it has every reading, its values are part of the content hash and of the JSON text, and it can be
sampled, estimated and changed like any other parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from twinkit.core.errors import DataError, InvalidValueError, ModelDefinitionError, unknown_name
from twinkit.core.units import OFFSET_UNITS, parse_unit

AnyModel = TypeVar("AnyModel", bound="Model")

if TYPE_CHECKING:
    from twinkit.core.evaluate import Evaluation, Variables
    from twinkit.core.maths import Maths
    from twinkit.core.model import Model


class Combine(Enum):
    """How a term changes a rate."""

    ADD = "add"
    """``rate + value``: the rate may change sign."""
    MULTIPLY = "multiply"
    """``rate * exp(value)``: the rate keeps its sign and its zeros."""


@dataclass(frozen=True)
class Correction:
    """One learned term in one rate.

    Parameters
    ----------
    rate
        Name given to the rate by ``m.rate``.
    unit
        Unit of the rate (found by the dimensions reading).
    variables
        What the term looks at: variables of the same model, ``"t"``, or rates that were named before this one.
    units
        Their units.
    combine
        Add to the rate, or multiply it by a positive factor.
    gates
        ``(variable, half saturation K, its unit)`` for an added term: it is multiplied by ``s / (s + K)``, so that it
        vanishes where the variable does and cannot drive it below zero.
    """

    rate: str
    unit: str
    variables: tuple[str, ...]
    units: tuple[str, ...]
    combine: Combine = Combine.ADD
    gates: tuple[tuple[str, float, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.variables:
            raise InvalidValueError(f"the term on {self.rate!r} looks at nothing: name at least one variable")
        if len(set(self.variables)) != len(self.variables):
            raise InvalidValueError(f"the term on {self.rate!r} looks at the same variable twice: {self.variables}")
        if len(self.units) != len(self.variables):
            raise InvalidValueError(f"the term on {self.rate!r} needs one unit for each of {self.variables}")
        if self.gates and self.combine is Combine.MULTIPLY:
            raise InvalidValueError(
                f"the term on {self.rate!r} multiplies: it keeps zeros anyway, so gates are not used"
            )
        for unit in (self.unit, *self.units):
            parse_unit(unit)

    @property
    def name(self) -> str:
        """Name of the term as a sub-model."""
        return f"{self.rate}_term"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {**asdict(self), "combine": self.combine.value}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Correction:
        """Return the correction `as_dict` described."""
        return cls(
            str(document["rate"]), str(document["unit"]), tuple(document["variables"]), tuple(document["units"]),
            Combine(document["combine"]),
            tuple((str(name), float(half), str(unit)) for name, half, unit in document["gates"]),
        )  # fmt: skip

    def applied(self, value: Any, v: Variables, m: Maths, known: Mapping[str, Any]) -> Any:
        """Return the corrected rate; `known` holds the rates named so far."""

        def looked_up(name: str) -> Any:
            return known[name] if name in known else getattr(v, name)

        x = m.concatenate(
            [as_number_of(looked_up(name), unit, m) for name, unit in zip(self.variables, self.units, strict=True)]
        )
        change = getattr(v, self.name)(x=x).value
        if self.combine is Combine.MULTIPLY:
            return value * m.exp(change)
        for name, half, unit in self.gates:
            amount = as_number_of(looked_up(name), unit, m)
            change = change * m.gate(m.maximum(amount, 0.0), half)
        return value + change * m.quantity(1.0, self.unit)


def as_number_of(x: Any, unit: str, m: Maths) -> Any:
    """Return a variable as a plain number in its unit (an absolute temperature as its distance from zero)."""
    difference = OFFSET_UNITS.get(str(parse_unit(unit)))
    if difference is not None:
        return (x - m.quantity(0.0, unit)) / m.quantity(1.0, difference)
    return x / m.quantity(1.0, unit)


def as_quantity_of(x: Any, unit: str, m: Maths) -> Any:
    """Return a plain number as a variable in a unit: the inverse of `as_number_of`."""
    difference = OFFSET_UNITS.get(str(parse_unit(unit)))
    if difference is not None:
        return x * m.quantity(1.0, difference) + m.quantity(0.0, unit)
    return x * m.quantity(1.0, unit)


class RateBook:
    """Takes down the rates one model names in one evaluation, and corrects those that have a term."""

    def __init__(self, model: Model, v: Variables, m: Maths, run: Evaluation, prefix: str) -> None:
        self._model = model
        self._v = v
        self._m = m
        self._run = run
        self._prefix = prefix
        self._known: dict[str, Any] = {}

    def __call__(self, name: str, value: Any) -> Any:
        """Return the rate as it enters the equations."""
        if not (isinstance(name, str) and name.isidentifier()):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ModelDefinitionError(
                f"{type(self._model).__name__}.equations names a rate {name!r}: a name is made of letters, digits and _"
            )
        if name in self._known:
            raise ModelDefinitionError(f"{type(self._model).__name__}.equations names the rate {name!r} twice")
        correction = self._model.corrections.get(name)
        if correction is not None:
            self._check(correction, value)
            value = correction.applied(value, self._v, self._m, self._known)
        self._known[name] = value
        self._run.rates[self._prefix + name] = value
        return value

    def _check(self, correction: Correction, value: Any) -> None:
        if self._m.size(value) is not None:
            raise ModelDefinitionError(
                f"the rate {correction.rate!r} of {type(self._model).__name__} is a vector; a term corrects a single "
                "value: name its elements one by one"
            )
        for name in (*correction.variables, *(gate for gate, _, _ in correction.gates)):
            if name in self._known and (name == "t" or name in self._model.declared):
                raise ModelDefinitionError(
                    f"the term on {correction.rate!r} looks at {name!r}, which is both a rate and a variable of "
                    f"{type(self._model).__name__}: give the rate another name"
                )

    def close(self) -> None:
        """Raise unless every corrected rate was named."""
        for name in self._model.corrections:
            if name not in self._known:
                raise ModelDefinitionError(
                    str(unknown_name("rate", name, self._known, f"{type(self._model).__name__}.equations"))
                    + f"; a term can only correct a rate that is named: {name} = m.rate({name!r}, ...)"
                )


def check_term(term: Any, correction: Correction) -> None:
    """Raise unless a model can serve as the term of a correction."""
    declared = getattr(term, "declared", {})
    shape = {name: declared[name].kind for name in ("x", "value") if name in declared}
    if shape != {"x": "input", "value": "output"}:
        raise InvalidValueError(
            f"the term on {correction.rate!r} must be a model with an input 'x' and an output 'value'"
        )
    if any(
        variable.kind in {"state", "algebraic", "mode"}
        for _, part in term.walk()
        for variable in part.declared.values()
    ):
        raise InvalidValueError(f"the term on {correction.rate!r} must be a pure function: it has states of its own")
    size = term.size_of(declared["x"])
    if size != len(correction.variables):
        raise InvalidValueError(
            f"the term on {correction.rate!r} takes {size} numbers, but looks at "
            f"{len(correction.variables)} variables: {', '.join(correction.variables)}"
        )


def gathered(corrections: Sequence[Correction]) -> dict[str, Correction]:
    """Return corrections by the rate they change."""
    found: dict[str, Correction] = {}
    for correction in corrections:
        if correction.rate in found:
            raise InvalidValueError(f"the rate {correction.rate!r} is given two terms; give one that does both")
        found[correction.rate] = correction
    return found


def restored(
    model: AnyModel, entries: Sequence[Mapping[str, Any]], options: Mapping[str, Any], classes: Sequence[type[Model]],
    members: Callable[[type[Model], Mapping[str, Any]], Mapping[str, Any]],
) -> AnyModel:  # fmt: skip
    """Return a model with the learned terms a JSON text lists (their values are set afterwards).

    `members` turns saved names of Enum options back into members.

    Raises
    ------
    DataError
        If the text is damaged, or a term's class is not among `classes`.
    """
    found: dict[str, dict[Correction, Model]] = {}
    for entry in entries:
        try:
            correction, path, kind = Correction.from_dict(entry), str(entry["model"]), str(entry["term"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"the text lists a learned term that cannot be read ({error})") from None
        chosen = next((item for item in classes if item.__name__ == kind), None)
        if chosen is None:
            raise DataError(
                f"the text holds a learned term of class {kind!r} on {correction.rate!r}: pass terms=[{kind}] "
                "(those of twinkit are in tk.hybrid.TERMS)"
            )
        prefix = f"{path}.{correction.name}." if path else f"{correction.name}."
        own = {key[len(prefix) :]: value for key, value in options.items() if key.startswith(prefix)}
        found.setdefault(path, {})[correction] = chosen(members(chosen, own))
    for path, terms in found.items():
        if not path:
            model = model.with_terms(terms)
        else:
            part = dict(model.walk()).get(f"{path}.")
            if part is None:
                raise DataError(f"the text holds a learned term in {path!r}, which the model does not have")
            model = model.with_({path: part.with_terms(terms)})
    return model
