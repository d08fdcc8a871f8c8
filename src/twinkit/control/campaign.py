"""What the batches of a campaign say about each other: a level that may drift, lots of material, effects of inputs.

The result of batch `i` is ``y_i = level_i + sum_j gain_j (u_ij - reference_j) + effect[lot_i] + noise_i``. The level is
a random walk, lot effects and gains have normal priors: a dynamic linear model as in West and Harrison, Bayesian
Forecasting and Dynamic Models (1997), chapters 2 to 4, https://doi.org/10.1007/b98971. It is solved here in one step
from the joint covariance, since a campaign has at most a few hundred batches.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Quality
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.identity import digest
from twinkit.core.units import as_number, unit_label

_VAGUE = 1e3


@dataclass(frozen=True)
class BatchResult:
    """The result of one batch.

    Parameters
    ----------
    name
        Of the batch.
    completed
        When it was completed, in the time unit of the supervisor.
    value
        Its result, in the unit of the supervisor; NaN only with `Quality.BAD`.
    inputs
        Target -> the value this batch was run at, in the target's unit.
    lot
        Lot of the raw material whose effect is estimated; '' if that is not known.
    quality
        `Quality.BAD`: the result is not used, but the batch counts.

    Raises
    ------
    InvalidValueError
        If the name is empty, a number is not finite, or the quality is no `Quality`.
    """

    name: str
    completed: float
    value: float
    inputs: Mapping[str, float] = field(default_factory=dict[str, float])
    lot: str = ""
    quality: Quality = Quality.GOOD

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InvalidValueError(f"a batch needs a name, not {self.name!r}")
        if not isinstance(self.quality, Quality):
            raise InvalidValueError(f"batch {self.name}: the quality is a Quality, not {self.quality!r}")
        if not isinstance(self.lot, str):
            raise InvalidValueError(f"batch {self.name}: a lot is a text, not {self.lot!r}")
        if not math.isfinite(self.completed):
            raise InvalidValueError(f"batch {self.name} has no finite time of completion")
        if not math.isfinite(self.value) and self.quality is not Quality.BAD:
            raise InvalidValueError(f"the result of batch {self.name} is {self.value}: mark it Quality.BAD")
        given = {n: as_number(v, "", f"input {n} of batch {self.name}") for n, v in self.inputs.items()}
        object.__setattr__(self, "inputs", given)

    @property
    def usable(self) -> bool:
        """Whether the result says something."""
        return self.quality is not Quality.BAD


@dataclass(frozen=True)
class Spread:
    """How batches of a campaign differ, as standard deviations in the unit of the result.

    Parameters
    ----------
    noise
        From batch to batch, with everything else equal.
    lot
        From lot to lot of the raw material (0: no such effect).
    drift
        Of the change of the level from one batch to the next (0: a constant level).
    """

    noise: float
    lot: float = 0.0
    drift: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
                raise InvalidValueError(f"the spread {name} is a number that is not negative, not {value!r}")
        if not self.noise > 0.0:
            raise InvalidValueError("batches always differ a little: noise must be positive")


@dataclass(frozen=True, eq=False)
class CampaignTrend:
    """Where a campaign is after its last batch.

    Attributes
    ----------
    unit
        Unit of the result.
    level, level_std
        Level of the next batch, at the reference inputs and an average lot, before any drift in between.
    path, path_std
        The level at each batch, from all of them, ``(n,)``.
    gains, gain_stds
        Input -> change of the result per unit of the input.
    lots, lot_stds
        Lot -> its effect.
    covariance
        Of ``(level, *gains, *lots)``.
    results
        The batches, in order of completion.
    """

    unit: str
    level: float
    level_std: float
    path: Array
    path_std: Array
    gains: Mapping[str, float]
    gain_stds: Mapping[str, float]
    lots: Mapping[str, float]
    lot_stds: Mapping[str, float]
    covariance: Array
    results: tuple[BatchResult, ...]

    @property
    def content_hash(self) -> str:
        """SHA-256 of the results it was made from."""
        return digest([[r.name, r.completed, r.value, r.inputs, r.lot, r.quality.value] for r in self.results])

    def _rows(self) -> list[str]:
        unit = unit_label(self.unit)
        rows = [f"level {self.level:.4g} ± {self.level_std:.2g} {unit}".rstrip()]
        rows += [f"effect of {n}: {g:.3g} ± {self.gain_stds[n]:.2g} per unit" for n, g in self.gains.items()]
        return rows + [f"lot {n}: {e:+.3g} ± {self.lot_stds[n]:.2g} {unit}".rstrip() for n, e in self.lots.items()]

    def __repr__(self) -> str:
        return "\n".join([f"CampaignTrend of {len(self.results)} batches", *(f"  {row}" for row in self._rows())])

    def _repr_html_(self) -> str:
        rows = "".join(f"<li>{html.escape(row)}</li>" for row in self._rows())
        return f"<div><b>CampaignTrend of {len(self.results)} batches</b><ul>{rows}</ul></div>"

    def plot(self, ax: Any = None) -> Any:
        """Draw the results over the batches, and the level with twice its standard deviation; returns the axes."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        at = np.arange(1, len(self.results) + 1)
        ax.plot(at, [r.value if r.usable else np.nan for r in self.results], "o", color="0.3", label="result")
        ax.plot(at, self.path, color="tab:blue", label="level")
        wide = 2 * self.path_std
        ax.fill_between(at, self.path - wide, self.path + wide, color="tab:blue", alpha=0.2, linewidth=0)
        ax.set_xlabel("batch")
        ax.set_ylabel(f"result [{unit_label(self.unit) or '-'}]")
        ax.legend(frameon=False)
        return ax


@dataclass(frozen=True)
class GainPrior:
    """What is known of the effect of an input before the campaign: mean and standard deviation, per unit of it."""

    mean: float
    std: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.std) and self.std >= 0.0):
            raise InvalidValueError(f"the effect of an input is known as mean and std >= 0, not {self!r}")


def in_order(results: Sequence[BatchResult], inputs: Sequence[str]) -> tuple[BatchResult, ...]:
    """Return results in order of completion, checked.

    Raises
    ------
    InvalidValueError
        If an element is no `BatchResult`, a name appears twice, or a batch does not say an input.
    UnknownNameError
        If a batch has an input that is no target.
    """
    found: dict[str, BatchResult] = {}
    if not isinstance(results, Sequence):
        raise InvalidValueError(f"a campaign is a list of BatchResult objects, not {results!r}")
    for result in results:
        if not isinstance(result, BatchResult):
            raise InvalidValueError(f"a campaign is made of BatchResult objects, not {result!r}")
        if result.name in found:
            raise InvalidValueError(f"batch {result.name!r} appears twice")
        for name in result.inputs:
            if name not in inputs:
                raise unknown_name("target", name, inputs, f"batch {result.name}")
        missing = [name for name in inputs if name not in result.inputs]
        if missing:
            raise InvalidValueError(f"batch {result.name} does not say at which {missing[0]!r} it was run")
        found[result.name] = result
    return tuple(sorted(found.values(), key=lambda r: (r.completed, r.name)))


def campaign_trend(
    results: Sequence[BatchResult], spread: Spread, *, aim: float, unit: str, reference: Mapping[str, float],
    priors: Mapping[str, GainPrior],
) -> CampaignTrend:  # fmt: skip
    """Return level, effects and lots after the batches of a campaign.

    Parameters
    ----------
    results
        The batches, in any order.
    spread
        How batches differ.
    aim
        Where the level is expected before the first batch (vaguely: a thousand times the noise).
    unit
        Of the results.
    reference, priors
        Input -> value the level is for; input -> what is known of its effect.
    """
    ordered = in_order(results, tuple(reference))
    n, names = len(ordered), tuple(reference)
    lots = tuple(dict.fromkeys(result.lot for result in ordered if result.lot))
    mean = np.array([aim, *(priors[name].mean for name in names), *(0.0 for _ in lots)])
    walk = spread.drift**2 * np.minimum.outer(np.arange(n), np.arange(n)) + (_VAGUE * spread.noise) ** 2
    design = _design(ordered, names, lots, reference)
    variance = np.array([*(priors[name].std ** 2 for name in names), *(spread.lot**2 for _ in lots)])
    joint = walk + (design * variance) @ design.T
    seen = [k for k, result in enumerate(ordered) if result.usable]
    y = np.array([ordered[k].value for k in seen])
    noise = np.array([spread.noise**2 + (0.0 if ordered[k].lot else spread.lot**2) for k in seen])
    gain_part = design * variance  # covariance of the results with gains and lots
    last = walk[:, -1:] if n else np.zeros((0, 1))
    across = np.hstack([last, gain_part])[seen]
    prior = np.zeros((len(mean),) * 2)
    prior[0, 0] = walk[-1, -1] if n else (_VAGUE * spread.noise) ** 2
    prior[1:, 1:] = np.diag(variance)
    expected = aim + design[seen] @ mean[1:]
    covariance_y = joint[np.ix_(seen, seen)] + np.diag(noise)
    weights = np.linalg.solve(covariance_y, np.hstack([across, walk[seen], (y - expected)[:, None]]))
    count = across.shape[1]
    posterior = mean + across.T @ weights[:, -1]
    covariance = prior - across.T @ weights[:, :count]
    path = aim + walk[seen].T @ weights[:, -1]
    path_variance = np.diag(walk) - np.sum(walk[seen] * weights[:, count:-1], axis=0)
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    split = 1 + len(names)
    return CampaignTrend(
        unit, float(posterior[0]), float(std[0]), path, np.sqrt(np.maximum(path_variance, 0.0)),
        _named(names, posterior[1:split]), _named(names, std[1:split]), _named(lots, posterior[split:]),
        _named(lots, std[split:]), covariance, ordered,
    )  # fmt: skip


def _named(names: Sequence[str], values: Array) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _design(
    ordered: Sequence[BatchResult], names: Sequence[str], lots: Sequence[str], reference: Mapping[str, float]
) -> Array:
    inputs = [[result.inputs[name] - reference[name] for name in names] for result in ordered]
    members = [[float(result.lot == lot) for lot in lots] for result in ordered]
    left = np.array(inputs, dtype=np.float64).reshape(len(ordered), len(names))
    return np.hstack([left, np.array(members, dtype=np.float64).reshape(len(ordered), len(lots))])


def fit_spread(
    results: Sequence[BatchResult], *, aim: float, inputs: Mapping[str, float] | None = None,
    priors: Mapping[str, GainPrior] | None = None,
) -> Spread:  # fmt: skip
    """Return the spread of an earlier campaign, by maximum likelihood.

    Parameters
    ----------
    results
        At least eight usable batches. Fewer than about four lots say little about `Spread.lot`; a short campaign
        without a drift may look as if it had a small one, and the reverse.
    aim
        The level expected.
    inputs, priors
        Input -> reference value, and what is known of its effect; None: there were no deliberate changes.

    Raises
    ------
    InvalidValueError
        If there are too few batches, they are all the same, or an input has no prior.
    """
    from scipy.optimize import minimize

    names = tuple(inputs or {})
    ordered = [result for result in in_order(results, names) if result.usable]
    if missing := [name for name in names if name not in (priors or {})]:
        raise InvalidValueError(f"priors= must say what is known of the effect of {missing[0]!r}")
    y = np.array([result.value for result in ordered])
    if len(y) < 8 or not float(np.std(y)) > 0.0:
        raise InvalidValueError("a spread takes at least eight usable batches that are not all the same")
    lots = tuple(dict.fromkeys(result.lot for result in ordered if result.lot))
    design = _design(ordered, names, lots, inputs or {})
    walk = np.minimum.outer(np.arange(len(y)), np.arange(len(y))).astype(float)
    known = np.array([(priors or {})[name].std ** 2 for name in names])
    residual = y - aim - design[:, : len(names)] @ np.array([(priors or {})[name].mean for name in names])
    scale = float(np.std(y))

    def cost(logs: Array) -> float:
        noise, lot, drift = scale * np.exp(np.clip(logs, -6.0, 3.0))
        variance = np.array([*known, *(lot**2 for _ in lots)])
        covariance = (
            (design * variance) @ design.T + drift**2 * walk + noise**2 * np.eye(len(y)) + (_VAGUE * scale) ** 2
        )
        root = np.linalg.cholesky(covariance)
        white = np.linalg.solve(root, residual)
        return float(np.log(np.diag(root)).sum() + 0.5 * white @ white)

    starts = [np.log([0.7, a, b]) for a in (0.05, 0.7) for b in (0.02, 0.3)]
    best = min((minimize(cost, start, method="Nelder-Mead") for start in starts), key=lambda found: float(found.fun))
    noise, lot, drift = (scale * np.exp(np.clip(best.x, -6.0, 3.0))).tolist()
    return Spread(noise, lot if lots else 0.0, drift)
