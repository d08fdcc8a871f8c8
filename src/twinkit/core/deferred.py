"""Mappings and sequences that are worked out when they are first looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar, cast, overload

V = TypeVar("V")
ItemT = TypeVar("ItemT")


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

    def __init__(self, make: Callable[[], Mapping[str, V]]) -> None:
        self._make: Callable[[], Mapping[str, V]] | None = make
        self._content: Mapping[str, V] = {}

    def _known(self) -> Mapping[str, V]:
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
        return (dict, (dict(self._known()),))


class DeferredSequence(Sequence[ItemT]):
    """A sequence that is made when it is first looked at; see `Deferred`."""

    def __init__(self, make: Callable[[], Sequence[ItemT]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> tuple[ItemT, ...]:
        return tuple(self._make())

    @overload
    def __getitem__(self, index: int) -> ItemT: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[ItemT, ...]: ...

    def __getitem__(self, index: int | slice) -> ItemT | tuple[ItemT, ...]:
        return self._made[index]

    def __len__(self) -> int:
        return len(self._made)

    def __eq__(self, other: object) -> bool:
        return self._made == tuple(cast("Sequence[Any]", other)) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._made)

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (self._made,)
