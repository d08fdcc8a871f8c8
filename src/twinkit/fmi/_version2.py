"""How FMI 2.0 calls what `Instance` needs."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import byref
from functools import cache
from typing import Any

from twinkit.fmi._instance import (
    DISCARD,
    WARNING,
    CallFailedError,
    Events,
    Instance,
    Progress,
    StateCalls,
    as_references,
    collect,
    import_fmpy,
    keep_message,
)
from twinkit.fmi.description import FMUVariable, Kind
from twinkit.fmi.description import VariableType as Type


class Instance2(Instance):
    """FMI 2.0."""

    prefix = "fmi2"
    state_calls = StateCalls(
        "GetFMUstate", "SetFMUstate", "FreeFMUstate", "SerializedFMUstateSize", "SerializeFMUstate",
        "DeSerializeFMUstate",
    )  # fmt: skip
    types = {  # noqa: RUF012
        Type.FLOAT64: ("Real", ctypes.c_double), Type.INT32: ("Integer", ctypes.c_int),
        Type.ENUMERATION: ("Integer", ctypes.c_int), Type.BOOLEAN: ("Boolean", ctypes.c_int),
        Type.STRING: ("String", ctypes.c_char_p),
    }  # fmt: skip

    def _class(self) -> Any:
        module = import_fmpy("fmi2")
        return module.FMU2Slave if self.kind is Kind.CO_SIMULATION else module.FMU2Model

    def _instantiate(self) -> None:
        collect(self.name, self.log)
        self.fmu.instantiate(callbacks=_callbacks_2())

    def setup(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        defined = (tolerance is not None, tolerance or 0.0, t0, stop is not None, stop or 0.0)
        self.call("SetupExperiment", *defined)

    def enter_initialization(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        self.call("EnterInitializationMode")

    def exit_initialization(self) -> None:
        self.call("ExitInitializationMode")

    def do_step(self, t: float, dt: float) -> Progress:
        status = self.function("DoStep")(self.handle, t, dt, self.final)
        if status > WARNING:
            raise self.failed("DoStep", status)
        return Progress(t + dt)

    def failed(self, name: str, status: int) -> CallFailedError:
        error = super().failed(name, status)
        if status == DISCARD and name == "DoStep":
            ended, last = ctypes.c_int(0), ctypes.c_double(0.0)
            self.function("GetBooleanStatus")(self.handle, 3, byref(ended))
            self.function("GetRealStatus")(self.handle, 2, byref(last))
            what = "it asks to end the simulation" if ended.value else "it took only part of the step"
            return CallFailedError(f"{error}; {what}, up to {last.value:g}")
        return error

    def enter_event_mode(self) -> None:
        self.call("EnterEventMode")

    def leave_event_mode(self) -> None:
        self.call("EnterContinuousTimeMode")

    def update_discrete(self) -> Events:
        info = import_fmpy("fmi2").fmi2EventInfo()
        self.call("NewDiscreteStates", byref(info))
        return Events(
            bool(info.newDiscreteStatesNeeded), bool(info.terminateSimulation),
            bool(info.nominalsOfContinuousStatesChanged), bool(info.valuesOfContinuousStatesChanged),
            info.nextEventTime if info.nextEventTimeDefined else None,
        )  # fmt: skip

    def completed_step(self) -> tuple[bool, bool]:
        event, end = ctypes.c_int(0), ctypes.c_int(0)
        self.call("CompletedIntegratorStep", 1, byref(event), byref(end))
        return bool(event.value), bool(end.value)

    def derivatives_into(self, target: Any, count: int) -> None:
        self.call("GetDerivatives", target, count)

    def nominals_into(self, target: Any, count: int) -> None:
        self.call("GetNominalsOfContinuousStates", target, count)

    def directional(self, of: Sequence[FMUVariable], to: FMUVariable, seed: Sequence[float]) -> list[float]:
        result = (ctypes.c_double * len(of))()
        self.call(
            "GetDirectionalDerivative", as_references(of), len(of), as_references([to]), 1,
            (ctypes.c_double * len(seed))(*seed), result,
        )  # fmt: skip
        return list(result)

    def _byte_pointer(self) -> Any:
        return ctypes.POINTER(ctypes.c_char)


@cache
def _callbacks_2() -> Any:
    """Return FMI 2 callbacks whose messages are kept per instance instead of printed."""
    fmi2 = import_fmpy("fmi2")

    def logger(_: Any, name: bytes | None, status: int, category: Any, text: bytes | None) -> None:
        keep_message((name or b"").decode("utf-8", "replace"), (text or b"").decode("utf-8", "replace"))

    made = fmi2.fmi2CallbackFunctions()
    made.logger = fmi2.fmi2CallbackLoggerTYPE(logger)
    made.allocateMemory = fmi2.defaultCallbacks.allocateMemory
    made.freeMemory = fmi2.defaultCallbacks.freeMemory
    return made
