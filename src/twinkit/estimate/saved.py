"""A snapshot of an estimator as JSON, exact to the last bit, and back; nothing in a file is ever executed."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import json
import math
import os
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, cast

import numpy as np

from twinkit.core import DataError, InvalidValueError, StorageError
from twinkit.core.identity import digest
from twinkit.estimate.estimator import Snapshot
from twinkit.estimate.filter import Filter

_FORMAT = "twinkit-estimator/1"
_HOMES = ("twinkit.estimate.", "twinkit.optimise.", "twinkit.core.records")


def encoded(snapshot: Snapshot, filter: Filter) -> bytes:
    """Return a snapshot as the bytes of a JSON document with a digest of its content.

    Raises
    ------
    InvalidValueError
        If the estimates of this kind of filter hold something that cannot be written.
    """
    state = _plain(snapshot, filter)
    document = {"format": _FORMAT, "made_by": snapshot.made_by, "sha256": digest(state), "state": state}
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


def loaded(path: str | os.PathLike[str], filter: Filter) -> Snapshot:
    """Read a snapshot and check its digest; see `Estimator.load` for the errors."""
    source = Path(path)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise StorageError(f"could not read {source}: {error.strerror or error}") from error
    try:
        document: Any = json.loads(content)
        if not isinstance(document, dict) or cast("dict[str, Any]", document).get("format") != _FORMAT:
            raise DataError(f"{source} is not a saved estimator (or one of another version of twinkit)")
        intact = digest(document["state"]) == document["sha256"]
    except DataError:
        raise
    except Exception as error:  # whatever a damaged file makes a reader raise
        raise DataError(f"{source} is truncated or damaged ({type(error).__name__}: {error})") from error
    if not intact:
        raise DataError(f"{source} does not match its own digest: it was truncated or altered after saving")
    if document["made_by"] != filter.content_hash:
        raise InvalidValueError(
            f"{source} was saved with another filter (its model, sensors or settings differ): make the filter as it "
            "was, or start anew"
        )
    try:
        found = _restored(document["state"], filter)
    except Exception as error:
        raise DataError(f"{source} cannot be understood ({type(error).__name__}: {error})") from error
    if not isinstance(found, Snapshot):
        raise DataError(f"{source} holds no snapshot of an estimator")
    return found


def _plain(value: Any, filter: Filter) -> Any:
    """Return a value as JSON: what JSON does not know becomes an object with one key that says what it is."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item(), filter)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise InvalidValueError(f"an array of {value.dtype} in an estimate cannot be saved")
        kind = value.dtype.newbyteorder("<")
        order = "C" if value.flags.c_contiguous else "F"  # kept: the last bit of a product can depend on it
        data = base64.b64encode(value.astype(kind).tobytes(order)).decode()
        return {"array": [kind.str, list(value.shape), order, data]}
    if isinstance(value, Filter):
        return {"filter": True}
    if value == filter.plan.labels:  # every estimate has them
        return {"labels": True}
    if isinstance(value, (tuple, list)):
        return {"tuple": [_plain(item, filter) for item in cast("list[Any]", value)]}
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        return {"mapping": [[_plain(key, filter), _plain(item, filter)] for key, item in pairs]}
    if isinstance(value, Enum) and _ours(type(value)):
        return {"enum": [_name(type(value)), value.value]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and _ours(type(value)):
        fields = {f.name: _plain(getattr(value, f.name), filter) for f in dataclasses.fields(value) if f.init}
        return {"object": [_name(type(value)), fields]}
    raise InvalidValueError(f"an estimator with {type(value).__name__} in its estimates cannot be saved")


def _restored(value: Any, filter: Filter) -> Any:
    """Return what `_plain` was given."""
    if not isinstance(value, dict):
        return value
    ((what, inside),) = cast("dict[str, Any]", value).items()
    if what == "float":
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[inside]
    if what == "array":
        kind, shape, order, data = inside
        flat = np.frombuffer(base64.b64decode(data, validate=True), dtype=np.dtype(kind))  # read-only
        return flat.astype(np.dtype(kind).newbyteorder("="), copy=False).reshape(shape, order=order)
    if what == "filter":
        return filter
    if what == "labels":
        return filter.plan.labels
    if what == "tuple":
        return tuple(_restored(item, filter) for item in inside)
    if what == "mapping":
        return {_restored(key, filter): _restored(item, filter) for key, item in inside}
    if what == "enum":
        return _class(inside[0], Enum)(inside[1])
    if what == "object":
        name, fields = inside
        return _class(name, object)(**{key: _restored(item, filter) for key, item in fields.items()})
    raise DataError(f"{what!r} is nothing an estimator saves")


def _ours(kind: type) -> bool:
    return kind.__module__.startswith(_HOMES)


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _class(name: str, base: type) -> Any:
    """Return a record or enum of this room by name; a file cannot name anything else."""
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute, None) if module.startswith(_HOMES) else None
    if not (isinstance(found, type) and _ours(found) and issubclass(found, base)):
        raise DataError(f"{name!r} is nothing an estimator saves")
    if base is object and not dataclasses.is_dataclass(found):
        raise DataError(f"{name!r} is nothing an estimator saves")
    return found
