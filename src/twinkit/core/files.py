"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from twinkit.core.errors import StorageError


def write_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file whole or not at all: a temporary neighbour, flushed to disk, then renamed into place.

    Parameters
    ----------
    path
        Target; an existing file is replaced only when the new one is complete.
    content
        The bytes.

    Raises
    ------
    StorageError
        If the disk is full, the folder is missing or may not be written; nothing is left behind.
    """
    target = Path(path)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise StorageError(
            f"could not write {target}: {error.strerror or error}; any earlier file is unchanged"
        ) from error
    return target
