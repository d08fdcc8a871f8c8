"""The dimensions reading: proof that the plain-number equations are consistent in the declared units.

Equations are evaluated on units instead of numbers. Two numbers may be added or compared only if their units are the
*same size*, not merely the same dimension: adding g/L to mg/L, or returning a rate per hour where time is counted in
seconds, is an error here even though every dimension agrees. This is a proof for all values at once, not a test at
some of them. (Offset temperatures follow pint: degC minus degC is delta_degC, degC cannot be multiplied.)
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from twinkit.core.errors import TwinkitError, UnitError
from twinkit.core.evaluate import evaluate, evaluate_balances, evaluate_events
from twinkit.core.external import External
from twinkit.core.maths import Maths, Table
from twinkit.core.model import Model
from twinkit.core.units import OFFSET_UNITS, affine, derivative_unit, parse_unit, unit_label
from twinkit.core.variables import Variable

_TOLERANCE = 1e-9


class Dim:
    """A number of which only the unit is known; `any_unit` marks literal zero and infinity, which fit every unit."""

    __slots__ = ("any_unit", "literal", "unit", "width")
    __array_ufunc__ = None

    def __init__(
        self, unit: Any, *, any_unit: bool = False, literal: float | None = None, width: int | None = None
    ) -> None:
        self.unit = unit
        self.any_unit = any_unit
        self.literal = literal
        self.width = width

    def __add__(self, other: Any) -> Dim:
        return _add(self, _dim(other), "adding")

    def __radd__(self, other: Any) -> Dim:
        return _add(_dim(other), self, "adding")

    def __sub__(self, other: Any) -> Dim:
        return _subtract(self, _dim(other))

    def __rsub__(self, other: Any) -> Dim:
        return _subtract(_dim(other), self)

    def __mul__(self, other: Any) -> Dim:
        return _multiply(self, _dim(other), "multiplying")

    def __rmul__(self, other: Any) -> Dim:
        return _multiply(_dim(other), self, "multiplying")

    def __truediv__(self, other: Any) -> Dim:
        return _divide(self, _dim(other))

    def __rtruediv__(self, other: Any) -> Dim:
        return _divide(_dim(other), self)

    def __pow__(self, other: Any) -> Dim:
        return _power(self, _dim(other))

    def __rpow__(self, other: Any) -> Dim:
        return _power(_dim(other), self)

    def __neg__(self) -> Dim:
        _not_offset(self, "negating")
        return Dim(self.unit, any_unit=self.any_unit, width=self.width)

    def __pos__(self) -> Dim:
        return self

    def __lt__(self, other: Any) -> Dim:
        both = _same(self, _dim(other), "comparing")
        return Dim(_dimensionless(), width=both.width)

    __le__ = __gt__ = __ge__ = __lt__

    def __getitem__(self, index: int | slice) -> Dim:
        if isinstance(index, slice):
            return Dim(self.unit, any_unit=self.any_unit, width=len(range(self.width or 0)[index]))
        return Dim(self.unit, any_unit=self.any_unit)

    def __len__(self) -> int:
        return self.width or 0

    def __iter__(self) -> Any:
        return iter([self[i] for i in range(len(self))])


def _dimensionless() -> Any:
    return parse_unit("")


def _dim(value: Any) -> Dim:
    if isinstance(value, Dim):
        return value
    number = float(value)
    return Dim(_dimensionless(), any_unit=number == 0.0 or number in {float("inf"), float("-inf")}, literal=number)


def _text(unit: Any) -> str:
    return unit_label(str(unit)) or "dimensionless"


def _is_offset(dim: Dim) -> bool:
    return str(dim.unit) in OFFSET_UNITS


def _not_offset(dim: Dim, doing: str) -> None:
    if _is_offset(dim):
        raise UnitError(
            f"{doing} an absolute temperature in {_text(dim.unit)} has no meaning: take a difference first, or turn it "
            "into kelvin with m.convert(T, 'degC', 'K')"
        )


def _width(*dims: Dim) -> int | None:
    return next((dim.width for dim in dims if dim.width is not None), None)


def _factor(source: Any, target: Any, doing: str) -> None:
    """Raise unless a number in `source` is the same number in `target`."""
    if str(source) == str(target):
        return
    try:
        scale, offset = affine(str(source), str(target))
    except UnitError:
        raise UnitError(f"{doing} {_text(source)} and {_text(target)}: they measure different things") from None
    if offset != 0.0:
        raise UnitError(f"{doing} {_text(source)} and {_text(target)}: their zeros differ; use m.convert")
    if abs(scale - 1.0) > _TOLERANCE:
        raise UnitError(
            f"{doing} {_text(source)} and {_text(target)}: the dimension agrees but the numbers differ by a factor of "
            f"{scale:.6g}; use m.convert(x, '{_text(source)}', '{_text(target)}')"
        )


def _same(a: Dim, b: Dim, doing: str) -> Dim:
    if a.any_unit or b.any_unit:
        kept = b if a.any_unit else a
        return Dim(kept.unit, any_unit=a.any_unit and b.any_unit, width=_width(a, b))
    if _is_offset(a) != _is_offset(b):
        raise UnitError(f"{doing} {_text(a.unit)} and {_text(b.unit)}: one is absolute, the other a difference")
    _factor(a.unit, b.unit, doing)
    return Dim(a.unit, width=_width(a, b))


def _delta_of(dim: Dim) -> Dim:
    return Dim(parse_unit(OFFSET_UNITS[str(dim.unit)]), width=dim.width)


def _add(a: Dim, b: Dim, doing: str) -> Dim:
    if _is_offset(a) and _is_offset(b):
        raise UnitError("adding two absolute temperatures has no meaning: add a difference (delta_degC) to one of them")
    if _is_offset(a) or _is_offset(b):
        absolute, difference = (a, b) if _is_offset(a) else (b, a)
        if not difference.any_unit:
            _factor(difference.unit, _delta_of(absolute).unit, doing)
        return Dim(absolute.unit, width=_width(a, b))
    return _same(a, b, doing)


def _subtract(a: Dim, b: Dim) -> Dim:
    if _is_offset(a) and _is_offset(b):
        _factor(a.unit, b.unit, "subtracting")
        return Dim(_delta_of(a).unit, width=_width(a, b))
    if _is_offset(b):
        raise UnitError(f"subtracting an absolute temperature from {_text(a.unit)} has no meaning")
    return _add(a, b, "subtracting")


def _multiply(a: Dim, b: Dim, doing: str) -> Dim:
    for dim in (a, b):
        _not_offset(dim, doing)
    literal = a.literal * b.literal if a.literal is not None and b.literal is not None else None
    return Dim(a.unit * b.unit, any_unit=a.any_unit or b.any_unit, literal=literal, width=_width(a, b))


def _divide(a: Dim, b: Dim) -> Dim:
    for dim in (a, b):
        _not_offset(dim, "dividing")
    literal = a.literal / b.literal if a.literal is not None and b.literal else None
    return Dim(a.unit / b.unit, any_unit=a.any_unit, literal=literal, width=_width(a, b))


def _power(base: Dim, exponent: Dim) -> Dim:
    _number(exponent, "an exponent")
    if exponent.literal is not None:
        _not_offset(base, "raising")
        whole = int(exponent.literal) if exponent.literal == int(exponent.literal) else exponent.literal
        return Dim(base.unit**whole, width=_width(base))
    if base.any_unit:
        return Dim(_dimensionless(), width=_width(base, exponent))
    try:
        _number(base, "the base of a power whose exponent is a variable")
    except UnitError as error:
        raise UnitError(f"{error}; divide it by m.quantity(1.0, '{_text(base.unit)}') first") from None
    return Dim(_dimensionless(), width=_width(base, exponent))


def _number(dim: Dim, what: str) -> Dim:
    """Require a plain number: dimensionless with factor one (percent is not)."""
    if not dim.any_unit:
        try:
            _factor(dim.unit, _dimensionless(), what)
        except UnitError:
            raise UnitError(f"{what} must be a plain number, but is in {_text(dim.unit)}") from None
    return Dim(_dimensionless(), width=dim.width)


class DimensionMaths(Maths):
    """`Maths` on units."""

    def exp(self, x: Any) -> Any:
        return _number(_dim(x), "the argument of exp")

    def log(self, x: Any) -> Any:
        return _number(_dim(x), "the argument of log")

    def sqrt(self, x: Any) -> Any:
        return _power(_dim(x), _dim(0.5))

    def tanh(self, x: Any) -> Any:
        return _number(_dim(x), "the argument of tanh")

    def sin(self, x: Any) -> Any:
        return _number(_dim(x), "the argument of sin")

    def cos(self, x: Any) -> Any:
        return _number(_dim(x), "the argument of cos")

    def abs(self, x: Any) -> Any:
        dim = _dim(x)
        _not_offset(dim, "taking the absolute value of")
        return dim

    def minimum(self, a: Any, b: Any) -> Any:
        return _same(_dim(a), _dim(b), "comparing")

    def maximum(self, a: Any, b: Any) -> Any:
        return _same(_dim(a), _dim(b), "comparing")

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        del condition
        return _same(_dim(a), _dim(b), "choosing between")

    def logical_and(self, a: Any, b: Any) -> Any:
        return Dim(_dimensionless(), width=_width(_dim(a), _dim(b)))

    def logical_or(self, a: Any, b: Any) -> Any:
        return Dim(_dimensionless(), width=_width(_dim(a), _dim(b)))

    def logical_not(self, a: Any) -> Any:
        return Dim(_dimensionless(), width=_dim(a).width)

    def sum(self, x: Any) -> Any:
        _not_offset(_dim(x), "summing")
        return Dim(_dim(x).unit, any_unit=_dim(x).any_unit)

    def dot(self, a: Any, b: Any) -> Any:
        return Dim(_multiply(_dim(a), _dim(b), "multiplying").unit)

    def concatenate(self, parts: Sequence[Any]) -> Any:
        dims = [_dim(part) for part in parts]
        if not dims:
            return Dim(_dimensionless(), width=0)
        joined = dims[0]
        for dim in dims[1:]:
            joined = _same(joined, dim, "joining")
        return Dim(
            joined.unit, any_unit=joined.any_unit, width=sum(1 if dim.width is None else dim.width for dim in dims)
        )

    def matvec(self, matrix: Any, x: Any) -> Any:
        dim = _dim(x)
        _not_offset(dim, "multiplying")
        return Dim(dim.unit, any_unit=dim.any_unit, width=len(matrix))

    def roll(self, x: Any, shift: int) -> Any:
        del shift
        return x

    def diff(self, x: Any) -> Any:
        difference = _subtract(_dim(x), _dim(x))
        return Dim(difference.unit, width=len(x) - 1)

    def full(self, size: int, value: Any) -> Any:
        dim = _dim(value)
        return Dim(dim.unit, any_unit=dim.any_unit, width=size)

    def interpolate(self, x: Any, table: Table) -> Any:
        dim = _dim(x)
        if not dim.any_unit:
            _factor(dim.unit, parse_unit(table.x_unit), "looking up")
        return Dim(parse_unit(table.y_unit), width=dim.width)

    def convert(self, x: Any, source: str, target: str) -> Any:
        affine(source, target)
        dim = _dim(x)
        if not dim.any_unit:
            _factor(dim.unit, parse_unit(source), "converting")
        return Dim(parse_unit(target), width=dim.width)

    def quantity(self, value: float, unit: str) -> Any:
        return Dim(parse_unit(unit))

    def external(self, function: External, *arguments: Any) -> tuple[Any, ...]:
        for argument in arguments:
            expect(argument, "", f"an argument of {function.label}")
        return tuple(Dim(_dimensionless(), width=size) for size in function.sizes)

    def bind(self, x: Any, variable: Variable, name: str) -> Any:
        expect(_dim(x), variable.unit, f"input {name!r}")
        return Dim(parse_unit(variable.unit), width=_dim(x).width)

    def size(self, x: Any) -> int | None:
        return x.width if isinstance(x, Dim) else super().size(x)


DIMENSIONS = DimensionMaths()


def expect(value: Any, unit: str, what: str) -> None:
    """Raise `UnitError` unless numbers of `value` are numbers in `unit`."""
    dim = _dim(value)
    if dim.any_unit:
        return
    wanted = parse_unit(unit)
    offsets = (str(dim.unit) in OFFSET_UNITS, str(wanted) in OFFSET_UNITS)
    if offsets[0] != offsets[1]:
        raise UnitError(
            f"{what} is in {_text(dim.unit)}, not in {_text(wanted)}: one is absolute, the other a difference"
        )
    try:
        _factor(dim.unit, wanted, "equating")
    except UnitError as error:
        raise UnitError(f"{what}: {error}") from None


def _symbols(model: Model) -> dict[str, Any]:
    symbols: dict[str, Any] = {"t": Dim(parse_unit(model.time_unit))}
    for prefix, part in model.walk():
        for name, variable in part.declared.items():
            if variable.kind != "output":
                symbols[prefix + name] = Dim(parse_unit(variable.unit), width=part.size_of(variable))
    return symbols


def _located(error: BaseException, model: Model) -> str:
    """Return ``file:line`` of the innermost frame that belongs to a model or to physics, not to this library."""
    own = {__file__, evaluate.__code__.co_filename, Maths.log10.__code__.co_filename}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in own]
    frames = [frame for frame in frames if frame.filename != traceback.__file__]
    if not frames:
        return type(model).__name__
    return f"{frames[-1].filename}:{frames[-1].lineno}: in {type(model).__name__}"


def dimension_problems(model: Model) -> list[str]:
    """Return every unit inconsistency of a model's equations, in words (empty: the equations are consistent).

    Checked are all operations inside the equations, each derivative against its state's unit per `time_unit`, each
    output against its unit, inputs bound to sub-models, event settings, and conserved balances.
    """
    symbols = _symbols(model)
    problems: list[str] = []

    def guarded(check: Any) -> Any:
        try:
            return check()
        except TwinkitError as error:
            problems.append(f"{_located(error, model)}: {error}")
            return None

    result = guarded(lambda: evaluate(model, symbols, DIMENSIONS))
    layout = guarded(lambda: model.layout)
    if result is None or layout is None:
        return problems
    for name, value in result.derivatives.items():
        unit = derivative_unit(layout.states[name].variable.unit, model.time_unit)
        guarded(lambda value=value, unit=unit, name=name: expect(value, unit, f"the derivative of {name!r}"))
    for name, value in result.outputs.items():
        unit = layout.outputs[name].variable.unit
        guarded(lambda value=value, unit=unit, name=name: expect(value, unit, f"output {name!r}"))
    happenings = guarded(lambda: evaluate_events(model, symbols, DIMENSIONS))
    for events in happenings or ():
        for happening, event in events.items():
            for name, value in event.set.items():
                unit = layout.find(name).variable.unit
                what = f"{happening!r} setting {name!r}"
                guarded(lambda value=value, unit=unit, what=what: expect(value, unit, what))
    for name, balance in (guarded(lambda: evaluate_balances(model, symbols, DIMENSIONS)) or {}).items():
        unit = derivative_unit(str(_dim(balance.amount).unit), model.time_unit)
        guarded(lambda b=balance, unit=unit, n=name: expect(b.inflow, unit, f"the inflow of conserved {n!r}"))
    return problems


def rate_units(model: Model) -> dict[str, str]:
    """Return the rates the equations name, sub-models included, each with its unit.

    Raises
    ------
    UnitError
        If the equations are not consistent in their units.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Growth(tk.Model):
    ...     '''Exponential growth.'''
    ...     time_unit = "h"
    ...     X = tk.State("g/L", initial=1.0)
    ...     mu_max = tk.Parameter("1/h", 0.3)
    ...     def equations(self, v, m):
    ...         mu = m.rate("mu", v.mu_max)
    ...         return {"X": mu * v.X}
    >>> Growth().named_rates
    {'mu': '1/h'}
    """
    result = evaluate(model, _symbols(model), DIMENSIONS)
    return {name: unit_label(str(_dim(value).unit)) for name, value in result.rates.items()}


def check_dimensions(model: Model) -> None:
    """Raise `UnitError` with every inconsistency found by `dimension_problems`.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Fill(tk.Model):
    ...     '''A vessel that fills.'''
    ...     time_unit = "min"
    ...     V = tk.State("L", initial=1.0)
    ...     F = tk.Input("L/h", default=1.0)
    ...     def equations(self, v, m):
    ...         return {"V": v.F}
    >>> check_dimensions(Fill())
    Traceback (most recent call last):
    ...
    twinkit.core.errors.UnitError: Fill: the derivative of 'V': equating L/h and L/min: ... factor of 0.0166667; ...
    """
    problems = dimension_problems(model)
    if problems:
        raise UnitError("\n".join(problems))
