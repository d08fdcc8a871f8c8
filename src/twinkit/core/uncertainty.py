"""What is not known of a model's parameters, jointly: what a controller takes from whatever found the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from twinkit.core.errors import InvalidValueError

if TYPE_CHECKING:
    from twinkit.core.model import Model

Array = npt.NDArray[np.float64]
_NEAR = 1e-6  # relative difference of values that are the same


@runtime_checkable
class ParameterUncertainty(Protocol):
    """Joint uncertainty of parameters of a model: a `ParameterSet`, or the posterior of a fitted model.

    What is not known is one vector for all of a run; it is not drawn anew on the way.
    """

    @property
    def content_hash(self) -> str:
        """SHA-256 of what is known."""
        ...

    def directions(self, model: Model) -> tuple[tuple[int, ...], Array]:
        """Return which parameters are uncertain, and how, near the model's values.

        Returns
        -------
        tuple
            Positions ``(n,)`` in the flat parameter vector of the model, and a factor ``(n, r)`` in the model's units:
            the covariance is the factor times its transpose.

        Raises
        ------
        InvalidValueError
            If the model has other values than those that are uncertain.
        """
        ...

    def draw(self, model: Model, *, count: int, seed: int) -> dict[str, Array]:
        """Return joint samples, as `tk.ensemble` takes them: name -> ``(count,)``, or ``(count, size)``."""
        ...


def check_centre(model: Model, positions: tuple[int, ...], values: Array, std: Array) -> None:
    """Raise unless a model has the values that are said to be uncertain.

    Parameters
    ----------
    model
        The model.
    positions
        In its flat parameter vector.
    values, std
        Centres and standard deviations, in its units.

    Raises
    ------
    InvalidValueError
        If one differs by more than rounding, or than a hundredth of its standard deviation.
    """
    layout = model.layout.parameters
    own = layout.pack(model.values())[list(positions)]
    far = np.flatnonzero(~(np.abs(own - values) <= _NEAR * np.abs(values) + 1e-2 * std))
    if far.size:
        k = int(far[0])
        raise InvalidValueError(
            f"{layout.labels[positions[k]]!r} is {own[k]:.6g} in the model, but what is uncertain is "
            f"{values[k]:.6g} ± {std[k]:.2g}: give the model the values first (parameters.apply(model), or the model "
            "that was fitted)"
        )
