"""`HybridModel`: a mechanistic model with learned terms, fitted to batches and asked for predictions."""

from __future__ import annotations

import copy
import html
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from twinkit.core.applicability import Applicability, learned_terms
from twinkit.core.batch import Batch
from twinkit.core.errors import InvalidValueError, unknown_name
from twinkit.core.identity import digest
from twinkit.core.model import Model
from twinkit.core.records import Prediction
from twinkit.hybrid.posterior import Posterior
from twinkit.hybrid.predicting import Forecast, Propagation, forecast
from twinkit.hybrid.training.fit import Plan, Trained, train, untrained
from twinkit.hybrid.training.observations import checked_batches

if TYPE_CHECKING:
    import xarray as xr

    from twinkit.hybrid.inheriting import Inheritance

Array = npt.NDArray[np.float64]


class HybridModel:
    """A model of which parameters and learned terms are fitted to whole batches, with the uncertainty of both.

    It follows scikit-learn's contract: the constructor keeps its arguments, `fit` returns the object, what was learned
    ends in ``_``.

    Parameters
    ----------
    model
        A model, with learned terms (`Residual`) or without (then only its parameters are fitted).
    parameters
        Parameters of the mechanism to fit with the terms: names, or name -> relative standard deviation of the prior
        about the model's value (1 where only names are given; log-normal where the lower bound is not negative).
    rtol
        Tolerance of the runs while training.
    rounds
        Rounds of mode, hyperparameters and noise.
    widest
        Limit of the width of an interval, as a share of the range of the training data: beyond it a prediction is not
        `in_domain`.
    random_state
        Seed of whatever is drawn.
    progress
        Whether progress is shown.
    inherits
        What a parent left; see `transfer`.

    Attributes
    ----------
    model_
        The fitted model: an ordinary `tk.Model` that simulates, is exported, estimated and controlled.
    posterior_
        Gaussian over what was learned.
    noise_
        Tag -> (relative, absolute) standard deviation of the measurements.
    domains_
        Term -> inputs it was trained on.
    hyperparameters_
        Term -> amplitude and lengths of its prior.
    report_
        Numbers about the training.
    batches_
        Names of the training batches.
    parent_
        Content hash of the model it was transferred from, or None.
    qualification_
        Document by which it was qualified, or None.

    Examples
    --------
    See ``docs/hybrid.md``.
    """

    def __init__(
        self,
        model: Model,
        *,
        parameters: Any = None,
        rtol: float = 1e-3,
        rounds: int = 5,
        widest: float = 0.5,
        random_state: int = 0,
        progress: bool = True,
        inherits: Inheritance | None = None,
    ) -> None:
        self.model = model
        self.parameters = parameters
        self.rtol = rtol
        self.rounds = rounds
        self.widest = widest
        self.random_state = random_state
        self.progress = progress
        self.inherits = inherits

    # -- scikit-learn ------------------------------------------------------------------------------------------
    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments."""
        del deep
        names = ("model", "parameters", "rtol", "rounds", "widest", "random_state", "progress", "inherits")
        return {name: getattr(self, name) for name in names}

    def set_params(self, **changes: Any) -> Self:
        """Change arguments of the constructor."""
        known = self.get_params()
        for name, value in changes.items():
            if name not in known:
                raise unknown_name("argument", name, known, "HybridModel")
            setattr(self, name, value)
        return self

    def fit(self, batches: Any, *, groups: Any = None) -> Self:
        """Fit to whole batches.

        Parameters
        ----------
        batches
            `tk.Batch` objects; samples may be irregular, missing, and of different times for different tags. Without
            any batch the result is the mechanism with the prior uncertainty of its parameters.
        groups
            One label per batch (site, scale, campaign), kept for `groups_`: what belongs together must not be split
            when the model is judged.

        Raises
        ------
        InvalidValueError, UnknownNameError, UnitError, SimulationError
            For batches that do not fit the model; see `tk.Batch` and the message.
        """
        if not isinstance(self.model, Model):
            raise InvalidValueError(f"HybridModel needs a model, not {self.model!r}")
        listed = checked_batches(batches, least=0)
        if groups is not None and len(groups) != len(listed):
            raise InvalidValueError(f"groups has one label per batch: {len(groups)} labels, {len(listed)} batches")
        plan = self._plan()
        if listed and not plan.parameters and not learned_terms(self.model):
            raise InvalidValueError(
                "nothing is to be learned: name parameters=[...], or put a term into the model with tk.hybrid.Residual"
            )
        self._set(train(self.model, listed, plan) if listed else untrained(self.model, plan), listed)
        self.groups_ = None if groups is None else tuple(groups)
        return self

    def _plan(self) -> Plan:
        if not (isinstance(self.rounds, int) and self.rounds >= 1):
            raise InvalidValueError(f"rounds must be a positive whole number, not {self.rounds!r}")
        if not (isinstance(self.widest, (int, float)) and self.widest > 0):
            raise InvalidValueError(f"widest is a positive share of the range of the data, not {self.widest!r}")
        _check_seed(self.random_state)
        inherited = {} if self.inherits is None else self.inherits.terms
        return Plan(self.parameters, self.rtol, self.rounds, self.random_state, self.progress, inherited)

    def _set(self, trained: Trained, batches: Sequence[Batch]) -> None:
        self.trained_ = trained
        self.batches_ = tuple(batch.name for batch in batches)
        self.data_hash_ = digest([batch.content_hash for batch in batches])
        self.parent_ = None if self.inherits is None else self.inherits.parent
        self.qualification_: str | None = None

    @property
    def model_(self) -> Model:
        """The fitted model."""
        return self._fitted.model

    @property
    def posterior_(self) -> Posterior:
        """Gaussian over what was learned; a controller takes its margins from it."""
        return self._fitted.posterior

    @property
    def noise_(self) -> dict[str, tuple[float, float]]:
        """Tag -> relative and absolute standard deviation of the measurements."""
        return dict(self._fitted.noise)

    @property
    def domains_(self) -> dict[str, Any]:
        """Term -> inputs it was trained on."""
        return dict(self._fitted.domains)

    @property
    def applicability_(self) -> dict[str, Applicability]:
        """Term -> where it may be believed, and how unsure it is elsewhere; a controller asks for it."""
        found: dict[str, Applicability] = {}
        values: dict[str, Any] = dict(self.model_.values())
        for name, domain in self.domains_.items():
            std = float(np.max(values.get(f"{name}.amplitude", self._fitted.hyper[name][0])))
            found[name] = Applicability(domain, std, digest([domain.inputs, domain.batch]))
        return found

    @property
    def hyperparameters_(self) -> dict[str, Array]:
        """Term -> amplitude and lengths of its prior."""
        return dict(self._fitted.hyper)

    @property
    def report_(self) -> dict[str, float]:
        """Numbers about the training."""
        return dict(self._fitted.report)

    @property
    def _fitted(self) -> Trained:
        if not hasattr(self, "trained_"):
            raise InvalidValueError("this HybridModel is not fitted: call fit(batches) first")
        return self.trained_

    @property
    def content_hash(self) -> str:
        """SHA-256 of all that decides its predictions: model, uncertainty, noise, domain, and of its batches."""
        trained = self._fitted
        posterior = trained.posterior
        return digest({
            "model": trained.model.content_hash,
            "posterior": [getattr(posterior, entry.name) for entry in fields(posterior)],
            "noise": {tag: list(parts) for tag, parts in trained.noise.items()},
            "domains": {name: [domain.inputs, domain.batch] for name, domain in trained.domains.items()},
            "hyper": dict(trained.hyper), "tags": list(trained.tags), "ranges": dict(trained.ranges),
            "widest": float(self.widest), "batches": list(self.batches_), "data": self.data_hash_,
            "parent": self.parent_,
        })  # fmt: skip

    # -- predictions -------------------------------------------------------------------------------------------
    def forecast(
        self,
        batches: Any,
        *,
        tags: Sequence[str] | None = None,
        times: Any = None,
        coverage: float = 0.95,
        propagation: Propagation = Propagation.PATHWISE,
        n: int = 200,
        random_state: int | None = None,
    ) -> tuple[Forecast, ...]:
        """Predict batches from their recipes (start, inputs, settings); their measurements are not used.

        Parameters
        ----------
        batches
            The batches.
        tags
            States and outputs to predict (default: what was measured in training).
        times
            Times, in the model's time unit (default: those of the measurements, or 41 over the batch).
        coverage
            Of the intervals.
        propagation
            How uncertainty goes through the differential equations.
        n
            Number of sampled functions (`PATHWISE`).
        random_state
            Seed (default: that of the constructor).
        """
        seed = self.random_state if random_state is None else random_state
        _check_seed(seed)
        return forecast(
            self._fitted, checked_batches(batches), tags=tags, times=times, coverage=coverage, propagation=propagation,
            n=n, seed=seed, widest=self.widest,
            made_by=self.content_hash, progress=self.progress,
        )  # fmt: skip

    def predict(self, batches: Any, *, tags: Sequence[str] | None = None, times: Any = None) -> tuple[xr.Dataset, ...]:
        """Return the most probable trajectory of every batch, as data sets with units."""
        found = self.forecast(batches, tags=tags, times=times, propagation=Propagation.LINEARISED)
        return tuple(item.central() for item in found)

    def predict_interval(self, batches: Any, *, coverage: float = 0.95, **how: Any) -> tuple[xr.Dataset, ...]:
        """Return the median and the central interval of every batch (dimension ``bound``: low, median, high)."""
        return tuple(item.bounds() for item in self.forecast(batches, coverage=coverage, **how))

    def sample_trajectories(
        self, batches: Any, n: int = 200, random_state: int | None = None, **how: Any
    ) -> tuple[xr.Dataset, ...]:
        """Return sampled trajectories of every batch (dimension ``sample``); each is one draw for the whole batch."""
        found = self.forecast(batches, n=n, random_state=random_state, propagation=Propagation.PATHWISE, **how)
        return tuple(item.sampled() for item in found)

    def predict_at(self, batch: Batch, time: Any, **how: Any) -> dict[str, Prediction]:
        """Return one `Prediction` per tag at one time of a batch.

        What the batch measured until then decides whether it deviates; it does not change the prediction.
        """
        from twinkit.core.units import affine, as_number

        (batch,) = checked_batches(batch)
        when = as_number(time, self.model_.time_unit, "the time")
        scale, _ = affine(batch.time_unit, self.model_.time_unit)
        before = {scale * item.source_time for item in batch.measurements if scale * item.source_time < when}
        (found,) = self.forecast(batch, times=[*sorted(before), when], **how)
        return found.predictions(-1)

    def calibration_report(self, batches: Any, **how: Any) -> Any:
        """Return coverage, PIT, CRPS and sharpness on batches; see `twinkit.hybrid.calibration_report`."""
        from twinkit.hybrid.coverage import calibration_report

        return calibration_report(self, batches, **how)

    # -- identity ----------------------------------------------------------------------------------------------
    def qualified(self, reference: str) -> Self:
        """Return a copy that says by which document (a protocol, a report) it was qualified for use.

        Whatever makes another model of it, `fit` or `transfer`, takes the qualification away.
        """
        _ = self._fitted
        if not isinstance(reference, str) or not reference.strip():
            raise InvalidValueError("a qualification refers to a document: give its name, such as 'VAL-0123'")
        made = copy.copy(self)
        made.qualification_ = reference
        return made

    def transfer(self, to: Model, *, parameters: Any = None, **changes: Any) -> HybridModel:
        """Return an unfitted model for another product or scale, whose terms start from what this one learned.

        It is a *new* model: it has its own identity, records this one as its parent, and is not qualified. Fit it to
        the batches there are of the new product; ``fit([])`` gives the parent's terms in the new mechanism. How much
        the new product differs is learned from its batches.

        Parameters
        ----------
        to
            Mechanism of the new product or scale. It names the same rates; it has the same terms, or none yet.
        parameters
            Parameters of it to fit (default: those fitted here).
        changes
            Other arguments of `HybridModel`.

        Raises
        ------
        InvalidValueError
            If there are no terms to hand on, or `to` has other ones.
        UnknownNameError
            If `to` does not name a rate that a term corrects.
        """
        from twinkit.hybrid.inheriting import handed_on, inheritance_of

        _ = self._fitted
        mine = {key: value for key, value in self.get_params().items() if key not in ("model", "parameters")}
        return type(self)(
            handed_on(self.model_, to), parameters=self.parameters if parameters is None else parameters,
            **{**mine, "inherits": inheritance_of(self), **changes},
        )  # fmt: skip

    # -- files -------------------------------------------------------------------------------------------------
    def save(self, folder: Any) -> Any:
        """Write ``hybrid.json`` and ``hybrid.npz`` into a folder; see `twinkit.hybrid.files`."""
        from twinkit.hybrid.files import save

        return save(self, folder)

    @classmethod
    def load(cls, folder: Any, model: type[Model]) -> HybridModel:
        """Read what `save` wrote; `model` is the class of the mechanistic model."""
        from twinkit.hybrid.files import load

        return load(folder, model)

    def __repr__(self) -> str:
        name = type(self.model).__name__
        terms = ", ".join(learned_terms(self.model)) if isinstance(self.model, Model) else ""
        if not hasattr(self, "trained_"):
            return f"HybridModel of {name} ({terms or 'no terms'}), not fitted"
        return f"HybridModel of {name} ({terms or 'no terms'}), fitted to {len(self.batches_)} batches"

    def _repr_html_(self) -> str:
        if not hasattr(self, "trained_"):
            return f"<pre>{html.escape(repr(self))}</pre>"
        rows = "".join(
            f"<tr><td>{html.escape(tag)}</td><td>{100 * rel:.2g} %</td><td>{absolute:.3g}</td></tr>"
            for tag, (rel, absolute) in self.noise_.items()
        )
        return (
            f"<b>{html.escape(repr(self))}</b><p>content hash {self.content_hash[:12]}</p><table><tr><th>tag</th>"
            f"<th>relative noise</th><th>absolute noise</th></tr>{rows}</table>"
        )


def _check_seed(seed: Any) -> None:
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise InvalidValueError(f"random_state is a whole number from 0 on, not {seed!r}")
