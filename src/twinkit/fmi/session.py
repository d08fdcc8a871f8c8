"""A loaded FMU: inspect, reset, step, save and restore, close."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Self

import numpy as np

from twinkit.core.component import Array, StepError
from twinkit.core.errors import InvalidValueError, SimulationError, unknown_name
from twinkit.fmi._archive import DESCRIPTION, ArchiveLimits, open_archive, read_member
from twinkit.fmi._engine import Engine
from twinkit.fmi._errors import UnsupportedFMUError
from twinkit.fmi._exchange import Integration
from twinkit.fmi._instance import CallFailedError
from twinkit.fmi._isolated import Isolation
from twinkit.fmi._parse import parse_description
from twinkit.fmi._xml import MAX_BYTES
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind


class Backend(Enum):
    """Which library runs the FMU."""

    FMPY = "fmpy"
    PYFMI = "pyfmi"


def read_description(path: str | os.PathLike[str]) -> FMUDescription:
    """Return what an FMU says about itself. Nothing is extracted, and none of its code is run.

    Raises
    ------
    FMUFileError
        If the file is not an FMU, or its description is broken.
    UnsupportedFMUError
        For an unknown version of FMI.
    """
    with open_archive(path) as archive:
        return parse_description(read_member(archive, DESCRIPTION, MAX_BYTES))


def choose_kind(description: FMUDescription, kind: Kind | str | None) -> Kind:
    """Return the kind to use: the one asked for, or co-simulation where there is a choice."""
    if not description.kinds:
        raise UnsupportedFMUError(f"{description.model_name} offers neither co-simulation nor model exchange")
    if kind is None:
        return description.kinds[0]
    try:
        wanted = Kind(kind)
    except ValueError:
        raise unknown_name("kind", str(kind), [k.value for k in Kind], "FMI") from None
    if wanted not in description.kinds:
        offered = ", ".join(repr(k.value) for k in description.kinds)
        raise UnsupportedFMUError(f"{description.model_name} does not offer {wanted.value!r}, only {offered}")
    return wanted


class Session:
    """An FMU that is loaded and can be run; a context manager that always frees what it holds.

    Parameters
    ----------
    path
        The ``.fmu`` file.
    backend
        "fmpy" (default) or "pyfmi".
    kind
        "cs" or "me"; None: co-simulation where the FMU offers both.
    isolate
        True, or an `Isolation` with limits: run the FMU in a process of its own.
    integration
        How a model-exchange FMU is integrated.
    limits
        For the archive.

    Attributes
    ----------
    description
        What the FMU says about itself.
    kind
        The kind in use.
    time
        Where it is; NaN before `reset`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        backend: Backend | str = Backend.FMPY,
        kind: Kind | str | None = None,
        isolate: bool | Isolation = False,
        integration: Integration | None = None,
        limits: ArchiveLimits | None = None,
    ) -> None:
        self.path = Path(path)
        self.description = read_description(path)
        self.kind = choose_kind(self.description, kind)
        self.time = math.nan
        self._closed = False
        options = (self.kind, integration or Integration(), limits or ArchiveLimits())
        self._engine: Engine = _make_engine(self.path, self.description, _backend(backend), isolate, *options)
        self.can_restore = self._engine.can_restore
        self.can_differentiate = self._engine.can_differentiate
        self._outputs = tuple(v.name for v in self.description.of("output") if v.type.value not in ("Binary", "Clock"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the FMU, its library, process and folder; calling it again does nothing."""
        if not self._closed:
            self._closed = True
            self._engine.close()

    def __repr__(self) -> str:
        where = "closed" if self._closed else "not started" if math.isnan(self.time) else f"at {self.time:g}"
        return f"Session({self.description.model_name!r}, {self.kind.value}, {where})"

    # -- run ---------------------------------------------------------------------------------------------------
    def reset(
        self, start_values: Mapping[str, Any] | None = None, t0: float = 0.0, *, stop: float | None = None
    ) -> dict[str, Any]:
        """Start, or start again, and return the outputs at `t0`.

        Parameters
        ----------
        start_values
            Parameter, input or initial value -> value. What is not named keeps the FMU's start value.
        t0
            Start time.
        stop
            End of the run, for FMUs that want to know it.

        Raises
        ------
        StepError
            If the FMU does not start.
        UnknownNameError, InvalidValueError
            For a value that cannot be set.
        """
        given = {self._settable(name).name: value for name, value in (start_values or {}).items()}
        self._open()
        self.time = math.nan
        self._guarded(lambda: self._engine.start(given, float(t0), stop), float(t0), given)
        self.time = float(t0)
        return self.get(*self._outputs)

    def step(self, dt: float, inputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Set inputs, advance by `dt` and return the outputs.

        Raises
        ------
        StepError
            If the FMU reports anything but success.
        InvalidValueError
            If `dt` is not positive.
        """
        self._started()
        check_step(dt)
        given = {self._settable(name).name: value for name, value in (inputs or {}).items()}

        def go() -> dict[str, Any]:
            self._engine.write(given, self.time)
            self._engine.advance(self.time, float(dt))
            return self._engine.read(self._outputs)

        outputs = self._guarded(go, self.time, given)
        self.time += float(dt)
        return outputs

    def get(self, *names: str) -> dict[str, Any]:
        """Return present values of variables, by name."""
        self._started()
        for name in names:
            self._variable(name)
        return self._guarded(lambda: self._engine.read(names), self.time, {})

    def set(self, values: Mapping[str, Any]) -> None:
        """Set inputs and tunable parameters now."""
        self._started()
        given = {self._settable(name).name: value for name, value in values.items()}
        self._guarded(lambda: self._engine.write(given, self.time), self.time, given)

    def state(self) -> Any:
        """Return the present state, to go back to with `restore`.

        Raises
        ------
        UnsupportedFMUError
            If the FMU cannot save its state.
        """
        self._started()
        self._need(self.can_restore, "save and restore its state")
        return self.time, self._guarded(self._engine.save, self.time, {})

    def restore(self, state: Any) -> None:
        """Go back to a saved state of this session."""
        self._started()
        self._need(self.can_restore, "save and restore its state")
        time, saved = state
        self._guarded(lambda: self._engine.restore(saved), self.time, {})
        self.time = time

    def derivatives(self, of: Sequence[str], to: Sequence[str]) -> Array:
        """Return d(`of`)/d(`to`) at the present point: one row per value of `of`, one column per value of `to`."""
        self._started()
        self._need(self.can_differentiate, "provide directional derivatives")
        for name in (*of, *to):
            self._variable(name)
        return self._guarded(lambda: self._engine.derivatives(of, to), self.time, {})

    def bind(self, inputs: Sequence[str], outputs: Sequence[str], source: Array, target: Array) -> Callable[..., None]:
        """Return a fast ``step(t, dt)`` that reads `source` and writes `target` (see `twinkit.core.component.Binds`).

        The session's `time` follows only `step`; whoever binds keeps the time.
        """
        self._open()
        for array in (source, target):
            if array.dtype != np.float64 or not array.flags.c_contiguous:
                raise InvalidValueError("bind needs contiguous arrays of float64")
        raw = self._engine.bind(inputs, outputs, source, target)

        def step(t: float, dt: float) -> None:
            if not dt > 0:
                check_step(dt)
            try:
                raw(t, dt)
            except (CallFailedError, StepError, InvalidValueError) as error:
                raise self._explained(error, t, self._named(inputs, source)) from None

        return step

    def _named(self, names: Sequence[str], values: Array) -> dict[str, Any]:
        """Return name -> value from a flat array."""
        found: dict[str, Any] = {}
        position = 0
        for name in names:
            v = self.description.variables[name]
            part = values[position : position + v.width].tolist()
            found[name] = tuple(part) if v.shape else part[0]
            position += v.width
        return found

    # -- checks ------------------------------------------------------------------------------------------------
    def _open(self) -> None:
        if self._closed:
            raise SimulationError(f"the session of {self.path.name} is closed")

    def _started(self) -> None:
        self._open()
        if math.isnan(self.time):
            raise SimulationError(f"{self.path.name} has not been started: call reset() first")

    def _need(self, able: bool, what: str) -> None:
        if not able:
            raise UnsupportedFMUError(f"{self.path.name} cannot {what} (in {self.kind.value}, as its description says)")

    def _variable(self, name: str) -> FMUVariable:
        found = self.description.variables.get(name)
        if found is None:
            raise unknown_name("variable", name, self.description.variables, self.path.name)
        return found

    def _settable(self, name: str) -> FMUVariable:
        variable = self._variable(name)
        if variable.causality == "structuralParameter":
            raise UnsupportedFMUError(f"{name!r} is a structural parameter: changing it is not supported")
        calculated = variable.initial == "calculated" or variable.causality in ("calculatedParameter", "independent")
        if variable.variability == "constant" or (calculated and variable.causality != "input"):
            raise InvalidValueError(f"{name!r} of {self.path.name} is calculated by the FMU and cannot be set")
        return variable

    def _guarded(self, action: Callable[[], Any], time: float, values: Mapping[str, Any]) -> Any:
        try:
            return action()
        except (CallFailedError, StepError) as error:
            raise self._explained(error, time, values) from None

    def _explained(self, error: Exception, time: float, values: Mapping[str, Any]) -> Exception:
        """Return a `StepError` that says where, when and with what."""
        name = self.path.name
        if isinstance(error, InvalidValueError):
            return error
        kind = type(error) if isinstance(error, StepError) else StepError
        shown = f" with {dict(values)}" if values else ""
        return kind(f"{name} at t = {time:g}{shown}: {error.args[0]}", component=name, time=time, values=values)


def check_step(dt: float) -> None:
    """Raise unless a step is positive and finite: FMUs do not define steps of no length."""
    if not (dt > 0 and math.isfinite(dt)):
        raise InvalidValueError(f"a step is longer than 0, not {dt!r}")


def _backend(backend: Backend | str) -> Backend:
    try:
        return Backend(backend)
    except ValueError:
        raise unknown_name("backend", str(backend), [b.value for b in Backend], "FMI") from None


def _make_engine(
    path: Path,
    description: FMUDescription,
    backend: Backend,
    isolate: bool | Isolation,
    kind: Kind,
    integration: Integration,
    limits: ArchiveLimits,
) -> Engine:
    if backend is Backend.PYFMI:
        from twinkit.fmi._pyfmi import PyFMIEngine

        if isolate:
            raise UnsupportedFMUError("isolate works with backend='fmpy' only")
        return PyFMIEngine(path, description, kind, limits)
    if isolate:
        from twinkit.fmi._isolated import IsolatedEngine

        isolation = isolate if isinstance(isolate, Isolation) else Isolation()
        return IsolatedEngine(path, description, kind, integration, limits, isolation)
    from twinkit.fmi._engine import NativeEngine

    return NativeEngine(path, description, kind, integration, limits)


def open(path: str | os.PathLike[str], **options: Any) -> Session:
    """Load an FMU; `options` are those of `Session`.

    Examples
    --------
    ::

        with tk.fmi.open("spring.fmu") as fmu:
            fmu.reset({"m": 2.0})
            outputs = fmu.step(0.01, {"force": 1.0})
    """
    return Session(path, **options)
