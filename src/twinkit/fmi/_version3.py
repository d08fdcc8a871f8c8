"""How FMI 3.0 calls what `Instance` needs."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import byref
from typing import Any

from twinkit.fmi._instance import (
    WARNING,
    CallFailedError,
    Events,
    Group,
    Instance,
    Progress,
    StateCalls,
    as_references,
    import_fmpy,
)
from twinkit.fmi.description import FMUVariable, Kind
from twinkit.fmi.description import VariableType as Type

MAX_BINARY = 2**30  # bytes of binary variables in one call
_INTERVAL_CHANGED = 2


class Instance3(Instance):
    """FMI 3.0; co-simulation uses event mode, and may return early, where it was asked to."""

    prefix = "fmi3"
    state_calls = StateCalls(
        "GetFMUState", "SetFMUState", "FreeFMUState", "SerializedFMUStateSize", "SerializeFMUState",
        "DeserializeFMUState",
    )  # fmt: skip
    sized = True
    types = {  # noqa: RUF012
        Type.FLOAT32: ("Float32", ctypes.c_float), Type.FLOAT64: ("Float64", ctypes.c_double),
        Type.INT8: ("Int8", ctypes.c_int8), Type.UINT8: ("UInt8", ctypes.c_uint8),
        Type.INT16: ("Int16", ctypes.c_int16), Type.UINT16: ("UInt16", ctypes.c_uint16),
        Type.INT32: ("Int32", ctypes.c_int32), Type.UINT32: ("UInt32", ctypes.c_uint32),
        Type.INT64: ("Int64", ctypes.c_int64), Type.UINT64: ("UInt64", ctypes.c_uint64),
        Type.ENUMERATION: ("Int64", ctypes.c_int64), Type.BOOLEAN: ("Boolean", ctypes.c_bool),
        Type.STRING: ("String", ctypes.c_char_p), Type.BINARY: ("Binary", ctypes.POINTER(ctypes.c_uint8)),
        Type.CLOCK: ("Clock", ctypes.c_bool),
    }  # fmt: skip

    def _class(self) -> Any:
        module = import_fmpy("fmi3")
        return module.FMU3Slave if self.kind is Kind.CO_SIMULATION else module.FMU3Model

    def _instantiate(self) -> None:
        def message(_: Any, status: int, category: Any, text: bytes | None) -> None:
            self.log.append((text or b"").decode("utf-8", "replace")[:500])

        modes = {"eventModeUsed": self.event_mode, "earlyReturnAllowed": self.event_mode}
        self.fmu.instantiate(logMessage=message, **(modes if self.kind is Kind.CO_SIMULATION else {}))

    # -- values ------------------------------------------------------------------------------------------------
    def access(self, verb: str, group: Group) -> None:
        if group.variables[0].type is Type.CLOCK:  # the one type whose functions take no number of values
            self.call(f"{verb}Clock", group.references, group.count, group.values)
        else:
            super().access(verb, group)

    def take(self, group: Group) -> Sequence[Any]:
        if group.variables[0].type is not Type.BINARY:
            return super().take(group)
        sizes = (ctypes.c_size_t * group.width)()
        self.call("GetBinary", group.references, group.count, sizes, group.values, group.width)
        if sum(sizes) > MAX_BINARY:
            raise CallFailedError(f"binary variables of {sum(sizes)} bytes are too large")
        both = zip(group.values, sizes, strict=True)
        return [ctypes.string_at(pointer, size) if pointer and size else b"" for pointer, size in both]

    def put(self, group: Group, flat: list[Any]) -> None:
        if group.variables[0].type is not Type.BINARY:
            super().put(group, flat)
            return
        sizes = (ctypes.c_size_t * group.width)(*map(len, flat))
        buffers = [(ctypes.c_uint8 * max(len(data), 1)).from_buffer_copy(data or b"\0") for data in flat]
        pointer = ctypes.POINTER(ctypes.c_uint8)
        pointers = (pointer * group.width)(*(ctypes.cast(buffer, pointer) for buffer in buffers))
        self.call("SetBinary", group.references, group.count, sizes, pointers, group.width)

    # -- life --------------------------------------------------------------------------------------------------
    def configure(self, values: Mapping[FMUVariable, Any]) -> None:
        if values:
            self.call("EnterConfigurationMode")
            self.write(values)
            self.call("ExitConfigurationMode")
            if self.kind is Kind.MODEL_EXCHANGE:
                self._check_sizes()

    def _check_sizes(self) -> None:
        """Raise if the FMU has other numbers of states than its description: it would write beyond our arrays."""
        for name, expected in (
            ("GetNumberOfContinuousStates", self.description.state_count),
            ("GetNumberOfEventIndicators", self.description.indicator_count),
        ):
            number = ctypes.c_size_t()
            self.call(name, byref(number))
            if number.value != expected:
                raise CallFailedError(f"fmi3{name} says {number.value}, the description {expected}")

    def setup(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        """Do nothing: FMI 3.0 tells the experiment when it enters initialization mode."""

    def enter_initialization(self, t0: float, stop: float | None, tolerance: float | None) -> None:
        self.call("EnterInitializationMode", tolerance is not None, tolerance or 0.0, t0, stop is not None, stop or 0.0)

    def exit_initialization(self) -> None:
        self.call("ExitInitializationMode")

    def do_step(self, t: float, dt: float) -> Progress:
        event, ended, early = (ctypes.c_bool(False) for _ in range(3))
        last = ctypes.c_double(t)
        answers = map(byref, (event, ended, early, last))
        status = self.function("DoStep")(self.handle, t, dt, bool(self.final), *answers)
        if status > WARNING:
            raise self.failed("DoStep", status)
        reached = last.value if early.value or ended.value else t + dt
        if ended.value or (early.value and not self.event_mode):
            what = "asks to end the simulation" if ended.value else "returned early, although it may not"
            raise CallFailedError(f"the FMU {what}, at {reached:g}")
        return Progress(reached, early.value, event.value)

    # -- events ------------------------------------------------------------------------------------------------
    def enter_event_mode(self) -> None:
        self.call("EnterEventMode")

    def leave_event_mode(self) -> None:
        self.call("EnterStepMode" if self.kind is Kind.CO_SIMULATION else "EnterContinuousTimeMode")

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

    def nominals_into(self, target: Any, count: int) -> None:
        self.call("GetNominalsOfContinuousStates", target, count)

    def directional(self, of: Sequence[FMUVariable], to: FMUVariable, seed: Sequence[float]) -> list[float]:
        return self._sensitivity("GetDirectionalDerivative", of, [to], seed, sum(v.width for v in of))

    def adjoint(self, of: Sequence[FMUVariable], to: Sequence[FMUVariable], seed: Sequence[float]) -> list[float]:
        return self._sensitivity("GetAdjointDerivative", of, to, seed, sum(v.width for v in to))

    def _sensitivity(
        self, name: str, of: Sequence[FMUVariable], to: Sequence[FMUVariable], seed: Sequence[float], width: int
    ) -> list[float]:
        result = (ctypes.c_double * width)()
        seeds = (ctypes.c_double * len(seed))(*seed)
        self.call(name, as_references(of), len(of), as_references(to), len(to), seeds, len(seed), result, width)
        return list(result)

    # -- clocks ------------------------------------------------------------------------------------------------
    def interval(self, clock: FMUVariable) -> tuple[float, bool]:
        """Return the interval of a clock, and whether the FMU says that it is a new one."""
        interval, qualifier = ctypes.c_double(0.0), ctypes.c_int(0)
        self.call("GetIntervalDecimal", as_references([clock]), 1, byref(interval), byref(qualifier))
        return interval.value, qualifier.value == _INTERVAL_CHANGED

    def set_interval(self, clock: FMUVariable, interval: float) -> None:
        """Set the interval of a clock."""
        self.call("SetIntervalDecimal", as_references([clock]), 1, byref(ctypes.c_double(interval)))

    def shift(self, clock: FMUVariable) -> float:
        """Return the time before the first tick of a clock."""
        shift = ctypes.c_double(0.0)
        self.call("GetShiftDecimal", as_references([clock]), 1, byref(shift))
        return shift.value
