"""The CHO fed-batch of the benchmarks: recipe, reference, and the same equations as the named peers run them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import casadi as ca
import numpy as np
from numpy.typing import NDArray
from scipy.integrate import odeint, solve_ivp

import twinkit as tk
from twinkit.unitops import CHOFedBatch

CSV = Path(__file__).parents[1] / "tests" / "reference" / "data" / "cho_kornecki_fedbatch.csv"

MODEL = CHOFedBatch()
KNOTS = [0.0, 72.0, 120.0, 168.0, 216.0, 264.0]  # h
FEED = [0.0, 0.8e-3, 1.6e-3, 2.4e-3, 2.4e-3, 1.6e-3]  # L/h, held from each knot on
END = 336.0
TIMES = np.arange(337.0)
STEPS = {"F": tk.steps((KNOTS, FEED))}

# Where the peers restart. The feed does not change at 216 h, so that no solver restarts there.
STRETCHES = [(0.0, 72.0, FEED[0]), (72.0, 120.0, FEED[1]), (120.0, 168.0, FEED[2]), (168.0, 264.0, FEED[3]),
             (264.0, END, FEED[5])]  # fmt: skip

STATES = MODEL.layout.states
Y0 = STATES.pack(MODEL.values())
P = MODEL.layout.parameters.pack(MODEL.values())
SCALES = STATES.scales
GLCF, GLNF = MODEL.GlcF, MODEL.GlnF


def reference() -> NDArray:
    """Return the reference trajectories, columns in the order of the states."""
    with CSV.open(encoding="utf-8") as stream:
        header = stream.readline().strip().split(",")
        table = np.loadtxt(stream, delimiter=",")
    if header != ["t_h", *[entry.name for entry in STATES]] or not np.array_equal(table[:, 0], TIMES):
        raise ValueError(f"{CSV.name} does not hold hourly values of {[entry.name for entry in STATES]}")
    return table[:, 1:]


def scaled_error(rows: NDArray, expected: NDArray) -> float:
    """Return the largest error over all states and times, each state on the scale of its largest value."""
    axes = tuple(range(expected.ndim - 1))
    return float((np.abs(rows - expected) / np.abs(expected).max(axis=axes)).max())


def states_of(solution: tk.Solution) -> NDArray:
    """Return all states of a solution as one array."""
    return np.column_stack([solution.trace(entry.name).data for entry in STATES])


# ------------------------------------------------------------------------------------------------- the peers


def rates(y: Sequence, F: float, p: Sequence) -> list:
    """The right-hand side as a user of SciPy writes it; floats, NumPy scalars and CasADi symbols alike."""
    Xv, Xd, Glc, Gln, Lac, Amm, mAb, V, O2 = y
    (mu_max, k_d, K_Glc, K_Gln, KI_Lac, KI_Amm, KD_Lac, KD_Amm, Y_X_Glc, Y_X_Gln, Y_Lac_Glc, Y_Amm_Gln, r_Amm, m_Glc,
     a1, a2, q_mAb, K_gate, kLa, O2_sat, q_O2, K_O2) = p  # fmt: skip
    mu = mu_max * Glc / (K_Glc + Glc) * Gln / (K_Gln + Gln)
    mu = mu * KI_Lac / (KI_Lac + Lac) * KI_Amm / (KI_Amm + Amm)
    death = k_d * Lac / (KD_Lac + Lac) * Amm / (KD_Amm + Amm)
    net = mu - death
    D = F / V
    uptake = net / Y_X_Glc + m_Glc * Glc / (Glc + K_gate)
    return [
        (net - D) * Xv,
        death * Xv - D * Xd,
        -uptake * Xv + D * (GLCF - Glc),
        -(net / Y_X_Gln + a1 * Gln / (a2 + Gln)) * Xv + D * (GLNF - Gln),
        Y_Lac_Glc * uptake * Xv - D * Lac,
        (Y_Amm_Gln * net / Y_X_Gln - r_Amm * Amm / (Amm + K_gate)) * Xv - D * Amm,
        q_mAb * (1 - mu / mu_max) * Xv - D * mAb,
        F,
        kLa * (O2_sat - O2) - q_O2 * Xv * O2 / (O2 + K_O2) - D * O2,
    ]


def lsoda(p: NDArray, rtol: float, *, floats: bool) -> NDArray:
    """SciPy `solve_ivp`, LSODA; `floats`: the state is turned into Python floats first, which is faster."""
    y, rows, values = Y0, [Y0[None]], p.tolist()
    atol = 1e-2 * rtol * SCALES
    for begin, end, feed in STRETCHES:
        if floats:
            run = solve_ivp(
                lambda t, y, F: rates(y.tolist(), F, values), (begin, end), y, "LSODA", _after(begin, end),
                args=(feed,), rtol=rtol, atol=atol,
            )  # fmt: skip
        else:
            run = solve_ivp(
                lambda t, y, F: rates(y, F, values), (begin, end), y, "LSODA", _after(begin, end),
                args=(feed,), rtol=rtol, atol=atol,
            )  # fmt: skip
        rows.append(run.y.T)
        y = run.y[:, -1]
    return np.vstack(rows)


def scipy_odeint(p: NDArray, rtol: float) -> NDArray:
    """SciPy `odeint` (LSODA with the loop over outputs in Fortran), on Python floats."""
    y, rows, values = Y0, [Y0[None]], p.tolist()
    for begin, end, feed in STRETCHES:
        run = odeint(
            lambda y, t, F: rates(y.tolist(), F, values), y, np.append(begin, _after(begin, end)),
            args=(feed,), rtol=rtol, atol=1e-2 * rtol * SCALES, tcrit=[end],
        )  # fmt: skip
        rows.append(run[1:])
        y = run[-1]
    return np.vstack(rows)


def casadi_cvodes(rtol: float, members: int = 1, threads: int = 1) -> Callable[[NDArray], NDArray]:
    """CasADi's CVODES with exact Jacobians, scaled states, all integrators made beforehand; ``map`` over members."""
    x, u, p = ca.SX.sym("x", len(Y0)), ca.SX.sym("u"), ca.SX.sym("p", len(P))
    rate = ca.vertcat(*rates(ca.vertsplit(x * SCALES), u, ca.vertsplit(p))) / SCALES
    system = {"x": x, "u": u, "p": p, "ode": rate}
    options = {"reltol": rtol, "abstol": 1e-2 * rtol, "max_num_steps": 100_000}
    pieces = []
    for begin, end, feed in STRETCHES:
        grid = _after(begin, end)
        one = ca.integrator("one", "cvodes", system, begin, grid.tolist(), options)
        many = one.map(members, "thread", threads) if threads > 1 else one.map(members)
        pieces.append((one if members == 1 else many, len(grid), feed))

    def run(p: NDArray) -> NDArray:
        y = np.tile((Y0 / SCALES)[:, None], members)
        blocks = [y.T[:, None]]
        for integrator, count, feed in pieces:
            found = integrator(x0=y, u=np.full((1, members), feed), p=p.T)["xf"].full()
            blocks.append(found.reshape(len(Y0), members, count).transpose(1, 2, 0))
            y = blocks[-1][:, -1].T
        return np.concatenate(blocks, axis=1) * SCALES

    return run


def _after(begin: float, end: float) -> NDArray:
    return TIMES[(begin < TIMES) & (end >= TIMES)]
