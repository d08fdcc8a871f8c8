"""What a model consists of, as a table: text, or HTML in a notebook."""

from __future__ import annotations

import html
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core.units import unit_label

if TYPE_CHECKING:
    from twinkit.core.layout import Field
    from twinkit.core.model import Model

_COLUMNS = ("kind", "name", "value", "unit", "bounds", "what", "source")


@dataclass(frozen=True)
class Row:
    """One variable, in words.

    Attributes
    ----------
    kind
        State, algebraic, input, mode, parameter or output.
    name
        Full name.
    value
        Value of this instance ('' where it has none).
    unit
        Short form of its unit.
    bounds
        Such as ``0 .. 10``; an open side is left out.
    doc, source
        As declared.
    """

    kind: str
    name: str
    value: str
    unit: str
    bounds: str
    doc: str
    source: str


@dataclass(frozen=True)
class Description:
    """The variables of a model with units, values, bounds and sources.

    Attributes
    ----------
    title, summary
        Name of the model and the first line of its documentation.
    content_hash
        Of the model described.
    rows
        One per variable, sub-models included.
    """

    title: str
    summary: str
    content_hash: str
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        table = [_COLUMNS, *(astuple(row) for row in self.rows)]
        widths = [max(len(cells[k]) for cells in table) for k in range(len(_COLUMNS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in table]
        return "\n".join([f"{self.title}: {self.summary}", *(line.rstrip() for line in lines)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in astuple(row)) + "</tr>"
            for row in self.rows
        )
        return (
            f"<div><b>{html.escape(self.title)}</b> {html.escape(self.summary)}<br><small>content hash "
            f"{self.content_hash[:12]}</small><table><tr>{head}</tr>{rows}</table></div>"
        )


def first_line(text: str | None) -> str:
    """Return the first line of a documentation text, '' where there is none."""
    return (text or "").strip().partition("\n")[0]


def describe(model: Model) -> Description:
    """Return the table of a model's variables."""
    values = model.values()
    rows = tuple(_row(entry, values.get(entry.name)) for block in model.layout.blocks for entry in block)
    return Description(type(model).__name__, first_line(type(model).__doc__), model.content_hash, rows)


def _row(entry: Field, value: Any) -> Row:
    variable = entry.variable
    text = "" if value is None else (f"{value:.6g}" if isinstance(value, float) else f"{np.size(value)} values")
    low, high = (f"{bound:g}" if np.isfinite(bound) else "" for bound in variable.bounds)
    bounds = f"{low} .. {high}" if low or high else ""
    return Row(variable.kind, entry.name, text, unit_label(variable.unit), bounds, variable.doc, variable.source)
