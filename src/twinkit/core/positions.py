"""Single numbers of a model by name: a state, an algebraic variable, an output or an input, or one element of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinkit.core.errors import ShapeError, unknown_name
from twinkit.core.layout import Layout

if TYPE_CHECKING:
    from twinkit.core.model import Model


@dataclass(frozen=True)
class Position:
    """One number of a model: where it is and what it is called.

    Attributes
    ----------
    kind, index
        Which block of the layout, and where in it.
    label, unit
        Its name (``c[3]`` for one element of a vector) and its unit.
    bounds, scale
        Declared bounds and nominal magnitude.
    """

    kind: str
    index: int
    label: str
    unit: str
    bounds: tuple[float, float]
    scale: float = 1.0


def positions(layout: Layout, *, inputs: bool = False) -> dict[str, Position]:
    """Return every single number of states, algebraic variables and outputs (then `inputs`) by its label."""
    found: dict[str, Position] = {}
    for block in (layout.states, layout.algebraics, layout.outputs, *([layout.inputs] if inputs else [])):
        for entry in block:
            low, high = (float(bound) for bound in entry.variable.bounds)
            unit, scale = entry.variable.unit, entry.variable.scale
            for k, label in enumerate(entry.labels):
                found[label] = Position(block.kind, entry.start + k, label, unit, (low, high), scale)
    return found


def position(model: Model, name: str, *, inputs: bool = False) -> Position:
    """Return the position of a scalar output, state or algebraic variable (or input), or of one element.

    Raises
    ------
    UnknownNameError
        If there is none; names the nearest.
    ShapeError
        If the name is a vector's: name one element.
    """
    known = positions(model.layout, inputs=inputs)
    if name in known:
        return known[name]
    elements = [label for label in known if label.startswith(f"{name}[")]
    if elements:
        raise ShapeError(f"{name!r} has {len(elements)} elements; name one of them, such as {elements[0]!r}")
    what = "output, state or algebraic variable" + (" or input" if inputs else "")
    raise unknown_name(what, name, known, type(model).__name__)
