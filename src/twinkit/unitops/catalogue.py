"""What process models there are, as a table."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import twinkit.core as tk
from twinkit.core.description import first_line

_SOURCE = re.compile(r"^References\n-+\n(?P<text>(?:.+\n?)+)", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One process model.

    Attributes
    ----------
    name
        Its class in `twinkit.unitops`.
    what
        First line of its documentation.
    states
        Names of its states.
    source
        Publications it follows ('' where it names none: see the sources of its parameters).
    """

    name: str
    what: str
    states: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Catalogue:
    """The process models of a room; prints as a table.

    Attributes
    ----------
    entries
        One per model.
    """

    entries: tuple[Entry, ...]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __str__(self) -> str:
        width = max((len(entry.name) for entry in self.entries), default=0)
        return "\n".join(
            f"{entry.name.ljust(width)}  {entry.what}\n{' ' * width}  {len(entry.states)} states: "
            f"{', '.join(entry.states)}" + (f"\n{' ' * width}  {entry.source}" if entry.source else "")
            for entry in self.entries
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(cell)}</td>"
                for cell in (entry.name, entry.what, f"{len(entry.states)}: {', '.join(entry.states)}", entry.source)
            )
            + "</tr>"
            for entry in self.entries
        )
        return f"<table><tr><th>name</th><th>what</th><th>states</th><th>source</th></tr>{rows}</table>"


def catalogue(models: Iterable[type[tk.Model]]) -> Catalogue:
    """Return the table of some model classes whose parameters all have defaults."""
    return Catalogue(tuple(_entry(model) for model in models))


def _entry(model: type[tk.Model]) -> Entry:
    import inspect

    text = inspect.getdoc(model) or ""
    found = _SOURCE.search(text)
    source = " ".join(found["text"].split()) if found else ""
    states = tuple(entry.name for entry in model().layout.states)
    return Entry(model.__name__, first_line(text), states, source)
