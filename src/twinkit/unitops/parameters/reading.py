"""Reads parameter sets from TOML files; the files beside this one are the sets twinkit brings."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

import twinkit.core as tk
from twinkit.core.errors import unknown_name

_FORMAT = "twinkit-cited-parameters/1"
_HOME = Path(__file__).parent
_MAX_BYTES = 1_000_000
_TOP = {"format", "name", "version", "source", "established", "parameters"}
_ENTRY = {"value", "unit", "source", "established", "std", "range"}


def names() -> list[str]:
    """Return the names of the sets twinkit brings.

    Examples
    --------
    >>> "kornecki2018" in names()
    True
    """
    return sorted(file.stem for file in _HOME.glob("*.toml"))


def path(name: str) -> Path:
    """Return the file of a set twinkit brings: copy it, edit the copy, and `read` that.

    Raises
    ------
    UnknownNameError
        If there is no such set.
    """
    if name not in names():
        raise unknown_name("parameter set", name, names())
    return _HOME / f"{name}.toml"


@cache
def load(name: str) -> tk.ParameterSet:
    """Return a set twinkit brings.

    Parameters
    ----------
    name
        One of `names()`, such as ``"kornecki2018"``.

    Returns
    -------
    ParameterSet
        Values with units, sources and hash. A value whose source gives no uncertainty has variance 0: it is not
        varied by `draw`.

    Raises
    ------
    UnknownNameError
        If there is no such set.

    Examples
    --------
    >>> from twinkit.unitops import CHOFedBatch
    >>> found = load("kornecki2018")
    >>> found["mu_max"], found.origin("mu_max").established.value
    (0.039, 'verified')
    >>> CHOFedBatch(mu_max=0.05).with_(found).mu_max
    0.039
    """
    return read(path(name))


def read(file: str | os.PathLike[str]) -> tk.ParameterSet:
    """Read a parameter set from a TOML file.

    Parameters
    ----------
    file
        Its path. The files twinkit brings show the form (see `path`).

    Returns
    -------
    ParameterSet
        A range without a standard deviation counts as one of the same variance, ``(high - low) / sqrt(12)``.

    Raises
    ------
    StorageError
        If the file cannot be read.
    DataError
        If it is not such a file; the message lists every problem.
    """
    try:
        with open(file, "rb") as handle:
            content = handle.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise tk.DataError(f"{file} is larger than {_MAX_BYTES} bytes: it is not a parameter set")
        document = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise tk.StorageError(f"could not read {file}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise tk.DataError(f"{file} is not TOML ({error})") from None
    problems = _problems(document)
    if problems:
        raise tk.DataError(f"{file} is not a parameter set: " + "; ".join(problems))
    return _parameter_set(document)


def declare(
    found: tk.ParameterSet, name: str, doc: str, bounds: tuple[Any, Any] = (None, None), nominal: float | None = None
) -> tk.Parameter:
    """Declare a model's parameter with the value, unit and source of a set: the set is their one definition.

    Parameters
    ----------
    found
        The set.
    name
        Name in the set.
    doc, bounds, nominal
        As for `tk.Parameter`.

    Raises
    ------
    UnknownNameError
        If the set has no such value.

    Examples
    --------
    >>> declare(load("kornecki2018"), "mu_max", "maximum specific growth rate", (0, 0.2)).default
    0.039
    """
    value, unit = found[name], found.units[found.names.index(name)]
    return tk.Parameter(unit, value, bounds=bounds, nominal=nominal, doc=doc, source=str(found.origin(name)))


def _parameter_set(document: Mapping[str, Any]) -> tk.ParameterSet:
    entries = cast("Mapping[str, Mapping[str, Any]]", document["parameters"])
    origins: list[tk.Origin] = []
    stds: list[float] = []
    for entry in entries.values():
        span = entry.get("range")
        interval = (float(span[0]), float(span[1])) if span else None
        established = tk.Established(entry.get("established", document.get("established")))
        origins.append(tk.Origin(entry.get("source", document["source"]), established, interval))
        width = (interval[1] - interval[0]) / math.sqrt(12.0) if interval else 0.0
        stds.append(float(entry.get("std", width)))
    return tk.ParameterSet(
        tuple(entries),
        tuple(float(entry["value"]) for entry in entries.values()),
        tuple(str(entry["unit"]) for entry in entries.values()),
        np.diag(np.square(stds)),
        source=document["source"],
        provenance={"name": document["name"], "version": document["version"]},
        origins=tuple(origins),
    )


def _problems(document: Mapping[str, Any]) -> list[str]:
    """Return everything that is wrong with a document, in words."""
    if document.get("format") != _FORMAT:
        return [f"this twinkit reads format = {_FORMAT!r}, not {document.get('format')!r}"]
    found = [f"unknown entry {key!r}" for key in document if key not in _TOP]
    found += [
        f"{key} must be a text"
        for key in ("name", "version", "source")
        if not isinstance(document.get(key), str) or not document[key].strip()
    ]
    entries = document.get("parameters")
    if not isinstance(entries, dict) or not entries:
        return [*found, "there is no [parameters.NAME]"]
    for name, entry in cast("dict[str, Any]", entries).items():
        found += [f"{name}: {problem}" for problem in _entry_problems(entry, document.get("established"))]
    return found


def _entry_problems(entry: Any, established: Any) -> list[str]:
    if not isinstance(entry, dict):
        return ["write it as a table with value, unit and source"]
    item = cast("dict[str, Any]", entry)
    found = [f"unknown entry {key!r}" for key in item if key not in _ENTRY]
    if not _number(item.get("value")):
        found.append(f"value must be a finite number, not {item.get('value')!r}")
    try:
        tk.Parameter(item["unit"])
    except KeyError:
        found.append('unit is missing (write unit = "" for a plain number)')
    except (tk.TwinkitError, TypeError, AttributeError) as error:
        found.append(str(error))
    if not isinstance(item.get("source", "text"), str) or not item.get("source", "text").strip():
        found.append("source must be a text")
    levels = [level.value for level in tk.Established]
    if item.get("established", established) not in levels:
        found.append(f"established must be one of {', '.join(levels)}")
    if "std" in item and not (_number(item["std"]) and item["std"] >= 0):
        found.append(f"std must be a number, zero or more, not {item['std']!r}")
    span = item.get("range", [0.0, 1.0])
    if not (isinstance(span, list) and len(span) == 2 and all(map(_number, span)) and span[0] < span[1]):  # pyright: ignore[reportUnknownArgumentType]
        found.append(f"range must be [low, high], not {span!r}")
    return found


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
