"""A formula of named single values, recorded once: data, not code, so it can be stored, hashed and read anywhere."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from twinkit.core.errors import DataError, InvalidValueError, ModelDefinitionError, TwinkitError, unknown_name
from twinkit.core.expression import Expr, Recorder, nodes_of, symbol
from twinkit.core.identity import digest
from twinkit.core.maths import Maths, Table

_LARGEST = 100_000
_REFERENCE = re.compile(r"^#(\d{1,6})$")
_PYTHON = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "div": "truediv",
    "pow": "pow",
    "neg": "neg",
    "lt": "lt",
    "le": "le",
}
_MATHS = {
    "exp": ("exp", 1), "log": ("log", 1), "sqrt": ("sqrt", 1), "tanh": ("tanh", 1), "sin": ("sin", 1),
    "cos": ("cos", 1), "abs": ("abs", 1), "minimum": ("minimum", 2), "maximum": ("maximum", 2), "where": ("where", 3),
    "and": ("logical_and", 2), "or": ("logical_or", 2), "not": ("logical_not", 1),
}  # fmt: skip
_COUNTS = {**{op: 1 if op == "neg" else 2 for op in _PYTHON}, **{op: count for op, (_, count) in _MATHS.items()}}


@dataclass(frozen=True)
class Formula:
    """A number computed from named numbers.

    It is made from a function with `Formula.of`, and evaluated with the mathematics of any reading: NumPy's for a
    verdict, CasADi's for a controller.

    Attributes
    ----------
    names
        What it depends on, in order of first use.
    nodes
        ``(operation, argument, ...)`` each; an argument is a number, or ``"#k"`` for the result of node `k`. The last
        node is the result.

    Examples
    --------
    >>> ratio = Formula.of(lambda v, m: m.log(v.titer / v.aggregates), ["titer", "aggregates"])
    >>> ratio.names
    ('titer', 'aggregates')
    """

    names: tuple[str, ...]
    nodes: tuple[tuple[Any, ...], ...]

    def __post_init__(self) -> None:
        if not self.nodes or len(self.nodes) > _LARGEST:
            raise DataError(f"a formula has 1 to {_LARGEST} operations, not {len(self.nodes)}")
        for k, node in enumerate(self.nodes):
            _check(k, node, self.names)

    @classmethod
    def of(cls, function: Callable[[Any, Maths], Any], names: Sequence[str]) -> Formula:
        """Record ``function(v, m)``, written as the equations of a model are.

        Parameters
        ----------
        function
            Takes the variables as attributes of `v`, and the mathematics `m`; returns a single value.
        names
            The variables there are.

        Raises
        ------
        UnknownNameError
            If it uses another variable.
        ModelDefinitionError
            If it does what no reading could follow (`if` on a variable, `math.exp`).
        InvalidValueError
            If it returns something that is no single value of the variables.
        """
        leaves = {name: symbol(name) for name in names}
        try:
            result = function(_Names(leaves), Recorder())
        except TwinkitError:
            raise
        except Exception as error:
            raise ModelDefinitionError(
                f"the formula cannot be recorded: {type(error).__name__}: {error}. Use only v, m and arithmetic"
            ) from error
        if not isinstance(result, Expr) or result.size is not None:
            raise InvalidValueError(f"a formula returns one single value made of its variables, not {result!r}")
        return cls._recorded(result)

    @classmethod
    def _recorded(cls, result: Expr) -> Formula:
        place: dict[int, int] = {}
        known: dict[tuple[Any, ...], int] = {}
        for node in nodes_of([result]):
            arguments = tuple(f"#{place[id(a)]}" if isinstance(a, Expr) else _constant(a) for a in node.args)
            place[id(node)] = known.setdefault((node.op, *arguments), len(known))
        used = [node[1] for node in known if node[0] == "symbol"]
        return cls(tuple(used), tuple(known))

    def __call__(self, values: Mapping[str, Any], m: Maths) -> Any:
        """Evaluate with the mathematics `m`.

        Parameters
        ----------
        values
            Name -> number, array or symbol of the reading `m` belongs to.
        m
            The mathematics.
        """
        results: list[Any] = []

        def resolved(argument: Any) -> Any:
            return results[int(argument[1:])] if isinstance(argument, str) else argument

        for operation, *arguments in self.nodes:
            if operation == "symbol":
                if arguments[0] not in values:
                    raise unknown_name("value", arguments[0], values, "what a formula was given")
                results.append(values[arguments[0]])
            elif operation == "interpolate":
                x, y = _points(arguments[1])
                results.append(m.interpolate(resolved(arguments[0]), Table(x, y)))
            elif operation in _PYTHON:
                results.append(getattr(operator, _PYTHON[operation])(*map(resolved, arguments)))
            else:
                results.append(getattr(m, _MATHS[operation][0])(*map(resolved, arguments)))
        return results[-1]

    @property
    def content_hash(self) -> str:
        """SHA-256 of what it computes."""
        return digest(self.to_plain())

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {"names": list(self.names), "nodes": [list(node) for node in self.nodes]}

    @classmethod
    def from_plain(cls, data: object) -> Formula:
        """Return the formula that `to_plain` wrote; nothing in it is ever executed as code.

        Raises
        ------
        DataError
            If it is no such formula.
        """
        given = cast("dict[str, Any]", data)
        if not isinstance(data, dict) or set(given) != {"names", "nodes"}:
            raise DataError(f"a formula is stored as names and nodes, not {data!r:.80}")
        if not all(isinstance(name, str) for name in _list(given["names"])):
            raise DataError("the names of a stored formula are texts")
        nodes = [_list(node) for node in _list(given["nodes"])]
        if not all(nodes):
            raise DataError("a node of a stored formula is a list: the operation, then its arguments")
        return cls(tuple(given["names"]), tuple(tuple(node) for node in nodes))


class _Names:
    """The `v` of a formula."""

    __slots__ = ("_leaves",)

    def __init__(self, leaves: Mapping[str, Expr]) -> None:
        self._leaves = leaves

    def __getattr__(self, name: str) -> Expr:
        if name not in self._leaves:
            raise unknown_name("variable", name, self._leaves, "the formula")
        return self._leaves[name]

    def __getitem__(self, name: str) -> Expr:
        """Return a variable whose name is no Python name (``v["c[0]"]``)."""
        return self.__getattr__(name)


def _constant(value: Any) -> Any:
    if isinstance(value, str):
        return value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidValueError(f"a formula holds finite constants, not {number!r}")
    return number


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"a stored formula has lists, not {value!r:.60}")
    return cast("list[Any]", value)


def _points(text: str) -> tuple[list[float], list[float]]:
    """Read the points of a table as the recorder writes them."""
    try:
        pairs = [[float.fromhex(side) for side in pair.split(":")] for pair in text.split(",")]
        return [x for x, _ in pairs], [y for _, y in pairs]
    except (ValueError, OverflowError):
        raise DataError(f"the table of a formula cannot be read: {text!r:.60}") from None


def _check(k: int, node: tuple[Any, ...], names: tuple[str, ...]) -> None:
    """Raise if a node is not an operation on earlier nodes and finite numbers."""
    operation, arguments = node[0], node[1:]
    where = f"operation {k} of the formula"
    if operation == "symbol":
        if len(arguments) != 1 or arguments[0] not in names:
            raise DataError(f"{where} names {arguments!r:.60}, which is none of its variables")
        return
    if operation == "interpolate" and len(arguments) == 2 and isinstance(arguments[1], str):
        Table(*_points(arguments[1]))
        arguments = arguments[:1]
    elif not isinstance(operation, str) or operation not in _COUNTS:
        raise DataError(f"{where} is {operation!r:.40}; a formula has single values only: {', '.join(_COUNTS)}")
    elif len(arguments) != _COUNTS[operation]:
        raise DataError(f"{where}, {operation!r}, takes {_COUNTS[operation]} argument(s), not {len(arguments)}")
    for argument in arguments:
        if isinstance(argument, str):
            match = _REFERENCE.match(argument)
            if match is None or int(match[1]) >= k:
                raise DataError(f"{where} refers to {argument!r:.40}, which is no earlier operation")
        elif isinstance(argument, bool) or not isinstance(argument, (int, float)) or not np.isfinite(argument):
            raise DataError(f"{where} holds {argument!r:.40}, which is no finite number")
