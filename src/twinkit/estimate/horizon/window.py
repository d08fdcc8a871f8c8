"""What a window holds: nodes with readings, intervals between them, and what came before them as a normal prior."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twinkit.core.component import Array


@dataclass(frozen=True, eq=False)
class Interval:
    """The model over the time between two nodes, cut into sub-steps.

    Attributes
    ----------
    start, end
        When.
    method
        Position of the integration method in `METHODS`.
    steps
        One row per sub-step: time, length, coefficients of the inputs.
    noise, root
        Covariance of the process noise at the end, and a root of it.
    point, error
        Where the accuracy of the sub-steps was judged, and the error found, relative to magnitude plus nominal value.
    """

    start: float
    end: float
    method: int
    steps: Array
    noise: Array
    root: Array
    point: Array
    error: float


@dataclass(frozen=True, eq=False)
class Arrival:
    """What is known about the first node from all that is no longer in the window: a normal distribution."""

    mean: Array
    covariance: Array
    root: Array


@dataclass(frozen=True, eq=False)
class Window:
    """A window of nodes, from the oldest to the newest.

    Attributes
    ----------
    begun
        When the estimator started.
    arrival
        The prior of the first node.
    times, inputs
        Per node.
    intervals
        Between the nodes.
    x, z, w
        Trajectory: states with all that is estimated, algebraic variables, and the noise that leads to each node in
        standard deviations along the roots.
    value, variance, present
        Per node and sensor: readings in the model's units.
    held
        Per node and constraint: -1 where the lower bound is active, 1 where the upper one is.
    """

    begun: float
    arrival: Arrival
    times: Array
    inputs: Array
    intervals: tuple[Interval, ...]
    x: Array
    z: Array
    w: Array
    value: Array
    variance: Array
    present: Array
    held: Array

    def __len__(self) -> int:
        return len(self.times)

    @property
    def span(self) -> float:
        """Length in time."""
        return float(self.times[-1] - self.times[0])

    def with_node(self, at: int, time: float, u: Array, x: Array, z: Array, around: tuple[Interval, ...]) -> Window:
        """Return the window with a node without readings at position `at`.

        Parameters
        ----------
        at
            Position of the new node, 1 or more.
        time, u, x, z
            Of the new node.
        around
            Intervals that take the place of the one it splits; one interval for a node at the end.
        """
        sensors = self.value.shape[1]

        def put(array: Array, row: Array) -> Array:
            return np.concatenate([array[:at], row[None], array[at:]])

        return replace(
            self,
            times=np.concatenate([self.times[:at], [time], self.times[at:]]),
            inputs=put(self.inputs, u),
            intervals=(*self.intervals[: at - 1], *around, *self.intervals[at:]),
            x=put(self.x, x),
            z=put(self.z, z),
            w=put(self.w, np.zeros(self.w.shape[1])),
            value=put(self.value, np.zeros(sensors)),
            variance=put(self.variance, np.ones(sensors)),
            present=put(self.present, np.zeros(sensors)),
            held=put(self.held, np.zeros(self.held.shape[1])),
        )

    def with_readings(self, found: list[tuple[int, int, float, float]]) -> Window:
        """Return the window with readings ``(node, sensor, value, std)``."""
        value, variance, present = self.value.copy(), self.variance.copy(), self.present.copy()
        for node, sensor, number, std in found:
            value[node, sensor], variance[node, sensor], present[node, sensor] = number, std**2, 1.0
        return replace(self, value=value, variance=variance, present=present)

    def from_node(self, first: int, covariance: Array, adjoint: Array, scale: Array) -> Window:
        """Return the window without the nodes before `first`, its trajectory as optimal as before.

        Parameters
        ----------
        first
            Position of the node that becomes the first.
        covariance
            What the nodes before it leave of the uncertainty there.
        adjoint
            What they pull with; see `smoother.Swept`.
        scale
            Nominal magnitudes.
        """
        arrival = arrival_of(self.x[first] + covariance @ adjoint, covariance, scale)
        w = self.w[first:].copy()
        w[0] = -arrival.root.T @ adjoint
        parts = {
            name: getattr(self, name)[first:]
            for name in ("times", "inputs", "intervals", "x", "z", "value", "variance", "present", "held")
        }
        return replace(self, arrival=arrival, w=w, **parts)


def root_of(covariance: Array, scale: Array) -> Array:
    """Return a root of a covariance of any rank: ``root @ root.T`` is the covariance."""
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    return scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))


def arrival_of(mean: Array, covariance: Array, scale: Array) -> Arrival:
    """Return a normal prior."""
    return Arrival(mean, covariance, root_of(covariance, scale))
