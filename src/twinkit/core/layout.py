"""Where each named variable sits in the flat vectors that solvers work on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import unknown_name
from twinkit.core.variables import Variable


@dataclass(frozen=True)
class Field:
    """One variable in a block: its full (dotted) name, declaration, first position and length (None: scalar)."""

    name: str
    variable: Variable
    start: int
    size: int | None

    @property
    def width(self) -> int:
        """Number of positions taken."""
        return 1 if self.size is None else self.size

    @property
    def labels(self) -> list[str]:
        """One text per position: ``T``, or ``c[0]``, ``c[1]``, ..."""
        return [self.name] if self.size is None else [f"{self.name}[{i}]" for i in range(self.size)]


@dataclass(frozen=True)
class Block:
    """The variables of one kind, in order, as one flat vector."""

    kind: str
    fields: tuple[Field, ...]

    @classmethod
    def of(cls, kind: str, entries: Sequence[tuple[str, Variable, int | None]]) -> Block:
        """Lay out `(name, declaration, size)` entries one after the other."""
        fields: list[Field] = []
        position = 0
        for name, variable, size in entries:
            fields.append(Field(name, variable, position, size))
            position += 1 if size is None else size
        return cls(kind, tuple(fields))

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """Fields by full name."""
        return {entry.name: entry for entry in self.fields}

    @cached_property
    def size(self) -> int:
        """Length of the flat vector."""
        return sum(entry.width for entry in self.fields)

    @cached_property
    def labels(self) -> list[str]:
        """One text per position."""
        return [label for entry in self.fields for label in entry.labels]

    @cached_property
    def scales(self) -> npt.NDArray[np.float64]:
        """Nominal magnitude per position."""
        return self.pack({entry.name: entry.variable.scale for entry in self.fields})

    @cached_property
    def limits(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Lower and upper bound per position."""
        low = self.pack({entry.name: entry.variable.bounds[0] for entry in self.fields})
        return low, self.pack({entry.name: entry.variable.bounds[1] for entry in self.fields})

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __getitem__(self, name: str) -> Field:
        found = self.by_name.get(name)
        if found is None:
            raise unknown_name(self.kind, name, self.by_name)
        return found

    def split(self, vector: Any) -> dict[str, Any]:
        """Return the named parts of a flat vector (any array type that can be indexed and sliced)."""
        return {
            entry.name: vector[entry.start] if entry.size is None else vector[entry.start : entry.start + entry.size]
            for entry in self.fields
        }

    def pack(self, values: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """Return the flat vector of named values; scalars fill vectors."""
        vector = np.empty(self.size)
        for entry in self.fields:
            vector[entry.start : entry.start + entry.width] = values[entry.name]
        return vector


@dataclass(frozen=True)
class Layout:
    """All blocks of a model. Modes are held values, kept after the inputs in the solvers' `u` vector."""

    states: Block
    algebraics: Block
    inputs: Block
    modes: Block
    parameters: Block
    outputs: Block
    time_unit: str

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks in a fixed order."""
        return (self.states, self.algebraics, self.inputs, self.modes, self.parameters, self.outputs)

    def find(self, name: str, where: str = "") -> Field:
        """Return the field of any kind with this name.

        Raises
        ------
        UnknownNameError
            If there is none; names the nearest.
        """
        for block in self.blocks:
            if name in block:
                return block[name]
        raise unknown_name("variable", name, self.names, where)

    @property
    def names(self) -> list[str]:
        """Every full name."""
        return [entry.name for block in self.blocks for entry in block]

    def named(self, t: Any, x: Any, z: Any, u: Any, p: Any) -> dict[str, Any]:
        """Return name -> value from the flat vectors, with ``t`` for time; `u` holds inputs, then modes."""
        values = {"t": t, **self.states.split(x), **self.algebraics.split(z), **self.parameters.split(p)}
        values.update(self.inputs.split(u))
        count = self.inputs.size
        for entry in self.modes:
            begin = count + entry.start
            values[entry.name] = u[begin] if entry.size is None else u[begin : begin + entry.size]
        return values
