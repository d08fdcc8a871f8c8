"""What a controller returns: moves over time, what they are predicted to do, and how far to trust them."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from twinkit.control.status import PlanStatus
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.units import unit_label

_WORTH_SAYING = 0.005


@dataclass(frozen=True, eq=False)
class MoveSchedule:
    """One manipulated input over time: each value holds until the next time (zero-order hold).

    Attributes
    ----------
    name, unit
        The input and its unit.
    times, values
        From when each value holds, ``(N,)`` each; the last holds until `end`.
    end
        When the plan ends.
    """

    name: str
    unit: str
    times: Array
    values: Array
    end: float

    def at(self, time: float) -> float:
        """Return the value that holds at a time (the first one before the plan, the last one after it)."""
        return float(self.values[max(0, int(np.searchsorted(self.times, time, side="right")) - 1)])

    @property
    def first(self) -> float:
        """The value to apply now."""
        return float(self.values[0])


@dataclass(frozen=True, eq=False)
class PredictedTrack:
    """One quantity as the plan predicts it.

    Attributes
    ----------
    name, unit
        State, algebraic variable or output, and its unit.
    times, mean, std
        Nodes of the plan, and mean and standard deviation there, ``(N + 1,)`` each. `std` comes from the covariance of
        the estimate (states, adapted parameters, disturbances) and of what was fitted, carried along the plan, and from
        learned terms beyond their data; 0 where none of this is known.
    low, high
        The constraints asked for at the nodes, without back-off (infinite: none).
    """

    name: str
    unit: str
    times: Array
    mean: Array
    std: Array
    low: Array
    high: Array

    def interval(self, coverage: float = 0.95) -> tuple[Array, Array]:
        """Return the lower and upper ends of central normal intervals, ``(N + 1,)`` each."""
        wide = NormalDist().inv_cdf(0.5 + 0.5 * coverage) * self.std
        return self.mean - wide, self.mean + wide


@dataclass(frozen=True)
class Binding:
    """A constraint that shapes the plan: loosening it would improve the objective.

    Attributes
    ----------
    name, unit
        The input, state or output.
    kind
        ``"bound"`` or ``"rate"``.
    side
        ``"low"`` or ``"high"``.
    limit
        The limit asked for, at the first of `times`.
    backoff
        How far within it the plan stays there because of uncertainty.
    times
        At which nodes it binds.
    price
        Change of the objective per unit by which the limit is loosened at the first of `times` (0: not known).
    violated
        By how much a soft limit is exceeded at worst (0: kept).
    sources
        What `backoff` comes from: source and its share of the variance, at the first of `times`.
    """

    name: str
    unit: str
    kind: str
    side: str
    limit: float
    backoff: float
    times: tuple[float, ...]
    price: float = 0.0
    violated: float = 0.0
    sources: tuple[tuple[str, float], ...] = ()

    @property
    def text(self) -> str:
        """The constraint in words."""
        unit = f" {unit_label(self.unit)}" if unit_label(self.unit) else ""
        what = "at most" if self.side == "high" else "at least"
        rate = "the rate of " if self.kind == "rate" else ""
        kept = f", exceeded by {self.violated:.3g}{unit}" if self.violated else ""
        of = ", ".join(f"{share:.0%} {source}" for source, share in self.sources if share >= _WORTH_SAYING)
        of = f": {of}" if of else ""
        margin = f", with a margin of {self.backoff:.3g}{unit} for uncertainty{of}" if self.backoff else ""
        return f"{rate}{self.name} is {what} {self.limit:.4g}{unit}{margin}{kept} (from t={self.times[0]:.4g})"


@dataclass(frozen=True, eq=False)
class Plan:
    """Moves from now to the end of the horizon.

    Attributes
    ----------
    status
        How it came about; check ``status.usable`` before using `moves`.
    time, time_unit
        When it was made for.
    expires
        From when on it must not be followed any more without a new one.
    moves
        Manipulated input -> its schedule; empty when the status is `Failed`.
    predicted
        State, algebraic variable or output -> predicted mean and standard deviation; empty when it could not be
        predicted.
    binding
        Constraints that shape the plan.
    objective, goal
        Value of the objective, in the direction asked for (a maximised quantity is not negated); what it is, in words.
    sensitivity
        Manipulated input -> change of `objective` per unit of the move in each interval, ``(N,)``, with everything else
        following the model. It is not zero where a constraint holds the move.
    timings
        Seconds spent, by what on.
    made_by
        Content hashes, by what: ``"controller"``, ``"model"``, ``"estimate"``.
    in_domain
        False where the model is used beyond what it was made from.
    warnings
        What a reader should know.
    warm
        What the next plan starts from (for the controller).
    scenarios
        Scenario -> what is predicted if it is true; `predicted` is that of the first one.
    """

    status: PlanStatus
    time: float
    time_unit: str
    expires: float
    moves: Mapping[str, MoveSchedule]
    predicted: Mapping[str, PredictedTrack]
    binding: Sequence[Binding] = ()
    objective: float = math.nan
    goal: str = ""
    sensitivity: Mapping[str, Array] = field(default_factory=dict[str, Array])
    timings: Mapping[str, float] = field(default_factory=dict[str, float])
    made_by: Mapping[str, str] = field(default_factory=dict[str, str])
    in_domain: bool = True
    warnings: Sequence[str] = ()
    warm: Any = field(default=None, repr=False)
    scenarios: Mapping[str, Mapping[str, PredictedTrack]] = field(
        default_factory=dict[str, Mapping[str, PredictedTrack]], repr=False
    )

    @property
    def next_moves(self) -> dict[str, float]:
        """Manipulated input -> value to apply now, in the model's units."""
        return {name: move.first for name, move in self.moves.items()}

    def valid_at(self, time: float) -> bool:
        """Whether the plan may be followed at a time."""
        return self.status.usable and self.time <= time < self.expires

    @property
    def inputs(self) -> dict[str, tuple[Array, Array]]:
        """Manipulated input -> times and values, as `tk.simulate` takes held inputs (``tk.steps``)."""
        return {name: (move.times, move.values) for name, move in self.moves.items()}

    def track(self, name: str) -> PredictedTrack:
        """Return what is predicted of one quantity.

        Raises
        ------
        UnknownNameError
            If nothing is predicted by that name.
        """
        if name not in self.predicted:
            raise unknown_name("predicted quantity", name, self.predicted, "this plan")
        return self.predicted[name]

    @property
    def rationale(self) -> str:
        """Why these moves, in words."""
        lines = [f"The plan at t={self.time:.6g} {unit_label(self.time_unit)} is {self.status.text}."]
        if self.goal and math.isfinite(self.objective):
            lines.append(f"Goal: {self.goal}; predicted value {self.objective:.5g}.")
        lines += [f"It is shaped by: {binding.text}." for binding in self.binding]
        return "\n".join([*lines, *self.warnings])

    def _rows(self) -> list[tuple[str, str, str, str]]:
        rows = []
        for name, move in self.moves.items():
            rows.append((name, unit_label(move.unit), f"{move.first:.5g}", f"{move.values[-1]:.5g}"))
        for name, track in self.predicted.items():
            now, then = (f"{track.mean[k]:.5g} ± {track.std[k]:.2g}" for k in (0, -1))
            rows.append((name, unit_label(track.unit), now, then))
        return rows

    def __repr__(self) -> str:
        head = f"Plan at {self.time:.6g} {unit_label(self.time_unit)}: {self.status.text}"
        rows = [f"  {name} [{unit or '-'}] {now} -> {then}" for name, unit, now, then in self._rows()]
        return "\n".join([head, *rows, *(f"  {binding.text}" for binding in self.binding)])

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td><b>{html.escape(name)}</b></td><td>{html.escape(unit)}</td><td>{now}</td><td>{then}</td></tr>"
            for name, unit, now, then in self._rows()
        )
        why = html.escape(self.rationale).replace("\n", "<br>")
        return (
            f"<div><p>{why}</p><table><tr><th>name</th><th>unit</th><th>now</th><th>at the end</th></tr>{cells}"
            "</table></div>"
        )

    def plot(self, *names: str, coverage: float = 0.95, ax: Any = None) -> Any:
        """Draw moves as steps, and predictions as lines with a fan of `coverage`.

        Parameters
        ----------
        names
            What to draw; nothing: every move, and every predicted quantity that has a constraint or a reference.
        coverage
            Of the fan.
        ax
            One matplotlib axes for everything; None: one panel each.

        Raises
        ------
        UnknownNameError
            If there is no such move or prediction.
        """
        from twinkit.control.plan_plot import plot_plan

        return plot_plan(self, names, coverage, ax)
