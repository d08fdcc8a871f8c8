"""The SymPy reading: equations as mathematics to look at and to prove things about."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import sympy as sp

from twinkit.core.evaluate import Evaluation, evaluate
from twinkit.core.maths import Maths, Table
from twinkit.core.model import Model


class Vector(np.ndarray):
    """An object array whose comparisons are conditions, element by element, as those of symbols are."""

    def __lt__(self, other: Any) -> Any:
        return _vector(_LESS(self, other))

    def __le__(self, other: Any) -> Any:
        return _vector(_LESS_OR_EQUAL(self, other))

    def __gt__(self, other: Any) -> Any:
        return _vector(_LESS(other, self))

    def __ge__(self, other: Any) -> Any:
        return _vector(_LESS_OR_EQUAL(other, self))


_LESS, _LESS_OR_EQUAL = np.frompyfunc(operator.lt, 2, 1), np.frompyfunc(operator.le, 2, 1)


def _vector(elements: Any) -> Vector:
    return np.asarray(elements, dtype=object).view(Vector)


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply a SymPy function to single expressions, or to every element of object arrays."""

    def applied(*args: Any) -> Any:
        if any(isinstance(arg, np.ndarray) for arg in args):
            return _vector(np.frompyfunc(function, len(args), 1)(*args))
        return function(*args)

    return applied


class SympyMaths(Maths):
    """`Maths` on SymPy expressions; a vector is an object array of them."""

    def exp(self, x: Any) -> Any:
        return _each(sp.exp)(x)

    def log(self, x: Any) -> Any:
        return _each(sp.log)(x)

    def sqrt(self, x: Any) -> Any:
        return _each(sp.sqrt)(x)

    def tanh(self, x: Any) -> Any:
        return _each(sp.tanh)(x)

    def sin(self, x: Any) -> Any:
        return _each(sp.sin)(x)

    def cos(self, x: Any) -> Any:
        return _each(sp.cos)(x)

    def abs(self, x: Any) -> Any:
        return _each(sp.Abs)(x)

    def minimum(self, a: Any, b: Any) -> Any:
        return _each(sp.Min)(a, b)

    def maximum(self, a: Any, b: Any) -> Any:
        return _each(sp.Max)(a, b)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return _each(lambda c, x, y: sp.Piecewise((x, c), (y, True)))(condition, a, b)

    def logical_and(self, a: Any, b: Any) -> Any:
        return _each(sp.And)(a, b)

    def logical_or(self, a: Any, b: Any) -> Any:
        return _each(sp.Or)(a, b)

    def logical_not(self, a: Any) -> Any:
        return _each(sp.Not)(a)

    def sum(self, x: Any) -> Any:
        return sp.Add(*x)

    def dot(self, a: Any, b: Any) -> Any:
        return sp.Add(*(a * b))

    def concatenate(self, parts: Sequence[Any]) -> Any:
        return _vector(np.concatenate([np.atleast_1d(np.asarray(part, dtype=object)) for part in parts]))

    def matvec(self, matrix: Any, x: Any) -> Any:
        return _vector([sp.Add(*(sp.Float(float(a)) * e for a, e in zip(row, x, strict=True))) for row in matrix])

    def roll(self, x: Any, shift: int) -> Any:
        return np.roll(x, shift)

    def diff(self, x: Any) -> Any:
        return x[1:] - x[:-1]

    def full(self, size: int, value: Any) -> Any:
        return _vector(np.full(size, value, dtype=object))

    def interpolate(self, x: Any, table: Table) -> Any:
        def one(at: Any) -> Any:
            xs, ys = np.asarray(table.x), np.asarray(table.y)
            pieces = [(sp.Float(ys[0]), at <= xs[0])]
            for i in range(len(xs) - 1):
                slope = (ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i])
                pieces.append((ys[i] + slope * (at - xs[i]), at <= xs[i + 1]))
            return sp.Piecewise(*pieces, (sp.Float(ys[-1]), True))

        return _each(one)(x)

    def size(self, x: Any) -> int | None:
        return len(x) if isinstance(x, np.ndarray) and x.ndim else None


SYMPY = SympyMaths()
_READABLE = 60  # equations beyond which outputs and shared expressions are left where they are
_WORTH_A_NAME = 5  # operations that make a shared expression worth a name of its own


@dataclass(frozen=True)
class SymbolicModel:
    """A model as SymPy expressions.

    Attributes
    ----------
    symbols
        Full name -> symbol, or object array of symbols for a vector; ``"t"`` is time.
    evaluation
        Derivatives, residuals and outputs as expressions.
    """

    symbols: Mapping[str, Any]
    evaluation: Evaluation


def sympy_model(model: Model) -> SymbolicModel:
    """Return the SymPy reading of a model (symbols are real; nothing is assumed about their sign)."""
    symbols: dict[str, Any] = {"t": sp.Symbol("t", real=True)}
    layout = model.layout
    for block in (layout.states, layout.algebraics, layout.inputs, layout.modes, layout.parameters):
        for entry in block:
            made = [sp.Symbol(label, real=True) for label in entry.labels]
            symbols[entry.name] = made[0] if entry.size is None else _vector(made)
    return SymbolicModel(symbols, evaluate(model, symbols, SYMPY))


@dataclass(frozen=True)
class Equations:
    """Equations to look at: rendered in Jupyter, LaTeX as text.

    Attributes
    ----------
    title
        Model name.
    lines
        One LaTeX equation per state, algebraic variable and output.
    legend
        Rows ``(LaTeX symbol, name, value, unit, doc, source)`` of all variables.
    """

    title: str
    lines: tuple[str, ...]
    legend: tuple[tuple[str, str, str, str, str, str], ...]

    @property
    def latex(self) -> str:
        """All equations as one aligned block."""
        body = " \\\\\n".join(line.replace(" = ", " &= ", 1) for line in self.lines)
        return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"

    def __str__(self) -> str:
        return self.latex

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def _repr_markdown_(self) -> str:
        rows = "\n".join(
            f"| ${symbol}$ | `{name}` | {value} | {unit} | {doc} | {source} |"
            for symbol, name, value, unit, doc, source in self.legend
        )
        head = "| | name | value | unit | | source |\n|---|---|---|---|---|---|"
        return f"**{self.title}**\n\n$$\n{self.latex}\n$$\n\n{head}\n{rows}\n"


def show(model: Model) -> Equations:
    """Return a model's equations as mathematics; see `Equations`.

    Scalar outputs appear by name where the equations contain them, and expressions that recur are written once, as
    ``r_1``, ``r_2``, ...: for the eye only, `sympy_model` has every equation in full.
    """
    reading = sympy_model(model)
    rows, shared = _readable(reading.evaluation, model)
    symbols = [s for v in reading.symbols.values() for s in np.atleast_1d(np.asarray(v, dtype=object))]
    names = {s: _latex_name(s.name) for s in [*symbols, *rows, *shared] if isinstance(s, sp.Symbol)}
    names |= {sp.Symbol(name, real=True): _latex_name(name) for name in reading.evaluation.outputs}

    def tex(expression: Any) -> str:
        if isinstance(expression, np.ndarray):
            shown = list(expression) if len(expression) <= 3 else [expression[0], expression[1], expression[-1]]
            middle = [tex(item) for item in shown]
            if len(expression) > 3:
                middle.insert(2, "\\ldots")
            return "\\left[" + ",\\; ".join(middle) + "\\right]"
        return str(sp.latex(expression, symbol_names=names, mul_symbol="\\,"))

    time = _latex_name("t")
    result = reading.evaluation
    lines = [f"\\frac{{d {_latex_name(e.name)}}}{{d {time}}} = {tex(rows[e.name])}" for e in model.layout.states]
    lines += [f"0 = {tex(rows[name])}" for name in result.residuals]
    lines += [f"{_latex_name(name)} = {tex(rows[name])}" for name in result.outputs]
    lines += [f"{names[symbol]} = {tex(expression)}" for symbol, expression in shared.items()]
    return Equations(type(model).__name__, tuple(lines), tuple(_legend(model)))


def _readable(result: Evaluation, model: Model) -> tuple[dict[str, Any], dict[Any, Any]]:
    """Return the equations by name with outputs put back in, and the shared expressions they refer to."""
    rows = {**result.derivatives, **result.residuals, **result.outputs}
    known = {
        sp.sympify(expression): sp.Symbol(name, real=True)
        for name, expression in result.outputs.items()
        if not isinstance(expression, np.ndarray) and sp.sympify(expression).count_ops() > 1
    }
    scalars: dict[str, Any] = {name: sp.sympify(e) for name, e in rows.items() if not isinstance(e, np.ndarray)}
    if sum(block.size for block in (model.layout.states, model.layout.outputs)) > _READABLE:
        return rows, {}
    for expression, symbol in sorted(known.items(), key=lambda item: -item[0].count_ops()):
        scalars = {
            n: e if e == expression and symbol.name == n else e.subs(expression, symbol) for n, e in scalars.items()
        }
    cse: Any = sp.cse
    replacements, reduced = cse(list(scalars.values()), symbols=(sp.Symbol(f"twk{i}") for i in count(1)), order="none")
    short: dict[Any, Any] = {}
    shared: dict[Any, Any] = {}
    for symbol, expression in replacements:
        full = expression.subs(short)
        if full.count_ops() < _WORTH_A_NAME:
            short[symbol] = full
        else:
            shared[symbol] = full
    renamed = {symbol: sp.Symbol(f"r_{k}", real=True) for k, symbol in enumerate(shared, start=1)}
    finished = {n: e.subs(short).subs(renamed) for n, e in zip(scalars, reduced, strict=True)}
    return {**rows, **finished}, {renamed[k]: e.subs(renamed) for k, e in shared.items()}


def _latex_name(name: str) -> str:
    r"""Return a name as LaTeX: ``mu_max`` -> ``\mu_{max}``, ``jacket.T`` -> ``T^{jacket}``."""
    *path, last = name.split(".")
    base = last.split("[", maxsplit=1)[0]
    index = last[len(base) :].strip("[]")
    head, _, tail = base.partition("_")
    greek = {"alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi", "rho",
             "sigma", "tau", "phi", "chi", "psi", "omega"}  # fmt: skip
    symbol = f"\\{head}" if head in greek else (head if len(head) <= 1 else f"\\mathit{{{head}}}")
    lower = ", ".join(part for part in (tail.replace("_", ", "), index) if part)
    subscript = f"_{{\\mathrm{{{lower}}}}}" if lower else ""
    upper = f"^{{\\mathrm{{{'.'.join(path)}}}}}" if path else ""
    return f"{symbol}{subscript}{upper}"


def _legend(model: Model) -> list[tuple[str, str, str, str, str, str]]:
    return [
        (_latex_name(row.name), row.name, row.value, row.unit, row.doc, row.source) for row in model.describe().rows
    ]
