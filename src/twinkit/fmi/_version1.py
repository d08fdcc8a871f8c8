"""How FMI 1.0 calls what `Instance` needs.

FMPy loads the library. It declares some functions that return a status as returning a text, which would be a crash on
the first warning: every declaration that matters is put right here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import byref
from functools import cache
from typing import Any

from twinkit.fmi._errors import UnsupportedFMUError
from twinkit.fmi._instance import (
    DISCARD,
    CallFailedError,
    Events,
    Group,
    Instance,
    Progress,
    collect,
    import_fmpy,
    keep_message,
)
from twinkit.fmi.description import FMUVariable, Kind
from twinkit.fmi.description import VariableType as Type

_LAST_SUCCESSFUL_TIME = 2
_POINTERS = ("InstantiateModel", "InstantiateSlave", "GetVersion", "GetTypesPlatform", "GetModelTypesPlatform")


class Instance1(Instance):
    """FMI 1.0: no event mode of its own, no saved states, no derivatives."""

    types = {  # noqa: RUF012
        Type.FLOAT64: ("Real", ctypes.c_double), Type.INT32: ("Integer", ctypes.c_int),
        Type.ENUMERATION: ("Integer", ctypes.c_int), Type.BOOLEAN: ("Boolean", ctypes.c_int8),
        Type.STRING: ("String", ctypes.c_char_p),
    }  # fmt: skip

    @property
    def slave(self) -> bool:
        """Whether it simulates itself."""
        return self.kind is Kind.CO_SIMULATION

    def _class(self) -> Any:
        self.prefix = f"{self.interface.identifier}_fmi"
        module = import_fmpy("fmi1")
        return module.FMU1Slave if self.slave else module.FMU1Model

    def _instantiate(self) -> None:
        collect(self.name, self.log)
        self.fmu.instantiate(functions=_callbacks_1())

    def _free(self) -> None:
        free = self.function("FreeSlaveInstance" if self.slave else "FreeModelInstance")
        free(self.handle)

    def function(self, name: str) -> Callable[..., int]:
        known = name in self._cache
        found: Any = super().function(name)
        if not known and name not in _POINTERS:
            found.restype = None if name.startswith("Free") else ctypes.c_int
        return found

    def terminate(self) -> None:
        self.function("TerminateSlave" if self.slave else "Terminate")(self.handle)

    def access(self, verb: str, group: Group) -> None:
        values: Any = group.values
        kind = group.variables[0].type
        if kind is Type.BOOLEAN:
            values = ctypes.cast(values, ctypes.POINTER(ctypes.c_char))
        self.call(f"{verb}{self.types[kind][0]}", group.references, group.count, values)

    # -- life --------------------------------------------------------------------------------------------------
    def setup(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        self._experiment = (t0, stop, tolerance)
        if not self.slave:
            self.call("SetTime", t0)

    def enter_initialization(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        """Do nothing: FMI 1.0 sets everything before its one call to initialize."""

    def exit_initialization(self) -> None:
        t0, stop, tolerance = self._experiment
        if self.slave:
            self.call("InitializeSlave", t0, _flag(stop is not None), stop or 0.0)
            return
        info = import_fmpy("fmi1").fmi1EventInfo()
        self.call("Initialize", _flag(tolerance is not None), tolerance or 0.0, byref(info))
        self._first = _events(info)

    def do_step(self, t: float, dt: float) -> Progress:
        self.call("DoStep", t, dt, _flag(True))
        return Progress(t + dt)

    def failed(self, name: str, status: int) -> CallFailedError:
        error = super().failed(name, status)
        if status == DISCARD and name == "DoStep":
            last = ctypes.c_double(float("nan"))
            answered = self.function("GetRealStatus")(self.handle, _LAST_SUCCESSFUL_TIME, byref(last)) == 0
            if answered:
                return CallFailedError(f"{error}; it took only part of the step, up to {last.value:g}")
        return error

    # -- events ------------------------------------------------------------------------------------------------
    def enter_event_mode(self) -> None:
        """Do nothing: FMI 1.0 has no modes."""

    def leave_event_mode(self) -> None:
        """Do nothing: FMI 1.0 has no modes."""

    def first_update(self) -> Events:
        return self._first

    def update_discrete(self) -> Events:
        info = import_fmpy("fmi1").fmi1EventInfo()
        self.call("EventUpdate", _flag(False), byref(info))
        return _events(info)

    def completed_step(self) -> tuple[bool, bool]:
        event = ctypes.c_char(b"\0")
        self.call("CompletedIntegratorStep", byref(event))
        return event.value != b"\0", False

    def derivatives_into(self, target: Any, count: int) -> None:
        self.call("GetDerivatives", target, count)

    def nominals_into(self, target: Any, count: int) -> None:
        self.call("GetNominalContinuousStates", target, count)

    def directional(self, of: Sequence[FMUVariable], to: FMUVariable, seed: Sequence[float]) -> list[float]:
        raise UnsupportedFMUError("FMI 1.0 has no directional derivatives")


def _flag(value: bool) -> bytes:
    return b"\1" if value else b"\0"


def _events(info: Any) -> Events:
    """Return the answer of FMI 1.0 in the terms of its successors."""
    yes = {
        name: getattr(info, name) != b"\0"
        for name in ("iterationConverged", "terminateSimulation", "stateValuesChanged", "upcomingTimeEvent")
    }
    return Events(
        again=not yes["iterationConverged"], terminate=yes["terminateSimulation"], nominals_changed=False,
        states_changed=yes["stateValuesChanged"], next_time=info.nextEventTime if yes["upcomingTimeEvent"] else None,
    )  # fmt: skip


@cache
def _callbacks_1() -> Any:
    """Return FMI 1 callbacks whose messages are kept per instance instead of printed."""
    fmi1 = import_fmpy("fmi1")

    def logger(_: Any, name: bytes | None, status: int, category: Any, text: bytes | None) -> None:
        keep_message((name or b"").decode("utf-8", "replace"), (text or b"").decode("utf-8", "replace"))

    made = fmi1.fmi1CallbackFunctions()
    made.logger = fmi1.fmi1CallbackLoggerTYPE(logger)
    made.allocateMemory = fmi1.defaultCallbacks.allocateMemory
    made.freeMemory = fmi1.defaultCallbacks.freeMemory
    made.stepFinished = None
    return made
