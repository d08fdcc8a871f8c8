"""What the descriptions of FMI 2.0 and 3.0 have in common."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from twinkit._version import __version__
from twinkit.fmi._export.table import CONTROL, Place, Row, is_structured
from twinkit.fmi._export.tables import Content
from twinkit.fmi._export.units import base_unit

LOG_CATEGORIES = {
    "logStatusError": "what made a call fail",
    "logStatusDiscard": "why a point cannot be evaluated; a smaller step may help",
}
SOURCE = "fmu.c"


@dataclass(frozen=True)
class Header:
    """What stands in the description beside the variables.

    Attributes
    ----------
    identifier
        C identifier: name of the library.
    description
        One line.
    provenance
        What the FMU was made from.
    stop
        End of the default experiment, in seconds.
    date
        Of generation; left out where None, so that the same model gives the same bytes.
    """

    identifier: str
    description: str
    provenance: Mapping[str, str]
    stop: float | None
    date: datetime | None


def text_of(root: ET.Element) -> str:
    """Return an element as an XML document."""
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def plain(text: str) -> str:
    """Return a text without characters that XML cannot hold."""
    return CONTROL.sub(" ", text).encode("utf-8", "replace").decode("utf-8")


def attributes(**given: Any) -> dict[str, str]:
    """Return attributes as texts; those that are None are left out.

    Examples
    --------
    >>> attributes(start=0.1, stop=None, exact=True)
    {'start': '0.1', 'exact': 'true'}
    """
    return {name: _attribute(value) for name, value in given.items() if value is not None}


def _attribute(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return " ".join(map(_attribute, value))
    return repr(float(value)) if isinstance(value, float) else plain(str(value))


def root_of(content: Content, header: Header, **own: str) -> ET.Element:
    """Return the root element with what both versions say."""
    date = None if header.date is None else header.date.strftime("%Y-%m-%dT%H:%M:%SZ")
    naming = "structured" if is_structured(content.rows) else "flat"
    common = attributes(
        modelName=content.name, description=header.description or None, generationTool=f"twinkit {__version__}",
        generationDateAndTime=date, variableNamingConvention=naming,
    )  # fmt: skip
    return ET.Element("fmiModelDescription", {"fmiVersion": content.version.value, **own, **common})


def add_units(root: ET.Element, rows: Sequence[Row]) -> None:
    """Add the definitions of all units that occur."""
    names = list(dict.fromkeys(row.unit for row in rows if row.unit))
    definitions = ET.SubElement(root, "UnitDefinitions")
    for name in names:
        unit, base = ET.SubElement(definitions, "Unit", {"name": plain(name)}), base_unit(name)
        if base is not None:
            factor = None if base.factor == 1.0 else base.factor
            shift = None if base.offset == 0.0 else base.offset
            ET.SubElement(unit, "BaseUnit", attributes(**base.exponents, factor=factor, offset=shift))


def add_log_categories(root: ET.Element) -> None:
    """Add the categories of messages."""
    categories = ET.SubElement(root, "LogCategories")
    for name, text in LOG_CATEGORIES.items():
        ET.SubElement(categories, "Category", {"name": name, "description": text})


def add_experiment(root: ET.Element, content: Content, header: Header) -> None:
    """Add the default experiment."""
    ET.SubElement(
        root, "DefaultExperiment", attributes(startTime=0.0, stopTime=header.stop, tolerance=content.rtol)
    )  # fmt: skip


def provenance_of(header: Header) -> ET.Element:
    """Return what the FMU was made from, for vendor annotations."""
    return ET.Element("Provenance", {name: plain(text) for name, text in header.provenance.items()})


def numeric_attributes(row: Row) -> dict[str, str]:
    """Return unit, range, scale and start value of a variable."""
    return attributes(
        unit=plain(row.unit) if row.unit else None, nominal=row.nominal, min=row.minimum, max=row.maximum,
        start=row.start,
    )  # fmt: skip


def unknowns(content: Content) -> dict[str, list[int]]:
    """Return the positions of outputs, derivatives, initial unknowns and event indicators."""
    rows = list(enumerate(content.rows))
    outputs = [i for i, row in rows if row.causality == "output"]
    derivatives = [i for i, row in rows if row.place is Place.DERIVATIVE]
    initial = [i for i, row in rows if row.causality == "output" and row.initial in ("approx", "calculated")]
    return {
        "outputs": outputs, "derivatives": derivatives, "initial": sorted([*initial, *derivatives]),
        "indicators": [i for i, row in rows if row.place is Place.ROOT],
    }  # fmt: skip
