"""The slow loop: between batches, targets follow what the campaign shows; the fast loop stays within them."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from twinkit.control.campaign import BatchResult, CampaignTrend, GainPrior, Spread, campaign_trend, in_order
from twinkit.control.plan import MoveSchedule, PredictedTrack
from twinkit.control.recommendation import Effect, Recommendation
from twinkit.control.status import Suboptimal
from twinkit.core import DesignSpace, InvalidValueError, Range
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.identity import digest
from twinkit.core.units import affine, as_number, parse_unit, unit_label


@dataclass(frozen=True)
class Target:
    """A value batches are run at, which the supervisor may propose to change.

    Parameters
    ----------
    unit
        Its unit; numbers below are in it, texts are converted.
    value
        Where the campaign started.
    low, high
        Between which it may be set.
    max_change
        Largest change from one batch to the next.
    band
        How far the fast loop may move around it.
    effect
        What is known of the change of the result per unit of the target.
    """

    unit: str
    value: Any
    low: Any
    high: Any
    max_change: Any
    effect: GainPrior
    band: Any = 0.0

    def __post_init__(self) -> None:
        parse_unit(self.unit)
        for name in ("value", "low", "high", "max_change", "band"):
            object.__setattr__(self, name, as_number(getattr(self, name), self.unit, f"{name} of a target"))
        if not (self.low <= self.value <= self.high and self.low < self.high):
            raise InvalidValueError(
                f"a target lies between its limits: {self.low:g} <= {self.value:g} <= {self.high:g}"
            )
        if not self.max_change > 0.0 or self.band < 0.0:
            raise InvalidValueError("max_change of a target is positive, and its band is not negative")
        if not isinstance(self.effect, GainPrior):
            raise InvalidValueError(f"the effect of a target is a GainPrior, not {self.effect!r}")


@dataclass(frozen=True, eq=False)
class Keep:
    """The targets stay as they are.

    Attributes
    ----------
    reasons
        Why, in words.
    trend
        What the campaign shows.
    """

    reasons: tuple[str, ...]
    trend: CampaignTrend

    def __repr__(self) -> str:
        return f"Keep the targets: {'; '.join(self.reasons)}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"


@dataclass(frozen=True, eq=False)
class CampaignSupervisor:
    """Proposes bounded changes of targets between batches.

    It acts only on a deviation of the level from the aim that is larger than `deadband`, beyond doubt at `confidence`,
    and was so after each of the last `confirm` batches. Then it proposes to take back `share` of it, with targets whose
    effect has a sign that is beyond doubt. A proposal is a `Recommendation`, for a `ControlSession` whose manipulated
    inputs are the targets: nothing changes until it is accepted.

    Parameters
    ----------
    quantity, unit
        The result that is watched, and its unit.
    aim
        Where it should be: a number in `unit` or a text.
    targets
        Name -> `Target`.
    spread
        How batches differ (`fit_spread` of an earlier campaign).
    deadband
        Deviation that is not worth a change.
    confidence, confirm, share
        See above.
    time_unit
        Unit of the times of completion.

    Raises
    ------
    InvalidValueError, UnitError
        If a setting is not usable.

    Examples
    --------
    >>> targets = {"feed": Target("mL/h", 10, 6, 14, 1, GainPrior(0.05, 0.01), band=0.5)}
    >>> supervisor = CampaignSupervisor("titer", "g/L", 5.0, targets, Spread(noise=0.1, drift=0.02), deadband=0.1)
    >>> batches = [BatchResult(f"B{k}", 14.0 * k, 5.0 - 0.04 * k, {"feed": 10.0}) for k in range(1, 13)]
    >>> advice = supervisor.propose(batches, at=168.0, next_completed=182.0)
    >>> advice.moves["feed"].first
    11.0
    """

    quantity: str
    unit: str
    aim: Any
    targets: Mapping[str, Target]
    spread: Spread
    deadband: Any = 0.0
    confidence: float = 0.99
    confirm: int = 2
    share: float = 0.7
    time_unit: str = "d"
    _reference: Mapping[str, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parse_unit(self.unit)
        affine(self.time_unit, "s")
        if not isinstance(self.quantity, str) or not self.quantity.strip():
            raise InvalidValueError(f"a supervisor watches a quantity with a name, not {self.quantity!r}")
        for name in ("confidence", "share", "confirm"):
            as_number(getattr(self, name), "", f"{name} of a supervisor")
        if not isinstance(self.targets, Mapping) or not self.targets:
            raise InvalidValueError("a supervisor needs targets: name -> Target")
        for name, target in self.targets.items():
            if not isinstance(target, Target):
                raise InvalidValueError(f"target {name!r} is a Target, not {target!r}")
        if not isinstance(self.spread, Spread):
            raise InvalidValueError(f"the spread of a campaign is a Spread, not {self.spread!r}")
        object.__setattr__(self, "aim", as_number(self.aim, self.unit, f"the aim of {self.quantity}"))
        object.__setattr__(self, "deadband", as_number(self.deadband, self.unit, "the deadband"))
        if (
            self.deadband < 0.0
            or not 0.5 < self.confidence < 1.0
            or not 0.0 < self.share <= 1.0
            or self.confirm < 1
            or self.confirm != int(self.confirm)
        ):
            raise InvalidValueError(
                "a supervisor takes deadband >= 0, confidence between 0.5 and 1, share in (0, 1] and confirm >= 1"
            )
        object.__setattr__(self, "targets", dict(self.targets))
        object.__setattr__(self, "_reference", {name: target.value for name, target in self.targets.items()})

    @property
    def content_hash(self) -> str:
        """SHA-256 of its settings."""
        targets = {name: {**vars(t), "effect": vars(t.effect)} for name, t in self.targets.items()}
        return digest([self.quantity, self.unit, self.aim, targets, vars(self.spread), self.deadband, self.confidence,
                       self.confirm, self.share, self.time_unit])  # fmt: skip

    # -- what the campaign shows -------------------------------------------------------------------------------
    def trend(self, results: Sequence[BatchResult]) -> CampaignTrend:
        """Return level, effects and lots after these batches.

        Raises
        ------
        InvalidValueError, UnknownNameError
            If a batch appears twice, or its inputs are not the targets.
        """
        priors = {name: target.effect for name, target in self.targets.items()}
        return campaign_trend(
            results, self.spread, aim=self.aim, unit=self.unit, reference=self._reference, priors=priors
        )

    def deviation(self, trend: CampaignTrend, targets: Mapping[str, float], lot: str = "") -> tuple[float, float]:
        """Return by how much the next batch is expected off the aim at some targets, and the standard deviation.

        Parameters
        ----------
        trend
            Where the campaign is.
        targets
            Target -> value.
        lot
            Lot of its raw material; its effect counts where it is known.

        Notes
        -----
        It is that of the expectation: the noise of a single batch, and of a lot not yet seen, is not in it.
        """
        w = self._weights(trend, targets, lot)
        mean = np.array([trend.level, *trend.gains.values(), *trend.lots.values()])
        return float(w @ mean) - self.aim, math.sqrt(max(float(w @ trend.covariance @ w), 0.0))

    def _weights(self, trend: CampaignTrend, targets: Mapping[str, float], lot: str) -> Array:
        return np.array([1.0, *(targets[name] - self._reference[name] for name in trend.gains),
                         *(float(name == lot) for name in trend.lots)])  # fmt: skip

    def space(self, targets: Mapping[str, float] | None = None) -> DesignSpace:
        """Return where the fast loop may move: each target with its band, within its limits.

        Parameters
        ----------
        targets
            Target -> value; None: where the campaign started. Intersect it with the design space of the process.
        """
        now = self._now(targets)
        units = {name: target.unit for name, target in self.targets.items()}
        ranges = [
            Range(variable=n, low=max(t.low, now[n] - t.band), high=min(t.high, now[n] + t.band))
            for n, t in self.targets.items()
        ]
        return DesignSpace(units, tuple(ranges), f"targets for {self.quantity}")

    # -- what to do --------------------------------------------------------------------------------------------
    def propose(
        self, results: Sequence[BatchResult], *, at: Any, next_completed: Any, targets: Mapping[str, Any] | None = None,
        next_lot: str = "", expires: Any = None,
    ) -> Recommendation | Keep:  # fmt: skip
        """Return a recommendation to change targets, or why they stay.

        Parameters
        ----------
        results
            The batches of the campaign so far.
        at, next_completed
            Now, and when the next batch will be completed.
        targets
            Target -> value that applies now; None: those of the last batch (or where the campaign started).
        next_lot
            Lot of the raw material of the next batch.
        expires
            Until when it may be decided; None: `next_completed`.

        Raises
        ------
        InvalidValueError, UnknownNameError, UnitError
            If results, targets or times are not usable.
        """
        ordered = in_order(results, tuple(self.targets))
        begin, end = (
            as_number(t, self.time_unit, what) for t, what in ((at, "at"), (next_completed, "next_completed"))
        )
        last = begin if not ordered else ordered[-1].completed
        if not last <= begin < end:
            raise InvalidValueError(f"times go forward: last batch {last:g}, now {begin:g}, next batch {end:g}")
        now = self._now(targets if targets is not None or not ordered else ordered[-1].inputs)
        trend = self.trend(ordered)
        if reasons := self._reasons_to_keep(ordered, now, next_lot):
            return Keep(reasons, trend)
        wanted = self._new_targets(trend, now, next_lot)
        if wanted == now:
            return Keep(
                ("no target can take it back: none has an effect that is beyond doubt, or room to move",), trend
            )
        until = end if expires is None else as_number(expires, self.time_unit, "the expiry")
        return self._recommendation(trend, now, wanted, next_lot, (begin, until, end))

    def _now(self, targets: Mapping[str, Any] | None) -> dict[str, float]:
        given = self._reference if targets is None else targets
        for name in given:
            if name not in self.targets:
                raise unknown_name("target", name, self.targets, "the supervisor")
        missing = [name for name in self.targets if name not in given]
        if missing:
            raise InvalidValueError(f"targets= must say all of them: {', '.join(missing)} is missing")
        return {name: as_number(given[name], t.unit, f"target {name}") for name, t in self.targets.items()}

    def _reasons_to_keep(
        self, ordered: tuple[BatchResult, ...], now: Mapping[str, float], next_lot: str
    ) -> tuple[str, ...]:
        """Return why the deviation is not beyond doubt; nothing: it is, and was after each of the last batches."""
        usable = sum(result.usable for result in ordered)
        if usable < self.confirm + 1:
            return (f"{usable} usable batches are too few; it takes {self.confirm + 1}",)
        if not ordered[-1].usable:
            return (f"the result of the last batch, {ordered[-1].name}, is not usable",)
        quantile = NormalDist().inv_cdf(0.5 + 0.5 * self.confidence)
        signs: set[float] = set()
        for back in range(self.confirm):
            trend = self.trend(ordered[: len(ordered) - back])
            deviation, std = self.deviation(trend, now, next_lot)
            shown = f"{deviation:+.3g} ± {quantile * std:.2g} {unit_label(self.unit)}".rstrip()
            when = "" if back == 0 else f" {back} batch(es) ago"
            if abs(deviation) <= max(self.deadband, quantile * std):
                return (f"the deviation from the aim{when}, {shown}, is within the deadband or within chance",)
            signs.add(math.copysign(1.0, deviation))
        return () if len(signs) == 1 else ("the deviation has changed its sign",)

    def _new_targets(self, trend: CampaignTrend, now: Mapping[str, float], lot: str) -> dict[str, float]:
        """Return targets that take back a share of the deviation: the surest effect first, each as far as it may go."""
        left = -self.share * self.deviation(trend, now, lot)[0]
        found = dict(now)
        quantile = NormalDist().inv_cdf(0.5 + 0.5 * self.confidence)
        sure = {n: abs(g) / max(trend.gain_stds[n], 1e-300) for n, g in trend.gains.items() if g != 0.0}
        for name in sorted((n for n, s in sure.items() if s > quantile), key=lambda n: (-sure[n], n)):
            target, gain = self.targets[name], trend.gains[name]
            step = float(np.clip(left / gain, -target.max_change, target.max_change))
            found[name] = float(np.clip(now[name] + step, target.low, target.high))
            left -= gain * (found[name] - now[name])
        return found

    def _recommendation(
        self, trend: CampaignTrend, now: Mapping[str, float], wanted: Mapping[str, float], lot: str,
        times: tuple[float, float, float],
    ) -> Recommendation:  # fmt: skip
        begin, until, end = times
        deviation, std = self.deviation(trend, now, lot)
        moves = {
            n: MoveSchedule(n, t.unit, np.array([begin]), np.array([wanted[n]]), end) for n, t in self.targets.items()
        }
        effects = tuple(
            Effect(n, t.unit, wanted[n] - now[n], self.quantity, self.unit, end, trend.gains[n] * (wanted[n] - now[n]),
                   trend.gain_stds[n] * abs(wanted[n] - now[n]), self.time_unit)
            for n, t in self.targets.items() if wanted[n] != now[n]
        )  # fmt: skip
        why = f"a bounded change; the level is {deviation:+.3g} ± {2 * std:.2g} {unit_label(self.unit)} off the aim"
        return Recommendation(
            time=begin, expires=until, time_unit=self.time_unit, moves=moves, present=now,
            predicted={self.quantity: self._track(trend, wanted, lot, end)},
            unchanged={self.quantity: self._track(trend, now, lot, end)},
            status=Suboptimal("campaign trend", 0, why),
            goal=f"{self.quantity} of {self.aim:.4g} {unit_label(self.unit)}".rstrip(),
            effects=effects, made_by={"supervisor": self.content_hash}, data={"batches": trend.content_hash},
        )  # fmt: skip

    def _track(self, trend: CampaignTrend, targets: Mapping[str, float], lot: str, end: float) -> PredictedTrack:
        """Return the next batch's result: expectation, drift until then, its lot where it is new, and its noise."""
        deviation, std = self.deviation(trend, targets, lot)
        spread = self.spread
        fresh = 0.0 if lot in trend.lots else spread.lot
        total = math.sqrt(std**2 + spread.drift**2 + fresh**2 + spread.noise**2)
        none = np.array([np.inf])
        return PredictedTrack(self.quantity, self.unit, np.array([end]), np.array([self.aim + deviation]),
                              np.array([total]), -none, none)  # fmt: skip
