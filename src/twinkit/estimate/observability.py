"""What a set of sensors can see of a process, along a trajectory of its model."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, Model
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.units import unit_label
from twinkit.estimate.extended import ExtendedKalmanFilter
from twinkit.estimate.problem import EstimationProblem
from twinkit.estimate.sensors import Sensor
from twinkit.estimate.steps import stepped
from twinkit.estimate.uncertain import Adaptation

_ZERO = 1e-7  # singular values below so much of the largest are zero but for rounding and integration
_SMALL = 1e-4  # components of a direction that do not count
_STD = 0.01  # of a sensor that has none, in nominal values


@dataclass(frozen=True)
class Blind:
    """A change that no reading shows.

    Attributes
    ----------
    change
        Name -> change in the quantity's unit, the largest one nominal value.
    words
        What it means.
    """

    change: Mapping[str, float]
    words: str


@dataclass(frozen=True, eq=False)
class ObservabilityReport:
    """What `observability` found.

    Attributes
    ----------
    names, units
        Of the quantities.
    singular_values
        Of what all readings see, quantities in nominal values and readings in standard deviations, largest first.
    rank, condition
        Number of directions that are seen, and the ratio of the largest to the smallest of their singular values.
    std
        Standard deviation of every quantity at the start from the readings alone; infinite where they do not fix it.
    scale
        Nominal values.
    blind
        Independent changes that no reading shows.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    singular_values: Array
    rank: int
    condition: float
    std: Array
    scale: Array
    blind: tuple[Blind, ...]

    @property
    def observable(self) -> bool:
        """Whether the sensors see every quantity."""
        return not self.blind

    @property
    def unseen(self) -> tuple[str, ...]:
        """Quantities that the readings do not fix, alone or in combination with others."""
        return tuple(name for name, std in zip(self.names, self.std, strict=True) if math.isinf(std))

    @property
    def weak(self) -> tuple[str, ...]:
        """Quantities that the readings fix, but no better than to their nominal value."""
        pairs = zip(self.names, self.std, self.scale, strict=True)
        return tuple(name for name, std, scale in pairs if math.isfinite(std) and std > scale)

    def _lines(self) -> list[str]:
        n = len(self.names)
        if self.observable:
            lines = [f"The sensors see all {n} quantities (condition number {self.condition:.2g})."]
        else:
            lines = [f"The sensors see {self.rank} of {n} independent directions."]
            lines += [blind.words for blind in self.blind]
        if self.weak:
            lines.append(f"Seen only weakly, no better than to their nominal value: {', '.join(self.weak)}.")
        return lines

    def _rows(self) -> list[tuple[str, str, str]]:
        rows = zip(self.names, self.units, self.std, strict=True)
        return [(name, unit_label(u), f"{std:.2g}" if math.isfinite(std) else "not fixed") for name, u, std in rows]

    def __repr__(self) -> str:
        rows = [f"  {name} [{unit or '-'}] to ± {std}" for name, unit, std in self._rows()]
        return "\n".join([*self._lines(), *rows])

    def _repr_html_(self) -> str:
        words = "".join(f"<p>{html.escape(line)}</p>" for line in self._lines())
        rows = "".join(
            f"<tr><td><b>{html.escape(name)}</b></td><td>{html.escape(unit)}</td><td>{std}</td></tr>"
            for name, unit, std in self._rows()
        )
        head = "<tr><th>name</th><th>unit</th><th>standard deviation from the readings alone</th></tr>"
        return f"<div>{words}<table>{head}{rows}</table></div>"

    def plot(self, *, ax: Any = None) -> Any:
        """Plot how well each quantity is fixed, in nominal values; return the axes."""
        import matplotlib.pyplot as plt

        axes = plt.subplots(layout="constrained")[1] if ax is None else ax
        relative = self.std / self.scale
        shown = np.where(np.isfinite(relative), relative, np.nan)
        axes.barh(np.arange(len(self.names)), shown)
        for k in np.flatnonzero(~np.isfinite(relative)).tolist():
            axes.text(0.02, k, "not fixed", transform=axes.get_yaxis_transform(), va="center")
        axes.axvline(1.0, linestyle="--", color="grey")
        if np.isfinite(shown).any() and np.nanmax(shown) > 0:
            axes.set_xscale("log")
        axes.set_yticks(np.arange(len(self.names)), self.names)
        axes.set_xlabel("standard deviation from the readings alone / nominal value")
        return axes


def observability(
    subject: EstimationProblem | Model,
    sensors: Sequence[Sensor] = (),
    *,
    until: Any,
    adapt: Sequence[str] = (),
    inputs: Mapping[str, Any] | None = None,
    times: int = 100,
) -> ObservabilityReport:
    """Say what sensors can see of the states and adapted parameters, along the model's own trajectory.

    All readings are linearised about the trajectory with exact Jacobians; the singular values of what they see of the
    start say which directions are fixed [1]_. Quantities are scaled with their nominal values.

    Parameters
    ----------
    subject
        A model, or an estimation problem (any estimator), whose sensors, parameters and inputs are taken.
    sensors
        For a model: the sensors. A sensor without `std` counts with 1 % of its quantity's nominal value.
    until
        End of the trajectory.
    adapt
        For a model: parameters that are estimated, too.
    inputs
        For a model: inputs over time.
    times
        Number of times at which every sensor reads.

    Raises
    ------
    InvalidValueError, UnknownNameError, UnitError
        For anything that does not fit the model.
    SimulationError
        If the trajectory cannot be followed.

    References
    ----------
    .. [1] A. J. Krener, K. Ide, Measures of unobservability, Proc. 48th IEEE Conference on Decision and Control (2009),
       6401-6406 (local observability Gramian, local unobservability index). doi:10.1109/CDC.2009.5400067

    Examples
    --------
    >>> import twinkit as tk
    >>> class Growth(tk.Model):
    ...     '''Cells that grow and a product they make.'''
    ...     time_unit = "h"
    ...     X = tk.State("g/L", initial=1.0)
    ...     P = tk.State("g/L", initial=0.0)
    ...     mu = tk.Parameter("1/h", 0.2)
    ...     q = tk.Parameter("1/h", 0.5)
    ...     def equations(self, v, m):
    ...         return {"X": v.mu * v.X, "P": v.q * v.X}
    >>> from twinkit.estimate import Sensor, observability
    >>> print(observability(Growth(), [Sensor("P", std=0.1)], until="10 h", adapt=["mu", "q"]))
    The sensors see 3 of 4 independent directions.
    Of X and q only the product X * q is seen.
      X [g/L] to ± not fixed
      P [g/L] to ± 0.024
      mu [1/h] to ± 0.0019
      q [1/h] to ± not fixed
    """
    problem = _problem(subject, sensors, adapt, inputs)
    if not (isinstance(times, int) and times >= 2):
        raise InvalidValueError(f"times must be a whole number of at least 2, not {times!r}")
    end = problem.time(until, "until")
    if not end > 0:
        raise InvalidValueError(f"until must be positive, not {end:g}")
    problem.given.check(0.0, end)
    scale = problem.plan.scale
    rows, x0 = _seen(problem, np.linspace(0.0, end, times))
    _, values, right = np.linalg.svd(rows * scale, full_matrices=True)
    n = len(scale)
    values = np.concatenate([values, np.zeros(n - len(values))])
    rank = int(np.sum(values > _ZERO * max(values[0], 1e-300)))
    fixed, null = right[:rank], right[rank:]
    std = scale * np.sqrt(np.sum((fixed / values[:rank, None]) ** 2, axis=0)) if rank else np.zeros(n)
    std = np.where(np.sqrt(np.sum(null**2, axis=0)) > _SMALL, np.inf, std)
    condition = float(values[0] / values[rank - 1]) if rank else math.inf
    labels = problem.plan.labels
    blind = tuple(_blind(direction, labels, scale, x0) for direction in _sparse(null))
    return ObservabilityReport(labels, problem.plan.units, values, rank, condition, std, scale, blind)


def _problem(subject: Any, sensors: Any, adapt: Any, inputs: Any) -> EstimationProblem:
    if isinstance(subject, EstimationProblem):
        if sensors or adapt or inputs:
            raise InvalidValueError("an estimation problem has its own sensors, adapt and inputs: pass it alone")
        return subject
    if not isinstance(subject, Model):
        raise InvalidValueError(f"observability takes a model or an estimation problem, not {subject!r}")
    layout = subject.layout
    for name in adapt:
        if name not in layout.parameters:
            raise unknown_name("parameter", name, layout.parameters.by_name, type(subject).__name__)
    known = {entry.name: entry.variable.scale for entry in layout.states}
    walks = {name: Adaptation(layout.parameters[name].variable.scale) for name in adapt}
    return EstimationProblem(subject, sensors, initial_std=known, adapt=walks, inputs=inputs)


def _seen(problem: EstimationProblem, times: Array) -> tuple[Array, Array]:
    """Return the derivatives of all readings with respect to the start, in standard deviations, and the start."""
    common = {name: getattr(problem, name) for name in ("model", "sensors", "initial_std", "process_noise", "adapt")}
    more = {name: getattr(problem, name) for name in ("disturb", "inputs", "initial")}
    ekf = ExtendedKalmanFilter(**common, **more, rtol=1e-9)
    modes, p = ekf.constants
    x, z = ekf.initial_point(0.0)
    start, whole = x, np.eye(len(x))
    layout = ekf.begun.layout
    nominal = {
        label: entry.variable.scale
        for block in (layout.states, layout.algebraics, layout.outputs)
        for entry in block
        for label in entry.labels
    }
    stds = np.array([line.std or _STD * nominal[line.place.label] for line in ekf.lines.values()])

    def attempt(t: float, h: float, state: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array, Array], float]:
        x, z, whole = state
        x, z, map_, (error,) = ekf.moves.tangent(t, h, x, z, ekf.given.piece(t, h), modes, p)
        return (x, z, map_ @ whole), error

    found: list[Array] = []
    for k, t in enumerate(times.tolist()):
        if k:
            x, z, whole = stepped(ekf, times[k - 1], t, (x, z, whole), attempt)
        derivatives = ekf.functions.fast_look(t, x, z, ekf.given.at(t), modes, p)[1][list(ekf.rows)]
        found.append(derivatives @ whole / stds[:, None])
    return np.concatenate(found), start


def _sparse(null: Array) -> Array:
    """Return a basis of the same space with as many zeros as elimination gives."""
    basis = null.copy()
    done: list[int] = []
    for row in range(len(basis)):
        size = np.abs(basis[row:])
        i, j = np.unravel_index(int(np.argmax(size)), size.shape)
        basis[[row, row + i]] = basis[[row + i, row]]
        basis[row] /= basis[row, j]
        for other in range(len(basis)):
            if other != row:
                basis[other] -= basis[other, j] * basis[row]
        done.append(int(j))
    return basis


def _blind(direction: Array, names: Sequence[str], scale: Array, x0: Array) -> Blind:
    """Return a direction that no reading shows, in words."""
    direction = direction / np.max(np.abs(direction))
    which = np.flatnonzero(np.abs(direction) > _SMALL).tolist()
    change = {names[k]: float(direction[k] * scale[k]) for k in which}
    listed = [names[k] for k in which]
    if len(which) == 1:
        return Blind(change, f"{listed[0]} is not seen at all: no reading depends on it.")
    words = "Changing " + " together with ".join(f"{name} by {step:+.3g}" for name, step in change.items())
    words += " changes no reading."
    if len(which) == 2:
        (a, b), (i, j) = listed, which
        first, second = change[a], change[b]
        relative = (first * x0[j], second * x0[i]) if x0[i] and x0[j] else (math.nan, math.nan)
        fitting = [
            word
            for word, (one, other) in {
                f"ratio {a} / {b}": relative,
                f"product {a} * {b}": (relative[0], -relative[1]),
                f"difference {a} - {b}": (first, second),
                f"sum {a} + {b}": (first, -second),
            }.items()
            if math.isclose(one, other, rel_tol=1e-3)
        ]
        if len(fitting) == 1:  # where two fit, one trajectory cannot tell which it is
            words = f"Of {a} and {b} only the {fitting[0]} is seen."
    return Blind(change, words)
