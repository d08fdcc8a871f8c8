"""Filters over whole records in one compiled call."""

from twinkit.estimate.repeated.record import FilteredRecord
from twinkit.estimate.repeated.run import Engine, PreparedFilter, prepare_filter

__all__ = ["Engine", "FilteredRecord", "PreparedFilter", "prepare_filter"]
