"""What happens to a value on its way: conversion of units, linear transformations, tables of values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from twinkit.core.errors import UnitError
from twinkit.core.units import affine
from twinkit.fmi.description import BaseUnit as SIUnit
from twinkit.fmi.foreign import unit_of
from twinkit.graph.ssp._xml import read_flag, read_integer
from twinkit.graph.ssp.errors import SSPFileError
from twinkit.graph.ssp.structure import (
    Enumeration,
    LinearTransformation,
    MappingKind,
    MappingTransformation,
    Transformation,
    Unit,
)


@dataclass(frozen=True)
class Affine:
    """``scale * value + offset``."""

    scale: float = 1.0
    offset: float = 0.0

    def __call__(self, value: float) -> float:
        return self.scale * value + self.offset


@dataclass(frozen=True)
class Lookup:
    """A table of numbers; what is not in it stays as it is."""

    table: tuple[tuple[float, float], ...]

    def __call__(self, value: float) -> float:
        return dict(self.table).get(float(value), float(value))


Step = Affine | Lookup


def combined(steps: Sequence[Step]) -> list[Step]:
    """Return the same steps with neighbouring linear ones made one, and those that change nothing left out."""
    found: list[Step] = []
    for step in steps:
        last = found[-1] if found else None
        if isinstance(step, Affine) and isinstance(last, Affine):
            found[-1] = Affine(step.scale * last.scale, step.scale * last.offset + step.offset)
        else:
            found.append(step)
    return [step for step in found if step not in (Affine(), Lookup(()))]


def apply(steps: Sequence[Step], value: float) -> float:
    """Return a value after all steps."""
    for step in steps:
        value = step(value)
    return value


@dataclass(frozen=True)
class FileUnit:
    """A unit of a file: a unit of twinkit, and how numbers get there where it is not that unit itself."""

    text: str
    to: Affine = Affine()


def file_unit(name: str, base: SIUnit | None) -> FileUnit | None:
    """Return a unit by name and definition; None for one that is neither known nor defined."""
    text, note = unit_of(name, base)
    if not note:
        return FileUnit(text)
    if base is None or not base.factor:
        return None
    si = "*".join(f"{symbol}**{power}" for symbol, power in base.exponents.items() if power)
    return FileUnit(si, Affine(base.factor, base.offset))


class Units:
    """The units of a file by name.

    Parameters
    ----------
    units
        As the file defines them.
    what
        The file, for messages.
    """

    def __init__(self, units: Sequence[Unit], what: str) -> None:
        self._what = what
        self._units: dict[str, Unit] = {unit.name: unit for unit in units}

    def find(self, name: str | None) -> FileUnit | None:
        """Return the unit of a name; None where none is given.

        Raises
        ------
        SSPFileError
            For a unit that is neither defined in the file nor known.
        """
        if name is None:
            return None
        declared = self._units.get(name)
        base = None if declared is None else declared.base_unit
        found = file_unit(name, None if base is None else SIUnit(base.exponents, base.factor, base.offset))
        if found is None:
            raise SSPFileError(f"{self._what}: unit {name!r} is neither defined there nor known")
        return found


def conversion(source: FileUnit | None, target: FileUnit | None, what: str) -> Affine:
    """Return the conversion between two units; numbers stay as they are where one of them is not known."""
    if source is None or target is None or source == target:
        return Affine()
    try:
        between = Affine(*affine(source.text, target.text))
    except UnitError as error:
        raise SSPFileError(f"{what}: {error}") from None
    last = Affine(1.0 / target.to.scale, -target.to.offset / target.to.scale)
    steps = combined([source.to, between, last])
    return Affine() if not steps else steps[0]  # type: ignore[return-value]


Items = Mapping[str, float]
"""Name of an enumeration's item -> its number."""


def items_of(enumerations: Sequence[Enumeration], name: str | None) -> Items:
    """Return the items of an enumeration of a file; none where it is not known."""
    found = next((enumeration for enumeration in enumerations if enumeration.name == name), None)
    return {} if found is None else {item.name: float(item.value) for item in found.items}


def step_of(transformation: Transformation | None, source: Items, target: Items, what: str) -> Step:
    """Return a transformation as a step on numbers.

    Parameters
    ----------
    transformation
        As declared; None: nothing.
    source, target
        Items of the enumerations on both sides, for tables of their names.
    what
        Where it stands, for messages.
    """
    if transformation is None:
        return Affine()
    if isinstance(transformation, LinearTransformation):
        return Affine(transformation.factor, transformation.offset)
    return _lookup(transformation, source, target, what)


def _lookup(mapping: MappingTransformation, source: Items, target: Items, what: str) -> Lookup:
    def number(items: Items) -> Callable[[str], float]:
        def find(name: str) -> float:
            if name not in items:
                known = ", ".join(items) or "none"
                raise SSPFileError(f"{what}: {name!r} is no item of the enumeration (known: {known})")
            return items[name]

        return find

    readers = {
        MappingKind.BOOLEAN: (lambda text: float(read_flag(text)),) * 2,
        MappingKind.INTEGER: (lambda text: float(read_integer(text)),) * 2,
        MappingKind.ENUMERATION: (number(source), number(target)),
    }
    before, after = readers[mapping.kind]
    table = [(before(entry.source), after(entry.target)) for entry in mapping.entries]
    if len({key for key, _ in table}) != len(table):
        raise SSPFileError(f"{what}: a value is mapped twice")
    return Lookup(tuple(table))
