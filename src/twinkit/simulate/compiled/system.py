"""Turn CasADi expressions into a system the compiled integrator can advance."""

from collections.abc import Sequence
from dataclasses import dataclass

import casadi as ca
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import reverse_cuthill_mckee

from twinkit.simulate.compiled._types import Model
from twinkit.simulate.compiled.cache import compile_source
from twinkit.simulate.compiled.emit import emit, helpers

_FUNCTIONS = ("rhs", "jac", "dfdt", "roots")


@dataclass(frozen=True, eq=False)
class System:
    """A compiled model; share it between runs, threads and ensembles.

    Attributes
    ----------
    n, n_u, n_p, n_roots : int
        Numbers of states (differential then algebraic), inputs, parameters, roots.
    order : ndarray of int64, shape (n,)
        ``y[order]`` is the order in which the kernel holds the states.
    natural : bool
        Whether that is the given order.
    model : Model
        Addresses and structure for the kernel.
    source : str
        The generated source.
    """

    n: int
    n_u: int
    n_p: int
    n_roots: int
    order: NDArray
    natural: bool
    model: Model
    source: str
    _module: object  # keeps the machine code alive


def _bandwidths(rows: NDArray, cols: NDArray) -> tuple[int, int]:
    if rows.size == 0:
        return 0, 0
    return int(max(0, (rows - cols).max())), int(max(0, (cols - rows).max()))


def _banded_order(sparsity: ca.Sparsity) -> NDArray:
    """Order the states so that the Jacobian is a narrow band, if that pays."""
    n = sparsity.size1()
    natural = np.arange(n)
    rows, cols = (np.array(v, dtype=np.int64) for v in sparsity.get_triplet())
    if n < 12 or rows.size == 0:
        return natural
    pattern = csr_matrix((np.ones(rows.size), (rows, cols)), shape=(n, n))
    candidate = np.asarray(reverse_cuthill_mckee((pattern + pattern.T).tocsr(), True))
    position = np.empty(n, dtype=np.int64)
    position[candidate] = natural

    def cost(r: NDArray, c: NDArray) -> int:
        below, above = _bandwidths(r, c)
        return below * (below + above)

    better = cost(position[rows], position[cols]) < 0.8 * cost(rows, cols)
    return candidate.astype(np.int64) if better else natural


def compile_system(
    t: ca.SX,
    x: ca.SX,
    z: ca.SX,
    u: ca.SX,
    p: ca.SX,
    rate: ca.SX,
    residual: ca.SX,
    roots: ca.SX | None = None,
) -> System:
    """Compile ``x' = rate``, ``0 = residual`` and optional root functions.

    Parameters
    ----------
    t : SX, shape (1, 1)
        Time symbol.
    x, z, u, p : SX, shapes (n_x, 1), (n_z, 1), (n_u, 1), (n_p, 1)
        Symbols of differential states, algebraic variables, inputs, parameters;
        ``SX(0, 1)`` where there are none.
    rate, residual : SX, shapes (n_x, 1), (n_z, 1)
        Right-hand sides.
    roots : SX, shape (n_roots, 1), optional
        Functions whose zeros are events.

    Returns
    -------
    System
    """
    natural = ca.vertcat(x, z)
    n, n_u = natural.numel(), u.numel()
    full_rate = ca.vertcat(rate, residual)
    if full_rate.numel() != n:
        raise ValueError(f"{n} states but {full_rate.numel()} equations")
    order = _banded_order(ca.jacobian(full_rate, natural).sparsity())
    y, f = natural[order.tolist()], ca.densify(full_rate[order.tolist()])
    slope = ca.SX.sym("du", n_u)
    drive = ca.vertcat(u, slope)
    jacobian = ca.jacobian(f, y)
    partial = ca.jacobian(f, t)
    drift = ca.densify(partial + (ca.jtimes(f, u, slope) if n_u else 0))
    events = ca.SX(0, 1) if roots is None else ca.densify(roots)
    outputs: dict[str, ca.SX] = dict(zip(_FUNCTIONS, (f, jacobian, drift, events), strict=True))
    source = _source(outputs, t, y, drive, p)
    module = compile_source(source)
    address = [getattr(module, name).address if hasattr(module, name) else 0 for name in _FUNCTIONS]
    rows, cols = (np.array(v, dtype=np.int64) for v in jacobian.sparsity().get_triplet())
    mass = np.concatenate([np.ones(x.numel()), np.zeros(z.numel())])[order]
    model = Model(
        functions=np.array(address, dtype=np.int64),
        rows=rows,
        cols=cols,
        mass=mass,
        band=np.array(_bandwidths(rows, cols), dtype=np.int64),
        flags=np.array([partial.nnz() > 0, z.numel() > 0], dtype=np.int64),
    )
    natural_order = bool((order == np.arange(n)).all())
    return System(n, n_u, p.numel(), events.numel(), order, natural_order, model, source, module)


def _source(outputs: dict[str, ca.SX], t: ca.SX, y: ca.SX, drive: ca.SX, p: ca.SX) -> str:
    """Emit the model functions with their decorators and helpers."""
    names: Sequence[str] = ("t", "y", "u", "p")
    blocks = [
        emit(
            ca.Function("model", [t, y, drive, p], [ca.cse(expression)], list(names), ["f"]),
            name,
            nonzeros=True,
            decorator="@cfunc(_SIGNATURE, **_OPTIONS)",
            helper_decorator="@njit(**_OPTIONS)",
        )
        for name, expression in outputs.items()
        if name != "roots" or expression.numel()
    ]
    body = "\n\n".join(blocks)
    return helpers(body, "@njit(**_OPTIONS)") + "\n\n" + body
