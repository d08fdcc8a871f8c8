"""Reading archives and XML from strangers: the strict ways of FMUs, for what is packed around them (SSP)."""

from __future__ import annotations

from twinkit.fmi._archive import ArchiveLimits, Layout, extract, open_archive, read_member, refuse_problems
from twinkit.fmi._units import time_unit_of, unit_of
from twinkit.fmi._xml import MAX_BYTES, parse_namespaced_xml

__all__ = [
    "MAX_BYTES",
    "ArchiveLimits",
    "Layout",
    "extract",
    "open_archive",
    "parse_namespaced_xml",
    "read_member",
    "refuse_problems",
    "time_unit_of",
    "unit_of",
]
