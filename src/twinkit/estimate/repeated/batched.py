"""Many batches at once with JAX: the fixed-step extended Kalman filter, vectorised over batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from twinkit.core import InvalidValueError, ShapeError, SimulationError
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.estimate.constraints import Projection, Unbounded
from twinkit.estimate.extended import ExtendedKalmanFilter
from twinkit.estimate.repeated.grid import Grid, Steps
from twinkit.readings.jax import double_precision, jax_functions


@dataclass(frozen=True, eq=False)
class BatchedRecord:
    """What a filter found in many records.

    Attributes
    ----------
    time, names, tags
        Times, estimated quantities, sensors; the same for all batches.
    mean, std
        ``(batches, times, quantities)``.
    covariance
        ``(batches, times, quantities, quantities)``.
    innovation, innovation_std, accepted
        ``(batches, times, sensors)``.
    log_likelihood
        Of the accepted readings, ``(batches, times)``.
    """

    time: Array
    names: tuple[str, ...]
    tags: tuple[str, ...]
    mean: Array
    covariance: Array
    innovation: Array
    innovation_std: Array
    accepted: Any
    log_likelihood: Array

    @property
    def std(self) -> Array:
        """Standard deviations, ``(batches, times, quantities)``."""
        return np.sqrt(np.maximum(np.diagonal(self.covariance, axis1=-2, axis2=-1), 0.0))

    def __getitem__(self, name: str) -> Array:
        """Return the means of one quantity, ``(batches, times)``."""
        if name not in self.names:
            raise unknown_name("estimated quantity", name, self.names, "this record")
        return self.mean[..., self.names.index(name)]

    def __repr__(self) -> str:
        return f"BatchedRecord of {len(self.mean)} batches, {len(self.time)} times, {', '.join(self.names)}"

    def _repr_html_(self) -> str:
        return f"<b>{self!r}</b>"


@dataclass(frozen=True, eq=False)
class BatchedFilter:
    """An extended Kalman filter over many batches with the same times, at once on whatever device JAX has.

    For ordinary differential equations. The result is that of `prepare_filter`, batch by batch. Double precision is
    used inside and not left switched on.

    Parameters
    ----------
    filter
        The filter.
    times, begin, substeps
        As for `prepare_filter`.

    Raises
    ------
    InvalidValueError
        For another filter, ``Truncation()``, iterations, algebraic variables, or sensors without `std`.
    MissingDependencyError
        Without JAX (extra ``jax``).
    """

    filter: ExtendedKalmanFilter
    times: Any
    begin: Any = 0.0
    substeps: int = 1

    def __post_init__(self) -> None:
        kind = self.filter
        if not isinstance(kind, ExtendedKalmanFilter) or kind.iterations != 1:
            raise InvalidValueError("BatchedFilter takes an ExtendedKalmanFilter with iterations=1")
        if not isinstance(kind.constraint, (Projection, Unbounded)):
            raise InvalidValueError("BatchedFilter takes constraint=Projection() or Unbounded()")
        if kind.model.layout.algebraics.size:
            raise InvalidValueError(f"{type(kind.model).__name__} has algebraic variables; take prepare_filter")
        missing = [tag for tag, line in kind.lines.items() if line.std is None]
        if missing:
            raise InvalidValueError(f"no standard deviation for {', '.join(map(repr, missing))}: give Sensor(std=...)")
        _ = self.grid

    @cached_property
    def grid(self) -> Grid:
        """The sub-steps."""
        kind = replace(self.filter, substeps=self.substeps)
        return Grid.of(kind, self.times, kind.time(self.begin, "the begin of the record"), self.substeps)

    def __call__(
        self, values: Any, *, initial: Any = None, parameters: Mapping[str, Any] | None = None
    ) -> BatchedRecord:
        """Return what the filter finds in many records.

        Parameters
        ----------
        values
            Readings in the model's units, ``(batches, times, sensors)``; NaN: none.
        initial
            Initial means ``(batches, quantities)``; None: the filter's own.
        parameters
            Parameter -> one number per batch, in the model's unit.
        """
        kind, grid = self.filter, self.grid
        readings = np.array(values, dtype=np.float64)
        shape = (len(grid.times), len(kind.lines))
        if readings.ndim != 3 or readings.shape[1:] != shape or not len(readings):
            raise ShapeError(f"readings must be (batches, {shape[0]}, {shape[1]}), not {readings.shape}")
        if np.isinf(readings).any():
            raise InvalidValueError("readings must be finite, or NaN where there is none")
        count = len(readings)
        start = kind.start(grid.begin)
        x = np.broadcast_to(start.vector if initial is None else np.asarray(initial, float), (count, len(start.vector)))
        p = np.repeat(kind.constants[1][None], count, axis=0)
        for name, some in (parameters or {}).items():
            entry = kind.model.layout.parameters[name]
            if entry.width != 1:
                raise ShapeError(f"{name!r} is a vector; only single parameters can differ from batch to batch")
            p[:, entry.start] = some
        with double_precision():
            found = [np.asarray(part) for part in self._run(x, start.covariance, p, readings)]
        mean, covariance, innovation, spreads, accepted, likelihood = found
        if not np.isfinite(mean).all():
            batch, row = (int(i) for i in np.argwhere(~np.isfinite(mean).all(axis=-1))[0])
            raise SimulationError(
                f"batch {batch} did not get to {grid.times[row]:g} {kind.model.time_unit}: take more substeps"
            )
        std = np.sqrt(np.where(np.isfinite(innovation), spreads, np.nan))
        tags = tuple(kind.lines)
        return BatchedRecord(
            grid.times, kind.plan.labels, tags, mean, covariance, innovation, std, accepted > 0, likelihood
        )

    @cached_property
    def _run(self) -> Any:
        """The compiled ``(x, P, p, readings) -> results``."""
        import jax
        import jax.numpy as jnp

        kind = self.filter
        steps = Steps(self.grid)
        q, (modes, _) = jnp.asarray(kind.plan.noise**2), kind.constants
        variances = np.array([line.std**2 for line in kind.lines.values() if line.std is not None])
        move, correct, place = _move(kind, modes), _correct(kind, modes, variances), _place(kind)
        rows = steps.row
        script = (steps.t, steps.h, steps.end, steps.pieces(), steps.inputs(), rows)

        def one(x: Any, covariance: Any, p: Any, readings: Any) -> Any:
            known = jnp.where((rows >= 0)[:, None], readings[rows], jnp.nan)

            def step(carry: Any, inputs: Any) -> Any:
                x, covariance = carry
                t, h, end, c, u, _, y = inputs
                x, covariance = move(t, h, x, covariance, c, p, q)
                x = place(x, covariance)
                x, covariance, *seen = correct(end, x, covariance, u, p, y)
                x = place(x, covariance)
                return (x, covariance), (x, covariance, *seen)

            return jax.lax.scan(step, (x, covariance), (*script, known))[1]

        def many(x: Any, covariance: Any, p: Any, readings: Any) -> Any:
            found = jax.vmap(one, in_axes=(0, None, 0, 0))(x, covariance, p, readings)
            return [part[:, np.flatnonzero(rows >= 0)] for part in found]

        return jax.jit(many)


def _augmented(kind: ExtendedKalmanFilter, modes: Array) -> tuple[Any, Any]:
    """Return rates ``(t, x, u, p)`` of the augmented vector and what the sensors see ``(t, x, u, p)``."""
    import jax.numpy as jnp

    equations, plan, layout = jax_functions(kind.begun), kind.plan, kind.begun.layout
    n, first = layout.states.size, layout.states.size + len(plan.chosen)
    chosen, rows = np.array(plan.chosen, dtype=int), np.array(kind.rows)
    rates = jnp.asarray([rate for _, _, rate in plan.disturbances])

    def evaluated(t: Any, x: Any, u: Any, p: Any) -> tuple[Any, Any]:
        p = p.at[chosen].set(x[n:first]) if chosen.size else p
        pushed = jnp.zeros(n)
        for k, (what, index, _) in enumerate(plan.disturbances):
            if what == "input":
                u = u.at[index].add(x[first + k])
            else:
                pushed = pushed.at[index].add(x[first + k])
        dx, _, y = equations(t, x[:n], jnp.zeros(0), jnp.concatenate([u, jnp.asarray(modes)]), p)
        return jnp.concatenate([dx + pushed, jnp.zeros(len(chosen)), -rates * x[first:]]), y

    def seen(t: Any, x: Any, u: Any, p: Any) -> Any:
        return jnp.concatenate([x[:n], evaluated(t, x, u, p)[1]])[rows]

    return lambda t, x, u, p: evaluated(t, x, u, p)[0], seen


def _move(kind: ExtendedKalmanFilter, modes: Array) -> Any:
    """Return one sub-step of given length; see `prediction.fixed`."""
    import jax
    import jax.numpy as jnp

    rate, _ = _augmented(kind, modes)
    slope = jax.jacfwd(rate, argnums=1)
    eye = jnp.eye(len(kind.plan.labels))

    def move(t: Any, h: Any, x: Any, covariance: Any, c: Any, p: Any, q: Any) -> tuple[Any, Any]:
        slopes: list[Any] = []
        maps: list[Any] = []
        jacobians: list[Any] = []
        for part in (0.0, 0.5, 0.5, 1.0):
            shift = part * h
            at = x + shift * slopes[-1] if slopes else x
            u = c[:, 0] + shift * (c[:, 1] + shift * (c[:, 2] + shift * c[:, 3]))
            jacobian = slope(t + shift, at, u, p)
            maps.append(jacobian @ (eye + shift * maps[-1]) if maps else jacobian)
            slopes.append(rate(t + shift, at, u, p))
            jacobians.append(jacobian)
        weights = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
        x = x + h * sum(w * k for w, k in zip(weights, slopes, strict=True))
        whole = eye + h * sum(w * k for w, k in zip(weights, maps, strict=True))
        second = eye + h / 4 * (jacobians[2] + jacobians[3] @ (eye + h / 2 * jacobians[2]))
        noise = h / 6 * ((whole * q) @ whole.T + 4 * (second * q) @ second.T + jnp.diag(q))
        after = whole @ covariance @ whole.T + noise
        return x, 0.5 * (after + after.T)

    return move


def _correct(kind: ExtendedKalmanFilter, modes: Array, variances: Array) -> Any:
    """Return the correction by the readings of one time; see `compiled._correction`."""
    import jax
    import jax.numpy as jnp

    _, seen = _augmented(kind, modes)
    derivative = jax.jacfwd(seen, argnums=1)
    eye, gate = np.eye(len(kind.plan.labels)), kind.threshold

    def correct(t: Any, x: Any, covariance: Any, u: Any, p: Any, y: Any) -> tuple[Any, ...]:
        innovation, rows = y - seen(t, x, u, p), derivative(t, x, u, p)
        spreads = jnp.einsum("ji,ik,jk->j", rows, covariance, rows) + variances
        accepted = innovation**2 <= gate * spreads  # not where it is missing (NaN)
        prior, likelihood = x, 0.0
        for j, variance in enumerate(variances):
            row = rows[j]
            spread = row @ covariance @ row + variance
            surprise = jnp.where(accepted[j], innovation[j] - row @ (x - prior), 0.0)
            gain = jnp.where(accepted[j], covariance @ row / spread, 0.0)
            x = x + gain * surprise
            keep = eye - jnp.outer(gain, row)
            covariance = keep @ covariance @ keep.T + variance * jnp.outer(gain, gain)
            term = surprise**2 / spread + jnp.log(2 * jnp.pi * spread)
            likelihood = likelihood - 0.5 * jnp.where(accepted[j], term, 0.0)
        return x, 0.5 * (covariance + covariance.T), innovation, spreads, accepted, likelihood

    return correct


def _place(kind: ExtendedKalmanFilter) -> Any:
    """Return the projection onto the bounds; see `constraints.within_bounds`."""
    import jax
    import jax.numpy as jnp

    low, high = jnp.asarray(kind.plan.low), jnp.asarray(kind.plan.high)
    if isinstance(kind.constraint, Unbounded) or not (np.isfinite(low).any() or np.isfinite(high).any()):
        return lambda x, covariance: x

    def one(_: int, state: tuple[Any, Any]) -> tuple[Any, Any]:
        x, p = state
        spread = jnp.diag(p)
        beyond = jnp.maximum(low - x, x - high) / jnp.sqrt(jnp.maximum(spread, 1e-300))
        reach = jnp.where(spread > 1e-300, beyond, -jnp.inf)
        k = jnp.argmax(reach)
        bound = jnp.where(x[k] < low[k], low[k], high[k])
        gain = p[:, k] / jnp.where(p[k, k] > 0, p[k, k], 1.0)
        moved = (x + gain * (bound - x[k])).at[k].set(bound)
        left = (p - jnp.outer(gain, p[k])).at[k].set(0.0).at[:, k].set(0.0)
        due = reach[k] > 0
        return jnp.where(due, moved, x), jnp.where(due, left, p)

    def place(x: Any, covariance: Any) -> Any:
        x = jax.lax.fori_loop(0, len(low), one, (x, covariance))[0]
        return jnp.clip(x, low, high)

    return place
