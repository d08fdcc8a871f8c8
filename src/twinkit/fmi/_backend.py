"""What a session stands on: an FMU through one of the backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.fmi._archive import ArchiveLimits
from twinkit.fmi._errors import UnsupportedFMUError
from twinkit.fmi._exchange import Integration
from twinkit.fmi._isolated import Isolation
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind

RawStep = Callable[[float, float], None]


class Backend(Enum):
    """Which library runs the FMU."""

    FMPY = "fmpy"
    PYFMI = "pyfmi"


class Engine(Protocol):
    """An FMU through some backend. A bad status is a `CallFailedError`; a dead process is a `StepError`."""

    can_restore: bool
    can_serialize: bool
    can_differentiate: bool
    can_adjoint: bool

    def start(self, values: Mapping[str, Any], t0: float, stop: float | None) -> None:
        """Start (again) at `t0` with these start values."""
        ...

    def write(self, values: Mapping[str, Any], t: float) -> None:
        """Set inputs and tunable parameters."""
        ...

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        """Return values of variables."""
        ...

    def advance(self, t: float, dt: float) -> None:
        """Go from `t` to ``t + dt``."""
        ...

    def save(self) -> Any:
        """Return the state."""
        ...

    def restore(self, state: Any) -> None:
        """Go on from a saved state."""
        ...

    def serialize(self) -> tuple[dict[str, Any], bytes]:
        """Return the state as what is known of it here, and as bytes of the FMU."""
        ...

    def deserialize(self, known: Mapping[str, Any], data: bytes) -> None:
        """Go on from what `serialize` returned; a `ValueError`, `KeyError` or `TypeError` if it is malformed."""
        ...

    def derivatives(self, of: Sequence[str], to: Sequence[str]) -> Array:
        """Return partial derivatives."""
        ...

    def adjoint(self, of: Sequence[str], to: Sequence[str], seed: Sequence[float]) -> Array:
        """Return the seed times the partial derivatives."""
        ...

    def ticks(self) -> list[tuple[float, str]]:
        """Return (time, clock) of the ticks since the last time this was asked."""
        ...

    def bind(self, inputs: Sequence[str], outputs: Sequence[str], source: Array, target: Array) -> RawStep:
        """Return a step that reads one array and writes another."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


def split_values(variables: Sequence[FMUVariable], values: Array) -> dict[str, Any]:
    """Return name -> value from a flat array of all of them."""
    found: dict[str, Any] = {}
    position = 0
    for v in variables:
        part = values[position : position + v.width].tolist()
        found[v.name] = tuple(part) if v.shape else part[0]
        position += v.width
    return found


def as_backend(backend: Backend | str) -> Backend:
    """Return the backend of this name, or raise `UnknownNameError`."""
    try:
        return Backend(backend)
    except ValueError:
        raise unknown_name("backend", str(backend), [b.value for b in Backend], "FMI") from None


def make_engine(
    path: Path,
    description: FMUDescription,
    backend: Backend,
    isolate: bool | Isolation,
    kind: Kind,
    integration: Integration,
    limits: ArchiveLimits,
    event_mode: bool,
) -> Engine:
    """Load an FMU with a backend."""
    if backend is Backend.PYFMI:
        from twinkit.fmi._pyfmi import PyFMIEngine

        if isolate:
            raise UnsupportedFMUError("isolate works with backend='fmpy' only")
        return PyFMIEngine(path, description, kind, limits)
    if isolate:
        from twinkit.fmi._isolated import IsolatedEngine

        isolation = isolate if isinstance(isolate, Isolation) else Isolation()
        return IsolatedEngine(path, description, kind, integration, limits, isolation, event_mode)
    from twinkit.fmi._engine import NativeEngine

    return NativeEngine(path, description, kind, integration, limits, event_mode)
