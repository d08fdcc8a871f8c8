"""The variables of an FMU: one table from which the description and the C tables are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core.layout import Block, Field, Layout
from twinkit.fmi._export.settings import FMIVersion
from twinkit.fmi._export.units import per_second

if TYPE_CHECKING:
    from twinkit.readings.c import CModel

_STRUCTURED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z", re.ASCII)
CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")


class Place(Enum):
    """In which vector of an instance the values of a variable are."""

    TIME = "time"
    STATE = "state"
    DERIVATIVE = "derivative"
    ALGEBRAIC = "algebraic"
    INPUT = "input"
    MODE = "mode"
    PARAMETER = "parameter"
    OUTPUT = "output"
    ROOT = "root"


@dataclass(frozen=True)
class Row:
    """One variable of the FMU; its value reference is its position in the table.

    Attributes
    ----------
    name, description, unit
        As the model declares them.
    place, offset, size
        Where its values are; `size` None for a single value.
    causality, variability, initial
        As FMI says it.
    start
        Values, where it has any.
    minimum, maximum, nominal
        Where declared.
    state
        Position in the table of the state whose derivative it is.
    """

    name: str
    place: Place
    offset: int
    size: int | None
    causality: str
    variability: str
    initial: str | None
    start: tuple[float, ...] | None = None
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    nominal: float | None = None
    description: str = ""
    state: int | None = None

    @property
    def width(self) -> int:
        """Number of values."""
        return 1 if self.size is None else self.size


@dataclass(frozen=True)
class Starts:
    """Values at the start, as flat vectors: states, algebraic variables, inputs, modes, parameters."""

    x: Any
    z: Any
    u: Any
    modes: Any
    p: Any


def variable_table(reading: CModel, starts: Starts, version: FMIVersion, tunable: frozenset[str]) -> tuple[Row, ...]:
    """Return all variables: time, inputs, outputs, states, derivatives, algebraic variables, modes, parameters."""
    layout, split = reading.layout, version is FMIVersion.FMI2
    roles = [
        (layout.inputs, Place.INPUT, "input", "continuous", None, starts.u),
        (layout.outputs, Place.OUTPUT, "output", "continuous", "calculated", None),
        (layout.states, Place.STATE, "output", "continuous", "exact", starts.x),
        (layout.algebraics, Place.ALGEBRAIC, "output", "continuous", "approx", starts.z),
        (layout.modes, Place.MODE, "local", "discrete", "exact", starts.modes),
        (layout.parameters, Place.PARAMETER, "parameter", "fixed", "exact", starts.p),
    ]
    rows = [_time(layout)]
    for block, place, causality, variability, initial, values in roles:
        for row in _block(block, place, causality, variability, initial, values):
            made = _varied(row, "tunable") if row.name in tunable else row
            rows += _scalars(made) if split else [made]
        if place is Place.STATE:
            first = next((i for i, row in enumerate(rows) if row.place is Place.STATE), 0)
            rows += [_derivative(rows[i], i) for i in range(first, len(rows)) if rows[i].place is Place.STATE]
    if version is FMIVersion.FMI3:  # there, event indicators are variables
        rows += _indicators(reading, {row.name for row in rows})
    return tuple(rows)


def is_structured(rows: tuple[Row, ...]) -> bool:
    """Whether all names follow FMI's structured naming convention."""
    bare = (re.sub(r"\[\d+\]", "", re.sub(r"^der\((.*)\)$", r"\1", row.name)) for row in rows)
    return all(_STRUCTURED.match(name) for name in bare)


def _time(layout: Layout) -> Row:
    name = _free("time", set(layout.names))
    return Row(name, Place.TIME, 0, None, "independent", "continuous", None, unit="s", description="simulation time")


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _block(
    block: Block, place: Place, causality: str, variability: str, initial: str | None, values: Any
) -> Iterator[Row]:
    for entry in block:
        low, high = entry.variable.bounds
        yield Row(
            entry.name, place, entry.start, entry.size, causality, variability, initial,
            None if values is None else _numbers(values, entry), entry.variable.unit,
            _finite(low), _finite(high), _nominal(entry, place), CONTROL.sub(" ", entry.variable.doc),
        )  # fmt: skip


def _numbers(values: Any, entry: Field) -> tuple[float, ...]:
    return tuple(float(value) for value in np.asarray(values)[entry.start : entry.start + entry.width])


def _finite(bound: Any) -> float | None:
    return float(bound) if np.isfinite(bound) else None


def _nominal(entry: Field, place: Place) -> float | None:
    """Return the scale that twinkit works with, where the variable is solved for; else the declared one."""
    if place in (Place.STATE, Place.ALGEBRAIC):
        return entry.variable.scale
    return None if place is Place.MODE else entry.variable.nominal


def _varied(row: Row, variability: str) -> Row:
    return replace(row, variability=variability)


def _scalars(row: Row) -> list[Row]:
    """Return one row per element, named ``c[1]``, ``c[2]``, ... (FMI 2 has no arrays)."""
    if row.size is None:
        return [row]
    return [
        replace(
            row, name=f"{row.name}[{i + 1}]", offset=row.offset + i, size=None,
            start=None if row.start is None else (row.start[i],),
        )
        for i in range(row.size)
    ]  # fmt: skip


def _derivative(state: Row, position: int) -> Row:
    return Row(
        f"der({state.name})", Place.DERIVATIVE, state.offset, state.size, "local", "continuous", "calculated",
        unit=per_second(state.unit), state=position, description=f"derivative of {state.name} by time",
    )  # fmt: skip


def _indicators(reading: CModel, taken: set[str]) -> list[Row]:
    count = reading.depends.shape[0] - sum(
        block.size for block in (reading.layout.states, reading.layout.algebraics, reading.layout.outputs)
    )
    return [
        Row(
            _free(f"events.{name}", taken), Place.ROOT, i, None, "local", "continuous", "calculated",
            description=f"changes its sign where event {name} happens",
        )
        for i, name in enumerate(reading.happenings[:count])
    ]  # fmt: skip


def dependencies(reading: CModel, rows: tuple[Row, ...], *, initial: bool = False) -> Mapping[int, tuple[int, ...]]:
    """Return, for outputs, derivatives and event indicators, the positions of the variables they depend on.

    Those are time, states and inputs; at initialization, parameters and modes too. Algebraic variables are seen
    through: what they depend on counts. Those that share an equation are taken to depend on everything that any of
    them depends on.
    """
    layout = reading.layout
    nx, nz, ny = layout.states.size, layout.algebraics.size, layout.outputs.size
    full, columns = reading.depends.dense, list(range(1 + nx, 1 + nx + nz))
    direct, by_z = np.delete(full, columns, 1), full[:, columns]
    through = _solved(by_z[nx : nx + nz], direct[nx : nx + nz])
    total = direct | (by_z.astype(int) @ through.astype(int) > 0)
    itself = np.eye(total.shape[1], dtype=bool)[1 : 1 + nx]
    parts = {
        Place.DERIVATIVE: total[:nx], Place.ALGEBRAIC: through, Place.OUTPUT: total[nx + nz : nx + nz + ny],
        Place.ROOT: total[nx + nz + ny :], Place.STATE: itself,
    }  # fmt: skip
    begin = {Place.TIME: 0, Place.STATE: 1, Place.INPUT: 1 + nx}
    if initial:
        begin[Place.MODE] = 1 + nx + layout.inputs.size
        begin[Place.PARAMETER] = begin[Place.MODE] + layout.modes.size
    span = {
        j: slice(begin[row.place] + row.offset, begin[row.place] + row.offset + row.width)
        for j, row in enumerate(rows) if row.place in begin
    }  # fmt: skip
    found: dict[int, tuple[int, ...]] = {}
    for i, row in enumerate(rows):
        if row.place in parts:
            used = parts[row.place][row.offset : row.offset + row.width].any(axis=0)
            found[i] = tuple(j for j, columns_of in span.items() if used[columns_of].any())
    return found


def _solved(couplings: Any, direct: Any) -> Any:
    """Return what each algebraic variable depends on, once the residuals are solved for them."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    count = len(couplings)
    result = np.zeros((count, direct.shape[1]), dtype=bool)
    if not count:
        return result
    zero = np.zeros((count, count), dtype=bool)
    graph = csr_array(np.block([[zero, couplings], [couplings.T, zero]]))  # residuals, then variables
    _, label = connected_components(graph, directed=False)
    for j in range(count):
        result[j] = direct[label[:count] == label[count + j]].any(axis=0)
    return result
