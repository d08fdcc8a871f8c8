"""A recorder: evaluates equations on plain symbols and keeps what was computed as a graph.

It serves three purposes that need no heavy package: the identity of the equations (what they *mean*, helper
functions included, rather than how they are typed), the incidence of variables in equations, and an error that
names the line when an equation does something no reading could follow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from twinkit.core.errors import ModelDefinitionError, ShapeError
from twinkit.core.external import External
from twinkit.core.maths import Maths, Table


class Expr:
    """One node of a recorded expression: an operation on other nodes, numbers and texts."""

    __slots__ = ("args", "op", "size")
    __array_ufunc__ = None  # numpy hands binary operations to the methods below

    def __init__(self, op: str, args: tuple[Any, ...], size: int | None = None) -> None:
        self.op = op
        self.args = args
        self.size = size

    # arithmetic
    def __add__(self, other: Any) -> Expr:
        return _elementwise("add", self, other)

    def __radd__(self, other: Any) -> Expr:
        return _elementwise("add", other, self)

    def __sub__(self, other: Any) -> Expr:
        return _elementwise("sub", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return _elementwise("sub", other, self)

    def __mul__(self, other: Any) -> Expr:
        return _elementwise("mul", self, other)

    def __rmul__(self, other: Any) -> Expr:
        return _elementwise("mul", other, self)

    def __truediv__(self, other: Any) -> Expr:
        return _elementwise("div", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return _elementwise("div", other, self)

    def __pow__(self, other: Any) -> Expr:
        return _elementwise("pow", self, other)

    def __rpow__(self, other: Any) -> Expr:
        return _elementwise("pow", other, self)

    def __neg__(self) -> Expr:
        return Expr("neg", (self,), self.size)

    def __pos__(self) -> Expr:
        return self

    # comparison: values of equations, never Python truth
    def __lt__(self, other: Any) -> Expr:
        return _elementwise("lt", self, other)

    def __le__(self, other: Any) -> Expr:
        return _elementwise("le", self, other)

    def __gt__(self, other: Any) -> Expr:
        return _elementwise("lt", other, self)

    def __ge__(self, other: Any) -> Expr:
        return _elementwise("le", other, self)

    def __getitem__(self, index: int | slice) -> Expr:
        if self.size is None:
            raise ShapeError("a single value cannot be indexed")
        if isinstance(index, slice):
            chosen = range(self.size)[index]
            return Expr("slice", (self, chosen.start, chosen.stop, chosen.step), len(chosen))
        if not -self.size <= index < self.size:
            raise ShapeError(f"index {index} is outside a vector of length {self.size}")
        return Expr("item", (self, index % self.size))

    def __len__(self) -> int:
        if self.size is None:
            raise ShapeError("a single value has no length")
        return self.size

    def __iter__(self) -> Iterator[Expr]:
        return iter([self[i] for i in range(len(self))])

    # what Python would need a number for
    def __bool__(self) -> NoReturn:
        raise ModelDefinitionError(
            "a Python truth test (if, and, or, not, max, min) on a variable: use m.where or m.maximum"
        )

    def __float__(self) -> NoReturn:
        raise ModelDefinitionError("float() or a math.* function on a variable: use the functions of m, such as m.exp")

    def __int__(self) -> NoReturn:
        raise ModelDefinitionError("int() on a variable: no reading can follow it")

    def __eq__(self, other: object) -> NoReturn:
        raise ModelDefinitionError(
            "== on a variable: compare with <= or >= inside m.where (modes: m.where(v.mode > 0.5, a, b))"
        )

    def __ne__(self, other: object) -> NoReturn:
        raise ModelDefinitionError("!= on a variable: compare with <= or >= inside m.where")

    __hash__ = object.__hash__


def _elementwise(op: str, *args: Any) -> Expr:
    sizes = {arg.size for arg in args if isinstance(arg, Expr) and arg.size is not None}
    if len(sizes) > 1:
        raise ShapeError(f"vectors of different lengths ({', '.join(map(str, sorted(sizes)))}) in one operation")
    for arg in args:
        if not isinstance(arg, (Expr, int, float, np.generic)):
            advice = ": write a constant vector as m.stack([...])" if hasattr(arg, "shape") else ""
            raise ModelDefinitionError(f"a {type(arg).__name__} cannot take part in an equation{advice}")
    return Expr(op, args, sizes.pop() if sizes else None)


def _joined_size(parts: Sequence[Any]) -> int:
    return sum(1 if not isinstance(part, Expr) or part.size is None else part.size for part in parts)


class Recorder(Maths):
    """The `Maths` that records.

    Attributes
    ----------
    externals
        The functions met that can only be called, by content hash.
    """

    def __init__(self) -> None:
        self.externals: dict[str, External] = {}

    def exp(self, x: Any) -> Any:
        return _elementwise("exp", x)

    def log(self, x: Any) -> Any:
        return _elementwise("log", x)

    def sqrt(self, x: Any) -> Any:
        return _elementwise("sqrt", x)

    def tanh(self, x: Any) -> Any:
        return _elementwise("tanh", x)

    def sin(self, x: Any) -> Any:
        return _elementwise("sin", x)

    def cos(self, x: Any) -> Any:
        return _elementwise("cos", x)

    def abs(self, x: Any) -> Any:
        return _elementwise("abs", x)

    def minimum(self, a: Any, b: Any) -> Any:
        return _elementwise("minimum", a, b)

    def maximum(self, a: Any, b: Any) -> Any:
        return _elementwise("maximum", a, b)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return _elementwise("where", condition, a, b)

    def logical_and(self, a: Any, b: Any) -> Any:
        return _elementwise("and", a, b)

    def logical_or(self, a: Any, b: Any) -> Any:
        return _elementwise("or", a, b)

    def logical_not(self, a: Any) -> Any:
        return _elementwise("not", a)

    def sum(self, x: Any) -> Any:
        _need_vector("m.sum", x)
        return Expr("sum", (x,))

    def dot(self, a: Any, b: Any) -> Any:
        return Expr("sum", (_elementwise("mul", a, b),))

    def concatenate(self, parts: Sequence[Any]) -> Any:
        return Expr("concatenate", tuple(parts), _joined_size(parts))

    def matvec(self, matrix: Any, x: Any) -> Any:
        numbers = np.ascontiguousarray(matrix, dtype=np.float64)
        size = _need_vector("m.matvec", x)
        if numbers.ndim != 2 or numbers.shape[1] != size:
            raise ShapeError(
                f"m.matvec cannot multiply a matrix of shape {numbers.shape} and a vector of length {size}"
            )
        return Expr("matvec", (x, hashlib.sha256(numbers.tobytes()).hexdigest()), numbers.shape[0])

    def roll(self, x: Any, shift: int) -> Any:
        return Expr("roll", (x, int(shift)), _need_vector("m.roll", x))

    def diff(self, x: Any) -> Any:
        return Expr("diff", (x,), _need_vector("m.diff", x) - 1)

    def full(self, size: int, value: Any) -> Any:
        return Expr("full", (value,), size)

    def interpolate(self, x: Any, table: Table) -> Any:
        points = ",".join(f"{float(a).hex()}:{float(b).hex()}" for a, b in zip(table.x, table.y, strict=True))
        return Expr("interpolate", (x, points), getattr(x, "size", None))

    def external(self, function: External, *arguments: Any) -> tuple[Any, ...]:
        self.externals[function.content_hash] = function
        return tuple(
            Expr("external", (function.content_hash, k, *arguments), size) for k, size in enumerate(function.sizes)
        )

    def size(self, x: Any) -> int | None:
        return x.size if isinstance(x, Expr) else super().size(x)


def _need_vector(function: str, x: Any) -> int:
    size = x.size if isinstance(x, Expr) else None
    if size is None:
        raise ShapeError(f"{function} needs a vector, but was given a single value")
    return size


def symbol(name: str, size: int | None = None) -> Expr:
    """Return a named leaf of the graph."""
    return Expr("symbol", (name,), size)


def nodes_of(roots: Iterable[Any]) -> Iterator[Expr]:
    """Yield every node once, arguments before the operation (iterative: graphs may be deep)."""
    done: set[int] = set()
    stack: list[tuple[Any, bool]] = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, ready = stack.pop()
        if not isinstance(node, Expr) or id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(node.args))


def fingerprint(named: dict[str, Any]) -> str:
    """Return a text that is the same for the same computation, whatever its source looked like.

    Equal sub-expressions are merged, so a helper function and the same formula written out agree.
    """
    numbers: dict[int, int] = {}
    known: dict[str, int] = {}

    def reference(arg: Any) -> str:
        if isinstance(arg, Expr):
            return f"#{numbers[id(arg)]}"
        return repr(arg) if isinstance(arg, str) else float(arg).hex()

    for node in nodes_of(named[name] for name in sorted(named)):
        text = f"{node.op}[{node.size}]({','.join(reference(arg) for arg in node.args)})"
        numbers[id(node)] = known.setdefault(text, len(known))
    digest = hashlib.sha256("\n".join(known).encode())
    for name in sorted(named):
        digest.update(f"\n{name}={reference(named[name])}".encode())
    return digest.hexdigest()


def symbols_in(expression: Any) -> frozenset[str]:
    """Return the names of the variables an expression depends on."""
    return frozenset(str(node.args[0]) for node in nodes_of([expression]) if node.op == "symbol")
