"""From batches to the posterior of everything learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.applicability import learned_terms
from twinkit.core.batch import Batch
from twinkit.core.errors import SimulationError
from twinkit.core.model import Model
from twinkit.core.terms import Combine
from twinkit.hybrid.domain import Domain
from twinkit.hybrid.inheriting import Inherited
from twinkit.hybrid.learners import learner_of
from twinkit.hybrid.posterior import Posterior
from twinkit.hybrid.training.coordinates import Coordinates, Learned, free_parameters
from twinkit.hybrid.training.evidence import improved, widened
from twinkit.hybrid.training.noise import Noise
from twinkit.hybrid.training.observations import Observations, check_settings, observed
from twinkit.hybrid.training.posterior import Mode, covariance_factor, find_mode
from twinkit.hybrid.training.trajectories import Predictor, seen_by_terms, stacked
from twinkit.simulate.batched import Batched

Array = npt.NDArray[np.float64]
_ROUNDS = 5
_SHARE = 0.3  # how much of a rate a term is expected to correct, before any data


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes
    ----------
    parameters
        Parameters of the mechanism to learn: names, or name -> relative prior standard deviation.
    rtol
        Tolerance of the runs.
    rounds
        Rounds of mode, hyperparameters and noise.
    seed
        Seed of whatever is drawn.
    progress
        Whether a progress bar is shown.
    inherits
        Term -> what a parent left it, in place of a prior about zero.
    """

    parameters: Any
    rtol: float
    rounds: int
    seed: int
    progress: bool
    inherits: Mapping[str, Inherited]


@dataclass(frozen=True, eq=False)
class Trained:
    """The posterior of everything learned.

    Attributes
    ----------
    model
        The model at the mode.
    posterior
        The Gaussian around it.
    noise
        Of the measurements, by tag: relative and absolute part.
    domains
        Term -> the inputs it saw in the training batches.
    tags, ranges
        What was measured, and the range of its values.
    hyper
        Term -> its hyperparameters (amplitude, then lengths as multiples of the spread of the inputs).
    report
        Numbers about the training.
    """

    model: Model
    posterior: Posterior
    noise: Mapping[str, tuple[float, float]]
    domains: Mapping[str, Domain]
    tags: tuple[str, ...]
    ranges: Mapping[str, float]
    hyper: Mapping[str, Array]
    report: Mapping[str, float]


def train(model: Model, batches: Sequence[Batch], plan: Plan) -> Trained:
    """Train a hybrid model on whole trajectories.

    Raises
    ------
    SimulationError
        If the model cannot be run over the batches even before anything is learned.
    """
    from tqdm.auto import tqdm

    began = perf_counter()
    random = np.random.default_rng(plan.seed)
    data = observed(model, batches, plan.rtol)
    terms = learned_terms(model)
    free = free_parameters(model, plan.parameters, list(terms))
    check_settings(batches, [item.name for item in free] + [f"{name}.weights" for name in terms])
    with tqdm(desc=f"training {type(model).__name__}", unit="step", disable=not plan.progress) as bar:
        mechanism = Coordinates(free, (), ())
        predictor = Predictor(Batched(data.problems, mechanism.columns), data.tags)
        mode, noise = _mechanism(predictor, data, mechanism, bar.update)
        coordinates = mechanism
        if terms:
            coordinates = _placed(model, data, predictor, mechanism, mode.theta, terms, random, plan.inherits)
            predictor = Predictor(Batched(data.problems, coordinates.columns), data.tags)
            starts = [t.basis.start(h, random) for t, h in zip(coordinates.terms, coordinates.hyper, strict=True)]
            theta = np.concatenate([mode.theta, *starts])
            noise = Noise.guess(data)
            mode, noise, coordinates = _rounds(predictor, data, coordinates, theta, noise, plan, bar.update)
    std = noise.of(data, mode.predicted)
    factor = widened(coordinates, mode, data, std, covariance_factor(mode, coordinates, std))
    fitted = model.with_(coordinates.settings(mode.theta))
    seen = _seen(model, data, predictor, coordinates, mode.theta, list(terms))
    origin = np.concatenate([np.full(len(problem.times), i) for i, problem in enumerate(data.problems)])
    return Trained(
        fitted, coordinates.posterior(mode.theta, factor),
        {tag: (float(noise.relative[k]), float(noise.absolute[k])) for k, tag in enumerate(data.tags)},
        {name: Domain(inputs, origin) for name, (inputs, _) in seen.items()},
        data.tags, dict(zip(data.tags, map(float, data.ranges), strict=True)),
        {t.name: np.exp(h) for t, h in zip(coordinates.terms, coordinates.hyper, strict=True)},
        {"seconds": perf_counter() - began, "rows": float(len(data)), "batches": float(len(batches)),
         "cost": mode.cost},
    )  # fmt: skip


def untrained(model: Model, plan: Plan) -> Trained:
    """Return what is believed before any batch: the mechanism with its prior, and what terms inherit."""
    terms = learned_terms(model)
    free = free_parameters(model, plan.parameters, list(terms))
    layout = model.layout.parameters
    learned: list[Learned] = []
    for name in (name for name in terms if name in plan.inherits):
        entry = layout[f"{name}.weights"]
        columns = tuple(range(entry.start, entry.start + entry.width))
        learned.append(Learned(name, columns, plan.inherits[name].basis(terms[name])))
    coordinates = Coordinates(free, tuple(learned), tuple(item.basis.hyper[0] for item in learned))
    if learned:
        model = model.with_(coordinates.settings(coordinates.mean))
    domains = {name: item.domain for name, item in plan.inherits.items() if item.domain is not None}
    tags = tuple(entry.name for entry in model.layout.states if entry.size is None)
    return Trained(
        model, coordinates.posterior(coordinates.mean, coordinates.factor), {}, domains, tags, {},
        {t.name: t.basis.amplitude * np.ones(1) for t in learned}, {"batches": 0.0},
    )  # fmt: skip


def _mechanism(predictor: Predictor, data: Observations, coordinates: Coordinates, tick: Any) -> tuple[Mode, Noise]:
    """Fit the parameters of the mechanism alone."""
    noise, theta = Noise.guess(data), coordinates.mean
    start = predictor(coordinates, theta, derivatives=False)
    if not start.finished.all():
        failed = [i for i, done in enumerate(start.finished) if not done]
        raise SimulationError(
            f"the model cannot be run over {len(failed)} of {len(start.finished)} batches before anything is learned "
            f"(the first is number {failed[0]}): give parameters nearer to the truth, or check the batch's inputs"
        )
    mode = None
    for _ in range(3):
        predicted = predictor(coordinates, theta, derivatives=False)
        std = noise.of(data, stacked(predicted, data)[0])
        mode = find_mode(predictor, data, coordinates, theta, std, iterations=15, tick=tick)
        theta = mode.theta
        noise = noise.updated(data, mode.predicted, _expected_squares(mode, coordinates, data, std))
    assert mode is not None
    return mode, noise


def _expected_squares(mode: Mode, coordinates: Coordinates, data: Observations, std: Array) -> Array:
    rows = mode.jacobian @ covariance_factor(mode, coordinates, std)
    return (data.value - mode.predicted) ** 2 + np.sum(rows**2, axis=1)


def _rounds(
    predictor: Predictor,
    data: Observations,
    coordinates: Coordinates,
    theta: Array,
    noise: Noise,
    plan: Plan,
    tick: Any,
) -> tuple[Mode, Noise, Coordinates]:
    mode = None
    predicted = data.value
    for round_ in range(plan.rounds):
        std = noise.of(data, predicted)
        # Early rounds only need a good linearisation; what is far from its mode at the end is bias without variance.
        last = round_ == plan.rounds - 1
        how = (25, 1e-5) if last else (12, 1e-2) if round_ == 0 else (5, 3e-3)
        mode = find_mode(predictor, data, coordinates, theta, std, iterations=how[0], tolerance=how[1], tick=tick)
        theta, predicted = mode.theta, mode.predicted
        noise = noise.updated(data, mode.predicted, _expected_squares(mode, coordinates, data, std))
        if round_ < plan.rounds - 1:
            coordinates = improved(coordinates, mode, data, noise.of(data, predicted))
    assert mode is not None
    return mode, noise, coordinates


def _placed(
    model: Model, data: Observations, predictor: Predictor, mechanism: Coordinates, theta: Array,
    terms: Mapping[str, Model], random: np.random.Generator, inherits: Mapping[str, Inherited],
) -> Coordinates:  # fmt: skip
    """Place every term where the batches went."""
    seen = _seen(model, data, predictor, mechanism, theta, list(terms), measured=True)
    combines = {f"{prefix}{c.name}": c.combine for prefix, part in model.walk() for c in part.corrections.values()}
    layout = model.layout.parameters
    learned: list[Learned] = []
    for name, term in terms.items():
        inputs, rate = seen[name]
        size = _SHARE * (float(np.sqrt(np.mean(rate**2))) or 1.0) if combines[name] is Combine.ADD else _SHARE
        basis = inherits[name].basis(term) if name in inherits else learner_of(term).placed(inputs, size, random)
        entry = layout[f"{name}.weights"]
        learned.append(Learned(name, tuple(range(entry.start, entry.start + entry.width)), basis))
    return Coordinates(mechanism.free, tuple(learned), tuple(item.basis.hyper[0] for item in learned))


def _seen(
    model: Model, data: Observations, predictor: Predictor, coordinates: Coordinates, theta: Array, names: list[str],
    *, measured: bool = False,
) -> dict[str, tuple[Array, Array]]:  # fmt: skip
    if not names:
        return {}
    p = predictor.base(coordinates, theta)
    xs = [x.copy() for x in predictor.runs.run(p, sensitivities=False).x]
    if measured:
        layout = model.layout.states
        low, high = layout.limits
        for i, j, k, value in zip(data.batch, data.time, data.tag, data.value, strict=True):
            if data.tags[k] in layout:
                position = layout[data.tags[k]].start
                xs[i][j, position] = np.clip(value, low[position], high[position])
    return seen_by_terms(model, predictor.runs, p, xs, names)
