"""Which class runs which version of FMI."""

from __future__ import annotations

from pathlib import Path

from twinkit.fmi._instance import Instance
from twinkit.fmi._version1 import Instance1
from twinkit.fmi._version2 import Instance2
from twinkit.fmi._version3 import Instance3
from twinkit.fmi.description import FMUDescription, Kind

_CLASSES: dict[str, type[Instance]] = {"1.0": Instance1, "2.0": Instance2, "3.0": Instance3}


def make_instance(description: FMUDescription, directory: Path, kind: Kind, event_mode: bool = False) -> Instance:
    """Load the library of an FMU.

    Raises
    ------
    UnsupportedFMUError
        If it cannot be loaded on this machine.
    """
    return _CLASSES[description.fmi_version](description, directory, kind, event_mode)
