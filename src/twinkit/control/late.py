"""What of a plan is worked out when it is first looked at: a control loop needs the moves at once, and little else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar, overload

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
ItemT = TypeVar("ItemT")


class LateMapping(Mapping[KeyT, ValueT]):
    """A mapping that is made when it is first looked at.

    Parameters
    ----------
    make
        Returns it.

    Examples
    --------
    >>> found = LateMapping(lambda: {"F": 0.1})
    >>> found["F"], len(found)
    (0.1, 1)
    """

    def __init__(self, make: Callable[[], Mapping[KeyT, ValueT]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Mapping[KeyT, ValueT]:
        return self._make()

    def __getitem__(self, key: KeyT) -> ValueT:
        return self._made[key]

    def __iter__(self) -> Iterator[KeyT]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def __repr__(self) -> str:
        return repr(self._made)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self._made),)


class LateSequence(Sequence[ItemT]):
    """A sequence that is made when it is first looked at; see `LateMapping`."""

    def __init__(self, make: Callable[[], Sequence[ItemT]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> tuple[ItemT, ...]:
        return tuple(self._make())

    @overload
    def __getitem__(self, index: int) -> ItemT: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[ItemT, ...]: ...

    def __getitem__(self, index: Any) -> Any:
        return self._made[index]

    def __len__(self) -> int:
        return len(self._made)

    def __eq__(self, other: object) -> bool:
        return self._made == tuple(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._made)

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (self._made,)
