"""One instance of an FMU in this process, through FMPy's bindings: checked status, typed reads and writes."""

from __future__ import annotations

import ctypes
import itertools
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from twinkit.core.errors import InvalidValueError, MissingDependencyError
from twinkit.fmi._errors import FMUFileError, UnsupportedFMUError
from twinkit.fmi._values import native_value, seen_value
from twinkit.fmi.description import FMUDescription, FMUVariable, Kind
from twinkit.fmi.description import VariableType as Type

OK, WARNING, DISCARD, ERROR, FATAL, PENDING = range(6)
_WORDS = {DISCARD: "discard", ERROR: "error", FATAL: "fatal", PENDING: "pending"}
MAX_STATE = 2**31  # bytes of a serialized state
_counter = itertools.count()
_logs: dict[str, deque[str]] = {}  # instance name -> last messages


class CallFailedError(Exception):
    """A call of the FMU that went wrong (turned into a `StepError` by whoever knows the time)."""

    @classmethod
    def of(cls, function: str, status: int, messages: Sequence[str] = ()) -> CallFailedError:
        """Return the exception for a bad status."""
        said = f"; it says: {' | '.join(messages)}" if messages else ""
        word = _WORDS.get(status, f"the illegal status {status}")
        return cls(f"{function} returned {word}{said}")


class Events(NamedTuple):
    """What an FMU answers to an update of its discrete states."""

    again: bool
    terminate: bool
    nominals_changed: bool
    states_changed: bool
    next_time: float | None


class Progress(NamedTuple):
    """What an FMU answers to a co-simulation step."""

    reached: float
    early: bool = False
    event: bool = False
    ended: bool = False


class StateCalls(NamedTuple):
    """Names of the functions around the state of an FMU."""

    get: str
    set: str
    free: str
    size: str
    serialize: str
    deserialize: str


class Group:
    """Variables of one FMI type, in order, with the arrays to pass them."""

    def __init__(self, variables: Sequence[FMUVariable], ctype: Any) -> None:
        self.variables = tuple(variables)
        self.count = len(self.variables)
        self.width = sum(v.width for v in self.variables)
        self.references = (ctypes.c_uint * self.count)(*(v.reference for v in self.variables))
        self.values = (ctype * self.width)()


class Instance(ABC):
    """One FMU instance; a subclass per version of FMI says how its functions are called.

    Parameters
    ----------
    description
        Of the FMU.
    directory
        Where the archive was extracted.
    kind
        Co-simulation or model exchange.
    event_mode
        Whether a co-simulation (FMI 3) is to use event mode, and may return early from a step.
    """

    prefix: str
    types: ClassVar[dict[Type, tuple[str, Any]]]
    state_calls: ClassVar[StateCalls | None] = None
    sized: ClassVar[bool] = False  # whether Get and Set also take the number of values

    def __init__(self, description: FMUDescription, directory: Path, kind: Kind, event_mode: bool = False) -> None:
        interface = description.interface(kind)
        if interface is None:
            raise UnsupportedFMUError(f"{description.model_name} does not offer {kind.name.lower()}")
        self.description, self.kind, self.interface = description, kind, interface
        self.event_mode = event_mode
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

    @abstractmethod
    def _class(self) -> Any:
        """Return FMPy's class for this version and kind."""

    def use(self, description: FMUDescription) -> None:
        """Take the description with other sizes of arrays."""
        if description is not self.description:
            self.description = description
            self._groups.clear()

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
        return CallFailedError.of(self.prefix + name, status, messages)

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

    @abstractmethod
    def _instantiate(self) -> None:
        """Let FMPy make the instance."""

    def free(self) -> None:
        """Free the instance; its library stays loaded. After a fatal status nothing may be called any more."""
        if self.handle and not self.dead:
            self._free()
        self.handle = None

    def _free(self) -> None:
        self.function("FreeInstance")(self.handle)

    def terminate(self) -> None:
        """Say that the run is over; whatever it answers, it is freed next."""
        self.function("Terminate")(self.handle)

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

    def take(self, group: Group) -> Sequence[Any]:
        """Get the values of a group from the FMU."""
        self.access("Get", group)
        return group.values

    def put(self, group: Group, flat: list[Any]) -> None:
        """Set the values of a group."""
        group.values[:] = flat
        self.access("Set", group)

    def read(self, variables: Sequence[FMUVariable]) -> dict[str, Any]:
        """Return name -> value; arrays are flat tuples."""
        values: dict[str, Any] = {}
        for group in self.groups(variables):
            flat = self.take(group)
            position = 0
            for v in group.variables:
                part = [seen_value(value, v) for value in flat[position : position + v.width]]
                position += v.width
                values[v.name] = tuple(part) if v.shape else part[0]
        return {v.name: values[v.name] for v in variables}

    def checked(self, values: Mapping[FMUVariable, Any]) -> list[tuple[Group, list[Any]]]:
        """Return values by group, ready to be set, or raise `InvalidValueError` for those that do not fit."""
        ready: list[tuple[Group, list[Any]]] = []
        for group in self.groups(list(values)):
            flat: list[Any] = []
            for v in group.variables:
                given = values[v] if v.shape else (values[v],)
                if v.shape and not (isinstance(given, (tuple, list)) and len(given) == v.width):
                    wrong = (
                        f"{v.name!r} of shape {v.shape} was given another number of values than {v.width}: {given!r}"
                    )
                    raise InvalidValueError(wrong[:300])
                flat += [native_value(value, v) for value in given]
            ready.append((group, flat))
        return ready

    def write(self, values: Mapping[FMUVariable, Any]) -> None:
        """Set variables; all values are checked before one is set."""
        for group, flat in self.checked(values):
            self.put(group, flat)

    # -- state -------------------------------------------------------------------------------------------------
    def _state_calls(self) -> StateCalls:
        if self.state_calls is None:
            raise UnsupportedFMUError(f"FMI {self.description.fmi_version} cannot save the state of an FMU")
        return self.state_calls

    def get_state(self) -> ctypes.c_void_p:
        """Return the state; `free_state` frees it."""
        pointer = ctypes.c_void_p()
        self.call(self._state_calls().get, ctypes.byref(pointer))
        return pointer

    def set_state(self, pointer: ctypes.c_void_p) -> None:
        """Go to a state."""
        self.call(self._state_calls().set, pointer)

    def free_state(self, pointer: ctypes.c_void_p) -> None:
        """Free the memory of a state."""
        self.function(self._state_calls().free)(self.handle, ctypes.byref(pointer))

    def serialize_state(self, pointer: ctypes.c_void_p) -> bytes:
        """Return a state as bytes."""
        size = ctypes.c_size_t()
        self.call(self._state_calls().size, pointer, ctypes.byref(size))
        if size.value > MAX_STATE:
            raise CallFailedError(f"a state of {size.value} bytes is too large")
        buffer = (ctypes.c_uint8 * size.value)()
        self.call(self._state_calls().serialize, pointer, ctypes.cast(buffer, self._byte_pointer()), size)
        return bytes(buffer)

    def deserialize_state(self, data: bytes) -> ctypes.c_void_p:
        """Return the state that was made into these bytes; `free_state` frees it."""
        buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
        pointer = ctypes.c_void_p()
        arguments = (ctypes.cast(buffer, self._byte_pointer()), len(data), ctypes.byref(pointer))
        self.call(self._state_calls().deserialize, *arguments)
        return pointer

    def _byte_pointer(self) -> Any:
        """Return the type FMPy wants for a pointer to bytes."""
        return ctypes.POINTER(ctypes.c_uint8)

    # -- what a subclass provides ------------------------------------------------------------------------------
    def configure(self, values: Mapping[FMUVariable, Any]) -> None:
        """Set structural parameters, before anything else."""
        if values:
            raise UnsupportedFMUError(f"FMI {self.description.fmi_version} has no structural parameters")

    @abstractmethod
    def setup(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        """Tell the experiment; parameters are set next."""

    @abstractmethod
    def enter_initialization(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        """Begin to initialize; inputs are set next."""

    @abstractmethod
    def exit_initialization(self) -> None:
        """Finish the initialization."""

    @abstractmethod
    def do_step(self, t: float, dt: float) -> Progress:
        """Take a co-simulation step."""

    @abstractmethod
    def enter_event_mode(self) -> None:
        """Go to where discrete states and inputs may change."""

    @abstractmethod
    def leave_event_mode(self) -> None:
        """Go on in time, after the events of an instant."""

    @abstractmethod
    def update_discrete(self) -> Events:
        """Update the discrete states once (event mode)."""

    def first_update(self) -> Events:
        """Update the discrete states for the first time after the initialization."""
        return self.update_discrete()

    @abstractmethod
    def completed_step(self) -> tuple[bool, bool]:
        """Say that an integrator step is complete; return whether an event is needed and whether to end."""

    @abstractmethod
    def derivatives_into(self, target: Any, count: int) -> None:
        """Write the state derivatives to an array."""

    @abstractmethod
    def nominals_into(self, target: Any, count: int) -> None:
        """Write the nominal values of the states to an array."""

    @abstractmethod
    def directional(self, of: Sequence[FMUVariable], to: FMUVariable, seed: Sequence[float]) -> list[float]:
        """Return the derivatives of unknowns in a direction of one known."""

    def adjoint(self, of: Sequence[FMUVariable], to: Sequence[FMUVariable], seed: Sequence[float]) -> list[float]:
        """Return the seed times the derivatives of the unknowns, one number per value of the knowns."""
        raise UnsupportedFMUError(f"FMI {self.description.fmi_version} has no adjoint derivatives")


def as_references(variables: Sequence[FMUVariable]) -> Any:
    """Return value references as C takes them."""
    return (ctypes.c_uint * len(variables))(*(v.reference for v in variables))


def import_fmpy(module: str) -> Any:
    """Return a module of FMPy, or say which extra brings it."""
    from importlib import import_module

    try:
        return import_module(f"fmpy.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "fmpy":
            raise
        raise MissingDependencyError.for_package("fmpy", "fmi", "running an FMU") from None


def keep_message(name: str, message: str) -> None:
    """Keep a message of an instance, to be shown should a call fail."""
    if name in _logs:
        _logs[name].append(message[:500])


def collect(name: str, log: deque[str]) -> None:
    """Let messages of the instance with this name go to `log`."""
    _logs[name] = log
