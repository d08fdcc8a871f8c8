"""Samples for ensembles: drawn from distributions with a seed, or given as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import BoundsError, InvalidValueError, ShapeError, unknown_name
from twinkit.core.model import Model
from twinkit.core.units import as_array

Array = npt.NDArray[np.float64]
_ATTEMPTS = 100


def draw(model: Model, distributions: Mapping[str, Any], *, count: int, seed: int) -> dict[str, Array]:
    """Draw independent samples of parameters and initial values; values outside declared bounds are drawn again.

    Parameters
    ----------
    model
        The model the names belong to.
    distributions
        Name -> frozen SciPy distribution (``scipy.stats.norm(0.04, 0.004)``), in the declared unit.
    count
        Number of samples.
    seed
        The same seed gives the same samples.

    Returns
    -------
    dict
        Name -> array ``(count,)``.

    Raises
    ------
    UnknownNameError
        For a name that cannot be set.
    BoundsError
        If a distribution lies (almost) wholly outside the bounds.

    Examples
    --------
    >>> from scipy import stats
    >>> from twinkit.unitops import CHOFedBatch
    >>> samples = draw(CHOFedBatch(), {"mu_max": stats.norm(0.04, 0.004)}, count=3, seed=1)
    >>> samples["mu_max"].round(4)
    array([0.0374, 0.0416, 0.0384])
    """
    if count < 1:
        raise InvalidValueError(f"an ensemble needs at least one sample, not {count}")
    samples: dict[str, Array] = {}
    for name, stream in zip(distributions, np.random.SeedSequence(seed).spawn(len(distributions)), strict=True):
        field = _settable(model, name)
        low, high = field.variable.bounds
        generator = np.random.default_rng(stream)
        if not hasattr(distributions[name], "rvs"):
            raise InvalidValueError(
                f"{name!r} needs a frozen SciPy distribution, such as scipy.stats.norm(1, 0.1), "
                f"not {distributions[name]!r}"
            )
        drawn = np.asarray(distributions[name].rvs(size=count, random_state=generator), dtype=np.float64)
        for _ in range(_ATTEMPTS):
            outside = (drawn < low) | (drawn > high)
            if not outside.any():
                break
            drawn[outside] = distributions[name].rvs(size=int(outside.sum()), random_state=generator)
        else:
            raise BoundsError(f"the distribution of {name!r} lies outside its bounds [{low:g}, {high:g}]")
        samples[name] = drawn
    return samples


def table(model: Model, samples: Any) -> dict[str, Array]:
    """Return samples (mapping of arrays, or a pandas DataFrame) as checked arrays of equal length.

    Raises
    ------
    InvalidValueError
        For an empty ensemble, or values that are NaN or infinite.
    ShapeError
        If the columns differ in length.
    UnknownNameError
        For a name that cannot be set.
    BoundsError
        For a value outside its bounds; names the member.
    """
    columns = {
        str(name): as_array(
            samples[name], _settable(model, str(name)).variable.unit, f"samples of {name!r}", allow_nan=True
        )
        for name in samples
    }
    if not columns or any(column.size == 0 for column in columns.values()):
        raise InvalidValueError("the ensemble is empty: give at least one name with at least one value")
    lengths = {name: column.shape[0] if column.ndim else 0 for name, column in columns.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ShapeError(f"all samples must have one value per member; lengths are {lengths}")
    for name, column in columns.items():
        field = _settable(model, name)
        expected = column.shape[:1] if field.size is None else (column.shape[0], field.size)
        if column.shape != expected:
            raise ShapeError(f"samples of {name!r} have shape {column.shape}; expected {expected}")
        low, high = field.variable.bounds
        for bad, error, what in (
            (~np.isfinite(column), InvalidValueError, "is not finite"),
            ((column < low) | (column > high), BoundsError, f"is outside [{low:g}, {high:g}] {field.variable.unit}"),
        ):
            if bad.any():
                member = int(np.argwhere(bad)[0][0])
                raise error(f"sample {member} of {name!r} {what}: {column[member]}")
    return columns


def _settable(model: Model, name: str) -> Any:
    if not isinstance(model, Model):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValueError(f"samples belong to a model, not to {model!r}; of a class make an instance first")
    layout = model.layout
    blocks = (layout.parameters, layout.states, layout.modes)
    for block in blocks:
        if name in block:
            return block[name]
    names = [entry.name for block in blocks for entry in block]
    raise unknown_name("parameter or state", name, names, type(model).__name__)
