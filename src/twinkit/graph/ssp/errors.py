"""What can go wrong with an SSP file, as specific exceptions."""

from __future__ import annotations

from twinkit.core.errors import DataError, TwinkitError


class SSPFileError(DataError):
    """An SSP archive or one of its XML files that is broken, dangerous, or contradicts itself or its FMUs."""


class UnsupportedSSPError(TwinkitError, NotImplementedError):
    """A sound SSP file that needs something which twinkit keeps when it reads and writes, but cannot run."""
