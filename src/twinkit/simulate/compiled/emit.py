"""Emit a CasADi SX function as Python source that numba compiles.

The graph of an SX function is a straight list of scalar instructions.  Each
becomes one Python statement, so the source needs neither CasADi nor a C
compiler to run, can be read, and can be cached under the hash of its text.
Results agree with CasADi's own evaluation to the last bits: nothing is
reordered and no fast-math flag is used.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import casadi as ca

#: Instructions per emitted function.  numba's type inference and LLVM's register
#: allocation grow faster than linearly, so long graphs are cut into pieces that
#: hand intermediate values on through a work array.
CHUNK = 400


class EmitError(NotImplementedError):
    """A function holds something that cannot be written as scalar source."""


# One template per operation; {0} and {1} are the operands.  A comparison is
# multiplied by 1.0 because numba has no float(bool), and this needs no branch.
_TEMPLATES = {
    ca.OP_ASSIGN: "{0}", ca.OP_ADD: "{0} + {1}", ca.OP_SUB: "{0} - {1}",
    ca.OP_MUL: "{0} * {1}", ca.OP_DIV: "{0} / {1}", ca.OP_NEG: "-{0}",
    ca.OP_SQ: "{0} * {0}", ca.OP_TWICE: "2.0 * {0}", ca.OP_INV: "1.0 / {0}",
    ca.OP_EXP: "math.exp({0})", ca.OP_LOG: "math.log({0})", ca.OP_SQRT: "math.sqrt({0})",
    ca.OP_LOG1P: "math.log1p({0})", ca.OP_EXPM1: "math.expm1({0})",
    ca.OP_POW: "math.pow({0}, {1})", ca.OP_CONSTPOW: "math.pow({0}, {1})",
    ca.OP_SIN: "math.sin({0})", ca.OP_COS: "math.cos({0})", ca.OP_TAN: "math.tan({0})",
    ca.OP_ASIN: "math.asin({0})", ca.OP_ACOS: "math.acos({0})", ca.OP_ATAN: "math.atan({0})",
    ca.OP_SINH: "math.sinh({0})", ca.OP_COSH: "math.cosh({0})", ca.OP_TANH: "math.tanh({0})",
    ca.OP_ASINH: "math.asinh({0})", ca.OP_ACOSH: "math.acosh({0})",
    ca.OP_ATANH: "math.atanh({0})", ca.OP_ATAN2: "math.atan2({0}, {1})",
    ca.OP_HYPOT: "math.hypot({0}, {1})", ca.OP_ERF: "math.erf({0})",
    ca.OP_ERFINV: "_erfinv({0})", ca.OP_FABS: "abs({0})", ca.OP_FLOOR: "np.floor({0})",
    ca.OP_CEIL: "np.ceil({0})", ca.OP_SIGN: "_sign({0})",
    ca.OP_COPYSIGN: "math.copysign({0}, {1})", ca.OP_FMOD: "np.fmod({0}, {1})",
    ca.OP_REMAINDER: "_remainder({0}, {1})", ca.OP_FMIN: "_fmin({0}, {1})",
    ca.OP_FMAX: "_fmax({0}, {1})", ca.OP_LT: "({0} < {1}) * 1.0",
    ca.OP_LE: "({0} <= {1}) * 1.0", ca.OP_EQ: "({0} == {1}) * 1.0",
    ca.OP_NE: "({0} != {1}) * 1.0", ca.OP_NOT: "({0} == 0.0) * 1.0",
    ca.OP_AND: "(({0} != 0.0) & ({1} != 0.0)) * 1.0",
    ca.OP_OR: "(({0} != 0.0) | ({1} != 0.0)) * 1.0",
    # A true selection, not a product: the branch not taken may be infinite.
    ca.OP_IF_ELSE_ZERO: "_if_else_zero({0}, {1})", ca.OP_LIFT: "{0}",
}  # fmt: skip

_OP_NAMES = {getattr(ca, name): name for name in dir(ca) if name.startswith("OP_")}

# Helpers follow C's conventions, which are CasADi's: fmin ignores NaN, sign
# passes NaN and zero through, remainder rounds the quotient half to even.
_HELPERS = {
    "_sign": """
def _sign(x):
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else x)
""",
    "_fmin": """
def _fmin(x, y):
    return x if (x < y or y != y) else y
""",
    "_fmax": """
def _fmax(x, y):
    return x if (x > y or y != y) else y
""",
    "_if_else_zero": """
def _if_else_zero(condition, x):
    return x if condition != 0.0 else 0.0
""",
    "_remainder": """
def _remainder(x, y):
    size = abs(y)
    if not (abs(x) < math.inf) or not (size > 0.0):
        return math.nan
    if size == math.inf:
        return x
    r = np.fmod(abs(x), size)
    odd = size < 8e307 and np.fmod(abs(x), 2.0 * size) >= size
    if r > 0.5 * size or (r == 0.5 * size and odd):
        r -= size
    return math.copysign(1.0, x) * r
""",
    "_erfinv": """
def _erfinv(x):
    if not (abs(x) < 1.0):
        return x * math.inf if abs(x) == 1.0 else math.nan
    # Winitzki's closed form (relative error 2e-3), then Halley's iteration on
    # the complement, which keeps its digits in the tails.
    a = abs(x)
    w = math.log((1.0 - a) * (1.0 + a))
    b = 4.330746750799873 + 0.5 * w
    y = math.sqrt(max(math.sqrt(b * b - w / 0.147) - b, 0.0))
    for _ in range(4):
        if a < 0.5:
            e = math.erf(y) - a
        else:
            e = (1.0 - a) - math.erfc(y)
        e *= 0.886226925452758 * math.exp(y * y)
        y -= e / (1.0 + y * e)
    return math.copysign(y, x)
""",
}


def _literal(value: float) -> str:
    """Write a constant so that it reads back bit for bit."""
    if math.isnan(value):
        return "math.nan"
    if math.isinf(value):
        return "math.inf" if value > 0 else "-math.inf"
    # Parentheses: "-2.0 * x" and "a - -2.0" both parse, "-2.0 ** x" would not.
    return repr(value) if value >= 0 and not str(value).startswith("-") else f"({value!r})"


def _flat_positions(sparsity: ca.Sparsity) -> list[int]:
    """Positions of the nonzeros in the row-major flattening of a matrix."""
    columns = sparsity.size2()
    rows, cols = sparsity.get_triplet()
    return [r * columns + c for r, c in zip(rows, cols, strict=True)]


def _check(function: ca.Function) -> None:
    if function.class_name() != "SXFunction":
        raise EmitError(
            f"{function.name()!r} is a {function.class_name()}; only SX functions are a list of "
            "scalar operations. Call .expand() on it first."
        )
    if function.has_free():
        raise EmitError(f"{function.name()!r} has free variables: {function.get_free()}")


class _Writer:
    """Walks the instructions once and yields one statement per instruction."""

    def __init__(self, function: ca.Function, scalars: Sequence[str], nonzeros: bool) -> None:
        self.function = function
        self.inputs = [
            (name, name in scalars, _flat_positions(function.sparsity_in(i)))
            for i, name in enumerate(function.name_in())
        ]
        self.outputs: list[list[int]] = []
        offset = 0
        for i in range(function.n_out()):
            sparsity = function.sparsity_out(i)
            size = sparsity.nnz() if nonzeros else sparsity.numel()
            local = range(size) if nonzeros else _flat_positions(sparsity)
            self.outputs.append([offset + k for k in local])
            offset += size
        self.size_out = offset

    def instructions(self) -> Iterator[tuple[int | None, list[int], Callable[..., str]]]:
        """Yield (work variable set or None, work variables read, statement builder)."""
        f = self.function
        for k in range(f.n_instructions()):
            op = f.instruction_id(k)
            if op == ca.OP_CONST:
                text = _literal(float(f.instruction_constant(k)))
                yield f.instruction_output(k)[0], [], lambda text=text: text
            elif op == ca.OP_INPUT:
                which, nonzero = f.instruction_input(k)
                name, scalar, positions = self.inputs[which]
                text = name if scalar else f"{name}[{positions[nonzero]}]"
                yield f.instruction_output(k)[0], [], lambda text=text: text
            elif op == ca.OP_OUTPUT:
                which, nonzero = f.instruction_output(k)
                target = f"out[{self.outputs[which][nonzero]}]"
                read = [f.instruction_input(k)[0]]
                yield None, read, lambda x, target=target: f"{target} = {x}"
            elif op in _TEMPLATES:
                reads = list(f.instruction_input(k))
                yield f.instruction_output(k)[0], reads, _TEMPLATES[op].format
            else:
                name = _OP_NAMES.get(op, f"operation {op}")
                raise EmitError(
                    f"{f.name()!r} uses {name} (instruction {k}), which has no scalar numba "
                    "form; use the CasADi integrator for this model."
                )


def _statements(writer: _Writer) -> list[tuple[int | None, list[int], Callable[..., str]]]:
    """Collect instructions in single-assignment form.

    CasADi reuses work variables; numbering every value once lets a chunk know
    which of its values later chunks need.
    """
    current: dict[int, int] = {}
    statements: list[tuple[int | None, list[int], Callable[..., str]]] = []
    for count, (target, reads, build) in enumerate(writer.instructions()):
        renamed = [current[r] for r in reads]
        statements.append((None if target is None else count, renamed, build))
        if target is not None:
            current[target] = count
    return statements


def _zeros(writer: _Writer) -> list[str]:
    """Statements that clear the structural zeros of dense outputs."""
    written = {position for positions in writer.outputs for position in positions}
    return [f"out[{k}] = 0.0" for k in range(writer.size_out) if k not in written]


def _body(
    statements: list[tuple[int | None, list[int], Callable[..., str]]],
    shared: dict[int, int],
) -> list[str]:
    """Write one chunk; values in ``shared`` live in the work array."""
    lines: list[str] = []
    local: set[int] = set()
    for target, reads, build in statements:
        names = []
        for r in reads:
            if r not in local:
                lines.append(f"v{r} = work[{shared[r]}]")
                local.add(r)
            names.append(f"v{r}")
        text = build(*names)
        if target is None:
            lines.append(text)
        else:
            lines.append(f"v{target} = {text}")
            local.add(target)
            if target in shared:
                lines.append(f"work[{shared[target]}] = v{target}")
    return lines


def emit(
    function: ca.Function,
    name: str,
    *,
    scalars: Sequence[str] = ("t",),
    nonzeros: bool = False,
    chunk: int = CHUNK,
    decorator: str = "",
    helper_decorator: str = "",
) -> str:
    """Write an SX function as Python source for numba.

    Parameters
    ----------
    function : casadi.Function
        An SX function.  Input names become argument names.
    name : str
        Name of the emitted function; its last argument is ``out``.
    scalars : sequence of str
        Inputs passed as a float.  All others are flat arrays (row-major
        positions, also for sparse inputs).
    nonzeros : bool
        Write only structural nonzeros, in CasADi's (column-major) order,
        instead of dense row-major outputs.  Several outputs follow each other.
    chunk : int
        Instructions per emitted function.
    decorator, helper_decorator : str
        Source lines put before the function and before its helpers.

    Returns
    -------
    str
        Source that needs ``math`` and ``np`` (NumPy) in scope.

    Raises
    ------
    EmitError
        If the function is not SX, has free variables, or uses an unknown operation.
    """
    _check(function)
    writer = _Writer(function, scalars, nonzeros)
    statements = _statements(writer)
    parts = [statements[i : i + chunk] for i in range(0, len(statements), chunk)]
    born = {t: i for i, part in enumerate(parts) for t, _, _ in part if t is not None}
    crossing = sorted({r for i, part in enumerate(parts) for _, reads, _ in part for r in reads if born[r] != i})
    shared = {value: position for position, value in enumerate(crossing)}
    arguments = ", ".join(function.name_in())
    bodies = [_body(part, shared) for part in parts]
    blocks: list[str] = []

    def define(title: str, parameters: str, lines: list[str], mark: str) -> None:
        body = "\n".join(f"    {line}" for line in lines or ["pass"])
        blocks.append(f"{mark}{chr(10) if mark else ''}def {title}({parameters}):\n{body}\n")

    if len(bodies) <= 1:
        lines = [line for body in bodies for line in body]
        define(name, f"{arguments}, out", _zeros(writer) + lines, decorator)
    else:
        for i, lines in enumerate(bodies):
            define(f"_{name}_{i}", f"{arguments}, work, out", lines, helper_decorator)
        calls = [f"_{name}_{i}({arguments}, work, out)" for i in range(len(bodies))]
        head = [f"work = np.empty({max(1, len(shared))})"]
        define(name, f"{arguments}, out", _zeros(writer) + head + calls, decorator)
    return "\n\n".join(blocks)


def helpers(source: str, decorator: str = "") -> str:
    """Source of the helper functions that emitted text refers to."""
    mark = f"{decorator}\n" if decorator else ""
    needed = [text for key, text in _HELPERS.items() if f"{key}(" in source]
    return "\n\n".join(mark + text.lstrip("\n") for text in needed)
