"""A mapping that is worked out when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

V = TypeVar("V")


class Deferred(Mapping[str, V]):
    """A read-only mapping made on first use, so that repeated runs pay only for what is looked at.

    Parameters
    ----------
    make
        Returns the content; called at most once.

    Examples
    --------
    >>> Deferred(lambda: {"a": 1})["a"]
    1
    """

    def __init__(self, make: Callable[[], dict[str, V]]) -> None:
        self._make: Callable[[], dict[str, V]] | None = make
        self._content: dict[str, V] = {}

    def _known(self) -> dict[str, V]:
        if self._make is not None:
            self._content = self._make()
            self._make = None
        return self._content

    def __getitem__(self, key: str) -> V:
        return self._known()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def __repr__(self) -> str:
        return repr(self._known())

    def __reduce__(self) -> tuple[Any, ...]:
        return (dict, (self._known(),))
