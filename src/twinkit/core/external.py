"""Functions that can only be called, such as the equations inside an FMU: the one opaque thing equations may hold."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt


@runtime_checkable
class External(Protocol):
    """A function of vectors of plain numbers that no reading can look into.

    Equations use it as ``m.external(function, x, ...)``. The numeric and the CasADi reading call it; the dimensions
    reading believes it; the others say that they cannot follow it.
    """

    @property
    def label(self) -> str:
        """What it is, for messages."""
        ...

    @property
    def content_hash(self) -> str:
        """SHA-256 of what determines its results."""
        ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """Lengths of the results."""
        ...

    @property
    def exact(self) -> bool:
        """Whether its first derivatives are exact, not differences."""
        ...

    @property
    def symbolic(self) -> Any:
        """The same as a CasADi function, which knows its derivatives."""
        ...

    def __call__(self, *arguments: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
        """Return the results: NaN where it has none."""
        ...
