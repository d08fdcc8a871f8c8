"""A surrogate as a component of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twinkit.core.component import Causality, Port, StepError, Values
from twinkit.core.errors import BoundsError, InvalidValueError, unknown_name
from twinkit.core.identity import digest
from twinkit.core.units import as_number
from twinkit.hybrid.surrogates import Array, Surrogate

_SAME = 1e-9  # of a side of the box: an input that moved less has not moved


class SurrogateComponent:
    """A surrogate that lives in a graph, with ports as its model has them.

    Its inputs are those of the box that are inputs of the model: they may not change during a run, because it was
    trained with held inputs. Parameters and starts are set here. Its outputs are the tags, linear between the times.

    Parameters
    ----------
    surrogate
        The surrogate.
    at
        Parameters and starts of the box (default: the model's values).

    Raises
    ------
    UnknownNameError
        For a name that is not in the box, or is an input.
    BoundsError
        If a value lies outside the box.
    """

    stateless = False

    def __init__(self, surrogate: Surrogate, at: Mapping[str, Any] | None = None) -> None:
        if not isinstance(surrogate, Surrogate):
            raise InvalidValueError(f"a SurrogateComponent needs a Surrogate, not {surrogate!r}")
        self.surrogate = surrogate
        layout, values = surrogate.source.layout, surrogate.source.values()
        held = [name for name in surrogate.box if name in layout.inputs]
        fixed = [name for name in surrogate.box if name not in held]
        self._at: dict[str, float] = {}
        for name in at or {}:
            if name not in fixed:
                raise unknown_name("parameter or start", name, fixed, "the box of this surrogate")
        for name in fixed:
            unit = layout.find(name).variable.unit
            self._at[name] = as_number({**values, **(at or {})}[name], unit, f"{name!r} of a surrogate")
        self._check(self._at)
        self._inputs = {
            name: Port(
                name, layout.find(name).variable.unit, Causality.INPUT, default=_number(values.get(name)),
                doc=layout.find(name).variable.doc,
            )
            for name in held
        }  # fmt: skip
        self._outputs = {
            tag: Port(tag, unit, Causality.OUTPUT, doc=layout.find(tag).variable.doc)
            for tag, unit in zip(surrogate.tags, surrogate.units, strict=True)
        }
        self._begin = 0.0
        self._given: dict[str, float] = {}
        self._rows: Array = np.empty((0, 0))

    def _check(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            low, high = self.surrogate.box[name]
            if not low - _SAME * (high - low) <= value <= high + _SAME * (high - low):
                raise BoundsError(
                    f"{name} = {value:g} is outside what the surrogate was trained on, {low:g} to {high:g}: use the "
                    "detailed model, or train over a larger box"
                )

    @property
    def time_unit(self) -> str:
        """Unit of `t` and `dt`."""
        return self.surrogate.source.time_unit

    @property
    def inputs(self) -> Mapping[str, Port]:
        """Inputs of the model that are in the box."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, Port]:
        """The tags."""
        return self._outputs

    @property
    def content_hash(self) -> str:
        """SHA-256 of what determines its results."""
        return digest([self.surrogate.content_hash, self._at])

    def __repr__(self) -> str:
        return f"SurrogateComponent({self.surrogate!r})"

    def initialize(self, t0: float, inputs: Values) -> Values:
        """Start at `t0`; the inputs of then hold for the whole run."""
        self._begin = t0
        self._given = {name: float(np.asarray(inputs.get(name, port.default), dtype=np.float64).reshape(()))
                       for name, port in self._inputs.items()}  # fmt: skip
        self._check(self._given)
        made = self.surrogate.predict({**self._at, **self._given})
        self._rows = np.column_stack([made[tag][0] for tag in self.surrogate.tags])
        return self._shown(t0)

    def step(self, t: float, dt: float, inputs: Values) -> Values:
        """Return the outputs at ``t + dt``.

        Raises
        ------
        StepError
            If an input has moved, or the end is later than the surrogate was trained for.
        """
        for name, value in self._given.items():
            low, high = self.surrogate.box[name]
            now = float(np.asarray(inputs.get(name, value), dtype=np.float64).reshape(()))
            if not abs(now - value) <= _SAME * (high - low):
                raise StepError(
                    f"{self!r}: {name} moved from {value:g} to {now:g}; this surrogate was trained with inputs held "
                    "for the whole run", time=t, values=inputs,
                )  # fmt: skip
        end = self.surrogate.time[-1]
        if t + dt - self._begin > end * (1 + 1e-9):
            raise StepError(
                f"{self!r} was trained until {end:g} {self.time_unit}, not {t + dt - self._begin:g}",
                time=t, values=inputs,
            )  # fmt: skip
        return self._shown(t + dt)

    def _shown(self, t: float) -> Values:
        time = self.surrogate.time
        return {
            tag: float(np.interp(t - self._begin, time, self._rows[:, k])) for k, tag in enumerate(self.surrogate.tags)
        }

    def snapshot(self) -> Any:
        """Return what determines how it goes on."""
        return self._begin, dict(self._given), self._rows.copy()

    def restore(self, state: Any) -> None:
        """Go on from a snapshot."""
        self._begin, self._given, self._rows = state[0], dict(state[1]), state[2].copy()

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
