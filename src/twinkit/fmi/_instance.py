"""One instance of an FMU in this process, through FMPy's bindings: checked status, typed reads and writes."""

from __future__ import annotations

import ctypes
import itertools
import os
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from twinkit.core.errors import InvalidValueError, MissingDependencyError
from twinkit.fmi._errors import FMUFileError, UnsupportedFMUError
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind
from twinkit.fmi.description import VariableType as Type

OK, WARNING, DISCARD, ERROR, FATAL, PENDING = range(6)
_WORDS = {DISCARD: "discard", ERROR: "error", FATAL: "fatal", PENDING: "pending"}
_counter = itertools.count()
_logs: dict[str, deque[str]] = {}  # instance name -> last messages


class CallFailedError(Exception):
    """A call of the FMU that returned a bad status (turned into a `StepError` by whoever knows the time)."""

    def __init__(self, function: str, status: int, messages: Sequence[str]) -> None:
        said = f"; it says: {' | '.join(messages)}" if messages else ""
        super().__init__(f"{function} returned {_WORDS.get(status, f'the illegal status {status}')}{said}")
        self.status = status


class Events(NamedTuple):
    """What an FMU answers to an update of its discrete states."""

    again: bool
    terminate: bool
    nominals_changed: bool
    states_changed: bool
    next_time: float | None


class Group:
    """Variables of one FMI type, in order, with the arrays to pass them."""

    def __init__(self, variables: Sequence[FMUVariable], ctype: Any) -> None:
        self.variables = tuple(variables)
        self.count = len(self.variables)
        self.width = sum(v.width for v in self.variables)
        self.references = (ctypes.c_uint * self.count)(*(v.reference for v in self.variables))
        self.values = (ctype * self.width)()


class Instance:
    """One FMU instance; a subclass per version of FMI says how its functions are called.

    Parameters
    ----------
    description
        Of the FMU.
    directory
        Where the archive was extracted.
    kind
        Co-simulation or model exchange.
    """

    prefix: ClassVar[str]
    types: ClassVar[dict[Type, tuple[str, Any]]]
    state_word: ClassVar[str]
    sized: ClassVar[bool] = False  # whether Get and Set also take the number of values

    def __init__(self, description: FMUDescription, directory: Path, kind: Kind) -> None:
        interface = description.interface(kind)
        if interface is None:
            raise UnsupportedFMUError(f"{description.model_name} does not offer {kind.name.lower()}")
        self.description, self.kind, self.interface = description, kind, interface
        self.name = f"{interface.identifier[:40]}-{next(_counter)}"
        self.log: deque[str] = deque(maxlen=5)
        self.fmu = self._load(directory)
        self.final = 0 if interface.can_save_state else 1  # a step that will not be taken back
        self.handle: Any = None
        self.dead = False  # after a fatal status: nothing may be called
        self.broken = False  # after an error: it may only be freed
        self._cache: dict[str, Callable[..., int]] = {}
        self._groups: dict[tuple[Type, tuple[str, ...]], Group] = {}

    def _load(self, directory: Path) -> Any:
        made = self._class()
        here_we_were = os.getcwd()  # FMPy changes it, and leaves it so when loading fails
        try:
            return made(
                guid=self.description.token, modelIdentifier=self.interface.identifier,
                unzipDirectory=str(directory), instanceName=self.name,
            )  # fmt: skip
        except Exception as error:  # FMPy raises bare exceptions here
            here = sorted(p.name for p in (directory / "binaries").glob("*"))
            raise UnsupportedFMUError(
                f"the library of {self.description.model_name} cannot be loaded on this machine ({error}); "
                f"the FMU has binaries for: {', '.join(here) or 'no platform'}"
            ) from None
        finally:
            os.chdir(here_we_were)

    def _class(self) -> Any:
        raise NotImplementedError

    # -- calls -------------------------------------------------------------------------------------------------
    def function(self, name: str) -> Callable[..., int]:
        """Return the C function of this name (without its prefix)."""
        found = self._cache.get(name)
        if found is None:
            try:
                found = getattr(self.fmu.dll, self.prefix + name)
            except AttributeError:
                raise UnsupportedFMUError(
                    f"the library of {self.description.model_name} has no function {self.prefix + name}"
                ) from None
            self._cache[name] = found
        return found

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of this instance; a status worse than a warning is an exception."""
        status = self.function(name)(self.handle, *arguments)
        if status > WARNING:
            raise self.failed(name, status)

    def failed(self, name: str, status: int) -> CallFailedError:
        """Return the exception for a bad status, and remember a fatal one."""
        self.dead = self.dead or status == FATAL
        self.broken = self.broken or status >= ERROR
        messages, _ = list(self.log), self.log.clear()
        return CallFailedError(self.prefix + name, status, messages)

    # -- life --------------------------------------------------------------------------------------------------
    def instantiate(self) -> None:
        """Make the instance.

        Raises
        ------
        FMUFileError
            If the FMU refuses.
        """
        try:
            self._instantiate()
        except Exception:  # FMPy raises a bare exception
            self.handle = None
        else:
            self.handle = self.fmu.component
        if not self.handle:
            said = f": {' | '.join(self.log)}" if self.log else ""
            raise FMUFileError(f"{self.description.model_name} could not be instantiated{said}")
        self.dead = self.broken = False

    def _instantiate(self) -> None:
        self.fmu.instantiate()

    def free(self) -> None:
        """Free the instance; its library stays loaded. After a fatal status nothing may be called any more."""
        if self.handle and not self.dead:
            self.function("FreeInstance")(self.handle)
        self.handle = None

    def unload(self) -> None:
        """Free the instance and unload the library."""
        self.free()
        self._cache.clear()
        _logs.pop(self.name, None)
        if not self.dead:
            self.fmu.freeLibrary()

    # -- values ------------------------------------------------------------------------------------------------
    def groups(self, variables: Sequence[FMUVariable]) -> list[Group]:
        """Return the variables grouped by type, each group ready to pass."""
        found: list[Group] = []
        for kind in dict.fromkeys(v.type for v in variables):
            chosen = [v for v in variables if v.type is kind]
            key = (kind, tuple(v.name for v in chosen))
            if key not in self._groups:
                self._groups[key] = Group(chosen, self._ctype(kind))
            found.append(self._groups[key])
        return found

    def _ctype(self, kind: Type) -> Any:
        if kind not in self.types:
            raise UnsupportedFMUError(
                f"variables of type {kind.value} are not supported in FMI {self.description.fmi_version}"
            )
        return self.types[kind][1]

    def access(self, verb: str, group: Group) -> None:
        """Call Get or Set for a group."""
        stem = self.types[group.variables[0].type][0]
        sizes = (group.width,) if self.sized else ()
        self.call(f"{verb}{stem}", group.references, group.count, group.values, *sizes)

    def read(self, variables: Sequence[FMUVariable]) -> dict[str, Any]:
        """Return name -> value; arrays are flat tuples."""
        values: dict[str, Any] = {}
        for group in self.groups(variables):
            self.access("Get", group)
            position = 0
            for v in group.variables:
                part = [_python(value, v.type) for value in group.values[position : position + v.width]]
                position += v.width
                values[v.name] = tuple(part) if v.shape else part[0]
        return {v.name: values[v.name] for v in variables}

    def write(self, values: dict[FMUVariable, Any]) -> None:
        """Set variables to values that fit their types and shapes."""
        for group in self.groups(list(values)):
            flat: list[Any] = []
            for v in group.variables:
                given = values[v] if v.shape else (values[v],)
                flat += [native_value(value, v) for value in given]
            if len(flat) != group.width:
                raise InvalidValueError(f"{group.variables[0].name!r} has another number of values than were given")
            group.values[:] = flat
            self.access("Set", group)

    # -- what a subclass provides ------------------------------------------------------------------------------
    def setup(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        """Prepare the experiment (FMI 2)."""

    def enter_initialization(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        """Enter initialization mode."""
        raise NotImplementedError

    def exit_initialization(self) -> None:
        """Leave initialization mode."""
        self.call("ExitInitializationMode")

    def do_step(self, t: float, dt: float) -> None:
        """Take a co-simulation step."""
        raise NotImplementedError

    def update_discrete(self) -> Events:
        """Update the discrete states once (event mode)."""
        raise NotImplementedError

    def completed_step(self) -> tuple[bool, bool]:
        """Say that an integrator step is complete; return whether an event is needed and whether to end."""
        raise NotImplementedError

    def derivatives_into(self, target: Any, count: int) -> None:
        """Write the state derivatives to an array."""
        raise NotImplementedError

    def directional(self, of: Sequence[int], to: Sequence[int], seed: Sequence[float]) -> list[float]:
        """Return the derivatives of unknowns in a direction of knowns."""
        raise NotImplementedError


def import_fmpy(module: str) -> Any:
    """Return a module of FMPy, or say which extra brings it."""
    from importlib import import_module

    try:
        return import_module(f"fmpy.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "fmpy":
            raise
        raise MissingDependencyError.for_package("fmpy", "fmi", "running an FMU") from None


def _python(value: Any, kind: Type) -> Any:
    if kind is Type.STRING:
        return "" if value is None else value.decode("utf-8", "replace")
    return bool(value) if kind is Type.BOOLEAN else value


def native_value(value: Any, variable: FMUVariable) -> Any:
    """Return a value as ctypes takes it for the variable's type, or raise."""
    kind = variable.type
    if kind is Type.STRING:
        if not isinstance(value, str) or "\0" in value:
            raise InvalidValueError(f"{variable.name!r} is a text without null characters, not {value!r}")
        return value.encode("utf-8")
    if kind is Type.BINARY:
        raise UnsupportedFMUError(f"{variable.name!r}: binary variables cannot be set")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidValueError(f"{variable.name!r} is a number, not {value!r}") from None
    if kind.is_float:
        return number
    if number != number or number in (float("inf"), float("-inf")) or number != round(number):
        raise InvalidValueError(f"{variable.name!r} is {kind.value}: {value!r} is not a whole number")
    if kind is Type.BOOLEAN and number not in (0.0, 1.0):
        raise InvalidValueError(f"{variable.name!r} is true or false, not {value!r}")
    whole = int(value) if isinstance(value, int) else int(number)
    low, high = _RANGES.get(kind, (-(2**31), 2**31 - 1))
    if not low <= whole <= high:
        raise InvalidValueError(f"{variable.name!r} is {kind.value}: {whole} is outside [{low}, {high}]")
    return whole


_RANGES = {
    Type.INT8: (-(2**7), 2**7 - 1), Type.UINT8: (0, 2**8 - 1), Type.INT16: (-(2**15), 2**15 - 1),
    Type.UINT16: (0, 2**16 - 1), Type.UINT32: (0, 2**32 - 1), Type.INT64: (-(2**63), 2**63 - 1),
    Type.UINT64: (0, 2**64 - 1), Type.BOOLEAN: (0, 1),
}  # fmt: skip


def keep_message(name: str, message: str) -> None:
    """Keep a message of an instance, to be shown should a call fail."""
    if name in _logs:
        _logs[name].append(message[:500])


def collect(name: str, log: deque[str]) -> None:
    """Let messages of the instance with this name go to `log`."""
    _logs[name] = log
