"""Estimates over time: by name, with units and intervals, beside the measurements they were made from."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core import InvalidValueError, Prediction, Quality
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.positions import positions
from twinkit.core.units import unit_label
from twinkit.estimate.result import Estimate, Reading

if TYPE_CHECKING:
    import xarray as xr

    from twinkit.estimate.filter import Filter


@dataclass(frozen=True, eq=False)
class History:
    """Estimates over time: the first before any measurement, then one after each instant with measurements.

    Every quantity of the model can be asked for by name, whether it was estimated, measured, or follows from the
    model: states, adapted parameters, disturbances, algebraic variables and outputs.

    Parameters
    ----------
    estimates
        In order of time, at least one, all of one filter.
    smoothed
        Whether each knows all measurements (see `smooth`), or those up to it only.

    Examples
    --------
    >>> import twinkit as tk
    >>> from twinkit.estimate import ExtendedKalmanFilter, Sensor
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=8.0, bounds=(0, None))
    ...     k = tk.Parameter("1/h", 0.5, bounds=(0, None))
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> ekf = ExtendedKalmanFilter(Decay(), [Sensor("c", std="0.1 g/L")], initial_std={"c": 2.0})
    >>> history = ekf.history([tk.Measurement("c", 3.0, "g/L", 2.0), tk.Measurement("c", 4.9, "g/L", 1.0)])
    >>> history.time.tolist(), history.mean("c").round(2).tolist()
    ([0.0, 1.0, 2.0], [8.0, 4.9, 2.98])
    >>> history.smooth().mean("c").round(2).tolist()
    [8.09, 4.91, 2.98]
    """

    estimates: tuple[Estimate, ...]
    smoothed: bool = False

    def __post_init__(self) -> None:
        if not self.estimates:
            raise InvalidValueError("a history needs at least one estimate")

    # -- what there is -------------------------------------------------------------------------------------------
    @property
    def filter(self) -> Filter:
        """What made it."""
        return self.estimates[0].filter

    @cached_property
    def time(self) -> Array:
        """Times, in `time_unit`."""
        return np.array([estimate.time for estimate in self.estimates])

    @property
    def time_unit(self) -> str:
        """Unit of `time`."""
        return self.estimates[0].time_unit

    @property
    def names(self) -> tuple[str, ...]:
        """What was estimated: the name of every position of the vector."""
        return self.estimates[0].names

    @property
    def quantities(self) -> tuple[str, ...]:
        """Everything that can be asked for: `names`, then algebraic variables and outputs."""
        return tuple(dict.fromkeys([*self.names, *positions(self.filter.begun.layout)]))

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """What became of every measurement, in order of time."""
        return tuple(reading for estimate in self.estimates for reading in estimate.readings)

    @cached_property
    def nis(self) -> Array:
        """Normalised innovation squared at every time (NaN where nothing was used)."""
        return np.array([estimate.nis for estimate in self.estimates])

    def __len__(self) -> int:
        return len(self.estimates)

    def __iter__(self) -> Iterator[Estimate]:
        return iter(self.estimates)

    def __getitem__(self, index: int) -> Estimate:
        return self.estimates[index]

    # -- by name -------------------------------------------------------------------------------------------------
    def predictions(self, name: str, coverage: float = 0.95) -> tuple[Prediction, ...]:
        """Return a quantity with its uncertainty at every time; see `Estimate.output`.

        Raises
        ------
        UnknownNameError
            If there is no such quantity; names the nearest.
        """
        return tuple(estimate.output(name, coverage) for estimate in self.estimates)

    def unit(self, name: str) -> str:
        """Return the unit of a quantity."""
        return self.estimates[0].output(name).unit

    def mean(self, name: str) -> Array:
        """Return the mean of a quantity over time."""
        return np.array([one.mean for one in self.predictions(name)])

    def std(self, name: str) -> Array:
        """Return the standard deviation of a quantity over time."""
        return np.array([one.std for one in self.predictions(name)])

    def interval(self, name: str, coverage: float = 0.95) -> tuple[Array, Array]:
        """Return the interval of a quantity over time, ``(low, high)``."""
        low, high = np.array([one.interval for one in self.predictions(name, coverage)]).T
        return low, high

    def smooth(self) -> History:
        """Return the history with every estimate corrected by all later measurements; see `smooth`."""
        from twinkit.estimate.smoothing import smooth

        return smooth(self)

    def to_xarray(self, names: Sequence[str] | None = None, coverage: float = 0.95) -> xr.Dataset:
        """Return means, standard deviations and intervals as a dataset over ``time``.

        Parameters
        ----------
        names
            Quantities; None: `names`. Each gives ``NAME``, ``NAME_std``, ``NAME_low`` and ``NAME_high``.
        coverage
            Nominal coverage of the intervals.
        """
        import xarray as xr

        found: dict[str, Any] = {}
        for name in self.names if names is None else names:
            said = self.predictions(name, coverage)
            unit = said[0].unit
            columns = [(one.mean, one.std, *one.interval) for one in said]
            for suffix, data in zip(("", "_std", "_low", "_high"), np.array(columns).T, strict=True):
                found[name + suffix] = (("time",), data, {"units": unit})
        coords = {"time": ("time", self.time, {"units": self.time_unit})}
        attrs = {
            "made_by": self.filter.content_hash,
            "model": type(self.filter.model).__name__,
            "smoothed": int(self.smoothed),
            "coverage": coverage,
        }
        return xr.Dataset(found, coords=coords, attrs=attrs)

    # -- looks ---------------------------------------------------------------------------------------------------
    def plot(self, *names: str, coverage: float = 0.95, ax: Any = None) -> Any:
        """Draw quantities over time: mean, interval, and the measurements of the same quantity.

        Filled dots corrected the estimate; crosses are readings that were not used.

        Parameters
        ----------
        names
            Quantities; none: everything that was estimated and everything that was measured.
        coverage
            Nominal coverage of the band.
        ax
            Draw all into this axes; None: one axes for each.

        Returns
        -------
        matplotlib axes
            One, or an array of them.
        """
        from twinkit.estimate.history_plot import plot_history

        measured = [line.place.label for line in self.filter.lines.values()]
        return plot_history(self, names or tuple(dict.fromkeys([*self.names, *measured])), coverage, ax)

    def measured(self, name: str) -> tuple[Reading, ...]:
        """Return the readings of a quantity."""
        if name not in self.quantities:
            raise unknown_name("quantity", name, self.quantities, type(self.filter.model).__name__)
        tags = {tag for tag, line in self.filter.lines.items() if line.place.label == name}
        return tuple(reading for reading in self.readings if reading.tag in tags)

    def _summary(self) -> str:
        used = sum(reading.accepted for reading in self.readings)
        bad = sum(reading.quality is Quality.BAD for reading in self.readings)
        count = len(self.readings)
        what = "Smoothed estimates" if self.smoothed else "Estimates"
        return (
            f"{what} of {type(self.filter.model).__name__} at {len(self)} times, {self.time[0]:.6g} to "
            f"{self.time[-1]:.6g} {self.time_unit}; {count} readings: {used} used, {count - used - bad} outside the "
            f"gate, {bad} bad"
        )

    def _rows(self) -> list[tuple[str, str, str, str]]:
        rows: list[tuple[str, str, str, str]] = []
        ends = (self.estimates[0], self.estimates[-1])
        for k, name in enumerate(self.names):
            begin, end = (f"{one.vector[k]:.5g} ± {np.sqrt(one.covariance[k, k]):.2g}" for one in ends)
            rows.append((name, unit_label(self.filter.plan.units[k]) or "-", begin, end))
        return rows

    def __repr__(self) -> str:
        return "\n".join([self._summary(), *(f"  {name} [{unit}] {a} -> {b}" for name, unit, a, b in self._rows())])

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self._rows()
        )
        head = "".join(f"<th>{cell}</th>" for cell in ("name", "unit", "first", "last"))
        return f"<div><b>{html.escape(self._summary())}</b><table><tr>{head}</tr>{rows}</table></div>"
