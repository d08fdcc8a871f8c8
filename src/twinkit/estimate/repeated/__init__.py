"""Filters over whole records in one compiled call."""

from twinkit.estimate.repeated.batched import BatchedFilter, BatchedRecord
from twinkit.estimate.repeated.record import FilteredRecord
from twinkit.estimate.repeated.run import Engine, PreparedFilter, prepare_filter

__all__ = ["BatchedFilter", "BatchedRecord", "Engine", "FilteredRecord", "PreparedFilter", "prepare_filter"]
