"""`calibrate`: parameters from batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from twinkit._version import __version__
from twinkit.core import Batch, InvalidValueError, Model
from twinkit.core.identity import digest
from twinkit.estimate.calibration.data import listed, prepare
from twinkit.estimate.calibration.free import space
from twinkit.estimate.calibration.gradients import Gradients
from twinkit.estimate.calibration.noise import AnyNoise, Huber
from twinkit.estimate.calibration.objective import Objective
from twinkit.estimate.calibration.priors import Prior, prior_terms
from twinkit.estimate.calibration.result import Calibration
from twinkit.estimate.calibration.search import search_all, starts
from twinkit.estimate.sensors import Sensor
from twinkit.readings.casadi import casadi_model
from twinkit.simulate.cvodes import Cvodes


def calibrate(
    model: Model,
    batches: Batch | Iterable[Batch],
    free: Iterable[Any],
    *,
    priors: Mapping[str, Prior] | None = None,
    noise: Mapping[str, AnyNoise] | None = None,
    sensors: Sequence[Sensor] = (),
    multi_start: int = 1,
    seed: int = 0,
    loss: Huber | None = None,
    solver: Any = None,
    rtol: float = 1e-7,
    max_evaluations: int = 500,
    coverage: float = 0.95,
    executor: Executor | None = None,
    progress: bool = True,
) -> Calibration:
    """Find parameters (and initial values) of a model from batches, by maximum likelihood.

    With known noise this is weighted least squares; with priors, the maximum of the posterior. The gradients are exact:
    the variational equations are integrated with the model. The search is `scipy.optimize.least_squares` (trust region
    reflective, within bounds).

    Parameters
    ----------
    model
        The model; what is not free keeps its value. Free quantities start from their values in it.
    batches
        One `tk.Batch` or several; their tags are names of states, algebraic variables or outputs of the model.
    free
        What to find: names of parameters, ``"X(0)"`` or `Initial("X")` for an initial value, `PerBatch` of either,
        `Free` to say more (transform, bounds, start).
    priors
        Label -> `Normal` or `LogNormal`. A prior of a `PerBatch` quantity holds for every batch's.
    noise
        Tag -> `Noise` (known) or `EstimatedNoise` (found along with the parameters). A tag that is not named uses the
        standard deviations its measurements carry; if they carry none, a constant one is found.
    sensors
        `Sensor(output, std=, tag=)` for tags that are not names of the model.
    multi_start
        Number of starts: the model's values, and a Latin hypercube over the bounds.
    seed
        Of the hypercube.
    loss
        `Huber()` for data with outliers; None: squares.
    solver
        `Cvodes()` (default), or `Compiled()`: quicker per evaluation at loose tolerances, and for irregular
        sampling, after several seconds of compilation for a new set of free quantities.
    rtol
        Relative tolerance of the integration.
    max_evaluations
        Limit of evaluations of the model, per start.
    coverage
        Nominal coverage of the intervals.
    executor
        A `concurrent.futures.Executor` for the starts.
    progress
        Show a progress bar.

    Returns
    -------
    Calibration
        Estimates with their uncertainty, status, identifiability, residuals, `model` and `parameters`. A search that
        fails is reported in `status`, never as a plausible number.

    Raises
    ------
    UnknownNameError, UnitError, BoundsError, ShapeError, InvalidValueError
        For anything given that does not fit the model; names the batch.
    SimulationError
        If the model has events or schedules.

    Notes
    -----
    Standard errors come from the expected Fisher information (Seber & Wild 2003, doi:10.1002/0471725315, ch. 2 and 5).
    Where all noise is found from the data, variances are those of maximum likelihood times ``N / (N - p)``, and
    intervals use Student's t, as in linear regression.

    Examples
    --------
    >>> import numpy as np
    >>> import twinkit as tk
    >>> class Decay(tk.Model):
    ...     '''First-order decay.'''
    ...     time_unit = "h"
    ...     c = tk.State("g/L", initial=2.0)
    ...     k = tk.Parameter("1/h", 0.2, bounds=(0, 10))
    ...     def equations(self, v, m):
    ...         return {"c": -v.k * v.c}
    >>> times = np.arange(1.0, 9.0)
    >>> readings = [tk.Measurement("c", 2 * np.exp(-0.5 * t), "g/L", t, std=0.02) for t in times]
    >>> found = tk.calibrate(Decay(), [tk.Batch("B1", readings)], free=["k"], progress=False)
    >>> round(found["k"].value, 6), found.status.value
    (0.5, 'converged')
    """
    if not isinstance(model, Model):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(f"calibrate needs a model, not {model!r}; of a class make an instance first")
    casadi_model(model)  # equations that can only be called are refused here, not run by run
    given = listed(batches)
    wanted = [free] if isinstance(free, str) or not isinstance(free, Iterable) else list(free)  # pyright: ignore[reportUnnecessaryIsInstance]
    for name, number, least in (
        ("multi_start", multi_start, 1),
        ("max_evaluations", max_evaluations, 1),
        ("seed", seed, 0),
    ):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValueError(f"{name} is a whole number, at least {least}, not {number!r}")
    if not 0.0 < coverage < 1.0:
        raise InvalidValueError(f"coverage must be between 0 and 1, not {coverage!r}")
    if loss is not None and not isinstance(loss, Huber):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(f"loss is Huber() or None, not {loss!r}")
    laid = space(model, given, wanted)
    started = [column.name for column in laid.columns if column.initial and "[" not in column.name]
    data = prepare(model, given, sensors=sensors, noise=noise, free=started, rtol=rtol)
    if all(term.find_std for term in data.noise) and data.count <= len(laid.coordinates) and not priors:
        raise InvalidValueError(
            f"{data.count} measurements cannot tell {len(laid.coordinates)} quantities and their own noise: say how "
            "large the noise is (noise={...: Noise(std=...)}), or leave less free"
        )
    if loss is not None and any(term.find_std for term in data.noise):
        raise InvalidValueError(
            "a robust loss and noise found from the data contradict each other: say how large the noise is, "
            "noise={...: Noise(std=...)}"
        )
    chosen = Cvodes() if solver is None else solver
    objective = Objective(
        data,
        laid,
        Gradients(model, laid.columns, data.places, chosen),
        prior_terms(priors, laid, model.time_unit),
        loss,
    )
    found = search_all(objective, starts(objective, multi_start, seed), max_evaluations, executor, progress=progress)
    provenance = {
        "data": digest([batch.content_hash for batch in given]),
        "batches": {batch.name: batch.content_hash for batch in given},
        "model": model.content_hash,
        "settings": digest({
            "free": [repr(item) for item in wanted], "priors": repr(priors), "noise": repr(noise),
            "sensors": repr(list(sensors)), "multi_start": multi_start, "seed": seed, "loss": repr(loss),
            "solver": repr(chosen), "rtol": rtol, "max_evaluations": max_evaluations,
        }),
        "twinkit": __version__,
    }  # fmt: skip
    return Calibration(model, given, objective, tuple(found), coverage, provenance)
