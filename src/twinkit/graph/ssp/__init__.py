"""SSP in."""

from twinkit.graph.ssp.errors import SSPFileError, UnsupportedSSPError
from twinkit.graph.ssp.package import Package, read, read_document, write, write_document
