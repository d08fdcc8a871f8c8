"""Fast stand-ins for detailed models, trained from an ensemble of their runs."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError, SimulationError, unknown_name
from twinkit.core.identity import digest
from twinkit.core.model import Model
from twinkit.core.units import as_array, as_number, unit_label
from twinkit.hybrid.emulators import Chebyshev, ChebyshevNetwork, Emulated, Emulator
from twinkit.simulate.ensembles import ensemble
from twinkit.simulate.run import simulate

Array = npt.NDArray[np.float64]
_KEPT = 1e-5  # modes whose singular value is smaller than this share of the first are left out
_MOST_MODES = 40
_TESTED = 4  # one test run for so many training runs


@dataclass(frozen=True)
class Accuracy:
    """Errors of a surrogate on runs it was not trained on, in % of each variable's range.

    Attributes
    ----------
    nrmse
        Tag -> root mean square error.
    p50, p99, p999, worst
        Quantiles of all absolute errors.
    runs
        Number of test runs.
    seconds
        Time of training, without the runs of the model.
    microseconds
        Time of one run in a vectorised call.
    """

    nrmse: Mapping[str, float]
    p50: float
    p99: float
    p999: float
    worst: float
    runs: int
    seconds: float
    microseconds: float

    def __repr__(self) -> str:
        lines = [f"{tag:<16} NRMSE {value:7.3f} %" for tag, value in self.nrmse.items()]
        lines += [
            f"absolute errors: p50 {self.p50:.3f} %, p99 {self.p99:.3f} %, p99.9 {self.p999:.3f} %, worst "
            f"{self.worst:.3f} % of the range ({self.runs} runs)",
            f"trained in {self.seconds:.1f} s; {self.microseconds:.1f} us per run",
        ]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A stand-in for a model over a box of inputs, starts and parameters; made by `surrogate`.

    Trajectories are a mean and a few modes (proper orthogonal decomposition, Sirovich 1987, doi:10.1090/qam/910462);
    the emulator gives the modes' coefficients from a point of the box.

    Attributes
    ----------
    source
        The model.
    box
        Name -> (low, high), in the declared units.
    tags
        What it predicts.
    time
        Times, in the model's time unit.
    mean, modes
        ``(times, tags)`` and ``(modes, times, tags)``, in the declared units.
    emulated
        From the box to the modes' coefficients.
    accuracy
        Errors on test runs.
    """

    source: Model
    box: Mapping[str, tuple[float, float]]
    tags: tuple[str, ...]
    time: Array
    mean: Array
    modes: Array
    emulated: Emulated
    accuracy: Accuracy

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the model it stands for, the box, and what it predicts at the middle and corners of the box."""
        corners = np.vstack([np.zeros((1, len(self.box))), np.eye(len(self.box)), -np.eye(len(self.box))])
        return digest([self.source.content_hash, {k: list(v) for k, v in self.box.items()}, list(self.tags), self.time,
                       self.mean, self.modes, self.emulated.many(corners)])  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Surrogate) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the tags."""
        return tuple(self.source.layout.find(tag).variable.unit for tag in self.tags)

    def points(self, samples: Mapping[str, Any]) -> Array:
        """Return samples as points between -1 and 1, ``(n, inputs)``; what is not given is the model's value.

        Raises
        ------
        UnknownNameError
            For a name that is not in the box.
        InvalidValueError
            If lengths differ, or the model has no value for what is not given.
        """
        for name in samples:
            if name not in self.box:
                raise unknown_name("input", name, self.box, "the box of this surrogate")
        columns: list[Array] = []
        for name, (low, high) in self.box.items():
            given = samples.get(name, self.source.values().get(name))
            if given is None:
                raise InvalidValueError(f"{name!r} has no value in the model: give one")
            unit = self.source.layout.find(name).variable.unit
            column = np.atleast_1d(as_array(given, unit, f"samples of {name!r}", allow_nan=True))
            columns.append((2.0 * column - (low + high)) / (high - low))
        lengths = {len(column) for column in columns} - {1}
        if len(lengths) > 1 or any(column.ndim > 1 for column in columns):
            raise InvalidValueError("all samples must be numbers, or have one value per run")
        return np.column_stack(np.broadcast_arrays(*columns))

    def in_domain(self, samples: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
        """Say which samples lie in the box."""
        return np.all(np.abs(self.points(samples)) <= 1.0 + 1e-9, axis=1)

    def predict(self, samples: Mapping[str, Any]) -> dict[str, Array]:
        """Return trajectories ``(runs, times)`` by tag; runs outside the box are NaN, never a guess."""
        u = self.points(samples)
        rows = self._rows(u)
        rows[~np.all(np.abs(u) <= 1.0 + 1e-9, axis=1)] = np.nan
        return {tag: rows[:, :, k] for k, tag in enumerate(self.tags)}

    def _rows(self, u: Array) -> Array:
        flat = self.emulated.many(u) @ self.modes.reshape(len(self.modes), -1)
        flat += self.mean.ravel()
        return flat.reshape(len(u), *self.mean.shape)

    def model(self) -> Model:
        """Return it as an ordinary model: the box is its parameters, the tags its outputs, linear between the times.

        A start value of a variable called ``X`` is the parameter ``X_0``.
        """
        from twinkit.hybrid.surrogate_model import as_model

        return as_model(self)

    def component(self, at: Mapping[str, Any] | None = None) -> Any:
        """Return it as a component of a graph; see `twinkit.hybrid.surrogate_component.SurrogateComponent`."""
        from twinkit.hybrid.surrogate_component import SurrogateComponent

        return SurrogateComponent(self, at)

    def plot(self, ax: Any = None) -> Any:
        """Plot the error of every tag; returns the axes."""
        import matplotlib.pyplot as plt

        axis = ax if ax is not None else plt.subplots(figsize=(5, 3), layout="constrained")[1]
        axis.barh(list(self.accuracy.nrmse), list(self.accuracy.nrmse.values()))
        axis.axvline(self.accuracy.p999, color="grey", linewidth=1, label="p99.9 of all errors")
        axis.set_xlabel("NRMSE of test runs [% of range]")
        axis.legend()
        return axis

    def __repr__(self) -> str:
        box = ", ".join(
            f"{name} {low:g} to {high:g} {unit_label(self.source.layout.find(name).variable.unit)}".strip()
            for name, (low, high) in self.box.items()
        )
        return f"Surrogate of {type(self.source).__name__} for {box}"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}\n{html.escape(repr(self.accuracy))}</pre>"


def surrogate(
    model: Model, inputs: Mapping[str, tuple[Any, Any]], until: Any, *, recipe: Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None, times: Any = 29, runs: int = 1024, kind: Emulator | None = None,
    rtol: float = 1e-6, solver: Any = None, random_state: int = 0, progress: bool = True,
) -> Surrogate:  # fmt: skip
    """Train a fast stand-in for a detailed model from an ensemble of its runs.

    Parameters
    ----------
    model
        The detailed model.
    inputs
        The box: name -> (low, high). Names are parameters, states (their start) and inputs (held for the whole run).
    until
        End of the runs.
    recipe
        Inputs that are the same in all runs, as for `tk.simulate`.
    outputs
        States and outputs to predict (default: all states that are single values).
    times
        Number of times, or times in the model's time unit.
    runs
        Number of training runs (a Sobol sequence); a quarter more are made to test with.
    kind
        `Chebyshev`, `ChebyshevNetwork` (default where JAX is installed) or `GaussianProcesses`.
    rtol, solver
        Of the runs.
    random_state
        Seed.
    progress
        Whether progress is shown.

    Raises
    ------
    UnknownNameError, UnitError, BoundsError
        For a box that does not fit the model.
    InvalidValueError
        For an empty box or side, too few runs, or outputs that are not single values.
    SimulationError
        If more than a tenth of the runs fail.

    Examples
    --------
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", 1.0)
    ...     k = tk.Parameter("1/h", 0.3)
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> fast = tk.hybrid.surrogate(
    ...     Decay(), {"k": (0.1, 0.5), "c": ("0.5 g/L", "2 g/L")}, "8 h", runs=64, kind=tk.hybrid.Chebyshev(5),
    ...     progress=False,
    ... )
    >>> fast.accuracy.p999 < 0.1
    True
    >>> float(fast.predict({"k": 0.2, "c": 1.0})["c"][0, -1].round(3))
    0.202
    """
    box = _checked_box(model, inputs, recipe or {})
    layout = model.layout
    known = [entry.name for block in (layout.states, layout.outputs) for entry in block if entry.size is None]
    tags = tuple(outputs) if outputs is not None else tuple(e.name for e in layout.states if e.size is None)
    for tag in tags:
        if tag not in known:
            raise unknown_name("state or output", tag, known, type(model).__name__)
    if not tags:
        raise InvalidValueError("a surrogate predicts at least one state or output")
    if isinstance(runs, bool) or not isinstance(runs, int) or runs < 16:
        raise InvalidValueError(f"a surrogate needs at least 16 runs, not {runs!r}")
    if kind is not None and not isinstance(kind, Emulator):
        raise InvalidValueError(f"kind is Chebyshev(), ChebyshevNetwork() or GaussianProcesses(), not {kind!r}")
    end = as_number(until, model.time_unit, "the end of the runs")
    moments = np.linspace(0.0, end, times) if isinstance(times, int) else np.asarray(times, dtype=np.float64)
    if moments.ndim != 1 or len(moments) < 2 or np.any(np.diff(moments) <= 0):
        raise InvalidValueError("times of a surrogate rise, and there are at least two")
    u, rows = _runs(
        model, box, recipe or {}, tags, end, moments, runs + runs // _TESTED, rtol, solver, random_state, progress
    )
    return _trained(model, box, tags, moments, u, rows, runs, kind, random_state)


def _checked_box(model: Any, inputs: Any, recipe: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    if not isinstance(model, Model):
        raise InvalidValueError(f"surrogate needs a model, not {model!r}")
    if not isinstance(inputs, Mapping) or not inputs:
        raise InvalidValueError("inputs is a box that is not empty: {'k': (0.1, 0.5), ...}")
    layout = model.layout
    known = [e.name for b in (layout.parameters, layout.states, layout.inputs) for e in b if e.size is None]
    box: dict[str, tuple[float, float]] = {}
    for name, side in inputs.items():
        if name not in known:
            raise unknown_name("parameter, state or input", name, known, type(model).__name__)
        if name in recipe:
            raise InvalidValueError(f"{name!r} is in the box and in the recipe: it can only be in one")
        if isinstance(side, str) or np.ndim(np.asarray(side, dtype=object)) != 1 or len(side) != 2:
            raise InvalidValueError(f"the side {name!r} of the box is (low, high), not {side!r}")
        variable = layout.find(name).variable
        low, high = (as_number(end, variable.unit, f"the side {name!r} of the box") for end in side)
        if not low < high:
            raise InvalidValueError(f"the side {name!r} of the box is empty: {low:g} is not below {high:g}")
        model.with_({name: low}) if name not in layout.inputs else None
        box[name] = (low, high)
    return box


def _runs(
    model: Model, box: Mapping[str, tuple[float, float]], recipe: Mapping[str, Any], tags: Sequence[str], end: float,
    times: Array, count: int, rtol: float, solver: Any, seed: int, progress: bool,
) -> tuple[Array, Array]:  # fmt: skip
    """Return points between -1 and 1, and the trajectories ``(runs, times, tags)`` of those that finished."""
    from scipy.stats import qmc
    from tqdm.auto import tqdm

    exponent = int(np.ceil(np.log2(count)))
    u = 2.0 * qmc.Sobol(len(box), rng=np.random.default_rng(seed)).random_base2(exponent)[:count] - 1.0
    low, high = np.array(list(box.values())).T
    columns = dict(zip(box, (low + 0.5 * (u + 1.0) * (high - low)).T, strict=True))
    held = [name for name in box if name in model.layout.inputs]
    if not held:
        made = ensemble(model, columns, end, inputs=recipe, outputs=times, rtol=rtol, solver=solver, progress=progress)
        rows = np.stack([made.values(tag) for tag in tags], axis=-1)
    else:
        rows = np.full((count, len(times), len(tags)), np.nan)
        starts = [name for name in box if name in model.layout.states]
        for i in tqdm(range(count), desc=type(model).__name__, unit="run", disable=not progress):
            given = {name: float(column[i]) for name, column in columns.items()}
            changed = {name: value for name, value in given.items() if name not in held and name not in starts}
            try:
                run = simulate(
                    model.with_(changed), end, inputs={**recipe, **{name: given[name] for name in held}},
                    initial={name: given[name] for name in starts}, outputs=times, rtol=rtol,
                    **({} if solver is None else {"solver": solver}),
                )  # fmt: skip
            except SimulationError:
                continue
            rows[i] = np.column_stack([np.interp(times, run.time, run.trace(tag).data) for tag in tags])
    good = np.all(np.isfinite(rows), axis=(1, 2))
    if np.sum(~good) > 0.1 * count:
        raise SimulationError(f"{np.sum(~good)} of {count} runs failed: make the box smaller, or mend the model")
    return u[good], rows[good]


def _trained(
    model: Model, box: Mapping[str, tuple[float, float]], tags: tuple[str, ...], times: Array, u: Array, rows: Array,
    runs: int, kind: Emulator | None, seed: int,
) -> Surrogate:  # fmt: skip
    cut = min(runs, round(len(u) * _TESTED / (_TESTED + 1)))
    began = perf_counter()
    ranges = np.ptp(rows[:cut], axis=(0, 1))
    scale = np.where(ranges > 0, ranges, np.maximum(np.max(np.abs(rows[:cut]), axis=(0, 1)), 1e-300))
    scaled = (rows[:cut] / scale).reshape(cut, -1)
    mean = scaled.mean(axis=0)
    _, values, directions = np.linalg.svd(scaled - mean, full_matrices=False)
    kept = int(np.clip(np.sum(values > _KEPT * values[0]), 1, _MOST_MODES))
    coefficients = (scaled - mean) @ directions[:kept].T
    emulated = _emulator(kind).trained(u[:cut], coefficients, seed)
    seconds = perf_counter() - began
    shape = rows.shape[1:]
    blank = Accuracy({}, 0.0, 0.0, 0.0, 0.0, 0, 0.0, 0.0)
    made = Surrogate(
        model, dict(box), tags, times, mean.reshape(shape) * scale, directions[:kept].reshape(-1, *shape) * scale,
        emulated, blank,
    )  # fmt: skip
    object.__setattr__(made, "accuracy", _accuracy(made, u[cut:], rows[cut:], scale, seconds))
    return made


def _emulator(kind: Emulator | None) -> Emulator:
    if kind is not None:
        return kind
    from importlib.util import find_spec

    return ChebyshevNetwork() if find_spec("jax") else Chebyshev()


def _accuracy(made: Surrogate, u: Array, rows: Array, scale: Array, seconds: float) -> Accuracy:
    errors = 100.0 * np.abs(made._rows(u) - rows) / scale
    p50, p99, p999, worst = (float(value) for value in np.quantile(errors, (0.5, 0.99, 0.999, 1.0)))
    nrmse = np.sqrt(np.mean(errors**2, axis=(0, 1)))
    many = np.tile(u, (-(-1024 // len(u)), 1))[:1024]
    began = perf_counter()
    made._rows(many)
    each = 1e6 * (perf_counter() - began) / len(many)
    return Accuracy(dict(zip(made.tags, map(float, nrmse), strict=True)), p50, p99, p999, worst, len(u), seconds, each)
