"""The model: variables declared once with units, equations stated once, read in many ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, cast

import numpy as np

from twinkit.core import definition, model_text
from twinkit.core.description import Description, describe
from twinkit.core.errors import FrozenModelError, InvalidValueError, ModelDefinitionError, unknown_name
from twinkit.core.evaluate import evaluating
from twinkit.core.identity import digest
from twinkit.core.lengths import factors, length
from twinkit.core.parameter_set import ParameterSet
from twinkit.core.providers import provided
from twinkit.core.structure import Structure, structure_of
from twinkit.core.terms import AnyModel, Correction, check_term, gathered
from twinkit.core.units import affine, unit_label
from twinkit.core.variables import Option, Value, Variable

if TYPE_CHECKING:
    from twinkit.core.layout import Layout

BalanceRule: TypeAlias = Callable[[Any, Any], Any]


class _SubmodelSlot:
    """Descriptor of a sub-model: the default instance on the class, the instance's own on an instance."""

    def __init__(self, name: str, default: Model) -> None:
        self.name = name
        self.default = default

    def __get__(self, instance: Model | None, owner: type) -> Model:
        return self.default if instance is None else instance.submodels[self.name]


class Model:
    """Base of every process model.

    A subclass declares variables as class attributes, sets `time_unit`, and defines
    ``equations(self, v, m)``: `v` gives the variables (and `v.t`), `m` the mathematics. It returns one dict:
    a state's name -> its derivative per `time_unit`, an algebraic variable's name -> its residual, an output's
    name -> its value. A class attribute that is a model is a sub-model, connected by calling it:
    ``jacket = v.jacket(T_vessel=v.T)``. `conserved` declares balances by name, `plotted` the variables that a solution
    draws by itself; `streams` says which variables make a material stream in a graph: ``{"inlet": {"flow": "F",
    "temperature": "T_in", "composition": "c_in"}}``.

    Parameters
    ----------
    changes
        Values by full name, for sub-models: ``{"jacket.U": "300 W/m**2/K"}``.
    **values
        Values by name: parameters, initial values of states, defaults of inputs, options, sub-models. Numbers
        are in the declared unit; texts and quantities carry their own.

    Raises
    ------
    UnknownNameError, UnitError, BoundsError, ShapeError, InvalidValueError
        For a name that is not declared, or a value that does not fit its declaration.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=1.0, doc="concentration")
    ...     k = tk.Parameter("1/h", 0.5, bounds=(0, None), source="illustrative")
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> Decay(k="12 1/day").k
    0.5
    >>> Decay().with_(c="2000 mg/L").c
    2.0
    """

    time_unit: ClassVar[str] = "s"
    conserved: ClassVar[Mapping[str, BalanceRule]] = {}
    plotted: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    declared: ClassVar[Mapping[str, Variable]] = {}
    option_declarations: ClassVar[Mapping[str, Option]] = {}
    _slots: ClassVar[Mapping[str, _SubmodelSlot]] = {}

    # -- the class ---------------------------------------------------------------------------------------------
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        bases = [base for base in reversed(cls.__mro__[1:]) if issubclass(base, Model)]
        declared = {name: variable for base in bases for name, variable in base.declared.items()}
        options = {name: option for base in bases for name, option in base.option_declarations.items()}
        slots = {name: slot for base in bases for name, slot in base._slots.items()}
        for name, attribute in list(vars(cls).items()):
            if isinstance(attribute, (Variable, Option, Model)):
                definition.check_name(cls, name, vars(Model))
                for kind in (declared, options, slots):
                    kind.pop(name, None)
            elif name in declared or name in options or name in slots:
                raise ModelDefinitionError(
                    f"{cls.__name__}.{name} = {attribute!r} would hide the declaration it inherits: write "
                    f"{name} = Base.{name}.altered(default=...), or give the value when the instance is made"
                )
            if isinstance(attribute, Variable):
                if attribute.label != name:
                    raise ModelDefinitionError(
                        f"{cls.__name__}: one declaration cannot have two names ({attribute.label!r}, {name!r}): "
                        "declare each variable separately"
                    )
                declared[name] = attribute
            elif isinstance(attribute, Option):
                options[name] = attribute
            elif isinstance(attribute, Model):
                slots[name] = _SubmodelSlot(name, attribute)
                setattr(cls, name, slots[name])
        cls.declared = declared
        cls.option_declarations = options
        cls._slots = slots
        affine(cls.time_unit, "s")
        definition.name_redeclared(cls)
        definition.check_plotted(cls)
        definition.check_shapes(cls)
        if cls.equations is not Model.equations:
            definition.check_source(cls, Model)

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return derivatives, residuals and outputs by name; every model defines this."""
        del v, m
        raise ModelDefinitionError(f"{type(self).__name__} does not define equations(self, v, m)")

    def events(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return declared events and schedules by name (none unless a model defines them)."""
        del v, m
        return {}

    # -- the instance ------------------------------------------------------------------------------------------
    __values: dict[str, Value]
    __options: dict[str, Any]
    __children: dict[str, Model]
    __corrections: dict[str, Correction]
    __terms: dict[str, Model]

    def __init__(self, changes: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        self._fill({**(changes or {}), **values}, {}, {})

    def _fill(
        self, given: Mapping[str, Any], corrections: Mapping[str, Correction], terms: Mapping[str, Model]
    ) -> None:
        object.__setattr__(self, "_Model__corrections", dict(corrections))
        object.__setattr__(self, "_Model__terms", dict(terms))
        # Variables that another tool has named may have dots, too.
        own = {name: value for name, value in given.items() if "." not in name or name in self.declared}
        for name in own:
            known = (self.declared, self.option_declarations, self._slots, terms)
            if not any(name in names for names in known):
                raise unknown_name("parameter", name, self._settable(), type(self).__name__)
        self._fill_options(own)
        self._fill_children(own, given)
        self._fill_values(own)

    def _settable(self) -> list[str]:
        names = [name for name, variable in self.declared.items() if variable.kind != "output"]
        return [*names, *self.option_declarations, *self._slots, *self.__terms]

    def _fill_options(self, own: Mapping[str, Any]) -> None:
        options: dict[str, Any] = {}
        for name, option in self.option_declarations.items():
            raw = own.get(name, option.default)
            options[name] = option.check(raw, f"option {name!r} of {type(self).__name__}")
        object.__setattr__(self, "_Model__options", options)
        changed = {
            name: variable
            for key, option in self.option_declarations.items()
            for name, variable in option.redeclares.get(options[key], {}).items()
        }
        if changed:
            object.__setattr__(self, "declared", MappingProxyType({**type(self).declared, **changed}))

    def _fill_children(self, own: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        children: dict[str, Model] = {}
        defaults = {name: slot.default for name, slot in self._slots.items()} | self.__terms
        for name, default in defaults.items():
            child = own.get(name, default)
            if not isinstance(child, type(default)):
                raise InvalidValueError(
                    f"sub-model {name!r} of {type(self).__name__} must be a {type(default).__name__}, not {child!r}"
                )
            nested = {key[len(name) + 1 :]: value for key, value in given.items() if key.startswith(f"{name}.")}
            children[name] = child.with_(nested) if nested else child
        for key in given:
            if "." in key and key not in own and key.split(".", 1)[0] not in children:
                dotted = [name for name in self.declared if "." in name]
                what = ("variable", key, dotted) if dotted else ("sub-model", key.split(".", 1)[0], children)
                raise unknown_name(*what, type(self).__name__)
        object.__setattr__(self, "_Model__children", children)

    def _fill_values(self, own: Mapping[str, Any]) -> None:
        values: dict[str, Value] = {}
        missing: list[str] = []
        for name, variable in self.declared.items():
            what = f"{variable.kind} {name!r} of {type(self).__name__}"
            if variable.kind == "output":
                if name in own:
                    raise InvalidValueError(f"{what} is computed by the equations and cannot be set")
                continue
            raw = own.get(name, variable.default)
            if raw is None:
                if variable.kind == "parameter":
                    missing.append(name)
                continue
            values[name] = variable.check(raw, self.size_of(variable), what)
        if missing:
            raise InvalidValueError(f"{type(self).__name__} needs a value for {', '.join(map(repr, missing))}")
        object.__setattr__(self, "_Model__values", values)

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenModelError(f"{type(self).__name__} is frozen: use model.with_({name}=...) to get a changed copy")

    def __delattr__(self, name: str) -> None:
        raise FrozenModelError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")

    def values_of(self, name: str) -> Any:
        """Return the value this instance holds for a variable or option (None: it has none)."""
        if name in self.__options:
            return self.__options[name]
        _not_while_evaluating(f"{type(self).__name__}.{name}", f"v.{name}")
        return self.__values.get(name)

    def size_of(self, variable: Variable) -> int | None:
        """Return the length of a variable in this instance, None for a scalar."""
        if isinstance(variable.shape, str):
            return length(variable.shape, self.__options, f"{type(self).__name__}.{variable.label}")
        return variable.shape

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of this instance, by name."""
        return dict(self.__options)

    @property
    def submodels(self) -> Mapping[str, Model]:
        """The sub-models of this instance, by name."""
        return MappingProxyType(self.__children)

    @property
    def corrections(self) -> Mapping[str, Correction]:
        """Learned terms in this model's own equations, by the rate they correct."""
        return MappingProxyType(self.__corrections)

    @property
    def named_rates(self) -> dict[str, str]:
        """Rates the equations name, sub-models included -> their unit, found by the dimensions reading."""
        return cast("dict[str, str]", provided("rate_units")(self))

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Model]]:
        """Yield ``(prefix, model)`` for this model and all sub-models, itself first."""
        yield prefix, self
        for name, child in self.__children.items():
            yield from child.walk(f"{prefix}{name}.")

    def values(self) -> dict[str, Value]:
        """Return full name -> value for every variable that has one, sub-models included."""
        _not_while_evaluating(f"{type(self).__name__}.values()", "v")
        return {prefix + name: value for prefix, part in self.walk() for name, value in part.__values.items()}

    @property
    def structure(self) -> Structure:
        """Layout, identity and incidence (worked out once per class and options)."""
        return structure_of(self)

    @property
    def structure_key(self) -> tuple[Any, ...]:
        """What the structure depends on: the class, the options, and the same of the sub-models."""
        children = tuple((name, child.structure_key) for name, child in self.__children.items())
        return (type(self), tuple(self.__options.items()), children, tuple(self.__corrections.values()))

    @property
    def layout(self) -> Layout:
        """Positions of all variables in the flat vectors."""
        return self.structure.layout

    @property
    def parameters(self) -> dict[str, Value]:
        """Parameter values by full name."""
        values = self.values()
        return {entry.name: values[entry.name] for entry in self.layout.parameters}

    def with_(self, changes: Mapping[str, Any] | ParameterSet | None = None, /, **values: Any) -> Self:
        """Return a copy with some values changed (see the class for what is accepted; a parameter set is, too)."""
        if isinstance(changes, ParameterSet):
            applied = changes.apply(self)
            return applied.with_(values) if values else applied
        current = {**self.__values, **self.__options, **self.__children}
        given = {**(changes or {}), **values}
        # Changing a length re-makes vectors from their declarations unless they are given too.
        resized = {name for name in given if name in self.option_declarations and given[name] != self.__options[name]}
        for name, variable in self.declared.items():
            if isinstance(variable.shape, str) and resized & {option for option, _ in factors(variable.shape)}:
                current.pop(name, None)
        # So are variables that another choice declares in another way.
        for option in (self.option_declarations[name] for name in resized):
            for name in {name for declarations in option.redeclares.values() for name in declarations}:
                current.pop(name, None)
        return _made(type(self), {**current, **given}, self.__corrections, self.__terms)

    def with_terms(self, terms: Mapping[Correction, Model]) -> Self:
        """Return a copy whose named rates are corrected by learned terms, in place of any it has.

        Parameters
        ----------
        terms
            What is corrected and how -> the term: a model with a vector input ``x`` and an output ``value``. The term
            becomes the sub-model ``<rate>_term``.

        Raises
        ------
        InvalidValueError, UnknownNameError, ModelDefinitionError
            If a term does not fit, or the equations name no such rate.
        """
        corrections = gathered(list(terms))
        models: dict[str, Model] = {}
        for correction, term in terms.items():
            check_term(term, correction)
            if correction.name in {*self.declared, *self.option_declarations, *self._slots}:
                raise InvalidValueError(
                    f"the term on {correction.rate!r} would be called {correction.name!r}, and "
                    f"{type(self).__name__} has something of that name already"
                )
            models[correction.name] = term
        current = {name: value for name, value in self.__children.items() if name in self._slots}
        made = _made(type(self), {**self.__values, **self.__options, **current, **models}, corrections, models)
        _ = made.structure  # the rates are named, and nothing is read before it is known
        return made

    # -- identity ----------------------------------------------------------------------------------------------
    @property
    def definition_hash(self) -> str:
        """SHA-256 of the declarations and of what the equations compute, helper functions included."""
        return self.structure.definition_hash

    @property
    def content_hash(self) -> str:
        """SHA-256 of definition and values: two models with the same hash give the same results."""
        return digest({"definition": self.definition_hash, "values": self.values()})

    def _identity(self) -> tuple[Any, ...]:
        values = tuple((name, np.asarray(value).tobytes()) for name, value in sorted(self.values().items()))
        return (self.structure_key, values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> tuple[Any, ...]:
        values = {**self.__values, **self.__options, **self.__children}
        return (_made, (type(self), values, self.__corrections, self.__terms))

    # -- JSON --------------------------------------------------------------------------------------------------
    def to_json(self) -> str:
        """Return this model as JSON text: class name, definition hash and every value, with units."""
        return model_text.written(self)

    @classmethod
    def from_json(cls, text: str, *, allow_changed_definition: bool = False, terms: Sequence[type[Model]] = ()) -> Self:
        """Return the model a JSON text describes.

        Parameters
        ----------
        text
            What `to_json` wrote. The class is never imported from the text: call it on the class that wrote it.
        allow_changed_definition
            Accept values saved with another version of the equations.
        terms
            Classes of the learned terms that the text may hold (``tk.hybrid.TERMS``).

        Raises
        ------
        DataError
            If the text is not such a document, belongs to another class, or to another definition.
        """
        return model_text.read(cls, text, allow_changed_definition=allow_changed_definition, terms=terms)

    # -- looks -------------------------------------------------------------------------------------------------
    def show(self) -> Any:
        """Return the equations as mathematics (rendered in Jupyter, LaTeX as text)."""
        return provided("show")(self)

    def __repr__(self) -> str:
        parts: list[str] = []
        for name, value in [*self.__options.items(), *self.__values.items()]:
            default = self._default_of(name)
            if default is None or not _holds(value, default):
                unit = self.declared[name].unit if name in self.declared else ""
                parts.append(f"{name}={_short(value, unit)}")
        parts.extend(
            f"{name}={child!r}"
            for name, child in self.__children.items()
            if name not in self._slots or child != self._slots[name].default
        )
        return f"{type(self).__name__}({', '.join(parts)})"

    def _default_of(self, name: str) -> Any:
        return (self.declared.get(name) or self.option_declarations[name]).default

    def describe(self) -> Description:
        """Return a table of the variables with units, values, bounds and sources (rendered in Jupyter).

        Examples
        --------
        >>> from twinkit.unitops import CoolingJacket
        >>> print(CoolingJacket().describe())  # doctest: +ELLIPSIS
        CoolingJacket: Well-mixed cooling jacket around a vessel (energy balance, constant properties).
        kind       name      value  unit               bounds        what ...
        state      T         20     ...
        """
        return describe(self)

    def _repr_html_(self) -> str:
        return self.describe()._repr_html_()  # pyright: ignore[reportPrivateUsage]


def _not_while_evaluating(what: str, instead: str) -> None:
    if evaluating():
        raise ModelDefinitionError(
            f"{what} is read while the equations are evaluated, which would freeze today's value into them for every "
            f"instance; use {instead}"
        )


def _made(
    cls: type[AnyModel], values: Mapping[str, Any], corrections: Mapping[str, Correction], terms: Mapping[str, Model]
) -> AnyModel:
    if not corrections:
        return cls(values)
    model = cls.__new__(cls)
    model._fill(values, corrections, terms)  # pyright: ignore[reportPrivateUsage]
    return model


def _holds(value: Any, default: Any) -> bool:
    """Return whether a value is the declared one; a single number fills a vector."""
    given, standard = np.asarray(value), np.asarray(default)
    return standard.shape in {(), given.shape} and bool(np.all(given == standard))


def _short(value: Any, unit: str) -> str:
    text = f"array({np.size(cast('Any', value))})" if isinstance(value, np.ndarray) else repr(value)
    label = unit_label(unit) if unit else ""
    return f"'{text} {label}'" if label else text
