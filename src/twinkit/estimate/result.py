"""What a filter returns: a mean and a covariance at a time, by name, and what became of each reading."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core import Prediction, Quality
from twinkit.core.component import Array
from twinkit.core.identity import digest
from twinkit.core.units import unit_label

if TYPE_CHECKING:
    from twinkit.estimate.filter import Filter


@dataclass(frozen=True)
class Reading:
    """What became of one measurement.

    Attributes
    ----------
    tag, time, unit
        Which sensor, when, and the unit of the numbers (the model's).
    value, std
        The measurement, and the standard deviation it was given.
    predicted
        What the model expected.
    innovation, innovation_std
        Measurement minus expectation, and the standard deviation chance gives it.
    nis
        Normalised innovation squared, ``(innovation / innovation_std)**2``: χ² with one degree of freedom.
    quality
        As it arrived.
    accepted
        Whether it corrected the estimate.
    reason
        Why not, or what was done to it ('' when it was used as it came).
    """

    tag: str
    time: float
    unit: str
    value: float
    std: float
    predicted: float
    innovation: float
    innovation_std: float
    nis: float
    quality: Quality
    accepted: bool
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Estimate:
    """Where the process is: mean and covariance of states and adapted parameters.

    Attributes
    ----------
    time, time_unit
        When.
    names
        Name per position (``c[0]``, ``c[1]``, ... for a vector state).
    vector, covariance
        Mean ``(n,)`` and covariance ``(n, n)``, in the units of the model.
    algebraics
        Algebraic variables at the mean.
    readings
        What became of the measurements of the last update.
    nis
        Normalised innovation squared of the last update, all accepted and rejected readings together.
    filter
        What made it.
    """

    time: float
    time_unit: str
    names: tuple[str, ...]
    vector: Array
    covariance: Array
    algebraics: Array
    filter: Filter = field(repr=False)
    readings: tuple[Reading, ...] = ()
    nis: float = math.nan

    def _by_name(self, values: Array) -> dict[str, Any]:
        parts = self.filter.plan.fields.items()
        return {n: float(values[a]) if size is None else values[a : a + size] for n, (a, size) in parts}

    @cached_property
    def mean(self) -> Mapping[str, Any]:
        """Mean by name: a number, or an array for a vector state."""
        return self._by_name(self.vector)

    @cached_property
    def std(self) -> Mapping[str, Any]:
        """Standard deviation by name."""
        return self._by_name(np.sqrt(np.diag(self.covariance)))

    @property
    def noise(self) -> Array:
        """White-noise intensity that acts on each position (see `twinkit.core.StateEstimate`)."""
        return self.filter.plan.noise

    @property
    def decay(self) -> Array:
        """Rate at which each position decays by itself: disturbances with a time constant."""
        rates = [rate for _, _, rate in self.filter.plan.disturbances]
        return np.concatenate([np.zeros(len(self.vector) - len(rates)), rates])

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the filter and of the numbers."""
        return digest([self.filter.content_hash, self.time, self.vector, self.covariance])

    @property
    def accepted(self) -> bool:
        """Whether every reading of the last update corrected the estimate (False when there was none)."""
        return bool(self.readings) and all(reading.accepted for reading in self.readings)

    @property
    def reason(self) -> str:
        """What was done to readings of the last update that were not used as they came."""
        return "; ".join(f"{reading.tag}: {reading.reason}" for reading in self.readings if reading.reason)

    @property
    def innovation(self) -> float:
        """Innovation of the last reading (NaN when there was none)."""
        return self.readings[-1].innovation if self.readings else math.nan

    @property
    def innovation_std(self) -> float:
        """Standard deviation of the innovation of the last reading (NaN when there was none)."""
        return self.readings[-1].innovation_std if self.readings else math.nan

    def output(self, name: str, coverage: float = 0.95) -> Prediction:
        """Return any output, state, algebraic variable or adapted parameter with its uncertainty.

        Parameters
        ----------
        name
            Its name (one element of a vector: ``"c[3]"``).
        coverage
            Nominal coverage of the interval, from the normal distribution through the model's linearisation and cut at
            the declared bounds.

        Raises
        ------
        UnknownNameError
            If there is no such quantity.
        """
        return self.filter.output(self, name, coverage)

    def _rows(self) -> list[tuple[str, str, str, str]]:
        std = np.sqrt(np.diag(self.covariance))
        units = (unit_label(unit) for unit in self.filter.plan.units)
        rows = zip(self.names, units, self.vector, std, strict=True)
        return [(name, unit, f"{mean:.5g}", f"{spread:.2g}") for name, unit, mean, spread in rows]

    def __repr__(self) -> str:
        head = f"Estimate of {type(self.filter.model).__name__} at {self.time:.6g} {self.time_unit}"
        rows = [f"  {name} [{unit or '-'}] {mean} ± {spread}" for name, unit, mean, spread in self._rows()]
        return "\n".join([head, *rows, *([f"  ({self.reason})"] if self.reason else [])])

    def _repr_html_(self) -> str:
        rows = [
            (f"<b>{html.escape(name)}</b>", html.escape(unit), mean, f"± {s}") for name, unit, mean, s in self._rows()
        ]
        cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
        head = html.escape(f"Estimate of {type(self.filter.model).__name__} at {self.time:.6g} {self.time_unit}")
        note = f"<p>{html.escape(self.reason)}</p>" if self.reason else ""
        return (
            f"<div><b>{head}</b>{note}<table><tr><th>name</th><th>unit</th><th>mean</th>"
            f"<th>standard deviation</th></tr>{cells}</table></div>"
        )
