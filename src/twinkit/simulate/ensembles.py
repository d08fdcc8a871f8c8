"""Ensembles: one model, one recipe, thousands of parameter sets, on whatever computes them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, TwinkitError, unknown_name
from twinkit.core.identity import digest
from twinkit.core.model import Model
from twinkit.core.units import unit_label
from twinkit.readings.casadi import SYMBOLIC
from twinkit.simulate.cvodes import Cvodes
from twinkit.simulate.problem import Problem, Solver, check_solver, make_problem
from twinkit.simulate.record import provenance
from twinkit.simulate.run import solve
from twinkit.simulate.sampling import table

if TYPE_CHECKING:
    import xarray as xr

Array = npt.NDArray[np.float64]
_CHUNKS = 32


@runtime_checkable
class ManySolver(Protocol):
    """A solver that advances many members at once, for models without events. `Compiled` and `Jax` do.

    `chunks` is the number of calls an ensemble is split into when no executor is given.
    """

    @property
    def chunks(self) -> int:
        """Number of calls an ensemble is split into when no executor is given."""
        ...

    def advance_many(self, problem: Problem, x: Array, z: Array, p: Array, *, alone: bool) -> Rows:
        """Integrate members with states ``(N, states)`` and parameters ``(N, parameters)``."""
        ...


@dataclass(frozen=True)
class Rows:
    """Trajectories of some members.

    Attributes
    ----------
    x, z
        ``(members, times, ...)``; NaN after a failure.
    modes
        ``(members, times, modes)``.
    failures
        Position -> reason in words.
    """

    x: Array
    z: Array
    modes: Array
    failures: Mapping[int, str] = field(default_factory=dict[int, str])


@dataclass(frozen=True, eq=False)
class EnsembleSolution:
    """Trajectories of all members.

    ``ensemble["X"]`` is an `xarray.DataArray` with dimensions member and time; a failed member is NaN from where it
    failed, and is listed in `failures`.
    """

    problem: Problem
    samples: Mapping[str, Array]
    x: Array
    z: Array
    modes: Array
    failures: Mapping[int, str]
    provenance: Mapping[str, Any]

    @property
    def time(self) -> Array:
        """Times, in the model's time unit."""
        return self.problem.times

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def content_hash(self) -> str:
        """SHA-256 of samples and trajectories."""
        return digest({"x": self.x, "z": self.z, "samples": self.samples})

    def values(self, name: str) -> Array:
        """Return one variable, shape ``(members, times)`` or ``(members, times, size)``.

        Raises
        ------
        UnknownNameError
            If there is no such state, algebraic variable, mode or output.
        """
        layout = self.problem.layout
        for block, data in ((layout.states, self.x), (layout.algebraics, self.z), (layout.modes, self.modes)):
            if name in block:
                entry = block[name]
                return (
                    data[:, :, entry.start]
                    if entry.size is None
                    else data[:, :, entry.start : entry.start + entry.width]
                )
        if name not in layout.outputs:
            blocks = (layout.states, layout.algebraics, layout.modes, layout.outputs)
            raise unknown_name("variable", name, [e.name for block in blocks for e in block], "this ensemble")
        entry = layout.outputs[name]
        data = self._outputs[:, :, entry.start : entry.start + entry.width]
        return data[:, :, 0] if entry.size is None else data

    @cached_property
    def _outputs(self) -> Array:
        problem, (count, times, _) = self.problem, self.x.shape
        p = _parameters(problem, self.samples, count)
        held = np.concatenate(
            [
                np.broadcast_to(problem.program.values(self.time), (count, times, problem.layout.inputs.size)),
                self.modes,
            ],
            axis=2,
        )
        with SYMBOLIC:
            function = problem.reading.mapped(times)
            rows = [function(self.time[None], self.x[i].T, self.z[i].T, held[i].T, p[i])[2] for i in range(count)]
            return np.array([np.asarray(row).T for row in rows])

    def __getitem__(self, name: str) -> xr.DataArray:
        import xarray as xr

        data = self.values(name)
        variable = self.problem.layout.find(name).variable
        dims = ("member", "time") if data.ndim == 2 else ("member", "time", f"{name}_index")
        coords = {"time": ("time", self.time, {"units": self.problem.layout.time_unit}), "member": np.arange(len(self))}
        return xr.DataArray(
            data, dims=dims, coords=coords, name=name, attrs={"units": variable.unit, "long_name": variable.doc or name}
        )

    def quantiles(self, name: str, q: Sequence[float] = (0.025, 0.5, 0.975)) -> Array:
        """Return quantiles over the members that finished, shape ``(len(q), times)``.

        Raises
        ------
        InvalidValueError
            If no member finished.
        """
        good = [i for i in range(len(self)) if i not in self.failures]
        if not good:
            raise InvalidValueError("no member of the ensemble finished; see ensemble.failures")
        return np.quantile(self.values(name)[good], q, axis=0)

    def plot(self, *names: str, ax: Any = None, coverage: float = 0.95) -> Any:
        """Plot the median and the central interval of variables over time; returns the axes."""
        import matplotlib.pyplot as plt

        chosen = names or tuple(entry.name for entry in self.problem.layout.states)
        if ax is None:
            _, axes = plt.subplots(
                len(chosen), 1, sharex=True, squeeze=False, figsize=(6, 1.9 * len(chosen) + 0.8), layout="constrained"
            )
            targets = list(axes[:, 0])
        else:
            targets = [ax] * len(chosen)
        tail = (1 - coverage) / 2
        for name, axis in zip(chosen, targets, strict=True):
            low, middle, high = self.quantiles(name, (tail, 0.5, 1 - tail))
            (line,) = axis.plot(self.time, middle, label=name)
            axis.fill_between(self.time, low, high, color=line.get_color(), alpha=0.25, linewidth=0)
            axis.set_ylabel(f"{name} [{unit_label(self.problem.layout.find(name).variable.unit) or '-'}]")
        targets[-1].set_xlabel(f"time [{unit_label(self.problem.layout.time_unit)}]")
        return targets[0] if len(chosen) == 1 or ax is not None else np.array(targets, dtype=object)

    def __repr__(self) -> str:
        unit = self.problem.layout.time_unit
        head = (
            f"Ensemble of {len(self)} {type(self.problem.model).__name__}, {self.time[0]:g} to {self.time[-1]:g} {unit}"
        )
        if not self.failures:
            return f"{head}: all finished"
        first = min(self.failures)
        return f"{head}: {len(self.failures)} FAILED; member {first}: {self.failures[first]}"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def ensemble(
    model: Model,
    samples: Any,
    until: Any,
    *,
    inputs: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    start: Any = 0.0,
    outputs: Any = None,
    rtol: float = 1e-8,
    atol: float | None = None,
    solver: Solver | ManySolver | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> EnsembleSolution:
    """Simulate a model once per sample.

    Every member is computed by itself, so the same samples give the same bytes whichever executor runs them.

    Parameters
    ----------
    model, until, inputs, initial, start, outputs, rtol, atol
        As for `simulate`; trajectories are kept at the output times only.
    samples
        Name -> array with one value per member (parameters, initial values), or a pandas DataFrame; see `draw`.
    solver
        `Cvodes()` (default), `Compiled()` or `Jax()`.
    executor
        Any `concurrent.futures.Executor`: a process pool, Dask's ``client.get_executor()``. Without one, `Compiled`
        uses all processors and the others run in this thread.
    progress
        Show a progress bar.

    Returns
    -------
    EnsembleSolution
        All members; those that failed are reported in `failures`, not dropped.

    Raises
    ------
    InvalidValueError, ShapeError, BoundsError, UnknownNameError
        For an empty ensemble, or samples that do not fit the model.
    """
    from tqdm.auto import tqdm

    columns = table(model, samples)
    count = len(next(iter(columns.values())))
    problem = make_problem(
        model, until, start=start, inputs=inputs, initial=initial, outputs=outputs, rtol=rtol, atol=atol
    )
    problem = replace(problem, exact=True, scratch={})
    chosen = Cvodes() if solver is None else solver
    check_solver(chosen, Solver, ManySolver)
    pieces = _CHUNKS if executor is not None else getattr(chosen, "chunks", _CHUNKS)
    bounds = np.linspace(0, count, min(count, pieces) + 1).astype(int)
    chunks = [{name: column[a:b] for name, column in columns.items()} for a, b in pairwise(bounds)]
    parts: list[Rows | None] = [None] * len(chunks)
    with tqdm(total=count, desc=type(model).__name__, unit="run", disable=not progress) as bar:
        for index, rows in _computed(problem, chunks, chosen, executor):
            parts[index] = rows
            bar.update(len(rows.x))
    done = [part for part in parts if part is not None]
    return EnsembleSolution(
        problem=problem, samples=columns,
        x=np.concatenate([rows.x for rows in done]), z=np.concatenate([rows.z for rows in done]),
        modes=np.concatenate([rows.modes for rows in done]),
        failures={int(a) + i: why for a, rows in zip(bounds, done, strict=False) for i, why in rows.failures.items()},
        provenance={**provenance(problem, type(chosen).__name__), "members": count},
    )  # fmt: skip


def _computed(problem: Problem, chunks: Sequence[Mapping[str, Array]], solver: Any, executor: Executor | None) -> Any:
    """Yield ``(position, rows)`` of chunks as they are finished."""
    if executor is None:
        for index, chunk in enumerate(chunks):
            yield index, run_members(problem, chunk, solver, alone=True)
        return
    waiting: dict[Future[Rows], int] = {
        executor.submit(run_members, problem, chunk, solver): index for index, chunk in enumerate(chunks)
    }
    try:
        # Dask's futures are its own; only those of the standard library can be waited for with as_completed.
        finished = as_completed(waiting) if all(isinstance(f, Future) for f in waiting) else iter(waiting)
        for future in finished:
            yield waiting[future], future.result()
    except BaseException:
        for future in waiting:
            future.cancel()
        raise


def _parameters(problem: Problem, samples: Mapping[str, Array], count: int) -> Array:
    p = np.tile(problem.p, (count, 1))
    for name, column in samples.items():
        if name in problem.layout.parameters:
            entry = problem.layout.parameters[name]
            p[:, entry.start : entry.start + entry.width] = column.reshape(count, -1)
    return p


def run_members(problem: Problem, samples: Mapping[str, Array], solver: Any, *, alone: bool = False) -> Rows:
    """Simulate some members; runs in a worker of whatever executor there is.

    Parameters
    ----------
    problem
        The recipe; `times` are kept.
    samples
        Name -> values of these members.
    solver
        See `ensemble`.
    alone
        Nothing else computes: the solver may use all processors.
    """
    count = len(next(iter(samples.values())))
    p = _parameters(problem, samples, count)
    x, modes = np.tile(problem.x, (count, 1)), np.tile(problem.modes, (count, 1))
    for block, data in ((problem.layout.states, x), (problem.layout.modes, modes)):
        for name in set(samples) & set(block.by_name):
            entry = block[name]
            data[:, entry.start : entry.start + entry.width] = samples[name].reshape(count, -1)
    eventless = not (problem.reading.events or problem.reading.schedules)
    if isinstance(solver, ManySolver) and eventless and problem.layout.modes.size == 0:
        return solver.advance_many(problem, x, np.tile(problem.z, (count, 1)), p, alone=alone)
    shape = (count, len(problem.times))
    blank = [np.full((*shape, n), np.nan) for n in (x.shape[1], len(problem.z), modes.shape[1])]
    rows = Rows(blank[0], blank[1], blank[2])
    failures: dict[int, str] = {}
    for i in range(count):
        why = _run_one(replace(problem, x=x[i], modes=modes[i], p=p[i]), solver, rows, i)
        if why:
            failures[i] = why
    return replace(rows, failures=failures)


def _run_one(problem: Problem, solver: Any, rows: Rows, i: int) -> str:
    try:
        solution = solve(problem, solver)
    except TwinkitError as error:  # a member that cannot start is reported like one that stops
        return str(error)
    layout = problem.layout
    reached = len(solution.time)
    for block, data in ((layout.states, rows.x), (layout.algebraics, rows.z), (layout.modes, rows.modes)):
        for entry in block:
            columns = slice(entry.start, entry.start + entry.width)
            data[i, :reached, columns] = solution.traces[entry.name].data.reshape(reached, -1)
    if solution.success and reached == len(problem.times):
        return ""
    return solution.status.reason
