"""What is checked when the class of a model is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twinkit.core.errors import ModelDefinitionError, unknown_name
from twinkit.core.lengths import length
from twinkit.core.source_check import Names, check_equations

if TYPE_CHECKING:
    from twinkit.core.model import Model

_RESERVED = {"t"}
_REQUIRED_KINDS = ("state", "algebraic", "output")


def check_name(cls: type[Model], name: str, taken: Iterable[str]) -> None:
    """Raise if a declaration has a name that a model has use for itself."""
    if name in _RESERVED or name.startswith("_") or name in taken:
        raise ModelDefinitionError(f"{cls.__name__}.{name}: this name is taken by Model itself; choose another")


def name_redeclared(cls: type[Model]) -> None:
    """Give what options redeclare its names; raise if it takes the place of nothing."""
    for key, option in cls.option_declarations.items():
        for declarations in option.redeclares.values():
            for name, variable in declarations.items():
                if name not in cls.declared:
                    raise unknown_name("variable", name, cls.declared, f"redeclares of {cls.__name__}.{key}")
                variable.__set_name__(cls, name)
                if variable.label != name:
                    raise ModelDefinitionError(
                        f"{cls.__name__}.{key}: one declaration cannot have two names ({variable.label!r}, {name!r})"
                    )


def check_plotted(cls: type[Model]) -> None:
    """Raise if `plotted` names what no run has."""
    for name in cls.plotted:
        if "." not in name and (name not in cls.declared or cls.declared[name].kind == "parameter"):
            raise unknown_name("variable", name, cls.declared, f"{cls.__name__}.plotted")


def check_shapes(cls: type[Model]) -> None:
    """Raise if a shape is no length."""
    defaults = {name: option.default for name, option in cls.option_declarations.items()}
    for name, variable in cls.declared.items():
        if isinstance(variable.shape, str):
            length(variable.shape, defaults, f"{cls.__name__}.{name}")


def check_source(cls: type[Model], base: type[Model]) -> None:
    """Raise if the text of the equations or events says what cannot be meant."""
    variables = {*cls.declared, *cls.option_declarations, *cls._slots, "t"}  # pyright: ignore[reportPrivateUsage]
    targets = [name for name, variable in cls.declared.items() if variable.kind in _REQUIRED_KINDS]
    names = Names(variables, {*cls.option_declarations, *cls._slots}, targets, targets)  # pyright: ignore[reportPrivateUsage]
    for function in ("equations", "events"):
        method = getattr(cls, function)
        if method is not getattr(base, function):
            check_equations(cls.__name__, method, names)
