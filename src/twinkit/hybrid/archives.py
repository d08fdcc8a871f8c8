"""Arrays in npz archives: read with suspicion, never unpickled."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import DataError

DAMAGE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError, MemoryError,
    NotImplementedError, zipfile.BadZipFile,
)  # fmt: skip
"""What reading a damaged or hostile file may raise."""


def packed(**arrays: Any) -> bytes:
    """Return an archive of arrays, not compressed."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def unpacked(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of an archive.

    Raises
    ------
    DataError
        If it is compressed: `packed` compresses nothing, so that an archive is never larger than it looks.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
            raise DataError("the archive is compressed: it was not written by twinkit")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
