"""How each version of FMI calls what `Instance` needs."""

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
    collect,
    import_fmpy,
    keep_message,
)
from twinkit.fmi.description import FMUDescription, Kind
from twinkit.fmi.description import VariableType as Type


class Instance2(Instance):
    """FMI 2.0."""

    prefix = "fmi2"
    state_word = "FMUstate"
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

    def do_step(self, t: float, dt: float) -> None:
        status = self.function("DoStep")(self.handle, t, dt, self.final)
        if status > WARNING:
            raise self.failed("DoStep", status)

    def failed(self, name: str, status: int) -> CallFailedError:
        error = super().failed(name, status)
        if status == DISCARD and name == "DoStep":
            ended, last = ctypes.c_int(0), ctypes.c_double(0.0)
            self.function("GetBooleanStatus")(self.handle, 3, byref(ended))
            self.function("GetRealStatus")(self.handle, 2, byref(last))
            what = "it asks to end the simulation" if ended.value else "it took only part of the step"
            error.args = (f"{error.args[0]}; {what}, up to {last.value:g}",)
        return error

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

    def directional(self, of: Sequence[int], to: Sequence[int], seed: Sequence[float]) -> list[float]:
        result = (ctypes.c_double * len(of))()
        self.call(
            "GetDirectionalDerivative", (ctypes.c_uint * len(of))(*of), len(of), (ctypes.c_uint * len(to))(*to),
            len(to), (ctypes.c_double * len(seed))(*seed), result,
        )  # fmt: skip
        return list(result)


class Instance3(Instance):
    """FMI 3.0, without event mode in co-simulation (clocks are inactive there)."""

    prefix = "fmi3"
    state_word = "FMUState"
    sized = True
    types = {  # noqa: RUF012
        Type.FLOAT32: ("Float32", ctypes.c_float), Type.FLOAT64: ("Float64", ctypes.c_double),
        Type.INT8: ("Int8", ctypes.c_int8), Type.UINT8: ("UInt8", ctypes.c_uint8),
        Type.INT16: ("Int16", ctypes.c_int16), Type.UINT16: ("UInt16", ctypes.c_uint16),
        Type.INT32: ("Int32", ctypes.c_int32), Type.UINT32: ("UInt32", ctypes.c_uint32),
        Type.INT64: ("Int64", ctypes.c_int64), Type.UINT64: ("UInt64", ctypes.c_uint64),
        Type.ENUMERATION: ("Int64", ctypes.c_int64), Type.BOOLEAN: ("Boolean", ctypes.c_bool),
        Type.STRING: ("String", ctypes.c_char_p),
    }  # fmt: skip

    def _class(self) -> Any:
        module = import_fmpy("fmi3")
        return module.FMU3Slave if self.kind is Kind.CO_SIMULATION else module.FMU3Model

    def _instantiate(self) -> None:
        def message(_: Any, status: int, category: Any, text: bytes | None) -> None:
            self.log.append((text or b"").decode("utf-8", "replace")[:500])

        self.fmu.instantiate(logMessage=message)

    def enter_initialization(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        self.call("EnterInitializationMode", tolerance is not None, tolerance or 0.0, t0, stop is not None, stop or 0.0)

    def do_step(self, t: float, dt: float) -> None:
        flags = [ctypes.c_bool(False) for _ in range(3)]
        last = ctypes.c_double(t)
        status = self.function("DoStep")(self.handle, t, dt, bool(self.final), *map(byref, flags), byref(last))
        if status > WARNING:
            raise self.failed("DoStep", status)
        if flags[1].value or flags[2].value:
            raise self.cut_short(flags[1].value, last.value)

    def cut_short(self, ended: bool, last: float) -> CallFailedError:
        """Return the exception for a step that was not taken whole."""
        error = CallFailedError("fmi3DoStep", DISCARD, ())
        what = "the FMU asks to end the simulation" if ended else "the FMU returned early, although it may not"
        error.args = (f"{what}, at {last:g}",)
        return error

    def update_discrete(self) -> Events:
        again, end, nominals, states, defined = (ctypes.c_bool(False) for _ in range(5))
        next_time = ctypes.c_double(0.0)
        self.call("UpdateDiscreteStates", *map(byref, (again, end, nominals, states, defined)), byref(next_time))
        return Events(again.value, end.value, nominals.value, states.value, next_time.value if defined.value else None)

    def completed_step(self) -> tuple[bool, bool]:
        event, end = ctypes.c_bool(False), ctypes.c_bool(False)
        self.call("CompletedIntegratorStep", True, byref(event), byref(end))
        return event.value, end.value

    def derivatives_into(self, target: Any, count: int) -> None:
        self.call("GetContinuousStateDerivatives", target, count)

    def directional(self, of: Sequence[int], to: Sequence[int], seed: Sequence[float]) -> list[float]:
        width = sum(v.width for v in self.description.variables.values() if v.reference in set(of))
        result = (ctypes.c_double * width)()
        self.call(
            "GetDirectionalDerivative", (ctypes.c_uint * len(of))(*of), len(of), (ctypes.c_uint * len(to))(*to),
            len(to), (ctypes.c_double * len(seed))(*seed), len(seed), result, width,
        )  # fmt: skip
        return list(result)


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


def make_instance(description: FMUDescription, directory: Any, kind: Kind) -> Instance2 | Instance3:
    """Load the library of an FMU."""
    from twinkit.fmi._errors import UnsupportedFMUError

    if description.fmi_version == "1.0":
        raise UnsupportedFMUError("FMI 1.0 is read and checked, but not run: export the model as FMI 2.0 or 3.0")
    made = Instance2 if description.fmi_version == "2.0" else Instance3
    return made(description, directory, kind)
