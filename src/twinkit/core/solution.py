"""The result of a run: named, with units, interpolating, and able to say what made it."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import BoundsError, InvalidValueError, SimulationError, unknown_name
from twinkit.core.identity import digest
from twinkit.core.units import as_array, unit_label

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
    import xarray as xr

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RunStatus:
    """How a run ended.

    Attributes
    ----------
    success
        True when the run reached its end (or an event that stops it).
    reason
        In words.
    time
        Where it ended, in the solution's time unit.
    state
        The last state, by name.
    violations
        States that left their declared bounds, in words; their values there are not to be trusted.
    """

    success: bool
    reason: str
    time: float
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    violations: Sequence[str] = ()


@dataclass(frozen=True)
class Trace:
    """One variable over time.

    Attributes
    ----------
    kind, unit, doc
        From the declaration.
    data
        Shape ``(times,)`` or ``(times, size)``.
    slopes
        Time derivatives at the same times (states) or a function that returns them, for cubic interpolation; None:
        linear.
    held
        True for a value that is constant until the next time (a stepped input, a mode).
    """

    kind: str
    unit: str
    doc: str
    data: Array
    slopes: Array | Callable[[], Array] | None = None
    held: bool = False

    @property
    def derivative(self) -> Array | None:
        """Time derivatives, where they are known."""
        return self.slopes() if callable(self.slopes) else self.slopes

    def __reduce__(self) -> tuple[Any, ...]:
        return (Trace, (self.kind, self.unit, self.doc, self.data, self.derivative, self.held))


@dataclass(frozen=True)
class Occurrence:
    """An event or scheduled action that happened."""

    time: float
    name: str


@dataclass(frozen=True, eq=False)
class Solution:
    """Trajectories of all variables of a run.

    `solution["X"]` is an `xarray.DataArray` with units. At an event there are two rows with the same time: just
    before and just after.

    Attributes
    ----------
    time
        Shape ``(times,)``, not decreasing, in `time_unit`.
    time_unit
        Unit of `time`.
    traces
        Variable name -> `Trace`.
    status
        How the run ended.
    statistics
        What the solver did (steps, evaluations, seconds).
    provenance
        Model name, content hash, parameters, solver, tolerances, twinkit version.
    occurrences
        Events in order of time.
    sensitivities
        Parameter name -> state name -> derivative over time, where asked for.
    plotted
        Variables drawn by `plot` when none are named; none: all states.
    """

    time: Array
    time_unit: str
    traces: Mapping[str, Trace]
    status: RunStatus
    statistics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    occurrences: Sequence[Occurrence] = ()
    sensitivities: Mapping[str, Mapping[str, Array]] = field(default_factory=dict[str, Mapping[str, Array]])
    plotted: Sequence[str] = ()

    # -- access ------------------------------------------------------------------------------------------------
    def trace(self, name: str) -> Trace:
        """Return the trace of a variable.

        Raises
        ------
        UnknownNameError
            If there is no such variable.
        """
        found = self.traces.get(name)
        if found is None:
            raise unknown_name("variable", name, self.traces, "this solution")
        return found

    def __getitem__(self, name: str) -> xr.DataArray:
        return self._labelled(name, self.time, self.trace(name).data)

    def __contains__(self, name: object) -> bool:
        return name in self.traces

    def __iter__(self) -> Iterator[str]:
        return iter(self.traces)

    def __len__(self) -> int:
        return len(self.traces)

    @property
    def success(self) -> bool:
        """Whether the run reached its end."""
        return self.status.success

    def raise_if_failed(self) -> Self:
        """Return the solution, or raise `SimulationError` with the reason if the run did not finish."""
        if not self.success:
            raise SimulationError(self.status.reason)
        return self

    @property
    def content_hash(self) -> str:
        """SHA-256 of times and trajectories."""
        return digest({"time": self.time, "traces": {name: trace.data for name, trace in self.traces.items()}})

    def _labelled(self, name: str, time: Array, data: Array) -> xr.DataArray:
        import xarray as xr

        trace = self.traces[name]
        dims = ("time",) if data.ndim == 1 else ("time", f"{name}_index")
        return xr.DataArray(
            data,
            dims=dims,
            coords={"time": ("time", time, {"units": self.time_unit})},
            name=name,
            attrs={"units": trace.unit, "long_name": trace.doc or name, "kind": trace.kind},
        )

    # -- interpolation -----------------------------------------------------------------------------------------
    def at(self, times: Any) -> xr.Dataset:
        """Return all variables at given times.

        States are interpolated by cubic Hermite polynomials through values and derivatives, held values keep the
        last one, others are linear. At the time of an event the value just after it is returned.

        Parameters
        ----------
        times
            Number, text (``"36 h"``), quantity or array, within the run.

        Raises
        ------
        BoundsError
            If a time lies outside the run: a solution does not extrapolate.
        """
        import xarray as xr

        wanted = np.atleast_1d(as_array(_texts(times, self.time_unit), self.time_unit, "the time"))
        if len(self.time) == 0:
            raise BoundsError(f"this solution has no rows: {self.status.reason}")
        begin, end = float(self.time[0]), float(self.time[-1])
        slack = 1e-12 * max(abs(begin), abs(end))
        if np.any(wanted < begin - slack) or np.any(wanted > end + slack):
            raise BoundsError(f"times must be within the run, [{begin:g}, {end:g}] {self.time_unit}")
        position = np.searchsorted(self.time, wanted, side="right") - 1
        position = np.clip(position, 0, max(len(self.time) - 2, 0))
        found = {name: self._interpolated(trace, wanted, position) for name, trace in self.traces.items()}
        return xr.Dataset({name: self._labelled(name, wanted, data) for name, data in found.items()})

    def _interpolated(self, trace: Trace, wanted: Array, left: npt.NDArray[np.intp]) -> Array:
        if len(self.time) == 1:
            return np.repeat(trace.data, len(wanted), axis=0)
        right = left + 1
        width = self.time[right] - self.time[left]
        safe = np.where(width > 0, width, 1.0)
        # At the end of a run that ends with an event the last two rows have one time: the later one counts.
        s = np.where(width > 0, np.clip((wanted - self.time[left]) / safe, 0.0, 1.0), 1.0)
        shape = (-1,) + (1,) * (trace.data.ndim - 1)
        s, h = s.reshape(shape), width.reshape(shape)
        a, b = trace.data[left], trace.data[right]
        if trace.held:
            return np.where(s >= 1.0, b, a)
        slopes = trace.derivative
        if slopes is None:
            return np.asarray(a + s * (b - a))
        da, db = slopes[left] * h, slopes[right] * h
        # Cubic Hermite basis on [0, 1].
        return np.asarray(
            a * (1 + 2 * s) * (1 - s) ** 2 + da * s * (1 - s) ** 2 + b * s**2 * (3 - 2 * s) + db * s**2 * (s - 1)
        )

    # -- other shapes ------------------------------------------------------------------------------------------
    def to_xarray(self) -> xr.Dataset:
        """Return all variables as one dataset, with provenance in its attributes."""
        import xarray as xr

        attrs = {"reason": self.status.reason, "success": int(self.success), **_texts_of(self.provenance)}
        return xr.Dataset({name: self[name] for name in self.traces}, attrs=attrs)

    def to_pandas(self) -> pd.DataFrame:
        """Return all variables as a table indexed by time; vectors become one column per element."""
        import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

        columns: dict[str, Array] = {}
        for name, trace in self.traces.items():
            if trace.data.ndim == 1:
                columns[name] = trace.data
            else:
                columns.update({f"{name}[{i}]": trace.data[:, i] for i in range(trace.data.shape[1])})
        frame = pd.DataFrame(columns, index=pd.Index(self.time, name=f"time [{self.time_unit}]"))
        frame.attrs["units"] = {name: trace.unit for name, trace in self.traces.items()}
        return frame

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the solution to a netCDF (``.nc``) or Parquet (``.parquet``) file, whole or not at all.

        Raises
        ------
        InvalidValueError
            For another file ending.
        StorageError
            If the file cannot be written (full disk, missing folder).
        """
        from twinkit.core.solution_files import save

        return save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Solution:
        """Read a solution written by `save`.

        Raises
        ------
        DataError
            If the file is truncated, altered or not a saved solution.
        """
        from twinkit.core.solution_files import load

        return load(path)

    # -- looks -------------------------------------------------------------------------------------------------
    def plot(self, *names: str, ax: Any = None) -> Any:
        """Plot variables over time.

        Parameters
        ----------
        *names
            Variables; when none are named those the model says are worth seeing, else all states.
        ax
            A matplotlib axes to draw everything in; without it each variable gets its own.

        Returns
        -------
        matplotlib Axes, or an array of them.
        """
        from twinkit.core.solution_plot import plot_traces

        chosen = (
            names or tuple(self.plotted) or tuple(name for name, trace in self.traces.items() if trace.kind == "state")
        )
        if not chosen:
            raise InvalidValueError("this solution has no states; name the variables to plot")
        for name in chosen:
            self.trace(name)
        return plot_traces(self, chosen, ax)

    def __repr__(self) -> str:
        state = "finished" if self.success else "FAILED"
        span = (
            f"{self.time[0]:g} to {self.time[-1]:g} {self.time_unit}, {len(self.time)} times"
            if len(self.time)
            else "0 times"
        )
        lines = [f"Solution of {self.provenance.get('model', 'a model')}: {state}, {span}"]
        if not self.success:
            lines.append(f"  {self.status.reason}")
        lines.extend(f"  WARNING: {violation}" for violation in self.status.violations)
        for name, trace in self.traces.items():
            lines.append(f"  {name} [{unit_label(trace.unit) or '-'}] {_ends(trace.data)}  {trace.doc}".rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head, *reason = [
            html.escape(line)
            for line in repr(self).splitlines()[: 1 + (not self.success) + len(self.status.violations)]
        ]
        rows = "".join(
            f"<tr><td><b>{html.escape(name)}</b></td><td>{html.escape(unit_label(trace.unit))}</td>"
            f"<td>{html.escape(_ends(trace.data))}</td><td>{html.escape(trace.doc)}</td></tr>"
            for name, trace in self.traces.items()
        )
        made_by = html.escape(", ".join(f"{key} {value}" for key, value in _texts_of(self.statistics).items()))
        return (
            f"<div><b>{head}</b>{''.join(f'<p>{line}</p>' for line in reason)}<table><tr><th>name</th><th>unit</th>"
            f"<th>first → last</th><th></th></tr>{rows}</table><small>{made_by}</small></div>"
        )


def _ends(data: Array) -> str:
    if len(data) == 0:
        return "nothing"
    if data.ndim == 1:
        return f"{data[0]:.4g} → {data[-1]:.4g}"
    return f"{data.shape[1]} elements"


def _texts(times: Any, unit: str) -> Any:
    """Turn a list of texts (``["1 h", "2 h"]``) into numbers; other values are returned as they are."""
    if isinstance(times, (list, tuple)):
        return [float(as_array(t, unit, "the time")) for t in cast("list[Any]", times)]
    return times


def _texts_of(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): value if isinstance(value, str) else f"{value}" for key, value in values.items()}
