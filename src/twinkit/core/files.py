"""Writing files so that a reader never meets half of one, and where what can be made again is kept."""

from __future__ import annotations

import contextlib
import os
import secrets
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
    # An ordinary new file, with the permissions every new file of this user gets (mkstemp's are the owner's alone).
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:  # an interrupt, too, must leave nothing behind
        with contextlib.suppress(OSError):
            temporary.unlink()
        if not isinstance(error, OSError):
            raise
        raise StorageError(
            f"could not write {target}: {error.strerror or error}; any earlier file is unchanged"
        ) from error
    return target


def cache_directory(kind: str) -> Path | None:
    """Return the folder of what was compiled, made if need be: ``$TWINKIT_CACHE/kind`` or ``~/.cache/twinkit/kind``.

    Returns None when it cannot be created or written, or when ``TWINKIT_CACHE`` is set but empty (caching off).

    Parameters
    ----------
    kind
        Name of the folder, one per compiler.
    """
    chosen = os.environ.get("TWINKIT_CACHE")
    if chosen == "":
        return None
    try:
        directory = (Path(chosen) if chosen else Path.home() / ".cache" / "twinkit") / kind
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except (OSError, RuntimeError):
        return None
    return directory
