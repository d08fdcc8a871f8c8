"""Predicted batches: how uncertainty of functions and parameters goes through the differential equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from twinkit.core.applicability import learned_terms
from twinkit.core.batch import Batch
from twinkit.core.errors import InvalidValueError, SimulationError, unknown_name
from twinkit.core.records import Prediction
from twinkit.core.units import affine, as_number, unit_label
from twinkit.hybrid.comparing import deviates, distrusted, measured, noise_table
from twinkit.hybrid.terms import GaussianProcessTerm, squared_distances
from twinkit.hybrid.training.fit import Trained
from twinkit.hybrid.training.observations import check_settings, problem_of
from twinkit.hybrid.training.trajectories import Predictor, seen_by_terms
from twinkit.readings.numeric import NUMERIC
from twinkit.simulate.batched import Batched

if TYPE_CHECKING:
    import xarray as xr

Array = npt.NDArray[np.float64]
_RTOL = 1e-4
_POINTS = 41
_IGNORANT = 0.9  # of the prior: where the data left more than this, the term knows nothing


class Propagation(Enum):
    """How uncertainty goes through the differential equations. None draws anything anew on the way."""

    PATHWISE = "pathwise"
    """Draw functions and parameters from the posterior, run each, take medians and quantiles."""
    LINEARISED = "linearised"
    """First-order: the derivatives of the trajectory times the covariance; intervals are symmetric."""
    UNSCENTED = "unscented"
    """Runs at the sigma points of the posterior; mean and standard deviation, intervals are symmetric."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """What is predicted of one batch.

    Attributes
    ----------
    batch
        Its name.
    tags, units
        What is predicted.
    time, time_unit
        Times ``(times,)``.
    median, low, high, std
        ``(times, tags)``. They are of the state itself: what is not known of functions and parameters, without the
        noise of a measurement (`noise`; an interval for measurements needs both) and with the batch's start taken as
        known.
    samples
        Sampled trajectories ``(samples, times, tags)``; empty unless `PATHWISE`. A run that failed is NaN.
    coverage
        Of the interval.
    in_domain
        ``(times, tags)``: up to this time every learned term has been asked only what it was trained on and knows
        something about (`distance`, `ignorance`), the interval is not wider than its limit, and the tag's last reading
        in the batch (if any) is not marked bad.
    deviation
        ``(times,)``: what the batch measured up to this time disagrees with the prediction by more than chance allows.
    noise
        Standard deviation of a measurement ``(times, tags)``; 0 for what was never measured.
    distance
        Term -> distance of its inputs from those seen, 1 at the limit, ``(times,)``.
    ignorance
        Term -> share of its prior standard deviation that the data left, ``(times,)`` (Gaussian processes).
    made_by
        Content hash of what made it.
    """

    batch: str
    tags: tuple[str, ...]
    units: tuple[str, ...]
    time: Array
    time_unit: str
    median: Array
    low: Array
    high: Array
    std: Array
    samples: Array
    coverage: float
    in_domain: npt.NDArray[np.bool_]
    deviation: npt.NDArray[np.bool_]
    noise: Array
    distance: Mapping[str, Array]
    ignorance: Mapping[str, Array]
    made_by: str

    @property
    def defers(self) -> npt.NDArray[np.bool_]:
        """Where the answer is "defer to the laboratory" ``(times, tags)``: out of domain, or the batch deviates."""
        return ~self.in_domain | self.deviation[:, None]

    def predictions(self, row: int) -> dict[str, Prediction]:
        """Return one `Prediction` per tag at one of the times."""
        return {
            tag: Prediction(
                mean=float(self.median[row, k]), std=float(self.std[row, k]), unit=self.units[k],
                interval=(float(self.low[row, k]), float(self.high[row, k])), coverage=self.coverage,
                deviation=bool(self.deviation[row]), in_domain=bool(self.in_domain[row, k]), made_by=self.made_by,
            )
            for k, tag in enumerate(self.tags)
        }  # fmt: skip

    def _dataset(self, dims: tuple[str, ...], data: Array, coords: Mapping[str, Any]) -> xr.Dataset:
        import xarray as xr

        variables = {tag: (dims, data[..., k], {"units": self.units[k]}) for k, tag in enumerate(self.tags)}
        time = ("time", self.time, {"units": self.time_unit})
        return xr.Dataset(variables, {"time": time, **coords}, {"batch": self.batch, "made_by": self.made_by})

    def central(self) -> xr.Dataset:
        """Return the central trajectory."""
        return self._dataset(("time",), self.median, {})

    def bounds(self) -> xr.Dataset:
        """Return low, median and high."""
        data = np.stack([self.low, self.median, self.high])
        made = self._dataset(("bound", "time"), data, {"bound": ["low", "median", "high"]})
        made.attrs["coverage"] = self.coverage
        return made

    def sampled(self) -> xr.Dataset:
        """Return the sampled trajectories."""
        return self._dataset(("sample", "time"), self.samples, {"sample": np.arange(len(self.samples))})

    def plot(self, *tags: str, ax: Any = None) -> Any:
        """Plot median and interval over time; where it is out of the domain, the band is hatched. Returns the axes."""
        import matplotlib.pyplot as plt

        chosen = tags or self.tags
        for tag in chosen:
            if tag not in self.tags:
                raise unknown_name("tag", tag, self.tags, f"the forecast of {self.batch!r}")
        if ax is None:
            size = (6, 1.9 * len(chosen) + 0.8)
            axes = list(
                plt.subplots(len(chosen), 1, sharex=True, squeeze=False, figsize=size, layout="constrained")[1][:, 0]
            )
        else:
            axes = [ax] * len(chosen)
        for tag, axis in zip(chosen, axes, strict=True):
            k = self.tags.index(tag)
            (line,) = axis.plot(self.time, self.median[:, k], label=tag)
            color = line.get_color()
            axis.fill_between(self.time, self.low[:, k], self.high[:, k], color=color, alpha=0.25, linewidth=0)
            axis.fill_between(
                self.time, self.low[:, k], self.high[:, k], where=~self.in_domain[:, k], facecolor="none",
                edgecolor=color, hatch="///", linewidth=0,
            )  # fmt: skip
            axis.set_ylabel(f"{tag} [{unit_label(self.units[k]) or '-'}]")
        axes[-1].set_xlabel(f"time [{unit_label(self.time_unit)}]")
        return axes[0] if len(axes) == 1 or ax is not None else np.array(axes, dtype=object)


def forecast(
    trained: Trained, batches: Sequence[Batch], *, tags: Sequence[str] | None, times: Any, coverage: float,
    propagation: Propagation, n: int, seed: int, widest: float, made_by: str, progress: bool,
) -> tuple[Forecast, ...]:  # fmt: skip
    """Predict batches; see `HybridModel.forecast` for the arguments."""
    from tqdm.auto import tqdm

    if not 0.0 < coverage < 1.0:
        raise InvalidValueError(f"coverage is a share between 0 and 1, such as 0.95, not {coverage!r}")
    if not isinstance(propagation, Propagation):
        raise InvalidValueError(f"propagation is one of {', '.join(map(str, Propagation))}, not {propagation!r}")
    check_settings(batches, trained.posterior.names)
    if not isinstance(n, int) or n < 2:
        raise InvalidValueError(f"the number of samples is a whole number from 2 on, not {n!r}")
    layout = trained.model.layout
    chosen = (tags,) if isinstance(tags, str) else tuple(tags or trained.tags)
    known = [entry.name for block in (layout.states, layout.outputs) for entry in block if entry.size is None]
    for tag in chosen:
        if tag not in known:
            raise unknown_name("state or output", tag, known, type(trained.model).__name__)
    # Every batch is drawn the same functions: batches differ by what is done, not by luck.
    theta = trained.posterior.drawn(n, np.random.default_rng(seed))
    found = []
    for batch in tqdm(batches, desc="predicting", unit="batch", disable=not progress or len(batches) < 2):
        asked = _times(batch, trained.model.time_unit, times)
        found.append(_one(trained, batch, chosen, asked, coverage, propagation, theta, widest, made_by))
    return tuple(found)


def _times(batch: Batch, unit: str, given: Any) -> Array:
    scale, _ = affine(batch.time_unit, unit)
    if given is not None:
        listed = [given] if isinstance(given, str) or np.ndim(given) == 0 else given
        asked = np.array([as_number(item, unit, "a time") for item in listed])
        if np.any(asked < scale * batch.begin) or np.any(asked > scale * batch.end):
            raise InvalidValueError(
                f"times must lie within batch {batch.name!r}, {scale * batch.begin:g} to {scale * batch.end:g} {unit}"
            )
        return asked
    measured = np.unique([scale * item.source_time for item in batch.measurements])
    return measured if len(measured) else np.linspace(scale * batch.begin, scale * batch.end, _POINTS)


def _one(
    trained: Trained, batch: Batch, tags: tuple[str, ...], times: Array, coverage: float, propagation: Propagation,
    theta: Array, widest: float, made_by: str,
) -> Forecast:  # fmt: skip
    posterior, model = trained.posterior, trained.model
    problem = problem_of(model, batch, times, _RTOL)
    columns = posterior.columns(model)
    central = Predictor(Batched((problem,), columns), tags)
    mean = problem.p.copy()
    paths = central.runs.run(mean[None], sensitivities=propagation is Propagation.LINEARISED)
    made = central.measured(paths, mean[None], posterior, posterior.mean, propagation is Propagation.LINEARISED)
    middle = made.values[0]
    if not made.finished[0]:
        raise SimulationError(f"batch {batch.name!r} cannot be run to its end with the most probable parameters")
    samples = np.empty((0, *middle.shape))
    factor = NormalDist().inv_cdf(0.5 + coverage / 2)
    linear = np.zeros((0, *middle.shape))
    if propagation is Propagation.LINEARISED:
        if columns:
            linear = np.moveaxis(made.jacobian[0] @ posterior.factor, -1, 0)
        std = np.sqrt(np.sum(linear**2, axis=0))
        low, high = middle - factor * std, middle + factor * std
    else:
        # Without anything learned there are no sigma points but the centre.
        points = theta if propagation is Propagation.PATHWISE or not columns else posterior.sigma_points()
        rows = np.tile(mean, (len(points), 1))
        rows[:, list(columns)] = posterior.values(points)
        many = Predictor(Batched((problem,) * len(points)), tags)
        samples = np.array(
            many.measured(many.runs.run(rows, sensitivities=False), rows, None, posterior.mean, False).values
        )
        if propagation is Propagation.PATHWISE:
            tail = (1.0 - coverage) / 2.0
            low, middle, high = quantiles(samples, (tail, 0.5, 1.0 - tail))
            std = (quantiles(samples, (0.84134,))[0] - quantiles(samples, (0.15866,))[0]) / 2.0
        else:
            middle = np.nanmean(samples, axis=0)
            std = np.sqrt(np.nanmean((samples - middle) ** 2, axis=0))
            low, high = middle - factor * std, middle + factor * std
    spread = _spread(samples, middle, std) if propagation is not Propagation.LINEARISED else linear
    noise = noise_table(trained.noise, tags, middle)
    seen = measured(model, batch, tags, times)
    deviation = deviates(seen, middle, spread, seen.noise(noise))
    asked = _asked(trained, central, mean, paths.x[0])
    distance = {name: trained.domains[name].distance(x) for name, x in asked.items()}
    ignorance = {name: _ignorance(trained, name, x) for name, x in asked.items()}
    inside = ~distrusted(model, batch, tags, times)
    for each in distance.values():
        inside &= (np.maximum.accumulate(each) <= 1.0)[:, None]
    for each in ignorance.values():
        inside &= (np.maximum.accumulate(each) <= _IGNORANT)[:, None]
    limits = np.array([widest * trained.ranges.get(tag, np.inf) for tag in tags])
    inside &= ((high - low) <= limits) & np.isfinite(high - low)
    layout = model.layout
    pathwise = propagation is Propagation.PATHWISE
    return Forecast(
        batch.name, tags, tuple(layout.find(tag).variable.unit for tag in tags), times, model.time_unit, middle, low,
        high, std, samples if pathwise else samples[:0], coverage, inside, deviation, noise, distance, ignorance,
        made_by,
    )  # fmt: skip


def _spread(samples: Array, middle: Array, std: Array) -> Array:
    """Return directions of the uncertainty ``(directions, times, tags)``; a runaway sample counts as one at 3 sd."""
    if not len(samples):
        return std[None]
    off = np.clip(np.nan_to_num(samples - middle, nan=np.inf), -3.0 * std, 3.0 * std)
    return off / np.sqrt(len(samples))


def quantiles(samples: Array, at: Sequence[float]) -> Array:
    """Return quantiles over the samples; a run that failed counts as half above and half below everything."""
    failed = np.isnan(samples)
    if not failed.any():
        return np.quantile(samples, at, axis=0)
    signs = np.where(np.arange(len(samples)) % 2 == 0, np.inf, -np.inf)
    filled = np.where(failed, signs.reshape(-1, *([1] * (samples.ndim - 1))), samples)
    return np.quantile(filled, at, axis=0, method="nearest")


def _asked(trained: Trained, predictor: Predictor, p: Array, x: Array) -> dict[str, Array]:
    """Return what every learned term is asked along a run, ``(times, inputs)``."""
    names = list(trained.domains)
    if not names:
        return {}
    seen = seen_by_terms(trained.model, predictor.runs, p[None], [x], names)
    return {name: inputs for name, (inputs, _) in seen.items()}


def _ignorance(trained: Trained, name: str, x: Array) -> Array:
    """Return how much of its prior standard deviation a Gaussian process term still has at inputs; else 0."""
    term: Any = learned_terms(trained.model)[name]
    if not isinstance(term, GaussianProcessTerm) or name not in trained.hyper:
        return np.zeros(len(x))
    posterior = trained.posterior
    start = sum(posterior.sizes[: posterior.names.index(f"{name}.weights")])
    factor = posterior.factor[start : start + term.n_points]
    scaled = np.arcsinh(x / term.softening) / term.lengths
    points = np.reshape(term.points, (term.n_inputs, term.n_points))
    r2 = squared_distances(scaled.T[:, :, None], points[:, None, :], [1.0] * term.n_inputs)
    kernels = term.kernel.of_squared_distance(r2, NUMERIC)
    return np.linalg.norm(kernels @ factor, axis=1) / float(trained.hyper[name][0])
