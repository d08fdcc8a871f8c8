"""SSP (System Structure and Parameterization) 1.0 and 2.0: systems of FMUs, read, written and run.

`load` and `save` are about graphs: an ``.ssp`` file becomes a graph that runs, a graph of FMUs becomes a file. `read`
and `write` are about the file: a `Package` of frozen data with everything in it, annotations and drawings too.
"""

from twinkit.graph.ssp._graph import SSPGraph
from twinkit.graph.ssp._xml import XMLNode
from twinkit.graph.ssp.errors import SSPFileError, UnsupportedSSPError
from twinkit.graph.ssp.loading import load
from twinkit.graph.ssp.package import Package, read, read_document, write, write_document
from twinkit.graph.ssp.saving import NotAnFMUError, package_of, save

__all__ = [
    "NotAnFMUError",
    "Package",
    "SSPFileError",
    "SSPGraph",
    "UnsupportedSSPError",
    "XMLNode",
    "load",
    "package_of",
    "read",
    "read_document",
    "save",
    "write",
    "write_document",
]
