"""Arguments of the compiled integrator, grouped, and its status codes."""

from typing import Any, NamedTuple

from numba import float64, int64, types
from numpy.typing import NDArray

PENDING = -1
OK = 0
EVENT = 1
TOO_MANY_STEPS = 2
STEP_TOO_SMALL = 3
NON_FINITE = 4
INCONSISTENT = 5

#: What a status means and what to do about it.
STATUS_TEXT = {
    OK: "finished",
    EVENT: "stopped at an event",
    TOO_MANY_STEPS: "max_steps was reached: raise it, loosen rtol, or look for a fast oscillation",
    STEP_TOO_SMALL: "the step size fell to rounding error: look for a singularity or a jump "
    "in the equations (declare it as an event), or loosen the tolerances",
    NON_FINITE: "the equations gave NaN or infinity: look for a division by zero or the "
    "logarithm or root of a negative number",
    INCONSISTENT: "no values of the algebraic variables satisfy the algebraic equations "
    "near the given ones: improve their initial values",
}

#: Layout of the statistics vector.
STAT_NAMES = ("steps", "rejected", "rhs", "jacobians", "factorisations", "roots")
STEPS, REJECTED, N_RHS, N_JAC, N_LU, N_ROOTS = range(6)


class Model(NamedTuple):
    """Addresses and structure of one model, as the kernel's entry takes them.

    Every function has the C signature ``f(t, y, u, p, out)`` where ``u`` holds
    the ``nu`` inputs and then their ``nu`` time derivatives.
    """

    functions: NDArray  # int64 (4,): addresses of F, dF/dy, dF/dt (total, y fixed), roots or 0
    rows: NDArray  # int64 (nnz,): row of each Jacobian nonzero, in the order emitted
    cols: NDArray  # int64 (nnz,)
    mass: NDArray  # float64 (n,): 1 differential, 0 algebraic
    band: NDArray  # int64 (2,): sub- and super-diagonals of dF/dy
    flags: NDArray  # int64 (2,): F depends on t other than through u; any algebraic row


class Drive(NamedTuple):
    """Inputs as a piecewise cubic, ``u_i(t) = sum_j coefs[., k, i, j] (t - knots[k])**j``."""

    knots: NDArray  # float64 (K+1,), increasing
    coefs: NDArray  # float64 (1 or N, K, nu, 4): shared, or one per ensemble member
    jumps: NDArray  # int64 (K+1,): 1 = restart at this knot


class Control(NamedTuple):
    """Error control and limits."""

    rtol: float
    atol: Any  # float64 (n,)
    h_max: float  # inf = no limit
    max_steps: int  # accepted and rejected together


class Kernel(NamedTuple):
    """Everything a step needs that does not change during a run, as scalars and pointers."""

    n: int
    nu: int
    nnz: int
    n_roots: int
    rhs: int
    jac: int
    dfdt: int
    root: int
    explicit_time: int
    algebraic: int
    below: int
    above: int
    rows: Any
    cols: Any
    mass: Any
    pieces: int
    knots: Any
    coefs: Any
    jumps: Any
    rtol: float
    atol: Any
    h_max: float
    max_steps: int
    p: Any
    directions: Any
    hit: Any
    matrix: Any  # n*n, transposed M/(h g) - J, then its factors
    pivots: Any  # n
    jacobian: Any  # nnz
    stages: Any  # 8 * n
    dense: Any  # 3 * n
    f0: Any  # n: F at the start of the step
    drift: Any  # n: dF/dt
    f: Any  # n
    point: Any  # n
    trial: Any  # n
    u: Any  # 2 nu
    values: Any  # n_roots
    signs: Any  # n_roots: last nonzero signs, 0 = not known yet
    stats: Any  # 6


_F1, _I1 = float64[::1], int64[::1]
MODEL = types.NamedTuple((_I1, _I1, _I1, _F1, _I1, _I1), Model)
DRIVE = types.NamedTuple((_F1, float64[:, :, :, ::1], _I1), Drive)
CONTROL = types.NamedTuple((float64, _F1, float64, int64), Control)
