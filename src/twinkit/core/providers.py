"""How `core` offers what a room above it does, without importing it.

`core` may not import `readings`, yet `model.show()` belongs on the model. The package's `__init__` names, once, the
function behind each such offer; it is imported when first used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from twinkit.core.errors import UnknownNameError

_targets: dict[str, str] = {}


def provide(offer: str, target: str) -> None:
    """Name the function (``"module:function"``) behind an offer."""
    _targets[offer] = target


@cache
def provided(offer: str) -> Callable[..., Any]:
    """Return the function behind an offer.

    Raises
    ------
    UnknownNameError
        If nothing was named for it.
    """
    if offer not in _targets:
        raise UnknownNameError(f"nothing provides {offer!r}; import twinkit before its parts")
    module, _, function = _targets[offer].partition(":")
    return getattr(import_module(module), function)
