"""Making a quadratic programme of stages convex without moving its solution, where it is convex along the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinkit.core.component import Array
from twinkit.optimise import StageProgram

_LEAST = 1e-6  # smallest curvature kept


def convexified(p: StageProgram) -> tuple[StageProgram, Array]:
    """Return a programme whose stages are convex, and what was carried to each node, ``(N + 1, n, n)``.

    The multipliers of the original are those of the result plus what was carried times the state.

    Cost is carried from stage to stage along the model, backwards [1]_: this changes no solution. Where the cost that
    remains is not convex in the inputs, its curvature there is mirrored, which makes it a model of a nearby programme.

    Parameters
    ----------
    p
        A programme in scaled variables.

    References
    ----------
    .. [1] R. Verschueren, M. Zanon, R. Quirynen, M. Diehl, A sparsity preserving convexification procedure for indefinite
       quadratic programs arising in direct optimal control, SIAM J. Optim. 27 (2017) 2085-2109. doi:10.1137/16M1081543
    """
    whole = np.block([[p.Q[:-1], p.S.transpose(0, 2, 1)], [p.S, p.R]])
    whole = 0.5 * (whole + whole.transpose(0, 2, 1))
    if np.linalg.eigvalsh(whole).min() >= -1e-12:
        return p, np.zeros_like(p.Q)
    n, q, lead = p.Q.shape[1], p.q.copy(), p.q
    slopes = np.concatenate([p.A, p.B], axis=2)
    eye = np.eye(n)
    later, kept = np.zeros((n, n)), np.zeros_like(p.Q)
    gradients = np.concatenate([lead[:-1], p.r], axis=1)
    for k in range(len(whole) - 1, -1, -1):
        here = whole[k] + slopes[k].T @ later @ slopes[k]
        gradients[k] += slopes[k].T @ (later @ p.b[k])
        here[n:, n:] = positive(here[n:, n:])
        gain = np.linalg.solve(here[n:, n:], here[n:, :n])
        carried = here[:n, :n] - here[n:, :n].T @ gain - _LEAST * eye
        here[:n, :n] -= carried
        whole[k] = here
        later = kept[k] = carried
    q[:-1] = gradients[:, :n]
    # What is carried before the first stage acts on a fixed state: a constant.
    made = replace(
        p, Q=np.concatenate([whole[:, :n, :n], p.Q[-1:]]), S=whole[:, n:, :n], R=whole[:, n:, n:], q=q,
        r=gradients[:, n:],
    )  # fmt: skip
    return made, kept


def positive(matrix: Array) -> Array:
    """Return a symmetric matrix with its negative curvature mirrored, and at least a little of it everywhere."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    if values[0] >= _LEAST:
        return matrix
    return (vectors * np.maximum(np.abs(values), _LEAST)) @ vectors.T
