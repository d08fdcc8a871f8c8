"""What the data determine, and what they do not, in words."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
_BLIND = 1e-6
_SHARE = 1e-4
_CLOSE = 0.95


@dataclass(frozen=True, eq=False)
class Identifiability:
    """Rank, conditioning and correlations of the Fisher information.

    Attributes
    ----------
    labels
        What was searched for.
    rank
        Number of independent combinations the data (and priors) determine, of ``len(labels)``.
    condition
        Largest over smallest singular value of the scaled sensitivities, those that are not seen left out.
    unseen
        Labels of which the data say nothing at all.
    combinations
        Changes that leave every measurement as it is, in words.
    undetermined
        Labels whose variance is infinite: unseen, or part of such a combination.
    pairs
        ``(a, b, correlation)`` where the correlation exceeds 0.95 in size.
    weakest
        The least certain of the determined combinations, in words.
    """

    labels: tuple[str, ...]
    rank: int
    condition: float
    unseen: tuple[str, ...]
    combinations: tuple[str, ...]
    undetermined: tuple[str, ...]
    pairs: tuple[tuple[str, str, float], ...]
    weakest: str

    @property
    def complete(self) -> bool:
        """Whether everything searched for is determined."""
        return self.rank == len(self.labels)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The report, sentence by sentence."""
        count = len(self.labels)
        said = [
            f"{f'All {count} quantities are' if count > 1 else f'{self.labels[0]} is'} determined (condition number "
            f"{self.condition:.3g})."
            if self.complete
            else f"Only {self.rank} of {count} independent combinations are determined."
        ]
        said += [f"No measurement depends on {label}: its variance is infinite." for label in self.unseen]
        said += [f"These data cannot tell apart: {words}." for words in self.combinations]
        said += [
            f"{a} and {b} are strongly correlated (r = {r:+.3f}): the data determine a combination of the two better "
            "than each."
            for a, b, r in self.pairs
        ]
        if self.weakest:
            said.append(f"Least certain: {self.weakest}.")
        return tuple(said)

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in self.sentences) + "</ul>"


def covariance_of(root: Array, tolerance: float) -> tuple[Array, Array, Array]:
    """Return the covariance of `q`, the directions that are not determined, and the singular values.

    Parameters
    ----------
    root
        ``(rows, n)``: ``root' root`` is the information.
    tolerance
        Relative accuracy of `root`: a combination of columns smaller than this is taken for zero.

    Returns
    -------
    covariance
        ``(n, n)``; infinite variances, and NaN covariances with them, where nothing is determined.
    blind
        ``(k, n)``: changes of `q` that nothing sees.
    singular
        Singular values of the determined part, columns scaled to length one.
    """
    count = root.shape[1]
    lengths = np.linalg.norm(root, axis=0)
    seen = lengths > _BLIND
    blind = [np.eye(count)[i] for i in np.flatnonzero(~seen)]
    covariance = np.full((count, count), np.nan)
    singular = np.zeros(0)
    if seen.any():
        scaled = root[:, seen] / lengths[seen]
        _, values, axes = np.linalg.svd(scaled, full_matrices=True)
        values = np.concatenate([values, np.zeros(axes.shape[0] - len(values))])
        good = values > tolerance * values[0]
        singular = values[good]
        inner = (axes[good].T / values[good] ** 2) @ axes[good]
        lost = np.sum(axes[~good] ** 2, axis=0) > _SHARE
        inner[lost, :] = inner[:, lost] = np.nan
        inner[lost, lost] = np.inf
        places = np.flatnonzero(seen)
        covariance[np.ix_(places, places)] = inner / np.outer(lengths[seen], lengths[seen])
        for axis in axes[~good]:
            direction = np.zeros(count)
            direction[places] = axis / lengths[seen]
            blind.append(direction / np.max(np.abs(direction)))
    covariance[~seen, ~seen] = np.inf
    return covariance, np.array(blind).reshape(-1, count), singular


def correlation_of(covariance: Array) -> Array:
    """Return the correlation matrix; NaN where a variance is infinite or zero."""
    std = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = covariance / np.outer(std, std)
    r[~np.isfinite(std), :] = np.nan
    r[:, ~np.isfinite(std)] = np.nan
    return r


def judge(labels: Sequence[str], relative: Sequence[float], root: Array, tolerance: float) -> Identifiability:
    """Put the information into words.

    Parameters
    ----------
    labels
        What was searched for.
    relative
        Relative change of each value per unit of `q` (for words such as "+1 %").
    root, tolerance
        As for `covariance_of`.
    """
    covariance, blind, singular = covariance_of(root, tolerance)
    alone = [int(np.argmax(np.abs(row))) for row in blind if np.sum(np.abs(row) > 1e-3) == 1]
    unseen = tuple(labels[i] for i in alone)
    mixed = [_in_words(row * np.array(relative), labels) for row in blind if np.sum(np.abs(row) > 1e-3) > 1]
    variances = np.diag(covariance)
    r = correlation_of(covariance)
    pairs = tuple(
        (labels[i], labels[j], float(r[i, j]))
        for i, j in combinations(range(len(labels)), 2)
        if abs(r[i, j]) > _CLOSE
    )  # fmt: skip
    return Identifiability(
        tuple(labels), len(singular), float(singular[0] / singular[-1]) if singular.size else math.inf, unseen,
        tuple(mixed), tuple(labels[i] for i in np.flatnonzero(np.isinf(variances)).tolist()), pairs,
        _weakest(covariance, labels, relative),
    )  # fmt: skip


def _in_words(change: Array, labels: Sequence[str]) -> str:
    """Say what changes together with what: relative to the largest, in per cent."""
    largest = np.max(np.abs(change))
    order = [i for i in np.argsort(-np.abs(change)).tolist() if abs(change[i]) > 0.01 * largest]
    unit = change / change[order[0]]
    parts = [f"{labels[i]} {unit[i]:+.3g} %" for i in order]
    return "changing " + " with ".join([parts[0], ", ".join(parts[1:])]) if len(parts) > 1 else parts[0]


def _weakest(covariance: Array, labels: Sequence[str], relative: Sequence[float]) -> str:
    finite: list[int] = np.flatnonzero(np.isfinite(np.diag(covariance))).tolist()
    if len(finite) < 2:
        return ""
    factors = np.array(relative)[finite]
    part = covariance[np.ix_(finite, finite)] * np.outer(factors, factors)
    lengths, axes = np.linalg.eigh(part)
    std = math.sqrt(max(float(lengths[-1]), 0.0))
    words = _in_words(axes[:, -1], [labels[i] for i in finite])
    return f"{words} (standard deviation of this combination {100 * std:.2g} %)"
