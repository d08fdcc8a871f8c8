"""States of FMUs as bytes: what is needed to go on in another process, on another day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from twinkit.core.errors import DataError
from twinkit.fmi._values import from_json, to_json

_MAGIC = b"twinkit FMU state 1\n"
_DIGEST = hashlib.sha256().digest_size


def pack_state(known: Mapping[str, Any], data: bytes) -> bytes:
    """Return one record of what is known here and of the FMU's own bytes, with a checksum."""
    head = json.dumps(to_json(known)).encode()
    body = len(head).to_bytes(8, "little") + head + data
    return _MAGIC + hashlib.sha256(body).digest() + body


def unpack_state(record: bytes) -> tuple[dict[str, Any], bytes]:
    """Return what `pack_state` was given.

    Raises
    ------
    DataError
        If the record is something else, truncated or damaged.
    """
    if not isinstance(record, (bytes, bytearray, memoryview)):
        raise DataError(f"a saved state is bytes, not {type(record).__name__}")
    record = bytes(record)
    start = len(_MAGIC) + _DIGEST
    if not record.startswith(_MAGIC):
        raise DataError("this is not a saved state of an FMU")
    body = record[start:]
    if len(body) < 8 or hashlib.sha256(body).digest() != record[len(_MAGIC) : start]:
        raise DataError("the saved state of an FMU is truncated or damaged")
    size = 8 + int.from_bytes(body[:8], "little")
    try:
        known = from_json(json.loads(body[8:size]))
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"the saved state of an FMU cannot be read: {error}") from None
    if not isinstance(known, dict):
        raise DataError("the saved state of an FMU cannot be read: it has no head")
    return known, body[size:]
