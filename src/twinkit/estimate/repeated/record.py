"""What a filter found in a whole record."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from twinkit.core import InvalidValueError
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.units import unit_label

if TYPE_CHECKING:
    import xarray as xr

    from twinkit.estimate.filter import Filter
    from twinkit.estimate.result import Estimate


@dataclass(frozen=True, eq=False)
class FilteredRecord:
    """The estimates of a filter at every time of a record, as arrays.

    Attributes
    ----------
    time
        Times, in the model's unit.
    names, tags
        Of the estimated quantities, and of the sensors.
    mean, std
        ``(times, quantities)``.
    covariance
        ``(times, quantities, quantities)``; empty if they were not kept.
    algebraics
        Algebraic variables at the mean, ``(times, algebraics)``.
    innovation, innovation_std
        ``(times, sensors)``; NaN where there was no reading.
    accepted
        Which readings corrected the estimate.
    nis
        Normalised innovation squared of all readings of a time; NaN where there was none.
    log_likelihood
        Of the accepted readings given all before, natural logarithm, per time.
    filter
        What made it.
    """

    time: Array
    names: tuple[str, ...]
    tags: tuple[str, ...]
    mean: Array
    std: Array
    covariance: Array
    algebraics: Array
    innovation: Array
    innovation_std: Array
    accepted: Any
    nis: Array
    log_likelihood: Array
    filter: Filter
    _last: Array

    def __getitem__(self, name: str) -> Array:
        """Return the mean of one quantity over time."""
        if name not in self.names:
            raise unknown_name("estimated quantity", name, self.names, "this record")
        return self.mean[:, self.names.index(name)]

    @cached_property
    def last(self) -> Estimate:
        """The estimate after the last reading."""
        made = self.filter.make(
            float(self.time[-1]), self.mean[-1].copy(), self._last.copy(), self.algebraics[-1].copy()
        )
        return made

    def estimate(self, index: int) -> Estimate:
        """Return the estimate at one time, by its position."""
        if not self.covariance.size:
            raise InvalidValueError("the covariances were not kept: run the record with covariances=True")
        mean, covariance, z = self.mean[index], self.covariance[index], self.algebraics[index]
        return self.filter.make(float(self.time[index]), mean.copy(), covariance.copy(), z.copy())

    def to_xarray(self) -> xr.Dataset:
        """Return means, standard deviations and innovations with names and units."""
        import xarray as xr

        plan, lines = self.filter.plan, self.filter.lines
        found: dict[str, Any] = {}
        for k, (name, unit) in enumerate(zip(self.names, plan.units, strict=True)):
            found[name] = ("time", self.mean[:, k], {"units": unit})
            found[f"std({name})"] = ("time", self.std[:, k], {"units": unit})
        for j, tag in enumerate(self.tags):
            found[f"innovation({tag})"] = ("time", self.innovation[:, j], {"units": lines[tag].place.unit})
        coords: Mapping[str, Any] = {"time": ("time", self.time, {"units": self.filter.model.time_unit})}
        return xr.Dataset(found, coords=coords, attrs={"made_by": self.filter.content_hash})

    def _rows(self) -> list[tuple[str, str, str, str]]:
        units = (unit_label(unit) for unit in self.filter.plan.units)
        rows = zip(self.names, units, self.mean[-1], self.std[-1], strict=True)
        return [(name, unit, f"{mean:.5g}", f"{spread:.2g}") for name, unit, mean, spread in rows]

    def _head(self) -> str:
        count = int(np.sum(np.isfinite(self.innovation)))
        rejected = count - int(np.sum(self.accepted))
        return (
            f"{type(self.filter).__name__} of {type(self.filter.model).__name__} over {len(self.time)} times to "
            f"{self.time[-1]:.6g} {self.filter.model.time_unit}: {count} readings, {rejected} not used"
        )

    def __repr__(self) -> str:
        rows = [f"  {name} [{unit or '-'}] ends at {mean} ± {spread}" for name, unit, mean, spread in self._rows()]
        return "\n".join([self._head(), *rows])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td><b>{html.escape(name)}</b></td><td>{html.escape(unit)}</td><td>{mean}</td><td>± {std}</td></tr>"
            for name, unit, mean, std in self._rows()
        )
        head = "<tr><th>name</th><th>unit</th><th>last mean</th><th>standard deviation</th></tr>"
        return f"<div><b>{html.escape(self._head())}</b><table>{head}{rows}</table></div>"

    def plot(self, *names: str, coverage: float = 0.95, ax: Any = None) -> Any:
        """Plot means with bands over time; return the axes.

        Parameters
        ----------
        names
            Which quantities; none: all.
        coverage
            Of the bands.
        ax
            Axes to draw on; None: new ones, one per quantity.
        """
        import matplotlib.pyplot as plt
        from scipy.special import ndtri

        chosen = names or self.names
        for name in chosen:
            self[name]  # an unknown one is refused before anything is drawn
        axes = plt.subplots(len(chosen), 1, sharex=True, squeeze=False)[1][:, 0] if ax is None else [ax] * len(chosen)
        reach = float(ndtri(0.5 + coverage / 2))
        for name, target in zip(chosen, axes, strict=True):
            k = self.names.index(name)
            mean, std = self.mean[:, k], self.std[:, k]
            (line,) = target.plot(self.time, mean, label=name)
            target.fill_between(self.time, mean - reach * std, mean + reach * std, alpha=0.25, color=line.get_color())
            target.set_ylabel(f"{name} [{unit_label(self.filter.plan.units[k]) or '-'}]")
        axes[-1].set_xlabel(f"time [{self.filter.model.time_unit}]")
        return axes if ax is None else ax

    @property
    def total_log_likelihood(self) -> float:
        """Natural logarithm of the likelihood of the whole record."""
        return math.fsum(self.log_likelihood)
