"""Doubts: what a plan does not know where it asks a learned term about inputs far from those it was trained on.

A learned term has a parameter ``shift`` that is added to its value. Beyond the domain of the term the shift is
unknown, with the standard deviation that the value had before any data, times how far it is beyond
(`Applicability.doubt`). It is one number for all of a plan, not drawn anew at every step, and the linearised model
carries it along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import casadi as ca
import numpy as np

from twinkit.control.known import Known
from twinkit.control.prediction import Predictor, Run, links
from twinkit.core import Applicability, InvalidValueError, Model
from twinkit.core.applicability import learned_terms
from twinkit.core.component import Array
from twinkit.core.errors import unknown_name
from twinkit.core.evaluate import evaluate
from twinkit.optimise import Points
from twinkit.readings.casadi import CASADI, SYMBOLIC, casadi_model

CAUTIOUS = NormalDist().inv_cdf(0.95)  # standard deviations of margin for doubts where no confidence was asked
_made: dict[Any, Points] = {}


@dataclass(frozen=True, eq=False)
class Doubts:
    """The learned terms of a model.

    Attributes
    ----------
    model
        The model.
    terms
        Name of each, and where it may be believed (None: that is not known).
    shifts
        Position of the parameter that shifts each (None: it has none).
    sizes
        Number of inputs of each.
    """

    model: Model
    terms: tuple[tuple[str, Applicability | None], ...]
    shifts: tuple[int | None, ...]
    sizes: tuple[int, ...]

    def shifted(self, known: Known) -> Known:
        """Return an estimate in which every shift is an adapted parameter; those not estimated have no variance."""
        more = [index for index in self.shifts if index is not None and index not in known.chosen]
        if not more:
            return known
        values = self.model.layout.parameters.pack(self.model.values())[more]
        first = known.x.size + known.adapted.size
        old = [*range(first), *range(first + len(more), known.vector.size + len(more))]
        size = known.vector.size + len(more)
        covariance, noise = np.zeros((size, size)), np.zeros(size)
        covariance[np.ix_(old, old)], noise[old] = known.covariance, known.noise
        return replace(
            known, chosen=(*known.chosen, *more), adapted=np.concatenate([known.adapted, values]),
            covariance=covariance, noise=noise,
        )  # fmt: skip

    def looking(self, known: Known, native: bool) -> LookingDoubts:
        """Return them for predictions from an estimate that `shifted` returned."""
        places = [None if i is None else known.x.size + known.chosen.index(i) for i in self.shifts]
        names = tuple(name for name, _ in self.terms)
        key = (self.model.structure_key, known.chosen, known.disturbances, names, native)
        with SYMBOLIC:
            if key not in _made:
                _made[key] = Points(_look(self.model, known, names), native)
            return LookingDoubts(self.terms, self.sizes, tuple(places), _made[key])


@dataclass(frozen=True, eq=False)
class LookingDoubts:
    """The learned terms of a model, as seen along a prediction.

    Attributes
    ----------
    terms, sizes
        See `Doubts`.
    places
        Position of each shift in the vector of a prediction (None: it has none).
    look
        ``(t, vector, algebraics, inputs)`` -> inputs of all terms.
    """

    terms: tuple[tuple[str, Applicability | None], ...]
    sizes: tuple[int, ...]
    places: tuple[int | None, ...]
    look: Points

    def carried(
        self, p: Predictor, method: int, run: Run, items: Array, shared: Array, last: Any
    ) -> tuple[Array, tuple[str, ...]]:
        """Return what the doubts do to a simulated plan.

        Parameters
        ----------
        p, method, run, items, shared
            See `twinkit.control.prediction.simulated`.
        last
            Position of the last sub-step of each step.

        Returns
        -------
        tuple
            By how much one standard deviation of each doubt moves the vector at the nodes, ``(N + 1, n, terms)``, and
            what is to be said.
        """
        n, m = p.size, p.algebraics
        inputs = items[:, 2::4]
        points = np.vstack([
            np.hstack([items[:, :1], run.starts[:, : n + m], inputs]),
            np.concatenate([[items[-1, 0] + items[-1, 1]], run.path[-1], run.algebraics[-1], inputs[-1]]),
        ])  # fmt: skip
        stds, said = self.stds_along(points, shared)
        moved = np.zeros((len(items) + 1, n, len(self.terms)))
        maps = links(p, method, run, items, shared) if stds.any() else ()
        for k, place in enumerate(self.places):
            if place is None or not stds[:, k].any():
                continue
            here = np.zeros(n)
            for row, a in enumerate(maps):
                here[place] = stds[row, k]
                here = a @ here
                moved[row + 1, :, k] = here
        return moved[np.concatenate([[0], last + 1])], said

    def stds_along(self, points: Array, shared: Array) -> tuple[Array, tuple[str, ...]]:
        """Return the standard deviation of every term's shift along a path, which never shrinks on the way.

        Parameters
        ----------
        points
            Time, vector, algebraic variables and inputs along the path.
        shared
            See `twinkit.control.prediction.simulated`.

        Returns
        -------
        tuple
            ``(points, terms)``, and what is to be said.
        """
        seen = self.look(points, shared)
        stds, said, first = np.zeros((len(points), len(self.terms))), list[str](), 0
        for k, (name, where) in enumerate(self.terms):
            x, first = seen[:, first : first + self.sizes[k]], first + self.sizes[k]
            if where is None:
                said.append(f"it is not known what the learned term {name} was trained on; pass the fitted HybridModel")
                continue
            distance = where.domain.distance(x)
            if not (distance > 1.0).any():
                continue
            at = int(np.argmax(distance > 1.0))
            said.append(
                f"from t={points[at, 0]:.4g} on, the learned term {name} is asked beyond what it was trained on "
                f"(up to {np.max(distance):.3g} times the ordinary distance)"
            )
            stds[:, k] = np.maximum.accumulate(where.doubt(np.where(np.isnan(distance), np.inf, distance)))
        return stds, tuple(said)


def doubts_of(model: Model, given: Mapping[str, Applicability]) -> Doubts | None:
    """Return what is to be doubted of a model; None: it has no learned terms.

    Raises
    ------
    UnknownNameError, InvalidValueError
        If something is said of a term that the model does not have, or it is no `Applicability`.
    """
    terms = learned_terms(model)
    for name, one in given.items():
        if name not in terms:
            raise unknown_name("learned term", name, terms, type(model).__name__)
        if not isinstance(one, Applicability):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValueError(f"applicability={{{name!r}: ...}} takes an Applicability, not {one!r}")
    if not terms:
        return None
    labels = {label: k for k, label in enumerate(model.layout.parameters.labels)}
    return Doubts(
        model, tuple((name, given.get(name)) for name in terms), tuple(labels.get(f"{name}.shift") for name in terms),
        tuple(term.size_of(term.declared["x"]) or 1 for term in terms.values()),
    )  # fmt: skip


def _look(model: Model, known: Known, names: tuple[str, ...]) -> Any:
    """Return the inputs of terms as a function of where a prediction is."""
    reading, layout = casadi_model(model), model.layout
    t, x, z, u, p = reading.symbols
    n, inputs, modes = layout.states.size, layout.inputs.size, layout.modes.size
    result = evaluate(model, layout.named(*reading.symbols), CASADI)
    full, held = ca.SX.sym("full", known.vector.size), ca.SX.sym("held", inputs)
    shared = ca.SX.sym("shared", modes + p.numel())
    adapted, acting, first = ca.SX(shared[modes:]), ca.SX(held), n + len(known.chosen)
    for k, index in enumerate(known.chosen):
        adapted[index] = full[n + k]
    for k, (kind, index, _) in enumerate(known.disturbances):
        if kind == "input":
            acting[index] += full[first + k]
    every = ca.vertcat(*[result.bound[f"{name}.x"] for name in names])
    (seen,) = ca.substitute([every], [x, u, p], [full[:n], ca.vertcat(acting, shared[:modes]), adapted])
    return ca.Function("look", [ca.vertcat(t, full, z, held), shared], [ca.densify(seen)])
