"""Cited parameter sets: data files with units, sources, uncertainty, and how well each value is established."""

from twinkit.unitops.parameters.reading import declare, load, names, path, read

__all__ = ["declare", "load", "names", "path", "read"]
