"""What can be chosen when an FMU is exported, and what comes out."""

from __future__ import annotations

import html
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from twinkit.core.errors import TwinkitError, unknown_name
from twinkit.fmi.description import Kind

E = TypeVar("E", bound=Enum)


class FMUExportError(TwinkitError, ValueError):
    """A model that cannot be written as an FMU as it is; the message names what stands in the way."""


class FMUBuildError(TwinkitError, RuntimeError):
    """C sources that could not be compiled: no compiler, a compiler that fails or does not end."""


class ExportWarning(UserWarning):
    """An FMU that was written without a binary for this machine."""


class FMIVersion(Enum):
    """Version of the FMI standard an FMU is written for."""

    FMI2 = "2.0"
    FMI3 = "3.0"


class ExportKind(Enum):
    """How the FMU can be simulated: with its own integrator, with the importer's, or either way."""

    CO_SIMULATION = "cs"
    MODEL_EXCHANGE = "me"
    BOTH = "both"

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of FMI it stands for."""
        return (Kind.CO_SIMULATION, Kind.MODEL_EXCHANGE) if self is ExportKind.BOTH else (Kind(self.value),)


class Binary(Enum):
    """Whether the FMU holds a library for this machine, beside the sources it always holds."""

    REQUIRED = "required"
    """Compile it; an error where that is not possible."""
    AUTO = "auto"
    """Compile it where there is a compiler; else warn and write the sources only."""
    NONE = "none"
    """Write the sources only."""


def chosen(kind: type[E], value: Any, what: str) -> E:
    """Return the member of an enumeration for a member or its value.

    Examples
    --------
    >>> chosen(FMIVersion, "3.0", "FMI version")
    <FMIVersion.FMI3: '3.0'>
    """
    try:
        return kind(value)
    except ValueError:
        raise unknown_name(what, str(value), [str(member.value) for member in kind], "fmi.export") from None


@dataclass(frozen=True)
class ExportedFMU:
    """What `twinkit.fmi.export` has written.

    Attributes
    ----------
    path
        The ``.fmu`` file.
    version, kind
        As chosen.
    token
        GUID or instantiation token: a hash of everything in the FMU but binaries.
    platform
        Folder of the library inside the FMU, such as ``linux64``; '' for an FMU of sources only.
    content_hash
        Of the model.
    files
        Names of the files in the archive.
    """

    path: Path
    version: FMIVersion
    kind: ExportKind
    token: str
    platform: str
    content_hash: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        binary = f"library for {self.platform}" if self.platform else "sources only, to be compiled where it runs"
        return f"{self.path}: FMI {self.version.value}, {self.kind.value}, {binary}"

    def _repr_html_(self) -> str:
        rows = "".join(f"<li>{html.escape(name)}</li>" for name in self.files)
        return f"<div><b>{html.escape(str(self))}</b><ul>{rows}</ul></div>"
