"""Lengths of vectors that depend on options: ``"n_cells"``, ``"reactions.n_species * n_cells"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from twinkit.core.errors import ModelDefinitionError, unknown_name

_FACTOR = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?")


def factors(shape: str) -> list[tuple[str, str]]:
    """Return the ``(option, attribute)`` pairs whose product a shape is; the attribute is '' for the option itself.

    Raises
    ------
    ModelDefinitionError
        If the text is not a product of options and their attributes.

    Examples
    --------
    >>> factors("reactions.n_species * n_cells")
    [('reactions', 'n_species'), ('n_cells', '')]
    """
    found: list[tuple[str, str]] = []
    for factor in shape.split("*"):
        text = factor.strip()
        if not _FACTOR.fullmatch(text):
            raise ModelDefinitionError(
                f"a shape is a length, an integer Option, or a product of options and their integer attributes such as "
                f"'reactions.n_species * n_cells', not {shape!r}"
            )
        option, _, attribute = text.partition(".")
        found.append((option, attribute))
    return found


def length(shape: str, options: Mapping[str, Any], where: str) -> int:
    """Return the length a shape stands for.

    Raises
    ------
    UnknownNameError
        If an option is not declared, or not an integer.
    ModelDefinitionError
        If an attribute is not a positive integer.

    Examples
    --------
    >>> length("n * m", {"n": 3, "m": 4}, "Pipe.c")
    12
    """
    product = 1
    for option, attribute in factors(shape):
        integers = [name for name, value in options.items() if type(value) is int]
        if option not in options or (not attribute and option not in integers):
            raise unknown_name("integer option", option, integers, f"{where} (shape)")
        value = getattr(options[option], attribute, None) if attribute else options[option]
        if type(value) is not int or value < 1:
            named = f"{option}.{attribute}" if attribute else option
            raise ModelDefinitionError(f"{where} (shape): {named} is no positive integer option, but {value!r}")
        product *= value
    return product
