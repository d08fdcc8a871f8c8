"""Predicted measurements and their derivatives in everything that is learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import casadi as ca
import numpy as np
import numpy.typing as npt

from twinkit.core.evaluate import evaluate
from twinkit.core.model import Model
from twinkit.hybrid.training.coordinates import Coordinates
from twinkit.hybrid.training.observations import Observations
from twinkit.readings.casadi import CASADI, SYMBOLIC, CasadiModel
from twinkit.simulate.batched import Batched, Paths

Array = npt.NDArray[np.float64]


class Chains(Protocol):
    """What turns derivatives in parameters into derivatives in a learned vector."""

    def chained(self, derivatives: Array, theta: Array) -> Array:
        """Turn derivatives in the parameters (last axis) into derivatives in the vector."""
        ...


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predicted values of some tags at the output times of some runs.

    Attributes
    ----------
    values
        One array per run, ``(times, tags)``.
    jacobian
        Their derivatives, ``(times, tags, learned)``, or empty.
    finished
        Whether each run reached its end.
    """

    values: list[Array]
    jacobian: list[Array]
    finished: np.ndarray


@dataclass(frozen=True, eq=False)
class Predictor:
    """Runs of a model with learned terms, as a function of the learned vector.

    Parameters
    ----------
    runs
        The runs; their flat parameters are the base.
    tags
        States and outputs to predict.
    """

    runs: Batched
    tags: tuple[str, ...]
    _made: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def reading(self) -> CasadiModel:
        """The CasADi reading of the model."""
        return self.runs.reading

    def base(self, coordinates: Coordinates, theta: Array) -> Array:
        """Return flat parameters of every run: its own, with the learned ones in their place."""
        model = self.runs.problems[0].model
        layout = model.layout.parameters
        rows = np.array([problem.p for problem in self.runs.problems])
        for name, value in coordinates.settings(theta).items():
            entry = layout[name]
            rows[:, entry.start : entry.start + entry.width] = value
        return rows

    def __call__(self, coordinates: Coordinates, theta: Array, *, derivatives: bool = True) -> Prediction:
        """Predict, with derivatives in the learned vector."""
        p = self.base(coordinates, theta)
        paths = self.runs.run(p, sensitivities=derivatives)
        return self.measured(paths, p, coordinates, theta, derivatives)

    def measured(
        self, paths: Paths, p: Array, coordinates: Chains | None, theta: Array, derivatives: bool
    ) -> Prediction:
        """Turn paths of states into tags."""
        values: list[Array] = []
        jacobian: list[Array] = []
        layout = self.reading.layout
        states = [layout.states[tag].start for tag in self.tags if tag in layout.states]
        direct = len(states) == len(self.tags)
        for i, problem in enumerate(self.runs.problems):
            x = paths.x[i]
            if direct:
                values.append(x[:, states])
                if derivatives and coordinates is not None:
                    jacobian.append(coordinates.chained(paths.sensitivities[i][:, states], theta))
                continue
            rows = self._rows(problem, x, paths.z[i], p[i], derivatives)
            values.append(rows[0])
            if derivatives and coordinates is not None:
                total = np.einsum("tns,tsk->tnk", rows[1], paths.sensitivities[i]) + rows[2]
                jacobian.append(coordinates.chained(total, theta))
        return Prediction(values, jacobian, paths.finished)

    def _rows(self, problem: Any, x: Array, z: Array, p: Array, derivatives: bool) -> list[Array]:
        count, n, k = len(x), len(self.tags), len(self.runs.columns)
        held = np.concatenate([problem.program.values(problem.times), np.tile(problem.modes, (count, 1))], axis=1)
        with SYMBOLIC:
            function = self._tag_function(derivatives)
            point = [problem.times[None], x.T, z.T, held.T, np.tile(p, (count, 1)).T]
            made = [part.full() for part in function.map(count).call(point)]
        shapes = [(n,), (n, x.shape[1]), (n, k)]
        return [part.T.reshape(count, *reversed(shape)).swapaxes(1, -1) if len(shape) > 1 else part.T
                for part, shape in zip(made, shapes, strict=False)]  # fmt: skip

    def _tag_function(self, derivatives: bool) -> Any:
        key = f"tags {derivatives}"
        if key not in self._made:
            _, x, _, _, p = self.reading.symbols
            layout = self.reading.layout
            rows = ca.vertcat(
                *[
                    x[layout.states[tag].start]
                    if tag in layout.states
                    else self.reading.output[layout.outputs[tag].start]
                    for tag in self.tags
                ]
            )
            parts = [rows]
            if derivatives:
                parts += [ca.vec(ca.densify(ca.jacobian(rows, x))),
                          ca.vec(ca.densify(ca.jacobian(rows, p)[:, list(self.runs.columns)]))]  # fmt: skip
            self._made[key] = self.reading.function("tags", *parts)
        return self._made[key]


def stacked(prediction: Prediction, data: Observations) -> tuple[Array, Array]:
    """Return predicted values of the rows of the data, and their derivatives ``(rows, learned)``."""
    values = np.array([prediction.values[i][j, k] for i, j, k in zip(data.batch, data.time, data.tag, strict=True)])
    if not prediction.jacobian:
        return values, np.zeros((len(values), 0))
    rows = [prediction.jacobian[i][j, k] for i, j, k in zip(data.batch, data.time, data.tag, strict=True)]
    return values, np.array(rows)


def seen_by_terms(
    model: Model, runs: Batched, p: Array, xs: list[Array], names: list[str]
) -> dict[str, tuple[Array, Array]]:
    """Return what each term sees along given states, and the rate it corrects: ``{term: (inputs, rate)}``."""
    reading = runs.reading
    with SYMBOLIC:
        result = evaluate(model, reading.layout.named(*reading.symbols), CASADI)
        rates = {
            f"{prefix}{c.name}": f"{prefix}{c.rate}" for prefix, part in model.walk() for c in part.corrections.values()
        }
        function = reading.function(
            "seen", *[part for name in names for part in (result.bound[f"{name}.x"], result.rates[rates[name]])]
        )
        gathered: dict[str, list[tuple[Array, Array]]] = {name: [] for name in names}
        for i, problem in enumerate(runs.problems):
            count = len(problem.times)
            held = np.concatenate([problem.program.values(problem.times), np.tile(problem.modes, (count, 1))], axis=1)
            z = np.tile(problem.z[:, None], (1, count))
            made = function.map(count).call([problem.times[None], xs[i].T, z, held.T, np.tile(p[i], (count, 1)).T])
            for k, name in enumerate(names):
                gathered[name].append((made[2 * k].full().T, made[2 * k + 1].full().T[:, 0]))
    return {
        name: (np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts]))
        for name, parts in gathered.items()
    }
