"""The source of a compiled run: emitted model functions, constants, sparse products, and a kernel."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import casadi as ca

from twinkit.core.errors import MissingDependencyError
from twinkit.estimate.compiled import Compiled
from twinkit.readings.casadi import SYMBOLIC

_ARGUMENTS = ("t", "x", "z", "u", "modes", "p")
_MARK = "kernel\n"
_PLAIN = "@njit(**_OPTIONS)"
_modules: dict[tuple[int, str], tuple[Compiled, ModuleType]] = {}


def compiled_module(functions: Compiled, rows: tuple[int, ...], kernel: str) -> ModuleType:
    """Return the module whose ``run`` filters a record (made once per filter's structure).

    Parameters
    ----------
    functions
        Of the filter.
    rows
        What the sensors measure; see `EstimationProblem.rows`.
    kernel
        Name of the kernel: ``extended`` or ``unscented``.

    Raises
    ------
    MissingDependencyError
        Without numba (extra ``compiled``).
    """
    known = _modules.get((id(functions), kernel))
    if known is not None:
        return known[1]
    try:
        from twinkit.simulate.compiled.cache import compile_source
    except ImportError:
        raise MissingDependencyError.for_package("numba", "compiled", "A compiled run of a filter") from None
    with SYMBOLIC:
        body = _source(functions, rows, kernel)
    module = compile_source(body)
    _modules[id(functions), kernel] = functions, module  # the functions are kept, so that their id stays theirs
    return module


def _source(functions: Compiled, rows: tuple[int, ...], kernel: str) -> str:
    from twinkit.simulate.compiled.emit import emit, helpers

    s = functions.symbols
    n, count, chosen = s.x.numel(), len(rows), list(rows)
    z, size = s.solve(s.t, s.x, s.z, s.u, s.modes, s.p)
    rate, jacobian = s.slope(s.t, s.x, z, s.u, s.modes, s.p)
    quantities, derivatives = s.quantities(s.t, s.x, s.z, s.u, s.modes, s.p)
    seen, through = quantities[chosen], derivatives[chosen, :]
    expressions = {
        "stage": [ca.densify(rate), ca.vertcat(*jacobian.nonzeros()), z, ca.densify(size)],
        "rates": [ca.densify(rate), z, ca.densify(size)],
        "seen": [ca.densify(seen), ca.vertcat(*through.nonzeros())],
        "solve": [z],
    }
    arguments = [s.t, s.x, s.z, s.u, s.modes, s.p]
    blocks = [
        emit(_function(name, arguments, parts), name, decorator=_PLAIN, helper_decorator=_PLAIN)
        for name, parts in expressions.items()
    ]
    sizes = {"N": n, "M": count, "NZ": s.z.numel(), "NU": s.u.numel(), "NJ": jacobian.nnz(), "NH": through.nnz()}
    constants = "\n".join(f"{name} = {value}" for name, value in sizes.items())
    products = [_times(jacobian.sparsity(), n), *_sensors(through.sparsity())]
    emitted = "\n\n".join(blocks)
    folder = Path(__file__).parent
    kernels = ["extended"] if kernel == "extended" else ["extended", kernel]
    texts = [(folder / f"_{name}_kernel.py").read_text(encoding="utf-8").partition(_MARK)[2] for name in kernels]
    if kernel != "extended":
        texts[0] = texts[0].partition("@njit(**_OPTIONS)\ndef run(")[0]  # its run is another's
    return "\n\n".join([constants, helpers(emitted, _PLAIN), emitted, *products, *texts])


def _function(name: str, arguments: list[Any], parts: list[Any]) -> Any:
    return ca.Function(name, arguments, [ca.cse(ca.vertcat(*parts))], list(_ARGUMENTS), ["f"])


def _sum(pairs: list[tuple[int, str]]) -> str:
    return " + ".join(f"j[{k}] * {term}" for k, term in pairs) or "0.0"


def _times(sparsity: Any, n: int) -> str:
    """Write ``out = s J m`` and ``out += s J`` for the nonzeros `j` of a matrix; a loop per row becomes vector code."""
    rows, cols = sparsity.get_triplet()
    lines = ["@njit(**_OPTIONS)\ndef times(j, m, s, out):"]
    for row in range(n):
        pairs = [(k, f"m[{c}, i]") for k, (r, c) in enumerate(zip(rows, cols, strict=True)) if r == row]
        lines.append(f"    for i in range({n}):\n        out[{row}, i] = s * ({_sum(pairs)})")
    lines.append("\n\n@njit(**_OPTIONS)\ndef scatter(j, s, out):\n    pass")
    lines += [f"    out[{r}, {c}] += s * j[{k}]" for k, (r, c) in enumerate(zip(rows, cols, strict=True))]
    return "\n".join(lines) + "\n"


def _sensors(sparsity: Any) -> list[str]:
    """Write ``P h``, ``(P - K v') h`` and ``h v`` for the nonzeros `j` of the row of one sensor."""
    rows, cols = sparsity.get_triplet()
    through = ["@njit(**_OPTIONS)\ndef through(sensor, j, m, out):"]
    joseph = ["@njit(**_OPTIONS)\ndef joseph(sensor, j, m, spread, v, out):"]
    onto = ["@njit(**_OPTIONS)\ndef onto(sensor, j, v):"]
    for row in range(sparsity.size1()):
        found = [(k, c) for k, (r, c) in enumerate(zip(rows, cols, strict=True)) if r == row]
        through.append(f"    if sensor == {row}:\n        for i in range(N):")
        through.append(f"            out[i] = {_sum([(k, f'm[{c}, i]') for k, c in found])}")
        joseph.append(f"    if sensor == {row}:\n        for i in range(N):\n            gain = v[i] / spread")
        joseph.append(f"            out[i] = {_sum([(k, f'(m[{c}, i] - gain * v[{c}])') for k, c in found])}")
        onto.append(f"    if sensor == {row}:\n        return {_sum([(k, f'v[{c}]') for k, c in found])}")
    return ["\n".join(through) + "\n", "\n".join(joseph) + "\n", "\n".join([*onto, "    return 0.0"]) + "\n"]
