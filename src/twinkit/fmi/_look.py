"""Whether an FMU can be a model: what its description says against it, and a first look at how it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twinkit.core.component import Array, StepError
from twinkit.fmi._errors import UnsupportedFMUError
from twinkit.fmi.casadi import FMUFunction
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind
from twinkit.fmi.session import Session

_AGREES = 1e-6  # relative, of rates and outputs: two ways of asking the same FMU
_AWAY = 0.01  # of magnitude plus nominal value: how far from the start they are compared
_TINY = 1e-280  # what is added to results so that CasADi sees what they depend on is smaller


def refuse(file: str, d: FMUDescription, states: Sequence[str], start: Mapping[str, Any]) -> None:
    """Raise if an FMU has what equations without events and arrays cannot stand for."""
    interface = d.interface(Kind.MODEL_EXCHANGE)
    if interface is None:
        raise UnsupportedFMUError(
            f"{file} offers no model exchange, so there are no equations to plan or estimate with"
        )
    others = [
        v.name for v in d.of("input") if not (v.type.is_float and v.variability == "continuous") and v.name not in start
    ]
    arrays = [
        v.name for v in d.variables.values() if v.shape and (v.name in states or v.causality in ("input", "output"))
    ]
    reasons = {
        "only FMI 2.0 and 3.0 can": d.fmi_version == "1.0",
        "it has no continuous states": not states,
        "it has events, which a plan cannot follow": d.indicator_count > 0,
        "it has clocks": bool(d.clocks),
        "it selects its states while it runs": any("$STATESET" in name for name in states),
        "it can be instantiated only once in a process": interface.once_per_process,
        f"{''.join(arrays[:1])!r} is an array, which CasADi does not import: in FMI 2.0 arrays are single variables":
            bool(arrays),
        f"its input {''.join(others[:1])!r} is not continuous: hold it with start={{...}}": bool(others),
    }  # fmt: skip
    for reason, holds in reasons.items():
        if holds:
            raise UnsupportedFMUError(f"{file} cannot be a model: {reason}")


def nominal_of(variable: FMUVariable) -> float | None:
    """Return the nominal value of a variable, where it is one."""
    value = variable.nominal
    return value if value is not None and np.isfinite(value) and value > 0.0 else None


class Look:
    """A first look at an FMU through a session: where it starts, and whether CasADi's import says the same.

    Parameters
    ----------
    session
        The FMU, started.
    reading
        The same through CasADi.
    start
        Start values of what is fixed.
    description
        Of the FMU.

    Attributes
    ----------
    x0, u0, p0
        Values of states, inputs and parameters at the start.
    timed
        Whether the rates change with time alone.

    Raises
    ------
    UnsupportedFMUError
        If a parameter cannot be changed once it has been initialized, or the two do not agree.
    """

    def __init__(
        self, session: Session, reading: FMUFunction, start: Mapping[str, Any], description: FMUDescription
    ) -> None:
        self._session, self._reading, self._start = session, reading, start
        self._t0, self._file = description.start_time or 0.0, session.path.name
        self.x0, self.u0, self.p0 = (self._values(n) for n in (reading.states, reading.inputs, reading.parameters))
        x1, u1 = (self._away(description, n, v) for n, v in ((reading.states, self.x0), (reading.inputs, self.u0)))
        self._compare(self.x0, self.u0, {}, "its states or inputs")
        self._compare(x1, u1, {}, "its states or inputs")
        for name, value in zip(reading.parameters, self._away(description, reading.parameters, self.p0), strict=True):
            self._compare(x1, u1, {name: float(value)}, f"parameter {name!r} when it is changed once initialized")
        length = (description.stop_time or self._t0 + 1.0) - self._t0
        rates = [self._asked(self._t0 + share * length, x1, u1, self.p0) for share in (0.0, 0.37, 1.0)]
        self.timed = not all(np.array_equal(rates[0], other, equal_nan=True) for other in rates)

    def _values(self, names: Sequence[str]) -> Array:
        return np.array(list(self._session.get(*names).values()), dtype=np.float64)

    def _away(self, d: FMUDescription, names: Sequence[str], values: Array) -> Array:
        """Return values a little away from those at the start, within their bounds."""
        found = values.copy()
        for k, name in enumerate(names):
            v = d.variables[name]
            shift = _AWAY * (abs(values[k]) + (nominal_of(v) or (0.0 if values[k] else 1.0)))
            found[k] += -shift if v.maximum is not None and values[k] + shift > v.maximum else shift
        return found

    def _asked(self, t: float, x: Array, u: Array, p: Array) -> Array:
        """Return rates and outputs as CasADi asks for them."""
        from twinkit.readings.casadi import SYMBOLIC

        with SYMBOLIC:
            try:
                return np.concatenate([np.array(part).ravel() for part in self._reading.equations(t, x, u, p)])
            except RuntimeError:  # CasADi's only exception
                return np.full(len(x) + len(self._reading.outputs), np.nan)

    def _compare(self, x: Array, u: Array, changed: Mapping[str, float], what: str) -> None:
        """Raise unless both give the same rates and outputs at a point."""
        p = np.array([changed.get(n, v) for n, v in zip(self._reading.parameters, self.p0, strict=True)])
        inputs = dict(zip(self._reading.inputs, u.tolist(), strict=True))
        self._session.reset({**self._start, **inputs, **changed}, self._t0)
        try:
            # Not by fmi2GetDerivatives: after it some FMUs (of OpenModelica) give outputs of earlier states.
            names = (*self._session.description.derivatives, *self._reading.outputs)
            wanted = np.array(list(self._session.look(self._t0, x.tolist(), *names).values()))
        except StepError:
            return  # a point that it does not like
        found = self._asked(self._t0, x, u, p)
        if np.isfinite(wanted).all() and not np.isfinite(found).all():
            which = ", ".join(map(repr, self._reading.parameters))
            hint = f": perhaps {which} must not be set once it is initialized" if which else ""
            raise UnsupportedFMUError(
                f"{self._file} cannot be a model: it fails when CasADi asks for its equations{hint}"
            )
        size = np.maximum(np.abs(wanted), np.abs(self._asked(self._t0, self.x0, self.u0, self.p0)))  # each its own
        size = np.where(np.isfinite(size), size, 0.0)
        apart = ~np.isclose(found, wanted, rtol=0.0, atol=_AGREES * size + _TINY, equal_nan=True)
        if apart.any():
            raise UnsupportedFMUError(
                f"{self._file} cannot be a model: its equations as CasADi asks for them do not follow {what} (rates "
                f"and outputs {found.tolist()}, not {wanted.tolist()})"
            )
