"""Values of FMU variables: from Python to C and back, checked against their types; and as JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.fmi.description import FMUVariable
from twinkit.fmi.description import VariableType as Type

_RANGES = {
    Type.INT8: (-(2**7), 2**7 - 1), Type.UINT8: (0, 2**8 - 1), Type.INT16: (-(2**15), 2**15 - 1),
    Type.UINT16: (0, 2**16 - 1), Type.UINT32: (0, 2**32 - 1), Type.INT64: (-(2**63), 2**63 - 1),
    Type.UINT64: (0, 2**64 - 1), Type.BOOLEAN: (0, 1), Type.CLOCK: (0, 1),
}  # fmt: skip


def plain_value(value: Any) -> Any:
    """Return a value without NumPy: numbers as Python's, arrays as flat tuples in row-major order."""
    if isinstance(value, (np.ndarray, np.generic)):
        return tuple(value.ravel().tolist()) if value.ndim else value.item()
    if isinstance(value, (list, tuple)):
        return tuple(part for whole in value for part in _flat(plain_value(whole)))
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return value


def _flat(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def python_value(value: Any, kind: Type) -> Any:
    """Return what ctypes gave for a variable of some type as a Python value."""
    if kind is Type.STRING:
        return "" if value is None else value.decode("utf-8", "replace")
    return bool(value) if kind in (Type.BOOLEAN, Type.CLOCK) else value


def native_value(value: Any, variable: FMUVariable) -> Any:
    """Return a value as ctypes takes it for the variable's type, or raise `InvalidValueError`."""
    kind = variable.type
    if kind is Type.STRING:
        if not isinstance(value, str) or "\0" in value:
            raise InvalidValueError(f"{variable.name!r} is a text without null characters, not {value!r}")
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidValueError(f"{variable.name!r} is a text, not {value!r}") from None
    if kind is Type.BINARY:
        if not isinstance(value, (bytes, bytearray)):
            raise InvalidValueError(f"{variable.name!r} takes bytes, not {value!r}")
        return bytes(value)
    if kind is Type.ENUMERATION and isinstance(value, str):
        value = _item(value, variable)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidValueError(f"{variable.name!r} is a number, not {value!r}") from None
    if number != number:
        raise InvalidValueError(f"{variable.name!r} is a number, not NaN")
    return _signed(number if kind.is_float else _whole(value, number, variable), variable)


def _item(name: str, variable: FMUVariable) -> int:
    """Return the number of an item of an enumeration."""
    numbers = {text: number for number, text in variable.items.items()}
    if name not in numbers:
        raise unknown_name("item", name, numbers, variable.name)
    return numbers[name]


def _whole(value: Any, number: float, variable: FMUVariable) -> int:
    kind = variable.type
    if number in (float("inf"), float("-inf")) or number != round(number):
        raise InvalidValueError(f"{variable.name!r} is {kind.value}: {value!r} is not a whole number")
    if kind in (Type.BOOLEAN, Type.CLOCK) and number not in (0.0, 1.0):
        raise InvalidValueError(f"{variable.name!r} is true or false, not {value!r}")
    whole = int(value) if isinstance(value, int) else int(number)
    if kind is Type.ENUMERATION and variable.items and whole not in variable.items:
        offered = ", ".join(f"{number} {text}" for number, text in variable.items.items())
        raise InvalidValueError(f"{variable.name!r} has no item {whole}; there is {offered}")
    low, high = whole_range(kind)
    if not low <= whole <= high:
        raise InvalidValueError(f"{variable.name!r} is {kind.value}: {whole} is outside [{low}, {high}]")
    return whole


def whole_range(kind: Type) -> tuple[int, int]:
    """Return the smallest and the largest value of a type of whole numbers."""
    return _RANGES.get(kind, (-(2**31), 2**31 - 1))


def _signed(value: Any, variable: FMUVariable) -> Any:
    """Return a number with the sign that the FMU keeps it with; doing so twice changes nothing."""
    if not variable.negated:
        return value
    return 1 - value if variable.type is Type.BOOLEAN else -value


def seen_value(value: Any, variable: FMUVariable) -> Any:
    """Return what the FMU keeps of a variable as its user sees it."""
    plain = python_value(value, variable.type)
    return plain if not variable.negated or not variable.type.is_number else type(plain)(_signed(plain, variable))


def to_json(value: Any) -> Any:
    """Return a value with bytes and mappings in a form that JSON can carry; see `from_json`."""
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        return {"items": [[str(name), to_json(one)] for name, one in value.items()]}
    if isinstance(value, (list, tuple)):
        return [to_json(one) for one in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise InvalidValueError(f"{value!r} is no number, text or sequence of them")


def from_json(value: Any) -> Any:
    """Return what `to_json` was given; lists come back as tuples.

    Raises
    ------
    ValueError
        For what `to_json` does not make.
    """
    if isinstance(value, list):
        return tuple(from_json(one) for one in value)
    if not isinstance(value, dict):
        return value
    if set(value) == {"bytes"} and isinstance(value["bytes"], str):
        return base64.b64decode(value["bytes"], validate=True)
    if set(value) == {"items"} and isinstance(value["items"], list):
        return {str(name): from_json(one) for name, one in value["items"]}
    raise ValueError("unknown form of a value")
