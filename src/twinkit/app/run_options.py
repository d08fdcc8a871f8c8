"""What the commands that run something have in common: values from texts, results into files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twinkit.core.errors import InvalidValueError, StorageError
from twinkit.core.files import write_atomically
from twinkit.core.solution import Solution


def named_values(texts: list[str]) -> dict[str, Any]:
    """Return name -> value from ``name=value`` texts."""
    values: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InvalidValueError(f"--set takes name=value, not {text!r}")
        parts = [_value(part) for part in value.split()]
        several = len(parts) > 1 and not any(isinstance(part, str) for part in parts)
        values[name] = tuple(parts) if several else _value(value)
    return values


def _value(text: str) -> float | bool | str:
    """Return a number or a boolean, or the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text


def check_output(target: Path | None) -> None:
    """Refuse a file that cannot be written before the work, not after it."""
    if target is None:
        return
    if target.is_dir():
        raise StorageError(f"{target} is a folder; name a file in it")
    if not target.absolute().parent.is_dir():
        raise StorageError(f"the folder {target.absolute().parent} does not exist; make it first")


def write_solution(solution: Solution, path: Path) -> Path:
    """Write a solution as the ending of the file says: .nc and .parquet whole, anything else as a table (CSV)."""
    if path.suffix in (".nc", ".parquet"):
        return solution.save(path)
    return write_atomically(path, solution.to_pandas().to_csv().encode())
