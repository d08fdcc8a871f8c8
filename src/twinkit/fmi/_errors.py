"""What can go wrong with an FMU, as specific exceptions."""

from __future__ import annotations

from twinkit.core.component import StepError
from twinkit.core.errors import DataError, TwinkitError


class FMUFileError(DataError):
    """An FMU archive or its `modelDescription.xml` that is broken, dangerous or not what it claims to be."""


class UnsupportedFMUError(TwinkitError, NotImplementedError):
    """A sound FMU that needs something this library, backend or machine does not offer."""


class FMUCrashError(StepError):
    """An isolated FMU whose process died."""


class FMUTimeoutError(StepError, TimeoutError):
    """An isolated FMU that did not answer in time; its process was ended."""


class FMUMemoryError(StepError):
    """An isolated FMU that failed at its memory limit."""
