"""Content hashes: the same content gives the same text and the same hash, in every process and on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

import numpy as np


def plain(value: object) -> Any:
    """Return a JSON-ready copy of a value: arrays become lists, floats keep every bit."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in cast("list[object]", value.tolist())]
    if isinstance(value, np.generic):
        return plain(cast("Any", value).item())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast("list[object]", value)]
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    return repr(value)


def canonical(value: object) -> str:
    """Return the one JSON text of a value (sorted keys, shortest exact floats)."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=True)


def digest(value: object) -> str:
    """Return the SHA-256 of a value's canonical text.

    Examples
    --------
    >>> digest({"b": 1.0, "a": [1, 2]}) == digest({"a": [1, 2], "b": 1.0})
    True
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()
