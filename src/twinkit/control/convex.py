"""Making a quadratic programme of stages convex: without moving its solution where it is convex along the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from twinkit.core.component import Array
from twinkit.optimise import StageProgram

_LEAST = 1e-6  # smallest curvature kept


def convexified(p: StageProgram, fixed: npt.NDArray[np.bool_]) -> tuple[StageProgram, Array]:
    """Return a programme whose stages are convex, and what was carried to each node, ``(N + 1, n, n)``.

    Where the programme is convex along the model, cost is carried from stage to stage, backwards (Verschueren et al.
    2017). That changes no solution: multipliers of the original are those of the result plus what was carried times the
    state. Where it is not, negative curvature of each stage is left out, which makes it a model of a nearby programme.

    Parameters
    ----------
    p
        A programme in scaled variables.
    fixed
        Inputs that are expected to stay at a bound, ``(N, m)``: their curvature does not matter.

    References
    ----------
    R. Verschueren, M. Zanon, R. Quirynen, M. Diehl, A sparsity preserving convexification procedure for
    indefinite quadratic programs arising in direct optimal control, SIAM J. Optim. 27 (2017) 2085-2109.
    doi:10.1137/16M1081543
    """
    whole = np.block([[p.Q[:-1], p.S.transpose(0, 2, 1)], [p.S, p.R]])
    whole = 0.5 * (whole + whole.transpose(0, 2, 1))
    values, vectors = np.linalg.eigh(whole)
    if values.min() >= -1e-12:
        return p, np.zeros_like(p.Q)
    found = _carried(p, whole, fixed)
    if found is not None:
        return found
    clipped = (vectors * np.maximum(values, _LEAST)[:, None, :]) @ vectors.transpose(0, 2, 1)
    n = p.Q.shape[1]
    end = np.concatenate([clipped[:, :n, :n], p.Q[-1:]])
    return replace(p, Q=end, S=clipped[:, n:, :n], R=clipped[:, n:, n:]), np.zeros_like(p.Q)


def _carried(p: StageProgram, whole: Array, fixed: npt.NDArray[np.bool_]) -> tuple[StageProgram, Array] | None:
    """Return the programme with cost carried along the model, or None where it is not convex there."""
    n, q = p.Q.shape[1], p.q.copy()
    slopes, whole = np.concatenate([p.A, p.B], axis=2), whole.copy()
    later, kept = np.zeros((n, n)), np.zeros_like(p.Q)
    gradients = np.concatenate([p.q[:-1], p.r], axis=1)
    small = _LEAST * np.eye(n)
    for k in range(len(whole) - 1, -1, -1):
        here = whole[k] + slopes[k].T @ later @ slopes[k]
        gradients[k] += slopes[k].T @ (later @ p.b[k])
        if fixed[k].any():
            at = n + np.flatnonzero(fixed[k])
            here[at, :], here[:, at] = 0.0, 0.0
            here[at, at] = 1.0
        try:
            root = np.linalg.cholesky(here[n:, n:] - 0.5 * _LEAST * np.eye(len(here) - n))
        except np.linalg.LinAlgError:
            return None
        half = np.linalg.solve(root, here[n:, :n])
        later = here[:n, :n] - half.T @ half - small
        kept[k] = later
        here[:n, :n] -= later
        whole[k] = here
    if not np.isfinite(whole).all():
        return None
    q[:-1] = gradients[:, :n]
    # What is carried before the first stage acts on a fixed state: a constant.
    made = replace(
        p, Q=np.concatenate([whole[:, :n, :n], p.Q[-1:]]), S=whole[:, n:, :n], R=whole[:, n:, n:], q=q,
        r=gradients[:, n:],
    )  # fmt: skip
    return made, kept
