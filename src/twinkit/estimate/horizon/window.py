"""What a window holds: nodes with readings, intervals between them, and what came before them as a normal prior."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from twinkit.core.component import Array

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Span:
    """The model over some time, cut into sub-steps.

    Attributes
    ----------
    start, end
        When.
    method
        Position of the integration method in `METHODS`.
    steps
        One row per sub-step: time, length, coefficients of the inputs.
    point, error
        Where the accuracy of the sub-steps was judged, and the error found, relative to magnitude plus nominal value.
    """

    start: float
    end: float
    method: int
    steps: Array
    point: Array
    error: float


@dataclass(frozen=True, eq=False)
class Interval(Span):
    """The model between two nodes.

    Attributes
    ----------
    noise
        Covariance of the process noise at the end.
    """

    noise: Array


@dataclass(frozen=True, eq=False)
class Between:
    """Readings between the nodes of a regular grid, in order of time; ``(readings,)`` unless said otherwise.

    Attributes
    ----------
    node, sensor
        Positions of the node before (or at) the reading, and of its sensor.
    value, variance, present
        Readings in the model's units.
    inputs
        At the times of the readings, ``(readings, inputs)``.
    spans
        From the nodes to the readings.
    """

    node: Positions
    sensor: Positions
    value: Array
    variance: Array
    present: Array
    inputs: Array
    spans: tuple[Span, ...]

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def times(self) -> Array:
        """When."""
        return np.array([span.end for span in self.spans])

    def joined(self, other: Between) -> tuple[Between, Positions]:
        """Return both in order of time, and where those of `other` are then."""
        order = np.argsort(np.concatenate([self.times, other.times]), kind="stable")
        places = np.argsort(order)[len(self) :]
        spans = (*self.spans, *other.spans)
        names = ("node", "sensor", "value", "variance", "present", "inputs")
        parts = {name: np.concatenate([getattr(self, name), getattr(other, name)])[order] for name in names}
        return Between(**parts, spans=tuple(spans[k] for k in order)), places

    def shifted(self, first: int) -> Between:
        """Return those at or after the node at position `first`, which becomes the first one."""
        kept = np.flatnonzero(self.node >= first)
        names = ("sensor", "value", "variance", "present", "inputs")
        parts = {name: getattr(self, name)[kept] for name in names}
        return Between(self.node[kept] - first, **parts, spans=tuple(self.spans[k] for k in kept))


def nothing_between(inputs: int) -> Between:
    """Return no readings of a model with so many inputs."""
    none, nowhere = np.zeros(0), np.zeros(0, dtype=np.intp)
    return Between(nowhere, nowhere, none, none, none, np.zeros((0, inputs)), ())


@dataclass(frozen=True, eq=False)
class Arrival:
    """What is known about the first node from all that is no longer in the window: a normal distribution."""

    mean: Array
    covariance: Array


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
    x, z, adjoint
        Trajectory: states with all that is estimated, algebraic variables, and the adjoints: the noise that leads to a
        node is minus its covariance times the adjoint.
    value, variance, present
        Per node and sensor: readings in the model's units.
    held
        Per node and constraint: -1 where the lower bound is active, 1 where the upper one is.
    between
        Readings between the nodes, where those stand on a regular grid.
    """

    begun: float
    arrival: Arrival
    times: Array
    inputs: Array
    intervals: tuple[Interval, ...]
    x: Array
    z: Array
    adjoint: Array
    value: Array
    variance: Array
    present: Array
    held: Array
    between: Between

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
            longer = np.empty((len(array) + 1, *array.shape[1:]))
            longer[:at], longer[at], longer[at + 1 :] = array[:at], row, array[at:]
            return longer

        return replace(
            self,
            times=put(self.times, np.array(time)),
            inputs=put(self.inputs, u),
            intervals=(*self.intervals[: at - 1], *around, *self.intervals[at:]),
            x=put(self.x, x),
            z=put(self.z, z),
            adjoint=put(self.adjoint, np.zeros(self.x.shape[1])),
            value=put(self.value, np.zeros(sensors)),
            variance=put(self.variance, np.ones(sensors)),
            present=put(self.present, np.zeros(sensors)),
            held=put(self.held, np.zeros(self.held.shape[1])),
            between=replace(self.between, node=self.between.node + (self.between.node >= at)),
        )

    def with_readings(self, found: list[tuple[int, int, float, float]]) -> Window:
        """Return the window with readings ``(node, sensor, value, std)``."""
        value, variance, present = self.value.copy(), self.variance.copy(), self.present.copy()
        for node, sensor, number, std in found:
            value[node, sensor], variance[node, sensor], present[node, sensor] = number, std * std, 1.0
        return replace(self, value=value, variance=variance, present=present)

    def from_node(self, first: int, covariance: Array, adjoint: Array) -> Window:
        """Return the window without the nodes before `first`, its trajectory as optimal as before.

        Parameters
        ----------
        first
            Position of the node that becomes the first.
        covariance
            What the nodes before it leave of the uncertainty there.
        adjoint
            What they pull with; see `smoother.Swept`.
        """
        arrival = Arrival(self.x[first] + covariance @ adjoint, covariance)
        adjoints = self.adjoint[first:].copy()
        adjoints[0] = adjoint
        parts = {
            name: getattr(self, name)[first:]
            for name in ("times", "inputs", "intervals", "x", "z", "value", "variance", "present", "held")
        }
        return replace(self, arrival=arrival, adjoint=adjoints, between=self.between.shifted(first), **parts)


def root_of(covariance: Array, scale: Array) -> Array:
    """Return a root of covariances of any rank, ``(..., n, n)``: root times its transpose is the covariance."""
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    return scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
