"""A loaded FMU: inspect, reset, step, save and restore, close."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from twinkit.core.component import Array, StepError
from twinkit.core.errors import DataError, InvalidValueError, SimulationError, TwinkitError, unknown_name
from twinkit.core.units import as_array, as_number
from twinkit.fmi._archive import DESCRIPTION, ArchiveLimits, open_archive, read_member
from twinkit.fmi._backend import Backend, Engine, as_backend, make_engine, split_values
from twinkit.fmi._clocks import is_triggered
from twinkit.fmi._errors import UnsupportedFMUError
from twinkit.fmi._exchange import Exchange, Integration
from twinkit.fmi._instance import CallFailedError
from twinkit.fmi._isolated import Isolation
from twinkit.fmi._parse import parse_description
from twinkit.fmi._state_file import pack_state, unpack_state
from twinkit.fmi._values import plain_value
from twinkit.fmi._xml import MAX_BYTES
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind


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
        why = "only scheduled execution, which is not run here" if description.scheduled_execution else (
            "neither co-simulation nor model exchange"
        )  # fmt: skip
        raise UnsupportedFMUError(f"{description.model_name} offers {why}")
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
    event_mode
        True: an FMI 3 co-simulation uses event mode, which clocks and discrete inputs need, and may return early from
        a step, at its events. Model exchange always has events.

    Attributes
    ----------
    description
        What the FMU says about itself, with the sizes of arrays that `reset` has set.
    kind
        The kind in use.
    time
        Where it is; NaN before `reset`.
    ticks
        (time, clock) of the ticks in the last `reset`, `step` or `set`, in order.
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
        event_mode: bool = False,
    ) -> None:
        self.path = Path(path)
        self.description = self._declared = read_description(path)
        self.kind = choose_kind(self.description, kind)
        self.time = math.nan
        self.ticks: tuple[tuple[float, str], ...] = ()
        self.event_mode = event_mode
        self._start: tuple[dict[str, Any], float, float | None] = ({}, 0.0, None)  # what `reset` was given
        self._closed = False
        self._check_event_mode()
        options = (self.kind, integration or Integration(), limits or ArchiveLimits())
        self._engine: Engine = make_engine(
            self.path, self.description, as_backend(backend), isolate, *options, event_mode
        )
        self.can_restore = self._engine.can_restore
        self.can_serialize = self._engine.can_serialize
        self.can_differentiate = self._engine.can_differentiate
        self.can_adjoint = self._engine.can_adjoint
        self._outputs = tuple(v.name for v in self.description.of("output") if v.clock is None)

    def _check_event_mode(self) -> None:
        interface = self.description.interface(self.kind)
        if self.event_mode and self.kind is Kind.CO_SIMULATION and not (interface and interface.has_event_mode):
            raise UnsupportedFMUError(f"{self.path.name} has no event mode in co-simulation")

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
            Parameter, input or initial value -> value. What is not named keeps the FMU's start value. Structural
            parameters change the sizes of arrays. The value of a clock with an interval is its interval.
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
        given = self._given(start_values, starting=True)
        self._open()
        t0, stop = as_number(t0, "", "a start time"), None if stop is None else as_number(stop, "", "a stop time")
        self.time = math.nan
        description = self._declared.resized(given)
        self._guarded(lambda: self._engine.start(given, float(t0), stop), float(t0), given)
        self.description, self._start = description, (given, float(t0), stop)
        self.time = float(t0)
        self._take_ticks()
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
        given = self._given(inputs)

        def go() -> dict[str, Any]:
            self._engine.write(given, self.time)
            self._engine.advance(self.time, float(dt))
            return self._engine.read(self._outputs)

        outputs = self._guarded(go, self.time, given)
        self.time += float(dt)
        self._take_ticks()
        return outputs

    def get(self, *names: str) -> dict[str, Any]:
        """Return present values of variables, by name; of a clock, whether it ticked in the last call."""
        self._started()
        clocks = {name for name in names if self._variable(name).clock is not None}
        values = self._guarded(lambda: self._engine.read([n for n in names if n not in clocks]), self.time, {})
        ticked = {name for _, name in self.ticks}
        return {name: name in ticked if name in clocks else values[name] for name in names}

    def set(self, values: Mapping[str, Any]) -> None:
        """Set inputs and tunable parameters now.

        A triggered clock that is set to True ticks; a value for an input of clocks is taken when one of them ticks.
        """
        self._started()
        given = self._given(values)
        self._guarded(lambda: self._engine.write(given, self.time), self.time, given)
        self._take_ticks()

    def _take_ticks(self) -> None:
        self.ticks = tuple(self._engine.ticks()) if self.description.clocks else ()

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
        if not (isinstance(state, tuple) and len(state) == 2):
            raise SimulationError("this is not a state of an FMU")
        time, saved = state
        self._guarded(lambda: self._engine.restore(saved), self.time, {})
        self.time, self.ticks = time, ()

    def serialize(self) -> bytes:
        """Return the present state as bytes, to go on from with `deserialize`, also in another process.

        Raises
        ------
        UnsupportedFMUError
            If the FMU cannot serialize its state.
        """
        self._started()
        self._need(self.can_serialize, "serialize its state")
        known, data = self._guarded(self._engine.serialize, self.time, {})
        values, t0, stop = self._start
        mine = {"token": self._declared.token, "kind": self.kind.value, "event_mode": self.event_mode}
        run = {"time": self.time, "start": values, "t0": t0, "stop": stop}
        return pack_state({**mine, **run, "known": known}, data)

    def deserialize(self, record: bytes) -> None:
        """Go to a state that `serialize` returned: the FMU is started as it was then, and put into that state.

        Raises
        ------
        DataError
            If the record is damaged, or of another FMU or kind.
        UnsupportedFMUError
            If the FMU cannot serialize its state.
        """
        self._open()
        self._need(self.can_serialize, "serialize its state")
        head, data = unpack_state(record)
        mine = {"token": self._declared.token, "kind": self.kind.value, "event_mode": self.event_mode}
        for what, value in mine.items():
            if head.get(what) != value:
                raise DataError(f"the state is of another FMU or session: its {what} is {head.get(what)!r}")
        try:
            self.reset(head["start"], head["t0"], stop=head["stop"])
            self._guarded(lambda: self._engine.deserialize(head["known"], data), head["time"], {})
            self.time = float(head["time"])
        except TwinkitError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"the state of {self.path.name} cannot be read: {error!r}") from None

    def adjoint_derivatives(self, of: Sequence[str], to: Sequence[str], seed: Sequence[float]) -> Array:
        """Return ``seed @ d(of)/d(to)`` at the present point, where the FMU provides adjoint derivatives (FMI 3).

        Parameters
        ----------
        of, to
            Names of the unknowns and of the knowns.
        seed
            One number per value of `of`.

        Returns
        -------
        array
            One number per value of `to`.
        """
        self._started()
        self._need(self.can_adjoint, "provide adjoint derivatives")
        self._check_floats((*of, *to))
        width = sum(self._variable(name).width for name in of)
        numbers = np.atleast_1d(as_array(seed, "", "the seed")).ravel().tolist()
        if len(numbers) != width:
            raise InvalidValueError(f"the seed has {width} numbers, one per value of {tuple(of)}, not {len(numbers)}")
        return self._guarded(lambda: self._engine.adjoint(of, to, numbers), self.time, {})

    def derivatives(self, of: Sequence[str], to: Sequence[str]) -> Array:
        """Return d(`of`)/d(`to`) at the present point: one row per value of `of`, one column per value of `to`."""
        self._started()
        self._need(self.can_differentiate, "provide directional derivatives")
        self._check_floats((*of, *to))
        rows, columns = (sum(self._variable(name).width for name in names) for names in (of, to))
        found = self._guarded(lambda: self._engine.derivatives(of, to), self.time, {})
        return found.reshape(rows, columns)

    @property
    def next_time_event(self) -> float | None:
        """Time of the next time event that the FMU has told of; None: of none (or not in this process)."""
        events = getattr(self._engine, "events", None)
        return None if events is None else events.next_time

    def look(self, t: float, states: Sequence[float], *names: str) -> dict[str, Any]:
        """Return values of variables where time and continuous states are these, with all else as it is.

        Raises
        ------
        UnsupportedFMUError
            If this is not model exchange in this process.
        StepError
            If the FMU reports anything but success.
        """
        self._started()
        driver = getattr(self._engine, "driver", None)
        if not isinstance(driver, Exchange):
            raise UnsupportedFMUError(f"{self.path.name} is not run in this process for model exchange")
        self._guarded(lambda: driver.place(t, np.asarray(states, dtype=np.float64)), t, {})
        return self.get(*names)

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
                raise self._explained(
                    error, t, split_values([self.description.variables[name] for name in inputs], source)
                ) from None

        return step

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

    def _check_floats(self, names: Sequence[str]) -> None:
        for name in names:
            if not self._variable(name).type.is_float:
                raise InvalidValueError(f"{name!r} is {self._variable(name).type.value}: it has no derivatives")

    def _given(self, values: Mapping[str, Any] | None, *, starting: bool = False) -> dict[str, Any]:
        """Return values that may be set, without NumPy; at the start, also structural parameters."""
        return {self._settable(name, starting).name: plain_value(value) for name, value in (values or {}).items()}

    def _settable(self, name: str, starting: bool) -> FMUVariable:
        variable = self._variable(name)
        if variable.causality == "structuralParameter" and not starting:
            raise UnsupportedFMUError(f"{name!r} is a structural parameter: it can be set by reset() only")
        if is_triggered(variable) and (starting or variable.causality != "input"):
            why = "it can tick after reset() only" if variable.causality == "input" else "the FMU ticks it"
            raise InvalidValueError(f"{name!r} of {self.path.name} cannot be set: {why}")
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
        shown = f"{shown[:300]}..." if len(shown) > 300 else shown
        return kind(f"{name} at t = {time:g}{shown}: {error.args[0]}", component=name, time=time, values=values)


def check_step(dt: float) -> None:
    """Raise unless a step is positive and finite: FMUs do not define steps of no length."""
    if not (dt > 0 and math.isfinite(dt)):
        raise InvalidValueError(f"a step is longer than 0, not {dt!r}")


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
